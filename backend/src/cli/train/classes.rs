//! A classifier of rows that have labels.

use detect::classify::{Classifier, ClassifierSpec};

use super::{Args, Trained, told};
use crate::cli::{
    WrongUse,
    input::{Labelled, Source, Stop, TableOptions},
    output::Output,
};

pub(super) fn train(args: &Args, source: &Source, options: &TableOptions) -> Result<(), Stop> {
    let (table, rows) = Labelled::table(source, options)?;
    let spec = if args.each_label { ClassifierSpec::labels(args.seed) } else { ClassifierSpec::binary(args.seed) };
    let spec = if args.impute { spec.imputing() } else { spec };
    eprintln!("learning from {} rows; this takes a while for many", table.rows());
    let classifier =
        Classifier::train(&table, &spec).map_err(|error| WrongUse(format!("{}: {error}", source.name())))?;
    let meta = classifier.meta();
    let text = serde_json::to_string_pretty(&meta)? + "\n";
    std::fs::create_dir_all(&args.output).map_err(|error| format!("{}: {error}", args.output.display()))?;
    let mut sample = csv::Writer::from_writer(Output::create(Some(&args.output.join("sample.csv")))?);
    sample.write_record(Labelled::open(source, options)?.header())?;
    Labelled::kept(source, options, &mut |_, cells, _| Ok(sample.write_record(cells)?))?;
    sample.into_inner().map_err(|error| std::io::Error::from(error.error().kind()))?.finish()?;
    Trained { model: classifier.to_bytes(), meta: text, sample: None }.write(&args.output)?;
    let from = format!("{} of {rows} rows", table.rows());
    told(&args.output, &[], &meta.model_version, &from);
    let figures = classifier.figures();
    println!(
        "on {} rows held back: accuracy {:.4}, mean F1 of the classes {:.4}{}",
        figures.rows,
        figures.accuracy,
        figures.macro_f1,
        figures.auroc.map_or_else(String::new, |auroc| format!(", AUROC {auroc:.4}"))
    );
    Ok(())
}
