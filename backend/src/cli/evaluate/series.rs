//! Rows with a time: one series, as `score --time` judges it.

use super::{Args, Figures, Scored};
use crate::cli::{
    WrongUse,
    input::{Named, Series, Source, is_anomalous},
    model, policy,
    score::Alone,
};

pub(super) fn measure(args: &Args, named: &Named) -> Result<(Figures, Vec<String>), Box<dyn std::error::Error>> {
    let model = args.model.as_deref().map(model::stream).transpose()?;
    let mut series = Series::open(&Source::once(&args.input), named, args.separator)?;
    let policy = policy::read(args.policy.as_deref())?.of("", "");
    let (mut detector, version) = match model {
        Some(model) => {
            let version = model.version();
            (Alone::with(model, series.metrics(), &policy), version)
        }
        None => (Alone::new(series.metrics(), &policy)?, "of score, by default".to_owned()),
    };
    let mut rows = Vec::new();
    while let Some(row) = series.next()? {
        let judgement = detector
            .push(row.time_ms, row.numbers)
            .map_err(|error| WrongUse(format!("{}, row {}: {error}", args.input.display(), rows.len())))?;
        rows.push(Scored {
            score: judgement.as_ref().map_or(0.0, |judgement| judgement.score),
            truth: is_anomalous(row.label),
            reported: judgement.is_some_and(|judgement| judgement.finding.is_some()),
            time_ms: row.time_ms,
        });
    }
    Ok((Figures::of(&rows, version, true), series.notes()))
}
