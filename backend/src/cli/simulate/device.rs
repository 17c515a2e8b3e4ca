//! The simulated devices: what each sends next, and what is forced on it.

use std::collections::VecDeque;

use simulate::{
    CHANGE_MARK, Course, Event, FLOW_COLUMNS, FlowStream, Injection, Kind, Profile, Sample, Stream, flow_devices,
};

use super::{
    super::WrongUse,
    attack::{Act, Forced, HOSTILE_FLOWS, REPLAYED, SPOOFED},
};

/// What devices do on the network, as a profile.
pub(super) const FLOWS: &str = "network-flows";

/// One reading on its way.
pub(super) struct Sent {
    /// Which device sends it.
    pub(super) device: usize,
    /// What it says.
    pub(super) sample: Sample,
    /// As what it is sent.
    pub(super) part: Part,
}

/// As what a reading is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// As it should be.
    Own,
    /// Under this attack.
    Under(usize),
    /// Once more, by this attack.
    Again(usize),
    /// In another's name, by this attack.
    As(usize),
}

/// A simulated device and where it stands.
pub(super) struct Device {
    /// Its name in readings.
    pub(super) name: String,
    /// The type under which it is registered.
    pub(super) kind: &'static str,
    /// As whom it sends when it lies.
    pub(super) victim: String,
    source: Source,
    plans: Vec<Plan>,
    /// The last readings, where they are to come again.
    recent: VecDeque<Sample>,
    /// The last reading of an event, so that the return to normal is told from a false alarm.
    pub(super) last_marked: Option<u64>,
    /// The event that the last reading belongs to, with the sequence of its first and of the last reading.
    under_way: Option<(Event, u64, u64)>,
}

enum Source {
    Readings(&'static Profile, Box<Stream>),
    Flows(Box<FlowStream>, u64),
}

/// An attack that waits for its time.
struct Plan {
    attack: usize,
    from: u64,
    act: Planned,
}

enum Planned {
    Course(Course),
    Flows(simulate::Attack),
    Replay,
    Spoofing,
}

/// What all devices have in common.
pub(super) struct Making<'a> {
    /// Names of profiles, as they were given.
    pub(super) profiles: &'a [String],
    /// Devices of each sort.
    pub(super) devices: u32,
    /// The seed of all.
    pub(super) seed: u64,
    /// When the first reading is.
    pub(super) start_ms: i64,
    /// And how long after it the next.
    pub(super) step_ms: i64,
    /// What is injected.
    pub(super) inject: &'a [Injection],
    /// What is forced.
    pub(super) attacks: &'a [Forced],
    /// Readings of each device; 0: without end.
    pub(super) count: u64,
}

impl Making<'_> {
    /// The devices, in the order of the profiles.
    pub(super) fn devices(&self) -> Result<Vec<Device>, WrongUse> {
        let mut sorts: Vec<&str> = Vec::new();
        for name in self.profiles {
            match name.as_str() {
                "all" => sorts.extend(simulate::profiles().iter().map(|profile| profile.name)),
                name => sorts.push(name),
            }
        }
        let mut devices = Vec::new();
        for (sort, name) in (0_u64..).zip(&sorts) {
            if sorts[..sort as usize].contains(name) {
                return Err(WrongUse(format!("expected each profile once, found {name} twice")));
            }
            // Devices of different sorts are not to have their events at the same moments.
            let seed = self.seed.wrapping_add(sort << 32);
            match (simulate::profile(name), *name) {
                (Some(profile), _) => self.readings(profile, seed, &mut devices)?,
                (None, FLOWS) => self.flows(seed, &mut devices),
                (None, name) => {
                    let known: Vec<&str> = simulate::profiles().iter().map(|profile| profile.name).collect();
                    let known = known.join(", ");
                    return Err(WrongUse(format!("expected a profile of {known}, {FLOWS} or all, found {name:?}")));
                }
            }
        }
        for (attack, Forced { act, .. }) in self.attacks.iter().enumerate() {
            if !devices.iter().any(|device| device.plans.iter().any(|plan| plan.attack == attack)) {
                return Err(WrongUse(format!(
                    "--attack {}: none of the profiles is of devices that it fits",
                    act.name()
                )));
            }
        }
        let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
        for (at, device) in devices.iter_mut().enumerate() {
            device.victim.clone_from(&names[(at + 1) % names.len()]);
        }
        Ok(devices)
    }

    fn readings(&self, profile: &'static Profile, seed: u64, devices: &mut Vec<Device>) -> Result<(), WrongUse> {
        for number in 0..self.devices {
            let stream = Stream::new(profile, number, seed, self.start_ms, self.step_ms, self.inject);
            let source = Source::Readings(profile, Box::new(stream.map_err(WrongUse::new)?));
            devices.push(self.device(profile.name, number, source));
        }
        Ok(())
    }

    fn flows(&self, seed: u64, devices: &mut Vec<Device>) {
        for kind in flow_devices() {
            for number in 0..self.devices {
                let stream = FlowStream::new(kind, number, seed, self.start_ms);
                devices.extend(stream.map(|stream| self.device(kind, number, Source::Flows(Box::new(stream), 0))));
            }
        }
    }

    fn device(&self, kind: &'static str, number: u32, source: Source) -> Device {
        let profile = source.profile();
        let fitting = self.attacks.iter().enumerate().filter(|(_, forced)| forced.act.fits(profile));
        let plan = |(attack, forced): (usize, &Forced)| {
            let from = forced.begins((attack, self.attacks.len()), self.count, self.step_ms);
            let act = match forced.act {
                Act::Shows(scenario) => Planned::Course(Course::new(scenario, from)),
                Act::Flows(attack) => Planned::Flows(attack),
                Act::Replay => Planned::Replay,
                Act::Spoofing => Planned::Spoofing,
            };
            Plan { attack, from, act }
        };
        Device {
            name: format!("{kind}-{}", number + 1),
            kind,
            victim: String::new(),
            plans: fitting.map(plan).collect(),
            source,
            recent: VecDeque::new(),
            last_marked: None,
            under_way: None,
        }
    }
}

