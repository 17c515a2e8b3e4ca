//! Anomaly detection: features, detectors, models. Pure, seeded, reproducible.
//!
//! This crate does no I/O, reads no clock, starts no thread and keeps no global state. It does not
//! store, send or sign anything, and it never looks ahead. The same model, state and reading give
//! the same bits on every machine: transcendental functions come from `libm`, sums have a fixed
//! order, and randomness comes from a seed.
//!
//! - [`Lone`] judges one series alone, with default settings: the shortest way in.
//! - [`TrainingSample`] and [`Model`] are learnt once, from normal streams, and never change.
//! - [`DeviceState`] is what is remembered about one device, at most 4096 bytes.
//! - [`Policy`] and [`Rule`] are what people ask: a budget of false alarms, and limits of their own.
//! - [`TableModel`] judges the rows of a table without time.
//! - [`flow`] judges network flows by either of the two, one by one.
//! - [`classify`] tells classes apart where rows have labels (smartcore's random forest).
//! - [`judge`] fuses what a metric's own records say with the tails of its group, weighed by the
//!   Isolation Forest of [`scorer::forest`], and says what a nurse would want to know.
//!
//! # From streams to findings
//! ```
//! use detect::{
//!     DeviceState, Label, MetricSpec, Model, ReadingView, TrainSpec, TrainingReading,
//!     TrainingSample, Value, judge_in_place,
//! };
//! use simulate::{Kind, Stream, profile};
//!
//! let station = profile("weather-station").expect("a built-in profile");
//! let mut sample = TrainingSample::new();
//! for device in 0..4 {
//!     let clean = Stream::new(station, device, 1, 0, 60_000, &[])?;
//!     let readings: Vec<TrainingReading> = clean
//!         .take(2 * 1440)
//!         .map(|s| TrainingReading {
//!             time_ms: s.time_ms,
//!             values: s.values.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
//!         })
//!         .collect();
//!     sample.add_device(&readings)?;
//! }
//! let metrics = station.metrics.iter().map(|m| MetricSpec::new(m.name, m.unit, m.low, m.high));
//! let spec = TrainSpec::new(station.name, metrics.collect::<Result<_, _>>()?, 42)?;
//! let model = Model::train(&spec, &sample)?;
//! assert!(model.version().starts_with("weather-station-"));
//!
//! let mut device = Stream::new(station, 9, 2, 0, 60_000, &[])?;
//! device.inject_at(500, Kind::Point);
//! let mut state = DeviceState::new();
//! for sample in device.take(501) {
//!     let values: Vec<Value<'_>> =
//!         sample.values.iter().map(|&(metric, value)| Value { metric, value }).collect();
//!     let view = ReadingView { time_ms: sample.time_ms, values: &values };
//!     let judgement = judge_in_place(&model, &mut state, &view)?;
//!     if sample.sequence == 500 {
//!         assert_eq!(judgement.label, Label::Anomaly);
//!         assert!(judgement.finding.is_some_and(|f| f.sentence.contains("was expected")));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod adapt;
mod bytes;
mod calibrate;
pub mod classify;
mod detector;
mod episode;
mod error;
mod explain;
pub mod flow;
mod group;
mod judging;
mod lone;
mod model;
mod policy;
mod random;
mod ranking;
mod reading;
mod row;
mod rules;
mod sample;
pub mod scorer;
mod series;
mod state;
mod table;
mod together;
mod unusual;
mod verdict;

pub use adapt::{
    Candidate, Comparison, Feedback, LEAST_BASE_SHARE, LEAST_PROBES, Objection, Probes, Reservoir, ReservoirSpec,
    compare, refit, row_of,
};
pub use detector::{judge, judge_in_place};
pub use error::DetectError;
pub use lone::Lone;
pub use model::{MetricSpec, Model, ModelMeta, TrainSpec, TrainingFigures};
pub use policy::{Budget, MAX_RULES, Policies, Policy};
pub use ranking::Ranking;
pub use reading::{ReadingView, Value};
pub use row::{COLUMNS, NAMES, Row};
pub use rules::{Condition, Lasting, Per, Rule, WHOLE_DEVICE};
pub use sample::{TrainingReading, TrainingSample};
pub use series::WARM_UP;
pub use state::{DeviceState, MAX_METRICS, MAX_STATE_BYTES};
pub use table::{TableFigures, TableMeta, TableModel};
pub use verdict::{Finding, Judgement, Kind, Label, Reason, Severity};
