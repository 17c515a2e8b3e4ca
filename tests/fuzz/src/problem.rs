//! What a decoder says of a body that it cannot read at all. The service makes an HTTP answer of it, which is not here.

use api::Code;

use crate::domain::ReadingError;

/// A fault of a whole body.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Which of them it is.
    pub(crate) code: Code,
    /// What is wrong.
    pub(crate) detail: String,
}

impl Fault {
    /// A fault with its words.
    pub(crate) fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string() }
    }
}

impl From<ReadingError> for Fault {
    fn from(error: ReadingError) -> Self {
        Self::new(Code::InvalidReading, error)
    }
}
