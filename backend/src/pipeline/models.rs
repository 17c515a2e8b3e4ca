//! The models: one for each profile, trained once from clean simulated streams, and kept as files.
//!
//! Beside each model lie its description and the training sample ([`super::archive`]), so that anybody can train it again
//! and compare the hash.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use detect::{DetectError, MetricSpec, Model, TrainSpec, TrainingReading, TrainingSample};
use ledger::Hash;

use super::{
    archive::{Archive, Files},
    flows::{FLOWS, FlowJudge},
};
use crate::domain::ports::{LogReader, NewModel, StoreError};

/// The profile of devices whose metrics no other profile names.
pub(super) const GENERIC: &str = "generic";

/// Seed of the built-in training streams and forests. Any number would do; it is part of each model.
pub(super) const SEED: u64 = 20_261_120;

/// Devices of each profile in a training sample.
const DEVICES: u32 = 8;

/// Readings of each, one a minute: three days, so that the daily cycle is seen more than once.
const READINGS: usize = 3 * 24 * 60;

/// Why there are no models.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no model, or a training failed.
    #[error("the model {profile:?}: {source}")]
    Detect {
        /// The profile.
        profile: String,
        /// What is wrong.
        source: DetectError,
    },
}

/// A model with what is kept beside it.
pub(super) struct Kept {
    pub(super) model: Model,
    /// SHA-256 of the model's bytes, worked out once: every finding names it.
    pub(super) hash: Hash,
    pub(super) version: Arc<str>,
    sample: Hash,
}

impl Kept {
    /// As the log is to record it.
    fn new_model(&self) -> NewModel {
        NewModel {
            hash: self.hash,
            version: self.version.to_string(),
            profile: self.model.profile().to_owned(),
            bytes: self.model.to_bytes(),
            sample: self.sample,
        }
    }
}

/// A profile's model in use. Another may take its place at any time; whoever judges holds on to one.
struct InUse(RwLock<Arc<Kept>>);

impl InUse {
    fn get(&self) -> Arc<Kept> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, kept: Kept) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kept);
    }
}

impl From<Kept> for InUse {
    fn from(kept: Kept) -> Self {
        Self(RwLock::new(Arc::new(kept)))
    }
}

/// All models, by profile.
pub(crate) struct Models {
    by_profile: BTreeMap<String, InUse>,
    generic: InUse,
    flows: Arc<FlowJudge>,
    archive: Archive,
}

impl Models {
    /// Loads the models from a directory, and trains those that are not there.
    pub(crate) fn load_or_train(dir: &Path) -> Result<Self, ModelError> {
        let archive = Archive::new(dir);
        let mut by_profile = BTreeMap::new();
        let mut all = TrainingSample::new();
        for profile in simulate::profiles() {
            let kept = load(&archive, profile.name, || {
                let sample = clean_sample(profile).map_err(|source| detect_error(profile.name, source))?;
                Ok((sample, metric_specs(profile).map_err(|source| detect_error(profile.name, source))?))
            })?;
            by_profile.insert(profile.name.to_owned(), kept.into());
        }
        let generic = load(&archive, GENERIC, || {
            for profile in simulate::general() {
                all.add_sample(&clean_sample(profile).map_err(|source| detect_error(GENERIC, source))?);
            }
            Ok((std::mem::take(&mut all), Vec::new()))
        })?;
        let flows = Arc::new(FlowJudge::load(&archive)?);
        Ok(Self { by_profile, generic: generic.into(), flows, archive })
    }

    /// Lets the model in these bytes judge flows, from now on.
    pub(crate) fn with_flow_model(self, bytes: &[u8]) -> Result<Self, ModelError> {
        let flows = Arc::new(FlowJudge::given(&self.archive, bytes)?);
        Ok(Self { flows, ..self })
    }

    /// What judges flows.
    pub(super) fn flows(&self) -> Arc<FlowJudge> {
        Arc::clone(&self.flows)
    }

