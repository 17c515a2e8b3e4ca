//! What a label says about a row. Knows the words of the usual data sets, no file.

/// Words for a row that is as it should be.
const ORDINARY: [&str; 14] = [
    "",
    "normal",
    "benign",
    "benigntraffic",
    "false",
    "no",
    "n",
    "ok",
    "nominal",
    "inlier",
    "none",
    "background",
    "healthy",
    "regular",
];

/// Whether a label names something anomalous: a number other than 0, or a word that is not one for ordinary rows.
pub(crate) fn is_anomalous(label: &str) -> bool {
    match label.parse::<f64>() {
        Ok(number) => number != 0.0 && !number.is_nan(),
        Err(_) => !ORDINARY.iter().any(|word| label.trim_end_matches('.').eq_ignore_ascii_case(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_usual_data_sets_are_understood() {
        for ordinary in ["0", "0.0", "", "nan", "normal", "Normal", "normal.", "BenignTraffic", "BENIGN", "False", "no"]
        {
            assert!(!is_anomalous(ordinary), "{ordinary}");
        }
        for anomalous in ["1", "1.0", "-1", "2", "neptune", "DDoS-ICMP_Flood", "True", "anomaly"] {
            assert!(is_anomalous(anomalous), "{anomalous}");
        }
    }
}
