//! Accounts over HTTP: signing in, one's own account, users, invitations, and the audit log.
//!
//! Handlers read what was sent, ask [`crate::access::Accounts`], and shape answers. What holds is decided there.

pub(super) mod audit;
pub(super) mod invitations;
pub(super) mod own;
pub(super) mod session;
mod shape;
pub(super) mod users;

use api::Code;
use axum::{
    Router,
    extract::{Query, rejection::QueryRejection},
    routing::{delete, get, patch, post, put},
};
use serde::Deserialize;

use super::{Site, canonical, excerpt};
use crate::{
    access::{Denied, Pass},
    domain::access::{Caller, Scopes, UserId},
    problem::Fault,
};

/// The routes.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/api/v1/session", get(session::who).post(session::sign_in).delete(session::sign_out))
        .route("/api/v1/registration", post(session::register))
        .route("/api/v1/account/password", put(own::password))
        .route("/api/v1/account/sessions", get(own::sessions).delete(own::end_others))
        .route("/api/v1/account/sessions/{id}", delete(own::end))
        .route("/api/v1/tokens", get(own::tokens).post(own::make_token))
        .route("/api/v1/tokens/{id}", delete(own::revoke_token))
        .route("/api/v1/users", get(users::list).post(users::create))
        .route("/api/v1/users/{id}", patch(users::change).delete(users::delete))
        .route("/api/v1/users/{id}/sessions", get(users::sessions).delete(users::end_sessions))
        .route("/api/v1/invitations", get(invitations::list).post(invitations::create))
        .route("/api/v1/invitations/{id}", delete(invitations::withdraw))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/audit/export", get(audit::export))
}

/// The user who calls, by a session.
fn user(pass: &Pass) -> Result<(UserId, &str), Fault> {
    match &pass.caller {
        Caller::Person { id, name, .. } => Ok((*id, name)),
        _ => Err(Denied::Forbidden("only a user has an account".into()).into()),
    }
}

/// The same, with the password changed if it had to be.
fn settled(pass: &Pass) -> Result<UserId, Fault> {
    match &pass.caller {
        Caller::Person { scopes: Scopes::PASSWORD, .. } => {
            Err(Denied::Forbidden("change your password first: PUT /api/v1/account/password".into()).into())
        }
        _ => Ok(user(pass)?.0),
    }
}

/// A number in a path.
fn number(text: &str) -> Result<i64, Fault> {
    canonical::<i64>(text).filter(|id| *id > 0).ok_or_else(|| {
        Fault::new(Code::InvalidParameter, format!("expected a number from 1 on, found {:?}", excerpt(text)))
    })
}

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: u64,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn default_limit() -> u64 {
    50
}

/// Below which number a page starts, and how long it is.
fn page(query: Result<Query<ListQuery>, QueryRejection>) -> Result<(u64, u64), Fault> {
    let Query(ListQuery { limit, cursor }) =
        query.map_err(|error| Fault::new(Code::InvalidParameter, error.body_text()))?;
    Ok((before(cursor)?, super::anomalies::checked_limit(limit)?))
}

/// The number that a cursor says.
fn before(cursor: Option<String>) -> Result<u64, Fault> {
    let Some(cursor) = cursor else { return Ok(u64::MAX) };
    canonical(&cursor).ok_or_else(|| {
        Fault::new(Code::InvalidParameter, format!("expected a next_cursor, found {:?}", excerpt(&cursor)))
    })
}

/// A page of what has numbers, newest first.
fn paged<T>(items: Vec<T>, limit: u64, number: impl Fn(&T) -> u64) -> api::Page<T> {
    let next_cursor = items.last().filter(|_| items.len() as u64 == limit).map(|last| number(last).to_string());
    api::Page { items, next_cursor }
}
