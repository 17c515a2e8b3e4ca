//! What is known of a device: from its readings, and from the registry.

use api::{Device, DeviceStatus};
use leptos::prelude::*;

use crate::{
    format::grouped,
    pages::devices::tags_text,
    parts::{Copyable, When},
};

/// What is known from its readings.
#[component]
pub(super) fn Status(status: DeviceStatus) -> impl IntoView {
    let DeviceStatus { last_seen, last_time, first_sequence, last_sequence, missing, .. } = status;
    let numbers = first_sequence.zip(last_sequence);
    let gaps = if missing == 0 { "none".to_owned() } else { grouped(missing) };
    view! {
        <section class="card" id="status">
            <h2>"Status"</h2>
            <dl>
                <dt>"Last seen"</dt>
                <dd>{match last_seen {
                    Some(time) => view! { <When time/> }.into_any(),
                    None => "It has not sent yet".into_any(),
                }}</dd>
                {last_time.map(|time| view! { <dt>"Latest reading"</dt><dd><When time/> ", by its own clock"</dd> })}
                {numbers.map(|(first, last)| view! {
                    <dt>"Numbers"</dt><dd>{grouped(first)} " to " {grouped(last)}</dd>
                    <dt>"Missing"</dt><dd class=(missing > 0).then_some("problem")>{gaps}</dd>
                })}
            </dl>
        </section>
    }
}

/// What the registry says.
#[component]
pub(super) fn Registration(device: Device) -> impl IntoView {
    let fact = |name: &'static str, value: Option<String>| {
        value.filter(|value| !value.is_empty()).map(|value| view! { <dt>{name}</dt><dd>{value}</dd> })
    };
    let lets_in = [(device.keyless, "its addresses"), (device.certificate, "a client certificate")];
    let lets_in: Vec<_> = lets_in.into_iter().filter(|(holds, _)| *holds).map(|(_, what)| what).collect();
    view! {
        <section class="card" id="registration">
            <h2>"Registration"</h2>
            <dl>
                {(!device.registered).then(|| view! { <dt>"State"</dt><dd>"Nobody has registered it; it sends in a trial only"</dd> })}
                {device.disabled.then(|| view! { <dt>"State"</dt><dd class="problem">"Disabled: nothing lets it in"</dd> })}
                <dt>"Type"</dt><dd>{device.r#type}</dd>
                {fact("Owner", device.owner.map(|owner| format!("user {owner}")))}
                {fact("Place", device.location)}
                {fact("Firmware", device.firmware)}
                {fact("Tags", Some(tags_text(&device.tags)))}
                {fact("Addresses", Some(device.addresses.join(", ")))}
                {fact("Let in by", Some(lets_in.join(", ")))}
                {fact("Patient", device.patient)}
                {device.public_key.map(|key| view! { <dt>"Signs with"</dt><dd><Copyable what="Public key" value=key/></dd> })}
                {device.created.map(|time| view! { <dt>"Since"</dt><dd><When time/></dd> })}
            </dl>
        </section>
    }
}
