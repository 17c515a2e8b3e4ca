//! The arithmetic of counts. Pure.

use std::collections::BTreeMap;

use api::AnomalyCount;

/// From the bottom of a bar to its top.
pub(super) const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// A stacked bar: of each severity where it begins and how high it is, of 100 units, downwards.
pub(super) type Bar = [(f64, f64); 3];

/// Steps that one picture holds: a month of hours.
const MOST: usize = 745;

/// One bar for each step, the highest of which fills the picture.
pub(super) fn bars(
    counts: &[AnomalyCount],
    from: f64,
    to: f64,
    step: f64,
    parse: impl Fn(&str) -> Option<f64>,
) -> Vec<Bar> {
    let length = ((to - from) / step).ceil().max(0.0) as usize;
    let mut sums = vec![[0_u64; 3]; length.min(MOST)];
    for count in counts {
        let at = parse(&count.time).map(|time| (time - from) / step).filter(|at| *at >= 0.0);
        let severity = SEVERITIES.iter().position(|severity| *severity == count.severity);
        if let (Some(at), Some(severity)) = (at, severity)
            && let Some(sum) = sums.get_mut(at as usize)
        {
            sum[severity] += count.count;
        }
    }
    let most = sums.iter().map(|sum| sum.iter().sum::<u64>()).max().unwrap_or(0).max(1) as f64;
    let stacked = |sum: [u64; 3]| {
        let mut top = 100.0;
        sum.map(|count| {
            let height = count as f64 / most * 100.0;
            top -= height;
            (top, height)
        })
    };
    sums.into_iter().map(stacked).collect()
}

/// By type, then by severity.
pub(super) fn by_type(counts: &[AnomalyCount]) -> BTreeMap<String, [u64; 3]> {
    let mut types = BTreeMap::<String, [u64; 3]>::new();
    for count in counts {
        let of = types.entry(count.r#type.clone()).or_default();
        if let Some(severity) = SEVERITIES.iter().position(|severity| *severity == count.severity) {
            of[severity] += count.count;
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(time: &str, severity: &str, count: u64) -> AnomalyCount {
        AnomalyCount { time: time.into(), r#type: "point".into(), severity: severity.into(), count }
    }

    #[test]
    fn bars_are_stacked_from_the_bottom_and_the_highest_fills_the_picture() {
        let counts =
            [count("0", "critical", 1), count("0", "info", 3), count("2", "warning", 2), count("9", "info", 9)];
        let drawn = bars(&counts, 0.0, 3.0, 1.0, |time| time.parse().ok());
        assert_eq!(drawn.len(), 3, "what lies outside is not drawn");
        assert_eq!(drawn[0], [(75.0, 25.0), (75.0, 0.0), (0.0, 75.0)]);
        assert_eq!(drawn[1], [(100.0, 0.0); 3]);
        assert_eq!(drawn[2][1], (50.0, 50.0));
    }

    #[test]
    fn types_are_summed_by_severity() {
        let counts = [count("0", "critical", 1), count("1", "critical", 2), count("1", "info", 5)];
        assert_eq!(by_type(&counts)["point"], [3, 0, 5]);
    }
}
