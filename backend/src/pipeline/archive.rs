//! The files of the models: every model that was ever in use, each under its hash, and which of them is in use now.
//!
//! `models/<profile>/<hash>/` holds `model.bin`, `model_meta.json` and the training sample; `models/<profile>/current`
//! names the hash in use, `first` that of the first of all. Nothing is ever removed here: entries of the log name the old ones. Nothing is trained or
//! judged here either.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use ledger::{Hash, hash::sha256};

use super::ModelError;
use crate::domain::ports::{ModelFiles, ModelPart, StoreError};

/// Says which model of a profile is in use: its hash, and a line feed.
const CURRENT: &str = "current";

/// Says in the same way which was the first: later ones are grown from its sample, and compared with it.
const FIRST: &str = "first";

/// One file of a model at most. The largest that this program makes is the sample of the generic model, some 3 MB.
const MAX_FILE: u64 = 64 << 20;

/// What lies beside each other under a model's hash.
pub(super) struct Files<'a> {
    pub(super) model: &'a [u8],
    pub(super) meta: &'a str,
    /// Of a model that was trained elsewhere it is not at hand.
    pub(super) sample: Option<&'a str>,
}

/// The folder of models.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    dir: PathBuf,
}

impl Archive {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The bytes of the model that a profile uses; `None` where it has none yet.
    pub(super) fn current(&self, profile: &str) -> Result<Option<Vec<u8>>, ModelError> {
        self.take_over(&self.dir.join(profile))?;
        self.named(profile, CURRENT, ModelPart::Model)
    }

    /// A file of the first model of a profile.
    pub(super) fn of_first(&self, profile: &str, part: ModelPart) -> Result<Option<Vec<u8>>, ModelError> {
        self.named(profile, FIRST, part)
    }

    /// A file of the model that a file beside it names.
    fn named(&self, profile: &str, by: &str, part: ModelPart) -> Result<Option<Vec<u8>>, ModelError> {
        let dir = self.dir.join(profile);
        let file = dir.join(by);
        let Some(hash) = read(&file)? else { return Ok(None) };
        let named = String::from_utf8_lossy(&hash);
        let hash: Hash = named.trim_end().parse().map_err(|_| ModelError::File {
            path: file.clone(),
            source: io::Error::other("expected 64 hex digits: the name of a folder beside it"),
        })?;
        let file = dir.join(hash.to_string()).join(part.file());
        let wrong = |source: io::Error| ModelError::File { path: file.clone(), source };
        let bytes = read(&file)?.ok_or_else(|| wrong(io::ErrorKind::NotFound.into()))?;
        let actual = sha256(&[&bytes]);
        if part == ModelPart::Model && actual != hash {
            // Somebody has put another in its place: it would judge, and be recorded as if it had been trained here.
            return Err(wrong(io::Error::other(format!("expected the hash of its folder, found {actual}: see fsck"))));
        }
        Ok(Some(bytes))
    }

    /// Keeps a model, whole or not at all. It is not in use by that.
    pub(super) fn keep(&self, profile: &str, files: &Files<'_>) -> Result<(), ModelError> {
        let dir = self.dir.join(profile).join(sha256(&[files.model]).to_string());
        if dir.join(ModelPart::Model.file()).exists() {
            return Ok(());
        }
        fs::create_dir_all(&dir).map_err(|source| ModelError::File { path: dir.clone(), source })?;
        if let Some(sample) = files.sample {
            write(&dir.join(ModelPart::Sample.file()), sample.as_bytes())?;
        }
        write(&dir.join(ModelPart::Meta.file()), files.meta.as_bytes())?;
        // Last, so that a model that is there has the others beside it.
        write(&dir.join(ModelPart::Model.file()), files.model)
    }

    /// From now on a profile uses the model with this hash, which is kept. The first that is used stays the first.
    pub(super) fn set_current(&self, profile: &str, hash: Hash) -> Result<(), ModelError> {
        let (dir, named) = (self.dir.join(profile), format!("{hash}\n"));
        if !dir.join(FIRST).exists() {
            write(&dir.join(FIRST), named.as_bytes())?;
        }
        let file = dir.join(CURRENT);
        if read(&file)?.as_deref() == Some(named.as_bytes()) { Ok(()) } else { write(&file, named.as_bytes()) }
    }

