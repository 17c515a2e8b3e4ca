//! How an export ends, so that a file that was cut off, or changed since, is known.

use std::io::{self, BufRead};

use api::ExportEnd;
use sha2::{Digest, Sha256};

/// What the last line of a CSV export begins with. Names are in quotes, so no row begins like this.
const CSV_END: &str = "# end of export:";

/// What the last line of an export as lines of JSON begins with. No reading has this member.
const JSON_END: &str = r#"{"end":true,"#;

/// The longest line in bytes: a thousand columns of metrics take 100 KB, and 4 MiB is what intake takes at once.
const MAX_LINE: u64 = 4 << 20;

/// Why a file is no whole export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndError {
    /// No last line.
    #[error(
        "the export was cut off: expected a last line that says so, found {rows} readings without one. Export it again, or \
         send what is there with --partial"
    )]
    Cut {
        /// Rows found.
        rows: u64,
    },
    /// Something stands after the end.
    #[error("line {0} stands behind the end of the export: export it again, or send what is there with --partial")]
    Behind(u64),
    /// Other bytes than were written.
    #[error(
        "the file was changed since it was exported: expected {expected}, found {found}. Export it again, or send it as it \
         is with --partial"
    )]
    Changed {
        /// What its last line says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A line without an end.
    #[error("line {0}: expected at most {MAX_LINE} bytes on a line")]
    Long(u64),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What has been written so far, for the last line.
#[derive(Default)]
pub(super) struct Tally {
    hash: Sha256,
    readings: u64,
    erased: u64,
}

impl Tally {
    /// A reading was written, and bytes with it.
    pub(super) fn reading(&mut self) {
        self.readings += 1;
    }

    /// A reading was passed over.
    pub(super) fn erased(&mut self) {
        self.erased += 1;
    }

    /// Bytes that go out.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// What the last line says.
    fn end(&self) -> ExportEnd {
        let sha256 = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        ExportEnd { end: true, readings: self.readings, erased: self.erased, sha256 }
    }

    /// The last line of a CSV export.
    pub(super) fn csv(&self) -> String {
        let ExportEnd { readings, erased, sha256, .. } = self.end();
        format!("{CSV_END} readings {readings} erased {erased} sha256 {sha256}\n")
    }

    /// The last line of an export as lines of JSON.
    pub(super) fn json(&self) -> String {
        // A structure of numbers and texts is always JSON.
        serde_json::to_string(&self.end()).unwrap_or_default() + "\n"
    }
}

/// What the last line of a CSV export says; `None` if this is another line.
pub(crate) fn csv_end(line: &str) -> Option<ExportEnd> {
    let words: Vec<&str> = line.strip_prefix(CSV_END)?.split_whitespace().collect();
    let ["readings", readings, "erased", erased, "sha256", sha256] = words.as_slice() else { return None };
    let (readings, erased) = (readings.parse().ok()?, erased.parse().ok()?);
    Some(ExportEnd { end: true, readings, erased, sha256: (*sha256).to_owned() })
}

/// What the last line of an export as lines of JSON says; `None` if this is another line.
pub(crate) fn json_end(line: &str) -> Option<ExportEnd> {
    line.starts_with(JSON_END).then(|| serde_json::from_str(line).ok()).flatten()
}

/// Reads an export from its first byte to its last, and holds it against what its last line says. `headings` is how many
/// lines come before the first reading. Gives how many readings there are.
pub(crate) fn check(
    file: &mut dyn BufRead,
    headings: u64,
    end_of: fn(&str) -> Option<ExportEnd>,
) -> Result<u64, EndError> {
    let (mut tally, mut line, mut number) = (Tally::default(), Vec::new(), 0_u64);
    let mut end: Option<ExportEnd> = None;
    loop {
        line.clear();
        number += 1;
        let read = io::Read::take(&mut *file, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE {
            return Err(EndError::Long(number));
        }
        if end.is_some() {
            return Err(EndError::Behind(number));
        }
        end = line.ends_with(b"\n").then(|| std::str::from_utf8(&line).ok().and_then(end_of)).flatten();
        if end.is_none() {
            tally.bytes(&line);
            if number > headings {
                tally.reading();
            }
        }
    }
    let Some(expected) = end else { return Err(EndError::Cut { rows: tally.readings }) };
    tally.erased = expected.erased;
    let found = tally.end();
    if found != expected {
        let shown = |end: &ExportEnd| format!("{} readings with SHA-256 {}", end.readings, end.sha256);
        return Err(EndError::Changed { expected: shown(&expected), found: shown(&found) });
    }
    Ok(found.readings)
}
