//! How rules and their progress are kept in the bytes of a device's state. Follows no rule.
//!
//! Byte form, little-endian, 48 bytes a rule: key u64; numbers 2 × f64 (above, below: the limit
//! and 0; outside: low and high; rate of change: the limit and the last value; no data: seconds
//! and 0); hysteresis and escalate-by u16 each (bits 15 to 30 of an f32); lasting u32
//! (milliseconds, or count × 256 + of); refractory seconds u16; flags u16 (bits 0-2 condition, 3-4
//! lasting, 5-6 severity, 7-8 unit of time, 9 reported, 10 known, 11 running, 12-15 step of
//! escalation); milliseconds since the metric's last value u32; progress u32 (milliseconds held,
//! or a bit for each of the last readings); milliseconds since the last report u32. Before them
//! the budget (u8 form, f64 number) and the number of rules u8.

use super::{
    Condition, Lasting, Per, Terms,
    watch::{Watch, Watches},
};
use crate::{
    Budget, DetectError, Severity,
    bytes::{Reader, Writer},
    policy::MAX_RULES,
};

impl Watches {
    pub(crate) fn write(&self, writer: &mut Writer) {
        self.budget.write(writer);
        writer.u8(self.watches.len() as u8);
        self.watches.iter().for_each(|watch| watch.write(writer));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let budget = Budget::read(reader)?;
        let count = usize::from(reader.u8()?);
        if count > MAX_RULES {
            return Err(reader.error(format!("at most {MAX_RULES} rules"), count));
        }
        let watches = (0..count).map(|_| Watch::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { budget, watches })
    }
}

/// The form of the condition, its two numbers, and its unit of time.
fn condition_code(condition: Condition, last: f64) -> (u16, [f64; 2], u16) {
    match condition {
        Condition::Above(limit) => (0, [limit, 0.0], 0),
        Condition::Below(limit) => (1, [limit, 0.0], 0),
        Condition::Outside { low, high } => (2, [low, high], 0),
        Condition::RateOfChange { limit, per } => (3, [limit, last], per as u16),
        Condition::NoData { seconds } => (4, [seconds, 0.0], 0),
    }
}

fn lasting_code(lasting: Lasting) -> (u16, u32) {
    match lasting {
        Lasting::AtOnce => (0, 0),
        Lasting::Millis(millis) => (1, millis),
        Lasting::Times { count, of } => (2, u32::from(count) << 8 | u32::from(of)),
    }
}

impl Watch {
    fn write(&self, writer: &mut Writer) {
        let (condition, numbers, per) = condition_code(self.terms.condition, self.last);
        let (lasting, how_long) = lasting_code(self.terms.lasting);
        let flags = condition
            | lasting << 3
            | (self.terms.severity as u16) << 5
            | per << 7
            | u16::from(self.reported) << 9
            | u16::from(self.known) << 10
            | u16::from(self.running) << 11
            | u16::from(self.step) << 12;
        writer.u64(self.key);
        numbers.iter().for_each(|number| writer.f64(*number));
        for size in [self.terms.hysteresis, self.terms.escalate_by] {
            writer.u16((size.to_bits() >> 15) as u16);
        }
        writer.u32(how_long);
        writer.u16(self.terms.refractory_s);
        writer.u16(flags);
        [self.age_ms, self.progress, self.rest_ms].iter().for_each(|number| writer.u32(*number));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let key = reader.u64()?;
        let [first, second] = [reader.f64()?, reader.f64()?];
        let [hysteresis, escalate_by] =
            [reader.u16()?, reader.u16()?].map(|bits| f32::from_bits(u32::from(bits) << 15));
        let how_long = reader.u32()?;
        let (refractory_s, flags) = (reader.u16()?, reader.u16()?);
        let per = match flags >> 7 & 3 {
            0 => Per::Second,
            1 => Per::Minute,
            2 => Per::Hour,
            other => return Err(reader.error("a unit of time of 0 to 2", other)),
        };
        let condition = match flags & 7 {
            0 => Condition::Above(first),
            1 => Condition::Below(first),
            2 => Condition::Outside { low: first, high: second },
            3 => Condition::RateOfChange { limit: first, per },
            4 => Condition::NoData { seconds: first },
            other => return Err(reader.error("a condition of 0 to 4", other)),
        };
        let lasting = match flags >> 3 & 3 {
            0 => Lasting::AtOnce,
            1 => Lasting::Millis(how_long),
            2 => Lasting::Times { count: (how_long >> 8) as u8, of: how_long as u8 },
            other => return Err(reader.error("a lasting of 0 to 2", other)),
        };
        let severity = match flags >> 5 & 3 {
            0 => Severity::Info,
            1 => Severity::Warning,
            2 => Severity::Critical,
            other => return Err(reader.error("a severity of 0 to 2", other)),
        };
        let terms = Terms { condition, lasting, severity, hysteresis, escalate_by, refractory_s };
        terms.check()?;
        let watch = Self {
            key,
            terms,
            age_ms: reader.u32()?,
            progress: reader.u32()?,
            rest_ms: reader.u32()?,
            last: if matches!(condition, Condition::RateOfChange { .. }) { second } else { 0.0 },
            reported: flags >> 9 & 1 == 1,
            known: flags >> 10 & 1 == 1,
            running: flags >> 11 & 1 == 1,
            step: (flags >> 12) as u8,
        };
        watch.canonical(reader, (flags, how_long, second))
    }

    /// Only what [`write`](Self::write) could have written: one state has one byte form.
    fn canonical(self, reader: &Reader<'_>, (flags, how_long, second): (u16, u32, f64)) -> Result<Self, DetectError> {
        let (_, numbers, per) = condition_code(self.terms.condition, self.last);
        let same = per == flags >> 7 & 3
            && lasting_code(self.terms.lasting).1 == how_long
            && numbers[1].to_bits() == second.to_bits();
        if same { Ok(self) } else { Err(reader.error("unused fields of 0", "another number")) }
    }
}
