//! Keys, addresses and owners, on a real store.

#![allow(clippy::unwrap_used)]

use api::{DeviceChange, DeviceRequest};

use super::*;
use crate::{
    access::{Credentials, Denied, People},
    domain::access::{Action, Role, Roles, Scopes},
    store::{Reader, SqliteWriter},
};

const NOW: Millis = Millis(1_763_625_600_000);
const DAY: i64 = 86_400_000;

struct House {
    registrar: Registrar,
    gate: super::super::Gate,
    _dir: tempfile::TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteWriter::create(dir.path()).unwrap());
    let registrar = Registrar::open(Arc::new(Reader::open(dir.path()).unwrap())).unwrap();
    let gate = super::super::Gate::new(false, Arc::new(People::default()), Arc::clone(registrar.devices()));
    House { registrar, gate, _dir: dir }
}

fn name(text: &str) -> DeviceName {
    DeviceName::new(text).unwrap()
}

fn request(name: &str) -> DeviceRequest {
    DeviceRequest { name: name.into(), ..DeviceRequest::default() }
}

fn change(json: &str) -> DeviceChange {
    serde_json::from_str(json).unwrap()
}

impl House {
    fn admit(&self, shown: Credentials<'_>, now: Millis) -> Result<crate::access::Pass, Denied> {
        self.gate.admit(shown, "192.0.2.1".parse().unwrap(), now)
    }

    fn at(&self, address: &str) -> Caller {
        self.gate.admit(Credentials::Nothing, address.parse().unwrap(), NOW).unwrap().caller
    }
}

#[test]
fn a_revoked_key_is_out_at_once_and_the_others_stay() {
    let house = house();
    house.registrar.register(request("pump"), true, &By::operator("a test", NOW)).unwrap();
    let [one, two] =
        [0; 2].map(|_| house.registrar.make_key(&name("pump"), None, None, &By::operator("a test", NOW)).unwrap());
    let pass = house.admit(Credentials::Key(&one.secret), NOW).unwrap();
    let other = house.admit(Credentials::Key(&two.secret), NOW).unwrap();
    assert_eq!(pass.caller, Caller::Device(name("pump")));
    assert!(pass.holds(NOW));
    house.registrar.revoke_key(&name("pump"), one.stored.id, &By::operator("a test", NOW)).unwrap();
    assert!(!pass.holds(NOW) && other.holds(NOW));
    assert_eq!(house.admit(Credentials::Key(&one.secret), NOW).unwrap_err(), Denied::Unknown);
    assert!(house.admit(Credentials::Key(&two.secret), NOW).is_ok());
    for wrong in ["", "ald_", &two.secret[..46], &format!("{}A", two.secret), "als_x"] {
        assert_eq!(house.admit(Credentials::Key(wrong), NOW).unwrap_err(), Denied::Unknown, "{wrong}");
    }
    // Of another device there is no such key.
    house.registrar.register(request("other"), true, &By::operator("a test", NOW)).unwrap();
    assert!(matches!(
        house.registrar.revoke_key(&name("other"), two.stored.id, &By::operator("a test", NOW)),
        Err(RegistrarError::None(_))
    ));
}

#[test]
fn two_keys_hold_beside_each_other_while_one_is_rotated() {
    let house = house();
    house.registrar.register(request("pump"), true, &By::operator("a test", NOW)).unwrap();
    let old = house.registrar.make_key(&name("pump"), None, None, &By::operator("a test", NOW)).unwrap();
    let open = house.admit(Credentials::Key(&old.secret), NOW).unwrap();
    let (new, ends) =
        house.registrar.rotate_key(&name("pump"), old.stored.id, None, &By::operator("a test", NOW)).unwrap();
    assert_eq!(ends, Millis(NOW.0 + DAY));
    let before = Millis(ends.0 - 1);
    assert!(open.holds(before) && house.admit(Credentials::Key(&old.secret), before).is_ok());
    assert!(house.admit(Credentials::Key(&new.secret), ends).is_ok());
    assert!(!open.holds(ends) && house.admit(Credentials::Key(&old.secret), ends).is_err());
    // Rotated once more, it does not live longer than it would have.
    let (_, again) = house
        .registrar
        .rotate_key(&name("pump"), old.stored.id, Some(2 * 86_400), &By::operator("a test", NOW))
        .unwrap();
    assert_eq!(again, ends);
    let (_, at_once) =
        house.registrar.rotate_key(&name("pump"), new.stored.id, Some(0), &By::operator("a test", NOW)).unwrap();
    assert_eq!(at_once, NOW);
    assert!(house.admit(Credentials::Key(&new.secret), NOW).is_err());
    assert!(
        house.registrar.rotate_key(&name("pump"), new.stored.id, Some(u64::MAX), &By::operator("a test", NOW)).is_err()
    );
}

