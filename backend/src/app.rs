//! The composition root: the service as a list of parts.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use axum::middleware;
use ledger::{audit::Record, hash::EMPTY_ROOT};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};
use utoipa::OpenApi;

use crate::{
    access::{AccountError, Accounts, Gate, People, Registrar, Trail},
    anchor::{Anchorer, AnchorerConfig, Chain, ChainConfig, ChainError},
    config::{self, KeyError, LogIdentity, ServeConfig, operator},
    domain::{
        Clock,
        log::{ChainHealth, ChainView, Halt},
        ports::{AnchorStore, AuditLog, DeviceReader, StoreError},
        retention::ByType,
    },
    http::{self, Door, Guard, Server, Site},
    ingest::{self, Feeds, Intake, Once, Sockets, Source, Tcp},
    pipeline::{ModelError, Models, Parts, Pipeline, PipelineError, Sequencer, Threads},
    store::{Reader, SqliteDevices, SqlitePeople, SqliteWriter},
    transport::{Entrance, Listener, Places, Tls, TlsError},
};

/// Events that a slow listener may lag behind before it has to fetch the list again.
const EVENT_BUFFER: usize = 1_024;

/// Verdicts that a slow listener may lag behind: half a second at 33,000 a second. Empty places take 640 KB; full ones,
/// at 300 bytes a reading, 5 MB.
const VERDICT_BUFFER: usize = 16_384;

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
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory cannot be used.
    #[error("{0} cannot be used as data directory: {1}")]
    DataDir(String, std::io::Error),
    /// Another service works there.
    #[error("{0} is in use by another service: stop it, or choose another --data-dir")]
    Locked(String),
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A thread cannot be started.
    #[error("the audit log's writer cannot be started: {0}")]
    Thread(std::io::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}; choose another address")]
    Listen(SocketAddr, std::io::Error),
}

/// The service at work.
pub(crate) struct Running {
    address: SocketAddr,
    tls: Option<Tls>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    sources: Vec<(&'static str, JoinHandle<()>)>,
    places: Vec<String>,
    anchorer: JoinHandle<()>,
    registry: JoinHandle<()>,
    accounts: JoinHandle<()>,
    pipeline: Threads,
    /// Writes the audit log.
    trail: std::thread::JoinHandle<()>,
    /// Name and one-time password of the first administrator, if this start made it.
    first_admin: Option<(String, String)>,
    /// Held until the last part has stopped.
    _lock: fs::File,
}

/// Starts the service. It is ready for requests when this returns.
pub(crate) async fn start(config: ServeConfig, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let keyring = Arc::new(LogIdentity::load(&config.data_dir)?);
    let lock = lock(&config)?;
    // Bound first: whoever waits for the address learns at once that it is taken.
    let entrance = entrance(&config)?;
    let server = Server::on(listen(config.listen, &entrance).await?, config.proxies.clone());
    let bound = sources(&config, &entrance).await?;
    let metrics = crate::telemetry::init_metrics();
    let models = Models::load_or_train(&config.data_dir.join("models"))?;
    let models = Arc::new(match &config.flow_model {
        Some(bytes) => models.with_flow_model(bytes)?,
        None => models,
    });

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

    let registrar = Arc::new(Registrar::open(Arc::clone(&reader) as _)?);
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
    let (verdicts, _) = broadcast::channel(VERDICT_BUFFER);
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
        kinds: Arc::clone(registrar.devices()) as _,
        refit: config.refit,
        sequencer,
        periods: config.periods,
        pack: config.pack,
        retentions: Arc::new(ByType { kinds: Arc::clone(registrar.devices()) as _, others: config.retain }),
        view: seen.clone(),
        clock: Arc::clone(&clock),
        halt: halt.clone(),
        events: events.clone(),
        verdicts: verdicts.clone(),
    };
    let (pipeline, threads) = Pipeline::start(parts, Arc::clone(&reader) as _)?;

    let requests = Arc::clone(&reader) as _;
    let (trail, trail_thread) =
        Trail::start(Arc::clone(&reader) as _, Arc::clone(&clock)).map_err(StartError::Thread)?;
    let people = Arc::new(People::default());
    let identity = Arc::new(SqlitePeople::open(&config.data_dir)?);
    let (of_people, at) = (Arc::clone(&people), Arc::clone(&clock));
    let accounts = Accounts::load(of_people, identity, trail.clone(), at, config.open_registration)?;
    let gate = Arc::new(Gate::new(config.trial, people, Arc::clone(registrar.devices())));

