//! Detection by window: whether and how late each labelled window was found, and what else rang.

use std::ops::Range;

/// What became of the windows of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// For each window the rows from its begin to the first alarm in it; `None` if there was none.
    pub delays: Vec<Option<usize>>,
    /// Alarms outside all windows: uninterrupted runs of alarming rows that touch no window.
    pub false_alarms: usize,
}

impl Outcome {
    /// Holds a series' alarming rows against its windows (ranges of rows, each not empty).
    pub fn new(alarms: &[bool], windows: &[Range<usize>]) -> Self {
        let first_in = |window: &Range<usize>| alarms[window.clone()].iter().position(|alarm| *alarm);
        let mut false_alarms = 0;
        let mut at = 0;
        while at < alarms.len() {
            let run = alarms[at..].iter().take_while(|alarm| **alarm).count();
            let touches = windows.iter().any(|window| window.start < at + run && at < window.end);
            false_alarms += usize::from(run > 0 && !touches);
            at += run.max(1);
        }
        Self { delays: windows.iter().map(first_in).collect(), false_alarms }
    }

    /// Windows that were found.
    pub fn found(&self) -> usize {
        self.delays.iter().flatten().count()
    }

    /// Share of the windows that were found.
    pub fn recall(&self) -> f64 {
        self.found() as f64 / self.delays.len() as f64
    }

    /// Windows found, among those and the false alarms.
    pub fn precision(&self) -> f64 {
        self.found() as f64 / (self.found() + self.false_alarms).max(1) as f64
    }

    /// Harmonic mean of both.
    pub fn f1(&self) -> f64 {
        f1(self.found() as f64, self.delays.len() as f64, self.false_alarms as f64)
    }

    /// Median rows until a window was found, over those that were.
    pub fn median_delay(&self) -> f64 {
        median(self.delays.iter().flatten().map(|delay| *delay as f64))
    }
}

/// Harmonic mean of precision and recall, of windows found, windows, and false alarms.
pub fn f1(found: f64, windows: f64, false_alarms: f64) -> f64 {
    2.0 * found / (found + false_alarms + windows).max(1.0)
}

/// The middle value; of an even number of values the higher one; not a number without values.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The ranges of consecutive rows that carry a label.
pub fn runs(labels: &[bool]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (row, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match runs.last_mut() {
            Some(last) if last.end == row => last.end = row + 1,
            _ => runs.push(row..row + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(rows: &[usize]) -> Vec<bool> {
        (0..20).map(|row| rows.contains(&row)).collect()
    }

    #[test]
    fn runs_count_once_and_only_away_from_windows() {
        let windows = [5..10, 15..18];
        let outcome = Outcome::new(&alarms(&[1, 2, 7, 8, 12, 13]), &windows);
        assert_eq!(outcome, Outcome { delays: vec![Some(2), None], false_alarms: 2 });
        assert_eq!((outcome.recall(), outcome.precision(), outcome.median_delay()), (0.5, 1.0 / 3.0, 2.0));
        assert_eq!(Outcome::new(&alarms(&[3, 4, 5]), &windows).false_alarms, 0, "a run into a window");
        assert_eq!(Outcome::new(&alarms(&[10]), &windows).false_alarms, 1, "the row behind a window");
    }

    #[test]
    fn alarming_at_every_row_finds_everything_and_never_nothing_else() {
        let windows = [5..10, 15..18];
        let outcome = Outcome::new(&[true; 20], &windows);
        assert_eq!((outcome.found(), outcome.false_alarms), (2, 0), "one run; rates of rows tell this apart");
        assert_eq!(Outcome::new(&[false; 20], &windows).f1(), 0.0);
    }

    #[test]
    fn labels_become_ranges() {
        assert_eq!(runs(&[true, true, false, true]), [0..2, 3..4]);
    }
}
