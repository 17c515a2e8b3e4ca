//! Users, sessions, tokens and invitations, and acts with their records in the audit log.

mod rows;

use std::{path::Path, sync::Mutex};

use ledger::{Hash, audit::Record};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{audit, from_sql, to_sql};
use crate::domain::{
    Millis,
    access::{Role, Scope, UserId},
    people::{ActError, Change, Ended, Identity, Invitation, NewUser, Person, Session, Token, User, Which},
    ports::StoreError,
};
use rows::{INVITATION, USER, invitation, names, session, token, user};

/// Users at most: all are in memory, at about 300 bytes each, 30 MB.
const MAX_USERS: u64 = 100_000;

/// Where it is counted how often the command line has changed users.
const CHANGES: &str = "people_changes";

/// The connection that people's acts go through.
pub(crate) struct SqlitePeople {
    connection: Mutex<Connection>,
}

impl SqlitePeople {
    /// Opens the database in this directory. It exists, and has its schema.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: Mutex::new(super::open_existing(data_dir)?) })
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        Ok(query(&self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))?)
    }

    /// One transaction, with the act's record in the audit log.
    fn act<T>(
        &self,
        record: Option<&Record>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failed>,
    ) -> Result<T, ActError> {
        let mut connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failed::from)?;
        let result = work(&transaction)?;
        if let Some(record) = record {
            audit::add(&transaction, record)?;
        }
        transaction.commit().map_err(Failed::from)?;
        Ok(result)
    }
}

/// An act's error, or the engine's.
struct Failed(ActError);

impl From<ActError> for Failed {
    fn from(error: ActError) -> Self {
        Self(error)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self(StoreError::from(error).into())
    }
}

impl From<Failed> for ActError {
    fn from(failed: Failed) -> Self {
        failed.0
    }
}

