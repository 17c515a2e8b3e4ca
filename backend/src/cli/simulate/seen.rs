//! What came of an attack, held against what was expected.

use std::collections::BTreeMap;

use api::Status;

use super::{
    attack::Act,
    device::{Part, Sent},
    send::Answer,
};

/// What came of one attack.
pub(super) struct Seen {
    /// The attack.
    pub(super) act: Act,
    /// The devices that it befell, with the time of its first reading.
    begun: BTreeMap<usize, i64>,
    /// Of those on which it was found, how long after that, by their clocks.
    found_after: BTreeMap<usize, i64>,
    sent: u64,
    refused: u64,
    duplicates: u64,
    /// Taken, without a word on whether they were known.
    untold: u64,
    /// Why the first was refused.
    why: Option<String>,
}

impl Seen {
    /// Of nothing yet.
    pub(super) fn of(act: Act) -> Self {
        Self {
            act,
            begun: BTreeMap::new(),
            found_after: BTreeMap::new(),
            sent: 0,
            refused: 0,
            duplicates: 0,
            untold: 0,
            why: None,
        }
    }

    /// Counts the answer to a reading of it.
    pub(super) fn add(&mut self, sent: &Sent, answer: &Answer, found: bool) {
        self.sent += 1;
        let begun = *self.begun.entry(sent.device).or_insert(sent.sample.time_ms);
        if found && matches!(sent.part, Part::Under(_)) {
            self.found_after.entry(sent.device).or_insert(sent.sample.time_ms - begun);
        }
        self.duplicates += u64::from(answer.status == Status::Duplicate);
        self.untold += u64::from(answer.status == Status::Stored && answer.label.is_none());
        if let Some((code, why)) = &answer.problem {
            self.refused += 1;
            self.why.get_or_insert_with(|| match serde_json::to_value(code) {
                Ok(serde_json::Value::String(code)) => code,
                _ => why.clone(),
            });
        }
    }

    /// Whether nothing was stored that must not be. What is not found is a measurement, no fault of the way there.
    pub(super) fn is_safe(&self) -> bool {
        match self.act {
            Act::Shows(_) | Act::Flows(_) => true,
            Act::Replay => self.duplicates + self.refused + self.untold == self.sent,
            Act::Spoofing => self.refused == self.sent,
        }
    }

    /// In words. `told`: whether the way there tells verdicts.
    pub(super) fn summary(&self, told: bool) -> String {
        let devices = self.begun.len();
        if devices == 0 {
            return "had not begun at the end".into();
        }
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        match self.act {
            Act::Shows(_) | Act::Flows(_) if !told => format!("on {devices} devices: not told"),
            Act::Shows(_) | Act::Flows(_) => {
                let seconds = |ms: Option<&i64>| ms.map(|ms| format!("{:.1} s", *ms as f64 / 1_000.0));
                let mut after: Vec<String> = [self.found_after.values().min(), self.found_after.values().max()]
                    .into_iter()
                    .filter_map(seconds)
                    .collect();
                after.dedup();
                let found = self.found_after.len();
                let after = if found == 0 { String::new() } else { format!(", after {}", after.join(" to ")) };
                format!("expected: found; found on {found} of {devices} devices{after}")
            }
            Act::Replay => format!(
                "expected: nothing stored twice; {} of {} were known already, {} refused{why}{}",
                self.duplicates,
                self.sent,
                self.refused,
                if !told {
                    ": duplicates are not told"
                } else if self.is_safe() {
                    ""
                } else {
                    ": NOT AS EXPECTED"
                }
            ),
            Act::Spoofing => format!(
                "expected: refused; {} of {} were refused{why}{}",
                self.refused,
                self.sent,
                if self.is_safe() { "" } else { ": NOT AS EXPECTED (a trial asks nobody who they are)" }
            ),
        }
    }
}
