//! Ugly input: what is tolerated, and what is refused with which words.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};

use super::{Readings, Source, columns::Named, rows::Rows, series::Series, table::Table};

/// A series' metrics, its rows as text, and its notes.
type Found = (Vec<String>, Vec<String>, Vec<String>);

/// Everything that a series gives; or the error.
fn series(text: impl Into<Vec<u8>>, ignore: &[&str]) -> Result<Found, String> {
    let rows = Rows::read(Box::new(Cursor::new(text.into())), "f.csv".into(), None, true);
    let ignore = ignore.iter().map(|name| (*name).to_owned()).collect();
    let named = Named { time: Some("t".into()), ignore, ..Named::default() };
    let mut series = Series::of(rows.map_err(|e| e.to_string())?, &named).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    loop {
        match series.next() {
            Err(error) => return Err(error.to_string()),
            Ok(None) => break,
            Ok(Some(row)) => {
                found.push(format!("{} {} {:?}", String::from_utf8_lossy(row.time_text), row.time_ms, row.numbers));
            }
        }
    }
    Ok((series.metrics().to_vec(), found, series.notes()))
}

fn rows(text: &str) -> Vec<String> {
    series(text, &[]).unwrap().1
}

fn refusal(text: &str) -> String {
    series(text, &[]).unwrap_err()
}

#[test]
fn separators_marks_quotes_and_line_ends_are_found() {
    let expected = ["0 0 [1.0, 2.5]", "1 1000 [3.0, 4.0]"];
    for text in [
        "t,a,b\n0,1,2.5\n1,3,4\n",
        "t;a;b\n0;1;2,5\n1;3;4",
        "t\ta\tb\r\n0\t1\t2.5\r\n1\t3\t4\r\n",
        "t|a|b\n0|1|2.5\n1|3|4\n",
        "\u{feff}t,a,b\n0,1,2.5\n1,3,4\n",
        "\u{feff}\"t\",\"a\",\"b\"\n\"0\",\"1\",\"2.5\"\n\n1,3,4\n\n",
        "t, a, b\n0,1,2.5\n1,3,4\n",
        "b,t,a\n2.5,0,1\n4,1,3\n",
        "t,a,b\n\"x\",0,1,2.5\n\"y\",1,3,4\n",
        "t,a,b\n0,1,2.5,\n1,3,4,\n",
        "t,a,b,\n0,1,2.5,\n1,3,4,\n",
        ",t,a,b\n0,0,1,2.5\n1,1,3,4\n",
    ] {
        assert_eq!(rows(text), expected, "{text:?}");
    }
}

