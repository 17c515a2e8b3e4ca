//! What entry and payload say, taken from the examined bytes alone.
//!
//! It refuses to show as fact what did not hold: refused bytes are folded away and named as such.

use ledger::{
    entry::{Anomaly, Entry, EntryError, Payload},
    verdict::Verdict,
};
use leptos::prelude::*;

use super::{kinds::KindFacts, reasons::Reasons};
use crate::{
    check::Checked,
    format,
    parts::{Copyable, Severity, When},
    route::Route,
    words,
};

/// The content of the evidence.
#[component]
pub(crate) fn Facts(checked: Checked) -> impl IntoView {
    let holds = checked.holds();
    let standing = match checked.report.verdict {
        Verdict::Final | Verdict::Anchored => "Verified: recorded in the log and on the chain",
        Verdict::Consistent => "Signed by the log; the chain has not seen it",
        Verdict::Unchecked => "Signed by the log; not checked against the chain",
        Verdict::Diverged => "Signed by the log, but contradicted: see the verdict",
        Verdict::Invalid => "Refused",
    };
    let Some(bundle) = checked.bundle else {
        return view! { <section class="card"><h2>"Content"</h2><p>"The evidence cannot be read."</p></section> }
            .into_any();
    };
    let entry = Entry::from_bytes(&bundle.entry);
    let payload = bundle.disclosure.as_ref().map(|disclosure| Payload::from_bytes(&disclosure.payload));
    let content = match entry {
        Ok(Entry::Anomaly(entry)) => {
            view! { <MaybePayload payload/> <EntryFacts entry index=bundle.index/> }.into_any()
        }
        Ok(entry) => view! { <KindFacts entry index=bundle.index/> }.into_any(),
        // Such as an entry of a later edition: it is checked all the same.
        Err(why) => view! {
            <p>"This page cannot explain the entry: " {why.to_string()} ". Its bytes:"</p>
            <pre>{String::from_utf8_lossy(&bundle.entry).into_owned()}</pre>
        }
        .into_any(),
    };
    if holds {
        view! { <section class="card facts" data-holds="true"><h2>"Content"<small>{standing}</small></h2>{content}</section> }
            .into_any()
    } else {
        view! {
            <section class="card facts" data-holds="false">
                <h2>"Content"<small>"Refused: not shown as fact"</small></h2>
                <details><summary>"What the refused bytes claim"</summary>{content}</details>
            </section>
        }
        .into_any()
    }
}

#[component]
fn MaybePayload(payload: Option<Result<Payload, EntryError>>) -> impl IntoView {
    match payload {
        None => {
            view! { <p class="hint">"The payload is not disclosed here, or was erased. What it says is for the device's owner, analysts and auditors; the proof is for everybody."</p> }.into_any()
        }
        Some(Ok(payload)) => view! { <PayloadFacts payload/> }.into_any(),
        Some(Err(error)) => view! { <p>"The payload cannot be read: " {error.to_string()}</p> }.into_any(),
    }
}

#[component]
fn PayloadFacts(payload: Payload) -> impl IntoView {
    let type_name = serde_json::to_value(payload.r#type).ok();
    let type_name = type_name.as_ref().and_then(|name| name.as_str()).map(words::kind).unwrap_or_default();
    let severity = serde_json::to_value(payload.severity).ok();
    let severity = severity.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    let values = payload.values.into_iter().map(|value| {
        let name = words::metric(&value.metric, &value.unit);
        let value_with_unit = format::with_unit(&value.value.to_string(), &value.unit);
        view! { <li title=value.metric><span>{name}</span> <b>{value_with_unit}</b></li> }
    });
    let values: Vec<_> = values.collect();
    let values = (!values.is_empty())
        .then(|| view! { <ul class="values" aria-label="Values of the reading">{values.collect_view()}</ul> });
    view! {
        <p class="sentence">{payload.sentence}</p>
        {values}
        <Reasons reasons=payload.reasons/>
        <dl>
            <dt>"Device"</dt>
            <dd>{payload.device}{payload.sequence.map(|n| format!(", reading {n}"))}</dd>
            <dt>"Time"</dt>
            <dd><When time=payload.time.to_string()/> " " <span class="hint">{payload.time.to_string()}</span></dd>
            <dt>"Finding"</dt>
            <dd>{type_name}", " <Severity name=severity/></dd>
            <dt>"Score"</dt>
            <dd>{short(payload.score.as_str())} " (anomalous from " {short(payload.threshold.as_str())} ")"</dd>
            <dt>"Detector state"</dt>
            <dd><Copyable what="Hash of the detector's state" value=payload.state.to_string()/></dd>
        </dl>
    }
}

/// A decimal to at most four places; the downloaded evidence has them all.
fn short(decimal: &str) -> String {
    decimal.parse().map_or_else(|_| decimal.to_owned(), format::value)
}

#[component]
fn EntryFacts(entry: Anomaly, index: u64) -> impl IntoView {
    view! {
        <h3>"Entry "{index}</h3>
        <dl>
            <dt>"Recorded"</dt>
            <dd><When time=entry.recorded.to_string()/></dd>
            <dt>"Id"</dt>
            <dd><Copyable what="Id of the entry" value=entry.id.to_string()/></dd>
            <dt>"Pseudonym"</dt>
            <dd>
                <Copyable what="Pseudonym of the device" value=entry.device.to_string()/> " "
                <a href=Route::Completeness(Some(entry.device.clone())).path() id="device-windows">"Its heartbeats"</a>
            </dd>
            <dt>"Model"</dt>
            <dd>
                <Copyable what="Hash of the model" value=entry.model.to_string()/> " "
                <a href=format!("/api/v1/models/{}", entry.model)>"What it was trained on"</a>
            </dd>
            <dt>"Commitment"</dt>
            <dd><Copyable what="Commitment to the payload" value=entry.commitment.to_string()/></dd>
        </dl>
    }
}
