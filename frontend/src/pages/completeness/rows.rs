//! The windows, one row each.

use api::Heartbeat;
use leptos::prelude::*;

use super::run::Run;
use crate::{
    completeness::{Account, Counted, Device},
    format::{counted, grouped},
    live::Remote,
    parts::When,
    route::Route,
};

/// The list, newest first.
#[component]
pub(super) fn Rows(run: Run) -> impl IntoView {
    // Each with the index of the next older one that the service lists.
    let list = move || match &*run.windows.read() {
        Remote::Ready(list) => {
            let older = list.iter().skip(1).map(|heartbeat| Some(heartbeat.index)).chain([None]);
            list.iter().cloned().zip(older).collect()
        }
        Remote::Loading | Remote::Failed(_) => Vec::new(),
    };
    view! {
        <div class="columns windows" aria-hidden="true">
            <span>"Closed"</span><span>"Entries"</span><span>"Readings"</span><span>"Anomalies"</span><span>"Devices"</span>
            <span>"Checked"</span>
        </div>
        <ol class="rows windows" aria-label="Windows of the log, newest first">
            <For
                each=list
                key=|(heartbeat, older)| (heartbeat.index, *older)
                children=move |(heartbeat, older)| view! { <Row run heartbeat older/> }
            />
        </ol>
        <Show when=move || run.cursor.read().is_some()>
            <p class="more">
                <button type="button" on:click=move |_| run.older()>"Older"</button>
                {move || run.fault.get().map(|fault| view! { <span role="alert">{fault.to_string()}</span> })}
            </p>
        </Show>
    }
}

#[component]
fn Row(run: Run, heartbeat: Heartbeat, older: Option<u64>) -> impl IntoView {
    let index = heartbeat.index;
    let account = Memo::new(move |_| run.accounts.read().get(&index).cloned());
    let (narrow, entries) = match index.checked_sub(heartbeat.from) {
        None | Some(0) => ("No entries", "none".to_owned()),
        Some(1) => ("Entry ", grouped(heartbeat.from)),
        Some(_) => ("Entries ", format!("{} to {}", grouped(heartbeat.from), grouped(index - 1))),
    };
    let wide = if entries == "none" { "wide" } else { "" };
    let left_out = older.filter(|older| older + 1 != heartbeat.from);
    let left_out =
        left_out.map(|older| format!("heartbeats between entry {} and this window are not shown", grouped(older)));
    let complaints = move || {
        let found = account.with(|account| match account {
            None => Vec::new(),
            Some(Ok(account)) => account.complaints(),
            Some(Err(why)) => vec![why.clone()],
        });
        found.into_iter().chain(left_out.clone()).collect::<Vec<_>>()
    };
    let complaints = Memo::new(move |_| complaints());
    let stands = move || account.with(|account| standing(account.as_ref(), !complaints.read().is_empty()));
    let device = move || account.with(|account| account.as_ref().and_then(|account| of_device(account.as_ref().ok()?)));
    view! {
        <li data-index=index>
            <span class="when"><When time=heartbeat.recorded.clone()/></span>
            <span class="what"><a href=Route::Anomaly(index).path()><i class="narrow">{narrow}</i><span class=wide>{entries}</span></a></span>
            <span class="number"><i class="narrow">"readings "</i>{grouped(heartbeat.readings)}</span>
            <span class="number"><i class="narrow">"anomalies "</i>{grouped(heartbeat.anomalies)}</span>
            <span class="number"><i class="narrow">"devices "</i>{grouped(heartbeat.devices)}</span>
            <span class="stands">
                {move || { let (word, look) = stands(); view! { <span class="state" data-state=look>{word}</span> } }}
            </span>
            {move || device().map(|text| view! { <p class="device">{text}</p> })}
            {move || complaints.get().into_iter().map(|text| view! { <p class="device problem">{text}</p> }).collect_view()}
        </li>
    }
}

/// How a window stands: a word, and which mark goes with it.
fn standing(account: Option<&Result<Account, String>>, complains: bool) -> (&'static str, &'static str) {
    match account {
        _ if complains => ("does not agree", "bad"),
        None => ("checking…", "pending"),
        Some(Ok(account)) if account.is_counted() => ("agrees", "final"),
        Some(_) => ("too long to count here", "anchored"),
    }
}

/// What a window says of the device.
fn of_device(account: &Account) -> Option<String> {
    let counted_here = match account.window.counted {
        Counted::Entries { of_device, .. } => format!(" ({} in the log)", grouped(of_device)),
        Counted::TooMany(_) => String::new(),
    };
    match account.device.as_ref()? {
        Device::Refused(_) => None,
        Device::Absent => Some("This device: nothing was counted".to_owned()),
        Device::Counter(counter) => {
            let sequences = counter.sequences.map_or_else(String::new, |range| match counter.missing() {
                0 => format!(", sequence numbers {} to {}", grouped(range.low), grouped(range.high)),
                missing => format!(
                    ", sequence numbers {} to {}, {} missing",
                    grouped(range.low),
                    grouped(range.high),
                    grouped(missing)
                ),
            });
            Some(format!(
                "This device: {}, {}{counted_here}{sequences}",
                counted(counter.readings, "reading", "readings"),
                counted(counter.anomalies, "anomaly", "anomalies"),
            ))
        }
    }
}
