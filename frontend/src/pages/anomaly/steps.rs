//! The steps of the examination, each with what was expected and what was computed.

use ledger::verdict::{Outcome, Step};
use leptos::prelude::*;

use crate::check::Checked;

/// Two equal values longer than this would hide the steps around them; a key with its origin is shorter.
const LONG: usize = 240;

/// All steps in their order.
#[component]
pub(crate) fn Steps(checked: Checked) -> impl IntoView {
    let tile = checked.without_tile.map(|why| view! { <p class="hint">"The log's tile took no part: " {why} "."</p> });
    let took = checked.took;
    let took =
        took.is_finite().then(|| view! { <p class="hint" id="took" data-ms=format!("{took:.3}")>{examined(took)}</p> });
    let steps = checked.report.steps;
    view! {
        <section class="card" aria-label="Steps">
            <h2>"Steps"<small>{tally(&steps)}</small></h2>
            <ol class="steps" id="steps">{steps.into_iter().map(|step| view! { <StepItem step/> }).collect_view()}</ol>
            {tile}
            {took}
        </section>
    }
}

/// How long the examination took.
fn examined(ms: f64) -> String {
    if ms < 0.1 {
        "Examined in less than 0.1 ms.".to_owned()
    } else {
        format!("Bundle read and examined in {ms:.1} ms.")
    }
}

fn tally(steps: &[Step]) -> String {
    let count = |outcome| steps.iter().filter(|step| step.outcome == outcome).count();
    let held = format!("{} of {} hold", count(Outcome::Holds), steps.len());
    let others = [(Outcome::Fails, "fail"), (Outcome::Differs, "differ"), (Outcome::Skipped, "skipped")];
    let others = others.iter().filter(|(outcome, _)| count(*outcome) > 0);
    others.fold(held, |text, (outcome, word)| format!("{text}, {} {word}", count(*outcome)))
}

/// The outcome's name in docs/spec/verdict.md.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Fails => "fails",
        Outcome::Differs => "differs",
        Outcome::Skipped => "skipped",
    }
}

#[component]
fn StepItem(step: Step) -> impl IntoView {
    let long = step.outcome == Outcome::Holds && step.expected.len() > LONG;
    let values = (!(step.expected.is_empty() && step.computed.is_empty())).then(|| {
        view! {
            <dl>
                <dt>"expected"</dt>
                <dd class="expected">{step.expected}</dd>
                <dt>"computed"</dt>
                <dd class="computed">{step.computed}</dd>
            </dl>
        }
    });
    let values = if long {
        view! { <details><summary>"Both are equal: show them"</summary>{values}</details> }.into_any()
    } else {
        values.into_any()
    };
    view! {
        <li data-step=step.name data-outcome=word(step.outcome)>
            <p class="step"><b>{step.name}</b> <span class="outcome">{word(step.outcome)}</span></p>
            {(!step.note.is_empty()).then(|| view! { <p class="note">{step.note}</p> })}
            {values}
        </li>
    }
}
