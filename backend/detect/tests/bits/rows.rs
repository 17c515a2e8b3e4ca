//! Numbers to test with; the same everywhere.

/// Rows of bell-shaped numbers, made with integers only but for their sum.
pub(crate) fn rows(count: usize, columns: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count * columns).map(|_| unit() + unit() + unit()).collect()
}
