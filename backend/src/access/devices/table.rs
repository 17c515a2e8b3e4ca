//! Registrations as a table (CSV): read by name of column, and written so that no spreadsheet runs what is in it.

use std::{borrow::Cow, collections::BTreeMap};

use api::DeviceRequest;

/// Devices of one table at most: with 4 MiB of text, 400 bytes each.
const MAX_LINES: usize = 10_000;

/// The columns. `name` has to be there; the others may be.
const COLUMNS: [&str; 11] = [
    "name",
    "type",
    "owner",
    "location",
    "firmware",
    "tags",
    "addresses",
    "keyless",
    "certificate",
    "patient",
    "disabled",
];

/// Why a table cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// Not a table of text.
    #[error("expected CSV in UTF-8: {0}")]
    Csv(#[from] csv::Error),
    /// The first line.
    #[error(
        "expected a first line with the columns {expected}, of which only the first has to be there, found {found:?}"
    )]
    Columns {
        /// The columns that there are.
        expected: String,
        /// What was read.
        found: String,
    },
    /// Too many lines.
    #[error("expected at most {MAX_LINES} devices: send several tables")]
    Lines,
}

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number in the file, the header being the first.
    pub(crate) line: u64,
    /// The device's name, as it was read.
    pub(crate) name: String,
    /// What is asked for, or why it cannot be read.
    pub(crate) request: Result<DeviceRequest, String>,
}

/// Reads a table.
///
/// # Errors
/// [`TableError`], if it is none. What is wrong with one line alone is said of the line.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Line>, TableError> {
    // Spreadsheets put it before a text, and it is part of no name.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let columns = reader.headers()?.clone();
    let known =
        |column: &str| COLUMNS.contains(&column) && columns.iter().filter(|other| *other == column).count() == 1;
    if !columns.iter().any(|column| column == "name") || !columns.iter().all(known) {
        let found = columns.iter().collect::<Vec<_>>().join(",").chars().take(200).collect();
        return Err(TableError::Columns { expected: COLUMNS.join(", "), found });
    }
    let mut lines = Vec::new();
    let (mut line, mut seen) = (1, 0);
    for record in reader.records() {
        let record = record?;
        // A record's own count of lines is one behind after a line that ends with CR and LF.
        let start = record.position().map_or(seen, |position| position.byte() as usize);
        let start = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += bytes[seen..start].iter().filter(|byte| **byte == b'\n').count() as u64;
        seen = start;
        if lines.len() == MAX_LINES {
            return Err(TableError::Lines);
        }
        let cells: BTreeMap<&str, &str> = columns.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()).collect();
        let request = match record.len() {
            found if found != columns.len() => Err(format!("expected {} cells, found {found}", columns.len())),
            _ => request(&cells),
        };
        let name = cells.get("name").copied().unwrap_or_default().chars().take(128).collect();
        lines.push(Line { line, name, request });
    }
    Ok(lines)
}

fn request(cells: &BTreeMap<&str, &str>) -> Result<DeviceRequest, String> {
    let text = |column: &str| cells.get(column).map(|cell| (*cell).to_owned());
    let flag = |column: &str| match cells.get(column).map(|cell| cell.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("{column}: expected true or false, found {other:?}")),
    };
    let owner = |owner: String| owner.parse().map_err(|_| format!("owner: expected a user's number, found {owner:?}"));
    let parts = |column: &str| {
        let cell = cells.get(column).copied().unwrap_or_default();
        cell.split(';').map(str::trim).filter(|part| !part.is_empty())
    };
    let tag = |part: &str| match part.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("tags: expected name=value;name=value, found {part:?}")),
    };
    Ok(DeviceRequest {
        name: text("name").ok_or("expected a name, found none")?,
        r#type: text("type"),
        owner: text("owner").map(owner).transpose()?,
        location: text("location"),
        firmware: text("firmware"),
        tags: parts("tags").map(tag).collect::<Result<_, _>>()?,
        addresses: parts("addresses").map(str::to_owned).collect(),
        keyless: flag("keyless")?,
        certificate: flag("certificate")?,
        patient: text("patient"),
        disabled: flag("disabled")?,
    })
}

/// What became of a line, as a row of the table that is answered.
pub(crate) struct Outcome<'a> {
    /// The line's number.
    pub(crate) line: u64,
    /// The device's name.
    pub(crate) name: &'a str,
    /// The key that was made.
    pub(crate) key: &'a str,
    /// Why it was refused.
    pub(crate) problem: &'a str,
}

/// Writes a table of what became of the lines: `line,name,key,problem`.
///
/// # Errors
/// None that memory does not make.
pub(crate) fn write<'a>(outcomes: impl Iterator<Item = Outcome<'a>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["line", "name", "key", "problem"])?;
    for Outcome { line, name, key, problem } in outcomes {
        writer.write_record([line.to_string().as_str(), &*safe(name), key, &*safe(problem)])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A text as a cell that no spreadsheet takes for a formula: with an apostrophe in front where it begins like one.
fn safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_a_table_by_the_names_of_its_columns() {
        let text = "\u{feff}type,name,tags,addresses,keyless,owner\r\n\
                    infusion-pump, pump-7 ,ward=3;floor=2,10.1.2.3;10.2.0.0/16,TRUE,4\r\n\
                    ,\"a,\"\"b\"\"\",,,,\r\n\
                    too,few\r\n\
                    ,x,ward,,,\r\n\
                    ,y,,,yes,\r\n";
        let lines = read(text.as_bytes()).unwrap();
        let first = lines[0].request.as_ref().unwrap();
        assert_eq!((lines[0].line, first.name.as_str(), first.owner, first.keyless), (2, "pump-7", Some(4), true));
        assert_eq!(first.tags, [("ward".into(), "3".into()), ("floor".into(), "2".into())].into());
        assert_eq!(first.addresses, ["10.1.2.3", "10.2.0.0/16"]);
        assert_eq!(lines[1].request.as_ref().unwrap(), &DeviceRequest { name: "a,\"b\"".into(), ..Default::default() });
        for (at, word) in [(2, "expected 6 cells, found 2"), (3, "name=value"), (4, "true or false")] {
            assert!(lines[at].request.as_ref().unwrap_err().contains(word), "{:?}", lines[at]);
        }
    }

    #[test]
    fn refuses_what_is_no_such_table() {
        for text in ["", "type\npump", "name,admin\na,true", "name,name\na,b", "a\nb"] {
            assert!(matches!(read(text.as_bytes()), Err(TableError::Columns { .. })), "{text}");
        }
        assert!(matches!(read(b"name\n\xff"), Err(TableError::Csv(_))));
        let long = "d\n".repeat(MAX_LINES + 1);
        assert!(matches!(read(format!("name\n{long}").as_bytes()), Err(TableError::Lines)));
    }

    #[test]
    fn no_spreadsheet_runs_what_is_written() {
        let outcome = |name| Outcome { line: 2, name, key: "ald_-x", problem: "" };
        let names = ["=1+1", "+1", "-1", "@a", "plain", "a=b", "a\"b,c"];
        let text = String::from_utf8(write(names.into_iter().map(outcome)).unwrap()).unwrap();
        let cells: Vec<&str> = text.lines().skip(1).collect();
        let expected = ["2,'=1+1,", "2,'+1,", "2,'-1,", "2,'@a,", "2,plain,", "2,a=b,", "2,\"a\"\"b,c\","];
        assert!(cells.iter().zip(expected).all(|(cell, expected)| cell.starts_with(expected)), "{text}");
    }
}
