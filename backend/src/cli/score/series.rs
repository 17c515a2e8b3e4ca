//! Rows with a time: one series, judged row by row, in memory that does not grow with the file.

use super::{Alone, Args, Scores, refused};
use crate::cli::{
    input::{Named, Series, Source, say},
    model, policy,
    progress::Progress,
};

/// Rows between two looks at the progress bar.
const STRIDE: u64 = 4096;

pub(super) fn score(args: &Args, named: &Named) -> Result<(), Box<dyn std::error::Error>> {
    let model = args.model.as_deref().map(model::stream).transpose()?;
    let mut series = Series::open(&Source::once(&args.input), named, args.separator)?;
    let policy = policy::read(args.policy.as_deref())?.of("", "");
    let mut detector = match model {
        Some(model) => Alone::with(model, series.metrics(), &policy),
        None => Alone::new(series.metrics(), &policy)?,
    };
    let mut scores = Scores::create(args, &["timestamp", "anomaly_score"])?;
    let mut progress = Progress::rows("rows scored");
    let (mut rows, mut anomalies) = (0, 0);
    while let Some(row) = series.next()? {
        let judgement = detector.push(row.time_ms, row.numbers).map_err(|error| refused(&args.input, rows, &error))?;
        let score = judgement.as_ref().map_or(0.0, |judgement| judgement.score);
        anomalies += u64::from(judgement.is_some_and(|judgement| judgement.finding.is_some()));
        scores.write(row.time_text, score)?;
        rows += 1;
        if rows % STRIDE == 0 {
            progress.advance(STRIDE, anomalies);
        }
    }
    scores.finish()?;
    progress.finish();
    say(&series.notes());
    let noun = if anomalies == 1 { "anomaly" } else { "anomalies" };
    eprintln!("{rows} rows scored, {anomalies} {noun}");
    Ok(())
}
