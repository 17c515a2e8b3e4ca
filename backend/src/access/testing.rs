//! Accounts over a real store in a directory of its own, for tests of what is built on them.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{Accounts, Gate, People, Registrar, Trail};
use crate::{
    domain::{SystemClock, ports::AuditLog},
    store::{Reader, SqlitePeople, SqliteWriter},
};

/// Everything that decides who may come in.
pub(crate) struct House {
    pub(crate) gate: Arc<Gate>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) trail: Trail,
    pub(crate) audit: Arc<dyn AuditLog>,
    _dir: tempfile::TempDir,
}

impl House {
    /// One without users.
    pub(crate) fn new(trial: bool, open_registration: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        SqliteWriter::create(dir.path()).unwrap();
        let reader = Arc::new(Reader::open(dir.path()).unwrap());
        let registrar = Arc::new(Registrar::open(Arc::clone(&reader) as _).unwrap());
        let audit: Arc<dyn AuditLog> = reader;
        let (trail, _) = Trail::start(Arc::clone(&audit), Arc::new(SystemClock)).unwrap();
        let (people, store) = (Arc::new(People::default()), Arc::new(SqlitePeople::open(dir.path()).unwrap()));
        let clock = Arc::new(SystemClock);
        let accounts = Accounts::load(Arc::clone(&people), store, trail.clone(), clock, open_registration).unwrap();
        let gate = Arc::new(Gate::new(trial, people, Arc::clone(registrar.devices())));
        Self { gate, accounts, registrar, trail, audit, _dir: dir }
    }
}
