//! The dashboard in a real browser: the verdict, worked out in WebAssembly against the chain itself.

use e2e::{
    Browser, Trial, command, paths,
    tamper::{Database, stolen_signer},
};
use ledger::{
    equivocation::Equivocation,
    verdict::{ChainAnswer, Verdict},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_verifies_a_final_anomaly_without_an_error() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(3).await[0];
    trial.all_final().await;

    let browser = Browser::start().await;
    browser.open(&format!("{}/", trial.url())).await;
    browser.click(&format!("a[href='/ui/anomalies/{index}']")).await;
    browser.click("#verify").await;
    let conclusion = browser.conclusion().await;
    assert_eq!(conclusion.verdict, "final", "{conclusion:#?}");
    for step in [
        "payload",
        "entry",
        "leaf",
        "inclusion",
        "signature",
        "tile",
        "chain",
        "block",
        "code",
        "record",
        "history",
        "finality",
        "beacon",
        "time",
    ] {
        assert!(conclusion.says(step, "holds"), "{step}: {conclusion:#?}");
    }
    let bound = browser.find("#bound").await.text().await.expect("text");
    assert!(bound.starts_with("Recorded between"), "{bound}");
    let took = browser.find("#took").await.attr("data-ms").await.expect("an attribute").expect("a time");
    println!("bundle read and examined in the browser in {took} ms");
    assert!(took.parse::<f64>().is_ok_and(|took| took > 0.0), "{took}");
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

/// A trial that closes a window of the log every second, not every hour.
async fn with_heartbeats() -> Trial {
    let mut trial = Trial::start().await;
    trial.stop_service().await;
    trial.settings().flags = ["--heartbeat", "1s"].map(str::to_owned).into();
    trial.start_service().await;
    trial.ready().await;
    trial
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_counted_and_a_device_accounted_for_in_the_browser() {
    let mut trial = with_heartbeats().await;
    let index = trial.provoke(3).await[0];
    let closed = e2e::poll::until("a heartbeat counts the anomalies", async || {
        let page: api::Page<api::Heartbeat> =
            serde_json::from_slice(&trial.get("/api/v1/heartbeats").await.body).ok()?;
        page.items.into_iter().find(|heartbeat| heartbeat.anomalies == 3)
    })
    .await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/completeness", trial.url())).await;
    browser.find(&format!("li[data-index='{}'] [data-state=final]", closed.index)).await;
    browser.open(&format!("{}/ui/anomalies/{index}", trial.url())).await;
    browser.click("#device-windows").await;
    let said = browser.find("#device-summary").await.text().await.expect("text");
    assert!(said.starts_with("This device: 1 reading and 1 anomaly in 1 window"), "{said}");
    browser.find(&format!("li[data-index='{}'] [data-state=final]", closed.index)).await;
    let strangers = format!("{}/ui/completeness/{}", trial.url(), "0".repeat(32));
    browser.open(&strangers).await;
    let said = browser.find("#device-summary").await.text().await.expect("text");
    assert!(said.starts_with("In none of these windows"), "{said}");
    browser.click(&format!("li[data-index='{}'] a", closed.index)).await;
    let facts = browser.find("dl[data-kind=heartbeat]").await.text().await.expect("text");
    assert!(facts.contains("Anomalies\n3"), "{facts}");
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_anchoring_is_seen_on_every_page_and_passes() {
    let mut trial = Trial::start().await;
    trial.provoke(1).await;
    trial.all_final().await;
    trial.chain.stop().await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/send", trial.url())).await;
    browser.find(".anchoring-line [data-health=unreachable]").await;
    browser.click(".anchoring-line a").await;
    browser.find("#anchoring [data-health=unreachable]").await;
    let problem = browser.find("#anchoring-problem").await.text().await.expect("text");
    assert!(!problem.is_empty());
    trial.chain.resume().await;
    browser.find("#anchoring [data-health=ok]").await;
    // What has passed stays to be read.
    let last = browser.find("#anchoring-last-error").await.text().await.expect("text");
    assert!(last.contains(&problem), "{last} / {problem}");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmations_decide_in_place_of_the_chains_own_tag() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(1).await[0];
    trial.all_final().await;
    let browser = Browser::start().await;
    assert_eq!(browser.verify(&trial.url(), index).await.verdict, "final");
    for (confirmations, verdict) in [("1000000", "anchored"), ("1", "final"), ("0", "final")] {
        browser.open(&format!("{}/ui/trust", trial.url())).await;
        browser.fill("#confirmations", confirmations).await;
        browser
            .wait("the number is kept", async || {
                let said = browser.find("#confirmations-said").await.text().await.ok()?;
                said.starts_with("Kept").then_some(())
            })
            .await;
        assert_eq!(browser.verify(&trial.url(), index).await.verdict, verdict, "{confirmations}");
        let command = browser.find(".command code").await.text().await.expect("text");
        assert_eq!(command.contains("--confirmations"), confirmations != "0", "{command}");
    }
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_of_a_fork_can_be_saved_and_convinces_others() {
    let mut trial = Trial::start().await;
    let index = *trial.provoke(2).await.iter().min().expect("two indexes");
    trial.all_final().await;
    let trust = trial.trust().await;
    let browser = Browser::start().await;
    assert_eq!(browser.verify(&trial.url(), index).await.verdict, "final");
    trial.stop_service().await;
    Database::open(trial.data_dir()).fork(index, &stolen_signer(trial.data_dir()));
    trial.start_service().await;
    let conclusion = browser.verify(&trial.url(), index).await;
    assert_eq!(conclusion.verdict, "diverged", "{conclusion:#?}");
    assert!(conclusion.says("seen before", "differs"), "{conclusion:#?}");
    for (width, height, dark) in [(1440, 900, false), (390, 844, true)] {
        browser.view(width, height, dark).await;
        browser.screenshot(&paths::artifacts().join(format!("fork-{width}.png"))).await;
    }
    let listen = "window.saved = []; const make = URL.createObjectURL;
        URL.createObjectURL = blob => { blob.text().then(text => window.saved.push(text)); return make.call(URL, blob) }";
    browser.evaluate(listen).await;
    browser.click("#equivocation button").await;
    let saved = browser
        .wait("the file", async || browser.evaluate("return window.saved[0]").await.as_str().map(str::to_owned))
        .await;
    let proof = Equivocation::from_json(saved.as_bytes()).unwrap_or_else(|error| panic!("{error}: {saved}"));
    let report = proof.examine(&trust, &ChainAnswer::NotAsked);
    assert_eq!(report.verdict, Verdict::Diverged, "{report:#?}");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_fit_phone_and_desk_in_dark_and_light() {
    let trial = with_heartbeats().await;
    // A day of two stations that ends now, always the same, so that the pictures show what users see.
    let url = trial.url();
    let mut args = vec!["simulate", "--url", &url, "--devices", "2", "--count", "1440", "--interval", "0"];
    args.extend(["--seed", "7", "--inject", "point,contextual,change_point"]);
    command::run(args).await.expect_success();
    let index = trial.all_final().await.first().expect("anomalies").index;
    let browser = Browser::start().await;
    for (page, path, ready) in [
        ("live", "/ui/".to_owned(), format!("a[href='/ui/anomalies/{index}']")),
        ("anomaly", format!("/ui/anomalies/{index}"), "#verify".to_owned()),
        ("chain", "/ui/chain".to_owned(), "#anchoring [data-health=ok]".to_owned()),
        ("completeness", "/ui/completeness".to_owned(), "main h1".to_owned()),
        ("send", "/ui/send".to_owned(), "main h1".to_owned()),
        ("trust", "/ui/trust".to_owned(), "#trust-roots".to_owned()),
    ] {
        for (width, height) in [(1440, 900), (390, 844)] {
            for dark in [false, true] {
                browser.view(width, height, dark).await;
                browser.open(&format!("{}{path}", trial.url())).await;
                browser.find(&ready).await;
                if page == "anomaly" {
                    browser.click("#verify").await;
                    assert_eq!(browser.conclusion().await.verdict, "final");
                }
                let shown = browser.evaluate("return document.documentElement.scrollWidth").await;
                assert!(
                    shown.as_u64().is_some_and(|shown| shown <= u64::from(width)),
                    "{page} is {shown} wide at {width}"
                );
                let style = if dark { "dark" } else { "light" };
                browser.screenshot(&paths::artifacts().join(format!("{page}-{width}-{style}.png"))).await;
            }
        }
    }
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
    keep_picture();
}

/// Copies the README's picture where `ANOMALY_LEDGER_KEEP_PICTURE` is set.
fn keep_picture() {
    if std::env::var_os("ANOMALY_LEDGER_KEEP_PICTURE").is_none() {
        return;
    }
    let images = paths::repo().join("docs/images");
    std::fs::create_dir_all(&images).expect("docs is writable");
    let picture = paths::artifacts().join("anomaly-1440-light.png");
    std::fs::copy(picture, images.join("dashboard.png")).expect("the picture can be copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_alone_tells_what_was_found() {
    let mut trial = Trial::start().await;
    trial.provoke(2).await;
    trial.all_final().await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/chain", trial.url())).await;
    e2e::poll::until("the chain feed names a device", async || {
        let text = browser.find("main").await.text().await.ok()?;
        text.contains("provoked-1").then_some(())
    })
    .await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anomaly_arrives_and_becomes_final_before_the_eyes() {
    let mut trial = Trial::start().await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/", trial.url())).await;
    browser.find(".empty").await;
    // From here on the page is not loaded again.
    let index = trial.provoke(1).await[0];
    browser.find(&format!("li:has(a[href='/ui/anomalies/{index}'])")).await;
    browser.find(&format!("li:has(a[href='/ui/anomalies/{index}']) [data-state=final]")).await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_alarm_is_called_one_and_stays_one() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(1).await[0];
    let browser = Browser::start().await;
    let page = format!("{}/ui/anomalies/{index}", trial.url());
    browser.open(&page).await;
    browser.click("#false-alarm").await;
    browser.find("#feedback [data-feedback=false_alarm]").await;
    browser.open(&page).await;
    browser.find("#feedback [data-feedback=false_alarm]").await;
    let other = trial.post(&format!("/api/v1/anomalies/{index}/feedback"), &json!({ "verdict": "real" })).await;
    assert_eq!(other.status, 409);
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_sent_by_hand_is_stored_and_judged() {
    let trial = Trial::start().await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/send", trial.url())).await;
    browser.fill("#device", "by-hand").await;
    browser.fill(".metric .value", "21.5").await;
    browser.find("#answer [data-label=warming_up]").await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}
