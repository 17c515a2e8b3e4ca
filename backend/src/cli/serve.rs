//! `anomaly-ledger serve`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use alloy::primitives::Address;
use ledger::chain::query::Finality;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, WrongUse, client::parse_url, parse_duration, policy, read_file, transport::TransportArgs};
use crate::{
    app,
    config::{self, ServeConfig},
    domain::{SystemClock, log::Periods, ports::PackRule, retention::Retention},
    ingest::DEVICE_TAGS,
};

/// A model that judges flows has at most so many bytes: it is kept in the store with each of its kind. A classifier of 100
/// trees on 20,000 rows has some 2 MB.
const MAX_FLOW_MODEL: usize = 64 << 20;

/// Heartbeats are no metronome: each is an entry for ever.
const SHORTEST: Duration = Duration::from_secs(1);

/// Run the service.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  ANOMALY_LEDGER_ANCHORER_KEY=0x… anomaly-ledger serve --trial --data-dir data \\\n    \
    --rpc-url http://127.0.0.1:8545 --contract 0x5FbDB2315678afecb367f032d93F642f64180aa3\n\n\
    The anchoring account's private key comes by the environment variable ANOMALY_LEDGER_ANCHORER_KEY.\n\n\
    Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it could not start, 2 wrong use."
)]
pub(crate) struct Args {
    /// A trial: keyless intake from this machine only, on synthetic data.
    #[arg(long)]
    trial: bool,
    /// Let anybody register, as a device owner. Otherwise administrators invite people.
    #[arg(long)]
    open_registration: bool,
    /// Where to listen; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where to take readings over TCP, a line of JSON each; port 0 takes any. Not at all without this.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// Where to take readings by MQTT as well, such as 127.0.0.1:1883; port 0 takes any.
    #[cfg(feature = "mqtt")]
    #[arg(long, value_name = "ADDRESS")]
    mqtt: Option<SocketAddr>,
    /// Subscribe to an MQTT broker as this file says; may be given several times.
    #[cfg(feature = "mqtt")]
    #[arg(long, value_name = "FILE")]
    mqtt_subscribe: Vec<PathBuf>,
    /// Where the log lives. `admin init` makes it.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// The chain's JSON-RPC address.
    #[arg(long, default_value = "http://127.0.0.1:8545", value_name = "URL", value_parser = checked_url)]
    rpc_url: String,
    /// The AnomalyLogger's address.
    #[arg(long, value_name = "ADDRESS")]
    contract: Address,
    /// What travels with an anchor: payloads (only where no data is personal), or roots alone.
    #[arg(long, default_value = "roots", value_name = "WHAT")]
    publish: Publish,
    /// Anchor when this many entries wait.
    #[arg(long, default_value_t = 256, value_name = "N")]
    batch_entries: u64,
    /// Anchor when an entry has waited this long.
    #[arg(long, default_value = "2s", value_parser = parse_duration, value_name = "DURATION")]
    batch_age: Duration,
    /// Close a window of the log this often: a heartbeat with each device's counters, and the audit log's digest.
    #[arg(long, default_value = "1h", value_parser = parse_duration, value_name = "DURATION")]
    heartbeat: Duration,
    /// Write a recent block's hash into the log before findings, if the last one is older than this.
    #[arg(long, default_value = "1m", value_parser = parse_duration, value_name = "DURATION")]
    beacon: Duration,
    /// Call a block final when this many are on top, instead of by the tag `finalized`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: Option<u64>,
    /// The most that a unit of gas may cost, in gwei.
    #[arg(long, default_value_t = 200, value_name = "GWEI")]
    max_fee_gwei: u64,
    /// How many false alarms people put up with, and the limits that they set: for all, by profile, by device.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Grow models anew from recent ordinary readings this often, and use those that do no worse; 0: never.
    #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "DURATION")]
    refit: Duration,
    /// The tag of InfluxDB's lines that names the device; the first that a line has, if given several times.
    #[arg(long, value_name = "TAG", default_values = DEVICE_TAGS)]
    influx_device_tag: Vec<String>,
    #[command(flatten)]
    transport: TransportArgs,
    /// Judge network flows by this model from now on: the model.bin of `train --labels` (which also names the class), or
    /// of `train` on usual flows. Without it, by the one that was used last; at first by a built-in one.
    #[arg(long, value_name = "FILE")]
    flow_model: Option<PathBuf>,
    /// Delete readings when they are this old, and sums of minutes and hours: 30d, or 30d,minute=1y,hour=5y. Entries of the
    /// log and their payloads stay. Without this nothing is deleted.
    #[arg(long, value_name = "AGES")]
    retain: Option<Retention>,
    /// Pack a device's readings when there are this many; the rest by the hour and by the day.
    #[arg(long, default_value_t = PackRule::DEFAULT.rows as u32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=PackRule::MOST as i64))]
    pack_after: u32,
    #[command(flatten)]
    times: Times,
    /// Write the log of the service as JSON.
    #[arg(long)]
    json_logs: bool,
}

