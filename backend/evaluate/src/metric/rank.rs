//! How well scores rank: AUROC, average precision, F1 and false-alarm rate over labelled rows.

/// Labelled rows, highest score first. Each belongs to a unit that may be drawn again as a whole.
#[derive(Clone, Debug)]
pub struct Ranked {
    rows: Vec<(f64, bool, usize)>,
    units: usize,
}

/// How many rows a threshold gets right and wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Anomalous and at or above the threshold.
    pub hits: f64,
    /// Ordinary and at or above it.
    pub alarms: f64,
    /// Anomalous and below it.
    pub misses: f64,
    /// Ordinary and below it.
    pub quiet: f64,
}

impl Counts {
    /// Harmonic mean of precision and recall; 0 without a hit.
    pub fn f1(&self) -> f64 {
        2.0 * self.hits / (2.0 * self.hits + self.alarms + self.misses).max(1.0)
    }

    /// Share of the ordinary rows that are at or above the threshold.
    pub fn false_alarm_rate(&self) -> f64 {
        self.alarms / (self.alarms + self.quiet)
    }

    /// Share of the anomalous rows that are at or above it.
    pub fn recall(&self) -> f64 {
        self.hits / (self.hits + self.misses)
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.alarms += other.alarms;
        self.misses += other.misses;
        self.quiet += other.quiet;
    }
}

impl Ranked {
    /// Rows as (score, anomalous, unit); scores are finite, units count from 0.
    pub fn new(rows: impl IntoIterator<Item = (f64, bool, usize)>) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let units = rows.iter().map(|row| row.2 + 1).max().unwrap_or(0);
        Self { rows, units }
    }

    /// Rows that are each a unit of their own.
    pub fn of_rows(scores: &[f64], labels: &[bool]) -> Self {
        Self::new(scores.iter().zip(labels).enumerate().map(|(unit, (score, label))| (*score, *label, unit)))
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Each unit once.
    pub fn all(&self) -> Vec<u32> {
        vec![1; self.units]
    }

    /// The numbers of rows above and at each score, from the highest down: (score, hits, alarms) so far.
    fn steps<'a>(&'a self, times: &'a [u32]) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        let (mut hits, mut alarms, mut at) = (0.0, 0.0, 0);
        std::iter::from_fn(move || {
            let score = self.rows.get(at)?.0;
            while let Some(&(_, label, unit)) = self.rows.get(at).filter(|row| row.0 == score) {
                *(if label { &mut hits } else { &mut alarms }) += f64::from(times[unit]);
                at += 1;
            }
            Some((score, hits, alarms))
        })
    }

    /// Numbers of anomalous and ordinary rows.
    fn totals(&self, times: &[u32]) -> (f64, f64) {
        self.steps(times).last().map_or((0.0, 0.0), |(_, hits, alarms)| (hits, alarms))
    }

    /// The probability that an anomalous row scores above an ordinary one, equals counted half
    /// (Hanley and McNeil, 1982). Not a number if there are none of either.
    pub fn auroc(&self, times: &[u32]) -> f64 {
        let (anomalous, ordinary) = self.totals(times);
        let (mut area, mut before) = (0.0, (0.0, 0.0));
        for (_, hits, alarms) in self.steps(times) {
            area += (alarms - before.1) * (hits + before.0) / 2.0;
            before = (hits, alarms);
        }
        area / (anomalous * ordinary)
    }

    /// Precision averaged over the recall's steps, as scikit-learn's `average_precision_score`.
    pub fn average_precision(&self, times: &[u32]) -> f64 {
        let (anomalous, _) = self.totals(times);
        let (mut area, mut before) = (0.0, 0.0);
        for (_, hits, alarms) in self.steps(times).filter(|(_, hits, alarms)| hits + alarms > 0.0) {
            area += (hits - before) * hits / (hits + alarms);
            before = hits;
        }
        area / anomalous
    }

    /// What a threshold gives.
    pub fn at(&self, times: &[u32], threshold: f64) -> Counts {
        let (anomalous, ordinary) = self.totals(times);
        let last = self.steps(times).take_while(|(score, _, _)| *score >= threshold).last();
        let (hits, alarms) = last.map_or((0.0, 0.0), |(_, hits, alarms)| (hits, alarms));
        Counts { hits, alarms, misses: anomalous - hits, quiet: ordinary - alarms }
    }

    /// The lowest threshold at which at most this share of the ordinary rows is called anomalous.
    pub fn at_rate(&self, times: &[u32], rate: f64) -> f64 {
        let (_, ordinary) = self.totals(times);
        let few = self.steps(times).take_while(|(_, _, alarms)| *alarms <= rate * ordinary);
        few.last().map_or(f64::INFINITY, |(score, _, _)| score)
    }

    /// The threshold with the highest F1; infinity without rows.
    pub fn best_f1(&self, times: &[u32]) -> f64 {
        let (anomalous, _) = self.totals(times);
        let mut best = (0.0, f64::INFINITY);
        for (score, hits, alarms) in self.steps(times) {
            let f1 = 2.0 * hits / (hits + alarms + anomalous).max(1.0);
            if f1 > best.0 {
                best = (f1, score);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's documentation, for both measures.
    #[test]
    fn the_textbook_case() {
        let ranked = Ranked::of_rows(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((ranked.auroc(&ranked.all()) - 0.75).abs() < 1e-12);
        assert!((ranked.average_precision(&ranked.all()) - 0.833_333_333_333).abs() < 1e-9);
    }

    #[test]
    fn a_constant_score_ranks_as_chance_does() {
        let ranked = Ranked::of_rows(&[0.5; 10], &[true, false, false, false, false, true, false, false, false, false]);
        assert_eq!(ranked.auroc(&ranked.all()), 0.5);
        assert!((ranked.average_precision(&ranked.all()) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn drawing_a_unit_twice_is_having_it_twice() {
        let (scores, labels) = ([0.9, 0.7, 0.7, 0.2, 0.1], [true, false, true, true, false]);
        let ranked = Ranked::of_rows(&scores, &labels);
        let double = Ranked::of_rows(&[0.9, 0.7, 0.7, 0.7, 0.2, 0.1], &[true, false, false, true, true, false]);
        let times = [1, 2, 1, 1, 1];
        assert!((ranked.auroc(&times) - double.auroc(&double.all())).abs() < 1e-12);
        assert!((ranked.average_precision(&times) - double.average_precision(&double.all())).abs() < 1e-12);
        assert_eq!(ranked.at(&times, 0.7), Counts { hits: 2.0, alarms: 2.0, misses: 1.0, quiet: 1.0 });
    }

    #[test]
    fn the_best_threshold_is_where_f1_is_highest() {
        let ranked = Ranked::of_rows(&[0.9, 0.8, 0.7, 0.1], &[true, true, false, true]);
        assert_eq!(ranked.best_f1(&ranked.all()), 0.1);
        let counts = ranked.at(&ranked.all(), 0.8);
        assert!((counts.f1() - 0.8).abs() < 1e-12 && counts.false_alarm_rate() == 0.0);
        assert_eq!(ranked.at_rate(&ranked.all(), 0.5), 0.8);
        assert_eq!(ranked.at_rate(&ranked.all(), 1.0), 0.1);
    }
}