impl Identity for SqlitePeople {
    fn user_ids(&self) -> Result<Vec<UserId>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT id FROM user")?;
            select.query_map([], |row| row.get(0).map(UserId))?.collect()
        })
    }

    fn person(&self, id: UserId) -> Result<Option<Person>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {USER} FROM user WHERE id = ?");
            let Some(user) = connection.prepare_cached(&sql)?.query_row([id.0], user).optional()? else {
                return Ok(None);
            };
            let sql =
                "SELECT id, hash, created_ms, seen_ms, came_from, agent FROM session WHERE user = ? ORDER BY id DESC";
            let sessions = connection.prepare_cached(sql)?.query_map([id.0], session)?.collect::<Result<_, _>>()?;
            let sql = "SELECT id, hash, prefix, name, scopes, created_ms, expires_ms, used_ms, revoked_ms FROM token
                       WHERE user = ? ORDER BY id DESC";
            let tokens = connection.prepare_cached(sql)?.query_map([id.0], token)?.collect::<Result<_, _>>()?;
            Ok(Some(Person { user, sessions, tokens }))
        })
    }

    fn by_name(&self, name: &str) -> Result<Option<(User, String)>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {USER}, password FROM user WHERE name = ?");
            let mut select = connection.prepare_cached(&sql)?;
            select.query_row([name], |row| Ok((user(row)?, row.get("password")?))).optional()
        })
    }

    fn password(&self, id: UserId) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection.query_row("SELECT password FROM user WHERE id = ?", [id.0], |row| row.get(0)).optional()
        })
    }

    fn users(&self, before: u64, count: u64) -> Result<Vec<User>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {USER} FROM user WHERE id < ? ORDER BY id DESC LIMIT ?");
            connection.prepare_cached(&sql)?.query_map([to_sql(before), to_sql(count)], user)?.collect()
        })
    }

    fn add_user(&self, user: &NewUser, invitation: Option<i64>, record: &Record) -> Result<UserId, ActError> {
        self.act(Some(record), |tx| {
            if let Some(id) = invitation {
                one(tx.execute("DELETE FROM invitation WHERE id = ?", [id])?, "invitation")?;
            }
            full(tx, "SELECT count(*) FROM user", [], MAX_USERS, "users")?;
            let taken: bool =
                tx.query_row("SELECT EXISTS (SELECT 1 FROM user WHERE name = ?)", [&user.name], |row| row.get(0))?;
            if taken {
                return Err(ActError::NameTaken(user.name.clone()).into());
            }
            let sql = "INSERT INTO user (name, roles, password, active, must_change, created_ms)
                       VALUES (?, ?, ?, 1, ?, ?)";
            let roles = names(user.roles.iter().map(Role::name));
            tx.execute(sql, params![user.name, roles, user.password, user.must_change, user.created.0])?;
            Ok(UserId(tx.last_insert_rowid()))
        })
    }

    fn change_user(&self, id: UserId, change: &Change, record: &Record) -> Result<(), ActError> {
        self.act(Some(record), |tx| {
            let had = has_admin(tx)?;
            let sql = "UPDATE user SET roles = coalesce(?2, roles), active = coalesce(?3, active),
                       password = coalesce(?4, password), must_change = coalesce(?5, must_change) WHERE id = ?1";
            let roles = change.roles.map(|roles| names(roles.iter().map(Role::name)));
            let (password, must_change) = change.password.as_ref().map(|(hash, must)| (hash, must)).unzip();
            one(tx.execute(sql, params![id.0, roles, change.active, password, must_change])?, "user")?;
            if let Some(but) = change.end_sessions {
                tx.execute("DELETE FROM session WHERE user = ? AND id IS NOT ?", params![id.0, but])?;
            }
            keeps_admin(had, tx)
        })
    }

    fn delete_user(&self, id: UserId, record: &Record) -> Result<(), ActError> {
        self.act(Some(record), |tx| {
            let had = has_admin(tx)?;
            one(tx.execute("DELETE FROM user WHERE id = ?", [id.0])?, "user")?;
            keeps_admin(had, tx)
        })
    }

    fn add_session(&self, user: UserId, session: &Session, most: u64, record: &Record) -> Result<i64, ActError> {
        self.act(Some(record), |tx| {
            let sql =
                "INSERT INTO session (hash, user, created_ms, seen_ms, came_from, agent) VALUES (?, ?, ?, ?, ?, ?)";
            let (hash, created, seen) = (&session.hash.0[..], session.created.0, session.seen.0);
            tx.execute(sql, params![hash, user.0, created, seen, session.from, session.agent])?;
            let id = tx.last_insert_rowid();
            let sql = "DELETE FROM session WHERE user = ?1 AND id NOT IN
                       (SELECT id FROM session WHERE user = ?1 ORDER BY id DESC LIMIT ?2)";
            tx.execute(sql, params![user.0, to_sql(most)])?;
            Ok(id)
        })
    }

    fn end_sessions(&self, user: UserId, which: Which, record: &Record) -> Result<u64, ActError> {
        self.act(Some(record), |tx| match which {
            Which::One(id) => {
                let ended = tx.execute("DELETE FROM session WHERE user = ? AND id = ?", [user.0, id])?;
                one(ended, "session").map(|()| 1)
            }
            Which::Others(id) => Ok(tx.execute("DELETE FROM session WHERE user = ? AND id <> ?", [user.0, id])? as u64),
            Which::All => Ok(tx.execute("DELETE FROM session WHERE user = ?", [user.0])? as u64),
        })
    }

    fn add_token(&self, user: UserId, token: &Token, most: u64, record: &Record) -> Result<i64, ActError> {
        self.act(Some(record), |tx| {
            let sql = "SELECT count(*) FROM token WHERE user = ? AND revoked_ms IS NULL AND expires_ms > ?";
            full(tx, sql, [user.0, token.created.0], most, "tokens that hold: revoke one first")?;
            let sql = "INSERT INTO token (hash, user, prefix, name, scopes, created_ms, expires_ms)
                       VALUES (?, ?, ?, ?, ?, ?, ?)";
            let Token { hash, prefix, name, created, expires, .. } = token;
            let scopes = names(token.scopes.iter().map(Scope::name));
            tx.execute(sql, params![&hash.0[..], user.0, prefix, name, scopes, created.0, expires.0])?;
            Ok(tx.last_insert_rowid())
        })
    }

    fn revoke_token(&self, user: UserId, id: i64, now: Millis, record: &Record) -> Result<(), ActError> {
        self.act(Some(record), |tx| {
            let sql = "UPDATE token SET revoked_ms = ? WHERE user = ? AND id = ? AND revoked_ms IS NULL";
            one(tx.execute(sql, [now.0, user.0, id])?, "token")
        })
    }

    fn invitation(&self, hash: &Hash) -> Result<Option<Invitation>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {INVITATION} FROM invitation WHERE hash = ?");
            connection.prepare_cached(&sql)?.query_row([&hash.0[..]], invitation).optional()
        })
    }

    fn invitations(&self, before: u64, count: u64) -> Result<Vec<Invitation>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {INVITATION} FROM invitation WHERE id < ? ORDER BY id DESC LIMIT ?");
            connection.prepare_cached(&sql)?.query_map([to_sql(before), to_sql(count)], invitation)?.collect()
        })
    }

    fn add_invitation(&self, invitation: &Invitation, most: u64, record: &Record) -> Result<i64, ActError> {
        self.act(Some(record), |tx| {
            full(tx, "SELECT count(*) FROM invitation", [], most, "open invitations: withdraw some first")?;
            let sql = "INSERT INTO invitation (hash, roles, made_by, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)";
            let Invitation { hash, by, created, expires, .. } = invitation;
            let roles = names(invitation.roles.iter().map(Role::name));
            tx.execute(sql, params![&hash.0[..], roles, by, created.0, expires.0])?;
            Ok(tx.last_insert_rowid())
        })
    }

    fn withdraw_invitation(&self, id: i64, record: &Record) -> Result<(), ActError> {
        self.act(Some(record), |tx| one(tx.execute("DELETE FROM invitation WHERE id = ?", [id])?, "invitation"))
    }

    fn note_uses(&self, sessions: &[(i64, Millis)], tokens: &[(i64, Millis)]) -> Result<(), StoreError> {
        let noted = self.act(None, |tx| {
            let mut session = tx.prepare_cached("UPDATE session SET seen_ms = ?2 WHERE id = ?1 AND seen_ms < ?2")?;
            for (id, at) in sessions {
                session.execute([*id, at.0])?;
            }
            let mut token = tx.prepare_cached("UPDATE token SET used_ms = ?2 WHERE id = ?1")?;
            for (id, at) in tokens {
                token.execute([*id, at.0])?;
            }
            Ok(())
        });
        only_store(noted)
    }

    fn forget(&self, ended: &Ended) -> Result<(), StoreError> {
        let forgotten = self.act(None, |tx| {
            tx.execute("DELETE FROM session WHERE seen_ms < ? OR created_ms < ?", [ended.seen.0, ended.made.0])?;
            tx.execute(
                "DELETE FROM token WHERE min(expires_ms, coalesce(revoked_ms, expires_ms)) < ?",
                [ended.tokens.0],
            )?;
            tx.execute("DELETE FROM invitation WHERE expires_ms < ?", [ended.invitations.0])?;
            Ok(())
        });
        only_store(forgotten)
    }

    fn outside_changes(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT CAST(value AS INTEGER) FROM setting WHERE name = ?")?;
            Ok(select.query_row([CHANGES], |row| row.get(0)).optional()?.map_or(0, from_sql))
        })
    }

    fn note_outside_change(&self) -> Result<(), StoreError> {
        let sql = "INSERT INTO setting (name, value) VALUES (?, '1')
                   ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1";
        only_store(self.act(None, |tx| Ok(tx.execute(sql, [CHANGES]).map(drop)?)))
    }
}

/// Of acts that can only fail by the store.
fn only_store<T>(result: Result<T, ActError>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        ActError::Store(error) => error,
        other => StoreError::Damaged(other.to_string()),
    })
}

/// That a statement has changed its one row.
fn one(changed: usize, what: &'static str) -> Result<(), Failed> {
    if changed == 1 { Ok(()) } else { Err(ActError::NoSuch(what).into()) }
}

/// Refuses one more of what there is enough of.
fn full(
    tx: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    most: u64,
    what: &'static str,
) -> Result<(), Failed> {
    let count: i64 = tx.query_row(sql, params, |row| row.get(0))?;
    if from_sql(count) < most { Ok(()) } else { Err(ActError::TooMany { what, most }.into()) }
}

/// Whether there is somebody who can let others in.
fn has_admin(tx: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM user WHERE active AND ' ' || roles || ' ' LIKE '% admin %')";
    tx.query_row(sql, [], |row| row.get(0))
}

/// Refuses to take the last one of those away.
fn keeps_admin(had: bool, tx: &Connection) -> Result<(), Failed> {
    if !had || has_admin(tx)? { Ok(()) } else { Err(ActError::LastAdmin.into()) }
}
