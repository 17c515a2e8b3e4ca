//! Addresses below /ui/, and the way between them.
//!
//! A dozen pages need no router: an address is parsed into a [`Route`], and clicks on links within /ui/ change it
//! without loading the page anew.

use ledger::text::Pseudonym;
use leptos::{ev, prelude::*};
use percent_encoding::percent_decode_str;
use wasm_bindgen::{JsCast, JsValue};

use crate::server::encoded;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The live feed.
    Live,
    /// One anomaly.
    Anomaly(u64),
    /// What the chain alone tells.
    Chain,
    /// What the heartbeats say, of all devices or of one as well.
    Completeness(Option<Pseudonym>),
    /// One reading by hand.
    Send,
    /// The pinned trust roots.
    Trust,
    /// What was found, counted.
    Overview,
    /// The registry of devices.
    Devices,
    /// One device, by name.
    Device(String),
    /// Registering a device.
    NewDevice,
    /// Registering many from a table.
    ImportDevices,
    /// Types of devices.
    Types,
    /// Signing in.
    SignIn,
    /// Registering oneself.
    Register,
    /// One's own account.
    Account,
    /// Users and invitations.
    Users,
    /// The audit log.
    Audit,
    /// Nothing that exists.
    Unknown,
}

/// Where the pages live.
const BASE: &str = "/ui";

impl Route {
    /// The page at a path.
    pub(crate) fn parse(path: &str) -> Self {
        let Some(rest) = path.strip_prefix(BASE) else { return Self::Unknown };
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Self::Live,
            (Some("anomalies"), Some(index), None) => index.parse().map_or(Self::Unknown, Self::Anomaly),
            (Some("chain"), None, _) => Self::Chain,
            (Some("completeness"), None, _) => Self::Completeness(None),
            (Some("completeness"), Some(device), None) => {
                device.parse().map_or(Self::Unknown, |device| Self::Completeness(Some(device)))
            }
            (Some("send"), None, _) => Self::Send,
            (Some("trust"), None, _) => Self::Trust,
            (Some("overview"), None, _) => Self::Overview,
            (Some("devices"), None, _) => Self::Devices,
            (Some("devices"), Some(name), None) => {
                percent_decode_str(name).decode_utf8().map_or(Self::Unknown, |name| Self::Device(name.into_owned()))
            }
            (Some("register-device"), None, _) => Self::NewDevice,
            (Some("import-devices"), None, _) => Self::ImportDevices,
            (Some("device-types"), None, _) => Self::Types,
            (Some("sign-in"), None, _) => Self::SignIn,
            (Some("register"), None, _) => Self::Register,
            (Some("account"), None, _) => Self::Account,
            (Some("users"), None, _) => Self::Users,
            (Some("audit"), None, _) => Self::Audit,
            _ => Self::Unknown,
        }
    }

    /// The page's path.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Live | Self::Unknown => format!("{BASE}/"),
            Self::Anomaly(index) => format!("{BASE}/anomalies/{index}"),
            Self::Chain => format!("{BASE}/chain"),
            Self::Completeness(None) => format!("{BASE}/completeness"),
            Self::Completeness(Some(device)) => format!("{BASE}/completeness/{device}"),
            Self::Send => format!("{BASE}/send"),
            Self::Trust => format!("{BASE}/trust"),
            Self::Overview => format!("{BASE}/overview"),
            Self::Devices => format!("{BASE}/devices"),
            Self::Device(name) => format!("{BASE}/devices/{}", encoded(name)),
            Self::NewDevice => format!("{BASE}/register-device"),
            Self::ImportDevices => format!("{BASE}/import-devices"),
            Self::Types => format!("{BASE}/device-types"),
            Self::SignIn => format!("{BASE}/sign-in"),
            Self::Register => format!("{BASE}/register"),
            Self::Account => format!("{BASE}/account"),
            Self::Users => format!("{BASE}/users"),
            Self::Audit => format!("{BASE}/audit"),
        }
    }

    /// The page's title.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Live => "Live".into(),
            Self::Anomaly(index) => format!("Entry {index}"),
            Self::Chain => "Chain".into(),
            Self::Completeness(_) => "Completeness".into(),
            Self::Send => "Send a reading".into(),
            Self::Trust => "Trust roots".into(),
            Self::Overview => "Overview".into(),
            Self::Devices => "Devices".into(),
            Self::Device(name) => name.clone(),
            Self::NewDevice => "Register a device".into(),
            Self::ImportDevices => "Import devices".into(),
            Self::Types => "Device types".into(),
            Self::SignIn => "Sign in".into(),
            Self::Register => "Register".into(),
            Self::Account => "Your account".into(),
            Self::Users => "Users".into(),
            Self::Audit => "Audit log".into(),
            Self::Unknown => "Not found".into(),
        }
    }
}

