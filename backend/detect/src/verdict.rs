//! The words of a verdict. Decides nothing.

use serde::{Deserialize, Serialize};

/// What is said about a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Nothing to report: usual, or part of an event that has been reported already.
    Normal,
    /// A finding to report.
    Anomaly,
    /// Too few readings of this device yet to judge by.
    WarmingUp,
}

/// The sort of anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A value that this device does not usually reach, or that is physically implausible.
    Point,
    /// A value that is usual for this device, but not now.
    Contextual,
    /// A lasting change of level or of variability.
    ChangePoint,
    /// A limit that people have set was passed; no model is asked.
    Threshold,
}

/// How far beyond the expected a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Beyond the limit.
    Info,
    /// At least 1.5 times the limit.
    Warning,
    /// At least 3 times the limit, or physically implausible.
    Critical,
}

/// Why one metric was found anomalous.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The metric's name as in the reading.
    pub metric: String,
    /// Its unit from the model, or empty where the model does not know the metric.
    pub unit: String,
    /// The value as in the reading.
    pub value: f64,
    /// The value that was expected, in the metric's unit.
    pub expected: f64,
    /// Lower end of what was expected, in the metric's unit. Of a limit on one side both ends are
    /// the limit; of missing data the value and both ends are seconds.
    pub expected_low: f64,
    /// Upper end of what was expected.
    pub expected_high: f64,
    /// What gave it away: `jump`, `drift`, `change`, `stuck`, `creep`, `shift`, `volatility`, `calm`,
    /// `time_of_day`, `together` or `plausible_range`; of a rule `above`, `below`, `outside`, `rate_of_change` or `no_data`.
    pub feature: &'static str,
    /// This metric's own score, 0..1.
    pub score: f64,
    /// How probable a deviation this large is in an ordinary reading of this device, 0..1; of a
    /// rule 0, as nothing is left to chance.
    pub probability: f64,
    /// The share of this reason in the finding's evidence; over all reasons the shares add up to 1.
    pub contribution: f64,
}

/// A reading judged anomalous.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The sort of anomaly of the strongest reason.
    pub kind: Kind,
    /// How far beyond the expected.
    pub severity: Severity,
    /// The metrics that are newly anomalous, strongest first; at least one.
    pub reasons: Vec<Reason>,
    /// One sentence for people, about the strongest reason.
    pub sentence: String,
}

/// The verdict about one reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// From 0, as usual as can be, towards 1. Given also while warming up.
    pub score: f64,
    /// How probable evidence as strong as this is in an ordinary reading of this device.
    pub probability: f64,
    /// Always 0.5: the score of evidence exactly at the device's alarm limit. A finding's score is
    /// at least this; later readings of a reported event score a little less.
    pub threshold: f64,
    /// `Anomaly` exactly if there is a finding.
    pub label: Label,
    /// What to report, if anything.
    pub finding: Option<Finding>,
}
