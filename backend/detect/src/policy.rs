//! What people ask of the detector: how many false alarms a day they put up with, and the limits
//! that they set themselves. Reads and resolves policies; judges nothing and opens no file.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    DetectError, Rule,
    bytes::{Reader, Writer},
};

/// Rules that one device may have: 6 × 48 bytes of the device's state.
pub const MAX_RULES: usize = 6;
/// Policies of profiles and devices in one document: each of at most about 2 KiB of text.
const MAX_POLICIES: usize = 100_000;
const DAY_MS: f64 = 86_400_000.0;

/// How often the model may be wrong about an ordinary device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Expected false alarms of the model per device and day, 0.000 001 to 1,000,000.
    PerDay(f64),
    /// Contamination: the expected share of ordinary readings at which the model alarms, above 0
    /// and below 0.5. Of a device that sends one reading a minute a share of 1/1440 is one alarm
    /// a day.
    Share(f64),
}

impl Budget {
    /// One false alarm per device and day.
    pub const DEFAULT: Budget = Budget::PerDay(1.0);
    /// No reading alarms at a greater probability, however seldom a device sends.
    const MOST: f64 = 0.5;

    fn checked(self) -> Result<Self, DetectError> {
        let (name, expected, value, fits) = match self {
            Self::PerDay(n) => ("false_alarms_per_day", "0.000001 to 1000000", n, (1e-6..=1e6).contains(&n)),
            Self::Share(s) => ("contamination", "above 0 and below 0.5", s, s > 0.0 && s < Self::MOST),
        };
        if fits { Ok(self) } else { Err(DetectError::Parameter { name, expected, actual: value.to_string() }) }
    }

    /// The probability at which a reading alarms, for a device whose readings are usually
    /// `interval_ms` apart: alarms a day divided by readings a day, at most one half.
    pub fn alarm_probability(self, interval_ms: f64) -> f64 {
        match self {
            Self::PerDay(alarms) => (alarms * interval_ms.max(0.0) / DAY_MS).clamp(f64::MIN_POSITIVE, Self::MOST),
            Self::Share(share) => share,
        }
    }

    /// Expected false alarms a day of a device whose readings are usually `interval_ms` apart.
    pub fn false_alarms_per_day(self, interval_ms: f64) -> f64 {
        match self {
            Self::PerDay(alarms) => alarms,
            Self::Share(share) => share * DAY_MS / interval_ms.max(1.0),
        }
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        let (tag, number) = match self {
            Self::PerDay(number) => (0, number),
            Self::Share(number) => (1, number),
        };
        writer.u8(tag);
        writer.f64(number);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        match (reader.u8()?, reader.f64()?) {
            (0, number) => Self::PerDay(number).checked(),
            (1, number) => Self::Share(number).checked(),
            (other, _) => Err(reader.error("a budget of 0 or 1", other)),
        }
    }
}

/// What people ask of the detector for one device. As text: `false_alarms_per_day`, or
/// `contamination`, or neither for one alarm a day; and `rules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Part", into = "Part")]
pub struct Policy {
    budget: Budget,
    rules: Vec<Rule>,
}

impl Default for Policy {
    /// The default budget and no rules.
    fn default() -> Self {
        Self { budget: Budget::DEFAULT, rules: Vec::new() }
    }
}

impl Policy {
    /// A policy of `false_alarms_per_day` and rules.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for a budget outside 0.000001 to 1000000, more than
    /// [`MAX_RULES`] rules, or the same rule twice.
    pub fn new(false_alarms_per_day: f64, rules: Vec<Rule>) -> Result<Self, DetectError> {
        Self::with_budget(Budget::PerDay(false_alarms_per_day), rules)
    }

    /// As [`new`](Self::new), with the budget in either form.
    ///
    /// # Errors
    /// As [`new`](Self::new); for a contamination that is not above 0 and below 0.5.
    pub fn with_budget(budget: Budget, rules: Vec<Rule>) -> Result<Self, DetectError> {
        check_rules(&rules)?;
        Ok(Self { budget: budget.checked()?, rules })
    }

    /// How often the model may be wrong.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The limits that people set, in the order in which they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

fn check_rules(rules: &[Rule]) -> Result<(), DetectError> {
    if rules.len() > MAX_RULES {
        let actual = rules.len().to_string();
        return Err(DetectError::Parameter { name: "rules", expected: "at most 6", actual });
    }
    for (index, rule) in rules.iter().enumerate() {
        if rules[..index].contains(rule) {
            let actual = format!("number {} again as number {}", position(rules, rule), index + 1);
            return Err(DetectError::Parameter { name: "rules", expected: "each rule once", actual });
        }
    }
    Ok(())
}

fn position(rules: &[Rule], rule: &Rule) -> usize {
    rules.iter().position(|other| other == rule).map_or(0, |index| index + 1)
}

/// What one part of a document says; what it leaves out is taken from the next wider part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
struct Part {
    budget: Option<Budget>,
    rules: Option<Vec<Rule>>,
}

/// A policy, or a part of one, as people write it.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Expected false alarms per device and day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    false_alarms_per_day: Option<f64>,
    /// Expected share of ordinary readings that alarm; not together with the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contamination: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Rule>>,
}

