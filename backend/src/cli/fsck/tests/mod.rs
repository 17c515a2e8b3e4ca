//! `fsck` on a real database that somebody has changed, and against a chain that says what the test wants.

#![allow(clippy::unwrap_used)]

mod windows;

use std::{collections::HashMap, path::Path, sync::Arc};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use axum::{Json, Router, routing::post};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use ledger::{
    chain::{HEAD_SLOT, record_slot},
    checkpoint::LogSigner,
    entry::{Severity, Type},
    evidence::Anchor,
    hash::{EMPTY_ROOT, sha256},
};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        DeviceName, Keyring, Micros, Millis, Reading, SystemClock,
        clock::Clock,
        ports::{AnchorStore, LogReader, NewModel, TRUST_SETTING, WriteStore},
        verdict::{Device, Judged, Label, MetricValue, PendingFinding, Verdict},
    },
    pipeline::Sequencer,
    store::SqliteWriter,
};

const CONTRACT: Address = Address::repeat_byte(0x5f);
const CODE: &[u8] = &[0x60, 0x01];
/// More than a tile, so that a filled one and the level above take part.
const FINDINGS: u64 = 300;
/// One for the model, and one for each finding.
const SIZE: u64 = FINDINGS + 1;
const START: i64 = 1_767_600_000_000;

pub(in crate::cli) fn signer() -> LogSigner {
    LogSigner::new("test.local/log".parse().unwrap(), &[7; 32])
}

/// A data directory with a log, and how to ask `fsck` about it.
struct Trial {
    dir: tempfile::TempDir,
    args: Args,
}

impl Trial {
    /// A log with a checkpoint at 101 and one at the end; the newest of them is anchored finally, the other included.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path());
        let args = Args { data_dir: dir.path().to_owned(), rpc_url: None, log_key: Some(signer().log_key()) };
        let trial = Self { dir, args };
        trial.anchor();
        trial
    }

    fn anchor(&self) {
        let store = Reader::open(self.dir.path()).unwrap();
        store.put_setting(TRUST_SETTING, &serde_json::to_string(&trust()).unwrap()).unwrap();
        // By hand: what the outbox needs to be sent is not this command's affair.
        let connection = Connection::open(self.dir.path().join("ledger.sqlite")).unwrap();
        for (size, state) in [(101, 1), (SIZE, 2)] {
            let root = store.checkpoint_at(size).unwrap().unwrap().root;
            let proof = (state == 2).then(|| serde_json::to_string(&proof(root, size)).unwrap());
            let sql = "INSERT INTO anchor (size, root, state, nonce, tx, raw, sent_ms, proof)
                       VALUES (?, ?, ?, 0, '', x'', 0, ?)";
            connection.execute(sql, rusqlite::params![size as i64, root.to_string(), state, proof]).unwrap();
        }
    }

    /// Changes the database behind the service's back.
    fn change(&self, sql: &str) -> &Self {
        let connection = Connection::open(self.dir.path().join("ledger.sqlite")).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute_batch(sql).unwrap();
        self
    }

    fn check(&self) -> Found {
        check(&self.args).unwrap()
    }

    fn check_with(&self, chain: &Chain) -> Found {
        let url = Some(chain.serve());
        check(&Args { rpc_url: url, data_dir: self.args.data_dir.clone(), log_key: self.args.log_key.clone() }).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        Reader::open(self.dir.path()).unwrap().checkpoint_at(size).unwrap().unwrap().root
    }

    /// What the honest chain says at this head.
    fn chain(&self, size: u64) -> Chain {
        Chain::new(trust(), Some((self.root(size), size)))
    }
}

pub(in crate::cli) fn write_log(dir: &Path) {
    let now = Millis(START + 86_400_000);
    let mut writer = SqliteWriter::create(dir).unwrap();
    let mut sequencer = Sequencer::load(
        &Reader::open(dir).unwrap(),
        Arc::new(Keyring::new(signer().log_key(), vec![signer()], vec![])),
    )
    .unwrap();
    for (from, to) in [(0, 100), (100, FINDINGS)] {
        writer
            .transaction(&mut |tx| {
                if from == 0 {
                    tx.put_devices(&[device()])?;
                    tx.add_model(&model())?;
                }
                let normal = Judged { finding: None, ..judged(10_000 + from, Label::Normal) };
                let judged: Vec<Judged> = (from..to).map(|n| judged(n, Label::Anomaly)).chain([normal]).collect();
                tx.record(&judged)?;
                let rows = tx.queue(1_000)?;
                tx.append(&sequencer.extend(rows, now)?)
            })
            .unwrap();
    }
}

