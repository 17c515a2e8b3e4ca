//! Sessions and tokens of people, in memory: asked with every request, changed with each act.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use ledger::Hash;

use super::{Credential, secret::Kind};
use crate::domain::{
    Millis,
    access::{Caller, Scopes, UserId},
    people::{Person, Session, Token, User},
};

/// A session that is not used for so long ends: 12 hours.
pub(super) const IDLE: i64 = 12 * 3_600 * 1_000;

/// A session ends after this, however it is used: 7 days.
pub(super) const WHOLE: i64 = 7 * 24 * 3_600 * 1_000;

/// Uses are noted to this: a minute.
const NOTED: i64 = 60 * 1_000;

/// The people who may come in.
#[derive(Default)]
pub(crate) struct People {
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    people: HashMap<UserId, Known>,
    /// By SHA-256 of the secret.
    shown: HashMap<Hash, Live>,
}

/// A user, and the secrets by which that user comes in.
struct Known {
    user: User,
    hashes: Vec<Hash>,
}

/// A session or token that holds.
#[derive(Clone)]
struct Live {
    id: i64,
    user: UserId,
    what: What,
    credential: Arc<Credential>,
    /// When it was last used.
    used: Arc<AtomicI64>,
    /// The same, as it was written down.
    noted: Arc<AtomicI64>,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Session { created: Millis },
    Token { scopes: Scopes },
}

/// Numbers of sessions and tokens, each with when it was last used.
pub(super) type Uses = Vec<(i64, Millis)>;

impl People {
    /// Whose session this is.
    pub(crate) fn by_session(&self, secret: &str, now: Millis) -> Option<(Caller, Option<Arc<Credential>>)> {
        self.by_hash(&Kind::Session.hash(secret)?, now)
    }

    /// Whose token this is.
    pub(crate) fn by_token(&self, secret: &str, now: Millis) -> Option<(Caller, Option<Arc<Credential>>)> {
        self.by_hash(&Kind::Token.hash(secret)?, now)
    }

    fn by_hash(&self, hash: &Hash, now: Millis) -> Option<(Caller, Option<Arc<Credential>>)> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let live = index.shown.get(hash)?;
        let user = &index.people.get(&live.user)?.user;
        if !user.active || !live.credential.holds(now) {
            return None;
        }
        let scopes = match live.what {
            What::Session { created } => {
                live.credential.extend(ends(created, now));
                if user.must_change { Scopes::PASSWORD } else { Scopes::SESSION }
            }
            // A program cannot change the password; until its owner has, it waits.
            What::Token { .. } if user.must_change => return None,
            What::Token { scopes } => scopes,
        };
        live.used.fetch_max(now.0, Ordering::Relaxed);
        let caller = Caller::Person { id: user.id, name: user.name.clone(), roles: user.roles, scopes };
        Some((caller, Some(Arc::clone(&live.credential))))
    }

    /// When a session or token of this hash was last used, and a session's end.
    pub(super) fn used(&self, hash: &Hash) -> Option<Millis> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        Some(Millis(index.shown.get(hash)?.used.load(Ordering::Relaxed))).filter(|used| used.0 > i64::MIN)
    }

    /// Whether there are users.
    pub(super) fn is_empty(&self) -> bool {
        self.index.read().unwrap_or_else(PoisonError::into_inner).people.is_empty()
    }

    /// The users that are known.
    pub(super) fn ids(&self) -> Vec<UserId> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).people.keys().copied().collect()
    }

    /// Takes over what the store has of a user. What does not hold any more ends, on open connections too; so does what
    /// was let in while the user was something else, which may come in again.
    pub(super) fn put(&self, id: UserId, person: Option<Person>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let before = index.people.remove(&id);
        let mut old: HashMap<Hash, Live> = HashMap::new();
        for hash in before.iter().flat_map(|known| &known.hashes) {
            old.extend(index.shown.remove(hash).map(|live| (*hash, live)));
        }
        if let Some(person) = person {
            let same = before.is_some_and(|known| known.user == person.user);
            let mut hashes = Vec::new();
            for (hash, new) in lives(&person) {
                let live = match old.get(&hash) {
                    Some(kept) if same && kept.what == new.what => old.remove(&hash).unwrap_or(new),
                    Some(kept) => Live { used: Arc::clone(&kept.used), noted: Arc::clone(&kept.noted), ..new },
                    None => new,
                };
                hashes.push(hash);
                index.shown.insert(hash, live);
            }
            index.people.insert(id, Known { user: person.user, hashes });
        }
        old.values().for_each(|live| live.credential.end());
    }

    /// What was used since it was last written down, by a minute or more: sessions, and tokens.
    pub(super) fn uses(&self) -> (Uses, Uses) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let (mut sessions, mut tokens) = (Vec::new(), Vec::new());
        for live in index.shown.values() {
            let used = live.used.load(Ordering::Relaxed);
            if used.saturating_sub(live.noted.load(Ordering::Relaxed)) >= NOTED {
                live.noted.store(used, Ordering::Relaxed);
                match live.what {
                    What::Session { .. } => sessions.push((live.id, Millis(used))),
                    What::Token { .. } => tokens.push((live.id, Millis(used))),
                }
            }
        }
        (sessions, tokens)
    }
}

