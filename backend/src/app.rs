//! The composition root: the service as a list of parts.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use ledger::{audit::Record, hash::EMPTY_ROOT};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};
use utoipa::OpenApi;

use crate::{
    access::{Devices, Gate, People},
    anchor::{Anchorer, AnchorerConfig, Chain, ChainConfig, ChainError},
    config::{self, KeyError, LogIdentity, ServeConfig, operator},
    domain::{
        Clock,
        log::{ChainHealth, ChainView, Halt},
        ports::{AnchorStore, AuditLog, DeviceReader, StoreError},
    },
    http::{self, Door, Guard, Server, Site},
    ingest::{self, Intake, Source},
    pipeline::{ModelError, Models, Parts, Pipeline, PipelineError, Sequencer, Threads},
    store::{Reader, SqliteDevices, SqliteWriter},
    transport::Listener,
};

/// Events that a slow listener may lag behind before it has to fetch the list again.
const EVENT_BUFFER: usize = 1_024;

/// How long the start waits for the chain's head, so that a log that has left its chain signs nothing.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The data directory cannot be used.
    #[error("{0} cannot be used as data directory: {1}")]
    DataDir(String, std::io::Error),
    /// Another service works there.
    #[error("{0} is in use by another service: stop it, or choose another --data-dir")]
    Locked(String),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}; choose another address with --listen")]
    Listen(SocketAddr, std::io::Error),
}

/// The service at work.
pub(crate) struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    sources: Vec<(&'static str, JoinHandle<()>)>,
    anchorer: JoinHandle<()>,
    pipeline: Threads,
    /// Held until the last part has stopped.
    _lock: fs::File,
}

/// Starts the service. It is ready for requests when this returns.
pub(crate) async fn start(config: ServeConfig, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let keyring = Arc::new(LogIdentity::load(&config.data_dir)?);
    let lock = lock(&config)?;
    // Bound first: whoever waits for the address learns at once that it is taken.
    let server = Server::on(listen(config.listen).await?);
    let bound = sources(&config).await?;
    let metrics = crate::telemetry::init_metrics();
    let models = Arc::new(Models::load_or_train(&config.data_dir.join("models"))?);

    let writer = SqliteWriter::open_existing(&config.data_dir)?;
    let reader = Arc::new(Reader::open(&config.data_dir)?);
    // Before anything is anchored: whoever erases has to know what may be on the chain.
    reader.note_publishing(config.publish)?;
    let halt = Halt::default();
    let sequencer = match Sequencer::load(&*reader, Arc::clone(&keyring)) {
        Ok(sequencer) => sequencer,
        // What is stored can still be read, and shown to be damaged; nothing more is signed.
        Err(StoreError::Damaged(why)) => {
            halt.set(why);
            Sequencer::unloaded(Arc::clone(&keyring))
        }
        Err(error) => return Err(error.into()),
    };

    let version = format!("anomaly-ledger {}", env!("CARGO_PKG_VERSION"));
    reader.add_audit_record(&Record::new(
        clock.now().to_time(),
        operator(),
        "this machine".into(),
        "service.start".into(),
        version,
        "started".into(),
    ))?;

    let (stop, stopped) = watch::channel(false);
    let (events, _) = broadcast::channel(EVENT_BUFFER);
    // Until the chain answers, what was seen last counts.
    let (anchored_size, final_size) = reader.anchored_sizes()?;
    let (view, mut seen) = watch::channel(ChainView { anchored_size, final_size, ..ChainView::default() });
    let anchorer = Anchorer {
        chain: Chain::new(chain_config(&config), config.anchorer.clone())?,
        anchors: Arc::clone(&reader) as _,
        log: Arc::clone(&reader) as _,
        log_key: keyring.first().clone(),
        config: anchorer_config(&config),
        clock: Arc::clone(&clock),
        halt: halt.clone(),
        view,
        events: events.clone(),
    };
    let (guard, stopping) = (halt.watch("anchorer"), stopped.clone());
    let anchorer = tokio::spawn(async move {
        let _guard = guard;
        anchorer.run(stopping).await;
    });
    // A node that does not answer must not keep readings out; one that does shows a stale database here.
    let _ = tokio::time::timeout(FIRST_LOOK, seen.wait_for(|view| view.health != ChainHealth::Unknown)).await;

    let parts = Parts {
        writer,
        devices: detectors(&config)?,
        models: Arc::clone(&models),
        policies: Arc::new(config.policies.clone()),
        refit: config.refit,
        sequencer,
        periods: config.periods,
        pack: config.pack,
        retentions: Arc::new(config.retain),
        view: seen.clone(),
        clock: Arc::clone(&clock),
        halt: halt.clone(),
        events: events.clone(),
    };
    let (pipeline, threads) = Pipeline::start(parts, Arc::clone(&reader) as _)?;

    let site = Site {
        log: Arc::clone(&reader) as _,
        anchors: reader,
        models: Arc::new(models.files()),
        view: seen,
        events,
        halt,
        log_key: keyring.first().clone(),
        // Every tree extends the empty one, so that this contradicts no other checkpoint.
        empty_checkpoint: keyring.signer(keyring.first()).map(|signer| signer.sign(0, EMPTY_ROOT).into()),
        rpc_url: config.rpc_url.as_str().into(),
        model_version: models.generic_version(),
        trial: config.trial,
        metrics,
        stop: stopped.clone(),
        listeners: Site::listeners(),
    };
    let address = server.address();
    let gate = Arc::new(Gate::new(config.trial, Arc::new(People::default()), Arc::new(Devices::default())));
    let (log, door) = (Arc::clone(&site.log), Door { gate: Arc::clone(&gate), clock: Arc::clone(&clock) });
    let intake = Intake { pipeline, log, clock, gate, source: "http" };
    let sources = bound.into_iter().map(|source| {
        let (name, intake) = (source.name(), intake.of(source.name()));
        tracing::info!(source = name, at = source.place(), "readings are taken");
        (name, tokio::spawn(source.run(intake, stopped.clone())))
    });
    let sources = sources.collect();
    let guard = Guard { address, trial: config.trial };
    let router = http::router(site, ingest::router(intake), ingest::Interface::openapi(), guard, door);
    let server = tokio::spawn(server.run(router, stopped));
    Ok(Running { address, stop, server, sources, anchorer, pipeline: threads, _lock: lock })
}

