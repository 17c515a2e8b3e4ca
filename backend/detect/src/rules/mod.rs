//! Limits that people set. They stand beside the model: no model is asked, nothing is learnt, and
//! they hold from a device's first reading on, also for metrics that no model knows.
//!
//! [`Rule`] is the checked form that is read and written; `watch` is what a device's state keeps
//! of it and how it is followed, `form` its bytes; `say` puts it into a sentence.

mod form;
mod say;
mod watch;

use serde::{Deserialize, Serialize};

pub(crate) use watch::Watches;

use crate::{DetectError, Severity};

/// The metric's name that stands for the device as a whole, in rules about missing data.
pub const WHOLE_DEVICE: &str = "*";
/// Longest metric name in a rule, in bytes.
const MAX_NAME: usize = 128;
/// 40 days: whole milliseconds up to here fit 32 bits.
const MOST_SECONDS: f64 = 40.0 * 86_400.0;
/// Readings that a rule may look back on: their bits fit 32 bits.
const MOST_READINGS: u8 = 32;
/// A crossing soon after the last report is not reported again within this many seconds.
const REFRACTORY_SECONDS: u16 = 60;

/// What must be so for a rule to speak up. Limits are in the metric's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The value is greater than this.
    Above(f64),
    /// The value is less than this.
    Below(f64),
    /// The value is less than `low` or greater than `high`.
    Outside {
        /// Lowest value that is in order.
        low: f64,
        /// Highest value that is in order.
        high: f64,
    },
    /// From one reading to the next the value rises or falls faster than `limit` per unit of time.
    /// Readings at the same or an earlier time say nothing.
    RateOfChange {
        /// Largest rate that is in order, above 0.
        limit: f64,
        /// The unit of time.
        per: Per,
    },
    /// No value came for longer than this many seconds.
    NoData {
        /// Above 0, at most 40 days.
        seconds: f64,
    },
}

/// The unit of time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Per second.
    Second,
    /// Per minute.
    Minute,
    /// Per hour.
    Hour,
}

impl Per {
    fn millis(self) -> f64 {
        match self {
            Self::Second => 1000.0,
            Self::Minute => 60_000.0,
            Self::Hour => 3_600_000.0,
        }
    }
}

/// How long a condition must have held before it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// The first reading counts.
    AtOnce,
    /// In every reading over at least this many milliseconds.
    Millis(u32),
    /// In at least `count` of the last `of` readings of the metric, the latest among them.
    Times {
        /// 1 to `of`.
        count: u8,
        /// 1 to 32.
        of: u8,
    },
}

/// Everything of a rule but the metric's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) condition: Condition,
    pub(crate) lasting: Lasting,
    pub(crate) severity: Severity,
    pub(crate) hysteresis: f32,
    /// 0: never.
    pub(crate) escalate_by: f32,
    pub(crate) refractory_s: u16,
}

/// One limit on one metric.
///
/// A value beyond the limit for as long as asked is one *crossing* and is reported once. The
/// crossing ends when a value is back inside by the hysteresis (and, if asked for n times in m
/// readings, when fewer than n of the last m are beyond). The next crossing is reported once the
/// refractory time since the last report has passed, even if it began earlier and still lasts.
///
/// Escalation: if `escalate_by` is set, each further full step of that size beyond the limit is
/// reported once, refractory time or not, and is one degree more severe for each step. Another
/// way is a second rule with a limit further out: it is a rule of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Rule {
    metric: String,
    pub(crate) terms: Terms,
}

impl Rule {
    /// A rule that speaks up at once, with severity `Warning`, no hysteresis, a refractory time of
    /// 60 s, and no escalation.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for an empty name or one of more than 128 bytes, `*` for other
    /// than missing data, limits that are not finite or not in order, a rate or a time that is not
    /// above 0, or a time of more than 40 days.
    pub fn new(metric: &str, condition: Condition) -> Result<Self, DetectError> {
        let terms = Terms {
            condition,
            lasting: Lasting::AtOnce,
            severity: Severity::Warning,
            hysteresis: 0.0,
            escalate_by: 0.0,
            refractory_s: REFRACTORY_SECONDS,
        };
        terms.check()?;
        let no_data = matches!(condition, Condition::NoData { .. });
        if !(1..=MAX_NAME).contains(&metric.len()) || metric == WHOLE_DEVICE && !no_data {
            let expected = "1 to 128 bytes, and \"*\" only for no_data";
            let actual = metric.chars().take(100).collect();
            return Err(DetectError::Parameter { name: "a rule's metric", expected, actual });
        }
        Ok(Self { metric: metric.to_owned(), terms })
    }

    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Result<Self, DetectError> {
        change(&mut self.terms);
        self.terms.check()?;
        Ok(self)
    }

    /// How long it must last.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for a time of 0 or of more than 40 days, a count of 0 or of more
    /// than `of`, `of` of more than 32, and anything but at once for missing data.
    pub fn lasting(self, lasting: Lasting) -> Result<Self, DetectError> {
        self.with(|terms| terms.lasting = lasting)
    }

