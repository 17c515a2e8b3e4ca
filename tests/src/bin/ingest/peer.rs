//! The peer: Flask, scikit-learn and SQLite, as `tests/load/peer.py` has them, under gunicorn.

use std::{path::Path, process::Command, time::Duration};

use e2e::{
    paths, poll,
    process::{Process, free_port},
};

use crate::{
    Asked,
    fleet::Group,
    load::{Load, Shown},
    most_within,
    table::Table,
};

/// It trains its model first, in each worker.
const START: Duration = Duration::from_secs(120);

/// A thread for each connection of the widest step that it could answer in time; more only wait for the interpreter.
const THREADS: usize = 16;

/// Measures it as our `POST /predict` is measured, without keys and TLS, of which it knows nothing.
pub(crate) async fn measure(python: &Path, asked: &Asked, table: &mut Table) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let database = dir.path().join("peer.sqlite");
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(python);
    command.args(["-m", "gunicorn", "--worker-class", "gthread", "--keep-alive", "60"]);
    command.args([format!("--workers={workers}"), format!("--threads={THREADS}"), format!("--bind={address}")]);
    command.arg("peer:app").current_dir(paths::repo().join("tests/load"));
    command.env("PEER_DATABASE", &database).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut peer = Process::start("peer", &mut command, dir.path());
    // The table is there when the first prediction was stored.
    let first = format!("http://{address}/predict");
    let body = serde_json::json!({ "timestamp": 1_767_225_600, "station_id": "first", "sequence": 0,
        "temperature_c": 20.0, "humidity_pct": 50.0, "sound_db": 48.0 });
    poll::within(START, "the peer answers", async || {
        let answer = e2e::service::send(e2e::service::http().post(&first).json(&body)).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let pids = processes(peer.id());
    let load = async |name: &str, connections: u32, seconds: u64| -> Shown {
        let prefix = format!("{name}{connections}");
        let group = Group { prefix, connections, devices: 1, keys: dir.path().join("none") };
        let load = Load { shape: "predict", seconds, ..Load::default() };
        load.send(&address, &pids, &group, Vec::new()).await
    };
    let seconds = (asked.lasts() / 3).max(1);
    let connections = most_within(asked.steps(), async |connections| load("try", connections, seconds).await).await;
    let shown = load("single", connections, asked.lasts()).await;
    // gunicorn ends its workers when it is asked to, not when it is killed.
    peer.signal("TERM");
    peer.ended(Duration::from_secs(40)).await;
    let database = rusqlite::Connection::open(&database).expect("the peer's database");
    let count = "SELECT count(*) FROM prediction WHERE station LIKE ?";
    let stored: i64 =
        database.query_row(count, [format!("single{connections}-%")], |row| row.get(0)).expect("predictions");
    table.add_peer("Flask, scikit-learn and SQLite: POST /predict", shown, stored.unsigned_abs());
}

/// A process and its children.
fn processes(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}
