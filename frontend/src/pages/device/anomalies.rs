//! What was found of a device lately.

use std::time::Duration;

use api::StoredReading;
use leptos::prelude::*;

use crate::{format, parts::When, remote::fetched, route::Route, server::series};

/// A finding shows within this time.
const AGAIN: Duration = Duration::from_secs(15);

/// The newest findings, each with the way to its entry.
#[component]
pub(super) fn Anomalies(name: String) -> impl IntoView {
    let found = fetched(move || {
        let name = name.clone();
        async move { series::anomalies(&name).await }
    })
    .every(AGAIN);
    view! {
        <section class="card" id="found">
            <h2>"Newest anomalies"</h2>
            {found.view("Fetching anomalies…", "No anomalies can be shown", |page| match page.items.is_empty() {
                true => view! { <p class="hint">"None has been found."</p> }.into_any(),
                false => view! { <ul class="plain">{page.items.into_iter().map(row).collect_view()}</ul> }.into_any(),
            })}
        </section>
    }
}

fn row(reading: StoredReading) -> impl IntoView {
    let StoredReading { time, metrics, silence, erased, score, index, .. } = reading;
    let said = match (silence, erased) {
        (true, _) => "It was silent for too long".to_owned(),
        (_, true) => "The values were erased".to_owned(),
        _ => {
            let value = |(name, value): (String, f64)| format!("{} {}", format::words(&name), format::value(value));
            metrics.into_iter().map(value).collect::<Vec<_>>().join(", ")
        }
    };
    view! {
        <li>
            <span class="what">
                {match index {
                    Some(index) => view! { <a href=Route::Anomaly(index).path()>"Entry " {index}</a> }.into_any(),
                    None => "No entry".into_any(),
                }}
                " · " {said}
            </span>
            <span class="kind"><When time/> ", score " {format::score(score)}</span>
        </li>
    }
}
