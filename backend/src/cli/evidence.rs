//! `anomaly-ledger evidence`.

use std::{path::PathBuf, process::ExitCode};

use ledger::evidence::Bundle;
use reqwest::Url;

use super::{
    Outcome,
    client::{Client, parse_url},
    runtime,
};

/// Fetch an entry's evidence bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger evidence 17 --url http://127.0.0.1:8080 -o evidence-17.json\n\n\
    Exit codes: 0 fetched (only `verify` says whether it holds), 1 there is none, or the service does not answer; \
    2 wrong use.")]
pub(crate) struct Args {
    /// The entry's index.
    index: u64,
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    url: Url,
    /// Under the newest final anchor instead of the first: for whoever trusts only the log's newest key.
    #[arg(long)]
    newest: bool,
    /// Where to write it; standard output if absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Outcome {
    let bytes = runtime()?.block_on(async {
        Client::new(&args.url)?
            .get(&format!("/api/v1/entries/{}/evidence{}", args.index, if args.newest { "?newest=true" } else { "" }))
            .await
            .map_err(Box::<dyn std::error::Error>::from)
    })?;
    // Written as it came: only `verify` may judge it. But a page of something else is not worth keeping.
    Bundle::from_json(&bytes)?;
    match args.output {
        Some(file) => std::fs::write(&file, bytes).map_err(|error| format!("{}: {error}", file.display()))?,
        None => print!("{}", String::from_utf8_lossy(&bytes)),
    }
    Ok(ExitCode::SUCCESS)
}
