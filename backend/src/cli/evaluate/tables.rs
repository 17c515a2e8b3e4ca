//! Rows without a time: a table, as `score` scores it.

use super::{Args, Figures, Scored};
use crate::cli::{
    WrongUse,
    input::{Source, Table, TableOptions, is_anomalous},
    model,
    score::Usual,
};

pub(super) fn measure(
    args: &Args,
    options: &TableOptions,
) -> Result<(Figures, Vec<String>), Box<dyn std::error::Error>> {
    let source = Source::again(&args.input)?;
    let usual = match (args.model.as_deref().map(model::rows).transpose()?, &args.train) {
        (Some(model::Rows::Classes(classifier)), _) => return super::classes::measure(args, options, &classifier),
        (Some(model::Rows::Usual(usual)), _) => *usual,
        (None, Some(train)) => Usual::learn(&Source::once(train), options, args.seed)?,
        (None, None) => Usual::learn(&source, options, args.seed)?,
    };
    let mut table = Table::open(&source, options)?;
    let mut scorer = usual.of(&table)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next()? {
        let score = scorer
            .score(row.numbers)
            .map_err(|error| WrongUse(format!("{}, row {}: {error}", args.input.display(), rows.len())))?;
        let truth = is_anomalous(row.label);
        rows.push(Scored { score, truth, reported: score >= super::THRESHOLD, time_ms: 0 });
    }
    Ok((Figures::of(&rows, usual.version(), false), table.notes()))
}
