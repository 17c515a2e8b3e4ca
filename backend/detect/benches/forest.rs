//! How fast the forest is at the size of the paper: 12 columns, 100 trees of 256 rows, one core. One row at a time, a
//! batch, and growing. `scripts/bench detect` runs it; it asserts nothing about time.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use detect::scorer::forest::{Forest, ForestSpec};

const COLUMNS: usize = 12;
const ROWS: usize = 16_384;

/// Bell-shaped numbers, so that rows end at leaves of all depths and branches could not be foretold.
fn rows(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count * COLUMNS).map(|_| unit() + unit() + unit() + unit()).collect()
}

fn scoring(criterion: &mut Criterion) {
    let forest = Forest::train(&ForestSpec::default(), COLUMNS, &rows(10_000)).unwrap();
    let rows = rows(ROWS);
    let mut group = criterion.benchmark_group("forest, 100 trees of 256, 12 columns");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("one row at a time", |bencher| {
        bencher.iter(|| rows.chunks_exact(COLUMNS).map(|row| forest.score(black_box(row)).unwrap()).sum::<f64>());
    });
    let mut scores = vec![0.0; ROWS];
    group.bench_function("batch", |bencher| {
        bencher.iter(|| forest.score_batch(black_box(&rows), &mut scores).unwrap());
    });
    group.finish();
}

fn growing(criterion: &mut Criterion) {
    let rows = rows(ROWS);
    criterion.bench_function("forest, growing from 16384 rows", |bencher| {
        bencher.iter(|| Forest::train(&ForestSpec::default(), COLUMNS, black_box(&rows)).unwrap());
    });
}

criterion_group!(benches, scoring, growing);
criterion_main!(benches);