fn device() -> Device {
    Device {
        name: DeviceName::new("weather-1").unwrap(),
        pseudonym: "0".repeat(32),
        profile: "generic".into(),
        state: vec![1],
        last_sequence: None,
        first_sequence: None,
        sequenced: 0,
        last_seen: None,
        last_time: None,
    }
}

fn model() -> NewModel {
    let hash = sha256(&[b"model"]);
    NewModel { hash, version: "m".into(), profile: "generic".into(), bytes: b"model".to_vec(), sample: hash }
}

/// In place of a detector's state: only its hash is looked at.
const STATE: &[u8] = b"state";

fn judged(sequence: u64, label: Label) -> Judged {
    let time = Millis(START + sequence as i64 * 60_000);
    let values = vec![("temperature".into(), 200.0)];
    let name = DeviceName::new("weather-1").unwrap();
    let reading = Reading::new(name, Some(Micros::from(time)), Some(sequence), values, SystemClock.now()).unwrap();
    let hash = sha256(&[b"model"]).to_string();
    let finding = PendingFinding {
        device: "weather-1".into(),
        pseudonym: "0".repeat(32),
        sequence: Some(sequence),
        time_ms: time.0,
        values: vec![MetricValue { metric: "temperature".into(), unit: "°C".into(), value: 200.0 }],
        r#type: Type::Point,
        severity: Severity::Critical,
        score: 0.9,
        threshold: 0.5,
        reasons: Vec::new(),
        sentence: "Temperature is 200 °C.".into(),
        model: hash.clone(),
        state: sha256(&[STATE]).to_string(),
        kept_state: Some(STATE.to_vec()),
        signed: None,
        flow: None,
    };
    let verdict = Verdict { score: 0.9, threshold: 0.5, label, model_version: "m".into() };
    Judged { reading, verdict, finding: Some(finding) }
}

/// Block 0 of a real Anvil.
fn genesis() -> Value {
    let file: Value = serde_json::from_str(include_str!("../../../../../tests/vectors/verdict/final.json")).unwrap();
    file["rounds"][0][1]["Ok"].clone()
}

fn trust() -> TrustRoots {
    TrustRoots {
        log_key: signer().log_key(),
        chain_id: 31_337,
        genesis_hash: genesis()["hash"].as_str().unwrap().parse().unwrap(),
        contract: CONTRACT,
        code_hash: keccak256(CODE),
        predecessors: Vec::new(),
    }
}

/// The word of a record: size, sequence, time and block, lowest first.
fn record(size: u64) -> U256 {
    U256::from_limbs([size, 1, 1_767_600_000, 7])
}

/// RLP, as far as a trie of one leaf needs it.
fn rlp(list: bool, payload: &[u8]) -> Vec<u8> {
    let base = if list { 0xc0 } else { 0x80 };
    let mut bytes = match payload.len() {
        1 if !list && payload[0] < 0x80 => Vec::new(),
        length @ 0..56 => vec![base + length as u8],
        length @ 56..256 => vec![base + 56, length as u8],
        length => vec![base + 57, (length >> 8) as u8, length as u8],
    };
    bytes.extend(payload);
    bytes
}

/// The only leaf of a trie: path and value. Its hash is the trie's root.
fn leaf(key: &[u8], value: &[u8]) -> Vec<u8> {
    let path = [&[0x20], keccak256(key).as_slice()].concat();
    rlp(true, &[rlp(false, &path), rlp(false, value)].concat())
}

/// A proof from a block in which there is nothing but the contract with this one record.
fn proof(root: Hash, size: u64) -> Anchor {
    let word = record(size).to_be_bytes_trimmed_vec();
    let storage = leaf(record_slot(&root).as_slice(), &rlp(false, &word));
    let account = [
        rlp(false, &[1]),
        rlp(false, &[]),
        rlp(false, keccak256(&storage).as_slice()),
        rlp(false, keccak256(CODE).as_slice()),
    ];
    let account = leaf(CONTRACT.as_slice(), &rlp(true, &account.concat()));
    // Parent, uncles, miner, state, transactions, receipts, bloom, difficulty, number, gas, gas, time, extra, mix, nonce.
    let mut header: Vec<Vec<u8>> = vec![vec![0; 32]; 15];
    header[3] = keccak256(&account).to_vec();
    header[8] = vec![7];
    header[11] = vec![9];
    let header: Vec<u8> = header.iter().flat_map(|member| rlp(false, member)).collect();
    Anchor {
        contract: None,
        transaction: None,
        header: Bytes::from(rlp(true, &header)),
        account_proof: vec![account.into()],
        storage_proof: vec![storage.into()],
    }
}