    /// How severe its findings are.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.terms.severity = severity;
        self
    }

    /// How far back inside the limit a value must be for the crossing to end, in the unit of the
    /// limit. Kept with 8 bits of mantissa, so to 0.2 %.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] if negative, not finite, at least half as wide as the range of
    /// [`Condition::Outside`], or given for missing data.
    pub fn hysteresis(self, hysteresis: f32) -> Result<Self, DetectError> {
        self.with(|terms| terms.hysteresis = kept(hysteresis))
    }

    /// Step beyond the limit that is reported again, in the unit of the limit (of missing data:
    /// seconds); 0 for never. Kept to 0.2 %.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] if negative or not finite.
    pub fn escalate_by(self, step: f32) -> Result<Self, DetectError> {
        self.with(|terms| terms.escalate_by = kept(step))
    }

    /// Least seconds from one report to that of another crossing.
    #[must_use]
    pub fn refractory_seconds(mut self, seconds: u16) -> Self {
        self.terms.refractory_s = seconds;
        self
    }

    /// The metric's name, or [`WHOLE_DEVICE`].
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// What must be so.
    pub fn condition(&self) -> Condition {
        self.terms.condition
    }
}

/// As the state keeps it in 16 bits: the nearest number with 8 bits of mantissa.
fn kept(size: f32) -> f32 {
    f32::from_bits(size.to_bits().saturating_add(0x4000) & !0x7fff)
}

impl Condition {
    /// The name of the condition, as in [`Reason::feature`](crate::Reason).
    pub fn name(self) -> &'static str {
        match self {
            Self::Above(_) => "above",
            Self::Below(_) => "below",
            Self::Outside { .. } => "outside",
            Self::RateOfChange { .. } => "rate_of_change",
            Self::NoData { .. } => "no_data",
        }
    }
}

impl Terms {
    fn check(&self) -> Result<(), DetectError> {
        let wrong = |name, expected, actual: String| Err(DetectError::Parameter { name, expected, actual });
        let (fits, width) = match self.condition {
            Condition::Above(limit) | Condition::Below(limit) => (limit.is_finite(), f64::INFINITY),
            Condition::Outside { low, high } => (low.is_finite() && high.is_finite() && low < high, high - low),
            Condition::RateOfChange { limit, .. } => (limit.is_finite() && limit > 0.0, 2.0 * limit),
            Condition::NoData { seconds } => ((0.001..=MOST_SECONDS).contains(&seconds), f64::MIN_POSITIVE),
        };
        if !fits {
            let expected = "finite limits, low below high, a rate above 0, a time of 0.001 s to 40 days";
            return wrong("a rule's limit", expected, format!("{:?}", self.condition));
        }
        let lasting_fits = match self.lasting {
            Lasting::AtOnce => true,
            _ if matches!(self.condition, Condition::NoData { .. }) => false,
            Lasting::Millis(millis) => millis > 0 && f64::from(millis) <= 1000.0 * MOST_SECONDS,
            Lasting::Times { count, of } => (1..=of).contains(&count) && of <= MOST_READINGS,
        };
        if !lasting_fits {
            let expected = "a time up to 40 days, or 1 to 32 readings; for no_data neither";
            return wrong("a rule's duration or times", expected, format!("{:?}", self.lasting));
        }
        if !(self.hysteresis >= 0.0 && self.hysteresis.is_finite() && 2.0 * f64::from(self.hysteresis) < width) {
            let expected = "at least 0 and less than half the range; 0 for no_data";
            return wrong("a rule's hysteresis", expected, self.hysteresis.to_string());
        }
        if !(self.escalate_by >= 0.0 && self.escalate_by.is_finite()) {
            return wrong("a rule's escalate_by", "at least 0", self.escalate_by.to_string());
        }
        Ok(())
    }
}

/// A rule as people write it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    metric: String,
    when: Condition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<Times>,
    #[serde(default = "warning")]
    severity: Severity,
    #[serde(default)]
    hysteresis: f32,
    #[serde(default)]
    escalate_by: f32,
    #[serde(default = "refractory_seconds")]
    refractory_seconds: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    count: u8,
    of: u8,
}

fn warning() -> Severity {
    Severity::Warning
}

fn refractory_seconds() -> u16 {
    REFRACTORY_SECONDS
}

impl TryFrom<Text> for Rule {
    type Error = DetectError;

    fn try_from(text: Text) -> Result<Self, DetectError> {
        let lasting = match (text.for_seconds, text.times) {
            (None, None) => Lasting::AtOnce,
            (Some(seconds), None) if (0.001..=MOST_SECONDS).contains(&seconds) => {
                Lasting::Millis(libm::round(seconds * 1000.0) as u32)
            }
            (None, Some(Times { count, of })) => Lasting::Times { count, of },
            (seconds, times) => {
                let expected = "0.001 to 3456000, or times, not both";
                let actual = format!("{seconds:?} s, times {}", if times.is_some() { "given" } else { "not given" });
                return Err(DetectError::Parameter { name: "for_seconds", expected, actual });
            }
        };
        Rule::new(&text.metric, text.when)?
            .lasting(lasting)?
            .severity(text.severity)
            .refractory_seconds(text.refractory_seconds)
            .hysteresis(text.hysteresis)?
            .escalate_by(text.escalate_by)
    }
}

impl From<Rule> for Text {
    fn from(rule: Rule) -> Self {
        let Terms { condition, lasting, severity, hysteresis, escalate_by, refractory_s } = rule.terms;
        let (for_seconds, times) = match lasting {
            Lasting::AtOnce => (None, None),
            Lasting::Millis(millis) => (Some(f64::from(millis) / 1000.0), None),
            Lasting::Times { count, of } => (None, Some(Times { count, of })),
        };
        let refractory_seconds = refractory_s;
        Self {
            metric: rule.metric,
            when: condition,
            for_seconds,
            times,
            severity,
            hysteresis,
            escalate_by,
            refractory_seconds,
        }
    }
}
