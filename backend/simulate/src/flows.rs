//! Network flows of devices, and attacks on them: packets are drawn, and the columns of CICIoT2023 computed from them.
//!
//! A flow here is what that data set has a row for: a window of a few successive packets of one device, summed up. What
//! is usual differs by what the device does (telemetry over TLS, video over UDP, images in bulk); attacks differ in
//! protocol, flags, sizes and pace. Packets are not those of any real network: a model that is trained on them knows
//! what is plausible, not what is usual in a hospital.

use crate::random::Random;

/// The columns of a flow, as CICIoT2023 calls them in its files of 25.
pub const FLOW_COLUMNS: [&str; 25] = [
    "Header_Length",
    "Protocol Type",
    "Time_To_Live",
    "Rate",
    "fin_flag_number",
    "syn_flag_number",
    "rst_flag_number",
    "psh_flag_number",
    "ack_flag_number",
    "ack_count",
    "syn_count",
    "fin_count",
    "rst_count",
    "HTTP",
    "HTTPS",
    "DNS",
    "TCP",
    "UDP",
    "Tot sum",
    "Min",
    "Max",
    "AVG",
    "Std",
    "IAT",
    "Number",
];

/// Packets of a window, but for floods.
const WINDOW: usize = 10;
/// Packets of a flood's window: it is over sooner all the same.
const FLOOD_WINDOW: usize = 100;
/// A window of one device begins this long after the last on average, in milliseconds.
const BETWEEN_MS: f64 = 2_000.0;
/// The same under attack.
const UNDER_ATTACK_MS: f64 = 20.0;

/// What is done to a device, or by one that was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attack {
    /// Connections begun without end.
    SynFlood,
    /// Datagrams without end.
    UdpFlood,
    /// Every port is knocked at.
    PortScan,
    /// Passwords are tried, one session after the other.
    BruteForce,
    /// Data leaves in names that are looked up.
    Exfiltration,
    /// A bot at work: it looks for others by Telnet, and floods by GRE.
    Mirai,
}

impl Attack {
    /// All of them.
    pub const ALL: [Attack; 6] =
        [Attack::SynFlood, Attack::UdpFlood, Attack::PortScan, Attack::BruteForce, Attack::Exfiltration, Attack::Mirai];

    /// Its name in labels and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Attack::SynFlood => "syn-flood",
            Attack::UdpFlood => "udp-flood",
            Attack::PortScan => "port-scan",
            Attack::BruteForce => "brute-force",
            Attack::Exfiltration => "exfiltration",
            Attack::Mirai => "mirai",
        }
    }
}

/// One flow of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Milliseconds since 1970-01-01T00:00:00 UTC: when its last packet came.
    pub time_ms: i64,
    /// One finite number for each of [`FLOW_COLUMNS`].
    pub columns: [f64; 25],
    /// What is done, if anything.
    pub truth: Option<Attack>,
}

/// What a device usually does on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Small messages over TLS, with names looked up now and then.
    Telemetry,
    /// Small messages over plain TCP, as HL7 and MQTT send them.
    Messages,
    /// Pictures over UDP.
    Video,
    /// Large files over TCP.
    Bulk,
}

/// The kinds of device whose flows are known, with what they do; the first is what a device does most.
const DEVICES: [(&str, [Habit; 3]); 6] = [
    ("weather-station", [Habit::Telemetry, Habit::Messages, Habit::Telemetry]),
    ("factory-station", [Habit::Messages, Habit::Telemetry, Habit::Messages]),
    ("patient-monitor", [Habit::Messages, Habit::Telemetry, Habit::Messages]),
    ("infusion-pump", [Habit::Messages, Habit::Messages, Habit::Telemetry]),
    ("baby-monitor", [Habit::Video, Habit::Telemetry, Habit::Video]),
    ("mri-scanner", [Habit::Bulk, Habit::Messages, Habit::Telemetry]),
];

/// The kinds of device that have flows.
pub fn flow_devices() -> impl Iterator<Item = &'static str> {
    DEVICES.iter().map(|(name, _)| *name)
}

/// The flows of one device, without end.
#[derive(Clone, Debug)]
pub struct FlowStream {
    habits: [Habit; 3],
    random: Random,
    time_ms: f64,
    own_ttl: f64,
    far_ttl: f64,
    attack: Option<(Attack, u64)>,
}

