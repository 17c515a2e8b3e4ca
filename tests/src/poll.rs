//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Between two questions: short beside what is waited for, long beside what asking costs.
const PAUSE: Duration = Duration::from_millis(50);

/// Finality of an anchor takes some four blocks of a second, behind a batch that waits two; a machine under load may
/// take ten times as long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is an answer.
///
/// # Panics
/// After [`PATIENCE`]; `what` says what did not come.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// Asks until there is an answer.
///
/// # Panics
/// When the time is over; `what` says what did not come.
pub async fn within<T>(limit: Duration, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = try_within(limit, ask).await;
    answer.unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Asks until there is an answer, or the time is over.
pub async fn try_within<T>(limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}
