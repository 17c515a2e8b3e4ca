//! MQTT 3.1.1 and 5: a listener for devices, and a client that subscribes to an existing broker.
//!
//! The listener takes readings and tells verdicts; it is no broker: it carries nothing from one client to another, and
//! keeps nothing for a client that has gone.

mod batch;
mod client;
mod listener;
mod payload;
mod session;
mod sessions;
mod topic;
mod wire;

pub(crate) use client::BrokerClient;
pub(crate) use listener::Mqtt;
