//! The words for injected anomalies. Knows nothing about signals or detection.

/// What sort of anomaly an injected event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One reading far off: a spike or a dropout.
    Point,
    /// A value that is normal at another time of day but not now, for 5 to 20 readings. Only in
    /// metrics whose daily cycle is far wider than their noise (temperature, humidity, sound, heart
    /// rate), and only at times of day when the cycle gives enough contrast.
    Contextual,
    /// A lasting change of level, or of noise, from one reading on.
    ChangePoint,
}

/// Asks for events of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Injection {
    /// The kind of event.
    pub kind: Kind,
    /// Expected events per device-day, at least 0. The real number is a little lower, as events
    /// keep a distance of [`SPACING`](crate::SPACING) readings from each other.
    pub rate: f64,
}

/// The truth about one reading: which injected event it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The kind of the event.
    pub kind: Kind,
    /// The event's number within its stream, from 1; the same for all its readings.
    pub id: u64,
    /// The metric that was changed.
    pub metric: &'static str,
}
