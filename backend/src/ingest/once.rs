//! `Idempotency-Key`: a request that is sent again because its answer was lost changes nothing.
//!
//! Readings with a sequence number or a time are recognised by it. One with neither is new each time it comes, unless the
//! request has a key: then the time at which it first came is kept, before anything of it is submitted, and is the time of
//! its readings whenever it comes again. So it makes no difference after which step the service was killed.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api::Code;
use axum::http::{HeaderMap, HeaderName};
use ledger::hash::sha256;

use crate::{
    domain::{
        Micros, Millis,
        access::Caller,
        ports::{KeyedRequest, Requests, Use},
    },
    problem::{Fault, blocking},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest key, in bytes: room for several UUIDs.
const MAX_KEY: usize = 255;

/// What is known of requests with a key.
pub(crate) struct Once {
    requests: Arc<dyn Requests>,
    /// The first microsecond that no request has for its readings.
    next: AtomicI64,
}

impl Once {
    /// Kept here.
    pub(crate) fn new(requests: Arc<dyn Requests>) -> Self {
        Self { requests, next: AtomicI64::new(i64::MIN) }
    }

    /// The time of the first reading without a time of this request, which has so many readings; each later one comes a
    /// microsecond later. `None` for a request without key.
    ///
    /// # Errors
    /// If the key is none, came with another body, or there are too many of this caller; or of the store.
    pub(super) async fn arrival(
        &self,
        headers: &HeaderMap,
        caller: &Caller,
        body: &[u8],
        (readings, now): (usize, Millis),
    ) -> Result<Option<Micros>, Fault> {
        let Some(key) = key(headers)? else { return Ok(None) };
        let caller = match caller {
            // Names may change.
            Caller::Person { id, .. } => format!("user {}", id.0),
            other => other.to_string(),
        };
        let request = KeyedRequest { caller, key, digest: sha256(&[body]), arrived: self.reserve(readings, now), now };
        let requests = Arc::clone(&self.requests);
        let arrived = request.arrived;
        match blocking(move || requests.first_use(&request)).await? {
            Use::First => Ok(Some(arrived)),
            Use::Again(first) => Ok(Some(first)),
            Use::OtherBody => {
                Err(Fault::new(Code::Conflict, "this Idempotency-Key came with another body within the last 24 hours"))
            }
            Use::TooMany(most) => {
                let what = format!(
                    "{most} requests of yours within the last 24 hours had an Idempotency-Key, which is as many as are \
                     remembered: send sequence numbers or times instead"
                );
                Err(Fault::new(Code::TooManyRequests, what))
            }
        }
    }

    /// Takes as many microseconds from now on that no other request has taken.
    fn reserve(&self, readings: usize, now: Millis) -> Micros {
        let (now, count) = (Micros::from(now).0, readings as i64);
        let from = |next: i64| next.max(now);
        let before = self.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, |next| Some(from(next) + count));
        Micros(from(before.unwrap_or(now)))
    }
}

/// The request's key.
fn key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let mut lines = headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    // As a text between quotes, which the draft of the header's standard asks for, or bare, as most clients send it.
    let text = line.to_str().unwrap_or_default().trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if lines.next().is_some() || !(1..=MAX_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let what = format!("expected one Idempotency-Key of 1 to {MAX_KEY} visible ASCII characters");
        return Err(Fault::new(Code::InvalidParameter, what));
    }
    Ok(Some(key.to_owned()))
}
