//! A device's keys: made, rotated, revoked; each shown once.

use api::{DeviceKey, DeviceKeyRequest, NewDeviceKey};
use leptos::prelude::*;

use crate::{
    pages::devices::given,
    parts::{Confirm, Field, Outcome, Secret, When},
    remote::{Doing, Fetched, fetched},
    server::devices,
};

/// The list, and making one.
#[component]
pub(super) fn Keys(name: String, manages: Signal<bool>) -> impl IntoView {
    let name = StoredValue::new(name);
    let keys = fetched(move || async move { devices::keys(&name.get_value()).await });
    let made = RwSignal::new(None::<NewDeviceKey>);
    let doing = Doing::new();
    view! {
        <section class="card" id="keys">
            <h2>"Keys"</h2>
            {keys.view("Fetching keys…", "Keys cannot be shown", move |list| match list.is_empty() {
                true => view! { <p class="hint">"None. Without a key, a certificate or an address it cannot send."</p> }.into_any(),
                false => {
                    let rows = list.into_iter().map(|key| view! { <Row key name manages keys made doing/> });
                    view! { <ul class="plain">{rows.collect_view()}</ul> }.into_any()
                }
            })}
            <Outcome doing/>
            {move || made.get().map(|made| view! { <Shown made/> })}
            <Show when=move || manages.get()><Make name keys made doing/></Show>
        </section>
    }
}

#[component]
fn Shown(made: NewDeviceKey) -> impl IntoView {
    view! {
        <Secret title="The new key" value=made.key hint="The device shows it with its readings, over HTTP as Authorization: Bearer …"/>
        {made.old_ends.map(|time| view! { <p class="hint">"The old key holds beside it until " <When time/> "."</p> })}
    }
}

#[component]
fn Row(
    key: DeviceKey,
    name: StoredValue<String>,
    manages: Signal<bool>,
    keys: Fetched<Vec<DeviceKey>>,
    made: RwSignal<Option<NewDeviceKey>>,
    doing: Doing,
) -> impl IntoView {
    let DeviceKey { id, prefix, label, created, expires, valid, last_used } = key;
    let rotate = move |_| {
        let act = async move { devices::rotate_key(&name.get_value(), id).await };
        doing.run(act, move |new| {
            made.set(Some(new));
            keys.again();
        });
    };
    let revoke = move |()| {
        doing.run(async move { devices::revoke_key(&name.get_value(), id).await }, move |()| keys.again());
    };
    let question = format!("Revoke {prefix}…?");
    view! {
        <li data-valid=valid.to_string()>
            <span class="what"><b>{label.unwrap_or_else(|| format!("Key {id}"))}</b><code>{prefix}"…"</code>{(!valid).then_some(" · holds no more")}</span>
            <span class="kind">
                "since " <When time=created/>
                {expires.map(|time| view! { ", until " <When time/> })}
                {match last_used {
                    Some(time) => view! { ", last used " <When time/> }.into_any(),
                    None => ", never used".into_any(),
                }}
            </span>
            <Show when=move || manages.get()>
                <span class="acts">
                    {valid.then(|| view! { <button type="button" class="small" on:click=rotate>"Rotate"</button> })}
                    <Confirm label="Revoke" question=question.clone() act=revoke/>
                </span>
            </Show>
        </li>
    }
}

#[component]
fn Make(
    name: StoredValue<String>,
    keys: Fetched<Vec<DeviceKey>>,
    made: RwSignal<Option<NewDeviceKey>>,
    doing: Doing,
) -> impl IntoView {
    let label = RwSignal::new(String::new());
    let submit = move || {
        let wish = DeviceKeyRequest { label: given(&label.read_untracked()), expires_seconds: None };
        doing.run(async move { devices::make_key(&name.get_value(), &wish).await }, move |new| {
            made.set(Some(new));
            label.set(String::new());
            keys.again();
        });
    };
    view! {
        <details class="add">
            <summary>"Make a key"</summary>
            <form class="form" on:submit=move |event| { event.prevent_default(); submit(); }>
                <Field id="key-label" label="What it is called (optional)" value=label/>
                <p class="buttons"><button type="submit" id="make-key" disabled=move || doing.busy()>"Make"</button></p>
            </form>
        </details>
    }
}
