//! Fuses forest and residual rules into one verdict, and reports each event once. Learns nothing
//! itself and never looks ahead: a verdict depends on the model, the state before, the reading.

use crate::{
    DetectError, DeviceState, Finding, Judgement, Kind, Label, Model, ReadingView, Severity, Value,
    explain::{self, Clue},
    features::{Measures, Row, expand},
    learn::{Learnt, bounded},
    model::{MetricSpec, TAIL_QUANTILE, THRESHOLD},
    state::{Episode, MAX_METRICS, MetricState, Reported, WARM_UP, key},
};

/// An event is over after this many readings in a row below the limit.
const QUIET: u16 = 10;
/// After a lasting change, further lasting changes within this many readings are stages of it.
const LASTING_QUIET: u16 = 60;
/// Within an event, evidence this many times the highest so far is reported again.
const ESCALATION: f64 = 2.0;
/// The running tail moves by this share when evidence lies above it.
const TAIL_STEP: f64 = 0.06;
/// How much more evidence the next event needs after a finding, and the most that can add up to.
const FATIGUE: f64 = 1.07;
const MOST_FATIGUE: f64 = 10.0;

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
    let actual = state.count_with(reading.values.iter().map(|value| key(value.metric)));
    if actual > MAX_METRICS {
        return Err(DetectError::TooManyMetrics { actual, limit: MAX_METRICS });
    }
    let elapsed_ms = if state.readings == 0 { 0 } else { reading.time_ms.saturating_sub(state.latest_ms) };
    let fired = state.rules.check(model, reading, elapsed_ms);
    state.latest_ms = if state.readings == 0 { reading.time_ms } else { state.latest_ms.max(reading.time_ms) };
    state.readings = state.readings.saturating_add(1);
    let mut clues: Vec<Clue<'_>> = Vec::new();
    let mut highest: f64 = 0.0;
    let mut warm = false;
    for value in reading.values {
        let position = state.position(key(value.metric));
        let metric = &mut state.metrics[position];
        warm |= metric.seen >= WARM_UP;
        let (strength, clue) = judge_value(model, metric, value, reading.time_ms)?;
        highest = highest.max(strength);
        clues.extend(clue);
    }
    // Strongest first; the order of names decides between equals, as the sort is stable.
    clues.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    let finding = clues.first().map(|strongest| Finding {
        kind: strongest.kind,
        severity: severity(strongest),
        sentence: explain::sentence(strongest),
        reasons: clues.iter().map(explain::reason).collect(),
    });
    let label = match (&finding, warm) {
        (Some(_), _) => Label::Anomaly,
        (None, true) => Label::Normal,
        (None, false) => Label::WarmingUp,
    };
    Ok(fired.join(Judgement { score: score(highest), threshold: THRESHOLD, label, finding }))
}

/// Evidence in limits to a score: 1/2 at the limit, and never 1. Beyond four limits evidence
/// counts by its logarithm, so that even absurd values keep their order.
pub(crate) fn score(evidence: f64) -> f64 {
    let tamed = if evidence > 4.0 { 4.0 + libm::log(evidence / 4.0) } else { evidence };
    let square = tamed * tamed;
    square / (1.0 + square)
}

fn severity(clue: &Clue<'_>) -> Severity {
    if clue.feature == PLAUSIBLE || clue.strength >= 3.0 {
        Severity::Critical
    } else if clue.strength >= 1.5 {
        Severity::Warning
    } else {
        Severity::Info
    }
}

pub(crate) const JUMP: &str = "jump";
pub(crate) const DRIFT: &str = "drift";
pub(crate) const CREEP: &str = "creep";
pub(crate) const SHIFT: &str = "shift";
pub(crate) const VOLATILITY: &str = "volatility";
pub(crate) const TIME_OF_DAY: &str = "time_of_day";
pub(crate) const PLAUSIBLE: &str = "plausible_range";

/// The fused evidence of a row in limits, and the rule that speaks loudest.
///
/// The forest is a second witness: it weakens what it finds ordinary and strengthens what it
/// isolates. Alone it would miss level shifts and report harmless rarities.
pub(crate) fn evidence(model: &Model, row: &Row, forest: f64) -> (f64, &'static str) {
    let limits = &model.limits;
    let size = |column: usize| expand(row[column]).abs();
    let rules = [
        (size(0).min(size(1)) / limits.jump, JUMP),
        (size(3) / limits.drift, DRIFT),
        (expand(row[5]) / limits.volatility, VOLATILITY),
        (size(6) / limits.time_of_day, TIME_OF_DAY),
    ];
    let mut loudest = rules[0];
    for rule in &rules[1..] {
        if rule.0 > loudest.0 {
            loudest = *rule;
        }
    }
    let weight = (forest / limits.forest).clamp(0.5, 1.25);
    ((loudest.0 * weight).min(MOST_EVIDENCE), loudest.1)
}

/// Keeps what is remembered of evidence finite in 32 bits.
const MOST_EVIDENCE: f64 = 1e30;

