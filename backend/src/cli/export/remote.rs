//! From a service: what it sends, held against its last line before the file gets its name.

use std::{io::Write, process::ExitCode};

use reqwest::Url;

use super::{Args, local::said};
use crate::{
    cli::{Outcome, client::Client, output::Output, progress::Progress, runtime},
    export::{Checker, Form, label_name},
};

/// Writes the readings that a service gives.
pub(super) fn export(args: &Args, url: &Url) -> Outcome {
    let client = Client::new(url)?.with_key(args.key.read()?);
    let (from, to) = (args.from.map(|time| time.to_string()), args.to.map(|time| time.to_string()));
    let parameters = [
        ("format", Some(if args.form() == Form::Csv { "csv" } else { "ndjson" })),
        ("device", args.device.as_ref().map(|device| device.as_str())),
        ("from", from.as_deref()),
        ("to", to.as_deref()),
        ("label", args.label.map(label_name)),
    ];
    let query: Vec<(&str, &str)> = parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut checker = Checker::of(args.form());
    runtime()?.block_on(async {
        let mut download = client.download("/api/v1/readings/export", &query).await?;
        // Made only now: a refusal leaves nothing behind.
        let mut output = Output::create(args.output.as_deref())?;
        let mut progress = Progress::exported(download.number("readings-at-most"));
        while let Some(piece) = download.piece().await? {
            checker.take(&piece)?;
            output.write_all(&piece)?;
            progress.wrote(checker.readings());
        }
        let end = checker.finish()?;
        output.finish()?;
        progress.finish();
        said(end.readings, end.erased);
        Ok::<_, Box<dyn std::error::Error>>(ExitCode::SUCCESS)
    })
}