impl Source {
    /// The profile of its readings; none of flows.
    fn profile(&self) -> Option<&'static Profile> {
        match self {
            Source::Readings(profile, _) => Some(profile),
            Source::Flows(..) => None,
        }
    }
}

impl Device {
    /// What it sends, for the summary.
    pub(super) fn sort(&self) -> &'static str {
        self.source.profile().map_or(FLOWS, |profile| profile.name)
    }

    /// Whether it sends flows.
    pub(super) fn has_flows(&self) -> bool {
        self.source.profile().is_none()
    }

    /// Appends what it sends next. `this` is its place among the devices.
    pub(super) fn next(&mut self, this: usize, waiting: &mut Vec<Sent>) {
        let Self { source, plans, .. } = self;
        let mut part = Part::Own;
        let sample = match source {
            Source::Readings(profile, stream) => {
                let Some(mut sample) = stream.next() else { return };
                for Plan { attack, act, .. } in plans.iter_mut() {
                    if let Planned::Course(course) = act
                        && course.apply(profile, &mut sample)
                    {
                        part = Part::Under(*attack);
                    }
                }
                sample
            }
            Source::Flows(stream, sequence) => {
                for Plan { from, act, .. } in plans.iter() {
                    if let Planned::Flows(attack) = act
                        && *from == *sequence
                    {
                        stream.attack(*attack, HOSTILE_FLOWS);
                    }
                }
                let Some(flow) = stream.next() else { return };
                let by = |plan: &&Plan| matches!(plan.act, Planned::Flows(attack) if Some(attack) == flow.truth);
                part = plans.iter().find(by).map_or(part, |plan| Part::Under(plan.attack));
                let sample = Sample {
                    time_ms: flow.time_ms,
                    sequence: *sequence,
                    values: FLOW_COLUMNS.into_iter().zip(flow.columns).collect(),
                    truth: None,
                };
                *sequence += 1;
                sample
            }
        };
        self.lie(this, &sample, waiting);
        waiting.push(Sent { device: this, sample, part });
    }

    /// Appends what it should not send.
    fn lie(&mut self, this: usize, sample: &Sample, waiting: &mut Vec<Sent>) {
        for Plan { attack, from, act } in &self.plans {
            match act {
                Planned::Replay if sample.sequence == *from => {
                    let again = self.recent.iter().cloned();
                    waiting.extend(again.map(|sample| Sent { device: this, sample, part: Part::Again(*attack) }));
                }
                Planned::Spoofing if (*from..from.saturating_add(SPOOFED)).contains(&sample.sequence) => {
                    // At a time of its own: it is not to be taken for the other's reading.
                    let sample = Sample { time_ms: sample.time_ms + 1, ..sample.clone() };
                    waiting.push(Sent { device: this, sample, part: Part::As(*attack) });
                }
                _ => {}
            }
        }
        if self.plans.iter().any(|plan| matches!(plan.act, Planned::Replay) && sample.sequence < plan.from) {
            self.recent.push_back(sample.clone());
            if self.recent.len() > REPLAYED {
                self.recent.pop_front();
            }
        }
    }

    /// Takes note of a reading that was answered.
    pub(super) fn follow(&mut self, sample: &Sample) {
        let at = sample.sequence;
        self.under_way = sample.truth.map(|event| match self.under_way {
            Some((before, first, _)) if before.id == event.id => (event, first, at),
            _ => (event, at, at),
        });
    }

    /// The event that the end of the stream has cut off: the detector was not given all of it.
    pub(super) fn cut_off(&self) -> Option<Event> {
        let (event, first, last) = self.under_way?;
        let whole = match event.kind {
            Kind::Point => true,
            Kind::ChangePoint => last - first + 1 >= CHANGE_MARK,
            // How long it would have lasted is not known.
            Kind::Contextual => false,
        };
        (!whole).then_some(event)
    }

    /// Forces an event at this reading.
    #[cfg(test)]
    pub(super) fn inject_at(&mut self, sequence: u64, kind: Kind) {
        if let Source::Readings(_, stream) = &mut self.source {
            stream.inject_at(sequence, kind);
        }
    }
}
