//! The bytes of packed columns: whole numbers, runs, and numbers with a fraction. docs/spec/chunk.md fixes them.
//!
//! Reading is strict, and takes no memory on the word of what it reads.

use crate::domain::ports::StoreError;

/// The powers of ten that are tried: a value with more decimal places is kept as its bits.
const SCALES: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];

/// In place of a number of decimal places: the values are kept as bits.
const BITS: u8 = 255;

/// Whole numbers up to this are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How hard zstd tries. Higher levels take longer and gain nothing on such columns: see docs/decisions/chunks.md.
const LEVEL: i32 = 1;

/// What cannot be what was packed.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("packed readings: {what}"))
}

/// Writes columns.
#[derive(Default)]
pub(super) struct Out(Vec<u8>);

impl Out {
    /// A whole number that is not negative, in groups of seven bits (LEB128).
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A whole number: 0, -1, 1, -2, … as 0, 1, 2, 3, …
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// A text with its length.
    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Each number as its difference from the one before; the first from 0.
    pub(super) fn differences(&mut self, numbers: impl IntoIterator<Item = i64>) {
        let mut last = 0i64;
        for number in numbers {
            self.signed(number.wrapping_sub(last));
            last = number;
        }
    }

    /// Equal numbers that follow each other as one, with how many.
    pub(super) fn runs(&mut self, numbers: impl IntoIterator<Item = u64>) {
        let mut run: Option<(u64, u64)> = None;
        for number in numbers {
            run = match run {
                Some((same, length)) if same == number => Some((same, length + 1)),
                ended => {
                    self.run(ended);
                    Some((number, 1))
                }
            };
        }
        self.run(run);
    }

    fn run(&mut self, run: Option<(u64, u64)>) {
        if let Some((number, length)) = run {
            self.number(number);
            self.number(length);
        }
    }

    /// Numbers with a fraction: as whole multiples of a power of ten where all of them are, else as their bits.
    pub(super) fn floats(&mut self, values: &[f64]) {
        for (places, scale) in (0..).zip(SCALES) {
            if values.iter().all(|value| whole(*value, scale).is_some()) {
                self.0.push(places);
                self.differences(values.iter().filter_map(|value| whole(*value, scale)));
                return;
            }
        }
        self.0.push(BITS);
        let mut last = 0;
        let changes: Vec<u64> =
            values.iter().map(|value| std::mem::replace(&mut last, value.to_bits()) ^ value.to_bits()).collect();
        for byte in 0..8 {
            self.0.extend(changes.iter().map(|change| (change >> (8 * byte)) as u8));
        }
    }

    /// All of it, compressed, with a checksum and the version before it.
    pub(super) fn finish(self, version: u8) -> Result<Vec<u8>, StoreError> {
        let failed = |error: std::io::Error| StoreError::Engine(Box::new(error));
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
        compressor.include_checksum(true).map_err(failed)?;
        let mut bytes = vec![version];
        bytes.extend(compressor.compress(&self.0).map_err(failed)?);
        Ok(bytes)
    }
}

/// A value as a multiple of `1 / scale`, if exactly these bits come back.
fn whole(value: f64, scale: f64) -> Option<i64> {
    let multiple = (value * scale).round();
    let whole = (multiple.abs() < EXACT).then_some(multiple as i64)?;
    (whole as f64 / scale).to_bits().eq(&value.to_bits()).then_some(whole)
}

/// What was written by [`Out::finish`], checked and opened.
pub(super) fn open(bytes: &[u8], version: u8, longest: usize) -> Result<Vec<u8>, StoreError> {
    let Some((found, frame)) = bytes.split_first() else { return Err(damaged("there is nothing")) };
    if *found != version {
        return Err(damaged(&format!("expected version {version}, found {found}")));
    }
    zstd::bulk::decompress(frame, longest).map_err(|error| damaged(&error.to_string()))
}

