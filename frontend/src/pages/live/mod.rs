//! The live page: the two heads, and the feed of anomalies. All of it is what the service says, and says so.

mod feed;
mod heads;

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    clock,
    live::{Live, Remote},
    parts::{Chart, Mark},
};
use feed::AnomalyFeed;
use heads::Heads;

/// The chart moves on even when nothing happens, but gently.
const TICK: Duration = Duration::from_secs(5);

/// Live feed and heads.
#[component]
pub(crate) fn LivePage() -> impl IntoView {
    let live = expect_context::<Live>();
    let now = RwSignal::new(clock::now());
    if let Ok(ticking) = set_interval_with_handle(move || now.set(clock::now()), TICK) {
        on_cleanup(move || ticking.clear());
    }
    let marks = Memo::new(move |_| match &*live.anomalies.read() {
        Remote::Ready(list) => list
            .iter()
            .filter_map(|a| Some(Mark { at: clock::parse(&a.recorded)?, critical: a.severity == "critical" }))
            .collect(),
        Remote::Loading | Remote::Failed(_) => Vec::new(),
    });
    view! {
        <div class="title-row">
            <h1>"Live"</h1>
            <p class="says">"As the service says. Open an entry to verify it."</p>
        </div>
        <Heads/>
        <Chart marks now complete=move || live.cursor.read().is_none()/>
        <AnomalyFeed/>
    }
}
