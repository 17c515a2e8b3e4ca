//! Small tables of every awkward kind, and what holds for every score.

use super::*;
use crate::random::Random;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("c{index}")).collect()
}

/// Two columns that go together, a skewed one, a binary one, a constant one.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count)
        .flat_map(|_| {
            let common = random.unit() + random.unit() + random.unit();
            let near = common + 0.1 * random.unit();
            let skewed = 1.0 / (0.05 + random.unit());
            [common, 100.0 * near, skewed, f64::from(random.below(12) == 0), 7.0].map(|number| number as f32)
        })
        .collect()
}

fn trained() -> TableModel {
    TableModel::train(&names(5), &rows(600, 1), 9).unwrap()
}

const ORDINARY: [f32; 5] = [1.5, 155.0, 2.0, 0.0, 7.0];

#[test]
fn each_kind_of_outlier_is_above_the_threshold() {
    let model = trained();
    assert!(model.score(&ORDINARY).unwrap() < 0.4);
    // Far out in one column; a pattern broken; a constant that moved; all a little.
    for row in [
        [1.5, 155.0, 500.0, 0.0, 7.0],
        [0.4, 280.0, 2.0, 0.0, 7.0],
        [1.5, 155.0, 2.0, 0.0, 8.0],
        [2.9, 299.0, 19.0, 1.0, 7.0],
    ] {
        let score = model.score(&row).unwrap();
        assert!(score > 2.0 * model.score(&ORDINARY).unwrap() && score > 0.42, "{row:?} {score}");
    }
    let figures = model.meta().training;
    assert!((0.002..0.03).contains(&figures.share_above_threshold), "{figures:?}");
    assert!(figures.score_median < 0.3 && figures.forest_high > figures.forest_median);
}

#[test]
fn far_outliers_keep_distinct_scores_below_one() {
    let model = trained();
    let scores: Vec<f64> = [3.1, 4.0, 10.0, 1e3, 1e6, 1e12, 1e30, f32::MAX]
        .map(|value| model.score(&[value, 155.0, 2.0, 0.0, 7.0]).unwrap())
        .into();
    assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
    assert!(scores.iter().all(|score| (0.0..1.0).contains(score)));
    assert!(model.score(&[f32::MAX, f32::MIN, f32::MAX, f32::MIN, f32::MAX]).unwrap() < 1.0);
}

#[test]
fn one_by_one_and_together_are_the_same_bits() {
    let model = trained();
    let others = rows(50, 2);
    let together = model.scores(&others).unwrap();
    for (row, score) in others.chunks(5).zip(together) {
        assert_eq!(model.score(row).unwrap().to_bits(), score.to_bits());
        assert!((0.0..1.0).contains(&score));
        assert!((0.0..=1.0).contains(&model.forest_score(row).unwrap()));
    }
}

#[test]
fn a_columns_unit_changes_no_bit() {
    let factors = [1.0, 0.25, 1024.0, 2.0, 0.5];
    let scaled = |rows: &[f32]| rows.iter().enumerate().map(|(i, x)| x * factors[i % 5]).collect::<Vec<f32>>();
    let (table, others) = (rows(600, 1), rows(50, 2));
    let model = TableModel::train(&names(5), &table, 9).unwrap();
    let other = TableModel::train(&names(5), &scaled(&table), 9).unwrap();
    let (a, b) = (model.scores(&others).unwrap(), other.scores(&scaled(&others)).unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn awkward_tables_are_learnt() {
    let mut random = Random::new(3);
    let constant = vec![3.0; 8 * 4];
    let binary: Vec<f32> = (0..400).map(|_| f32::from(random.below(2) as u8)).collect();
    let wide: Vec<f32> = (0..30 * 300).map(|_| random.unit() as f32).collect();
    let twins: Vec<f32> = (0..100).flat_map(|i| [i as f32, i as f32, -i as f32]).collect();
    let huge: Vec<f32> = (0..100).map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN }).collect();
    for (width, table) in
        [(4, &constant), (1, &constant), (8, &binary), (300, &wide), (3, &twins), (2, &huge), (1, &huge)]
    {
        let model = TableModel::train(&names(width), table, 1).unwrap();
        assert_eq!(TableModel::from_bytes(&model.to_bytes()).unwrap(), model);
        for row in table.chunks(width) {
            assert!((0.0..1.0).contains(&model.score(row).unwrap()));
        }
        let moved: Vec<f32> = table[..width].iter().map(|x| x * 0.5 + 1e4).collect();
        assert!((0.0..1.0).contains(&model.score(&moved).unwrap()));
    }
    let model = TableModel::train(&names(4), &constant, 1).unwrap();
    assert!(model.score(&[3.0, 3.0, 3.5, 3.0]).unwrap() > model.score(&[3.0; 4]).unwrap());
}

