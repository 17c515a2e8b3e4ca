//! What each column of a file is for: time, device, label, metric, or nothing. Reads the first rows only.

use std::collections::BTreeMap;

use super::{field::Field, rows::Rows};
use crate::cli::WrongUse;

/// Columns that a command names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    /// The times.
    pub(crate) time: Option<String>,
    /// The device that a row is of.
    pub(crate) device: Option<String>,
    /// What is known to be true of a row.
    pub(crate) label: Option<String>,
    /// Columns to leave out.
    pub(crate) ignore: Vec<String>,
    /// Columns to leave out need not be there.
    pub(crate) lenient: bool,
}

/// Where things stand in a row.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) time: Option<usize>,
    pub(crate) device: Option<usize>,
    pub(crate) label: Option<usize>,
    /// The metrics' columns, in the order of the file.
    pub(crate) metrics: Vec<usize>,
    /// The metrics' names in the same order, each once.
    pub(crate) names: Vec<String>,
    /// What the user should know about how the columns are read.
    pub(crate) notes: Vec<String>,
}

/// Words in the names of columns that tell the truth about a row rather than measure something.
const TRUTHS: [&str; 6] = ["anomaly", "anomalies", "label", "is_anomaly", "changepoint", "outlier"];

impl Columns {
    /// Finds the named columns; every other one is a metric. Columns of text are refused, all of them at once, and
    /// columns without a name left out.
    pub(crate) fn of(rows: &Rows, named: &Named) -> Result<Self, WrongUse> {
        let names = rows.names();
        let one = |column: &Option<String>| column.as_deref().map(|name| place(rows, name)).transpose();
        let (time, device, label) = (one(&named.time)?, one(&named.device)?, one(&named.label)?);
        for ignored in named.ignore.iter().filter(|_| !named.lenient) {
            place_any(rows, ignored)?;
        }
        let ignored = |name: &String| named.ignore.iter().any(|ignored| ignored.trim() == name);
        let spoken_for = |at: &usize| [time, device, label].contains(&Some(*at)) || ignored(&names[*at]);
        let (metrics, nameless): (Vec<usize>, Vec<usize>) =
            (0..names.len()).filter(|at| !spoken_for(at)).partition(|at| !names[*at].is_empty());
        let mut notes: Vec<String> = values_for_names(rows).into_iter().collect();
        if let Some(at) = nameless.iter().find(|at| rows.first().any(|row| !row.raw(**at).is_empty())) {
            notes.push(format!("column {} has no name and is left out: row numbers, as it seems", at + 1));
        }
        refuse_text(rows, &metrics)?;
        if metrics.is_empty() {
            return Err(WrongUse(format!(
                "{} has no column left that could be a metric; {}",
                rows.file(),
                listed(names)
            )));
        }
        for at in metrics.iter().filter(|at| TRUTHS.contains(&names[**at].to_lowercase().as_str())) {
            let name = &names[*at];
            notes.push(format!("column {name:?} is read as a metric; if it is a label, --ignore {name} leaves it out"));
        }
        let names = unique(metrics.iter().map(|at| names[*at].as_str()), &mut notes);
        Ok(Self { time, device, label, metrics, names, notes })
    }
}

/// Names, each once: the second `x` is `x.2`.
fn unique<'a>(names: impl Iterator<Item = &'a str>, notes: &mut Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut given = Vec::new();
    let mut renamed = Vec::new();
    for name in names {
        let mut count = seen.get(name).copied().unwrap_or(0) + 1;
        let mut unique = if count == 1 { name.to_owned() } else { format!("{name}.{count}") };
        while count > 1 && seen.contains_key(&unique) {
            count += 1;
            unique = format!("{name}.{count}");
        }
        seen.insert(name.to_owned(), count);
        if count > 1 {
            renamed.push(format!("a further column {name:?} is called {unique:?}"));
            seen.insert(unique.clone(), 1);
        }
        given.push(unique);
    }
    let more = renamed.len().saturating_sub(MOST_RENAMED);
    notes.extend(renamed.into_iter().take(MOST_RENAMED));
    if more > 0 {
        notes.push(format!("and so on for {more} more columns"));
    }
    given
}

/// Renamed columns that are named one by one.
const MOST_RENAMED: usize = 3;

