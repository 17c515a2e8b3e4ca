//! Which model judges a device.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use detect::Model;
use ledger::Hash;

use crate::{
    cli::{WrongUse, model},
    pipeline::built_in,
};

/// The models, each loaded when the first device needs it.
pub(in crate::cli) struct Choice {
    given: Option<Rc<Model>>,
    /// Where the service keeps its models.
    kept: Option<PathBuf>,
    /// The only profile of interest.
    only: Option<String>,
    by_profile: HashMap<String, Rc<Model>>,
}

impl Choice {
    /// The one that is given, else what the service of this data directory uses; only for one profile, if it is named.
    pub(in crate::cli) fn of(
        given: Option<&Path>,
        data_dir: Option<&Path>,
        only: Option<String>,
    ) -> Result<Self, WrongUse> {
        let given = given.map(model::stream).transpose()?.map(Rc::new);
        let kept = data_dir.map(|dir| dir.join("models"));
        Ok(Self { given, kept, only, by_profile: HashMap::new() })
    }

    /// The profile of a device, and its model; `None` where it is not to be judged.
    pub(in crate::cli) fn model(&mut self, profile: Option<&str>) -> Result<Option<(String, Rc<Model>)>, WrongUse> {
        if let (Some(only), Some(profile)) = (&self.only, profile)
            && only != profile
        {
            return Ok(None);
        }
        let given = self.given.as_ref().map(|model| model.profile());
        let profile = profile.or(self.only.as_deref()).or(given).unwrap_or("generic").to_owned();
        // A model is for its own profile. What is of no profile yet is judged by it too.
        if let Some(given) = self.given.as_ref().filter(|given| given.profile() == profile || self.kept.is_none()) {
            return Ok(Some((profile, Rc::clone(given))));
        }
        if let Some(model) = self.by_profile.get(&profile) {
            return Ok(Some((profile, Rc::clone(model))));
        }
        let file = self.kept.as_ref().and_then(|dir| in_use(&dir.join(&profile)));
        let model = match file {
            Some(file) => model::stream(&file)?,
            None if self.kept.is_none() && profile != "generic" && simulate::profile(&profile).is_none() => {
                let known: Vec<&str> = simulate::profiles().iter().map(|profile| profile.name).collect();
                return Err(WrongUse(format!(
                    "there is no built-in model {profile:?}, only generic, {}: --model names another",
                    known.join(", ")
                )));
            }
            None => built_in(&profile).map_err(WrongUse::new)?,
        };
        let model = Rc::new(model);
        self.by_profile.insert(profile.clone(), Rc::clone(&model));
        Ok(Some((profile, model)))
    }
}

/// The model's file that a service uses for the profile of this folder; `None` where it has none, or names none.
fn in_use(dir: &Path) -> Option<PathBuf> {
    let hash: Hash = std::fs::read_to_string(dir.join("current")).ok()?.trim_end().parse().ok()?;
    Some(dir.join(hash.to_string()).join("model.bin"))
}
