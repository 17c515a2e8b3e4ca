//! The anchorer: brings the newest checkpoint into the contract, and follows it until it is final.
//!
//! The chain is the truth. At each tick the contract's head is read at the newest and at the final block, and
//! what the service believes is made to agree; receipts are not believed. So a reorganisation, another
//! wallet's transaction or a lost answer need no case of their own: the next tick sees the head as it is.
//!
//! Nothing here reads or writes readings, and nothing here signs checkpoints.

mod anchorer;
mod batch;
mod chain;
mod compare;
pub(crate) mod contract;
mod error;
mod look;
mod outbox;
mod settle;
mod transaction;
mod transport;

pub(crate) use anchorer::{Anchorer, AnchorerConfig};
pub(crate) use chain::{Chain, ChainConfig, Head};
pub(crate) use compare::contradiction;
pub(crate) use error::ChainError;
