//! One entry: its content as far as it is verified, every step of the verification, and the verdict.

mod bound;
mod facts;
mod feedback;
mod kinds;
mod reasons;
mod steps;
mod take;
mod verdict;

use leptos::{prelude::*, task::spawn_local};

use crate::{
    check::{self, Checked, Failure, Progress},
    clock,
    live::Live,
    memory::{How, Pin},
    parts::{Failed, Loading, Notice, RpcAddress},
    trust::{Claim, Trust},
};
use facts::Facts;
use feedback::FeedbackPanel;
use steps::Steps;
use take::TakeAlong;
use verdict::VerdictPanel;

/// The page of entry `index`.
#[component]
pub(crate) fn AnomalyPage(index: u64) -> impl IntoView {
    let live = expect_context::<Live>();
    let trust = expect_context::<Trust>();
    let progress = RwSignal::new(Progress::Fetching);
    let run = RwSignal::new(0_u32);
    let verify = move || {
        // A newer run counts; what an older one still finds out is dropped.
        let this = run.get_untracked() + 1;
        run.set(this);
        let url = live.rpc_url();
        progress.set(Progress::Fetching);
        spawn_local(check::check(index, trust, url, move |news| {
            if run.try_get_untracked() == Some(this) {
                progress.set(news);
            }
        }));
    };
    // The first run starts by itself, once it is known which address the service suggests.
    Effect::new(move |_| {
        if live.rpc_is_known() && run.get_untracked() == 0 {
            untrack(verify);
        }
    });
    let pin = move || match trust.pin() {
        Pin::Held(pinned) if pinned.how == How::FirstUse => {
            format!("trust roots pinned on first use on {}", clock::full(pinned.at))
        }
        Pin::Held(pinned) => format!("trust roots pinned by you on {}", clock::full(pinned.at)),
        Pin::None | Pin::Unreadable(_) => "trust roots that are missing".to_owned(),
    };
    view! {
        <div class="title-row">
            <h1>"Entry "{index}</h1>
            <p class="says">"Checked in this browser, against the chain and " <a href="/ui/trust">{pin}</a> "."</p>
        </div>
        <Show when=move || live.rpc_is_known()>
            <form class="controls" on:submit=move |event| { event.prevent_default(); untrack(verify); }>
                <RpcAddress/>
                <button type="submit" id="verify" class="primary">"Verify"</button>
            </form>
        </Show>
        <VerdictPanel progress index/>
        <div class="entry">
            <Outcome progress index retry=move |()| untrack(verify)/>
            <FeedbackPanel index/>
        </div>
    }
}

/// What the check has brought so far.
#[component]
fn Outcome(progress: RwSignal<Progress>, index: u64, #[prop(into)] retry: Callback<()>) -> impl IntoView {
    move || match progress.get() {
        Progress::Fetching => view! { <Loading what="Fetching the evidence…"/> }.into_any(),
        Progress::Failed(Failure::NoEvidence(fault)) => {
            view! { <Failed title="There is no evidence to examine" fault retry/> }.into_any()
        }
        Progress::Failed(Failure::NoTrust) => view! { <NoTrust/> }.into_any(),
        Progress::Asking(checked) | Progress::Done(checked) => view! {
            <div class="two">
                <div>
                    <Facts checked=checked.clone()/>
                    <TakeAlong index bytes=checked.bytes.clone() judged=has_state(&checked)/>
                </div>
                <Steps checked/>
            </div>
        }
        .into_any(),
    }
}

/// Whether the evidence brings what a verdict is computed again from.
fn has_state(checked: &Checked) -> bool {
    checked.bundle.as_ref().is_some_and(|bundle| bundle.state.is_some())
}

/// Nothing to check against.
#[component]
fn NoTrust() -> impl IntoView {
    let trust = expect_context::<Trust>();
    let why = move || match trust.claim() {
        Claim::Silent(fault) => fault.to_string(),
        Claim::Asking | Claim::Made(_) => "the pinned ones cannot be read".to_owned(),
    };
    view! {
        <Notice kind="bad" title="No trust roots are pinned">
            <p>"Without them nothing can be verified: " {why} ". " <a href="/ui/trust">"Set them"</a></p>
        </Notice>
    }
}
