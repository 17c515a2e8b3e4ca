//! Read-only connections, lent to whoever asks.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use rusqlite::Connection;

use crate::domain::ports::StoreError;

/// Connections kept for the next reader. More readers at a time than this open their own.
const KEPT: usize = 8;

/// The read half of the embedded store, and the anchorer's small writes.
pub(crate) struct Reader {
    data_dir: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// How another connection is opened.
    open: fn(&Path) -> Result<Connection, StoreError>,
    /// The anchorer writes a few rows a minute; a connection of its own keeps it out of the pipeline's way.
    pub(super) anchors: Mutex<Connection>,
}

impl Reader {
    /// Opens the database in this directory. It exists.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let anchors = Mutex::new(super::open_existing(data_dir)?);
        Ok(Self { data_dir: data_dir.to_owned(), idle: Mutex::default(), open: super::open_for_reading, anchors })
    }

    /// Opens the database as it stands now, to be examined: makes, migrates and changes nothing.
    ///
    /// For one thread: all that it reads, it reads in one transaction, so what a service commits meanwhile is not seen.
    pub(crate) fn open_snapshot(data_dir: &Path) -> Result<Self, StoreError> {
        let snapshot = super::check::open_snapshot(data_dir)?;
        let anchors = Mutex::new(super::check::open_read_only(data_dir)?);
        let idle = Mutex::new(vec![snapshot]);
        Ok(Self { data_dir: data_dir.to_owned(), idle, open: super::check::open_snapshot, anchors })
    }

    /// Runs a query on a connection of its own.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => (self.open)(&self.data_dir)?,
        };
        let result = query(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if idle.len() < KEPT {
            idle.push(connection);
        }
        result
    }
}
