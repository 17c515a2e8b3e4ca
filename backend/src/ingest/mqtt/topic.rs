//! Which topics there are, and what stands in their messages. Refuses all others.

/// Where a device of its own sends, in the shapes of ThingsBoard's devices.
const OWN: &str = "v1/devices/me/telemetry";

/// Where somebody who has several devices sends, in the shape of ThingsBoard's gateways.
const GATEWAY: &str = "v1/gateway/telemetry";

/// What is said of each reading of this connection.
pub(super) const VERDICTS: &str = "v1/devices/me/verdicts";

/// Where a message goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// Of the device that sends it, as ThingsBoard's devices write it.
    Own,
    /// Of several devices, as ThingsBoard's gateways write it.
    Gateway,
    /// Readings of this device, as `POST /api/v1/readings` takes them.
    Readings(&'a str),
    /// No topic of this listener.
    Unknown,
    /// Nothing that may be published to: a pattern, or a broker's own.
    Forbidden,
}

impl<'a> Topic<'a> {
    /// Reads a topic's name.
    pub(super) fn of(name: &'a str) -> Self {
        // A device's name may hold a slash, so nothing is split.
        let device = || name.strip_prefix("devices/")?.strip_suffix("/readings").filter(|device| !device.is_empty());
        match name {
            _ if name.starts_with('$') || name.contains(['+', '#', '\0']) => Topic::Forbidden,
            OWN => Topic::Own,
            GATEWAY => Topic::Gateway,
            _ => device().map_or(Topic::Unknown, Topic::Readings),
        }
    }
}

/// Whether a filter of a subscription is a pattern.
pub(super) fn is_pattern(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_topics_and_no_patterns() {
        for (name, topic) in [
            ("v1/devices/me/telemetry", Topic::Own),
            ("v1/gateway/telemetry", Topic::Gateway),
            ("devices/oven-3/readings", Topic::Readings("oven-3")),
            ("devices/hall/oven-3/readings", Topic::Readings("hall/oven-3")),
            ("devices//readings", Topic::Unknown),
            ("devices/readings", Topic::Unknown),
            ("v1/devices/me/attributes", Topic::Unknown),
            ("v1/devices/me/telemetry/", Topic::Unknown),
            ("", Topic::Unknown),
            ("devices/+/readings", Topic::Forbidden),
            ("#", Topic::Forbidden),
            ("$SYS/broker/uptime", Topic::Forbidden),
            ("$share/a/v1/devices/me/telemetry", Topic::Forbidden),
            ("devices/a\0b/readings", Topic::Forbidden),
        ] {
            assert_eq!(Topic::of(name), topic, "{name:?}");
        }
    }
}
