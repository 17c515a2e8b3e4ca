//! The trust roots: what is pinned, what the service claims, and the two ways to replace the pin.

mod finality;
mod replace;

use leptos::prelude::*;

use crate::{
    clock,
    memory::{How, Pin, Pinned},
    parts::{Download, Loading, Notice},
    trust::{self, Claim, Trust},
};
use finality::Confirmations;
use replace::{Accept, Paste};

/// Pinned trust roots beside the service's claims.
#[component]
pub(crate) fn TrustPage() -> impl IntoView {
    let trust = expect_context::<Trust>();
    view! {
        <div class="title-row">
            <h1>"Trust roots"</h1>
            <p class="says">"The values on which every verdict rests. They are yours, not the service's."</p>
        </div>
        {move || match trust.pin() {
            Pin::Held(pinned) => view! { <Held pinned=*pinned/> }.into_any(),
            Pin::None => view! { <NotYet/> }.into_any(),
            Pin::Unreadable(why) => view! {
                <Notice kind="bad" title="The pin cannot be read">
                    <p>{why} ". Paste your trust file below, or accept the service's claims after comparing them with a copy from elsewhere."</p>
                </Notice>
            }
            .into_any(),
        }}
        <Confirmations/>
        <Accept/>
        <Paste/>
    }
}

/// Nothing is pinned, because the service has not answered.
#[component]
fn NotYet() -> impl IntoView {
    let trust = expect_context::<Trust>();
    move || {
        match trust.claim() {
        Claim::Silent(fault) => view! {
            <Notice kind="bad" title="Nothing is pinned">
                <p>"The service does not say what its trust roots are: " {fault.to_string()} ". A trust file works without it."</p>
            </Notice>
        }
        .into_any(),
        Claim::Asking | Claim::Made(_) => view! { <Loading what="Asking the service for its claims…"/> }.into_any(),
    }
    }
}

#[component]
fn Held(pinned: Pinned) -> impl IntoView {
    let trust = expect_context::<Trust>();
    let since = clock::full(pinned.at);
    let how = match pinned.how {
        How::FirstUse => format!(
            "Pinned on first use on {since}. Compare them once with a copy that did not come from this service."
        ),
        How::File => format!("Pinned from a trust file on {since}."),
        How::Accepted => format!("Pinned on {since}, when you accepted the service's new claims."),
    };
    let claimed = move || match trust.claim() {
        Claim::Made(roots) => Some(trust::members(&roots)),
        Claim::Asking | Claim::Silent(_) => None,
    };
    let silent = move || match trust.claim() {
        Claim::Silent(fault) => {
            Some(view! { <p class="hint">"The service's claim is unknown: " {fault.to_string()} "."</p> })
        }
        Claim::Asking | Claim::Made(_) => None,
    };
    let rows = trust::members(&pinned.roots).into_iter().enumerate().map(|(at, (member, value))| {
        let other = {
            let value = value.clone();
            move || claimed().map(|claimed| claimed[at].1.clone()).filter(|claim| *claim != value)
        };
        let differs = { let other = other.clone(); move || other().is_some().to_string() };
        view! {
            <div class="root" data-root=member data-differs=differs>
                <dt>{trust::name(member)}</dt>
                <dd>
                    <code>{value}</code>
                    {move || other().map(|claim| view! { <p class="claim">"The service claims " <code>{claim}</code></p> })}
                </dd>
            </div>
        }
    });
    view! {
        <section class="card" id="trust-roots">
            <h2>"Pinned in this browser"</h2>
            <p id="pinned-since">{how}</p>
            <dl class="roots">{rows.collect_view()}</dl>
            {silent}
            <Show when=move || !trust.is_kept()>
                <p class="problem">"This browser keeps nothing for this page, so the pin ends with this visit."</p>
            </Show>
            <p class="buttons">
                <Download name="trust.json" bytes=trust::file(&pinned.roots).into_bytes() label="Download trust file"/>
            </p>
        </section>
    }
}
