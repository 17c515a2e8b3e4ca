//! A classifier held against labels: which class was taken for which.

use detect::classify::Classifier;
use serde::Serialize;

use super::{
    Args, Figures, Scored,
    measures::{Decisions, Share},
};
use crate::cli::{
    WrongUse,
    input::{Labelled, Source, TableOptions, is_anomalous},
    model::Judge,
};

/// Labels that the model does not know are counted together.
const OTHER: &str = "(other labels)";

/// Which class was taken for which.
#[derive(Debug, Serialize)]
pub(super) struct Confusion {
    /// The classes; a last one for labels that the model does not know, where there are any.
    classes: Vec<String>,
    /// Of each true class, how many rows were taken for each.
    rows: Vec<Vec<u64>>,
    accuracy: Option<f64>,
    /// Mean F1 of the classes that occur.
    macro_f1: Option<f64>,
    by_class: Vec<Decisions>,
}

pub(super) fn measure(
    args: &Args,
    options: &TableOptions,
    classifier: &Classifier,
) -> Result<(Figures, Vec<String>), Box<dyn std::error::Error>> {
    let source = Source::once(&args.input);
    let mut file = Labelled::open(&source, options)?;
    let judge =
        Judge::of(classifier, &file.header()).map_err(|error| WrongUse(format!("{}: {error}", source.name())))?;
    let classes = classifier.classes();
    let binary = classifier.meta().task == "binary";
    let mut counts = vec![vec![0; classes.len()]; classes.len() + 1];
    let mut rows = Vec::new();
    while let Some((cells, label)) = file.next()? {
        let verdict =
            judge.row(&cells).map_err(|error| WrongUse(format!("{}, row {}: {error}", source.name(), rows.len())))?;
        let truth = is_anomalous(label);
        let known = if binary { Some(usize::from(truth)) } else { classes.iter().position(|class| class == label) };
        counts[known.unwrap_or(classes.len())][verdict.class] += 1;
        rows.push(Scored { score: verdict.score, truth, reported: verdict.anomalous, time_ms: 0 });
    }
    let mut figures = Figures::of(&rows, classifier.version(), false);
    figures.classes = Some(Confusion::of(classes, counts));
    Ok((figures, judge.notes()))
}

impl Confusion {
    fn of(classes: &[String], mut rows: Vec<Vec<u64>>) -> Self {
        let by_class: Vec<Decisions> = (0..classes.len())
            .map(|class| {
                let right = rows[class][class];
                let said: u64 = rows.iter().map(|row| row[class]).sum();
                let truths: u64 = rows[class].iter().sum();
                Decisions::of(right, said - right, right, truths)
            })
            .collect();
        let right: u64 = (0..classes.len()).map(|class| rows[class][class]).sum();
        let all: u64 = rows.iter().flatten().sum();
        let f1: Vec<f64> = by_class.iter().filter_map(|decisions| decisions.f1).collect();
        let mut classes = classes.to_vec();
        if rows.last().is_some_and(|other| other.iter().all(|count| *count == 0)) {
            rows.pop();
        } else {
            classes.push(OTHER.to_owned());
        }
        Self {
            accuracy: (all > 0).then(|| right as f64 / all as f64),
            macro_f1: (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64),
            classes,
            rows,
            by_class,
        }
    }

    pub(super) fn print(&self) {
        let width = self.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(5);
        println!("\n{:<width$}  precision  recall      F1  taken for", "class");
        for (at, (class, taken)) in self.classes.iter().zip(&self.rows).enumerate() {
            let Decisions { precision, recall, f1, .. } = self.by_class.get(at).copied().unwrap_or_default();
            let mut taken: Vec<(u64, &str)> =
                taken.iter().zip(&self.classes).map(|(count, class)| (*count, class.as_str())).collect();
            taken.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            let taken = taken.iter().filter(|(count, _)| *count > 0).map(|(count, class)| format!("{class} {count}"));
            let taken = taken.collect::<Vec<_>>().join(", ");
            println!("{class:<width$} {:>10} {:>7} {:>7}  {taken}", Share(precision), Share(recall), Share(f1));
        }
        println!("\naccuracy {}, mean F1 of the classes {}", Share(self.accuracy), Share(self.macro_f1));
    }
}
