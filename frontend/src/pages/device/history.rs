//! What a device sends: its newest values, and each metric over time.

use std::time::Duration;

use api::{StoredReading, TypeMetric};
use leptos::prelude::*;

use crate::{
    format,
    parts::{SeriesChart, When},
    remote::{Fetched, fetched},
    server::{devices, series},
    words,
};

/// Lengths of time to choose from, in milliseconds.
const SPANS: [(f64, &str); 4] =
    [(3_600_000.0, "1 h"), (86_400_000.0, "24 h"), (604_800_000.0, "7 d"), (2_592_000_000.0, "30 d")];

/// New values show soon; a chart of 300 points moves on by less than a point meanwhile.
const AGAIN: Duration = Duration::from_secs(10);

/// The newest values; a click on one shows its chart.
#[component]
pub(super) fn History(name: String, kind: String) -> impl IntoView {
    let name = StoredValue::new(name);
    let latest = fetched(move || async move { series::latest(&name.get_value()).await }).every(AGAIN);
    let types = fetched(devices::types);
    let known = move || {
        let types = types.ready().map(|types| types.items).unwrap_or_default();
        types.into_iter().find(|of| of.name == kind).map(|of| of.definition.metrics).unwrap_or_default()
    };
    let known = Memo::new(move |_| known());
    let span = RwSignal::new(SPANS[1].0);
    let chosen = RwSignal::new(None::<String>);
    let metric = Memo::new(move |_| chosen.get().or_else(|| latest.ready()?.metrics.into_keys().next()));
    view! {
        <section class="card" id="history">
            <h2>"Values"{move || latest.ready().map(|reading| view! { <small><When time=reading.time/></small> })}</h2>
            {latest.view("Fetching the newest reading…", "No values can be shown", |_| ())}
            <Values latest metric chosen known/>
            {move || metric.get().map(|metric| view! {
                <Spans span/>
                <Chart name=name.get_value() unit=unit(&known.get(), &metric) metric span/>
            })}
        </section>
    }
}

/// The newest values, each a button that stays while its value moves on.
#[component]
fn Values(
    latest: Fetched<StoredReading>,
    metric: Memo<Option<String>>,
    chosen: RwSignal<Option<String>>,
    known: Memo<Vec<TypeMetric>>,
) -> impl IntoView {
    let names = move || latest.ready().map(|reading| reading.metrics.into_keys().collect()).unwrap_or_default();
    let names: Memo<Vec<String>> = Memo::new(move |_| names());
    let erased = move || latest.ready().is_some_and(|reading| reading.erased);
    let button = move |of: String| {
        let of = StoredValue::new(of);
        let name = move || of.with_value(|of| words::metric(of, &unit(&known.read(), of)));
        let number = move || {
            let value = latest.ready()?.metrics.get(&of.get_value()).copied()?;
            Some(format::with_unit(&format::value(value), &unit(&known.read(), &of.get_value())))
        };
        let pressed = move || (*metric.read() == Some(of.get_value())).to_string();
        view! {
            <button type="button" class="value" aria-pressed=pressed on:click=move |_| chosen.set(Some(of.get_value()))>
                <span>{name}</span><b>{number}</b>
            </button>
        }
    };
    view! {
        <Show when=erased><p class="hint">"The newest values were erased."</p></Show>
        <div class="newest" role="group" aria-label="Newest values">
            <For each=move || names.get() key=Clone::clone children=button/>
        </div>
    }
}

#[component]
fn Spans(span: RwSignal<f64>) -> impl IntoView {
    let button = move |(of, words): (f64, &'static str)| {
        let pressed = move || (span.get() == of).to_string();
        view! { <button type="button" class="small" aria-pressed=pressed on:click=move |_| span.set(of)>{words}</button> }
    };
    view! { <div class="spans" role="group" aria-label="Time shown">{SPANS.into_iter().map(button).collect_view()}</div> }
}

#[component]
fn Chart(name: String, metric: String, unit: String, span: RwSignal<f64>) -> impl IntoView {
    let (device, of) = (name, metric.clone());
    let asked = fetched(move || {
        let (device, metric, span) = (device.clone(), of.clone(), span.get());
        async move { series::series(&device, &metric, span).await }
    })
    .every(AGAIN * 3);
    let title = words::metric(&metric, &unit);
    // Only the first answer makes the chart; the next ones move it on.
    let there = Memo::new(move |_| asked.ready().is_some());
    let series = Memo::new(move |_| asked.ready());
    view! {
        {asked.view("Fetching the series…", "The series cannot be shown", |_| ())}
        {move || there.get().then(|| view! { <SeriesChart series title=title.clone() unit=unit.clone()/> })}
    }
}

/// A metric's unit, as the type says; empty where it does not.
fn unit(known: &[TypeMetric], metric: &str) -> String {
    known.iter().find(|of| of.metric == metric).map(|of| of.unit.clone()).unwrap_or_default()
}
