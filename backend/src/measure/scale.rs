//! What grows with the log, and what does not: append, start, proof, fsck; time and memory.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ledger::{
    hash::leaf_hash,
    merkle::{consistency_proof, inclusion_proof, verify_inclusion},
    tile::{Frontier, TileId, TileTree},
};
use serde_json::{Value, json};

use super::{Failure, quantile, readings::Readings, rig::Rig};
use crate::{
    domain::{
        log::read_tile,
        ports::{LogReader, StoreError},
    },
    store::Reader,
};

/// Readings handed to the pipeline at a time.
const BATCH: usize = 4_096;

/// Proofs of each kind.
const PROOFS: u64 = 2_000;

/// One step.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Step {
    /// Append until the log has this size.
    Grow { to: u64 },
    /// Open the log as the service does.
    Start,
    /// Prove.
    Prove,
    /// Derive everything again.
    Fsck,
}

/// Runs all steps at each size, each in a process of its own, and prints a table.
pub(super) fn run(data_dir: &Path, sizes: &[u64]) -> Result<(), Failure> {
    let columns = ["entries", "append/s", "peak", "start", "tiles", "peak", "proof p50", "p99", "tiles", "peak"];
    let fsck = ["fsck", "peak", "database"];
    println!("{}", row(&columns.map(str::to_owned)) + &row(&fsck.map(str::to_owned)));
    for size in sizes {
        let grown = in_a_process(data_dir, &["grow", &size.to_string()])?;
        let started = in_a_process(data_dir, &["start"])?;
        let proven = in_a_process(data_dir, &["prove"])?;
        let checked = in_a_process(data_dir, &["fsck"])?;
        let database = fs::metadata(data_dir.join("ledger.sqlite"))?.len() as f64 / (1024.0 * 1024.0);
        let cells = [
            size.to_string(),
            text(&grown, "rate"),
            text(&grown, "peak"),
            text(&started, "took"),
            text(&started, "tiles"),
            text(&started, "peak"),
            text(&proven, "p50"),
            text(&proven, "p99"),
            text(&proven, "tiles"),
            text(&proven, "peak"),
            text(&checked, "took"),
            text(&checked, "peak"),
            format!("{database:.0} MiB"),
        ];
        println!("{}", row(&cells));
    }
    Ok(())
}

fn row(cells: &[String]) -> String {
    cells.iter().map(|cell| format!("{cell:>11}")).collect()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().map_or_else(|| value[name].to_string(), str::to_owned)
}

fn in_a_process(data_dir: &Path, step: &[&str]) -> Result<Value, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", "step", "--data-dir"]).arg(data_dir).args(step);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| format!("{step:?} ({}): {error}: {text}", output.status).into())
}

/// Runs one step, and prints what it took as JSON.
pub(super) async fn step(data_dir: &Path, step: &Step) -> Result<(), Failure> {
    let mut told = match step {
        Step::Grow { to } => grow(data_dir, *to).await?,
        Step::Start => start(data_dir)?,
        Step::Prove => prove(data_dir)?,
        Step::Fsck => fsck(data_dir)?,
    };
    told["peak"] = peak()?.into();
    println!("{told}");
    Ok(())
}

async fn grow(data_dir: &Path, to: u64) -> Result<Value, Failure> {
    let rig = Rig::open(data_dir)?;
    let from = rig.log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    let mut readings = Readings::new(format!("from-{from}"));
    let started = Instant::now();
    let mut size = from;
    // Two batches under way, so that one is judged while the other is written.
    let mut under_way = std::collections::VecDeque::new();
    while size < to {
        let count = (to - size).min(BATCH as u64);
        size += count;
        let (pipeline, batch) = (rig.pipeline.clone(), readings.take(count as usize)?);
        under_way.push_back(tokio::spawn(async move { pipeline.submit(batch).await }));
        if under_way.len() > 3
            && let Some(oldest) = under_way.pop_front()
        {
            all_are_findings(oldest.await?)?;
        }
    }
    for rest in under_way {
        all_are_findings(rest.await?)?;
    }
    let took = started.elapsed();
    rig.stop();
    Ok(json!({ "rate": format!("{:.0}", (size - from) as f64 / took.as_secs_f64()), "took": format!("{took:.2?}") }))
}

pub(super) fn all_are_findings(
    results: Result<crate::pipeline::Results, crate::pipeline::Busy>,
) -> Result<Option<u64>, Failure> {
    let mut last = None;
    for result in results? {
        let index = result?.index.ok_or("a reading was no finding: the detector has changed")?;
        last = last.max(Some(index));
    }
    Ok(last)
}

fn start(data_dir: &Path) -> Result<Value, Failure> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let rig = Rig::open(data_dir)?;
        times.push(started.elapsed());
        rig.stop();
    }
    times.sort();
    let log = Reader::open(data_dir)?;
    let size = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    let mut tiles = 0;
    Frontier::load(size, |id| {
        tiles += 1;
        read_tile(&log, id)
    })?;
    Ok(json!({ "took": format!("{:.1?}", quantile(&times, 0.5)), "tiles": tiles }))
}

fn prove(data_dir: &Path) -> Result<Value, Failure> {
    let log = Reader::open(data_dir)?;
    let newest = log.newest_checkpoint()?.ok_or("an empty log")?;
    let mut times: Vec<Duration> = Vec::new();
    let (mut most, mut index) = (0, 0);
    for _ in 0..PROOFS {
        index = (index + 0x9e37_79b9_7f4a_7c15) % newest.size;
        let tiles = std::cell::Cell::new(0);
        let read = |id: TileId| -> Result<_, StoreError> {
            tiles.set(tiles.get() + 1);
            read_tile(&log, id)
        };
        let started = Instant::now();
        let proof = inclusion_proof(&TileTree::new(newest.size, read), index, newest.size)?;
        times.push(started.elapsed());
        most = most.max(tiles.take());
        let entry = log.entries(index, 1)?.pop().ok_or("a missing entry")?;
        verify_inclusion(&leaf_hash(&entry), index, newest.size, &proof, &newest.root)?;
        consistency_proof(&TileTree::new(newest.size, read), index + 1, newest.size)?;
        most = most.max(tiles.take());
    }
    times.sort();
    let shown = |share| format!("{:.0?}", quantile(&times, share));
    Ok(json!({ "p50": shown(0.5), "p99": shown(0.99), "tiles": most }))
}

fn fsck(data_dir: &Path) -> Result<Value, Failure> {
    let started = Instant::now();
    let sound = crate::cli::finds_nothing(data_dir).map_err(|error| error.to_string())?;
    if !sound {
        return Err("fsck found differences".into());
    }
    Ok(json!({ "took": format!("{:.2?}", started.elapsed()) }))
}

/// The most memory that this process has had, by the kernel's count.
fn peak() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(format!("{:.0} MiB", kib / 1024.0))
}
