//! The pass over what is stored. Everything is read as it lies there, and judged here; the chain is not asked.

use std::{collections::BTreeSet, path::Path};

use alloy::primitives::{Address, B256};
use ledger::{
    Hash,
    checkpoint::LogKey,
    entry::{Entry, EntryError},
    evidence::{Anchor, Bundle, Disclosure},
    hash::leaf_hash,
    keys::KeyHistory,
    tile::{self, ChangedTiles, Frontier},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Step, examine},
};

use super::{super::progress::Progress, Found, windows::Windows};
use crate::{
    domain::ports::{AnchorStore, LogReader, RESTORED_SETTING, StoreError, TRUST_SETTING},
    store::{Counted, Reader, StoredAnchor, StoredEntry, StoredNote},
};

/// Rows read at a time: memory does not grow with the log.
const STEP: u64 = 1_024;

/// From this size on the pass says which step it takes: each may last a while.
const LONG: i64 = 100_000;

/// One pass.
pub(super) struct Pass<'a> {
    pub(super) log: &'a Reader,
    /// The keys that the entries up to here have announced.
    keys: KeyHistory,
    windows: Windows,
    pub(super) data_dir: &'a Path,
    pub(super) found: &'a mut Found,
    /// The newest checkpoint's size: entries beyond it are in no root.
    size: u64,
    frontier: Frontier,
    /// Whether no entry was missing so far: only then the tree can be derived further.
    whole: bool,
    entries: u64,
    checkpoints: u64,
    erased: u64,
    /// The models that the log records, by hash. There are few.
    pub(super) models: BTreeSet<Hash>,
    /// The profiles that have one.
    pub(super) profiles: BTreeSet<String>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(log: &'a Reader, key: LogKey, data_dir: &'a Path, found: &'a mut Found) -> Self {
        Self {
            log,
            keys: KeyHistory::new(key),
            windows: Windows::default(),
            data_dir,
            found,
            size: 0,
            frontier: Frontier::default(),
            whole: true,
            entries: 0,
            checkpoints: 0,
            erased: 0,
            models: BTreeSet::new(),
            profiles: BTreeSet::new(),
        }
    }

    /// Takes all steps. One that ends in damage does not keep the others from being taken.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        type Take<'a> = fn(&mut Pass<'a>) -> Result<(), StoreError>;
        let steps: [(&str, Take<'a>); 7] = [
            ("database", Self::database),
            ("entries", Self::all_entries),
            ("tiles", Self::edge),
            ("rows", Self::counts),
            ("anchors", Self::anchors),
            ("readings", Self::readings),
            ("models", Self::all_models),
        ];
        for (name, take) in steps {
            if self.log.newest_size().is_ok_and(|size| size >= LONG) {
                eprintln!("checking: {name}");
            }
            if let Err(error) = take(&mut self) {
                self.found.damaged(name, error)?;
            }
        }
        self.found.derived = Some((self.frontier.size(), self.frontier.root()));
        if self.erased > 0 {
            self.found.notes.push(format!("{} payloads are erased", self.erased));
        }
        Ok(())
    }

    pub(super) fn damage(&mut self, line: String) {
        self.found.damage.push(line);
    }

    /// What the engine itself finds wrong.
    fn database(&mut self) -> Result<(), StoreError> {
        for line in self.log.own_check()? {
            self.damage(format!("database: {line}"));
        }
        Ok(())
    }

    /// Entries, payloads, checkpoints and filled tiles, from the first to the last.
    fn all_entries(&mut self) -> Result<(), StoreError> {
        let restored = self.log.setting(RESTORED_SETTING)?.and_then(|size| size.parse().ok()).unwrap_or(0);
        if restored > 0 && !self.log.is_restored(restored)? {
            self.damage(format!(
                "setting {RESTORED_SETTING}: no restoration of {restored} entries stands first in the audit log"
            ));
        } else {
            self.windows = Windows::new(restored);
        }
        let size = self.log.newest_size()?;
        self.size = u64::try_from(size).unwrap_or_default();
        let mut last = -1;
        let mut progress = Progress::entries(self.size);
        loop {
            let rows = self.log.stored_entries(last, STEP)?;
            // Rows beyond the newest checkpoint are counted later.
            let within: Vec<StoredEntry> = rows.into_iter().take_while(|row| row.index < size).collect();
            let Some(to) = within.last().map(|row| row.index) else { break };
            self.entries(last, &within)?;
            last = to;
            progress.reach(last.unsigned_abs() + 1);
        }
        progress.finish();
        if last + 1 < size {
            self.damage(format!("entries {} to {}: missing", last + 1, size - 1));
            self.whole = false;
        }
        let (uncovered, note) = self.windows.end(self.log)?;
        self.found.damage.extend(uncovered);
        self.found.notes.extend(note);
        // What is left of the checkpoints stands above the last entry.
        for checkpoint in self.log.stored_checkpoints(last + 1, i64::MAX)? {
            self.checkpoint(&checkpoint, None);
        }
        Ok(())
    }

    /// A step of entries, with the checkpoints that end in it.
    fn entries(&mut self, last: i64, rows: &[StoredEntry]) -> Result<(), StoreError> {
        let to = rows.last().map_or(last, |row| row.index);
        let mut checkpoints = self.log.stored_checkpoints(last + 1, to + 1)?.into_iter().peekable();
        let mut changed = ChangedTiles::new();
        let mut before = last;
        for (row, shown) in rows.iter().zip(self.show(rows)?) {
            if row.index != before + 1 {
                self.damage(format!("entries {} to {}: missing", before + 1, row.index - 1));
                self.whole = false;
            }
            before = row.index;
            self.entries += 1;
            self.erased += u64::from(shown.erased);
            self.found.damage.extend(shown.damage);
            if let Some(entry) = &shown.entry {
                self.explain(row.index.unsigned_abs(), entry)?;
            }
            if self.whole {
                self.frontier.append([shown.leaf], &mut changed);
            }
            while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.size <= row.index + 1) {
                let derived = self.whole.then(|| self.frontier.root());
                self.checkpoint(&checkpoint, derived);
            }
        }
        // Tiles that this step has filled; unfilled ones are compared at the end.
        for ((level, index), hashes) in changed.into_iter().filter(|(_, h)| h.len() as u64 == tile::WIDTH) {
            self.tile(level, index, &hashes)?;
        }
        Ok(())
    }

    /// What an entry says of the log itself has to be so.
    fn explain(&mut self, index: u64, entry: &Entry) -> Result<(), StoreError> {
        if let Entry::Model(model) = entry {
            self.models.insert(model.model);
            self.profiles.insert(model.name.clone());
        }
        if let Entry::Key(key) = entry
            && let Err(error) = self.keys.announce(index, key.log_key.clone())
        {
            self.damage(format!("entry {index}: {error}"));
        }
        match self.windows.entry(self.log, index, entry) {
            Ok(lines) => self.found.damage.extend(lines),
            Err(error) => self.found.damaged(format!("entry {index}"), error)?,
        }
        Ok(())
    }

    /// What entries and payloads show of themselves, in their order. Reading is for one thread, judging for all cores.
    fn show(&mut self, rows: &[StoredEntry]) -> Result<Vec<Shown>, StoreError> {
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let disclosure = if row.disclosed { self.log.disclosure(row.index.unsigned_abs()) } else { Ok(None) };
            let what = format_args!("payload {}: cannot be read", row.index);
            let disclosure = disclosure.or_else(|error| self.found.damaged(what, error).map(|()| None))?;
            let state = if row.disclosed { self.log.state(row.index.unsigned_abs()) } else { Ok(None) };
            let what = format_args!("state {}: cannot be read", row.index);
            let state = state.or_else(|error| self.found.damaged(what, error).map(|()| None))?;
            read.push((row, disclosure.map(|disclosure| (disclosure, state))));
        }
        let trust = &self.trust();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = read.len().div_ceil(cores).max(1);
        Ok(std::thread::scope(|scope| {
            let judge = |part: &[(&StoredEntry, Option<Private>)]| -> Vec<Shown> {
                part.iter().map(|(row, private)| shown(row, private.as_ref(), trust)).collect()
            };
            let parts: Vec<_> = read.chunks(share).map(|part| scope.spawn(move || judge(part))).collect();
            let judged = parts.into_iter().map(|part| part.join().unwrap_or_else(|why| std::panic::resume_unwind(why)));
            judged.flatten().collect()
        }))
    }

    /// A checkpoint, against itself and against the root that the entries give, where they do.
    fn checkpoint(&mut self, row: &StoredNote, derived: Option<Hash>) {
        self.checkpoints += 1;
        let size = row.size;
        let signed = match self.keys.key_at(u64::try_from(size).unwrap_or_default()).verify(&row.note) {
            Ok(signed) => signed,
            Err(error) => return self.damage(format!("checkpoint {size}: {error}")),
        };
        if (signed.size.to_string(), signed.root.to_string()) != (size.to_string(), row.root.clone()) {
            return self.damage(format!(
                "checkpoint {size}: signed is root {} at size {}, its row says root {}",
                signed.root, signed.size, row.root
            ));
        }
        if let Some(derived) = derived.filter(|derived| *derived != signed.root) {
            self.damage(format!("checkpoint {size}: signed is root {}, the entries give {derived}", signed.root));
        }
    }

    fn tile(&mut self, level: u32, index: u64, expected: &[Hash]) -> Result<(), StoreError> {
        let stored = self.log.tile(level, index)?.unwrap_or_default();
        let expected = tile::to_bytes(expected);
        if stored != expected {
            let at = stored.iter().zip(&expected).take_while(|(a, b)| a == b).count() / 32;
            self.damage(format!("tile {level}/{index}: differs from hash {at} on"));
        }
        Ok(())
    }

    /// The unfilled tiles at the right edge.
    fn edge(&mut self) -> Result<(), StoreError> {
        let mut changed = ChangedTiles::new();
        self.frontier.append([], &mut changed);
        // Without all entries, what stands at the edge is not known.
        for ((level, index), hashes) in changed.into_iter().filter(|_| self.whole).collect::<Vec<_>>() {
            self.tile(level, index, &hashes)?;
        }
        Ok(())
    }

    /// What lies where nothing should.
    fn counts(&mut self) -> Result<(), StoreError> {
        let (entries, checkpoints, tiles) = self.log.row_counts()?;
        if self.size == 0 && entries > 0 {
            self.damage(format!("checkpoints: none, though there are {entries} entries"));
        } else if let beyond @ 1.. = entries - self.entries as i64 {
            self.damage(format!("entries: {beyond} beyond the newest checkpoint, whose size is {}", self.size));
        }
        if let below @ 1.. = checkpoints - self.checkpoints as i64 {
            self.damage(format!("checkpoints: {below} with a size below 1"));
        }
        let mut expected = 0;
        let mut nodes = self.size;
        while nodes > 0 {
            expected += nodes.div_ceil(tile::WIDTH) as i64;
            nodes /= tile::WIDTH;
        }
        if let beyond @ 1.. = tiles - expected {
            self.damage(format!("tiles: {beyond} more than a log of {} entries has", self.size));
        }
        Ok(())
    }

    /// The outbox: every root in it is a checkpoint's, and what is final is proven.
    fn anchors(&mut self) -> Result<(), StoreError> {
        self.pinned()?;
        let mut last = i64::MIN;
        loop {
            let rows = self.log.stored_anchors(last, STEP)?;
            let Some(to) = rows.last().map(|row| row.size) else { break };
            for row in &rows {
                self.anchor(row)?;
            }
            last = to;
        }
        if self.found.final_size > 0 && self.found.trust.is_none() {
            self.damage(format!("setting {TRUST_SETTING}: none, though anchors are final"));
        }
        Ok(())
    }

    fn pinned(&mut self) -> Result<(), StoreError> {
        let Some(text) = self.log.setting(TRUST_SETTING)? else { return Ok(()) };
        let trust: TrustRoots = match serde_json::from_str(&text) {
            Ok(trust) => trust,
            Err(error) => {
                self.damage(format!("setting {TRUST_SETTING}: {error}"));
                return Ok(());
            }
        };
        if trust.log_key != *self.keys.first() {
            let line = format!(
                "setting {TRUST_SETTING}: pinned is the log key {}, this is {}",
                trust.log_key,
                self.keys.first()
            );
            self.found.contradictions.push(line);
        }
        self.found.trust = Some(trust);
        Ok(())
    }

    fn anchor(&mut self, row: &StoredAnchor) -> Result<(), StoreError> {
        let size = row.size;
        let checkpoint = self.log.stored_checkpoints(size.saturating_sub(1), size)?.pop();
        let Some(checkpoint) = checkpoint else {
            self.damage(format!("anchor {size}: there is no checkpoint of this size"));
            return Ok(());
        };
        if checkpoint.root != row.root {
            self.damage(format!("anchor {size}: its root is {}, the checkpoint's {}", row.root, checkpoint.root));
        }
        match (row.state, &row.proof) {
            (0 | 1, _) => {}
            (2, None) => self.damage(format!("anchor {size}: final, but without a proof")),
            (2, Some(proof)) => {
                self.found.final_size = size.unsigned_abs();
                self.proof(size, proof, checkpoint.note);
            }
            (state, _) => self.damage(format!("anchor {size}: its state is {state}; expected 0, 1 or 2")),
        }
        Ok(())
    }

    /// Judges a stored proof as the verifier does.
    fn proof(&mut self, size: i64, proof: &str, note: String) {
        let anchor: Anchor = match serde_json::from_str(proof) {
            Ok(anchor) => anchor,
            Err(error) => return self.damage(format!("anchor {size}: its proof cannot be read: {error}")),
        };
        if self.found.trust.is_none() {
            return;
        }
        let bundle = bundle(Vec::new(), 0, note, Some(anchor));
        // Without a signed checkpoint the step is not taken; that is reported as the checkpoint's damage.
        let Some(step) = step(&bundle, &self.trust(), "stored anchor") else { return };
        match step.outcome {
            Outcome::Holds | Outcome::Skipped => {}
            Outcome::Fails => self.damage(format!("anchor {size}: its proof does not hold: {}", explain(&step))),
            Outcome::Differs => self.found.contradictions.push(format!("anchor {size}: {}", explain(&step))),
        }
    }

    /// What is found wrong between readings and entries.
    fn readings(&mut self) -> Result<(), StoreError> {
        for Counted { what, count, first } in self.log.contradictions()? {
            self.damage(format!("readings: {count} {what}; the first is {first}"));
        }
        for line in self.log.chunks_check()? {
            self.damage(line);
        }
        Ok(())
    }

    /// The pinned trust roots under the key that is trusted here. Without them, ones that no step looks at.
    fn trust(&self) -> TrustRoots {
        let log_key = self.keys.first().clone();
        match &self.found.trust {
            Some(pinned) => TrustRoots { log_key, ..pinned.clone() },
            None => TrustRoots {
                log_key,
                chain_id: 0,
                genesis_hash: B256::ZERO,
                contract: Address::ZERO,
                code_hash: B256::ZERO,
                predecessors: Vec::new(),
            },
        }
    }
}

