//! The feature row of a reading: what forest and group tails see. Without units, and of the same
//! width whatever the metrics: each column is the strongest over the reading's metrics.

use crate::{
    scorer::joint::JointMeasures,
    series::{Feature, Measures, Series},
};

/// Numbers in a feature row.
pub const COLUMNS: usize = 12;
/// Their names, in order: the columns of a training sample.
pub const NAMES: [&str; COLUMNS] = [
    "level",
    "range",
    "shift",
    "volatility",
    "season",
    "off_season",
    "residual",
    "drift",
    "stillness",
    "record",
    "t2",
    "q",
];
/// Columns whose group tails are evidence: deviations in a metric's own scale. The others compare
/// with ranges seen so far, which one event widens, and serve the forest alone.
pub(crate) const JUDGED: usize = 6;

/// The columns of the metrics together.
pub(crate) const T2: usize = 10;
pub(crate) const Q: usize = 11;

/// A feature row.
pub type Row = [f32; COLUMNS];

/// Deviations of one metric in its own scales, for the columns that are judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deviations(pub(crate) [f64; JUDGED]);

/// Place in the row and feature of each judged column.
pub(crate) const COLUMN_OF: [(usize, Feature); JUDGED] = [
    (0, Feature::Level),
    (3, Feature::Volatility),
    (4, Feature::Season),
    (5, Feature::OffSeason),
    (6, Feature::Residual),
    (7, Feature::Drift),
];

impl Deviations {
    pub(crate) fn of(series: &Series, measures: &Measures) -> Self {
        let value = |feature: Feature| measures.features[feature as usize];
        let [level, residual, season] = series.scales.map(|scale| f64::from(scale).max(measures.least));
        let settled = f64::from(u8::from(series.season.settled()));
        Self([
            value(Feature::Level).abs() / level,
            value(Feature::Volatility).max(0.0),
            settled * value(Feature::Season).abs() / season,
            settled * value(Feature::OffSeason).abs() / season,
            value(Feature::Residual).abs() / residual,
            value(Feature::Drift).abs(),
        ])
    }
}

/// Squeezes a deviation from 0..∞ into 0..1: trees split ranges uniformly, and one large training
/// value must leave something to split among the others.
fn squeeze(deviation: f64) -> f32 {
    (deviation / (1.0 + deviation)) as f32
}

/// The inverse of [`squeeze`].
pub(crate) fn stretch(column: f32) -> f64 {
    let column = f64::from(column).clamp(0.0, 1.0 - 1e-7);
    column / (1.0 - column)
}

/// Takes one metric's part into the row.
pub(crate) fn add(row: &mut Row, series: &Series, measures: &Measures, deviations: &Deviations, record: f64) {
    let mut raise = |column: usize, deviation: f64| row[column] = row[column].max(squeeze(deviation));
    for ((column, _), deviation) in COLUMN_OF.into_iter().zip(deviations.0) {
        raise(column, deviation);
    }
    let span: f64 = series.records[Feature::Range as usize].iter().map(|record| record.get()).sum();
    let span = span.max(measures.least);
    raise(1, measures.features[Feature::Range as usize].abs() / span);
    raise(2, measures.features[Feature::Shift as usize].abs() / span);
    raise(8, (-measures.features[Feature::Volatility as usize]).max(0.0));
    raise(9, (1.0 + record).max(0.0));
}

/// Takes the deviates of the metrics together into the row.
pub(crate) fn add_joint(row: &mut Row, measures: &JointMeasures) {
    row[T2] = squeeze(measures.t2.max(0.0));
    row[Q] = squeeze(measures.q.max(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeezing_is_invertible_and_keeps_the_order() {
        for deviation in [0.0, 0.1, 1.0, 5.0, 300.0] {
            assert!((stretch(squeeze(deviation)) - deviation).abs() <= 1e-3 * (1.0 + deviation * deviation));
        }
        assert!(squeeze(1e30) <= 1.0 && squeeze(2.0) < squeeze(3.0));
    }
}
