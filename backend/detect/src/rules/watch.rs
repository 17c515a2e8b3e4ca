//! What a device's state keeps of each rule, and how it is followed from reading to reading. Holds
//! no names: a metric is known by the hash of its name, as elsewhere in the state.

use super::{Condition, Lasting, Terms, WHOLE_DEVICE, say};
use crate::{Budget, Finding, Judgement, Kind, Label, Model, Policy, ReadingView, Reason, Severity, state::key};

/// A reading within a crossing that has been reported scores at least this: high, and below the
/// threshold of 0.5.
const HELD_SCORE: f64 = 0.45;
/// The step of escalation has four bits.
const MOST_STEPS: f64 = 15.0;

/// The policy of a device as its state keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watches {
    pub(crate) budget: Budget,
    pub(super) watches: Vec<Watch>,
}

/// One rule and how far it has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Watch {
    pub(super) key: u64,
    pub(super) terms: Terms,
    /// Milliseconds since the metric's last value, or since the rule was set.
    pub(super) age_ms: u32,
    /// Milliseconds for which the condition has held, or a bit for each of the last readings.
    pub(super) progress: u32,
    /// Milliseconds since the last report.
    pub(super) rest_ms: u32,
    /// The last value, for rates; otherwise 0.
    pub(super) last: f64,
    /// A crossing has been reported and has not ended.
    pub(super) reported: bool,
    /// There is a last value.
    pub(super) known: bool,
    /// The condition held in the last reading.
    pub(super) running: bool,
    /// Steps of escalation that have been reported.
    pub(super) step: u8,
}

/// What the rules say about a reading.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    /// To be reported, most severe first.
    alarms: Vec<(Severity, Reason, String)>,
    /// A reported crossing goes on.
    ongoing: bool,
}

/// What a rule saw that is to be reported.
pub(super) struct Seen {
    pub(super) terms: Terms,
    pub(super) value: f64,
    /// The value before, for rates.
    pub(super) before: f64,
    /// Milliseconds that count: held, between the two readings of a rate, or without data.
    pub(super) millis: u32,
    /// Of the last readings, how many were beyond.
    pub(super) hits: u32,
    pub(super) severity: Severity,
}

impl Default for Watches {
    fn default() -> Self {
        Self { budget: Budget::DEFAULT, watches: Vec::new() }
    }
}

impl Watches {
    pub(crate) fn new(policy: &Policy) -> Self {
        let watches = policy.rules().iter().map(|rule| Watch::new(key(rule.metric()), rule.terms)).collect();
        Self { budget: policy.budget(), watches }
    }

    /// Takes on another policy; rules that stay keep how far they have come.
    pub(crate) fn set(&mut self, policy: &Policy) {
        let mut next = Self::new(policy);
        for watch in &mut next.watches {
            if let Some(known) = self.watches.iter().find(|known| known.key == watch.key && known.terms == watch.terms)
            {
                watch.clone_from(known);
            }
        }
        *self = next;
    }

    /// Whether this is exactly what the policy says.
    pub(crate) fn follow(&self, policy: &Policy) -> bool {
        let same = |(watch, rule): (&Watch, &crate::Rule)| watch.key == key(rule.metric()) && watch.terms == rule.terms;
        self.budget == policy.budget()
            && self.watches.len() == policy.rules().len()
            && self.watches.iter().zip(policy.rules()).all(same)
    }

    /// Follows every rule through one reading that comes `elapsed_ms` after the latest before.
    pub(crate) fn check(&mut self, model: &Model, reading: &ReadingView<'_>, elapsed_ms: i64) -> Fired {
        let mut fired = Fired::default();
        if self.watches.is_empty() {
            return fired;
        }
        let elapsed = elapsed_ms.clamp(0, i64::from(u32::MAX)) as u32;
        let device = key(WHOLE_DEVICE);
        for watch in &mut self.watches {
            watch.age_ms = watch.age_ms.saturating_add(elapsed);
            watch.rest_ms = watch.rest_ms.saturating_add(elapsed);
            let found = reading.values.iter().find(|value| key(value.metric) == watch.key);
            let (metric, value) = match found {
                Some(value) => (value.metric, value.value),
                None if watch.key == device => (WHOLE_DEVICE, 0.0),
                None => continue,
            };
            if let Some(seen) = watch.take(value) {
                let spec = model.metric(metric);
                fired.alarms.push(say::alarm(&seen, metric, spec.map_or("", |spec| spec.unit()), true));
            }
            fired.ongoing |= watch.reported && watch.running;
        }
        // Stable: rules of one severity stay in the order of the policy.
        fired.alarms.sort_by_key(|(severity, ..)| std::cmp::Reverse(*severity));
        fired
    }

    /// What has been silent for too long, `silent_ms` after the latest reading, and has not been
    /// reported; the policy lends the names.
    pub(crate) fn silence(&mut self, policy: &Policy, silent_ms: i64) -> Option<Finding> {
        let silent = silent_ms.clamp(0, i64::from(u32::MAX)) as u32;
        let mut fired = Fired::default();
        for watch in &mut self.watches {
            let named = |rule: &&crate::Rule| key(rule.metric()) == watch.key && rule.terms == watch.terms;
            let Some(rule) = policy.rules().iter().find(named) else { continue };
            if let Some(seen) = watch.wait(silent) {
                fired.alarms.push(say::alarm(&seen, rule.metric(), "", false));
            }
        }
        fired.alarms.sort_by_key(|(severity, ..)| std::cmp::Reverse(*severity));
        fired.finding(None)
    }
}

impl Watch {
    fn new(key: u64, terms: Terms) -> Self {
        Self {
            key,
            terms,
            age_ms: 0,
            progress: 0,
            rest_ms: u32::MAX,
            last: 0.0,
            reported: false,
            known: false,
            running: false,
            step: 0,
        }
    }