#[test]
fn no_row_is_dropped() {
    let text = "t,a,b\n5,1,NaN\n3,inf,1e400\n3,,\n,7,oops\nlater,8\n9,1e-320,-0\n";
    let (metrics, found, notes) = series(text, &[]).unwrap();
    assert_eq!(metrics, ["a", "b"]);
    let expected = [
        "5 5000 [1.0, NaN]",
        "3 3000 [NaN, NaN]",
        "3 3000 [NaN, NaN]",
        " 3000 [7.0, NaN]",
        "later 3000 [8.0, NaN]",
        "9 9000 [1e-320, -0.0]",
    ];
    assert_eq!(found, expected);
    let notes = notes.join("\n");
    assert!(notes.contains("column \"a\": 1 fields") && notes.contains("column \"b\": 2 fields"), "{notes}");
    assert!(notes.contains("2 rows have no time") && notes.contains("line 5"), "{notes}");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line_and_the_next_step() {
    for (text, words) in [
        ("", vec!["f.csv: the file is empty", "column names"]),
        ("\u{feff}", vec!["the file is empty"]),
        ("a,b\n1,2\n", vec!["no column \"t\"", "it has a, b"]),
        ("a b\n1 2\n", vec!["One column only", "--separator"]),
        ("t,a\n0,1\n1,2,3\n", vec!["line 3", "expected 2 fields, found 3"]),
        ("t,a\n0,1\r\n\r\n\"1\",\"x\ny\"\n1,2,3\n", vec!["line 6", "found 3"]),
        ("t,a,s,u\n0,1,on,x\n1,2,off,y\n", vec!["line 2", "column \"s\" holds \"on\"", "--ignore s,u"]),
        ("t,s\n0,on\n", vec!["No column holds numbers"]),
        ("t\n0\n", vec!["no column left"]),
        ("t,a,t\n0,1,2\n", vec!["2 columns \"t\""]),
        ("t,a\nnoon,1\n", vec!["line 2", "column \"t\"", "\"noon\"", "RFC 3339"]),
    ] {
        let said = refusal(text);
        let words: Vec<&str> =
            words.into_iter().map(|word| if word == "RFC 3339" { "08:00:00Z" } else { word }).collect();
        assert!(words.iter().all(|word| said.contains(word)), "{text:?}: {said}");
    }
    for (start, word) in [(&[0xff, 0xfe, b't', 0][..], "UTF-16"), (&[0x1f, 0x8b, 8], "gunzip"), (b"PK\x03\x04", "ZIP")]
    {
        let said = series(start, &[]).unwrap_err();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    assert_eq!(series("t,a\n", &[]).unwrap(), (vec!["a".to_owned()], vec![], vec![]));
    assert_eq!(rows("t,a"), Vec::<String>::new());
}

#[test]
fn columns_are_known_by_one_name_each() {
    let (metrics, found, notes) = series("t,x,x,x.2,x\n0,1,2,3,4\n", &[]).unwrap();
    assert_eq!(metrics.len(), 4);
    assert!(metrics.is_sorted_by(|a, b| a < b), "{metrics:?}");
    assert!(found[0].starts_with("0 0 ") && notes.len() >= 2, "{found:?} {notes:?}");
    assert_eq!(series("t,x,x,y\n0,1,2,3\n", &["x"]).unwrap().1, ["0 0 [3.0]"]);
    let (_, _, notes) = series("t,a,label\n0,1,0\n", &[]).unwrap();
    assert!(notes[0].contains("--ignore label"), "{notes:?}");
}

#[test]
fn ten_thousand_columns_and_bytes_that_are_no_text_are_read() {
    let names: String = (0..10_000).map(|column| format!(",c{column}")).collect();
    let (metrics, found, _) = series(format!("t{names}\n7{}\n", ",1".repeat(10_000)), &[]).unwrap();
    assert_eq!((metrics.len(), found.len()), (10_000, 1));
    let (_, found, notes) = series(b"t,a\n0,1\n1,\xff\xfe\n".to_vec(), &[]).unwrap();
    assert_eq!(found[1], "1 1000 [NaN]");
    assert_eq!(notes.len(), 1);
}

#[test]
fn a_row_that_does_not_end_is_refused_before_it_fills_the_memory() {
    let endless = Cursor::new(b"t,a\n0,\"1".to_vec()).chain(std::io::repeat(b'x'));
    let read = Rows::read(Box::new(endless), "f.csv".into(), None, true);
    let said = read.map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("16 MiB") && said.contains("quote"), "{said}");
}

#[test]
fn a_table_may_lack_its_line_of_names() {
    let read = |text: &str, header| {
        let rows = Rows::read(Box::new(Cursor::new(text.as_bytes().to_vec())), "f.csv".into(), None, header);
        Table::of(rows.unwrap(), &Named::default()).unwrap()
    };
    let mut table = read("1,2\n3,1e39\n", false);
    assert_eq!(table.names(), ["c1", "c2"]);
    assert_eq!(table.next().unwrap().unwrap().numbers, [1.0, 2.0]);
    assert_eq!(table.next().unwrap().unwrap().numbers, [3.0, f32::MAX]);
    assert!(table.next().unwrap().is_none());
    assert_eq!(read("0,1\n3,4\n", true).names(), ["0", "1"]);
}

/// What lines of JSON give, reading by reading; or the error.
fn lines(text: &str) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.ndjson");
    std::fs::write(&path, text).unwrap();
    let readings = Readings::Lines(Source::once(&path));
    let mut found = Vec::new();
    let notes = readings.each(&mut |reading| {
        found.push(format!("{} {} {:?}", reading.device, reading.time_ms, reading.values));
        Ok(())
    });
    found.extend(notes.map_err(|error| error.to_string().rsplit_once('/').unwrap().1.to_owned())?);
    Ok(found)
}

