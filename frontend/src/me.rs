//! Who is here, and what they may do: as the service says, and only to show what it would allow. It decides nothing;
//! the service does, with every request.

use api::{CallerKind, Identity, Reach};
use leptos::{prelude::*, task::spawn_local};

use crate::{live::Remote, server::people};

/// Who is here. After signing in or out the whole page is loaded anew, so that nothing of one reader is left to another.
#[derive(Clone, Copy)]
pub(crate) struct Me(RwSignal<Remote<Identity>>);

impl Me {
    /// Asks.
    pub(crate) fn start() -> Self {
        let me = Self(RwSignal::new(Remote::Loading));
        me.refresh();
        me
    }

    /// Asks anew.
    pub(crate) fn refresh(self) {
        spawn_local(async move {
            self.0.set(people::session().await.map_or_else(Remote::Failed, Remote::Ready));
        });
    }

    /// What is known.
    pub(crate) fn known(self) -> Remote<Identity> {
        self.0.get()
    }

    /// Who is here, if it is known.
    pub(crate) fn identity(self) -> Option<Identity> {
        match self.0.get() {
            Remote::Ready(identity) => Some(identity),
            Remote::Loading | Remote::Failed(_) => None,
        }
    }

    /// Of what this may be done, by the action's name as in docs/permissions.md.
    pub(crate) fn may(self, action: &str) -> Option<Reach> {
        self.0.with(|known| match known {
            Remote::Ready(identity) => reach(identity, action),
            Remote::Loading | Remote::Failed(_) => None,
        })
    }

    /// Whether a person has signed in.
    pub(crate) fn is_user(self) -> bool {
        self.0.with(|known| matches!(known, Remote::Ready(identity) if identity.caller == CallerKind::User))
    }

    /// Whether a password that was given has to be changed first.
    pub(crate) fn must_change_password(self) -> bool {
        self.0.with(|known| matches!(known, Remote::Ready(identity) if identity.must_change_password))
    }
}

fn reach(identity: &Identity, action: &str) -> Option<Reach> {
    identity.may.iter().find(|permission| permission.action == action).map(|permission| permission.reach)
}

#[cfg(test)]
mod tests {
    use api::Permission;

    use super::*;

    #[test]
    fn what_is_not_listed_is_not_allowed() {
        let may = vec![Permission { action: "read_devices".into(), reach: Reach::Own }];
        let identity = Identity {
            caller: CallerKind::User,
            id: Some(1),
            name: Some("ada".into()),
            roles: vec![api::Role::DeviceOwner],
            scopes: None,
            may,
            must_change_password: false,
            trial: false,
            open_registration: false,
        };
        assert_eq!(reach(&identity, "read_devices"), Some(Reach::Own));
        assert_eq!(reach(&identity, "manage_users"), None);
    }
}
