//! The readers of data sets, on small files of the same form.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use evaluate::{
    EvaluateError,
    data::{adbench, bidmc, merlion, nab, nsl_kdd, skab},
};
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// An array in NumPy's format 1.
fn npy(header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    bytes
}

fn npz(path: &Path, method: CompressionMethod, x: &[u8], y: &[u8]) {
    let mut archive = ZipWriter::new(File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in [("X.npy", x), ("y.npy", y)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn numpy_archives_are_read_in_either_order_stored_or_deflated() {
    let dir = dir();
    let doubles = |numbers: [f64; 6]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let by_row =
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n", &doubles([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let by_column =
        npy("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }\n", &doubles([1.0, 3.0, 5.0, 2.0, 4.0, 6.0]));
    let labels: Vec<u8> = [0i32, 1, 0].iter().flat_map(|label| label.to_le_bytes()).collect();
    let y = npy("{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", &labels);
    npz(&dir.path().join("1_a.npz"), CompressionMethod::Stored, &by_row, &y);
    npz(&dir.path().join("2_b.npz"), CompressionMethod::Deflated, &by_column, &y);
    let tables = adbench::read(dir.path(), u64::MAX).unwrap();
    assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["1_a", "2_b"]);
    for table in tables {
        assert_eq!(
            (table.columns, table.rows, table.labels),
            (2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![false, true, false])
        );
    }
    assert_eq!(adbench::read(dir.path(), 10).unwrap(), [], "none is that small");
}

#[test]
fn a_numpy_archive_that_is_none_is_refused() {
    let dir = dir();
    let y = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", &[0; 8]);
    npz(&dir.path().join("1_objects.npz"), CompressionMethod::Stored, &y, &y);
    let error = adbench::read(dir.path(), u64::MAX).unwrap_err();
    assert!(matches!(&error, EvaluateError::Malformed { expected, .. } if expected.contains("numbers")), "{error}");
    file(dir.path(), "0_text.npz", "no archive");
    assert!(matches!(adbench::read(dir.path(), u64::MAX), Err(EvaluateError::Malformed { .. })));
}

#[test]
fn nab_is_read_with_its_windows() {
    let dir = dir();
    let windows = r#"{"a/x.csv": [["2014-01-01 00:05:00.000000", "2014-01-01 00:10:00.000000"]], "b/y.csv": []}"#;
    file(dir.path(), "combined_windows.json", windows);
    let rows = "timestamp,value\n2014-01-01 00:00:00,1.5\n2014-01-01 00:05:00,2\n2014-01-01 00:10:00,3\n";
    file(dir.path(), "data/a/x.csv", rows);
    file(dir.path(), "data/b/y.csv", rows);
    let series = nab::read(dir.path()).unwrap();
    assert_eq!((series[0].category(), series[1].category()), ("a", "b"));
    assert_eq!(series[0].values, [1.5, 2.0, 3.0]);
    assert_eq!(series[0].windows, [(series[0].times[1], series[0].times[2])]);
    assert_eq!(series[0].times[1] - series[0].times[0], 300_000);
    file(dir.path(), "a/x.csv", "timestamp,anomaly_score\n1,0.5\n");
    let error = nab::read_scores(dir.path(), &series[0]).unwrap_err();
    assert!(error.to_string().ends_with("expected 3 rows, found 1"), "{error}");
}

#[test]
fn merlion_is_read_in_all_ten_files_or_not_at_all() {
    let dir = dir();
    assert!(matches!(merlion::read(dir.path()), Err(EvaluateError::Io { .. })));
    for base in merlion::BASES {
        for kind in merlion::KINDS {
            let text = format!("timestamp,{base},anomaly\n0,1.5,0.0\n300,9.0,1.0\n");
            file(dir.path(), &format!("{base}_{kind}_anomaly.csv"), &text);
        }
    }
    let series = merlion::read(dir.path()).unwrap();
    assert_eq!(series.len(), 10);
    assert_eq!((series[9].base, series[9].kind), ("seasonal", "trend"));
    assert_eq!((&series[0].times[..], &series[0].labels[..]), (&[0, 300_000][..], &[false, true][..]));
}

#[test]
fn skab_keeps_sensors_and_labels_apart() {
    let dir = dir();
    let text = "datetime;Current;Volume Flow RateRMS;anomaly;changepoint\n2020-03-09 10:14:33;1.33;32.0;0.0;0.0\n2020-03-09 10:14:34;1.35;31.0;1.0;1.0\n";
    file(dir.path(), "0.csv", text);
    let experiments = skab::read(dir.path()).unwrap();
    assert_eq!(experiments[0].columns, ["Current", "Volume Flow RateRMS"]);
    assert_eq!(experiments[0].rows, [[1.33, 32.0], [1.35, 31.0]]);
    assert_eq!(experiments[0].labels, [false, true]);
}

#[test]
fn bidmc_knows_what_the_monitor_did_not_have() {
    let dir = dir();
    file(dir.path(), "bidmc_01_Numerics.csv", "Time [s], HR, PULSE, RESP, SpO2\n0,94,NaN,25,97\n1,95,93,,97\n");
    let patients = bidmc::read(dir.path()).unwrap();
    assert_eq!(patients[0][0][0], 94.0);
    assert!(patients[0][0][1].is_nan() && patients[0][1][2].is_nan());
    file(dir.path(), "bidmc_02_Numerics.csv", "Time [s], HR, PULSE, RESP, SpO2\n0,none,93,25,97\n");
    assert!(matches!(bidmc::read(dir.path()), Err(EvaluateError::Malformed { .. })));
}

#[test]
fn nsl_kdd_turns_words_into_how_usual_they_are() {
    let dir = dir();
    let numbers = ["0"; 37].join(",");
    let line = |service: &str, label: &str| format!("7,tcp,{service},SF,{numbers},{label},20\n");
    let path =
        file(dir.path(), "kdd.txt", &(line("http", "normal") + &line("ftp", "normal") + &line("telnet", "neptune")));
    let connections = nsl_kdd::read(&path).unwrap();
    assert_eq!(connections.labels, ["normal", "normal", "neptune"]);
    let rows = connections.rows(&[0, 1]);
    assert_eq!(rows.len(), 3 * nsl_kdd::COLUMNS);
    assert_eq!((rows[0], &rows[38..41]), (7.0, &[1.0, 0.5, 1.0][..]), "tcp, http, SF among the known rows");
    assert_eq!(&rows[2 * nsl_kdd::COLUMNS + 38..], [1.0, 0.0, 1.0], "telnet was never seen");
}