/// Judges and takes in one value; the evidence, and a clue if something is to be reported.
fn judge_value<'a>(
    model: &'a Model,
    metric: &mut MetricState,
    value: &Value<'a>,
    time_ms: i64,
) -> Result<(f64, Option<Clue<'a>>), DetectError> {
    let spec = model.metric(value.metric);
    if let Some(spec) = spec
        && !(spec.low()..=spec.high()).contains(&value.value)
    {
        return Ok(implausible(metric, spec, value));
    }
    let number = bounded(value.value);
    let measures = metric.measure(number, time_ms);
    let before = metric.clone();
    let row = measures.row();
    let forest = model.forest.score(&row)?;
    let (raw, feature) = evidence(model, &row, forest);
    let learnt = metric.learn(number, time_ms, &measures);
    if before.seen < WARM_UP {
        // Seen too little to speak up, but the score shows what there is.
        metric.tail = model.tail as f32;
        return Ok((raw.min(0.9) * f64::from(before.seen) / f64::from(WARM_UP), None));
    }
    let slack = (f64::from(before.tail) / model.tail).max(1.0);
    let mut strength = raw / slack;
    let mut feature = feature;
    if before.episode.reported == Reported::Nothing {
        // One event must not make the device deaf to the next.
        learn_tail(&mut metric.tail, measures.jump() / model.limits.jump);
    }
    let mut lasting = matches!(feature, DRIFT | VOLATILITY);
    if learnt == Learnt::NewLevel {
        let away = measures.level.abs() / model.limits.jump / slack;
        if away >= 1.0 {
            strength = strength.max(away);
            (feature, lasting) = (SHIFT, true);
        }
    }
    let creep = metric.budget.creep(metric.level);
    let crept = creep >= 1.0;
    if crept && strength < creep {
        (strength, feature, lasting) = (creep, CREEP, true);
    }
    // How far a level has crept is reported whatever went before: each time it is twice as far.
    let report = notice(&mut metric.episode, strength, lasting) || crept;
    if report && lasting || crept {
        metric.budget.reported(metric.level);
    }
    if report {
        tire(&mut metric.tail, model.tail, strength);
    }
    let clue = report.then(|| {
        let kind = kind(&before, number, feature);
        let (low, high) = expected(&before, &measures, number, feature, strength);
        Clue { value: *value, spec, kind, feature, strength, low, high }
    });
    Ok((strength, clue))
}

/// A value that physics does not allow: evidence far beyond the limit, kept out of the statistics.
fn implausible<'a>(metric: &mut MetricState, spec: &'a MetricSpec, value: &Value<'a>) -> (f64, Option<Clue<'a>>) {
    let (low, high) = (spec.low(), spec.high());
    let beyond = (low - value.value).max(value.value - high) / (high - low);
    let strength = 3.0 + beyond.min(1e6);
    let clue = notice(&mut metric.episode, strength, false).then_some(Clue {
        value: *value,
        spec: Some(spec),
        kind: Kind::Point,
        feature: PLAUSIBLE,
        strength,
        low,
        high,
    });
    (strength, clue)
}

/// A running quantile by stochastic approximation (Robbins and Monro, 1951), in the logarithm.
/// Devices with heavy tails get a higher one, and so report less of what is usual for them.
fn learn_tail(tail: &mut f32, evidence: f64) {
    let factor = if evidence > f64::from(*tail) {
        1.0 + TAIL_STEP
    } else {
        1.0 - TAIL_STEP * (1.0 - TAIL_QUANTILE) / TAIL_QUANTILE
    };
    *tail = (f64::from(*tail) * factor).clamp(1e-3, 1e3) as f32;
}

/// Every finding makes the metric a little harder to impress, until the tail has come down again:
/// a device that does the same many times a day is not worth reporting every time. Strong evidence
/// gets through regardless.
fn tire(tail: &mut f32, usual: f64, strength: f64) {
    let now = f64::from(*tail).max(usual);
    *tail = (now * strength.clamp(1.0, FATIGUE)).min(MOST_FATIGUE * usual).max(now) as f32;
}

/// Whether evidence is to be reported: at the start of an event, when it escalates, and when what
/// looked passing turns out to last.
fn notice(episode: &mut Episode, strength: f64, lasting: bool) -> bool {
    if strength < 1.0 {
        episode.quiet = episode.quiet.saturating_add(1);
        let over = if episode.reported == Reported::Lasting { LASTING_QUIET } else { QUIET };
        if episode.quiet >= over {
            *episode = Episode::default();
        }
        return false;
    }
    let escalates = strength >= ESCALATION * f64::from(episode.peak);
    // A lasting change may come in several stages; something sudden after it is another event.
    let another = !lasting && episode.quiet >= QUIET;
    let report = match episode.reported {
        Reported::Nothing => true,
        Reported::Passing => lasting || escalates,
        Reported::Lasting => another || escalates,
    };
    if another {
        *episode = Episode::default();
    }
    episode.quiet = 0;
    episode.peak = f64::from(episode.peak).max(strength) as f32;
    if lasting {
        episode.reported = Reported::Lasting;
    } else if episode.reported == Reported::Nothing {
        episode.reported = Reported::Passing;
    }
    report
}

fn kind(before: &MetricState, value: f64, feature: &'static str) -> Kind {
    match feature {
        DRIFT | SHIFT | CREEP | VOLATILITY => Kind::ChangePoint,
        TIME_OF_DAY => Kind::Contextual,
        _ if (before.low..=before.high).contains(&value) => Kind::Contextual,
        _ => Kind::Point,
    }
}

/// The range in which this rule would not have spoken up: as the evidence is proportional to the
/// deviation, the deviation divided by the evidence is the largest one allowed.
fn expected(before: &MetricState, measures: &Measures, value: f64, feature: &'static str, strength: f64) -> (f64, f64) {
    if feature == CREEP {
        return before.budget.accepted();
    }
    let middle = match feature {
        DRIFT => before.mid,
        TIME_OF_DAY => measures.expected_at_hour,
        _ => before.level,
    };
    let width = match feature {
        // Not the value but its restlessness is unexpected.
        VOLATILITY => 4.0 * measures.level_unit,
        _ => (value - middle).abs() / strength,
    };
    let low = middle - width;
    // What was never negative is not expected to become so.
    let low = if before.low >= 0.0 { low.max(0.0) } else { low };
    (low, middle + width)
}