    /// Takes in a value of the metric.
    fn take(&mut self, value: f64) -> Option<Seen> {
        let millis = std::mem::take(&mut self.age_ms);
        let before = self.last;
        let excess = match self.terms.condition {
            Condition::Above(limit) => value - limit,
            Condition::Below(limit) => limit - value,
            Condition::Outside { low, high } => (low - value).max(value - high),
            Condition::RateOfChange { limit, per } => {
                let known = std::mem::replace(&mut self.known, true);
                if known && millis == 0 {
                    return None;
                }
                self.last = value;
                if !known {
                    return None;
                }
                (value - before).abs() / f64::from(millis) * per.millis() - limit
            }
            Condition::NoData { seconds } => return self.end_of_silence(millis, seconds),
        };
        let met = self.progress(excess > 0.0, millis);
        if self.reported && excess <= -f64::from(self.terms.hysteresis) && !(met && self.counts()) {
            self.reported = false;
        }
        let rate = matches!(self.terms.condition, Condition::RateOfChange { .. });
        let millis = if rate { millis } else { self.held() };
        self.report(met, excess).map(|severity| Seen {
            terms: self.terms,
            value,
            before,
            millis,
            hits: self.progress.count_ones(),
            severity,
        })
    }

    fn counts(&self) -> bool {
        matches!(self.terms.lasting, Lasting::Times { .. })
    }

    fn held(&self) -> u32 {
        if self.counts() { 0 } else { self.progress }
    }

    /// Notes whether the condition holds now, `millis` after the last value; whether it has held
    /// for as long, or as often, as the rule asks.
    fn progress(&mut self, holds: bool, millis: u32) -> bool {
        let ran = std::mem::replace(&mut self.running, holds);
        if let Lasting::Times { count, of } = self.terms.lasting {
            let window = u32::MAX >> (32 - u32::from(of.clamp(1, 32)));
            self.progress = (self.progress << 1 | u32::from(holds)) & window;
            return self.progress.count_ones() >= u32::from(count);
        }
        self.progress = match (ran, holds) {
            (true, true) => self.progress.saturating_add(millis),
            _ => 0,
        };
        let least = if let Lasting::Millis(least) = self.terms.lasting { least } else { 0 };
        holds && self.progress >= least
    }

    /// Whether what is so is to be reported, and how severe it is by now.
    fn report(&mut self, met: bool, excess: f64) -> Option<Severity> {
        if !met || excess <= 0.0 {
            return None;
        }
        let escalate_by = f64::from(self.terms.escalate_by);
        let step = if escalate_by > 0.0 { (excess / escalate_by).min(MOST_STEPS) as u8 } else { 0 };
        let rested = self.rest_ms >= 1000 * u32::from(self.terms.refractory_s);
        if !(step > self.step || !self.reported && rested) {
            return None;
        }
        self.reported = true;
        self.step = step;
        self.rest_ms = 0;
        Some(match (self.terms.severity, step) {
            (severity, 0) => severity,
            (Severity::Info, 1) => Severity::Warning,
            _ => Severity::Critical,
        })
    }

    /// A value after a silence: reported now if nobody did while it lasted.
    fn end_of_silence(&mut self, millis: u32, seconds: f64) -> Option<Seen> {
        let seen = if self.reported { None } else { self.silent(millis, seconds) };
        (self.reported, self.running, self.step) = (false, false, 0);
        seen
    }

    /// Asks about silence `silent` milliseconds after the device's latest reading.
    fn wait(&mut self, silent: u32) -> Option<Seen> {
        match self.terms.condition {
            Condition::NoData { seconds } => {
                let rest = self.rest_ms;
                self.rest_ms = rest.saturating_add(silent);
                let seen = self.silent(self.age_ms.saturating_add(silent), seconds);
                if seen.is_none() {
                    self.rest_ms = rest;
                }
                seen
            }
            _ => None,
        }
    }

    fn silent(&mut self, millis: u32, seconds: f64) -> Option<Seen> {
        let excess = f64::from(millis) / 1000.0 - seconds;
        self.running = excess > 0.0;
        let severity = self.report(self.running, excess)?;
        Some(Seen { terms: self.terms, value: f64::from(millis) / 1000.0, before: 0.0, millis, hits: 0, severity })
    }
}

impl Fired {
    /// One finding of the rules' reasons and, after them, the model's.
    fn finding(self, model: Option<Finding>) -> Option<Finding> {
        let Some((severity, _, sentence)) = self.alarms.first().cloned() else { return model };
        let mut reasons: Vec<Reason> = self.alarms.into_iter().map(|(_, reason, _)| reason).collect();
        let mut severity = severity;
        if let Some(finding) = model {
            severity = severity.max(finding.severity);
            let strongest = finding.reasons.first().map_or(0.0, |reason| reason.score);
            reasons.extend(finding.reasons.into_iter().map(|mut reason| {
                reason.contribution *= strongest;
                reason
            }));
        }
        let total: f64 = reasons.iter().map(|reason| reason.contribution).sum();
        for reason in &mut reasons {
            reason.contribution /= total;
        }
        Some(Finding { kind: Kind::Threshold, severity, reasons, sentence })
    }

    /// The model's verdict and the rules' in one.
    pub(crate) fn join(self, mut judgement: Judgement) -> Judgement {
        if let Some((_, reason, _)) = self.alarms.first() {
            judgement.score = judgement.score.max(reason.score);
            judgement.label = Label::Anomaly;
        } else if self.ongoing {
            judgement.score = judgement.score.max(HELD_SCORE);
        }
        judgement.finding = self.finding(judgement.finding);
        judgement
    }
}
