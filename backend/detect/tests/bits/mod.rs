//! Results that must not move by a bit, on any machine and at any optimisation level, as lines of text. Uses nothing but
//! `detect`, so that tests/optimisation.rs can build it alone once more.

mod rows;

use detect::{
    TableModel,
    classify::{Classifier, ClassifierSpec, LabelledTable, schema},
    scorer::{
        forest::{Forest, ForestSpec},
        joint::{Joint, JointValue},
    },
};
use rows::rows;

/// What is compared.
pub(crate) fn lines() -> Vec<String> {
    forest().into_iter().chain(classes()).chain(together()).chain(table()).collect()
}

fn forest() -> Vec<String> {
    let forest = Forest::train(&ForestSpec { seed: 4, ..ForestSpec::default() }, 12, &rows(2000, 12)).expect("grown");
    let scores = rows(5, 12).chunks(12).map(|row| forest.score(row).expect("scored").to_bits()).collect::<Vec<_>>();
    let scores = scores.iter().map(|bits| format!("forest score {bits:016x}"));
    [format!("forest bytes {:016x}", print(&forest.to_bytes()))].into_iter().chain(scores).collect()
}

fn classes() -> Vec<String> {
    let header = ["a", "b", "c"];
    let mut table = LabelledTable::new(schema(&header, &[], &[]).expect("a schema")).expect("a table");
    let rows =
        rows(400, 3).chunks(3).map(|row| [row[0], row[1], row[2]].map(|number| number.to_string())).collect::<Vec<_>>();
    for row in &rows {
        let label = if row[0] > row[1] {
            "left"
        } else if row[2].starts_with('1') {
            "one"
        } else {
            "right"
        };
        table.push(&[&row[0], &row[1], &row[2]], label).expect("a row");
    }
    let classifier = Classifier::train(&table, &ClassifierSpec::labels(7)).expect("trained");
    let matching = classifier.matching(&header).expect("matched");
    let votes =
        |row: &[String; 3]| classifier.probabilities(&matching, &[&row[0], &row[1], &row[2]]).expect("classified");
    let votes = rows[..3].iter().map(|row| format!("class probabilities {:?}", votes(row)));
    [format!("classifier bytes {:016x}", print(&classifier.to_bytes()))].into_iter().chain(votes).collect()
}

fn together() -> Vec<String> {
    let mut joint = Joint::new();
    (0..4).for_each(|_| joint.add().expect("room for four"));
    let mut last = None;
    for row in rows(700, 4).chunks(4) {
        // The second goes with the first.
        let values = [row[0], row[0] + 0.2 * row[1], row[2], row[3]];
        let value = |metric: usize| JointValue { metric, value: values[metric].into(), least: 1e-3 };
        last = joint.push(&[0, 1, 2, 3].map(value));
    }
    let measures = last.expect("known metrics");
    let bits = [measures.distance, measures.t2, measures.q, measures.point].map(f64::to_bits);
    vec![format!("joint bytes {:016x}", print(&joint.to_bytes())), format!("joint measures {bits:016x?}")]
}

fn table() -> Vec<String> {
    let columns = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let model = TableModel::train(&columns, &rows(600, 5), 6).expect("a table");
    let scores = model.scores(&rows(3, 5)).expect("scored");
    let scores = scores.iter().map(|score| format!("table score {:016x}", score.to_bits()));
    [format!("table bytes {:016x}", print(&model.to_bytes()))].into_iter().chain(scores).collect()
}

/// FNV-1a: enough to see that a byte moved.
fn print(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
