//! What correlations devices of one profile have: learnt once, by principal component analysis of
//! many devices' rows, and part of the model. Never changes while judging.
//!
//! Source: Tipping and Bishop, "Probabilistic principal component analysis", JRSS B 61 (1999): the
//! leading components, and the same variance in every direction that is left.

use smartcore::{
    decomposition::pca::{PCA, PCAParameters},
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
};

use super::{AXES, CLIP, MOST, ONE, Square, fixed, pair, pairs};
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Fewer rows say nothing about correlations.
const LEAST_ROWS: usize = 64;
/// More rows say nothing new; the first are taken at equal distances.
const MOST_ROWS: usize = 20_000;

/// The correlations of a profile's metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct JointPrior {
    metrics: usize,
    correlations: Vec<i16>,
}

impl JointPrior {
    /// Learns from `rows`, row-major, `metrics` numbers each: deviations of one device's metrics
    /// in that device's own scales. Deviations count as at most three scales.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] unless there are 2 to [`MOST`] metrics, [`DetectError::Malformed`]
    /// for an incomplete row or a number that is not finite, [`DetectError::TooFewRows`] below 64.
    pub fn train(metrics: usize, rows: &[f64]) -> Result<Self, DetectError> {
        if !(2..=MOST).contains(&metrics) {
            let actual = metrics.to_string();
            return Err(DetectError::Parameter { name: "metrics judged together", expected: "2 to 12", actual });
        }
        if !rows.len().is_multiple_of(metrics) {
            let expected = format!("a multiple of {metrics} numbers");
            return Err(DetectError::malformed("joint rows", expected, rows.len()));
        }
        if let Some(number) = rows.iter().find(|number| !number.is_finite()) {
            return Err(DetectError::malformed("joint rows", "finite numbers", number));
        }
        let count = rows.len() / metrics;
        if count < LEAST_ROWS {
            return Err(DetectError::TooFewRows { expected: LEAST_ROWS, actual: count });
        }
        let chosen = rows.chunks(metrics).step_by(count.div_ceil(MOST_ROWS));
        let clipped: Vec<Vec<f64>> = chosen.map(|row| row.iter().map(|z| z.clamp(-CLIP, CLIP)).collect()).collect();
        Self::decompose(metrics, &clipped)
            .ok_or_else(|| DetectError::malformed("joint rows", "rows that have principal components", "none"))
    }

    fn decompose(metrics: usize, rows: &[Vec<f64>]) -> Option<Self> {
        let axes = AXES.min(metrics - 1);
        let matrix = DenseMatrix::from_2d_vec(&rows.to_vec()).ok()?;
        let pca = PCA::fit(&matrix, PCAParameters::default().with_n_components(axes)).ok()?;
        let spread = |values: &dyn Fn(&Vec<f64>) -> f64| {
            let mean = rows.iter().map(values).sum::<f64>() / rows.len() as f64;
            rows.iter().map(|row| (values(row) - mean) * (values(row) - mean)).sum::<f64>() / rows.len() as f64
        };
        let whole: f64 = (0..metrics).map(|i| spread(&|row| row[i])).sum();
        let components = pca.components();
        let along: Vec<f64> = (0..axes)
            .map(|axis| spread(&|row| (0..metrics).map(|i| row[i] * components.get((i, axis))).sum()))
            .collect();
        let rest = ((whole - along.iter().sum::<f64>()) / (metrics - axes) as f64).max(0.0);
        let mut covariance: Square = [[0.0; MOST]; MOST];
        for i in 0..metrics {
            covariance[i][i] = rest;
            for j in 0..=i {
                for (axis, variance) in along.iter().enumerate() {
                    covariance[i][j] += (variance - rest) * components.get((i, axis)) * components.get((j, axis));
                }
            }
        }
        let mut correlations = vec![0; pairs(metrics)];
        for i in 0..metrics {
            for j in 0..i {
                let size = covariance[i][i] * covariance[j][j];
                let number = if size > 0.0 { covariance[i][j] / size.sqrt() } else { 0.0 };
                if !number.is_finite() {
                    return None;
                }
                correlations[pair(i, j)] = fixed(number * ONE);
            }
        }
        Some(Self { metrics, correlations })
    }

    /// Metrics in the profile's order.
    pub fn metrics(&self) -> usize {
        self.metrics
    }

    /// The correlation of two different metrics; 0 for one that the profile does not know.
    pub(super) fn correlation(&self, a: usize, b: usize) -> f64 {
        if a == b || a.max(b) >= self.metrics {
            return 0.0;
        }
        f64::from(self.correlations[pair(a, b)]) / ONE
    }

    /// The byte form: metrics u8, correlations i16 below the diagonal, row by row.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for what [`to_bytes`](Self::to_bytes) could not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("joint prior", bytes);
        let prior = Self::read(&mut reader)?;
        reader.end()?;
        Ok(prior)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(self.metrics as u8);
        self.correlations.iter().for_each(|correlation| writer.u16(*correlation as u16));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let metrics = usize::from(reader.u8()?);
        if !(2..=MOST).contains(&metrics) {
            return Err(reader.error(format!("2 to {MOST} metrics"), metrics));
        }
        let correlations = (0..pairs(metrics)).map(|_| Ok(reader.u16()? as i16)).collect::<Result<_, DetectError>>()?;
        Ok(Self { metrics, correlations })
    }
}
