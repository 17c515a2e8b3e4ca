//! Scorers: numbers in, one number out. None of them knows metrics, devices or time.

pub mod forest;
pub mod joint;
pub(crate) mod tails;
