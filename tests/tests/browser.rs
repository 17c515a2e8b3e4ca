//! The dashboard in a real browser: the verdict, worked out in WebAssembly against the chain itself.

use e2e::{Browser, Trial, command, paths};

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
    ] {
        assert!(conclusion.says(step, "holds"), "{step}: {conclusion:#?}");
    }
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_fit_phone_and_desk_in_dark_and_light() {
    let trial = Trial::start().await;
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
        ("chain", "/ui/chain".to_owned(), "main h1".to_owned()),
        ("send", "/ui/send".to_owned(), "main h1".to_owned()),
        ("trust", "/ui/trust".to_owned(), "main h1".to_owned()),
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
