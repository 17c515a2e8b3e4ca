//! Request and response types of the HTTP interface, shared by the service and the dashboard.
//!
//! This crate only says what travels. It refuses to compute, to validate and to store; the service does that.
//! Bodies that carry evidence are the `ledger` crate's own types ([`ledger::evidence::Bundle`],
//! [`ledger::trust::TrustRoots`]).

mod account;
mod anomaly;
mod audit;
mod device;
mod device_type;
mod feedback;
mod heartbeat;
mod ledger_status;
mod line;
mod model;
mod problem;
mod reading;
mod series;
mod token;
mod user;
mod ws;

pub use account::{CallerKind, Identity, PasswordChange, Permission, Reach, Registration, Role, Session, SignIn};
pub use anomaly::{Anomaly, EntryState, Metric, Page, Reason};
pub use audit::AuditRecord;
pub use device::{
    AddressOwner, Device, DeviceChange, DeviceImport, DeviceImportLine, DeviceKey, DeviceKeyRequest, DeviceKeyRotation,
    DevicePublicKey, DeviceRequest, DeviceStatus, Devices, NewDeviceKey, TypeCount,
};
pub use device_type::{Bounds, DeviceType, DeviceTypeDefinition, DeviceTypes, LimitSeverity, Retention, TypeMetric};
pub use feedback::{Feedback, FeedbackRequest, FeedbackVerdict};
pub use heartbeat::{Account, Heartbeat, LocatedCounter};
pub use ledger_status::{ChainStatus, LastError, LedgerStatus, ServiceHealth};
pub use line::{LineAnswer, LineProblem, LineWelcome};
pub use model::Model;
pub use problem::{Code, Problem};
pub use reading::{Judgement, Label, ReadingResult, Readings, Status};
pub use series::{
    AnomalyCount, AnomalyStatistics, Bucket, DeviceCount, DeviceStatistics, ExportEnd, Order, Resolution, Series, Step,
    StoredReading,
};
pub use token::{NewToken, Scope, Token, TokenRequest};
pub use user::{ChangedUser, Invitation, InvitationRequest, NewInvitation, User, UserChange, UserRequest, UserState};
pub use ws::{DeviceVerdict, Feed, SocketMessage};

/// The names of the events of `GET /api/v1/feed` (server-sent events).
pub mod feed {
    /// The data is an [`Anomaly`](crate::Anomaly) that has just been committed.
    pub const ANOMALY: &str = "anomaly";
    /// The data is a [`LedgerStatus`](crate::LedgerStatus): the log or the chain has moved.
    pub const LEDGER: &str = "ledger";
}
