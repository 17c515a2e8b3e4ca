//! Notes as C2SP writes them, and as it does not.

#![allow(clippy::unwrap_used)]

use super::*;

fn signer() -> LogSigner {
    LogSigner::new("test.local/log".parse().unwrap(), &[7; 32])
}

#[test]
fn signs_and_verifies() {
    let note = signer().sign(42, Hash([9; 32]));
    let checkpoint = signer().log_key().verify(&note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (42, Hash([9; 32])));
    assert_eq!(signer().log_key().to_string().parse::<LogKey>().unwrap(), signer().log_key());
}

#[test]
fn every_changed_byte_is_refused() {
    let note = signer().sign(42, Hash([9; 32])).into_bytes();
    let key = signer().log_key();
    for at in 0..note.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut changed = note.clone();
            changed[at] ^= change;
            let holds = std::str::from_utf8(&changed).is_ok_and(|note| key.verify(note).is_ok());
            assert!(!holds, "byte {at} ^ {change}");
        }
    }
}

#[test]
fn another_key_is_refused_and_named() {
    let other = LogSigner::new("test.local/log".parse().unwrap(), &[8; 32]);
    let error = signer().log_key().verify(&other.sign(1, Hash([0; 32]))).unwrap_err();
    assert!(matches!(error, CheckpointError::Unsigned { .. }), "{error}");
}

/// A line of C2SP tlog-cosignature, type cosignature/v1.
fn cosignature(text: &str, witness: &SigningKey, name: &str, time: u64) -> String {
    let id = sha256(&[name.as_bytes(), b"\n\x04", witness.verifying_key().as_bytes()]);
    let mut line = id.0[..4].to_vec();
    line.extend(time.to_be_bytes());
    line.extend(witness.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).to_bytes());
    format!("\u{2014} {name} {}\n", BASE64.encode(line))
}

#[test]
fn a_cosigned_checkpoint_is_the_one_in_the_specification() {
    // The first example of docs/spec/checkpoint.md: log key of 32 times 7, witness key of 32 times 8.
    let spec = include_str!("../../../docs/spec/checkpoint.md");
    let example = spec.split("```\n").find(|block| block.starts_with("test.local/log\n")).unwrap();
    let alone = signer().sign(42, Hash([9; 32]));
    let (text, _) = alone.split_once("\n\u{2014}").unwrap();
    let cosigned =
        alone.clone() + &cosignature(text, &SigningKey::from_bytes(&[8; 32]), "witness.example/w1", 1_679_315_147);
    assert_eq!(example, cosigned);
    assert_eq!(signer().log_key().verify(&cosigned).unwrap(), signer().log_key().verify(&alone).unwrap());
    assert!(spec.contains(&signer().log_key().to_string()));
}

#[test]
fn signatures_of_strangers_are_passed_over() {
    let alone = signer().sign(1, Hash([0; 32]));
    let (head, own) = alone.split_once('\u{2014}').unwrap();
    let stranger = |name: &str, length: usize| format!("\u{2014} {name} {}\n", BASE64.encode(vec![1_u8; length]));
    // As many as everybody must accept, as long as post-quantum signatures get; ours need not be the first.
    let others: String = (0..15).map(|at| stranger(&format!("witness.example/\u{7f}{at}"), 5_000)).collect();
    signer().log_key().verify(&format!("{head}{others}\u{2014}{own}")).unwrap();
    // Our name with a stranger's key id is a stranger's.
    signer().log_key().verify(&(alone.clone() + &stranger("test.local/log", 68))).unwrap();
    for line in [
        stranger("wit+ness", 68),
        stranger("wit ness", 68),
        stranger("wit\u{a0}ness", 68),
        stranger("", 68),
        stranger("witness", 4),
        stranger("witness", 68).replace('\n', "\t\n"),
        "\u{2014} witness\n".into(),
        "witness\n".into(),
        "\n".into(),
        others + &stranger("witness", 68),
    ] {
        assert!(signer().log_key().verify(&(alone.clone() + &line)).is_err(), "{line:?}");
    }
}

#[test]
fn the_key_of_the_signed_note_specification_is_read() {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(key.parse::<LogKey>().unwrap().to_string(), key);
}

#[test]
fn loose_forms_are_refused() {
    let key = signer().log_key();
    let sign = |text: &str| {
        let mut signature = key.key_id().to_vec();
        signature.extend(SigningKey::from_bytes(&[7; 32]).sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} test.local/log {}\n", BASE64.encode(signature))
    };
    let root = BASE64.encode([9_u8; 32]);
    key.verify(&sign(&format!("test.local/log\n42\n{root}\n"))).unwrap();
    for text in [
        format!("test.local/log\n042\n{root}\n"),
        format!("test.local/log\n+42\n{root}\n"),
        format!("test.local/log\n42\n{root}\nextension\n"),
        format!("test.local/log\n42\n{}\n", BASE64.encode([9_u8; 31])),
        format!("test.local/log\n9007199254740992\n{root}\n"),
        format!("other.local/log\n42\n{root}\n"),
        format!("test.local/log\r\n42\n{root}\n"),
    ] {
        assert!(key.verify(&sign(&text)).is_err(), "{text:?}");
    }
}
