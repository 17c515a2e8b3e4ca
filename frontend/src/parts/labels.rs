//! Labels: state, severity, time. Never by colour alone.

use api::EntryState;
use leptos::prelude::*;

use crate::clock;

/// How far an entry has come on the chain.
#[component]
pub(crate) fn StateLabel(#[prop(into)] state: Signal<EntryState>) -> impl IntoView {
    let text = move || match state.get() {
        EntryState::Pending => "pending",
        EntryState::Anchored => "anchored",
        EntryState::Final => "final",
    };
    let title = move || match state.get() {
        EntryState::Pending => "In the log, not yet on the chain, as the service says",
        EntryState::Anchored => "Recorded by the contract in a block that is not final yet, as the service says",
        EntryState::Final => "Recorded by the contract in a final block, as the service says",
    };
    view! { <span class="state" data-state=text title=title>{text}</span> }
}

/// How much a finding matters.
#[component]
pub(crate) fn Severity(#[prop(into)] name: String) -> impl IntoView {
    view! { <span class="severity" data-severity=name.clone()>{name.clone()}</span> }
}

/// A time in the reader's zone; the exact one under the pointer.
#[component]
pub(crate) fn When(
    /// RFC 3339, from outside.
    #[prop(into)]
    time: String,
) -> impl IntoView {
    match clock::parse(&time) {
        Some(at) => view! { <time datetime=time.clone() title=time>{clock::local(at)}</time> }.into_any(),
        None => view! { <span title="This is not a time">{time}</span> }.into_any(),
    }
}

/// Whether a device sends.
#[component]
pub(crate) fn Presence(online: bool) -> impl IntoView {
    let text = if online { "online" } else { "offline" };
    view! { <span class="presence" data-online=online.to_string()>{text}</span> }
}
