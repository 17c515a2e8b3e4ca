//! How far a row is from the rows that are like it: the distance to its twentieth neighbour among
//! at most 512 rows of the sample. Sees rows that stand between the crowds, which tails and
//! forest pass over.
//!
//! Sources: Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers", SIGMOD 2000;
//! Sugiyama and Borgwardt, "Rapid distance-based outlier detection via sampling", NIPS 2013.

use super::scale::CLIP;
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Rows that are kept: 512 × 12 columns are 24 KiB.
const REFERENCES: usize = 512;
const NEIGHBOUR: usize = 20;
/// Sums kept side by side, so that the compiler may use vector registers without changing the
/// order of a single addition.
const LANES: usize = 8;

/// Standardised rows of the sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Neighbours {
    width: usize,
    references: Vec<f32>,
}

impl Neighbours {
    /// Keeps the first rows, `width` numbers each.
    pub(super) fn fit(width: usize, standard: &[f32]) -> Self {
        Self { width, references: standard[..standard.len().min(REFERENCES * width)].to_vec() }
    }

    /// ln(1 + squared distance to the twentieth neighbour), or to the middle one of fewer than forty.
    pub(super) fn evidence(&self, standard: &[f32]) -> f64 {
        if self.width == 0 {
            return 0.0;
        }
        let wanted = NEIGHBOUR.min(self.references.len() / self.width / 2).max(1);
        let mut nearest = [f32::INFINITY; NEIGHBOUR];
        for reference in self.references.chunks_exact(self.width) {
            let distance = squared_distance(standard, reference);
            if distance < nearest[wanted - 1] {
                let place = nearest[..wanted].partition_point(|other| *other <= distance);
                nearest[place..wanted].rotate_right(1);
                nearest[place] = distance;
            }
        }
        libm::log1p(f64::from(nearest[wanted - 1]))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let rows = self.references.len().checked_div(self.width).unwrap_or(0);
        writer.u16(rows as u16);
        self.references.iter().for_each(|number| writer.f32(*number));
    }

    pub(super) fn read(reader: &mut Reader<'_>, width: usize) -> Result<Self, DetectError> {
        let rows = usize::from(reader.u16()?);
        if rows > REFERENCES || (rows == 0) != (width == 0) {
            return Err(reader.error(format!("1 to {REFERENCES} rows, none of no columns"), rows));
        }
        let references = (0..rows * width)
            .map(|_| match reader.f32()? {
                number if f64::from(number.abs()) <= CLIP => Ok(number),
                number => Err(reader.error("a clipped number", number)),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { width, references })
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (heads, tail) = a.as_chunks::<LANES>();
    let (others, other_tail) = b.as_chunks::<LANES>();
    for (head, other) in heads.iter().zip(others) {
        for lane in 0..LANES {
            let difference = head[lane] - other[lane];
            lanes[lane] += difference * difference;
        }
    }
    for (lane, (x, y)) in tail.iter().zip(other_tail).enumerate() {
        lanes[lane] += (x - y) * (x - y);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twentieth_neighbour_is_found() {
        let references: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let neighbours = Neighbours::fit(1, &references);
        assert_eq!(neighbours.evidence(&[-1.0]), libm::log1p(400.0));
        let few = Neighbours::fit(1, &references[..4]);
        assert_eq!(few.evidence(&[-1.0]), libm::log1p(4.0));
    }

    #[test]
    fn distances_take_every_column() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        let sum: f32 = a.iter().map(|x| (x - 1.0) * (x - 1.0)).sum();
        assert_eq!(squared_distance(&a, &[1.0; 19]), sum);
    }
}
