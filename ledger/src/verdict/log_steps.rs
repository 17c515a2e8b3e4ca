//! Steps 1 to 9: payload and the device's signature in it, state, entry, leaf, inclusion, keys, signature, beacon, tile.

use super::{Case, Outcome, Step};
use crate::{
    Hash,
    checkpoint::{Checkpoint, LogKey},
    entry::{Anomaly, Beacon, Entry, EntryError, Payload, commitment},
    evidence::BeaconProof,
    hash::{leaf_hash, root_of, sha256},
    keys::signing_key,
    merkle::root_from_inclusion,
    signed::{Signed, message_of},
    tile,
};

/// What the log has shown of itself.
pub(super) struct OfLog {
    /// The checkpoint, if the key that had to has signed it.
    pub(super) signed: Option<(LogKey, Checkpoint)>,
    /// The beacon before the entry, if there is one and it is in the tree.
    pub(super) beacon: Option<Beacon>,
}

/// Takes the steps.
pub(super) fn take(case: &Case<'_>, steps: &mut Vec<Step>) -> OfLog {
    let entry = Entry::from_bytes(&case.bundle.entry);
    steps.push(payload(case, &entry));
    steps.extend(device_signature(case));
    steps.extend(state(case));
    steps.push(well_formed(&entry));
    let leaf = leaf_hash(&case.bundle.entry);
    steps.push(Step::holds("leaf", "SHA-256(0x00 ‖ entry)", leaf));

    // What the checkpoint says is needed to compute; whether it may be believed is the next step's matter.
    let read = Checkpoint::unverified(&case.bundle.checkpoint);
    match &read {
        Ok(checkpoint) => steps.push(inclusion(case, leaf, checkpoint)),
        Err(error) => steps.push(Step::failed("inclusion", "a checkpoint with size and root", error)),
    }
    let key = match &read {
        Ok(checkpoint) => key_of(case, checkpoint.size, steps),
        Err(_) => Some(case.trust.log_key.clone()),
    };
    let signed = signature(case, key, steps);
    let mut beacon = None;
    if let (Some(proof), Ok(checkpoint)) = (&case.bundle.beacon, &read) {
        let (step, shown) = beacon_before(case, proof, checkpoint);
        steps.push(step);
        beacon = shown;
    }
    if let (Some(hashes), Ok(checkpoint)) = (case.tile, &read) {
        steps.push(leaf_tile(case, leaf, checkpoint, hashes));
    }
    OfLog { signed, beacon }
}

/// The key that must have signed a checkpoint of this size; `None` if the bundle's links do not lead there.
fn key_of(case: &Case<'_>, size: u64, steps: &mut Vec<Step>) -> Option<LogKey> {
    const NAME: &str = "keys";
    let (trusted, links) = (&case.trust.log_key, &case.bundle.keys);
    if links.is_empty() {
        return Some(trusted.clone());
    }
    match signing_key(trusted, links, size) {
        Ok(key) => {
            let note =
                format!("{} changes of key, each signed by the key before, lead from the trusted key", links.len());
            steps.push(Step::holds(NAME, &note, &key));
            Some(key)
        }
        Err(error) => {
            steps.push(Step::failed(NAME, format!("links that lead on from {trusted}"), error));
            None
        }
    }
}

fn signature(case: &Case<'_>, key: Option<LogKey>, steps: &mut Vec<Step>) -> Option<(LogKey, Checkpoint)> {
    const NAME: &str = "signature";
    let Some(key) = key else {
        steps.push(Step::skipped(NAME, "it is not known which key must have signed"));
        return None;
    };
    match key.verify(&case.bundle.checkpoint) {
        Ok(checkpoint) => {
            let note = match key == case.trust.log_key {
                true => "the checkpoint is signed by the trusted key",
                false => "the checkpoint is signed by the key that the trusted one leads to",
            };
            steps.push(Step::holds(NAME, note, format!("{key} at size {}", checkpoint.size)));
            Some((key, checkpoint))
        }
        Err(error) => {
            steps.push(Step::failed(NAME, format!("a signature by {key}"), error));
            None
        }
    }
}

/// The beacon stands before the entry in the same tree.
fn beacon_before(case: &Case<'_>, proof: &BeaconProof, checkpoint: &Checkpoint) -> (Step, Option<Beacon>) {
    const NAME: &str = "beacon";
    let expected = format!("a beacon below entry {}", case.bundle.index);
    let failed = |why: String| (Step::failed(NAME, &expected, why), None);
    if proof.index >= case.bundle.index {
        return failed(format!("an entry at index {}", proof.index));
    }
    let beacon = match Entry::from_bytes(&proof.entry) {
        Ok(Entry::Beacon(beacon)) => beacon,
        Ok(other) => return failed(format!("an entry of kind {}", other.kind())),
        Err(error) => return failed(error.to_string()),
    };
    match root_from_inclusion(&leaf_hash(&proof.entry), proof.index, checkpoint.size, &proof.proof) {
        Err(error) => failed(error.to_string()),
        Ok(root) => {
            let note = format!("entry {} of the same tree names block {}", proof.index, beacon.block);
            let (expected, computed) = (checkpoint.root.to_string(), root.to_string());
            (Step::compared(NAME, &note, expected, computed, Outcome::Fails), Some(beacon))
        }
    }
}