/// A chain that answers `fsck`'s questions.
struct Chain {
    answers: HashMap<String, Value>,
}

impl Chain {
    fn new(trust: TrustRoots, head: Option<(Hash, u64)>) -> Self {
        let mut answers = HashMap::from([
            ("eth_chainId".to_owned(), json!(format!("0x{:x}", trust.chain_id))),
            ("eth_getBlockByNumber".to_owned(), genesis()),
            ("eth_getCode".to_owned(), json!(Bytes::from_static(CODE))),
            (HEAD_SLOT.to_string(), json!(B256::from(EMPTY_ROOT.0))),
        ]);
        if let Some((root, size)) = head {
            answers.insert(HEAD_SLOT.to_string(), json!(B256::from(root.0)));
            answers.insert(record_slot(&root).to_string(), json!(B256::from(record(size))));
        }
        Self { answers }
    }

    fn with(mut self, method: &str, answer: Value) -> Self {
        self.answers.insert(method.to_owned(), answer);
        self
    }

    /// Answers on a port of its own until the test ends.
    fn serve(&self) -> Url {
        let answers = self.answers.clone();
        let answer = move |Json(request): Json<Value>| async move {
            let (method, slot) = (request["method"].as_str().unwrap(), request["params"][1].as_str());
            let found = answers.get(method).or_else(|| answers.get(slot?));
            let zero = (method == "eth_getStorageAt").then(|| json!(B256::ZERO));
            Json(match found.cloned().or(zero) {
                Some(result) => json!({"jsonrpc": "2.0", "id": 1, "result": result}),
                None => json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32_601, "message": "no such method"}}),
            })
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            crate::cli::runtime().unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let service = TowerToHyperService::new(Router::new().route("/", post(answer)));
                loop {
                    let stream = TokioIo::new(listener.accept().await.unwrap().0);
                    tokio::spawn(http1::Builder::new().serve_connection(stream, service.clone()));
                }
            })
        });
        url
    }
}

/// The only line of damage says this.
#[track_caller]
fn assert_damage(found: &Found, line: &str) {
    assert!(found.damage.iter().any(|found| found.contains(line)), "expected {line:?}: {found:#?}");
    assert_eq!(found.exit_code(), 30);
}

#[test]
fn an_honest_log_has_no_differences_and_is_not_touched() {
    let trial = Trial::new();
    let file = trial.dir.path().join("ledger.sqlite");
    let before = std::fs::read(&file).unwrap();
    let found = trial.check();
    assert_eq!((found.exit_code(), found.derived), (0, Some((SIZE, trial.root(SIZE)))), "{found:#?}");
    assert_eq!((found.final_size, found.notes.as_slice()), (SIZE, [].as_slice()));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(!trial.dir.path().join("models").exists());

    let erased = trial.change("DELETE FROM payload WHERE idx IN (3, 4)").check();
    assert_eq!((erased.exit_code(), erased.notes.as_slice()), (0, ["2 payloads are erased".to_owned()].as_slice()));
}

