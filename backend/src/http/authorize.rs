//! Who is calling, and whether this route serves them. Handlers find the [`Pass`] among the request's extensions.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::shown;
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
        let key = shown::key(request);
        let shown = match (&key, device) {
            (Some(key), _) => Credentials::Key(key),
            (None, Some(device)) => Credentials::Certificate(device),
            (None, None) => Credentials::Nothing,
        };
        self.gate.admit(shown, from, self.clock.now())
    }
}
