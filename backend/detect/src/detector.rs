//! Fuses the scorers into one verdict, and reports each event once. Learns nothing itself and
//! never looks ahead: a verdict depends on the model, the state before, the reading.
//!
//! For each metric two witnesses speak, in nats: its own records, feature by feature, and the tails
//! of its group, which the forest weakens or strengthens. The stronger counts. The strongest metric
//! makes the reading's evidence, which becomes a probability and, by the device's budget of false
//! alarms, a score.

use crate::{
    DetectError, DeviceState, Finding, Judgement, Label, Model, ReadingView, Severity, calibrate,
    explain::{self, Clue},
    judging::{Heard, Whole},
    model::THRESHOLD,
    row::Row,
    series::WARM_UP,
    state::{MAX_METRICS, short_key},
    together::Gathered,
    unusual::Unusual,
};

/// Judges one reading against what the model and the device's state expect, and returns the state
/// that includes it.
///
/// Pure: the same arguments give the same bits. A repeated or earlier time is judged as the next
/// reading in sequence. A physically implausible value is a finding even while warming up, and is
/// kept out of the state's statistics.
///
/// # Errors
/// [`DetectError`] for a value that is not finite, metrics that are not sorted and unique, no
/// metrics, or more than [`MAX_METRICS`] over the device's life.
pub fn judge(
    model: &Model,
    state: &DeviceState,
    reading: &ReadingView<'_>,
) -> Result<(Judgement, DeviceState), DetectError> {
    let mut next = state.clone();
    let judgement = judge_in_place(model, &mut next, reading)?;
    Ok((judgement, next))
}

/// As [`judge`], without copying the state. On an error the state is unchanged.
///
/// # Errors
/// As [`judge`].
pub fn judge_in_place(
    model: &Model,
    state: &mut DeviceState,
    reading: &ReadingView<'_>,
) -> Result<Judgement, DetectError> {
    reading.check()?;
    let actual = state.count_with(reading.values.iter().map(|value| short_key(value.metric)));
    if actual > MAX_METRICS {
        return Err(DetectError::TooManyMetrics { actual, limit: MAX_METRICS });
    }
    let elapsed_ms = if state.readings == 0 { 0 } else { reading.time_ms.saturating_sub(state.latest_ms) };
    let fired = state.rules.check(model, reading, elapsed_ms);
    let interval = state.tick(reading.time_ms);
    let limit = state.limit(interval);
    let witnesses = reading.values.len() * (1 + usize::from(model.group.known));
    let others = if witnesses > 1 { libm::log(witnesses as f64) } else { 0.0 };
    let (row, gathered, unusual) = (Row::default(), Gathered::default(), Unusual::default());
    let time_ms = reading.time_ms;
    let (loud, changed, forest, off) = (false, false, None, (0.0, 0));
    let mut whole =
        Whole { model, time_ms, interval, limit, others, row, gathered, unusual, off, loud, changed, forest };
    let mut warm = false;
    let mut highest = Heard::default();
    let mut clues: Vec<Clue<'_>> = Vec::new();
    for (place, value) in reading.values.iter().enumerate() {
        let position = state.position(short_key(value.metric));
        let series = &mut state.metrics[position];
        warm |= series.seen >= WARM_UP;
        let heard = whole.judge_value(series, (place, value), &mut clues)?;
        highest = highest.louder(heard);
    }
    whole.follow_drift(state);
    highest = highest.louder(whole.judge_together(state, reading.values, &mut clues));
    highest = highest.louder(whole.judge_routine(state, reading.values, &mut clues));
    if !clues.is_empty() {
        state.habit.alarmed();
    }
    Ok(fired.join(verdict(highest, warm, clues)))
}

fn verdict(highest: Heard, warm: bool, mut clues: Vec<Clue<'_>>) -> Judgement {
    // Strongest first; the order of names decides between equals, as the sort is stable.
    clues.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    let sum: f64 = clues.iter().map(|clue| clue.strength).sum();
    let finding = clues.first().map(|strongest| Finding {
        kind: strongest.kind,
        severity: severity(strongest),
        sentence: explain::sentence(strongest),
        reasons: clues.iter().map(|clue| explain::reason(clue, sum)).collect(),
    });
    let label = match (&finding, warm) {
        (Some(_), _) => Label::Anomaly,
        (None, true) => Label::Normal,
        (None, false) => Label::WarmingUp,
    };
    let probability = calibrate::probability(highest.nats);
    Judgement { score: highest.score, probability, threshold: THRESHOLD, label, finding }
}

fn severity(clue: &Clue<'_>) -> Severity {
    if clue.feature == PLAUSIBLE || clue.strength >= 2.5 {
        Severity::Critical
    } else if clue.strength >= 1.5 {
        Severity::Warning
    } else {
        Severity::Info
    }
}

pub(crate) const JUMP: &str = "jump";
pub(crate) const DRIFT: &str = "drift";
pub(crate) const TOGETHER: &str = "together";
pub(crate) const CREEP: &str = "creep";
pub(crate) const SHIFT: &str = "shift";
pub(crate) const VOLATILITY: &str = "volatility";
pub(crate) const CALM: &str = "calm";
pub(crate) const TIME_OF_DAY: &str = "time_of_day";
pub(crate) const CHANGE: &str = "change";
pub(crate) const STUCK: &str = "stuck";
pub(crate) const PLAUSIBLE: &str = "plausible_range";
