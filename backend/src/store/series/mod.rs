//! Readings over time: the port [`Series`] on SQLite.

mod block;
mod bytes;
mod chunk;
pub(super) mod erased;
mod find;
mod findings;
mod pack;
mod retain;
mod rows;
mod sums;
mod values;

use rusqlite::Connection;

use super::pool::Reader;
use crate::domain::{
    DeviceName,
    ports::{RowVisitor, Series, StoreError},
    series::{Bucket, Failing, FindingCount, MAX_FAILING, Order, PageOf, Row, Selection, Span, Steps},
};

pub(super) use chunk::PackedRow;
pub(super) use find::{Opened, device_of, unpacked_row};
pub(super) use findings::Found;
pub(super) use pack::{Backlog, is_described, load as load_chunk};
pub(super) use retain::{Forgetting, shrink};
pub(super) use rows::unpacked_between;
pub(super) use sums::delete_values as delete_sums;

impl Series for Reader {
    fn devices(&self) -> Result<Vec<DeviceName>, StoreError> {
        let all = self.read(|connection| devices(connection, None))?;
        Ok(all.into_iter().map(|(_, name)| name).collect())
    }

    fn latest(&self, device: &DeviceName) -> Result<Option<Row>, StoreError> {
        let page = PageOf { span: Span::ALL, label: None, order: Order::NewestFirst, after: None, limit: 1 };
        Ok(self.readings(device, &page)?.pop())
    }

    fn readings(&self, device: &DeviceName, page: &PageOf) -> Result<Vec<Row>, StoreError> {
        self.moment(|connection| match device_id(connection, device)? {
            Some(id) => rows::page(connection, id, page),
            None => Ok(Vec::new()),
        })
    }

    fn for_each(&self, selection: &Selection<'_>, visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        for (id, name) in self.read(|connection| devices(connection, selection.devices))? {
            let flow =
                self.moment(|connection| rows::visit(connection, id, selection, &mut |row| visit(&name, row)))?;
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn count(&self, selection: &Selection<'_>) -> Result<u64, StoreError> {
        self.moment(|connection| {
            let devices = devices(connection, selection.devices)?;
            devices.into_iter().map(|(id, _)| rows::count(connection, id, selection.span)).sum()
        })
    }

    fn metrics(&self, device: &DeviceName) -> Result<Vec<String>, StoreError> {
        self.moment(|connection| match device_id(connection, device)? {
            Some(id) => sums::metrics(connection, id),
            None => Ok(Vec::new()),
        })
    }

    fn buckets(&self, device: &DeviceName, metric: &str, steps: Steps) -> Result<Vec<Bucket>, StoreError> {
        self.moment(|connection| match device_id(connection, device)? {
            Some(id) => sums::buckets(connection, id, metric, steps),
            None => Ok(Vec::new()),
        })
    }

    fn top_failing(
        &self,
        devices: Option<&[DeviceName]>,
        span: Span,
        limit: usize,
    ) -> Result<Vec<Failing>, StoreError> {
        self.moment(|connection| findings::top_failing(connection, devices, span, limit.min(MAX_FAILING)))
    }

    fn anomalies_over_time(
        &self,
        devices: Option<&[DeviceName]>,
        steps: Steps,
    ) -> Result<Vec<FindingCount>, StoreError> {
        self.moment(|connection| findings::over_time(connection, devices, steps))
    }
}

impl Reader {
    /// Runs several queries at one moment of the store: a reading that is packed meanwhile is neither missed nor seen
    /// twice.
    pub(super) fn moment<T>(
        &self,
        queries: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(|connection| {
            // Not BEGIN: a connection that examines a snapshot is in a transaction already.
            connection.execute_batch("SAVEPOINT moment")?;
            let result = queries(connection);
            connection.execute_batch("RELEASE moment")?;
            result
        })
    }
}

/// The id of a device that has sent.
fn device_id(connection: &Connection, device: &DeviceName) -> Result<Option<i64>, StoreError> {
    device_of(connection, device.as_str())
}

/// Ids and names of these devices as far as they have sent, or of all, by name.
fn devices(connection: &Connection, of: Option<&[DeviceName]>) -> Result<Vec<(i64, DeviceName)>, StoreError> {
    if let Some(names) = of {
        let mut names: Vec<&DeviceName> = names.iter().collect();
        names.sort();
        names.dedup();
        let found = names.into_iter().map(|name| Ok(device_id(connection, name)?.map(|id| (id, name.clone()))));
        return found.filter_map(Result::transpose).collect();
    }
    let mut select = connection.prepare_cached("SELECT id, name FROM device ORDER BY name")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, name) = row?;
        Ok((id, device_name(&name)?))
    })
    .collect()
}

fn device_name(name: &str) -> Result<DeviceName, StoreError> {
    DeviceName::new(name).map_err(|error| StoreError::Damaged(format!("a device's name: {error}")))
}
