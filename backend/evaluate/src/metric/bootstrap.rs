//! How far a figure may be off: the percentile bootstrap (Efron, 1979), seeded.
//!
//! What is drawn again is the unit of chance: a file, a data set, a patient, an event. Never a single
//! row of a series, as neighbouring rows say nearly the same; of a table without time, a row.

use simulate::random::Random;

/// Draws for an interval.
pub const DRAWS: u32 = 400;
const SEED: u64 = 20_261_120;

/// The interval that holds 95 % of a figure's values when `units` units are drawn with replacement.
///
/// `figure` gets how often each unit was drawn; values that are not finite (no event was drawn) are
/// left out. `None` for fewer than two units or no finite value.
pub fn interval(units: usize, mut figure: impl FnMut(&[u32]) -> f64) -> Option<(f64, f64)> {
    if units < 2 {
        return None;
    }
    let mut random = Random::new(SEED);
    let mut values = Vec::new();
    for _ in 0..DRAWS {
        let mut times_drawn = vec![0; units];
        for _ in 0..units {
            let unit = (random.unit() * units as f64) as usize;
            times_drawn[unit.min(units - 1)] += 1;
        }
        values.push(figure(&times_drawn));
    }
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
    Some((at(0.025)?, at(0.975)?))
}

/// The interval of a mean over units.
pub fn of_mean(values: &[f64]) -> Option<(f64, f64)> {
    interval(values.len(), |times| {
        let sum: f64 = values.iter().zip(times).map(|(value, times)| value * f64::from(*times)).sum();
        sum / values.len() as f64
    })
}

/// The interval of a ratio of sums over units: `(above, below)` of each, such as found and existing.
pub fn of_ratio(units: &[(f64, f64)]) -> Option<(f64, f64)> {
    interval(units.len(), |times| {
        let sum = |pick: fn(&(f64, f64)) -> f64| -> f64 {
            units.iter().zip(times).map(|(unit, times)| pick(unit) * f64::from(*times)).sum()
        };
        sum(|unit| unit.0) / sum(|unit| unit.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_equal_values_has_no_width() {
        assert_eq!(of_mean(&[0.5; 10]), Some((0.5, 0.5)));
        assert_eq!(of_mean(&[0.5]), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_each_way() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let (low, high) = of_mean(&values).unwrap();
        let error = 28.87 / 10.0;
        assert!((low - (49.5 - 1.96 * error)).abs() < 1.5, "{low}");
        assert!((high - (49.5 + 1.96 * error)).abs() < 1.5, "{high}");
    }
}
