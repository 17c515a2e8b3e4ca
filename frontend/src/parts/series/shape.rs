//! The arithmetic of a chart over time. Pure.

use crate::format;

/// One step of the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Its middle, in milliseconds since 1970.
    pub(crate) at: f64,
    /// The smallest value.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    /// The mean.
    pub(crate) mean: f64,
    /// How many values.
    pub(crate) count: u64,
    /// How many of anomalous readings.
    pub(crate) anomalies: u64,
}

/// Where everything is drawn: x and y from 0 to 100, y downwards.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Shape {
    /// The band from the smallest to the largest values: a path.
    pub(crate) band: String,
    /// The means: a path.
    pub(crate) line: String,
    /// Anomalous steps.
    pub(crate) marks: Vec<(f64, f64)>,
    /// Lines of reference: where, and what is there.
    pub(crate) levels: Vec<(f64, String)>,
}

/// A gap is where so many ordinary steps between two points are missing.
const GAP: f64 = 4.0;
/// Lines of reference at most.
const LEVELS: f64 = 4.0;

/// Draws points between two times.
pub(crate) fn shape(points: &[Point], from: f64, to: f64) -> Shape {
    if points.is_empty() || to <= from {
        return Shape::default();
    }
    let (low, high) = range(points);
    let x = |at: f64| (at - from) / (to - from) * 100.0;
    let y = |value: f64| 100.0 - (value - low) / (high - low) * 100.0;
    let (mut band, mut line) = (String::new(), String::new());
    for run in runs(points) {
        let there = run.iter().map(|point| (x(point.at), y(point.max)));
        let back = run.iter().rev().map(|point| (x(point.at), y(point.min)));
        band += &path(there.chain(back));
        band.push('Z');
        line += &path(run.iter().map(|point| (x(point.at), y(point.mean))));
        if run.len() == 1 {
            // A line without length, whose round ends are a dot.
            line += "h0";
        }
    }
    let marks = points.iter().filter(|point| point.anomalies > 0).map(|point| {
        let (above, below) = (point.max - point.mean, point.mean - point.min);
        (x(point.at), y(if above >= below { point.max } else { point.min }))
    });
    let step = step(high - low);
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first).max(0.0) as u32;
    let levels = (0..=count).map(|at| {
        let value = (first + f64::from(at)) * step;
        (y(value), format::within(value, step))
    });
    Shape { band, line, marks: marks.collect(), levels: levels.collect() }
}

/// The values that are drawn, with a little room; never an empty range.
fn range(points: &[Point]) -> (f64, f64) {
    let low = points.iter().map(|point| point.min).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max);
    let room = if high > low { (high - low) * 0.08 } else { (low.abs() * 0.05).max(0.5) };
    (low - room, high + room)
}

/// A round distance between lines of reference.
fn step(width: f64) -> f64 {
    let rough = width / LEVELS;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// Points without gaps between them.
fn runs(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    let mut apart: Vec<f64> = points.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    apart.sort_by(f64::total_cmp);
    let usual = apart.get(apart.len() / 2).copied().unwrap_or(0.0);
    points.chunk_by(move |one, next| next.at - one.at <= usual * GAP)
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let step = |(at, (x, y)): (usize, (f64, f64))| format!("{}{x:.2} {y:.2}", if at == 0 { 'M' } else { 'L' });
    points.enumerate().map(step).collect()
}

/// Puts points together until there are at most so many: for a table.
pub(crate) fn condensed(points: &[Point], most: usize) -> Vec<Point> {
    let size = points.len().div_ceil(most.max(1)).max(1);
    let together = |chunk: &[Point]| {
        let count: u64 = chunk.iter().map(|point| point.count).sum();
        let sum: f64 = chunk.iter().map(|point| point.mean * point.count as f64).sum();
        Point {
            at: chunk.iter().map(|point| point.at).fold(f64::INFINITY, f64::min),
            min: chunk.iter().map(|point| point.min).fold(f64::INFINITY, f64::min),
            max: chunk.iter().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max),
            mean: sum / (count.max(1)) as f64,
            count,
            anomalies: chunk.iter().map(|point| point.anomalies).sum(),
        }
    };
    points.chunks(size).map(together).collect()
}

/// The point nearest to a time.
pub(crate) fn nearest(points: &[Point], at: f64) -> Option<usize> {
    let distance = |index: &usize| points.get(*index).map_or(f64::INFINITY, |point| (point.at - at).abs());
    (0..points.len()).min_by(|one, other| distance(one).total_cmp(&distance(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: f64, mean: f64) -> Point {
        Point { at, min: mean - 1.0, max: mean + 2.0, mean, count: 2, anomalies: 0 }
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_point_is_a_dot() {
        let points = [point(0.0, 1.0), point(1.0, 2.0), point(2.0, 1.0), point(50.0, 1.0)];
        let drawn = shape(&points, 0.0, 100.0);
        assert_eq!(drawn.line.matches('M').count(), 2, "{}", drawn.line);
        assert!(drawn.line.ends_with("h0"), "{}", drawn.line);
        assert_eq!(drawn.band.matches('Z').count(), 2, "{}", drawn.band);
    }

    #[test]
    fn an_anomaly_is_marked_where_it_left_the_mean() {
        let high = Point { max: 200.0, anomalies: 1, ..point(10.0, 20.0) };
        let low = Point { min: -200.0, anomalies: 1, ..point(20.0, 20.0) };
        let drawn = shape(&[high, low], 0.0, 100.0);
        assert_eq!(drawn.marks.len(), 2);
        assert!(drawn.marks[0].1 < 20.0 && drawn.marks[1].1 > 80.0, "{:?}", drawn.marks);
    }

    #[test]
    fn levels_are_round_and_a_constant_has_a_range_too() {
        let drawn = shape(&[point(0.0, 20.0), point(1.0, 22.0)], 0.0, 1.0);
        assert_eq!(drawn.levels.iter().map(|level| level.1.as_str()).collect::<Vec<_>>(), ["20", "22", "24"]);
        let flat = Point { min: 0.0, max: 0.0, mean: 0.0, ..point(0.0, 0.0) };
        assert!(!shape(&[flat], 0.0, 1.0).line.contains("NaN"));
        assert_eq!(shape(&[], 0.0, 1.0), Shape::default());
    }

    #[test]
    fn a_table_keeps_every_value_counted() {
        let points: Vec<Point> = (0..100).map(|at| point(f64::from(at), f64::from(at))).collect();
        let rows = condensed(&points, 24);
        assert!(rows.len() <= 24);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 200);
        assert_eq!(rows.iter().map(|row| row.max).fold(0.0, f64::max), 101.0);
        assert_eq!(nearest(&points, 41.4), Some(41));
        assert_eq!(nearest(&[], 1.0), None);
    }
}
