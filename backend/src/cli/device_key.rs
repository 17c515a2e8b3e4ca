//! `anomaly-ledger device-key`: a device's Ed25519 key, and signatures over readings, so that a script can try them.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ledger::signed::{DeviceSigner, fingerprint};

use super::{Outcome, WrongUse};
use crate::{
    config::DeviceKey,
    domain::{Clock, Millis, SystemClock},
    ingest::decode_reading,
};

/// What is done with a device's key.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a device's signing key; print its public half.
    #[command(after_help = "Example:\n  anomaly-ledger device-key make weather-1.key\n\n\
        Prints one line of JSON: public_key (base64, to be registered for the device), fingerprint (SHA-256 of the key, \
        which people compare), file. The file is for its owner alone and is never written over.\n\n\
        Exit codes: 0 made, 1 the file is there already or cannot be written, 2 wrong use.")]
    Make {
        /// The file to make.
        file: PathBuf,
    },
    /// Sign readings from standard input, one JSON object a line; print each with its signature.
    #[command(after_help = "Example:\n  anomaly-ledger device-key sign weather-1.key\n\n\
        A signed reading needs a sequence number above all that were sent, and a time in whole milliseconds. All else of \
        the line stays as it is written. docs/spec/signed-reading.md says what is signed.\n\n\
        Exit codes: 0 all are signed, 1 something failed on the way; 2 wrong use, also a line that is no reading or \
        cannot be signed: those before it are printed.")]
    Sign {
        /// The file of the key.
        file: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> Outcome {
    match command {
        Command::Make { file } => make(file),
        Command::Sign { file } => sign(&DeviceKey::load(file)?),
    }
}

fn make(file: &Path) -> Outcome {
    let key = DeviceKey::make(file)?.key();
    let (public, print) = (BASE64.encode(key), fingerprint(&key));
    println!(
        "{}",
        serde_json::json!({ "public_key": public, "fingerprint": print, "file": file.display().to_string() })
    );
    eprintln!("Register the public key for the device: from then on it has to sign its readings.");
    Ok(ExitCode::SUCCESS)
}

fn sign(signer: &DeviceSigner) -> Outcome {
    let mut out = std::io::stdout().lock();
    for (at, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let signed = signed(signer, &line, SystemClock.now());
        writeln!(out, "{}", signed.map_err(|why| WrongUse(format!("line {}: {why}", at + 1)))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The line with its signature as the last member.
fn signed(signer: &DeviceSigner, line: &str, now: Millis) -> Result<String, String> {
    let reading = decode_reading(line, now, None).map_err(|error| error.to_string())?;
    if reading.signature().is_some() {
        return Err("expected a reading without a signature".into());
    }
    // Refuses what cannot be signed, before it is.
    let reading = reading.with_signature([0; 64]).map_err(|error| error.to_string())?;
    let message = reading.message().map_err(|error| error.to_string())?;
    let signature = BASE64.encode(signer.sign(&message).signature.0);
    // It was read as an object, so it ends with a brace; and it is not empty, for a reading is not.
    let rest = line.trim_end().strip_suffix('}').ok_or("expected an object")?;
    Ok(format!(r#"{rest},"signature":"{signature}"}}"#))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_is_signed_and_otherwise_stays_as_it_is_written() {
        let (signer, now) = (DeviceSigner::new(&[7; 32]), Millis(1_763_625_600_000));
        let line = r#"{"device": "d", "time": "2025-11-20T07:00:00Z", "sequence": 7, "metrics": {"t": 21.50}} "#;
        let made = signed(&signer, line, now).unwrap();
        assert!(made.starts_with(line.trim_end().trim_end_matches('}')) && made.contains("21.50}"), "{made}");
        let mut reading = decode_reading(&made, now, None).unwrap();
        reading.check_signature(&signer.key()).unwrap();
        for (line, why) in [
            (made.as_str(), "without a signature"),
            (r#"{"device":"d","time":"2025-11-20T07:00:00Z","metrics":{"t":1}}"#, "a sequence number"),
            (r#"{"device":"d","sequence":1,"metrics":{"t":1}}"#, "the time"),
            ("[]", "object"),
        ] {
            assert!(signed(&signer, line, now).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn a_key_is_for_its_owner_alone_and_never_written_over() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d.key");
        let key = DeviceKey::make(&file).unwrap().key();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(DeviceKey::make(&file).is_err());
        assert_eq!(DeviceKey::load(&file).unwrap().key(), key);
    }
}
