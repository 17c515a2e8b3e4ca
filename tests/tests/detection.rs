//! The commands about detection on files, as others use them: `score` to measure us, `train`, `evaluate`, `backtest`.

use std::{fmt::Write as _, path::Path};

use e2e::{
    Trial,
    command::{Finished, run, run_in},
    paths::repo,
};
use serde_json::Value;

/// A quiet wave, once a minute, that stands far off at the given rows.
fn wave(rows: usize, off: &[usize], time: impl Fn(usize) -> String) -> String {
    let mut text = "t,flow,label\n".to_owned();
    for row in 0..rows {
        // Without any random number: the ripple never repeats within the file.
        let ripple = ((row * 7919) % 1009) as f64 / 1009.0 - 0.5;
        let anomalous = off.contains(&row);
        let value = 20.0 + ripple + if anomalous { 30.0 } else { 0.0 };
        writeln!(text, "{},{value:.4},{}", time(row), u8::from(anomalous)).expect("a text grows");
    }
    text
}

fn minutes(row: usize) -> String {
    format!("2026-01-{:02} {:02}:{:02}:00", 1 + row / 1440, row / 60 % 24, row % 60)
}

/// Writes a file into a directory; its path as text.
fn file(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a temporary directory can be written to");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Header, first column and scores of what `score` has written.
fn scores(text: &str) -> (String, Vec<String>, Vec<f64>) {
    let mut lines = text.lines();
    let header = lines.next().expect("a header").to_owned();
    let (mut first, mut scores) = (Vec::new(), Vec::new());
    for line in lines {
        let (time, score) = line.rsplit_once(',').expect("two columns");
        let digits = score.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit).count();
        assert!(digits >= 17 || score.parse() == Ok(0.0), "{line}");
        first.push(time.to_owned());
        scores.push(score.parse().expect("a number"));
    }
    assert!(scores.iter().all(|score| (0.0..1.0).contains(score)), "{text}");
    (header, first, scores)
}

fn place_of_highest(scores: &[f64]) -> usize {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).expect("some scores")
}

fn refused(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{finished:?}");
    assert!(words.iter().all(|word| finished.stderr.contains(word)), "{words:?}: {finished:?}");
}

#[tokio::test]
async fn score_writes_one_row_for_each_row_and_finds_what_stands_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let input = file(dir.path(), "in.csv", wave(1500, &[1200], minutes));
    let output = dir.path().join("out.csv");
    let out = output.to_str().expect("UTF-8");
    run(["score", &input, "--time", "t", "--ignore", "label", "-o", out]).await.expect_success();
    let text = std::fs::read_to_string(&output).expect("it was written");
    let (header, times, found) = scores(&text);
    assert_eq!(header, "timestamp,anomaly_score");
    assert_eq!(times, (0..1500).map(minutes).collect::<Vec<_>>());
    assert_eq!(place_of_highest(&found), 1200);
    assert!(found[1200] >= 0.5, "{}", found[1200]);
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(left.len(), 2, "nothing but input and output: {left:?}");

    // Without looking ahead: the first rows score the same whatever comes later.
    let half = file(dir.path(), "half.csv", wave(700, &[], minutes));
    let (_, _, half) = scores(&run(["score", &half, "--time", "t", "--ignore", "label"]).await.expect_success());
    assert_eq!(half, found[..700]);
}

#[tokio::test]
async fn score_takes_files_as_they_come() {
    let dir = tempfile::tempdir().expect("a directory");
    let plain = wave(400, &[300], minutes);
    let (_, _, expected) = scores(
        &run(["score", &file(dir.path(), "a.csv", &plain), "--time", "t", "--ignore", "label"]).await.expect_success(),
    );
    let seconds = |row: usize| (1_767_225_600 + 60 * row).to_string();
    let millis = |row: usize| format!("{}000", seconds(row));
    for (name, text) in [
        ("semicolons.csv", format!("\u{feff}{}", plain.replace(',', ";").replace('\n', "\r\n"))),
        ("tabs.csv", plain.replace(',', "\t")),
        ("seconds.csv", wave(400, &[300], seconds)),
        ("fractions.csv", wave(400, &[300], |row| format!("{}.0", seconds(row)))),
        ("millis.csv", wave(400, &[300], millis)),
        ("zoned.csv", wave(400, &[300], |row| minutes(row).replace(' ', "T") + "+00:00")),
        ("slashes.csv", wave(400, &[300], |row| minutes(row).replace('-', "/"))),
    ] {
        let path = file(dir.path(), name, text);
        let finished = run(["score", &path, "--time", "t", "--ignore", "label"]).await;
        let (_, times, found) = scores(&finished.expect_success());
        assert_eq!((times.len(), &found), (400, &expected), "{name}");
    }
    // Unordered, repeated and missing times, missing and broken numbers: every row is there, in its place.
    let ugly = "t,a,b\n5,1,2\n3,NaN,\n3,inf,1e400\n,x,3\n4,9,9\n";
    let text = run(["score", &file(dir.path(), "ugly.csv", ugly), "--time", "t"]).await.expect_success();
    assert_eq!(scores(&text).1, ["5", "3", "3", "", "4"]);
    let text = run(["score", &file(dir.path(), "empty.csv", "t,a\n"), "--time", "t"]).await.expect_success();
    assert_eq!(text, "timestamp,anomaly_score\n");
}

