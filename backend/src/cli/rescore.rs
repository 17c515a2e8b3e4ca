//! `anomaly-ledger rescore`: computes a past verdict again. Looks for the model; the pipeline's own code judges, and
//! `verify` says whether the log holds the entry.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ledger::{
    Hash,
    entry::Payload,
    evidence::{Bundle, MAX_BUNDLE},
    hash::sha256,
};
use reqwest::Url;
use serde_json::Value;

use super::{
    MAX_MODEL, Outcome, WrongUse,
    client::{Client, parse_url},
    read_file, runtime,
};
use crate::pipeline::{RescoreError, Rescored, model_of, rescore};

/// As `verify` has it for what does not hold.
const DIFFERENT: u8 = 30;

/// Compute the verdict of an evidence bundle again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger rescore evidence-17.json --models data/models\n  \
    anomaly-ledger rescore evidence-17.json --model model.bin\n  \
    anomaly-ledger rescore evidence-17.json --url http://127.0.0.1:8080\n\n\
    Judges the reading in the bundle again, by the model whose hash the payload names and the detector's state before \
    the reading, which the bundle brings; then compares score, type, severity, reasons and sentence to the last digit. \
    Where the model comes from does not matter: its hash is checked.\n\
    This says that the verdict follows from model, state and reading. That the log holds the entry, and the chain the \
    log, is what `anomaly-ledger verify` says.\n\n\
    Exit codes: 0 the same verdict, 30 a different one, or a bundle that contradicts itself; 1 something failed on the \
    way, also a model or state of another version of this program; 2 wrong use, also a bundle without payload or state, \
    or a model that is not there.")]
pub(crate) struct Args {
    /// The evidence bundle.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The model's file.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["models", "url"], conflicts_with_all = ["models", "url"])]
    model: Option<PathBuf>,
    /// A directory in which, or in whose directories, the model's file lies.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    models: Option<PathBuf>,
    /// Ask a service for the model.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let bytes = read_file(&args.bundle, MAX_BUNDLE)?;
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", args.bundle.display()));
    let bundle = Bundle::from_json(&bytes).map_err(|error| wrong(&error))?;
    let model = match model_of(&bundle) {
        Ok(hash) => model(args, hash)?,
        Err(error) => return ended(args, error),
    };
    match rescore(&bundle, &model) {
        Ok(Rescored::Same(payload)) => {
            print(&payload);
            println!(
                "\nthe same verdict: it follows from model {}, state {} and the reading.",
                payload.model, payload.state
            );
            println!("Whether the log holds the entry: anomaly-ledger verify {} --trust …", args.bundle.display());
            Ok(ExitCode::SUCCESS)
        }
        Ok(Rescored::Differs(difference)) => {
            println!("{}", difference.member);
            println!("      expected {}", difference.recorded);
            println!("      computed {}", difference.computed);
            println!("\na different verdict: model, state and reading do not give what was recorded.");
            println!("Keep this file, and show it to others. It was rescored only: verify examines the log.");
            Ok(ExitCode::from(DIFFERENT))
        }
        Err(error) => ended(args, error),
    }
}

/// How a verdict ends that could not be computed again.
fn ended(args: &Args, error: RescoreError) -> Outcome {
    let told = format!("{}: {error}", args.bundle.display());
    match error {
        RescoreError::Commitment { .. } | RescoreError::State { .. } | RescoreError::Payload(_) => {
            println!("{told}\n\nthe bundle contradicts itself: anomaly-ledger verify names each step");
            Ok(ExitCode::from(DIFFERENT))
        }
        RescoreError::Detect { .. } | RescoreError::Encode(_) => Err(told.into()),
        RescoreError::Entry(_) | RescoreError::NoPayload | RescoreError::NoState | RescoreError::Model { .. } => {
            Err(WrongUse(told).into())
        }
    }
}

/// The bytes of the model with this hash.
fn model(args: &Args, hash: Hash) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    if let Some(file) = &args.model {
        return Ok(read_file(file, MAX_MODEL)?);
    }
    if let Some(url) = &args.url {
        let path = format!("/api/v1/models/{hash}/model.bin");
        let bytes = runtime()?
            .block_on(async { Client::new(url)?.get(&path).await.map_err(Box::<dyn std::error::Error>::from) })?;
        return Ok(bytes);
    }
    let dir = args.models.as_deref().unwrap_or(Path::new("."));
    let missing = || {
        WrongUse(format!(
            "{}: no *.bin there, nor two directories below, is the model {hash}; --url asks the service for it",
            dir.display()
        ))
    };
    Ok(find(dir, hash, 2).map_err(|error| WrongUse(format!("{}: {error}", dir.display())))?.ok_or_else(missing)?)
}

/// Looks for a file by its hash, in a directory and those below it.
fn find(dir: &Path, hash: Hash, depth: u32) -> std::io::Result<Option<Vec<u8>>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth > 0
                && let Some(found) = find(&path, hash, depth - 1)?
            {
                return Ok(Some(found));
            }
        } else if path.is_file()
            && path.extension().is_some_and(|extension| extension == "bin")
            // What cannot be read, or is too long for a model, is not the one.
            && let Ok(bytes) = read_file(&path, MAX_MODEL)
            && sha256(&[&bytes]) == hash
        {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Each member of a verdict that came out as it was recorded.
fn print(payload: &Payload) {
    let payload = serde_json::to_value(payload).unwrap_or_default();
    for member in ["score", "threshold", "type", "severity", "reasons", "sentence"] {
        let Some(value) = payload.get(member) else { continue };
        match value.as_array() {
            None => line(member, value),
            Some(reasons) => {
                for (at, reason) in reasons.iter().enumerate() {
                    let members = reason.as_object().into_iter().flatten();
                    members.for_each(|(name, value)| line(&format!("{member}[{at}].{name}"), value));
                }
            }
        }
    }
}

fn line(member: &str, value: &Value) {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    println!("{member}\n      expected {text}\n      computed {text}");
}
