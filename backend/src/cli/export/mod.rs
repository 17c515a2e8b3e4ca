//! `anomaly-ledger export`: readings into a file, from a data directory or from a service.

mod features;
mod local;
mod remote;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use reqwest::Url;

use super::{Outcome, WrongUse, client::parse_url, key::KeyFile};
use crate::{
    domain::{DeviceName, Micros, series::Span, verdict::Label},
    export::{Form, label_of},
};

/// Write readings to a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger export --data-dir data -o readings.csv\n  \
    anomaly-ledger export --url https://ledger.example --key-file key.txt --device pump-4 \
    --from 2026-11-01T00:00:00Z -o pump-4.ndjson\n  \
    anomaly-ledger export --data-dir data --features -o features.csv\n\n\
    The last line of a file says how many readings it has, and the SHA-256 of all before it: `anomaly-ledger replay FILE` \
    refuses a file that was cut off. Values are written so that the same bits come back. In CSV, a text that a spreadsheet \
    would take for a formula begins with an apostrophe, which replay takes off again. A data directory is only read, in one \
    view of it; the service may run.\n\n\
    --features writes what the detector looks at instead of the values: each device is gone through from its first reading \
    on, as backtest does. To learn from it: train features.csv --labels anomaly --ignore \
    device,time,score,label,type,feedback.\n\n\
    Exit codes: 0 the file is whole, 1 something failed on the way (then there is no file), 2 wrong use.")]
pub(crate) struct Args {
    /// The readings of the service with this data directory.
    #[arg(long, value_name = "DIR", required_unless_present = "url", conflicts_with_all = ["url", "key_file"])]
    data_dir: Option<PathBuf>,
    /// The readings of the service at this address: those that the key may read.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,
    #[command(flatten)]
    key: KeyFile,
    /// Only of this device.
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<DeviceName>,
    /// From this time on.
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    from: Option<Micros>,
    /// Up to this time, and not at it.
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    to: Option<Micros>,
    /// Only readings with this label: normal, anomaly or warming_up.
    #[arg(long, value_name = "LABEL", value_parser = label)]
    label: Option<Label>,
    /// csv, or ndjson for lines of JSON [default: by the file's name, else ndjson].
    #[arg(long, value_name = "FORMAT", value_parser = form, conflicts_with = "features")]
    format: Option<Form>,
    /// Write the detector's features of each reading, to train with (as CSV).
    #[arg(long, conflicts_with = "url")]
    features: bool,
    /// The limits and the alarm budget that the service follows (as JSON): with other ones the detector learns a little
    /// differently.
    #[arg(long, value_name = "FILE", requires = "features")]
    policy: Option<PathBuf>,
    /// The file; standard output without it. It has its name only when it is whole.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    fn form(&self) -> Form {
        let csv = self.output.as_deref().and_then(Path::extension) == Some(OsStr::new("csv"));
        self.format.unwrap_or(if csv { Form::Csv } else { Form::Ndjson })
    }

    fn span(&self) -> Result<Span, WrongUse> {
        let (from, to) = (self.from.unwrap_or(Span::ALL.from()), self.to.unwrap_or(Span::ALL.to()));
        Span::new(from, to).map_err(WrongUse::new)
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    args.span()?;
    match (&args.data_dir, &args.url) {
        (Some(dir), _) if args.features => features::export(args, dir),
        (Some(dir), _) => local::export(args, dir),
        (None, Some(url)) => remote::export(args, url),
        (None, None) => Err(WrongUse::new("expected --data-dir or --url").into()),
    }
}

fn device(text: &str) -> Result<DeviceName, String> {
    DeviceName::new(text).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Micros, String> {
    Micros::parse(text).map_err(|error| error.to_string())
}

fn label(text: &str) -> Result<Label, String> {
    label_of(text).ok_or_else(|| format!("expected normal, anomaly or warming_up, found {text:?}"))
}

fn form(text: &str) -> Result<Form, String> {
    Form::of(text).ok_or_else(|| format!("expected csv or ndjson, found {text:?}"))
}

/// Opens a data directory as it stands now.
fn open(dir: &Path) -> Result<crate::store::Reader, WrongUse> {
    if !dir.is_dir() {
        let dir = dir.display();
        return Err(WrongUse(format!("{dir}: no such directory; expected the one that serve writes to")));
    }
    crate::store::Reader::open_snapshot(dir).map_err(|error| WrongUse(format!("{}: {error}", dir.display())))
}
