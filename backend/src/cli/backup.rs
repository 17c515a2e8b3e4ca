//! `anomaly-ledger admin backup`: a copy of all that a log needs, made beside a service at work.
//!
//! The copy is a data directory: restoring is copying it to where the service looks for one. Personal keys are never in
//! it; the log's secret keys only on demand. The manifest is written last: without it, a backup is none.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::hex;
use indicatif::{ProgressBar, ProgressStyle};
use ledger::audit::Record;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Outcome, WrongUse};
use crate::{
    config::{LogIdentity, operator},
    domain::{
        Clock, SystemClock,
        ports::{AuditLog, LogReader},
    },
    store::{Reader, back_up_database},
};

/// What a backup holds, with hashes.
const MANIFEST: &str = "backup.json";

/// Make a backup, also while the service runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger admin backup --data-dir data --to /backup/2026-11-20\n\n\
    The copy is a data directory of its own: to restore it, copy it to where the service looks for one, with the log's \
    secret keys (keys/*.key), and start the service. What was anchored after the backup comes back with `restore \
    --from-chain`. backup.json names each file with its SHA-256; a backup without it was not finished.\n\n\
    Exit codes: 0 made, 1 it could not be made, 2 wrong use.")]
pub(crate) struct Args {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the backup is to be: a directory that is not there yet.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Take the log's secret signing keys along: then whoever has the backup can sign as this log.
    #[arg(long)]
    with_keys: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.to.exists() {
        return Err(WrongUse::new(format!(
            "--to: expected a directory that is not there yet, found {}",
            args.to.display()
        ))
        .into());
    }
    // Whether this is a log at all, and that it may be read.
    LogIdentity::load(&args.data_dir)?;
    let log = Reader::open(&args.data_dir)?;
    let record = |result: &str| {
        let (at, from, what) = (SystemClock.now().to_time(), "the command line".into(), "backup.make".into());
        log.add_audit_record(&Record::new(at, operator(), from, what, args.to.display().to_string(), result.into()))
    };
    // Before anything is copied: an act that leaves no record must not be possible.
    record(if args.with_keys { "begun, with the log's secret keys" } else { "begun" })?;
    make_dir(&args.to)?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:30} {percent} % {eta}")?);
    back_up_database(&args.data_dir, &args.to, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    // After the database, so that every model that the copy names is there.
    copy_below(&args.data_dir, &args.to, Path::new("models"), &|_| true)?;
    let public = |file: &Path| args.with_keys || file.extension().is_none_or(|extension| extension != "key");
    copy_below(&args.data_dir, &args.to, Path::new("keys"), &public)?;
    let copy = Reader::open_snapshot(&args.to)?;
    let tree_size = copy.newest_checkpoint()?.map_or(0, |newest| newest.size);
    drop(copy);
    let mut files = Vec::new();
    list(&args.to, Path::new(""), &mut files)?;
    let manifest = json!({
        "made": SystemClock.now().to_time(),
        "by": concat!("anomaly-ledger ", env!("CARGO_PKG_VERSION")),
        "tree_size": tree_size,
        "with_keys": args.with_keys,
        "files": files,
    });
    fs::write(args.to.join(MANIFEST), format!("{manifest:#}\n"))?;
    fs::File::open(args.to.join(MANIFEST))?.sync_all()?;
    fs::File::open(&args.to)?.sync_all()?;
    record("made")?;
    println!("{}", json!({ "to": args.to.display().to_string(), "tree_size": tree_size, "files": files.len() }));
    if !args.with_keys {
        eprintln!("The log's secret keys ({}/keys/*.key) are not in it: keep them apart.", args.data_dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a directory for its owner's eyes only.
fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Copies the files below a place that are chosen; modes are kept, links are not followed.
fn copy_below(from: &Path, to: &Path, place: &Path, chosen: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    let meta = match from.join(place).symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if meta.is_dir() {
        make_dir(&to.join(place))?;
        for entry in fs::read_dir(from.join(place))? {
            copy_below(from, to, &place.join(entry?.file_name()), chosen)?;
        }
        return Ok(());
    }
    if meta.is_file() && chosen(place) {
        fs::copy(from.join(place), to.join(place))?;
        fs::File::open(to.join(place))?.sync_all()?;
    }
    Ok(())
}

/// The files below a place, each with its size and SHA-256, in the order of their names.
fn list(root: &Path, place: &Path, files: &mut Vec<serde_json::Value>) -> io::Result<()> {
    let mut below: Vec<PathBuf> =
        fs::read_dir(root.join(place))?.map(|entry| Ok(place.join(entry?.file_name()))).collect::<io::Result<_>>()?;
    below.sort();
    for path in below {
        if root.join(&path).is_dir() {
            list(root, &path, files)?;
            continue;
        }
        let (size, hash) = hash_of(&root.join(&path))?;
        files.push(json!({ "path": path.display().to_string(), "bytes": size, "sha256": hash }));
    }
    Ok(())
}

/// A file's size, and its SHA-256 as `sha256sum` prints it.
fn hash_of(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hasher, mut size) = (fs::File::open(path)?, Sha256::new(), 0);
    let mut part = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok((size, hex::encode(hasher.finalize())));
        }
        hasher.update(&part[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        domain::ports::{NewModel, WriteStore},
        store::SqliteWriter,
    };

    #[test]
    fn a_backup_beside_a_writer_is_whole_and_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let (data_dir, to) = (dir.path().join("data"), dir.path().join("backup"));
        LogIdentity::init(&data_dir, None).unwrap();
        let mut writer = SqliteWriter::create(&data_dir).unwrap();
        let hash = ledger::Hash([1; 32]);
        let model = NewModel { hash, version: "v".into(), profile: "p".into(), bytes: vec![7; 100_000], sample: hash };
        // Still in the write-ahead log alone.
        writer.transaction(&mut |tx| tx.add_model(&model)).unwrap();
        let args = Args { data_dir: data_dir.clone(), to: to.clone(), with_keys: false };
        run(&args).unwrap();
        let copy = Reader::open(&to).unwrap();
        assert_eq!(copy.model_version(&hash.to_string()).unwrap(), Some("v".into()));
        assert!(to.join("keys/log.pub").exists() && !to.join("keys/log.key").exists());
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(to.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(manifest["with_keys"], false);
        let files = manifest["files"].as_array().unwrap();
        assert!(
            files.iter().any(|file| file["path"] == "ledger.sqlite")
                && files.iter().all(|file| file["path"] != MANIFEST)
        );
        let again = run(&args).unwrap_err();
        assert!(again.to_string().contains("not there yet"), "{again}");
        run(&Args { data_dir, to: dir.path().join("with"), with_keys: true }).unwrap();
        assert!(dir.path().join("with/keys/log.key").exists());
    }
}
