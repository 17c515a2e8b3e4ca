//! Signing in and out, registering, and who is calling.

use api::{CallerKind, Identity, Permission, Registration, SignIn, User};
use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{super::authorize::From, Site, shape, user};
use crate::{
    access::{Pass, Registering, SignedIn},
    domain::access::{Action, Caller, Scopes},
    http::{credentials, json::Sent},
    problem::{Asked, Clashing, Fault, Guarded, Stored, Tried},
};

/// Seconds that a browser keeps the cookie: as long as a session lasts at most, 7 days.
const COOKIE: i64 = 7 * 24 * 3_600;

/// Who am I?
///
/// What the caller is and may do. Answers everybody; who has shown nothing is `nobody`, or in a trial `trial`.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "accounts",
    responses(Guarded, Stored, (status = 200, body = Identity))
)]
pub(crate) async fn who(State(site): State<Site>, Extension(pass): Extension<Pass>) -> Json<Identity> {
    Json(identity(&site, &pass.caller))
}

/// Sign in
///
/// The answer sets the session's cookie: HttpOnly, SameSite=Strict, and by TLS Secure. A session ends 12 hours after its
/// last use, and after 7 days. A wrong name and a wrong password get the same answer. After 5 failures of a name, or 20 from
/// an address, each further one doubles the wait, up to 15 minutes.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "accounts", request_body = SignIn,
    responses(
        Guarded, Asked, Tried, Stored,
        (status = 200, body = Identity, description = "Signed in", headers(("set-cookie" = String, description = "The session's cookie"))),
    )
)]
pub(crate) async fn sign_in(
    State(site): State<Site>,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    Sent(SignIn { name, password }): Sent<SignIn>,
) -> Result<Response, Fault> {
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let SignedIn { cookie, caller } =
        site.accounts.sign_in(&name, password, from.address, &agent.unwrap_or_default()).await?;
    let cookie = credentials::cookie(&cookie, from.secure, COOKIE);
    Ok(([(header::SET_COOKIE, cookie)], Json(identity(&site, &caller))).into_response())
}

/// Sign out
///
/// Ends the session that asks, also where it is in use, and takes its cookie away.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "accounts",
    responses(Guarded, Stored, (status = 204, description = "Signed out"))
)]
pub(crate) async fn sign_out(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Extension(from): Extension<From>,
) -> Result<Response, Fault> {
    site.accounts.sign_out(&pass, user(&pass)?.0).await?;
    let cookie = credentials::no_cookie(from.secure);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Register
///
/// With an invitation, or without one where the service was started with `--open-registration`, which makes device
/// owners. Signing in comes after.
#[utoipa::path(
    post, path = "/api/v1/registration", tag = "accounts", request_body = Registration,
    responses(Guarded, Asked, Tried, Clashing, Stored, (status = 201, body = User, description = "Registered"))
)]
pub(crate) async fn register(
    State(site): State<Site>,
    Extension(from): Extension<From>,
    Sent(Registration { name, password, invitation }): Sent<Registration>,
) -> Result<Response, Fault> {
    let id = site.accounts.register(Registering { name, password, invitation }, from.address).await?;
    let person = site.accounts.person(id).await?;
    let gone = || Fault::new(api::Code::NotFound, "the user was deleted meanwhile");
    let user = shape::user(person.ok_or_else(gone)?.user);
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

fn identity(site: &Site, caller: &Caller) -> Identity {
    let may = |action: &Action| {
        let reach = shape::reach(caller.may(*action)?);
        Some(Permission { action: action.name().into(), reach })
    };
    let nobody = Identity {
        caller: CallerKind::Nobody,
        id: None,
        name: None,
        roles: Vec::new(),
        scopes: None,
        may: Action::ALL.iter().filter_map(may).collect(),
        must_change_password: false,
        trial: site.trial,
        open_registration: site.accounts.open_registration(),
    };
    match caller {
        Caller::Nobody => nobody,
        Caller::Trial => Identity { caller: CallerKind::Trial, ..nobody },
        Caller::Device(name) => Identity { caller: CallerKind::Device, name: Some(name.to_string()), ..nobody },
        Caller::Person { id, name, roles, scopes } => Identity {
            caller: CallerKind::User,
            id: Some(id.0.unsigned_abs()),
            name: Some(name.clone()),
            roles: shape::roles_out(*roles),
            scopes: (![Scopes::SESSION, Scopes::PASSWORD].contains(scopes))
                .then(|| scopes.iter().map(shape::scope_out).collect()),
            must_change_password: *scopes == Scopes::PASSWORD,
            ..nobody
        },
    }
}