#[tokio::test]
async fn score_takes_more_metrics_than_a_device_may_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut text = "t".to_owned();
    (0..40).for_each(|metric| write!(text, ",m{metric}").expect("a text grows"));
    for row in 0..400_usize {
        write!(text, "\n{row}").expect("a text grows");
        for metric in 0..40_usize {
            let value = ((row * 7919 + metric * 31) % 1009) as f64 / 1009.0;
            let off = if row == 300 && metric == 37 { 50.0 } else { 0.0 };
            write!(text, ",{:.4}", value + off).expect("a text grows");
        }
    }
    let finished = run(["score", &file(dir.path(), "wide.csv", text), "--time", "t"]).await;
    let (_, times, found) = scores(&finished.expect_success());
    assert_eq!((times.len(), place_of_highest(&found)), (400, 300));
}

#[tokio::test]
async fn score_refuses_what_it_cannot_read_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("out.csv");
    let out = out.to_str().expect("UTF-8");
    for (text, more, words) in [
        ("", vec!["--time", "t"], vec!["empty"]),
        ("t,a,class\n0,1,ok\n", vec!["--time", "t"], vec!["line 2", "class", "--ignore class"]),
        ("t,a\n0,1\n1,2,3\n", vec!["--time", "t"], vec!["line 3", "fields"]),
        ("t,a\n0,1\n", vec!["--time", "when"], vec!["\"when\"", "t, a"]),
        ("t,a\n0,1\n", vec!["--time", "t", "--ignore", "b"], vec!["\"b\""]),
        ("a,class\n1,x\n", vec![], vec!["line 2", "--ignore class"]),
        ("a,b,a\n", vec!["--train", "/nowhere/t.csv", "--time", "a"], vec!["cannot be used with"]),
    ] {
        let input = file(dir.path(), "in.csv", text);
        let args = [vec!["score", &input, "-o", out], more].concat();
        refused(&run(args).await, &words);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "{text:?}");
    }
    refused(&run(["score", "/nowhere/in.csv", "--time", "t"]).await, &["/nowhere/in.csv"]);
}

/// Points around (0, 0), and one far from them.
fn points(rows: usize, far: Option<usize>) -> String {
    let mut text = "x,y,always\n".to_owned();
    for row in 0..rows {
        let (x, y) = ((row * 7919 % 1009) as f64 / 1009.0, (row * 104_729 % 997) as f64 / 997.0);
        let off = if far == Some(row) { 9.0 } else { 0.0 };
        writeln!(text, "{:.4},{:.4},7", x + off, y - off).expect("a text grows");
    }
    text
}

