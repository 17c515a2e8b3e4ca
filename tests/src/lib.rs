//! The harness of the end-to-end tests: a real chain, the real service, a real browser, each on a port of its own.
//!
//! Everything that it starts ends with the value that started it. It waits for conditions, never for a time; it
//! knows the service by its command line, its HTTP interface and its files, and imports none of its code. What it
//! checks evidence with is the `ledger` crate.

pub mod audit;
pub mod authority;
pub mod browser;
pub mod c2sp;
pub mod chain;
pub mod clients;
pub mod command;
pub mod examples;
pub mod faulty;
pub mod ganache;
pub mod guarded;

pub mod liar;
pub mod lineage;
pub mod lines;
pub mod load;
pub mod mqtt;
pub mod paths;
pub mod poll;
pub mod power;
pub mod process;
pub mod proxy;
pub mod service;
pub mod socket;
pub mod tamper;
pub mod trial;

pub use browser::Browser;
pub use chain::Chain;
pub use faulty::Faulty;
pub use ganache::Ganache;
pub use guarded::{Guarded, Session};
pub use proxy::{Fault, Proxy};
pub use service::Service;
pub use trial::Trial;
