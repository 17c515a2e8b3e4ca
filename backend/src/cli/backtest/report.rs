//! What would have been found, by device, day and sort, beside what was found. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use detect::{Finding, Kind};
use jiff::Timestamp;
use ledger::entry::Type;
use serde::Serialize;

/// Lines of the table at most, so that a fleet does not fill the terminal. JSON has them all.
const LINES: usize = 200;

/// The sort of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    Point,
    Contextual,
    ChangePoint,
    Threshold,
    /// Found then, but what it was has been erased or waits to become an entry.
    Erased,
}

impl From<Kind> for Sort {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Point => Self::Point,
            Kind::Contextual => Self::Contextual,
            Kind::ChangePoint => Self::ChangePoint,
            Kind::Threshold => Self::Threshold,
        }
    }
}

impl From<Type> for Sort {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Point => Self::Point,
            Type::Contextual => Self::Contextual,
            Type::ChangePoint => Self::ChangePoint,
            Type::Threshold => Self::Threshold,
        }
    }
}

/// Findings of one device on one day (UTC), by sort.
#[derive(Debug, Default, Serialize)]
struct Day {
    now: BTreeMap<Sort, u64>,
    then: BTreeMap<Sort, u64>,
}

/// One finding of now.
#[derive(Debug, Serialize)]
struct Shown {
    time: String,
    device: String,
    severity: detect::Severity,
    kind: Kind,
    sentence: String,
}

/// How the findings of now and then meet, reading by reading.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Meeting {
    both: u64,
    only_now: u64,
    only_then: u64,
}

/// What was counted.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    from: String,
    to: String,
    readings: u64,
    devices: BTreeSet<String>,
    /// Of the rules and the model that are tried.
    pub(super) findings: u64,
    /// With a store only.
    meeting: Option<Meeting>,
    days: BTreeMap<String, BTreeMap<String, Day>>,
    first: Vec<Shown>,
    #[serde(skip)]
    since_ms: i64,
    #[serde(skip)]
    most_shown: usize,
}

impl Report {
    pub(super) fn new(since_ms: i64, newest_ms: i64, most_shown: usize) -> Self {
        Self {
            from: time(since_ms),
            to: time(newest_ms),
            readings: 0,
            devices: BTreeSet::new(),
            findings: 0,
            meeting: None,
            days: BTreeMap::new(),
            first: Vec::new(),
            since_ms,
            most_shown,
        }
    }

    /// A reading was judged.
    pub(super) fn reading(&mut self, device: &str, time_ms: i64) {
        if time_ms >= self.since_ms {
            self.readings += 1;
            if !self.devices.contains(device) {
                self.devices.insert(device.to_owned());
            }
        }
    }

    /// Something would have been found.
    pub(super) fn finding(&mut self, device: &str, time_ms: i64, finding: &Finding) {
        if time_ms < self.since_ms {
            return;
        }
        self.findings += 1;
        *self.day(device, time_ms).now.entry(Sort::from(finding.kind)).or_default() += 1;
        if self.first.len() < self.most_shown {
            let (time, device) = (time(time_ms), device.to_owned());
            let (severity, kind, sentence) = (finding.severity, finding.kind, finding.sentence.clone());
            self.first.push(Shown { time, device, severity, kind, sentence });
        }
    }

    /// The service has judged this reading too: what it found, if it did.
    pub(super) fn compare(&mut self, device: &str, time_ms: i64, now: bool, then: Option<Sort>) {
        if time_ms < self.since_ms {
            return;
        }
        let meeting = self.meeting.get_or_insert_default();
        match (now, then) {
            (true, Some(_)) => meeting.both += 1,
            (true, None) => meeting.only_now += 1,
            (false, Some(_)) => meeting.only_then += 1,
            (false, None) => {}
        }
        if let Some(sort) = then {
            *self.day(device, time_ms).then.entry(sort).or_default() += 1;
        }
    }

    fn day(&mut self, device: &str, time_ms: i64) -> &mut Day {
        let day = time(time_ms).chars().take(10).collect();
        self.days.entry(device.to_owned()).or_default().entry(day).or_default()
    }

    /// Prints it for people.
    pub(super) fn print(&self) {
        println!("from {} to {}: {} readings of {} devices", self.from, self.to, self.readings, self.devices.len());
        match &self.meeting {
            None => println!("would have fired {} times", self.findings),
            Some(Meeting { both, only_now, only_then }) => println!(
                "would have fired {} times; found then: {} ({both} at the same reading, {only_then} only then, {only_now} \
                 only now)",
                self.findings,
                both + only_then
            ),
        }
        self.table();
        if !self.first.is_empty() {
            println!("\nfirst findings:");
        }
        for Shown { time, device, severity, kind, sentence } in &self.first {
            let (severity, kind) = (word(severity), word(kind));
            println!("{time}  {device}{}{severity} {kind}: {sentence}", if device.is_empty() { "" } else { "  " });
        }
    }

    fn table(&self) {
        if self.days.is_empty() {
            return;
        }
        let columns = [Sort::Point, Sort::Contextual, Sort::ChangePoint, Sort::Threshold];
        let width = self.days.keys().map(|device| device.chars().count()).max().unwrap_or(0).max(6);
        println!("\n{:<width$}  day         point  contextual  change_point  threshold{}", "device", self.then_title());
        let lines =
            self.days.iter().flat_map(|(device, days)| days.iter().map(move |(day, counts)| (device, day, counts)));
        for (device, day, counts) in lines.clone().take(LINES) {
            let now = columns.map(|sort| counts.now.get(&sort).copied().unwrap_or(0));
            let then = self.meeting.map_or_else(String::new, |_| format!("{:>12}", counts.then.values().sum::<u64>()));
            let [point, contextual, change, threshold] = now;
            println!("{device:<width$}  {day}  {point:>5}  {contextual:>10}  {change:>12}  {threshold:>9}{then}");
        }
        let more = lines.count().saturating_sub(LINES);
        if more > 0 {
            println!("and {more} more lines: --json has all");
        }
    }

    fn then_title(&self) -> &'static str {
        if self.meeting.is_some() { "  found then" } else { "" }
    }
}

/// RFC 3339 in UTC, or the milliseconds where no year can be written.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// As JSON has it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
