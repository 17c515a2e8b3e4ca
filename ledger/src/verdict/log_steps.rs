//! Steps 1 to 6: payload, entry, leaf, inclusion, signature, tile.

use super::{Case, Outcome, Step};
use crate::{
    Hash,
    checkpoint::Checkpoint,
    entry::{Anomaly, Entry, EntryError, Payload, commitment},
    hash::{leaf_hash, root_of},
    merkle::root_from_inclusion,
    tile,
};

/// Takes the steps; gives the checkpoint if the trusted key has signed it.
pub(super) fn take(case: &Case<'_>, steps: &mut Vec<Step>) -> Option<Checkpoint> {
    let entry = Entry::from_bytes(&case.bundle.entry);
    steps.push(payload(case, &entry));
    steps.push(well_formed(&entry));
    let leaf = leaf_hash(&case.bundle.entry);
    steps.push(Step::holds("leaf", "SHA-256(0x00 ‖ entry)", leaf));

    // What the checkpoint says is needed to compute; whether it may be believed is the next step's matter.
    let read = Checkpoint::unverified(&case.bundle.checkpoint);
    match &read {
        Ok(checkpoint) => steps.push(inclusion(case, leaf, checkpoint)),
        Err(error) => steps.push(Step::failed("inclusion", "a checkpoint with size and root", error)),
    }
    let signed = case.trust.log_key.verify(&case.bundle.checkpoint);
    steps.push(match &signed {
        Ok(checkpoint) => Step::holds(
            "signature",
            "the checkpoint is signed by the trusted key",
            format!("{} at size {}", case.trust.log_key, checkpoint.size),
        ),
        Err(error) => Step::failed("signature", format!("a signature by {}", case.trust.log_key), error),
    });
    if let (Some(hashes), Ok(checkpoint)) = (case.tile, &read) {
        steps.push(leaf_tile(case, leaf, checkpoint, hashes));
    }
    signed.ok()
}

fn payload(case: &Case<'_>, entry: &Result<Entry, EntryError>) -> Step {
    const NAME: &str = "payload";
    let Some(disclosure) = &case.bundle.disclosure else {
        return Step::skipped(NAME, "the payload is not disclosed, or was erased");
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
