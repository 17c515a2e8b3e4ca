//! A broker's packets out of its bytes. One that is too long is passed over and named, so that it does not come again for
//! ever.

use std::num::NonZeroU16;

use bytes::{Buf, BytesMut};
use rmqtt_codec::{error::DecodeError, v3};
use tokio_util::codec::Decoder;

/// Longest packet that is read, as at the listener.
const MAX_PACKET: usize = 256 << 10;

/// What came.
pub(super) enum Frame {
    Packet(v3::Packet),
    /// A message that was passed over; its number, if it wants an acknowledgement.
    TooLong(Option<NonZeroU16>),
}

/// Where the next packet begins.
#[derive(Default)]
pub(super) struct Frames {
    codec: v3::Codec,
    /// Bytes of a message that is passed over.
    skip: usize,
}

impl Frames {
    /// The next packet, if it is all here.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let skipped = self.skip.min(buffer.len());
        buffer.advance(skipped);
        self.skip -= skipped;
        let Some((first, header, length)) = header(buffer)? else { return Ok(None) };
        if length > MAX_PACKET {
            return self.pass_over(first, header, length, buffer);
        }
        if buffer.len() < header + length {
            return Ok(None);
        }
        // A whole packet each time, so the codec keeps nothing between two.
        let mut packet = buffer.split_to(header + length);
        Ok(self.codec.decode(&mut packet)?.map(|(packet, _)| Frame::Packet(packet)))
    }

    /// Reads a long message's number, and lets the rest go by.
    fn pass_over(
        &mut self,
        first: u8,
        header: usize,
        length: usize,
        buffer: &mut BytesMut,
    ) -> Result<Option<Frame>, DecodeError> {
        let (publish, acknowledged) = (first >> 4 == 3, first & 0b110 != 0);
        if !publish {
            return Err(DecodeError::MaxSizeExceeded { size: length as u32, max: MAX_PACKET as u32 });
        }
        let Some(topic) = buffer.get(header..header + 2) else { return Ok(None) };
        // The length is above 256 KiB, so topic and number are within it.
        let number = header + 2 + usize::from(u16::from_be_bytes([topic[0], topic[1]]));
        let begun = number + if acknowledged { 2 } else { 0 };
        if buffer.len() < begun {
            return Ok(None);
        }
        let id = acknowledged.then(|| u16::from_be_bytes([buffer[number], buffer[number + 1]]));
        let id = id.map(|id| NonZeroU16::new(id).ok_or(DecodeError::PacketIdRequired)).transpose()?;
        buffer.advance(begun);
        self.skip = header + length - begun;
        Ok(Some(Frame::TooLong(id)))
    }
}

/// The first byte of a packet, the length of its header, and the length of the rest.
fn header(buffer: &[u8]) -> Result<Option<(u8, usize, usize)>, DecodeError> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    let mut length = 0;
    for (at, byte) in rest.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((*first, at + 2, length)));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(DecodeError::InvalidLength) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of QoS 1 on topic `t` with the number 7 and a payload of this length.
    fn message(payload: usize) -> Vec<u8> {
        let length = 2 + 1 + 2 + payload;
        let digit = |at: usize| ((length >> (7 * at)) & 0x7f) as u8;
        let mut bytes = vec![0x32, digit(0) | 0x80, digit(1) | 0x80, digit(2)];
        bytes.extend([0, 1, b't', 0, 7]);
        bytes.resize(bytes.len() + payload, b'x');
        bytes
    }

    /// What comes out of bytes that arrive in pieces of this length.
    fn frames(bytes: &[u8], piece: usize) -> Vec<Result<usize, u16>> {
        let (mut frames, mut buffer, mut out) = (Frames::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = frames.next(&mut buffer).unwrap() {
                out.push(match frame {
                    Frame::Packet(v3::Packet::Publish(publish)) => Ok(publish.payload.len()),
                    Frame::Packet(_) => Ok(0),
                    Frame::TooLong(id) => Err(id.map_or(0, NonZeroU16::get)),
                });
            }
        }
        assert!(buffer.is_empty());
        out
    }

    #[test]
    fn a_message_that_is_too_long_is_passed_over() {
        let bytes = [message(20_000), message(MAX_PACKET), message(3), vec![0xd0, 0]].concat();
        for piece in [1_000, 7, bytes.len()] {
            assert_eq!(frames(&bytes, piece), [Ok(20_000), Err(7), Ok(3), Ok(0)], "in pieces of {piece}");
        }
        let mut long = BytesMut::from(&[0x90, 0xff, 0xff, 0xff, 0x7f][..]);
        assert!(Frames::default().next(&mut long).is_err(), "only messages are passed over");
        let mut endless = BytesMut::from(&[0x32, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(Frames::default().next(&mut endless).is_err());
    }
}
