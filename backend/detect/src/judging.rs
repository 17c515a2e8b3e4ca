//! How one value of a reading is judged: which witnesses are heard, what is reported, what is
//! learnt. Knows the reading only as far as its metrics share a limit and a forest's row.

use crate::{
    DetectError, DeviceState, Kind, Model, Value, calibrate,
    detector::{CHANGE, CREEP, DRIFT, JUMP, PLAUSIBLE, SHIFT, STUCK, TIME_OF_DAY, TOGETHER, VOLATILITY},
    episode::Episode,
    explain::Clue,
    group::Evidence,
    model::MetricSpec,
    row::{self, COLUMN_OF, Deviations, Row},
    scorer::tails::{maturity, sixth, surprise, together},
    series::{Feature, Measures, Series, WARM_UP, bounded},
    state::short_key,
    together::Gathered,
    unusual::{SORT, Unusual},
};

/// What one metric, or the whole reading, has to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) nats: f64,
    pub(crate) score: f64,
}

impl Heard {
    pub(crate) fn louder(self, other: Self) -> Self {
        Self { nats: self.nats.max(other.nats), score: self.score.max(other.score) }
    }
}

/// What the witnesses say about one value.
#[derive(Clone, Copy, Debug)]
struct Witnesses {
    own: Records,
    by_group: Evidence,
    /// The metric's own records on the common scale.
    of_own: f64,
    /// The stronger witness.
    nats: f64,
    /// How far the level has crept, in widths of what is accepted.
    creep: f64,
    /// The feature that the stronger witness names.
    feature: Feature,
    /// What the metric's course says, if it says more than the others.
    course: Option<&'static str>,
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
pub(crate) struct Whole<'m> {
    pub(crate) model: &'m Model,
    pub(crate) time_ms: i64,
    pub(crate) interval: f64,
    /// Evidence at which the device alarms.
    pub(crate) limit: f64,
    /// What a record means less because other metrics, and the group, could have spoken as well:
    /// the logarithm of their number (Bonferroni).
    pub(crate) others: f64,
    pub(crate) row: Row,
    /// The values that are judged together.
    pub(crate) gathered: Gathered,
    /// How far each sort of deviation goes, and what was expected instead.
    pub(crate) unusual: Unusual,
    /// Sum and number of the metrics' deviations from what is usual, each between 0 and 1.
    pub(crate) off: (f64, u32),
    /// One metric's event is going on: what the metrics show together belongs to it.
    pub(crate) loud: bool,
    /// A change has become the norm: the baseline of the metrics together is learnt anew.
    pub(crate) changed: bool,
    /// The forest's weight, once it was asked.
    pub(crate) forest: Option<f64>,
}

impl<'m> Whole<'m> {
    /// Judges and takes in one value; adds a clue if something is to be reported.
    pub(crate) fn judge_value<'a>(
        &mut self,
        series: &mut Series,
        (place, value): (usize, &Value<'a>),
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
        let base = series.base();
        let number = bounded(value.value) - base;
        if series.counts() && number < 0.0 {
            series.count_anew(bounded(value.value), self.time_ms);
            return Ok(Heard::default());
        }
        let measures = series.measure(number, self.time_ms, self.interval);
        self.gathered.add(series.place, number, measures.least);
        self.unusual.add(place, series, &measures);
        self.off = (self.off.0 + series.off(&measures), self.off.1 + 1);
        if series.seen < WARM_UP {
            series.learn(number, self.time_ms, &measures);
            return Ok(Heard::default());
        }
        let witnesses = self.hear(series, number, &measures)?;
        let crept = witnesses.creep >= 1.0;
        let of_creep = if crept { witnesses.creep } else { 0.0 };
        let strength = (witnesses.nats / self.limit).max(of_creep);
        let opened = series.episode.open();
        let home = home(series, number, &measures);
        let report = match home {
            Home::Back if !crept => {
                series.episode.end_watch();
                false
            }
            // How far a level has crept is reported whatever went before: each time it is twice as far.
            _ => series.episode.notice(strength, witnesses.by_group.nats >= self.limit) || crept,
        };
        if report {
            let clue = self.clue(series, &measures, *value, &witnesses, strength);
            series.budget.reported();
            series.change.restart();
            if crept || clue.kind == Kind::ChangePoint {
                series.budget.accept(series.level);
            }
            clues.push(Clue { spec, ..clue });
        } else if let Home::Left(low, high) = home {
            clues.push(self.lasted(*value, spec, (base + low, base + high)));
            self.changed = true;
            series.learn(number, self.time_ms, &measures);
            if self.model.group.known {
                series.move_level(series.recent() - 0.5 * (low + high));
            } else {
                series.budget.accept(series.recent());
            }
            return Ok(Heard { nats: self.limit * LASTED, score: calibrate::score(LASTED) });
        }
        let heard = Heard { nats: strength * self.limit, score: score(&series.episode, strength, report) };
        self.adapt(series, &measures, &witnesses, report, opened);
        let home = series.recent();
        if report && (number - home).abs() > width(series, &measures) {
            series.episode.watch((home - f64::from(series.season.anchor)) as f32);
        }
        if self.model.group.known && (report || series.episode.loud()) {
            series.learn_of_event(number, self.time_ms, &measures);
        } else {
            series.learn(number, self.time_ms, &measures);
        }
        self.loud |= series.episode.loud();
        Ok(heard)
    }

