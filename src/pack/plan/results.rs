//! What the inputs come to together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::input::{InputKind, Stem};
use super::scenario;
use super::steps::Sampled;
use super::tensors::{Captured, Captures};
use crate::digest::Digest;
use crate::pack::manifest::Counts;
use crate::report::coverage::{RuleCount, RuleId};
use crate::report::{Coverage, Outcome};
use crate::run::RunRecord;
use crate::run::record::State;

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
    /// How many records it holds, as far as they could be read.
    pub records: u64,
    /// The digest of the bytes as given.
    pub sha256: Digest,
}

/// `results/final_verdict.json`: what all inputs together come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalVerdict {
    /// Always [`FINAL_VERDICT_FORMAT`].
    pub format: String,
    /// With a suite, what its scenarios come to, which sampled steps and runs take down and never up. Without, PASS when
    /// there is an input or a sampled step and all pass, FAIL when one fails, else INSUFFICIENT.
    pub verdict: Outcome,
    /// How many came to what.
    pub counts: Counts,
    /// How many scenarios of the suite came to what; null without a suite.
    pub scenarios: Option<scenario::Counts>,
    /// Scenarios that are not as expected, or had less checked than demanded, each with its first reason.
    pub shortfalls: Vec<String>,
    /// Each training job that left evidence.
    pub runs: Vec<Job>,
    /// Each sampled step of an optimizer, by run and step.
    pub steps: Vec<Sample>,
    /// How many steps a beacon asks for that are not shown, or not whole; left out where there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// What captured stages of a forward pass came to; absent without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensors: Option<Captured>,
    /// Each input, by stem.
    pub inputs: Vec<Judged>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a sampled step of an optimizer came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The stem of its record.
    pub stem: Stem,
    /// Its run.
    pub run: String,
    /// Which step, counted from 1.
    pub step: u64,
    /// What it came to, what links it to the step before included.
    pub outcome: Outcome,
    /// The digest of its record.
    pub sha256: Digest,
}

/// How a training job ended, as far as its evidence shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Where its evidence lies.
    pub folder: String,
    /// Its id.
    pub run_id: Option<String>,
    /// How it ended.
    pub state: State,
    /// Whether a finding speaks against it.
    pub flagged: bool,
}

impl Job {
    fn of(folder: &str, record: &RunRecord) -> Self {
        let RunRecord { run_id, status, .. } = record;
        let (folder, run_id) = (folder.to_owned(), run_id.clone());
        Self { folder, run_id, state: status.state, flagged: status.flagged }
    }

    /// The best verdict that a pack with this job may have: a job that failed is a failure, and one whose own evidence
    /// speaks against it, or that shows no end, is no pass. A job that left nothing to tell by takes nothing away.
    fn worst(&self) -> Outcome {
        match (self.state, self.flagged) {
            (State::Failed, _) => Outcome::Fail,
            (State::Stale | State::Running, _) | (_, true) => Outcome::Insufficient,
            (State::Completed | State::Unknown, false) => Outcome::Pass,
        }
    }

    /// What is open about it, in a sentence; none where nothing is.
    #[must_use]
    pub fn open_point(&self) -> Option<String> {
        let Self { folder, state, flagged, .. } = self;
        let state = match state {
            State::Completed => "completed",
            State::Failed => "failed",
            State::Stale => "began, and nothing shows its end",
            State::Running => "is still running",
            State::Unknown => "left nothing that tells how it ended",
        };
        let flag = if *flagged { "; findings speak against it" } else { "" };
        (self.worst() != Outcome::Pass || self.state == State::Unknown)
            .then(|| format!("The training job {state}{flag}: see `{folder}/run.json`."))
    }
}

