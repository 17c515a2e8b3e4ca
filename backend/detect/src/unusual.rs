//! How far a reading goes from what is usual for its metrics, in five sorts of deviation, for the
//! device's routine to judge. Judges nothing itself.

use crate::{
    Kind,
    detector::{CALM, DRIFT, JUMP, TIME_OF_DAY},
    scorer::routine::{SORTS, Sizes, Surprise},
    series::{Feature, Measures, Series},
};

/// What each sort of deviation is reported as: a moving mean, a value and a mean against the time
/// of day, stillness, a value beyond all so far.
pub(crate) const SORT: [(Kind, &str); SORTS] = [
    (Kind::ChangePoint, DRIFT),
    (Kind::Contextual, TIME_OF_DAY),
    (Kind::Contextual, TIME_OF_DAY),
    (Kind::ChangePoint, CALM),
    (Kind::Point, JUMP),
];

/// A deviation counts in parts of this share of a metric's usual deviation from its level …
const OF_DEVIATION: f64 = 0.04;
/// … and this share of the level: what is smaller hardly matters to anybody.
const OF_LEVEL: f64 = 0.015;

/// The largest deviation of each sort in a reading, and what was expected instead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unusual {
    pub(crate) sizes: Sizes,
    /// The middle of what was expected, and how far the value was from it.
    expected: [(f64, f64); SORTS],
}

impl Unusual {
    /// Takes in what the metric at this place of the reading shows.
    pub(crate) fn add(&mut self, place: usize, series: &Series, measures: &Measures) {
        if series.seen == 0 {
            return;
        }
        let feature = |feature: Feature| measures.features[feature as usize];
        let deviation = libm::sqrt(f64::from(series.covariance[0]));
        let unit = OF_DEVIATION * deviation + OF_LEVEL * series.level.abs() + measures.least;
        let known = f64::from(u8::from(measures.in_season));
        let beyond = series.beyond_range(measures);
        let size = |deviation: f64| 1.0 + deviation.abs() / unit;
        let stillness = libm::exp(-feature(Feature::Volatility));
        let sizes = [
            size(feature(Feature::Shift)),
            known * size(feature(Feature::Season)),
            known * size(feature(Feature::OffSeason)),
            stillness,
            size(beyond),
        ];
        let (shift, range) = (feature(Feature::Shift), feature(Feature::Range));
        let season = feature(Feature::Season);
        let expected = [
            (series.level, shift),
            (measures.usual, season),
            (measures.usual, season),
            (measures.predicted, deviation),
            (series.level, range),
        ];
        let base = series.base();
        let raised = self.sizes.raise(place, sizes);
        for (sort, (middle, deviation)) in expected.into_iter().enumerate() {
            if raised[sort] {
                self.expected[sort] = (base + middle, deviation);
            }
        }
    }

    /// The range in which the most surprising sort of deviation would have been usual.
    pub(crate) fn expected(&self, surprise: &Surprise) -> (f64, f64) {
        let (middle, deviation) = self.expected[surprise.sort];
        let width = deviation.abs() * if surprise.sort == STILL { 1.0 } else { surprise.allowed };
        (middle - width, middle + width)
    }
}

/// The sort that is about too little movement.
const STILL: usize = 3;
