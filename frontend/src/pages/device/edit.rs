//! Changing what the registry says of a device, and taking it out.

use api::{Device, DeviceChange};
use leptos::prelude::*;

use crate::{
    browser,
    pages::devices::{given, tags, tags_text},
    parts::{Check, Choice, Confirm, Field, Outcome},
    remote::{Doing, Fetched, fetched},
    server::devices,
};

/// The form, closed at first.
#[component]
pub(super) fn Edit(name: String, device: Fetched<Device>) -> impl IntoView {
    let name = StoredValue::new(name);
    let open = RwSignal::new(false);
    let doing = Doing::new();
    let remove = move |()| {
        doing.run(async move { devices::remove(&name.get_value()).await }, |()| browser::load("/ui/devices"));
    };
    view! {
        <section class="card" id="edit">
            <h2>"Change"</h2>
            {move || match open.get() {
                // What is being typed must not change when the device is asked for anew.
                true => untrack(|| device.ready()).map(|now| view! { <Form now name device open/> }).into_any(),
                false => view! {
                    <p class="buttons">
                        <button type="button" class="small" id="edit-device" on:click=move |_| open.set(true)>"Edit"</button>
                        <Confirm label="Remove" question="Remove its registration and keys? What it has sent stays." act=remove/>
                    </p>
                }
                .into_any(),
            }}
            <Outcome doing/>
        </section>
    }
}

#[component]
fn Form(now: Device, name: StoredValue<String>, device: Fetched<Device>, open: RwSignal<bool>) -> impl IntoView {
    let text = |value: Option<String>| RwSignal::new(value.unwrap_or_default());
    let (location, firmware, patient) = (text(now.location), text(now.firmware), text(now.patient));
    let (kind, marks) = (RwSignal::new(now.r#type), RwSignal::new(tags_text(&now.tags)));
    let (certificate, disabled) = (RwSignal::new(now.certificate), RwSignal::new(now.disabled));
    let types = fetched(devices::types);
    let types = move || {
        let known = types.ready().map(|types| types.items).unwrap_or_default();
        known.into_iter().map(|kind| (kind.name.clone(), kind.name)).collect::<Vec<_>>()
    };
    let doing = Doing::new();
    let submit = move || {
        let of = |field: RwSignal<String>| Some(given(&field.read_untracked()));
        let change = DeviceChange {
            r#type: Some(kind.get_untracked()),
            location: of(location),
            firmware: of(firmware),
            patient: of(patient),
            tags: Some(tags(&marks.read_untracked())),
            certificate: Some(certificate.get_untracked()),
            disabled: Some(disabled.get_untracked()),
            ..DeviceChange::default()
        };
        doing.run(async move { devices::change(&name.get_value(), &change).await }, move |changed| {
            device.put(changed);
            open.set(false);
        });
    };
    view! {
        <form class="form" on:submit=move |event| { event.prevent_default(); submit(); }>
            <Choice id="edit-type" label="Type" value=kind options=types/>
            <Field id="edit-location" label="Place" value=location/>
            <Field id="edit-firmware" label="Firmware" value=firmware/>
            <Field id="edit-tags" label="Tags" value=marks hint="Such as ward=3, floor=2"/>
            <Field id="edit-patient" label="Patient's pseudonym" value=patient hint="Never a name"/>
            <Check id="edit-certificate" label="A client certificate with its name lets it in" value=certificate/>
            <Check id="edit-disabled" label="Disabled: nothing lets it in" value=disabled/>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" class="primary" disabled=move || doing.busy()>"Save"</button>
                <button type="button" on:click=move |_| open.set(false)>"Cancel"</button>
            </p>
        </form>
    }
}
