//! The service without its chain: store, models, pipeline, and the HTTP interface.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::sync::{broadcast, watch};
use utoipa::OpenApi;

use super::Failure;
use crate::{
    access::{Accounts, Gate, People, Registrar, Trail},
    config::LogIdentity,
    domain::{
        Clock, SystemClock,
        log::{ChainView, Halt, Periods},
        ports::{DeviceReader, PackRule},
        retention::Retention,
    },
    http::{self, Door, Guard, Server, Site},
    ingest::{self, DEVICE_TAGS, Feeds, Intake, Once, Sockets},
    pipeline::{Models, Parts, Pipeline, Sequencer, Threads},
    store::{Reader, SqliteDevices, SqlitePeople, SqliteWriter},
    transport::{Entrance, Listener, Places, Proxies},
};

/// What works together on a log.
pub(super) struct Rig {
    pub(super) pipeline: Pipeline,
    pub(super) threads: Threads,
    pub(super) log: Arc<Reader>,
    site: Site,
    stop: watch::Sender<bool>,
}

impl Rig {
    /// Opens the log, and makes it first if there is none.
    pub(super) fn open(data_dir: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(data_dir)?;
        let keyring = Arc::new(LogIdentity::init(data_dir, None)?);
        let models = Arc::new(Models::load_or_train(&data_dir.join("models"))?);
        let writer = SqliteWriter::create(data_dir)?;
        let log = Arc::new(Reader::open(data_dir)?);
        let sequencer = Sequencer::load(&*log, Arc::clone(&keyring))?;
        let halt = Halt::default();
        // No chain to hold it against.
        halt.set_compared();
        let (events, _) = broadcast::channel(1_024);
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let devices = (0..cores).map(|_| Ok(Box::new(SqliteDevices::open(data_dir)?) as Box<dyn DeviceReader>));
        let parts = Parts {
            writer,
            devices: devices.collect::<Result<_, Failure>>()?,
            models: Arc::clone(&models),
            policies: Arc::new(detect::Policies::default()),
            kinds: Arc::new(crate::access::Devices::default()),
            refit: Duration::ZERO,
            sequencer,
            periods: Periods { heartbeat: Duration::from_secs(3_600), beacon: Duration::from_secs(60) },
            pack: PackRule::DEFAULT,
            retentions: Arc::new(Retention::FOREVER),
            view: watch::channel(ChainView::default()).1,
            clock: Arc::new(SystemClock),
            halt: halt.clone(),
            events: events.clone(),
            verdicts: broadcast::channel(1).0,
        };
        let (pipeline, threads) = Pipeline::start(parts, Arc::clone(&log) as _)?;
        let (stop, stopped) = watch::channel(false);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (trail, _) = Trail::start(Arc::clone(&log) as _, Arc::clone(&clock))?;
        let (people, identity) = (Arc::new(People::default()), Arc::new(SqlitePeople::open(data_dir)?));
        let accounts = Accounts::load(Arc::clone(&people), identity, trail.clone(), clock, false)?;
        let registrar = Arc::new(Registrar::open(Arc::clone(&log) as _)?);
        let gate = Arc::new(Gate::new(true, people, Arc::clone(registrar.devices())));
        let site = Site {
            log: Arc::clone(&log) as _,
            anchors: Arc::clone(&log) as _,
            registrar,
            series: Arc::clone(&log) as _,
            models: Arc::new(models.files()),
            view: watch::channel(ChainView::default()).1,
            events,
            halt,
            log_key: keyring.first().clone(),
            empty_checkpoint: None,
            rpc_url: "http://127.0.0.1:0/".into(),
            model_version: models.generic_version(),
            trial: true,
            gate,
            accounts,
            trail,
            audit: Arc::clone(&log) as _,
            metrics: crate::telemetry::init_metrics(),
            stop: stopped,
            listeners: Site::listeners(),
        };
        Ok(Self { pipeline, threads, log, site, stop })
    }

    /// The log's public key.
    pub(super) fn log_key(&self) -> ledger::checkpoint::LogKey {
        self.site.log_key.clone()
    }

    /// Serves it; gives the address.
    pub(super) async fn serve(&self) -> Result<SocketAddr, Failure> {
        let server = {
            let entrance = Entrance { tls: None, places: Places::of_process(Proxies::default()) };
            Server::on(Listener::bind(([127, 0, 0, 1], 0).into(), entrance).await?, Proxies::default())
        };
        let address = server.address();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (gate, trail) = (Arc::clone(&self.site.gate), self.site.trail.clone());
        let door = Door { gate: Arc::clone(&gate), clock: Arc::clone(&clock), trail };
        let (pipeline, log) = (self.pipeline.clone(), Arc::clone(&self.log) as _);
        let once = Arc::new(Once::new(Arc::clone(&self.log) as _));
        let device_tags = DEVICE_TAGS.map(str::to_owned).into();
        let intake = Intake { pipeline, log, clock, gate, source: "http", once, device_tags };
        let (shown, stop) = (Arc::new(self.site.clone()), self.site.stop.clone());
        let feeds = Feeds::start(shown, &self.site.events, broadcast::channel(1).0, stop.clone());
        let sockets = Sockets { intake: intake.of("websocket"), feeds, trail: self.site.trail.clone(), stop };
        let intake = ingest::router(intake, sockets);
        let guard = Guard { address, trial: true };
        let router = http::router(self.site.clone(), intake, ingest::Interface::openapi(), guard, door);
        tokio::spawn(server.run(router, self.site.stop.clone()));
        Ok(address)
    }

    /// Stops by finishing.
    pub(super) fn stop(self) {
        let _ = self.stop.send(true);
        drop(self.pipeline);
        self.threads.join();
    }
}
