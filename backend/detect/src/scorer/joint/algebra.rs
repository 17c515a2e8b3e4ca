//! Small dense algebra in fixed order, for at most [`MOST`] metrics. Allocates nothing.

use super::MOST;

/// Principal axes that are followed.
pub(super) const AXES: usize = 3;
/// Of a matrix only the leading `count` rows and columns are used.
pub(super) type Square = [[f64; MOST]; MOST];

/// Keeps a correlation matrix that is hardly positive invertible.
const LEAST_PIVOT: f64 = 0.02;

/// The lower triangle L of R = L·Lᵀ (Cholesky), with the reciprocals of its diagonal.
pub(super) struct Factor {
    lower: Square,
    reciprocals: [f64; MOST],
    count: usize,
}

impl Factor {
    /// Factors the correlation matrix whose lower triangle is given; its diagonal counts as 1.
    pub(super) fn of(mut lower: Square, count: usize) -> Self {
        let mut reciprocals = [0.0; MOST];
        for i in 0..count {
            let mut pivot = 1.0;
            for j in 0..i {
                let mut sum = lower[i][j];
                for k in 0..j {
                    sum -= lower[i][k] * lower[j][k];
                }
                let entry = sum * reciprocals[j];
                lower[i][j] = entry;
                pivot -= entry * entry;
            }
            let root = pivot.max(LEAST_PIVOT).sqrt();
            lower[i][i] = root;
            reciprocals[i] = 1.0 / root;
        }
        Self { lower, reciprocals, count }
    }

    /// Mahalanobis' square xᵀ R⁻¹ x.
    pub(super) fn distance(&self, x: &[f64; MOST]) -> f64 {
        let y = self.forward(x);
        y.iter().map(|number| number * number).sum()
    }

    /// R⁻¹ x, and the diagonal of R⁻¹.
    pub(super) fn precision(&self, x: &[f64; MOST]) -> ([f64; MOST], [f64; MOST]) {
        let mut diagonal = [0.0; MOST];
        for (i, entry) in diagonal.iter_mut().enumerate().take(self.count) {
            let mut unit = [0.0; MOST];
            unit[i] = 1.0;
            *entry = self.distance(&unit);
        }
        let mut y = self.forward(x);
        for i in (0..self.count).rev() {
            for j in i + 1..self.count {
                y[i] -= self.lower[j][i] * y[j];
            }
            y[i] *= self.reciprocals[i];
        }
        (y, diagonal)
    }

    /// L⁻¹ x; zero beyond the metrics that take part.
    fn forward(&self, x: &[f64; MOST]) -> [f64; MOST] {
        let mut y = [0.0; MOST];
        for i in 0..self.count {
            let mut sum = x[i];
            for j in 0..i {
                sum -= self.lower[i][j] * y[j];
            }
            y[i] = sum * self.reciprocals[i];
        }
        y
    }
}

/// Where a new metric's axes start, in fixed point: no two metrics alike, so that the iteration
/// finds every direction.
pub(super) fn start(metric: usize) -> [i16; AXES] {
    let sign = |bit: usize| if metric >> bit & 1 == 0 { 8000 } else { -8000 };
    [8000 + 300 * metric as i16, sign(0), sign(1) - 200 * metric as i16]
}

/// One step of orthogonal iteration (Golub and Van Loan, 8.2.4): multiplies each axis by the
/// matrix and makes them orthonormal again. Returns the variance along each.
pub(super) fn refine(matrix: &Square, count: usize, axes: &mut [[f64; MOST]; AXES]) -> [f64; AXES] {
    let mut strengths = [0.0; AXES];
    for axis in 0..AXES.min(count) {
        let mut next = [0.0; MOST];
        for i in 0..count {
            next[i] = (0..count).map(|j| matrix[i][j] * axes[axis][j]).sum();
        }
        for earlier in &axes[..axis] {
            let along: f64 = (0..count).map(|i| earlier[i] * next[i]).sum();
            for i in 0..count {
                next[i] -= along * earlier[i];
            }
        }
        let length = (0..count).map(|i| next[i] * next[i]).sum::<f64>().sqrt();
        if length > 1e-6 {
            next.iter_mut().for_each(|number| *number /= length);
        } else {
            next = [0.0; MOST];
        }
        axes[axis] = next;
        strengths[axis] = length;
    }
    strengths
}
