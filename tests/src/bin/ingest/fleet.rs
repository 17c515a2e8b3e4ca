//! The service that is measured, and the devices that are registered with it.

use std::{collections::BTreeMap, path::PathBuf};

use e2e::{
    Guarded, Session,
    process::free_port,
    service::{http, send},
};

/// Lines of a table of devices that the service takes at a time.
const LINES: usize = 10_000;

/// Devices of a page.
const PAGE: u64 = 500;

/// A service, on a chain of its own, and somebody with devices.
#[derive(Debug)]
pub(crate) struct Fleet {
    guarded: Guarded,
    owner: Session,
    mqtt: String,
    /// Whether it speaks TLS now.
    tls: bool,
}

/// Devices that send one load, whose names have this beginning.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) prefix: String,
    pub(crate) connections: u32,
    /// Of each connection.
    pub(crate) devices: u32,
    /// What each connection shows, a line each: its device's key, or their owner's token if it has several.
    pub(crate) keys: PathBuf,
}

/// A type of devices.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// What `POST /predict` is made for.
    Factory,
    Weather,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let mqtt = format!("127.0.0.1:{}", free_port());
        let guarded = Guarded::with(&["--mqtt", &mqtt]).await;
        guarded.ready().await;
        let owner = guarded.user("fleet", &["device_owner"]).await.token(&["read", "send", "manage"]).await;
        Self { guarded, owner, mqtt, tls: false }
    }

    /// Registers the devices of so many connections, and makes their keys.
    pub(crate) async fn register(&self, prefix: &str, connections: u32, devices: u32, kind: Kind) -> Group {
        let kind = match kind {
            Kind::Factory => "factory-station",
            Kind::Weather => "weather-station",
        };
        let names: Vec<String> = match devices {
            1 => (0..connections).map(|connection| format!("{prefix}-{connection}")).collect(),
            _ => {
                let of = |connection| (0..devices).map(move |device| format!("{prefix}-{connection}-{device}"));
                (0..connections).flat_map(of).collect()
            }
        };
        let mut keys = Vec::new();
        for names in names.chunks(LINES) {
            keys.extend(self.import(names, kind).await);
        }
        if devices > 1 {
            keys = vec![self.token().to_owned()];
        }
        let file = self.guarded.trial.file(&format!("keys-{prefix}"));
        std::fs::write(&file, keys.join("\n")).expect("a temporary file can be written");
        Group { prefix: prefix.to_owned(), connections, devices, keys: file }
    }

    async fn import(&self, names: &[String], kind: &str) -> Vec<String> {
        let table: String = std::iter::once("name,type\n".to_owned())
            .chain(names.iter().map(|name| format!("{name},{kind}\n")))
            .collect();
        let (header, shown) = self.owner.shown();
        let request = http().post(format!("{}/api/v1/devices/import?keys=true", self.guarded.url()));
        let request = request.header(header, shown).header("content-type", "text/csv").body(table);
        let answer = send(request).await.expect("the service answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        // Line, name, key, problem; neither name nor key has a comma.
        let key = |line: &str| line.split(',').nth(2).filter(|key| key.starts_with("ald_")).map(str::to_owned);
        let text = answer.text();
        let keys = text.lines().skip(1).map(|line| key(line).unwrap_or_else(|| panic!("no key: {line}")));
        let keys: Vec<String> = keys.collect();
        assert_eq!(keys.len(), names.len(), "a key for each device");
        keys
    }

    fn token(&self) -> &str {
        self.owner.shown().1.trim_start_matches("Bearer ")
    }

    /// Starts the service again, with or without TLS.
    pub(crate) async fn restart(&mut self, tls: bool) {
        let trial = &mut self.guarded.trial;
        trial.stop_service().await;
        let flags = &mut trial.settings().flags;
        flags.retain(|flag| flag != SELF_MADE);
        flags.extend(tls.then(|| SELF_MADE.to_owned()));
        trial.start_service().await;
        self.tls = tls;
    }

    /// The certificate that the service has made itself, if it speaks TLS now.
    pub(crate) fn certificate(&self) -> Option<PathBuf> {
        self.tls.then(|| self.guarded.trial.data_dir().join("tls-self-made.crt"))
    }

    /// Where the service takes readings of this shape.
    pub(crate) fn address(&self, shape: &str) -> String {
        match shape {
            "mqtt" => self.mqtt.clone(),
            _ => self.guarded.url().trim_start_matches("http://").to_owned(),
        }
    }

    /// The service's process.
    pub(crate) fn pid(&self) -> u32 {
        self.guarded.service().id()
    }

    /// How many numbers are missing between the first and the last sequence number of each device, all together.
    pub(crate) async fn missing(&self) -> u64 {
        self.guarded.ready().await;
        let (mut missing, mut cursor) = (0, String::new());
        loop {
            let answer = self.owner.get(&format!("/api/v1/devices?limit={PAGE}{cursor}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let page: api::Devices = serde_json::from_slice(&answer.body).expect("a page of devices");
            missing += page.items.iter().map(|device| device.status.missing).sum::<u64>();
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return missing,
            }
        }
    }

    /// Stops the service; how many readings its store has of each device.
    pub(crate) async fn stop_and_count(&mut self) -> BTreeMap<String, u64> {
        let trial = &mut self.guarded.trial;
        trial.stop_service().await;
        let database = rusqlite::Connection::open(trial.data_dir().join("ledger.sqlite")).expect("a database");
        // Rows that are not packed, and packed ones. None is a silence: no rule here asks for any.
        let mut select = database
            .prepare(
                "SELECT name, (SELECT count(*) FROM reading WHERE device = id)
                     + (SELECT coalesce(sum(readings), 0) FROM chunk WHERE device = device.id) FROM device",
            )
            .expect("tables of readings");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }
}

/// The flag by which the service speaks TLS.
const SELF_MADE: &str = "--tls-self-made";
