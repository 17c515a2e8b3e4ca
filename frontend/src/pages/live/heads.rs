//! The ledger's head beside the chain's head, as the service says.

use api::{ChainStatus, LedgerStatus};
use leptos::prelude::*;

use crate::{
    format::{grouped, words},
    live::{Live, Remote},
    parts::{Copyable, Failed, Loading, waiting},
};

/// Both heads.
#[component]
pub(crate) fn Heads() -> impl IntoView {
    let live = expect_context::<Live>();
    let shown = Memo::new(move |_| live.ledger.get());
    move || match shown.get() {
        Remote::Loading => view! { <Loading what="Asking for the ledger's head…"/> }.into_any(),
        Remote::Failed(fault) => {
            view! { <Failed title="The ledger's head is unknown" fault retry=move |()| live.refresh()/> }.into_any()
        }
        Remote::Ready(status) => view! {
            <div class="heads">
                <LedgerHead status=status.clone()/>
                <ChainHead status/>
            </div>
        }
        .into_any(),
    }
}

#[component]
fn LedgerHead(status: LedgerStatus) -> impl IntoView {
    let live = expect_context::<Live>();
    let queue = status.clone();
    let queue = move || waiting(&queue, live.oldest_age());
    view! {
        <section class="card" aria-label="The ledger's head">
            <h2>"Ledger"<small>{status.origin}</small></h2>
            <p class="figure">{grouped(status.tree_size)} " " <span>"entries"</span></p>
            <dl>
                <dt>"Root"</dt>
                <dd><Copyable what="Root of the ledger" value=status.root/></dd>
                <dt>"Anchored"</dt>
                <dd>{grouped(status.anchored_size)}", of these final " {grouped(status.final_size)}</dd>
                <dt>"Queue"</dt>
                <dd>{queue}</dd>
            </dl>
        </section>
    }
}

#[component]
fn ChainHead(status: LedgerStatus) -> impl IntoView {
    let ChainStatus { status: health, problem, tree_size, root, latest_block, finalized_block, .. } = status.chain;
    let block = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), grouped);
    let same = tree_size == Some(status.tree_size);
    let relation = match (tree_size, same) {
        (None, _) => "not known yet".to_owned(),
        (_, true) if root.as_ref() == Some(&status.root) => "the same root as the ledger".to_owned(),
        (_, true) => "another root at the same size".to_owned(),
        (Some(size), _) if size > status.tree_size => "ahead of the ledger".to_owned(),
        (Some(size), _) => format!("{} behind the ledger", grouped(status.tree_size - size)),
    };
    let root = match root {
        Some(root) => view! { <Copyable what="Root at the contract" value=root/> }.into_any(),
        None => "unknown".into_any(),
    };
    view! {
        <section class="card" aria-label="The chain's head">
            <h2>"Chain"<small class="health" data-health=health.clone()>{words(&health)}</small></h2>
            <p class="figure">
                {tree_size.map_or_else(|| "–".to_owned(), grouped)} " " <span>"entries, " {relation}</span>
            </p>
            <dl>
                <dt>"Root"</dt>
                <dd>{root}</dd>
                <dt>"Blocks"</dt>
                <dd>"newest " {block(latest_block)} ", last final " {block(finalized_block)}</dd>
                {problem.map(|problem| view! { <dt>"Problem"</dt><dd class="problem">{problem}</dd> })}
            </dl>
        </section>
    }
}
