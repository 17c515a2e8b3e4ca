//! How much of requests' bodies may be under way at one time.
//!
//! Who sends more than can be held is told to send again; nothing is read, and so nothing is lost.

use std::sync::{Arc, Mutex, PoisonError};

use api::Code;
use axum::{
    body::HttpBody,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{domain::MAX_BODY, problem::Fault};

/// The unit of the account.
const KIB: u64 = 1 << 10;

/// Bytes of bodies under way, by what their headers announce: 32 bodies of 4 MiB, or 131,072 of a small reading. With
/// the readings that are decoded from them, and are not larger, they take at most 2 × 128 MiB.
const BUDGET: u64 = 128 << 20;

/// The account.
#[derive(Debug, Clone)]
pub(crate) struct Bodies(Arc<Semaphore>);

/// What a request has reserved, among its extensions; given back with the last of its clones.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    account: Arc<Semaphore>,
    held: Arc<Mutex<OwnedSemaphorePermit>>,
}

impl Reserved {
    /// Reserves more, so that it is so many bytes together: what came compressed is longer than it has announced.
    ///
    /// # Errors
    /// If that is more than can be held at the moment.
    pub(crate) fn grow_to(&self, bytes: usize) -> Result<(), Fault> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let more = kib(bytes as u64).saturating_sub(held.num_permits() as u32);
        if more == 0 {
            return Ok(());
        }
        held.merge(Arc::clone(&self.account).try_acquire_many_owned(more).map_err(|_| full())?);
        Ok(())
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

fn full() -> Fault {
    Fault::new(Code::Unavailable, "the service is reading as much as it can hold: send it again")
}

impl Bodies {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new((BUDGET / KIB) as usize)))
    }
}

/// Reserves what the body announces until the request is answered, or refuses it.
pub(crate) async fn reserve(State(Bodies(account)): State<Bodies>, mut request: Request, next: Next) -> Response {
    let announced = request.body().size_hint().upper().unwrap_or(MAX_BODY as u64).min(MAX_BODY as u64);
    let Ok(held) = Arc::clone(&account).try_acquire_many_owned(kib(announced)) else { return full().into_response() };
    let reserved = Reserved { account, held: Arc::new(Mutex::new(held)) };
    request.extensions_mut().insert(reserved.clone());
    let response = next.run(request).await;
    drop(reserved);
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, Bytes},
        http::StatusCode,
        middleware,
        routing::post,
    };
    use futures_util::stream;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn refuses_what_cannot_be_held() {
        let bodies = Bodies::new();
        let router = Router::new()
            .route("/", post(|body: Bytes| async move { body.len().to_string() }))
            .layer(middleware::from_fn_with_state(bodies.clone(), reserve));
        let send = |body: Body| {
            let router = router.clone();
            async move { router.oneshot(Request::post("/").body(body).unwrap()).await.unwrap() }
        };
        let silent = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let slow: Vec<_> = (0..32).map(|_| tokio::spawn(send(silent()))).collect();
        let all_taken = async {
            while bodies.0.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), all_taken).await.unwrap();
        let refused = send(Body::from("x")).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        slow.iter().for_each(|task| task.abort());
        for task in slow {
            let _ = task.await;
        }
        assert_eq!(send(Body::from("x")).await.status(), StatusCode::OK);
        assert_eq!(bodies.0.available_permits() as u64 * KIB, BUDGET);
    }

    #[test]
    fn what_is_unpacked_is_reserved_too() {
        let account = Arc::new(Semaphore::new(10));
        let held = Arc::clone(&account).try_acquire_many_owned(1).unwrap();
        let reserved = Reserved { account: Arc::clone(&account), held: Arc::new(Mutex::new(held)) };
        reserved.grow_to(700).unwrap();
        assert_eq!(account.available_permits(), 9);
        reserved.grow_to(4 << 10).unwrap();
        assert_eq!(account.available_permits(), 6);
        assert!(reserved.grow_to(11 << 10).is_err());
        drop(reserved);
        assert_eq!(account.available_permits(), 10);
    }
}
