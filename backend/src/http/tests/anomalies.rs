//! The list of anomalies, with damage in it.

use std::sync::atomic::Ordering;

use api::{Anomaly, EntryState, Page};

use super::bench::{Bench, Row};

const EXAMPLE: &[u8] = include_bytes!("../../../../tests/vectors/entry/anomaly.json");

/// What the store has of an anomaly: of every seven, the fourth entry is damaged, the fifth one's payload, and the
/// sixth one's payload is erased.
pub(super) fn stored(index: u64) -> Row {
    let example: serde_json::Value = serde_json::from_slice(EXAMPLE).unwrap();
    let text = |name: &str| example[name].as_str().unwrap().as_bytes().to_vec();
    let (mut entry, mut payload) = (text("entry"), Some(text("payload")));
    match index {
        3 => entry[10] ^= 1,
        4 => payload.as_mut().unwrap()[10] ^= 1,
        5 => payload = None,
        _ => {}
    }
    (entry, payload)
}

async fn page(bench: &Bench, query: &str) -> Page<Anomaly> {
    let answer = bench.get(&format!("/api/v1/anomalies?{query}")).await;
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn damage_is_listed_as_damage() {
    let bench = Bench::new();
    bench.view.send_modify(|view| (view.anchored_size, view.final_size) = (5, 2));
    let items = page(&bench, "").await.items;
    assert_eq!(items.iter().map(|item| item.index).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1, 0]);
    let states = items.iter().map(|item| item.state).collect::<Vec<_>>();
    let (pending, anchored, done) = (EntryState::Pending, EntryState::Anchored, EntryState::Final);
    assert_eq!(states, [pending, pending, anchored, anchored, anchored, done, done]);

    let [_, erased, payload, entry, whole, ..] = &items[..] else { panic!("seven items") };
    assert!(!whole.sentence.is_empty() && !whole.device.is_empty() && !whole.values.is_empty());
    assert_eq!((entry.sentence.as_str(), entry.id.as_str()), ("this entry cannot be read: verify it", ""));
    assert!(payload.sentence.contains("verify it") && payload.device.is_empty() && payload.id == whole.id);
    assert!(erased.sentence.contains("was erased") && erased.device.is_empty() && erased.id == whole.id);
}

#[tokio::test]
async fn a_page_takes_two_queries_and_leads_to_the_next() {
    let bench = Bench::new();
    let first = page(&bench, "limit=4").await;
    assert_eq!(bench.log.queries.load(Ordering::SeqCst), 2);
    assert_eq!(first.next_cursor.as_deref(), Some("3"));
    let second = page(&bench, "limit=4&cursor=3").await;
    assert_eq!(second.items.iter().map(|item| item.index).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(second.next_cursor, None);
}
