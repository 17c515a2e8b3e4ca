//! Power cuts in the middle of a load: whatever the disk has kept, nothing acknowledged is lost, no checkpoint that was
//! shown is taken back, and the log verifies. What a cut leaves is modelled in `tests/src/power.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use e2e::{
    Trial, command,
    load::{Acknowledged, Load},
    paths,
    power::{Dice, Disk, Record, read_journal},
    process::free_port,
    service::{http, send},
    trial,
};
use ledger::checkpoint::Checkpoint;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Readings acknowledged while the chain answers, and then while it does not.
const WITH_CHAIN: usize = 1_500;
const WITHOUT_CHAIN: usize = 1_500;

/// Images on which the service is started again.
const STARTS: usize = 10;

/// Cuts of the run that has to lose something.
const CUTS_WITHOUT_SYNCS: usize = 25;

/// How many cuts: 25, or 200 with `scripts/test --all`.
fn cuts() -> usize {
    if std::env::var_os("ANOMALY_LEDGER_TEST_ALL").is_some() { 200 } else { 25 }
}

/// The seed: `ANOMALY_LEDGER_TEST_SEED`, or another one each time.
fn seed() -> u64 {
    let given = std::env::var("ANOMALY_LEDGER_TEST_SEED").ok().map(|text| text.parse().expect("a number as seed"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    given.unwrap_or(now.as_nanos() as u64)
}

/// What a client was told, and how long the journal was by then.
struct Promises {
    readings: Vec<Acknowledged>,
    /// Checkpoints that were shown.
    checkpoints: Vec<(u64, Checkpoint)>,
    /// Sizes that the contract had recorded.
    anchored: Vec<(u64, u64)>,
}

/// A run of the service on a watched directory, up to its end.
struct Run {
    trial: Trial,
    disk: Disk,
    journal: Vec<(u64, Record)>,
    promises: Promises,
    /// The length of the journal when the chain was stopped.
    chain_stopped: u64,
    /// By index, the entries of the log that was not cut.
    entries: BTreeMap<u64, Vec<u8>>,
}

/// Asks for the checkpoint and the contract's head again and again, as clients do.
async fn watch(
    url: String,
    mark: impl Fn() -> u64,
    stop: Arc<AtomicBool>,
) -> (Vec<(u64, Checkpoint)>, Vec<(u64, u64)>) {
    let (mut checkpoints, mut anchored) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::SeqCst) {
        if let Ok(answer) = send(http().get(format!("{url}/checkpoint"))).await
            && answer.status == 200
        {
            let checkpoint = Checkpoint::unverified(&answer.text()).expect("a checkpoint");
            checkpoints.push((mark(), checkpoint));
        }
        if let Ok(answer) = send(http().get(format!("{url}/api/v1/ledger"))).await
            && let Some(size) = answer.json()["chain"]["tree_size"].as_u64()
        {
            anchored.push((mark(), size));
        }
    }
    (checkpoints, anchored)
}

impl Run {
    /// Starts the service for the first time on a new log, loads it with and then without its chain, and stops it.
    async fn new(swallow: bool) -> Self {
        let mut trial = Trial::start().await;
        trial.stop_service().await;
        let dir = trial.file("watched");
        let log_id = trial::init(&dir).await;
        let contract = trial.chain.deploy(&log_id).await;
        let disk = Disk::load(&dir).expect("the directory can be read");
        let journal = trial.file("journal");
        let watching = [
            ("LD_PRELOAD", paths::library("powercut").into_os_string()),
            ("POWERCUT_DIR", dir.clone().into()),
            ("POWERCUT_JOURNAL", journal.clone().into()),
        ];
        let mut environment: Vec<(&'static str, OsString)> = watching.into();
        if swallow {
            environment.push(("POWERCUT_SWALLOW", "1".into()));
        }
        let settings = trial.settings();
        (settings.data_dir, settings.contract, settings.environment) = (dir.clone(), contract, environment);
        // Packing all the time: then some cuts fall into its steps.
        let mqtt = format!("127.0.0.1:{}", free_port());
        settings.flags = ["--pack-after", "16", "--mqtt", &mqtt].map(str::to_owned).into();
        trial.start_service().await;
        trial.ready().await;

        let file = journal.clone();
        let mark = move || fs::metadata(&file).expect("the journal is there").len();
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = tokio::spawn(watch(trial.url(), mark.clone(), Arc::clone(&stop)));
        let load = Load::start(&trial.url(), Some(&mqtt), "cut", mark.clone());
        load.reaches(WITH_CHAIN).await;
        trial.chain.stop().await;
        let chain_stopped = mark();
        load.reaches(WITH_CHAIN + WITHOUT_CHAIN).await;
        // In an orderly way: a kill between a change and its record would look as if the witness had missed it.
        trial.stop_service().await;
        stop.store(true, Ordering::SeqCst);
        let (checkpoints, anchored) = watcher.await.expect("the watcher does not panic");
        let readings = load.ended().await;
        assert!(readings.iter().any(|told| told.judgement.is_none()), "none by MQTT");
        let promises = Promises { readings, checkpoints, anchored };
        let journal = read_journal(&journal).expect("the journal can be read");
        trial.settings().environment.clear();
        the_witness_missed_nothing(disk.clone(), &journal);
        let entries = entries(&dir);
        Self { trial, disk, journal, promises, chain_stopped, entries }
    }

    /// Behind which records the power is cut: half of them anywhere, half right before or after a sync. Ascending.
    fn cut_points(&self, dice: &mut Dice, count: usize) -> BTreeSet<usize> {
        let syncs: Vec<usize> =
            (0..self.journal.len()).filter(|at| matches!(self.journal[*at].1, Record::Sync { .. })).collect();
        let mut points = BTreeSet::new();
        while points.len() < count {
            let anywhere = dice.below(self.journal.len() as u64) as usize;
            let at_sync = syncs.get(dice.below(syncs.len().max(1) as u64) as usize);
            points.insert(match at_sync {
                Some(sync) if dice.below(2) == 0 => sync.saturating_sub(dice.below(2) as usize),
                _ => anywhere,
            });
        }
        points
    }
}

/// The whole journal gives the files as they are, save for the one that SQLite makes anew.
fn the_witness_missed_nothing(mut disk: Disk, journal: &[(u64, Record)]) {
    journal.iter().for_each(|(_, record)| disk.apply(record));
    assert_eq!(disk.difference().expect("the directory can be read"), None);
    let mapped: Vec<_> = disk.mapped().filter_map(Path::file_name).collect();
    assert!(mapped.iter().all(|name| *name == "ledger.sqlite-shm"), "{mapped:?}");
}

/// All entries of the log in a directory; SQLite recovers it first.
fn entries(dir: &Path) -> BTreeMap<u64, Vec<u8>> {
    let database = Connection::open(dir.join("ledger.sqlite")).expect("a database");
    let mut select = database.prepare("SELECT idx, bytes FROM entry").expect("a table of entries");
    let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))).expect("entries");
    rows.collect::<Result<_, _>>().expect("entries")
}

