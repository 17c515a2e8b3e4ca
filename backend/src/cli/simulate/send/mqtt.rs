//! A message of MQTT 3.1.1 for each reading, with QoS 1. The verdicts come as messages too, each before its PUBACK.

use std::num::NonZeroU16;

use api::ReadingResult;
use bytes::BytesMut;
use bytestring::ByteString;
use rmqtt_codec::{
    error::{DecodeError, EncodeError},
    types::{Publish, QoS},
    v3,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::codec::{Decoder, Encoder};

use super::{
    Answer, Reading,
    kept::{Failure, Place, Talk},
};

/// Where verdicts are told.
const VERDICTS: &str = "v1/devices/me/verdicts";

/// Messages that wait for their acknowledgement: what the service takes at a time.
const WINDOW: usize = 128;

/// Seconds of silence that the service bears, and half as many again. Longer, and the connection is made anew.
const KEEP_ALIVE: u16 = 1_200;

/// A connection.
pub(super) struct Session {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    codec: v3::Codec,
    buffer: BytesMut,
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Refused(format!("not MQTT 3.1.1: {error}"))
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::Refused(format!("a packet cannot be written: {error}"))
    }
}

impl Talk for Session {
    async fn open(place: &Place) -> Result<Self, Failure> {
        let (read, write) = place.connect().await?.into_split();
        let mut session = Self { read, write, codec: v3::Codec::default(), buffer: BytesMut::new() };
        session.connect(place).await?;
        Ok(session)
    }

    async fn talk(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(readings.len());
        for batch in readings.chunks(WINDOW) {
            answers.extend(self.publish(batch).await?);
        }
        Ok(answers)
    }
}

impl Session {
    async fn connect(&mut self, place: &Place) -> Result<(), Failure> {
        let text = |text: &str| ByteString::from(text);
        let connect = v3::Connect {
            clean_session: true,
            keep_alive: KEEP_ALIVE,
            client_id: format!("simulate-{}-{}", std::process::id(), place.number).into(),
            username: place.key.as_deref().map(text),
            ..v3::Connect::default()
        };
        self.put([v3::Packet::Connect(Box::new(connect))]).await?;
        match self.next().await? {
            v3::Packet::ConnectAck(answer) if answer.return_code == v3::ConnectAckReason::ConnectionAccepted => {}
            v3::Packet::ConnectAck(answer) => {
                let why = answer.return_code.reason().to_owned();
                return Err(match answer.return_code {
                    v3::ConnectAckReason::ServiceUnavailable => Failure::Passing(why),
                    _ => Failure::Refused(why),
                });
            }
            _ => return Err(unexpected("an answer to the connection")),
        }
        let topic_filters = vec![(text(VERDICTS), QoS::AtMostOnce)];
        self.put([v3::Packet::Subscribe { packet_id: NonZeroU16::MIN, topic_filters }]).await?;
        match self.next().await? {
            v3::Packet::SubscribeAck { status, .. } if !status.contains(&v3::SubscribeReturnCode::Failure) => Ok(()),
            _ => Err(unexpected("verdicts to be told")),
        }
    }

    async fn publish(&mut self, batch: &[Reading<'_>]) -> Result<Vec<Answer>, Failure> {
        let packets = (1..=u16::MAX).zip(batch).map(|(id, reading)| {
            v3::Packet::Publish(Box::new(Publish {
                dup: false,
                retain: false,
                qos: QoS::AtLeastOnce,
                topic: format!("devices/{}/readings", reading.device).into(),
                packet_id: NonZeroU16::new(id),
                payload: reading.json().to_string().into_bytes().into(),
                properties: None,
            }))
        });
        // A batch is far shorter than what the system holds for a connection, so it can be written before it is read.
        self.put(packets.collect::<Vec<_>>()).await?;
        let (mut answers, mut acknowledged) = (Vec::with_capacity(batch.len()), 0);
        while acknowledged < batch.len() {
            match self.next().await? {
                v3::Packet::Publish(said) => {
                    let result: ReadingResult = serde_json::from_slice(&said.payload)
                        .map_err(|error| Failure::Refused(format!("not a verdict of this service: {error}")))?;
                    answers.push(Answer::from(result));
                }
                v3::Packet::PublishAck { .. } => acknowledged += 1,
                _ => return Err(unexpected("acknowledgements")),
            }
        }
        match answers.len() == batch.len() {
            true => Ok(answers),
            false => Err(unexpected("a verdict for each message")),
        }
    }

    async fn put(&mut self, packets: impl IntoIterator<Item = v3::Packet>) -> Result<(), Failure> {
        let mut out = BytesMut::new();
        for packet in packets {
            self.codec.encode(packet, &mut out)?;
        }
        Ok(self.write.write_all(&out).await?)
    }

    async fn next(&mut self) -> Result<v3::Packet, Failure> {
        loop {
            if let Some((packet, _)) = self.codec.decode(&mut self.buffer)? {
                return Ok(packet);
            }
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                return Err(Failure::Passing("the connection has ended".into()));
            }
        }
    }
}

fn unexpected(expected: &str) -> Failure {
    Failure::Refused(format!("expected {expected}, and the service sent another packet"))
}
