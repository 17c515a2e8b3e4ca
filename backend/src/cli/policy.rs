//! The policy file that commands take: the alarm budget and the limits of people. Reads it, decides nothing.

use std::path::Path;

use detect::Policies;

use super::WrongUse;

/// Reads a policy file; without one, everything is as by default.
pub(super) fn read(file: Option<&Path>) -> Result<Policies, WrongUse> {
    let Some(file) = file else { return Ok(Policies::default()) };
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    Policies::from_json(&text).map_err(|error| wrong(&error))
}
