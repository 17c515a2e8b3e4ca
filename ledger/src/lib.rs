//! The rules of evidence: what an auditor has to read to believe a verdict.
//!
//! Everything that decides whether an entry is genuine is here: its bytes ([`entry`]), the tree it stands
//! in ([`merkle`], [`tile`]), the signature over the tree ([`checkpoint`]), the record in the contract
//! ([`chain`]), the file that carries them all ([`evidence`]) and the conclusion ([`verdict`]). The service,
//! the command line and the page in the browser call the same functions.
//!
//! This crate refuses to do: input and output, clocks, random numbers, storage, concurrency. What it needs
//! of those is an argument. The bytes are fixed in `docs/spec`.

pub mod audit;
pub mod canonical;
pub mod chain;
pub mod checkpoint;
pub mod entry;
pub mod equivocation;
pub mod evidence;
pub mod hash;
pub mod heartbeat;
pub mod keys;
pub mod merkle;
pub mod publication;
pub mod signed;
pub mod text;
pub mod tile;
pub mod trust;
pub mod verdict;

pub use hash::Hash;
