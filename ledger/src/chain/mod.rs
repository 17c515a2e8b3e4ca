//! What a chain says about a log, and the proof of it: block header, account, storage (docs/spec/anchor.md).
//!
//! Nothing here talks to a node. [`query`] says which JSON-RPC requests to make and reads their answers; a
//! transport of the caller's carries them.

mod header;
mod proof;
pub mod query;
mod record;

pub use header::{Header, HeaderError};
pub use proof::{AccountProof, ProofError, contract_account, storage_word};
pub use record::{HEAD_SLOT, Record, Slot, record_slot};
