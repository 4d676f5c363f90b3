//! Sampled steps of an optimizer: each with its verdict, and what they come to together.
//!
//! A verdict is derived from record and payload where the payload is there. Where it is not, the stored one stands as the
//! maker's word: it has to fit the record, and the leaves that it tells have the root that the record states, so what
//! links steps is derived again either way.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input::Stem;
use crate::digest::Digest;
use crate::json;
use crate::pack::files::{Files, Sealed, Sink};
use crate::pack::layout::Place;
use crate::report::Outcome;
use crate::schema::{self, Schema};
use crate::step::judge::{State, Verdict};
use crate::step::told::{Arithmetic, Document, LIMITS, PROVES, RuleRow};
use crate::step::{Record, Report, chain, leaf};

/// The format of `steps/steps.json`.
const FORMAT: &str = "bp-steps/1";

/// A sampled step of a pack.
#[derive(Debug, Clone)]
pub struct SampledStep {
    stem: Stem,
    record: Record,
    told: Document,
    /// Where its tensors lie.
    tensors: Tensors,
    /// Its record, and its payloads where the pack holds them.
    evidence: Files,
    derived: Files,
}

/// Where the tensors of a step lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tensors {
    /// In the pack.
    Inside,
    /// Elsewhere: the record names them by digest.
    Outside,
}

/// A stored verdict that cannot stand for a step whose payload is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerdict {
    /// It is no document of a judged step.
    #[error("its verdict: {0}")]
    Shape(String),
    /// It is about another step, or another payload.
    #[error("its verdict is on another record or payload")]
    Other,
    /// The leaves that it tells are not those of the payload.
    #[error("the leaves in its verdict have another root than the record states")]
    Leaves,
    /// It says of itself what its rules do not say.
    #[error("its verdict is not what the rules in it come to")]
    Contradicted,
}

impl SampledStep {
    /// A step that was judged. `payloads` are those that the pack holds, all of them or none.
    ///
    /// # Errors
    /// What the sink says.
    pub fn judged<S: Sink>(
        stem: Stem,
        bytes: &[u8],
        record: Record,
        report: &Report,
        payloads: Files,
        sink: &S,
    ) -> Result<Self, S::Error> {
        let told = Document::of(&record, report);
        let mut derived = Files::default();
        derived.put(Place::StepVerdict(stem.as_str()), &json::canonical(&told), sink)?;
        Ok(Self::of(stem, bytes, record, told, payloads, derived))
    }

    /// A step whose payload is not there, by the verdict that is stored.
    ///
    /// # Errors
    /// [`InvalidVerdict`] where that cannot be a verdict on it.
    pub fn recorded(
        stem: Stem,
        bytes: &[u8],
        record: Record,
        verdict: &[u8],
    ) -> Result<Self, InvalidVerdict> {
        let value = json::parse(verdict).map_err(|error| InvalidVerdict::Shape(error.to_string()))?;
        schema::validate(Schema::Step, &value).map_err(|violations| {
            let first = violations.first().map(ToString::to_string);
            InvalidVerdict::Shape(first.unwrap_or_default())
        })?;
        let told: Document =
            serde_json::from_value(value).map_err(|error| InvalidVerdict::Shape(error.to_string()))?;
        let same = (&told.run, told.step, told.record_sha256, told.payload_sha256)
            == (&record.run, record.step, record.sha256, record.payload.sha256);
        if !same {
            return Err(InvalidVerdict::Other);
        }
        let broken = told.rules.iter().any(|row| row.state == State::Broken);
        if broken != (told.verdict == Verdict::Rejected) {
            return Err(InvalidVerdict::Contradicted);
        }
        // Of a step that was rejected the payload may be another than its record states.
        if !broken && leaf::root(&told.leaves) != record.payload.leaf_root {
            return Err(InvalidVerdict::Leaves);
        }
        let mut derived = Files::default();
        let place = Place::StepVerdict(stem.as_str());
        derived.note(place.path(), Sealed::of(verdict, place.role()));
        Ok(Self::of(stem, bytes, record, told, Files::default(), derived))
    }

    fn of(stem: Stem, bytes: &[u8], record: Record, told: Document, payloads: Files, derived: Files) -> Self {
        let tensors = if payloads.iter().next().is_some() { Tensors::Inside } else { Tensors::Outside };
        let mut evidence = payloads;
        let place = Place::StepRecord(stem.as_str());
        evidence.note(place.path(), Sealed::of(bytes, place.role()));
        Self { stem, record, told, tensors, evidence, derived }
    }

    pub(super) fn stem(&self) -> &Stem {
        &self.stem
    }

    pub(super) fn told(&self) -> &Document {
        &self.told
    }

    pub(super) const fn tensors(&self) -> Tensors {
        self.tensors
    }

    /// Its files: those of the evidence, and those that follow.
    pub(super) fn files(&self) -> (&Files, &Files) {
        (&self.evidence, &self.derived)
    }
}

/// The payloads that a record names: their files, and their digests.
pub(in crate::pack) fn payloads(record: &Record) -> impl Iterator<Item = (&str, Digest)> {
    let linear = record.linear_payload.as_ref().map(|linear| (linear.file.as_str(), linear.sha256));
    std::iter::once((record.payload.file.as_str(), record.payload.sha256)).chain(linear)
}