impl Running {
    /// Where the service listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops by finishing: no new connections, requests under way are answered, accepted readings committed.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for (part, task) in self.sources.into_iter().chain([("server", self.server), ("anchorer", self.anchorer)]) {
            if let Err(error) = task.await {
                tracing::error!(%error, part, "a part ended by a fault");
            }
        }
        // The last way into the pipeline went with the server; its threads end when their work is done.
        let _ = tokio::task::spawn_blocking(|| self.pipeline.join()).await;
    }
}

/// Binds an address.
async fn listen(address: SocketAddr) -> Result<Listener, StartError> {
    Listener::bind(address, None).await.map_err(|error| StartError::Listen(address, error))
}

/// The ways in besides HTTP, bound and not yet serving.
async fn sources(_config: &ServeConfig) -> Result<Vec<Box<dyn Source>>, StartError> {
    Ok(Vec::new())
}

/// One service for each data directory.
fn lock(config: &ServeConfig) -> Result<fs::File, StartError> {
    let name = config.data_dir.display().to_string();
    match config::lock(&config.data_dir) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(StartError::Locked(name)),
        Err(error) => Err(StartError::DataDir(name, error)),
    }
}

/// One detector for each core, up to four: more would wait for the one writer.
fn detectors(config: &ServeConfig) -> Result<Vec<Box<dyn DeviceReader>>, StoreError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    (0..cores).map(|_| Ok(Box::new(SqliteDevices::open(&config.data_dir)?) as Box<dyn DeviceReader>)).collect()
}

fn chain_config(config: &ServeConfig) -> ChainConfig {
    ChainConfig {
        rpc_url: config.rpc_url.clone(),
        timeout: config.rpc_timeout,
        contract: config.contract,
        finality: config.finality,
        max_fee_per_gas: config.max_fee_per_gas,
    }
}

fn anchorer_config(config: &ServeConfig) -> AnchorerConfig {
    AnchorerConfig {
        max_entries: config.batch_entries,
        max_age: config.batch_age,
        poll: config.poll,
        resend_after: config.resend_after,
        behind_after: config.behind_after,
        publish: config.publish,
    }
}
