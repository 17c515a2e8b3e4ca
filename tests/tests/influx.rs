//! InfluxDB's line protocol, as its own clients and Telegraf speak it.

use std::{process::Command, time::Duration};

use e2e::{
    Trial, clients, poll,
    process::Process,
    service::{Answer, http, send},
};
use serde_json::{Value, json};

async fn write(trial: &Trial, path: &str, lines: &str) -> Answer {
    send(http().post(trial.url() + path).body(lines.to_owned())).await.expect("the service answers")
}

/// Whether a reading is stored: the same again is a duplicate.
async fn is_stored(trial: &Trial, device: &str, time: &Value, metrics: Value) -> bool {
    let reading = json!({"device": device, "time": time, "metrics": metrics});
    let answer = trial.post("/api/v1/readings", &reading).await;
    answer.status == 200 && answer.json()["results"][0]["status"] == "duplicate"
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_answered_in_their_words() {
    let trial = Trial::start().await;
    let lines = "weather,device=w-1 temperature=21.5,humidity=40i,note=\"fine\" 1767225600123456789\n";
    for path in ["/api/v2/write?org=o&bucket=b", "/api/v2/write?org=o&bucket=b&precision=ns", "/write?db=d&u=me"] {
        let answer = write(&trial, path, lines).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{path}");
    }
    let metrics = json!({"temperature": 21.5, "humidity": 40});
    // Nanoseconds are cut to microseconds.
    assert!(is_stored(&trial, "w-1", &json!("2026-01-01T00:00:00.123456Z"), metrics).await);

    for (precision, time) in [("s", "1767225601"), ("ms", "1767225602000"), ("us", "1767225603000000")] {
        let line = format!("t,sensor_id=s value=1.5 {time}");
        assert_eq!(write(&trial, &format!("/api/v2/write?precision={precision}"), &line).await.status, 204);
    }
    assert_eq!(write(&trial, "/write?precision=m", "t,sensor_id=s value=1.5 29453761").await.status, 204);
    for second in [1, 2, 3, 60] {
        assert!(is_stored(&trial, "s", &json!(1_767_225_600 + second), json!({"t": 1.5})).await, "{second}");
    }

    let answer = write(&trial, "/api/v2/write?precision=days", "t,device=d v=1").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!("invalid")));
    let answer = write(&trial, "/write", "broken").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({"error": "partial write: line 1: expected fields as name=value, with neither empty; stored=0 dropped=1"})
    );

    // A key that does not hold is refused in a trial too, however it is shown.
    for (path, authorization) in
        [("/api/v2/write", Some("Token alt_x")), ("/write", Some("Basic dTphbHRfeA==")), ("/write?u=u&p=alt_x", None)]
    {
        let mut request = http().post(trial.url() + path).body("t,device=d v=1");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = send(request).await.expect("the service answers");
        assert_eq!(answer.status, 401, "{path}");
        let error = answer.json();
        assert!(error["code"] == "unauthorized" || error["error"].is_string(), "{path}: {error}");
    }
    for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
        let answer = send(http().request(method, trial.url() + "/ping")).await.expect("the service answers");
        assert_eq!(answer.status, 204);
        assert!(answer.headers.iter().any(|(name, _)| name == "x-influxdb-version"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_influxdb_2_writes() {
    let trial = Trial::start().await;
    let printed = clients::python("influx.py", &[&trial.url()]);
    assert_eq!(printed.trim(), "pong True\nwritten\nrefused 422 unprocessable entity 2");
    assert!(is_stored(&trial, "py-1", &json!(1_767_225_600), json!({"temperature": 21.5, "humidity": 40})).await);
    for at in 0..500 {
        let found = is_stored(&trial, "py-batch", &json!(1_767_225_600 + at), json!({"value-of": at})).await;
        assert!(found, "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn telegraf_writes_by_both_versions_and_sends_again_what_was_refused_in_passing() {
    let mut trial = Trial::start().await;
    let source = trial.file("lines.influx");
    let lines: String = (0..2_000)
        .map(|at| format!("weather,device=tg-{} temperature=20.5,at={at}i {}000000000\n", at % 7, 1_767_225_600 + at))
        .collect();
    std::fs::write(&source, lines).expect("a temporary file can be written");
    let config = trial.file("telegraf.conf");
    let url = trial.url();
    let text = format!(
        "[agent]\n  interval = \"1s\"\n  flush_interval = \"1s\"\n  omit_hostname = true\n  metric_buffer_limit = 10000\n\
         [[outputs.influxdb_v2]]\n  urls = [\"{url}\"]\n  organization = \"o\"\n  bucket = \"b\"\n\
         [[outputs.influxdb]]\n  urls = [\"{url}\"]\n  skip_database_creation = true\n\
         [[inputs.file]]\n  files = [\"{}\"]\n  data_format = \"influx\"\n",
        source.display()
    );
    std::fs::write(&config, text).expect("a temporary file can be written");
    // What Telegraf has gathered while nobody listens it keeps, and sends later.
    trial.stop_service().await;
    let mut command = Command::new(clients::telegraf());
    command.arg("--config").arg(&config);
    let process = Process::start("telegraf", &mut command, trial.file("x").parent().expect("a directory"));
    poll::until("telegraf finds nobody", async || process.stderr().contains("refused").then_some(())).await;
    trial.start_service().await;
    trial.ready().await;
    let committed = async || {
        let text = trial.get("/metrics").await.text();
        let count = text.lines().find_map(|line| line.strip_prefix("readings_committed_total "))?;
        (count.parse::<f64>().ok()? >= 2_000.0).then_some(())
    };
    poll::within(Duration::from_secs(60), "telegraf's lines are stored", committed).await;
    for at in (0..2_000).step_by(37) {
        let metrics = json!({"temperature": 20.5, "at": at});
        let device = format!("tg-{}", at % 7);
        assert!(is_stored(&trial, &device, &json!(1_767_225_600 + at), metrics).await, "{at}");
    }
}
