//! Fields, each with its label, and what came of a form.

use leptos::prelude::*;

use crate::{parts::sentence, remote::Doing};

/// A line of text.
#[component]
pub(crate) fn Field(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "")] hint: &'static str,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
) -> impl IntoView {
    let hint_id = (!hint.is_empty()).then(|| format!("{id}-hint"));
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input id=id name=id type=kind step="1" autocomplete=autocomplete autocapitalize="none" spellcheck="false"
                aria-describedby=hint_id.clone() bind:value=value/>
            {hint_id.map(|hint_id| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

/// One of several, each with its value and its words.
#[component]
pub(crate) fn Choice(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
) -> impl IntoView {
    let option = move |(of, words): (String, String)| {
        let this = of.clone();
        view! { <option value=of selected=move || value.read() == this>{words}</option> }
    };
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id name=id on:change=move |event| value.set(event_target_value(&event))>
                {move || options.get().into_iter().map(option).collect_view()}
            </select>
        </div>
    }
}

/// Yes or no.
#[component]
pub(crate) fn Check(#[prop(into)] id: String, #[prop(into)] label: String, value: RwSignal<bool>) -> impl IntoView {
    view! {
        <p class="check">
            <input type="checkbox" id=id.clone() prop:checked=value on:change=move |event| value.set(event_target_checked(&event))/>
            <label for=id>{label}</label>
        </p>
    }
}

/// Why something was not done; nothing while all is well.
#[component]
pub(crate) fn Outcome(doing: Doing) -> impl IntoView {
    move || doing.fault.get().map(|fault| view! { <p class="problem" role="alert">{sentence(&fault)}</p> })
}
