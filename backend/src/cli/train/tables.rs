//! A model of what is usual in a table.

use serde::Serialize;

use super::{Args, Trained, told};
use crate::cli::{
    WrongUse,
    input::{Sample, Source, Stop, Table, TableOptions},
    score::Usual,
};

/// Numbers that are kept and learnt from at most: 40 MB of text beside the model.
const MOST: usize = 4_000_000;

/// The description of a model, and what only reading files needs.
#[derive(Serialize)]
struct Meta<'a> {
    #[serde(flatten)]
    model: detect::TableMeta,
    /// What stands in for a missing number, for each column.
    medians: &'a [f32],
}

pub(super) fn train(args: &Args, source: &Source, options: &TableOptions) -> Result<(), Stop> {
    let mut table = Table::open(source, options)?;
    let sample = Sample::of(&mut table, args.seed, MOST)?;
    let wrong = |error| WrongUse(format!("{}: {error}", source.name()));
    let usual = Usual::of_sample(&sample, args.seed).map_err(wrong)?;
    let meta = Meta { model: usual.model.meta(), medians: &sample.medians };
    let meta = serde_json::to_string_pretty(&meta)? + "\n";
    Trained { model: usual.model.to_bytes(), meta, sample: Some(text(&sample)?) }.write(&args.output)?;
    let rows = sample.rows.len() / sample.columns.len();
    told(&args.output, &table.notes(), &usual.version(), &format!("{rows} of {} rows", sample.seen));
    Ok(())
}

/// The rows as CSV, numbers in the shortest form that reads back to the same bits.
fn text(sample: &Sample) -> Result<String, Stop> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(&sample.columns)?;
    for row in sample.rows.chunks(sample.columns.len()) {
        csv.write_record(row.iter().map(f32::to_string))?;
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
