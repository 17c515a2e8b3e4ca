//! How well classes were told apart on rows that were held back. Counts; classifies nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    DetectError, Ranking,
    bytes::{Reader, Writer},
};

/// How well one class was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class.
    pub name: String,
    /// Share of the rows called so that are so; 0 if none was called so.
    pub precision: f64,
    /// Share of the rows that are so that were called so; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of both; 0 if both are.
    pub f1: f64,
    /// Held-back rows of the class.
    pub rows: u64,
}

/// Figures on the rows that were held back from training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Held-back rows.
    pub rows: u64,
    /// Share of rows that were classified rightly.
    pub accuracy: f64,
    /// Mean of the F1 of the classes that held-back rows have or were called, each counting the same.
    pub macro_f1: f64,
    /// Area under the ROC curve of the probability of the second class; only where there are two.
    pub auroc: Option<f64>,
    /// Every class, in the model's order.
    pub classes: Vec<ClassFigures>,
}

impl Figures {
    /// From each row's true class, called class and probability of the second class.
    pub(super) fn count(names: &[String], rows: &[(usize, usize, f64)]) -> Self {
        let count =
            |wanted: &dyn Fn(&(usize, usize, f64)) -> bool| rows.iter().filter(|row| wanted(row)).count() as f64;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let class = |(class, name): (usize, &String)| {
            let right = count(&|row| row.0 == class && row.1 == class);
            let (are, called) = (count(&|row| row.0 == class), count(&|row| row.1 == class));
            let (precision, recall) = (share(right, called), share(right, are));
            let f1 = share(2.0 * precision * recall, precision + recall);
            ClassFigures { name: name.clone(), precision, recall, f1, rows: are as u64 }
        };
        let classes: Vec<ClassFigures> = names.iter().enumerate().map(class).collect();
        let occurring: BTreeSet<usize> = rows.iter().flat_map(|row| [row.0, row.1]).collect();
        let ranking = Ranking::of(rows.iter().map(|row| (row.2, row.0 == 1)));
        Self {
            rows: rows.len() as u64,
            accuracy: share(count(&|row| row.0 == row.1), rows.len() as f64),
            macro_f1: share(classes.iter().map(|class| class.f1).sum::<f64>(), occurring.len() as f64),
            auroc: ranking.filter(|_| names.len() == 2).map(|ranking| ranking.auroc),
            classes,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.rows);
        writer.f64(self.accuracy);
        writer.f64(self.macro_f1);
        // Below 0 where there is none.
        writer.f64(self.auroc.unwrap_or(-1.0));
        for class in &self.classes {
            writer.f64(class.precision);
            writer.f64(class.recall);
            writer.f64(class.f1);
            writer.u64(class.rows);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, names: &[String]) -> Result<Self, DetectError> {
        let rows = reader.u64()?;
        let share = |reader: &mut Reader<'_>, low: f64| match reader.f64()? {
            share if (0.0..=1.0).contains(&share) || share == low => Ok(share),
            other => Err(reader.error("a share", other)),
        };
        let (accuracy, macro_f1) = (share(reader, 0.0)?, share(reader, 0.0)?);
        let auroc = Some(share(reader, -1.0)?).filter(|auroc| *auroc >= 0.0);
        let classes = names.iter().map(|name| {
            let (precision, recall, f1) = (share(reader, 0.0)?, share(reader, 0.0)?, share(reader, 0.0)?);
            Ok(ClassFigures { name: name.clone(), precision, recall, f1, rows: reader.u64()? })
        });
        let classes = classes.collect::<Result<_, DetectError>>()?;
        Ok(Self { rows, accuracy, macro_f1, auroc, classes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_a_small_example() {
        let names = ["benign", "attack"].map(str::to_owned);
        let rows = [(0, 0, 0.1), (0, 0, 0.4), (0, 1, 0.6), (1, 1, 0.6), (1, 1, 0.9), (1, 0, 0.2)];
        let figures = Figures::count(&names, &rows);
        assert_eq!(figures.accuracy, 4.0 / 6.0);
        assert_eq!((figures.classes[1].precision, figures.classes[1].recall), (2.0 / 3.0, 2.0 / 3.0));
        assert_eq!(figures.macro_f1, figures.classes[0].f1);
        // Of nine pairs: 0.6 wins two and ties one, 0.9 wins three, 0.2 wins one.
        assert_eq!(figures.auroc, Some(6.5 / 9.0));
        assert_eq!(Figures::count(&names, &rows[..2]).auroc, None);
        assert_eq!(Figures::count(&names, &rows[..2]).macro_f1, 1.0);
        assert_eq!(Figures::count(&names, &[]).accuracy, 0.0);
    }
}
