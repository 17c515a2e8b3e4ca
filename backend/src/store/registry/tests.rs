//! The registry on disk, read again by another connection.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    access::{By, Registrar},
    domain::{access::UserId, ports::WriteStore as _, verdict::Device},
    store::SqliteWriter,
};
use api::DeviceRequest;

const NOW: Millis = Millis(1_763_625_600_000);

fn store(dir: &std::path::Path) -> std::sync::Arc<Reader> {
    drop(SqliteWriter::create(dir).unwrap());
    std::sync::Arc::new(Reader::open(dir).unwrap())
}

fn request(name: &str, kind: &str, owner: Option<u64>) -> DeviceRequest {
    let r#type = Some(kind.to_owned());
    DeviceRequest { name: name.into(), r#type, owner, ..DeviceRequest::default() }
}

/// A device that has sent numbers `first` to `last`, `sequenced` of them.
fn sent(dir: &std::path::Path, name: &str, profile: &str, seen: Millis, (first, last, sequenced): (u64, u64, u64)) {
    let device = Device {
        name: DeviceName::new(name).unwrap(),
        pseudonym: format!("{name:0>32}"),
        profile: profile.into(),
        state: Vec::new(),
        last_sequence: Some(last),
        last_time: Some(seen.into()),
        first_sequence: Some(first),
        sequenced,
        last_seen: Some(seen),
    };
    let mut writer = SqliteWriter::open_existing(dir).unwrap();
    writer.transaction(&mut |tx| tx.put_devices(std::slice::from_ref(&device))).unwrap();
}

#[test]
fn what_is_registered_is_there_when_the_store_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let name = DeviceName::new("=cmd|'/C calc'!A0 é").unwrap();
    let odd = DeviceRequest {
        tags: [("ward".into(), "3".into())].into(),
        addresses: vec!["10.1.2.3".into(), "2001:db8::/48".into()],
        keyless: true,
        patient: Some("p-77".into()),
        ..request(name.as_str(), "infusion-pump", Some(7))
    };
    let (registered, key) = {
        let registrar = Registrar::open(store(dir.path())).unwrap();
        registrar.register(odd, true, &By::operator("a test", NOW)).unwrap();
        let registered = registrar.set_public_key(&name, Some([9; 32]), &By::operator("a test", NOW)).unwrap();
        let key = registrar.make_key(&name, Some("spare".into()), None, &By::operator("a test", NOW)).unwrap();
        assert!(registrar.devices().by_key(&key.secret, Millis(NOW.0 + 60_000)).is_some());
        registrar.note_used().unwrap();
        (registered, key)
    };
    let reader = store(dir.path());
    let again = Registrar::open(std::sync::Arc::clone(&reader) as _).unwrap();
    assert_eq!(reader.registration(&name).unwrap(), Some(registered));
    let keys = again.keys(&name).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].id, keys[0].used), (key.stored.id, Some(Millis(NOW.0 + 60_000))));
    assert!(again.devices().by_key(&key.secret, NOW).is_some());
    assert_eq!(again.devices().at("2001:db8::1".parse().unwrap()), Some(name.clone()));
    assert_eq!(again.devices().public_key(&name), Some([9; 32]));
    again.remove(&name, &By::operator("a test", NOW)).unwrap();
    drop(again);
    let gone = Registrar::open(store(dir.path())).unwrap();
    assert!(gone.devices().by_key(&key.secret, NOW).is_none() && Registry::keys(&*reader, &name).unwrap().is_empty());
}

#[test]
fn the_secret_of_a_key_is_nowhere_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let registrar = Registrar::open(store(dir.path())).unwrap();
    registrar.register(request("pump", "generic", None), true, &By::operator("a test", NOW)).unwrap();
    let key = registrar.make_key(&DeviceName::new("pump").unwrap(), None, None, &By::operator("a test", NOW)).unwrap();
    let hidden = &key.secret.as_bytes()[12..];
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(hidden.len()).any(|window| window == hidden));
    }
}

