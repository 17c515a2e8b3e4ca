//! Which column is which, by name. Knows no values and reads no files.
//!
//! Tools write the same column as `Tot sum`, `tot_sum` or `TotSum`; files of CICIoT2023 come with 25, 39 or 46 columns in
//! different orders. So names are compared without case, spaces and punctuation, and a model takes from a file the
//! columns that it was trained on, wherever they stand and whatever else is there.

use crate::DetectError;

/// More than any set of flows has; every column costs time in every tree.
pub(super) const MAX_COLUMNS: usize = 1024;
/// Bytes of a column's, category's or class's name.
pub(super) const MAX_NAME: usize = 128;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Finite numbers.
    Number,
    /// Words, such as the name of a protocol.
    Category,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
}

impl Column {
    /// A column called `name`.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for a name without a letter or digit, or above 128 bytes.
    pub fn new(name: &str, kind: ColumnKind) -> Result<Self, DetectError> {
        let plain = normal(name);
        if plain.is_empty() || name.len() > MAX_NAME {
            let expected = "1 to 128 bytes with a letter or digit";
            let actual = name.chars().take(100).collect();
            return Err(DetectError::Parameter { name: "column name", expected, actual });
        }
        Ok(Self { name: name.trim().to_owned(), kind })
    }

    /// The name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the column holds.
    pub fn kind(&self) -> ColumnKind {
        self.kind
    }
}

/// The columns that a file's header names: those in `ignored` (the label's, for one) left out, and those whose cells in
/// `sample`, a few rows of the same file, are not all numbers (or empty) taken for categories.
///
/// # Errors
/// As [`Column::new`]; [`DetectError::Parameter`] for none or more than 1024 columns, or two whose names differ in case,
/// spaces and punctuation only; [`DetectError::Malformed`] for a row of another length than the header.
pub fn schema(header: &[&str], ignored: &[&str], sample: &[Vec<&str>]) -> Result<Vec<Column>, DetectError> {
    if let Some(row) = sample.iter().find(|row| row.len() != header.len()) {
        return Err(DetectError::malformed("table row", format!("{} cells", header.len()), row.len()));
    }
    let ignored: Vec<String> = ignored.iter().map(|name| normal(name)).collect();
    let columns: Vec<Column> = header
        .iter()
        .enumerate()
        .filter(|(_, name)| !ignored.contains(&normal(name)))
        .map(|(place, name)| {
            let numbers =
                sample.iter().all(|row| row[place].trim().is_empty() || row[place].trim().parse::<f64>().is_ok());
            Column::new(name, if numbers { ColumnKind::Number } else { ColumnKind::Category })
        })
        .collect::<Result<_, _>>()?;
    distinct(&columns)?;
    Ok(columns)
}

/// Refuses what cannot be told apart.
///
/// # Errors
/// [`DetectError::Parameter`] for none or more than 1024 columns, or two whose names differ in case, spaces and
/// punctuation only.
pub(super) fn distinct(columns: &[Column]) -> Result<(), DetectError> {
    if !(1..=MAX_COLUMNS).contains(&columns.len()) {
        let actual = columns.len().to_string();
        return Err(DetectError::Parameter { name: "columns", expected: "1 to 1024", actual });
    }
    let mut names: Vec<String> = columns.iter().map(|column| normal(&column.name)).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let expected = "names that differ in letters or digits";
            Err(DetectError::Parameter { name: "columns", expected, actual: format!("{:?} twice", pair[0]) })
        }
        None => Ok(()),
    }
}

/// Where the columns of a model stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Cells in a row of the file.
    pub(super) width: usize,
    /// For each column of the model its place in the file; none if the file has no such column.
    pub(super) places: Vec<Option<usize>>,
    imputed: Vec<String>,
}

impl Matching {
    /// Finds `columns` in a file's `header`. What is not there is imputed if `impute` allows it.
    ///
    /// # Errors
    /// [`DetectError::MissingColumns`] naming every column that is not there, if `impute` does not allow it, or if none
    /// is there at all; [`DetectError::Parameter`] for a header with the same name twice.
    pub(super) fn new(columns: &[Column], header: &[&str], impute: bool) -> Result<Self, DetectError> {
        let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
        let mut places = Vec::with_capacity(columns.len());
        let mut missing = Vec::new();
        for column in columns {
            let place = find(&names, &normal(&column.name))?;
            if place.is_none() {
                missing.push(column.name.clone());
            }
            places.push(place);
        }
        if missing.len() == columns.len() || !(missing.is_empty() || impute) {
            return Err(DetectError::MissingColumns { names: missing.join(", ") });
        }
        Ok(Self { width: header.len(), places, imputed: missing })
    }

