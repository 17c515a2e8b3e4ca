//! Asking and doing: what a page asks for and keeps up to date, and what it does once, with what came of it.

use std::{future::Future, time::Duration};

use leptos::{prelude::*, task::spawn_local};

use crate::{
    http::Fault,
    live::Remote,
    parts::{Failed, Loading, Notice, sentence},
};

/// Something that is asked for, again and again.
pub(crate) struct Fetched<T: Send + Sync + 'static> {
    value: RwSignal<Remote<T>>,
    /// Why what is shown is not the newest.
    stale: RwSignal<Option<Fault>>,
    again: RwSignal<u32>,
}

impl<T: Send + Sync> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync> Copy for Fetched<T> {}

/// Asks now, whenever a signal changes that `ask` reads, and when told to. A newer question counts; what an older one still
/// brings is dropped.
pub(crate) fn fetched<T, Asked>(ask: impl Fn() -> Asked + 'static) -> Fetched<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
    Asked: Future<Output = Result<T, Fault>> + 'static,
{
    let fetched =
        Fetched { value: RwSignal::new(Remote::Loading), stale: RwSignal::new(None), again: RwSignal::new(0) };
    let run = StoredValue::new(0_u32);
    Effect::new(move |_| {
        fetched.again.track();
        let answer = ask();
        let this = run.get_value() + 1;
        run.set_value(this);
        spawn_local(async move {
            let outcome = answer.await;
            if run.try_get_value() == Some(this) {
                fetched.take(outcome);
            }
        });
    });
    fetched
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Fetched<T> {
    fn take(self, outcome: Result<T, Fault>) {
        let known = self.value.with_untracked(|value| matches!(value, Remote::Ready(_)));
        match outcome {
            Err(fault) if known => self.stale.set(Some(fault)),
            Err(fault) => self.value.set(Remote::Failed(fault)),
            Ok(new) => {
                self.stale.set(None);
                let new = Remote::Ready(new);
                // The same again must not take the focus away from what is shown.
                if self.value.with_untracked(|old| *old != new) {
                    self.value.set(new);
                }
            }
        }
    }

    /// Asks again.
    pub(crate) fn again(self) {
        self.again.try_update(|count| *count += 1);
    }

    /// Asks again every so often, as long as the page is shown.
    pub(crate) fn every(self, pause: Duration) -> Self {
        if let Ok(ticking) = set_interval_with_handle(move || self.again(), pause) {
            on_cleanup(move || ticking.clear());
        }
        self
    }

    /// What was answered, if it was.
    pub(crate) fn ready(self) -> Option<T> {
        match self.value.get() {
            Remote::Ready(value) => Some(value),
            Remote::Loading | Remote::Failed(_) => None,
        }
    }

    /// Puts something in its place that is known to be newer.
    pub(crate) fn put(self, value: T) {
        self.value.set(Remote::Ready(value));
    }

    /// Shows it, or what stands where it is missing.
    pub(crate) fn view<V: IntoView + 'static>(
        self,
        waiting: &'static str,
        missing: &'static str,
        show: impl Fn(T) -> V + Send + 'static,
    ) -> impl IntoView {
        view! {
            {move || self.stale.get().map(|fault| view! {
                <Notice kind="stale" title="Not up to date; trying again">
                    <p>{sentence(&fault)}</p>
                </Notice>
            })}
            {move || match self.value.get() {
                Remote::Loading => view! { <Loading what=waiting/> }.into_any(),
                Remote::Failed(fault) => {
                    view! { <Failed title=missing fault retry=move |()| self.again()/> }.into_any()
                }
                Remote::Ready(value) => show(value).into_any(),
            }}
        }
    }
}

/// Something that is done once, by a button.
#[derive(Clone, Copy)]
pub(crate) struct Doing {
    busy: RwSignal<bool>,
    /// Why it failed, the last time.
    pub(crate) fault: RwSignal<Option<Fault>>,
}

impl Doing {
    /// Nothing has been tried yet.
    pub(crate) fn new() -> Self {
        Self { busy: RwSignal::new(false), fault: RwSignal::new(None) }
    }

    /// Whether it is under way.
    pub(crate) fn busy(self) -> bool {
        self.busy.get()
    }

    /// Does it, unless it is under way.
    pub(crate) fn run<T: 'static>(
        self,
        act: impl Future<Output = Result<T, Fault>> + 'static,
        then: impl FnOnce(T) + 'static,
    ) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.fault.set(None);
        spawn_local(async move {
            let outcome = act.await;
            self.busy.try_set(false);
            match outcome {
                Ok(value) => then(value),
                Err(fault) => _ = self.fault.try_set(Some(fault)),
            }
        });
    }
}
