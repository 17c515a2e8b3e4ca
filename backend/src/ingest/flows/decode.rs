//! From a body of flows to rows: one JSON object, an array of them, one a line, or CSV with a line of names.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use api::Code;
use detect::flow::FlowModel;
use serde::{
    Deserialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::columns::{Cells, Columns, MAX_HEADER, Row};
use crate::{domain::ReadingError, problem::Fault};

/// Flows of a request at most: a row of CICIoT2023 has 150 bytes, so that the body's limit comes as soon.
const MAX_FLOWS: usize = 10_000;

/// The form of a body of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON text.
    Json,
    /// One JSON text a line.
    Lines,
    /// CSV with a line of names.
    Csv,
}

/// The rows of a body, or what is wrong with each; and whether it is one object alone.
pub(super) struct Rows {
    pub(super) alone: bool,
    pub(super) rows: Vec<Result<Row, ReadingError>>,
}

/// Reads a body.
///
/// # Errors
/// If it cannot be read at all, or is too long. What is wrong with one row stands in its place.
pub(super) fn rows(body: &[u8], form: Form, model: &FlowModel) -> Result<Rows, Fault> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Fault::new(Code::MalformedBody, format!("expected UTF-8: {error}")))?;
    let malformed = |error| Fault::new(Code::MalformedBody, format!("not JSON: {error}"));
    let many = |objects: Vec<&str>| Ok(Rows { alone: false, rows: of_objects(&objects, model)? });
    match form {
        Form::Csv => Ok(Rows { alone: false, rows: of_csv(body, model)? }),
        Form::Lines => many(text.lines().filter(|line| !line.trim().is_empty()).collect()),
        Form::Json if text.trim_start().starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(malformed)?;
            many(items.into_iter().map(RawValue::get).collect())
        }
        Form::Json => {
            let item: &RawValue = serde_json::from_str(text).map_err(malformed)?;
            Ok(Rows { alone: true, rows: of_objects(&[item.get()], model)? })
        }
    }
}

fn too_many(found: usize) -> Fault {
    let what = format!("expected at most {MAX_FLOWS} flows, found {found}: send smaller batches");
    Fault::new(Code::BodyTooLarge, what)
}

/// The members of an object in their order; a repeated name is refused.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flow: an object such as {\"Rate\": 203.1, …}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'a>, M::Error> {
                let mut members: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
                    if members.len() >= MAX_HEADER {
                        return Err(M::Error::custom(format!("expected at most {MAX_HEADER} columns")));
                    }
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each(std::marker::PhantomData))
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn of_objects(objects: &[&str], model: &FlowModel) -> Result<Vec<Result<Row, ReadingError>>, Fault> {
    if objects.len() > MAX_FLOWS {
        return Err(too_many(objects.len()));
    }
    // Where one tool writes them, all have the same columns.
    let mut known: BTreeMap<Vec<String>, Columns> = BTreeMap::new();
    let row = |text: &&str| {
        let Members(members) = serde_json::from_str(text).map_err(|error| ReadingError::Object(error.to_string()))?;
        let header: Vec<String> = members.iter().map(|(name, _)| name.to_string()).collect();
        let cells: Vec<&str> = members.iter().map(|(_, value)| value.get()).collect();
        if !known.contains_key(&header) {
            let columns = Columns::of(&header.iter().map(String::as_str).collect::<Vec<_>>(), model)?;
            // A few forms, not one for each row.
            if known.len() >= 8 {
                known.clear();
            }
            known.insert(header.clone(), columns);
        }
        known[&header].row(&cells, Cells::Json)
    };
    Ok(objects.iter().map(row).collect())
}

