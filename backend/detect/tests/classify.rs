//! Supervised classes: columns by name in files of 25, 39 and 46 columns, the model file, and figures on public data.
//!
//! tests/flows holds made-up rows under the real headers of CICIoT2023. Where the public data sets are, real
//! rows are classified as well; elsewhere those tests say so and do nothing.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::time::Instant;

use detect::{
    DetectError,
    classify::{Classifier, ClassifierSpec, LabelledTable, NSL_KDD, nsl_kdd_family, schema},
};
use proptest::prelude::*;

const FILES: [&str; 3] =
    [include_str!("flows/ciciot_25.csv"), include_str!("flows/ciciot_39.csv"), include_str!("flows/ciciot_46.csv")];

/// A file's header and its rows; no cell has a comma.
fn cells(text: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// The last column is the label.
fn table(text: &str) -> LabelledTable {
    let (header, rows) = cells(text);
    let mut table = LabelledTable::new(schema(&header, &["Label"], &rows).unwrap()).unwrap();
    for row in &rows {
        let (label, cells) = row.split_last().unwrap();
        table.push(cells, label).unwrap();
    }
    table
}

fn spec() -> ClassifierSpec {
    ClassifierSpec::labels(3).imputing().with(20, 10, 1, 0.25).unwrap()
}

/// How many rows of a file get their own label.
fn right(classifier: &Classifier, text: &str) -> usize {
    let (header, rows) = cells(text);
    let matching = classifier.matching(&header).unwrap();
    let right = |row: &&Vec<&str>| classifier.classify(&matching, row).unwrap().name == row[row.len() - 1];
    rows.iter().filter(right).count()
}

#[test]
fn files_of_25_39_and_46_columns_are_matched_by_name() {
    for (text, columns) in FILES.iter().zip([25, 39, 46]) {
        let table = table(text);
        assert_eq!((table.columns().len(), table.rows()), (columns, 30));
        assert_eq!(table.labels(), ["BenignTraffic", "DDoS-UDP_Flood", "Recon-PortScan"]);
        let classifier = Classifier::train(&table, &spec()).unwrap();
        assert_eq!(classifier.columns().len(), columns);
        // Two of ten rows of each class.
        assert_eq!((classifier.figures().rows, classifier.figures().accuracy), (6, 1.0));
        for other in FILES {
            assert!(right(&classifier, other) >= 28, "{columns}");
        }
    }
}

#[test]
fn a_missing_column_is_named_unless_it_may_be_imputed() {
    let wide = table(FILES[1]);
    let strict = ClassifierSpec::labels(3).with(5, 10, 1, 0.25).unwrap();
    // One Rate is infinite.
    let error = Classifier::train(&wide, &strict).unwrap_err().to_string();
    assert!(error.contains("\"Rate\""), "{error}");

    let strict = Classifier::train(&table(&FILES[1].replace(",inf,", ",9000,")), &strict).unwrap();
    let (narrow, rows) = cells(FILES[0]);
    let Err(DetectError::MissingColumns { names }) = strict.matching(&narrow) else { panic!("no error") };
    assert!(names.starts_with("ece_flag_number, cwr_flag_number, Telnet"), "{names}");
    // The wide file has all that a model of the narrow one wants.
    let narrow_model = ClassifierSpec::binary(3).imputing();
    let narrow_model = Classifier::train(&table(FILES[0]), &narrow_model).unwrap();
    assert!(narrow_model.matching(&cells(FILES[1]).0).unwrap().imputed().is_empty());
    // Older files call the time to live Duration.
    assert_eq!(narrow_model.matching(&cells(FILES[2]).0).unwrap().imputed(), &[] as &[String]);

    let lenient = Classifier::train(&wide, &spec()).unwrap();
    let matching = lenient.matching(&narrow).unwrap();
    assert_eq!(matching.imputed().len(), 14);
    assert!(lenient.classify(&matching, &rows[0]).is_ok());
    assert!(lenient.classify(&matching, &rows[0][1..]).is_err());
    assert!(lenient.matching(&["a", "b"]).is_err());
    assert!(lenient.matching(&["rate", "Rate"]).is_err());
}

#[test]
fn two_classes_are_benign_and_attack() {
    let classifier = Classifier::train(&table(FILES[2]), &ClassifierSpec::binary(1).imputing()).unwrap();
    assert_eq!(classifier.classes(), ["benign", "attack"]);
    assert_eq!(classifier.figures().auroc, Some(1.0));
    let (header, rows) = cells(FILES[2]);
    let matching = classifier.matching(&header).unwrap();
    let probabilities = classifier.probabilities(&matching, &rows[1]).unwrap();
    let class = classifier.classify(&matching, &rows[1]).unwrap();
    assert_eq!((class.name.as_str(), class.probability), ("attack", probabilities[1]));
    assert_eq!(probabilities.iter().sum::<f64>(), 1.0);
    let meta = serde_json::to_value(classifier.meta()).unwrap();
    assert_eq!(meta["figures"]["classes"][1]["name"], "attack");
    assert_eq!(meta["model_version"], classifier.version());
}

#[test]
fn categories_are_learnt_and_unknown_ones_are_usual() {
    let columns = schema(&["service", "bytes"], &[], &[vec!["http", "1"]]).unwrap();
    let mut table = LabelledTable::new(columns).unwrap();
    for i in 0..200 {
        let (service, label) = if i % 4 == 0 { ("telnet", "guess_passwd") } else { ("http", "normal") };
        table.push(&[service, &(i % 7).to_string()], label).unwrap();
    }
    let classifier = Classifier::train(&table, &ClassifierSpec::labels(1)).unwrap();
    let matching = classifier.matching(&["Bytes", "Service"]).unwrap();
    let name = |service| classifier.classify(&matching, &["3", service]).unwrap().name;
    assert_eq!([name("http"), name("telnet")], ["normal", "guess_passwd"]);
    classifier.classify(&matching, &["3", "gopher"]).unwrap();
    assert!(classifier.classify(&matching, &["3", ""]).is_err());
    assert!(classifier.classify(&matching, &["many", "http"]).is_err());
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    assert!(schema(&["a", "A "], &[], &[]).is_err());
    assert!(schema(&["label"], &["Label"], &[]).is_err());
    assert!(schema(&["a", "b"], &[], &[vec!["1"]]).is_err());
    let mut table = LabelledTable::new(schema(&["a"], &[], &[]).unwrap()).unwrap();
    assert!(table.push(&["x"], "y").is_err());
    assert!(table.push(&["1e308"], "y").is_err());
    assert!(table.push(&["1"], " ").is_err());
    assert!(table.push(&["1", "2"], "y").is_err());
    assert_eq!(table.rows(), 0);
    for _ in 0..20 {
        table.push(&["1"], "same").unwrap();
    }
    assert!(Classifier::train(&table, &ClassifierSpec::labels(0)).is_err());
    assert!(ClassifierSpec::labels(0).with(501, 10, 1, 0.25).is_err());
    assert!(ClassifierSpec::labels(0).with(10, 10, 1, f64::NAN).is_err());
}

#[test]
fn a_model_reads_back_to_the_same_bits() {
    let table = table(FILES[1]);
    let classifier = Classifier::train(&table, &spec()).unwrap();
    let bytes = classifier.to_bytes();
    let read = Classifier::from_bytes(&bytes).unwrap();
    assert_eq!(read, classifier);
    assert_eq!((read.to_bytes(), read.hash()), (bytes.clone(), classifier.hash()));
    assert_eq!(Classifier::train(&table, &spec()).unwrap().to_bytes(), bytes);
    assert!(Classifier::from_bytes(&[bytes, vec![0]].concat()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        static MODEL: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| Classifier::train(&table(FILES[0]), &spec()).unwrap().to_bytes());
        let mut damaged = MODEL.clone();
        damaged[at.index(MODEL.len())] = byte;
        if let Ok(classifier) = Classifier::from_bytes(&damaged) {
            prop_assert_eq!(classifier.to_bytes(), damaged);
            let (header, rows) = cells(FILES[0]);
            if let Ok(matching) = classifier.matching(&header) {
                let _ = classifier.classify(&matching, &rows[0]);
            }
        }
        prop_assert!(Classifier::from_bytes(&MODEL[..cut.index(MODEL.len())]).is_err());
    }
}

/// A file of a public data set, where that is.
fn public(set: &str, file: &str) -> Option<String> {
    Some(std::fs::read_to_string(common::data_set(set)?.join(file)).unwrap())
}

#[test]
fn real_rows_of_ciciot2023_are_read() {
    let files = ["benign", "ddos", "recon"].map(|class| (class, public("ciciot2023", &format!("sample_{class}.csv"))));
    let mut table: Option<LabelledTable> = None;
    for (class, text) in &files {
        let Some(text) = text else { return };
        let (header, rows) = cells(text);
        let empty = || LabelledTable::new(schema(&header, &[], &rows).unwrap()).unwrap();
        let table = table.get_or_insert_with(empty);
        assert_eq!(table.columns().len(), 25);
        rows.iter().for_each(|row| table.push(row, class).unwrap());
    }
    let table = table.unwrap();
    assert_eq!(table.rows(), 75);
    let classifier = Classifier::train(&table, &ClassifierSpec::labels(1).imputing()).unwrap();
    println!("{:?}", classifier.figures());
    // Made-up rows of every width have the columns that it wants.
    for text in FILES {
        let (header, rows) = cells(text);
        let matching = classifier.matching(&header).unwrap();
        assert!(matching.imputed().is_empty());
        rows.iter().for_each(|row| drop(classifier.classify(&matching, row).unwrap()));
    }
}

#[test]
fn nsl_kdd_is_told_apart() {
    let Some(text) = public("nsl_kdd", "KDDTrain+_20Percent.txt") else { return };
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let columns = schema(&NSL_KDD, &["label", "difficulty"], &rows[..1000]).unwrap();
    let mut labels = LabelledTable::new(columns.clone()).unwrap();
    let mut families = LabelledTable::new(columns).unwrap();
    for row in &rows {
        labels.push(&row[..41], row[41]).unwrap();
        families.push(&row[..41], nsl_kdd_family(row[41]).unwrap()).unwrap();
    }
    let (binary, several) = (ClassifierSpec::binary(1), ClassifierSpec::labels(1));
    let cases =
        [("benign or attack", &labels, &binary), ("families", &families, &several), ("labels", &labels, &several)];
    for (what, table, spec) in cases {
        let start = Instant::now();
        let classifier = Classifier::train(table, spec).unwrap();
        let training = start.elapsed();
        let matching = classifier.matching(&NSL_KDD).unwrap();
        let start = Instant::now();
        rows.iter().for_each(|row| drop(classifier.classify(&matching, row).unwrap()));
        let a_second = rows.len() as f64 / start.elapsed().as_secs_f64();
        let figures = classifier.figures();
        println!(
            "{what}: accuracy {:.4}, macro F1 {:.4}, AUROC {:?} on {} held-back rows; {} classes; trained in {training:.1?}, \
             {a_second:.0} rows a second, {} bytes",
            figures.accuracy,
            figures.macro_f1,
            figures.auroc,
            figures.rows,
            classifier.classes().len(),
            classifier.to_bytes().len(),
        );
        for class in &figures.classes {
            println!(
                "  {:16} precision {:.3} recall {:.3} of {}",
                class.name, class.precision, class.recall, class.rows
            );
        }
        assert!(figures.accuracy > 0.98, "{what}");
    }
}
