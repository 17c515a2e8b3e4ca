//! Between the service's words and the interface's.

use crate::{
    access::Accounts,
    domain::{
        access::{Reach, Role, Roles, Scope},
        people::{Invitation, Session, Token, User},
    },
};

/// Pairs of the same meaning, both ways.
macro_rules! same {
    ($ours:ident, $theirs:ident, $to:ident, $from:ident: $($name:ident),*) => {
        pub(super) fn $to(value: $ours) -> api::$theirs {
            match value { $($ours::$name => api::$theirs::$name),* }
        }
        pub(super) fn $from(value: api::$theirs) -> $ours {
            match value { $(api::$theirs::$name => $ours::$name),* }
        }
    };
}

same!(Role, Role, role_out, role_in: Admin, Analyst, DeviceOwner, Auditor);
same!(Scope, Scope, scope_out, scope_in: Read, Send, Manage);

pub(super) fn reach(reach: Reach) -> api::Reach {
    match reach {
        Reach::Own => api::Reach::Own,
        Reach::All => api::Reach::All,
    }
}

pub(super) fn roles_in(roles: Vec<api::Role>) -> Roles {
    Roles::of(roles.into_iter().map(role_in))
}

pub(super) fn roles_out(roles: Roles) -> Vec<api::Role> {
    roles.iter().map(role_out).collect()
}

pub(super) fn user(user: User) -> api::User {
    api::User {
        id: user.id.0.unsigned_abs(),
        name: user.name,
        roles: roles_out(user.roles),
        state: if user.active { api::UserState::Active } else { api::UserState::Disabled },
        must_change_password: user.must_change,
        created: user.created.to_time().to_string(),
    }
}

/// A session; `current` is the number of the one that asks.
pub(super) fn session(session: Session, current: Option<i64>) -> api::Session {
    api::Session {
        id: session.id.unsigned_abs(),
        created: session.created.to_time().to_string(),
        last_seen: session.seen.to_time().to_string(),
        expires: Accounts::session_ends(session.created, session.seen).to_time().to_string(),
        from: session.from,
        user_agent: session.agent,
        current: current == Some(session.id),
    }
}

pub(super) fn token(token: Token) -> api::Token {
    api::Token {
        id: token.id.unsigned_abs(),
        prefix: token.prefix,
        name: token.name,
        scopes: token.scopes.iter().map(scope_out).collect(),
        created: token.created.to_time().to_string(),
        expires: token.expires.to_time().to_string(),
        last_used: token.used.map(|used| used.to_time().to_string()),
        revoked: token.revoked.map(|revoked| revoked.to_time().to_string()),
    }
}

pub(super) fn invitation(invitation: Invitation) -> api::Invitation {
    api::Invitation {
        id: invitation.id.unsigned_abs(),
        roles: roles_out(invitation.roles),
        by: invitation.by,
        created: invitation.created.to_time().to_string(),
        expires: invitation.expires.to_time().to_string(),
    }
}
