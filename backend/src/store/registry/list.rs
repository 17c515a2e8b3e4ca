//! Lists of devices: those that are registered, and those that have sent without being so.

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::rows::{REGISTRATION, REGISTRATION_COLUMNS, registration};
use crate::{
    domain::{
        Micros, Millis,
        ports::StoreError,
        registry::{Filter, Listed, Seen},
    },
    store::{from_sql, to_sql},
};

/// What is known from readings: the columns after those of the registration.
const SEEN: &str = "device.profile, last_seen_ms, last_time_us, first_sequence, last_sequence, coalesce(sequenced, 0)";

/// A query in the making: its text, and the values for its question marks, in their order.
#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// Since when a device of the type in this column must have been seen to be online.
    fn since(&mut self, kind: &str, since: &[(String, Millis)]) {
        let (last, named) = since.split_last().map_or((Millis(i64::MAX), since), |(last, named)| (last.1, named));
        if named.is_empty() {
            return self.push("?", [last.0.into()]);
        }
        self.push(&format!("CASE {kind}"), []);
        for (name, at) in named {
            self.push(" WHEN ? THEN ?", [name.clone().into(), at.0.into()]);
        }
        self.push(" ELSE ? END", [last.0.into()]);
    }

    /// Whether a device is online.
    fn online(&mut self, kind: &str, since: &[(String, Millis)]) {
        self.push("coalesce(last_seen_ms >= ", []);
        self.since(kind, since);
        self.push(", 0)", []);
    }
}

/// One device.
pub(super) fn one(connection: &Connection, name: &str) -> Result<Option<Listed>, StoreError> {
    let mut sql = Sql::default();
    halves(&mut sql, &Filter::default(), &[], |sql, of| {
        sql.push(&format!("{of}.name = ?"), [name.to_owned().into()]);
    });
    Ok(listed(connection, sql)?.pop())
}

/// A page of devices, by name.
pub(super) fn page(
    connection: &Connection,
    filter: &Filter,
    since: &[(String, Millis)],
    after: &str,
    count: usize,
) -> Result<Vec<Listed>, StoreError> {
    let mut sql = Sql::default();
    halves(&mut sql, filter, since, |sql, of| {
        sql.push(&format!("{of}.name > ?"), [after.to_owned().into()]);
    });
    sql.push(" ORDER BY 1 LIMIT ?", [to_sql(count as u64).into()]);
    listed(connection, sql)
}

/// How many are online and not, by type.
pub(super) fn count(
    connection: &Connection,
    filter: &Filter,
    since: &[(String, Millis)],
) -> Result<Vec<(String, u64, u64)>, StoreError> {
    let mut sql = Sql::default();
    sql.push("SELECT kind, sum(online), sum(NOT online) FROM (SELECT kind, ", []);
    sql.online("kind", since);
    sql.push(" AS online FROM (", []);
    let columns = [("registration.type AS kind, last_seen_ms"), ("device.profile AS kind, last_seen_ms")];
    both(&mut sql, columns, filter, since, |sql, _| sql.push("1", []));
    sql.push(")) GROUP BY kind ORDER BY kind", []);
    let mut select = connection.prepare_cached(&sql.text)?;
    let rows = select.query_map(params_from_iter(sql.values), |row| {
        Ok((row.get::<_, String>(0)?, from_sql(row.get(1)?), from_sql(row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All columns of both halves.
fn halves(sql: &mut Sql, filter: &Filter, since: &[(String, Millis)], which: impl Fn(&mut Sql, &str)) {
    let registered = format!("{REGISTRATION}, {SEEN}");
    let nothing = "NULL, ".repeat(REGISTRATION_COLUMNS - 1);
    let seen = format!("device.name, {nothing}{SEEN}");
    both(sql, [&registered, &seen], filter, since, which);
}

/// The registered devices and those that were only seen, in one compound of two selects, each in the order of names by
/// its index, so that a page reads no more than it shows (and what its filters pass over).
fn both(
    sql: &mut Sql,
    columns: [&str; 2],
    filter: &Filter,
    since: &[(String, Millis)],
    which: impl Fn(&mut Sql, &str),
) {
    let [registered, seen] = columns;
    let from =
        format!("SELECT {registered} FROM registration LEFT JOIN device ON device.name = registration.name WHERE ");
    sql.push(&from, []);
    which(sql, "registration");
    match filter.registered {
        Some(false) => sql.push(" AND 0", []),
        _ => conditions(sql, filter, since, "registration.type"),
    }
    sql.push(&format!(" UNION ALL SELECT {seen} FROM device WHERE "), []);
    which(sql, "device");
    // Nobody's, without marks: whoever asks for those asks for registered ones.
    let asks = filter.registered == Some(true) || filter.owner.is_some() || filter.tag.is_some();
    match asks {
        true => sql.push(" AND 0", []),
        false => {
            sql.push(" AND NOT EXISTS (SELECT 1 FROM registration WHERE registration.name = device.name)", []);
            let named = Filter { owner: None, tag: None, ..filter.clone() };
            conditions(sql, &named, since, "device.profile");
        }
    }
}

/// What the filter asks of each row.
fn conditions(sql: &mut Sql, filter: &Filter, since: &[(String, Millis)], kind: &str) {
    if let Some(of) = &filter.kind {
        sql.push(&format!(" AND {kind} = ?"), [of.clone().into()]);
    }
    if let Some(owner) = filter.owner {
        sql.push(" AND owner = ?", [owner.0.into()]);
    }
    if let Some((name, value)) = &filter.tag {
        let value = value.clone().map_or(Value::Null, Value::from);
        let exists = " AND EXISTS (SELECT 1 FROM json_each(tags) AS tag WHERE tag.key = ? AND tag.value = coalesce(?, tag.value))";
        sql.push(exists, [name.clone().into(), value]);
    }
    if let Some(online) = filter.online {
        sql.push(" AND ", []);
        sql.online(kind, since);
        sql.push(" = ?", [i64::from(online).into()]);
    }
    if let Some(text) = &filter.text {
        let found = match kind {
            "registration.type" => {
                "registration.name || char(10) || coalesce(location, '') || char(10) || coalesce(firmware, '') \
                 || char(10) || coalesce(patient, '')"
            }
            _ => "device.name",
        };
        sql.push(&format!(" AND instr(lower({found}), lower(?)) > 0"), [text.clone().into()]);
    }
}

fn listed(connection: &Connection, sql: Sql) -> Result<Vec<Listed>, StoreError> {
    let mut select = connection.prepare_cached(&sql.text)?;
    let mut rows = select.query(params_from_iter(sql.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let registered = row.get::<_, Option<String>>(1)?.is_some();
        found.push(Listed {
            name: row.get(0)?,
            registration: registered.then(|| registration(row)).transpose()?,
            seen: seen(row, REGISTRATION_COLUMNS)?,
        });
    }
    Ok(found)
}

fn seen(row: &Row<'_>, first: usize) -> rusqlite::Result<Seen> {
    Ok(Seen {
        profile: row.get(first)?,
        last_seen: row.get::<_, Option<i64>>(first + 1)?.map(Millis),
        last_time: row.get::<_, Option<i64>>(first + 2)?.map(Micros),
        first_sequence: row.get::<_, Option<i64>>(first + 3)?.map(from_sql),
        last_sequence: row.get::<_, Option<i64>>(first + 4)?.map(from_sql),
        sequenced: from_sql(row.get(first + 5)?),
    })
}
