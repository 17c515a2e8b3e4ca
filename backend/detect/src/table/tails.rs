//! How far out in its column each number of a row is, added up over the columns.
//!
//! Source: Z. Li and others, "ECOD: unsupervised outlier detection using empirical cumulative
//! distribution functions", TKDE 35 (2022). Added here: beyond the range that was seen, the tail
//! goes on as a power law whose scale is the mean excess above the 90 % quantile, so that a number
//! further out always counts for more, by its logarithm.

use super::sample::Sample;
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// A column of at most this many different numbers is kept exactly.
const EXACT: usize = 128;
/// The step of a constant column, relative to it.
const CONSTANT: f64 = 5e-3;

/// A number of the column and the rows of the sample below it, and at most it.
#[derive(Clone, Debug, PartialEq)]
struct Knot {
    value: f32,
    below: u32,
    upto: u32,
}

/// One column's distribution.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    /// Ascending, from the least number to the greatest.
    knots: Vec<Knot>,
    low_step: f32,
    high_step: f32,
    /// The longer tail is to the right.
    right: bool,
}

/// The distributions of all columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tails {
    columns: Vec<Column>,
}

impl Tails {
    pub(super) fn fit(sample: &Sample<'_>) -> Self {
        Self { columns: (0..sample.columns()).map(|index| Column::fit(sample.column(index).collect())).collect() }
    }

    /// The largest of three sums of −ln p over the columns: of all left tails, of all right tails,
    /// and of each column's longer tail.
    pub(super) fn evidence(&self, row: &[f32]) -> f64 {
        let (mut left, mut right, mut longer) = (0.0, 0.0, 0.0);
        for (column, value) in self.columns.iter().zip(row) {
            let (low, high) = column.evidence(*value);
            left += low;
            right += high;
            longer += if column.right { high } else { low };
        }
        f64::max(left, right).max(longer)
    }

    /// −ln p of the rarer tail of each number of a row.
    pub(super) fn each<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        self.columns.iter().zip(row).map(|(column, value)| {
            let (low, high) = column.evidence(*value);
            low.max(high)
        })
    }

    /// The 1 %, 50 % and 99 % quantiles of a column.
    pub(super) fn range(&self, place: usize) -> (f32, f32, f32) {
        let knots = &self.columns[place].knots;
        let rows = knots.last().map_or(0.0, |last| f64::from(last.upto));
        let quantile = |share: f64| {
            let knot = knots.iter().find(|knot| f64::from(knot.upto) >= share * rows);
            knot.or(knots.last()).map_or(0.0, |knot| knot.value)
        };
        (quantile(0.01), quantile(0.5), quantile(0.99))
    }

    /// How far the number that is furthest out of its column's range is out, 0 if none is: the
    /// part of its −ln p that no row of the sample has.
    pub(super) fn outside(&self, row: &[f32]) -> f64 {
        let excess = self.columns.iter().zip(row).map(|(column, value)| column.outside(*value));
        libm::log1p(excess.fold(0.0, f64::max))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        for column in &self.columns {
            writer.u16(column.knots.len() as u16);
            for knot in &column.knots {
                writer.f32(knot.value);
                writer.u32(knot.below);
                writer.u32(knot.upto);
            }
            writer.f32(column.low_step);
            writer.f32(column.high_step);
            writer.u8(column.right.into());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, DetectError> {
        Ok(Self { columns: (0..columns).map(|_| Column::read(reader)).collect::<Result<_, _>>()? })
    }
}

impl Column {
    fn fit(mut values: Vec<f32>) -> Self {
        values.sort_by(f32::total_cmp);
        let mut distinct = values.clone();
        distinct.dedup();
        if distinct.len() > EXACT {
            distinct = ranks(values.len()).into_iter().map(|rank| values[rank]).collect();
            distinct.dedup();
        }
        let knot = |value: &f32| Knot {
            value: *value,
            below: values.partition_point(|other| other < value) as u32,
            upto: values.partition_point(|other| other <= value) as u32,
        };
        let turned: Vec<f32> = values.iter().rev().map(|value| -value).collect();
        Self {
            knots: distinct.iter().map(knot).collect(),
            low_step: step(&turned),
            high_step: step(&values),
            right: leans_right(&values),
        }
    }

    /// Steps beyond the range of the sample.
    fn outside(&self, value: f32) -> f64 {
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else { return 0.0 };
        let below = (f64::from(first.value) - f64::from(value)) / f64::from(self.low_step);
        let above = (f64::from(value) - f64::from(last.value)) / f64::from(self.high_step);
        below.max(above).max(0.0)
    }

    /// −ln of the share of the sample that is at most, and at least, this number.
    fn evidence(&self, value: f32) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else { return (0.0, 0.0) };
        let rows = f64::from(last.upto);
        let beyond = || libm::log(2.0 * rows) + libm::log1p(self.outside(value));
        if value < first.value {
            return (beyond(), 0.0);
        }
        if value > last.value {
            return (0.0, beyond());
        }
        let place = self.knots.partition_point(|knot| knot.value <= value).max(1);
        let knot = &self.knots[place - 1];
        let (below, upto) = match self.knots.get(place) {
            Some(next) if knot.value < value => {
                let width = f64::from(next.value) - f64::from(knot.value);
                let share = (f64::from(value) - f64::from(knot.value)) / width;
                let rows = f64::from(knot.upto) + share * (f64::from(next.below) - f64::from(knot.upto));
                (rows, rows)
            }
            _ => (f64::from(knot.below), f64::from(knot.upto)),
        };
        (libm::log(rows / upto), libm::log(rows / (rows - below)))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let count = usize::from(reader.u16()?);
        let mut knots: Vec<Knot> = Vec::new();
        for _ in 0..count {
            let knot = Knot { value: reader.f32()?, below: reader.u32()?, upto: reader.u32()? };
            let follows = match knots.last() {
                None => knot.below == 0,
                Some(last) => last.value < knot.value && last.upto <= knot.below,
            };
            if !follows || knot.below >= knot.upto {
                return Err(reader.error("numbers and their ranks in ascending order", format!("{knot:?}")));
            }
            knots.push(knot);
        }
        let (low_step, high_step) = (reader.scale()?, reader.scale()?);
        if knots.is_empty() || low_step == 0.0 || high_step == 0.0 {
            return Err(
                reader.error("a number at least, and steps above 0", format!("{count}, {low_step}, {high_step}"))
            );
        }
        let right = match reader.u8()? {
            0 => false,
            1 => true,
            other => return Err(reader.error("a side of 0 or 1", other)),
        };
        Ok(Self { knots, low_step, high_step, right })
    }
}

