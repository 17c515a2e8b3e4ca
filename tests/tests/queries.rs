//! Readings that are kept are found again: listed, down-sampled, counted.

use api::{AnomalyStatistics, DeviceStatistics, Label, Page, Resolution, Series, StoredReading};
use e2e::{Trial, trial::reading};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

async fn get<T: DeserializeOwned>(trial: &Trial, path: &str) -> T {
    let answer = trial.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
}

/// A station's readings, a minute apart from 2026-01-01 on; at the last the temperature is impossible.
async fn station(trial: &Trial, device: &str, count: u64) {
    let weather = |minute: u64| {
        let temperature = if minute + 1 == count { 999.0 } else { 20.0 + (minute % 7) as f64 / 10.0 };
        json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": temperature })
    };
    let readings: Value = (0..count).map(|minute| reading(device, minute, weather(minute))).collect();
    let answer = trial.post("/api/v1/readings", &readings).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// All readings of a device, over all pages.
async fn all(trial: &Trial, device: &str, query: &str) -> Vec<StoredReading> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/devices/{device}/readings?limit=70&{query}{cursor}");
        let page: Page<StoredReading> = get(trial, &path).await;
        found.extend(page.items);
        let Some(next) = page.next_cursor else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_found_again() {
    let trial = Trial::start().await;
    station(&trial, "roof", 180).await;
    station(&trial, "cellar", 10).await;

    let oldest = all(&trial, "roof", "order=oldest").await;
    let sequences: Vec<u64> = oldest.iter().filter_map(|reading| reading.sequence).collect();
    assert_eq!(sequences, (0..180).collect::<Vec<_>>());
    let newest = all(&trial, "roof", "order=newest").await;
    assert!(newest.iter().eq(oldest.iter().rev()));

    let latest: StoredReading = get(&trial, "/api/v1/devices/roof/readings/latest").await;
    assert_eq!((latest.sequence, latest.metrics["temperature"], latest.label), (Some(179), 999.0, Label::Anomaly));
    let index = latest.index.expect("an entry");
    assert!(trial.anomalies().await.iter().any(|anomaly| anomaly.index == index && anomaly.device == "roof"));
    let anomalies = all(&trial, "roof", "label=anomaly").await;
    assert_eq!(anomalies, [latest]);

    // The same hour in two zones, and nothing where nothing was.
    let hour = all(&trial, "roof", "from=2026-01-01T01:00:00Z&to=2026-01-01T02:00:00Z&order=oldest").await;
    assert_eq!((hour.len(), hour[0].sequence), (60, Some(60)));
    let zone = "from=2026-01-01T06:30:00%2B05:30&to=2026-01-01T07:30:00+05:30&order=oldest";
    assert_eq!(all(&trial, "roof", zone).await, hour);
    assert!(all(&trial, "roof", "from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z").await.is_empty());
    assert_eq!(trial.get("/api/v1/devices/attic/readings").await.problem().code, api::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn series_keep_peaks_and_counts_add_up() {
    let trial = Trial::start().await;
    station(&trial, "roof", 180).await;
    station(&trial, "cellar", 10).await;
    let day = "from=2026-01-01T00:00:00Z&to=2026-01-01T03:00:00Z";

    for (points, resolution) in [(300, Resolution::Minute), (3, Resolution::Hour)] {
        let path = format!("/api/v1/devices/roof/series?metric=temperature&{day}&points={points}");
        let series: Series = get(&trial, &path).await;
        assert_eq!(series.resolution, resolution);
        assert!(!series.buckets.is_empty() && series.buckets.len() <= points);
        assert_eq!(series.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 180);
        assert_eq!(series.buckets.iter().map(|bucket| bucket.anomalies).sum::<u64>(), 1);
        assert_eq!(series.buckets.iter().map(|bucket| bucket.max).fold(0.0, f64::max), 999.0);
        assert!(series.buckets.iter().all(|bucket| bucket.min <= bucket.mean && bucket.mean <= bucket.max));
    }
    let raw: Series =
        get(&trial, "/api/v1/devices/roof/series?metric=humidity&from=2026-01-01T00:10:00Z&to=2026-01-01T00:12:00Z")
            .await;
    assert_eq!((raw.resolution, raw.step_ms), (Resolution::Raw, 1_000));
    assert_eq!(raw.buckets.iter().map(|bucket| (bucket.min, bucket.count)).collect::<Vec<_>>(), [(50.0, 1), (50.0, 1)]);

    let devices: DeviceStatistics = get(&trial, &format!("/api/v1/statistics/devices?{day}")).await;
    let counted: Vec<_> =
        devices.items.iter().map(|item| (item.device.as_str(), item.readings, item.anomalies)).collect();
    assert_eq!(counted, [("cellar", 10, 1), ("roof", 180, 1)]);
    assert!((devices.items[0].rate - 0.1).abs() < 1e-12);

    for (step, time) in [("hour", "2026-01-01T02:00:00Z"), ("day", "2026-01-01T00:00:00Z")] {
        let counts: AnomalyStatistics = get(&trial, &format!("/api/v1/statistics/anomalies?{day}&step={step}")).await;
        let last = counts.items.last().expect("a count");
        assert_eq!((last.time.as_str(), last.r#type.as_str(), last.severity.as_str()), (time, "point", "critical"));
        assert_eq!(counts.items.iter().map(|item| item.count).sum::<u64>(), 2);
    }
    let none: AnomalyStatistics =
        get(&trial, "/api/v1/statistics/anomalies?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z").await;
    assert!(none.items.is_empty());
}
