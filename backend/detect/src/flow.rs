//! Network flows, judged one by one: by what is usual ([`TableModel`]), or by classes that somebody has labelled
//! ([`Classifier`]). Remembers nothing of a flow, so that a verdict follows from the flow and the model alone.
//!
//! Finds the columns by name in whatever a tool writes, and judges those that the model was trained on. What a column
//! means is the tool's matter.

use crate::{
    DetectError, Finding, Judgement, Kind, Label, Reason, Severity, TableModel, calibrate,
    classify::{Classifier, ColumnKind, Matching},
    explain, table,
};

/// Score from which a flow is anomalous.
const THRESHOLD: f64 = 0.5;
/// How far beyond a table model's own limit, which one training row in a hundred passes, a flow has to be: of simulated
/// flows that were not trained on, one in some 1,400 is (docs/decisions/flows.md).
const LIMITS: f64 = 1.3;
/// −ln p from which a column stands out by itself: one row in a hundred.
const ALONE: f64 = 4.6;
/// Reasons of a flow at most: the first three say it.
const MAX_REASONS: usize = 3;
/// What is the reason where no column is one by itself.
const PATTERN: &str = "*";

/// The feature of a reason that a classifier gives; its metric is the class.
pub const CLASS: &str = "class";

/// What judges flows; immutable.
#[derive(Clone, Debug)]
pub struct FlowModel(Judge);

#[derive(Clone, Debug)]
enum Judge {
    Usual(Box<TableModel>),
    Classes { classifier: Box<Classifier>, matching: Matching, usual: usize },
}

impl FlowModel {
    /// What is not usual is found.
    #[must_use]
    pub fn of_usual(model: TableModel) -> Self {
        Self(Judge::Usual(Box::new(model)))
    }

    /// What is not of the class that means that nothing is wrong is found.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for a classifier without such a class, or with columns of words: a flow has numbers.
    pub fn of_classes(classifier: Classifier) -> Result<Self, DetectError> {
        let words = classifier.columns().iter().find(|column| column.kind() == ColumnKind::Category);
        if let Some(column) = words {
            return Err(DetectError::malformed(
                "flow model",
                "columns of numbers",
                format!("words in {}", column.name()),
            ));
        }
        let usual = classifier.classes().iter().position(|class| crate::classify::is_benign(class));
        let usual = usual.ok_or_else(|| {
            DetectError::malformed("flow model", "a class such as benign or normal", classifier.classes().join(", "))
        })?;
        let names: Vec<&str> = classifier.columns().iter().map(|column| column.name()).collect();
        let matching = classifier.matching(&names)?;
        Ok(Self(Judge::Classes { classifier: Box::new(classifier), matching, usual }))
    }

    /// Whether these bytes are of a model of flows, by their first four.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        [table::MAGIC, crate::classify::MAGIC].iter().any(|magic| bytes.starts_with(*magic))
    }

    /// Reads the byte form of either.
    ///
    /// # Errors
    /// As [`TableModel::from_bytes`], [`Classifier::from_bytes`] and [`of_classes`](Self::of_classes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        match bytes.starts_with(crate::classify::MAGIC) {
            true => Self::of_classes(Classifier::from_bytes(bytes)?),
            false => Ok(Self::of_usual(TableModel::from_bytes(bytes)?)),
        }
    }

    /// The byte form: that of the table model, or of the classifier.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Judge::Usual(model) => model.to_bytes(),
            Judge::Classes { classifier, .. } => classifier.to_bytes(),
        }
    }

    /// What the model says of itself, as JSON.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] if it cannot be written.
    pub fn meta_json(&self) -> Result<String, DetectError> {
        let json = match &self.0 {
            Judge::Usual(model) => serde_json::to_string_pretty(&model.meta()),
            Judge::Classes { classifier, .. } => serde_json::to_string_pretty(&classifier.meta()),
        };
        json.map_err(|error| DetectError::malformed("flow model", "JSON", error))
    }

    /// SHA-256 of the rows that it was trained on, in hexadecimal.
    #[must_use]
    pub fn training_hash(&self) -> String {
        match &self.0 {
            Judge::Usual(model) => model.meta().training_rows_hash,
            Judge::Classes { classifier, .. } => classifier.meta().training_hash,
        }
    }

    /// The columns that are judged, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match &self.0 {
            Judge::Usual(model) => model.columns().iter().map(String::as_str).collect(),
            Judge::Classes { classifier, .. } => classifier.columns().iter().map(|column| column.name()).collect(),
        }
    }

    /// The place in a header of each column that is judged. Names are compared by their letters and digits.
    ///
    /// # Errors
    /// [`DetectError::MissingColumns`] naming those that are not there; [`DetectError::Parameter`] for a name that is there
    /// twice.
    pub fn places(&self, header: &[&str]) -> Result<Vec<usize>, DetectError> {
        crate::classify::places(&self.columns(), header)
    }

    /// Judges a flow: one number for each of the [`columns`](Self::columns).
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for another number of numbers, [`DetectError::NotFinite`] for one that is not finite, or
    /// is not once it is cut to 32 bits.
    pub fn judge(&self, values: &[f64]) -> Result<Judgement, DetectError> {
        match &self.0 {
            Judge::Usual(model) => by_usual(model, values),
            Judge::Classes { classifier, matching, usual } => by_class(classifier, matching, *usual, values),
        }
    }
}

