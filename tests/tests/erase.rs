//! Erasure: afterwards the proof still verifies, and no byte of the payload is in any file.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use e2e::{
    Browser, Chain, Trial,
    command::{self, Finished},
    service::http,
    trial::reading,
};
use ledger::evidence::{Bundle, Disclosure};
use rusqlite::Connection;
use serde_json::{Value, json};

/// A value that no other reading has, and that is above the profile's physical limit.
const TELLING: f64 = 987.654321;

/// Readings around the one that is erased: enough for pages to be split.
const AROUND: u64 = 200;

/// A device's reading with the telling value.
fn telling(device: &str, sequence: u64) -> Value {
    reading(device, sequence, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": TELLING }))
}

async fn send(trial: &Trial, readings: &[Value]) -> Vec<api::ReadingResult> {
    let answer = trial.post("/api/v1/readings", &json!(readings)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice::<api::Readings>(&answer.body).expect("results").results
}

fn index(result: &api::ReadingResult) -> u64 {
    result.judgement.as_ref().and_then(|judgement| judgement.index).unwrap_or_else(|| panic!("no anomaly: {result:?}"))
}

/// A log in which one entry tells a value, between others; gives its index.
async fn told(trial: &mut Trial) -> u64 {
    trial.provoke(AROUND).await;
    let index = index(&send(trial, &[telling("patient-7", 1)]).await[0]);
    trial.provoke(AROUND).await;
    trial.all_final().await;
    index
}

/// Payload and salt as the evidence shows them.
async fn disclosure(trial: &Trial, index: u64) -> Option<Disclosure> {
    let bytes = std::fs::read(trial.evidence(index).await).expect("a bundle");
    Bundle::from_json(&bytes).expect("a bundle").disclosure
}

/// What must not be found anywhere: the salt, the value, the payload's own words.
fn secrets(disclosure: &Disclosure) -> Vec<Vec<u8>> {
    let payload: Value = serde_json::from_slice(&disclosure.payload).expect("JSON");
    let sentence = payload["sentence"].as_str().expect("a sentence").as_bytes().to_vec();
    let entry = format!("\"entry\":{}", payload["entry"]).into_bytes();
    let salt_hex = alloy_primitives::hex::encode(disclosure.salt).into_bytes();
    vec![disclosure.salt.to_vec(), salt_hex, TELLING.to_string().into_bytes(), sentence, entry]
}

/// The files that hold any of it: everything below the data directory, and the service's log.
fn holding(trial: &Trial, secrets: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut files = vec![trial.file("service.stderr")];
    list(trial.data_dir(), &mut files);
    files.retain(|file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret))
    });
    files
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

/// Copies a secret to pages that are then free, as a database does that was not told to clear them.
fn leave_in_free_pages(data_dir: &Path, secret: &[u8]) {
    let database = Connection::open(data_dir.join("ledger.sqlite")).expect("a connection");
    database.execute_batch("PRAGMA secure_delete = off; CREATE TABLE copy (bytes BLOB)").expect("a table");
    // 489 bytes lie in the row's own page, and the rest in two pages that overflow: the secret whole in the first.
    let mut row = vec![0; 489 + 2 * 4_092 - 4];
    row[1_000..1_000 + secret.len()].copy_from_slice(secret);
    database.execute("INSERT INTO copy VALUES (?)", [row]).expect("a copy");
    database.execute_batch("DELETE FROM copy; PRAGMA wal_checkpoint(TRUNCATE)").expect("free pages");
    drop(database);
    let file = std::fs::read(data_dir.join("ledger.sqlite")).expect("the database");
    let found = file.windows(secret.len()).filter(|window| *window == secret).count();
    assert_eq!(found, 2, "the payload's own and the copy in a free page");
}

async fn erase(trial: &Trial, more: &[&str]) -> Finished {
    let data_dir = trial.data_dir().to_str().expect("a path");
    let mut args = vec!["admin", "erase", "--yes", "--data-dir", data_dir];
    args.extend(more);
    command::run(args).await
}

