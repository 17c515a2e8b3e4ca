//! Anchoring: how far the log's entries have come, and what keeps them from it, as the service says; beside it the
//! newest root that this browser has read from the chain.

use api::LedgerStatus;
use leptos::prelude::*;

use super::follow::Follower;
use crate::{
    chain::events::{Event, Log},
    format::{capital, grouped, words},
    live::{Live, Remote},
    parts::{Copyable, Failed, Loading, When, advice, meaning, waiting},
};

/// The whole state of anchoring.
#[component]
pub(super) fn Anchoring(follower: Follower) -> impl IntoView {
    let live = expect_context::<Live>();
    let shown = Memo::new(move |_| live.ledger.get());
    move || match shown.get() {
        Remote::Loading => view! { <Loading what="Asking how anchoring gets on…"/> }.into_any(),
        Remote::Failed(fault) => {
            view! { <Failed title="How anchoring gets on is unknown" fault retry=move |()| live.refresh()/> }.into_any()
        }
        Remote::Ready(status) => view! { <Card status follower/> }.into_any(),
    }
}

#[component]
fn Card(status: LedgerStatus, follower: Follower) -> impl IntoView {
    let live = expect_context::<Live>();
    let chain = status.chain.clone();
    let health = chain.status.clone();
    let queue = {
        let status = status.clone();
        move || waiting(&status, live.oldest_age())
    };
    let head = match (chain.tree_size, chain.root) {
        (Some(size), Some(root)) => {
            view! { {grouped(size)} " entries, root " <Copyable what="Root at the contract" value=root/> }.into_any()
        }
        (Some(size), None) => view! { {grouped(size)} " entries" }.into_any(),
        (None, _) => "not known yet".into_any(),
    };
    let blocks = match (chain.latest_block, chain.finalized_block) {
        (None, None) => "unknown".to_owned(),
        (latest, fin) => {
            let block = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), grouped);
            format!("newest {}, last final {}", block(latest), block(fin))
        }
    };
    // What is the matter now is said as such; what has passed is history, and quieter.
    let past = chain.last_error.filter(|past| Some(&past.problem) != chain.problem.as_ref());
    view! {
        <section class="card" id="anchoring" aria-label="Anchoring">
            <h2>"Anchoring"<small class="health" data-health=health.clone()>{words(&health)}</small></h2>
            <p>{meaning(&health)} " " <span class="hint">"As the service says."</span></p>
            {chain.problem.map(|problem| view! {
                <p class="problem" role="alert" id="anchoring-problem">{capital(&problem)}</p>
                <p>{advice(&health)}</p>
            })}
            <Share status/>
            <dl>
                <dt>"Queue"</dt>
                <dd id="anchoring-queue">{queue}</dd>
                <dt>"Contract"</dt>
                <dd>{head}</dd>
                <dt>"Read by this browser"</dt>
                <dd>{move || newest(follower)}</dd>
                <dt>"Blocks"</dt>
                <dd>{blocks}</dd>
                {past.map(|past| view! {
                    <dt>"Last error"</dt>
                    <dd id="anchoring-last-error">{capital(&past.problem)} " " <span class="hint">"last seen " <When time=past.time/></span></dd>
                })}
            </dl>
        </section>
    }
}

/// The newest root that the chain's own events name, in the blocks that were read here.
fn newest(follower: Follower) -> AnyView {
    let newest = follower.seen.with(|seen| seen.logs.values().rev().find_map(anchored));
    match newest {
        Some((size, root, block)) => view! {
            {grouped(size)} " entries, root " <Copyable what="Root in the newest event" value=root/> ", block " {grouped(block)}
        }
        .into_any(),
        None if follower.seen.with(|seen| seen.latest.is_none()) => "nothing yet".into_any(),
        None => "no root in the blocks below".into_any(),
    }
}

fn anchored(log: &Log) -> Option<(u64, String, u64)> {
    match log.event {
        Event::Anchored { root, size, .. } => Some((size, root.to_string(), log.place.block)),
        Event::Published { .. } => None,
    }
}

/// The bar's length and its shortest part, in its own units.
const LENGTH: f64 = 1000.0;
const LEAST: f64 = 8.0;

/// Final, anchored and pending entries, as parts of a bar and as words.
#[component]
fn Share(status: LedgerStatus) -> impl IntoView {
    let total = status.tree_size.max(1) as f64;
    let fin = status.final_size.min(status.tree_size);
    let anchored = status.anchored_size.min(status.tree_size).saturating_sub(fin);
    let pending = status.tree_size - fin - anchored;
    let parts = [("final", fin), ("anchored", anchored), ("pending", pending)];
    // A part that exists is never too thin to be seen. Drawn as SVG: the page's policy allows no inline style.
    let widths = parts.map(|(_, count)| if count == 0 { 0.0 } else { (count as f64 / total * LENGTH).max(LEAST) });
    let scale = LENGTH / widths.iter().sum::<f64>().max(LEAST);
    let mut x = 0.0;
    let bar = parts.into_iter().zip(widths).map(|((name, _), width)| {
        let begins = x;
        x += width * scale;
        view! { <rect data-state=name x=begins y="0" width=width * scale height="8"/> }
    });
    let bar = bar.collect_view();
    let words = parts.map(|(name, count)| {
        view! { <li><span class="state" data-state=name>{grouped(count)} " " {name}</span></li> }
    });
    view! {
        <svg class="share" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>
        <ul class="share-words" id="anchoring-counts">{words.collect_view()}</ul>
    }
}