/// That the first line looks like a row: most of its fields are numbers. Names that only count are no such line.
fn values_for_names(rows: &Rows) -> Option<String> {
    let names = rows.names();
    let number = |name: &String| matches!(Field::parse(name.as_bytes(), rows.separator()), Field::Number(_));
    let counts = |from: usize| names.iter().enumerate().all(|(at, name)| *name == (at + from).to_string());
    let numbers = names.iter().filter(|name| number(name)).count();
    (rows.is_headed() && 2 * numbers > names.len() && !counts(0) && !counts(1)).then(|| {
        "the first line is taken for the columns' names, and is not scored, though it looks like values; if it is a \
         row, --no-header (of a table)"
            .to_owned()
    })
}

/// The one column of this name.
pub(super) fn place(rows: &Rows, name: &str) -> Result<usize, WrongUse> {
    let at = place_any(rows, name)?;
    match rows.names().iter().filter(|other| *other == name.trim()).count() {
        1 => Ok(at),
        count => Err(WrongUse(format!("{} has {count} columns {name:?}: which one is meant?", rows.file()))),
    }
}

/// The first column of this name. Names count without the space around them, in the file and on the command line.
pub(super) fn place_any(rows: &Rows, name: &str) -> Result<usize, WrongUse> {
    let names = rows.names();
    names.iter().position(|other| other == name.trim()).ok_or_else(|| {
        let hint = match names {
            [_] => format!(
                ". One column only: does {:?} separate the fields? --separator names another",
                char::from(rows.separator())
            ),
            _ => String::new(),
        };
        WrongUse(format!("{} has no column {name:?}; {}{hint}", rows.file(), listed(names)))
    })
}

/// The names, but not ten thousand of them.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    // A name may hold what a terminal would obey.
    let shown = names.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        format!("it has {shown} and {} more", names.len() - MOST)
    } else {
        format!("it has {shown}")
    }
}

/// A column whose first rows hold words and not one number is no metric, and nobody but the user knows what it is.
fn refuse_text(rows: &Rows, metrics: &[usize]) -> Result<(), WrongUse> {
    let separator = rows.separator();
    let mut texts = Vec::new();
    let mut example = None;
    for at in metrics {
        let mut found = None;
        let numbers = rows.first().any(|row| match Field::parse(row.raw(*at), separator) {
            Field::Number(_) | Field::TooLarge => true,
            Field::Missing => false,
            Field::Text => {
                let text = String::from_utf8_lossy(row.raw(*at)).chars().take(40).collect::<String>();
                found.get_or_insert((row.line, text));
                false
            }
        });
        if let Some((line, text)) = found.filter(|_| !numbers) {
            let name = &rows.names()[*at];
            example.get_or_insert_with(|| format!("line {line}: column {name:?} holds {text:?}, no number"));
            texts.push(name.as_str());
        }
    }
    let Some(example) = example else { return Ok(()) };
    let next = if texts.len() == metrics.len() {
        "No column holds numbers: does the file begin with a line of column names, and is the separator right?"
            .to_owned()
    } else {
        format!("To score the others: --ignore {}", quoted(&texts.join(",")))
    };
    let first = values_for_names(rows).map(|note| format!(". Note: {note}")).unwrap_or_default();
    Err(WrongUse(format!("{}, {example}. {next}{first}", rows.file())))
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.,/:".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Counts fields that should have been numbers, so that the user hears of them once.
#[derive(Debug, Default)]
pub(crate) struct Unusable {
    /// By the metric's place: how many, and where the first stands.
    by_metric: BTreeMap<usize, (u64, u64)>,
}

impl Unusable {
    /// Notes a field.
    pub(crate) fn note(&mut self, metric: usize, line: u64, field: Field) {
        if matches!(field, Field::Text | Field::TooLarge) {
            self.by_metric.entry(metric).or_insert((0, line)).0 += 1;
        }
    }

    /// A sentence for each metric that had some, ten at most.
    pub(crate) fn sentences<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = String> + 'a {
        self.by_metric.iter().take(10).filter_map(|(metric, (count, line))| {
            let name = names.get(*metric)?;
            Some(format!(
                "column {name:?}: {count} fields hold no finite number and count as missing, the first in line {line}"
            ))
        })
    }
}
