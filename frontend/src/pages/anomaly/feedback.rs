//! What people say of a finding: two buttons, and then what stands.
//!
//! It is the service's word, and no part of the evidence: nothing here is examined.

use api::{Anomaly, Feedback, FeedbackVerdict};
use leptos::{prelude::*, task::spawn_local};

use crate::{http::Fault, me::Me, parts::When, server};

/// How far the panel is.
#[derive(Clone)]
enum Stage {
    /// Whether something was said is not known yet.
    Asking,
    /// Of this entry nothing can be said: it is no finding, or its payload was erased.
    Nothing,
    Open,
    Sending,
    Stands(Feedback),
    Failed(Fault),
}

/// The buttons, for a finding with a payload.
#[component]
pub(crate) fn FeedbackPanel(index: u64) -> impl IntoView {
    let me = expect_context::<Me>();
    let may_judge = Memo::new(move |_| me.may("judge").is_some());
    let stage = RwSignal::new(Stage::Asking);
    spawn_local(async move {
        let found = server::anomaly(index).await;
        stage.try_set(found.map_or_else(Stage::Failed, |anomaly| of(anomaly.as_ref())));
    });
    let say = move |verdict| {
        stage.set(Stage::Sending);
        spawn_local(async move {
            let said = server::feedback(index, verdict).await;
            stage.try_set(said.map_or_else(Stage::Failed, Stage::Stands));
        });
    };
    let buttons = move |disabled: bool| {
        view! {
            <p class="hint">
                "Your answer is recorded and cannot be changed. After a false alarm it takes somewhat more before this \
                 device alarms again; limits that people have set stay as they are."
            </p>
            <p class="buttons">
                <button type="button" id="false-alarm" disabled=disabled on:click=move |_| say(FeedbackVerdict::FalseAlarm)>
                    "False alarm"
                </button>
                <button type="button" id="real" disabled=disabled on:click=move |_| say(FeedbackVerdict::Real)>"Real anomaly"</button>
                {disabled.then(|| view! { <span class="hint" role="status">"Sending…"</span> })}
            </p>
        }
    };
    move || {
        let inner = match stage.get() {
            Stage::Asking | Stage::Nothing => return ().into_any(),
            Stage::Open if !may_judge.get() => return ().into_any(),
            Stage::Open => buttons(false).into_any(),
            Stage::Sending => buttons(true).into_any(),
            Stage::Stands(feedback) => view! { <Stands feedback/> }.into_any(),
            Stage::Failed(fault) => view! {
                <p class="problem" role="alert">{fault.to_string()}</p>
                {buttons(false)}
            }
            .into_any(),
        };
        view! { <section class="card" id="feedback" aria-live="polite"><h2>"Was this alarm right?"</h2>{inner}</section> }
            .into_any()
    }
}

/// Where the panel begins.
fn of(anomaly: Option<&Anomaly>) -> Stage {
    match anomaly {
        None => Stage::Nothing,
        Some(Anomaly { feedback: Some(feedback), .. }) => Stage::Stands(feedback.clone()),
        Some(anomaly) if anomaly.device.is_empty() => Stage::Nothing,
        Some(_) => Stage::Open,
    }
}

#[component]
fn Stands(feedback: Feedback) -> impl IntoView {
    let (name, said) = match feedback.verdict {
        FeedbackVerdict::FalseAlarm => ("false_alarm", "A false alarm"),
        FeedbackVerdict::Real => ("real", "A real anomaly"),
    };
    view! {
        <p data-feedback=name><b>{said}</b> ", as somebody said at " <When time=feedback.time/> "."</p>
        {feedback.comment.map(|comment| view! { <p>{comment}</p> })}
    }
}
