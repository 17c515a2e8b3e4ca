//! The way to the node: JSON-RPC over HTTP, bounded in time and size.
//!
//! No retries, no redirects, no batches; and no proxy on the way to a node of this machine.

use std::{task, time::Duration};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use reqwest::{Client, Url, redirect};
use tower::Service;

use crate::domain::loopback::is_loopback;

/// The longest answer that is read. The largest that is asked for is a block with its transactions' hashes, 69 bytes
/// each: 60,000 of them fit, some forty times what the largest block of Ethereum holds.
const MAX_ANSWER: usize = 4 << 20;

/// As much of an answer that is no JSON-RPC as a message repeats.
const SHOWN: usize = 200;

/// A node behind an address.
#[derive(Clone)]
pub(super) struct BoundedHttp {
    client: Client,
    url: Url,
}

/// The node said more than anybody asked for.
#[derive(Debug, thiserror::Error)]
#[error("expected an answer of {MAX_ANSWER} bytes at most, found more")]
struct TooLong;

impl BoundedHttp {
    /// A way that gives up after `timeout`; nothing is sent yet.
    pub(super) fn new(url: Url, timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = Client::builder().timeout(timeout).redirect(redirect::Policy::none());
        let builder = if is_loopback(&url) { builder.no_proxy() } else { builder };
        Ok(Self { client: builder.build()?, url })
    }

    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let sent = self.client.post(self.url).json(&request).send().await;
        let mut response = sent.map_err(|error| TransportErrorKind::custom(error.without_url()))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|error| TransportErrorKind::custom(error.without_url()))?
        {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(TransportErrorKind::custom(TooLong));
            }
            body.extend_from_slice(&piece);
        }
        // Some nodes give an error of JSON-RPC another status than 200: what it says counts, if it says something.
        serde_json::from_slice(&body).map_err(|error| {
            let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
            match status.is_success() {
                true => TransportError::deser_err(error, shown),
                false => TransportErrorKind::http_error(status.as_u16(), shown),
            }
        })
    }
}

impl Service<RequestPacket> for BoundedHttp {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
