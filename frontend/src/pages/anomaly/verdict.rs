//! The verdict, big and clear, and beside it what no verdict says.

use ledger::verdict::Verdict;
use leptos::prelude::*;

use super::bound::{Bound, Bounds};
use crate::{
    check::{Failure, Progress},
    parts::Download,
};

/// What the panel says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Working(&'static str),
    Nothing,
    Verdict(Verdict),
}

fn said(progress: &Progress) -> Said {
    match progress {
        Progress::Fetching => Said::Working("Fetching the evidence."),
        Progress::Asking(_) => Said::Working("The evidence is here. Asking the chain and the log's tile."),
        Progress::Failed(Failure::NoEvidence(_) | Failure::NoTrust) => Said::Nothing,
        Progress::Done(checked) => Said::Verdict(checked.report.verdict),
    }
}

/// The panel. `data-verdict` is the verdict's name, `working` before, and `none` where nothing could be examined.
#[component]
pub(crate) fn VerdictPanel(progress: RwSignal<Progress>, index: u64) -> impl IntoView {
    let said = Memo::new(move |_| said(&progress.read()));
    let name = move || match said.get() {
        Said::Working(_) => "working",
        Said::Nothing => "none",
        Said::Verdict(verdict) => verdict.name(),
    };
    let word = move || match said.get() {
        Said::Working(_) => "verifying…",
        Said::Nothing => "no verdict",
        Said::Verdict(verdict) => verdict.name(),
    };
    let meaning = move || match said.get() {
        Said::Working(what) => what,
        Said::Nothing => "Nothing could be examined.",
        Said::Verdict(verdict) => verdict.meaning(),
    };
    let bound = Memo::new(move |_| {
        progress.with(|progress| match progress {
            Progress::Done(checked) => Bound::of(&checked.report.steps),
            Progress::Fetching | Progress::Asking(_) | Progress::Failed(_) => None,
        })
    });
    let proof = Memo::new(move |_| {
        progress.with(|progress| match progress {
            Progress::Done(checked) => checked.equivocation.clone(),
            Progress::Fetching | Progress::Asking(_) | Progress::Failed(_) => None,
        })
    });
    view! {
        <section class="verdict" id="verdict" data-verdict=name aria-label="Verdict">
            <div aria-live="polite" aria-atomic="true">
                <p class="word">{word}</p>
                <p class="meaning">{meaning}</p>
                {move || bound.get().map(|bound| view! { <Bounds bound/> })}
                <Show when=move || said.get() == Said::Verdict(Verdict::Final)>
                    <p class="hint">"An observation: a deeper reorganisation of the chain may withdraw it."</p>
                </Show>
                {move || proof.get().map(|proof| view! { <SaveProof index proof/> })}
            </div>
            <div class="not-proven">
                <h2>"Not proven by any verdict"</h2>
                <ul>
                    <li>"that the sensor told the truth"</li>
                    <li>"that the trusted key has not given way to another, unless the evidence says so"</li>
                    <li>"that a chain run by the operator alone has only one history"</li>
                    <li>"that the node above shows the chain's own blocks: ask one that you trust, or several"</li>
                    <li>"that this page came from the service unaltered; the command below does without it"</li>
                </ul>
            </div>
        </section>
    }
}

/// The file that convinces others of the contradiction.
#[component]
fn SaveProof(index: u64, proof: String) -> impl IntoView {
    view! {
        <div class="save-proof" id="equivocation">
            <p>"Two statements of this log contradict each other. The proof convinces everybody who has the same trust roots; keep it, and pass it on."</p>
            <p class="buttons">
                <Download name=format!("equivocation-{index}.json") bytes=proof.into_bytes() label="Save the proof"/>
            </p>
        </div>
    }
}
