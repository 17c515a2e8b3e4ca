//! The models: what is kept to compute a verdict again has to be what the log records.

use std::{collections::BTreeSet, fs, io, path::Path};

use ledger::{Hash, hash::sha256};

use super::pass::Pass;
use crate::domain::ports::StoreError;

impl Pass<'_> {
    /// Each stored model has its hash and an entry; so has each model's file, from which the service judges.
    pub(super) fn all_models(&mut self) -> Result<(), StoreError> {
        let mut known = self.models.clone();
        for (hash, bytes, waits) in self.log.stored_models()? {
            let computed = sha256(&[&bytes]);
            if computed.to_string() != hash {
                self.damage(format!("model {hash}: its bytes have the hash {computed}"));
            } else if !waits && !self.models.contains(&computed) {
                self.damage(format!("model {hash}: the log does not record it"));
            }
            known.insert(computed);
        }
        self.model_files(&known).map_err(|error| StoreError::Engine(Box::new(error)))
    }

    fn model_files(&mut self, known: &BTreeSet<Hash>) -> io::Result<()> {
        let profiles = match fs::read_dir(self.data_dir.join("models")) {
            // A log that was never served, or a copy without its models.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            profiles => profiles?,
        };
        for profile in profiles {
            let profile = profile?;
            if profile.path().is_dir() {
                self.profile(&profile.file_name().to_string_lossy(), &profile.path(), known)?;
            }
        }
        Ok(())
    }

    /// The models of a profile, each in the folder of its hash, and the one that is named as in use.
    fn profile(&mut self, name: &str, dir: &Path, known: &BTreeSet<Hash>) -> io::Result<()> {
        let current = match fs::read_to_string(dir.join("current")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            current => Some(current?.trim_end().to_owned()),
        };
        if let Some(hash) = current.as_ref().filter(|hash| !dir.join(hash).join("model.bin").exists()) {
            self.damage(format!("models/{name}/current: it names {hash:?}, and there is no such model"));
        }
        let mut folders: Vec<String> = fs::read_dir(dir)?
            .map(|below| Ok(below?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        folders.sort();
        for folder in folders.iter().filter(|folder| dir.join(folder).join("model.bin").exists()) {
            let computed = sha256(&[&fs::read(dir.join(folder).join("model.bin"))?]);
            let shown = format!("models/{name}/{folder}/model.bin");
            if computed.to_string() != *folder {
                self.damage(format!("{shown}: its hash is {computed}, not that of its folder"));
            } else {
                self.recorded(name, &shown, computed, current.as_ref() == Some(folder), known);
            }
        }
        // Before a profile had several, its one lay in the folder itself.
        let file = dir.join("model.bin");
        if file.exists() {
            self.recorded(name, &format!("models/{name}/model.bin"), sha256(&[&fs::read(file)?]), true, known);
        }
        Ok(())
    }

    /// A model in use has to be recorded, once the log records any of its profile.
    fn recorded(&mut self, profile: &str, shown: &str, hash: Hash, in_use: bool, known: &BTreeSet<Hash>) {
        if known.contains(&hash) {
            return;
        }
        if in_use && self.profiles.contains(profile) {
            return self.damage(format!("{shown}: its hash is {hash}, a model that the log does not record"));
        }
        // Trained, and then the service was stopped before it had recorded anything.
        self.found.notes.push(format!("the model {profile} is not recorded yet: the next start does it"));
    }
}
