//! What others are compared with: grows a forest from a file of rows and scores them, and says how long that took.
//!
//! `forest ROWS COLUMNS SCORES [SEED | FOREST]`: ROWS holds little-endian f32, row-major; SCORES is written as
//! little-endian f64. With FOREST, the path of a file, a forest in our byte form is read instead of grown. Prints one
//! JSON object; of each time the best of ten is taken, since the machine may have other things to do.

use std::{env, error::Error, fs, hint::black_box, time::Instant};

use detect::scorer::forest::{Forest, ForestSpec};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (rows, columns, scores, given) = match arguments.as_slice() {
        [rows, columns, scores] => (rows, columns, scores, None),
        [rows, columns, scores, forest] => (rows, columns, scores, Some(forest)),
        _ => return Err("usage: forest ROWS COLUMNS SCORES [SEED | FOREST]".into()),
    };
    let columns: usize = columns.parse()?;
    let rows: Vec<f32> = fs::read(rows)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let seed = given.map_or(Some(0), |given| given.parse().ok());
    let spec = ForestSpec { seed: seed.unwrap_or(0), ..ForestSpec::default() };
    let (forest, growing) = match given {
        Some(path) if seed.is_none() => (Forest::from_bytes(&fs::read(path)?)?, 0.0),
        _ => timed(|| Forest::train(&spec, columns, black_box(&rows)))?,
    };
    let mut batch = vec![0.0; rows.len() / columns];
    let (_, in_batch) = timed(|| forest.score_batch(black_box(&rows), &mut batch))?;
    let one_by_one = || rows.chunks_exact(columns).map(|row| forest.score(black_box(row))).collect();
    let (single, alone): (Vec<f64>, f64) = timed(one_by_one)?;
    if single != batch {
        return Err("a batch gave other scores than its rows one by one".into());
    }
    fs::write(scores, single.iter().flat_map(|score| score.to_le_bytes()).collect::<Vec<u8>>())?;
    let count = single.len() as f64;
    println!(
        r#"{{"rows": {count}, "growing_ms": {:.3}, "one_at_a_time_rows_per_s": {:.0}, "batch_rows_per_s": {:.0}}}"#,
        growing * 1e3,
        count / alone,
        count / in_batch,
    );
    Ok(())
}

/// What it gave, and the shortest of ten times in seconds.
fn timed<T, E>(mut run: impl FnMut() -> Result<T, E>) -> Result<(T, f64), E> {
    let mut best = f64::INFINITY;
    let mut once = || {
        let start = Instant::now();
        let value = run()?;
        best = best.min(start.elapsed().as_secs_f64());
        Ok(value)
    };
    let mut value = once()?;
    for _ in 1..10 {
        value = once()?;
    }
    Ok((value, best))
}
