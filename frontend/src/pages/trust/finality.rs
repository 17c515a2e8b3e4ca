//! What makes a block final, for chains that do not say it themselves.

use std::num::NonZeroU64;

use leptos::prelude::*;

use crate::{memory::Pin, trust::Trust};

/// A year of two-second blocks: who asks for more has slipped.
const MOST: u64 = 15_768_000;

/// How the last change ended.
#[derive(Clone, Copy, PartialEq)]
enum Ended {
    Untouched,
    Kept,
    Refused,
}

/// The field for confirmations; kept with the pin, so there is none without one.
#[component]
pub(super) fn Confirmations() -> impl IntoView {
    let trust = expect_context::<Trust>();
    let ended = RwSignal::new(Ended::Untouched);
    let shown = Memo::new(move |_| trust.confirmations().map_or(0, NonZeroU64::get));
    let set = move |event| match event_target_value(&event).trim() {
        "" => {
            trust.confirm(None);
            ended.set(Ended::Kept);
        }
        text => match text.parse() {
            Ok(blocks) if blocks <= MOST => {
                trust.confirm(NonZeroU64::new(blocks));
                ended.set(Ended::Kept);
            }
            _ => ended.set(Ended::Refused),
        },
    };
    let said = move || match (ended.get(), shown.get()) {
        (Ended::Untouched, _) => String::new(),
        (Ended::Kept, 0) => "Kept: what the chain calls final is final.".to_owned(),
        (Ended::Kept, 1) => "Kept: a block is final with 1 block on top.".to_owned(),
        (Ended::Kept, blocks) => format!("Kept: a block is final with {blocks} blocks on top."),
        (Ended::Refused, _) => format!("Not a number of blocks from 0 to {MOST}: nothing was changed."),
    };
    view! {
        <Show when=move || matches!(trust.pin(), Pin::Held(_))>
            <section class="card form" aria-label="Finality">
                <h2>"When a block is final"</h2>
                <div class="field short">
                    <label for="confirmations">"Confirmations"</label>
                    <input
                        id="confirmations"
                        type="number"
                        min="0"
                        max=MOST
                        step="1"
                        inputmode="numeric"
                        aria-describedby="confirmations-hint"
                        prop:value=move || shown.get().to_string()
                        on:change=set
                    />
                </div>
                <p id="confirmations-hint" class="hint">
                    "0: the chain says itself which block is final, by its tag \"finalized\". Some test chains, such as Ganache, call \
                    every block final at once, which says nothing: there, set how many blocks on top you ask for."
                </p>
                <p role="status" id="confirmations-said">{said}</p>
            </section>
        </Show>
    }
}
