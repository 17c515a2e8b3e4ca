//! `anomaly-ledger serve`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use alloy::primitives::Address;
use ledger::chain::query::Finality;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, WrongUse, client::parse_url, parse_duration, policy, transport::TransportArgs};
use crate::{
    app,
    config::{self, ServeConfig},
    domain::{SystemClock, log::Periods},
    ingest::DEVICE_TAGS,
};

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

pub(super) fn run(args: Args) -> Outcome {
    crate::telemetry::init_logs(args.json_logs);
    let (tls, proxies) = args.transport.settings().map_err(WrongUse::new)?;
    let config = ServeConfig {
        listen: args.listen,
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
        refit: args.refit,
        policies: policy::read(args.policy.as_deref())?,
        anchorer: config::anchorer_from_env().map_err(WrongUse::new)?,
    };
    let config = config.check().map_err(WrongUse::new)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let running = app::start(config, Arc::new(SystemClock)).await?;
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
