//! One's own account: password, sessions, tokens.

use api::{NewToken, PasswordChange, Session, Token, TokenRequest};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Site, number, settled, shape, user};
use crate::{
    access::{Pass, TokenWish},
    domain::people::Which,
    http::json::Sent,
    problem::{Absent, Asked, Clashing, Fault, Guarded, Parameters, Stored, Tried},
};

/// Change one's password
///
/// All other sessions of the user end. Slowed down like signing in.
#[utoipa::path(
    put, path = "/api/v1/account/password", tag = "accounts", request_body = PasswordChange,
    responses(Guarded, Asked, Tried, Stored, (status = 204, description = "Changed"))
)]
pub(crate) async fn password(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Sent(PasswordChange { current, new }): Sent<PasswordChange>,
) -> Result<StatusCode, Fault> {
    site.accounts.change_password(&pass, user(&pass)?, current, new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List one's sessions
#[utoipa::path(
    get, path = "/api/v1/account/sessions", tag = "accounts",
    responses(Guarded, Stored, (status = 200, body = Vec<Session>, description = "Newest first; at most 32"))
)]
pub(crate) async fn sessions(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
) -> Result<Json<Vec<Session>>, Fault> {
    let person = site.accounts.person(settled(&pass)?).await?;
    let current = current(&pass);
    let sessions = person.into_iter().flat_map(|person| person.sessions);
    Ok(Json(sessions.map(|session| shape::session(session, current)).collect()))
}

/// End all sessions of one's own but the one that asks
#[utoipa::path(
    delete, path = "/api/v1/account/sessions", tag = "accounts",
    responses(Guarded, Stored, (status = 204, description = "Ended, on open connections too"))
)]
pub(crate) async fn end_others(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
) -> Result<StatusCode, Fault> {
    let which = current(&pass).map_or(Which::All, Which::Others);
    site.accounts.end_sessions(&pass, settled(&pass)?, which).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a session of one's own
#[utoipa::path(
    delete, path = "/api/v1/account/sessions/{id}", tag = "accounts",
    params(("id" = u64, Path, description = "The session's number")),
    responses(Guarded, Parameters, Absent, Stored, (status = 204, description = "Ended, on open connections too"))
)]
pub(crate) async fn end(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    site.accounts.end_sessions(&pass, settled(&pass)?, Which::One(number(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List one's tokens
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "accounts",
    responses(Guarded, Stored, (status = 200, body = Vec<Token>, description = "Newest first, with those that ended in the last 90 days"))
)]
pub(crate) async fn tokens(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
) -> Result<Json<Vec<Token>>, Fault> {
    let person = site.accounts.person(settled(&pass)?).await?;
    Ok(Json(person.into_iter().flat_map(|person| person.tokens).map(shape::token).collect()))
}

/// Make a token
///
/// It does what its maker may do, as far as its scopes allow, and never manages users or tokens. The secret is shown this
/// once.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "accounts", request_body = TokenRequest,
    responses(Guarded, Asked, Clashing, Stored, (status = 201, body = NewToken, description = "Made"))
)]
pub(crate) async fn make_token(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Sent(TokenRequest { name, scopes, expires_days }): Sent<TokenRequest>,
) -> Result<Response, Fault> {
    let scopes = scopes.into_iter().map(shape::scope_in).collect();
    let wish = TokenWish { name, scopes, days: expires_days };
    let made = site.accounts.make_token(&pass, settled(&pass)?, wish).await?;
    let token = NewToken { secret: made.secret, token: shape::token(made.kept) };
    Ok((StatusCode::CREATED, Json(token)).into_response())
}

/// Revoke a token
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "accounts",
    params(("id" = u64, Path, description = "The token's number")),
    responses(Guarded, Parameters, Absent, Stored, (status = 204, description = "Revoked, on open connections too"))
)]
pub(crate) async fn revoke_token(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    site.accounts.revoke_token(&pass, settled(&pass)?, number(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The number of the session that asks.
fn current(pass: &Pass) -> Option<i64> {
    pass.credential.as_ref().and_then(|credential| credential.session())
}