#[test]
fn a_model_file_that_the_log_does_not_record_is_damage() {
    let trial = Trial::new();
    let dir = trial.dir.path().join("models/generic");
    let put = |place: &str, bytes: &[u8]| {
        let file = dir.join(place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    let damaged = |line: &str| {
        let found = trial.check();
        assert_eq!(found.exit_code(), 30);
        assert!(found.first().unwrap().contains(line), "{line}: {found:?}");
    };
    // As it lay before a profile had several.
    put("model.bin", b"model");
    assert_eq!(trial.check().exit_code(), 0);
    put("model.bin", b"modem");
    damaged("models/generic/model.bin: its hash is ");
    std::fs::remove_file(dir.join("model.bin")).unwrap();

    let (own, other) = (sha256(&[b"model"]), sha256(&[b"modem"]));
    put(&format!("{own}/model.bin"), b"model");
    put("current", format!("{own}\n").as_bytes());
    assert_eq!(trial.check().exit_code(), 0);
    // Trained, and not in use yet: the service was stopped before it had recorded it.
    put(&format!("{other}/model.bin"), b"modem");
    let waiting = trial.check();
    assert_eq!((waiting.exit_code(), waiting.notes.len()), (0, 1), "{waiting:?}");
    put("current", format!("{other}\n").as_bytes());
    damaged("a model that the log does not record");
    put("current", b"elsewhere\n");
    damaged("models/generic/current: it names \"elsewhere\"");
    put("current", format!("{own}\n").as_bytes());
    put(&format!("{own}/model.bin"), b"modem");
    damaged("not that of its folder");
}

#[test]
fn every_change_is_damage_and_named() {
    for (sql, line) in [
        // Entries.
        ("UPDATE entry SET bytes = CAST(replace(bytes, '\"v\":1', '\"v\":1 ') AS BLOB) WHERE idx = 7", "entry 7: "),
        ("UPDATE entry SET kind = 'model' WHERE idx = 7", "entry 7: it is of kind \"anomaly\", its row says \"model\""),
        ("DELETE FROM payload WHERE idx = 7; DELETE FROM entry WHERE idx = 7", "entries 7 to 7: missing"),
        ("DELETE FROM payload WHERE idx > 298; DELETE FROM entry WHERE idx > 298", "entries 299 to 300: missing"),
        ("INSERT INTO entry SELECT 301, kind, bytes FROM entry WHERE idx = 5", "entries: 1 beyond the newest"),
        ("INSERT INTO entry SELECT -5, kind, bytes FROM entry WHERE idx = 5", "entries: 1 beyond the newest"),
        // Payloads.
        ("UPDATE payload SET salt = x'00' WHERE idx = 7", "payload 7: cannot be read: the salt"),
        ("UPDATE payload SET salt = zeroblob(32) WHERE idx = 7", "payload 7: SHA-256(salt ‖ payload) is not"),
        (
            "INSERT INTO payload SELECT 0, salt, bytes, NULL FROM payload WHERE idx = 7",
            "payload 0: expected no payload",
        ),
        (
            "UPDATE payload SET state = x'00' WHERE idx = 7",
            "state 7: SHA-256(state) is what the payload names: expected",
        ),
        // Checkpoints.
        ("DELETE FROM checkpoint", "checkpoints: none, though there are 301 entries"),
        ("DELETE FROM checkpoint WHERE size > 101", "entries: 200 beyond the newest checkpoint, whose size is 101"),
        ("UPDATE checkpoint SET root = 'soon' WHERE size = 101", "checkpoint 101: signed is root"),
        ("UPDATE checkpoint SET note = replace(note, '101', '102') WHERE size = 101", "checkpoint 101: the signature"),
        ("UPDATE checkpoint SET size = 0 WHERE size = 101", "checkpoints: 1 with a size below 1"),
        // Tiles.
        ("DELETE FROM tile WHERE level = 0 AND idx = 0", "tile 0/0: differs from hash 0 on"),
        ("DELETE FROM tile WHERE level = 1", "tile 1/0: differs from hash 0 on"),
        (
            "UPDATE tile SET hashes = unhex(hex(hashes) || hex(zeroblob(32))) WHERE level = 0 AND idx = 1",
            "tile 0/1: differs from hash 45",
        ),
        ("INSERT INTO tile VALUES (0, 2, zeroblob(32))", "tiles: 1 more than a log of 301 entries has"),
        // Anchors.
        ("UPDATE anchor SET size = 99 WHERE size = 101", "anchor 99: there is no checkpoint of this size"),
        ("UPDATE anchor SET root = 'none' WHERE size = 101", "anchor 101: its root is none, the checkpoint's"),
        ("UPDATE anchor SET state = 7 WHERE size = 101", "anchor 101: its state is 7"),
        ("UPDATE anchor SET proof = NULL", "anchor 301: final, but without a proof"),
        ("UPDATE anchor SET proof = '{}'", "anchor 301: its proof cannot be read"),
        (
            "UPDATE anchor SET proof = json_set(proof, '$.storage_proof', json('[]')) WHERE state = 2",
            "anchor 301: its proof does not hold",
        ),
        ("DELETE FROM setting", "setting trust_roots: none, though anchors are final"),
        ("UPDATE setting SET value = '{}'", "setting trust_roots: missing field"),
        // Readings.
        ("UPDATE model SET bytes = x'00'", "its bytes have the hash"),
        (
            "INSERT INTO model VALUES ('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d', 'n', 'p', x'00')",
            "model 6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d: the log does not record it",
        ),
        ("UPDATE reading SET label = 0 WHERE entry = 7", "readings: 1 readings not labelled anomaly name an entry"),
        ("UPDATE reading SET entry = NULL WHERE entry = 7", "readings: 1 readings labelled anomaly name no entry"),
        (
            "UPDATE reading SET entry = NULL WHERE entry = 7",
            "readings: 1 anomaly entries have no reading; the first is 7",
        ),
        ("UPDATE reading SET entry = 0 WHERE entry = 7", "name an entry that is no anomaly, or is missing"),
        ("UPDATE reading SET entry = 8 WHERE entry = 7", "readings: 1 entries are named by several readings"),
        ("DELETE FROM device", "refers to a missing row of table device"),
        // Everything.
        ("DROP TABLE tile", "no such table: tile"),
    ] {
        let found = Trial::new().change(sql).check();
        assert!(found.damage.iter().any(|found| found.contains(line)), "{sql}: expected {line:?}: {found:#?}");
        assert_eq!(found.exit_code(), 30, "{sql}");
    }
}

#[test]
fn a_changed_entry_is_shown_by_the_tree_above_it() {
    let trial = Trial::new();
    trial.change("UPDATE entry SET bytes = CAST(replace(bytes, '\"severity\":\"critical\"', '\"severity\":\"warning\"') AS BLOB) WHERE idx = 7");
    let found = trial.check();
    for line in
        ["payload 7: ", "checkpoint 101: signed is root", "checkpoint 301: signed", "tile 0/0: differs from hash 7 on"]
    {
        assert_damage(&found, line);
    }
}

#[test]
fn what_is_no_database_is_damage_and_stays_as_it_is() {
    let trial = Trial::new();
    let file = trial.dir.path().join("ledger.sqlite");
    let honest = std::fs::read(&file).unwrap();
    for beside in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(trial.dir.path().join(format!("ledger.sqlite{beside}")));
    }
    for (content, line) in [
        (Some(b"a letter to the editor".to_vec()), "database: "),
        (Some(Vec::new()), "is no database of this program"),
        (None, "there is no database"),
    ] {
        std::fs::remove_file(&file).unwrap();
        if let Some(content) = &content {
            std::fs::write(&file, content).unwrap();
        }
        assert_damage(&trial.check(), line);
        assert_eq!(std::fs::read(&file).ok(), content);
        std::fs::write(&file, &honest).unwrap();
    }
    // A page of the middle in another's place, and one cut off.
    let mut corrupt = honest.clone();
    let middle = corrupt.len() / 8192 * 4096;
    corrupt[middle..middle + 4096].fill(0xa5);
    std::fs::write(&file, &corrupt).unwrap();
    assert_eq!(trial.check().exit_code(), 30);
    std::fs::write(&file, &honest[..honest.len() - 40_960]).unwrap();
    assert_eq!(trial.check().exit_code(), 30);
}

#[test]
fn the_key_comes_by_file_or_by_flag() {
    let mut trial = Trial::new();
    trial.args.log_key = None;
    let error = check(&trial.args).unwrap_err();
    assert!(error.is::<WrongUse>() && error.to_string().contains("--log-key"), "{error}");
    std::fs::create_dir(trial.dir.path().join("keys")).unwrap();
    std::fs::write(trial.dir.path().join("keys/log.pub"), signer().log_key().to_string()).unwrap();
    std::fs::write(trial.dir.path().join("keys/log.key"), "07".repeat(32)).unwrap();
    assert_eq!(trial.check().exit_code(), 0);
    std::fs::write(trial.dir.path().join("keys/log.key"), "no key").unwrap();
    assert_damage(&trial.check(), "--log-key");
    trial.args.log_key = Some(LogSigner::new("test.local/log".parse().unwrap(), &[8; 32]).log_key());
    assert_damage(&trial.check(), "checkpoint 301: expected a signature by");
}

#[test]
fn an_honest_chain_agrees() {
    let trial = Trial::new();
    let found = trial.check_with(&trial.chain(SIZE));
    assert_eq!(found.exit_code(), 0, "{found:#?}");
    assert!(found.notes[0].contains("holds the first 301 entries"), "{found:#?}");
    // Before anything is anchored.
    trial.change("DELETE FROM anchor");
    let found = trial.check_with(&Chain::new(trust(), None));
    assert_eq!(found.exit_code(), 0, "{found:#?}");
    assert_eq!(trial.check_with(&trial.chain(101)).exit_code(), 0);
}

#[test]
fn another_chain_or_another_history_contradicts() {
    let trial = Trial::new();
    let honest = || trial.chain(SIZE);
    let mut other_genesis = genesis();
    other_genesis["extraData"] = json!("0x00");
    other_genesis["hash"] = json!(B256::ZERO);
    let forked = Hash([9; 32]);
    for (chain, line) in [
        (honest().with("eth_chainId", json!("0x1")), "this is another chain: its id is 1, pinned is 31337"),
        (honest().with("eth_getCode", json!("0x6002")), "this is another chain: its code hash"),
        (honest().with("eth_getCode", json!("0x")), "is none, pinned is"),
        (Chain::new(trust(), None), "the contract holds no root, though 301 entries were anchored finally"),
        (trial.chain(101), "the contract's head has 101 entries, though 301 were anchored finally"),
        (Chain::new(trust(), Some((forked, SIZE + 1))), "has 302 entries, the log 301"),
        (Chain::new(trust(), Some((forked, SIZE))), "at size 301 the contract's root is 0909"),
        (honest().with(&record_slot(&trial.root(SIZE)).to_string(), json!(B256::ZERO)), "has no record"),
    ] {
        let found = trial.check_with(&chain);
        assert!(found.contradictions.iter().any(|found| found.contains(line)), "{line}: {found:#?}");
        assert_eq!(found.exit_code(), 40, "{line}");
    }
    // A block whose header does not hash to its hash is no answer at all.
    assert_eq!(trial.check_with(&honest().with("eth_getBlockByNumber", other_genesis)).exit_code(), 25);
}

#[test]
fn pinned_trust_roots_that_changed_contradict() {
    let other = LogSigner::new("test.local/log".parse().unwrap(), &[8; 32]).log_key();
    let other_key = format!("UPDATE setting SET value = json_set(value, '$.log_key', '{other}')");
    let other_code = format!("UPDATE setting SET value = json_set(value, '$.code_hash', '{}')", B256::ZERO);
    let other_genesis = format!("UPDATE setting SET value = json_set(value, '$.genesis_hash', '{}')", B256::ZERO);
    for (sql, line) in [(other_key, "pinned is the log key"), (other_code, "anchor 301: the code hash of 0x5f5f")] {
        let found = Trial::new().change(&sql).check();
        assert!(found.contradictions[0].contains(line), "{found:#?}");
        assert_eq!(found.exit_code(), 40);
    }
    let trial = Trial::new();
    let found = trial.change(&other_genesis).check_with(&trial.chain(SIZE));
    assert!(found.contradictions[0].contains("its genesis hash is 0xf1c04"), "{found:#?}");
}

#[test]
fn a_chain_that_does_not_answer_leaves_it_open() {
    let mut trial = Trial::new();
    assert_eq!(trial.check_with(&Chain { answers: HashMap::new() }).exit_code(), 25);
    trial.args.rpc_url = Some("http://127.0.0.1:9".parse().unwrap());
    let found = trial.check();
    assert!(found.unanswered.as_ref().unwrap().contains("eth_chainId"), "{found:#?}");
    assert_eq!(found.exit_code(), 25);
    // What the log shows of itself goes first.
    trial.change("UPDATE payload SET salt = zeroblob(32) WHERE idx = 7");
    assert_eq!(trial.check().exit_code(), 30);
    trial.change("UPDATE payload SET salt = (SELECT salt FROM payload WHERE idx = 8) WHERE idx = 7");

    let fresh = Trial::new();
    fresh.change("DELETE FROM setting; DELETE FROM anchor");
    let found = fresh.check_with(&fresh.chain(SIZE));
    assert!(found.unanswered.unwrap().contains("has not met its chain"));
}

#[test]
fn a_service_at_work_makes_no_differences() {
    let trial = Trial::new();
    let snapshot = Reader::open_snapshot(trial.dir.path()).unwrap();
    assert_eq!(snapshot.newest_size().unwrap(), SIZE as i64);
    // What is committed now is not seen by the pass that is under way.
    trial.change("INSERT INTO entry SELECT 301, kind, bytes FROM entry WHERE idx = 5");
    assert_eq!(snapshot.row_counts().unwrap().0, SIZE as i64);
    assert!(snapshot.put_setting("a", "b").is_err());
}
