//! People: who I am, one's own account, users, and the audit log.

use api::{
    AuditRecord, ChangedUser, Identity, Invitation, InvitationRequest, NewInvitation, NewToken, Page, PasswordChange,
    Registration, Session, SignIn, Token, TokenRequest, User, UserChange,
};
use gloo_net::http::Method;

use super::{after, ask, done, encoded, json, order};
use crate::http::Fault;

/// Who asks, and what they may do.
pub(crate) async fn session() -> Result<Identity, Fault> {
    json("/api/v1/session").await
}

/// Signs in; the browser keeps the cookie, which no script sees.
pub(crate) async fn sign_in(who: &SignIn) -> Result<Identity, Fault> {
    ask(Method::POST, "/api/v1/session", who).await
}

/// Signs out.
pub(crate) async fn sign_out() -> Result<(), Fault> {
    order(Method::DELETE, "/api/v1/session").await
}

/// Registers by an invitation, or without one where that is open.
pub(crate) async fn register(who: &Registration) -> Result<User, Fault> {
    ask(Method::POST, "/api/v1/registration", who).await
}

/// Changes one's password.
pub(crate) async fn change_password(change: &PasswordChange) -> Result<(), Fault> {
    done(Method::PUT, "/api/v1/account/password", change).await
}

/// One's sessions.
pub(crate) async fn sessions() -> Result<Vec<Session>, Fault> {
    json("/api/v1/account/sessions").await
}

/// Ends one of one's sessions.
pub(crate) async fn end_session(id: u64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("/api/v1/account/sessions/{id}")).await
}

/// Ends all of one's sessions but this one.
pub(crate) async fn end_other_sessions() -> Result<(), Fault> {
    order(Method::DELETE, "/api/v1/account/sessions").await
}

/// One's tokens.
pub(crate) async fn tokens() -> Result<Vec<Token>, Fault> {
    json("/api/v1/tokens").await
}

/// Makes a token.
pub(crate) async fn make_token(wish: &TokenRequest) -> Result<NewToken, Fault> {
    ask(Method::POST, "/api/v1/tokens", wish).await
}

/// Revokes a token.
pub(crate) async fn revoke_token(id: u64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("/api/v1/tokens/{id}")).await
}

/// A page of users, newest first.
pub(crate) async fn users(cursor: Option<&str>) -> Result<Page<User>, Fault> {
    json(&format!("/api/v1/users?limit=50{}", after(cursor))).await
}

/// Changes a user.
pub(crate) async fn change_user(id: u64, change: &UserChange) -> Result<ChangedUser, Fault> {
    ask(Method::PATCH, &format!("/api/v1/users/{id}"), change).await
}

/// Deletes a user.
pub(crate) async fn delete_user(id: u64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("/api/v1/users/{id}")).await
}

/// Ends all sessions of a user.
pub(crate) async fn end_user_sessions(id: u64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("/api/v1/users/{id}/sessions")).await
}

/// The newest invitations that nobody has taken up.
pub(crate) async fn invitations() -> Result<Page<Invitation>, Fault> {
    json("/api/v1/invitations?limit=50").await
}

/// Invites somebody.
pub(crate) async fn invite(wish: &InvitationRequest) -> Result<NewInvitation, Fault> {
    ask(Method::POST, "/api/v1/invitations", wish).await
}

/// Takes an invitation back.
pub(crate) async fn withdraw(id: u64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("/api/v1/invitations/{id}")).await
}

/// A page of the audit log, newest first; an empty filter is none.
pub(crate) async fn audit(who: &str, what: &str, cursor: Option<&str>) -> Result<Page<AuditRecord>, Fault> {
    let filter = |name: &str, value: &str| match value.trim() {
        "" => String::new(),
        value => format!("&{name}={}", encoded(value)),
    };
    json(&format!("/api/v1/audit?limit=50{}{}{}", filter("who", who), filter("what", what), after(cursor))).await
}
