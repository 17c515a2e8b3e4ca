//! How anchoring gets on, as the service says.

use api::LedgerStatus;
use leptos::prelude::*;

use crate::{
    format::{counted, duration, words},
    live::{Live, Remote},
};

/// What a state of anchoring means. The service's own `problem` says what is the matter now.
pub(crate) fn meaning(status: &str) -> &'static str {
    match status {
        "ok" => "Entries are anchored as they come.",
        "unknown" => "The service has not heard from the chain since it started.",
        "unreachable" => "The chain does not answer the service. Entries wait in the log; nothing is lost.",
        "misconfigured" => {
            "Chain, contract or key are not what the service was set up for. It anchors nothing until that is mended."
        }
        "store_failed" => "The service cannot write its own store.",
        "behind" => "Anchoring does not keep up. Entries wait in the log; nothing is lost.",
        "diverged" => "Log and contract contradict each other. The service anchors nothing more: a person has to look.",
        _ => "The service does not anchor now.",
    }
}

/// What to do about a state of anchoring, where the service's own words may leave it open.
pub(crate) fn advice(status: &str) -> &'static str {
    match status {
        "unreachable" => "See that the node runs and answers the service; it goes on by itself.",
        "store_failed" => "See that its disk has room and may be written; it goes on by itself.",
        "diverged" => "Keep the data as they are, and run anomaly-ledger fsck with --rpc-url.",
        _ => "",
    }
}

/// How many entries wait, and for how long.
pub(crate) fn waiting(status: &LedgerStatus, age: Option<f64>) -> String {
    match (status.tree_size.saturating_sub(status.anchored_size), age) {
        (0, _) => "All entries are anchored".to_owned(),
        (n, Some(s)) => format!("{} waiting, the oldest for {}", counted(n, "entry", "entries"), duration(s)),
        (n, None) => format!("{} waiting", counted(n, "entry", "entries")),
    }
}

/// One line where anchoring has trouble; nothing where it has none.
#[component]
pub(crate) fn AnchoringLine() -> impl IntoView {
    let live = expect_context::<Live>();
    let trouble = Memo::new(move |_| match &*live.ledger.read() {
        Remote::Ready(status) if !matches!(status.chain.status.as_str(), "ok" | "unknown") => Some(status.clone()),
        Remote::Ready(_) | Remote::Loading | Remote::Failed(_) => None,
    });
    move || {
        trouble.get().map(|status| {
            let health = status.chain.status.clone();
            let (name, text) = (words(&health), meaning(&health));
            view! {
                <p class="anchoring-line" role="status">
                    <b class="health" data-health=health>"Anchoring: " {name}</b> " " {text} " "
                    {move || waiting(&status, live.oldest_age())} ". " <a href="/ui/chain">"Details"</a>
                </p>
            }
        })
    }
}
