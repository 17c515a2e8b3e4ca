//! CSV files of strangers as rows of named fields, one at a time. Judges neither numbers nor times, and keeps no rows.
//!
//! Taken as they come: `,` `;` tab or `|` between fields, quotes, a byte order mark, CRLF, empty lines, names of rows
//! as R writes them, rows that end early, fields that are not UTF-8. Refused with the line: rows with more fields than
//! there are names, and rows that do not end.

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, BufRead, BufReader, Cursor, Read},
    rc::Rc,
};

use csv::ByteRecord;

use super::source::Source;
use crate::{cli::WrongUse, export::csv_end};

/// The longest row in bytes: 10,000 columns of 25 digits are a quarter of a megabyte. A quote that is never closed
/// would else take the rest of the file into memory.
pub(super) const MAX_ROW: usize = 16 << 20;

/// Columns at most: each name is kept, looked up and perhaps told, and millions of them are no table of anybody's.
const MAX_COLUMNS: usize = 100_000;

/// How much of the beginning is looked at for the separator.
const PEEK: usize = 64 << 10;

/// Rows that are read ahead to see what the columns hold.
const SNIFFED: usize = 100;

/// A CSV file, open for reading.
pub(crate) struct Rows {
    reader: csv::Reader<Guard>,
    budget: Rc<Cell<usize>>,
    /// The file's name, for messages.
    file: String,
    names: Vec<String>,
    /// Fields before the named ones: R writes a row's name, and no column name for it.
    skip: usize,
    /// Read already, not given out yet.
    ahead: VecDeque<(u64, ByteRecord)>,
    current: ByteRecord,
    separator: u8,
    /// Whether the names stand in the file.
    headed: bool,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The line it begins in.
    pub(crate) line: u64,
    record: &'a ByteRecord,
    skip: usize,
}

impl<'a> Row<'a> {
    /// A field, exactly as it stands there; empty if the row ends before it.
    pub(crate) fn raw(&self, column: usize) -> &'a [u8] {
        self.record.get(self.skip + column).unwrap_or_default()
    }

    /// A field without the space around it; `None` if it is not UTF-8.
    pub(crate) fn text(&self, column: usize) -> Option<&'a str> {
        std::str::from_utf8(self.raw(column)).ok().map(str::trim)
    }
}

impl Rows {
    /// Opens a file. The first line names the columns, unless `header` is false: then they are called c1, c2 and so on.
    pub(crate) fn open(source: &Source, separator: Option<char>, header: bool) -> Result<Self, WrongUse> {
        Self::read(source.open()?, source.name().to_owned(), separator, header)
    }

    /// As [`open`](Self::open), from anything.
    pub(super) fn read(
        input: Box<dyn Read>,
        file: String,
        separator: Option<char>,
        header: bool,
    ) -> Result<Self, WrongUse> {
        let mut input = BufReader::with_capacity(PEEK, input);
        let start = beginning(&mut input).map_err(|error| WrongUse(format!("{file}: {error}")))?;
        let start = plain_text(&start).map_err(|why| WrongUse(format!("{file}: {why}")))?.to_vec();
        let separator = match separator {
            Some(given) => u8::try_from(given)
                .ok()
                .filter(u8::is_ascii)
                .ok_or_else(|| WrongUse::new("expected an ASCII character as --separator"))?,
            None => likely_separator(&start),
        };
        let budget = Rc::new(Cell::new(MAX_ROW));
        let guard = Guard { input: Box::new(Cursor::new(start).chain(input)), budget: Rc::clone(&budget) };
        let mut builder = csv::ReaderBuilder::new();
        let reader = builder.delimiter(separator).flexible(true).has_headers(false).from_reader(guard);
        let (names, ahead, current) = (Vec::new(), VecDeque::new(), ByteRecord::new());
        let mut rows = Self { reader, budget, file, names, skip: 0, ahead, current, separator, headed: header };
        rows.begin(header)?;
        Ok(rows)
    }

    /// Reads the names and the first rows.
    fn begin(&mut self, header: bool) -> Result<(), WrongUse> {
        if header {
            let names = self.pull()?.map(|(_, record)| record);
            let names = names.ok_or_else(|| {
                WrongUse(format!("{}: the file is empty; expected a line of column names, then rows", self.file))
            })?;
            self.bounded(names.len())?;
            self.names = names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        }
        let mut length = 0;
        // A hundred rows, unless they are so long that they alone would fill the memory.
        while self.ahead.len() < SNIFFED
            && length < MAX_ROW
            && let Some(row) = self.pull()?
        {
            length += row.1.as_slice().len() + row.1.len();
            self.ahead.push_back(row);
        }
        let first = self.ahead.front().map_or(0, |(_, record)| record.len());
        if !header {
            self.bounded(first)?;
            self.names = (1..=first).map(|column| format!("c{column}")).collect();
        } else if first == self.names.len() + 1 && self.ahead.iter().all(|(_, record)| record.len() == first) {
            let trailing = self.ahead.iter().all(|(_, record)| record.get(first - 1).is_some_and(<[u8]>::is_empty));
            self.skip = usize::from(!trailing);
        }
        Ok(())
    }

