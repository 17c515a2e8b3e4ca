//! Readings by MQTT: with Mosquitto's clients, with raw packets, and with what strangers send.

use std::{process::Output, time::Duration};

use e2e::{
    Trial,
    mqtt::{MqttClient, V3, V5, connect, packet, publish, subscribe},
    poll,
    service::{http, send},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const OWN: &str = "v1/devices/me/telemetry";
const VERDICTS: &str = "v1/devices/me/verdicts";

/// A trial that takes readings by MQTT too, with further flags, and where.
async fn trial_with(flags: &[&str]) -> (Trial, String) {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    // A port of its own, so that it has the same after a start.
    let address = format!("127.0.0.1:{}", e2e::process::free_port());
    trial.settings().flags = ["--mqtt", &address].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
    trial.start_service().await;
    (trial, address)
}

async fn trial() -> (Trial, String) {
    let (trial, address) = trial_with(&[]).await;
    trial.ready().await;
    (trial, address)
}

/// One of Mosquitto's programs, with an address and further arguments.
async fn mosquitto(program: &str, address: &str, arguments: &[&str]) -> (i32, String) {
    let (host, port) = address.rsplit_once(':').expect("a port");
    let mut command = tokio::process::Command::new(program);
    command.args(["-h", host, "-p", port]).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("it ends");
    let Output { status, stdout, stderr } = output.expect("Mosquitto's clients are installed: run scripts/setup");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// A message in ThingsBoard's shape, at a second of the past.
fn timed(second: u64) -> String {
    format!(r#"{{"ts":{},"values":{{"temperature":20.5,"humidity":50}}}}"#, 1_767_225_600_000 + second * 1_000)
}

/// The same as `POST /api/v1/readings` takes it.
fn posted(device: &str, second: u64) -> Value {
    json!({ "device": device, "time": 1_767_225_600 + second, "metrics": { "temperature": 20.5, "humidity": 50 } })
}

/// Sent again over HTTP, every one of them is known.
async fn are_stored(trial: &Trial, readings: &[Value]) {
    for chunk in readings.chunks(1_000) {
        let answer = trial.post("/api/v1/readings", &json!(chunk)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        for (reading, result) in chunk.iter().zip(results.results) {
            assert_eq!(result.status, api::Status::Duplicate, "{reading}");
        }
    }
}

async fn metric(trial: &Trial, line: &str) -> f64 {
    let text = trial.get("/metrics").await.text();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_clients_publish_and_hear_verdicts() {
    let (mut trial, address) = trial().await;
    for (version, name) in [("mqttv311", "three"), ("mqttv5", "five")] {
        // A reading and its verdict on one connection.
        let arguments = ["-V", version, "-i", name, "-q", "1", "-t", OWN, "-e", VERDICTS, "-m", &timed(0)];
        let (code, said) = mosquitto("mosquitto_rr", &address, &arguments).await;
        let verdict: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!((code, &verdict["status"], &verdict["device"]), (0, &json!("stored"), &json!(name)), "{said}");
        assert!(verdict["judgement"]["score"].is_number(), "{said}");

        // Several hundred, as many under way as the client likes.
        let file = trial.file("lines");
        std::fs::write(&file, (1..400).map(|at| timed(at) + "\n").collect::<String>()).expect("a file");
        let file = file.display().to_string();
        let pipe = format!(
            "mosquitto_pub -V {version} -i {name} -q 1 -t {OWN} -l -h 127.0.0.1 -p {} < {file}",
            port(&address)
        );
        let (code, said) = shell(&pipe).await;
        assert_eq!(code, 0, "{said}");
        are_stored(&trial, &(0..400).map(|at| posted(name, at)).collect::<Vec<_>>()).await;

        // Of others one may send only by their names, and a gateway several at once.
        let message = r#"{"sequence":1,"metrics":{"temperature":20.5}}"#;
        let topic = format!("devices/{name}-b/readings");
        assert_eq!(
            mosquitto("mosquitto_pub", &address, &["-V", version, "-q", "1", "-t", &topic, "-m", message]).await.0,
            0
        );
        let message = format!(r#"{{"{name}-c":[{}],"{name}-d":{{"temperature":1}}}}"#, timed(7));
        let arguments = ["-V", version, "-q", "1", "-t", "v1/gateway/telemetry", "-m", &message];
        assert_eq!(mosquitto("mosquitto_pub", &address, &arguments).await.0, 0);
        are_stored(&trial, &[posted(&format!("{name}-c"), 7)]).await;
    }
    trial.stop_service().await;
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').expect("a port").1
}

async fn shell(line: &str) -> (i32, String) {
    let output = tokio::process::Command::new("sh").args(["-c", line]).output().await.expect("a shell");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_is_told_why_not() {
    let (trial, address) = trial().await;
    let try_to = async |version: &str, more: &[&str]| {
        let arguments = [&["-d", "-V", version, "-i", "oven"], more].concat();
        mosquitto("mosquitto_pub", &address, &arguments).await
    };
    for (topic, message, code) in [
        (OWN, r#"{"temperature":"warm"}"#, "RC:153"),
        (OWN, "{", "RC:153"),
        (OWN, r#"{"temperature":1e999}"#, "RC:153"),
        ("devices/oven/readings", r#"{"device":"other","metrics":{"t":1}}"#, "RC:153"),
        ("v1/devices/me/attributes", "{}", "RC:144"),
        (OWN, r#"{"temperature":20}"#, "RC:0"),
    ] {
        let said = try_to("mqttv5", &["-q", "1", "-t", topic, "-m", message]).await.1;
        assert!(said.contains(code), "{topic} {message}: {said}");
        // By 3.1.1 nobody can be told; unacknowledged it would come for ever.
        let said = try_to("mqttv311", &["-q", "1", "-t", topic, "-m", message]).await.1;
        assert!(said.contains("PUBACK"), "{topic} {message}: {said}");
    }
    assert!(metric(&trial, "messages_refused_total{source=\"mqtt\",code=\"invalid_reading\"}").await >= 6.0);

    let no_key = "ald_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for key in [&["-u", no_key][..], &["-u", "oven", "-P", no_key], &["-u", "admin"]] {
        let arguments = [key, &["-q", "1", "-t", OWN, "-m", "{}"]].concat();
        let (code, said) = try_to("mqttv311", &arguments).await;
        assert!(code != 0 && said.contains("CONNACK (4)"), "{key:?}: {said}");
        let (code, said) = try_to("mqttv5", &arguments).await;
        assert!(code != 0 && said.contains("CONNACK (134)"), "{key:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_the_same_as_for_http() {
    let (trial, address) = {
        let mut trial = Trial::prepare(e2e::Chain::start().await).await;
        let address = format!("127.0.0.1:{}", e2e::process::free_port());
        trial.settings().flags = vec!["--mqtt".into(), address.clone(), "--tls-self-made".into()];
        trial.start_service().await;
        (trial, address)
    };
    let certificate = trial.data_dir().join("tls-self-made.crt").display().to_string();
    for version in ["mqttv311", "mqttv5"] {
        let arguments =
            ["-V", version, "-i", "oven", "-q", "1", "-t", OWN, "-m", r#"{"t":1}"#, "--cafile", &certificate];
        let (code, said) = mosquitto("mosquitto_pub", &address, &arguments).await;
        assert_eq!(code, 0, "{said}");
    }
    // In clear text there is nobody.
    let mut plain = MqttClient::open(&address).await;
    plain.send(&connect(V3, "oven", None, None)).await;
    assert!(plain.next().await.is_none_or(|packet| packet.first != 0x20));
}

/// What comes after these bytes, until the connection ends: the first bytes of packets, and their bodies.
async fn after(address: &str, version: Option<u8>, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut client = match version {
        Some(version) => MqttClient::connect(address, version, "stranger").await,
        None => MqttClient::open(address).await,
    };
    client.send(bytes).await;
    let mut packets = Vec::new();
    while let Some(packet) = client.next().await {
        packets.push((packet.first, packet.body));
    }
    packets
}

/// A DISCONNECT of MQTT 5 with this reason.
fn bye(reason: u8) -> Vec<(u8, Vec<u8>)> {
    vec![(0xe0, vec![reason, 0])]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_ends_the_connection() {
    let (trial, address) = trial().await;
    // Before anybody has said who they are.
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        &packet(0x10, b"\0\x04MQTT\x07\x02\0\0\0\0"),
        &packet(0x10, b"\0\x04MQTX\x04\x02\0\0\0\0"),
        &packet(0x10, b"\0\x04MQTT\x04\xff"),
        &packet(0xc0, b""),
        &publish(V3, OWN, Some(1), "{}"),
    ] {
        assert_eq!(after(&address, None, bytes).await, [], "{bytes:?}");
    }
    // A length that nobody may have, and a client id that nobody needs.
    let refused =
        |packets: &[(u8, Vec<u8>)], code| packets.len() == 1 && packets[0].0 == 0x20 && packets[0].1[1] == code;
    let bomb = after(&address, None, b"\x10\xff\xff\xff\x7f\0\x04MQTT\x05\x02\0\0\0\0\0").await;
    assert!(refused(&bomb, 0x95), "{bomb:?}");
    for (version, code) in [(V3, 2), (V5, 0x85)] {
        let long = after(&address, None, &connect(version, &"x".repeat(300), None, None)).await;
        assert!(refused(&long, code), "{long:?}");
    }
    assert!(refused(&after(&address, None, &packet(0x10, b"\0\x06MQIsdp\x03\x02\0\0\0\x01a")).await, 1));

    // Afterwards.
    let second = connect(V5, "stranger", None, None);
    let huge = [&[0x32, 0x80, 0x80, 0x20][..], &[0; 100]].concat();
    for (bytes, reason) in [
        (&second, 0x82),
        (&publish(V5, "devices/+/readings", Some(1), "{}"), 0x90),
        (&publish(V5, "$SYS/a", Some(1), "{}"), 0x90),
        (&packet(0x34, b"\0\x01a\0\x01\0{}"), 0x9b),
        (&packet(0x36, b"\0\x01a\0\x01\0{}"), 0x81),
        (&packet(0x32, b"\0\0\0\x01\x03\x23\0\x01{}"), 0x94),
        (&packet(0x32, b"\0\x01a\0\0\0{}"), 0x81),
        (&packet(0x62, b"\0\x01"), 0x82),
        (&huge, 0x95),
    ] {
        assert_eq!(after(&address, Some(V5), bytes).await, bye(reason), "{bytes:?}");
        // The same packet by 3.1.1, or another that it does not know: closed without a word.
        assert_eq!(after(&address, Some(V3), &packet(0xf0, b"")).await, []);
    }
    assert_eq!(after(&address, Some(V3), &publish(V3, "devices/#", Some(1), "{}")).await, []);
    assert_eq!(after(&address, Some(V3), &packet(0x34, b"\0\x01a\0\x01{}")).await, []);

    // What came before the fault is stored and acknowledged.
    let mixed = [publish(V5, OWN, Some(9), &timed(1)), packet(0x62, b"\0\x01")].concat();
    let answers = after(&address, Some(V5), &mixed).await;
    assert_eq!((answers[0].0, &answers[0].1[..3]), (0x40, &[0, 9, 0][..]), "{answers:?}");
    are_stored(&trial, &[posted("stranger", 1)]).await;
    assert_eq!(metric(&trial, "connections{source=\"mqtt\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_subscribes_to_others() {
    let (_trial, address) = trial().await;
    let granted = async |version, filter: &str| {
        let mut client = MqttClient::connect(&address, version, "oven").await;
        client.send(&subscribe(version, filter)).await;
        let answer = client.next().await.expect("an answer");
        assert_eq!(answer.first, 0x90);
        *answer.body.last().expect("a reason")
    };
    for (filter, five) in
        [("#", 0xa2), ("v1/devices/+/verdicts", 0xa2), ("$share/a/b", 0x9e), (OWN, 0x87), (VERDICTS, 0)]
    {
        assert_eq!(granted(V5, filter).await, five, "{filter}");
        assert_eq!(granted(V3, filter).await, if five == 0 { 0 } else { 0x80 }, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_again_takes_its_place() {
    let (mut trial, address) = trial().await;
    let mut first = MqttClient::connect(&address, V5, "oven").await;
    let mut other = MqttClient::connect(&address, V5, "kettle").await;
    let mut second = MqttClient::connect(&address, V5, "oven").await;
    let bye = first.next().await.expect("a word");
    assert_eq!((bye.first, bye.body[0]), (0xe0, 0x8e), "taken over");
    assert_eq!(first.next().await, None);
    second.send(&packet(0xc0, b"")).await;
    assert_eq!(second.next().await.map(|packet| packet.first), Some(0xd0));

    // A service that stops says so, and has committed what it was sent.
    second.send(&publish(V5, OWN, Some(3), &timed(3))).await;
    assert_eq!(second.next().await.map(|packet| packet.first), Some(0x40));
    trial.stop_service().await;
    for client in [&mut second, &mut other] {
        assert_eq!(client.next().await.map(|packet| (packet.first, packet.body[0])), Some((0xe0, 0x8b)));
    }
    trial.start_service().await;
    are_stored(&trial, &[posted("oven", 3)]).await;
}

/// Publishes until the connection ends; gives the seconds of the readings that were acknowledged.
async fn publishes(address: String, device: String, from: u64) -> Vec<u64> {
    let mut client = MqttClient::connect(&address, V3, &device).await;
    let mut acknowledged = Vec::new();
    for round in 0.. {
        let numbers = 1 + round * 20..=20 + round * 20;
        let messages = numbers.clone().map(|at| publish(V3, OWN, Some(at as u16), &timed(from + at)));
        if !client.send(&messages.flatten().collect::<Vec<_>>()).await {
            break;
        }
        for at in numbers {
            match client.next().await {
                Some(packet) => assert_eq!((packet.first, packet.body), (0x40, (at as u16).to_be_bytes().to_vec())),
                None => return acknowledged,
            }
            acknowledged.push(from + at);
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let (mut trial, address) = trial().await;
    for round in 0..3_u64 {
        let mut senders = JoinSet::new();
        for number in 0..20 {
            let (address, device) = (address.clone(), format!("device-{number}"));
            senders.spawn(async move { (device.clone(), publishes(address, device, round * 1_000_000).await) });
        }
        let before = metric(&trial, "readings_received_total{source=\"mqtt\"}").await;
        poll::until("some hundred readings", async || {
            (metric(&trial, "readings_received_total{source=\"mqtt\"}").await > before + 2_000.0).then_some(())
        })
        .await;
        trial.kill_service();
        let acknowledged = senders.join_all().await;
        assert!(acknowledged.iter().map(|(_, seconds)| seconds.len()).sum::<usize>() > 1_000);
        trial.start_service().await;
        for (device, seconds) in acknowledged {
            are_stored(&trial, &seconds.iter().map(|second| posted(&device, *second)).collect::<Vec<_>>()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_slow_packets_are_taken_and_endless_ones_are_not() {
    let (trial, address) = trial().await;
    let many: Vec<String> = (0..3_500).map(timed).collect();
    let message = format!("[{}]", many.join(","));
    assert!(message.len() > 200_000 && message.len() < 256 << 10);
    let mut client = MqttClient::connect(&address, V5, "bulk").await;
    let bytes = publish(V5, OWN, Some(1), &message);
    for piece in bytes.chunks(50_000) {
        assert!(client.send(piece).await);
    }
    let answer = client.next().await.expect("an acknowledgement");
    assert_eq!((answer.first, &answer.body[..3]), (0x40, &[0, 1, 0][..]));
    are_stored(&trial, &(0..3_500).map(|at| posted("bulk", at)).collect::<Vec<_>>()).await;

    // Who begins and does not go on is let go; so is who says nothing at all.
    let mut silent = MqttClient::open(&address).await;
    silent.send(&connect(V5, "slow", None, None)[..5]).await;
    assert_eq!(silent.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_sends_as_itself_until_its_key_is_revoked() {
    let (trial, address) = trial().await;
    let mut keys = Vec::new();
    for device in ["oven-1", "oven-2"] {
        let answer = trial.post("/api/v1/devices", &json!({ "name": device, "type": "generic" })).await;
        assert!(answer.status < 300, "{}", answer.text());
        keys.push(trial.post(&format!("/api/v1/devices/{device}/keys"), &json!({})).await.json());
    }
    let key = keys[0]["key"].as_str().expect("a key").to_owned();
    for (user, password) in [(key.as_str(), None), ("oven", Some(key.as_str()))] {
        let mut client = MqttClient::open(&address).await;
        client.send(&connect(V5, "any name", Some(user), password)).await;
        assert_eq!(client.next().await.map(|packet| packet.body[1]), Some(0));
        let own = r#"{"metrics":{"temperature":20.5}}"#;
        for (id, topic, message, reason) in [
            (1, OWN, timed(u64::from(password.is_some())), 0),
            (2, "devices/oven-1/readings", own.to_owned(), 0),
            (3, "devices/oven-2/readings", own.to_owned(), 0x87),
            (4, "v1/gateway/telemetry", format!(r#"{{"oven-2":{}}}"#, timed(9)), 0x87),
        ] {
            client.send(&publish(V5, topic, Some(id), &message)).await;
            let answer = client.next().await.expect("an acknowledgement");
            assert_eq!((answer.first, answer.body[2]), (0x40, reason), "{topic}");
        }
        // By 3.1.1 it is acknowledged, counted, and not stored either.
        let mut three = MqttClient::open(&address).await;
        three.send(&connect(V3, "three", Some(user), password)).await;
        assert_eq!(three.next().await.map(|packet| packet.body[1]), Some(0));
        three.send(&publish(V3, "devices/oven-2/readings", Some(1), own)).await;
        assert_eq!(three.next().await.map(|packet| packet.first), Some(0x40));
    }
    are_stored(&trial, &[posted("oven-1", 0), posted("oven-1", 1)]).await;
    assert_eq!(metric(&trial, "messages_refused_total{source=\"mqtt\",code=\"forbidden\"}").await, 6.0);

    let mut client = MqttClient::open(&address).await;
    client.send(&connect(V5, "oven", Some(&key), None)).await;
    assert_eq!(client.next().await.map(|packet| packet.body[1]), Some(0));
    let id = &keys[0]["id"];
    let revoke = http().delete(format!("{}/api/v1/devices/oven-1/keys/{id}", trial.url()));
    let answer = send(revoke).await.expect("an answer");
    assert!(answer.status < 300, "{}", answer.text());
    client.send(&publish(V5, OWN, Some(1), &timed(50))).await;
    assert_eq!(client.next().await.map(|packet| (packet.first, packet.body[0])), Some((0xe0, 0x98)));
    assert_eq!(client.next().await, None);
}
