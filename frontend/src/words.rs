//! The detector's and the service's names in plain words: metrics, features, types, roles. A name that is not known is shown as it is, so that
//! evidence of a later edition stays readable. Pure.

use api::Role;

use crate::format;

/// A metric's name for people: `temperature_c` becomes "Temperature", as in the detector's sentences.
pub(crate) fn metric(name: &str, unit: &str) -> String {
    /// Suffixes that repeat the unit, as people write them in names.
    const SUFFIXES: [&str; 9] = ["_c", "_f", "_pct", "_percent", "_db", "_hpa", "_bpm", "_ppm", "_lux"];
    // Only where the unit is shown anyway.
    let plain = SUFFIXES.iter().filter(|_| !unit.is_empty()).find_map(|suffix| name.strip_suffix(suffix));
    let plain = format::words(plain.unwrap_or(name));
    match plain.trim() {
        "*" => "The whole device".to_owned(),
        "spo2" | "SpO2" => "Oxygen saturation".to_owned(),
        "co2" => "CO2".to_owned(),
        plain => {
            let mut letters = plain.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
        }
    }
}

/// What gave a metric away.
pub(crate) fn feature(name: &str) -> String {
    match name {
        "jump" => "away from where it was",
        "drift" => "moving steadily one way",
        "shift" => "stays at a new level",
        "volatility" => "varies more than before",
        "calm" => "varies less than before",
        "time_of_day" => "unusual at this hour",
        "together" => "does not go with the others",
        "creep" => "has crept away over days",
        "plausible_range" => "physically implausible",
        "above" => "above a limit",
        "below" => "below a limit",
        "outside" => "outside its limits",
        "rate_of_change" => "changes too fast",
        "no_data" => "no data",
        other => return format::words(other),
    }
    .to_owned()
}

/// Whether a feature is a limit that people have set: then nothing about it is a matter of chance.
pub(crate) fn is_limit(feature: &str) -> bool {
    matches!(feature, "above" | "below" | "outside" | "rate_of_change" | "no_data")
}

/// The type of a finding.
pub(crate) fn kind(name: &str) -> String {
    match name {
        "point" => "unusual reading",
        "contextual" => "unusual at this time",
        "change_point" => "lasting change",
        "threshold" => "limit passed",
        other => return format::words(other),
    }
    .to_owned()
}

/// What a person is.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Analyst => "analyst",
        Role::DeviceOwner => "device owner",
        Role::Auditor => "auditor",
    }
}

/// What each role is there for.
pub(crate) const ROLES: [(Role, &str); 4] = [
    (Role::Admin, "looks after users, devices and the service; reads no findings"),
    (Role::Analyst, "judges findings, of all devices"),
    (Role::DeviceOwner, "has devices, and sees what is theirs"),
    (Role::Auditor, "reads everything, changes nothing"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_in_the_sentence() {
        assert_eq!(metric("humidity_pct", "%"), "Humidity");
        assert_eq!(metric("humidity_pct", ""), "Humidity pct");
        assert_eq!(metric("heart_rate", "bpm"), "Heart rate");
        assert_eq!(metric("spo2", "%"), "Oxygen saturation");
        assert_eq!(metric("*", "s"), "The whole device");
        assert_eq!(metric("_c", "°C"), "");
    }

    #[test]
    fn unknown_names_stay_readable() {
        assert_eq!(feature("of_a_later_edition"), "of a later edition");
        assert_eq!(kind("of_a_later_edition"), "of a later edition");
        assert_eq!(feature("jump"), "away from where it was");
        assert_eq!(kind("change_point"), "lasting change");
    }
}
