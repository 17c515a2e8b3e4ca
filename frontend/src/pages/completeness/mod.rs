//! Completeness: every window of the log, and what its heartbeat says of all devices and of one, checked here.

mod rows;
mod run;
mod summary;

use ledger::text::Pseudonym;
use leptos::prelude::*;

use crate::{
    browser,
    live::{Live, Remote},
    parts::{Command, Failed, Loading, Notice},
    route::{Navigator, Route},
};
use rows::Rows;
use run::{Log, Run};
use summary::Summary;

/// The windows, newest first; with a device, what each says of it.
#[component]
pub(crate) fn CompletenessPage(device: Option<Pseudonym>) -> impl IntoView {
    let run = Run::start(device.clone());
    let command = {
        let device = device.as_ref().map(|device| format!("{device} ")).unwrap_or_default();
        Signal::derive(move || format!("anomaly-ledger account {device}--trust trust.json --url {}", browser::origin()))
    };
    view! {
        <div class="title-row">
            <h1>"Completeness"</h1>
            <p class="says">"Was every anomaly that was counted put into the log, and kept? Checked in this browser."</p>
        </div>
        <Ask device=device.clone() run/>
        <LogState run/>
        <Windows run/>
        <section class="card" aria-label="The whole log">
            <h2>"The whole log"</h2>
            <p class="hint">
                "The command reads every entry and holds all windows against them. Neither it nor this page can show that a reading was \
                judged rightly, or that a device was left out altogether: compare readings and sequence numbers with what the device has sent."
            </p>
            <Command text=command/>
        </section>
    }
}

/// The field for a pseudonym.
#[component]
fn Ask(device: Option<Pseudonym>, run: Run) -> impl IntoView {
    let navigator = expect_context::<Navigator>();
    let text = RwSignal::new(device.as_ref().map(ToString::to_string).unwrap_or_default());
    let wrong = RwSignal::new(false);
    let submit = move || {
        let wanted = text.get_untracked().trim().to_lowercase();
        let asked = (!wanted.is_empty()).then(|| wanted.parse::<Pseudonym>());
        match asked {
            Some(Err(_)) => return wrong.set(true),
            Some(Ok(asked)) if Some(&asked) != device.as_ref() => {
                navigator.go(&Route::Completeness(Some(asked)));
                return;
            }
            None if device.is_some() => {
                navigator.go(&Route::Completeness(None));
                return;
            }
            Some(Ok(_)) | None => {}
        }
        wrong.set(false);
        run.again();
    };
    view! {
        <form class="controls" on:submit=move |event| { event.prevent_default(); submit(); }>
            <div class="field rpc">
                <label for="pseudonym">"Pseudonym of a device (optional)"</label>
                <input
                    id="pseudonym"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    maxlength="64"
                    placeholder="32 hex digits, as in its entries"
                    aria-describedby="pseudonym-hint"
                    aria-invalid=move || wrong.get().to_string()
                    bind:value=text
                />
                <p id="pseudonym-hint" class="hint" role="status">
                    {move || if wrong.get() {
                        view! { <span class="problem">"A pseudonym has 32 hexadecimal digits; the page of an anomaly shows it."</span> }.into_any()
                    } else {
                        "An anomaly\u{2019}s entry shows it, and leads here.".into_any()
                    }}
                </p>
            </div>
            <button type="submit" id="check" class="primary">"Check"</button>
        </form>
    }
}

/// Whether there is a log to hold anything against.
#[component]
fn LogState(run: Run) -> impl IntoView {
    move || match run.log.get() {
        Log::Waiting => ().into_any(),
        Log::Opening => view! { <Loading what="Reading the log…"/> }.into_any(),
        Log::Open(size) => view! { <Summary run size/> }.into_any(),
        Log::Refused(why) => view! {
            <Notice kind="bad" title="The log cannot be read, so nothing is checked">
                <p>{why} "."</p>
            </Notice>
        }
        .into_any(),
        Log::NoTrust => view! {
            <Notice kind="bad" title="No trust roots are pinned">
                <p>"They name the key that has to have signed the log. "<a href="/ui/trust">"Set them"</a></p>
            </Notice>
        }
        .into_any(),
    }
}

#[component]
fn Windows(run: Run) -> impl IntoView {
    let live = expect_context::<Live>();
    let size = move || live.ledger.with(|ledger| if let Remote::Ready(s) = ledger { s.tree_size } else { 0 });
    let shown = Memo::new(move |_| match &*run.windows.read() {
        Remote::Loading => Remote::Loading,
        Remote::Failed(fault) => Remote::Failed(fault.clone()),
        Remote::Ready(list) => Remote::Ready(list.is_empty()),
    });
    move || {
        match shown.get() {
        Remote::Loading => view! { <Loading what="Fetching heartbeats…"/> }.into_any(),
        Remote::Failed(fault) => {
            view! { <Failed title="Heartbeats cannot be shown" fault retry=move |()| run.again()/> }.into_any()
        }
        Remote::Ready(true) => view! {
            <section class="empty">
                <h2>"No window is closed yet"</h2>
                <p>
                    {move || format!("A heartbeat closes one every hour, or as the service is set. {} wait for the first.", entries(size()))}
                </p>
            </section>
        }
        .into_any(),
        Remote::Ready(false) => view! { <Rows run/> }.into_any(),
    }
    }
}

/// A number of entries.
fn entries(number: u64) -> String {
    crate::format::counted(number, "entry", "entries")
}