#[tokio::test]
async fn score_of_a_table_matches_columns_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let input = file(dir.path(), "in.csv", points(500, Some(123)));
    let own = run(["score", &input, "--seed", "7"]).await.expect_success();
    let (header, rows, found) = scores(&own);
    assert_eq!((header.as_str(), rows[0].as_str(), rows.len()), ("row,anomaly_score", "0", 500));
    assert_eq!(place_of_highest(&found), 123);
    assert_eq!(run(["score", &input, "--seed", "7"]).await.stdout, own);
    assert_ne!(run(["score", &input, "--seed", "8"]).await.stdout, own);

    let train = file(dir.path(), "train.csv", points(600, None));
    let trained = run(["score", &input, "--train", &train]).await.expect_success();
    let swapped: String = points(500, Some(123))
        .lines()
        .enumerate()
        .map(|(row, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            let more = if row == 0 { "more".to_owned() } else { row.to_string() };
            format!("{more},{},{},{}\n", fields[2], fields[1], fields[0])
        })
        .collect();
    let swapped = file(dir.path(), "swapped.csv", swapped);
    assert_eq!(run(["score", &swapped, "--train", &train]).await.expect_success(), trained);
    refused(&run(["score", &file(dir.path(), "less.csv", "x\n1\n2\n"), "--train", &train]).await, &["y", "always"]);

    // A model that is kept says the same; a number that is missing is the column's usual one.
    let model = dir.path().join("model");
    let model = model.to_str().expect("UTF-8");
    let told = run(["train", &train, "-o", model]).await.expect_success();
    assert!(told.starts_with("table-"), "{told}");
    assert_eq!(run(["score", &swapped, "--model", model]).await.expect_success(), trained);
    let gaps = file(dir.path(), "gaps.csv", "x,y,always\n,,\n9,-9,7\n");
    let (_, _, found) = scores(&run(["score", &gaps, "--model", model]).await.expect_success());
    assert!(found[0] < 0.5 && found[1] > 0.5, "{found:?}");
    refused(&run(["backtest", &input, "--time", "x", "--model", model]).await, &["rows without time"]);

    // The smallest tables have scores too.
    for (text, rows) in [("x\n", 0), ("x\n1\n", 1), ("x,y\n1,2\n1,2\n8,9\n", 3)] {
        let text = run(["score", &file(dir.path(), "small.csv", text)]).await.expect_success();
        assert_eq!(scores(&text).1.len(), rows, "{text}");
    }
}

#[tokio::test]
async fn a_trained_model_is_evaluated_and_backtested() {
    let dir = tempfile::tempdir().expect("a directory");
    let normal = file(dir.path(), "normal.csv", wave(4000, &[], minutes));
    let model = dir.path().join("model");
    let model = model.to_str().expect("UTF-8");
    let train = ["train", &normal, "--time", "t", "--ignore", "label", "--profile", "pump"];
    let train = [&train[..], &["--metric", "flow,l/min,0,60", "--seed", "3", "-o", model]].concat();
    let told = run(&train).await.expect_success();
    assert!(told.starts_with("pump-"), "{told}");
    let bytes = |name: &str| std::fs::read(Path::new(model).join(name)).expect("a file of the model");
    let meta: Value = serde_json::from_slice(&bytes("model_meta.json")).expect("JSON");
    assert_eq!((&meta["profile"], &meta["seed"]), (&"pump".into(), &3.into()));
    assert!(bytes("sample.csv").len() > 1000);
    let first = bytes("model.bin");
    run(&train).await.expect_success();
    assert_eq!(bytes("model.bin"), first, "the same rows and seed give the same bytes");

    let labelled = file(dir.path(), "labelled.csv", wave(3000, &[1500, 2500], minutes));
    let evaluate = ["evaluate", &labelled, "--time", "t", "--labels", "label", "--model", model, "--json"];
    let figures: Value = serde_json::from_str(&run(evaluate).await.expect_success()).expect("JSON");
    assert_eq!((&figures["by_event"]["events"], &figures["by_event"]["found"]), (&2.into(), &2.into()), "{figures}");
    assert!(figures["ranking"]["auroc"].as_f64() > Some(0.99), "{figures}");

    let policy = r#"{"default": {"rules": [{"metric": "flow", "when": {"above": 40}, "severity": "critical"}]}}"#;
    let policy = file(dir.path(), "policy.json", policy);
    let backtest = ["backtest", &labelled, "--time", "t", "--ignore", "label", "--model", model, "--policy", &policy];
    let report: Value =
        serde_json::from_str(&run([&backtest[..], &["--json"]].concat()).await.expect_success()).expect("JSON");
    assert_eq!(report["readings"], 3000, "{report}");
    assert!(report["findings"].as_u64() >= Some(2), "{report}");
    let sentences = report["first"].to_string();
    assert!(sentences.contains("2026-01-02T01:00:00Z"), "{report}");
    let text = run([&backtest[..], &["--since", "1h"]].concat()).await.expect_success();
    assert!(text.contains("would have fired 0 times"), "{text}");
    refused(&run(["backtest", &labelled, "--model", model]).await, &["--time"]);

    // Nothing came for an hour: noticed once, when the device speaks again.
    let gap = |row: usize| minutes(if row < 500 { row } else { row + 60 });
    let gap = file(dir.path(), "gap.csv", wave(700, &[], gap));
    let policy = r#"{"default": {"rules": [{"metric": "*", "when": {"no_data": {"seconds": 900}}}]}}"#;
    let policy = file(dir.path(), "silence.json", policy);
    let text = run(["backtest", &gap, "--time", "t", "--ignore", "label", "--policy", &policy]).await.expect_success();
    let told: Vec<_> = text.lines().filter(|line| line.contains("sent no data")).collect();
    assert!(told.len() == 1 && told[0].starts_with("2026-01-01T09:20:00Z"), "{text}");
}

