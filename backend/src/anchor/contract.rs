//! The contract's interface, from the one committed ABI.

// The macro writes code that our lints do not like, and documents nothing.
#![allow(missing_docs, unreachable_pub, clippy::all)]

alloy::sol!(
    #[derive(Debug)]
    AnomalyLogger,
    "../contracts/abi/AnomalyLogger.json"
);