    /// Columns of the model that the file does not have, so that every row gets the usual value.
    pub fn imputed(&self) -> &[String] {
        &self.imputed
    }
}

/// The place of each of `wanted` in a file's header.
///
/// # Errors
/// As [`Matching::new`], where nothing may be imputed.
pub(crate) fn places(wanted: &[&str], header: &[&str]) -> Result<Vec<usize>, DetectError> {
    let columns: Vec<Column> =
        wanted.iter().map(|name| Column::new(name, ColumnKind::Number)).collect::<Result<_, _>>()?;
    Ok(Matching::new(&columns, header, false)?.places.into_iter().flatten().collect())
}

fn find(names: &[String], wanted: &str) -> Result<Option<usize>, DetectError> {
    let place = |wanted: &str| {
        let mut places = (0..names.len()).filter(|place| names[*place] == wanted);
        match (places.next(), places.next()) {
            (Some(_), Some(_)) => {
                let expected = "each name once";
                Err(DetectError::Parameter { name: "header", expected, actual: format!("{wanted:?} twice") })
            }
            (place, _) => Ok(place),
        }
    };
    // Older files of CICIoT2023 say Duration for the time to live; only those have flow_duration as well.
    let other = match wanted {
        "timetolive" => "duration",
        "duration" => "timetolive",
        _ => return place(wanted),
    };
    let older = ["duration", "flowduration"].iter().all(|name| names.iter().any(|other| other == name));
    let newer = ["timetolive", "headerlength"].iter().all(|name| names.iter().any(|other| other == name));
    match place(wanted)? {
        None if older || newer => place(other),
        found => Ok(found),
    }
}

/// What of a name counts: letters and digits, in lower case.
pub(super) fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The columns of NSL-KDD, whose files have no header: 41 of a connection, then its label and how many of 21 learners
/// knew it (`difficulty`: never to be learnt from).
pub const NSL_KDD: [&str; 43] = [
    "duration",
    "protocol_type",
    "service",
    "flag",
    "src_bytes",
    "dst_bytes",
    "land",
    "wrong_fragment",
    "urgent",
    "hot",
    "num_failed_logins",
    "logged_in",
    "num_compromised",
    "root_shell",
    "su_attempted",
    "num_root",
    "num_file_creations",
    "num_shells",
    "num_access_files",
    "num_outbound_cmds",
    "is_host_login",
    "is_guest_login",
    "count",
    "srv_count",
    "serror_rate",
    "srv_serror_rate",
    "rerror_rate",
    "srv_rerror_rate",
    "same_srv_rate",
    "diff_srv_rate",
    "srv_diff_host_rate",
    "dst_host_count",
    "dst_host_srv_count",
    "dst_host_same_srv_rate",
    "dst_host_diff_srv_rate",
    "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate",
    "dst_host_serror_rate",
    "dst_host_srv_serror_rate",
    "dst_host_rerror_rate",
    "dst_host_srv_rerror_rate",
    "label",
    "difficulty",
];

/// The family of an NSL-KDD label: `normal`, `dos`, `probe`, `r2l` or `u2r`; none for a label that is not known.
/// Source: M. Tavallaee et al., "A detailed analysis of the KDD CUP 99 data set", CISDA 2009.
pub fn nsl_kdd_family(label: &str) -> Option<&'static str> {
    Some(match label {
        "normal" => "normal",
        "apache2" | "back" | "land" | "mailbomb" | "neptune" | "pod" | "processtable" | "smurf" | "teardrop"
        | "udpstorm" | "worm" => "dos",
        "ipsweep" | "mscan" | "nmap" | "portsweep" | "saint" | "satan" => "probe",
        "ftp_write" | "guess_passwd" | "httptunnel" | "imap" | "multihop" | "named" | "phf" | "sendmail"
        | "snmpgetattack" | "snmpguess" | "spy" | "warezclient" | "warezmaster" | "xlock" | "xsnoop" => "r2l",
        "buffer_overflow" | "loadmodule" | "perl" | "ps" | "rootkit" | "sqlattack" | "xterm" => "u2r",
        _ => return None,
    })
}