/// The score of a flow that goes on with what was reported already: below one half, the higher the more evidence.
#[must_use]
pub fn held(score: f64) -> f64 {
    calibrate::held(score)
}

fn by_usual(model: &TableModel, values: &[f64]) -> Result<Judgement, DetectError> {
    let row: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let own = model.score(&row)?;
    // The model's score is evidence e in its own limits as e/(1 + e).
    let strength = own / (1.0 - own) / LIMITS;
    let score = calibrate::score(strength);
    let mut found = Vec::new();
    if score >= THRESHOLD {
        found = stand_out(model, &row, values);
        if found.is_empty() {
            let together = (strength, 1.0, calibrate::probability(strength * LIMITS * ALONE));
            found.push(of_all(PATTERN, "pattern", together));
        }
        let sum: f64 = found.iter().map(|reason| reason.contribution).sum();
        found.iter_mut().for_each(|reason| reason.contribution /= sum);
    }
    let severity = match strength {
        strength if strength >= 2.5 => Severity::Critical,
        strength if strength >= 1.5 => Severity::Warning,
        _ => Severity::Info,
    };
    let probability = calibrate::probability(strength * LIMITS * ALONE);
    let sentence = found.first().map(|reason| match reason.feature {
        "pattern" => {
            "The network flow is of a kind that was not seen before: no column by itself, all of them together.".into()
        }
        _ => {
            let (value, low, high) = (short(reason.value), short(reason.expected_low), short(reason.expected_high));
            let range = if low == high { low } else { format!("between {low} and {high}") };
            format!("{} of the network flow is {value}; {range} was expected.", reason.metric)
        }
    });
    Ok(judgement(score, probability, severity, found, sentence))
}

/// The columns that stand out by themselves, the strongest first. Their evidence stands in `contribution`.
fn stand_out(model: &TableModel, row: &[f32], values: &[f64]) -> Vec<Reason> {
    let mut tails: Vec<(usize, f64)> = model.column_evidence(row).into_iter().enumerate().collect();
    tails.retain(|(_, nats)| *nats >= ALONE);
    tails.sort_by(|a, b| b.1.total_cmp(&a.1));
    let reason = |(place, nats): (usize, f64)| {
        let (low, middle, high) = model.column_range(place);
        Reason {
            metric: model.columns()[place].clone(),
            unit: String::new(),
            value: values[place],
            expected: middle.into(),
            expected_low: low.into(),
            expected_high: high.into(),
            feature: "tail",
            score: calibrate::score(nats / ALONE),
            probability: calibrate::probability(nats),
            contribution: nats,
        }
    };
    tails.into_iter().take(MAX_REASONS).map(reason).collect()
}

fn by_class(
    classifier: &Classifier,
    matching: &Matching,
    usual: usize,
    values: &[f64],
) -> Result<Judgement, DetectError> {
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        let metric = classifier.columns().get(place).map_or("", |column| column.name()).to_owned();
        return Err(DetectError::NotFinite { metric, actual: values[place] });
    }
    let cells: Vec<String> = values.iter().map(f64::to_string).collect();
    let shares = classifier.probabilities(matching, &cells.iter().map(String::as_str).collect::<Vec<_>>())?;
    let score = 1.0 - shares[usual];
    let others = (0..shares.len()).filter(|class| *class != usual);
    let named = others.rev().max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(usual);
    let class = &classifier.classes()[named];
    let severity = match score {
        score if score >= 0.9 => Severity::Critical,
        score if score >= 0.7 => Severity::Warning,
        _ => Severity::Info,
    };
    let found =
        if score >= THRESHOLD { vec![of_all(class, CLASS, (score, THRESHOLD, shares[usual]))] } else { Vec::new() };
    let sentence = format!(
        "The network flow looks like {class}: {} % of the trees say that it is not {}.",
        (score * 100.0).round(),
        classifier.classes()[usual]
    );
    let sentence = (!found.is_empty()).then_some(sentence);
    Ok(judgement(score, shares[usual], severity, found, sentence))
}

/// A reason that is of no single column.
fn of_all(metric: &str, feature: &'static str, (value, limit, probability): (f64, f64, f64)) -> Reason {
    Reason {
        metric: metric.to_owned(),
        unit: String::new(),
        value,
        expected: 0.0,
        expected_low: 0.0,
        expected_high: limit,
        feature,
        score: calibrate::score(value / limit),
        probability,
        contribution: 1.0,
    }
}

fn judgement(
    score: f64,
    probability: f64,
    severity: Severity,
    reasons: Vec<Reason>,
    sentence: Option<String>,
) -> Judgement {
    let finding = sentence.map(|sentence| Finding { kind: Kind::Point, severity, reasons, sentence });
    let label = if finding.is_some() { Label::Anomaly } else { Label::Normal };
    Judgement { score, probability, threshold: THRESHOLD, label, finding }
}

/// A number as people read it: four digits.
fn short(value: f64) -> String {
    let places = if value == 0.0 { 0.0 } else { 3.0 - libm::floor(libm::log10(value.abs())) };
    explain::number(value, places.clamp(0.0, 9.0) as usize)
}