    fn bounded(&self, columns: usize) -> Result<(), WrongUse> {
        if columns <= MAX_COLUMNS {
            return Ok(());
        }
        Err(WrongUse(format!("{}: expected at most {MAX_COLUMNS} columns, found {columns}", self.file)))
    }

    /// The columns' names, as they stand there without the space around them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the names are the file's first line.
    pub(crate) fn is_headed(&self) -> bool {
        self.headed
    }

    /// The file's name, for messages.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// What separates the fields.
    pub(crate) fn separator(&self) -> u8 {
        self.separator
    }

    /// The first rows, which [`next`](Self::next) still gives.
    pub(crate) fn first(&self) -> impl Iterator<Item = Row<'_>> + Clone {
        self.ahead.iter().map(|(line, record)| Row { line: *line, record, skip: self.skip })
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, WrongUse> {
        let next = match self.ahead.pop_front() {
            Some(row) => Some(row),
            None => self.pull()?,
        };
        let Some((line, record)) = next else { return Ok(None) };
        let named = self.names.len() + self.skip;
        if record.iter().skip(named).any(|field| !field.trim_ascii().is_empty()) {
            return Err(WrongUse(format!(
                "{}, line {line}: expected {} fields, found {}: is a quote missing around a field, or is {:?} not what \
                 separates them? --separator names another",
                self.file,
                self.names.len(),
                record.len() - self.skip,
                char::from(self.separator),
            )));
        }
        self.current = record;
        Ok(Some(Row { line, record: &self.current, skip: self.skip }))
    }

    /// Reads one row, with the line it begins in.
    fn pull(&mut self) -> Result<Option<(u64, ByteRecord)>, WrongUse> {
        self.budget.set(MAX_ROW);
        let mut record = std::mem::take(&mut self.current);
        let read = self.reader.read_byte_record(&mut record);
        let line = self.reader.position().line();
        match read {
            Ok(false) => Ok(None),
            Ok(true) if is_end(&record) => Ok(None),
            // The reader's position is behind the row, whose own line ends may stand in quotes.
            Ok(true) => {
                let inner = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
                Ok(Some((line.saturating_sub(1 + inner).max(1), record)))
            }
            Err(error) => Err(WrongUse(format!("{}, line {line}: {error}", self.file))),
        }
    }
}

/// Whether this is no row, but the line with which an export says that it is whole.
fn is_end(record: &ByteRecord) -> bool {
    record.len() == 1 && std::str::from_utf8(&record[0]).is_ok_and(|line| csv_end(line).is_some())
}

/// Input that ends with an error where a row does not end.
struct Guard {
    input: Box<dyn Read>,
    /// Bytes that the row which is being read may still have.
    budget: Rc<Cell<usize>>,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 {
            let mebibytes = MAX_ROW >> 20;
            return Err(io::Error::other(format!(
                "a row of more than {mebibytes} MiB: is a quote left open above, or is this no CSV file?"
            )));
        }
        let room = left.min(buffer.len());
        let read = self.input.read(&mut buffer[..room])?;
        self.budget.set(left - read);
        Ok(read)
    }
}

/// The first bytes of the input, at least two lines where they are not very long.
fn beginning(input: &mut BufReader<Box<dyn Read>>) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    for _ in 0..2 {
        input.by_ref().take(PEEK as u64).read_until(b'\n', &mut start)?;
    }
    Ok(start)
}

/// The text without a byte order mark; or why it is no text that can be read.
fn plain_text(start: &[u8]) -> Result<&[u8], &'static str> {
    match start {
        [0xef, 0xbb, 0xbf, text @ ..] => Ok(text),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err("this is UTF-16; save it as UTF-8 first: iconv -f utf-16 -t utf-8"),
        [0x1f, 0x8b, ..] => Err("this is compressed; gunzip it first, or pipe it: gunzip -c FILE | anomaly-ledger … -"),
        [b'P', b'K', 3, 4, ..] => Err("this is a ZIP archive or a spreadsheet; export it as CSV first"),
        _ => Ok(start),
    }
}

/// The separator that the line of names has most of, outside quotes. The comma goes before others of the same number.
fn likely_separator(start: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in start.iter().take_while(|byte| **byte != b'\n') {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| separator == byte && !quoted) {
            *count += 1;
        }
    }
    let best = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    best.filter(|(_, count)| *count > 0).map_or(b',', |(separator, _)| separator)
}