fn payload(case: &Case<'_>, entry: &Result<Entry, EntryError>) -> Step {
    const NAME: &str = "payload";
    let Some(disclosure) = &case.bundle.disclosure else {
        return Step::skipped(
            NAME,
            match entry {
                Ok(Entry::Anomaly(_)) | Err(_) => "the payload is not disclosed, or was erased",
                Ok(_) => "an entry of this kind has no payload",
            },
        );
    };
    let anomaly = match entry {
        Ok(Entry::Anomaly(anomaly)) => anomaly,
        Ok(other) => {
            return Step::failed(NAME, format!("no payload for an entry of kind {}", other.kind()), "a payload");
        }
        Err(_) => return Step::failed(NAME, "an entry with a commitment", "an entry that cannot be read as one"),
    };
    let computed = commitment(&disclosure.salt, &disclosure.payload);
    if computed != anomaly.commitment {
        return Step {
            note: "SHA-256(salt ‖ payload) is not the entry's commitment".into(),
            ..Step::failed(NAME, anomaly.commitment, computed)
        };
    }
    match Payload::from_bytes(&disclosure.payload) {
        Err(error) => Step::failed(NAME, "a payload by version 1 of the format", error),
        Ok(payload) => match disagreement(anomaly, &payload) {
            Some(member) => Step::failed(NAME, "entry and payload that agree", format!("they differ in {member}")),
            None => Step::holds(NAME, "SHA-256(salt ‖ payload) is the entry's commitment", computed),
        },
    }
}

/// The device has signed what the payload records of its reading; that this is the payload is the step before.
fn device_signature(case: &Case<'_>) -> Option<Step> {
    const NAME: &str = "device signature";
    let payload = Payload::from_bytes(&case.bundle.disclosure.as_ref()?.payload).ok()?;
    let signed = payload.signed?;
    let by = |signed: &Signed| format!("a signature by the key with the fingerprint {}", signed.fingerprint());
    let checked = message_of(&payload).and_then(|message| signed.verify(&message));
    Some(match checked {
        Ok(()) => Step::holds(NAME, SIGNED, by(&signed)),
        Err(error) => Step::failed(NAME, by(&signed), error),
    })
}

/// What a device's signature shows, and what it does not.
const SIGNED: &str = "the holder of this key sent these values, with this sequence number and time; that the key is the \
                      device's is the registry's word, and that the sensor told the truth nobody's";

/// The state fits the hash in the payload; that this is the payload is the step before.
fn state(case: &Case<'_>) -> Option<Step> {
    const NAME: &str = "state";
    let state = case.bundle.state.as_ref()?;
    let payload = case.bundle.disclosure.as_ref().map(|disclosure| Payload::from_bytes(&disclosure.payload));
    Some(match payload {
        Some(Ok(payload)) => {
            let note = "SHA-256(state) is what the payload names";
            Step::compared(NAME, note, payload.state.to_string(), sha256(&[state]).to_string(), Outcome::Fails)
        }
        Some(Err(_)) => Step::skipped(NAME, "the payload that names its hash cannot be read"),
        None => Step::failed(NAME, "a payload that names its hash", "no payload"),
    })
}

/// The first member in which an entry and its payload contradict each other.
fn disagreement(entry: &Anomaly, payload: &Payload) -> Option<&'static str> {
    [
        ("id", entry.id != payload.entry),
        ("time", entry.observed != payload.time),
        ("severity", entry.severity != payload.severity),
        ("model", entry.model != payload.model),
    ]
    .into_iter()
    .find_map(|(member, differs)| differs.then_some(member))
}

fn well_formed(entry: &Result<Entry, EntryError>) -> Step {
    const NAME: &str = "entry";
    match entry {
        Ok(entry) => Step::holds(NAME, "canonical JSON by version 1 of the format", format!("kind {}", entry.kind())),
        Err(EntryError::Kind(kind)) => {
            Step::skipped(NAME, format!("canonical, but this version does not explain entries of kind {kind}"))
        }
        Err(error) => Step::failed(NAME, "canonical JSON by version 1 of the format", error),
    }
}

fn inclusion(case: &Case<'_>, leaf: Hash, checkpoint: &Checkpoint) -> Step {
    const NAME: &str = "inclusion";
    match root_from_inclusion(&leaf, case.bundle.index, checkpoint.size, &case.bundle.proof) {
        Ok(root) => Step::compared(
            NAME,
            &format!(
                "entry {} of {}: {} hashes lead from the leaf to the root",
                case.bundle.index,
                checkpoint.size,
                case.bundle.proof.len()
            ),
            checkpoint.root.to_string(),
            root.to_string(),
            Outcome::Fails,
        ),
        Err(error) => Step::failed(NAME, checkpoint.root, error),
    }
}

/// Holds the log's own tile against leaf and proof: every hash of the tile takes part.
fn leaf_tile(case: &Case<'_>, leaf: Hash, checkpoint: &Checkpoint, hashes: &[Hash]) -> Step {
    const NAME: &str = "tile";
    let index = case.bundle.index;
    let (tile, at) = (index / tile::WIDTH, (index % tile::WIDTH) as usize);
    let width = tile::width_at(0, tile, checkpoint.size) as usize;
    if hashes.len() != width {
        return Step::failed(NAME, format!("{width} hashes"), format!("{} hashes", hashes.len()));
    }
    if hashes.get(at) != Some(&leaf) {
        let found = hashes.get(at).map_or_else(|| "none".to_owned(), ToString::to_string);
        return Step::failed(NAME, leaf, found);
    }
    // The proof's lower part covers the tile; with all of the tile's hashes it gives the tile's root.
    let tree = crate::merkle::MemoryTree::new(hashes.iter().copied());
    let Ok(own) = crate::merkle::inclusion_proof(&tree, at as u64, width as u64);
    let lower = &case.bundle.proof[..own.len().min(case.bundle.proof.len())];
    Step::compared(
        NAME,
        "the log's tile holds this leaf, and its hashes give the lower part of the proof",
        format!("{}", root_of(hashes)),
        match root_from_inclusion(&leaf, at as u64, width as u64, lower) {
            Ok(root) => root.to_string(),
            Err(error) => error.to_string(),
        },
        Outcome::Fails,
    )
}
