//! Packets of MQTT 3.1.1 and 5 as one set. The bytes are `rmqtt-codec`'s; sessions and their rules are elsewhere.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::{
    error::{DecodeError, EncodeError},
    types::{Publish, QoS},
    v3,
    v5::{self, ConnectAckReason, DisconnectReasonCode, PublishAckReason, SubscribeAckReason, ToReasonCode},
    version::{ProtocolVersion, VersionCodec},
};
use tokio_util::codec::{Decoder, Encoder};

/// A first packet has a client id, a user name and a password at most. 8 KiB hold those of every client that was met,
/// and bound what strangers may make the service keep.
const MAX_HELLO: u32 = 8 << 10;

/// Clients that take packets of this length get told why a message was refused; a reason is at most 512 bytes.
const ROOM_FOR_REASONS: u32 = 1_024;

/// What a connection starts with.
pub(super) struct Hello {
    pub(super) version: u8,
    pub(super) client_id: ByteString,
    /// Seconds; 0 for none.
    pub(super) keep_alive: u16,
    pub(super) user: Option<ByteString>,
    pub(super) password: Option<Bytes>,
    /// The longest packet that the client takes.
    max_packet: Option<u32>,
    /// Whether it asks for an exchange of further packets to prove who it is.
    pub(super) extended: bool,
}

/// A publication.
pub(super) struct Message {
    pub(super) topic: ByteString,
    pub(super) payload: Bytes,
    /// What is acknowledged; none of QoS 0.
    pub(super) id: Option<NonZeroU16>,
    pub(super) qos: QoS,
    /// Whether a number stands for the topic, which nobody was offered.
    pub(super) aliased: bool,
}

/// What clients send.
pub(super) enum Packet {
    Connect(Hello),
    Publish(Message),
    Subscribe {
        id: NonZeroU16,
        filters: Vec<ByteString>,
    },
    Unsubscribe {
        id: NonZeroU16,
        filters: Vec<ByteString>,
    },
    Ping,
    Disconnect,
    /// Of a flow that this listener does not start.
    Other,
}

/// What this listener sends.
pub(super) enum Reply {
    Welcome(Welcome),
    Unwelcome(ConnectAckReason),
    /// Of a refused message with why.
    Published {
        id: NonZeroU16,
        reason: PublishAckReason,
        why: Option<String>,
    },
    Subscribed {
        id: NonZeroU16,
        reasons: Vec<SubscribeAckReason>,
    },
    Unsubscribed {
        id: NonZeroU16,
        count: usize,
    },
    Pong,
    Publish {
        topic: &'static str,
        payload: Bytes,
    },
    Bye(DisconnectReasonCode),
}

/// What is granted to a client.
pub(super) struct Welcome {
    /// The name that the listener chose, where the client gave none.
    pub(super) assigned_client_id: Option<ByteString>,
    /// Messages that may wait for their acknowledgement.
    pub(super) window: NonZeroU16,
    pub(super) max_packet: u32,
    /// Seconds, where they are not those that the client asked for.
    pub(super) keep_alive: Option<u16>,
}

enum Codec {
    Unknown,
    V3(v3::Codec),
    V5(v5::Codec),
}

/// One connection's codec.
pub(super) struct Wire {
    codec: Codec,
    max_packet: u32,
}

impl Wire {
    /// One that does not know the version yet.
    pub(super) fn new() -> Self {
        Self { codec: Codec::Unknown, max_packet: u32::MAX }
    }

    /// Lets packets of this length in: the sender is known.
    pub(super) fn widen(&mut self, max_in: u32) {
        match &mut self.codec {
            Codec::Unknown => {}
            Codec::V3(codec) => codec.set_max_size(max_in),
            Codec::V5(codec) => codec.set_max_inbound_size(max_in),
        }
    }

