//! The router on a log in memory, whose reads are counted and can be made to fail.

use std::{
    collections::HashMap,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
    routing::{MethodFilter, on},
};
use ledger::{
    Hash,
    checkpoint::LogSigner,
    evidence::Disclosure,
    hash::{EMPTY_ROOT, leaf_hash},
};
use tokio::sync::{broadcast, watch};
use tower::ServiceExt;

use super::{
    super::{Door, Guard, Site, router},
    shelf::Readings,
};
use crate::access::testing::House;
use crate::domain::{
    log::{ChainHealth, ChainView, Event, Halt},
    ports::{AnchorRow, AnchorStore, LogReader, ModelFiles, ModelPart, StoreError, StoredAnomaly, StoredCheckpoint},
};

/// How reads fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    Engine,
    Damaged,
    Panic,
}

/// An entry, and its payload if it was not erased.
pub(super) type Row = (Vec<u8>, Option<Vec<u8>>);

/// A log of anomalies.
#[derive(Default)]
pub(super) struct Log {
    pub(super) anomalies: Mutex<Vec<Row>>,
    pub(super) queries: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

impl Log {
    pub(super) fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// One query: counted, and failed if it is to fail.
    pub(super) fn query<T>(&self, answer: impl FnOnce(&[Row]) -> T) -> Result<T, StoreError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().unwrap();
        match fault {
            None => Ok(answer(&self.anomalies.lock().unwrap())),
            Some(Fault::Engine) => Err(StoreError::Engine("secret".into())),
            Some(Fault::Damaged) => Err(StoreError::Damaged("secret".into())),
            Some(Fault::Panic) => panic!("secret, and made by the test"),
        }
    }
}

impl LogReader for Log {
    fn entries(&self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.query(|anomalies| {
            let from = anomalies.iter().skip(from as usize);
            from.take(count as usize).map(|(entry, _)| entry.clone()).collect()
        })
    }

    fn newest(&self, _kind: &str, _before: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.query(|_| None)
    }

    fn counters(&self, _heartbeat: u64, _visit: &mut dyn FnMut(Vec<u8>)) -> Result<(), StoreError> {
        self.query(|_| ())
    }

    fn disclosure(&self, _: u64) -> Result<Option<Disclosure>, StoreError> {
        self.query(|_| None)
    }

    fn state(&self, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.query(|_| None)
    }

    fn tile(&self, level: u32, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.query(|anomalies| {
            let rows = anomalies.iter().skip(index as usize * 256).take(256);
            let hashes: Vec<u8> = rows.flat_map(|(entry, _)| leaf_hash(entry).0).collect();
            (level == 0 && !hashes.is_empty()).then_some(hashes)
        })
    }

    fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.query(|anomalies| {
            let size = anomalies.len() as u64;
            (size > 0).then(|| StoredCheckpoint { size, root: EMPTY_ROOT, note: "note".into() })
        })
    }

    fn checkpoint_at(&self, _: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.query(|_| None)
    }

    fn checkpoints(&self, _: u64, _: u64, _: u64) -> Result<Vec<StoredCheckpoint>, StoreError> {
        self.query(|_| Vec::new())
    }

    fn anomalies(&self, indexes: Range<u64>, count: u64) -> Result<Vec<StoredAnomaly>, StoreError> {
        self.query(|anomalies| {
            let all = anomalies.iter().zip(0..).map(|((entry, payload), index)| StoredAnomaly {
                index,
                entry: entry.clone(),
                payload: payload.clone(),
                feedback: None,
            });
            let all: Vec<_> = all.filter(|anomaly| indexes.contains(&anomaly.index)).collect();
            all.into_iter().rev().take(count as usize).collect()
        })
    }

    fn confirmed(&self, _: u64) -> Result<Vec<u64>, StoreError> {
        self.query(|_| Vec::new())
    }

    fn model_versions(&self) -> Result<HashMap<String, String>, StoreError> {
        self.query(|_| HashMap::new())
    }

    fn model_version(&self, _: &str) -> Result<Option<String>, StoreError> {
        self.query(|_| None)
    }
}

/// One model, whose hash is nothing but zeros.
struct OneModel;

impl ModelFiles for OneModel {
    fn file(&self, hash: Hash, part: ModelPart) -> Result<Option<Vec<u8>>, StoreError> {
        Ok((hash == Hash([0; 32])).then(|| part.file().into()))
    }
}

/// Nothing was ever anchored.
struct NoAnchors;

