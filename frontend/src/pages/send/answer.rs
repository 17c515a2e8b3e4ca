//! The service's answer to a reading.

use api::{Judgement, Label, ReadingResult, Readings, Status};
use leptos::prelude::*;

use crate::{format, route::Route};

/// What became of the readings.
#[component]
pub(super) fn Answered(readings: Readings) -> impl IntoView {
    readings.results.into_iter().map(|result| view! { <One result/> }).collect_view()
}

#[component]
fn One(result: ReadingResult) -> impl IntoView {
    let status = match result.status {
        Status::Stored => "Stored",
        Status::Duplicate => "Stored before; its first verdict",
        Status::Rejected => "Not stored",
    };
    let problem = result.problem.map(|problem| view! { <p class="problem" role="alert">{problem.detail}</p> });
    view! {
        <p class="hint">{status}</p>
        {problem}
        {result.judgement.map(|judgement| view! { <Judged judgement/> })}
    }
}

#[component]
fn Judged(judgement: Judgement) -> impl IntoView {
    let (label, word) = match judgement.label {
        Label::Normal => ("normal", "Normal"),
        Label::Anomaly => ("anomaly", "Anomaly"),
        Label::WarmingUp => ("warming_up", "Warming up: the detector does not know the device well enough yet"),
    };
    let link = judgement.index.map(|index| {
        view! { <p><a class="button" href=Route::Anomaly(index).path()>"Entry " {index} ": verify"</a></p> }
    });
    view! {
        <p class="word" data-label=label>{word}</p>
        {judgement.sentence.map(|sentence| view! { <p class="sentence">{sentence}</p> })}
        <dl>
            <dt>"Score"</dt>
            <dd>{format::score(judgement.score)} ", anomalous from " {format::score(judgement.threshold)}</dd>
            <dt>"Model"</dt>
            <dd>{judgement.model_version}</dd>
        </dl>
        {link}
    }
}
