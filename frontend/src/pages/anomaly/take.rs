//! What an auditor takes along: the evidence as served, the trust file, and the command that needs neither page
//! nor service.

use leptos::prelude::*;

use crate::{
    live::Live,
    parts::{Command, Download},
    trust::{self, Trust},
};

/// Files and command.
#[component]
pub(crate) fn TakeAlong(
    index: u64,
    bytes: Vec<u8>,
    /// Whether the evidence has a verdict of the detector that can be computed again.
    judged: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let trust = expect_context::<Trust>();
    let command = Memo::new(move |_| {
        let url = live.rpc_url();
        let depth = trust.confirmations().map(|blocks| format!(" --confirmations {blocks}")).unwrap_or_default();
        format!("anomaly-ledger verify evidence-{index}.json --trust trust.json --rpc-url {}{depth}", quoted(&url))
    });
    let origin = document().location().and_then(|location| location.origin().ok()).unwrap_or_default();
    let again = Memo::new(move |_| format!("anomaly-ledger rescore evidence-{index}.json --url {}", quoted(&origin)));
    let roots = move || {
        trust.roots().map(|roots| {
            view! { <Download name="trust.json" bytes=trust::file(&roots).into_bytes() label="Download trust file"/> }
        })
    };
    view! {
        <section class="card" aria-label="Check it without this page">
            <h2>"Check it without this page"</h2>
            <p class="buttons">
                <Download name=format!("evidence-{index}.json") bytes label="Download evidence"/>
                {roots}
            </p>
            <Command text=command/>
            {judged.then(|| view! {
                <p class="hint">"And whether the detector really comes to this verdict:"</p>
                <Command text=again/>
            })}
        </section>
    }
}

/// An address as one word of a shell: what is not plainly harmless goes into quotes.
fn quoted(url: &str) -> String {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b":/.-_".contains(&b);
    if !url.is_empty() && url.bytes().all(harmless) {
        url.to_owned()
    } else {
        format!("'{}'", url.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn an_address_stays_one_word() {
        assert_eq!(quoted("http://127.0.0.1:8545"), "http://127.0.0.1:8545");
        assert_eq!(quoted("http://x/?a=1&b=$(id)'"), r"'http://x/?a=1&b=$(id)'\'''");
        assert_eq!(quoted(""), "''");
    }
}
