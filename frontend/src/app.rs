//! The frame of every page: navigation, banners, the boundary for errors.

use std::mem;

use leptos::prelude::*;

use crate::{
    clock,
    live::{Line, Live, Remote},
    memory::Pin,
    pages,
    parts::{AnchoringLine, Notice},
    route::{self, Route},
    trust::{self, Trust},
};

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    provide_context(Live::start());
    provide_context(Trust::start());
    let (route, navigator) = route::follow();
    provide_context(navigator);
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <Header route/>
        <main id="main" tabindex="-1">
            <Banners route/>
            <ErrorBoundary fallback=|errors| view! { <Boundary errors=errors.into()/> }>
                {move || match route.get() {
                    Route::Live => pages::LivePage().into_any(),
                    Route::Anomaly(index) => view! { <pages::AnomalyPage index/> }.into_any(),
                    Route::Chain => pages::ChainPage().into_any(),
                    Route::Completeness(device) => view! { <pages::CompletenessPage device/> }.into_any(),
                    Route::Send => pages::SendPage().into_any(),
                    Route::Trust => pages::TrustPage().into_any(),
                    Route::Unknown => pages::NotFoundPage().into_any(),
                }}
            </ErrorBoundary>
        </main>
        <footer>
            <p>"What this page shows as verified was computed in this browser. The page itself came from the service."</p>
        </footer>
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

#[component]
fn Header(route: ReadSignal<Route>) -> impl IntoView {
    let link = move |to: Route, text: &'static str| {
        let path = to.path();
        let current = move || (mem::discriminant(&*route.read()) == mem::discriminant(&to)).then_some("page");
        view! { <a href=path aria-current=current>{text}</a> }
    };
    view! {
        <header>
            <a class="brand" href="/ui/"><span class="mark" aria-hidden="true"></span>"Anomaly ledger"</a>
            <nav aria-label="Pages">
                {link(Route::Live, "Live")} {link(Route::Chain, "Chain")}
                {link(Route::Completeness(None), "Completeness")} {link(Route::Send, "Send")} {link(Route::Trust, "Trust")}
            </nav>
            <nav class="aside" aria-label="Service">
                <a href="/api/docs">"API"</a>
                <a href="/health">"Health"</a>
            </nav>
        </header>
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
            <p class="trial"><b>"Trial"</b>" Readings are accepted without a key from this machine only. Do not send real data."</p>
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