impl AnchorStore for NoAnchors {
    fn open_anchors(&self) -> Result<Vec<AnchorRow>, StoreError> {
        Ok(Vec::new())
    }

    fn anchored_sizes(&self) -> Result<(u64, u64), StoreError> {
        Ok((0, 0))
    }

    fn final_anchor(&self, _: u64) -> Result<Option<AnchorRow>, StoreError> {
        Ok(None)
    }

    fn put_anchor(&self, _: &AnchorRow) -> Result<(), StoreError> {
        Ok(())
    }

    fn drop_anchor(&self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest_final(&self) -> Result<Option<AnchorRow>, StoreError> {
        Ok(None)
    }

    fn has_anchor(&self, _: u64) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn setting(&self, _: &str) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn put_setting(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

pub(super) struct Bench {
    pub(super) router: Router,
    pub(super) log: Arc<Log>,
    pub(super) readings: Arc<Readings>,
    pub(super) view: watch::Sender<ChainView>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) halt: Halt,
    pub(super) stop: watch::Sender<bool>,
    pub(super) house: House,
}

impl Bench {
    /// Seven entries; the fourth of them damaged, the payload of the fifth damaged, that of the sixth erased.
    pub(super) fn new() -> Self {
        Self::of(true)
    }

    /// The same, in a trial or not.
    pub(super) fn of(trial: bool) -> Self {
        let log = Arc::new(Log::default());
        *log.anomalies.lock().unwrap() = (0..7).map(super::anomalies::stored).collect();
        let readings = Arc::new(Readings::new(Arc::clone(&log)));
        let (view, seen) = watch::channel(ChainView { health: ChainHealth::Ok, ..ChainView::default() });
        let (events, _) = broadcast::channel(16);
        let (stop, stopped) = watch::channel(false);
        let halt = Halt::default();
        let house = House::new(trial, false);
        let signer = LogSigner::new("test.local/log".parse().unwrap(), &[7; 32]);
        let site = Site {
            log: Arc::clone(&log) as _,
            series: Arc::clone(&readings) as _,
            anchors: Arc::new(NoAnchors),
            registrar: Arc::clone(&house.registrar),
            models: Arc::new(OneModel),
            view: seen,
            events: events.clone(),
            halt: halt.clone(),
            log_key: signer.log_key(),
            empty_checkpoint: Some(signer.sign(0, EMPTY_ROOT).into()),
            rpc_url: "http://user:secret@node.example:8545/path".into(),
            model_version: "test".into(),
            trial,
            gate: Arc::clone(&house.gate),
            accounts: Arc::clone(&house.accounts),
            trail: house.trail.clone(),
            audit: Arc::clone(&house.audit),
            metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
            stop: stopped,
            listeners: Site::listeners(),
        };
        let mut intake = Router::new();
        for (method, path) in super::description::intake() {
            let method = MethodFilter::try_from(Method::from_bytes(method.as_bytes()).unwrap()).unwrap();
            intake = intake.route(&path, on(method, || async {}));
        }
        let guard = Guard { address: "127.0.0.1:8080".parse().unwrap(), trial };
        let (gate, trail) = (Arc::clone(&house.gate), house.trail.clone());
        let door = Door { gate, clock: Arc::new(crate::domain::SystemClock), trail };
        let router = router(site, intake, utoipa::openapi::OpenApi::default(), guard, door);
        Self { router, log, readings, view, events, halt, stop, house }
    }

    /// Sends a request; `None` if there is no such request. Of a feed, takes the first message.
    pub(super) async fn send(&self, method: Method, path: &str) -> Option<Answer> {
        self.send_with(method, path, &[]).await
    }

    /// The same, with further headers.
    pub(super) async fn send_with(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let response = self.answer(method, path, headers).await?;
        let (parts, body) = response.into_parts();
        let endless = parts.headers.get("content-type").is_some_and(|value| value == "text/event-stream");
        let body = if endless { Vec::new() } else { to_bytes(body, usize::MAX).await.unwrap().to_vec() };
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn answer(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Option<Response> {
        let request = Request::builder().method(method).uri(path.parse::<Uri>().ok()?).header("host", "localhost:8080");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(Body::empty()).ok()?;
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>("127.0.0.1:5000".parse().unwrap()));
        Some(self.router.clone().oneshot(request).await.unwrap())
    }

    /// The body of an answer, of which nothing has been read.
    pub(super) async fn body(&self, path: &str) -> Body {
        let answer = self.answer(Method::GET, path, &[]).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.into_body()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path).await.unwrap()
    }
}