/// The way to another page without a link.
#[derive(Clone, Copy)]
pub(crate) struct Navigator(WriteSignal<Route>);

impl Navigator {
    /// Opens a page.
    pub(crate) fn go(self, route: &Route) {
        self.open(&route.path());
    }

    fn open(self, path: &str) {
        if window().history().is_ok_and(|h| h.push_state_with_url(&JsValue::NULL, "", Some(path)).is_ok()) {
            self.0.set(here());
            window().scroll_to_with_x_and_y(0.0, 0.0);
            focus_main();
        }
    }
}

fn here() -> Route {
    Route::parse(&window().location().pathname().unwrap_or_default())
}

/// The current page; follows links and the browser's history from now on.
pub(crate) fn follow() -> (ReadSignal<Route>, Navigator) {
    let (route, set_route) = signal(here());
    let navigator = Navigator(set_route);
    let _ = window_event_listener(ev::popstate, move |_| set_route.set(here()));
    let _ = window_event_listener(ev::click, move |event| {
        let Some(path) = target(&event) else { return };
        event.prevent_default();
        navigator.open(&path);
    });
    Effect::new(move |_| document().set_title(&format!("{} · Anomaly ledger", route.read().title())));
    (route, navigator)
}

/// The path of a plain click on a link within /ui/.
fn target(event: &ev::MouseEvent) -> Option<String> {
    let plain = event.button() == 0 && !(event.meta_key() || event.ctrl_key() || event.shift_key() || event.alt_key());
    if !plain || event.default_prevented() {
        return None;
    }
    let element: web_sys::Element = event.target()?.dyn_into().ok()?;
    let link = element.closest("a[href]").ok()??;
    let path = link.get_attribute("href")?;
    (path.starts_with("/ui/") && !link.has_attribute("download")).then_some(path)
}

/// A new page begins at its heading, for those who do not see that it is new.
fn focus_main() {
    let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(main) = main {
        // An element that cannot take the focus leaves it where it was.
        let _ = main.focus();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_an_address_and_every_other_address_is_unknown() {
        let device = "208d311388d53eda775ae0b35fcf79d4".parse().ok();
        assert!(device.is_some());
        for route in [
            Route::Live,
            Route::Anomaly(7),
            Route::Chain,
            Route::Completeness(None),
            Route::Completeness(device),
            Route::Send,
            Route::Trust,
            Route::Overview,
            Route::Devices,
            Route::Device("ward 3/pump ü%2F7".into()),
            Route::NewDevice,
            Route::ImportDevices,
            Route::Types,
            Route::SignIn,
            Route::Register,
            Route::Account,
            Route::Users,
            Route::Audit,
        ] {
            assert_eq!(Route::parse(&route.path()), route);
        }
        assert_eq!(Route::parse("/ui"), Route::Live);
        assert_eq!(Route::parse("/ui/chain/"), Route::Chain);
        for path in [
            "/",
            "/ui/anomalies",
            "/ui/anomalies/x",
            "/ui/anomalies/-1",
            "/ui/anomalies/1/2",
            "/ui/chain/2",
            "/ui/completeness/x",
            "/ui/devices/a/b",
            "/ui/devices/%FF",
        ] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }
}
