//! How well scores rank labelled rows. Counts; sets no threshold and judges nothing.

use serde::Serialize;

/// What scores alone say of labels, whatever the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The probability that an anomalous row has a higher score than another one; equal scores count
    /// half (Hanley and McNeil, 1982).
    pub auroc: f64,
    /// Mean precision over the anomalous rows, best score first; equal scores are one step.
    pub average_precision: f64,
}

impl Ranking {
    /// Ranks rows, each a score that is not NaN and whether it is anomalous. `None` where all are of
    /// one sort.
    pub fn of(rows: impl IntoIterator<Item = (f64, bool)>) -> Option<Self> {
        let mut rows: Vec<(f64, bool)> = rows.into_iter().collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut above, mut others_above, mut twice_won, mut precision) = (0_u64, 0_u64, 0_u64, 0.0);
        for tied in rows.chunk_by(|a, b| a.0 == b.0) {
            let here = tied.iter().filter(|row| row.1).count() as u64;
            let others_here = tied.len() as u64 - here;
            twice_won += others_here * (2 * above + here);
            above += here;
            others_above += others_here;
            precision += here as f64 * above as f64 / (above + others_above) as f64;
        }
        let pairs = above * others_above;
        (pairs > 0)
            .then(|| Self { auroc: twice_won as f64 / (2 * pairs) as f64, average_precision: precision / above as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_as_scikit_learn_does() {
        // sklearn.metrics.roc_auc_score and average_precision_score of the same rows: 0.75 and 0.8333…
        let some = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        let ranking = Ranking::of(some).expect("rows of both sorts");
        assert_eq!(ranking.auroc, 0.75);
        assert!((ranking.average_precision - 0.833_333_333_333_333_3).abs() < 1e-15);
        let level = [(0.5, false), (0.5, true), (0.5, false), (0.5, false)];
        assert_eq!(Ranking::of(level), Some(Ranking { auroc: 0.5, average_precision: 0.25 }));
        assert_eq!(Ranking::of([(0.5, false)]), None);
        assert_eq!(Ranking::of([]), None);
    }
}
