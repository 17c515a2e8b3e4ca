//! Replacing the pin: by the service's new claims, after a comparison, or by a trust file. Never by itself.

use ledger::trust::TrustRoots;
use leptos::prelude::*;

use crate::{
    memory::{How, Pin},
    parts::Notice,
    trust::{self, Claim, Trust},
};

/// Offered only where the service's claims differ from the pin, or where the pin cannot be read.
#[component]
pub(super) fn Accept() -> impl IntoView {
    let trust = expect_context::<Trust>();
    let compared = RwSignal::new(false);
    let offered = Memo::new(move |_| match (trust.pin(), trust.claim()) {
        (Pin::Held(pinned), Claim::Made(claimed)) if pinned.roots != *claimed => Some(claimed),
        (Pin::Unreadable(_), Claim::Made(claimed)) => Some(claimed),
        _ => None,
    });
    let accept = move |_| {
        if compared.get_untracked()
            && let Some(claimed) = offered.get_untracked()
        {
            compared.set(false);
            trust.replace(*claimed, How::Accepted);
        }
    };
    move || {
        offered.get().map(|claimed| {
            let members = trust::members(&claimed)
                .into_iter()
                .map(|(member, value)| view! { <div class="root"><dt>{trust::name(member)}</dt><dd><code>{value}</code></dd></div> });
            view! {
                <Notice kind="diverged" title="Accept what the service claims now?">
                    <p>"Do it only if you know why the roots have changed, such as a trial that began anew. Older evidence will no longer verify here."</p>
                    <dl class="roots">{members.collect_view()}</dl>
                    <p class="check">
                        <input type="checkbox" id="compared" prop:checked=compared on:change=move |event| compared.set(event_target_checked(&event))/>
                        <label for="compared">"I have compared these values with a copy that did not come from this service"</label>
                    </p>
                    <button type="button" id="accept-claims" disabled=move || !compared.get() on:click=accept>"Pin these instead"</button>
                </Notice>
            }
        })
    }
}

/// How the last paste ended.
#[derive(Clone, PartialEq)]
enum Pasted {
    Nothing,
    Taken,
    Refused(String),
}

/// A trust file, pasted.
#[component]
pub(super) fn Paste() -> impl IntoView {
    let trust = expect_context::<Trust>();
    let text = RwSignal::new(String::new());
    let pasted = RwSignal::new(Pasted::Nothing);
    let take = move || match serde_json::from_str::<TrustRoots>(&text.get_untracked()) {
        Ok(roots) => {
            trust.replace(roots, How::File);
            text.set(String::new());
            pasted.set(Pasted::Taken);
        }
        Err(error) => pasted.set(Pasted::Refused(error.to_string())),
    };
    view! {
        <form class="card form" on:submit=move |event| { event.prevent_default(); untrack(take); }>
            <h2>"Use a trust file"</h2>
            <div class="field">
                <label for="trust-file">"Content of trust.json"</label>
                <textarea id="trust-file" rows="8" spellcheck="false" autocomplete="off" bind:value=text
                    placeholder="{ \"log_key\": …, \"chain_id\": …, \"genesis_hash\": …, \"contract\": …, \"code_hash\": … }"></textarea>
            </div>
            <p class="buttons"><button type="submit" id="use-trust-file">"Pin this file's roots"</button></p>
            <p role="status">{move || match pasted.get() {
                Pasted::Nothing => ().into_any(),
                Pasted::Taken => "Pinned.".into_any(),
                Pasted::Refused(why) => view! { <span class="problem">"Not a trust file: " {why}</span> }.into_any(),
            }}</p>
        </form>
    }
}
