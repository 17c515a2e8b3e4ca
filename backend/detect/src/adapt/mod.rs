//! How the detector goes with the times, and how far it lets itself be led. Trains nothing in the
//! background, swaps nothing and keeps no files: the caller does, and decides when.
//!
//! - [`learning`] bounds what one device can teach its own state in a day.

pub(crate) mod learning;
