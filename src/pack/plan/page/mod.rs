//! The pages of a pack: what it says to people. Each follows from the evidence and the terms alone.

mod readme;
mod report;

use serde::Serialize;

pub(super) use readme::readme;
pub(super) use report::report;

use super::results::{FinalVerdict, Job};
use super::steps::{Sampled, Tensors};
use super::{Assessed, Captures, Stem, Summary, Terms};
use crate::annex::check::todo;
use crate::annex::{Annex, catalogue};
use crate::pack::files::Files;
use crate::pack::freeze::Freeze;
use crate::pack::manifest::{ClockSource, Moment, PackId, Subject};
use crate::pack::template::render;
use crate::report::{Coverage, Outcome};
use crate::run::RunRecord;
use crate::trust::KeyId;
use std::collections::BTreeMap;

/// Everything that a page may show.
pub(super) struct Inside<'a> {
    pub(super) terms: &'a Terms,
    pub(super) subject: &'a Subject,
    pub(super) runs: &'a BTreeMap<String, RunRecord>,
    pub(super) pack_id: &'a PackId,
    pub(super) key_id: Option<&'a KeyId>,
    pub(super) verdict: &'a FinalVerdict,
    pub(super) scenarios: Option<&'a Summary<'a>>,
    pub(super) freeze: Option<&'a Freeze>,
    pub(super) coverage: &'a Coverage,
    pub(super) assessed: &'a BTreeMap<Stem, Assessed>,
    pub(super) sampled: Option<&'a Sampled<'a>>,
    pub(super) captures: Option<&'a Captures>,
    pub(super) evidence: &'a Files,
    pub(super) annex: &'a Annex,
}

/// What stands at the top of every page: identity, verdict, scope, open points.
#[derive(Serialize)]
struct Head<'a> {
    pack_id: &'a PackId,
    created_at: &'a Moment,
    clock: &'static str,
    producer: String,
    judge: String,
    rule_count: usize,
    run: String,
    key: String,
    sealed: bool,
    verdict: &'static str,
    verdict_sentence: String,
    open_points: Vec<String>,
    annex: Open<'a>,
}

/// What of Annex IV is open, and whose it is.
#[derive(Serialize)]
struct Open<'a> {
    items: usize,
    owners: Vec<(&'a str, usize)>,
}

impl Inside<'_> {
    fn head(&self) -> Head<'_> {
        let Terms { created_at, created_at_source, producer, judge, .. } = self.terms;
        let subject = self.subject;
        Head {
            pack_id: self.pack_id,
            created_at,
            clock: match created_at_source {
                ClockSource::Argument => "named by the caller",
                ClockSource::SourceDateEpoch => "SOURCE_DATE_EPOCH",
                ClockSource::SystemClock => "the maker's clock",
            },
            producer: plain(&format!("{} {} {}", producer.name, producer.version, producer.build)),
            judge: plain(&format!("{} {}", judge.name, judge.version)),
            rule_count: judge.rules.len(),
            run: plain(
                subject.run_name.as_ref().or(subject.run_id.as_ref()).map_or("not named", String::as_str),
            ),
            key: self.key_id.map_or_else(|| "none".to_owned(), KeyId::to_string),
            sealed: self.key_id.is_some(),
            verdict: self.verdict.verdict.name(),
            verdict_sentence: self.verdict.sentence(),
            open_points: self.open_points(),
            annex: self.annex(),
        }
    }

    fn annex(&self) -> Open<'_> {
        let todos = todo(self.annex);
        let owners: Vec<_> =
            todos.iter().map(|todo| (catalogue().role(todo.owner), todo.items.len())).collect();
        Open { items: owners.iter().map(|(_, count)| count).sum(), owners }
    }

    /// What is open about sampled steps.
    fn open_steps(&self, points: &mut Vec<String>) {
        let Some(sampled) = self.sampled else { return };
        for step in sampled.steps().filter(|step| step.outcome != Outcome::Pass) {
            points.push(format!(
                "Step `{}` came to {}: see `steps/verdicts/{0}.json`.",
                step.stem,
                step.outcome.name()
            ));
        }
        let outside = sampled.steps().filter(|step| step.tensors == Tensors::Outside).count();
        if outside > 0 {
            points.push(format!(
                "The tensors of {outside} sampled steps are not in the pack: without them (`--payload-dir`) their verdicts are the maker's word."
            ));
        }
        for run in &sampled.runs {
            let of = run.planned.map_or_else(
                || "a number of steps that is not stated".to_owned(),
                |planned| format!("{planned} steps that its schedule plans"),
            );
            points.push(format!(
                "Of run `{}`, {} steps of {of} are revealed; of the others nothing is shown.",
                plain(run.run),
                run.revealed
            ));
        }
    }

    /// What is open about captured tensors.
    fn open_tensors(&self, points: &mut Vec<String>) {
        let Some(tensors) = &self.verdict.tensors else { return };
        if tensors.outcome != Outcome::Pass {
            let outcome = tensors.outcome.name();
            points.push(format!("Captured tensors came to {outcome}: see `tensors/`."));
        }
        if tensors.compared.is_none() {
            points.push("Captured tensors were compared with no reference.".to_owned());
        }
        if tensors.not_checkable > 0 {
            points.push(format!(
                "{} stages of the captured forward pass could not be derived from others: see `tensors/check.json`.",
                tensors.not_checkable
            ));
        }
    }

    fn open_points(&self) -> Vec<String> {
        let Self { verdict, subject, .. } = self;
        let mut points = Vec::new();
        points.extend(verdict.shortfalls.iter().map(|shortfall| format!("Scenario {}.", plain(shortfall))));
        let by_itself = verdict.scenarios.is_none();
        for input in verdict.inputs.iter().filter(|input| by_itself && input.outcome != Outcome::Pass) {
            points.push(format!("`{}` came to {}: see `verify/{0}.json`.", input.stem, input.outcome.name()));
        }
        points.extend(verdict.runs.iter().filter_map(Job::open_point));
        self.open_steps(&mut points);
        self.open_tensors(&mut points);
        if self.key_id.is_none() {
            points.push("The pack is not sealed.".to_owned());
        }
        if subject.artifacts.is_empty() {
            points.push("No artifact (weights, data set) is bound to this pack by digest.".to_owned());
        }
        points.push("No independent time stamp and no sign-off is part of this pack.".to_owned());
        points
    }
}

/// Text from outside, cut to what can neither end a code span nor a table cell.
pub(super) fn plain(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._:+@/-".contains(letter);
    text.chars().take(80).map(|letter| if allowed(letter) { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_leave_its_cell() {
        assert_eq!(plain("a`|\n# b<script>"), "a???? b?script?");
    }
}
