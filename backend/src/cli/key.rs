//! The key or token that a service asks for: from a file, since others of the machine see a command's arguments.

use std::path::PathBuf;

use super::{WrongUse, read_file};

/// The longest file: a key has some 50 characters.
const MAX_KEY: usize = 1 << 10;

/// Where the key is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct KeyFile {
    /// The file with the API key or token that the service asks for. In a trial none is needed.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyFile {
    /// The key, if there is one.
    pub(super) fn read(&self) -> Result<Option<String>, WrongUse> {
        let Some(file) = &self.key_file else { return Ok(None) };
        let bytes = read_file(file, MAX_KEY)?;
        let wrong = || WrongUse(format!("{}: expected a key such as ald_… on one line", file.display()));
        word(&bytes).map(Some).ok_or_else(wrong)
    }
}

/// The one word of these bytes, such as a key is.
pub(super) fn word(bytes: &[u8]) -> Option<String> {
    let word = std::str::from_utf8(bytes).map(str::trim).unwrap_or_default();
    let is_one = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_one_word() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &[u8]| {
            let file = dir.path().join("key");
            std::fs::write(&file, text).unwrap();
            KeyFile { key_file: Some(file) }.read()
        };
        assert_eq!(read(b"ald_abc\n").unwrap().as_deref(), Some("ald_abc"));
        for wrong in [&b""[..], b"\n", b"a b", b"a\nb", b"\xff", &[b'a'; MAX_KEY + 1]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(KeyFile::default().read().unwrap().is_none());
    }
}
