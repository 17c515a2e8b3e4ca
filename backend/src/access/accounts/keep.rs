//! What the service does about accounts by itself, once a second and once a minute.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::sync::watch;

use super::{AccountError, Accounts, on_thread};
use crate::{
    access::people::{IDLE, WHOLE},
    domain::{Millis, log::stopped, people::Ended},
};

/// How soon the service notices what the command line has changed.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until what was used is written down, and what has ended forgotten: a minute.
const LOOKS: u32 = 60;

/// Tokens that have ended are listed for so long: 90 days.
const LISTED: i64 = 90 * 24 * 3_600 * 1_000;

impl Accounts {
    /// Takes over what the command line has changed, writes down what was used, and forgets what has ended, until `stop`
    /// turns true.
    pub(crate) async fn keep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        for looks in 1_u32.. {
            let stopping = tokio::select! {
                () = stopped(&mut stop) => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let write = stopping || looks.is_multiple_of(LOOKS);
            let this = Arc::clone(&self);
            if let Err(error) = on_thread(move || this.look(write)).await {
                tracing::warn!(%error, "the store cannot keep accounts now");
            }
            if stopping {
                return;
            }
        }
    }

    fn look(&self, write: bool) -> Result<(), AccountError> {
        let changed = self.store.outside_changes()? != self.loaded.load(Ordering::Acquire);
        if changed || self.stale.load(Ordering::Acquire) {
            let _one = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
            self.load_all()?;
        }
        if write {
            let (sessions, tokens) = self.people.uses();
            if !sessions.is_empty() || !tokens.is_empty() {
                self.store.note_uses(&sessions, &tokens)?;
            }
            let now = self.clock.now().0;
            let (seen, made, tokens) = (Millis(now - IDLE), Millis(now - WHOLE), Millis(now - LISTED));
            self.store.forget(&Ended { seen, made, tokens, invitations: Millis(now) })?;
        }
        Ok(())
    }
}
