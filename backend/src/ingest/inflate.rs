//! A compressed body, unpacked as it arrives, within a bound on what comes out.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// Unpacks gzip (RFC 1952), of one or several members.
pub(crate) struct Inflater(MultiGzDecoder<Bounded>);

/// Why no more is unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// More comes out than is allowed.
    TooLong,
    /// It is not gzip, or broke off.
    Malformed,
}

/// What came out, so much at most.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Inflater {
    /// Unpacks to at most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(MultiGzDecoder::new(Bounded { bytes: Vec::new(), most }))
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// See [`Unpacked`].
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Unpacked> {
        self.0.write_all(piece).map_err(|error| explain(&error))
    }

    /// How much has come out.
    pub(crate) fn len(&self) -> usize {
        self.0.get_ref().bytes.len()
    }

    /// All that came out.
    ///
    /// # Errors
    /// See [`Unpacked`].
    pub(crate) fn finish(self) -> Result<Vec<u8>, Unpacked> {
        self.0.finish().map(|bounded| bounded.bytes).map_err(|error| explain(&error))
    }
}

fn explain(error: &io::Error) -> Unpacked {
    if error.kind() == io::ErrorKind::FileTooLarge { Unpacked::TooLong } else { Unpacked::Malformed }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: &[u8], piece: usize, most: usize) -> Result<Vec<u8>, Unpacked> {
        let mut inflater = Inflater::new(most);
        bytes.chunks(piece).try_for_each(|piece| inflater.push(piece))?;
        inflater.finish()
    }

    #[test]
    fn gives_what_was_packed() {
        for piece in [1, 7, 1 << 20] {
            assert_eq!(unpack(&packed(b"hello"), piece, 5).unwrap(), b"hello");
            let two = [packed(b"hello, "), packed(b"again")].concat();
            assert_eq!(unpack(&two, piece, 100).unwrap(), b"hello, again");
        }
    }

    #[test]
    fn a_bomb_ends_early() {
        let bomb = packed(&vec![0; 100 << 20]);
        assert!(bomb.len() < 200 << 10);
        let mut inflater = Inflater::new(1 << 20);
        let pieces = bomb.chunks(1 << 10).take_while(|piece| inflater.push(piece).is_ok()).count();
        assert!(pieces <= 2, "{pieces}");
        assert!(inflater.len() <= 1 << 20);
        assert_eq!(unpack(&bomb, 1 << 10, 1 << 20), Err(Unpacked::TooLong));
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        let good = packed(b"hello");
        let mut bad_sum = good.clone();
        *bad_sum.iter_mut().rev().nth(5).unwrap() ^= 1;
        for bytes in [b"hello".to_vec(), good[..good.len() - 1].to_vec(), good[..5].to_vec(), bad_sum, Vec::new()] {
            assert_eq!(unpack(&bytes, 3, 100), Err(Unpacked::Malformed), "{bytes:?}");
        }
    }
}
