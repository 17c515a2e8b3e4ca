//! The parts that pages are made of. They show what they are given and fetch nothing.

mod anchoring;
mod chart;
mod copy;
mod labels;
mod notice;
mod rpc;

pub(crate) use anchoring::{AnchoringLine, advice, meaning, waiting};
pub(crate) use chart::{Chart, Mark};
pub(crate) use copy::{Command, Copyable, Download};
pub(crate) use labels::{Severity, StateLabel, When};
pub(crate) use notice::{Failed, Loading, Notice};
pub(crate) use rpc::RpcAddress;