    /// The next packet, if it is all here.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        if let Codec::Unknown = self.codec {
            // Needs 14 bytes at most.
            match VersionCodec.decode(buffer)? {
                None => return Ok(None),
                Some(ProtocolVersion::MQTT3) => self.codec = Codec::V3(v3::Codec::new(MAX_HELLO)),
                Some(ProtocolVersion::MQTT5) => self.codec = Codec::V5(v5::Codec::new(MAX_HELLO, 0)),
            }
        }
        let packet = match &mut self.codec {
            Codec::Unknown => None,
            Codec::V3(codec) => codec.decode(buffer)?.map(|(packet, _)| of_v3(packet)),
            Codec::V5(codec) => codec.decode(buffer)?.map(|(packet, _)| of_v5(packet)),
        };
        if let Some(Packet::Connect(hello)) = &packet {
            self.max_packet = hello.max_packet.unwrap_or(u32::MAX);
        }
        Ok(packet)
    }

    /// Writes a packet, unless the client does not take one as long, or the version does not have it.
    pub(super) fn put(&mut self, reply: Reply, out: &mut BytesMut) -> Result<(), EncodeError> {
        // The fixed header and the topic of what is pushed are shorter than 64 bytes.
        if matches!(&reply, Reply::Publish { payload, .. } if payload.len() + 64 > self.max_packet as usize) {
            return Ok(());
        }
        match &mut self.codec {
            Codec::Unknown => Ok(()),
            Codec::V3(codec) => to_v3(reply).map_or(Ok(()), |packet| codec.encode(packet, out)),
            Codec::V5(codec) => codec.encode(to_v5(reply, self.max_packet >= ROOM_FOR_REASONS), out),
        }
    }

    /// Writes why the connection ends because of these bytes, if anybody can be told.
    pub(super) fn put_fault(&mut self, fault: &DecodeError, greeted: bool, out: &mut BytesMut) {
        let reply = match (greeted, fault) {
            (true, fault) => Reply::Bye(fault.to_reason_code()),
            (false, DecodeError::InvalidClientId) => Reply::Unwelcome(ConnectAckReason::ClientIdentifierNotValid),
            (false, DecodeError::MaxSizeExceeded { .. }) => Reply::Unwelcome(ConnectAckReason::PacketTooLarge),
            (false, _) => Reply::Unwelcome(ConnectAckReason::MalformedPacket),
        };
        // The connection ends either way.
        let _ = self.put(reply, out);
    }
}

fn of_v3(packet: v3::Packet) -> Packet {
    match packet {
        v3::Packet::Connect(connect) => Packet::Connect(Hello {
            version: connect.protocol.level(),
            client_id: connect.client_id,
            keep_alive: connect.keep_alive,
            user: connect.username,
            password: connect.password,
            max_packet: None,
            extended: false,
        }),
        v3::Packet::Publish(publish) => Packet::Publish(message(*publish)),
        v3::Packet::Subscribe { packet_id, topic_filters } => {
            Packet::Subscribe { id: packet_id, filters: topic_filters.into_iter().map(|(filter, _)| filter).collect() }
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            Packet::Unsubscribe { id: packet_id, filters: topic_filters }
        }
        v3::Packet::PingRequest => Packet::Ping,
        v3::Packet::Disconnect => Packet::Disconnect,
        _ => Packet::Other,
    }
}

fn of_v5(packet: v5::Packet) -> Packet {
    match packet {
        v5::Packet::Connect(connect) => Packet::Connect(Hello {
            version: 5,
            client_id: connect.client_id,
            keep_alive: connect.keep_alive,
            user: connect.username,
            password: connect.password,
            max_packet: connect.max_packet_size.map(Into::into),
            extended: connect.auth_method.is_some(),
        }),
        v5::Packet::Publish(publish) => Packet::Publish(message(*publish)),
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe.topic_filters.into_iter().map(|(filter, _)| filter).collect();
            Packet::Subscribe { id: subscribe.packet_id, filters }
        }
        v5::Packet::Unsubscribe(unsubscribe) => {
            Packet::Unsubscribe { id: unsubscribe.packet_id, filters: unsubscribe.topic_filters }
        }
        v5::Packet::PingRequest => Packet::Ping,
        v5::Packet::Disconnect(_) => Packet::Disconnect,
        _ => Packet::Other,
    }
}

fn message(publish: Publish) -> Message {
    let aliased = publish.properties.is_some_and(|properties| properties.topic_alias.is_some());
    let Publish { topic, payload, packet_id, qos, .. } = publish;
    Message { topic, payload, id: packet_id, qos, aliased }
}

