//! The dashboard of a service that is no trial, in a real browser: signing in, and what people do then.

use e2e::{Browser, Guarded, Session, guarded::PASSWORD, poll};
use serde_json::{Value, json};

/// Replaces the text in a field, without ending with Enter.
async fn write(browser: &Browser, css: &str, text: &str) {
    let field = browser.find(css).await;
    field.clear().await.expect("a field can be emptied");
    field.send_keys(text).await.expect("a field takes text");
}

async fn sign_in(browser: &Browser, name: &str, password: &str) {
    write(browser, "#name", name).await;
    write(browser, "#password", password).await;
    browser.click("#sign-in").await;
}

/// Readings of a device every second up to now, the last of which nobody expects.
async fn send_history(browser: &Browser, url: &str, key: &str, device: &str) {
    let times = "return Array.from({ length: 200 }, (_, at) => new Date(Date.now() - (200 - at) * 1000).toISOString())";
    let times = browser.evaluate(times).await;
    let reading = |(at, time): (usize, &Value)| {
        let celsius = if at == 199 { 999.0 } else { 20.0 + (at % 7) as f64 / 10.0 };
        json!({ "device": device, "sequence": at, "time": time, "metrics": { "temperature": celsius } })
    };
    let readings: Vec<_> = times.as_array().expect("times").iter().enumerate().map(reading).collect();
    let answer = Session::key(url, key).post("/api/v1/readings", &json!(readings)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_registers_a_device_and_sees_what_it_sends() {
    let guarded = Guarded::start().await;
    guarded.ready().await;
    guarded.user("olga", &["device_owner"]).await;
    let browser = Browser::start().await;
    // The way in stands where the page will be.
    browser.open(&format!("{}/ui/register-device", guarded.url())).await;
    sign_in(&browser, "olga", "not her password").await;
    browser.find(".form [role=alert]").await;
    assert!(browser.errors().await.iter().all(|error| error.contains("401")), "the refusal, and nothing else");
    sign_in(&browser, "olga", PASSWORD).await;
    write(&browser, "input#tags", "ward=3").await;
    write(&browser, "#name", "ward 3/thermometer").await;
    browser.click("button#register").await;
    let key = browser.find("#registered .command code").await.text().await.expect("text");
    assert!(key.starts_with("ald_"), "{key}");
    send_history(&browser, &guarded.url(), &key, "ward 3/thermometer").await;
    browser.click("#registered a.button").await;
    // The page shows the newest value, the chart with the anomaly, and where its entry is.
    browser.find(".presence[data-online=true]").await;
    browser.find(".series path.mean").await;
    browser.find(".series circle.mark").await;
    let said = browser.find(".series figcaption").await.text().await.expect("text");
    assert!(said.starts_with("Temperature: 200 values"), "{said}");
    browser.find("#found a[href^='/ui/anomalies/']").await;
    let page = browser.find("main").await.text().await.expect("text");
    assert!(page.contains("ward=3") && !page.contains(&key), "{page}");
    // What an owner may not do is not offered, and leads nowhere.
    assert!(browser.all("#menu-service").await.is_empty());
    browser.open(&format!("{}/ui/users", guarded.url())).await;
    browser.find(".notice").await;
    assert!(browser.all("#users").await.is_empty());
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_password_is_changed_first_and_the_audit_log_tells() {
    let guarded = Guarded::start().await;
    let made = guarded.admin.post("/api/v1/users", &json!({ "name": "ada", "roles": ["admin"] })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let given = made.json()["password"].as_str().expect("a password").to_owned();
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/sign-in", guarded.url())).await;
    sign_in(&browser, "ada", &given).await;
    for (field, text) in
        [("#current-password", given.as_str()), ("#new-password", PASSWORD), ("#new-password-again", PASSWORD)]
    {
        write(&browser, field, text).await;
    }
    browser.click("#change-password").await;
    // Until the password is changed, nothing else is there to go to.
    browser.find("a[href='/ui/devices']").await;
    browser.open(&format!("{}/ui/users", guarded.url())).await;
    browser.find("[data-user=ada]").await;
    browser.open(&format!("{}/ui/audit", guarded.url())).await;
    browser.find("li[data-what='user.create']").await;
    // Whoever signs out is nobody again; what is open to everybody stays.
    browser.click("#menu-account").await;
    browser.click("#sign-out").await;
    browser.find("a[href='/ui/sign-in']").await;
    browser.open(&format!("{}/ui/audit", guarded.url())).await;
    browser.find("#sign-in").await;
    assert!(browser.all("#audit").await.is_empty());
    assert_eq!(browser.errors().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_taken_up_and_leaves_the_address_bar() {
    let guarded = Guarded::start().await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/sign-in", guarded.url())).await;
    sign_in(&browser, "root", PASSWORD).await;
    browser.find("#menu-account").await;
    browser.open(&format!("{}/ui/users", guarded.url())).await;
    browser.click("#invitations summary").await;
    browser.click("#invite-auditor").await;
    browser.click("#invite").await;
    let link = browser.find("#invitations .command code").await.text().await.expect("text");
    browser.click("#menu-account").await;
    browser.click("#sign-out").await;
    browser.find("a[href='/ui/sign-in']").await;
    browser.open(&link).await;
    browser.find("button#register").await;
    let address = browser.evaluate("return location.href").await;
    assert!(address.as_str().is_some_and(|address| address.ends_with("/ui/register")), "{address}");
    for (field, text) in [("#name", "otto"), ("#password", PASSWORD), ("#password-again", PASSWORD)] {
        write(&browser, field, text).await;
    }
    browser.click("button#register").await;
    browser.find("#menu-account").await;
    poll::until("the invitation's roles hold", async || {
        let who = browser.evaluate("return fetch('/api/v1/session').then(answer => answer.json())").await;
        (who["name"] == "otto" && who["roles"] == json!(["device_owner", "auditor"])).then_some(())
    })
    .await;
    browser.quit().await;
}
