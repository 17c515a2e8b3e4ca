//! From evidence to a verdict, step by step (docs/spec/verdict.md).
//!
//! [`examine`] is a function of its arguments and nothing else. The command line and the browser call it with
//! what they have gathered, and show its [`Report`].

mod chain_steps;
pub(crate) mod contract_steps;
mod log_steps;

use serde::Serialize;

use crate::{Hash, chain::query::ChainState, evidence::Bundle, trust::TrustRoots};
use alloy_primitives::B256;

/// What has been shown. The worse, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Entry, signature, and the contract's record in a block that the chain calls final.
    Final,
    /// The same, in a block that is not final yet.
    Anchored,
    /// Entry and signature hold; the chain was asked and has not seen this root.
    Consistent,
    /// Entry and signature hold; the chain was not asked or did not answer.
    Unchecked,
    /// An entry, a proof or a signature does not hold.
    Invalid,
    /// Two states under the same key or contract contradict each other, or a pinned trust root changed.
    Diverged,
}

impl Verdict {
    /// The verdict's name.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Final => "final",
            Verdict::Anchored => "anchored",
            Verdict::Consistent => "consistent",
            Verdict::Unchecked => "unchecked",
            Verdict::Invalid => "invalid",
            Verdict::Diverged => "diverged",
        }
    }

    /// The exit code of `anomaly-ledger verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Final => 0,
            Verdict::Anchored => 10,
            Verdict::Consistent => 20,
            Verdict::Unchecked => 25,
            Verdict::Invalid => 30,
            Verdict::Diverged => 40,
        }
    }

    /// What has been shown, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Verdict::Final => {
                "Entry and signature hold, and the contract recorded this root in a block that the chain calls final."
            }
            Verdict::Anchored => {
                "Entry and signature hold, and the contract recorded this root in a block that is not final yet."
            }
            Verdict::Consistent => "Entry and signature hold; the chain was asked and has not seen this root.",
            Verdict::Unchecked => "Entry and signature hold; the chain was not asked or did not answer.",
            Verdict::Invalid => "An entry, a proof or a signature does not hold.",
            Verdict::Diverged => {
                "Two states under the same key or contract contradict each other, or a pinned trust root changed."
            }
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Expected and computed agree.
    Holds,
    /// An entry, a proof or a signature does not hold.
    Fails,
    /// A contradiction, or a changed trust root.
    Differs,
    /// Not taken; the note says why.
    Skipped,
}

/// One step of an examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name in docs/spec/verdict.md.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What should be.
    pub expected: String,
    /// What is.
    pub computed: String,
    /// What the step shows, or why it was not taken.
    pub note: String,
}

/// The whole examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// Where they lead.
    pub verdict: Verdict,
}

/// What the chain had to say.
#[derive(Debug, Clone)]
pub enum ChainAnswer {
    /// Nobody asked it.
    NotAsked,
    /// The auditor vouches for a block's hash, and perhaps for its finality.
    Block {
        /// The hash of the bundle's block.
        hash: B256,
        /// Whether the auditor asserts that the block is final.
        is_final: bool,
    },
    /// It was asked and gave no usable answer, for this reason.
    Silent(String),
    /// It answered.
    State(Box<ChainState>),
}

/// What is examined, and against what.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The evidence.
    pub bundle: &'a Bundle,
    /// The auditor's trust roots.
    pub trust: &'a TrustRoots,
    /// What the chain said.
    pub chain: ChainAnswer,
    /// The log's tile of leaf hashes around the entry, as wide as the checkpoint's size makes it; where it was read.
    pub tile: Option<&'a [Hash]>,
    /// The trust roots that the service claims; where it was asked.
    pub claimed: Option<&'a TrustRoots>,
    /// A signed checkpoint of this log that the auditor has seen before, verbatim.
    pub seen: Option<&'a str>,
}

impl<'a> Case<'a> {
    /// The case of an auditor who has nothing but a bundle, trust roots, and perhaps a chain.
    pub fn new(bundle: &'a Bundle, trust: &'a TrustRoots, chain: ChainAnswer) -> Self {
        Self { bundle, trust, chain, tile: None, claimed: None, seen: None }
    }
}

/// Examines a case.
pub fn examine(case: &Case<'_>) -> Report {
    let mut steps = Vec::new();
    let of_log = log_steps::take(case, &mut steps);
    let log_ends = steps.len();
    let reached = chain_steps::take(case, &of_log, &mut steps);
    let any = |steps: &[Step], outcome| steps.iter().any(|step| step.outcome == outcome);
    // What the log shows of itself goes first. A contradiction goes before a proof that does not hold under the
    // trusted roots: where a root has changed, no proof can hold.
    let verdict = if any(&steps[..log_ends], Outcome::Fails) {
        Verdict::Invalid
    } else if any(&steps, Outcome::Differs) {
        Verdict::Diverged
    } else if any(&steps, Outcome::Fails) {
        Verdict::Invalid
    } else {
        reached
    };
    Report { steps, verdict }
}

impl Step {
    pub(crate) fn compared(
        name: &'static str,
        note: &str,
        expected: String,
        computed: String,
        otherwise: Outcome,
    ) -> Self {
        let outcome = if expected == computed { Outcome::Holds } else { otherwise };
        Self { name, outcome, expected, computed, note: note.into() }
    }

    pub(crate) fn holds(name: &'static str, note: &str, value: impl ToString) -> Self {
        Self {
            name,
            outcome: Outcome::Holds,
            expected: value.to_string(),
            computed: value.to_string(),
            note: note.into(),
        }
    }

    pub(crate) fn failed(name: &'static str, expected: impl ToString, why: impl ToString) -> Self {
        Self {
            name,
            outcome: Outcome::Fails,
            expected: expected.to_string(),
            computed: why.to_string(),
            note: String::new(),
        }
    }

    pub(crate) fn skipped(name: &'static str, why: impl ToString) -> Self {
        Self {
            name,
            outcome: Outcome::Skipped,
            expected: String::new(),
            computed: String::new(),
            note: why.to_string(),
        }
    }
}