/// What an entry shows of itself, without its neighbours.
struct Shown {
    leaf: Hash,
    entry: Option<Entry>,
    damage: Vec<String>,
    erased: bool,
}

/// What an entry commits to, and the detector's state that is kept with it.
type Private = (Disclosure, Option<Vec<u8>>);

fn shown(row: &StoredEntry, private: Option<&Private>, trust: &TrustRoots) -> Shown {
    let index = row.index;
    let mut shown = Shown { leaf: leaf_hash(&row.bytes), entry: None, damage: Vec::new(), erased: false };
    let kind = match Entry::from_bytes(&row.bytes) {
        Ok(entry) => {
            let kind = entry.kind();
            shown.entry = Some(entry);
            kind.to_owned()
        }
        // A later edition's kind is no damage.
        Err(EntryError::Kind(kind)) => kind.as_str().unwrap_or_default().to_owned(),
        Err(error) => {
            shown.damage.push(format!("entry {index}: {error}"));
            return shown;
        }
    };
    if kind != row.kind {
        shown.damage.push(format!("entry {index}: it is of kind {kind:?}, its row says {:?}", row.kind));
    }
    shown.erased = !row.disclosed && kind == "anomaly";
    shown.damage.extend(private.into_iter().flat_map(|private| payload(row, private, trust)));
    shown
}

