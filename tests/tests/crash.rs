//! `kill -9` in the middle of a load over HTTP, WebSockets and MQTT: nothing acknowledged is lost, nothing is anchored twice, the log verifies.

use std::collections::BTreeSet;

use e2e::{
    Chain, Trial, command,
    load::{Acknowledged, Load},
    process::free_port,
};
use ledger::{
    Hash,
    hash::leaf_hash,
    merkle::{MemoryTree, root},
    tile,
};
use serde_json::{Value, json};

/// Acknowledged readings after which the service is killed.
const ENOUGH: usize = 1_200;
/// How often it is killed: three times, or 200 times with `scripts/test --all`.
fn kills() -> u64 {
    if std::env::var_os("ANOMALY_LEDGER_TEST_ALL").is_some() { 200 } else { 3 }
}

/// Loads the service from several sides, and kills it in the middle.
async fn load_and_kill(trial: &mut Trial, mqtt: &str, round: u64) -> Vec<Acknowledged> {
    let load = Load::start(&trial.url(), Some(mqtt), &format!("round-{round}"), || 0);
    load.reaches(ENOUGH).await;
    trial.kill_service();
    load.ended().await
}

/// Sent again, every acknowledged reading is a duplicate with the verdict of the first time.
async fn nothing_was_lost(trial: &Trial, acknowledged: &[Acknowledged]) {
    for chunk in acknowledged.chunks(100) {
        let readings: Vec<&Value> = chunk.iter().map(|told| &told.reading).collect();
        let answer = trial.post("/api/v1/readings", &json!(readings)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let again: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        for (told, again) in chunk.iter().zip(&again.results) {
            assert_eq!(again.status, api::Status::Duplicate, "{}: {again:?}", told.reading);
            assert!(told.is_kept_by(again.judgement.as_ref()), "{told:?}: {again:?}");
        }
    }
}

/// What the contract recorded: sizes that only grow, no root twice, no transaction in vain.
async fn nothing_was_anchored_twice(chain: &Chain, contract: &str, size: u64) {
    let events = chain.anchored(contract).await;
    assert!(events.len() > 1, "{events:?}");
    assert!(events.is_sorted_by(|a, b| a.size < b.size && a.sequence + 1 == b.sequence), "{events:#?}");
    let roots: BTreeSet<Hash> = events.iter().map(|event| event.root).collect();
    assert_eq!(roots.len(), events.len(), "{events:#?}");
    let last = events.last().expect("some");
    assert_eq!((last.root, last.size), chain.head(contract).await);
    assert_eq!(last.size, size);
    assert_eq!(chain.anchoring_transactions().await, events.len() as u64, "a transaction without effect");
}

/// The log from its first entry on, read as any client of tiled logs does, and held against checkpoint and contract.
async fn the_log_verifies(trial: &Trial) {
    let checkpoint = trial.checkpoint(&trial.trust().await).await;
    let mut tree = MemoryTree::default();
    for index in 0..checkpoint.size.div_ceil(tile::WIDTH) {
        let width = tile::width_at(0, index, checkpoint.size);
        let path = tile::index_path(index, width);
        let answer = trial.get(&format!("/tile/entries/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let entries = tile::entries_from_bytes(&answer.body).expect("whole entries");
        // The same bytes as by the interface of our own; one of each tile stands for all.
        let first = trial.get(&format!("/api/v1/entries/{}", index * tile::WIDTH)).await;
        assert_eq!(first.body, entries[0]);
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(leaves.len(), width as usize);
        assert_eq!(trial.get(&format!("/tile/0/{path}")).await.body, tile::to_bytes(&leaves), "tile {path}");
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
    }
    assert_eq!(root(&tree, checkpoint.size), Ok(checkpoint.root));
    for event in trial.chain.anchored(trial.contract()).await {
        assert_eq!(root(&tree, event.size), Ok(event.root), "the contract's record of size {}", event.size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged_and_anchors_nothing_twice() {
    let mut trial = Trial::start().await;
    // Packing all the time: then some kills fall into its steps.
    trial.stop_service().await;
    let mqtt = format!("127.0.0.1:{}", free_port());
    trial.settings().flags = ["--pack-after", "16", "--mqtt", &mqtt].map(str::to_owned).into();
    trial.start_service().await;
    let mut acknowledged = Vec::new();
    for round in 0..kills() {
        acknowledged.extend(load_and_kill(&mut trial, &mqtt, round).await);
        trial.start_service().await;
    }
    trial.ready().await;
    println!("{} readings acknowledged over {} kills", acknowledged.len(), kills());
    for way in ["http", "websocket", "mqtt"] {
        let by = |told: &&Acknowledged| told.reading["device"].as_str().is_some_and(|device| device.contains(way));
        let count = acknowledged.iter().filter(by).count();
        println!("{count} of them by {way}");
        assert!(count > 0, "none by {way}");
    }
    nothing_was_lost(&trial, &acknowledged).await;

    trial.all_final().await;
    let size = trial.ledger().await.tree_size;
    nothing_was_anchored_twice(&trial.chain, trial.contract(), size).await;
    the_log_verifies(&trial).await;

    let alarms = acknowledged.iter().filter_map(|told| told.judgement.as_ref()?.index);
    let alarms: Vec<u64> = alarms.collect();
    assert!(alarms.iter().collect::<BTreeSet<_>>().len() == alarms.len(), "an entry for two readings");
    let trust = trial.pin_trust().await;
    let last = *alarms.last().expect("alarms");
    assert_eq!(trial.verify(last, &trust).await.code, 0);

    let rpc_url = trial.chain.url();
    trial.stop_service().await;
    let checked = command::fsck(trial.data_dir(), Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
    let database = rusqlite::Connection::open(trial.data_dir().join("ledger.sqlite")).expect("a database");
    let packed: i64 = database
        .query_row("SELECT coalesce(sum(readings), 0) FROM chunk", [], |row| row.get(0))
        .expect("a table of chunks");
    println!("{packed} of them were packed");
    assert!(packed > 0, "nothing was packed");
}