/// What an image lacks of what was promised before the cut; empty if nothing.
async fn losses(image: &Path, cut: u64, run: &Run) -> Vec<String> {
    let mut losses = match stored(image, cut, run) {
        Ok(losses) => losses,
        Err(error) => vec![format!("the database cannot be read: {error}")],
    };
    let checked = command::fsck(image, None).await;
    if checked.code != 0 {
        losses.push(format!("fsck exits {}: {}{}", checked.code, checked.stdout, checked.stderr));
    }
    losses
}

fn stored(image: &Path, cut: u64, run: &Run) -> rusqlite::Result<Vec<String>> {
    let mut losses = Vec::new();
    let database = Connection::open_with_flags(
        image.join("ledger.sqlite"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mut reading = database.prepare(
        "SELECT score, threshold, model_version, label, entry FROM reading
         WHERE device = (SELECT id FROM device WHERE name = ?) AND by_sequence = 1 AND key = ?",
    )?;
    let mut packed = database.prepare(
        "SELECT 1 FROM chunk WHERE device = (SELECT id FROM device WHERE name = ?1) AND sequence_low <= ?2
         AND sequence_high >= ?2",
    )?;
    let mut entry = database.prepare("SELECT bytes FROM entry WHERE idx = ?")?;
    for Acknowledged { reading: sent, judgement, .. } in run.promises.readings.iter().filter(|told| told.mark <= cut) {
        let key = (sent["device"].as_str().expect("a device"), sent["sequence"].as_i64());
        let found = reading.query_row(key, |row| {
            let label = match row.get::<_, i64>(3)? {
                0 => api::Label::Normal,
                1 => api::Label::Anomaly,
                _ => api::Label::WarmingUp,
            };
            let index = row.get::<_, Option<i64>>(4)?.map(|index| index as u64);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, label, index))
        });
        let found = found.optional()?;
        // By MQTT no verdict was told: then any will do. One that was acknowledged before the chain had answered got its
        // index later.
        let expected = judgement.as_ref().map(|told| {
            let index = told.index.or(found.as_ref().and_then(|found| found.4));
            (told.score, told.threshold, told.model_version.clone(), told.label, index)
        });
        match found {
            // What is in a chunk is held against `fsck` here, and against the service where it is started.
            None if packed.exists(key)? => {}
            None => losses.push(format!("lost: the acknowledged reading {sent}")),
            Some(found) if expected.as_ref().is_some_and(|expected| found != *expected) => {
                losses.push(format!("{sent}: told {expected:?}, found {found:?}"));
            }
            Some(_) => {}
        }
        if let Some(index) = judgement.as_ref().and_then(|told| told.index) {
            let found: Option<Vec<u8>> = entry.query_row([index as i64], |row| row.get(0)).optional()?;
            if found.as_ref() != Some(&run.entries[&index]) {
                losses.push(format!("entry {index}: not the bytes that were acknowledged"));
            }
        }
    }
    let newest: i64 = database.query_row("SELECT coalesce(max(size), 0) FROM checkpoint", [], |row| row.get(0))?;
    let anchored = run.promises.anchored.iter().filter(|(mark, _)| *mark <= cut).map(|(_, size)| *size).max();
    if anchored.is_some_and(|size| size > newest as u64) {
        losses.push(format!("the contract has the size {anchored:?}, the newest checkpoint is {newest}"));
    }
    let shown: BTreeMap<u64, &Checkpoint> = run
        .promises
        .checkpoints
        .iter()
        .filter(|(mark, _)| *mark <= cut)
        .map(|(_, shown)| (shown.size, shown))
        .collect();
    let mut checkpoint = database.prepare("SELECT root FROM checkpoint WHERE size = ?")?;
    for (size, shown) in shown {
        let root: Option<String> = checkpoint.query_row([size as i64], |row| row.get(0)).optional()?;
        if root != Some(shown.root.to_string()) {
            losses.push(format!("the checkpoint of size {size} was shown; found is the root {root:?}"));
        }
    }
    Ok(losses)
}

