//! Rows that break the pattern of the columns: Hotelling's T² along the principal components and
//! the squared prediction error Q outside them. The decomposition is smartcore's, at training
//! time; scoring is two sums in fixed order.
//!
//! Source: Jackson and Mudholkar, "Control procedures for residuals associated with principal
//! component analysis", Technometrics 21 (1979). Wide tables are folded into 128 signed sums of
//! columns first: Achlioptas, "Database-friendly random projections", JCSS 66 (2003).

use smartcore::{
    decomposition::pca::{PCA, PCAParameters},
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
};

use crate::{
    DetectError,
    bytes::{Reader, Writer},
    random::Random,
};

/// Columns, or sums of columns, that are decomposed.
const WIDEST: usize = 128;
/// Rows from which components are learnt.
const ROWS: usize = 2048;
/// Components are kept until they hold this share of the variance.
const SHARE: f64 = 0.9;
/// Of directions that hardly vary, noise must not be magnified.
const LEAST_VARIANCE: f64 = 0.01;

/// One sum of columns, itself standardised.
#[derive(Clone, Debug, PartialEq)]
struct Fold {
    mean: f64,
    scale: f64,
}

/// Principal components of standardised rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Components {
    /// For each column whether its sign is turned before it is added.
    turned: Vec<bool>,
    folds: Vec<Fold>,
    /// Row-major, one component after the other.
    directions: Vec<f32>,
    /// 1 / variance along each.
    weights: Vec<f64>,
    /// 1 / mean variance of the directions left over; 0 if there are none.
    rest: f64,
}

impl Components {
    /// Learns from standardised rows, `width` numbers each.
    pub(super) fn fit(width: usize, standard: &[f32], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut components = Self {
            turned: (0..width).map(|_| width > WIDEST && random.below(2) == 1).collect(),
            folds: vec![Fold { mean: 0.0, scale: 1.0 }; width.min(WIDEST)],
            directions: Vec::new(),
            weights: Vec::new(),
            rest: 0.0,
        };
        if width == 0 || standard.len() < 3 * width {
            return components;
        }
        let mut rows: Vec<Vec<f64>> =
            standard.chunks_exact(width).take(ROWS).map(|row| components.folded(row)).collect();
        for (index, fold) in components.folds.iter_mut().enumerate() {
            let (mean, variance) = moments(rows.iter().map(|row| row[index]));
            // A sum that does not vary in these rows is counted in its own unit.
            *fold = Fold { mean, scale: if variance > 1e-12 { variance.sqrt() } else { 1.0 } };
        }
        for row in &mut rows {
            components.standardise(row);
        }
        components.decompose(&rows);
        components
    }

    fn decompose(&mut self, rows: &[Vec<f64>]) {
        let width = self.folds.len();
        let whole: f64 = (0..width).map(|index| moments(rows.iter().map(|row| row[index])).1).sum();
        let (mut held, mut kept) = (0.0, 0);
        for (variance, direction) in principal(rows, width) {
            if held > SHARE * whole || variance <= LEAST_VARIANCE {
                break;
            }
            held += variance;
            kept += 1;
            self.directions.extend(direction);
            self.weights.push(1.0 / variance);
        }
        if kept < width {
            let left = (whole - held) / (width - kept) as f64;
            self.rest = 1.0 / left.max(LEAST_VARIANCE);
        }
    }

    /// ln(1 + T² + Q), Q in units of its mean variance.
    pub(super) fn evidence(&self, standard: &[f32]) -> f64 {
        let mut row = self.folded(standard);
        self.standardise(&mut row);
        let mut squares: f64 = row.iter().map(|x| x * x).sum();
        let mut t2 = 0.0;
        for (direction, weight) in self.directions.chunks_exact(self.folds.len().max(1)).zip(&self.weights) {
            let size = along(direction, &row);
            t2 += size * size * weight;
            squares -= size * size;
        }
        libm::log1p(t2 + squares.max(0.0) * self.rest)
    }

