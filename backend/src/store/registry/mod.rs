//! Registrations, keys and types of devices.

mod list;
mod rows;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use ledger::audit::Record;

use super::{audit, pool::Reader};
use crate::domain::{
    DeviceName, Millis,
    ports::StoreError,
    registry::{DeviceType, Filter, Listed, NewKey, Registration, Registry, StoredKey},
};

/// Rows that one transaction changes at most where many are changed: the readings' writer waits for it meanwhile, a few
/// milliseconds.
const STEP: usize = 1_000;

impl Reader {
    /// One transaction, on disk when this returns.
    fn change<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = self.anchors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

/// Writes records of acts into the audit log, in the acts' transaction.
fn note(connection: &Connection, records: &[Record]) -> Result<(), StoreError> {
    records.iter().try_for_each(|record| audit::add(connection, record).map(drop))
}

impl Registry for Reader {
    fn load(&self, visit: &mut dyn FnMut(Registration), keys: &mut dyn FnMut(StoredKey)) -> Result<(), StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare(&format!("SELECT {} FROM registration", rows::REGISTRATION))?;
            let mut found = select.query([])?;
            while let Some(row) = found.next()? {
                visit(rows::registration(row)?);
            }
            let mut select = connection.prepare(&format!("SELECT {} FROM {}", rows::KEY, rows::KEYS))?;
            let mut found = select.query([])?;
            while let Some(row) = found.next()? {
                keys(rows::key(row)?);
            }
            Ok(())
        })
    }

    fn types(&self) -> Result<Vec<DeviceType>, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare("SELECT name, definition, changed_ms FROM device_type ORDER BY name")?;
            let mut found = select.query([])?;
            let mut types = Vec::new();
            while let Some(row) = found.next()? {
                types.push(rows::device_type(row)?);
            }
            Ok(types)
        })
    }

    fn add(&self, new: &[(Registration, Option<NewKey>)], records: &[Record]) -> Result<Vec<Option<i64>>, StoreError> {
        self.change(|connection| {
            note(connection, records)?;
            let mut ids = Vec::with_capacity(new.len());
            for (registration, key) in new {
                rows::insert(connection, registration)?;
                let id = key.as_ref().map(|key| rows::insert_key(connection, &key.stored)).transpose()?;
                ids.push(id);
            }
            Ok(ids)
        })
    }

    fn put(&self, registration: &Registration, record: &Record) -> Result<(), StoreError> {
        self.change(|connection| {
            audit::add(connection, record)?;
            rows::update(connection, registration)
        })
    }

    fn remove(&self, name: &DeviceName, record: &Record) -> Result<(), StoreError> {
        self.change(|connection| {
            audit::add(connection, record)?;
            connection.execute("DELETE FROM registration WHERE name = ?", [name.as_str()])?;
            Ok(())
        })
    }

    fn registration(&self, name: &DeviceName) -> Result<Option<Registration>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {} FROM registration WHERE name = ?", rows::REGISTRATION);
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = select.query([name.as_str()])?;
            found.next()?.map(rows::registration).transpose()
        })
    }

    fn has_sent(&self, name: &DeviceName) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT 1 FROM device WHERE name = ?")?;
            Ok(select.exists([name.as_str()])?)
        })
    }

    fn device(&self, name: &DeviceName) -> Result<Option<Listed>, StoreError> {
        self.read(|connection| list::one(connection, name.as_str()))
    }

    fn list(
        &self,
        filter: &Filter,
        since: &[(String, Millis)],
        after: &str,
        count: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.read(|connection| list::page(connection, filter, since, after, count))
    }

    fn count(&self, filter: &Filter, since: &[(String, Millis)]) -> Result<Vec<(String, u64, u64)>, StoreError> {
        self.read(|connection| list::count(connection, filter, since))
    }

    fn keys(&self, device: &DeviceName) -> Result<Vec<StoredKey>, StoreError> {
        self.read(|connection| {
            let sql =
                format!("SELECT {} FROM {} WHERE registration.name = ? ORDER BY device_key.id", rows::KEY, rows::KEYS);
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = select.query([device.as_str()])?;
            let mut keys = Vec::new();
            while let Some(row) = found.next()? {
                keys.push(rows::key(row)?);
            }
            Ok(keys)
        })
    }

    fn add_key(&self, key: &StoredKey, old_ends: Option<(i64, Millis)>, record: &Record) -> Result<i64, StoreError> {
        self.change(|connection| {
            audit::add(connection, record)?;
            if let Some((old, ends)) = old_ends {
                connection.execute("UPDATE device_key SET expires_ms = ? WHERE id = ?", params![ends.0, old])?;
            }
            rows::insert_key(connection, key)
        })
    }

    fn remove_keys(&self, ids: &[i64], records: &[Record]) -> Result<(), StoreError> {
        self.change(|connection| {
            note(connection, records)?;
            let mut delete = connection.prepare_cached("DELETE FROM device_key WHERE id = ?")?;
            ids.iter().try_for_each(|id| delete.execute([id]).map(drop))?;
            Ok(())
        })
    }

    fn note_used(&self, used: &[(i64, Millis)]) -> Result<(), StoreError> {
        used.chunks(STEP).try_for_each(|step| {
            self.change(|connection| {
                let mut update = connection.prepare_cached("UPDATE device_key SET used_ms = ? WHERE id = ?")?;
                step.iter().try_for_each(|(id, at)| update.execute(params![at.0, id]).map(drop))?;
                Ok(())
            })
        })
    }

    fn put_type(&self, kind: &DeviceType, record: &Record) -> Result<(), StoreError> {
        let definition =
            serde_json::to_string(kind.definition()).map_err(|error| StoreError::Engine(Box::new(error)))?;
        let changed = kind.changed().map_or(0, |changed| changed.0);
        self.change(|connection| {
            audit::add(connection, record)?;
            let sql = "INSERT INTO device_type (name, definition, changed_ms) VALUES (?1, ?2, ?3)
                       ON CONFLICT (name) DO UPDATE SET definition = ?2, changed_ms = ?3";
            connection.execute(sql, params![&**kind.name(), definition, changed])?;
            Ok(())
        })
    }
}
