//! `anomaly-ledger`: parse, call, nothing else.

mod access;
mod anchor;
mod app;
mod bodies;
mod cli;
mod config;
mod domain;
mod export;
mod http;
mod ingest;
#[cfg(feature = "measure")]
mod measure;
mod pipeline;
mod problem;
mod store;
mod telemetry;
mod transport;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
