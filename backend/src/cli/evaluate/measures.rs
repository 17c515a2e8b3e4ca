//! How well findings tell labelled rows apart. Counts; judges nothing, and leaves ranking to [`detect::Ranking`].

use std::fmt;

use serde::Serialize;

/// One row that was scored, with the truth about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) truth: bool,
    /// Whether something would have been reported.
    pub(super) reported: bool,
    /// Milliseconds; 0 for rows without time.
    pub(super) time_ms: i64,
}

/// A share for people: four digits, or a dash where it is not defined.
pub(super) struct Share(pub(super) Option<f64>);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(share) => f.pad(&format!("{share:.4}")),
            None => f.pad("–"),
        }
    }
}

/// Right and wrong decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Decisions {
    /// Anomalous, and said so.
    pub(super) right: u64,
    /// Not anomalous, but said so.
    pub(super) false_alarms: u64,
    /// Anomalous, and not said so.
    pub(super) missed: u64,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) f1: Option<f64>,
}

impl Decisions {
    /// `right` of the said ones are right and, of `truths` true ones, `found` were found. For rows both are the same.
    pub(super) fn of(right: u64, false_alarms: u64, found: u64, truths: u64) -> Self {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let (precision, recall) = (share(right, right + false_alarms), share(found, truths));
        // No right decision is an F1 of 0, whichever of the two is not defined.
        let f1 = (truths > 0).then(|| match (precision, recall) {
            (Some(p), Some(r)) if p + r > 0.0 => 2.0 * p * r / (p + r),
            _ => 0.0,
        });
        Self { right, false_alarms, missed: truths - found, precision, recall, f1 }
    }

    /// Row by row, a row being called anomalous from this score on.
    pub(super) fn by_row(rows: &[Scored], threshold: f64) -> Self {
        let count = |said: bool, truth: bool| {
            rows.iter().filter(|row| (row.score >= threshold) == said && row.truth == truth).count() as u64
        };
        let (right, missed) = (count(true, true), count(false, true));
        Self::of(right, count(true, false), right, right + missed)
    }
}

/// Events, each a run of anomalous rows, held against what would have been reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Events {
    pub(super) events: u64,
    pub(super) found: u64,
    /// `right` and `false_alarms` count reports, `missed` events.
    pub(super) decisions: Decisions,
    /// Of the events that were found, from their first row to the first report.
    pub(super) delay_rows: Option<Delay>,
    pub(super) delay_seconds: Option<Delay>,
}

/// How long until events were found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Delay {
    pub(super) median: f64,
    pub(super) mean: f64,
    pub(super) longest: f64,
}

impl Events {
    /// A report in an event finds it; one outside of all events is a false alarm.
    pub(super) fn of(rows: &[Scored]) -> Self {
        let (mut events, mut right, mut false_alarms) = (0, 0, 0);
        let (mut delays, mut seconds): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        // The event's first row, and whether it was found.
        let mut open: Option<(usize, bool)> = None;
        for (at, row) in rows.iter().enumerate() {
            if !row.truth {
                open = None;
                false_alarms += u64::from(row.reported);
                continue;
            }
            let (first, found) = *open.get_or_insert_with(|| {
                events += 1;
                (at, false)
            });
            if row.reported {
                right += 1;
                if !found {
                    delays.push((at - first) as f64);
                    seconds.push((row.time_ms - rows[first].time_ms) as f64 / 1e3);
                    open = Some((first, true));
                }
            }
        }
        let found = delays.len() as u64;
        let decisions = Decisions::of(right, false_alarms, found, events);
        Self { events, found, decisions, delay_rows: Delay::of(delays), delay_seconds: Delay::of(seconds) }
    }
}

impl Delay {
    fn of(mut delays: Vec<f64>) -> Option<Self> {
        delays.sort_by(f64::total_cmp);
        let longest = *delays.last()?;
        let middle = delays.len() / 2;
        let median = if delays.len() % 2 == 1 { delays[middle] } else { (delays[middle - 1] + delays[middle]) / 2.0 };
        Some(Self { median, mean: delays.iter().sum::<f64>() / delays.len() as f64, longest })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rows(rows: &[(f64, bool, bool)]) -> Vec<Scored> {
        let row = |(at, (score, truth, reported)): (usize, &(f64, bool, bool))| Scored {
            score: *score,
            truth: *truth,
            reported: *reported,
            time_ms: 2_000 * at as i64,
        };
        rows.iter().enumerate().map(row).collect()
    }

    #[test]
    fn an_event_is_found_once_and_late_or_not_at_all() {
        let some = rows(&[
            (0.0, false, true),
            (0.2, true, false),
            (0.9, true, true),
            (0.9, true, true),
            (0.1, false, false),
            (0.1, true, false),
            (0.9, false, false),
        ]);
        let events = Events::of(&some);
        assert_eq!((events.events, events.found), (2, 1));
        let delay = |rows: f64| Some(Delay { median: rows, mean: rows, longest: rows });
        assert_eq!((events.delay_rows, events.delay_seconds), (delay(1.0), delay(2.0)));
        let by_event = events.decisions;
        assert_eq!((by_event.right, by_event.false_alarms, by_event.missed), (2, 1, 1));
        assert_eq!((by_event.precision, by_event.recall), (Some(2.0 / 3.0), Some(0.5)));
        let by_row = Decisions::by_row(&some, 0.5);
        assert_eq!((by_row.right, by_row.false_alarms, by_row.missed), (2, 1, 2));
        let nothing = Events::of(&some[4..5]);
        assert_eq!((nothing.events, nothing.decisions.precision, nothing.decisions.f1), (0, None, None));
    }
}
