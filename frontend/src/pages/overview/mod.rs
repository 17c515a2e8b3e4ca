//! What was found, counted: over time, by type and severity, and by device.

mod shape;

use api::{AnomalyStatistics, DeviceStatistics};
use leptos::prelude::*;

use crate::{
    clock,
    format::{self, grouped},
    me::Me,
    remote::fetched,
    route::Route,
    server::series,
    words,
};
use shape::{Bar, SEVERITIES, bars, by_type};

/// Lengths of time to choose from, in milliseconds, and the step in which they are counted.
const SPANS: [(f64, &str, &str); 3] =
    [(86_400_000.0, "24 h", "hour"), (604_800_000.0, "7 d", "hour"), (2_592_000_000.0, "30 d", "day")];

/// Counts over a chosen time.
#[component]
pub(crate) fn OverviewPage() -> impl IntoView {
    let me = expect_context::<Me>();
    let span = RwSignal::new(0_usize);
    let chosen = move || SPANS.get(span.get()).copied().unwrap_or(SPANS[0]);
    let counts = fetched(move || {
        let (span, _, step) = chosen();
        async move { series::counts(span, step).await }
    });
    let top = fetched(move || {
        let (span, ..) = chosen();
        async move { series::top(span).await }
    });
    let whose = move || match me.may("read_readings") {
        Some(api::Reach::Own) => "Of your devices.",
        _ => "Of all devices.",
    };
    let button = move |(at, (_, words, _)): (usize, (f64, &'static str, &'static str))| {
        let pressed = move || (span.get() == at).to_string();
        view! { <button type="button" class="small" aria-pressed=pressed on:click=move |_| span.set(at)>{words}</button> }
    };
    view! {
        <div class="title-row">
            <h1>"Overview"</h1>
            <p class="says">{whose}" As the service counts."</p>
            <div class="spans acts" role="group" aria-label="Time counted">{SPANS.into_iter().enumerate().map(button).collect_view()}</div>
        </div>
        {counts.view("Counting anomalies…", "Anomalies cannot be counted", |counts| view! { <OverTime counts/> })}
        {top.view("Counting devices…", "Devices cannot be counted", |top| view! { <Top top/> })}
    }
}

#[component]
fn OverTime(counts: AnomalyStatistics) -> impl IntoView {
    let (from, to) = (clock::parse(&counts.from).unwrap_or(0.0), clock::parse(&counts.to).unwrap_or(0.0));
    let step = match counts.step {
        api::Step::Hour => 3_600_000.0,
        api::Step::Day => 86_400_000.0,
    };
    let drawn = bars(&counts.items, from, to, step, clock::parse);
    let kinds = by_type(&counts.items);
    let total: u64 = counts.items.iter().map(|item| item.count).sum();
    if total == 0 {
        return view! { <section class="empty"><h2>"No anomalies"</h2><p>"None was found in this time."</p></section> }
            .into_any();
    }
    let sentence = format!("{} in this time", format::counted(total, "anomaly", "anomalies"));
    let count = drawn.len().max(1) as f64;
    let bar = move |(at, bar): (usize, Bar)| {
        let (x, width) = (at as f64 / count * 100.0, 100.0 / count * 0.8);
        bar.into_iter()
            .zip(SEVERITIES)
            .map(|((y, height), severity)| view! { <rect class=format!("bar {severity}") x=x y=y width=width height=height/> })
            .collect_view()
    };
    let row = |(kind, counts): (String, [u64; 3])| {
        let cells = counts.into_iter().map(|count| view! { <td>{grouped(count)}</td> }).collect_view();
        view! { <tr><th scope="row">{words::kind(&kind)}</th>{cells}</tr> }
    };
    view! {
        <section class="card" id="over-time">
            <h2>"Anomalies over time"<small>{sentence.clone()}</small></h2>
            <figure class="stacked">
                <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label=sentence>
                    {drawn.into_iter().enumerate().map(bar).collect_view()}
                </svg>
                <div class="times" aria-hidden="true">
                    {(0..=4).map(|part| view! { <span>{clock::short(from + (to - from) * f64::from(part) / 4.0, to - from)}</span> }).collect_view()}
                </div>
            </figure>
            <div class="scroll"><table>
                <thead><tr>
                    <th scope="col">"Type"</th>
                    {SEVERITIES.map(|severity| view! { <th scope="col"><span class=format!("swatch {severity}") aria-hidden="true"></span>{severity}</th> }).collect_view()}
                </tr></thead>
                <tbody>{kinds.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        </section>
    }
    .into_any()
}

#[component]
fn Top(top: DeviceStatistics) -> impl IntoView {
    if top.items.is_empty() {
        return ().into_any();
    }
    let most = top.items.iter().map(|item| item.anomalies).max().unwrap_or(0).max(1) as f64;
    let row = |item: api::DeviceCount| {
        let width = item.anomalies as f64 / most * 100.0;
        let path = Route::Device(item.device.clone()).path();
        let share = if item.readings == 0 { "–".to_owned() } else { format::percent(item.rate) };
        view! {
            <tr>
                <th scope="row"><a href=path>{item.device}</a></th>
                <td class="most"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar" width=width height="8"/></svg></td>
                <td>{grouped(item.anomalies)}</td><td>{grouped(item.readings)}</td><td>{share}</td>
            </tr>
        }
    };
    view! {
        <section class="card" id="top">
            <h2>"Devices with the most anomalies"</h2>
            <div class="scroll"><table>
                <thead><tr>
                    <th scope="col">"Device"</th><th class="most"></th><th scope="col">"Anomalies"</th><th scope="col">"Readings"</th><th scope="col">"Share"</th>
                </tr></thead>
                <tbody>{top.items.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        </section>
    }
    .into_any()
}
