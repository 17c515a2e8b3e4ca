//! Numbers that must not move by a bit, on any machine. If a change of the detector moves them on
//! purpose, the byte formats' versions are due for a look as well; then put the new numbers here.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use common::{START, train, view};
use detect::{DeviceState, ReadingView, judge_in_place};
use simulate::{Kind, Stream};

#[test]
fn scores_and_hashes_are_as_committed() {
    let profile = simulate::profile("weather-station").unwrap();
    let model = train(profile);
    let mut stream = Stream::new(profile, 5, 11, START, 60_000, &[]).unwrap();
    stream.inject_at(1000, Kind::Point);
    stream.inject_at(4000, Kind::ChangePoint);
    let mut state = DeviceState::new();
    let mut scores = Vec::new();
    for sample in stream.take(4400) {
        let values = view(&sample.values);
        let reading = ReadingView { time_ms: sample.time_ms, values: &values };
        let judgement = judge_in_place(&model, &mut state, &reading).unwrap();
        if [59, 60, 999, 1000, 1001, 4000, 4024, 4399].contains(&sample.sequence) {
            scores.push((sample.sequence, judgement.score));
        }
    }
    let hex = |hash: [u8; 32]| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let actual = format!("{scores:?}\n{}\n{}", model.version(), hex(state.hash()));
    assert_eq!(actual, GOLDEN, "actual:\n{actual}");
}

const GOLDEN: &str = "\
[(59, 0.0), \
    (60, 0.07031387257316978), \
    (999, 0.05325867779251552), \
    (1000, 0.9510756897270234), \
    (1001, 0.485049445878993), \
    (4000, 0.8787953774013654), \
    (4024, 0.5), \
    (4399, 0.05955183036082932)]
weather-station-a74d68fa2e14
c9bc1a3f64de551581992c28a82ea1a72d8b7a02e56ff3552dda4678725a1c3a";
