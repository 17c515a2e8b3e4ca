//! What can go wrong. Never carries a whole reading: messages may end up in logs.

/// Why a reading, a model or a state was refused. Nothing has been changed when it is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DetectError {
    /// A value was NaN or infinite.
    #[error("metric {metric:?} is {actual}; expected a finite number")]
    NotFinite {
        /// The metric's name.
        metric: String,
        /// The value.
        actual: f64,
    },
    /// A reading had no values, or a metric no name.
    #[error("{what} is empty; expected at least one {expected}")]
    Empty {
        /// What was empty.
        what: &'static str,
        /// What it should have contained.
        expected: &'static str,
    },
    /// Metrics must be sorted by name, each at most once.
    #[error("metric {second:?} follows {first:?}; expected unique names in ascending order")]
    Order {
        /// The name that came first.
        first: String,
        /// The name that came directly after it.
        second: String,
    },
    /// A device has more metrics than its state can hold.
    #[error("the device has {actual} metrics; expected at most {limit}")]
    TooManyMetrics {
        /// Metrics of the device with this reading.
        actual: usize,
        /// The limit, [`MAX_METRICS`](crate::MAX_METRICS).
        limit: usize,
    },
    /// Bytes or text do not hold what they should.
    #[error("{what}: expected {expected}, found {actual}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What was expected there.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// A format version that this software does not know.
    #[error("{what} has format version {actual}; expected {expected}")]
    Version {
        /// Which format.
        what: &'static str,
        /// The version that can be read.
        expected: u16,
        /// The version that was found.
        actual: u16,
    },
    /// A training parameter is outside its range.
    #[error("{name} is {actual}; expected {expected}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// The allowed range, in words.
        expected: &'static str,
        /// What was given.
        actual: String,
    },
    /// Too little to learn from.
    #[error("the training sample has {actual} rows; expected at least {expected}")]
    TooFewRows {
        /// The least number of rows.
        expected: usize,
        /// The rows that were given.
        actual: usize,
    },
    /// A file does not have columns that a model was trained on.
    #[error("the header has no column {names}; expected every column that the model was trained on")]
    MissingColumns {
        /// Their names, with commas between.
        names: String,
    },
}

impl DetectError {
    pub(crate) fn malformed(what: &'static str, expected: impl Into<String>, actual: impl ToString) -> Self {
        Self::Malformed { what, expected: expected.into(), actual: actual.to_string() }
    }
}
