//! What users do with tokens of their own.

use std::sync::Arc;

use super::{AccountError, Accounts, Made};
use crate::{
    access::{
        Pass,
        secret::{Kind, PREFIX},
    },
    domain::{
        Millis,
        access::{Scope, Scopes, UserId},
        people::{Token, Which},
    },
};

/// Tokens of a user that hold, at most: one for each program of a large household.
const TOKENS: u64 = 64;

/// Days that a token holds, unless its maker says otherwise, and at most.
const DAYS: u32 = 90;
pub(super) const MAX_DAYS: u32 = 365;

const DAY: i64 = 24 * 3_600 * 1_000;

/// A token that somebody wants.
pub(crate) struct TokenWish {
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) days: Option<u32>,
}

impl Accounts {
    /// Makes a token.
    pub(crate) async fn make_token(
        self: &Arc<Self>,
        pass: &Pass,
        user: UserId,
        wish: TokenWish,
    ) -> Result<Made<Token>, AccountError> {
        let TokenWish { name, scopes: asked, days } = wish;
        if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(AccountError::TokenName);
        }
        let scopes = Scopes::of(asked.iter().copied());
        if asked.is_empty() || scopes.iter().count() != asked.len() {
            return Err(AccountError::NoScopes);
        }
        let found = days.unwrap_or(DAYS);
        if !(1..=MAX_DAYS).contains(&found) {
            return Err(AccountError::Days { found });
        }
        let secret = Kind::Token.make()?;
        let created = self.clock.now();
        let mut token = Token {
            id: 0,
            hash: Kind::Token.hash(&secret).unwrap_or_default(),
            prefix: secret.chars().take(PREFIX).collect(),
            name,
            scopes,
            created,
            expires: Millis(created.0 + i64::from(found) * DAY),
            used: None,
            revoked: None,
        };
        let what = scopes.iter().map(Scope::name).collect::<Vec<_>>().join(", ");
        let object = format!("{} {}", token.prefix, token.name);
        let record = self.record(pass, "token.create", &object, &format!("for {what}, {found} days"));
        let kept = token.clone();
        token.id = self.act(user, move |store| Ok(store.add_token(user, &kept, TOKENS, &record)?)).await?;
        Ok(Made { secret, kept: token })
    }

    /// Revokes a token of a user.
    pub(crate) async fn revoke_token(self: &Arc<Self>, pass: &Pass, user: UserId, id: i64) -> Result<(), AccountError> {
        let now = self.clock.now();
        let record = self.record(pass, "token.revoke", &format!("token {id}"), "revoked");
        self.act(user, move |store| Ok(store.revoke_token(user, id, now, &record)?)).await
    }

    /// Ends the session that asks.
    pub(crate) async fn sign_out(self: &Arc<Self>, pass: &Pass, user: UserId) -> Result<(), AccountError> {
        match pass.credential.as_ref().and_then(|credential| credential.session()) {
            Some(session) => self.end_sessions(pass, user, Which::One(session)).await.map(drop),
            // A token is revoked, not signed out; and may not come here.
            None => Ok(()),
        }
    }
}
