//! A service that is no trial: everybody shows who they are.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    chain::Chain,
    command, poll,
    service::{Answer, Service, http, send},
    trial::Trial,
};

/// The administrator's password.
pub const PASSWORD: &str = "a password of the tests";

/// A service that is no trial, on a chain of its own, with an administrator who has signed in.
#[derive(Debug)]
pub struct Guarded {
    /// The chain, the directory and the service; what it asks, it asks as nobody.
    pub trial: Trial,
    /// The administrator.
    pub admin: Session,
}

/// Somebody who has signed in, or shows a key.
#[derive(Debug, Clone)]
pub struct Session {
    url: String,
    shown: (&'static str, String),
}

impl Guarded {
    /// Starts chain and service, and makes the administrator `root`.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, with further flags of `serve`.
    pub async fn with(flags: &[&str]) -> Self {
        let mut trial = Trial::prepare(Chain::start().await).await;
        trial.settings().trial = false;
        trial.settings().flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        create_user(trial.data_dir(), "root", &["admin"], PASSWORD).await;
        trial.start_service().await;
        let admin = Session::of(&trial.url(), "root", PASSWORD).await;
        Self { trial, admin }
    }

    /// The service's address.
    pub fn url(&self) -> String {
        self.trial.url()
    }

    /// The running service.
    pub fn service(&self) -> &Service {
        self.trial.service()
    }

    /// Makes a user with these roles, who has signed in with [`PASSWORD`].
    pub async fn user(&self, name: &str, roles: &[&str]) -> Session {
        let invited = self.admin.post("/api/v1/invitations", &json!({ "roles": roles })).await;
        assert_eq!(invited.status, 201, "{}", invited.text());
        let body = json!({ "name": name, "password": PASSWORD, "invitation": invited.json()["secret"] });
        let made = Session::nobody(&self.url()).post("/api/v1/registration", &body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        Session::of(&self.url(), name, PASSWORD).await
    }

    /// Waits until the service says that it is ready.
    pub async fn ready(&self) {
        let nobody = Session::nobody(&self.url());
        poll::until("the service is ready", async || (nobody.get("/ready").await.status == 200).then_some(())).await;
    }
}

/// Makes a user by the command, with this password.
pub async fn create_user(data_dir: &Path, name: &str, roles: &[&str], password: &str) {
    let mut args: Vec<std::ffi::OsString> = ["admin", "user", "create", name].map(Into::into).into();
    args.extend(roles.iter().flat_map(|role| ["--role".into(), (*role).into()]));
    args.extend(["--data-dir".into(), data_dir.into()]);
    command::run_with_input(args, format!("{password}\n")).await.expect_success();
}

impl Session {
    /// Who shows nothing.
    pub fn nobody(url: &str) -> Self {
        Self { url: url.to_owned(), shown: ("x-nothing", "shown".into()) }
    }

    /// Who shows this key or token.
    pub fn key(url: &str, key: &str) -> Self {
        Self { url: url.to_owned(), shown: ("authorization", format!("Bearer {key}")) }
    }

    /// Signs in.
    pub async fn of(url: &str, name: &str, password: &str) -> Self {
        let body = json!({ "name": name, "password": password });
        let answer = Self::nobody(url).post("/api/v1/session", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = answer.headers.iter().find(|(name, _)| name == "set-cookie").expect("a cookie").1.clone();
        let cookie = cookie.split(';').next().expect("a value").to_owned();
        Self { url: url.to_owned(), shown: ("cookie", cookie) }
    }

    /// What it shows: the header's name and value.
    pub fn shown(&self) -> (&'static str, &str) {
        (self.shown.0, &self.shown.1)
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(body)).await
    }

    /// Asks with this method, as a page of the service's own does.
    ///
    /// # Panics
    /// If the connection fails.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let method = method.parse().expect("a method");
        let request = http().request(method, format!("{}{path}", self.url)).header(self.shown.0, &self.shown.1);
        let request = request.header("origin", &self.url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        send(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Makes a token with these scopes, and gives who shows it.
    pub async fn token(&self, scopes: &[&str]) -> Session {
        let answer = self.post("/api/v1/tokens", &json!({ "name": "a program", "scopes": scopes })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Session::key(&self.url, answer.json()["secret"].as_str().expect("a secret"))
    }
}
