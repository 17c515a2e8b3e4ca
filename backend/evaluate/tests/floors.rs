//! Floors under the detector's quality: well below what was measured, so that only a real loss is
//! seen. Seeds are fixed. What needs public data sets is skipped where they are not.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use common::data_set;
use evaluate::{
    part::{adbench, bidmc, classes, merlion, nab, nsl_kdd, simulator, skab},
    table::{Line, render},
};

/// Our figure in the line whose measure begins like this.
fn figure(lines: &[Line], measure: &str) -> f64 {
    let line = lines.iter().find(|line| line.measure.starts_with(measure));
    line.and_then(|line| line.ours).unwrap_or_else(|| panic!("no figure {measure:?} in\n{}", render(lines)))
}

fn at_least(lines: &[Line], floors: &[(&str, f64)]) {
    for (measure, floor) in floors {
        let ours = figure(lines, measure);
        assert!(ours >= *floor, "{measure}: {ours} is below {floor}\n{}", render(lines));
    }
}

fn at_most(lines: &[Line], ceilings: &[(&str, f64)]) {
    for (measure, ceiling) in ceilings {
        let ours = figure(lines, measure);
        assert!(ours <= *ceiling, "{measure}: {ours} is above {ceiling}\n{}", render(lines));
    }
}

#[test]
fn simulated_events_are_found_without_crying_wolf() {
    let lines = simulator::measure(simulator::Size { devices: 4, days: 3 }).unwrap();
    let own = [("point", 0.95), ("contextual", 0.9), ("change point", 0.9)];
    // Who knows nothing of the device beforehand has to learn first what is usual.
    let alone = [("point", 0.4), ("contextual", 0.2), ("change point", 0.6)];
    for (by, floors) in [("profile's model", own), ("alone", alone)] {
        let floors = floors.map(|(kind, floor)| (format!("recall, {kind}, {by}"), floor));
        at_least(&lines, &floors.each_ref().map(|(measure, floor)| (measure.as_str(), *floor)));
    }
    at_most(
        &lines,
        &[("false alarms a device-day, clean, profile's model", 0.5), ("false alarms a device-day, clean, alone", 1.0)],
    );
}

#[test]
fn nab() {
    let Some(dir) = data_set("nab") else { return };
    let lines = nab::measure(&dir, None).unwrap();
    let floors = [
        ("standard, best threshold", 68.0),
        ("standard, each category by the others' threshold", 60.0),
        ("standard, threshold 0.5", 60.0),
    ];
    at_least(&lines, &floors);
}

#[test]
fn merlion_by_window() {
    let Some(dir) = data_set("merlion") else { return };
    let lines = merlion::measure(&dir).unwrap();
    at_least(&lines, &[("horizontal shock", 0.3), ("seasonal level", 0.2)]);
}

#[test]
fn tables_without_labels() {
    let Some(dir) = data_set("adbench") else { return };
    let lines = adbench::measure(&dir, true, false, None).unwrap();
    at_least(
        &lines,
        &[("AUROC × 100, forest alone", 70.0), ("AP × 100, forest alone", 35.0), ("AUROC × 100, fused", 72.0)],
    );
}

#[test]
fn network_flows_without_labels() {
    let Some(dir) = data_set("nsl_kdd") else { return };
    at_least(&nsl_kdd::measure(&dir, true, None).unwrap(), &[("AUROC, forest alone", 0.94), ("AUROC, fused", 0.94)]);
}

#[test]
fn network_flows_with_labels() {
    let Some(dir) = data_set("nsl_kdd") else { return };
    let lines = classes::measure(&dir, true).unwrap();
    at_least(&lines, &[("accuracy, benign", 0.97), ("AUROC, benign", 0.99), ("macro F1, families", 0.5)]);
}

#[test]
fn faults_in_vital_signs() {
    let Some(dir) = data_set("bidmc") else { return };
    let lines = bidmc::measure(&dir).unwrap();
    at_least(
        &lines,
        &[("recall, spike, at 1 ", 0.5), ("recall, dropout, at 1 ", 0.8), ("recall, swapped patients, at 1 ", 0.4)],
    );
}

#[test]
fn the_water_loop() {
    let Some(dir) = data_set("skab") else { return };
    let lines = skab::measure(&dir.join("valve1"), None).unwrap();
    at_least(&lines, &[("outlier F1, as many false alarms as T²+Q", 0.65)]);
    at_most(&lines, &[("false-alarm rate, threshold 0.5", 0.1)]);
}
