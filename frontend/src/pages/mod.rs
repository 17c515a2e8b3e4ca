//! The pages, one module each.

mod account;
mod anomaly;
mod audit;
mod chain;
mod completeness;
mod device;
pub(crate) mod devices;
mod live;
mod needs;
mod not_found;
mod overview;
mod send;
mod sign_in;
mod trust;
mod users;

pub(crate) use account::AccountPage;
pub(crate) use anomaly::AnomalyPage;
pub(crate) use audit::AuditPage;
pub(crate) use chain::ChainPage;
pub(crate) use completeness::CompletenessPage;
pub(crate) use device::DevicePage;
pub(crate) use devices::{DevicesPage, ImportPage, NewDevicePage, TypesPage};
pub(crate) use live::LivePage;
pub(crate) use needs::Needs;
pub(crate) use not_found::NotFoundPage;
pub(crate) use overview::OverviewPage;
pub(crate) use send::SendPage;
pub(crate) use sign_in::{MustChangePage, RegisterPage, SignInPage};
pub(crate) use trust::TrustPage;
pub(crate) use users::UsersPage;
