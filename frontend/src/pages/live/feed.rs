//! The feed of anomalies.

use api::Anomaly;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    format,
    http::Fault,
    live::{Live, Remote},
    parts::{Failed, Loading, Severity, StateLabel, When},
    words,
};

/// What stands where the list is.
#[derive(Clone, PartialEq)]
enum Shown {
    Loading,
    Empty,
    List,
    Failed(Fault),
}

/// The list, newest first.
#[component]
pub(crate) fn AnomalyFeed() -> impl IntoView {
    let live = expect_context::<Live>();
    let shown = Memo::new(move |_| match &*live.anomalies.read() {
        Remote::Loading => Shown::Loading,
        Remote::Failed(fault) => Shown::Failed(fault.clone()),
        Remote::Ready(list) if list.is_empty() => Shown::Empty,
        Remote::Ready(_) => Shown::List,
    });
    let list = move || match &*live.anomalies.read() {
        Remote::Ready(list) => list.clone(),
        Remote::Loading | Remote::Failed(_) => Vec::new(),
    };
    move || match shown.get() {
        Shown::Loading => view! { <Loading what="Fetching anomalies…"/> }.into_any(),
        Shown::Failed(fault) => {
            view! { <Failed title="Anomalies cannot be shown" fault retry=move |()| live.refresh()/> }.into_any()
        }
        Shown::Empty => view! {
            <section class="empty">
                <h2>"No anomalies yet"</h2>
                <p>"They appear here as they are found. " <a href="/ui/send">"Send a reading by hand"</a></p>
            </section>
        }
        .into_any(),
        Shown::List => view! {
            <p class="quiet" role="status">
                {move || match live.arrived.get() {
                    0 => String::new(),
                    n => format!("{} since you opened this page", format::counted(n, "new anomaly", "new anomalies")),
                }}
            </p>
            <div class="columns anomalies" aria-hidden="true">
                <span>"Time"</span><span>"Severity"</span><span>"Finding"</span><span>"Type"</span><span>"Score"</span>
                <span>"State"</span>
            </div>
            <ol class="rows anomalies" aria-label="Anomalies, newest first">
                <For each=list key=|a| (a.index, a.id.clone()) children=|anomaly| view! { <Row anomaly/> }/>
            </ol>
            <Older/>
        }
        .into_any(),
    }
}

#[component]
fn Row(anomaly: Anomaly) -> impl IntoView {
    let live = expect_context::<Live>();
    let path = crate::route::Route::Anomaly(anomaly.index).path();
    let (time, severity) = (anomaly.time.clone(), anomaly.severity.clone());
    // Of a payload that was erased, or that this reader may not read, only the sentence says why.
    let told = !anomaly.device.is_empty();
    let score = told.then(|| format::score(anomaly.score));
    let index = anomaly.index;
    let (device, kind) = (anomaly.device.clone(), words::kind(&anomaly.r#type));
    let sentence = anomaly.sentence.clone();
    let threshold = told.then(|| format!("anomalous from {}", format::score(anomaly.threshold)));
    let state = Signal::derive(move || live.state(&anomaly));
    view! {
        <li>
            <span class="when"><When time/></span>
            <span class="how"><Severity name=severity/></span>
            <span class="what">
                {if told {
                    view! { <b>{device}</b><a href=path>{sentence}</a> }.into_any()
                } else {
                    view! { <a href=path>"Entry " {index}</a><small class="untold">{format::capital(&sentence)}</small> }.into_any()
                }}
            </span>
            <span class="kind">{kind}</span>
            <span class="score" title=threshold>{score}</span>
            <span class="stands"><StateLabel state/></span>
        </li>
    }
}

/// The way to older anomalies.
#[component]
fn Older() -> impl IntoView {
    let live = expect_context::<Live>();
    let (busy, set_busy) = signal(false);
    let (fault, set_fault) = signal(None::<Fault>);
    let load = move |_| {
        if busy.get_untracked() {
            return;
        }
        set_busy.set(true);
        spawn_local(async move {
            let outcome = live.older().await;
            set_fault.try_set(outcome.err());
            set_busy.try_set(false);
        });
    };
    view! {
        <Show when=move || live.cursor.read().is_some()>
            <p class="more">
                <button type="button" on:click=load aria-disabled=move || busy.get().to_string()>
                    {move || if busy.get() { "Fetching…" } else { "Older" }}
                </button>
                {move || fault.get().map(|fault| view! { <span role="alert">{fault.to_string()}</span> })}
            </p>
        </Show>
    }
}