impl FlowStream {
    /// A device of this kind; `None` for a kind that has no flows. Streams with different `device_index` or `seed` are
    /// independent.
    pub fn new(kind: &str, device_index: u32, seed: u64, start_ms: i64) -> Option<Self> {
        let (_, habits) = DEVICES.iter().find(|(name, _)| *name == kind)?;
        let mut random = Random::for_purpose(seed, device_index, 0xf10e);
        let own_ttl = [64.0, 128.0, 255.0][(random.unit() * random.unit() * 3.0) as usize];
        let far_ttl = random.between(40.0, 120.0).round();
        Some(Self { habits: *habits, random, time_ms: start_ms as f64, own_ttl, far_ttl, attack: None })
    }

    /// From the next flow on, so many are an attack, among usual ones.
    pub fn attack(&mut self, attack: Attack, flows: u64) {
        self.attack = Some((attack, flows)).filter(|(_, flows)| *flows > 0);
    }
}

impl Iterator for FlowStream {
    type Item = Flow;

    fn next(&mut self) -> Option<Flow> {
        // Under attack the device goes on with what it does: one flow in ten.
        let under_attack = self.attack.filter(|_| self.random.unit() < 0.9).map(|(attack, _)| attack);
        let packets = match under_attack {
            None => self.usual(),
            Some(attack) => {
                self.attack = self.attack.map(|(attack, left)| (attack, left - 1)).filter(|(_, left)| *left > 0);
                self.attacking(attack)
            }
        };
        let between = if self.attack.is_some() { UNDER_ATTACK_MS } else { BETWEEN_MS };
        self.time_ms += self.random.exponential(between);
        Some(Flow { time_ms: self.time_ms as i64, columns: columns(&packets), truth: under_attack })
    }
}

/// What is seen of a packet.
#[derive(Clone, Copy, Debug, Default)]
struct Packet {
    protocol: f64,
    header: f64,
    ttl: f64,
    size: f64,
    /// Seconds since the packet before.
    gap: f64,
    flags: Flags,
    service: Service,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fin: bool,
    syn: bool,
    rst: bool,
    psh: bool,
    ack: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Service {
    #[default]
    Other,
    Http,
    Https,
    Dns,
}

const TCP: f64 = 6.0;
const UDP: f64 = 17.0;
const GRE: f64 = 47.0;

const ACK: Flags = Flags { ack: true, fin: false, syn: false, rst: false, psh: false };
const DATA: Flags = Flags { psh: true, ..ACK };
const SYN: Flags = Flags { syn: true, ack: false, ..ACK };
const RST: Flags = Flags { rst: true, ..ACK };
const FIN: Flags = Flags { fin: true, ..ACK };
const NONE: Flags = Flags { ack: false, ..ACK };

impl FlowStream {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[((self.random.unit() * of.len() as f64) as usize).min(of.len() - 1)]
    }

    /// Log-uniform: paces and rates spread over magnitudes.
    fn pace(&mut self, low: f64, high: f64) -> f64 {
        libm::exp(self.random.between(libm::log(low), libm::log(high)))
    }

    fn usual(&mut self) -> Vec<Packet> {
        let share = self.random.unit();
        let habit = self.habits[if share < 0.7 { 0 } else { 1 + usize::from(share >= 0.9) }];
        let gap = match habit {
            Habit::Telemetry => self.pace(2e-3, 5e-2),
            Habit::Messages => self.pace(3e-3, 1e-1),
            Habit::Video => self.pace(2e-4, 1e-2),
            Habit::Bulk => self.pace(3e-5, 3e-3),
        };
        let service = match habit {
            Habit::Telemetry => Service::Https,
            Habit::Messages | Habit::Bulk if self.random.unit() < 0.2 => Service::Http,
            _ => Service::Other,
        };
        let opens = self.random.unit() < 0.08;
        let closes = self.random.unit() < 0.08;
        let full = self.random.unit();
        (0..WINDOW)
            .map(|at| {
                let packet = match at {
                    0 if opens => self.tcp(SYN, 66.0, Service::Https),
                    9 if closes => self.tcp(FIN, 66.0, service),
                    _ if self.random.unit() < 0.06 => self.lookup(),
                    _ => self.of(habit, service, full),
                };
                Packet { gap: self.random.exponential(gap), ..packet }
            })
            .collect()
    }