    fn folded(&self, standard: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.folds.len()];
        for (index, (value, turned)) in standard.iter().zip(&self.turned).enumerate() {
            sums[index % WIDEST] += if *turned { -f64::from(*value) } else { f64::from(*value) };
        }
        sums
    }

    fn standardise(&self, row: &mut [f64]) {
        for (number, fold) in row.iter_mut().zip(&self.folds) {
            *number = (*number - fold.mean) / fold.scale;
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        self.turned.iter().for_each(|turned| writer.u8((*turned).into()));
        for fold in &self.folds {
            writer.f64(fold.mean);
            writer.f64(fold.scale);
        }
        writer.u16(self.weights.len() as u16);
        self.directions.iter().for_each(|number| writer.f32(*number));
        self.weights.iter().for_each(|number| writer.f64(*number));
        writer.f64(self.rest);
    }

    pub(super) fn read(reader: &mut Reader<'_>, width: usize) -> Result<Self, DetectError> {
        let turned = (0..width)
            .map(|_| match reader.u8()? {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(reader.error("a sign of 0 or 1", other)),
            })
            .collect::<Result<_, _>>()?;
        let mut folds = Vec::new();
        for _ in 0..width.min(WIDEST) {
            let fold = Fold { mean: reader.f64()?, scale: reader.f64()? };
            // Sums of clipped numbers are no larger than the number of columns times the clip.
            if fold.mean.abs() > 1e6 || !(1e-7..=1e6).contains(&fold.scale) {
                return Err(reader.error("a mean and a scale of sums of columns", format!("{fold:?}")));
            }
            folds.push(fold);
        }
        let kept = usize::from(reader.u16()?);
        if kept > folds.len() {
            return Err(reader.error(format!("at most {} components", folds.len()), kept));
        }
        let unit = |number: f32| if number.abs() <= 2.0 { Ok(number) } else { Err(number) };
        let directions = (0..kept * folds.len())
            .map(|_| unit(reader.f32()?).map_err(|number| reader.error("a part of a unit vector", number)))
            .collect::<Result<_, _>>()?;
        let positive =
            |number: f64| if (0.0..=1.0 / LEAST_VARIANCE).contains(&number) { Ok(number) } else { Err(number) };
        let mut weight = || positive(reader.f64()?).map_err(|number| reader.error("a weight of 0 to 100", number));
        let weights = (0..kept).map(|_| weight()).collect::<Result<_, _>>()?;
        let rest = weight()?;
        Ok(Self { turned, folds, directions, weights, rest })
    }
}

/// The principal components of rows of mean 0, with the variance along each, largest first.
fn principal(rows: &[Vec<f64>], width: usize) -> Vec<(f64, Vec<f32>)> {
    if width < 2 {
        return Vec::new();
    }
    let matrix = DenseMatrix::from_2d_vec(&rows.to_vec());
    let parameters = PCAParameters::default().with_n_components(width);
    let Some(pca) = matrix.ok().and_then(|matrix| PCA::fit(&matrix, parameters).ok()) else { return Vec::new() };
    let direction = |component| (0..width).map(|row| *pca.components().get((row, component)) as f32).collect();
    let mut directions: Vec<(f64, Vec<f32>)> = (0..width)
        .map(direction)
        .filter(|direction: &Vec<f32>| direction.iter().all(|part| part.is_finite()))
        .map(|direction| (moments(rows.iter().map(|row| along(&direction, row))).1, direction))
        .collect();
    directions.sort_by(|a, b| b.0.total_cmp(&a.0));
    directions
}

fn along(direction: &[f32], row: &[f64]) -> f64 {
    direction.iter().zip(row).map(|(part, number)| f64::from(*part) * number).sum()
}

/// Mean and variance.
fn moments(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = numbers.clone().count().max(1) as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    (mean, numbers.map(|number| (number - mean) * (number - mean)).sum::<f64>() / count)
}
