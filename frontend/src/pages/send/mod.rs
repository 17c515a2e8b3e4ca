//! One reading by hand: a form, and what the service answers.

mod answer;
mod body;

use std::time::Duration;

use api::Readings;
use leptos::{html, prelude::*, task::spawn_local};

use crate::{
    http::Fault,
    parts::{Failed, Field, Loading},
    server,
};
use answer::Answered;
use body::{Refusal, reading};

/// How the last attempt stands.
#[derive(Clone)]
enum Attempt {
    None,
    Refused(Refusal),
    Sending,
    Answered(Readings),
    Failed(Fault),
}

/// One metric's fields.
#[derive(Clone, Copy)]
struct Line {
    id: u32,
    name: RwSignal<String>,
    value: RwSignal<String>,
}

impl Line {
    fn new(id: u32, name: &str) -> Self {
        Self { id, name: RwSignal::new(name.to_owned()), value: RwSignal::new(String::new()) }
    }
}

/// The form.
#[component]
pub(crate) fn SendPage() -> impl IntoView {
    let device = RwSignal::new(String::new());
    let time = RwSignal::new(String::new());
    let sequence = RwSignal::new(String::new());
    let lines = RwSignal::new(vec![Line::new(0, "temperature")]);
    let attempt = RwSignal::new(Attempt::None);
    let send = move || {
        if matches!(attempt.get_untracked(), Attempt::Sending) {
            return;
        }
        let metrics = lines.get_untracked();
        let metrics: Vec<_> = metrics.iter().map(|l| (l.name.get_untracked(), l.value.get_untracked())).collect();
        match reading(&device.read_untracked(), &utc(&time.read_untracked()), &sequence.read_untracked(), &metrics) {
            Err(refusal) => attempt.set(Attempt::Refused(refusal)),
            Ok(body) => {
                attempt.set(Attempt::Sending);
                spawn_local(async move {
                    let outcome = server::send(body).await;
                    attempt.try_set(outcome.map_or_else(Attempt::Failed, Attempt::Answered));
                });
            }
        }
    };
    view! {
        <div class="title-row">
            <h1>"Send a reading"</h1>
            <p class="says">"By hand, as a sensor would. It is stored and judged like any other."</p>
        </div>
        <div class="two">
            <form class="card form" on:submit=move |event| { event.prevent_default(); send(); }>
                <Field id="device" label="Device" value=device hint="Its name, such as room-1/thermometer"/>
                <Metrics lines/>
                <Field id="time" label="Time (optional)" value=time kind="datetime-local" hint="Your local time; empty means now"/>
                <Field id="sequence" label="Sequence (optional)" value=sequence hint="The reading's number at its device"/>
                <p class="buttons"><button type="submit" id="send" class="primary">"Send"</button></p>
            </form>
            <section class="card" id="answer" aria-live="polite" aria-label="Answer">
                <h2>"Answer"</h2>
                {move || match attempt.get() {
                    Attempt::None => view! { <p class="hint">"Score, verdict and, for an anomaly, its entry will stand here."</p> }.into_any(),
                    Attempt::Refused(refusal) => view! { <p class="problem" role="alert">{refusal.to_string()}</p> }.into_any(),
                    Attempt::Sending => view! { <Loading what="Sending…"/> }.into_any(),
                    Attempt::Failed(fault) => view! { <Failed title="Not stored" fault retry=move |()| send()/> }.into_any(),
                    Attempt::Answered(readings) => view! { <Answered readings/> }.into_any(),
                }}
            </section>
        </div>
    }
}

/// Local time from the form, in UTC; what is no time is left for the service to refuse.
fn utc(local: &str) -> String {
    match crate::clock::parse(local) {
        Some(time) => crate::clock::iso(time),
        None => local.to_owned(),
    }
}

/// The metrics' lines; there is always one.
#[component]
fn Metrics(lines: RwSignal<Vec<Line>>) -> impl IntoView {
    let next = StoredValue::new(1_u32);
    let group = NodeRef::<html::Fieldset>::new();
    let add = move |_| {
        let id = next.get_value();
        next.set_value(id + 1);
        lines.update(|lines| lines.push(Line::new(id, "")));
        // The new line is there after this turn; whoever added it wants to type into it.
        set_timeout(move || focus_last(group), Duration::ZERO);
    };
    let remove = move |id: u32| lines.update(|lines| lines.retain(|line| line.id != id));
    view! {
        <fieldset node_ref=group>
            <legend>"Metrics"</legend>
            <For each=move || lines.get() key=|line| line.id let:line>
                <div class="metric">
                    <input aria-label="Metric" placeholder="temperature" autocomplete="off" spellcheck="false" class="name" bind:value=line.name/>
                    <input aria-label="Value" placeholder="21.5" inputmode="decimal" autocomplete="off" class="value" bind:value=line.value/>
                    <button
                        type="button"
                        class="small"
                        aria-label=move || format!("Remove {}", line.name.get())
                        disabled=move || lines.read().len() == 1
                        on:click=move |_| remove(line.id)
                    >"Remove"</button>
                </div>
            </For>
            <button type="button" class="small" on:click=add>"Add a metric"</button>
        </fieldset>
    }
}

fn focus_last(group: NodeRef<html::Fieldset>) {
    use wasm_bindgen::JsCast;
    let last = group.get_untracked().and_then(|group| group.query_selector(".metric:nth-last-child(2) input").ok()?);
    if let Some(input) = last.and_then(|input| input.dyn_into::<web_sys::HtmlElement>().ok()) {
        // An element that cannot take the focus leaves it where it was.
        let _ = input.focus();
    }
}