impl FinalVerdict {
    /// The verdict over these inputs, by stem. With a suite, its scenarios decide.
    pub(super) fn of(
        inputs: Vec<Judged>,
        scenarios: Option<&scenario::Summary<'_>>,
        runs: &BTreeMap<String, RunRecord>,
        sampled: Option<&Sampled<'_>>,
        captures: Option<&Captures>,
    ) -> Self {
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
            (None, Counts { receipts: 0, .. }) if sampled.is_some() || captures.is_some() => Outcome::Pass,
            _ => Outcome::Insufficient,
        };
        let verdict = sampled.map_or(verdict, |sampled| verdict.max(sampled.outcome));
        let tensors = captures.map(Captures::captured);
        let verdict = tensors.as_ref().map_or(verdict, |tensors| verdict.max(tensors.outcome));
        let of_run = |run: &'_ super::steps::Run<'_>| {
            let sample = |step: &super::steps::Step<'_>| Sample {
                stem: step.stem.clone(),
                run: run.run.to_owned(),
                step: step.step,
                outcome: step.outcome,
                sha256: step.told.record_sha256,
            };
            run.steps.iter().map(sample).collect::<Vec<_>>()
        };
        let steps = sampled.iter().flat_map(|sampled| &sampled.runs).flat_map(of_run).collect();
        let runs: Vec<Job> = runs.iter().map(|(folder, record)| Job::of(folder, record)).collect();
        let verdict = runs.iter().map(Job::worst).fold(verdict, Outcome::max);
        Self {
            format: FINAL_VERDICT_FORMAT.to_owned(),
            verdict,
            counts,
            scenarios,
            shortfalls,
            runs,
            steps,
            unanswered: sampled.map_or(0, Sampled::unanswered),
            tensors,
            inputs,
        }
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
            let told = format!(
                "of {all} scenarios over {recorded}, {as_expected} came out as the suite expects, {unexpected} did not, {insufficient} had less checked than it demands, {informational} are told only, {not_selected} were left out"
            );
            return format!("{told}{}{}{}.", self.of_steps(), self.of_tensors(), self.of_runs());
        }
        let of_inputs = match (failed, insufficient, receipts) {
            (1.., _, _) => format!("of {recorded}, {failed} broke a rule or could not be read"),
            (0, _, 0) if !self.steps.is_empty() || self.unanswered > 0 || self.tensors.is_some() => {
                String::new()
            }
            (0, _, 0) => "there was nothing to judge".to_owned(),
            (0, 0, _) => format!("in {recorded}, everything that applies was compared, and held"),
            (0, ..) => {
                format!(
                    "nothing broke, but of {recorded}, {insufficient} had less compared than a pass needs"
                )
            }
        };
        let of_steps = self.of_steps() + &self.of_tensors();
        // Without an input it is steps and tensors that the sentence is about.
        let of_inputs = if of_inputs.is_empty() {
            of_steps.trim_start_matches("; ").to_owned()
        } else {
            of_inputs + &of_steps
        };
        format!("{of_inputs}{}.", self.of_runs())
    }

    /// What is said of training jobs, last; nothing where none of them takes the verdict down.
    fn of_runs(&self) -> &'static str {
        let worst = self.runs.iter().max_by_key(|run| run.worst());
        match worst.filter(|run| run.worst() > Outcome::Pass).map(|run| run.state) {
            None => "",
            Some(State::Failed) => "; the training job failed",
            Some(State::Completed | State::Unknown) => "; findings speak against the training job",
            Some(State::Stale) => "; nothing shows how the training job ended",
            Some(State::Running) => "; the training job was still running",
        }
    }

    /// What is said of sampled steps, after what is said of inputs; nothing without one.
    fn of_steps(&self) -> String {
        let count = |outcome| self.steps.iter().filter(|step| step.outcome == outcome).count();
        let (all, failed, short) = (self.steps.len(), count(Outcome::Fail), count(Outcome::Insufficient));
        let sampled = format!("{all} sampled optimizer step{}", if all == 1 { "" } else { "s" });
        let told = match (all, failed, short) {
            (0, ..) => String::new(),
            (_, 0, 0) => format!("; every element of {sampled} follows from what the step read"),
            (_, 0, short) => format!("; of {sampled}, {short} showed too little"),
            (_, failed, _) => format!("; of {sampled}, {failed} broke a rule"),
        };
        match self.unanswered {
            0 => told,
            1 => format!("{told}; 1 step that the beacon asks for is not shown, or not whole"),
            more => format!("{told}; {more} steps that the beacon asks for are not shown, or not whole"),
        }
    }

    /// What is said of captured tensors, after all else; nothing without them.
    fn of_tensors(&self) -> String {
        let Some(Captured { holds, broken, not_checkable, compared, first_failing, .. }) = &self.tensors
        else {
            return String::new();
        };
        let all = holds + broken + not_checkable;
        let equations = match (broken, holds) {
            (0, 0) => "; no equation between captured stages could be checked".to_owned(),
            (0, _) => {
                format!("; of {all} equations between captured stages, {holds} hold and none is broken")
            }
            (_, _) => format!("; of {all} equations between captured stages, {broken} are broken"),
        };
        let against = match (compared, first_failing, &self.tensors) {
            (None, ..) => String::new(),
            (Some(_), Some(stage), _) => {
                format!("; {stage} is the first stage beyond its bound of the reference")
            }
            (Some(compared), None, Some(Captured { outcome: Outcome::Insufficient, .. })) => {
                format!("; of {compared} stages that were compared with a reference, not all were judged")
            }
            (Some(compared), None, _) => {
                format!("; {compared} stages lie within their bounds of the reference")
            }
        };
        equations + &against
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
        let steps =
            self.steps.iter().map(|step| format!("{:<12}  step {}\n", step.outcome.name(), step.stem));
        let tensors = self.tensors.iter().map(|tensors| format!("{:<12}  tensors\n", tensors.outcome.name()));
        std::iter::once(head).chain(lines).chain(steps).chain(tensors).collect()
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
                records: 1,
                sha256: Digest::of(b""),
            };
            FinalVerdict::of(outcomes.iter().map(judged).collect(), None, &BTreeMap::new(), None, None)
                .verdict
        };
        assert_eq!(verdict(&[]), Insufficient);
        assert_eq!(verdict(&[Pass, Pass]), Pass);
        assert_eq!(verdict(&[Pass, Insufficient]), Insufficient);
        assert_eq!(verdict(&[Pass, Insufficient, Fail]), Fail);
    }
}