/// When a session ends that was last used then.
pub(super) fn ends(created: Millis, used: Millis) -> Millis {
    Millis((created.0 + WHOLE).min(used.0 + IDLE))
}

/// What of a user's sessions and tokens may hold.
fn lives(person: &Person) -> Vec<(Hash, Live)> {
    let live = |id, what, credential, used: i64| Live {
        id,
        user: person.user.id,
        what,
        credential: Arc::new(credential),
        used: Arc::new(used.into()),
        noted: Arc::new(used.into()),
    };
    let session = |session: &Session| {
        let credential = Credential::of_session(session.id, ends(session.created, session.seen));
        let what = What::Session { created: session.created };
        (session.hash, live(session.id, what, credential, session.seen.0))
    };
    let token = |token: &Token| {
        let credential = Credential::new(Some(token.expires));
        let used = token.used.map_or(i64::MIN, |used| used.0);
        (token.hash, live(token.id, What::Token { scopes: token.scopes }, credential, used))
    };
    let tokens = person.tokens.iter().filter(|token| token.revoked.is_none()).map(token);
    person.sessions.iter().map(session).chain(tokens).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Action, Role, Roles, Scope};

    const HOUR: i64 = 3_600 * 1_000;

    fn person(roles: &[Role]) -> (Person, String, String) {
        let (cookie, secret) = (Kind::Session.make().unwrap(), Kind::Token.make().unwrap());
        let user = User {
            id: UserId(7),
            name: "ada".into(),
            roles: Roles::of(roles.iter().copied()),
            active: true,
            must_change: false,
            created: Millis(0),
        };
        let hash = Kind::Session.hash(&cookie).unwrap();
        let session = Session { id: 1, hash, created: Millis(0), seen: Millis(0), from: "".into(), agent: "".into() };
        let token = Token {
            id: 2,
            hash: Kind::Token.hash(&secret).unwrap(),
            prefix: secret[..12].into(),
            name: "t".into(),
            scopes: Scopes::of([Scope::Read]),
            created: Millis(0),
            expires: Millis(1_000 * HOUR),
            used: None,
            revoked: None,
        };
        (Person { user, sessions: vec![session], tokens: vec![token] }, cookie, secret)
    }

    #[test]
    fn a_session_ends_12_hours_after_its_last_use_and_7_days_after_it_began() {
        let people = People::default();
        let (person, cookie, _) = person(&[Role::Analyst]);
        people.put(UserId(7), Some(person));
        let holds = |at: i64| people.by_session(&cookie, Millis(at)).is_some();
        assert!(holds(11 * HOUR));
        assert!(holds(22 * HOUR), "used meanwhile");
        assert!(!holds(34 * HOUR));
        for at in 3..17 {
            holds(at * 10 * HOUR);
        }
        assert!(!holds(7 * 24 * HOUR));
    }

    #[test]
    fn what_is_taken_away_ends_on_open_connections() {
        let people = People::default();
        let (mut person, cookie, secret) = person(&[Role::Analyst]);
        people.put(UserId(7), Some(person.clone()));
        let now = Millis(0);
        let session = people.by_session(&cookie, now).unwrap().1.unwrap();
        let token = people.by_token(&secret, now).unwrap().1.unwrap();

        person.tokens[0].revoked = Some(now);
        people.put(UserId(7), Some(person.clone()));
        assert!(session.holds(now) && !token.holds(now));
        assert!(people.by_token(&secret, now).is_none());

        // Another role: the open connection ends, the next request is let in as what the user is now.
        person.user.roles = Roles::of([Role::DeviceOwner]);
        people.put(UserId(7), Some(person.clone()));
        assert!(!session.holds(now));
        let (caller, session) = people.by_session(&cookie, now).unwrap();
        assert_eq!(caller.may(Action::ReadAudit), None);

        person.user.active = false;
        people.put(UserId(7), Some(person.clone()));
        assert!(!session.unwrap().holds(now));
        assert!(people.by_session(&cookie, now).is_none());

        person.user.active = true;
        people.put(UserId(7), Some(person));
        assert!(people.by_session(&cookie, now).is_some());
        people.put(UserId(7), None);
        assert!(people.by_session(&cookie, now).is_none() && people.is_empty());
    }

    #[test]
    fn a_cookie_is_no_token_and_a_token_no_cookie() {
        let people = People::default();
        let (person, cookie, secret) = person(&[Role::Analyst]);
        people.put(UserId(7), Some(person));
        assert!(people.by_session(&secret, Millis(0)).is_none() && people.by_token(&cookie, Millis(0)).is_none());
    }

    #[test]
    fn uses_are_written_down_once_a_minute() {
        let people = People::default();
        let (person, cookie, secret) = person(&[Role::Analyst]);
        people.put(UserId(7), Some(person));
        people.by_session(&cookie, Millis(59_000));
        people.by_token(&secret, Millis(59_000));
        assert_eq!(people.uses(), (vec![], vec![(2, Millis(59_000))]));
        people.by_session(&cookie, Millis(60_000));
        assert_eq!(people.uses(), (vec![(1, Millis(60_000))], vec![]));
        assert_eq!(people.uses(), (vec![], vec![]));
    }
}
