//! Who is calling, and whether this route serves them. Handlers find the [`Pass`] among the request's extensions.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::credentials::{self, Shown};
use crate::{
    access::{Credentials, Denied, Gate, Pass, Trail, routes},
    domain::{
        Clock,
        access::{Action, Caller},
    },
    problem::Fault,
    transport::Peer,
};

/// What is needed to tell callers apart.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where refusals of consequence go.
    pub(crate) trail: Trail,
}

/// From where a request came.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) address: IpAddr,
    /// Whether it came by TLS.
    pub(super) secure: bool,
}

/// Lets those in who may take the route's action, and nobody on a route that is not in the table.
pub(super) async fn authorize(
    State(door): State<Door>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let from = From::of(&request);
    let action = routes::action(request.method(), path.as_str());
    let (pass, old_cookie) = match door.pass(&request, from, action) {
        Ok(admitted) => admitted,
        Err(refused) => return refused.answer(from),
    };
    // What the router does not take with this method it answers itself.
    if let Some(action) = action {
        if pass.caller.may(action).is_none() {
            let denied = match pass.caller {
                Caller::Nobody => Denied::Anonymous("sign in, or show a key"),
                _ => Denied::Forbidden("your roles, or the token's scopes, do not allow this".into()),
            };
            let response = Fault::from(denied).into_response();
            door.note(&pass, request.method(), request.uri().path(), &response);
            return response;
        }
    } else if routes::ROUTES.iter().all(|(_, route, _)| *route != path.as_str()) {
        return Fault::from(Denied::Forbidden("this route serves nobody".into())).into_response();
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let extensions = request.extensions_mut();
    extensions.insert(pass.clone());
    extensions.insert(from);
    let mut response = next.run(request).await;
    door.note(&pass, &method, uri.path(), &response);
    // Who signs in here gets a new one.
    if old_cookie && !response.headers().contains_key(header::SET_COOKIE) {
        take_cookie_away(&mut response, from);
    }
    response
}

/// Tells a browser to forget its session's cookie.
fn take_cookie_away(response: &mut Response, from: From) {
    if let Ok(cookie) = HeaderValue::try_from(credentials::no_cookie(from.secure)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Why a request is not let in.
enum Refused {
    Denied(Denied),
    /// The session's cookie does not hold any more: the browser is told to forget it.
    OldCookie,
}

impl Refused {
    fn answer(self, from: From) -> Response {
        match self {
            Refused::Denied(denied) => Fault::from(denied).into_response(),
            Refused::OldCookie => {
                let mut response = Fault::from(Denied::Unknown).into_response();
                take_cookie_away(&mut response, from);
                response
            }
        }
    }
}

impl Door {
    /// Whom a request is from, and whether it shows a session that has ended and was let in all the same.
    fn pass(&self, request: &Request, from: From, action: Option<Action>) -> Result<(Pass, bool), Refused> {
        let shown = credentials::shown(request, from.secure);
        let stranger = || Refused::Denied(Denied::Forbidden("this came from a page of another origin".into()));
        if !shown.may_come_from(request, from.secure) {
            return Err(stranger());
        }
        let now = self.clock.now();
        let admit = |credentials| self.gate.admit(credentials, from.address, now).map_err(Refused::Denied);
        let shown = match &shown {
            Shown::Nothing => Credentials::Nothing,
            Shown::Key(key) => Credentials::Key(key),
            Shown::Certificate(device) => Credentials::Certificate(device),
            Shown::Session(cookie) => match admit(Credentials::Session(cookie)) {
                Ok(pass) => return Ok((pass, false)),
                // The page from which one signs in again has to come, whatever the browser still has.
                Err(_) if action == Some(Action::Open) => return Ok((admit(Credentials::Nothing)?, true)),
                Err(_) => return Err(Refused::OldCookie),
            },
        };
        Ok((admit(shown)?, false))
    }

    /// Leaves a record of who was known and wanted to change something that they may not.
    fn note(&self, pass: &Pass, method: &Method, path: &str, response: &Response) {
        let known = matches!(pass.caller, Caller::Person { .. } | Caller::Device(_));
        if known && response.status() == StatusCode::FORBIDDEN && !method.is_safe() {
            self.trail.refused(pass, "request.refuse", &format!("{method} {path}"), "forbidden");
        }
    }
}

impl From {
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let socket = || extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let peer = extensions.get::<Peer>();
        let address = peer.map(|peer| peer.address).or_else(socket).map(|address| address.ip().to_canonical());
        Self { address: address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), secure: peer.is_some_and(|peer| peer.secure) }
    }
}
