//! Fuses the scorers into one verdict, and reports each event once. Learns nothing itself and
//! never looks ahead: a verdict depends on the model, the state before, the reading.
//!
//! For each metric two witnesses speak, in nats: its own records, feature by feature, and the tails
//! of its group, which the forest weakens or strengthens. The stronger counts. The strongest metric
//! makes the reading's evidence, which becomes a probability and, by the device's budget of false
//! alarms, a score.

use crate::{
    DetectError, DeviceState, Finding, Judgement, Kind, Label, Model, ReadingView, Severity, Value, calibrate,
    explain::{self, Clue},
    group::Evidence,
    model::{MetricSpec, THRESHOLD},
    row::{self, COLUMN_OF, Deviations, Row},
    scorer::tails::{maturity, sixth, surprise, together},
    series::{Feature, Measures, Series, WARM_UP, bounded},
    state::{MAX_METRICS, key},
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
    let actual = state.count_with(reading.values.iter().map(|value| key(value.metric)));
    if actual > MAX_METRICS {
        return Err(DetectError::TooManyMetrics { actual, limit: MAX_METRICS });
    }
    let elapsed_ms = if state.readings == 0 { 0 } else { reading.time_ms.saturating_sub(state.latest_ms) };
    let fired = state.rules.check(model, reading, elapsed_ms);
    let interval = state.tick(reading.time_ms);
    let limit = state.limit(interval);
    let witnesses = reading.values.len() * (1 + usize::from(model.group.known));
    let others = if witnesses > 1 { libm::log(witnesses as f64) } else { 0.0 };
    let mut whole =
        Whole { model, time_ms: reading.time_ms, interval, limit, others, row: Row::default(), forest: None };
    let mut warm = false;
    let mut highest = Heard::default();
    let mut clues: Vec<Clue<'_>> = Vec::new();
    for value in reading.values {
        let position = state.position(key(value.metric));
        let series = &mut state.metrics[position];
        warm |= series.seen >= WARM_UP;
        let heard = whole.judge_value(series, value, &mut clues)?;
        highest = highest.louder(heard);
    }
    if !clues.is_empty() {
        state.habit.alarmed();
    }
    Ok(fired.join(verdict(highest, warm, clues)))
}

/// What one metric, or the whole reading, has to say.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    nats: f64,
    score: f64,
}

impl Heard {
    fn louder(self, other: Self) -> Self {
        Self { nats: self.nats.max(other.nats), score: self.score.max(other.score) }
    }
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
pub(crate) const CREEP: &str = "creep";
pub(crate) const SHIFT: &str = "shift";
pub(crate) const VOLATILITY: &str = "volatility";
pub(crate) const TIME_OF_DAY: &str = "time_of_day";
pub(crate) const PLAUSIBLE: &str = "plausible_range";

/// The name of what a feature gives away.
fn name(feature: Feature) -> &'static str {
    match feature {
        Feature::Level | Feature::Range | Feature::Residual => JUMP,
        Feature::Shift | Feature::Drift => DRIFT,
        Feature::Volatility => VOLATILITY,
        Feature::Season | Feature::OffSeason => TIME_OF_DAY,
    }
}

/// What a metric's own records say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records {
    /// Evidence in nats, of records only; 0 without any.
    nats: f64,
    /// The largest excess over all features that mean something, in spans; −1 and above.
    pub(crate) excess: f64,
    /// The feature of that excess.
    feature: Feature,
}

pub(crate) fn records(series: &Series, measures: &Measures, interval_ms: f64) -> Records {
    let mut sum = 0.0;
    let maturity = maturity(series.seen, interval_ms);
    let mut best = Records { nats: 0.0, excess: -1.0, feature: Feature::Range };
    for feature in Feature::ALL {
        if !series.ripe(measures, feature) {
            continue;
        }
        let excess = series.excess(measures, feature);
        if excess > 0.0 {
            sum += sixth(surprise(series.seen, maturity, excess));
        }
        if excess > best.excess {
            (best.excess, best.feature) = (excess, feature);
        }
    }
    if sum > 0.0 {
        best.nats = together(sum);
    }
    best
}

/// Evidence that values close to the largest so far give, at most: below every limit.
const NEAR: f64 = 2.0;
/// Away from home is this many mean deviations from the short mean.
const AWAY: f64 = 5.0;
/// Alarms again in a time whose deviations are e^0.4 = 1.5 times the usual: that is how it is now.
const RESTLESS: f64 = 0.4;
/// Evidence of a change that has lasted, in limits: it was reported when it came.
const LASTED: f64 = 1.0;

