//! One device: how it does, what it sends, what was found, and what the registry says of it.

mod anomalies;
mod edit;
mod facts;
mod history;
mod keys;

use std::time::Duration;

use api::Device;
use leptos::prelude::*;

use crate::{
    me::Me,
    parts::Presence,
    remote::{Fetched, fetched},
    server::devices,
};
use anomalies::Anomalies;
use edit::Edit;
use facts::{Registration, Status};
use history::History;
use keys::Keys;

/// Whether it is online is a matter of minutes.
const AGAIN: Duration = Duration::from_secs(15);

/// The page of one device.
#[component]
pub(crate) fn DevicePage(name: String) -> impl IntoView {
    let me = expect_context::<Me>();
    let asked = name.clone();
    let device = fetched(move || {
        let name = asked.clone();
        async move { devices::device(&name).await }
    })
    .every(AGAIN);
    let online = move || device.ready().map(|device| device.status.online);
    // What is below asks for itself, and only when the device turns out to be there.
    let there = Memo::new(move |_| {
        device.ready().map(|device| (device.r#type, device.registered, device.status.last_seen.is_some()))
    });
    let may = move |action: &'static str| Signal::derive(move || me.may(action).is_some());
    let (reads, manages) = (may("read_readings"), may("manage_devices"));
    let heading = name.clone();
    let name = StoredValue::new(name);
    view! {
        <p class="back"><a href="/ui/devices">"Devices"</a></p>
        <div class="title-row">
            <h1>{heading}</h1>
            <p class="says">{move || online().map(|online| view! { <Presence online/> })}</p>
        </div>
        {device.view("Fetching the device…", "This device cannot be shown", |_| ())}
        {move || there.get().map(|(kind, registered, has_sent)| view! {
            <Show when=move || reads.get() fallback=NotYours>
                {has_sent.then(|| view! { <History name=name.get_value() kind=kind.clone()/> })}
            </Show>
            <div class="two even">
                <div>
                    <StatusOf device/>
                    <Show when=move || reads.get() && has_sent><Anomalies name=name.get_value()/></Show>
                </div>
                <div>
                    <RegistrationOf device/>
                    {registered.then(|| view! {
                        <Keys name=name.get_value() manages/>
                        <Show when=move || manages.get()><Edit name=name.get_value() device/></Show>
                    })}
                </div>
            </div>
        })}
    }
}

#[component]
fn StatusOf(device: Fetched<Device>) -> impl IntoView {
    move || device.ready().map(|device| view! { <Status status=device.status/> })
}

#[component]
fn RegistrationOf(device: Fetched<Device>) -> impl IntoView {
    move || device.ready().map(|device| view! { <Registration device/> })
}

/// For who may know of the device, but not what it sends.
#[component]
fn NotYours() -> impl IntoView {
    view! {
        <section class="card"><p class="hint">
            "What it sends and what was found is for its owner, for analysts and for auditors. The entries of the log and their proofs are for everybody."
        </p></section>
    }
}
