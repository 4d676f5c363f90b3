//! What the inputs come to together.

use serde::{Deserialize, Serialize};

use super::input::{InputKind, Stem};
use super::scenario;
use crate::digest::Digest;
use crate::pack::manifest::Counts;
use crate::report::coverage::{RuleCount, RuleId};
use crate::report::{Coverage, Outcome};

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
    /// With a suite, what its scenarios come to. Without, PASS when there is an input and all pass, FAIL when one fails,
    /// else INSUFFICIENT.
    pub verdict: Outcome,
    /// How many came to what.
    pub counts: Counts,
    /// How many scenarios of the suite came to what; null without a suite.
    pub scenarios: Option<scenario::Counts>,
    /// Scenarios that are not as expected, or had less checked than demanded, each with its first reason.
    pub shortfalls: Vec<String>,
    /// Each input, by stem.
    pub inputs: Vec<Judged>,
}

impl FinalVerdict {
    /// The verdict over these inputs, by stem. With a suite, its scenarios decide.
    pub(super) fn of(inputs: Vec<Judged>, scenarios: Option<&scenario::Summary<'_>>) -> Self {
        let shortfalls = scenarios.map(scenario::Summary::shortfalls).unwrap_or_default();
        let scenarios = scenarios.map(scenario::Summary::counts);
        let count = |outcome| inputs.iter().filter(|input| input.outcome == outcome).count() as u64;
        let counts = Counts {
            receipts: inputs.len() as u64,
            passed: count(Outcome::Pass),
            failed: count(Outcome::Fail),
            insufficient: count(Outcome::Insufficient),
        };
        let verdict = match (scenarios, counts) {
            (Some(scenarios), _) => scenarios.verdict(),
            (None, Counts { failed: 1.., .. }) => Outcome::Fail,
            (None, Counts { receipts: 1.., insufficient: 0, .. }) => Outcome::Pass,
            _ => Outcome::Insufficient,
        };
        Self { format: FINAL_VERDICT_FORMAT.to_owned(), verdict, counts, scenarios, shortfalls, inputs }
    }

    /// What the verdict says, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Counts { receipts, failed, insufficient, .. } = self.counts;
        let recorded = format!("{receipts} recorded input{}", if receipts == 1 { "" } else { "s" });
        if let Some(scenario::Counts { as_expected, unexpected, insufficient, informational, not_selected }) =
            self.scenarios
        {
            let all = as_expected + unexpected + insufficient + informational + not_selected;
            return format!(
                "of {all} scenarios over {recorded}, {as_expected} came out as the suite expects, {unexpected} did not, {insufficient} had less checked than it demands, {informational} are told only, {not_selected} were left out."
            );
        }
        match self.verdict {
            Outcome::Pass => format!("in {recorded}, everything that applies was compared, and held."),
            Outcome::Fail => format!("of {recorded}, {failed} broke a rule or could not be read."),
            Outcome::Insufficient if receipts == 0 => "there was nothing to judge.".to_owned(),
            Outcome::Insufficient => {
                format!(
                    "nothing broke, but of {recorded}, {insufficient} had less compared than a pass needs."
                )
            }
        }
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self) -> String {
        let Counts { receipts, passed, failed, insufficient } = self.counts;
        let head = format!(
            "{}\n{}\ninputs {receipts}, passed {passed}, failed {failed}, insufficient {insufficient}\n",
            self.verdict.name(),
            self.sentence(),
        );
        let lines = self.inputs.iter().map(|input| format!("{:<12}  {}\n", input.outcome.name(), input.stem));
        std::iter::once(head).chain(lines).collect()
    }
}

/// `results/rule_coverage.json`: how far each rule reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RuleCoverage<'a> {
    format: &'static str,
    /// Records that no rule was put to.
    unjudged_records: u64,
    rules: Vec<RuleRow<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RuleRow<'a> {
    rule: RuleId,
    title: &'static str,
    #[serde(flatten)]
    count: &'a RuleCount,
}

impl<'a> RuleCoverage<'a> {
    pub(super) fn of(coverage: &'a Coverage) -> Self {
        let rows = coverage.rows().map(|(rule, title, count)| RuleRow { rule, title, count });
        Self { format: "bp-rule-coverage/1", unjudged_records: coverage.unjudged, rules: rows.collect() }
    }
}

/// `results/determinism_repeats.json`: whether each input came to the same bytes every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Determinism<'a> {
    format: &'static str,
    repeats: u32,
    inputs: Vec<Repeated<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Repeated<'a> {
    stem: &'a Stem,
    /// Whether receipt and verdict were byte-equal every time.
    equal: bool,
}

impl<'a> Determinism<'a> {
    pub(super) fn of(repeats: u32, inputs: impl Iterator<Item = (&'a Stem, bool)>) -> Self {
        let inputs = inputs.map(|(stem, equal)| Repeated { stem, equal }).collect();
        Self { format: "bp-determinism/1", repeats, inputs }
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
            FinalVerdict::of(outcomes.iter().map(judged).collect(), None).verdict
        };
        assert_eq!(verdict(&[]), Insufficient);
        assert_eq!(verdict(&[Pass, Pass]), Pass);
        assert_eq!(verdict(&[Pass, Insufficient]), Insufficient);
        assert_eq!(verdict(&[Pass, Insufficient, Fail]), Fail);
    }
}
