//! That a drill can fail: a check that does not notice makes the attack unnoticed.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::cli::fsck::tests::{signer, write_log};

async fn ground(dir: &Path) -> Ground {
    write_log(dir);
    std::fs::create_dir(dir.join("keys")).unwrap();
    std::fs::write(dir.join("keys/log.key"), "07".repeat(32)).unwrap();
    std::fs::write(dir.join("keys/log.pub"), signer().log_key().to_string()).unwrap();
    std::fs::write(dir.join("keys/origin"), signer().log_key().origin().to_string()).unwrap();
    let args = Args { data_dir: dir.to_owned(), rpc_url: None, trust: None, work_dir: None };
    Ground::prepare(&args).await.unwrap()
}

fn prepared() -> (tempfile::TempDir, Ground) {
    let dir = tempfile::tempdir().unwrap();
    let ground = runtime().unwrap().block_on(ground(dir.path()));
    (dir, ground)
}

#[test]
fn each_check_that_looks_away_makes_its_attacks_unnoticed() {
    let (_dir, ground) = prepared();
    for attack in ATTACKS.iter().filter(|attack| !attack.needs_chain) {
        let honest = lead(1, attack, &ground, &checks::run).unwrap();
        if attack.name == "swapped model file" {
            assert_eq!(honest, Came::NotTried, "there are no files here");
            continue;
        }
        assert_eq!(honest, Came::Noticed, "{}", attack.name);
        for blind in attack.checks.iter().filter(|check| check.is_possible(&ground)) {
            let run = |check, ground: &Ground, dir: &Path, index| {
                if check == *blind {
                    return Ok(Said { noticed: false, words: "looks away".into() });
                }
                checks::run(check, ground, dir, index)
            };
            assert_eq!(lead(1, attack, &ground, &run).unwrap(), Came::Unnoticed, "{} without {blind:?}", attack.name);
        }
    }
}

#[test]
fn the_untouched_copy_has_to_be_quiet() {
    let (_dir, ground) = prepared();
    control(&ground, &checks::run).unwrap();
    let loud = |_, _: &Ground, _: &Path, _| Ok(Said { noticed: true, words: "exit 30".into() });
    assert!(control(&ground, &loud).unwrap_err().to_string().contains("does not hold as it is"));
}

#[test]
fn a_disk_that_is_too_small_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    ground::room(dir.path(), 1).unwrap();
    assert!(ground::room(dir.path(), u64::MAX / 4).unwrap_err().to_string().contains("--work-dir"));
}

#[test]
fn exit_codes_tell_unnoticed_from_not_tried() {
    assert_eq!([exit_code(0, 0), exit_code(0, 2), exit_code(1, 0), exit_code(1, 2)], [0, 25, 30, 30]);
}
