//! The frame of every page: banners, the boundary for errors, and who may see what.

mod header;

use leptos::prelude::*;

use crate::{
    clock,
    live::{Line, Live, Remote},
    me::Me,
    memory::Pin,
    pages::{self, Needs},
    parts::{AnchoringLine, Notice},
    route::{self, Route},
    trust::{self, Trust},
};
use header::Header;

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    provide_context(Live::start());
    provide_context(Trust::start());
    let me = Me::start();
    provide_context(me);
    let (route, navigator) = route::follow();
    provide_context(navigator);
    let must_change = Memo::new(move |_| me.must_change_password());
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <Header route/>
        <main id="main" tabindex="-1">
            <Banners route/>
            <ErrorBoundary fallback=|errors| view! { <Boundary errors=errors.into()/> }>
                {move || match (must_change.get(), route.get()) {
                    (true, _) => pages::MustChangePage().into_any(),
                    (false, route) => page(route),
                }}
            </ErrorBoundary>
        </main>
        <footer>
            <p>
                "What this page shows as verified was computed in this browser. The page itself came from the service. "
                <span class="links"><a href="/api/docs">"API"</a> <a href="/health">"Health"</a></span>
            </p>
        </footer>
    }
}

/// A page, or what stands before it. The actions are those of docs/permissions.md.
fn page(route: Route) -> AnyView {
    /// A page for those who may do this.
    macro_rules! for_those_who {
        ($action:literal, $page:expr) => {
            view! { <Needs action=$action>{$page}</Needs> }.into_any()
        };
    }
    match route {
        Route::Live => pages::LivePage().into_any(),
        Route::Anomaly(index) => view! { <pages::AnomalyPage index/> }.into_any(),
        Route::Chain => pages::ChainPage().into_any(),
        Route::Completeness(device) => view! { <pages::CompletenessPage device/> }.into_any(),
        Route::Trust => pages::TrustPage().into_any(),
        Route::SignIn => pages::SignInPage().into_any(),
        Route::Register => pages::RegisterPage().into_any(),
        Route::Send => for_those_who!("send", pages::SendPage()),
        Route::Overview => for_those_who!("read_readings", pages::OverviewPage()),
        Route::Devices => for_those_who!("read_devices", pages::DevicesPage()),
        Route::Device(name) => {
            let name = StoredValue::new(name);
            for_those_who!("read_devices", view! { <pages::DevicePage name=name.get_value()/> })
        }
        Route::NewDevice => for_those_who!("manage_devices", pages::NewDevicePage()),
        Route::ImportDevices => for_those_who!("manage_devices", pages::ImportPage()),
        Route::Types => for_those_who!("read_devices", pages::TypesPage()),
        Route::Account => for_those_who!("own_account", pages::AccountPage()),
        Route::Users => for_those_who!("manage_users", pages::UsersPage()),
        Route::Audit => for_those_who!("read_audit", pages::AuditPage()),
        Route::Unknown => pages::NotFoundPage().into_any(),
    }
}

/// What is left of a page that could not be shown.
#[component]
fn Boundary(errors: Signal<Errors>) -> impl IntoView {
    view! {
        <Notice kind="bad" title="This page cannot be shown">
            <ul>{move || errors.read().iter().map(|(_, error)| view! { <li>{error.to_string()}</li> }).collect_view()}</ul>
        </Notice>
    }
}

/// What has to be known on every page.
#[component]
fn Banners(route: ReadSignal<Route>) -> impl IntoView {
    let live = expect_context::<Live>();
    let trust = expect_context::<Trust>();
    let is_trial = move || live.ledger.with(|ledger| matches!(ledger, Remote::Ready(status) if status.trial));
    let changed = move || trust.changed().into_iter().map(trust::name).collect::<Vec<_>>().join(", ");
    let since = move || match trust.pin() {
        Pin::Held(pinned) => clock::full(pinned.at),
        _ => String::new(),
    };
    let unreadable = move || matches!(trust.pin(), Pin::Unreadable(_));
    view! {
        <Show when=is_trial>
            <p class="trial"><b>"Trial"</b>" Everybody on this machine may do everything; nothing asks for keys. Do not send real data."</p>
        </Show>
        <Show when=move || !trust.changed().is_empty()>
            <Notice kind="diverged" title="Diverged: the service claims other trust roots">
                <p id="trust-diverged">
                    "It now claims another " <b>{changed}</b> " than pinned here on " {since}
                    ". Nothing was taken over; verification still uses the pinned roots. "
                    <a href="/ui/trust">"Compare them"</a>
                </p>
            </Notice>
        </Show>
        <Show when=unreadable>
            <Notice kind="bad" title="The pinned trust roots cannot be read">
                <p>"Something in this browser's storage has replaced them. Nothing was pinned anew. "<a href="/ui/trust">"Set them again"</a></p>
            </Notice>
        </Show>
        <Show when=move || live.line.get() == Line::Interrupted>
            <Notice kind="stale" title="Live updates interrupted; trying again">
                <p>"What the service says below may be out of date."</p>
            </Notice>
        </Show>
        // The two pages that show anchoring in full need no line about it.
        <Show when=move || !matches!(*route.read(), Route::Live | Route::Chain)><AnchoringLine/></Show>
    }
}
