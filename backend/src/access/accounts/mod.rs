//! What people do with accounts: sign in, change a password, make tokens, invite others.
//!
//! Each act is one transaction of the store with its record in the audit log, and then holds in memory, all under one
//! lock: what [`People`] lets in is what the store has.

mod keep;
mod own;
mod sign_in;
mod users;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ledger::audit::Record;

use super::{
    Pass, People, Trail,
    password::{Busy, Hasher, PasswordError},
    throttle::Throttle,
};
use crate::domain::{
    Clock, Millis,
    access::{Caller, UserId},
    people::{ActError, Identity, NameError, Person, User},
    ports::StoreError,
};
pub(crate) use own::TokenWish;
pub(crate) use sign_in::{Registering, SignedIn};

/// Why an account's act was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// Which of the two is wrong, or whether the user is disabled, is not said.
    #[error("this is not a user's name and password")]
    Wrong,
    #[error("too many tries: wait {0} s")]
    Wait(u32),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the password up to now is another one")]
    WrongPassword,
    #[error("expected at least one role")]
    NoRoles,
    #[error("expected at least one scope, each once")]
    NoScopes,
    #[error("expected a name of 1 to 64 characters without control characters")]
    TokenName,
    #[error("expected 1 to {most} days, found {found}", most = own::MAX_DAYS)]
    Days {
        /// What was asked for.
        found: u32,
    },
    /// Not known, used up, withdrawn, or too old. Which, is not said.
    #[error("this invitation does not hold (any more): ask for another one")]
    NotInvited,
    #[error("registration needs an invitation here")]
    Closed,
    #[error(transparent)]
    Act(#[from] ActError),
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

/// A secret that was made, and what is kept of it.
#[derive(Debug)]
pub(crate) struct Made<T> {
    /// Shown once.
    pub(crate) secret: String,
    pub(crate) kept: T,
}

/// The accounts.
pub(crate) struct Accounts {
    people: Arc<People>,
    store: Arc<dyn Identity>,
    trail: Trail,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    throttle: Throttle,
    /// Whether anybody may register, as a device owner.
    open_registration: bool,
    /// One act at a time, so that memory follows the store.
    acts: Mutex<()>,
    /// What [`Identity::outside_changes`] was when everybody was loaded last.
    loaded: AtomicU64,
    /// Somebody could not be loaded, and is let in by nothing until everybody is loaded again.
    stale: AtomicBool,
}

impl Accounts {
    /// The accounts that the store has; from here on, `people` lets them in.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn load(
        people: Arc<People>,
        store: Arc<dyn Identity>,
        trail: Trail,
        clock: Arc<dyn Clock>,
        open_registration: bool,
    ) -> Result<Arc<Self>, StoreError> {
        let accounts = Self {
            people,
            store,
            trail,
            clock,
            hasher: Hasher::default(),
            throttle: Throttle::new(),
            open_registration,
            acts: Mutex::default(),
            loaded: AtomicU64::default(),
            stale: AtomicBool::default(),
        };
        accounts.load_all()?;
        Ok(Arc::new(accounts))
    }

    /// Whether anybody may register.
    pub(crate) fn open_registration(&self) -> bool {
        self.open_registration
    }

    /// A user with sessions and tokens, as they are; `None` if there is no such user.
    pub(crate) async fn person(self: &Arc<Self>, id: UserId) -> Result<Option<Person>, AccountError> {
        let mut person = self.ask(move |store| store.person(id)).await?;
        if let Some(person) = &mut person {
            for session in &mut person.sessions {
                session.seen = self.people.used(&session.hash).unwrap_or(session.seen);
            }
            for token in &mut person.tokens {
                token.used = self.people.used(&token.hash).or(token.used);
            }
        }
        Ok(person)
    }

    /// Users with a number below this one, newest first.
    pub(crate) async fn users(self: &Arc<Self>, before: u64, count: u64) -> Result<Vec<User>, AccountError> {
        self.ask(move |store| store.users(before, count)).await
    }

    /// When a session ends that is not used any more.
    pub(crate) fn session_ends(created: Millis, seen: Millis) -> Millis {
        super::people::ends(created, seen)
    }

    /// A query of the store, on a thread that may block.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&dyn Identity) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let this = Arc::clone(self);
        on_thread(move || Ok(query(&*this.store)?)).await
    }

    /// An act on one user: nothing else is done meanwhile, and what follows from it holds when it returns.
    async fn act<T: Send + 'static>(
        self: &Arc<Self>,
        user: UserId,
        work: impl FnOnce(&dyn Identity) -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let this = Arc::clone(self);
        on_thread(move || {
            let _one = this.acts.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&*this.store);
            // Also after an error: the engine may have kept the act and failed to say so.
            this.reload(user);
            result
        })
        .await
    }

    /// Takes over what the store has of a user. If it cannot be read, that user is let in by nothing for now.
    fn reload(&self, user: UserId) {
        let person = self.store.person(user).unwrap_or_else(|error| {
            tracing::error!(%error, "a user could not be loaded: nobody comes in as that user until it can");
            self.stale.store(true, Ordering::Release);
            None
        });
        self.people.put(user, person);
    }

    fn load_all(&self) -> Result<(), StoreError> {
        // Before the rest: what changes meanwhile is seen the next time.
        let changes = self.store.outside_changes()?;
        self.stale.store(false, Ordering::Release);
        let mut ids = self.store.user_ids()?;
        ids.extend(self.people.ids());
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().for_each(|id| self.reload(id));
        self.loaded.store(changes, Ordering::Release);
        Ok(())
    }

    fn record(&self, pass: &Pass, what: &'static str, object: &str, result: &str) -> Record {
        self.trail.record_of(&pass.caller, pass.from, what, object, result)
    }
}

/// Whoever has not signed in, from an address.
fn nobody(from: IpAddr) -> Pass {
    Pass { caller: Caller::Nobody, from, credential: None }
}

/// Runs what may block.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
) -> Result<T, AccountError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an act ended by a fault");
        Err(StoreError::Engine("an act ended by a fault".into()).into())
    })
}