    /// The files of all models, also of those that are no longer in use.
    pub(crate) fn files(&self) -> Archive {
        self.archive.clone()
    }

    /// Takes note of what is in use, now that the log records it.
    pub(super) fn note_use(&self) -> Result<(), ModelError> {
        for kept in self.all() {
            self.archive.set_current(kept.model.profile(), kept.hash)?;
        }
        self.archive.set_current(FLOWS, self.flows.hash)?;
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = Arc<Kept>> {
        self.by_profile.values().chain([&self.generic]).map(InUse::get)
    }

    /// The model that a profile uses now; the generic one if there is none.
    pub(super) fn of(&self, profile: &str) -> Arc<Kept> {
        self.by_profile.get(profile).unwrap_or(&self.generic).get()
    }

    /// Keeps the files of a model that may come into use, and gives what the log is to record of it.
    pub(super) fn keep(&self, model: Model, sample: &TrainingSample) -> Result<(Kept, NewModel), ModelError> {
        let profile = model.profile().to_owned();
        keep(&self.archive, &profile, &model, sample)?;
        let kept = kept(&profile, model)?;
        let new = kept.new_model();
        Ok((kept, new))
    }

    /// Puts a model, which the log records by now, in the place of its profile's.
    pub(super) fn put_in_use(&self, kept: Kept) -> Result<(), ModelError> {
        let profile = kept.model.profile().to_owned();
        self.archive.set_current(&profile, kept.hash)?;
        self.by_profile.get(&profile).unwrap_or(&self.generic).set(kept);
        Ok(())
    }

    /// The version of the model for unknown profiles.
    pub(crate) fn generic_version(&self) -> Arc<str> {
        Arc::clone(&self.generic.get().version)
    }

    /// The profile of this name; the generic one if there is no model of it.
    pub(super) fn profile_named(&self, name: &str) -> &str {
        self.by_profile.get_key_value(name).map_or(GENERIC, |(profile, _)| profile)
    }

    /// The profile whose metrics are exactly these.
    pub(crate) fn profile_of<'a>(&self, metrics: impl Iterator<Item = &'a str> + Clone) -> &str {
        let fits = |in_use: &InUse| {
            let kept = in_use.get();
            let specs = kept.model.metrics();
            specs.len() == metrics.clone().count() && metrics.clone().all(|m| specs.iter().any(|spec| spec.name() == m))
        };
        self.by_profile.iter().find(|(_, in_use)| fits(in_use)).map_or(GENERIC, |(profile, _)| profile)
    }

    /// The models that the store does not know yet: they are to be recorded in the log.
    pub(super) fn unknown_to(&self, log: &dyn LogReader) -> Result<Vec<NewModel>, StoreError> {
        let mut unknown = Vec::new();
        for kept in self.all() {
            if log.model_version(&kept.hash.to_string())?.is_none() {
                unknown.push(kept.new_model());
            }
        }
        if log.model_version(&self.flows.hash.to_string())?.is_none() {
            unknown.push(self.flows.new_model());
        }
        Ok(unknown)
    }
}

/// The built-in profile whose metrics are exactly these, as [`Models::profile_of`] finds it without the models.
pub(crate) fn profile_of<'a>(metrics: impl Iterator<Item = &'a str> + Clone) -> &'static str {
    let fits = |profile: &&'static simulate::Profile| {
        let own = profile.metrics;
        own.len() == metrics.clone().count() && metrics.clone().all(|m| own.iter().any(|metric| metric.name == m))
    };
    simulate::profiles().iter().find(fits).map_or(GENERIC, |profile| profile.name)
}

