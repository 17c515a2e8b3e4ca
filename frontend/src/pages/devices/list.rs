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
    let older = move || {
        let items = more.get().into_iter().flat_map(|page| page.items);
        items.map(|device| row(device, || None)).collect_view()
    };
    let items = move || first.ready().map(|page| page.items).unwrap_or_default();
    let newest = move |device: Device| {
        let name = device.name.clone();
        row(device, move || items().into_iter().find(|device| device.name == name))
    };
    // The list is there or not; its lines move on by themselves.
    let empty = Memo::new(move |_| first.ready().map(|page| page.items.is_empty()));
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
        {first.view("Fetching devices…", "Devices cannot be shown", |_| ())}
        {move || empty.get().map(|empty| match empty {
            true => view! { <Empty narrow=wanted.get_untracked().is_narrow()/> }.into_any(),
            false => view! {
                <div class="columns devices" aria-hidden="true">
                    <span>"State"</span><span>"Device"</span><span>"Type"</span><span>"Owner"</span><span>"Last seen"</span><span>"Missing"</span>
                </div>
                <ol class="rows devices" aria-label="Devices, by name">
                    <For each=items key=|device| device.name.clone() children=newest/>
                    {older}
                </ol>
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

/// A line, by the device's name; what it says moves on with the list.
fn row(device: Device, now: impl Fn() -> Option<Device> + Send + Sync + 'static) -> impl IntoView {
    let (name, path) = (device.name.clone(), Route::Device(device.name.clone()).path());
    let now = Memo::new(move |last: Option<&Device>| now().or_else(|| last.cloned()).unwrap_or_else(|| device.clone()));
    view! {
        <li>
            <span class="how">{move || view! { <Presence online=now.read().status.online/> }}</span>
            <span class="what"><a href=path><b>{name}</b></a>{move || marks(&now.read())}</span>
            <span class="kind">{move || now.read().r#type.clone()}</span>
            <span class="kind">{move || now.read().owner.map(|owner| format!("user {owner}"))}</span>
            <span class="when">{move || now.read().status.last_seen.clone().map(|time| view! { <When time/> })}</span>
            <span class="kind missing" data-missing=move || now.read().status.missing.to_string()>
                {move || missing(&now.read())}<span class="narrow">" missing"</span>
            </span>
        </li>
    }
}

/// What stands beside a device's name.
fn marks(device: &Device) -> String {
    let state = [(device.disabled, "disabled"), (!device.registered, "not registered")];
    let state = state.into_iter().filter(|(is, _)| *is).map(|(_, words)| words.to_owned());
    let marks = [device.location.clone().unwrap_or_default(), tags_text(&device.tags)];
    marks.into_iter().filter(|mark| !mark.is_empty()).chain(state).collect::<Vec<_>>().join(" · ")
}

/// How many numbers are missing; a device without numbers cannot miss any.
fn missing(device: &Device) -> String {
    device.status.last_sequence.map_or_else(|| "–".to_owned(), |_| format::grouped(device.status.missing))
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
