//! Registering one device.

use api::{DeviceRequest, NewDeviceKey};
use leptos::prelude::*;

use super::{given, tags};
use crate::{
    parts::{Check, Choice, Field, Outcome, Secret},
    remote::{Doing, fetched},
    route::Route,
    server::devices,
};

/// The form; then the device's first key, shown once.
#[component]
pub(crate) fn NewDevicePage() -> impl IntoView {
    let done = RwSignal::new(None::<(String, Option<NewDeviceKey>)>);
    view! {
        <div class="title-row">
            <h1>"Register a device"</h1>
            <p class="says">"Readings of a device that nobody has registered are refused, except in a trial."</p>
        </div>
        {move || match done.get() {
            None => view! { <Form done/> }.into_any(),
            Some((name, key)) => view! { <Registered name key/> }.into_any(),
        }}
    }
}

#[component]
fn Form(done: RwSignal<Option<(String, Option<NewDeviceKey>)>>) -> impl IntoView {
    let [name, location, firmware, marks, patient] = [0; 5].map(|_| RwSignal::new(String::new()));
    let (kind, with_key) = (RwSignal::new("generic".to_owned()), RwSignal::new(true));
    let types = fetched(devices::types);
    let types = move || {
        let known = types.ready().map(|types| types.items).unwrap_or_default();
        known
            .into_iter()
            .map(|kind| (kind.name.clone(), format!("{}: {}", kind.name, kind.definition.title)))
            .collect::<Vec<_>>()
    };
    let doing = Doing::new();
    let submit = move || {
        let of = |field: RwSignal<String>| given(&field.read_untracked());
        let wish = DeviceRequest {
            name: name.get_untracked().trim().to_owned(),
            r#type: of(kind),
            location: of(location),
            firmware: of(firmware),
            tags: tags(&marks.read_untracked()),
            patient: of(patient),
            ..DeviceRequest::default()
        };
        let with_key = with_key.get_untracked();
        let act = async move {
            let device = devices::register(&wish).await?;
            // A key that could not be made can be made on the device's page; the device is registered all the same.
            let key = if with_key { devices::make_key(&device.name, &Default::default()).await.ok() } else { None };
            Ok((device.name, key))
        };
        doing.run(act, move |registered| done.set(Some(registered)));
    };
    view! {
        <form class="card form wide-form" on:submit=move |event| { event.prevent_default(); submit(); }>
            <Field id="name" label="Name" value=name hint="As its readings will give it, such as ward-3/pump-7; at most 128 bytes"/>
            <Choice id="type" label="Type" value=kind options=types/>
            <Field id="location" label="Place (optional)" value=location/>
            <Field id="firmware" label="Firmware (optional)" value=firmware/>
            <Field id="tags" label="Tags (optional)" value=marks hint="Such as ward=3, floor=2; at most 16"/>
            <Field id="patient" label="Patient's pseudonym (optional)" value=patient hint="Never a name"/>
            <Check id="with-key" label="Make a key for it now" value=with_key/>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" id="register" class="primary" disabled=move || doing.busy()>
                    {move || if doing.busy() { "Registering…" } else { "Register" }}
                </button>
            </p>
        </form>
    }
}

#[component]
fn Registered(name: String, key: Option<NewDeviceKey>) -> impl IntoView {
    let path = Route::Device(name.clone()).path();
    view! {
        <section class="card" id="registered" role="status">
            <h2>{name.clone()} " is registered"</h2>
            {match key {
                Some(key) => view! {
                    <Secret title="Its key" value=key.key hint="The device shows it with its readings, over HTTP as Authorization: Bearer …"/>
                }
                .into_any(),
                None => view! { <p class="hint">"It has no key yet; make one on its page."</p> }.into_any(),
            }}
            <p class="buttons"><a class="button" href=path>"Open its page"</a></p>
        </section>
    }
}
