//! What an auditor gets: entries, payloads and anchors as lines of JSON, their bytes unaltered.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Lines, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use alloy::primitives::{B256, hex};
use ledger::{Hash, evidence::Disclosure, publication::Item};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Stop;

const ENTRIES: &str = "entries.ndjson";
const PAYLOADS: &str = "payloads.ndjson";
const ANCHORS: &str = "anchors.ndjson";

/// A line of the payloads.
#[derive(Serialize, Deserialize)]
struct PayloadLine {
    index: u64,
    salt: String,
    payload: Box<RawValue>,
}

/// A line of the anchors.
#[derive(Serialize, Deserialize)]
pub(super) struct AnchorLine {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) block: u64,
    pub(super) transaction: B256,
}

/// The files as they are written.
pub(super) struct Record {
    entries: BufWriter<File>,
    payloads: BufWriter<File>,
    anchors: BufWriter<File>,
}

impl Record {
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        Ok(Self { entries: private(dir, ENTRIES)?, payloads: private(dir, PAYLOADS)?, anchors: private(dir, ANCHORS)? })
    }

    /// Writes an entry, and its payload if it was published.
    pub(super) fn item(&mut self, index: u64, item: &Item) -> Result<(), Stop> {
        // Canonical JSON has no line ends; bytes of a kind yet unknown might.
        if item.entry.contains(&b'\n') {
            return Err(Stop::Refused(format!("entry {index} is no canonical JSON")));
        }
        self.entries.write_all(&item.entry)?;
        self.entries.write_all(b"\n")?;
        if let Some(Disclosure { payload, salt }) = &item.disclosure {
            let text = String::from_utf8_lossy(payload).into_owned();
            let payload = RawValue::from_string(text).map_err(io::Error::from)?;
            line(&mut self.payloads, &PayloadLine { index, salt: hex::encode(salt), payload })?;
        }
        Ok(())
    }

    pub(super) fn anchor(&mut self, root: Hash, size: u64, block: u64, transaction: B256) -> Result<(), Stop> {
        Ok(line(&mut self.anchors, &AnchorLine { size, root, block, transaction })?)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.entries.flush()?;
        self.payloads.flush()?;
        self.anchors.flush()
    }
}

/// The files as they are read again, batch by batch.
pub(super) struct Batches {
    entries: Lines<BufReader<File>>,
    payloads: Lines<BufReader<File>>,
    anchors: Lines<BufReader<File>>,
    next: Option<PayloadLine>,
    size: u64,
}

impl Batches {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let lines = |name: &str| Ok::<_, io::Error>(BufReader::new(File::open(dir.join(name))?).lines());
        let (entries, payloads, anchors) = (lines(ENTRIES)?, lines(PAYLOADS)?, lines(ANCHORS)?);
        let mut batches = Self { entries, payloads, anchors, next: None, size: 0 };
        batches.advance()?;
        Ok(batches)
    }

    /// The next anchor with the entries that it added.
    pub(super) fn next(&mut self) -> io::Result<Option<(AnchorLine, Vec<Item>)>> {
        let Some(line) = self.anchors.next() else { return Ok(None) };
        let anchor: AnchorLine = serde_json::from_str(&line?)?;
        let mut items = Vec::new();
        for index in self.size..anchor.size {
            let entry = self.entries.next().ok_or(io::ErrorKind::UnexpectedEof)??.into_bytes();
            let disclosure = match self.next.take_if(|next| next.index == index) {
                None => None,
                Some(PayloadLine { salt, payload, .. }) => {
                    self.advance()?;
                    let salt = hex::decode_to_array(salt).map_err(io::Error::other)?;
                    Some(Disclosure { payload: payload.get().as_bytes().to_vec(), salt })
                }
            };
            items.push(Item { entry, disclosure });
        }
        self.size = anchor.size;
        Ok(Some((anchor, items)))
    }

    fn advance(&mut self) -> io::Result<()> {
        self.next = match self.payloads.next() {
            Some(line) => Some(serde_json::from_str(&line?)?),
            None => None,
        };
        Ok(())
    }
}

/// A file for its owner's eyes only: payloads are in it.
pub(super) fn private(dir: &Path, name: &str) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name))?))
}

fn line(file: &mut BufWriter<File>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
