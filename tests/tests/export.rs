//! Readings leave as a file and come back as they were.

use std::path::Path;

use e2e::{
    Trial,
    command::{Finished, run, run_in},
    paths::repo,
    process::free_port,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Names that a spreadsheet takes for formulas, or a careless reader for something else.
const NAMES: [&str; 7] = ["=cmd|' /C calc'!A0", "+1", "-pump", "@SUM(A1)", "'quoted'", "a,b \"c\"; d", "\u{ff1d}1+1"];

/// Values at the edges of what intake takes, as JSON writes them.
const VALUES: [&str; 9] = [
    "1.7976931348623157e308",
    "-1.7976931348623157e308",
    "2.2250738585072014e-308",
    "0.30000000000000004",
    "9007199254740991",
    "9.007199254740992e15",
    "-9.999999999999998e15",
    "0",
    "-12.5",
];

/// Sends readings of every name and value; gives how many.
async fn send_edges(trial: &Trial) -> u64 {
    let mut lines = Vec::new();
    for (place, name) in NAMES.iter().enumerate() {
        for (at, value) in VALUES.iter().enumerate() {
            let device = json!(name);
            let metrics = format!(r#"{{"=m":{value},"a,b":{at},"device":-{at}.5}}"#);
            let metrics = metrics.replace("-0.5", "0.5");
            let time = format!("2026-01-05T08:{at:02}:00.00{place}123Z");
            // Some are known by their sequence number, others by their time.
            let sequence = if place % 2 == 0 { format!(r#""sequence":{at},"#) } else { String::new() };
            lines.push(format!(r#"{{"device":{device},"time":"{time}",{sequence}"metrics":{metrics}}}"#));
        }
    }
    let answer = trial.post_raw("/api/v1/readings", "application/x-ndjson", lines.join("\n")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    lines.len() as u64
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// What was sent, of each line of an export as JSON.
fn sent(text: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        let members = line.as_object_mut().expect("an object");
        members.retain(|name, _| ["device", "time", "sequence", "metrics"].contains(&name.as_str()));
        line
    };
    text.lines().filter(|line| !line.starts_with(r#"{"end""#)).map(line).collect()
}

async fn export(args: &[&str]) -> Finished {
    run(["export"].iter().chain(args)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_comes_back_as_it_was_and_only_once() {
    let trial = Trial::start().await;
    let count = send_edges(&trial).await;
    let (data_dir, url) = (path(trial.data_dir()).to_owned(), trial.url());
    let mut files = Vec::new();
    for form in ["ndjson", "csv"] {
        let (local, remote) = (trial.file(&format!("local.{form}")), trial.file(&format!("remote.{form}")));
        export(&["--data-dir", &data_dir, "--format", form, "-o", path(&local)]).await.expect_success();
        let said = export(&["--url", &url, "-o", path(&remote), "--format", form]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.stderr.contains(&format!("{count} readings written")), "{said:?}");
        let (local_text, remote_text) = (std::fs::read_to_string(&local), std::fs::read_to_string(&remote));
        assert_eq!(local_text.expect("a file"), remote_text.expect("a file"), "{form}");
        files.push(local);
    }
    let original = std::fs::read_to_string(&files[0]).expect("a file");
    assert_eq!(sent(&original).len() as u64, count);
    // No cell begins as a formula, however a reader takes the quotes.
    let csv = std::fs::read_to_string(&files[1]).expect("a file");
    for cell in csv.lines().flat_map(|line| line.split(',')).map(|cell| cell.trim_matches('"')) {
        let number = cell.parse::<f64>().is_ok();
        assert!(number || !cell.starts_with(['=', '+', '-', '@', '\u{ff1d}']), "{cell}");
    }

    for file in &files {
        let other = Trial::start().await;
        let url = other.url();
        let first = run(["replay", path(file), "--url", &url]).await.expect_success();
        assert!(first.contains(&format!("{count} readings sent: {count} stored, 0 had been stored before")), "{first}");
        let again = run(["import", path(file), "--url", &url]).await.expect_success();
        assert!(again.contains(&format!("0 stored, {count} had been stored before")), "{again}");
        let restored = export(&["--url", &url]).await.expect_success();
        assert_eq!(sent(&restored), sent(&original), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_chosen_by_device_time_and_label() {
    let trial = Trial::start().await;
    send_edges(&trial).await;
    let (url, data_dir) = (trial.url(), path(trial.data_dir()).to_owned());
    for from in [["--url", &url], ["--data-dir", &data_dir]] {
        let one = export(&[&from[..], &["--device", "+1"]].concat()).await.expect_success();
        assert_eq!(sent(&one).len(), VALUES.len());
        let span = ["--from", "2026-01-05T09:02:00+01:00", "--to", "2026-01-05T08:04:00Z"];
        let some = export(&[&from[..], &["--device", "+1"], &span].concat()).await.expect_success();
        assert_eq!(sent(&some).len(), 2);
        let none = export(&[&from[..], &["--from", "2030-01-01T00:00:00Z"]].concat()).await.expect_success();
        assert!(sent(&none).is_empty() && none.contains(r#""readings":0"#), "{none}");
        let warming = export(&[&from[..], &["--label", "warming_up"]].concat()).await.expect_success();
        assert!(warming.lines().count() > 1 && !warming.contains(r#""label":"normal""#));
        let unknown = export(&[&from[..], &["--device", "nobody"]].concat()).await;
        assert!(unknown.code != 0 && unknown.stdout.is_empty(), "{unknown:?}");
    }
    for wrong in [
        &["--url", &url, "--from", "yesterday"][..],
        &["--url", &url, "--from", "2026-01-05T09:00:00Z", "--to", "2026-01-05T09:00:00Z"],
        &["--url", &url, "--format", "xlsx"],
        &["--url", &url, "--features"],
        &["--data-dir", "/nowhere"],
        &[],
    ] {
        assert_eq!(export(wrong).await.code, 2, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_file_is_refused_before_anything_is_sent() {
    let trial = Trial::start().await;
    let count = send_edges(&trial).await;
    let other = Trial::start().await;
    let url = other.url();
    for name in ["whole.csv", "whole.ndjson"] {
        let (whole, cut) = (trial.file(name), trial.file("cut"));
        export(&["--data-dir", path(trial.data_dir()), "-o", path(&whole)]).await.expect_success();
        let bytes = std::fs::read(&whole).expect("a file");
        std::fs::write(&cut, &bytes[..bytes.len() - 150]).expect("a temporary file can be written");
        let refused = run(["replay", path(&cut), "--url", &url]).await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("was cut off"), "{refused:?}");
        let text = String::from_utf8(bytes).expect("UTF-8").replacen("12.5", "12.6", 1);
        std::fs::write(&cut, text).expect("a temporary file can be written");
        let refused = run(["replay", path(&cut), "--url", &url]).await;
        assert!(refused.code == 2 && refused.stderr.contains("was changed"), "{refused:?}");
    }
    let nothing = export(&["--url", &url]).await.expect_success();
    assert!(nothing.contains(r#""readings":0"#), "{nothing}");

    let (whole, cut) = (trial.file("whole.csv"), trial.file("cut"));
    let text = std::fs::read_to_string(whole).expect("a file");
    let rows: Vec<&str> = text.lines().collect();
    // The last whole row, and half of one more.
    std::fs::write(&cut, format!("{}\n{}", rows[..6].join("\n"), &rows[6][..40])).expect("a temporary file");
    let part = run(["replay", path(&cut), "--url", &url, "--partial"]).await.expect_success();
    assert!(part.contains("5 readings sent: 5 stored") && count > 5, "{part}");
}

/// Answers every request with these bytes, and closes the connection.
async fn answering(answer: String) -> String {
    let port = free_port();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_download_leaves_no_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("readings.ndjson");
    let line = r#"{"device":"d","time":"2026-01-05T08:00:00Z","metrics":{"t":1.0},"score":0,"threshold":0.5,"label":"normal","model_version":"m"}"#;
    // Once the connection breaks, once everything looks well and only the last line is missing.
    for answer in [
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\n\r\n", line.len() + 1),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}\n", line.len() + 1),
    ] {
        let url = answering(answer).await;
        let cut = export(&["--url", &url, "-o", path(&file)]).await;
        assert_eq!(cut.code, 1, "{cut:?}");
        assert!(cut.stderr.contains("broke off") || cut.stderr.contains("was cut off"), "{cut:?}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_what_train_score_and_evaluate_read() {
    let trial = Trial::start().await;
    let url = trial.url();
    let mut args = vec!["simulate", "--url", &url, "--profile", "factory-station", "--devices", "2", "--count", "1440"];
    args.extend(["--interval", "0", "--time-step", "60s", "--start", "2026-01-01T00:00:00Z"]);
    args.extend(["--inject", "point,contextual,change_point", "--seed", "7"]);
    run(args).await.expect_success();
    let found = trial.anomalies().await;
    let wrong = &found[0];
    let said = json!({ "verdict": "false_alarm" });
    let answer = trial.post(&format!("/api/v1/anomalies/{}/feedback", wrong.index), &said).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let file = trial.file("features.csv");
    let file = path(&file);
    export(&["--data-dir", path(trial.data_dir()), "--features", "-o", file]).await.expect_success();
    let text = std::fs::read_to_string(file).expect("a file");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    assert_eq!((header[0], header[1], header.len()), ("device", "time", 19));
    let column = |name: &str| header.iter().position(|column| *column == name).expect("a column");
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert!(rows.len() > 2_000 && rows.iter().all(|row| row.len() == header.len()), "{} rows", rows.len());
    let denied: Vec<_> = rows.iter().filter(|row| row[column("feedback")] == "false_alarm").collect();
    let [denied] = denied.as_slice() else { panic!("one finding was denied: {denied:?}") };
    assert_eq!((denied[column("label")], denied[column("anomaly")]), ("anomaly", "0"));
    assert_eq!(denied[column("type")], wrong.r#type);
    let anomalies = rows.iter().filter(|row| row[column("anomaly")] == "1").count();
    assert!(anomalies > 0 && anomalies < found.len(), "{anomalies} of {}", found.len());

    let ignore = "device,time,score,label,type,feedback";
    let (model, scores) = (trial.file("model"), trial.file("scores.csv"));
    let train = ["train", file, "--labels", "anomaly", "--ignore", ignore, "-o", path(&model)];
    run(train).await.expect_success();
    let score = ["score", file, "--model", path(&model), "--ignore", &format!("{ignore},anomaly"), "-o", path(&scores)];
    run(score).await.expect_success();
    assert_eq!(std::fs::read_to_string(&scores).expect("scores").lines().count(), rows.len() + 1);
    let evaluate = ["evaluate", file, "--labels", "anomaly", "--ignore", ignore, "--model", path(&model), "--json"];
    let figures: Value = serde_json::from_str(&run(evaluate).await.expect_success()).expect("figures");
    assert_eq!(figures["anomalous_rows"], anomalies);
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_readings_are_read_by_the_commands_that_learn() {
    let trial = Trial::start().await;
    let url = trial.url();
    let mut args = vec!["simulate", "--url", &url, "--profile", "weather-station", "--devices", "1", "--count", "700"];
    args.extend(["--interval", "0", "--time-step", "60s", "--start", "2026-01-01T00:00:00Z", "--seed", "7"]);
    run(args).await.expect_success();
    let (csv, lines) = (trial.file("readings.csv"), trial.file("readings.ndjson"));
    for file in [&csv, &lines] {
        export(&["--url", &url, "-o", path(file)]).await.expect_success();
    }
    let ignore = "sequence,label,score,threshold,model_version,index";
    let table = ["--time", "time", "--device", "device", "--ignore", ignore];
    let of_csv = run(["backtest", path(&csv), "--json"].iter().chain(&table)).await.expect_success();
    let of_lines = run(["backtest", path(&lines), "--json"]).await.expect_success();
    let readings = |text: &str| serde_json::from_str::<Value>(text).expect("a report")["readings"].clone();
    assert_eq!((readings(&of_csv), readings(&of_lines)), (json!(700), json!(700)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_commands_do_what_they_say() {
    let trial = Trial::start().await;
    let (url, dir) = (trial.url(), tempfile::tempdir().expect("a temporary directory"));
    let mut args = vec!["simulate", "--url", &url, "--profile", "factory-station", "--devices", "1", "--count", "1440"];
    args.extend(["--interval", "0", "--time-step", "60s", "--start", "2026-01-01T00:00:00Z"]);
    args.extend(["--inject", "point", "--seed", "7"]);
    run(args).await.expect_success();
    // The simulator names its devices itself: one of them is to be called as in the text.
    let lines = export(&["--url", &url]).await.expect_success();
    let name =
        serde_json::from_str::<Value>(lines.lines().next().expect("a line")).expect("a reading")["device"].clone();
    let renamed = lines.lines().filter(|line| !line.starts_with(r#"{"end""#)).map(|line| {
        let mut line = sent(line).remove(0);
        line["device"] = json!("press-1");
        line.to_string()
    });
    let file = trial.file("press.ndjson");
    std::fs::write(&file, renamed.collect::<Vec<_>>().join("\n")).expect("a temporary file can be written");
    run(["replay", path(&file), "--url", &url]).await.expect_success();
    assert_ne!(name, "press-1");

    let text = std::fs::read_to_string(repo().join("docs/data.md")).expect("the file is there");
    let mut ran = 0;
    for line in text.split("\n```\n").skip(1).step_by(2).flat_map(str::lines) {
        let line = line.replace("http://127.0.0.1:8080", &url).replace("--data-dir data", "--data-dir DATA");
        let here = |word: &str| if word == "DATA" { path(trial.data_dir()).to_owned() } else { word.to_owned() };
        let words: Vec<String> = line.split_whitespace().map(|word| here(word.trim_matches('\''))).collect();
        match words[0].as_str() {
            "anomaly-ledger" => {
                let finished = run_in(dir.path(), &words[1..]).await;
                assert_eq!(finished.code, 0, "{line}: {finished:?}");
            }
            "curl" => {
                let address = words.last().and_then(|word| word.strip_prefix(&url)).expect("an address");
                let answer = trial.get(address).await;
                assert!(answer.status == 200 && !answer.body.is_empty(), "{line}: {}", answer.text());
            }
            other => panic!("{other} in {line}"),
        }
        ran += 1;
    }
    assert!(ran >= 15, "{ran}");
}