/// The built-in model of a profile, as a service trains it, without reading or writing any file; the one for unknown
/// devices where no built-in profile has this name.
pub(crate) fn built_in(profile: &str) -> Result<Model, ModelError> {
    let train = || {
        let Some(known) = simulate::profile(profile) else {
            let mut all = TrainingSample::new();
            for known in simulate::general() {
                all.add_sample(&clean_sample(known)?);
            }
            return train(GENERIC, &TrainSpec::new(GENERIC, Vec::new(), SEED)?, &all);
        };
        Model::train(&TrainSpec::new(known.name, metric_specs(known)?, SEED)?, &clean_sample(known)?)
    };
    train().map_err(|source| detect_error(profile, source))
}

/// Reads the model in use; makes sample, model and description if there is none, or if another version of the detector
/// made it.
fn load(
    archive: &Archive,
    profile: &str,
    make: impl FnOnce() -> Result<(TrainingSample, Vec<MetricSpec>), ModelError>,
) -> Result<Kept, ModelError> {
    if let Some(bytes) = archive.current(profile)? {
        match Model::from_bytes(&bytes) {
            Ok(model) => return kept(profile, model),
            // The old one stays, for whoever has the version that reads it: the log's entries name it.
            Err(error @ DetectError::Version { .. }) => {
                tracing::warn!(profile, %error, "the model is of another version of the detector: another is trained");
                archive.begin_anew(profile)?;
            }
            Err(source) => return Err(detect_error(profile, source)),
        }
    }
    let (sample, specs) = make()?;
    let spec = TrainSpec::new(profile, specs, SEED).map_err(|source| detect_error(profile, source))?;
    let model = train(profile, &spec, &sample).map_err(|source| detect_error(profile, source))?;
    tracing::info!(profile, version = model.version(), rows = sample.rows(), "trained a model");
    keep(archive, profile, &model, &sample)?;
    kept(profile, model)
}

/// Devices of unknown profiles need not be like those of the sample: they are judged by their own past alone.
fn train(profile: &str, spec: &TrainSpec, sample: &TrainingSample) -> Result<Model, DetectError> {
    if profile == GENERIC { Model::train_for_strangers(spec, sample) } else { Model::train(spec, sample) }
}

fn keep(archive: &Archive, profile: &str, model: &Model, sample: &TrainingSample) -> Result<(), ModelError> {
    let meta = serde_json::to_string_pretty(&model.meta()).unwrap_or_default() + "\n";
    archive.keep(profile, &Files { model: &model.to_bytes(), meta: &meta, sample: Some(&sample.to_csv()) })
}

fn kept(profile: &str, model: Model) -> Result<Kept, ModelError> {
    let version = Arc::from(model.version());
    let sample = model.meta().training_sample_hash.parse().map_err(|_| {
        let actual = model.meta().training_sample_hash;
        detect_error(profile, DetectError::Malformed { what: "sample hash", expected: "64 hex digits".into(), actual })
    })?;
    Ok(Kept { hash: Hash(model.hash()), model, version, sample })
}

/// Clean streams of a simulated profile.
fn clean_sample(profile: &'static simulate::Profile) -> Result<TrainingSample, DetectError> {
    let mut sample = TrainingSample::new();
    for device in 0..DEVICES {
        let stream = simulate::Stream::new(profile, device, SEED, 0, 60_000, &[])
            .expect("no injections, so nothing that could be refused");
        let readings: Vec<TrainingReading> = stream
            .take(READINGS)
            .map(|sample| TrainingReading {
                time_ms: sample.time_ms,
                values: sample.values.iter().map(|(metric, value)| ((*metric).to_owned(), *value)).collect(),
            })
            .collect();
        sample.add_device(&readings)?;
    }
    Ok(sample)
}

fn metric_specs(profile: &simulate::Profile) -> Result<Vec<MetricSpec>, DetectError> {
    profile.metrics.iter().map(|metric| MetricSpec::new(metric.name, metric.unit, metric.low, metric.high)).collect()
}

pub(super) fn detect_error(profile: &str, source: DetectError) -> ModelError {
    ModelError::Detect { profile: profile.to_owned(), source }
}
