//! The same load over connections that stay open.

use serde_json::{Value, json};

use crate::{
    load::{Acknowledged, batch},
    mqtt::{MqttClient, V5, publish},
    socket::Socket,
};

/// Messages that are under way on a WebSocket, each with the readings of a request.
const UNDER_WAY: u64 = 4;

/// How an acknowledgement of a PUBLISH with QoS 1 begins.
const PUBACK: u8 = 0x40;

/// Over a WebSocket, until the connection ends; each message that was acknowledged is told to `keep`.
pub(super) async fn over_websocket(url: &str, sender: &str, mut keep: impl FnMut(Vec<Acknowledged>)) {
    let mut socket = Socket::open(url).await;
    for number in 0.. {
        let message = json!({ "type": "readings", "id": number, "readings": batch(sender, number) });
        if !socket.say(&message).await {
            return;
        }
        let Some(first) = number.checked_sub(UNDER_WAY) else { continue };
        // A service that stops says so in an error.
        let Ok(api::SocketMessage::Ack { id, results }) = socket.hear().await else { return };
        assert_eq!(id, Some(first), "in their order");
        keep(Acknowledged::of(batch(sender, first), results));
    }
}

/// By MQTT, which tells no verdict with an acknowledgement, until the connection ends.
pub(super) async fn by_mqtt(address: &str, sender: &str, mut keep: impl FnMut(Vec<Acknowledged>)) {
    let mut client = MqttClient::connect(address, V5, sender).await;
    let message = |(at, reading): (usize, &Value)| {
        let device = reading["device"].as_str().expect("a device");
        publish(V5, &format!("devices/{device}/readings"), Some(at as u16 + 1), &reading.to_string())
    };
    for number in 0.. {
        let readings = batch(sender, number);
        if !client.send(&readings.iter().enumerate().flat_map(message).collect::<Vec<u8>>()).await {
            return;
        }
        for (at, reading) in readings.into_iter().enumerate() {
            // A service that stops disconnects.
            let Some(answer) = client.next().await.filter(|answer| answer.first == PUBACK) else { return };
            assert_eq!(answer.body[..2], (at as u16 + 1).to_be_bytes(), "in their order");
            if answer.body.get(2).is_none_or(|reason| *reason == 0) {
                keep(vec![Acknowledged { reading, judgement: None, mark: 0 }]);
            }
        }
    }
}