#[test]
fn lists_by_every_filter_page_by_page_with_those_that_nobody_registered() {
    let dir = tempfile::tempdir().unwrap();
    let registrar = Registrar::open(store(dir.path())).unwrap();
    for (name, kind, owner) in [
        ("a", "infusion-pump", Some(1)),
        ("b", "patient-monitor", Some(1)),
        ("c", "patient-monitor", None),
        ("e", "generic", Some(2)),
    ] {
        let tags = if name == "b" { [("ward".into(), "3".into())].into() } else { Default::default() };
        let location = (name == "c").then(|| "Ward 50%_".to_owned());
        registrar
            .register(
                DeviceRequest { tags, location, ..request(name, kind, owner) },
                true,
                &By::operator("a test", NOW),
            )
            .unwrap();
    }
    // A monitor is offline after two minutes, a pump after five.
    sent(dir.path(), "a", "generic", Millis(NOW.0 - 200_000), (1, 10, 9));
    sent(dir.path(), "b", "patient-monitor", Millis(NOW.0 - 200_000), (0, 0, 1));
    sent(dir.path(), "c", "patient-monitor", NOW, (5, 5, 1));
    sent(dir.path(), "d", "weather-station", NOW, (7, 9, 3));
    let names = |filter: &Filter| {
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = registrar.list(filter, &after, 2, NOW).unwrap();
            names.extend(page.iter().map(|listed| listed.name.clone()));
            match page.last() {
                Some(last) => after = last.name.clone(),
                None => return names.join(""),
            }
        }
    };
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    let tag = |value: Option<&str>| Filter { tag: Some(("ward".into(), value.map(Into::into))), ..Filter::default() };
    let kind = |kind: &str| Filter { kind: Some(kind.into()), ..Filter::default() };
    let registered = |registered| Filter { registered: Some(registered), ..Filter::default() };
    let online = |online| Filter { online: Some(online), ..Filter::default() };
    for (filter, expected) in [
        (Filter::default(), "abcde"),
        (registered(true), "abce"),
        (registered(false), "d"),
        (kind("patient-monitor"), "bc"),
        (kind("weather-station"), "d"),
        (Filter { owner: Some(UserId(1)), ..Filter::default() }, "ab"),
        (tag(None), "b"),
        (tag(Some("3")), "b"),
        (tag(Some("4")), ""),
        (online(true), "acd"),
        (online(false), "be"),
        (text("WARD 50%_"), "c"),
        (text("%"), "c"),
        (text("D"), "cd"),
        (Filter { online: Some(true), ..kind("patient-monitor") }, "c"),
    ] {
        assert_eq!(names(&filter), expected, "{filter:?}");
    }
    let counted = registrar.count(&Filter::default(), NOW).unwrap();
    let counted: Vec<_> = counted.iter().map(|(kind, on, off)| (kind.as_str(), *on, *off)).collect();
    let expected = [("generic", 0, 1), ("infusion-pump", 1, 0), ("patient-monitor", 1, 1), ("weather-station", 1, 0)];
    assert_eq!(counted, expected);
    let seen = registrar.device(&DeviceName::new("a").unwrap()).unwrap().unwrap().seen;
    assert_eq!((seen.first_sequence, seen.last_sequence, seen.sequenced), (Some(1), Some(10), 9));
}

#[test]
fn a_changed_type_is_there_again_and_a_damaged_one_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let definition = api::DeviceTypeDefinition {
        profile: "patient-monitor".into(),
        offline_after_seconds: 5,
        ..api::DeviceTypeDefinition::default()
    };
    Registrar::open(store(dir.path()))
        .unwrap()
        .put_type("icu-monitor", definition.clone(), &By::operator("a test", NOW))
        .unwrap();
    let reader = store(dir.path());
    let again = Registrar::open(std::sync::Arc::clone(&reader) as _).unwrap();
    assert_eq!(again.devices().type_named("icu-monitor").unwrap().definition(), &definition);
    assert!(again.is_online("icu-monitor", Some(Millis(NOW.0 - 5_000)), NOW));
    assert!(!again.is_online("icu-monitor", Some(Millis(NOW.0 - 5_001)), NOW));
    reader.change(|connection| Ok(connection.execute("UPDATE device_type SET definition = '{}'", [])?)).unwrap();
    assert!(matches!(Registrar::open(reader), Err(StoreError::Damaged(_))));
}