fn of_csv(body: &[u8], model: &FlowModel) -> Result<Vec<Result<Row, ReadingError>>, Fault> {
    let unreadable = |error: csv::Error| Fault::new(Code::MalformedBody, format!("not CSV: {error}"));
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(body);
    let header = reader.headers().map_err(unreadable)?.clone();
    let columns = Columns::of(&header.iter().collect::<Vec<_>>(), model)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if rows.len() == MAX_FLOWS {
            return Err(too_many(MAX_FLOWS + 1));
        }
        let cells: Vec<&str> = record.iter().collect();
        rows.push(match cells.len() == header.len() {
            true => columns.row(&cells, Cells::Csv),
            false => Err(ReadingError::Object(format!("expected {} cells, found {}", header.len(), cells.len()))),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use detect::TableModel;

    use super::*;

    fn model() -> FlowModel {
        let columns = ["Rate".to_owned(), "Tot sum".to_owned()];
        let rows: Vec<f32> = (0..40).flat_map(|i| [i as f32, (i * i % 7) as f32]).collect();
        FlowModel::of_usual(TableModel::train(&columns, &rows, 1).unwrap())
    }

    fn read(body: &str, form: Form) -> Vec<Result<Row, String>> {
        let rows = rows(body.as_bytes(), form, &model()).unwrap().rows;
        rows.into_iter().map(|row| row.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn the_same_flow_is_read_from_every_form() {
        let csv = "tot_sum,label,Rate,dst ip,Dst Port,ts\n7,x,1.5,10.0.0.7,443,2025-11-20T07:00:00Z\n";
        let json = r#"{"Rate":1.5,"Tot sum":7,"dst_ip":"10.0.0.7","dst_port":443,"time":1763622000,"Label":"x"}"#;
        let [by_csv, by_json] = [read(csv, Form::Csv), read(json, Form::Json)].map(|mut rows| rows.remove(0).unwrap());
        assert_eq!(by_csv, by_json);
        assert_eq!(by_csv.flow.columns, [("Rate".to_owned(), 1.5), ("Tot sum".to_owned(), 7.0)]);
        assert_eq!(by_csv.flow.ends.unwrap().destination.unwrap().as_str(), "10.0.0.7:443");
        let lines = format!("{json}\n\n{json}\n");
        assert_eq!(read(&lines, Form::Lines).len(), 2);
        assert_eq!(read(&format!("[{json}]"), Form::Json).len(), 1);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_in_its_place() {
        let rows = read("Rate,Tot sum,src\n1,2,10.0.0.1\ninf,2,\n1,2\n1,2,here\n1,-0.0,\n,2,\n", Form::Csv);
        assert!(rows[0].is_ok());
        let whys = ["not a number", "expected 3 cells", "an IP address", "negative zero", "not a number"];
        for (row, why) in rows[1..].iter().zip(whys) {
            assert!(row.as_ref().unwrap_err().contains(why), "{row:?}");
        }
        let rows = read(r#"[{"Rate":"1","Tot sum":2},{"Rate":1},5,{"Rate":1,"rate":2,"Tot sum":1}]"#, Form::Json);
        for (row, why) in rows.iter().zip(["a text is not a number", "Tot sum", "a flow", "twice"]) {
            assert!(row.as_ref().unwrap_err().contains(why), "{row:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_at_all_is_refused_as_a_whole() {
        let code = |body: &[u8], form| rows(body, form, &model()).err().map(|fault| fault.problem().code);
        assert_eq!(code(b"a,b\n1,2\n", Form::Csv), Some(Code::InvalidReading));
        assert_eq!(code(b"\xff", Form::Csv), Some(Code::MalformedBody));
        assert_eq!(code(b"{", Form::Json), Some(Code::MalformedBody));
        let many = "Rate,Tot sum\n".to_owned() + &"1,2\n".repeat(MAX_FLOWS + 1);
        assert_eq!(code(many.as_bytes(), Form::Csv), Some(Code::BodyTooLarge));
        assert_eq!(code(b"", Form::Lines), None);
        assert_eq!(code((vec!["x"; 300].join(",") + "\n").as_bytes(), Form::Csv), Some(Code::InvalidReading));
    }
}
