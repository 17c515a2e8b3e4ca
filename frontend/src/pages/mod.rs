//! The pages, one module each.

mod anomaly;
mod chain;
mod completeness;
mod live;
mod not_found;
mod send;
mod trust;

pub(crate) use anomaly::AnomalyPage;
pub(crate) use chain::ChainPage;
pub(crate) use completeness::CompletenessPage;
pub(crate) use live::LivePage;
pub(crate) use not_found::NotFoundPage;
pub(crate) use send::SendPage;
pub(crate) use trust::TrustPage;
