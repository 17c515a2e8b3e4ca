//! Rows without a time: a table, scored by a model of what is usual in it.

use detect::{
    DetectError,
    forest::{Forest, ForestSpec},
};

use super::{Args, Scores, refused};
use crate::cli::{
    WrongUse,
    input::{Sample, Spool, Table, TableOptions, fill, places, say},
    progress::Progress,
};

/// Rows between two looks at the progress bar.
const STRIDE: u64 = 4096;

pub(super) fn score(args: &Args, options: &TableOptions) -> Result<(), Box<dyn std::error::Error>> {
    // Learnt from first and scored then: a pipe is kept meanwhile.
    let named = |error: std::io::Error| WrongUse(format!("{}: {error}", args.input.display()));
    let spool = Spool::of(&args.input).map_err(named)?;
    let mut table = Table::open(spool.path(), options)?;
    let sample = match &args.train {
        Some(train) => Sample::of(&mut Table::open(train, options)?, args.seed)?,
        None => Sample::of(&mut Table::open(spool.path(), options)?, args.seed)?,
    };
    let places = places(&sample.columns, &table)?;
    let model = learn(&sample, args)?;
    let mut scores = Scores::create(args, "row")?;
    let mut progress = Progress::rows("rows scored");
    let mut numbers = vec![0.0; places.len()];
    let (mut rows, mut unusual) = (0, 0);
    while let Some(row) = table.next()? {
        numbers.iter_mut().zip(&places).for_each(|(number, place)| *number = row.numbers[*place]);
        fill(&mut numbers, &sample.medians);
        let score = model.score(&numbers).map_err(|error| refused(&args.input, rows, &error))?;
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
    eprintln!("{rows} rows scored");
    Ok(())
}

/// Learns what is usual. Of a file without rows nothing is to be learnt, and nothing to be scored.
fn learn(sample: &Sample, args: &Args) -> Result<Forest, WrongUse> {
    let spec = ForestSpec { seed: args.seed, ..ForestSpec::default() };
    Forest::train(&spec, sample.columns.len(), &sample.rows).map_err(|error| match error {
        DetectError::TooFewRows { expected, actual } => WrongUse(format!(
            "expected at least {expected} rows to learn from, found {actual}: --train names a file with more"
        )),
        error => WrongUse(error.to_string()),
    })
}
