//! The parts of the measurement. Each runs the detector over one data set and gives its lines.

pub mod adbench;
pub mod bidmc;
pub mod classes;
pub mod merlion;
pub mod nab;
pub mod nsl_kdd;
pub mod simulator;
pub mod skab;
pub mod speed;
