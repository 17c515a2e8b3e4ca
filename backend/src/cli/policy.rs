//! The policy file that commands take: the alarm budget and the limits of people. Reads it, decides nothing.

use std::path::Path;

use detect::Policies;

use super::{WrongUse, read_file};

/// A hundred thousand names with some rules each have less.
const MAX_POLICY: usize = 256 << 20;

/// Reads a policy file; without one, everything is as by default.
pub(super) fn read(file: Option<&Path>) -> Result<Policies, WrongUse> {
    let Some(file) = file else { return Ok(Policies::default()) };
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    let text = String::from_utf8(read_file(file, MAX_POLICY)?).map_err(|error| wrong(&error))?;
    Policies::from_json(&text).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_documented_policy_is_one_and_a_bad_file_is_said_to_be() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.json"));
        let policies = read(Some(file)).unwrap();
        assert_eq!(policies.of("cold-chain", "any").rules().len(), 3);
        assert_eq!(policies.of("cold-chain", "fridge-7").rules().len(), 1);
        assert_eq!(policies.of("generic", "any").rules().len(), 0);

        let dir = tempfile::tempdir().unwrap();
        let bad = dir.path().join("policy.json");
        let said = |text: &str| {
            std::fs::write(&bad, text).unwrap();
            read(Some(&bad)).unwrap_err().to_string()
        };
        for (text, word) in [
            ("{", "line 1"),
            (r#"{"defaults": {}}"#, "defaults"),
            (r#"{"default": {"false_alarms_per_day": 0}}"#, "false_alarms_per_day"),
            (r#"{"default": {"rules": [{"metric": "t", "when": {"higher": 3}}]}}"#, "higher"),
        ] {
            let said = said(text);
            assert!(said.contains("policy.json") && said.contains(word), "{said}");
        }
        assert!(read(Some(&dir.path().join("none.json"))).unwrap_err().to_string().contains("none.json"));
    }
}
