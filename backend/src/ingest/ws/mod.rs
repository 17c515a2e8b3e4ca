//! `GET /api/v1/ws`: readings in, verdicts and feeds out, over one connection (docs/websocket.md).

mod connection;
mod feeds;
mod message;
mod subscription;

use api::Code;
use axum::{
    Extension,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use tokio::sync::watch;

use super::{Intake, accept::Counted};
use crate::{
    access::{Pass, Trail},
    domain::access::Caller,
    problem::{Fault, Guarded},
};
pub(crate) use feeds::Feeds;

/// The longest message: some 10,000 readings of 3 metrics.
const MAX_MESSAGE: usize = 1 << 20;

/// The longest message on a connection whose caller was not known when it was opened. Such connections cost nothing but a
/// place, so each may hold less.
const MAX_MESSAGE_UNKNOWN: usize = 64 << 10;

/// What is read at once, and held by each connection all the time.
const READ_BUFFER: usize = 4 << 10;

/// What waits to be written before it is; begins with nothing.
const WRITE_BUFFER: usize = 16 << 10;

/// The longest answer: 10,000 results with a sentence take some 5 MB.
const MAX_WRITE_BUFFER: usize = 16 << 20;

/// What connections work with.
#[derive(Clone)]
pub(crate) struct Sockets {
    /// Where readings go.
    pub(crate) intake: Intake,
    /// What can be listened to.
    pub(crate) feeds: Feeds,
    /// Where it is recorded who reads payloads.
    pub(crate) trail: Trail,
    /// Turns true when the service is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Send readings and listen, over a WebSocket
///
/// JSON messages both ways: readings and their acknowledgements, subscriptions and what they bring. OpenAPI cannot
/// describe it; docs/websocket.md does. Who cannot send headers says a hello with a key first.
#[utoipa::path(
    get, path = "/api/v1/ws", tag = "intake",
    responses(
        Guarded,
        (status = 101, description = "From here on it is a WebSocket"),
        (status = 400, body = api::Problem, content_type = "application/problem+json", description = "Not a WebSocket's handshake"),
    )
)]
pub(crate) async fn connect(
    State(sockets): State<Sockets>,
    Extension(pass): Extension<Pass>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Fault> {
    let upgrade = upgrade.map_err(|refused| {
        Fault::new(Code::InvalidParameter, format!("expected a WebSocket's handshake: {}", refused.body_text()))
    })?;
    let longest = if pass.caller == Caller::Nobody { MAX_MESSAGE_UNKNOWN } else { MAX_MESSAGE };
    let upgrade = upgrade.max_message_size(longest).max_frame_size(longest).read_buffer_size(READ_BUFFER);
    let upgrade = upgrade.write_buffer_size(WRITE_BUFFER).max_write_buffer_size(MAX_WRITE_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _counted = Counted::new("websocket");
        connection::serve(socket, pass, sockets).await;
    }))
}
