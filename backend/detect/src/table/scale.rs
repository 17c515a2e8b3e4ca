//! Columns of all units made comparable: deviations from the median in robust standard deviations,
//! clipped, so that neither a long tail nor a dirty row decides what is far. Constant columns are
//! left out: the tails watch them.

use super::sample::Sample;
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Beyond this many robust standard deviations, far is far; the tails tell how far.
pub(super) const CLIP: f64 = 5.0;
/// Quartile distance of the normal distribution in standard deviations.
const QUARTILES: f64 = 1.349;

#[derive(Clone, Debug, PartialEq)]
struct Column {
    index: u32,
    centre: f32,
    scale: f32,
}

/// How each column that varies is standardised.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale(Vec<Column>);

impl Scale {
    pub(super) fn fit(sample: &Sample<'_>) -> Self {
        let column = |index: usize| {
            let mut values: Vec<f32> = sample.column(index).collect();
            values.sort_by(f32::total_cmp);
            let at = |quarter: usize| f64::from(values[(values.len() - 1) * quarter / 4]);
            let quartiles = (at(3) - at(1)) / QUARTILES;
            // More than half of a binary column is one value: then its deviation in the mean.
            let scale = if quartiles > 0.0 { quartiles } else { deviation(&values) } as f32;
            (scale > 0.0 && scale.is_finite()).then_some(Column { index: index as u32, centre: at(2) as f32, scale })
        };
        Self((0..sample.columns()).filter_map(column).collect())
    }

    /// Columns that vary.
    pub(super) fn width(&self) -> usize {
        self.0.len()
    }

    pub(super) fn apply(&self, row: &[f32], standard: &mut Vec<f32>) {
        standard.clear();
        standard.extend(self.0.iter().map(|column| {
            let deviation = f64::from(row[column.index as usize]) - f64::from(column.centre);
            (deviation / f64::from(column.scale)).clamp(-CLIP, CLIP) as f32
        }));
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.0.len() as u16);
        for column in &self.0 {
            writer.u16(column.index as u16);
            writer.f32(column.centre);
            writer.f32(column.scale);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, DetectError> {
        let count = usize::from(reader.u16()?);
        let mut scale = Vec::new();
        for _ in 0..count {
            let column = Column { index: reader.u16()?.into(), centre: reader.f32()?, scale: reader.scale()? };
            let last = scale.last().map(|last: &Column| last.index);
            if column.index as usize >= columns || last.is_some_and(|last| last >= column.index) {
                return Err(reader.error(format!("ascending columns below {columns}"), column.index));
            }
            if column.scale == 0.0 {
                return Err(reader.error("a scale above 0", 0));
            }
            scale.push(column);
        }
        Ok(Self(scale))
    }
}

/// Standard deviation.
fn deviation(values: &[f32]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let squares = values.iter().map(|value| (f64::from(*value) - mean) * (f64::from(*value) - mean));
    (squares.sum::<f64>() / count).sqrt()
}
