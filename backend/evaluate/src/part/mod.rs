//! The parts of the measurement. Each runs the detector over one data set and gives its lines.

pub mod nab;
