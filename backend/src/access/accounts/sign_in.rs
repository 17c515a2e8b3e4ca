//! Signing in and registering: what is open to everybody, and slowed down for who guesses.

use std::{net::IpAddr, sync::Arc};

use super::{AccountError, Accounts, nobody};
use crate::{
    access::{
        Pass,
        password::{self, PasswordError},
        secret::Kind,
    },
    domain::{
        access::{Caller, Role, Roles, Scopes, UserId},
        people::{ActError, Change, Invitation, NewUser, Session, User, user_name},
    },
};

/// Sessions of a user at most; the oldest ends. A person has a few browsers.
const SESSIONS: u64 = 32;

/// Characters that are kept of what a browser calls itself.
const AGENT: usize = 160;

/// Somebody who has signed in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    /// What the cookie is to hold.
    pub(crate) cookie: String,
    pub(crate) caller: Caller,
}

/// Somebody who wants to be a user.
pub(crate) struct Registering {
    pub(crate) name: String,
    pub(crate) password: String,
    /// The invitation's secret.
    pub(crate) invitation: Option<String>,
}

impl Accounts {
    /// Begins a session.
    ///
    /// A name that does not exist, a wrong password and a disabled user get the same answer after the same work.
    ///
    /// # Errors
    /// [`AccountError::Wrong`], or why it could not be tried.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: String,
        from: IpAddr,
        agent: &str,
    ) -> Result<SignedIn, AccountError> {
        // No user has the name of none.
        let name = user_name(name).unwrap_or_default();
        let now = self.clock.now();
        let attempt = self.throttle.begin(Some(&name), from, now).map_err(AccountError::Wait)?;
        let asked = name.clone();
        let found = match self.ask(move |store| store.by_name(&asked)).await {
            Ok(found) => found,
            Err(error) => {
                attempt.undecided();
                return Err(error);
            }
        };
        let fits = match self.hasher.fits(password, found.as_ref().map(|(_, hash)| hash.clone())).await {
            Ok(fits) => fits,
            Err(busy) => {
                attempt.undecided();
                return Err(busy.into());
            }
        };
        let Some((user, hash)) = found.filter(|(user, _)| fits && user.active) else {
            self.trail.refused(&nobody(from), "session.refuse", &name, "no such name and password");
            return Err(AccountError::Wrong);
        };
        let signed_in = self.begin(user, hash, from, agent).await?;
        attempt.succeeded();
        Ok(signed_in)
    }

    /// Keeps a session of a user whose password was right.
    async fn begin(
        self: &Arc<Self>,
        user: User,
        hash: String,
        from: IpAddr,
        agent: &str,
    ) -> Result<SignedIn, AccountError> {
        let cookie = Kind::Session.make()?;
        let now = self.clock.now();
        let scopes = if user.must_change { Scopes::PASSWORD } else { Scopes::SESSION };
        let caller = Caller::Person { id: user.id, name: user.name.clone(), roles: user.roles, scopes };
        let session = Session {
            id: 0,
            hash: Kind::Session.hash(&cookie).unwrap_or_default(),
            created: now,
            seen: now,
            from: from.to_canonical().to_string(),
            agent: agent.chars().filter(|c| !c.is_control()).take(AGENT).collect(),
        };
        let record = self.trail.record_of(&caller, from, "session.begin", &user.name, "signed in");
        self.act(user.id, move |store| {
            // Changed or disabled while the password was looked at.
            let same = store.by_name(&user.name)?.is_some_and(|found| found == (user.clone(), hash));
            if !same {
                return Err(AccountError::Wrong);
            }
            store.add_session(user.id, &session, SESSIONS, &record)?;
            Ok(())
        })
        .await?;
        Ok(SignedIn { cookie, caller })
    }

    /// Changes one's own password; all sessions but this one end.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`], [`AccountError::Password`], [`AccountError::Wait`].
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        pass: &Pass,
        (id, name): (UserId, &str),
        current: String,
        new: String,
    ) -> Result<(), AccountError> {
        password::check(&new, name)?;
        if new == current {
            return Err(PasswordError::Same.into());
        }
        // Who has stolen a session guesses no faster than who has not.
        let attempt = self.throttle.begin(Some(name), pass.from, self.clock.now()).map_err(AccountError::Wait)?;
        let stored = self.ask(move |store| store.password(id)).await?;
        if !self.hasher.fits(current, stored.clone()).await? {
            self.trail.refused(pass, "password.refuse", name, "not the password up to now");
            return Err(AccountError::WrongPassword);
        }
        attempt.succeeded();
        let hash = self.hasher.hash(new).await??;
        let session = pass.credential.as_ref().and_then(|credential| credential.session());
        let change = Change { password: Some((hash, false)), end_sessions: Some(session), ..Change::default() };
        let record = self.record(pass, "password.change", name, "changed; other sessions ended");
        self.act(id, move |store| {
            if store.password(id)? != stored {
                return Err(AccountError::WrongPassword);
            }
            Ok(store.change_user(id, &change, &record)?)
        })
        .await
    }

    /// Makes a user of somebody who was invited, or of anybody where registration is open.
    ///
    /// # Errors
    /// [`AccountError::Closed`], [`AccountError::NotInvited`], [`AccountError::Wait`], or what is wrong with name and
    /// password.
    pub(crate) async fn register(self: &Arc<Self>, asked: Registering, from: IpAddr) -> Result<UserId, AccountError> {
        let now = self.clock.now();
        if asked.invitation.is_none() && !self.open_registration {
            return Err(AccountError::Closed);
        }
        // Each counts, also those that succeed: an address makes 20 users, and then few.
        self.throttle.begin(None, from, now).map_err(AccountError::Wait)?;
        let invitation = match &asked.invitation {
            Some(secret) => Some(self.invitation(secret).await?),
            None => None,
        };
        let name = user_name(&asked.name)?;
        password::check(&asked.password, &name)?;
        let roles = invitation.as_ref().map_or(Roles::of([Role::DeviceOwner]), |invitation| invitation.roles);
        let password = self.hasher.hash(asked.password).await??;
        let how = match &invitation {
            Some(invitation) => format!("registered as {}, invited by {}", role_names(roles), invitation.by),
            None => format!("registered as {}", role_names(roles)),
        };
        let record = self.trail.record_of(&Caller::Nobody, from, "user.create", &name, &how);
        let user = NewUser { name, roles, password, must_change: false, created: now };
        self.add(user, invitation.map(|invitation| invitation.id), record).await.map_err(|error| match error {
            AccountError::Act(ActError::NoSuch(_)) => AccountError::NotInvited,
            other => other,
        })
    }

    /// The invitation with this secret, if it holds.
    async fn invitation(self: &Arc<Self>, secret: &str) -> Result<Invitation, AccountError> {
        let hash = Kind::Invitation.hash(secret).ok_or(AccountError::NotInvited)?;
        let found = self.ask(move |store| store.invitation(&hash)).await?;
        let now = self.clock.now();
        found.filter(|invitation| now < invitation.expires).ok_or(AccountError::NotInvited)
    }
}

/// Roles for the audit log.
pub(super) fn role_names(roles: Roles) -> String {
    roles.iter().map(Role::name).collect::<Vec<_>>().join(", ")
}