    /// A packet of what the device does; `full`: how much of a session's packets are full ones.
    fn of(&mut self, habit: Habit, service: Service, full: f64) -> Packet {
        let draw = self.random.unit();
        match habit {
            Habit::Telemetry if draw < 0.25 * full => self.tcp(ACK, 1514.0, service),
            Habit::Telemetry | Habit::Messages if draw < 0.5 => self.tcp(ACK, 66.0, service),
            Habit::Telemetry | Habit::Messages => {
                let size = self.random.between(70.0, 420.0).round();
                self.tcp(DATA, size, service)
            }
            Habit::Video if draw < 0.2 => {
                let size = self.random.between(60.0, 120.0).round();
                self.udp(size, Service::Other)
            }
            Habit::Video => {
                let size = self.random.between(900.0, 1400.0).round();
                self.udp(size, Service::Other)
            }
            Habit::Bulk if draw < 0.25 + 0.2 * full => self.tcp(ACK, 66.0, service),
            Habit::Bulk => self.tcp(ACK, 1514.0, service),
        }
    }

    fn tcp(&mut self, flags: Flags, size: f64, service: Service) -> Packet {
        let ttl = if self.random.unit() < 0.5 { self.own_ttl } else { self.far_ttl };
        Packet { protocol: TCP, header: 32.0, ttl, size, gap: 0.0, flags, service }
    }

    fn udp(&mut self, size: f64, service: Service) -> Packet {
        let ttl = if self.random.unit() < 0.5 { self.own_ttl } else { self.far_ttl };
        Packet { protocol: UDP, header: 8.0, ttl, size, gap: 0.0, flags: NONE, service }
    }

    fn lookup(&mut self) -> Packet {
        let size = self.random.between(70.0, 180.0).round();
        self.udp(size, Service::Dns)
    }

    fn attacking(&mut self, attack: Attack) -> Vec<Packet> {
        let flood = matches!(attack, Attack::SynFlood | Attack::UdpFlood);
        let (low, high) = match attack {
            Attack::SynFlood | Attack::UdpFlood => (1.5e-5, 3e-4),
            Attack::PortScan => (5e-4, 1e-2),
            Attack::BruteForce => (1e-3, 2e-2),
            Attack::Exfiltration => (1e-3, 1e-2),
            Attack::Mirai => (5e-5, 3e-3),
        };
        let gap = self.pace(low, high);
        let size = match attack {
            Attack::UdpFlood => self.pick(&[60.0, 362.0, 554.0, 1_066.0]),
            _ => 60.0,
        };
        let scans = self.random.unit() < 0.5;
        (0..if flood { FLOOD_WINDOW } else { WINDOW })
            .map(|at| {
                let packet = self.hostile(attack, at, size, scans);
                Packet { gap: self.random.exponential(gap), ..packet }
            })
            .collect()
    }

    fn hostile(&mut self, attack: Attack, at: usize, size: f64, scans: bool) -> Packet {
        let bare = |header, flags| Packet { protocol: TCP, header, ttl: 64.0, size: 60.0, flags, ..Packet::default() };
        match attack {
            Attack::SynFlood if self.random.unit() < 0.97 => bare(20.0, SYN),
            Attack::UdpFlood if self.random.unit() < 0.97 => Packet { ttl: 64.0, ..self.udp(size, Service::Other) },
            Attack::SynFlood | Attack::UdpFlood => self.of(self.habits[0], Service::Other, 0.5),
            Attack::PortScan if at.is_multiple_of(2) => bare(24.0, SYN),
            Attack::PortScan => Packet { size: 54.0, ttl: self.own_ttl, ..bare(20.0, RST) },
            Attack::BruteForce => match at % 5 {
                0 => bare(40.0, SYN),
                4 => bare(32.0, FIN),
                _ => Packet { size: self.random.between(70.0, 110.0).round(), ..bare(32.0, DATA) },
            },
            Attack::Exfiltration => {
                let size = self.random.between(220.0, 512.0).round();
                self.udp(size, Service::Dns)
            }
            Attack::Mirai if scans && at.is_multiple_of(2) => bare(20.0, SYN),
            Attack::Mirai if scans => Packet { size: 54.0, ..bare(20.0, RST) },
            Attack::Mirai => Packet { protocol: GRE, header: 24.0, ttl: 64.0, size: 592.0, ..Packet::default() },
        }
    }
}

