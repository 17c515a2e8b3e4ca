//! Readers of public data sets. They read files as they are published, and judge nothing.

pub mod adbench;
pub mod bidmc;
pub mod merlion;
pub mod nab;
pub mod nsl_kdd;
pub mod skab;
mod text;

pub use text::{Csv, time_ms};