/// `steps/steps.json`: what the sampled steps of a pack come to together, by run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sampled<'a> {
    format: &'static str,
    pub(super) outcome: Outcome,
    pub(super) runs: Vec<Run<'a>>,
    proves: &'static str,
    does_not_prove: [&'static str; 4],
}

/// The sampled steps of a run.
#[expect(clippy::struct_field_names, reason = "the words of the format")]
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run<'a> {
    pub(super) run: &'a str,
    pub(super) outcome: Outcome,
    /// How many steps are there.
    pub(super) revealed: u64,
    /// How many of them follow the one before.
    pub(super) neighbours: u64,
    /// How many steps the schedule plans, by the records' word.
    pub(super) planned: Option<u64>,
    pub(super) steps: Vec<Step<'a>>,
}

/// A sampled step, in the order of its run.
#[expect(clippy::struct_field_names, reason = "the words of the format")]
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step<'a> {
    pub(super) stem: &'a Stem,
    pub(super) step: u64,
    /// What it came to, what links it to the one before included.
    pub(super) outcome: Outcome,
    pub(super) class: Arithmetic,
    pub(super) informative: f64,
    pub(super) elements: u64,
    record_sha256: Digest,
    payload_sha256: Digest,
    pub(super) tensors: Tensors,
    /// Rules that are broken, with how often.
    broken: BTreeMap<&'a str, u64>,
    /// The rules that link it to the step before.
    links: Vec<RuleRow>,
    #[serde(skip)]
    pub(super) told: &'a Document,
}

impl<'a> Sampled<'a> {
    /// Links the steps of each run. None without a step.
    pub(super) fn of(steps: &'a BTreeMap<Stem, SampledStep>) -> Option<Self> {
        let mut runs: BTreeMap<&str, Vec<&SampledStep>> = BTreeMap::new();
        for step in steps.values() {
            runs.entry(&step.record.run).or_default().push(step);
        }
        let runs: Vec<Run<'_>> = runs.into_iter().map(|(run, steps)| Run::of(run, steps)).collect();
        let outcome = runs.iter().map(|run| run.outcome).max()?;
        Some(Self { format: FORMAT, outcome, runs, proves: PROVES, does_not_prove: LIMITS })
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step<'a>> {
        self.runs.iter().flat_map(|run| &run.steps)
    }

    /// How many steps came to this.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.steps().filter(|step| step.outcome == outcome).count() as u64
    }
}

impl<'a> Run<'a> {
    fn of(run: &'a str, mut steps: Vec<&'a SampledStep>) -> Self {
        steps.sort_by(|one, other| (one.record.step, &one.stem).cmp(&(other.record.step, &other.stem)));
        let mut neighbours = 0;
        let mut told = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| steps[before]);
            let links = before.map_or_else(Vec::new, |before| {
                let shown = |step: &'a SampledStep| (&step.record, step.told.leaves.as_slice());
                neighbours += u64::from(before.record.step.checked_add(1) == Some(step.record.step));
                chain::link(shown(before), shown(step), false)
            });
            told.push(Step::of(step, links.iter().map(RuleRow::of).collect()));
        }
        Self {
            run,
            outcome: told.iter().map(|step| step.outcome).max().unwrap_or(Outcome::Insufficient),
            revealed: told.len() as u64,
            neighbours,
            planned: steps.iter().filter_map(|step| Some(step.record.schedule.as_ref()?.total)).max(),
            steps: told,
        }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a SampledStep, links: Vec<RuleRow>) -> Self {
        let told = &step.told;
        let alone = match told.verdict {
            Verdict::Accepted => Outcome::Pass,
            Verdict::Rejected => Outcome::Fail,
            Verdict::Insufficient => Outcome::Insufficient,
        };
        let is_broken = |row: &&RuleRow| row.state == State::Broken;
        let linked = if links.iter().any(|row| row.state == State::Broken) { Outcome::Fail } else { alone };
        let links: Vec<RuleRow> = links.into_iter().filter(|row| row.state != State::NotApplicable).collect();
        Self {
            stem: &step.stem,
            step: told.step,
            outcome: alone.max(linked),
            class: told.class,
            informative: told.informative,
            elements: told.elements,
            record_sha256: told.record_sha256,
            payload_sha256: told.payload_sha256,
            tensors: step.tensors,
            broken: told.rules.iter().filter(is_broken).map(|row| (row.code.as_str(), row.broken)).collect(),
            links,
            told,
        }
    }

    /// The largest ratio of gap to bound, of all tensors and stages; none where bits were compared.
    pub(super) fn largest_ratio(&self) -> Option<f64> {
        let ratios = self.told.tensors.iter().flat_map(|tensor| tensor.gap_over_bound.values());
        ratios.map(|ratio| ratio.max).reduce(f64::max)
    }

    /// The rules that decided something about it.
    pub(super) fn decided(&self) -> impl Iterator<Item = &str> {
        let rows = self.told.rules.iter().chain(&self.links);
        rows.filter(|row| row.state.decided()).map(|row| row.code.as_str())
    }

    /// The rules that break, those that link it to the step before included.
    pub(super) fn broken(&self) -> impl Iterator<Item = (&str, u64)> {
        let linked = self.links.iter().filter(|row| row.state == State::Broken);
        let linked = linked.map(|row| (row.code.as_str(), row.broken));
        self.broken.iter().map(|(code, count)| (*code, *count)).chain(linked)
    }
}