/// The columns of a window of packets, rounded to six digits as the data set's tools write them.
fn columns(packets: &[Packet]) -> [f64; 25] {
    let count = packets.len() as f64;
    let sum = |of: &dyn Fn(&Packet) -> f64| packets.iter().map(of).sum::<f64>();
    let number = |of: &dyn Fn(&Packet) -> bool| sum(&|packet| f64::from(u8::from(of(packet))));
    let lasted = sum(&|packet| packet.gap).max(1e-6);
    let total = sum(&|packet| packet.size);
    let mean = total / count;
    let spread = libm::sqrt(sum(&|packet| (packet.size - mean) * (packet.size - mean)) / (count - 1.0));
    let (tcp, udp) = (number(&|packet| packet.protocol == TCP), number(&|packet| packet.protocol == UDP));
    let gre = count - tcp - udp;
    let protocol = if tcp >= udp && tcp >= gre {
        TCP
    } else if udp >= gre {
        UDP
    } else {
        GRE
    };
    let (fin, syn) = (number(&|packet| packet.flags.fin), number(&|packet| packet.flags.syn));
    let (rst, ack) = (number(&|packet| packet.flags.rst), number(&|packet| packet.flags.ack));
    let service = |of: Service| number(&|packet| packet.service == of) / count;
    let size = |of: &dyn Fn(f64, f64) -> f64| packets.iter().map(|packet| packet.size).reduce(of).unwrap_or(0.0);
    [
        sum(&|packet| packet.header) / count,
        protocol,
        sum(&|packet| packet.ttl) / count,
        count / lasted,
        fin / count,
        syn / count,
        rst / count,
        number(&|packet| packet.flags.psh) / count,
        ack / count,
        ack,
        syn,
        fin,
        rst,
        service(Service::Http),
        service(Service::Https),
        service(Service::Dns),
        tcp / count,
        udp / count,
        total,
        size(&f64::min),
        size(&f64::max),
        mean,
        spread,
        lasted / count,
        count,
    ]
    .map(six_digits)
}

/// The number with six significant digits.
fn six_digits(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let scale = libm::pow(10.0, 5.0 - libm::floor(libm::log10(value.abs())));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(flow: &Flow, name: &str) -> f64 {
        flow.columns[FLOW_COLUMNS.iter().position(|column| *column == name).unwrap()]
    }

    #[test]
    fn the_same_seed_gives_the_same_flows_and_another_others() {
        for kind in flow_devices() {
            let flows = |seed| FlowStream::new(kind, 1, seed, 0).unwrap().take(50).collect::<Vec<_>>();
            assert_eq!(flows(1), flows(1));
            assert_ne!(flows(1), flows(2));
            assert!(flows(1).iter().all(|flow| flow.truth.is_none() && flow.columns.iter().all(|x| x.is_finite())));
            assert!(flows(1).is_sorted_by(|a, b| a.time_ms <= b.time_ms));
        }
        assert!(FlowStream::new("toaster", 0, 1, 0).is_none());
    }

    #[test]
    fn an_attack_ends_and_looks_like_itself() {
        for attack in Attack::ALL {
            let mut stream = FlowStream::new("patient-monitor", 1, 7, 0).unwrap();
            stream.attack(attack, 20);
            let flows: Vec<Flow> = stream.take(200).collect();
            let hostile: Vec<&Flow> = flows.iter().filter(|flow| flow.truth == Some(attack)).collect();
            assert_eq!(hostile.len(), 20, "{}", attack.name());
            assert!(flows[100..].iter().all(|flow| flow.truth.is_none()));
            let mean = |name| hostile.iter().map(|flow| of(flow, name)).sum::<f64>() / 20.0;
            match attack {
                Attack::SynFlood => assert!(mean("syn_flag_number") > 0.9 && mean("Rate") > 2_000.0),
                Attack::UdpFlood => assert!(mean("UDP") > 0.9 && mean("Number") == 100.0),
                Attack::PortScan => assert!(mean("rst_flag_number") == 0.5),
                Attack::BruteForce => assert!(mean("syn_count") == 2.0 && mean("fin_count") == 2.0),
                Attack::Exfiltration => assert!(mean("DNS") == 1.0),
                Attack::Mirai => assert!(mean("TCP") < 0.9),
            }
        }
    }
}