/// The file of a model that judged none of the weather stations.
fn other_model(models: &str) -> String {
    let profile = Path::new(models).join("patient-monitor");
    let hash = std::fs::read_to_string(profile.join("current")).expect("a model in use");
    profile.join(hash.trim()).join("model.bin").to_str().expect("UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_services_past_is_rescored_backtested_and_learnt_from() {
    let trial = Trial::start().await;
    let url = trial.url();
    let mut args = vec!["simulate", "--url", &url, "--profile", "weather-station", "--devices", "2", "--count", "2000"];
    args.extend(["--interval", "0", "--time-step", "60s", "--start", "2026-01-01T00:00:00Z"]);
    args.extend(["--inject", "point,change_point", "--seed", "5"]);
    run(args).await.expect_success();
    let anomalies = trial.all_final().await;
    assert!(!anomalies.is_empty(), "there are no anomalies");

    // Every verdict comes out again; another model is no evidence for it.
    let models = trial.data_dir().join("models");
    let models = models.to_str().expect("UTF-8");
    for anomaly in anomalies.iter().take(3) {
        let bundle = trial.evidence(anomaly.index).await;
        let bundle = bundle.to_str().expect("UTF-8");
        let told = run(["rescore", bundle, "--models", models]).await.expect_success();
        assert_eq!(run(["rescore", bundle, "--url", &url]).await.expect_success(), told);
        assert!(told.contains("score\n      expected 0.") && told.contains("the same verdict"), "{told}");
        assert!(told.contains("anomaly-ledger verify"), "{told}");
        let other = other_model(models);
        refused(&run(["rescore", bundle, "--model", &other]).await, &["names the model"]);
        let mut forged: Value = serde_json::from_slice(&std::fs::read(bundle).expect("a bundle")).expect("JSON");
        forged["state"] = "AAAA".into();
        std::fs::write(bundle, forged.to_string()).expect("a file");
        let told = run(["rescore", bundle, "--models", models]).await;
        assert!(told.code == 30 && told.stdout.contains("contradicts itself"), "{told:?}");
    }

    // The same rules and model find again what was found, from the first reading on.
    let data = trial.data_dir().to_str().expect("UTF-8");
    let backtest = ["backtest", "--data-dir", data, "--json", "--first", "1000"];
    let report: Value = serde_json::from_str(&run(backtest).await.expect_success()).expect("JSON");
    let found = anomalies.len() as u64;
    assert_eq!((&report["readings"], &report["findings"]), (&4000.into(), &found.into()), "{report}");
    assert_eq!(report["meeting"], serde_json::json!({"both": found, "only_now": 0, "only_then": 0}), "{report}");

    let model = trial.file("model");
    let model = model.to_str().expect("UTF-8");
    let told = run(["train", "--data-dir", data, "--profile", "weather-station", "-o", model]).await.expect_success();
    assert!(told.starts_with("weather-station-") && told.contains("of 2 devices"), "{told}");
    let text = run(["backtest", "--data-dir", data, "--model", model]).await.expect_success();
    assert!(text.contains(&format!("found then: {found}")), "{text}");
    let nobody = run(["train", "--data-dir", data, "--profile", "pump", "-o", model]).await;
    refused(&nobody, &["no normal reading", "pump"]);
}

/// The code blocks of a section of docs/operations.md, each with the word after its fence.
fn blocks(section: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(repo().join("docs/operations.md")).expect("the file is there");
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let fenced = section.split("\n```").collect::<Vec<_>>();
    let block = |text: &&str| text.split_once('\n').map(|(word, code)| (word.to_owned(), code.to_owned()));
    fenced.iter().skip(1).step_by(2).filter_map(block).collect()
}

#[tokio::test]
async fn the_documented_commands_do_what_they_say() {
    let dir = tempfile::tempdir().expect("a directory");
    let room = wave(900, &[800], minutes).replace("t,flow,label", "date,Temperature,Occupancy");
    let pump = wave(3000, &[2600, 2800], minutes);
    let of = |device: &str| {
        let line =
            |(row, line): (usize, &str)| if row == 0 { format!("{line},pump\n") } else { format!("{line},{device}\n") };
        pump.replace("label", "fault").lines().enumerate().map(line).collect::<String>()
    };
    for (name, text) in [
        ("room.csv", room),
        ("parts.csv", points(300, Some(9))),
        ("good-parts.csv", points(300, None)),
        ("flows.csv", flows(300)),
        ("more-flows.csv", flows(90)),
        ("pump-1.csv", of("p1")),
        ("pumps.csv", of("p1") + of("p2").split_once('\n').expect("lines").1),
    ] {
        file(dir.path(), name, text);
    }
    let blocks = blocks("Detection on files");
    file(dir.path(), "policy.json", std::fs::read(repo().join("docs/policy.json")).expect("the documented policy"));
    let mut ran = 0;
    for line in blocks.iter().filter(|(word, _)| word.is_empty()).flat_map(|(_, code)| code.lines()) {
        // Those need a service; they are tested with one above.
        if line.contains("--data-dir") || line.contains("rescore") {
            continue;
        }
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("anomaly-ledger"), "{line}");
        let finished = run_in(dir.path(), words).await;
        assert_eq!(finished.code, 0, "{line}: {finished:?}");
        ran += 1;
        if line.contains("backtest") {
            assert!(finished.stdout.contains("p1  ") && finished.stdout.contains("would have fired"), "{finished:?}");
        }
    }
    assert!(ran >= 5, "{ran}");
}