/// Judges a payload and its state as the verifier does; says what is wrong.
fn payload(row: &StoredEntry, (disclosure, state): &Private, trust: &TrustRoots) -> Vec<String> {
    let index = row.index.unsigned_abs();
    let (disclosure, state) = (Some(disclosure.clone()), state.clone());
    let bundle = Bundle { disclosure, state, ..bundle(row.bytes.clone(), index, String::new(), None) };
    let fails = |name: &str| step(&bundle, trust, name).filter(|step| step.outcome == Outcome::Fails);
    let named = ["payload", "state"].into_iter();
    named.filter_map(|name| fails(name).map(|step| format!("{name} {index}: {}", explain(&step)))).collect()
}

/// A bundle that carries only what one step of the verdict is to look at.
fn bundle(entry: Vec<u8>, index: u64, checkpoint: String, anchor: Option<Anchor>) -> Bundle {
    Bundle { anchor, ..Bundle::new(entry, index, Vec::new(), checkpoint) }
}

fn step(bundle: &Bundle, trust: &TrustRoots, name: &str) -> Option<Step> {
    let case = Case::new(bundle, trust, ChainAnswer::NotAsked);
    examine(&case).steps.into_iter().find(|step| step.name == name)
}

fn explain(step: &Step) -> String {
    let note = if step.note.is_empty() { String::new() } else { format!("{}: ", step.note) };
    format!("{note}expected {}, computed {}", step.expected, step.computed)
}
