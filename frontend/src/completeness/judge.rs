//! What a window amounts to. Pure: entries in, contradictions out.

use ledger::{
    entry::{Entry, Heartbeat},
    text::Pseudonym,
};

use super::{Account, Device};
use crate::format::{counted, grouped};

/// One window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    /// The heartbeat's index: the window ends before it.
    pub(crate) index: u64,
    /// The heartbeat, from the log.
    pub(crate) heartbeat: Heartbeat,
    /// What the log holds in the window.
    pub(crate) counted: Counted,
}

/// What the log holds in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It was not counted: this many entries are too many for a page.
    TooMany(u64),
    /// Anomalies, of all devices and of the one that was asked for; and what does not fit the window's ends.
    Entries { all: u64, of_device: u64, complaints: Vec<String> },
}

/// Counts a window. `entries`: those from `first` up to the heartbeat, where `first` lies one before the window if
/// there is one; `None` if there are too many.
pub(super) fn window(
    index: u64,
    heartbeat: Heartbeat,
    first: u64,
    entries: Option<&[Vec<u8>]>,
    device: Option<&Pseudonym>,
) -> Window {
    let Some(entries) = entries else {
        return Window { index, counted: Counted::TooMany(index.saturating_sub(heartbeat.from)), heartbeat };
    };
    let (mut all, mut of_device, mut complaints) = (0, 0, Vec::new());
    if heartbeat.from > index {
        complaints.push(format!("it says that its window begins at entry {}, after it ends", grouped(heartbeat.from)));
    }
    let mut before = None;
    for (at, entry) in (first..).zip(entries) {
        let entry = Entry::from_bytes(entry);
        match entry {
            Ok(Entry::Heartbeat(_)) if at < heartbeat.from => before = Some(at),
            Ok(Entry::Heartbeat(_)) => {
                complaints.push(format!("entry {} inside the window is a heartbeat too", grouped(at)));
            }
            Ok(Entry::Anomaly(anomaly)) if at >= heartbeat.from => {
                all += 1;
                of_device += u64::from(Some(&anomaly.device) == device);
            }
            _ => {}
        }
    }
    if before.is_none() && heartbeat.from > 0 {
        let last = grouped(heartbeat.from.saturating_sub(1));
        complaints.push(format!("the window leaves a gap: entry {last} before it is no heartbeat"));
    }
    if heartbeat.anomalies != all {
        complaints.push(format!(
            "it counts {}, the log has {}",
            counted(heartbeat.anomalies, "anomaly", "anomalies"),
            grouped(all)
        ));
    }
    Window { index, heartbeat, counted: Counted::Entries { all, of_device, complaints } }
}

impl Account {
    /// Everything that does not agree.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let (of_device, mut complaints) = match &self.window.counted {
            Counted::Entries { of_device, complaints, .. } => (Some(*of_device), complaints.clone()),
            Counted::TooMany(_) => (None, Vec::new()),
        };
        let says = match &self.device {
            None => return complaints,
            Some(Device::Refused(why)) => {
                complaints.push(format!("what is shown of the device does not hold: {why}"));
                return complaints;
            }
            Some(Device::Absent) => 0,
            Some(Device::Counter(counter)) => counter.anomalies,
        };
        if let Some(found) = of_device.filter(|found| *found != says) {
            complaints.push(format!(
                "it counts {} of the device, the log has {}",
                counted(says, "anomaly", "anomalies"),
                grouped(found)
            ));
        }
        complaints
    }

    /// Whether the log's entries were counted, and not only the counters checked.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.window.counted, Counted::Entries { .. })
    }
}

#[cfg(test)]
mod tests {
    use ledger::{
        Hash,
        entry::{Anomaly, Severity},
        heartbeat::{Counter, Totals},
    };

    use super::*;

    const ID: &str = "01a1f838-78f3-71e9-9e5a-a50460b61251";
    const TIME: &str = "2026-11-20T09:10:12.979Z";

    fn device(number: u32) -> Pseudonym {
        format!("{number:032x}").parse().unwrap()
    }

    fn heartbeat(from: u64, anomalies: u64) -> Heartbeat {
        let totals = Totals { devices: 1, readings: 9, anomalies, root: Hash([0; 32]) };
        Heartbeat::new(ID.parse().unwrap(), TIME.parse().unwrap(), from, totals)
    }

    fn anomaly(number: u32) -> Vec<u8> {
        let hash = Hash([1; 32]);
        let (id, time) = (ID.parse().unwrap(), TIME.parse().unwrap());
        let entry = Anomaly::new(id, TIME.parse().unwrap(), hash, device(number), hash, time, Severity::Info);
        Entry::Anomaly(entry).to_bytes().unwrap()
    }

    fn closed(from: u64) -> Vec<u8> {
        Entry::Heartbeat(heartbeat(from, 0)).to_bytes().unwrap()
    }

    /// What the window of a heartbeat at 14 amounts to that counts `anomalies` from entry 11 on.
    fn complaints(anomalies: u64, entries: &[Vec<u8>], says: Option<Device>) -> Vec<String> {
        let window = window(14, heartbeat(11, anomalies), 10, Some(entries), Some(&device(1)));
        Account { window, device: says }.complaints()
    }

    #[test]
    fn a_window_that_agrees_has_nothing_to_complain_of() {
        let entries = [closed(4), anomaly(1), anomaly(2), anomaly(1)];
        let counter = Counter::new(device(1), 9, 2, None);
        assert_eq!(complaints(3, &entries, Some(Device::Counter(counter))), Vec::<String>::new());
        let first = window(1, heartbeat(0, 1), 0, Some(&[anomaly(2)]), None);
        assert_eq!(first.counted, Counted::Entries { all: 1, of_device: 0, complaints: Vec::new() });
    }

    #[test]
    fn a_missing_anomaly_a_gap_and_a_counter_that_says_otherwise_show() {
        let entries = [closed(4), anomaly(1), anomaly(2), anomaly(1)];
        let missing = complaints(4, &entries, None);
        assert_eq!(missing, ["it counts 4 anomalies, the log has 3"]);
        let gap = complaints(3, &[anomaly(2), anomaly(1), anomaly(2), anomaly(1)], None);
        assert_eq!(gap, ["the window leaves a gap: entry 10 before it is no heartbeat"]);
        let two = complaints(2, &[closed(4), anomaly(1), closed(11), anomaly(1)], None);
        assert_eq!(two, ["entry 12 inside the window is a heartbeat too"]);
        let counter = Counter::new(device(1), 9, 1, None);
        let other = complaints(3, &entries, Some(Device::Counter(counter)));
        assert_eq!(other, ["it counts 1 anomaly of the device, the log has 2"]);
        let absent = complaints(3, &entries, Some(Device::Absent));
        assert_eq!(absent, ["it counts 0 anomalies of the device, the log has 2"]);
    }

    #[test]
    fn a_window_that_was_not_counted_says_so() {
        let window = window(5_000, heartbeat(11, 3), 10, None, None);
        assert_eq!(window.counted, Counted::TooMany(4_989));
        let account = Account { window, device: Some(Device::Refused("no".into())) };
        assert!(!account.is_counted());
        assert_eq!(account.complaints(), ["what is shown of the device does not hold: no"]);
    }
}
