//! Users, for administrators.

use api::{ChangedUser, Code, Page, Session, User, UserChange, UserRequest, UserState};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{ListQuery, Site, number, page, paged, shape};
use crate::{
    access::Pass,
    domain::{access::UserId, people::Which},
    http::json::Sent,
    problem::{Absent, Asked, Clashing, Fault, Guarded, Parameters, Stored},
};

/// List users
#[utoipa::path(
    get, path = "/api/v1/users", tag = "accounts", params(ListQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<User>, description = "Newest first"))
)]
pub(crate) async fn list(
    State(site): State<Site>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<User>>, Fault> {
    let (before, limit) = page(query)?;
    let users = site.accounts.users(before, limit).await?.into_iter().map(shape::user).collect();
    Ok(Json(paged(users, limit, |user: &User| user.id)))
}

/// Make a user
///
/// The answer shows a password, this once, that has to be changed at the first sign-in. An invitation does without.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "accounts", request_body = UserRequest,
    responses(Guarded, Asked, Clashing, Stored, (status = 201, body = ChangedUser, description = "Made"))
)]
pub(crate) async fn create(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Sent(UserRequest { name, roles }): Sent<UserRequest>,
) -> Result<Response, Fault> {
    let made = site.accounts.create_user(&pass, &name, shape::roles_in(roles)).await?;
    let made = ChangedUser { user: shape::user(made.kept), password: Some(made.secret) };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Change a user
///
/// Roles and state hold at once, on open connections too. The last active administrator stays one.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "accounts", request_body = UserChange,
    params(("id" = u64, Path, description = "The user's number")),
    responses(Guarded, Asked, Absent, Clashing, Stored, (status = 200, body = ChangedUser, description = "Changed"))
)]
pub(crate) async fn change(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
    Sent(change): Sent<UserChange>,
) -> Result<Json<ChangedUser>, Fault> {
    if change == UserChange::default() {
        return Err(Fault::new(Code::MalformedBody, "expected something to change"));
    }
    let UserChange { roles, state, reset_password } = change;
    let active = state.map(|state| state == UserState::Active);
    let roles = roles.map(shape::roles_in);
    let changed = site.accounts.change_user(&pass, UserId(number(&id)?), roles, active, reset_password).await?;
    let (user, password) = changed;
    Ok(Json(ChangedUser { user: shape::user(user), password }))
}

/// Delete a user
///
/// With sessions and tokens. The audit log keeps the name. The last active administrator cannot be deleted.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "accounts",
    params(("id" = u64, Path, description = "The user's number")),
    responses(Guarded, Parameters, Absent, Clashing, Stored, (status = 204, description = "Deleted"))
)]
pub(crate) async fn delete(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    site.accounts.delete_user(&pass, UserId(number(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a user's sessions
#[utoipa::path(
    get, path = "/api/v1/users/{id}/sessions", tag = "accounts",
    params(("id" = u64, Path, description = "The user's number")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = Vec<Session>, description = "Newest first; at most 32"))
)]
pub(crate) async fn sessions(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Session>>, Fault> {
    let person = site.accounts.person(UserId(number(&id)?)).await?;
    let person = person.ok_or_else(|| Fault::new(Code::NotFound, "there is no such user"))?;
    let current = pass.credential.as_ref().and_then(|credential| credential.session());
    Ok(Json(person.sessions.into_iter().map(|session| shape::session(session, current)).collect()))
}

/// End a user's sessions
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/sessions", tag = "accounts",
    params(("id" = u64, Path, description = "The user's number")),
    responses(Guarded, Parameters, Absent, Stored, (status = 204, description = "Ended, on open connections too"))
)]
pub(crate) async fn end_sessions(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    site.accounts.end_sessions(&pass, UserId(number(&id)?), Which::All).await?;
    Ok(StatusCode::NO_CONTENT)
}
