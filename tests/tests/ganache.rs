//! The whole way on Ganache: deploy, anchor, verify. Ganache calls its newest block `finalized`, so what is final there is
//! counted in confirmations, by the service and by the auditor alike.

use std::{ffi::OsStr, path::Path};

use e2e::{
    Ganache, Service,
    command::{self, Finished},
    poll,
    process::free_port,
    service::{Settings, http, send},
    trial::{init, reading},
};
use serde_json::json;

/// So many that no further anchor of the service, which is a block each, makes the anomaly's final before the test does.
const CONFIRMATIONS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_is_final_after_its_confirmations() {
    let ganache = Ganache::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let data_dir = dir.path().join("data");
    let contract = ganache.deploy(&init(&data_dir).await).await;
    let flags = vec!["--confirmations".to_owned(), CONFIRMATIONS.to_string()];
    let settings = Settings {
        trial: true,
        data_dir,
        rpc_url: ganache.url(),
        contract,
        port: free_port(),
        publish: "payloads",
        flags,
        environment: Vec::new(),
    };
    let service = Service::start(&settings, dir.path()).await.expect("the service starts");
    let ready = async || (send(http().get(format!("{}/ready", service.url()))).await.ok()?.status == 200).then_some(());
    poll::until("the service is ready", ready).await;

    let index = provoke(&service).await;
    reaches(&service, api::EntryState::Anchored).await;
    let trust = dir.path().join("trust.json");
    std::fs::write(&trust, get(&service, "/api/v1/trust").await).expect("a temporary file can be written");
    let (early, late) = (dir.path().join("early.json"), dir.path().join("late.json"));

    // For an auditor who counts it is not final yet; for one who believes Ganache's tag it is.
    ganache.mine(CONFIRMATIONS / 2).await;
    command::evidence(index, service.url(), &early).await.expect_success();
    let said = verify(&early, &trust, &ganache, Some(CONFIRMATIONS)).await;
    assert_eq!(said.code, 10, "{said:#?}");
    assert!(said.says("record", "holds") && said.says("finality", "skipped"), "{said:#?}");
    assert_eq!(verify(&early, &trust, &ganache, None).await.code, 0);

    ganache.mine(CONFIRMATIONS / 2).await;
    reaches(&service, api::EntryState::Final).await;
    command::evidence(index, service.url(), &late).await.expect_success();
    for bundle in [&early, &late] {
        let said = verify(bundle, &trust, &ganache, Some(CONFIRMATIONS)).await;
        assert_eq!(said.code, 0, "{said:#?}");
        assert!(said.says("finality", "holds"), "{said:#?}");
    }
    assert_eq!(service.stop("TERM").await, 0);
}

/// Sends one impossible reading; gives its entry's index.
async fn provoke(service: &Service) -> u64 {
    let reading = reading("sensor", 0, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 999.0 }));
    let request = http().post(format!("{}/api/v1/readings", service.url())).json(&reading);
    let answer = send(request).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["results"][0]["judgement"]["index"]
        .as_u64()
        .unwrap_or_else(|| panic!("no anomaly: {}", answer.text()))
}

/// Waits until the service says that the anomaly is in this state.
async fn reaches(service: &Service, wanted: api::EntryState) {
    poll::until(&format!("the entry is {wanted:?}"), async || {
        let page: api::Page<api::Anomaly> = serde_json::from_slice(&get(service, "/api/v1/anomalies").await).ok()?;
        (page.items.first()?.state == wanted).then_some(())
    })
    .await;
}

async fn get(service: &Service, path: &str) -> Vec<u8> {
    let answer = send(http().get(service.url().to_owned() + path)).await.expect("an answer");
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
    answer.body
}

async fn verify(bundle: &Path, trust: &Path, ganache: &Ganache, confirmations: Option<u64>) -> Finished {
    let (url, count) = (ganache.url(), confirmations.unwrap_or_default().to_string());
    let mut args = vec![OsStr::new("verify"), bundle.as_ref(), "--trust".as_ref(), trust.as_ref()];
    args.extend([OsStr::new("--rpc-url"), url.as_ref()]);
    if confirmations.is_some() {
        args.extend([OsStr::new("--confirmations"), count.as_ref()]);
    }
    command::run(args).await
}
