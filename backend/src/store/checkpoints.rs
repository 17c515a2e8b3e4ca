//! Bringing the write-ahead log into the database, outside the commits' way.
//!
//! SQLite does it within the commit that finds the log longer than 4 MiB, and that commit takes ten times as long as
//! others. Here a thread with a connection of its own does it beside the commits; the log goes on growing meanwhile, and
//! is begun anew when the thread has once caught up. Only a log of 64 MiB is brought in by the commit itself, and then
//! most of it was already.
//!
//! Durability is that of the commit, whoever brings the log in: with `synchronous=FULL` it is synced before the commit
//! returns, and again before a page of the database is overwritten.

use std::{
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
};

use rusqlite::{Connection, hooks::Wal};

use crate::domain::ports::StoreError;

/// The log's pages after which the thread is asked again: 4 MiB, as SQLite's own rule has it.
const EVERY: i32 = 1_000;

/// The log's pages at which the commit does it itself: 64 MiB.
const LONGEST: i32 = 16_384;

/// The thread that brings the log in; it ends with the connection that writes.
pub(super) struct Checkpointer(Option<JoinHandle<()>>);

impl Checkpointer {
    /// Starts the thread for what this connection commits.
    pub(super) fn start(connection: &mut Connection, data_dir: &Path) -> Result<Self, StoreError> {
        let own = super::open_existing(data_dir)?;
        let (ask, asked) = sync_channel::<()>(1);
        let work = move || {
            while asked.recv().is_ok() {
                // PASSIVE waits for nobody, and makes nobody wait. What it leaves, the next one takes.
                if let Err(error) = own.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                    tracing::warn!(%error, "the write-ahead log could not be brought into the database now");
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoints".into()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Engine(Box::new(error)))?;
        let mut last = 0;
        connection.wal_hook(Some(move |wal: &mut Wal, pages: i32| committed(wal, pages, &mut last, &ask)))?;
        Ok(Self(Some(thread)))
    }
}

/// A commit has made the log this long.
fn committed(wal: &mut Wal, pages: i32, last: &mut i32, ask: &SyncSender<()>) -> rusqlite::Result<()> {
    // Shorter than it was: it was begun anew.
    if pages < *last {
        *last = 0;
    }
    if pages >= LONGEST {
        // The commit is done: trouble here is not its own.
        if let Err(error) = wal.checkpoint() {
            tracing::warn!(%error, "the write-ahead log could not be brought into the database now");
        }
    } else if pages - *last >= EVERY {
        // If it is at work, it is asked with a later commit.
        if ask.try_send(()).is_ok() {
            *last = pages;
        }
    }
    Ok(())
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        // The connection was dropped before, and with it the sender: fields are dropped in their order.
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
