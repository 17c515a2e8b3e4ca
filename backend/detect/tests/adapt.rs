//! How a group's model goes with the times: what is kept, what is grown from it, what is refused.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::sync::LazyLock;

use common::{START, sample};
use detect::{
    COLUMNS, DeviceState, MetricSpec, Model, Objection, Probes, ReadingView, Reservoir, ReservoirSpec, Row, TrainSpec,
    TrainingReading, TrainingSample, compare, judge_in_place, refit, row_of,
};
use proptest::prelude::*;

const DAY_MS: i64 = 86_400_000;

static BASE: LazyLock<TrainingSample> = LazyLock::new(|| sample(simulate::profile("weather-station").unwrap()));
static FIRST: LazyLock<Model> = LazyLock::new(|| Model::train(&spec(), &BASE).unwrap());

fn spec() -> TrainSpec {
    let profile = simulate::profile("weather-station").unwrap();
    let metrics = profile.metrics.iter().map(|m| MetricSpec::new(m.name, m.unit, m.low, m.high).unwrap());
    TrainSpec::new(profile.name, metrics.collect(), 7).unwrap()
}

/// The rows of a sample, read from its text.
fn rows(sample: &TrainingSample) -> Vec<Row> {
    let numbers = |line: &str| -> Vec<f32> { line.split(',').map(|field| field.parse().unwrap()).collect() };
    sample.to_csv().lines().skip(1).map(|line| Row::try_from(numbers(line)).unwrap()).collect()
}

/// A reservoir with the rows of a clean sample as if `devices` devices had sent them in turn.
fn filled(devices: usize) -> Reservoir {
    let mut reservoir = Reservoir::new(ReservoirSpec { capacity: 4000, ..ReservoirSpec::default() }).unwrap();
    for (index, row) in rows(&BASE).into_iter().enumerate() {
        let time_ms = START + index as i64 * 60_000;
        reservoir.offer(&format!("device-{}", index % devices), time_ms, row).unwrap();
    }
    reservoir
}