impl TryFrom<Text> for Part {
    type Error = DetectError;

    fn try_from(text: Text) -> Result<Self, DetectError> {
        let budget = match (text.false_alarms_per_day, text.contamination) {
            (None, None) => None,
            (Some(alarms), None) => Some(Budget::PerDay(alarms).checked()?),
            (None, Some(share)) => Some(Budget::Share(share).checked()?),
            (Some(_), Some(_)) => {
                let (name, expected) = ("contamination", "either it or false_alarms_per_day");
                return Err(DetectError::Parameter { name, expected, actual: "both".to_owned() });
            }
        };
        check_rules(text.rules.as_deref().unwrap_or_default())?;
        Ok(Self { budget, rules: text.rules })
    }
}

impl From<Part> for Text {
    fn from(part: Part) -> Self {
        let (false_alarms_per_day, contamination) = match part.budget {
            Some(Budget::PerDay(alarms)) => (Some(alarms), None),
            Some(Budget::Share(share)) => (None, Some(share)),
            None => (None, None),
        };
        Self { false_alarms_per_day, contamination, rules: part.rules }
    }
}

impl From<Part> for Policy {
    fn from(part: Part) -> Self {
        Self { budget: part.budget.unwrap_or(Budget::DEFAULT), rules: part.rules.unwrap_or_default() }
    }
}

impl From<Policy> for Part {
    fn from(policy: Policy) -> Self {
        Self { budget: Some(policy.budget), rules: Some(policy.rules) }
    }
}

/// The policies of a whole installation: for all, by profile (device type), by device.
///
/// A device's budget is that of its own part, else of its profile's, else of the default part,
/// else one false alarm a day. Its rules are found in the same way, and as a whole: rules of a
/// device replace those of its profile, they do not add to them; an empty list means none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of default, profiles and devices")]
pub struct Policies {
    #[serde(default)]
    default: Part,
    #[serde(default, deserialize_with = "once_each")]
    profiles: BTreeMap<String, Part>,
    #[serde(default, deserialize_with = "once_each")]
    devices: BTreeMap<String, Part>,
}

impl Policies {
    /// Reads the JSON form: an object of `default`, `profiles` and `devices`, all optional, the
    /// latter two with names as keys. A name given twice is refused, as is anything unknown.
    ///
    /// # Errors
    /// [`DetectError::Malformed`], which tells line and column.
    pub fn from_json(text: &str) -> Result<Self, DetectError> {
        let policies: Self = serde_json::from_str(text)
            .map_err(|error| DetectError::malformed("policies", "policies as documented", error))?;
        let number = policies.profiles.len() + policies.devices.len();
        if number > MAX_POLICIES {
            return Err(DetectError::malformed("policies", format!("at most {MAX_POLICIES} names"), number));
        }
        Ok(policies)
    }

    /// The policy of one device of one profile. Names that are not in the document get the
    /// default.
    pub fn of(&self, profile: &str, device: &str) -> Policy {
        let parts = [self.devices.get(device), self.profiles.get(profile), Some(&self.default)];
        Self::resolve(&parts)
    }

    /// The policy of one device of a type that has limits of its own: they count where the document
    /// says nothing of the device or the type, and before what it says of the profile by which such
    /// devices are judged, and of all. Only the rules of `limits` count; a budget it has none.
    pub fn of_type(&self, kind: &str, limits: &Policy, profile: &str, device: &str) -> Policy {
        let rules = (!limits.rules.is_empty()).then(|| limits.rules.clone());
        let limits = Part { budget: None, rules };
        let (device, kind, profile) = (self.devices.get(device), self.profiles.get(kind), self.profiles.get(profile));
        Self::resolve(&[device, kind, Some(&limits), profile, Some(&self.default)])
    }

    /// What the first of these parts says that says it.
    fn resolve(parts: &[Option<&Part>]) -> Policy {
        let parts = || parts.iter().copied().flatten();
        let budget = parts().find_map(|part| part.budget).unwrap_or(Budget::DEFAULT);
        let rules = parts().find_map(|part| part.rules.clone()).unwrap_or_default();
        Policy { budget, rules }
    }
}

/// A map whose keys occur once each: of two limits for one patient neither may win in silence.
fn once_each<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Part>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = BTreeMap<String, Part>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object with a policy for each name")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut parts = BTreeMap::new();
            while let Some((name, part)) = map.next_entry::<String, Part>()? {
                if parts.contains_key(&name) {
                    return Err(de::Error::custom(format!("{name:?} has two policies")));
                }
                parts.insert(name, part);
            }
            Ok(parts)
        }
    }

    deserializer.deserialize_map(Visitor)
}
