//! Callers of every kind, for the tests of what each may do.

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Method},
};
use serde_json::Value;
use tower::ServiceExt;

use super::bench::Bench;
use crate::{
    access::Pass,
    domain::access::{Caller, Role, Roles},
};

pub(super) const PASSWORD: &str = "a long enough password";

/// What somebody shows with each request.
#[derive(Debug, Clone)]
pub(super) enum Shows {
    Nothing,
    Cookie(String),
    Bearer(String),
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Bench {
    /// Asks as a program or a page of ours does.
    pub(super) async fn ask(&self, shows: &Shows, method: &str, path: &str, body: Option<Value>) -> Reply {
        let mut headers = vec![("content-type", "application/json"), ("origin", "http://localhost:8080")];
        let shown = match shows {
            Shows::Nothing => None,
            Shows::Cookie(cookie) => Some(("cookie", format!("als={cookie}"))),
            Shows::Bearer(secret) => Some(("authorization", format!("Bearer {secret}"))),
        };
        headers.extend(shown.iter().map(|(name, value)| (*name, value.as_str())));
        self.ask_with(&headers, method, path, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// Asks with these headers and no others but the host.
    pub(super) async fn ask_with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: String) -> Reply {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.header("host", "localhost:8080").body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo::<std::net::SocketAddr>("192.0.2.7:5000".parse().unwrap()));
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let endless = parts.headers.get("content-type").is_some_and(|value| value == "text/event-stream");
        let body = if endless { Vec::new() } else { to_bytes(body, usize::MAX).await.unwrap().to_vec() };
        Reply { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8_lossy(&body).into() }
    }

    /// Makes a user with [`PASSWORD`]; gives the number.
    pub(super) async fn user(&self, name: &str, roles: &[Role]) -> i64 {
        let nobody = Pass { caller: Caller::Nobody, from: [127, 0, 0, 1].into(), credential: None };
        let roles = Roles::of(roles.iter().copied());
        let made = self.house.accounts.create_user(&nobody, name, roles).await.unwrap();
        let session = self.sign_in_with(name, &made.secret).await;
        let change = serde_json::json!({ "current": made.secret, "new": PASSWORD });
        let changed = self.ask(&session, "PUT", "/api/v1/account/password", Some(change)).await;
        assert_eq!(changed.status, 204, "{}", changed.text);
        made.kept.id.0
    }

    /// A new session of that user.
    pub(super) async fn sign_in(&self, name: &str) -> Shows {
        self.sign_in_with(name, PASSWORD).await
    }

    pub(super) async fn sign_in_with(&self, name: &str, password: &str) -> Shows {
        let reply = self.try_sign_in(name, password).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        let cookie = reply.headers["set-cookie"].to_str().unwrap();
        Shows::Cookie(cookie.split_once('=').unwrap().1.split_once(';').unwrap().0.to_owned())
    }

    pub(super) async fn try_sign_in(&self, name: &str, password: &str) -> Reply {
        let body = serde_json::json!({ "name": name, "password": password });
        self.ask(&Shows::Nothing, "POST", "/api/v1/session", Some(body)).await
    }

    /// Registers a device of this owner's, unless it is registered. `admin` shows who may.
    pub(super) async fn device(&self, admin: &Shows, name: &str, owner: i64) {
        let body = serde_json::json!({ "name": name, "type": "generic", "owner": owner });
        let made = self.ask(admin, "POST", "/api/v1/devices", Some(body)).await;
        assert!([201, 409].contains(&made.status), "{}", made.text);
    }

    /// A new key of a device.
    pub(super) async fn key(&self, admin: &Shows, device: &str) -> Shows {
        let path = format!("/api/v1/devices/{device}/keys");
        let made = self.ask(admin, "POST", &path, Some(serde_json::json!({}))).await;
        assert_eq!(made.status, 201, "{}", made.text);
        Shows::Bearer(made.json()["key"].as_str().unwrap().to_owned())
    }

    /// A new token with these scopes; gives it and its number.
    pub(super) async fn token(&self, session: &Shows, scopes: &[&str]) -> (Shows, u64) {
        let body = serde_json::json!({ "name": "a program", "scopes": scopes });
        let made = self.ask(session, "POST", "/api/v1/tokens", Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made: api::NewToken = serde_json::from_str(&made.text).unwrap();
        (Shows::Bearer(made.secret), made.token.id)
    }
}
