//! Who is connected under which name, so that a client that comes again takes the place of its lost connection.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

/// Whom a name belongs to: one client must not end another's connection by its name.
type Name = (String, String);

/// The connected clients.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Name, (u64, CancellationToken)>>,
    last: AtomicU64,
}

/// A client's place among them, given up when it is dropped.
pub(super) struct Place<'a> {
    sessions: &'a Sessions,
    name: Name,
    number: u64,
    taken: CancellationToken,
}

impl Sessions {
    /// Takes a place; who had it is told to go.
    pub(super) fn take(&self, caller: String, client_id: String) -> Place<'_> {
        let (name, taken) = ((caller, client_id), CancellationToken::new());
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, earlier)) = open.insert(name.clone(), (number, taken.clone())) {
            earlier.cancel();
        }
        metrics::gauge!("connections", "source" => "mqtt").set(open.len() as f64);
        Place { sessions: self, name, number, taken }
    }

    /// A name for a client that gave none.
    pub(super) fn name(&self) -> String {
        format!("unnamed-{}", self.last.fetch_add(1, Ordering::Relaxed))
    }
}

impl Place<'_> {
    /// Waits until another connection has taken it.
    pub(super) async fn taken(&self) {
        self.taken.cancelled().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.sessions.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&self.name).is_some_and(|(number, _)| *number == self.number) {
            open.remove(&self.name);
        }
        metrics::gauge!("connections", "source" => "mqtt").set(open.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_over_by_its_owner_only() {
        let sessions = Sessions::default();
        let first = sessions.take("device a".into(), "c".into());
        let stranger = sessions.take("device b".into(), "c".into());
        assert!(!first.taken.is_cancelled());
        let second = sessions.take("device a".into(), "c".into());
        assert!(first.taken.is_cancelled() && !second.taken.is_cancelled() && !stranger.taken.is_cancelled());
        // The one that was replaced does not take its successor's place away.
        drop(first);
        assert_eq!(sessions.open.lock().unwrap().len(), 2);
        drop(second);
        drop(stranger);
        assert!(sessions.open.lock().unwrap().is_empty());
    }
}
