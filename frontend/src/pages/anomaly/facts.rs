//! What entry and payload say, taken from the examined bytes alone.
//!
//! It refuses to show as fact what did not hold: refused bytes are folded away and named as such.

use ledger::{
    entry::{Anomaly, Entry, EntryError, Payload, Reason},
    verdict::Verdict,
};
use leptos::prelude::*;

use super::kinds::KindFacts;
use crate::{
    check::Checked,
    format,
    parts::{Copyable, Severity, When},
    route::Route,
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
            view! { <p class="hint">"The payload is not disclosed, or was erased. The proof stays."</p> }.into_any()
        }
        Some(Ok(payload)) => view! { <PayloadFacts payload/> }.into_any(),
        Some(Err(error)) => view! { <p>"The payload cannot be read: " {error.to_string()}</p> }.into_any(),
    }
}

#[component]
fn PayloadFacts(payload: Payload) -> impl IntoView {
    let type_name = serde_json::to_value(payload.r#type).ok();
    let type_name = type_name.as_ref().and_then(|name| name.as_str()).map(format::words).unwrap_or_default();
    let severity = serde_json::to_value(payload.severity).ok();
    let severity = severity.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    let values = payload.values.into_iter().map(|value| {
        view! { <li><span>{value.metric}</span> <b>{value.value.to_string()}</b> {unit(&value.unit)}</li> }
    });
    view! {
        <p class="sentence">{payload.sentence}</p>
        <ul class="values" aria-label="Values of the reading">{values.collect_view()}</ul>
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
        <Reasons reasons=payload.reasons/>
    }
}

#[component]
fn Reasons(reasons: Vec<Reason>) -> impl IntoView {
    (!reasons.is_empty()).then(|| {
        let rows = reasons.into_iter().map(|reason| {
            let range = format!("{} to {}", short(reason.expected_low.as_str()), short(reason.expected_high.as_str()));
            let expected = reason.expected.as_ref().map(|expected| format!("{}, ", short(expected.as_str())));
            // Payloads of before these members do not say; a dash is no claim.
            let dash = || "–".to_owned();
            let odds = reason.probability.as_ref().and_then(|p| p.as_str().parse().ok()).map_or_else(dash, format::odds);
            let share = reason.contribution.as_ref().and_then(|c| c.as_str().parse().ok());
            let share = share.map_or_else(dash, format::percent);
            view! {
                <tr>
                    <th scope="row">{reason.metric}<small>{format::words(&reason.feature)}</small></th>
                    <td>{short(reason.value.as_str())} {unit(&reason.unit)}</td>
                    <td>{expected}{range}</td>
                    <td>{odds}</td>
                    <td>{share}</td>
                    <td>{short(reason.score.as_str())}</td>
                </tr>
            }
        });
        view! {
            <div class="scroll">
                <table>
                    <caption>"Reasons, strongest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Metric"</th>
                            <th scope="col">"Value"</th>
                            <th scope="col">"Expected"</th>
                            <th scope="col" title="How often an ordinary reading of this device deviates as much">"As far by chance"</th>
                            <th scope="col" title="This reason's part in the finding">"Share"</th>
                            <th scope="col">"Score"</th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        }
    })
}

/// A decimal to at most four places; the downloaded evidence has them all.
fn short(decimal: &str) -> String {
    decimal.parse().map_or_else(|_| decimal.to_owned(), format::value)
}

fn unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
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
            <dd><Copyable what="Hash of the model" value=entry.model.to_string()/></dd>
            <dt>"Commitment"</dt>
            <dd><Copyable what="Commitment to the payload" value=entry.commitment.to_string()/></dd>
        </dl>
    }
}
