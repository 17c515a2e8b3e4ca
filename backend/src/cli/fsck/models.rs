//! The models: what is kept to compute a verdict again has to be what the log records.

use std::{collections::BTreeSet, fs, io};

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
            let file = profile.path().join("model.bin");
            if !file.exists() {
                continue;
            }
            let computed = sha256(&[&fs::read(&file)?]);
            let name = profile.file_name().to_string_lossy().into_owned();
            if known.contains(&computed) {
                continue;
            }
            if self.profiles.contains(&name) {
                let what = format!("its hash is {computed}, a model that the log does not record");
                self.damage(format!("models/{name}/model.bin: {what}"));
            } else {
                // Trained, and then the service was stopped before it had recorded anything.
                self.found.notes.push(format!("the model {name} is not recorded yet: the next start does it"));
            }
        }
        Ok(())
    }
}
