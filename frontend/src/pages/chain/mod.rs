//! The chain: how anchoring gets on, as the service says; and the feed of published payloads, read from the chain
//! and checked here. Nothing in the feed comes from the service but the default address.

mod anchoring;
mod follow;
mod rows;

use leptos::{prelude::*, task::spawn_local};

use crate::{
    chain::publications::{self, Row},
    format::grouped,
    live::Live,
    parts::{Loading, Notice, RpcAddress},
    trust::{Claim, Trust},
};
use anchoring::Anchoring;
use follow::{Follower, Standing};
use rows::Rows;

/// How anchoring gets on, and findings as the chain alone tells them.
#[component]
pub(crate) fn ChainPage() -> impl IntoView {
    let live = expect_context::<Live>();
    let trust = expect_context::<Trust>();
    // Before the first answers there is nobody to ask, and nothing to ask for.
    let target = Memo::new(move |_| {
        let settled = live.rpc_is_known() && (trust.roots().is_some() || trust.claim() != Claim::Asking);
        settled.then(|| (live.rpc_url(), trust.roots()))
    });
    let follower = Follower::start(target);
    let rows = Memo::new(move |_| match trust.roots() {
        Some(roots) => follower.seen.with(|seen| publications::rows(seen.logs.values(), &roots)),
        None => Vec::new(),
    });
    view! {
        <div class="title-row">
            <h1>"Chain"</h1>
            <p class="says">"What the service anchors, and what the chain alone tells."</p>
        </div>
        <Anchoring follower/>
        <div class="title-row part">
            <h2>"Published"</h2>
            <p class="says">"Read from the chain and checked in this browser, without the service."</p>
        </div>
        <div class="controls">
            <Show when=move || live.rpc_is_known()><RpcAddress/></Show>
            <p class="tip" role="status">{move || tip(&follower)}</p>
        </div>
        <Standings follower/>
        <Show when=move || follower.seen.with(|seen| seen.latest.is_some())>
            <List rows follower/>
        </Show>
    }
}

fn tip(follower: &Follower) -> String {
    follower.seen.with(|seen| match seen.latest {
        Some(latest) => format!("Blocks {} to {}", grouped(seen.from), grouped(latest)),
        None => String::new(),
    })
}

/// What is the matter, if anything is.
#[component]
fn Standings(follower: Follower) -> impl IntoView {
    let standing = Memo::new(move |_| follower.standing.get());
    move || match standing.get() {
        Standing::Asking => view! { <Loading what="Asking the chain…"/> }.into_any(),
        Standing::Following => ().into_any(),
        Standing::NoTrust => view! {
            <Notice kind="bad" title="No trust roots are pinned">
                <p>"They name the contract to read. " <a href="/ui/trust">"Set them"</a></p>
            </Notice>
        }
        .into_any(),
        Standing::Silent(why) => view! {
            <Notice kind="stale" title="The chain does not answer; trying again">
                <p>{why} "."</p>
            </Notice>
        }
        .into_any(),
        Standing::OtherChain(what) => view! {
            <Notice kind="diverged" title="Diverged: this is another chain than the pinned one">
                <p>"At this address " {what} ". Nothing is read from it."</p>
            </Notice>
        }
        .into_any(),
    }
}

#[component]
fn List(rows: Memo<Vec<Row>>, follower: Follower) -> impl IntoView {
    let older = move |_| spawn_local(follower.older());
    view! {
        <Show
            when=move || !rows.read().is_empty()
            fallback=|| view! {
                <section class="empty">
                    <h2>"Nothing is published in these blocks"</h2>
                    <p>"Payloads appear here when a batch is anchored with them."</p>
                </section>
            }
        >
            <Rows rows/>
        </Show>
        <Show when=move || follower.seen.with(|seen| seen.from > 0)>
            <p class="more"><button type="button" on:click=older>"Older blocks"</button></p>
        </Show>
    }
}