    let site = Site {
        log: Arc::clone(&reader) as _,
        series: Arc::clone(&reader) as _,
        audit: Arc::clone(&reader) as _,
        anchors: reader,
        registrar: Arc::clone(&registrar),
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
        gate: Arc::clone(&gate),
        accounts: Arc::clone(&accounts),
        trail: trail.clone(),
        metrics,
        stop: stopped.clone(),
        listeners: Site::listeners(),
    };
    let address = server.address();
    let (log, door) =
        (Arc::clone(&site.log), Door { gate: Arc::clone(&gate), clock: Arc::clone(&clock), trail: site.trail.clone() });
    let (once, device_tags) = (Arc::new(Once::new(requests)), config.device_tags.clone());
    let intake = Intake { pipeline, log, clock, gate, source: "http", once, device_tags };
    let places = bound.iter().map(|source| source.place()).collect();
    let sources = bound.into_iter().map(|source| {
        let (name, intake) = (source.name(), intake.of(source.name()));
        tracing::info!(source = name, at = source.place(), "readings are taken");
        (name, tokio::spawn(source.run(intake, stopped.clone())))
    });
    let sources = sources.collect();
    if let Some(tls) = entrance.tls.clone() {
        tokio::spawn(tls.keep_current(stopped.clone()));
    }
    let guard = Guard { address, trial: config.trial };
    let registry = tokio::spawn(note_used_keys(Arc::clone(&registrar), stopped.clone()));
    let feeds = Feeds::start(Arc::new(site.clone()), &site.events, verdicts, stopped.clone());
    let sockets = Sockets { intake: intake.of("websocket"), feeds, trail: site.trail.clone(), stop: stopped.clone() };
    let router = http::router(site, ingest::router(intake, sockets), ingest::Interface::openapi(), guard, door);
    // Outermost: whatever refuses a line, its sender reads it in its own words.
    let router = router.layer(middleware::from_fn(ingest::in_their_words));
    let server = tokio::spawn(server.run(router, stopped.clone()));
    // Last: a password that nobody gets to see would shut everybody out.
    let first_admin = if config.trial { None } else { accounts.first_admin().await? };
    let accounts = tokio::spawn(accounts.keep(stopped));
    let (pipeline, trail) = (threads, trail_thread);
    Ok(Running {
        address,
        tls: entrance.tls,
        stop,
        server,
        sources,
        places,
        anchorer,
        registry,
        accounts,
        pipeline,
        trail,
        first_admin,
        _lock: lock,
    })
}

impl Running {
    /// Where the service listens.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The SHA-256 of the certificate, if it has one.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        self.tls.as_ref().map(Tls::fingerprint)
    }

    /// Where readings are taken besides.
    pub(crate) fn places(&self) -> &[String] {
        &self.places
    }

    /// Name and one-time password of the first administrator, if this start made it.
    pub(crate) fn first_admin(&self) -> Option<&(String, String)> {
        self.first_admin.as_ref()
    }

    /// Stops by finishing: no new connections, requests under way are answered, accepted readings committed.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        let parts = [
            ("server", self.server),
            ("anchorer", self.anchorer),
            ("registry", self.registry),
            ("accounts", self.accounts),
        ];
        for (part, task) in self.sources.into_iter().chain(parts) {
            if let Err(error) = task.await {
                tracing::error!(%error, part, "a part ended by a fault");
            }
        }
        // The last way into the pipeline went with the server; its threads end when their work is done.
        let (pipeline, trail) = (self.pipeline, self.trail);
        let _ = tokio::task::spawn_blocking(|| (pipeline.join(), trail.join())).await;
    }
}

/// What all listeners have in common.
fn entrance(config: &ServeConfig) -> Result<Entrance, StartError> {
    let tls = config.tls.clone().map(|settings| Tls::load(settings, &config.data_dir, config.listen.ip()));
    Ok(Entrance { tls: tls.transpose()?, places: Places::of_process(config.proxies.clone()) })
}

/// Binds an address.
async fn listen(address: SocketAddr, entrance: &Entrance) -> Result<Listener, StartError> {
    Listener::bind(address, entrance.clone()).await.map_err(|error| StartError::Listen(address, error))
}

/// The ways in besides HTTP, bound and not yet serving.
async fn sources(config: &ServeConfig, entrance: &Entrance) -> Result<Vec<Box<dyn Source>>, StartError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if let Some(address) = config.tcp {
        sources.push(Box::new(Tcp::on(listen(address, entrance).await?)));
    }
    #[cfg(feature = "mqtt")]
    if let Some(address) = config.mqtt {
        sources.push(Box::new(ingest::mqtt::Mqtt::on(listen(address, entrance).await?)));
    }
    #[cfg(feature = "mqtt")]
    for broker in config.brokers.clone() {
        sources.push(Box::new(ingest::mqtt::BrokerClient::of(broker)));
    }
    Ok(sources)
}

/// Notes when keys were shown: once a minute, and at the end.
async fn note_used_keys(registrar: Arc<Registrar>, mut stop: watch::Receiver<bool>) {
    loop {
        let stopping = tokio::time::timeout(Registrar::NOTE_EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let registrar = Arc::clone(&registrar);
        match tokio::task::spawn_blocking(move || registrar.note_used()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "when keys were last used could not be noted"),
            Err(error) => tracing::error!(%error, "noting the use of keys ended by a fault"),
        }
        if stopping {
            return;
        }
    }
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
