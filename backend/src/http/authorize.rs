//! Who is calling, and whether this route serves them. Handlers find the [`Pass`] among the request's extensions.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    access::{Credentials, Denied, Gate, Pass, routes},
    domain::Clock,
    problem::Fault,
    transport::Peer,
};

/// What is needed to tell callers apart.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Lets those in who may take the route's action, and nobody on a route that is not in the table.
pub(super) async fn authorize(
    State(door): State<Door>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let pass = match door.pass(&request) {
        Ok(pass) => pass,
        Err(denied) => return Fault::from(denied).into_response(),
    };
    // What the router does not take with this method it answers itself.
    if let Some(action) = routes::action(request.method(), path.as_str()) {
        if pass.caller.may(action).is_none() {
            let denied = match pass.caller {
                crate::domain::access::Caller::Nobody => Denied::Anonymous("sign in, or show a key"),
                _ => Denied::Forbidden("your roles, or the token's scopes, do not allow this".into()),
            };
            return Fault::from(denied).into_response();
        }
    } else if routes::ROUTES.iter().all(|(_, route, _)| *route != path.as_str()) {
        return Fault::from(Denied::Forbidden("this route serves nobody".into())).into_response();
    }
    request.extensions_mut().insert(pass);
    next.run(request).await
}

impl Door {
    fn pass(&self, request: &Request) -> Result<Pass, Denied> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let from = peer.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
        let device = request.extensions().get::<Peer>().and_then(|peer| peer.device.as_deref());
        let shown = match (credentials(request.headers()), device) {
            (Credentials::Nothing, Some(device)) => Credentials::Certificate(device),
            (shown, _) => shown,
        };
        self.gate.admit(shown, from, self.clock.now())
    }
}

/// What a request shows. A bearer's key counts before a cookie, so that a program in a browser can choose.
fn credentials(headers: &HeaderMap) -> Credentials<'_> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    match bearer {
        Some(value) => Credentials::Key(value.strip_prefix("Bearer ").unwrap_or(value).trim()),
        None => Credentials::Nothing,
    }
}
