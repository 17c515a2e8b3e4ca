//! What entries say that are no findings: model, beacon, heartbeat, audit, key.

use ledger::entry::{Audit, Beacon, Entry, Heartbeat, Key, Model};
use leptos::prelude::*;

use crate::{
    format::{counted, grouped, sentence},
    parts::{Copyable, When},
    route::Route,
};

/// A sentence, the members, and what such an entry is good for.
#[component]
pub(super) fn KindFacts(entry: Entry, index: u64) -> impl IntoView {
    let said = sentence(&entry);
    let recorded = entry.recorded().to_string();
    let id = match &entry {
        Entry::Anomaly(entry) => &entry.id,
        Entry::Audit(entry) => &entry.id,
        Entry::Beacon(entry) => &entry.id,
        Entry::Heartbeat(entry) => &entry.id,
        Entry::Key(entry) => &entry.id,
        Entry::Model(entry) => &entry.id,
    }
    .to_string();
    let kind = entry.kind();
    let members = match entry {
        // A finding has facts of its own.
        Entry::Anomaly(_) => ().into_any(),
        Entry::Audit(audit) => audit_members(&audit),
        Entry::Beacon(beacon) => beacon_members(&beacon),
        Entry::Heartbeat(heartbeat) => heartbeat_members(&heartbeat, index),
        Entry::Key(key) => key_members(key),
        Entry::Model(model) => model_members(&model),
    };
    view! {
        <p class="sentence">{said}"."</p>
        <dl data-kind=kind>
            {members}
            <dt>"Recorded"</dt>
            <dd><When time=recorded/></dd>
            <dt>"Id"</dt>
            <dd><Copyable what="Id of the entry" value=id/></dd>
        </dl>
        <p class="hint">{worth(kind)}</p>
    }
}

/// What such an entry is good for.
fn worth(kind: &str) -> &'static str {
    match kind {
        "audit" => "The records are private. Their root here keeps the service from changing them later.",
        "beacon" => {
            "Nobody knew this block\u{2019}s hash before the block was made, so no entry that follows is older than the block."
        }
        "heartbeat" => "An anomaly that was counted but is missing from the window shows.",
        "key" => "The checkpoint that ends with this entry is the last that the key before has signed.",
        _ => "Findings name the model that judged them by this hash.",
    }
}

fn audit_members(audit: &Audit) -> AnyView {
    let range = match audit.records {
        1 => grouped(audit.from),
        n => format!("{} to {}", grouped(audit.from), grouped(audit.from.saturating_add(n - 1))),
    };
    view! {
        <dt>"Records"</dt>
        <dd>{range} ", " {counted(audit.records, "record", "records")}</dd>
        <dt>"Root"</dt>
        <dd><Copyable what="Root over the records" value=audit.root.to_string()/></dd>
    }
    .into_any()
}

fn beacon_members(beacon: &Beacon) -> AnyView {
    view! {
        <dt>"Block"</dt>
        <dd>{grouped(beacon.block)}</dd>
        <dt>"Hash"</dt>
        <dd><Copyable what="Hash of the block" value=format!("0x{}", beacon.block_hash)/></dd>
        <dt>"Chain id"</dt>
        <dd>{beacon.chain_id}</dd>
    }
    .into_any()
}

fn heartbeat_members(heartbeat: &Heartbeat, index: u64) -> AnyView {
    let entries = match index.checked_sub(heartbeat.from) {
        None | Some(0) => "none".to_owned(),
        Some(1) => grouped(heartbeat.from),
        Some(_) => format!("{} to {}", grouped(heartbeat.from), grouped(index - 1)),
    };
    view! {
        <dt>"Entries"</dt>
        <dd>{entries}</dd>
        <dt>"Readings"</dt>
        <dd>{grouped(heartbeat.readings)}</dd>
        <dt>"Anomalies"</dt>
        <dd>{grouped(heartbeat.anomalies)}</dd>
        <dt>"Devices"</dt>
        <dd>{grouped(heartbeat.devices)}</dd>
        <dt>"Root"</dt>
        <dd><Copyable what="Root over the counters" value=heartbeat.root.to_string()/></dd>
        <dt>"Check"</dt>
        <dd><a href=Route::Completeness(None).path()>"Hold the windows against the log"</a></dd>
    }
    .into_any()
}

fn key_members(key: Key) -> AnyView {
    view! {
        <dt>"New key"</dt>
        <dd><Copyable what="The new verifier key" value=key.log_key.to_string()/></dd>
        <dt>"Log"</dt>
        <dd>{key.log_key.origin().to_string()}</dd>
    }
    .into_any()
}

fn model_members(model: &Model) -> AnyView {
    view! {
        <dt>"Profile"</dt>
        <dd>{model.name.clone()}</dd>
        <dt>"Model"</dt>
        <dd><Copyable what="Hash of the model" value=model.model.to_string()/></dd>
        <dt>"Sample"</dt>
        <dd><Copyable what="Hash of the training sample" value=model.sample.to_string()/></dd>
    }
    .into_any()
}