/// Starts the service on an image, asks it for what it has promised, and lets it go on.
async fn goes_on(run: &mut Run, image: &Path, cut: u64) {
    // What this image anchors, the next one has never heard of.
    let chain = run.trial.chain.rpc("evm_snapshot", json!([])).await;
    run.trial.settings().data_dir = image.to_owned();
    run.trial.start_service().await;
    run.trial.ready().await;
    let told: Vec<&Acknowledged> = run.promises.readings.iter().filter(|told| told.mark <= cut).collect();
    for chunk in told.chunks(100) {
        let readings: Vec<_> = chunk.iter().map(|told| &told.reading).collect();
        let answer = run.trial.post("/api/v1/readings", &json!(readings)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let again: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        for (told, again) in chunk.iter().zip(&again.results) {
            assert_eq!(again.status, api::Status::Duplicate, "{}: {again:?}", told.reading);
            assert!(told.is_kept_by(again.judgement.as_ref()), "{told:?}: {again:?}");
        }
    }
    let size = run.trial.ledger().await.tree_size;
    let indexes = run.trial.provoke(5).await;
    assert_eq!(indexes.iter().min(), Some(&size), "{indexes:?}");
    run.trial.stop_service().await;
    command::fsck(image, None).await.expect_success();
    run.trial.chain.rpc("evm_revert", json!([chain])).await;
}

/// Cuts the power of a run at random moments; gives the losses of each cut that has some, and on how many images the
/// service was started.
async fn cut(run: &mut Run, seed: u64, count: usize, starts: usize) -> (Vec<Vec<String>>, usize) {
    let mut dice = Dice::new(seed);
    let points = run.cut_points(&mut dice, count);
    // Without a chain: on an older image, one that answers would know more than the log.
    let startable: Vec<usize> = points.iter().copied().filter(|at| run.journal[*at].0 >= run.chain_stopped).collect();
    let starts = starts.min(startable.len());
    let started: BTreeSet<usize> = (0..starts).map(|at| startable[at * startable.len() / starts]).collect();
    if !started.is_empty() {
        run.trial.chain.resume().await;
    }
    let mut lost = Vec::new();
    let mut next = 0;
    for at in points {
        while next <= at {
            run.disk.apply(&run.journal[next].1);
            next += 1;
        }
        let image = run.trial.file(&format!("image-{at}"));
        run.disk.cut(&mut dice, &image).expect("the image can be written");
        let mark = run.journal[at].0;
        let losses = losses(&image, mark, run).await;
        if !losses.is_empty() {
            lost.push(losses);
        } else if started.contains(&at) {
            goes_on(run, &image, mark).await;
        }
        fs::remove_dir_all(&image).expect("the image can be removed");
    }
    (lost, started.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_acknowledged_and_takes_no_checkpoint_back() {
    let seed = seed();
    let mut run = Run::new(false).await;
    let (lost, starts) = cut(&mut run, seed, cuts(), STARTS).await;
    let (readings, shown) = (run.promises.readings.len(), run.promises.checkpoints.len());
    println!("{} cuts (seed {seed}) of {} records, {starts} starts", cuts(), run.journal.len());
    println!("{readings} readings were acknowledged, {shown} checkpoints shown");
    assert!(lost.is_empty(), "seed {seed}: {} of {} cuts lost something: {:#?}", lost.len(), cuts(), lost[0]);
}

/// With syncs swallowed, which is what `synchronous=OFF` comes to, the test above would fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_syncs_a_power_cut_loses_what_was_acknowledged() {
    let seed = seed();
    let mut run = Run::new(true).await;
    let (lost, _) = cut(&mut run, seed, CUTS_WITHOUT_SYNCS, 0).await;
    println!("without syncs {} of {CUTS_WITHOUT_SYNCS} cuts (seed {seed}) lost something", lost.len());
    let acknowledged = lost.iter().flatten().filter(|loss| loss.starts_with("lost: the acknowledged reading"));
    assert!(acknowledged.count() > 0, "seed {seed}: {lost:#?}");
}
