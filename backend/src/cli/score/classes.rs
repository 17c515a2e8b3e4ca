//! Rows without a time, judged by a classifier.

use detect::classify::Classifier;

use super::{Args, Scores, refused};
use crate::cli::{
    WrongUse,
    input::{Labelled, Source, TableOptions, say},
    model::Judge,
};

pub(super) fn score(
    args: &Args,
    options: &TableOptions,
    classifier: &Classifier,
) -> Result<(), Box<dyn std::error::Error>> {
    let source = Source::once(&args.input);
    let mut file = Labelled::open(&source, options)?;
    let judge =
        Judge::of(classifier, &file.header()).map_err(|error| WrongUse(format!("{}: {error}", source.name())))?;
    let mut scores = Scores::create(args, &["row", "anomaly_score", "class"])?;
    let mut rows = 0;
    while let Some((cells, _)) = file.next()? {
        let said = judge.row(&cells).map_err(|error| refused(&args.input, rows, &error))?;
        scores.write_class(rows, said.score, &classifier.classes()[said.class])?;
        rows += 1;
    }
    scores.finish()?;
    say(&judge.notes());
    eprintln!("{rows} rows scored");
    Ok(())
}