fn pushed(topic: &'static str, payload: Bytes, properties: Option<v5::PublishProperties>) -> Box<Publish> {
    let topic = ByteString::from_static(topic);
    Box::new(Publish { dup: false, retain: false, qos: QoS::AtMostOnce, topic, packet_id: None, payload, properties })
}

fn to_v3(reply: Reply) -> Option<v3::Packet> {
    let greeting = |return_code| Some(v3::Packet::ConnectAck(v3::ConnectAck { return_code, session_present: false }));
    match reply {
        Reply::Welcome(_) => greeting(v3::ConnectAckReason::ConnectionAccepted),
        Reply::Unwelcome(reason) => greeting(match reason {
            ConnectAckReason::UnsupportedProtocolVersion => v3::ConnectAckReason::UnacceptableProtocolVersion,
            ConnectAckReason::ClientIdentifierNotValid => v3::ConnectAckReason::IdentifierRejected,
            ConnectAckReason::BadUserNameOrPassword => v3::ConnectAckReason::BadUserNameOrPassword,
            ConnectAckReason::NotAuthorized => v3::ConnectAckReason::NotAuthorized,
            ConnectAckReason::ServerBusy => v3::ConnectAckReason::ServiceUnavailable,
            // Malformed: 3.1.1 closes without a word.
            _ => return None,
        }),
        Reply::Published { id, .. } => Some(v3::Packet::PublishAck { packet_id: id }),
        Reply::Subscribed { id, reasons } => {
            let status = |reason| match reason {
                SubscribeAckReason::GrantedQos0 => v3::SubscribeReturnCode::Success(QoS::AtMostOnce),
                _ => v3::SubscribeReturnCode::Failure,
            };
            Some(v3::Packet::SubscribeAck { packet_id: id, status: reasons.into_iter().map(status).collect() })
        }
        Reply::Unsubscribed { id, .. } => Some(v3::Packet::UnsubscribeAck { packet_id: id }),
        Reply::Pong => Some(v3::Packet::PingResponse),
        Reply::Publish { topic, payload } => Some(v3::Packet::Publish(pushed(topic, payload, None))),
        Reply::Bye(_) => None,
    }
}

fn to_v5(reply: Reply, reasons_fit: bool) -> v5::Packet {
    match reply {
        Reply::Welcome(welcome) => v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
            // Nothing is kept for a client that has gone: what it was owed is a QoS 0 push.
            session_expiry_interval_secs: Some(0),
            receive_max: welcome.window,
            max_qos: QoS::AtLeastOnce,
            max_packet_size: Some(welcome.max_packet),
            assigned_client_id: welcome.assigned_client_id,
            retain_available: false,
            wildcard_subscription_available: false,
            subscription_identifiers_available: false,
            shared_subscription_available: false,
            server_keepalive_sec: welcome.keep_alive,
            ..v5::ConnectAck::default()
        })),
        Reply::Unwelcome(reason) => {
            v5::Packet::ConnectAck(Box::new(v5::ConnectAck { reason_code: reason, ..v5::ConnectAck::default() }))
        }
        Reply::Published { id, reason, why } => v5::Packet::PublishAck(v5::PublishAck {
            packet_id: id,
            reason_code: reason,
            reason_string: why.filter(|_| reasons_fit).map(|why| shortened(&why)),
            ..v5::PublishAck::default()
        }),
        Reply::Subscribed { id, reasons } => v5::Packet::SubscribeAck(v5::SubscribeAck {
            packet_id: id,
            properties: Vec::new(),
            reason_string: None,
            status: reasons,
        }),
        Reply::Unsubscribed { id, count } => v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
            packet_id: id,
            properties: Vec::new(),
            reason_string: None,
            status: vec![v5::UnsubscribeAckReason::Success; count],
        }),
        Reply::Pong => v5::Packet::PingResponse,
        Reply::Publish { topic, payload } => {
            v5::Packet::Publish(pushed(topic, payload, Some(v5::PublishProperties::default())))
        }
        Reply::Bye(reason_code) => v5::Packet::Disconnect(v5::Disconnect::new(reason_code)),
    }
}

/// The beginning of a text, in at most 512 bytes.
fn shortened(text: &str) -> ByteString {
    ByteString::from(&text[..text.floor_char_boundary(512)])
}