/// How patient the anchorer is. The defaults suit chains with a block every 2 to 12 seconds.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Patience with the chain")]
struct Times {
    /// Look at the chain this often.
    #[arg(long, default_value = "500ms", value_parser = some_duration, value_name = "DURATION")]
    poll: Duration,
    /// Send a transaction again that is not included by then, with a higher fee if blocks went by; and believe a chain
    /// that has become shorter when it has stayed so.
    #[arg(long, default_value = "15s", value_parser = some_duration, value_name = "DURATION")]
    resend_after: Duration,
    /// Say `behind` when an entry has waited this long for its anchor, or an anchor under way for the next block.
    #[arg(long, default_value = "2m", value_parser = some_duration, value_name = "DURATION")]
    behind_after: Duration,
    /// Give up on an answer of the chain's node.
    #[arg(long, default_value = "10s", value_parser = some_duration, value_name = "DURATION")]
    rpc_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Publish {
    Payloads,
    Roots,
}

/// An address as it was written: it is shown to others, who should recognise it.
fn checked_url(text: &str) -> Result<String, String> {
    parse_url(text).map(|_| text.to_owned())
}

/// A duration that is longer than nothing.
fn some_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("expected a duration longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads the file that names a broker.
#[cfg(feature = "mqtt")]
fn broker(file: &std::path::Path) -> Result<config::Broker, WrongUse> {
    /// A file with a thousand subscriptions has less.
    const MAX: usize = 1 << 20;
    let text = super::read_file(file, MAX)?;
    config::Broker::parse(&text, |name| std::env::var(name).ok())
        .map_err(|error| WrongUse(format!("{}: {error}", file.display())))
}

pub(super) fn run(args: Args) -> Outcome {
    crate::telemetry::init_logs(args.json_logs);
    let (tls, proxies) = args.transport.settings().map_err(WrongUse::new)?;
    let config = ServeConfig {
        listen: args.listen,
        tcp: args.tcp,
        #[cfg(feature = "mqtt")]
        mqtt: args.mqtt,
        #[cfg(feature = "mqtt")]
        brokers: args.mqtt_subscribe.iter().map(|file| broker(file)).collect::<Result<_, _>>()?,
        tls,
        proxies,
        device_tags: args.influx_device_tag.into(),
        trial: args.trial,
        open_registration: args.open_registration,
        data_dir: args.data_dir,
        rpc_url: args.rpc_url,
        contract: args.contract,
        finality: args.confirmations.map_or(Finality::Tag, Finality::Depth),
        max_fee_per_gas: u128::from(args.max_fee_gwei) * 1_000_000_000,
        batch_entries: args.batch_entries.max(1),
        batch_age: args.batch_age,
        poll: args.times.poll,
        resend_after: args.times.resend_after,
        behind_after: args.times.behind_after,
        rpc_timeout: args.times.rpc_timeout,
        publish: args.publish == Publish::Payloads,
        periods: Periods { heartbeat: args.heartbeat.max(SHORTEST), beacon: args.beacon },
        pack: PackRule::after(args.pack_after as usize),
        retain: args.retain.unwrap_or(Retention::FOREVER),
        refit: args.refit,
        flow_model: args.flow_model.as_deref().map(|file| read_file(file, MAX_FLOW_MODEL)).transpose()?,
        policies: policy::read(args.policy.as_deref())?,
        anchorer: config::anchorer_from_env().map_err(WrongUse::new)?,
    };
    let config = config.check().map_err(WrongUse::new)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let running = app::start(config, Arc::new(SystemClock)).await?;
        for place in running.places() {
            println!("taking readings on {place}");
        }
        println!("listening on {}", running.url());
        if let Some(fingerprint) = running.fingerprint() {
            println!("certificate SHA-256 {fingerprint}");
        }
        if let Some((name, password)) = running.first_admin() {
            // To the terminal and not to the log, which others keep and read.
            println!(
                "There are no users yet. Sign in at {}/ui/ as\n  user      {name}\n  password  {password}\nand choose a \
                 password of your own. This one is shown only now; if it gets lost: anomaly-ledger admin user password \
                 {name}",
                running.url()
            );
        }
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: finishing what is under way");
        running.stop().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}
