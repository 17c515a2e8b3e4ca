//! The list of devices.

use std::time::Duration;

use api::{Device, Devices, TypeCount};
use leptos::prelude::*;

use super::tags_text;
use crate::{
    format,
    me::Me,
    parts::{Choice, Field, Outcome, Presence, When},
    remote::{Doing, fetched},
    route::Route,
    server::devices::{self, Wanted},
};

/// Devices come and go within their types' times, which are minutes.
const AGAIN: Duration = Duration::from_secs(15);

/// All devices, by name.
#[component]
pub(crate) fn DevicesPage() -> impl IntoView {
    let me = expect_context::<Me>();
    let [text, kind, online] = [0; 3].map(|_| RwSignal::new(String::new()));
    // Choices hold at once; what is typed holds when it is sent.
    let searched = RwSignal::new(String::new());
    let wanted = Memo::new(move |_| Wanted { text: searched.get(), r#type: kind.get(), online: online.get() });
    let first = fetched(move || {
        let wanted = wanted.get();
        async move { devices::devices(&wanted, None).await }
    })
    .every(AGAIN);
    let more = RwSignal::new(None::<Devices>);
    Effect::new(move |_| {
        wanted.track();
        more.set(None);
    });
    let doing = Doing::new();
    let cursor = move || match more.get() {
        Some(page) => page.next_cursor,
        None => first.ready().and_then(|page| page.next_cursor),
    };
    let load = move |_| {
        let (wanted, from) = (wanted.get_untracked(), untrack(cursor));
        doing.run(async move { devices::devices(&wanted, from.as_deref()).await }, move |page| {
            more.update(|known| {
                let empty = Devices { items: Vec::new(), next_cursor: None, summary: None };
                let known = known.get_or_insert(empty);
                known.items.extend(page.items);
                known.next_cursor = page.next_cursor;
            });
        });
    };
    let older = move || more.get().into_iter().flat_map(|page| page.items).map(row).collect_view();
    view! {
        <div class="title-row">
            <h1>"Devices"</h1>
            <p class="says">{move || first.ready().and_then(|page| page.summary).map(|counts| summary(&counts))}</p>
            <Show when=move || me.may("manage_devices").is_some()>
                <p class="acts">
                    <a class="button small" href="/ui/import-devices">"Import a table"</a>
                    <a class="button small" href="/ui/register-device" id="register-device">"Register a device"</a>
                </p>
            </Show>
        </div>
        <Filters text kind online searched/>
        {first.view("Fetching devices…", "Devices cannot be shown", move |page| match page.items.is_empty() {
            true => view! { <Empty narrow=wanted.get_untracked().is_narrow()/> }.into_any(),
            false => view! {
                <div class="columns devices" aria-hidden="true">
                    <span>"State"</span><span>"Device"</span><span>"Type"</span><span>"Owner"</span><span>"Last seen"</span><span>"Missing"</span>
                </div>
                <ol class="rows devices" aria-label="Devices, by name">{page.items.into_iter().map(row).collect_view()} {older}</ol>
            }
            .into_any(),
        })}
        <Show when=move || cursor().is_some()>
            <p class="more"><button type="button" on:click=load>"More"</button></p>
        </Show>
        <Outcome doing/>
    }
}

#[component]
fn Filters(
    text: RwSignal<String>,
    kind: RwSignal<String>,
    online: RwSignal<String>,
    searched: RwSignal<String>,
) -> impl IntoView {
    let types = fetched(devices::types);
    let types = move || {
        let known = types.ready().map(|types| types.items).unwrap_or_default();
        let any = (String::new(), "Any type".to_owned());
        [any].into_iter().chain(known.into_iter().map(|kind| (kind.name.clone(), kind.name))).collect::<Vec<_>>()
    };
    let states = [("", "Online and offline"), ("true", "Online"), ("false", "Offline")];
    let states = states.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec();
    view! {
        <form class="controls filters" role="search" on:submit=move |event| { event.prevent_default(); searched.set(text.get_untracked()); }>
            <Field id="text" label="Name, place, firmware" value=text kind="search"/>
            <Choice id="type" label="Type" value=kind options=types/>
            <Choice id="online" label="State" value=online options=states/>
            <button type="submit">"Search"</button>
        </form>
    }
}

#[component]
fn Empty(narrow: bool) -> impl IntoView {
    let text = if narrow {
        "None fits these filters."
    } else {
        "Register one, give it a key, and it can send. In a trial any device may send, and appears here."
    };
    view! { <section class="empty"><h2>"No devices"</h2><p>{text}</p></section> }
}

fn row(device: Device) -> impl IntoView {
    let Device { name, registered, r#type, owner, location, tags, disabled, status, .. } = device;
    let path = Route::Device(name.clone()).path();
    let missing = if status.last_sequence.is_none() { "–".to_owned() } else { format::grouped(status.missing) };
    let marks = [location.unwrap_or_default(), tags_text(&tags)];
    let marks: Vec<_> = marks.into_iter().filter(|mark| !mark.is_empty()).collect();
    view! {
        <li>
            <span class="how"><Presence online=status.online/></span>
            <span class="what">
                <a href=path><b>{name}</b></a>
                {marks.join(" · ")}
                {disabled.then_some(" · disabled")}
                {(!registered).then_some(" · not registered")}
            </span>
            <span class="kind">{r#type}</span>
            <span class="kind">{owner.map(|owner| format!("user {owner}"))}</span>
            <span class="when">{status.last_seen.map(|time| view! { <When time/> })}</span>
            <span class="kind missing" data-missing=status.missing.to_string()>
                {missing}<span class="narrow">" missing"</span>
            </span>
        </li>
    }
}

/// How many are online.
fn summary(counts: &[TypeCount]) -> String {
    let online: u64 = counts.iter().map(|count| count.online).sum();
    let all: u64 = online + counts.iter().map(|count| count.offline).sum::<u64>();
    format!("{} of {} online", format::grouped(online), format::grouped(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_all_types() {
        let count = |online, offline| TypeCount { r#type: "x".into(), online, offline };
        assert_eq!(summary(&[count(2, 1), count(0, 1_000)]), "2 of 1,003 online");
        assert_eq!(summary(&[]), "0 of 0 online");
    }
}