/// Flows of three classes that their words and numbers tell apart.
fn flows(rows: usize) -> String {
    let mut text = "protocol,rate,size,class\n".to_owned();
    for row in 0..rows {
        let noise = (row * 7919 % 1009) as f64 / 1009.0;
        let (protocol, rate, class) =
            [("tcp", 1.0, "BenignTraffic"), ("udp", 50.0, "DDoS"), ("icmp", 2.0, "Recon")][row % 3];
        writeln!(text, "{protocol},{:.4},{},{class}", rate + noise, row % 7).expect("a text grows");
    }
    text
}

#[tokio::test]
async fn a_classifier_is_trained_evaluated_and_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let input = file(dir.path(), "flows.csv", flows(300));
    let model = dir.path().join("flows");
    let model = model.to_str().expect("UTF-8");
    let told = run(["train", &input, "--labels", "class", "--each-label", "-o", model]).await.expect_success();
    assert!(told.starts_with("classes-") && told.contains("held back: accuracy 1.0000"), "{told}");
    assert_eq!(std::fs::read_to_string(Path::new(model).join("sample.csv")).expect("the sample"), flows(300));

    let evaluate = ["evaluate", &input, "--labels", "class", "--model", model, "--json"];
    let figures: Value = serde_json::from_str(&run(evaluate).await.expect_success()).expect("JSON");
    assert_eq!(figures["classes"]["classes"], serde_json::json!(["BenignTraffic", "DDoS", "Recon"]), "{figures}");
    assert_eq!(figures["classes"]["rows"], serde_json::json!([[100, 0, 0], [0, 100, 0], [0, 0, 100]]), "{figures}");
    assert_eq!(figures["ranking"]["auroc"], 1.0, "{figures}");

    // Columns by name, in another order, with others between them; nobody says what is true.
    let asked = file(dir.path(), "asked.csv", "size,id,rate,protocol\n3,a,50.5,udp\n1,b,1.5,tcp\n");
    let text = run(["score", &asked, "--model", model]).await.expect_success();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "row,anomaly_score,class");
    assert!(lines[1].starts_with("0,0.9") && lines[1].ends_with(",DDoS"), "{text}");
    assert!(lines[2].starts_with("1,0.0") && lines[2].ends_with(",BenignTraffic"), "{text}");
    refused(&run(["score", &file(dir.path(), "less.csv", "rate\n1\n"), "--model", model]).await, &["protocol", "size"]);
    refused(&run(["score", &asked, "--time", "id", "--model", model]).await, &["readings"]);
}
