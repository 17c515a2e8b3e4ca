//! How good the detector is: readers of public data sets, metrics, trivial baselines, one table.
//!
//! It measures `detect` through its public interface, as a user would run it, and changes nothing
//! of it: no setting is chosen here for one file or one set. It fetches no data; a folder is given.

pub mod data;
pub mod devices;
mod error;
pub mod lone;
pub mod metric;
pub mod part;
pub mod peers;
pub mod table;
pub mod tabular;

pub use error::{EvaluateError, Result};
