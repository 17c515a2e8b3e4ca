//! Rows of people, as they are read and written.

use ledger::Hash;
use rusqlite::Row;

use crate::domain::{
    Millis,
    access::{Role, Roles, Scope, Scopes, UserId},
    people::{Invitation, Session, Token, User},
};

/// The columns of a user.
pub(super) const USER: &str = "id, name, roles, active, must_change, created_ms";
/// The columns of an invitation.
pub(super) const INVITATION: &str = "id, hash, roles, made_by, created_ms, expires_ms";

/// A user's row.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get("id")?),
        name: row.get("name")?,
        roles: roles(&row.get::<_, String>("roles")?),
        active: row.get("active")?,
        must_change: row.get("must_change")?,
        created: Millis(row.get("created_ms")?),
    })
}

/// A session's row.
pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        hash: Hash(row.get("hash")?),
        created: Millis(row.get("created_ms")?),
        seen: Millis(row.get("seen_ms")?),
        from: row.get("came_from")?,
        agent: row.get("agent")?,
    })
}

/// A token's row.
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes = row.get::<_, String>("scopes")?;
    Ok(Token {
        id: row.get("id")?,
        hash: Hash(row.get("hash")?),
        prefix: row.get("prefix")?,
        name: row.get("name")?,
        scopes: Scopes::of(Scope::ALL.into_iter().filter(|scope| scopes.split(' ').any(|name| name == scope.name()))),
        created: Millis(row.get("created_ms")?),
        expires: Millis(row.get("expires_ms")?),
        used: row.get::<_, Option<i64>>("used_ms")?.map(Millis),
        revoked: row.get::<_, Option<i64>>("revoked_ms")?.map(Millis),
    })
}

/// An invitation's row.
pub(super) fn invitation(row: &Row<'_>) -> rusqlite::Result<Invitation> {
    Ok(Invitation {
        id: row.get("id")?,
        hash: Hash(row.get("hash")?),
        roles: roles(&row.get::<_, String>("roles")?),
        by: row.get("made_by")?,
        created: Millis(row.get("created_ms")?),
        expires: Millis(row.get("expires_ms")?),
    })
}

/// Names as they are kept together.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

fn roles(text: &str) -> Roles {
    Roles::of(Role::ALL.into_iter().filter(|role| text.split(' ').any(|name| name == role.name())))
}