#[test]
fn keys_that_have_ended_make_room_for_others() {
    let house = house();
    house.registrar.register(request("pump"), true, &By::operator("a test", NOW)).unwrap();
    let make = |expires, now| house.registrar.make_key(&name("pump"), None, expires, &By::operator("a test", now));
    for nth in 0..16 {
        make((nth == 0).then_some(1), NOW).unwrap();
    }
    assert!(matches!(make(None, NOW), Err(RegistrarError::TooManyKeys(_))));
    let later = Millis(NOW.0 + 1_000);
    make(None, later).unwrap();
    assert!(matches!(make(None, later), Err(RegistrarError::TooManyKeys(_))));
}

#[test]
fn a_disabled_device_is_out_by_every_door_and_back_when_it_is_enabled() {
    let house = house();
    let doors = DeviceRequest {
        addresses: vec!["198.51.100.7".into()],
        keyless: true,
        certificate: true,
        owner: Some(1),
        ..request("pump")
    };
    house.registrar.register(doors, true, &By::operator("a test", NOW)).unwrap();
    let key = house.registrar.make_key(&name("pump"), None, None, &By::operator("a test", NOW)).unwrap();
    let by_key = house.admit(Credentials::Key(&key.secret), NOW).unwrap();
    let by_certificate = house.admit(Credentials::Certificate("pump"), NOW).unwrap();
    assert_eq!(house.at("198.51.100.7"), Caller::Device(name("pump")));
    let owner = Caller::Person {
        id: UserId(1),
        name: "ada".into(),
        roles: Roles::of([Role::DeviceOwner]),
        scopes: Scopes::SESSION,
    };
    assert!(house.gate.may(&owner, Action::Send, &name("pump")).is_ok());

    house.registrar.change(&name("pump"), change(r#"{"disabled": true}"#), &By::operator("a test", NOW)).unwrap();
    assert!(!by_key.holds(NOW) && !by_certificate.holds(NOW));
    assert!(house.admit(Credentials::Key(&key.secret), NOW).is_err());
    assert!(house.admit(Credentials::Certificate("pump"), NOW).is_err());
    assert_eq!(house.at("198.51.100.7"), Caller::Nobody);
    assert!(house.gate.may(&owner, Action::Send, &name("pump")).unwrap_err().to_string().contains("disabled"));
    assert!(house.gate.may(&owner, Action::ReadReadings, &name("pump")).is_ok());
    let late = house.registrar.make_key(&name("pump"), None, None, &By::operator("a test", NOW)).unwrap();
    assert!(house.admit(Credentials::Key(&late.secret), NOW).is_err());

    house.registrar.change(&name("pump"), change(r#"{"disabled": false}"#), &By::operator("a test", NOW)).unwrap();
    assert!(!by_key.holds(NOW), "an ended connection stays ended");
    for key in [&key, &late] {
        assert!(house.admit(Credentials::Key(&key.secret), NOW).is_ok());
    }
    assert!(house.admit(Credentials::Certificate("pump"), NOW).is_ok());
    assert_eq!(house.at("198.51.100.7"), Caller::Device(name("pump")));
}

#[test]
fn an_address_is_of_the_narrowest_network_and_opens_no_door_by_itself() {
    let house = house();
    let of = |device: &str, addresses: &[&str], keyless| {
        let addresses = addresses.iter().map(|text| (*text).to_owned()).collect();
        let kind = Some("mri-scanner".to_owned());
        house.registrar.register(
            DeviceRequest { addresses, keyless, r#type: kind, ..request(device) },
            true,
            &By::operator("a test", NOW),
        )
    };
    of("hall", &["10.0.0.0/8", "2001:db8::/48"], false).unwrap();
    of("ward", &["10.1.0.0/16"], true).unwrap();
    of("bed", &["10.1.2.3"], false).unwrap();
    let devices = house.registrar.devices();
    for (address, device) in [
        ("10.1.2.3", Some("bed")),
        ("::ffff:10.1.2.3", Some("bed")),
        ("10.1.2.4", Some("ward")),
        ("10.2.0.1", Some("hall")),
        ("2001:db8::7", Some("hall")),
        ("192.0.2.1", None),
        ("2001:db9::", None),
    ] {
        assert_eq!(devices.at(address.parse().unwrap()), device.map(name), "{address}");
    }
    // The narrowest decides, also that nobody comes in so.
    assert_eq!((house.at("10.1.2.3"), house.at("10.2.0.1")), (Caller::Nobody, Caller::Nobody));
    assert_eq!(house.at("10.1.2.4"), Caller::Device(name("ward")));
    assert!(matches!(of("thief", &["10.1.0.0/16"], true), Err(RegistrarError::AddressTaken(_))));
    house
        .registrar
        .change(&name("bed"), change(r#"{"addresses": ["10.9.9.9"]}"#), &By::operator("a test", NOW))
        .unwrap();
    assert_eq!(devices.at("10.1.2.3".parse().unwrap()), Some(name("ward")));
    house.registrar.remove(&name("ward"), &By::operator("a test", NOW)).unwrap();
    assert_eq!(devices.at("10.1.2.3".parse().unwrap()), Some(name("hall")));
    assert_eq!(house.at("10.1.2.4"), Caller::Nobody);
}

#[test]
fn a_certificate_lets_only_those_in_that_are_registered_for_it() {
    let house = house();
    house.registrar.register(request("plain"), true, &By::operator("a test", NOW)).unwrap();
    house
        .registrar
        .register(DeviceRequest { certificate: true, ..request("pump") }, true, &By::operator("a test", NOW))
        .unwrap();
    let pass = house.admit(Credentials::Certificate("pump"), NOW).unwrap();
    for stranger in ["plain", "nobody", "", "pump\n"] {
        assert!(house.admit(Credentials::Certificate(stranger), NOW).is_err(), "{stranger:?}");
    }
    house.registrar.change(&name("pump"), change(r#"{"certificate": false}"#), &By::operator("a test", NOW)).unwrap();
    assert!(!pass.holds(NOW));
}

#[test]
fn a_table_registers_what_can_be_and_says_why_the_rest_cannot() {
    let house = house();
    house.registrar.register(request("there"), true, &By::operator("a test", NOW)).unwrap();
    let address = |name: &str, address: &str| DeviceRequest { addresses: vec![address.into()], ..request(name) };
    let kind = DeviceRequest { r#type: Some("toaster".into()), ..request("c") };
    let requests = vec![
        address("a", "10.0.0.1"),
        address("b", "10.0.0.1"),
        kind,
        request("there"),
        request("d"),
        request("d"),
        request(" "),
    ];
    let results = house.registrar.import(requests, true, true, &By::operator("a test", NOW)).unwrap();
    let said: Vec<String> =
        results.iter().map(|r| r.as_ref().err().map(ToString::to_string).unwrap_or_default()).collect();
    for (said, word) in said.iter().zip(["", "another device", "toaster", "registered", "", "registered", "name"]) {
        assert!(said.contains(word) && word.is_empty() == said.is_empty(), "{said} {word}");
    }
    let key = results[4].as_ref().unwrap().1.as_ref().unwrap();
    assert_eq!(house.admit(Credentials::Key(&key.secret), NOW).unwrap().caller, Caller::Device(name("d")));
    assert_eq!(house.registrar.keys(&name("a")).unwrap().len(), 1);
}

/// What a million devices take in memory, each with a key: run it alone.
#[test]
#[ignore = "measures memory: to be run alone"]
fn measured() {
    let rss = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
    };
    let before = rss();
    let mut index = Index::default();
    let types = crate::domain::registry::built_ins().map(|kind| (Arc::clone(kind.name()), Arc::new(kind)));
    index.types.extend(types);
    for n in 0..1_000_000_u32 {
        let request =
            DeviceRequest { owner: Some(u64::from(n) % 1_000), ..request(&format!("ward-{}/pump-{n}", n % 100)) };
        let registration = crate::domain::registry::Registration::new(request, NOW).unwrap();
        index.add(&registration);
        index.add_key(&crate::domain::registry::StoredKey {
            id: i64::from(n),
            device: registration.name,
            hash: ledger::hash::sha256(&[&n.to_le_bytes()]).0,
            prefix: String::new(),
            label: None,
            created: NOW,
            expires: None,
            used: None,
        });
    }
    println!("a million devices with a key each: {} MB", rss() - before);
    assert_eq!(index.keys.len(), 1_000_000);
}
