//! What every engine behind the ports has to keep: one suite, run against each. SQLite passes it; a second engine adds an
//! [`Engine`] and a line in [`sqlite`].
//!
//! The ports' comments are the contract; the tests are named by its sentences.

#![allow(clippy::unwrap_used)]

mod log;
mod model;
mod readings;

use std::{path::Path, sync::Arc};

use crate::{
    domain::ports::{AnchorStore, AuditLog, DeviceReader, LogReader, Series, WriteStore},
    store::{Reader, SqliteDevices, SqliteWriter},
};

/// An engine's parts on one store, opened anew or for the first time.
pub(super) struct Parts {
    pub(super) writer: Box<dyn WriteStore>,
    pub(super) devices: Box<dyn DeviceReader>,
    pub(super) log: Arc<dyn LogReader>,
    pub(super) series: Arc<dyn Series>,
    pub(super) audit: Arc<dyn AuditLog>,
    pub(super) anchors: Arc<dyn AnchorStore>,
}

/// How an engine opens its store in a place of its own.
pub(super) type Engine = fn(&Path) -> Parts;

/// The embedded store.
fn sqlite(dir: &Path) -> Parts {
    let writer = Box::new(SqliteWriter::create(dir).unwrap());
    let reader = Arc::new(Reader::open(dir).unwrap());
    let devices = Box::new(SqliteDevices::open(dir).unwrap());
    Parts {
        writer,
        devices,
        log: Arc::clone(&reader) as _,
        series: Arc::clone(&reader) as _,
        audit: Arc::clone(&reader) as _,
        anchors: reader,
    }
}

mod embedded {
    use super::{log, readings, sqlite};

    #[test]
    fn a_transaction_is_all_or_nothing() {
        log::a_transaction_is_all_or_nothing(sqlite);
    }

    #[test]
    fn only_the_one_who_knows_the_newest_checkpoint_appends() {
        log::only_the_one_who_knows_the_newest_checkpoint_appends(sqlite);
    }

    #[test]
    fn what_is_stored_comes_back_byte_for_byte() {
        log::what_is_stored_comes_back_byte_for_byte(sqlite);
    }

    #[test]
    fn the_outbox_is_on_disk_and_in_order() {
        log::the_outbox_is_on_disk_and_in_order(sqlite);
    }

    #[test]
    fn readings_are_what_a_simple_model_says_however_they_are_kept() {
        readings::readings_are_what_a_simple_model_says(sqlite);
    }

    #[test]
    fn what_is_too_old_goes_and_its_sums_stay() {
        readings::what_is_too_old_goes_and_its_sums_stay(sqlite);
    }

    #[test]
    fn what_waits_to_become_an_entry_is_not_packed() {
        readings::what_waits_to_become_an_entry_is_not_packed(sqlite);
    }
}
