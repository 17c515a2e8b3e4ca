//! Sessions and tokens of people.

use std::sync::Arc;

use super::Credential;
use crate::domain::{Millis, access::Caller};

/// The people who may come in.
#[derive(Default)]
pub(crate) struct People {}

impl People {
    /// Whose session this is.
    pub(crate) fn by_session(&self, _secret: &str, _now: Millis) -> Option<(Caller, Option<Arc<Credential>>)> {
        None
    }

    /// Whose token this is.
    pub(crate) fn by_token(&self, _secret: &str) -> Option<(Caller, Option<Arc<Credential>>)> {
        None
    }
}
