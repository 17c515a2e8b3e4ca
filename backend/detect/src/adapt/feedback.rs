//! What people say about findings, and how far it moves a device's limit. Changes no model and no
//! rule: a limit that people have set is not argued with.

/// What a person found out about a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// It was reported, and nothing was wrong.
    FalseAlarm,
    /// Something was wrong, whether it was reported or not.
    Real,
}

/// One answer moves the limit by at most this, in nats: a factor of 2 in the alarm probability …
const MOST_STEP: f64 = std::f64::consts::LN_2;
/// … and by at least this, if it moves it at all.
const LEAST_STEP: f64 = 0.1;
/// All answers together move it by at most a factor of 8.
const MOST: f64 = 3.0 * std::f64::consts::LN_2;
/// Half of it is forgotten in two weeks: ln 2 divided by their hours.
const FORGET_PER_HOUR: f64 = std::f64::consts::LN_2 / 336.0;
const HOUR_MS: i64 = 3_600_000;

/// What feedback adds to the evidence that a device's model needs for an alarm, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tuning(pub(crate) f32);

impl Tuning {
    pub(crate) fn nats(self) -> f64 {
        f64::from(self.0)
    }

    /// Takes in an answer about a reading whose evidence was `strength` times the limit of now,
    /// `limit` nats. As much as that reading needed to be judged rightly, within the bounds.
    pub(crate) fn hear(&mut self, feedback: Feedback, strength: f64, limit: f64) {
        let missing = |share: f64| (share * limit).clamp(LEAST_STEP, MOST_STEP);
        let step = match feedback {
            Feedback::FalseAlarm => missing(strength - 1.0),
            // It was rightly reported: no reason to be harder to convince than without feedback.
            Feedback::Real if strength >= 1.0 => -self.nats().clamp(0.0, LEAST_STEP),
            Feedback::Real => -missing(1.0 - strength),
        };
        self.0 = (self.nats() + step).clamp(-MOST, MOST) as f32;
    }

    /// Time passes, counted in whole hours of the clock so that small steps add up.
    pub(crate) fn rest(&mut self, from_ms: i64, to_ms: i64) {
        if self.0 == 0.0 {
            return;
        }
        let hours = to_ms.div_euclid(HOUR_MS).saturating_sub(from_ms.div_euclid(HOUR_MS)).max(0);
        let keep = 1.0 - (FORGET_PER_HOUR * hours as f64).min(0.5);
        self.0 = if hours > 0 { (self.nats() * keep) as f32 } else { self.0 };
    }

    /// Whether these could be bits of ours.
    pub(crate) fn valid(self) -> bool {
        self.nats().abs() <= MOST + 1e-6
    }
}