/// Ranks to keep of so many: every one at both ends, ever fewer towards the middle.
fn ranks(count: usize) -> Vec<usize> {
    let mut low = Vec::new();
    let mut rank = 0;
    while rank < count / 2 {
        low.push(rank);
        rank += (rank / 4).max(1);
    }
    let high: Vec<usize> = low.iter().rev().map(|rank| count - 1 - rank).collect();
    low.extend(high);
    low
}

/// The step in which the upper tail falls off: its mean excess above the 90 % quantile, or what
/// the range or the size of a column without such a tail suggests.
fn step(ascending: &[f32]) -> f32 {
    let count = ascending.len();
    let (least, most) = (f64::from(ascending[0]), f64::from(ascending[count - 1]));
    let quantile = f64::from(ascending[(count - 1) * 9 / 10]);
    let excess: Vec<f64> = ascending.iter().map(|value| f64::from(*value) - quantile).filter(|x| *x > 0.0).collect();
    let mean = excess.iter().sum::<f64>() / excess.len() as f64;
    let step = if mean > 0.0 { mean } else { (most - least) / 10.0 };
    let step = if step > 0.0 { step } else { CONSTANT * most.abs() };
    // A column of zeros says nothing about its unit.
    let step = if step > 0.0 { step } else { 1.0 };
    step.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)) as f32
}

/// Whether the third moment about the mean is not negative.
fn leans_right(values: &[f32]) -> bool {
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    let cubes = values.iter().map(|value| {
        let deviation = f64::from(*value) - mean;
        deviation * deviation * deviation
    });
    cubes.sum::<f64>() >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_the_empirical_ones() {
        let column = Column::fit(vec![1.0, 2.0, 2.0, 4.0]);
        let (low, high) = column.evidence(2.0);
        assert!((low - libm::log(4.0 / 3.0)).abs() < 1e-12);
        assert!((high - libm::log(4.0 / 3.0)).abs() < 1e-12);
        assert_eq!(column.evidence(1.0).1, 0.0);
        assert_eq!(column.evidence(4.0).0, 0.0);
        assert!((column.evidence(3.0).0 - libm::log(4.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn further_out_always_counts_for_more() {
        let column = Column::fit((0..1000).map(|i| (i % 37) as f32).collect());
        let far: Vec<f64> = [36.0, 36.5, 40.0, 1e3, 1e9, 1e38].map(|value| column.evidence(value).1).into();
        assert!(far.is_sorted_by(|a, b| a < b), "{far:?}");
        assert!(far[5] < 110.0);
        let constant = Column::fit(vec![0.0; 10]);
        assert_eq!(constant.evidence(0.0), (0.0, 0.0));
        assert!(constant.evidence(-1e-3).0 > 2.0 && constant.evidence(-1.0).0 > constant.evidence(-0.5).0);
    }

    #[test]
    fn a_thinned_column_is_close_to_the_exact_one() {
        let values: Vec<f32> = (0..10_000).map(|i| (i as f32).sqrt()).collect();
        let column = Column::fit(values);
        assert!(column.knots.len() < 150, "{}", column.knots.len());
        for i in [0, 1, 7, 100, 3333, 5000, 9000, 9990, 9999] {
            let (low, high) = column.evidence((i as f32).sqrt());
            assert!((low - libm::log(1e4 / f64::from(i + 1))).abs() < 0.1, "{i} {low}");
            assert!((high - libm::log(1e4 / f64::from(10_000 - i))).abs() < 0.1, "{i} {high}");
        }
    }
}
