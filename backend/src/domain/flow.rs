//! A network flow: what a tool has measured of some packets between two ends, as a reading of the device that they
//! concern.
//!
//! Flows of a device are a stream of their own beside what the device sends itself, under a name of their own
//! ([`DeviceName::flows`]): other metrics, another model, other keys.

use ledger::{hash::sha256, text::Endpoint};

use super::{DeviceName, Micros, Millis, Reading, ReadingError};

/// Columns that a model may judge at most: in a payload each takes some 80 bytes of the 16,384, and CICIoT2023 has 46.
pub(crate) const MAX_COLUMNS: usize = 64;

/// What is stored of every flow, usual or not, where the model judges it: what says most of it, and no more than a reading
/// holds. A finding's payload has all columns.
const KEPT: [&str; 12] = [
    "ack_flag_number",
    "AVG",
    "DNS",
    "Header_Length",
    "IAT",
    "Protocol Type",
    "Rate",
    "rst_flag_number",
    "Std",
    "syn_flag_number",
    "Time_To_Live",
    "UDP",
];

/// What makes the name of a device's flows of the device's name.
const SUFFIX: &str = ".flows";

/// What belongs to a reading that is a flow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flow {
    /// The columns that are judged, in the model's order.
    pub(crate) columns: Vec<(String, f64)>,
    /// Between whom, as far as it is known.
    pub(crate) ends: Option<ledger::entry::Flow>,
}

impl Flow {
    /// A flow with these columns between these ends.
    pub(crate) fn new(columns: Vec<(String, f64)>, source: Option<Endpoint>, destination: Option<Endpoint>) -> Self {
        let known = source.is_some() || destination.is_some();
        Self { columns, ends: known.then_some(ledger::entry::Flow { destination, source }) }
    }

    /// As a reading of the device that it concerns. `arrival` is its time if it brings none: each flow its own.
    pub(crate) fn into_reading(
        self,
        device: &DeviceName,
        time: Option<Micros>,
        arrival: Micros,
    ) -> Result<Reading, ReadingError> {
        let is_kept = |name: &str| KEPT.contains(&name);
        let by_name: Vec<_> = self.columns.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        let kept = match by_name.is_empty() {
            true => self.columns.iter().take(KEPT.len()).cloned().collect(),
            false => by_name,
        };
        let now = arrival.millis();
        let time = match time {
            Some(time) => self.own_time(time.millis()),
            None => arrival,
        };
        let reading = Reading::new_unreserved(device.flows()?, Some(time), None, kept, now)?;
        Ok(reading.with_flow(self))
    }

    /// A millisecond has room for a thousand flows of a device: each takes the microsecond that its content gives, so that
    /// the same flow has the same key when it is sent again.
    fn own_time(&self, time: Millis) -> Micros {
        let digits = self.columns.iter().map(|(_, value)| value.to_le_bytes());
        let columns = digits.collect::<Vec<_>>().concat();
        let ends =
            self.ends.as_ref().map(|ends| format!("{:?} {:?}", ends.source, ends.destination)).unwrap_or_default();
        let hash = sha256(&[ends.as_bytes(), b"\0", &columns]).0;
        let place = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) % 1_000;
        Micros(Micros::from(time).0 + i64::from(place))
    }
}

impl DeviceName {
    /// The name under which this device's flows stand.
    ///
    /// # Errors
    /// [`ReadingError::Device`] where it would be too long.
    pub(crate) fn flows(&self) -> Result<DeviceName, ReadingError> {
        DeviceName::new(&format!("{self}{SUFFIX}"))
    }

    /// Whether it is a name for flows: nobody sends readings under it, and no device is registered under it.
    pub(crate) fn is_of_flows(&self) -> bool {
        self.as_str().ends_with(SUFFIX)
    }

    /// The device itself: without what names its flows.
    pub(crate) fn device(&self) -> DeviceName {
        let device = self.as_str().strip_suffix(SUFFIX).and_then(|device| DeviceName::new(device).ok());
        device.unwrap_or_else(|| self.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn flow(rate: f64, source: &str) -> Flow {
        let columns = (0..20).map(|at| (format!("c{at}"), 1.0)).chain([("Rate".to_owned(), rate)]).collect();
        Flow::new(columns, Some(source.parse().unwrap()), None)
    }

    #[test]
    fn a_flow_has_the_key_that_its_content_gives() {
        let (device, time) = (DeviceName::new("mri-1").unwrap(), Micros::from(Millis(1_763_625_600_000)));
        let key = |flow: Flow| flow.into_reading(&device, Some(time), Micros(time.0 + 5)).unwrap().time();
        assert_eq!(key(flow(1.0, "10.0.0.1")), key(flow(1.0, "10.0.0.1")));
        assert_ne!(key(flow(1.0, "10.0.0.1")), key(flow(2.0, "10.0.0.1")));
        assert_ne!(key(flow(1.0, "10.0.0.1")), key(flow(1.0, "10.0.0.2")));
        assert_eq!(key(flow(1.0, "10.0.0.1")).millis(), time.millis());
    }

    #[test]
    fn what_is_stored_is_what_says_most() {
        let (device, time) = (DeviceName::new("mri-1").unwrap(), Micros::from(Millis(1_763_625_600_000)));
        let reading = flow(7.0, "10.0.0.1").into_reading(&device, None, time).unwrap();
        assert_eq!(reading.values(), [("Rate".to_owned(), 7.0)]);
        assert_eq!(reading.flow().unwrap().columns.len(), 21);
        assert_eq!(reading.device().as_str(), "mri-1.flows");
        assert_eq!(reading.device().device(), device);
        let unknown = Flow::new((0..20).map(|at| (format!("c{at}"), 1.0)).collect(), None, None);
        assert_eq!(unknown.into_reading(&device, None, time).unwrap().values().len(), 12);
    }
}
