//! Looking for what was erased, in every file of the data directory: only what is not found is gone.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use alloy::primitives::hex;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::store::Gone;

/// What is looked for at most: some 10,000 payloads. Of more, the first are looked for, and the database is written
/// anew without being asked.
const MAX_TRACES: usize = 40_000;

/// Characters of the base64 of a salt that depend on nothing but the salt.
const SALT_IN_BASE64: usize = 42;

/// Bytes of a packed chunk that are looked for: no others are the same by chance.
const CHUNK_PART: usize = 24;

/// What erased rows would look like, wherever they were left.
#[derive(Default)]
pub(super) struct Traces {
    needles: Vec<Vec<u8>>,
    /// Of each needle that another reading may share, its time and values.
    shared: Vec<Option<(i64, String)>>,
    /// Whether there were too many.
    pub(super) cut: bool,
}

impl Traces {
    /// Takes over what a row would look like.
    pub(super) fn add(&mut self, gone: Gone) {
        if self.needles.len() >= MAX_TRACES {
            self.cut = true;
            return;
        }
        match gone {
            Gone::Payload { entry, salt } => {
                self.push(salt.clone(), None);
                // As in an evidence bundle, and as in what a chain of JSON-RPC keeps.
                let mut in_base64 = BASE64.encode(&salt).into_bytes();
                in_base64.truncate(SALT_IN_BASE64);
                self.push(in_base64, None);
                self.push(hex::encode(&salt).into_bytes(), None);
                self.add_entry(&entry);
            }
            Gone::Chunk { bytes } => {
                // From its middle: the beginnings of two chunks may be the same. Most often it lies on one page.
                let from = (bytes.len() / 2).saturating_sub(CHUNK_PART / 2);
                self.push(bytes[from..bytes.len().min(from + CHUNK_PART)].to_vec(), None);
            }
            Gone::Reading { pseudonym, sequence, time_us, metrics } => {
                // As SQLite lays the two columns beside each other.
                let mut row = time_us.to_be_bytes().to_vec();
                row.extend(metrics.as_bytes());
                self.push(row, Some((time_us, metrics)));
                // As it waited in the queue.
                let sequence = sequence.map_or_else(|| "null".to_owned(), |sequence| sequence.to_string());
                let time_ms = time_us.div_euclid(1_000);
                let waiting = format!("\"pseudonym\":\"{pseudonym}\",\"sequence\":{sequence},\"time_ms\":{time_ms}");
                self.push(waiting.into_bytes(), None);
            }
        }
    }

    /// What tells the payload of an entry, also one that was erased before: it names the entry, as nothing else does.
    pub(super) fn add_entry(&mut self, entry: &[u8]) {
        let entry: serde_json::Value = serde_json::from_slice(entry).unwrap_or_default();
        if let Some(id) = entry["id"].as_str() {
            self.push(format!("\"entry\":\"{id}\"").into_bytes(), None);
        }
    }

    fn push(&mut self, needle: Vec<u8>, shared: Option<(i64, String)>) {
        self.needles.push(needle);
        self.shared.push(shared);
    }

    /// The files below these places that hold any of it. `excuse` says whether a reading that is still stored has this
    /// time and these values too, so that they are no trace.
    pub(super) fn found_in<E: From<io::Error>>(
        &self,
        places: &[&Path],
        mut excuse: impl FnMut(i64, &str) -> Result<bool, E>,
    ) -> Result<Vec<PathBuf>, E> {
        if self.needles.is_empty() {
            return Ok(Vec::new());
        }
        let automaton = AhoCorasick::new(&self.needles).map_err(io::Error::other)?;
        let mut files = Vec::new();
        for place in places {
            list(place, &mut files)?;
        }
        let mut holding = Vec::new();
        'files: for path in files {
            let file = match File::open(&path) {
                Ok(file) => file,
                // Gone meanwhile, as the files beside the database are when the last connection is closed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let mut excused = BTreeSet::new();
            for found in automaton.stream_find_iter(file) {
                let needle = found?.pattern().as_usize();
                if excused.contains(&needle) {
                    continue;
                }
                if let Some((time, values)) = &self.shared[needle]
                    && excuse(*time, values)?
                {
                    excused.insert(needle);
                    continue;
                }
                holding.push(path);
                continue 'files;
            }
        }
        Ok(holding)
    }
}

/// The files below a place, in an order. Links are not followed.
fn list(place: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let meta = place.symlink_metadata()?;
    if meta.is_dir() {
        let mut below: Vec<PathBuf> =
            std::fs::read_dir(place)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        below.sort();
        return below.iter().try_for_each(|path| match list(path, files) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        });
    }
    if meta.is_file() {
        files.push(place.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_form_in_which_a_row_may_be_left_is_found() {
        let mut traces = Traces::default();
        let salt: Vec<u8> = (0..32).map(|n| 200 - n * 3).collect();
        traces.add(Gone::Payload { entry: br#"{"id":"0190-x","kind":"anomaly"}"#.to_vec(), salt: salt.clone() });
        traces.add(Gone::Reading {
            pseudonym: "ab".into(),
            sequence: None,
            time_us: 1_767_600_000_000_123,
            metrics: "{\"t\":9.5}".into(),
        });
        let mut row = 1_767_600_000_000_123_i64.to_be_bytes().to_vec();
        row.extend(b"{\"t\":9.5}");
        let forms: [(&str, Vec<u8>); 6] = [
            ("salt", salt.clone()),
            ("bundle", BASE64.encode(&salt).into_bytes()),
            ("hex", hex::encode(&salt).into_bytes()),
            ("payload", br#"{"device":"d","entry":"0190-x","model":"m"}"#.to_vec()),
            ("row", row),
            ("queue", br#"{"pseudonym":"ab","sequence":null,"time_ms":1767600000000,"values":[]}"#.to_vec()),
        ];
        for (name, form) in forms {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("below")).unwrap();
            let file = dir.path().join("below").join(name);
            std::fs::write(dir.path().join("other"), b"{\"t\":9.5} and much else").unwrap();
            assert!(traces.found_in::<io::Error>(&[dir.path()], |_, _| Ok(false)).unwrap().is_empty());
            std::fs::write(&file, [b"before ".as_slice(), &form, b" after"].concat()).unwrap();
            assert_eq!(traces.found_in::<io::Error>(&[dir.path()], |_, _| Ok(false)).unwrap(), [file], "{name}");
        }
    }

    #[test]
    fn values_that_another_reading_has_at_the_same_time_are_no_trace() {
        let mut traces = Traces::default();
        let (pseudonym, metrics) = ("ab".to_owned(), "{\"t\":9.5}".to_owned());
        traces.add(Gone::Reading { pseudonym, sequence: None, time_us: 1, metrics });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\0\0\0\0\0\0\0\x01{\"t\":9.5}").unwrap();
        assert_eq!(traces.found_in::<io::Error>(&[file.path()], |_, _| Ok(false)).unwrap().len(), 1);
        assert!(traces.found_in::<io::Error>(&[file.path()], |_, _| Ok(true)).unwrap().is_empty());
    }
}
