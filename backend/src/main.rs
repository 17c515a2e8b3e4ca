//! `anomaly-ledger`: parse, call, nothing else.

mod anchor;
mod app;
mod cli;
mod config;
mod domain;
mod http;
mod ingest;
#[cfg(feature = "measure")]
mod measure;
mod pipeline;
mod problem;
mod store;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
