//! A button that asks once more before it does what cannot be undone.

use leptos::prelude::*;

/// A small button; then what it would do, with yes and no.
#[component]
pub(crate) fn Confirm(
    /// What the button says.
    label: &'static str,
    /// What it would do, as a question.
    #[prop(into)]
    question: String,
    #[prop(into)] act: Callback<()>,
) -> impl IntoView {
    let asked = RwSignal::new(false);
    let question = StoredValue::new(question);
    let yes = move |_| {
        asked.set(false);
        act.run(());
    };
    move || {
        if asked.get() {
            view! {
                <span class="confirm" role="group" aria-label=question.get_value()>
                    <span>{question.get_value()}</span>
                    <button type="button" class="small danger" autofocus on:click=yes>{label}</button>
                    <button type="button" class="small" on:click=move |_| asked.set(false)>"Cancel"</button>
                </span>
            }
            .into_any()
        } else {
            view! { <button type="button" class="small" on:click=move |_| asked.set(true)>{label}</button> }.into_any()
        }
    }
}
