//! `anomaly-ledger simulate` against the running service: every way to it, forced attacks, and devices with keys of their
//! own.

use e2e::{Trial, command, guarded::Guarded};

/// Flags that let the service listen for everything.
const LISTEN: [&str; 4] = ["--tcp", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];

/// The ways, with the listener's name in the service's log where it has one.
const WAYS: [(&str, Option<&str>); 4] =
    [("http", None), ("websocket", None), ("tcp", Some("tcp")), ("mqtt", Some("mqtt"))];

fn args<'a>(url: &'a str, protocol: &'a str, address: Option<&'a str>) -> Vec<&'a str> {
    let mut args = vec!["simulate", "--url", url, "--protocol", protocol, "--interval", "0", "--time-step", "60s"];
    args.extend(address.into_iter().flat_map(|address| ["--address", address]));
    args
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_finds_the_same() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    trial.settings().flags = LISTEN.map(str::to_owned).to_vec();
    trial.start_service().await;
    trial.ready().await;
    let url = trial.url();
    let mut summaries = Vec::new();
    for (protocol, listener) in WAYS {
        let address = listener.map(|listener| trial.service().place(listener));
        let mut args = args(&url, protocol, address.as_deref());
        // The same devices each time, so that the second and later ways send what is known already.
        args.extend([
            "--profile",
            "infusion-pump",
            "--devices",
            "3",
            "--count",
            "700",
            "--start",
            "2026-01-01T00:00:00Z",
        ]);
        args.extend(["--attack", "occlusion,replay"]);
        let summary = command::run(args).await.expect_success();
        println!("{protocol}: {summary}");
        assert!(summary.starts_with("2100 readings of 3 devices"), "{summary}");
        assert!(summary.contains("found on 3 of 3 devices"), "{summary}");
        assert!(summary.contains("60 of 60 were known already"), "{summary}");
        summaries.push(summary);
    }
    assert!(summaries.iter().all(|summary| *summary == summaries[0]), "{summaries:#?}");

    // The line protocol tells no verdicts; flows are asked for beside it.
    let mut args = args(&url, "line", None);
    args.extend(["--profile", "weather-station,network-flows", "--count", "700", "--attack", "syn-flood,drift"]);
    let summary = command::run(args).await.expect_success();
    println!("{summary}");
    assert!(summary.contains("does not tell verdicts"), "{summary}");
    let statistics = trial.get("/api/v1/devices/weather-station-1/readings/latest").await;
    assert_eq!(statistics.status, 200, "{}", statistics.text());

    let mut args = self::args(&url, "http", None);
    args.extend(["--profile", "network-flows", "--count", "600", "--seed", "2", "--attack", "port-scan"]);
    let summary = command::run(args).await.expect_success();
    println!("{summary}");
    assert!(summary.contains("found on 6 of 6 devices"), "{summary}");

    // A trial asks nobody who they are: the summary says so.
    let mut args = self::args(&url, "http", None);
    args.extend(["--profile", "mri-scanner", "--count", "300", "--attack", "spoofing"]);
    let finished = command::run(args).await;
    assert_eq!(finished.code, 1, "{finished:#?}");
    assert!(finished.stdout.contains("NOT AS EXPECTED"), "{finished:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_devices_and_cannot_send_as_others() {
    let guarded = Guarded::with(&LISTEN).await;
    guarded.ready().await;
    let owner = guarded.user("olga", &["device_owner"]).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let token = owner.token(&["send", "manage"]).await;
    std::fs::write(path("token"), token.shown().1.trim_start_matches("Bearer ")).expect("it can be written");
    let (url, token) = (guarded.url(), path("token"));
    for (protocol, listener) in WAYS {
        let address = listener.map(|listener| guarded.service().place(listener));
        let keys = path(protocol);
        let mut args = args(&url, protocol, address.as_deref());
        args.extend(["--profile", "patient-monitor", "--devices", "4", "--count", "300", "--attack", "spoofing"]);
        args.extend(["--key-file", &token, "--register", &keys]);
        let summary = command::run(args).await.expect_success();
        println!("{protocol}: {summary}");
        assert!(summary.contains("20 of 20 were refused (forbidden)"), "{summary}");
        assert!(!summary.contains("rejected"), "{summary}");
        let table = std::fs::read_to_string(&keys).expect("the keys");
        assert_eq!(table.lines().filter(|line| line.contains(",ald_")).count(), 4, "{} lines", table.lines().count());
    }
    // With the table, nobody registers anything; and nobody is let in without a key.
    let (table, mut again) = (path("tcp"), args(&url, "http", None));
    again.extend(["--profile", "patient-monitor", "--devices", "4", "--count", "10", "--key-file", &table]);
    command::run(again).await.expect_success();
    let mut nobody = args(&url, "http", None);
    nobody.extend(["--profile", "patient-monitor", "--count", "10"]);
    let finished = command::run(nobody).await;
    assert!(finished.code == 1 && finished.stderr.contains("401"), "{finished:#?}");
}
