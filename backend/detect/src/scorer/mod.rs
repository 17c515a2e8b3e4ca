//! Scorers: numbers in, one number out. None of them knows metrics or devices, and
//! only `routine` knows the time of day.

pub(crate) mod drift;
pub mod forest;
pub mod joint;
pub(crate) mod routine;
pub(crate) mod tails;
