//! What the command takes.

use std::{path::PathBuf, time::Duration};

use reqwest::Url;
use simulate::{Injection, Kind};

use super::{
    super::{client::parse_url, parse_duration},
    attack::Forced,
};

/// Devices of each sort at most: a stream of its own and about a kilobyte each.
const MAX_DEVICES: i64 = 100_000;

/// Events per device and day at most: with their distance of an hour of one-minute readings, more do not fit.
const MAX_RATE: f64 = 1_000.0;

/// Send simulated readings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    anomaly-ledger simulate --profile weather-station --devices 3 --count 60 --interval 1s\n  \
    anomaly-ledger simulate --profile all --count 2880 --interval 0 --time-step 60s --inject point,contextual,change_point\n  \
    anomaly-ledger simulate --profile infusion-pump,network-flows --count 600 --interval 0 --attack occlusion,syn-flood@300\n  \
    anomaly-ledger simulate --profile patient-monitor --devices 1000 --protocol mqtt --count 60\n  \
    anomaly-ledger simulate --profile all --key-file owner.token --register keys.csv --attack spoofing,replay\n\n\
    Profiles: weather-station, factory-station, patient-monitor, baby-monitor, infusion-pump, mri-scanner; all, which is\n\
    these six; network-flows, which is what devices of these six sorts do on the network.\n\
    Attacks on readings: spo2-desaturation, apnoea, occlusion, quench, sensor-stuck, drift; replay (old readings come\n\
    again: none may be stored twice), spoofing (sends as another device: must be refused). On flows: syn-flood,\n\
    udp-flood, port-scan, brute-force, exfiltration, mirai. Each befalls every device that it fits.\n\n\
    Ctrl-C or SIGTERM ends it with the summary.\n\n\
    Exit codes: 0 every reading was taken, 1 some were rejected, or a replayed or spoofed one was not, or the service\n\
    does not answer; 2 wrong use.")]
pub(crate) struct Args {
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    pub(super) url: Url,
    /// How readings are sent; flows go over HTTP in any case.
    #[arg(long, value_enum, default_value_t = Protocol::Http)]
    pub(super) protocol: Protocol,
    /// The listener of TCP or MQTT, if it is not at the service's host and port 9000 or 1883.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: Option<String>,
    /// The file with a key for all devices (such as a token of their owner), or a table with the columns name and key.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Register the devices first, with the token of --key-file, and keep their own keys in this new file.
    #[arg(long, value_name = "FILE")]
    pub(super) register: Option<PathBuf>,
    /// The sort of device, or several; `all` for one group of each.
    #[arg(long, default_value = "weather-station", value_delimiter = ',', value_name = "NAME")]
    pub(super) profile: Vec<String>,
    /// Devices of each sort.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_DEVICES))]
    pub(super) devices: u32,
    /// Readings of each device; 0 goes on until it is stopped.
    #[arg(long, default_value_t = 1_440, value_name = "N")]
    pub(super) count: u64,
    /// Pause between a device's readings; 0 sends as fast as the service takes them.
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "DURATION")]
    pub(super) interval: Duration,
    /// Time between a device's readings by its own clock; the interval if absent, 60 s if that is 0.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub(super) time_step: Option<Duration>,
    /// Time of the first reading; if absent, so that the last one is now.
    #[arg(long, value_name = "RFC3339", conflicts_with = "history")]
    pub(super) start: Option<String>,
    /// Send this much of the past first, as fast as the service takes it.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub(super) history: Option<Duration>,
    /// Anomalies to inject, as KIND or KIND=EVENTS_PER_DEVICE_DAY: point, contextual, change_point.
    #[arg(long, value_delimiter = ',', value_parser = parse_injection, value_name = "KIND[=RATE]")]
    pub(super) inject: Vec<Injection>,
    /// Attacks to force on the devices, each after so many seconds of their clock; spread over the run if absent.
    #[arg(long, value_delimiter = ',', value_parser = Forced::parse, value_name = "NAME[@SECONDS]")]
    pub(super) attack: Vec<Forced>,
    /// The same seed gives the same readings.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
}

/// A way to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Protocol {
    /// JSON over HTTP, many readings a request.
    Http,
    /// InfluxDB's line protocol over HTTP; it does not tell verdicts.
    Line,
    /// A WebSocket for each device, up to 1,000.
    Websocket,
    /// Lines of JSON, a connection for each device, up to 1,000.
    Tcp,
    /// MQTT with QoS 1, a connection for each device, up to 1,000.
    #[cfg(feature = "mqtt")]
    Mqtt,
}

fn parse_injection(text: &str) -> Result<Injection, String> {
    let (kind, rate) = text.split_once('=').unwrap_or((text, "4"));
    let kind = match kind {
        "point" => Kind::Point,
        "contextual" => Kind::Contextual,
        "change_point" => Kind::ChangePoint,
        _ => return Err(format!("expected point, contextual or change_point, found {kind:?}")),
    };
    let events = rate.parse().ok().filter(|rate| (0.0..=MAX_RATE).contains(rate));
    let rate = events.ok_or_else(|| format!("expected 0 to {MAX_RATE} events per device and day, found {rate:?}"))?;
    Ok(Injection { kind, rate })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rates_are_checked() {
        assert_eq!(parse_injection("point=0.5").unwrap(), Injection { kind: Kind::Point, rate: 0.5 });
        assert_eq!(parse_injection("change_point").unwrap().rate, 4.0);
        for text in ["point=-1", "point=NaN", "point=inf", "point=1001", "point=", "point=many", "spike=1"] {
            assert!(parse_injection(text).is_err(), "{text}");
        }
    }
}