#[test]
fn lines_of_json_are_readings() {
    let text = r#"
        {"device": "a", "time": "2026-01-05T08:00:00Z", "sequence": 7, "metrics": {"x": 1, "b": 2.5}}

        {"time": 1767600001, "metrics": {"x": null, "y": "1", "z": true}}
    "#;
    let expected = [
        r#"a 1767600000000 [("b", 2.5), ("x", 1.0)]"#,
        " 1767600001000 []",
        "3 values are no finite number and count as missing",
    ];
    assert_eq!(lines(text).unwrap(), expected);
    assert_eq!(lines("").unwrap(), Vec::<String>::new());
    let good = r#"{"time": 1, "metrics": {}}"#;
    for (bad, words) in [
        (r#"{"time": 1}"#, ["f.ndjson, line 2", "metrics"]),
        (r#"{"time": "noon", "metrics": {}}"#, ["line 2", "noon"]),
        ("{", ["line 2", "pump-4"]),
        (r#"[{"time": 1, "metrics": {}}]"#, ["line 2", "expected"]),
        (r#"{"time": 1, "metrics": {"a": 1e400}}"#, ["line 2", "out of range"]),
    ] {
        let said = lines(&format!("{good}\n{bad}\n")).unwrap_err();
        assert!(words.iter().all(|word| said.contains(word)), "{bad}: {said}");
    }
    let long = lines(&format!("{good}\n{{{}\n", " ".repeat(5 << 20))).unwrap_err();
    assert!(long.contains("line 2: expected at most"), "{long}");
}

#[test]
fn columns_without_number_are_refused_and_not_told_one_by_one() {
    let names = |count: usize| format!("t{}\n1{}\n", ",a".repeat(count), ",2".repeat(count));
    assert!(refusal(&names(100_000)).contains("expected at most 100000 columns, found 100001"));
    let (metrics, _, notes) = series(names(500), &[]).unwrap();
    assert_eq!((metrics.len(), notes.len()), (500, 4));
    assert!(notes[3].contains("496 more columns"), "{}", notes[3]);
    let said = refusal("\u{1b}]0;x\u{7},b\n1,2\n");
    assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}"), "{said}");
}

#[test]
fn names_on_the_command_line_count_without_the_space_around_them() {
    let (metrics, found, _) = series("t, HR, PULSE\n0,96,97\n1,96,97\n", &[" HR"]).unwrap();
    assert_eq!((metrics, found.len()), (vec!["PULSE".to_owned()], 2));
}

#[test]
fn a_first_line_of_values_is_mentioned_and_one_that_counts_is_not() {
    let notes = |text: &str| {
        let rows = Rows::read(Box::new(Cursor::new(text.to_owned().into_bytes())), "f.csv".into(), None, true).unwrap();
        Table::of(rows, &Named::default()).unwrap().notes()
    };
    assert!(notes("0.5,2,7\n0.6,2,8\n").iter().any(|note| note.contains("--no-header")));
    assert_eq!(notes("0,1,2\n0.6,2,8\n"), Vec::<String>::new());
    assert_eq!(notes("a,b,3\n0.6,2,8\n"), Vec::<String>::new());
    assert_eq!(notes("0,0,0,0,0,x\n1,2,3,4,5,6\n").len(), 5);
}