#[test]
fn more_rows_than_the_sample_are_sampled() {
    let table = rows(SAMPLE + 5000, 4);
    let model = TableModel::train(&names(5), &table, 1).unwrap();
    assert_eq!(model.meta().training_rows, SAMPLE as u64 + 5000);
    assert!(model.to_bytes().len() < 300_000);
    assert!(model.score(&[9.0, 155.0, 2.0, 0.0, 7.0]).unwrap() > 0.5);
}

#[test]
fn wrong_input_is_refused() {
    let table = rows(20, 1);
    let train = |columns: &[String], rows: &[f32]| TableModel::train(columns, rows, 0).unwrap_err();
    assert!(matches!(train(&[], &table), DetectError::Parameter { .. }));
    assert!(matches!(train(&names(5000), &table), DetectError::Parameter { .. }));
    assert!(matches!(train(&vec![String::new(); 5], &table), DetectError::Parameter { .. }));
    assert!(matches!(train(&vec!["a".to_owned(); 5], &table), DetectError::Malformed { .. }));
    assert!(matches!(train(&names(5), &table[..99]), DetectError::Malformed { .. }));
    assert!(matches!(train(&names(5), &table[..35]), DetectError::TooFewRows { actual: 7, .. }));
    let mut dirty = table.clone();
    dirty[7] = f32::NAN;
    assert!(matches!(train(&names(5), &dirty), DetectError::NotFinite { metric, .. } if metric == "c2"));
    let model = trained();
    assert!(model.score(&table[..4]).is_err() && model.forest_score(&table[..6]).is_err());
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let row = [number, 155.0, 2.0, 0.0, 7.0];
        assert!(matches!(model.score(&row), Err(DetectError::NotFinite { .. })));
        assert!(model.forest_score(&row).is_err() && model.scores(&row).is_err());
    }
}

#[test]
fn bytes_come_back_and_hostile_ones_do_no_harm() {
    let model = trained();
    let bytes = model.to_bytes();
    let copy = TableModel::from_bytes(&bytes).unwrap();
    assert_eq!((copy.to_bytes(), copy.hash()), (bytes.clone(), model.hash()));
    for length in (0..bytes.len()).step_by(97) {
        assert!(TableModel::from_bytes(&bytes[..length]).is_err());
    }
    assert!(TableModel::from_bytes(&[bytes.clone(), vec![0]].concat()).is_err());
    assert!(matches!(TableModel::from_bytes(b"ALDT\x02\x00"), Err(DetectError::Version { actual: 2, .. })));
    let mut random = Random::new(5);
    let others = rows(20, 6);
    for _ in 0..1500 {
        let mut broken = bytes.clone();
        // The forest is the largest part by far; the rest deserves as many wounds.
        let from = if random.below(4) == 0 { 0 } else { bytes.len() - 40_000 };
        for _ in 0..3 {
            let at = from + random.below(bytes.len() - from);
            broken[at] = random.next_u64() as u8;
        }
        let Ok(other) = TableModel::from_bytes(&broken) else { continue };
        for score in other.scores(&others).unwrap() {
            assert!((0.0..1.0).contains(&score), "{score}");
        }
    }
}

#[test]
fn seeds_decide() {
    let table = rows(600, 1);
    let of = |seed| TableModel::train(&names(5), &table, seed).unwrap();
    assert_eq!(of(1).hash(), of(1).hash());
    assert_ne!(of(1).hash(), of(2).hash());
    assert_eq!(of(1).meta().training_rows_hash, of(2).meta().training_rows_hash);
}

/// The same bits on every machine; changed only with the format. One column that varies has no
/// components: smartcore's roots come from the platform, and are for training alone.
#[test]
fn golden() {
    let mut random = Random::new(11);
    let table: Vec<f32> = (0..500).flat_map(|_| [(random.unit() * random.unit()) as f32, 7.0]).collect();
    let model = TableModel::train(&names(2), &table, 3).unwrap();
    let bits = [[0.1, 7.0], [0.9, 7.0], [44.0, 7.0], [0.1, 6.0]].map(|row| model.score(&row).unwrap().to_bits());
    assert_eq!(
        bits,
        [4592991581449023316, 4603105447670540344, 4605396064966494414, 4603452531609321142],
        "{bits:?} {:?}",
        bits.map(f64::from_bits)
    );
}
