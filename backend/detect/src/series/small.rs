//! Numbers in two bytes, so that a device's memory stays small. Unpacking is a shift, packing one
//! addition and a shift; both are exact functions of the bits.

use crate::{DetectError, bytes::Reader};

/// A number that is not negative, with 8 bits of mantissa: within 0.2 % of what was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u16);

impl Size {
    pub(crate) fn new(value: f64) -> Self {
        // Rounded to the nearest; what is too large for 32 bits becomes the largest that fits.
        let value = value.clamp(0.0, f64::from(f32::MAX) / 2.0) as f32;
        Self(((value.to_bits() + 0x4000) >> 15) as u16)
    }

    pub(crate) fn get(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.0) << 15))
    }

    /// Reads two bytes that must be those of a finite number.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let number = Self(reader.u16()?);
        if number.get().is_finite() { Ok(number) } else { Err(reader.error("a finite number", number.0)) }
    }
}

/// A number of either sign, with 7 bits of mantissa: within 0.4 % of what was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offset(pub(crate) u16);

impl Offset {
    pub(crate) fn new(value: f64) -> Self {
        let largest = f64::from(f32::MAX) / 2.0;
        let value = value.clamp(-largest, largest) as f32;
        Self(((value.to_bits() + 0x8000) >> 16) as u16)
    }

    pub(crate) fn get(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.0) << 16))
    }

    /// Reads two bytes that must be those of a finite number.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let number = Self(reader.u16()?);
        if number.get().is_finite() { Ok(number) } else { Err(reader.error("a finite number", number.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_comes_back_nearly() {
        for value in [0.0, 1e-20, 0.3, 1.0, 7.7, 12345.6, 1e30] {
            assert!((Size::new(value).get() - value).abs() <= 0.002 * value);
            assert!((Offset::new(-value).get() + value).abs() <= 0.004 * value);
            assert_eq!(Size::new(Size::new(value).get()), Size::new(value));
            assert_eq!(Offset::new(Offset::new(value).get()), Offset::new(value));
        }
        for huge in [1e300, f64::INFINITY] {
            assert!(Size::new(huge).get().is_finite());
            assert!(Offset::new(huge).get().is_finite() && Offset::new(-huge).get().is_finite());
        }
    }
}
