//! What stands where content is missing, late or doubtful.

use api::Code;
use leptos::prelude::*;

use crate::{browser, format::capital, http::Fault};

/// A message in a frame. `kind`: `note`, `stale`, `bad` or `diverged`.
#[component]
pub(crate) fn Notice(kind: &'static str, #[prop(into)] title: String, children: Children) -> impl IntoView {
    let role = if matches!(kind, "bad" | "diverged") { "alert" } else { "status" };
    view! {
        <section class="notice" data-kind=kind role=role>
            <p class="title">{title}</p>
            {children()}
        </section>
    }
}

/// Something could not be had; the reader may try again.
#[component]
pub(crate) fn Failed(#[prop(into)] title: String, fault: Fault, #[prop(into)] retry: Callback<()>) -> impl IntoView {
    view! {
        <Notice kind="bad" title>
            <p>{sentence(&fault)}</p>
            {if fault.is(Code::Unauthenticated) {
                // The session has ended meanwhile; the page, loaded anew, asks who is there.
                view! { <button type="button" class="small" on:click=move |_| browser::reload()>"Sign in"</button> }.into_any()
            } else {
                view! { <button type="button" class="small" on:click=move |_| retry.run(())>"Try again"</button> }.into_any()
            }}
        </Notice>
    }
}

/// Something is on its way.
#[component]
pub(crate) fn Loading(what: &'static str) -> impl IntoView {
    view! { <p class="loading" role="status">{what}</p> }
}

/// A fault's text as a sentence. What the service says of a problem stays as it is: it may begin with a name.
pub(crate) fn sentence(fault: &Fault) -> String {
    let text = fault.to_string();
    let names_something = !(fault.is(Code::Unauthenticated) || fault.is(Code::TooManyRequests));
    if matches!(fault, Fault::Problem(_)) && names_something {
        return text;
    }
    let end = if text.ends_with('.') { "" } else { "." };
    capital(&text) + end
}
