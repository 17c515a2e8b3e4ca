//! What processes have used of the machine, as /proc has it.

/// Clock ticks a second: Linux shows processor time in these, always.
const TICKS: f64 = 100.0;

/// Processor time and memory, of this process and of the service.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Seconds of processor that this process has used.
    pub(crate) own: f64,
    /// Seconds of processor that the service has used.
    pub(crate) service: f64,
    /// Bytes of memory that the service holds.
    pub(crate) resident: u64,
}

impl Usage {
    /// As it is now, of all processes of the service together; what cannot be read is zero.
    pub(crate) fn now(service: &[u32]) -> Self {
        let pids: Vec<String> = service.iter().map(u32::to_string).collect();
        let used = pids.iter().map(|pid| seconds(pid)).sum();
        Self { own: seconds("self"), service: used, resident: pids.iter().map(|pid| resident(pid)).sum() }
    }
}

fn seconds(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold spaces; what follows its closing bracket does not. User and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

fn resident(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
