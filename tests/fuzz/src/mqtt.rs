//! What the service reads of strangers by MQTT: of clients before and after they were let in, and of a broker. The files
//! are the service's own, which is a program and no library.

#![allow(dead_code, unreachable_pub, reason = "the files serve sessions, which are not here")]

#[path = "../../../backend/src/ingest/mqtt/client/frames.rs"]
mod frames;
#[path = "../../../backend/src/ingest/mqtt/wire.rs"]
mod wire;

use bytes::BytesMut;

/// What a session lets in.
const MAX_PACKET: u32 = 256 << 10;

/// Bytes of a client, at once and in two pieces: no length that they announce makes the service keep more than a packet.
pub(crate) fn clients(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let (mut wire, mut buffer) = (wire::Wire::new(), BytesMut::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Ok(Some(_)) = wire.next(&mut buffer) {
                wire.widen(MAX_PACKET);
            }
            assert!(buffer.capacity() <= 4 * (MAX_PACKET as usize + data.len()), "a packet is given room, not more");
        }
    };
    let (before, behind) = data.split_at(data.len() / 2);
    read(&[data]);
    read(&[before, behind]);
}

/// Bytes of a broker: each byte is read once, and nothing is kept of what is passed over.
pub(crate) fn broker(data: &[u8]) {
    let (mut frames, mut buffer) = (frames::Frames::default(), BytesMut::from(data));
    let mut last = buffer.len();
    while let Ok(Some(_)) = frames.next(&mut buffer) {
        assert!(buffer.len() < last, "a packet has bytes");
        last = buffer.len();
    }
}

/// A client's and a broker's honest packets.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        &b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a\x32\x08\0\x01t\0\x07{}1\xc0\0\xe0\0"[..],
        b"\x10\x12\0\x04MQTT\x05\xc2\0\0\0\0\x01a\0\x01u\0\x01p\x32\x07\0\x01t\0\x07\0{\x82\x07\0\x01\0\0\x01a\0",
        b"\x20\x02\0\0\x90\x03\0\x01\x01\x32\x08\0\x01t\0\x07{}1\xd0\0",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}