/// The proof still holds, and nothing but the payload is missing.
async fn verifies(trial: &Trial, index: u64, trust: &Path) {
    let said = trial.verify(index, trust).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.says("payload", "skipped") && said.stdout.contains("was erased"), "{said:#?}");
    let bundle = disclosure(trial, index).await;
    assert_eq!(bundle, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_beside_a_running_service_is_found_nowhere() {
    let mut trial = Trial::publishing(Chain::start().await, "roots").await;
    let index = told(&mut trial).await;
    let trust = trial.pin_trust().await;
    let before = disclosure(&trial, index).await.expect("a payload");
    let secrets = secrets(&before);
    for secret in &secrets {
        let found = holding(&trial, std::slice::from_ref(secret));
        // The salt in hexadecimal is only in what is published.
        let raw = !secret.iter().all(u8::is_ascii_hexdigit);
        assert_eq!(!found.is_empty(), raw, "{} before: {found:?}", secret.escape_ascii());
    }

    // A bundle that was fetched before holds it too; it is not the command's to remove, but it is found.
    let bundle = trial.file(&format!("evidence-{index}.json"));
    let said = erase(&trial, &[&index.to_string(), "--also-search", bundle.to_str().expect("a path")]).await;
    assert_eq!(said.code, 3, "{said:#?}");
    assert!(said.stdout.contains(&format!("NOT GONE: {}", bundle.display())), "{said:#?}");
    println!("{}", said.stdout);
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
    verifies(&trial, index, &trust).await;
    let browser = Browser::start().await;
    let shown = browser.verify(&trial.url(), index).await;
    assert_eq!(shown.verdict, "final", "{shown:#?}");
    assert!(shown.says("payload", "skipped"), "{shown:#?}");
    browser.quit().await;

    // The list tells it, and so does whoever sends the reading again, also with other values: those go nowhere.
    let anomalies = trial.anomalies().await;
    let erased = anomalies.iter().find(|anomaly| anomaly.index == index).expect("it is listed");
    assert!(erased.sentence.contains("was erased") && erased.values.is_empty(), "{erased:?}");
    let other = reading("patient-7", 1, json!({ "humidity": 51.0, "pressure": 1001.0, "temperature": 876.12345 }));
    for again in [telling("patient-7", 1), other] {
        let result = &send(&trial, &[again]).await[0];
        assert_eq!(result.status, api::Status::Duplicate, "{result:?}");
        let judgement = result.judgement.as_ref().expect("the first verdict");
        assert_eq!(judgement.index, Some(index));
        assert!(judgement.sentence.as_ref().is_some_and(|sentence| sentence.contains("was erased")), "{judgement:?}");
    }
    trial.provoke(1).await;
    trial.all_final().await;
    assert_eq!(trial.anomalies().await.len() as u64, 2 * AROUND + 2);
    let sent_again = [secrets, vec![b"876.12345".to_vec()]].concat();
    assert_eq!(holding(&trial, &sent_again), Vec::<PathBuf>::new());
    // A second time there is nothing left to do.
    assert_eq!(erase(&trial, &[&index.to_string()]).await.code, 0);
    let rpc_url = trial.chain.url();
    let checked = command::fsck(trial.data_dir(), Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
    assert!(checked.stdout.contains("1 payloads are erased"), "{checked:#?}");
}

/// What the service shows of a device's temperatures: each reading's, oldest first.
async fn temperatures(trial: &Trial, device: &str) -> Vec<Option<f64>> {
    let answer = trial.get(&format!("/api/v1/devices/{device}/readings?order=oldest&limit=100")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page: api::Page<api::StoredReading> = serde_json::from_slice(&answer.body).expect("a page");
    page.items.iter().map(|reading| reading.metrics.get("temperature").copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_erased_beside_a_running_service() {
    const READINGS: u64 = 64;
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().publish = "roots";
    trial.settings().flags = ["--pack-after", "16"].map(str::to_owned).into();
    trial.start_service().await;
    trial.ready().await;
    // The tenth of one device's readings, between others of the same chunk.
    let ordinary = |at| reading("patient-7", at, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 }));
    let readings: Vec<Value> =
        (1..=READINGS).map(|at| if at == 10 { telling("patient-7", at) } else { ordinary(at) }).collect();
    let index = index(&send(&trial, &readings).await[9]);
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    let secrets = secrets(&disclosure(&trial, index).await.expect("a payload"));
    let database = Connection::open(trial.data_dir().join("ledger.sqlite")).expect("a connection");
    let ask = |sql: &str| database.query_row::<i64, _, _>(sql, [], |row| row.get(0)).expect("a number");
    e2e::poll::until("all is packed", async || (ask("SELECT count(*) FROM reading") == 0).then_some(())).await;
    assert_eq!(ask("SELECT sum(readings) FROM chunk") as u64, READINGS);
    assert_eq!(temperatures(&trial, "patient-7").await[9], Some(TELLING));

    let said = erase(&trial, &[&index.to_string()]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
    verifies(&trial, index, &trust).await;
    let left = temperatures(&trial, "patient-7").await;
    assert_eq!((left[9], left.iter().flatten().count() as u64), (None, READINGS - 1));
    let path = "/api/v1/devices/patient-7/series?metric=temperature&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let series = trial.get(path).await;
    assert!(series.status == 200 && !series.text().contains(&TELLING.to_string()), "{}", series.text());
    let again = &send(&trial, &[telling("patient-7", 10)]).await[0];
    assert_eq!(again.status, api::Status::Duplicate, "{again:?}");

    let said = erase(&trial, &["--device", "patient-7"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let left = temperatures(&trial, "patient-7").await;
    assert_eq!((left.len() as u64, left.iter().flatten().count()), (READINGS, 0));
    // The service goes on, and packs on.
    send(&trial, &(READINGS + 1..READINGS + 17).map(ordinary).collect::<Vec<_>>()).await;
    e2e::poll::until("that is packed too", async || {
        (ask("SELECT sum(readings) FROM chunk") as u64 > READINGS).then_some(())
    })
    .await;
    let rpc_url = trial.chain.url();
    let checked = command::fsck(trial.data_dir(), Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
}

/// Sends readings one batch after the other, until told to stop; gives how many batches were taken.
async fn load(url: String, stop: Arc<AtomicBool>) -> u64 {
    let mut batches = 0;
    while !stop.load(Ordering::Relaxed) {
        let wobble = |at: u64| json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 + (at % 7) as f64 });
        let readings: Vec<Value> = (0..50).map(|n| reading("load", batches * 50 + n, wobble(n))).collect();
        let request = http().post(format!("{url}/api/v1/readings")).json(&readings);
        let answer = request.send().await.expect("the service answers");
        assert_eq!(answer.status().as_u16(), 200, "batch {batches}");
        batches += 1;
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_under_load_keeps_no_sender_waiting_in_vain() {
    let mut trial = Trial::publishing(Chain::start().await, "roots").await;
    let index = told(&mut trial).await;
    let secrets = secrets(&disclosure(&trial, index).await.expect("a payload"));
    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn(load(trial.url(), Arc::clone(&stop)));
    // Rewriting is the most that can get into a sender's way.
    let said = erase(&trial, &[&index.to_string(), "--rewrite"]).await;
    stop.store(true, Ordering::Relaxed);
    let batches = sender.await.expect("every batch was taken");
    println!("{batches} batches meanwhile");
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(batches > 0);
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_erased_with_what_the_detector_remembers_while_the_service_is_stopped() {
    let mut trial = Trial::publishing(Chain::start().await, "roots").await;
    let index = told(&mut trial).await;
    // One more that is no anomaly: its values go too.
    send(
        &trial,
        &[reading("patient-7", 2, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 21.987_654 }))],
    )
    .await;
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    let mut secrets = secrets(&disclosure(&trial, index).await.expect("a payload"));
    secrets.push(b"21.987654".to_vec());
    // As the detector's state holds the last value.
    secrets.push(21.987_654_f64.to_le_bytes().to_vec());
    let while_running = erase(&trial, &["--device", "patient-7", "--forget-state"]).await;
    assert_eq!(while_running.code, 4, "{while_running:#?}");
    trial.stop_service().await;
    for secret in &secrets[2..] {
        assert!(!holding(&trial, std::slice::from_ref(secret)).is_empty(), "{} before", secret.escape_ascii());
    }

    leave_in_free_pages(trial.data_dir(), &secrets[0]);

    let said = erase(&trial, &["--device", "patient-7", "--forget-state"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.stdout.contains("written anew"), "{said:#?}");
    println!("{}", said.stdout);
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());

    trial.start_service().await;
    trial.ready().await;
    verifies(&trial, index, &trust).await;
    // It is still known by its keys, and begins anew with the others.
    let result = &send(&trial, &[telling("patient-7", 1)]).await[0];
    assert_eq!(result.status, api::Status::Duplicate, "{result:?}");
    let next =
        send(&trial, &[reading("patient-7", 3, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 }))])
            .await;
    let judgement = next[0].judgement.as_ref().expect("a judgement");
    assert_eq!(judgement.label, api::Label::WarmingUp);
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_not_erased_unasked() {
    let mut trial = Trial::start().await;
    let index = told(&mut trial).await;
    let rpc_url = trial.chain.url();
    let at = index.to_string();
    let unsure = erase(&trial, &[&at]).await;
    assert_eq!(unsure.code, 4, "{unsure:#?}");
    assert!(unsure.stderr.contains("may have been published") && unsure.stderr.contains("--rpc-url"), "{unsure:#?}");
    let sure = erase(&trial, &[&at, "--rpc-url", &rpc_url]).await;
    assert_eq!(sure.code, 4, "{sure:#?}");
    assert!(
        sure.stderr.contains(&format!(
            "the payload of entry {index} was published on the chain and cannot be taken back: whoever has the chain has it"
        )),
        "{sure:#?}"
    );
    assert!(disclosure(&trial, index).await.is_some());
    let said = erase(&trial, &[&at, "--although-published"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.stdout.contains("NOT erased"), "{said:#?}");
    assert!(disclosure(&trial, index).await.is_none());
    // Without --yes, and without anybody to ask, nothing happens.
    let data_dir = trial.data_dir().to_str().expect("a path");
    let asked = command::run(["admin", "erase", "1", "--although-published", "--data-dir", data_dir]).await;
    assert_eq!(asked.code, 2, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_in_the_way_is_said_and_the_next_run_finishes() {
    let mut trial = Trial::publishing(Chain::start().await, "roots").await;
    let index = told(&mut trial).await.to_string();
    let secrets = secrets(&disclosure(&trial, index.parse().expect("a number")).await.expect("a payload"));
    let reader = Connection::open(trial.data_dir().join("ledger.sqlite")).expect("a connection");
    reader.execute_batch("BEGIN").expect("a transaction");
    let _: i64 = reader.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).expect("a snapshot");

    let said = erase(&trial, &[&index, "--wait", "1s"]).await;
    assert_eq!(said.code, 3, "{said:#?}");
    assert!(said.stdout.contains("NOT GONE: ledger.sqlite-wal"), "{said:#?}");
    reader.execute_batch("COMMIT").expect("the end of it");
    drop(reader);
    let said = erase(&trial, &[&index, "--rewrite"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_to_be_published_waits_for_the_service_to_stop() {
    let mut trial = Trial::start().await;
    trial.provoke(1).await;
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    // No more blocks: the anchor is sent, and stays in the outbox with its publication.
    trial.chain.rpc("evm_setIntervalMining", json!([0])).await;
    let index = index(&send(&trial, &[telling("patient-7", 1)]).await[0]);
    let secrets = secrets(&disclosure(&trial, index).await.expect("a payload"));
    let at = index.to_string();
    let early = erase(&trial, &[&at, "--although-published"]).await;
    assert_eq!(early.code, 4, "{early:#?}");
    e2e::poll::until("the transaction is in the outbox", async || {
        let said = erase(&trial, &[&at, "--although-published"]).await;
        assert_eq!(said.code, 4, "{said:#?}");
        said.stderr.contains("holds the payload").then_some(())
    })
    .await;

    trial.stop_service().await;
    let rpc_url = trial.chain.url();
    let said = erase(&trial, &[&at, "--rpc-url", &rpc_url]).await;
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.stderr.contains("was sent and may be included at any time"), "{said:#?}");
    let said = erase(&trial, &[&at, "--although-published"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());

    // Whether the node includes the old transaction or the new one: the service goes on by itself.
    trial.start_service().await;
    trial.chain.rpc("evm_setIntervalMining", json!([1])).await;
    trial.all_final().await;
    verifies(&trial, index, &trust).await;
    assert_eq!(holding(&trial, &secrets), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_before_it_is_published_is_never_published() {
    let mut trial = Trial::start().await;
    trial.provoke(1).await;
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    trial.chain.stop().await;
    let index = index(&send(&trial, &[telling("patient-7", 1)]).await[0]);
    let at = index.to_string();
    let salt = disclosure(&trial, index).await.expect("a payload").salt;
    let running = erase(&trial, &[&at]).await;
    assert_eq!(running.code, 4, "{running:#?}");
    assert!(running.stderr.contains("about to publish"), "{running:#?}");
    trial.stop_service().await;
    assert_eq!(erase(&trial, &[&at, "--although-published"]).await.code, 0);
    trial.chain.resume().await;
    trial.start_service().await;
    trial.all_final().await;
    verifies(&trial, index, &trust).await;
    let filter = json!([{ "address": trial.contract(), "fromBlock": "0x0", "toBlock": "latest" }]);
    let events = trial.chain.rpc("eth_getLogs", filter).await.to_string();
    assert!(!events.contains(&alloy_primitives::hex::encode(salt)));
}
