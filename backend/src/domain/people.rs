//! People as the service keeps them, and the port through which they are kept.

use ledger::{Hash, audit::Record};

use super::{
    Millis,
    access::{Roles, Scopes, UserId},
    ports::StoreError,
};

/// A user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct User {
    pub(crate) id: UserId,
    /// Checked by [`user_name`].
    pub(crate) name: String,
    pub(crate) roles: Roles,
    /// Whether the user may come in.
    pub(crate) active: bool,
    /// Whether the password has to be changed before anything else.
    pub(crate) must_change: bool,
    pub(crate) created: Millis,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) roles: Roles,
    /// The password's hash, as a PHC string.
    pub(crate) password: String,
    pub(crate) must_change: bool,
    pub(crate) created: Millis,
}

/// What is to change of a user. What is `None` stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) roles: Option<Roles>,
    pub(crate) active: Option<bool>,
    /// The new password's hash, and whether it has to be changed at the next sign-in.
    pub(crate) password: Option<(String, bool)>,
    /// Ends the user's sessions, but for this one.
    pub(crate) end_sessions: Option<Option<i64>>,
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) id: i64,
    /// SHA-256 of the cookie.
    pub(crate) hash: Hash,
    pub(crate) created: Millis,
    /// As of the last time that it was written down.
    pub(crate) seen: Millis,
    pub(crate) from: String,
    pub(crate) agent: String,
}

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) id: i64,
    /// SHA-256 of the secret.
    pub(crate) hash: Hash,
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created: Millis,
    pub(crate) expires: Millis,
    /// As of the last time that it was written down.
    pub(crate) used: Option<Millis>,
    pub(crate) revoked: Option<Millis>,
}

/// An invitation that was not taken up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invitation {
    pub(crate) id: i64,
    /// SHA-256 of the secret.
    pub(crate) hash: Hash,
    pub(crate) roles: Roles,
    pub(crate) by: String,
    pub(crate) created: Millis,
    pub(crate) expires: Millis,
}

/// A user with everything by which that user may come in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) sessions: Vec<Session>,
    pub(crate) tokens: Vec<Token>,
}

/// Which sessions of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// This one.
    One(i64),
    /// All but this one.
    Others(i64),
    /// All.
    All,
}

/// Why an act was not done. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error("the name {0} is taken")]
    NameTaken(String),
    #[error("this is the last administrator who may come in: make another one first")]
    LastAdmin,
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    #[error("expected at most {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: u64,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What users, sessions, tokens and invitations are kept by.
///
/// Each act is one transaction together with its record in the audit log: both are on disk when it returns, or
/// neither is. So there is no act without its record.
pub(crate) trait Identity: Send + Sync {
    /// All users, in no order.
    fn user_ids(&self) -> Result<Vec<UserId>, StoreError>;

    /// A user with the sessions and tokens that are kept; `None` if there is no such user.
    fn person(&self, id: UserId) -> Result<Option<Person>, StoreError>;

    /// The user with this name, and the password's hash.
    fn by_name(&self, name: &str) -> Result<Option<(User, String)>, StoreError>;

    /// The password's hash of a user.
    fn password(&self, id: UserId) -> Result<Option<String>, StoreError>;

    /// Users with a number below this one, the newest first, at most `count`.
    fn users(&self, before: u64, count: u64) -> Result<Vec<User>, StoreError>;

    /// Makes a user. With an invitation, that is used up in the same act.
    ///
    /// # Errors
    /// [`ActError::NameTaken`]; [`ActError::NoSuch`] if the invitation was used up or withdrawn meanwhile;
    /// [`ActError::TooMany`].
    fn add_user(&self, user: &NewUser, invitation: Option<i64>, record: &Record) -> Result<UserId, ActError>;

    /// Changes a user.
    ///
    /// # Errors
    /// [`ActError::LastAdmin`] if nobody active would be an administrator any more; [`ActError::NoSuch`].
    fn change_user(&self, id: UserId, change: &Change, record: &Record) -> Result<(), ActError>;

