//! Navigation. It shows what the caller may do; what only concerns proofs, or only those who look after the service, is
//! behind a button each.

use std::mem;

use api::CallerKind;
use leptos::prelude::*;

use crate::{
    browser,
    live::Remote,
    me::Me,
    parts::{Menu, Outcome},
    remote::Doing,
    route::Route,
    server::people,
    words,
};

#[component]
fn To(route: ReadSignal<Route>, to: Route, text: &'static str) -> impl IntoView {
    let path = to.path();
    let current = move || is_at(&route.read(), &to).then_some("page");
    view! { <a href=path aria-current=current>{text}</a> }
}

/// Whether a page is shown, or one below it.
fn is_at(here: &Route, of: &Route) -> bool {
    let below = matches!(here, Route::Device(_) | Route::NewDevice | Route::ImportDevices);
    mem::discriminant(here) == mem::discriminant(of) || (below && *of == Route::Devices)
}

/// The head of every page.
#[component]
pub(super) fn Header(route: ReadSignal<Route>) -> impl IntoView {
    let me = expect_context::<Me>();
    let may = move |action: &'static str| Signal::derive(move || me.may(action).is_some());
    let (readings, devices, send) = (may("read_readings"), may("read_devices"), may("send"));
    let (users, audit) = (may("manage_users"), may("read_audit"));
    let proofs = move || matches!(*route.read(), Route::Chain | Route::Completeness(_) | Route::Trust);
    let service = move || matches!(*route.read(), Route::Users | Route::Audit | Route::Types);
    view! {
        <header>
            <a class="brand" href="/ui/"><span class="mark" aria-hidden="true"></span>"Anomaly ledger"</a>
            <nav aria-label="Pages">
                <To route to=Route::Live text="Live"/>
                <Show when=move || readings.get()><To route to=Route::Overview text="Overview"/></Show>
                <Show when=move || devices.get()><To route to=Route::Devices text="Devices"/></Show>
                <Show when=move || send.get()><To route to=Route::Send text="Send"/></Show>
                <Menu id="menu-proof" label="Proof" current=proofs>
                    <To route to=Route::Chain text="Chain"/>
                    <To route to=Route::Completeness(None) text="Completeness"/>
                    <To route to=Route::Trust text="Trust roots"/>
                </Menu>
                <Show when=move || users.get() || audit.get()>
                    <Menu id="menu-service" label="Service" current=service>
                        <Show when=move || users.get()><To route to=Route::Users text="Users"/></Show>
                        <Show when=move || audit.get()><To route to=Route::Audit text="Audit log"/></Show>
                        <Show when=move || devices.get()><To route to=Route::Types text="Device types"/></Show>
                    </Menu>
                </Show>
            </nav>
            <nav class="aside" aria-label="Account"><Who route/></nav>
        </header>
    }
}

/// Who is here, or the way in.
#[component]
fn Who(route: ReadSignal<Route>) -> impl IntoView {
    let me = expect_context::<Me>();
    let doing = Doing::new();
    let known = Memo::new(move |_| me.known());
    move || match known.get() {
        Remote::Loading | Remote::Failed(_) => ().into_any(),
        Remote::Ready(identity) if identity.caller == CallerKind::User => {
            let name = identity.name.unwrap_or_default();
            let roles = identity.roles.into_iter().map(words::role).collect::<Vec<_>>().join(", ");
            let here = move || matches!(*route.read(), Route::Account);
            view! {
                <Menu id="menu-account" label=name current=here>
                    <p class="hint">{roles.clone()}</p>
                    <To route to=Route::Account text="Your account"/>
                    <button type="button" id="sign-out" on:click=move |_| doing.run(people::sign_out(), |()| browser::load("/ui/"))>
                        "Sign out"
                    </button>
                    <Outcome doing/>
                </Menu>
            }
            .into_any()
        }
        Remote::Ready(_) => view! { <To route to=Route::SignIn text="Sign in"/> }.into_any(),
    }
}
