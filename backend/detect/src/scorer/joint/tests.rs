//! Synthetic metrics with known faults.

use super::*;
use crate::random::Random;

/// Twelve-fold sums of uniforms are normal enough.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

/// Two metrics that go together, a third on its own.
fn row(random: &mut Random) -> [f64; 3] {
    let common = normal(random);
    [80.0 + 3.0 * common, 79.0 + 3.0 * common + 0.3 * normal(random), 1e6 + normal(random)]
}

fn values(row: &[f64]) -> Vec<JointValue> {
    row.iter().enumerate().map(|(metric, value)| JointValue { metric, value: *value, least: 0.0 }).collect()
}

fn of(metrics: usize) -> Joint {
    let mut joint = Joint::new();
    (0..metrics).for_each(|_| joint.add().unwrap());
    joint
}

fn learnt(random: &mut Random, readings: usize) -> Joint {
    let mut joint = of(3);
    for _ in 0..readings {
        joint.push(&values(&row(random)));
    }
    joint
}

#[test]
fn ordinary_readings_are_about_standard_normal() {
    let mut random = Random::new(1);
    let mut joint = learnt(&mut random, 500);
    let mut distances = Vec::new();
    for _ in 0..4000 {
        distances.push(joint.push(&values(&row(&mut random))).unwrap().distance);
    }
    distances.sort_by(f64::total_cmp);
    assert!(distances[2000].abs() < 0.7, "{}", distances[2000]);
    assert!(distances[3990] < FAR, "{}", distances[3990]);
}

#[test]
fn nothing_is_said_of_fewer_than_two_known_metrics() {
    let mut joint = of(2);
    for i in 0..100 {
        let value = f64::from(i % 7);
        let measures = joint.push(&values(&[value, value]));
        assert_eq!(measures.is_some(), i >= i32::from(WAIT), "{i}");
        assert_eq!(measures.map_or(2, |measures| measures.metrics), 2);
    }
    assert!(joint.push(&values(&[3.0])).is_none());
}

#[test]
fn a_small_lasting_shift_of_all_is_seen_and_not_learnt() {
    let mut random = Random::new(2);
    let mut joint = learnt(&mut random, 500);
    for i in 0..400 {
        let shifted = row(&mut random).map(|value| value + 2.0);
        let distance = joint.push(&values(&shifted)).unwrap().distance;
        assert!(i < 40 || distance > FAR, "{i}: {distance}");
    }
    // What was normal is normal again soon.
    let back = (0..60).map(|_| joint.push(&values(&row(&mut random))).unwrap().distance);
    assert!(back.last().unwrap() < FAR);
}

#[test]
fn what_lasts_long_enough_is_the_new_baseline() {
    let mut random = Random::new(3);
    let mut joint = learnt(&mut random, 500);
    let shifted = (0..2000).map(|_| {
        let reading = row(&mut random).map(|value| value + 5.0);
        joint.push(&values(&reading)).unwrap().distance
    });
    let distances: Vec<f64> = shifted.collect();
    assert!(distances[900] > FAR && distances[1990] < FAR, "{} {}", distances[900], distances[1990]);
}

#[test]
fn metrics_that_part_break_the_pattern() {
    let mut random = Random::new(4);
    let mut joint = learnt(&mut random, 1000);
    let mut parted = row(&mut random);
    // Each alone is ordinary: 80 ± 3.
    parted[0] = 83.0;
    parted[1] = 76.0;
    let mut last = None;
    for _ in 0..20 {
        last = joint.push(&values(&parted));
    }
    let measures = last.unwrap();
    assert!(measures.q > measures.t2 && measures.q > 6.0, "{measures:?}");
    assert!(measures.point > 1.5, "{measures:?}");
    let shares = joint.shares(&values(&parted));
    assert!((shares.iter().map(|share| share.share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(shares[2].share < 0.2, "{shares:?}");
    // By the second alone, the first is expected below its usual 80.
    assert!(shares[0].expected < 80.0, "{shares:?}");
}

#[test]
fn one_spike_is_soon_over_and_a_constants_wiggle_is_nothing() {
    let mut random = Random::new(5);
    let mut joint = learnt(&mut random, 500);
    let mut spike = row(&mut random);
    spike[2] += 1e9;
    assert!(joint.push(&values(&spike)).unwrap().point > 100.0);
    let after = (0..20).map(|_| joint.push(&values(&row(&mut random))).unwrap().distance);
    assert!(after.last().unwrap() < FAR);

    let mut constant = of(2);
    let reading = |value| [0, 1].map(|metric| JointValue { metric, value, least: 0.02 });
    for _ in 0..200 {
        constant.push(&reading(37.0));
    }
    assert!(constant.push(&reading(37.01)).unwrap().point < 1.0);
}

#[test]
fn missing_and_new_metrics_are_no_event() {
    let mut random = Random::new(6);
    let mut joint = learnt(&mut random, 500);
    let full = values(&row(&mut random));
    assert!(joint.push(&full[..2]).unwrap().distance < FAR);
    assert_eq!(joint.push(&[full[0], full[2]]).unwrap().metrics, 2);
    let correlations = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| joint.correlation(a, b));
    joint.add().unwrap();
    assert_eq!([(0, 1), (0, 2), (1, 2)].map(|(a, b)| joint.correlation(a, b)), correlations);
    assert!((0..3).all(|metric| joint.correlation(metric, 3) == 0.0));
    let twice = [full[0], full[0], JointValue { metric: 99, ..full[0] }];
    assert!(joint.push(&twice).is_none());
}

#[test]
fn bytes_come_back_and_go_on_with_the_same_bits() {
    let mut random = Random::new(8);
    let mut joint = learnt(&mut random, 777);
    let bytes = joint.to_bytes();
    assert_eq!(bytes.len(), 19 + 3 * 28 + 3 * 2);
    let mut copy = Joint::from_bytes(&bytes).unwrap();
    for _ in 0..100 {
        let reading = values(&row(&mut random));
        let (a, b) = (joint.push(&reading).unwrap(), copy.push(&reading).unwrap());
        assert_eq!((a.distance.to_bits(), a.q.to_bits()), (b.distance.to_bits(), b.q.to_bits()));
    }
    assert_eq!(joint.to_bytes(), copy.to_bytes());
    for length in 0..bytes.len() {
        assert!(Joint::from_bytes(&bytes[..length]).is_err());
    }
    assert!(Joint::from_bytes(&[13; 2000]).is_err());
}

#[test]
fn any_bytes_that_can_be_read_can_be_used() {
    let mut random = Random::new(9);
    let good = learnt(&mut random, 300).to_bytes();
    for _ in 0..3000 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            let at = random.below(bytes.len());
            bytes[at] = random.next_u64() as u8;
        }
        let Ok(mut joint) = Joint::from_bytes(&bytes) else { continue };
        for _ in 0..3 {
            let extreme = values(&[1e308, -1e308, 0.0]);
            joint.push(&extreme);
            joint.push(&values(&row(&mut random)));
        }
        assert!(Joint::from_bytes(&joint.to_bytes()).is_ok());
    }
}

/// The same readings give the same bits on every machine; changed only together with a format.
#[test]
fn golden() {
    let mut random = Random::new(10);
    let mut joint = learnt(&mut random, 400);
    let measures = joint.push(&values(&row(&mut random))).unwrap();
    let bits = [measures.distance, measures.t2, measures.q, measures.point].map(f64::to_bits);
    assert_eq!(
        bits,
        [13834206578657938056, 13823289606744758516, 13835339116648950025, 13826509068459460580],
        "{bits:?}"
    );
}
