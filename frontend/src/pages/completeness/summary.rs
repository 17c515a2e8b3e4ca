//! What all windows shown amount to together.

use leptos::prelude::*;

use super::run::Run;
use crate::{
    completeness::{Account, Device, MAX_COUNTED},
    format::{counted, grouped},
    live::{Live, Remote},
};

/// One sentence for the log, one for the device.
#[component]
pub(super) fn Summary(run: Run, size: u64) -> impl IntoView {
    let live = expect_context::<Live>();
    let of_log = move || {
        let (checked, wrong, long) = run.accounts.with(|accounts| {
            let wrong = accounts.values().filter(|a| a.as_ref().map_or(true, |a| !a.complaints().is_empty())).count();
            let long = accounts.values().filter(|a| a.as_ref().is_ok_and(|a| !a.is_counted())).count();
            (accounts.len() as u64, wrong as u64, long as u64)
        });
        let mut text = format!("{} checked under the signed tree of {}", windows(checked), entries(size));
        match wrong {
            0 => text.push_str("; nothing contradicts"),
            wrong => text
                .push_str(&format!("; {} not agree", if wrong == 1 { "1 does".into() } else { format!("{wrong} do") })),
        }
        if long > 0 {
            text.push_str(&format!(
                "; {} of more than {} entries not counted here: use the command below",
                windows(long),
                grouped(MAX_COUNTED)
            ));
        }
        text + "."
    };
    let newest = move || match &*run.windows.read() {
        Remote::Ready(list) => list.first().map(|heartbeat| heartbeat.index),
        Remote::Loading | Remote::Failed(_) => None,
    };
    let open = move || {
        let now = live.ledger.with(|ledger| if let Remote::Ready(status) = ledger { status.tree_size } else { size });
        let open = now.saturating_sub(newest()? + 1);
        (open > 0)
            .then(|| format!(" {} after the newest heartbeat: no heartbeat has counted there yet.", entries(open)))
    };
    let of_device = move || {
        run.device.get_value()?;
        if run.accounts.with(std::collections::BTreeMap::is_empty) {
            return None;
        }
        run.accounts.with(|accounts| total(accounts.values().filter_map(|account| account.as_ref().ok()))).into()
    };
    view! {
        <p class="quiet" role="status" id="completeness-summary">{of_log} {open}</p>
        {move || of_device().map(|text| view! { <p class="sentence" id="device-summary">{text}</p> })}
    }
}

fn windows(number: u64) -> String {
    counted(number, "window", "windows")
}

fn entries(number: u64) -> String {
    counted(number, "entry", "entries")
}

/// The sums over the counters that hold.
fn total<'a>(accounts: impl Iterator<Item = &'a Account>) -> String {
    let (mut readings, mut anomalies, mut missing, mut counters) = (0_u64, 0_u64, 0_u64, 0);
    for account in accounts {
        if let Some(Device::Counter(counter)) = &account.device {
            counters += 1;
            readings = readings.saturating_add(counter.readings);
            anomalies = anomalies.saturating_add(counter.anomalies);
            missing = missing.saturating_add(counter.missing());
        }
    }
    if counters == 0 {
        return "In none of these windows anything was counted for this device.".to_owned();
    }
    format!(
        "This device: {} and {} in {}; {} missing.",
        counted(readings, "reading", "readings"),
        counted(anomalies, "anomaly", "anomalies"),
        windows(counters),
        counted(missing, "sequence number", "sequence numbers"),
    )
}
