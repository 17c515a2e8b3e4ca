//! Everything that can go wrong between the anchorer and its chain, against a real Anvil behind a proxy that spoils
//! requests and answers. After each fault: nothing is anchored twice, nothing is lost (`e2e::audit`), what the
//! service said meanwhile was true, and it heals by itself when the fault ends, or says what a person must do.

mod chain;
mod kill;
mod node;
mod transaction;