    /// Deletes a user with sessions and tokens. The number is never given again.
    ///
    /// # Errors
    /// As [`Identity::change_user`].
    fn delete_user(&self, id: UserId, record: &Record) -> Result<(), ActError>;

    /// Keeps a session (its `id` is given by the store), and ends the user's oldest ones above `most`.
    fn add_session(&self, user: UserId, session: &Session, most: u64, record: &Record) -> Result<i64, ActError>;

    /// Ends sessions of a user; gives how many.
    fn end_sessions(&self, user: UserId, which: Which, record: &Record) -> Result<u64, ActError>;

    /// Keeps a token (its `id` is given by the store).
    ///
    /// # Errors
    /// [`ActError::TooMany`] if the user has `most` that hold.
    fn add_token(&self, user: UserId, token: &Token, most: u64, record: &Record) -> Result<i64, ActError>;

    /// Revokes a token of a user.
    ///
    /// # Errors
    /// [`ActError::NoSuch`] if the user has no such token that holds.
    fn revoke_token(&self, user: UserId, id: i64, now: Millis, record: &Record) -> Result<(), ActError>;

    /// The invitation with this hash.
    fn invitation(&self, hash: &Hash) -> Result<Option<Invitation>, StoreError>;

    /// Invitations with a number below this one, the newest first, at most `count`.
    fn invitations(&self, before: u64, count: u64) -> Result<Vec<Invitation>, StoreError>;

    /// Keeps an invitation (its `id` is given by the store).
    ///
    /// # Errors
    /// [`ActError::TooMany`] if there are `most`.
    fn add_invitation(&self, invitation: &Invitation, most: u64, record: &Record) -> Result<i64, ActError>;

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// [`ActError::NoSuch`].
    fn withdraw_invitation(&self, id: i64, record: &Record) -> Result<(), ActError>;

    /// Writes down when sessions and tokens were last used. No act: nobody did this.
    fn note_uses(&self, sessions: &[(i64, Millis)], tokens: &[(i64, Millis)]) -> Result<(), StoreError>;

    /// Forgets what has ended: sessions not seen since then or made before then, tokens that ended before then, and
    /// invitations.
    fn forget(&self, ended: &Ended) -> Result<(), StoreError>;

    /// A number that changes when somebody other than the service has changed users.
    fn outside_changes(&self) -> Result<u64, StoreError>;

    /// Changes that number.
    fn note_outside_change(&self) -> Result<(), StoreError>;
}

/// What is forgotten: everything of before these times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Sessions last seen before.
    pub(crate) seen: Millis,
    /// Sessions made before.
    pub(crate) made: Millis,
    /// Tokens that ended before.
    pub(crate) tokens: Millis,
    /// Invitations that ended before.
    pub(crate) invitations: Millis,
}

/// Why a text is no user's name.
#[derive(Debug, thiserror::Error)]
#[error("expected a name of 1 to {MAX_NAME} of the characters a-z, 0-9 and . _ - + @, found {0:?}")]
pub(crate) struct NameError(String);

/// Characters of a user's name at most: an e-mail address is rarely longer.
pub(crate) const MAX_NAME: usize = 64;

/// A user's name: capitals are made small, so that two names that look alike are one. It goes into the audit log, into
/// headers and onto pages, so it has nothing that means something there.
pub(crate) fn user_name(text: &str) -> Result<String, NameError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(NameError(text.chars().take(MAX_NAME).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_nothing_elsewhere() {
        assert_eq!(user_name("Ada.Lovelace+x@example.org").unwrap(), "ada.lovelace+x@example.org");
        let long = "a".repeat(MAX_NAME + 1);
        for text in ["", "a b", "a\r\nset-cookie: x", "<b>", "=1+1", "a\0", "ädä", "../x", "a;b", "'--", &long] {
            assert!(user_name(text).is_err(), "{text:?}");
        }
    }
}
