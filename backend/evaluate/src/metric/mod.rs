//! Measures of a detector. Pure: scores and truth in, figures out.

pub mod bootstrap;
pub mod nab;
pub mod rank;
pub mod window;
