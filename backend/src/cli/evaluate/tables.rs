//! Rows without a time: a table, as `score` scores it.

use super::{Args, Figures, Scored};
use crate::cli::{
    WrongUse,
    input::{Spool, Table, TableOptions, is_anomalous},
    score::Usual,
};

pub(super) fn measure(
    args: &Args,
    options: &TableOptions,
) -> Result<(Figures, Vec<String>), Box<dyn std::error::Error>> {
    let named = |error: std::io::Error| WrongUse(format!("{}: {error}", args.input.display()));
    let spool = Spool::of(&args.input).map_err(named)?;
    let mut table = Table::open(spool.path(), options)?;
    let usual = Usual::learn(args.train.as_deref().unwrap_or(spool.path()), options, args.seed)?;
    let mut scorer = usual.of(&table)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next()? {
        let score = scorer
            .score(row.numbers)
            .map_err(|error| WrongUse(format!("{}, row {}: {error}", args.input.display(), rows.len())))?;
        let truth = is_anomalous(row.label);
        rows.push(Scored { score, truth, reported: score >= super::THRESHOLD, time_ms: 0 });
    }
    Ok((Figures::of(&rows, "of the rows themselves".to_owned(), false), table.notes()))
}