    /// Follows how far the metrics are from what is usual. When that has grown, what is usual is learnt
    /// anew.
    pub(crate) fn follow_drift(&mut self, state: &mut DeviceState) {
        let (sum, count) = self.off;
        if count > 0 && state.drift.push(sum / f64::from(count), self.interval) {
            state.metrics.iter_mut().for_each(Series::learn_anew);
            self.changed = true;
        }
    }

    /// Holds the reading against the device's routine, after each metric was judged alone.
    pub(crate) fn judge_routine<'a>(
        &mut self,
        state: &mut DeviceState,
        values: &[Value<'a>],
        clues: &mut Vec<Clue<'a>>,
    ) -> Heard
    where
        'm: 'a,
    {
        let readings = state.counted();
        let surprise = state.routine.push(&self.unusual.sizes, self.time_ms);
        if readings <= WARM_UP {
            return Heard::default();
        }
        let nats = calibrate::of_routine(surprise.decades, readings, self.interval);
        let strength = nats / self.limit;
        let report = state.unusual.notice(strength, false) && !self.loud;
        let score = calibrate::score(strength);
        if report && let Some(&value) = values.get(self.unusual.sizes.by[surprise.sort]) {
            let (kind, feature) = SORT[surprise.sort];
            let (low, high) = self.unusual.expected(&surprise);
            let spec = self.model.metric(value.metric);
            clues.push(Clue { value, spec, kind, feature, strength, nats, low, high });
            return Heard { nats, score };
        }
        Heard { nats, score: if strength >= 1.0 { calibrate::held(score) } else { score } }
    }

    /// Judges the metrics together, after each was judged alone.
    pub(crate) fn judge_together<'a>(
        &mut self,
        state: &mut DeviceState,
        values: &[Value<'a>],
        clues: &mut Vec<Clue<'a>>,
    ) -> Heard
    where
        'm: 'a,
    {
        let Some(measures) = state.together.push(&self.gathered, &mut self.row) else { return Heard::default() };
        if self.changed {
            state.together.relearn();
        }
        let readings = state.counted();
        let nats = state.together.hear(&measures, &self.model.group, readings, self.interval, self.limit, self.others);
        let strength = nats / self.limit;
        let episode = &mut state.together.episode;
        // What metrics show together lasts: it is reported again only after a rest.
        let report = episode.notice(strength, false) && !self.loud;
        let score = score(episode, strength, report);
        if report && let Some(clue) = self.outstanding(state, values, strength, nats) {
            clues.push(clue);
            return Heard { nats, score };
        }
        Heard { nats, score: score.min(calibrate::held(1.0)) }
    }

