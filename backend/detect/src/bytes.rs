//! Little-endian reading and writing of the byte forms. Knows no format.

use crate::DetectError;

#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    pub(crate) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn f32(&mut self, value: f32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn f64(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }
    /// A text of at most 65,535 bytes, with its length before it. Callers bound texts earlier.
    pub(crate) fn text(&mut self, value: &str) {
        let length = value.len().min(usize::from(u16::MAX));
        self.u16(length as u16);
        self.bytes(&value.as_bytes()[..length]);
    }
}

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DetectError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.error(format!("{count} more bytes"), self.rest.len()));
        };
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DetectError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DetectError> {
        Ok(u8::from_le_bytes(self.array()?))
    }
    pub(crate) fn u16(&mut self) -> Result<u16, DetectError> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub(crate) fn u32(&mut self) -> Result<u32, DetectError> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(crate) fn u64(&mut self) -> Result<u64, DetectError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(crate) fn i64(&mut self) -> Result<i64, DetectError> {
        Ok(i64::from_le_bytes(self.array()?))
    }
    pub(crate) fn hash(&mut self) -> Result<[u8; 32], DetectError> {
        self.array()
    }

    /// A finite number: NaN or infinity would poison every later sum.
    pub(crate) fn f32(&mut self) -> Result<f32, DetectError> {
        let value = f32::from_le_bytes(self.array()?);
        if value.is_finite() { Ok(value) } else { Err(self.error("a finite number", value)) }
    }
    /// A finite number.
    pub(crate) fn f64(&mut self) -> Result<f64, DetectError> {
        let value = f64::from_le_bytes(self.array()?);
        if value.is_finite() { Ok(value) } else { Err(self.error("a finite number", value)) }
    }
    /// A finite number that is not negative.
    pub(crate) fn scale(&mut self) -> Result<f32, DetectError> {
        let value = self.f32()?;
        if value >= 0.0 { Ok(value) } else { Err(self.error("at least 0", value)) }
    }

    pub(crate) fn text(&mut self) -> Result<String, DetectError> {
        let length = usize::from(self.u16()?);
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|error| self.error("UTF-8 text", error))
    }

    /// Refuses whatever follows the end of the format.
    pub(crate) fn end(&self) -> Result<(), DetectError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.error("the end", format!("{more} more bytes"))),
        }
    }

    pub(crate) fn error(&self, expected: impl Into<String>, actual: impl ToString) -> DetectError {
        DetectError::malformed(self.what, expected, actual)
    }
}