/// Reads columns.
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl<'a> In<'a> {
    /// See [`Out::number`].
    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(|| damaged("a number is cut off"))?;
            self.0 = rest;
            if shift == 63 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("a number is too long"))
    }

    /// See [`Out::signed`].
    pub(super) fn signed(&mut self) -> Result<i64, StoreError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number that says how many follow, each of at least one byte.
    pub(super) fn length(&mut self) -> Result<usize, StoreError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > self.0.len() {
            return Err(damaged("a length goes beyond the end"));
        }
        Ok(length)
    }

    /// See [`Out::text`].
    pub(super) fn text(&mut self) -> Result<&'a str, StoreError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| damaged("a text is not UTF-8"))
    }

    /// See [`Out::differences`].
    pub(super) fn differences(&mut self, count: usize) -> Result<Vec<i64>, StoreError> {
        let mut last = 0i64;
        (0..count)
            .map(|_| {
                last = last.wrapping_add(self.signed()?);
                Ok(last)
            })
            .collect()
    }

    /// See [`Out::runs`]. Each number has to be below `bound`.
    pub(super) fn runs(&mut self, count: usize, bound: usize) -> Result<Vec<usize>, StoreError> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let (number, length) = (self.number()?, self.number()?);
            let left = (count - numbers.len()) as u64;
            if number >= bound as u64 || !(1..=left).contains(&length) {
                return Err(damaged("a run is not of this column"));
            }
            numbers.resize(numbers.len() + length as usize, number as usize);
        }
        Ok(numbers)
    }

    /// See [`Out::floats`].
    pub(super) fn floats(&mut self, count: usize) -> Result<Vec<f64>, StoreError> {
        let places = self.take(1)?[0];
        if let Some(scale) = SCALES.get(usize::from(places)) {
            return Ok(self.differences(count)?.into_iter().map(|multiple| multiple as f64 / scale).collect());
        }
        if places != BITS {
            return Err(damaged("a column of an unknown form"));
        }
        let bytes = self.take(8 * count)?;
        let mut last = 0u64;
        Ok((0..count)
            .map(|at| {
                for byte in 0..8 {
                    last ^= u64::from(bytes[byte * count + at]) << (8 * byte);
                }
                f64::from_bits(last)
            })
            .collect())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| damaged("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), StoreError> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("something follows the end")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn any_float() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-1_000_000i64..1_000_000, 0..7i32).prop_map(|(whole, places)| whole as f64 / 10f64.powi(places)),
            Just(0.0),
            Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn columns_come_back_with_the_same_bits(
            floats in proptest::collection::vec(any_float(), 0..300),
            numbers in proptest::collection::vec(any::<i64>(), 0..300),
            runs in proptest::collection::vec(0..4u64, 0..300),
        ) {
            let mut out = Out::default();
            out.floats(&floats);
            out.differences(numbers.iter().copied());
            out.runs(runs.iter().copied());
            out.text("µ");
            let bytes = out.finish(7).unwrap();
            let opened = open(&bytes, 7, 1 << 20).unwrap();
            let mut read = In(&opened);
            let bits = |floats: &[f64]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read.floats(floats.len()).unwrap()), bits(&floats));
            prop_assert_eq!(read.differences(numbers.len()).unwrap(), numbers);
            let found: Vec<u64> = read.runs(runs.len(), 4).unwrap().into_iter().map(|run| run as u64).collect();
            prop_assert_eq!(found, runs);
            prop_assert_eq!(read.text().unwrap(), "µ");
            read.end().unwrap();
        }

        #[test]
        fn a_changed_byte_shows(floats in proptest::collection::vec(any_float(), 1..100), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut out = Out::default();
            out.floats(&floats);
            let mut bytes = out.finish(7).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let opened = open(&bytes, 7, 1 << 20);
            let read = opened.and_then(|opened| In(&opened).floats(floats.len()));
            let bits = |floats: &[f64]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
            // A bit of the frame's header that means nothing may change nothing; a value never comes back changed.
            if let Ok(read) = read {
                prop_assert_eq!(bits(&read), bits(&floats));
            }
        }
    }
}
