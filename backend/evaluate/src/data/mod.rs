//! Readers of public data sets. They read files as they are published, and judge nothing.

pub mod nab;
mod text;

pub use text::{Csv, time_ms};
