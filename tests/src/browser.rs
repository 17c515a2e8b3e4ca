//! Headless Chromium through its driver: the dashboard as a person sees it.

use std::{path::Path, process::Command, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel, prelude::*};

use crate::{
    poll,
    process::{Process, free_port},
    service::{http, install_crypto},
};

/// A page answers within seconds, and asks a chain that may be slow.
const PATIENCE: Duration = Duration::from_secs(40);

/// A browser with an empty profile.
#[derive(Debug)]
pub struct Browser {
    // Dropped in this order: the session ends before its driver.
    driver: WebDriver,
    _chromedriver: Process,
    _logs: TempDir,
}

/// What the page concludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// The verdict's name.
    pub verdict: String,
    /// Each step's name and outcome, in their order.
    pub steps: Vec<(String, String)>,
}

impl Conclusion {
    /// Whether a step of this name ended so.
    pub fn says(&self, step: &str, outcome: &str) -> bool {
        self.steps.iter().any(|(name, ended)| name == step && ended == outcome)
    }
}

impl Browser {
    /// Starts driver and browser.
    pub async fn start() -> Self {
        install_crypto();
        let logs = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let chromedriver = Process::start("chromedriver", &mut command, logs.path());
        poll::until("chromedriver answers", async || http().get(format!("{url}/status")).send().await.ok()).await;

        let mut wanted = DesiredCapabilities::chrome();
        // Tests run as root in containers, where Chromium has no sandbox and little shared memory.
        for arg in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"] {
            wanted.add_arg(arg).expect("an argument can be added");
        }
        wanted.set_browser_log_level(LoggingPrefsLogLevel::Severe).expect("logs can be asked for");
        let driver = WebDriver::new(url, wanted).await.expect("a browser session begins");
        let browser = Self { driver, _chromedriver: chromedriver, _logs: logs };
        // Each visit reads what the service serves now; what a cache would hide is not what is tested.
        browser.cdp("Network.enable", json!({})).await;
        browser.cdp("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
        browser
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Waits for an element.
    pub async fn find(&self, css: &str) -> WebElement {
        self.wait(css, async || self.driver.find(By::Css(css)).await.ok()).await
    }

    /// Asks the page until there is an answer.
    ///
    /// # Panics
    /// When the time is over; the message shows the page.
    pub async fn wait<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        if let Some(answer) = poll::try_within(PATIENCE, ask).await {
            return answer;
        }
        let text = self.evaluate("return location + '\\n' + document.body.innerText").await;
        let text = text.as_str().unwrap_or_default();
        panic!("not within {PATIENCE:?}: {what}, on the page {text}\nThe browser's log: {:#?}", self.errors().await);
    }

    /// All elements that there are now.
    pub async fn all(&self, css: &str) -> Vec<WebElement> {
        self.driver.find_all(By::Css(css)).await.expect("a list of elements")
    }

    /// Clicks an element as soon as it can be clicked.
    pub async fn click(&self, css: &str) {
        self.wait(css, async || self.driver.find(By::Css(css)).await.ok()?.click().await.ok()).await;
    }

    /// Replaces the text in a field, and ends with Enter, as a person would.
    pub async fn fill(&self, css: &str, text: &str) {
        let (control, none, enter) = (Key::Control.value(), Key::Null.value(), Key::Enter.value());
        let keys = format!("{control}a{none}{text}{enter}");
        self.find(css).await.send_keys(keys).await.expect("a field takes text");
    }

    /// Opens the page of an entry, clicks Verify, and waits for the conclusion.
    pub async fn verify(&self, service: &str, index: u64) -> Conclusion {
        self.open(&format!("{service}/ui/anomalies/{index}")).await;
        self.click("#verify").await;
        self.conclusion().await
    }

    /// Waits for the conclusion on the page.
    pub async fn conclusion(&self) -> Conclusion {
        let verdict = self
            .wait("a verdict", async || {
                let verdict = self.driver.find(By::Css("#verdict[data-verdict]")).await.ok()?;
                let verdict = verdict.attr("data-verdict").await.ok()??;
                // `none` would be a page that found nothing to examine; the text tells why.
                assert_ne!(verdict, "none", "{}", self.find("main").await.text().await.unwrap_or_default());
                (verdict != "working").then_some(verdict)
            })
            .await;
        let mut steps = Vec::new();
        for step in self.all("[data-step]").await {
            let attribute = async |name| step.attr(name).await.ok().flatten().unwrap_or_default();
            steps.push((attribute("data-step").await, attribute("data-outcome").await));
        }
        Conclusion { verdict, steps }
    }

    /// Shows the page in a window of this size, with the dark or the light style.
    pub async fn view(&self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// Writes what the window shows as a PNG, once nothing moves any more.
    pub async fn screenshot(&self, file: &Path) {
        let moving = "return document.getAnimations().some(a => a.playState === 'running' && a.effect.getTiming().iterations !== Infinity)";
        self.wait("no running animation", async || (self.evaluate(moving).await == false).then_some(())).await;
        let shot = self.cdp("Page.captureScreenshot", json!({ "format": "png" })).await;
        let png = BASE64.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, png).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// What a script on the page returns.
    pub async fn evaluate(&self, script: &str) -> serde_json::Value {
        let result = self.driver.execute(script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// The errors that the browser has logged since it was asked last: of scripts, of loading, of security.
    pub async fn errors(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("the browser's log");
        log.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }

    /// Ends the session.
    pub async fn quit(self) {
        // The driver ends with this value in any case.
        let _ = tokio::time::timeout(Duration::from_secs(10), self.driver.clone().quit()).await;
    }

    async fn cdp(&self, command: &str, arguments: serde_json::Value) -> serde_json::Value {
        self.driver.cdp().send_raw(command, arguments).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}
