//! The body of `POST /api/v1/readings`, made of what was typed. Pure.
//!
//! It refuses only what cannot be written down as a reading; what a reading may say is the service's matter.

use serde_json::{Map, Value, json};

/// Why no body can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Give the device's name.")]
    NoDevice,
    #[error("Give at least one metric with its value.")]
    NoMetric,
    #[error("Give the metric that has the value {0} a name.")]
    NoName(String),
    #[error("Give {0} a value.")]
    NoValue(String),
    #[error("{0}: “{1}” is not a number that can be sent.")]
    NoNumber(String, String),
    #[error("The metric {0} is there twice.")]
    Twice(String),
    #[error("“{0}” is not a sequence number.")]
    NoSequence(String),
}

/// A body with one reading.
pub(super) fn reading(
    device: &str,
    time: &str,
    sequence: &str,
    metrics: &[(String, String)],
) -> Result<String, Refusal> {
    let device = device.trim();
    if device.is_empty() {
        return Err(Refusal::NoDevice);
    }
    let mut body = json!({ "device": device, "metrics": values(metrics)? });
    if !time.trim().is_empty() {
        body["time"] = json!(time.trim());
    }
    if !sequence.trim().is_empty() {
        let number: u64 = sequence.trim().parse().map_err(|_| Refusal::NoSequence(sequence.to_owned()))?;
        body["sequence"] = json!(number);
    }
    Ok(body.to_string())
}

fn values(metrics: &[(String, String)]) -> Result<Map<String, Value>, Refusal> {
    let mut values = Map::new();
    for (name, value) in metrics {
        let (name, value) = (name.trim(), value.trim());
        match (name.is_empty(), value.is_empty()) {
            (true, true) => continue,
            (true, false) => return Err(Refusal::NoName(value.to_owned())),
            (false, true) => return Err(Refusal::NoValue(name.to_owned())),
            (false, false) => {}
        }
        let number = value.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        let number = number.ok_or_else(|| Refusal::NoNumber(name.to_owned(), value.to_owned()))?;
        if values.insert(name.to_owned(), Value::Number(number)).is_some() {
            return Err(Refusal::Twice(name.to_owned()));
        }
    }
    if values.is_empty() { Err(Refusal::NoMetric) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(device: &str, time: &str, sequence: &str, metrics: &[(&str, &str)]) -> Result<Value, Refusal> {
        let metrics: Vec<_> = metrics.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        reading(device, time, sequence, &metrics).map(|body| serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn a_reading_is_written_as_the_service_takes_it() {
        assert_eq!(
            body(" a ", "2026-11-20T08:00:00.000Z", "7", &[("temperature", "21.50"), ("", ""), ("x", "-3")]),
            Ok(json!({
                "device": "a",
                "time": "2026-11-20T08:00:00.000Z",
                "sequence": 7,
                "metrics": { "temperature": 21.5, "x": -3.0 },
            }))
        );
        let least = body("a", "", " ", &[("t", "1")]).unwrap();
        assert!(least.get("time").is_none() && least.get("sequence").is_none());
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert_eq!(body("", "", "", &[("t", "1")]), Err(Refusal::NoDevice));
        assert_eq!(body("a", "", "", &[("", "")]), Err(Refusal::NoMetric));
        assert_eq!(body("a", "", "", &[("", "1")]), Err(Refusal::NoName("1".into())));
        assert_eq!(body("a", "", "", &[("t", "1"), ("t", "2")]), Err(Refusal::Twice("t".into())));
        assert_eq!(body("a", "", "-1", &[("t", "1")]), Err(Refusal::NoSequence("-1".into())));
        assert_eq!(body("a", "", "", &[("t", " ")]), Err(Refusal::NoValue("t".into())));
        for bad in ["x", "NaN", "inf", "1e400", "1,5"] {
            assert_eq!(body("a", "", "", &[("t", bad)]), Err(Refusal::NoNumber("t".into(), bad.into())));
        }
    }
}
