//! Values to take along: hashes that copy themselves, commands, files.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use crate::{browser, format};

/// How a button's last use ended.
#[derive(Clone, Copy, PartialEq)]
enum Copied {
    Not,
    Done,
    Refused,
}

/// A text and how to put it on the clipboard; the answer shows for a moment.
fn copier() -> (ReadSignal<Copied>, impl Fn(String) + Copy) {
    let (copied, set_copied) = signal(Copied::Not);
    let copy = move |text: String| {
        spawn_local(async move {
            let done = browser::copy(&text).await;
            set_copied.try_set(if done { Copied::Done } else { Copied::Refused });
            set_timeout(move || _ = set_copied.try_set(Copied::Not), Duration::from_millis(1_600));
        });
    };
    (copied, copy)
}

/// A long value: its ends, the whole on focus or under the pointer, and copied by a click.
#[component]
pub(crate) fn Copyable(
    /// What it is, for those who hear the page.
    #[prop(into)]
    what: String,
    /// The whole value.
    #[prop(into)]
    value: String,
) -> impl IntoView {
    let (copied, copy) = copier();
    let short = format::short(&value);
    let label = format!("{what} {value}: copy");
    let whole = value.clone();
    view! {
        <button type="button" class="hash" aria-label=label on:click=move |_| copy(value.clone())>
            <code>{short}</code>
            <span class="whole" aria-hidden="true">
                <code>{whole}</code>
                <i>{move || match copied.get() {
                    Copied::Not => "Click to copy",
                    Copied::Done => "Copied",
                    Copied::Refused => "This browser does not allow copying here",
                }}</i>
            </span>
        </button>
    }
}

/// A command to copy.
#[component]
pub(crate) fn Command(
    /// The command.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    let (copied, copy) = copier();
    view! {
        <div class="command">
            <code tabindex="0">{text}</code>
            <button type="button" class="small" on:click=move |_| copy(text.get_untracked())>
                <span aria-live="polite">{move || match copied.get() {
                    Copied::Not => "Copy",
                    Copied::Done => "Copied",
                    Copied::Refused => "Select and copy by hand",
                }}</span>
            </button>
        </div>
    }
}

/// A button that gives the reader a file.
#[component]
pub(crate) fn Download(
    /// The file's name.
    #[prop(into)]
    name: String,
    /// The file's bytes.
    bytes: Vec<u8>,
    /// What the button says.
    label: &'static str,
) -> impl IntoView {
    let (refused, set_refused) = signal(false);
    let act = move |_| set_refused.set(!browser::download(&name, &bytes));
    let text = move || if refused.get() { "This browser does not allow downloads here" } else { label };
    view! { <button type="button" class="small" on:click=act>{text}</button> }
}

/// A secret that is shown this once.
#[component]
pub(crate) fn Secret(
    /// What it is.
    #[prop(into)]
    title: String,
    /// The secret.
    value: String,
    /// What to do with it.
    #[prop(into)]
    hint: String,
) -> impl IntoView {
    let text = Signal::derive(move || value.clone());
    view! {
        <section class="notice secret" data-kind="note" role="status">
            <p class="title">{title}</p>
            <p>"It is shown this once. Copy it now: nobody can show it again. "{hint}</p>
            <Command text/>
        </section>
    }
}