/// Where a value is, seen from what was expected when an event began.
enum Home {
    /// Nobody watches.
    Unwatched,
    /// Not back yet.
    Away,
    /// Back: the return from an event is no event.
    Back,
    /// Away for so long that the change lasts; what was expected when it came.
    Left(f64, f64),
}

/// One reading in the judging.
struct Whole<'m> {
    model: &'m Model,
    time_ms: i64,
    interval: f64,
    /// Evidence at which the device alarms.
    limit: f64,
    /// What a record means less because other metrics, and the group, could have spoken as well:
    /// the logarithm of their number (Bonferroni).
    others: f64,
    row: Row,
    /// The forest's weight, once it was asked.
    forest: Option<f64>,
}

impl<'m> Whole<'m> {
    /// Judges and takes in one value; adds a clue if something is to be reported.
    fn judge_value<'a>(
        &mut self,
        series: &mut Series,
        value: &Value<'a>,
        clues: &mut Vec<Clue<'a>>,
    ) -> Result<Heard, DetectError>
    where
        'm: 'a,
    {
        let spec = self.model.metric(value.metric);
        if let Some(spec) = spec
            && !(spec.low()..=spec.high()).contains(&value.value)
        {
            return Ok(self.implausible(series, spec, value, clues));
        }
        let number = bounded(value.value);
        let measures = series.measure(number, self.time_ms, self.interval);
        if series.seen < WARM_UP {
            series.learn(number, self.time_ms, &measures);
            return Ok(Heard::default());
        }
        let own = records(series, &measures, self.interval);
        let deviations = Deviations::of(series, &measures);
        row::add(&mut self.row, series, &measures, &deviations, own.excess);
        let by_group = self.by_group(series, &deviations)?;
        let of_own = calibrate::of_records(own.nats) - self.others;
        let near = NEAR * (1.0 + own.excess).clamp(0.0, 1.0);
        let nats = by_group.nats.max(of_own).max(near);
        let strength = nats / self.limit;
        let opened = series.episode.open();
        let home = self.home(series, number, &measures);
        let report = match home {
            Home::Back => {
                series.episode.end_watch();
                false
            }
            _ => series.episode.notice(strength, by_group.nats >= self.limit),
        };
        let heard = Heard { nats, score: self.score(series, strength, report) };
        let creep = series.budget.creep(series.level, measures.least);
        if creep >= 1.0 && !report {
            return Ok(self.led(series, value, spec, &measures, creep, clues));
        }
        let feature = if by_group.nats >= of_own { COLUMN_OF[by_group.place].1 } else { own.feature };
        if report {
            let crept = crept(series, &measures, number, feature);
            let kind = if crept { Kind::ChangePoint } else { kind(series, number, feature) };
            let allowed = if by_group.nats >= of_own {
                self.model.group.allowed(&by_group, self.limit)
            } else {
                1.0 / (1.0 + own.excess)
            };
            series.budget.reported();
            if kind == Kind::ChangePoint || creep >= 1.0 {
                series.budget.accept(series.level);
            }
            let (low, high) = self.expected(series, &measures, number, feature, allowed);
            let feature = if crept { DRIFT } else { name(feature) };
            clues.push(Clue { value: *value, spec, kind, feature, strength, nats, low, high });
        } else if let Home::Left(low, high) = home {
            let kind = Kind::ChangePoint;
            let nats = self.limit * LASTED;
            clues.push(Clue { value: *value, spec, kind, feature: SHIFT, strength: LASTED, nats, low, high });
            series.learn(number, self.time_ms, &measures);
            let shift = series.recent() - 0.5 * (low + high);
            if self.model.group.known {
                series.move_level(shift);
            } else {
                series.budget.accept(series.recent());
            }
            return Ok(Heard { nats, score: calibrate::score(LASTED) });
        }
        let restless = measures.features[Feature::Volatility as usize];
        if report && opened && self.model.group.known && restless > RESTLESS {
            series.accept_restlessness(restless);
        }
        if !opened {
            // One event must not make the device deaf to the next.
            series.unlike = self.model.group.next_unlike(series.unlike, by_group.ratio);
        }
        let home = series.recent();
        if report && (number - home).abs() > width(series, &measures) {
            series.episode.watch((home - f64::from(series.season.anchor)) as f32);
        }
        series.learn(number, self.time_ms, &measures);
        Ok(heard)
    }

    /// A level that crept further than is taught in silence: reported whatever went before, each
    /// time it is twice as far.
    fn led<'a>(
        &self,
        series: &mut Series,
        value: &Value<'a>,
        spec: Option<&'a MetricSpec>,
        measures: &Measures,
        creep: f64,
        clues: &mut Vec<Clue<'a>>,
    ) -> Heard {
        let (low, high) = series.budget.accepted(measures.least);
        let (kind, nats) = (Kind::ChangePoint, self.limit * creep);
        clues.push(Clue { value: *value, spec, kind, feature: CREEP, strength: creep, nats, low, high });
        series.budget.accept(series.level);
        series.learn(bounded(value.value), self.time_ms, measures);
        Heard { nats, score: calibrate::score(creep) }
    }

    fn score(&self, series: &Series, strength: f64, report: bool) -> f64 {
        let score = calibrate::score(strength);
        if !report && (strength >= 1.0 || series.episode.loud()) { calibrate::held(score) } else { score }
    }

    /// The evidence of the group's tails, weighed by the forest where it could matter.
    fn by_group(&mut self, series: &Series, deviations: &Deviations) -> Result<Evidence, DetectError> {
        let group = &self.model.group;
        if !group.known {
            return Ok(Evidence::default());
        }
        let mut evidence = group.evidence(deviations, f64::from(series.unlike));
        if evidence.nats > 0.5 * self.limit {
            let weight = match self.forest {
                Some(weight) => weight,
                None => group.weight(self.model.forest.score(&self.row)?),
            };
            self.forest = Some(weight);
            evidence.nats *= weight;
        }
        Ok(evidence)
    }

    /// A value that physics does not allow: evidence far beyond the limit, kept out of the statistics.
    fn implausible<'a>(
        &self,
        series: &mut Series,
        spec: &'a MetricSpec,
        value: &Value<'a>,
        clues: &mut Vec<Clue<'a>>,
    ) -> Heard {
        let (low, high) = (spec.low(), spec.high());
        let beyond = (low - value.value).max(value.value - high) / (high - low);
        let strength = 3.0 + beyond.min(1e6);
        let nats = strength * self.limit;
        let report = series.episode.notice(strength, true);
        if report {
            let (feature, kind) = (PLAUSIBLE, Kind::Point);
            clues.push(Clue { value: *value, spec: Some(spec), kind, feature, strength, nats, low, high });
        }
        Heard { nats, score: self.score(series, strength, report) }
    }

    /// Where the value is, seen from where an event began.
    fn home(&self, series: &mut Series, value: f64, measures: &Measures) -> Home {
        if !series.episode.watched() {
            return Home::Unwatched;
        }
        let home = f64::from(series.season.anchor) + f64::from(series.episode.home);
        let width = width(series, measures);
        if (value - home).abs() <= width {
            return Home::Back;
        }
        if series.episode.lasts() { Home::Left(home - width, home + width) } else { Home::Away }
    }

    /// The range in which the strongest feature would not have spoken up; `allowed` is the part of
    /// its deviation that would have been in order.
    fn expected(&self, series: &Series, measures: &Measures, value: f64, feature: Feature, allowed: f64) -> (f64, f64) {
        let least = measures.least;
        let [level, residual, _] = series.scales.map(|scale| f64::from(scale).max(least));
        match feature {
            // Not the value but its restlessness, or its direction, is unexpected.
            Feature::Volatility => (measures.predicted - 4.0 * level, measures.predicted + 4.0 * level),
            Feature::Drift => (measures.predicted - 4.0 * residual, measures.predicted + 4.0 * residual),
            _ => {
                let deviation = match feature {
                    Feature::OffSeason => value - measures.usual,
                    Feature::Shift => value - series.level,
                    feature => measures.features[feature as usize],
                };
                let middle = value - deviation;
                let width = deviation.abs() * allowed;
                (middle - width, middle + width)
            }
        }
    }
}

/// Values closer than this to where an event began are back.
fn width(series: &Series, measures: &Measures) -> f64 {
    AWAY * f64::from(series.scales[0]).max(measures.least)
}

/// Whether a value came to where it is in small steps, rather than in one.
fn crept(series: &Series, measures: &Measures, value: f64, feature: Feature) -> bool {
    let sudden = matches!(feature, Feature::Level | Feature::Range | Feature::Residual);
    sudden && (value - series.last).abs() < 0.5 * measures.features[Feature::Level as usize].abs()
}

fn kind(series: &Series, value: f64, feature: Feature) -> Kind {
    let [up, down] = series.records[Feature::Range as usize].map(|record| record.get());
    match feature {
        Feature::Shift | Feature::Drift | Feature::Volatility => Kind::ChangePoint,
        Feature::Season | Feature::OffSeason => Kind::Contextual,
        _ if (series.level - down..=series.level + up).contains(&value) => Kind::Contextual,
        _ => Kind::Point,
    }
}
