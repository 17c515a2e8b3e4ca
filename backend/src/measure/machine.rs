//! What the numbers were measured on: without it they say nothing.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Instant,
};

use super::{Failure, quantile};

/// Syncs that are timed.
const SYNCS: usize = 200;

/// Prints processor, memory, load, file system, and how long a sync takes.
pub(super) fn run(data_dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(data_dir)?;
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    println!("processor     {} × {}", cores, model.trim_start_matches(['\t', ' ', ':']));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    println!("memory        {}", total.trim());
    println!("load average  {}", fs::read_to_string("/proc/loadavg")?.trim());
    println!("kernel        {}", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
    println!("disk          {}", disk(&fs::canonicalize(data_dir)?)?);
    let mut file = File::create(data_dir.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    fs::remove_file(data_dir.join("sync"))?;
    println!("sync of 4 KiB p50 {:.1?}, p99 {:.1?} (of {SYNCS})", quantile(&times, 0.5), quantile(&times, 0.99));
    Ok(())
}

/// Device, file system and options of the mount that holds a path.
fn disk(path: &Path) -> Result<String, Failure> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?, fields.next()?))
    });
    let holding = mounts.filter(|(_, at, ..)| path.starts_with(at)).max_by_key(|(_, at, ..)| at.len());
    let (device, _, system, options) = holding.ok_or("no mount holds the data directory")?;
    Ok(format!("{device}, {system} ({options})"))
}
