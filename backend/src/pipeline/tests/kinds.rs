//! Types of devices in a real pipeline: profile, limits, and what is counted of sequence numbers.

use api::{DeviceChange, DeviceRequest};

use super::*;
use crate::access::{By, Registrar};

/// A registry on the same store, and a pipeline that asks it.
fn registered(dir: &Path) -> (Bench, Threads, Registrar) {
    drop(SqliteWriter::create(dir).unwrap());
    let registrar = Registrar::open(Arc::new(Reader::open(dir).unwrap())).unwrap();
    let view = watch::channel(ChainView::default()).1;
    let kinds = Arc::clone(registrar.devices()) as _;
    let (bench, threads) = start_as(dir, true, Arc::new(SystemClock), view, Policies::default(), kinds);
    (bench, threads, registrar)
}

fn saturation(device: &str, sequence: u64, spo2: f64) -> Reading {
    let time = Millis(1_767_600_000_000 + sequence as i64 * 600_000).into();
    let values = vec![("spo2".into(), spo2)];
    Reading::new(DeviceName::new(device).unwrap(), Some(time), Some(sequence), values, SystemClock.now()).unwrap()
}

#[tokio::test]
async fn a_type_sets_limits_and_profile_and_its_changes_hold_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads, registrar) = registered(dir.path());
    let now = SystemClock.now();
    let name = DeviceName::new("bed-1").unwrap();
    let request = |kind: &str| DeviceRequest { name: "bed-1".into(), r#type: Some(kind.into()), ..Default::default() };
    registrar.register(request("patient-monitor"), true, &By::operator("a test", now)).unwrap();
    let label = async |sequence, spo2| {
        let result = bench.submit(vec![saturation("bed-1", sequence, spo2)]).await.remove(0);
        result.unwrap().verdict.label
    };
    assert_eq!(label(1, 97.0).await, Label::WarmingUp);
    assert_eq!(label(2, 85.0).await, Label::Anomaly, "below what is safe for a monitor");
    assert_eq!(label(3, 97.0).await, Label::WarmingUp);

    // The ward changes its limit: the device is known, and follows from its next reading on.
    let mut definition = registrar.devices().type_named("patient-monitor").unwrap().definition().clone();
    definition.metrics.retain(|metric| metric.metric != "spo2");
    registrar.put_type("patient-monitor", definition, &By::operator("a test", now)).unwrap();
    assert_eq!(label(4, 85.0).await, Label::WarmingUp);
    // Another type, another limit.
    registrar
        .change(
            &name,
            DeviceChange { r#type: Some("baby-monitor".into()), ..Default::default() },
            &By::operator("a test", now),
        )
        .unwrap();
    assert_eq!(label(5, 85.0).await, Label::Anomaly);

    let stored = registrar.device(&name).unwrap().unwrap().seen;
    assert_eq!(stored.profile.as_deref(), Some("patient-monitor"), "that of its first reading");
    drop(bench);
    threads.join();
}

#[tokio::test]
async fn sequence_numbers_are_counted_so_that_gaps_show() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads, registrar) = registered(dir.path());
    let seen = || registrar.device(&DeviceName::new("roof").unwrap()).unwrap().unwrap().seen;
    let started = SystemClock.now();
    for sequence in [5, 6, 9] {
        assert!(bench.submit(vec![reading("roof", sequence, 20.0)]).await[0].is_ok());
    }
    let counted = |seen: &crate::domain::registry::Seen| (seen.first_sequence, seen.last_sequence, seen.sequenced);
    assert_eq!(counted(&seen()), (Some(5), Some(9), 3));
    assert!(seen().last_seen.unwrap() >= started);
    // A duplicate is nothing new; a late one closes a gap.
    for sequence in [9, 7] {
        assert!(bench.submit(vec![reading("roof", sequence, 20.0)]).await[0].is_ok());
    }
    assert_eq!(counted(&seen()), (Some(5), Some(9), 4));
    drop(bench);
    threads.join();
}
