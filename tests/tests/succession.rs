//! A log whose key and contract have changed, on a real chain, as an auditor with the command sees it.

use e2e::{
    command::{self, Finished},
    lineage::{Lineage, signer},
};
use ledger::{Hash, evidence::Bundle, trust::TrustRoots};
use std::path::{Path, PathBuf};

struct Auditor {
    dir: tempfile::TempDir,
    lineage: Lineage,
}

impl Auditor {
    async fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory can be made"), lineage: Lineage::start().await }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("a temporary file can be written");
        path
    }

    fn bundle(&self, bundle: &Bundle) -> PathBuf {
        self.file("bundle.json", bundle.to_json())
    }

    async fn verify(&self, evidence: &Path, trust: &TrustRoots, more: &[&str]) -> Finished {
        let trust = self.file("trust.json", serde_json::to_vec(trust).expect("JSON"));
        let args = ["verify".as_ref(), evidence.as_os_str(), "--trust".as_ref(), trust.as_os_str()];
        command::run(args.into_iter().chain(more.iter().map(AsRef::as_ref))).await
    }
}

fn assert_says(said: &Finished, code: i32, step: &str, outcome: &str) {
    assert_eq!(said.code, code, "{said:#?}");
    assert!(said.says(step, outcome), "{step} {outcome}: {said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_contracts_are_followed_and_a_broken_succession_is_diverged() {
    let auditor = Auditor::new().await;
    let (lineage, url) = (&auditor.lineage, auditor.lineage.chain.url());
    let asked: [&str; 2] = ["--rpc-url", &url];
    let trust = lineage.trust().await;
    for (index, size) in [(2, 3), (4, 5), (6, 7)] {
        let said = auditor.verify(&auditor.bundle(&lineage.bundle(index, size)), &trust, &asked).await;
        assert_says(&said, 0, "predecessor", "holds");
        assert!(said.says("time", "not before") && said.says("time", "not after"), "{said:#?}");
    }
    // Who knows only the old contract is not led to the new one by a bundle.
    let only_old = lineage.trust_in_old().await;
    let said = auditor.verify(&auditor.bundle(&lineage.bundle(6, 7)), &only_old, &asked).await;
    assert_says(&said, 20, "record", "skipped");
    let said = auditor.verify(&auditor.bundle(&lineage.bundle(2, 3)), &only_old, &asked).await;
    assert_says(&said, 0, "record", "holds");
    lineage.continue_old().await;
    let said = auditor.verify(&auditor.bundle(&lineage.bundle(6, 7)), &trust, &asked).await;
    assert_says(&said, 40, "predecessor", "differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_saved_as_proofs_that_can_be_examined() {
    let auditor = Auditor::new().await;
    let (lineage, url) = (&auditor.lineage, auditor.lineage.chain.url());
    let trust = lineage.trust().await;
    let bundle = lineage.bundle(6, 7);
    let proof = auditor.dir.path().join("proof.json");
    let save = ["--save-proof", proof.to_str().expect("a path")];

    // A checkpoint that was kept contradicts the bundle's.
    let seen = auditor.file("seen.txt", signer(2).sign(7, Hash([3; 32])));
    let kept = ["--offline", "--seen", seen.to_str().expect("a path")];
    let said = auditor.verify(&auditor.bundle(&bundle), &trust, &[&kept[..], &save[..]].concat()).await;
    assert_says(&said, 40, "seen before", "differs");
    assert_says(&auditor.verify(&proof, &trust, &["--offline"]).await, 40, "contradiction", "differs");
    // The same checkpoint twice does not.
    auditor.file("seen.txt", &bundle.checkpoint);
    let said = auditor.verify(&auditor.bundle(&bundle), &trust, &kept).await;
    assert_says(&said, 25, "seen before", "holds");

    // The contract has recorded another root than the one that is signed.
    // A forger has a tree for it: here one in which the entry stands in the same place.
    let leaf = ledger::hash::leaf_hash(&bundle.entry);
    let tree = ledger::merkle::MemoryTree::new((0..7).map(|i| if i == 6 { leaf } else { Hash([9; 32]) }));
    let root = ledger::merkle::root(&tree, 7).unwrap_or_else(|never| match never {});
    let forged = Bundle {
        beacon: None,
        checkpoint: signer(2).sign(7, root),
        proof: ledger::merkle::inclusion_proof(&tree, 6, 7).unwrap_or_else(|never| match never {}),
        ..bundle
    };
    let asked = ["--rpc-url", url.as_str()];
    let said = auditor.verify(&auditor.bundle(&forged), &trust, &[&asked[..], &save[..]].concat()).await;
    assert_says(&said, 40, "history", "differs");
    assert_says(&auditor.verify(&proof, &trust, &asked).await, 40, "contradiction", "differs");
    assert_says(&auditor.verify(&proof, &trust, &["--offline"]).await, 25, "block", "skipped");
}
