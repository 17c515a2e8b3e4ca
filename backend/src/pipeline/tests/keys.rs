//! The log's key changes.

use ledger::checkpoint::LogKey;

use super::*;

fn key(at: u8) -> LogKey {
    LogSigner::new("test.local/log".parse().unwrap(), &[at; 32]).log_key()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_announced_once_and_signs_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut announced = Vec::new();
    for at in 7..=9 {
        if at > 7 {
            std::fs::write(dir.path().join(format!("{at}.key")), "").unwrap();
        }
        for _ in 0..2 {
            let (bench, threads) = bench(dir.path());
            let before = bench.assert_log_verifies();
            bench.submit(vec![reading(&format!("d{before}"), 1, 200.0)]).await;
            assert_eq!(bench.assert_log_verifies(), before + 1);
            let keys = key_history(&*bench.log, key(7)).unwrap();
            assert_eq!(*keys.newest(), key(at));
            announced.push(keys.keys().count());
            if at > 7 {
                // The old key itself has named the new one, in a checkpoint that ends with the entry.
                let (index, _) = bench.log.newest("key", u64::MAX).unwrap().unwrap();
                let handover = bench.log.checkpoint_at(index + 1).unwrap().unwrap();
                key(at - 1).verify(&handover.note).unwrap();
            }
            drop(bench);
            threads.join();
        }
    }
    assert_eq!(announced, [1, 1, 2, 2, 3, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_newest_secret_nothing_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let next = dir.path().join("8.key");
    std::fs::write(&next, "").unwrap();
    let (bench, threads) = bench(dir.path());
    let size = bench.assert_log_verifies();
    drop(bench);
    threads.join();
    std::fs::remove_file(next).unwrap();
    let log = Reader::open(dir.path()).unwrap();
    let keyring = Keyring::new(key(7), vec![LogSigner::new("test.local/log".parse().unwrap(), &[7; 32])], vec![]);
    let refused = Sequencer::load(&log, Arc::new(keyring)).err().unwrap().to_string();
    assert!(refused.contains("restore it"), "{refused}");
    assert_eq!(log.newest_checkpoint().unwrap().unwrap().size, size);
}
