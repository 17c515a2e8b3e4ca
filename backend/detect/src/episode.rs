//! One event is one finding. Judges no value.
//!
//! While an event goes on, only clearly more evidence opens it again. It is over when evidence has
//! rested. What no device of the group does is reported again after a short rest; what is only new
//! for this metric, after a long one.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Readings in a row without evidence after which the next event is another one …
const QUIET: u8 = 8;
/// … and readings since the last report, for evidence that only this metric's own past gives.
const REST: u8 = 80;
/// Within an event, evidence this many times the highest so far is reported again …
const ESCALATION: f64 = 1.2;
/// … and where the group's tails give it: they see all of an event, records only its growth.
const ESCALATION_BY_GROUP: f64 = 1.5;
/// After this many readings in a row away from where the event began, the change lasts. Longer
/// than what is called contextual (20 readings), shorter than the 30 in which a change should be
/// found.
const LASTING: u8 = 24;

/// The event that is being reported, if any: 11 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Episode {
    /// Highest evidence so far, in limits; 0 while there is no event.
    pub(crate) peak: f32,
    /// Readings since evidence was last above the limit.
    quiet: u8,
    /// Readings since the last report.
    since: u8,
    /// Readings in a row away from `home`, or [`SETTLED`] if it is not watched.
    away: u8,
    /// Expected value when the event began, as an offset from the season's anchor.
    pub(crate) home: f32,
}

/// Nobody waits for a lasting change.
const SETTLED: u8 = u8::MAX;

impl Episode {
    /// Whether an event is going on.
    pub(crate) fn open(&self) -> bool {
        self.peak > 0.0
    }

    /// Whether evidence of an event that was reported has not rested yet.
    pub(crate) fn loud(&self) -> bool {
        self.open() && self.quiet < QUIET
    }

    /// Whether evidence of `strength` limits is to be reported; `by_group` if the group's tails
    /// alone give that much.
    pub(crate) fn notice(&mut self, strength: f64, by_group: bool) -> bool {
        self.since = self.since.saturating_add(1);
        if strength < 1.0 {
            self.quiet = self.quiet.saturating_add(1);
            if self.open() && self.quiet >= QUIET && self.since >= REST {
                *self = Self { since: self.since, ..Self::default() };
            }
            return false;
        }
        let rested = self.quiet >= QUIET && (by_group || self.since >= REST);
        let factor = if by_group { ESCALATION_BY_GROUP } else { ESCALATION };
        let report = !self.open() || rested || strength >= factor * f64::from(self.peak);
        if rested {
            self.peak = 0.0;
        }
        self.quiet = 0;
        self.peak = f64::from(self.peak).max(strength).min(1e30) as f32;
        if report {
            self.since = 0;
            self.away = SETTLED;
        }
        report
    }

    /// Begins to watch whether values come back home.
    pub(crate) fn watch(&mut self, home: f32) {
        (self.home, self.away) = (home, 0);
    }

    /// One more reading away from home; true once, when the change has lasted.
    pub(crate) fn lasts(&mut self) -> bool {
        self.away = self.away.saturating_add(1);
        if self.away < LASTING {
            return false;
        }
        self.away = SETTLED;
        true
    }

    /// Values are back home: what the return stirs up belongs to the event.
    pub(crate) fn end_watch(&mut self) {
        self.away = SETTLED;
        self.quiet = 0;
        self.since = self.since.saturating_add(1);
    }

    /// Whether a return home is being watched for.
    pub(crate) fn watched(&self) -> bool {
        self.open() && self.away != SETTLED
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.f32(self.peak);
        writer.u8(self.quiet);
        writer.u8(self.since);
        writer.u8(self.away);
        writer.f32(self.home);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(Self {
            peak: reader.scale()?,
            quiet: reader.u8()?,
            since: reader.u8()?,
            away: reader.u8()?,
            home: reader.f32()?,
        })
    }
}
