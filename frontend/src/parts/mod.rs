//! The parts that pages are made of. They show what they are given and fetch nothing.

mod anchoring;
mod chart;
mod confirm;
mod copy;
mod form;
mod labels;
mod menu;
mod notice;
mod rpc;
mod series;

pub(crate) use anchoring::{AnchoringLine, advice, meaning, waiting};
pub(crate) use chart::{Chart, Mark};
pub(crate) use confirm::Confirm;
pub(crate) use copy::{Command, Copyable, Download, Secret};
pub(crate) use form::{Check, Choice, Field, Outcome};
pub(crate) use labels::{Presence, Severity, StateLabel, When};
pub(crate) use menu::Menu;
pub(crate) use notice::{Failed, Loading, Notice, sentence};
pub(crate) use rpc::RpcAddress;
pub(crate) use series::SeriesChart;
