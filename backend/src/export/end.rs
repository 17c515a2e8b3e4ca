//! How an export ends, so that a file that was cut off, or changed since, is known.

use api::ExportEnd;
use sha2::{Digest, Sha256};

use super::Form;

/// What the last line of a CSV export begins with. Names are in quotes, so no row begins like this.
const CSV_END: &str = "# end of export:";

/// What the last line of an export as lines of JSON begins with. No reading has this member.
const JSON_END: &str = r#"{"end":true,"#;

/// The longest line in bytes: a thousand columns of metrics take 100 KB, and 4 MiB is what intake takes at once.
const MAX_LINE: usize = 4 << 20;

/// Why a file is no whole export.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum EndError {
    /// No last line.
    #[error("the export was cut off: expected a last line that says so, found {readings} readings without one")]
    Cut {
        /// Readings found.
        readings: u64,
    },
    /// Something stands after the end.
    #[error("line {0} stands behind the end of the export")]
    Behind(u64),
    /// Other bytes than were written.
    #[error("the export was changed since it was written: expected {expected}, found {found}")]
    Changed {
        /// What its last line says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A line without an end.
    #[error("line {0}: expected at most {MAX_LINE} bytes on a line")]
    Long(u64),
}

/// What has been written so far, for the last line.
#[derive(Default)]
pub(super) struct Tally {
    hash: Sha256,
    pub(super) readings: u64,
    pub(super) erased: u64,
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

/// Holds an export against what its last line says, while its bytes go by.
pub(crate) struct Checker {
    /// Lines before the first reading that have not come yet.
    headings: u64,
    end_of: fn(&str) -> Option<ExportEnd>,
    tally: Tally,
    end: Option<ExportEnd>,
    /// The line that has not ended yet.
    line: Vec<u8>,
    number: u64,
}

impl Checker {
    /// Of a file of this form.
    pub(crate) fn of(form: Form) -> Self {
        let (headings, end_of): (_, fn(&str) -> _) = match form {
            Form::Csv => (1, csv_end),
            Form::Ndjson => (0, json_end),
        };
        Self { headings, end_of, tally: Tally::default(), end: None, line: Vec::new(), number: 0 }
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), EndError> {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(at + 1);
            bytes = rest;
            let mut kept = std::mem::take(&mut self.line);
            if kept.is_empty() {
                self.line(line)?;
            } else {
                kept.extend_from_slice(line);
                self.line(&kept)?;
                kept.clear();
                self.line = kept;
            }
        }
        if self.line.len() + bytes.len() > MAX_LINE {
            return Err(EndError::Long(self.number + 1));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), EndError> {
        self.number += 1;
        if self.end.is_some() {
            return Err(EndError::Behind(self.number));
        }
        // Of a million lines one is the last: only what looks like it is read.
        self.end = line
            .starts_with(b"# ")
            .then_some(line)
            .or(line.starts_with(JSON_END.as_bytes()).then_some(line))
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(self.end_of);
        if self.end.is_none() {
            self.tally.bytes(line);
            match self.headings {
                0 => self.tally.reading(),
                _ => self.headings -= 1,
            }
        }
        Ok(())
    }

    /// Readings that have gone by.
    pub(crate) fn readings(&self) -> u64 {
        self.tally.readings
    }

    /// No more bytes: whether that is all. Gives what the last line says.
    pub(crate) fn finish(self) -> Result<ExportEnd, EndError> {
        let Self { mut tally, end, line, number, .. } = self;
        let expected = match end {
            Some(_) if !line.is_empty() => return Err(EndError::Behind(number + 1)),
            Some(end) => end,
            None => return Err(EndError::Cut { readings: tally.readings }),
        };
        tally.erased = expected.erased;
        let found = tally.end();
        if found != expected {
            let shown = |end: &ExportEnd| format!("{} readings with SHA-256 {}", end.readings, end.sha256);
            return Err(EndError::Changed { expected: shown(&expected), found: shown(&found) });
        }
        Ok(expected)
    }
}
