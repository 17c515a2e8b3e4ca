//! Rows without a time: a table, scored by a model of what is usual in it.

use super::{Args, Scores, Usual, refused};
use crate::cli::{
    input::{Source, Table, TableOptions, say},
    progress::Progress,
};

/// What is written of each row.
const COLUMNS: [&str; 2] = ["row", "anomaly_score"];

/// Rows between two looks at the progress bar.
const STRIDE: u64 = 4096;

pub(super) fn score(
    args: &Args,
    options: &TableOptions,
    usual: Option<Usual>,
) -> Result<(), Box<dyn std::error::Error>> {
    // Learnt from first and scored then: a pipe is kept meanwhile.
    let source = Source::again(&args.input)?;
    let mut table = Table::open(&source, options)?;
    if table.is_empty() {
        // Nothing to learn from, and nothing to score.
        return Ok(Scores::create(args, &COLUMNS)?.finish()?);
    }
    let usual = match (usual, &args.train) {
        (Some(usual), _) => usual,
        (None, Some(train)) => Usual::learn(&Source::once(train), options, args.seed)?,
        (None, None) => Usual::learn(&source, options, args.seed)?,
    };
    let mut scorer = usual.of(&table)?;
    let mut scores = Scores::create(args, &COLUMNS)?;
    let mut progress = Progress::rows("rows scored");
    let (mut rows, mut unusual) = (0, 0);
    while let Some(row) = table.next()? {
        let score = scorer.score(row.numbers).map_err(|error| refused(&args.input, rows, &error))?;
        unusual += u64::from(score >= 0.5);
        scores.write(rows.to_string().as_bytes(), score)?;
        rows += 1;
        if rows % STRIDE == 0 {
            progress.advance(STRIDE, unusual);
        }
    }
    scores.finish()?;
    progress.finish();
    say(&table.notes());
    eprintln!("{rows} rows scored, {unusual} of them unusual");
    Ok(())
}
