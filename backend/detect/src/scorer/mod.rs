//! Scorers: numbers in, one number out. None of them knows metrics, devices or time.

pub(crate) mod drift;
pub mod forest;
pub mod joint;
pub(crate) mod routine;
pub(crate) mod tails;