    /// The first model in use is no longer what this version of the detector reads: another one begins.
    pub(super) fn begin_anew(&self, profile: &str) -> Result<(), ModelError> {
        match fs::remove_file(self.dir.join(profile).join(FIRST)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ModelError::File { path: self.dir.join(profile).join(FIRST), source })
            }
            _ => Ok(()),
        }
    }

    /// Before there were several models of a profile, the files lay in its folder. They are copied below their hash and
    /// then removed; wherever this is cut off, the next start finishes it.
    fn take_over(&self, dir: &Path) -> Result<(), ModelError> {
        let old = |part: ModelPart| dir.join(part.file());
        let Some(model) = read(&old(ModelPart::Model))? else { return Ok(()) };
        let hash = sha256(&[&model]);
        if !dir.join(CURRENT).exists() {
            let below = dir.join(hash.to_string());
            fs::create_dir_all(&below).map_err(|source| ModelError::File { path: below.clone(), source })?;
            for part in ModelPart::ALL {
                if let Some(bytes) = read(&old(part))? {
                    write(&below.join(part.file()), &bytes)?;
                }
            }
            write(&dir.join(CURRENT), format!("{hash}\n").as_bytes())?;
        }
        for part in ModelPart::ALL {
            match fs::remove_file(old(part)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(ModelError::File { path: old(part), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The profile that the model with this hash serves, or has served.
    pub(super) fn profile_of(&self, hash: Hash) -> Result<Option<String>, ModelError> {
        let dir = self.find(hash).map_err(|source| ModelError::File { path: self.dir.clone(), source })?;
        let profile = dir.as_deref().and_then(Path::parent).and_then(Path::file_name);
        Ok(profile.map(|profile| profile.to_string_lossy().into_owned()))
    }

    /// The folder of the model with this hash, whichever profile it serves.
    fn find(&self, hash: Hash) -> io::Result<Option<PathBuf>> {
        let profiles = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            profiles => profiles?,
        };
        for profile in profiles {
            let dir = profile?.path().join(hash.to_string());
            if dir.join(ModelPart::Model.file()).exists() {
                return Ok(Some(dir));
            }
        }
        Ok(None)
    }
}

impl ModelFiles for Archive {
    fn file(&self, hash: Hash, part: ModelPart) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = |error: io::Error| StoreError::Engine(Box::new(error));
        let Some(dir) = self.find(hash).map_err(failed)? else { return Ok(None) };
        let file = match fs::File::open(dir.join(part.file())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            let what = format!("expected at most {MAX_FILE} bytes in {} of model {hash}", part.file());
            return Err(StoreError::Damaged(what));
        }
        Ok(Some(bytes))
    }
}

/// A file's bytes; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let error = |source| ModelError::File { path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    let mut file = fs::File::create(&partial).map_err(error)?;
    // Else a power cut may leave the name without the bytes, and the service would not start again.
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(error)?;
    fs::rename(&partial, path).map_err(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn files(model: &[u8]) -> Files<'_> {
        Files { model, meta: "{}\n", sample: Some("a\n1\n") }
    }

    #[test]
    fn a_refit_adds_a_model_and_keeps_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        assert_eq!(archive.current("pump").unwrap(), None);
        let of = |model: &[u8]| sha256(&[model]);
        for model in [b"first".as_slice(), b"second", b"first"] {
            archive.keep("pump", &files(model)).unwrap();
        }
        assert_eq!(archive.current("pump").unwrap(), None, "kept is not in use");
        archive.set_current("pump", of(b"first")).unwrap();
        archive.set_current("pump", of(b"second")).unwrap();
        assert_eq!(archive.current("pump").unwrap().unwrap(), b"second");
        assert_eq!(archive.of_first("pump", ModelPart::Model).unwrap().unwrap(), b"first");
        assert_eq!(archive.file(of(b"first"), ModelPart::Model).unwrap().unwrap(), b"first");
        assert_eq!(archive.file(of(b"first"), ModelPart::Sample).unwrap().unwrap(), b"a\n1\n");
        assert_eq!(archive.file(of(b"third"), ModelPart::Meta).unwrap(), None);
        assert_eq!(archive.profile_of(of(b"first")).unwrap().as_deref(), Some("pump"));
        assert_eq!(archive.profile_of(of(b"third")).unwrap(), None);
    }

    #[test]
    fn files_of_before_are_taken_over_wherever_that_was_cut_off() {
        for cut in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let (archive, profile) = (Archive::new(dir.path()), dir.path().join("pump"));
            fs::create_dir(&profile).unwrap();
            for (part, bytes) in ModelPart::ALL.into_iter().zip(["model", "meta", "sample"]) {
                fs::write(profile.join(part.file()), bytes).unwrap();
            }
            let hash = sha256(&[b"model"]);
            let below = profile.join(hash.to_string());
            // How far an earlier start came.
            if cut >= 1 {
                fs::create_dir(&below).unwrap();
                fs::write(below.join("sample.csv"), "sample").unwrap();
            }
            if cut >= 2 {
                fs::write(below.join("model.bin"), "model").unwrap();
                fs::write(below.join("model_meta.json"), "meta").unwrap();
                fs::write(profile.join(CURRENT), format!("{hash}\n")).unwrap();
            }
            if cut >= 3 {
                fs::remove_file(profile.join("sample.csv")).unwrap();
            }
            assert_eq!(archive.current("pump").unwrap().unwrap(), b"model", "{cut}");
            assert_eq!(archive.current("pump").unwrap().unwrap(), b"model", "{cut}, once more");
            assert_eq!(archive.file(hash, ModelPart::Meta).unwrap().unwrap(), b"meta", "{cut}");
            assert_eq!(archive.file(hash, ModelPart::Sample).unwrap().unwrap(), b"sample", "{cut}");
            assert!(!profile.join("model.bin").exists() && !profile.join("sample.csv").exists(), "{cut}");
        }
    }

    #[test]
    fn a_swapped_file_neither_judges_nor_is_grown_from() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        let hash = sha256(&[b"model"]);
        archive.keep("pump", &files(b"model")).unwrap();
        archive.set_current("pump", hash).unwrap();
        fs::write(dir.path().join("pump").join(hash.to_string()).join("model.bin"), "other").unwrap();
        let refused = [archive.current("pump"), archive.of_first("pump", ModelPart::Model)];
        for error in refused.map(|result| result.unwrap_err().to_string()) {
            assert!(error.contains("model.bin: expected the hash of its folder"), "{error}");
        }
    }

    #[test]
    fn what_names_no_model_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        archive.keep("pump", &files(b"model")).unwrap();
        for wrong in ["", "../../etc", &"0".repeat(64)] {
            fs::write(dir.path().join("pump").join(CURRENT), wrong).unwrap();
            let error = archive.current("pump").unwrap_err().to_string();
            assert!(error.contains("pump"), "{error}");
        }
    }
}
