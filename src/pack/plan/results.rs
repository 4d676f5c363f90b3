//! What the inputs come to together.

use serde::{Deserialize, Serialize};

use super::input::{InputKind, Stem};
use crate::digest::Digest;
use crate::pack::manifest::Counts;
use crate::report::Outcome;

/// The format of `results/final_verdict.json`.
pub const FINAL_VERDICT_FORMAT: &str = "bp-final-verdict/1";

/// What one input came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Its stem.
    pub stem: Stem,
    /// What it is.
    pub kind: InputKind,
    /// What it came to.
    pub outcome: Outcome,
    /// The digest of the bytes as given.
    pub sha256: Digest,
}

/// `results/final_verdict.json`: what all inputs together come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalVerdict {
    /// Always [`FINAL_VERDICT_FORMAT`].
    pub format: String,
    /// PASS when there is an input and all pass; FAIL when one fails; else INSUFFICIENT.
    pub verdict: Outcome,
    /// How many came to what.
    pub counts: Counts,
    /// Each input, by stem.
    pub inputs: Vec<Judged>,
}

impl FinalVerdict {
    /// The verdict over these inputs, by stem.
    #[must_use]
    pub fn of(inputs: Vec<Judged>) -> Self {
        let count = |outcome| inputs.iter().filter(|input| input.outcome == outcome).count() as u64;
        let counts = Counts {
            receipts: inputs.len() as u64,
            passed: count(Outcome::Pass),
            failed: count(Outcome::Fail),
            insufficient: count(Outcome::Insufficient),
        };
        let verdict = match counts {
            Counts { failed: 1.., .. } => Outcome::Fail,
            Counts { receipts: 1.., insufficient: 0, .. } => Outcome::Pass,
            _ => Outcome::Insufficient,
        };
        Self { format: FINAL_VERDICT_FORMAT.to_owned(), verdict, counts, inputs }
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self) -> String {
        let Counts { receipts, passed, failed, insufficient } = self.counts;
        let head = format!(
            "{}\ninputs {receipts}, passed {passed}, failed {failed}, insufficient {insufficient}\n",
            self.verdict.name()
        );
        let lines = self.inputs.iter().map(|input| format!("{:<12}  {}\n", input.outcome.name(), input.stem));
        std::iter::once(head).chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_all_and_nothing_is_no_pass() {
        use Outcome::{Fail, Insufficient, Pass};
        let verdict = |outcomes: &[Outcome]| {
            let judged = |outcome: &Outcome| Judged {
                stem: "x".parse().unwrap(),
                kind: InputKind::Receipt,
                outcome: *outcome,
                sha256: Digest::of(b""),
            };
            FinalVerdict::of(outcomes.iter().map(judged).collect()).verdict
        };
        assert_eq!(verdict(&[]), Insufficient);
        assert_eq!(verdict(&[Pass, Pass]), Pass);
        assert_eq!(verdict(&[Pass, Insufficient]), Insufficient);
        assert_eq!(verdict(&[Pass, Insufficient, Fail]), Fail);
    }
}
