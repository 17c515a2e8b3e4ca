//! `peers ROWS`: forests of other crates, grown from a file of little-endian f32 (row-major, 12 columns) with 100
//! trees of 256 rows, score its rows one by one on one core. Prints one JSON object; of scoring the best of five.

use std::{env, error::Error, fs, hint::black_box, time::Instant};

use extended_isolation_forest::{Forest, ForestOptions};

const COLUMNS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: peers ROWS, of 12 columns")?;
    let numbers: Vec<f32> = fs::read(path)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let rows: &[[f32; COLUMNS]] = numbers.as_chunks().0;
    let doubles: Vec<[f64; COLUMNS]> = rows.iter().map(|row| row.map(f64::from)).collect();

    let options = ForestOptions { n_trees: 100, sample_size: 256, max_tree_depth: None, extension_level: 0 };
    let start = Instant::now();
    let extended = Forest::from_slice(&doubles, &options)?;
    let extended_growing = start.elapsed().as_secs_f64();
    let extended_scoring = best_of_five(|| doubles.iter().map(|row| extended.score(black_box(row))).sum());

    let start = Instant::now();
    let mut cut = rcf3::Forest::builder(COLUMNS).shingle_size(1).num_trees(100).capacity(256).seed(1).build()?;
    for row in rows {
        cut.update(row)?;
    }
    let cut_growing = start.elapsed().as_secs_f64();
    let cut_scoring = best_of_five(|| rows.iter().filter_map(|row| cut.score(black_box(row)).ok()).sum());

    let count = rows.len() as f64;
    println!(
        r#"{{"extended-isolation-forest": {{"growing_ms": {:.1}, "one_at_a_time_rows_per_s": {:.0}}},
 "rcf3": {{"growing_ms": {:.1}, "one_at_a_time_rows_per_s": {:.0}}}}}"#,
        extended_growing * 1e3,
        count / extended_scoring,
        cut_growing * 1e3,
        count / cut_scoring,
    );
    Ok(())
}

fn best_of_five(mut run: impl FnMut() -> f64) -> f64 {
    let times = (0..5).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}
