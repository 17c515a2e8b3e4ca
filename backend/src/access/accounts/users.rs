//! What administrators do with users and invitations.

use std::sync::{Arc, PoisonError};

use ledger::audit::Record;

use super::{AccountError, Accounts, Made, on_thread, sign_in::role_names};
use crate::{
    access::{
        Pass,
        audit::record,
        secret::{Kind, one_time_password},
    },
    domain::{
        Millis,
        access::{Role, Roles, UserId},
        people::{ActError, Change, Invitation, NewUser, Person, User, Which, user_name},
    },
};

/// An invitation holds for 72 hours: over a weekend.
const INVITED: i64 = 72 * 3_600 * 1_000;

/// Invitations that were not taken up, at most: a page or two of a list.
const INVITATIONS: u64 = 1_000;

/// The name of the first administrator, if the service makes it.
const FIRST: &str = "admin";

impl Accounts {
    /// Makes a user with a password that has to be changed at the first sign-in.
    pub(crate) async fn create_user(
        self: &Arc<Self>,
        pass: &Pass,
        name: &str,
        roles: Roles,
    ) -> Result<Made<User>, AccountError> {
        let name = user_name(name)?;
        some(roles)?;
        let secret = one_time_password()?;
        let password = self.hasher.hash(secret.clone()).await??;
        let record = self.record(pass, "user.create", &name, &format!("made as {}", role_names(roles)));
        let user = NewUser { name, roles, password, must_change: true, created: self.clock.now() };
        let id = self.add(user, None, record).await?;
        Ok(Made { secret, kept: self.existing(id).await?.user })
    }

    /// Makes the first administrator of a service that has no users; gives name and password.
    pub(crate) async fn first_admin(self: &Arc<Self>) -> Result<Option<(String, String)>, AccountError> {
        if !self.people.is_empty() {
            return Ok(None);
        }
        let secret = one_time_password()?;
        let (now, roles) = (self.clock.now(), Roles::of([Role::Admin]));
        let user = NewUser {
            name: FIRST.into(),
            roles,
            password: self.hasher.hash(secret.clone()).await??,
            must_change: true,
            created: now,
        };
        let (who, from) = ("the service".to_owned(), "this machine".to_owned());
        let record = record(now, who, from, "user.create", FIRST, "made as admin, with a one-time password");
        self.add(user, None, record).await?;
        Ok(Some((FIRST.into(), secret)))
    }

    /// Changes what a user is; gives the new password, if one was to be made.
    pub(crate) async fn change_user(
        self: &Arc<Self>,
        pass: &Pass,
        id: UserId,
        roles: Option<Roles>,
        active: Option<bool>,
        reset_password: bool,
    ) -> Result<(User, Option<String>), AccountError> {
        if let Some(roles) = roles {
            some(roles)?;
        }
        let name = self.existing(id).await?.user.name;
        let secret = if reset_password { Some(one_time_password()?) } else { None };
        let password = match &secret {
            Some(secret) => Some((self.hasher.hash(secret.clone()).await??, true)),
            None => None,
        };
        let parts = [
            roles.map(|roles| format!("roles {}", role_names(roles))),
            active.map(|active| if active { "enabled".to_owned() } else { "disabled".to_owned() }),
            secret.as_ref().map(|_| "password made anew".to_owned()),
        ];
        let result = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        // Whoever is out comes in again by signing in.
        let end_sessions = (active == Some(false) || reset_password).then_some(None);
        let change = Change { roles, active, password, end_sessions };
        let record = self.record(pass, "user.change", &name, &result);
        self.act(id, move |store| Ok(store.change_user(id, &change, &record)?)).await?;
        Ok((self.existing(id).await?.user, secret))
    }

    /// Deletes a user.
    pub(crate) async fn delete_user(self: &Arc<Self>, pass: &Pass, id: UserId) -> Result<(), AccountError> {
        let name = self.existing(id).await?.user.name;
        let record = self.record(pass, "user.delete", &name, "deleted, with sessions and tokens");
        self.act(id, move |store| Ok(store.delete_user(id, &record)?)).await
    }

    /// Ends sessions of a user; gives how many.
    pub(crate) async fn end_sessions(
        self: &Arc<Self>,
        pass: &Pass,
        id: UserId,
        which: Which,
    ) -> Result<u64, AccountError> {
        let name = self.existing(id).await?.user.name;
        let result = match which {
            Which::One(session) => format!("session {session} ended"),
            Which::Others(session) => format!("all sessions but {session} ended"),
            Which::All => "all sessions ended".into(),
        };
        let record = self.record(pass, "session.end", &name, &result);
        self.act(id, move |store| Ok(store.end_sessions(id, which, &record)?)).await
    }

    /// Makes an invitation.
    pub(crate) async fn invite(self: &Arc<Self>, pass: &Pass, roles: Roles) -> Result<Made<Invitation>, AccountError> {
        some(roles)?;
        let secret = Kind::Invitation.make()?;
        let now = self.clock.now();
        let mut invitation = Invitation {
            id: 0,
            hash: Kind::Invitation.hash(&secret).unwrap_or_default(),
            roles,
            by: pass.caller.to_string(),
            created: now,
            expires: Millis(now.0 + INVITED),
        };
        let record = self.record(pass, "invitation.create", "an invitation", &format!("for {}", role_names(roles)));
        let kept = invitation.clone();
        let this = Arc::clone(self);
        invitation.id = on_thread(move || Ok(this.store.add_invitation(&kept, INVITATIONS, &record)?)).await?;
        Ok(Made { secret, kept: invitation })
    }

    /// Invitations that hold, with a number below this one, newest first.
    pub(crate) async fn invitations(
        self: &Arc<Self>,
        before: u64,
        count: u64,
    ) -> Result<Vec<Invitation>, AccountError> {
        self.ask(move |store| store.invitations(before, count)).await
    }

    /// Withdraws an invitation.
    pub(crate) async fn withdraw(self: &Arc<Self>, pass: &Pass, id: i64) -> Result<(), AccountError> {
        let record = self.record(pass, "invitation.withdraw", &format!("invitation {id}"), "withdrawn");
        let this = Arc::clone(self);
        on_thread(move || Ok(this.store.withdraw_invitation(id, &record)?)).await
    }

    /// Keeps a new user, who may come in from now on.
    pub(super) async fn add(
        self: &Arc<Self>,
        user: NewUser,
        invitation: Option<i64>,
        record: Record,
    ) -> Result<UserId, AccountError> {
        let this = Arc::clone(self);
        on_thread(move || {
            let _one = this.acts.lock().unwrap_or_else(PoisonError::into_inner);
            let id = this.store.add_user(&user, invitation, &record)?;
            this.reload(id);
            Ok(id)
        })
        .await
    }

    async fn existing(self: &Arc<Self>, id: UserId) -> Result<Person, AccountError> {
        self.person(id).await?.ok_or(AccountError::Act(ActError::NoSuch("user")))
    }
}

fn some(roles: Roles) -> Result<(), AccountError> {
    if roles.is_empty() { Err(AccountError::NoRoles) } else { Ok(()) }
}
