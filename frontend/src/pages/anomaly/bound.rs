//! Between which times the entry was recorded, as the step `time` has shown.

use ledger::verdict::{Outcome, Step};
use leptos::prelude::*;

use crate::parts::When;

/// The times of a step `time` that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    not_before: Option<String>,
    not_after: Option<String>,
}

impl Bound {
    /// Reads them out of the step's value: `not before TIME (…), not after TIME (…)`, either of them alone, too.
    pub(super) fn of(steps: &[Step]) -> Option<Self> {
        let step = steps.iter().find(|step| step.name == "time" && step.outcome == Outcome::Holds)?;
        let time = |word: &str| {
            let (_, rest) = step.computed.split_once(word)?;
            rest.split_whitespace().next().map(ToOwned::to_owned)
        };
        let bound = Self { not_before: time("not before "), not_after: time("not after ") };
        (bound.not_before.is_some() || bound.not_after.is_some()).then_some(bound)
    }
}

/// The times in one line.
#[component]
pub(super) fn Bounds(bound: Bound) -> impl IntoView {
    let line = match (bound.not_before, bound.not_after) {
        (Some(from), Some(to)) => view! { "Recorded between " <When time=from/> " and " <When time=to/> }.into_any(),
        (Some(from), None) => view! { "Recorded not before " <When time=from/> }.into_any(),
        (None, Some(to)) => view! { "Recorded not after " <When time=to/> }.into_any(),
        (None, None) => ().into_any(),
    };
    view! { <p class="bound" id="bound">{line}", by the chain\u{2019}s clock"</p> }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(computed: &str, outcome: Outcome) -> Option<Bound> {
        let (expected, note) = (String::new(), String::new());
        Bound::of(&[Step { name: "time", outcome, expected, computed: computed.into(), note }])
    }

    #[test]
    fn both_times_either_and_none() {
        let (from, to) = ("2026-11-20T09:10:12.000Z", "2026-11-20T09:10:24.000Z");
        let both = format!("not before {from} (block 3 of the beacon), not after {to} (block 9 of the record)");
        let expected = Bound { not_before: Some(from.into()), not_after: Some(to.into()) };
        assert_eq!(bound(&both, Outcome::Holds), Some(expected));
        let after = bound(&format!("not after {to} (block 9 of the record)"), Outcome::Holds);
        assert_eq!(after, Some(Bound { not_before: None, not_after: Some(to.into()) }));
        assert_eq!(bound(&both, Outcome::Skipped), None);
        assert_eq!(bound("", Outcome::Holds), None);
    }
}