#[test]
fn a_reservoir_is_bounded_altogether_and_for_each_device() {
    let mut reservoir = filled(40);
    assert_eq!((reservoir.len(), reservoir.quota()), (4000, 200));
    for i in 0..100_000 {
        reservoir.offer("flooder", START + 30 * DAY_MS + i, [0.0; COLUMNS]).unwrap();
    }
    assert_eq!((reservoir.len(), reservoir.of_device("flooder")), (4000, 200));
    assert!(reservoir.offer("x", START, [f32::NAN; COLUMNS]).is_err());
    for wrong in [
        ReservoirSpec { capacity: 10, ..ReservoirSpec::default() },
        ReservoirSpec { device_share: 0.0, ..ReservoirSpec::default() },
        ReservoirSpec { half_life_days: f64::NAN, ..ReservoirSpec::default() },
    ] {
        assert!(Reservoir::new(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn recent_rows_are_kept_more_often_and_half_as_often_a_half_life_before() {
    let spec = ReservoirSpec { capacity: 1000, device_share: 1.0, half_life_days: 1.0, seed: 3 };
    let mut reservoir = Reservoir::new(spec).unwrap();
    for i in 0..20_000i64 {
        // Ten days, and the day is in the row.
        let day = i / 2000;
        let mut row = [0.0; COLUMNS];
        row[0] = day as f32;
        reservoir.offer("x", START + day * DAY_MS + i % 2000, row).unwrap();
    }
    let kept = |day: f32| reservoir.rows().filter(|row| row[0] == day).count() as f64;
    let counts: Vec<f64> = (0..10).map(|day| kept(day as f32)).collect();
    // 2000 rows a day are many for a place of 1000: the last day fills about half of it.
    assert!((400.0..600.0).contains(&counts[9]), "{counts:?}");
    assert!((0.3..0.7).contains(&(counts[8] / counts[9])), "{counts:?}");
    assert!(counts[0] < 10.0, "{counts:?}");
}

#[test]
fn confirmed_anomalies_are_taken_out() {
    let mut reservoir = filled(40);
    let before = reservoir.of_device("device-3");
    let gone = reservoir.withdraw("device-3", i64::MIN, START + 4 * DAY_MS);
    assert!(gone > 0 && reservoir.of_device("device-3") == before - gone);
    assert_eq!(reservoir.withdraw("device-3", i64::MIN, START + 4 * DAY_MS), 0);
    assert_eq!(reservoir.len(), 4000 - gone);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_arrival_changes_nothing(
        offers in prop::collection::vec((0..6u8, 0..400i64), 300..600).prop_shuffle(),
        seed in any::<u64>(),
    ) {
        let spec = ReservoirSpec { capacity: 256, device_share: 0.3, half_life_days: 0.01, seed };
        let fill = |offers: &mut dyn Iterator<Item = &(u8, i64)>| {
            let mut reservoir = Reservoir::new(spec).unwrap();
            for (device, minute) in offers {
                let row = [f32::from(*device); COLUMNS];
                reservoir.offer(&format!("device-{device}"), START + minute * 60_000, row).unwrap();
            }
            reservoir
        };
        let forwards = fill(&mut offers.iter());
        let backwards = fill(&mut offers.iter().rev());
        let twice = fill(&mut offers.iter().chain(&offers));
        prop_assert!(forwards == backwards && forwards == twice);
    }
}

#[test]
fn a_candidate_from_ordinary_data_may_take_over() {
    let recent = filled(40);
    let candidate = refit(&spec(), &BASE, &recent, 0.5).unwrap();
    assert_eq!(candidate.model, refit(&spec(), &BASE, &recent, 0.5).unwrap().model);
    assert_eq!(candidate.sample.rows(), 8000);
    let recent: Vec<Row> = recent.rows().copied().collect();
    let probes = Probes::new(&BASE);
    let comparison = compare((&FIRST, &FIRST, &candidate.model), &recent, &[], &probes).unwrap();
    println!("{comparison:?}");
    assert!(comparison.swap(), "{comparison:?}");
    assert!(comparison.probes_by_first > 50);
    assert!(refit(&spec(), &BASE, &filled(40), 0.3).is_err());
}

#[test]
fn a_model_compared_with_itself_agrees() {
    let recent = rows(&BASE);
    let comparison = compare((&FIRST, &FIRST, &FIRST), &recent, &recent[..10], &Probes::new(&BASE)).unwrap();
    assert!(comparison.swap());
    assert!((comparison.rank_agreement - 1.0).abs() < 1e-12);
    assert_eq!(comparison.old_alarm_rate, comparison.new_alarm_rate);
    let few = compare((&FIRST, &FIRST, &FIRST), &recent[..10], &[], &Probes::new(&BASE)).unwrap();
    assert_eq!(few.objections, [Objection::TooFewRows]);
}

#[test]
fn a_candidate_that_went_deaf_is_refused() {
    // What a training without bounds would make of rows that are all far out.
    let mut far = String::from(BASE.to_csv().lines().next().unwrap());
    for row in rows(&BASE) {
        far.push('\n');
        let numbers: Vec<String> = row.iter().map(|number| (number * 3.0).to_string()).collect();
        far.push_str(&numbers.join(","));
    }
    far.push('\n');
    let deaf = Model::train(&spec(), &TrainingSample::from_csv(&far).unwrap()).unwrap();
    let comparison = compare((&FIRST, &FIRST, &deaf), &rows(&BASE), &[], &Probes::new(&BASE)).unwrap();
    assert!(comparison.objections.contains(&Objection::LosesProbes), "{comparison:?}");
}

/// Devices of the attacker fill their quotas, every day anew, with rows as far out as is not
/// reported: here just below the limit of the first model.
#[test]
fn patient_devices_cannot_make_a_group_deaf() {
    let probes = Probes::new(&BASE);
    let mut used = FIRST.clone();
    let mut reservoir = filled(40);
    let silent: Vec<Row> = probes
        .rows()
        .iter()
        .filter(|row| compare((&FIRST, &FIRST, &FIRST), &[], &[**row], &probes).unwrap().confirmed_by_old == 0)
        .copied()
        .collect();
    assert!(silent.len() > 10);
    let mut swaps = 0;
    for day in 1..=5 {
        for device in 0..4 {
            for (index, row) in silent.iter().cycle().take(2000).enumerate() {
                let time_ms = START + (10 + day) * DAY_MS + index as i64;
                reservoir.offer(&format!("attacker-{device}"), time_ms, *row).unwrap();
            }
        }
        let candidate = refit(&spec(), &BASE, &reservoir, 0.5).unwrap();
        let recent: Vec<Row> = reservoir.rows().copied().collect();
        let comparison = compare((&FIRST, &used, &candidate.model), &recent, &[], &probes).unwrap();
        println!("day {day}: {comparison:?}");
        if comparison.swap() {
            used = candidate.model;
            swaps += 1;
        }
    }
    let end = compare((&FIRST, &FIRST, &used), &rows(&BASE), &[], &probes).unwrap();
    println!("{swaps} swaps, {end:?}");
    assert!(end.probes_by_both as f64 >= detect::LEAST_PROBES * end.probes_by_first as f64, "{end:?}");
}

#[test]
fn the_row_of_a_reading_is_the_one_that_a_training_takes() {
    let profile = simulate::profile("weather-station").unwrap();
    let stream = simulate::Stream::new(profile, 5, 11, START, 60_000, &[]).unwrap();
    let mut state = DeviceState::new();
    let mut taken = Vec::new();
    let mut readings = Vec::new();
    for (index, sample) in stream.take(1000).enumerate() {
        let values = common::view(&sample.values);
        let reading = ReadingView { time_ms: sample.time_ms, values: &values };
        taken.extend(row_of(&state, &reading).filter(|_| index % 7 == 0));
        let judgement = judge_in_place(&FIRST, &mut state, &reading).unwrap();
        let values = sample.values.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        readings.push(TrainingReading { time_ms: sample.time_ms, values });
        // What was reported teaches a device less; a training reports nothing.
        if judgement.finding.is_some() {
            break;
        }
    }
    assert!(readings.len() > 300, "{}", readings.len());
    let mut sample = TrainingSample::new();
    sample.add_device(&readings).unwrap();
    assert!(!taken.is_empty() && taken == rows(&sample));
}
