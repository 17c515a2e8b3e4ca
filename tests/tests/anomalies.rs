//! Simulated and real readings become anomalies, each becomes final, and its evidence verifies.

use std::{
    hash::{BuildHasher, RandomState},
    path::Path,
};

use e2e::{Trial, command, paths};

/// Another number at each run. It is printed, so that a failure can be repeated.
fn seed() -> u64 {
    RandomState::new().hash_one(()) % 1_000_000
}

/// Waits until every anomaly is final, and verifies the evidence of each with the command.
async fn all_verify(trial: &Trial) {
    let anomalies = trial.all_final().await;
    assert!(!anomalies.is_empty(), "there are no anomalies");
    let trust = trial.pin_trust().await;
    for anomaly in &anomalies {
        let verified = trial.verify(anomaly.index, &trust).await;
        assert_eq!(verified.code, 0, "entry {}: {verified:#?}", anomaly.index);
    }
    println!("{} anomalies are final and verify", anomalies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_anomalies_become_final_and_verify() {
    let trial = Trial::start().await;
    let seed = seed().to_string();
    println!("seed {seed}");
    let url = trial.url();
    let mut args = vec!["simulate", "--url", &url, "--profile", "factory-station", "--devices", "2", "--count", "1440"];
    args.extend(["--interval", "0", "--time-step", "60s", "--start", "2026-01-01T00:00:00Z"]);
    args.extend(["--inject", "point,contextual,change_point", "--seed", &seed]);
    let summary = command::run(args).await.expect_success();
    println!("{summary}");
    all_verify(&trial).await;
}

/// Replays one file as one device.
async fn replay(trial: &Trial, file: &Path, time: &str, ignore: &str) {
    let (url, device) = (trial.url(), file.file_stem().expect("a name").to_string_lossy());
    let file = file.to_str().expect("a path in UTF-8");
    let mut args = vec!["replay", file, "--url", &url, "--time", time, "--device", &device];
    if !ignore.is_empty() {
        args.extend(["--ignore", ignore]);
    }
    println!("{}", command::run(args).await.expect_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_room_has_anomalies_that_become_final_and_verify() {
    let Some(data) = paths::data_set("occupancy") else { return };
    let trial = Trial::start().await;
    replay(&trial, &data.join("datatest.txt"), "date", "Occupancy").await;
    all_verify(&trial).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_patients_have_anomalies_that_become_final_and_verify() {
    let Some(data) = paths::data_set("bidmc") else { return };
    let trial = Trial::start().await;
    for patient in 1..=6 {
        replay(&trial, &data.join(format!("bidmc_{patient:02}_Numerics.csv")), "Time [s]", "").await;
    }
    all_verify(&trial).await;
}