    /// What to report of metrics that no longer go together.
    fn outstanding<'a>(&self, state: &DeviceState, values: &[Value<'a>], strength: f64, nats: f64) -> Option<Clue<'a>>
    where
        'm: 'a,
    {
        let most = state.together.outstanding(&self.gathered)?;
        let series = state.metrics.iter().find(|series| series.place == most.place)?;
        let value = *values.iter().find(|value| short_key(value.metric) == series.key)?;
        let (low, high) = (most.expected - 3.0 * most.spread, most.expected + 3.0 * most.spread);
        // The series has taken the value in already: a counter's base was the value before it.
        let base = if series.counts() { value.value - series.lags().0 } else { 0.0 };
        let (low, high) = (base + low, base + high);
        let spec = self.model.metric(value.metric);
        Some(Clue { value, spec, kind: Kind::Contextual, feature: TOGETHER, strength, nats, low, high })
    }

    /// Asks both witnesses about one value.
    fn hear(&mut self, series: &Series, number: f64, measures: &Measures) -> Result<Witnesses, DetectError> {
        let own = records(series, measures, self.interval);
        let deviations = Deviations::of(series, measures);
        row::add(&mut self.row, series, measures, &deviations, own.excess);
        let by_group = self.by_group(series, &deviations)?;
        let of_own = calibrate::of_records(own.nats) - self.others;
        let near = NEAR * (1.0 + own.excess).clamp(0.0, 1.0);
        let [change, stuck] = self.course(series, number, measures);
        let others = by_group.nats.max(of_own).max(near);
        let nats = others.max(change).max(stuck);
        let course = match () {
            () if nats <= others => None,
            () if stuck > change => Some(STUCK),
            () => Some(CHANGE),
        };
        let creep = series.budget.creep(series.level, measures.least);
        let feature = if by_group.nats >= of_own { COLUMN_OF[by_group.place].1 } else { own.feature };
        Ok(Witnesses { own, by_group, of_own, nats, creep, feature, course })
    }

    /// The evidence of a change that adds up, and of a value that is stuck.
    fn course(&self, series: &Series, number: f64, measures: &Measures) -> [f64; 2] {
        let change = maturity(series.seen, self.interval) * series.change.nats(measures.standard);
        let stuck = if series.stuck(number) { calibrate::of_records(series.run.nats(series.seen)) } else { 0.0 };
        [change - self.others, stuck - self.others]
    }

    /// What to report of a value.
    fn clue<'a>(
        &self,
        series: &Series,
        measures: &Measures,
        value: Value<'a>,
        witnesses: &Witnesses,
        strength: f64,
    ) -> Clue<'a> {
        let Witnesses { own, by_group, of_own, feature, .. } = *witnesses;
        let nats = strength * self.limit;
        if witnesses.creep >= 1.0 && witnesses.creep * self.limit >= witnesses.nats {
            let (low, high) = series.budget.accepted(measures.least);
            let (low, high) = (series.base() + low, series.base() + high);
            let kind = Kind::ChangePoint;
            return Clue { value, spec: None, kind, feature: CREEP, strength, nats, low, high };
        }
        let number = bounded(value.value) - series.base();
        if let Some(feature) = witnesses.course {
            let width = 4.0 * f64::from(series.scales[1]).max(measures.least);
            let middle = series.base() + if feature == STUCK { measures.predicted } else { series.level };
            let (low, high) = (middle - width, middle + width);
            return Clue { value, spec: None, kind: Kind::ChangePoint, feature, strength, nats, low, high };
        }
        let crept = crept(series, measures, number, feature);
        let kind = if crept { Kind::ChangePoint } else { kind(series, number, feature) };
        let allowed = match by_group.nats >= of_own {
            true => self.model.group.allowed(&by_group, self.limit),
            false => 1.0 / (1.0 + own.excess),
        };
        let (low, high) = expected(series, measures, number, feature, allowed);
        let (low, high) = (series.base() + low, series.base() + high);
        let feature = if crept { DRIFT } else { name(feature) };
        Clue { value, spec: None, kind, feature, strength, nats, low, high }
    }

    /// A change that was reported when it came has lasted.
    fn lasted<'a>(&self, value: Value<'a>, spec: Option<&'a MetricSpec>, (low, high): (f64, f64)) -> Clue<'a> {
        let (kind, nats) = (Kind::ChangePoint, self.limit * LASTED);
        Clue { value, spec, kind, feature: SHIFT, strength: LASTED, nats, low, high }
    }

    /// What the metric's comparison with its group learns from a verdict.
    fn adapt(&mut self, series: &mut Series, measures: &Measures, witnesses: &Witnesses, report: bool, opened: bool) {
        let group = &self.model.group;
        if !group.known {
            return;
        }
        let restless = measures.features[Feature::Volatility as usize];
        if report && opened && restless > RESTLESS {
            series.accept_restlessness(restless);
            self.changed = true;
            series.budget.reported();
        }
        if !opened {
            // One event must not make the device deaf to the next.
            series.unlike = group.next_unlike(series.unlike, witnesses.by_group.ratio);
        }
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
        Heard { nats, score: score(&series.episode, strength, report) }
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

/// The name of what a feature gives away.
fn name(feature: Feature) -> &'static str {
    match feature {
        Feature::Level | Feature::Range | Feature::Residual => JUMP,
        Feature::Shift | Feature::Drift => DRIFT,
        Feature::Volatility => VOLATILITY,
        Feature::Season | Feature::OffSeason => TIME_OF_DAY,
    }
}

/// The score of evidence; held below one half while an event goes on that was reported.
fn score(episode: &Episode, strength: f64, report: bool) -> f64 {
    let score = calibrate::score(strength);
    if !report && (strength >= 1.0 || episode.loud()) { calibrate::held(score) } else { score }
}

/// Where the value is, seen from where an event began.
fn home(series: &mut Series, value: f64, measures: &Measures) -> Home {
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
fn expected(series: &Series, measures: &Measures, value: f64, feature: Feature, allowed: f64) -> (f64, f64) {
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

/// Values closer than this to where an event began are back.
fn width(series: &Series, measures: &Measures) -> f64 {
    AWAY * f64::from(series.scales[0]).max(measures.least)
}

/// Whether a value came to where it is in small steps, rather than in one.
fn crept(series: &Series, measures: &Measures, value: f64, feature: Feature) -> bool {
    let sudden = matches!(feature, Feature::Level | Feature::Range | Feature::Residual);
    sudden && (value - series.lags().0).abs() < 0.5 * measures.features[Feature::Level as usize].abs()
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
