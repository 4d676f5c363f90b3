//! Sampled steps of an optimizer: each with its verdict, and what they come to together.
//!
//! A verdict is derived from record and payload where the payload is there. Where it is not, the stored one stands as the
//! maker's word: it has to fit the record, and the leaves that it tells have the root that the record states, so what
//! links steps, and whether they are those that were committed to, is derived again either way.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input::Stem;
use crate::digest::Digest;
use crate::json;
use crate::pack::files::{Files, Sealed, Sink};
use crate::pack::layout::Place;
use crate::pack::result::{ChallengeFacts, ChallengedStep, Standing};
use crate::report::Outcome;
use crate::schema::{self, Schema};
use crate::step::call::{Answer, Answered, Published};
use crate::step::judge::{State, Verdict};
use crate::step::told::{Arithmetic, Document, LIMITS, PROVES, RuleRow};
use crate::step::{Record, Report, chain, leaf, rule};

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
    /// Whether its verdict is the maker's word, its payload not being there.
    recorded: bool,
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
        Ok(Self::of(stem, bytes, record, told, payloads, derived, false))
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
        published: Option<&Published>,
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
        // Whether it is the step that was committed to follows from its leaves.
        let held = published.filter(|published| published.is_of(&record));
        let held = held.map(|published| RuleRow::of(&published.commits.holds(&record, &told.leaves)));
        let stated = told.rules.iter().rfind(|row| row.code == rule::COMMIT.code);
        if held.is_some() && held.as_ref() != stated {
            return Err(InvalidVerdict::Contradicted);
        }
        let mut derived = Files::default();
        let place = Place::StepVerdict(stem.as_str());
        derived.note(place.path(), Sealed::of(verdict, place.role()));
        Ok(Self::of(stem, bytes, record, told, Files::default(), derived, true))
    }

    fn of(
        stem: Stem,
        bytes: &[u8],
        record: Record,
        told: Document,
        payloads: Files,
        derived: Files,
        recorded: bool,
    ) -> Self {
        let tensors = if payloads.iter().next().is_some() { Tensors::Inside } else { Tensors::Outside };
        let mut evidence = payloads;
        let place = Place::StepRecord(stem.as_str());
        evidence.note(place.path(), Sealed::of(bytes, place.role()));
        Self { stem, record, told, tensors, recorded, evidence, derived }
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
    /// How many steps were committed to.
    pub(super) committed: Option<u64>,
    /// What a beacon asks of them, and how much of it is shown.
    pub(super) challenge: Option<Challenge>,
    pub(super) steps: Vec<Step<'a>>,
}

/// What a beacon asks of a run, and how much of it is shown.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Challenge {
    /// The chain of commitments after the last step.
    chain: Digest,
    beacon: String,
    /// What everything was drawn from.
    seed: Digest,
    /// How many steps were to be drawn at least.
    steps_at_least: u64,
    /// How many tensors, and modules, of each.
    tensors_of_each: u64,
    pub(super) asked: Vec<AskedStep>,
    /// Steps that are shown, and that were not asked for.
    pub(super) unasked: Vec<u64>,
    pub(super) rule: RuleRow,
}

/// A step that is asked for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AskedStep {
    pub(super) step: u64,
    tensors: Vec<String>,
    modules: Vec<String>,
    pub(super) shown: bool,
    /// Tensors and modules of it that are not.
    pub(super) missing: Vec<String>,
}

impl AskedStep {
    fn of(answered: Answered) -> Self {
        let Answered { asked, shown, missing } = answered;
        Self { step: asked.step, tensors: asked.tensors, modules: asked.modules, shown, missing }
    }

    /// Whether all that is asked for of it is shown.
    pub(super) fn is_whole(&self) -> bool {
        self.shown && self.missing.is_empty()
    }
}

impl Challenge {
    fn of(published: &Published, steps: &[&SampledStep]) -> Option<Self> {
        let call = published.call.as_ref()?;
        let records: Vec<&Record> = steps.iter().map(|step| &step.record).collect();
        let answer = published.answer(&records)?;
        let rule = RuleRow::of(&answer.row());
        let Answer { challenge, steps, unasked } = answer;
        Some(Self {
            chain: published.commits.last(),
            beacon: call.beacon.to_string(),
            seed: challenge.seed,
            steps_at_least: call.steps,
            tensors_of_each: call.tensors as u64,
            asked: steps.into_iter().map(AskedStep::of).collect(),
            unasked,
            rule,
        })
    }

    /// How many steps are not shown, or not whole.
    pub(super) fn unanswered(&self) -> u64 {
        self.asked.iter().filter(|step| !step.is_whole()).count() as u64
    }

    /// The same for whoever checks, with how each step was judged.
    fn facts(&self, run: &Run<'_>) -> ChallengeFacts {
        let recorded = |asked: u64| run.steps.iter().any(|step| step.step == asked && step.recorded);
        let standing = |asked: &AskedStep| match (asked.shown, asked.is_whole()) {
            (false, _) => Standing::Missing,
            (true, false) => Standing::Partial,
            (true, true) if recorded(asked.step) => Standing::Recorded,
            (true, true) => Standing::Recomputed,
        };
        let step = |asked: &AskedStep| ChallengedStep { step: asked.step, standing: standing(asked) };
        ChallengeFacts {
            run: run.run.to_owned(),
            committed: run.committed.unwrap_or_default(),
            revealed: run.revealed,
            chain: self.chain,
            beacon: self.beacon.clone(),
            steps: self.asked.iter().map(step).collect(),
            unasked: self.unasked.clone(),
            drawn: (self.steps_at_least, self.tensors_of_each),
        }
    }
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
    /// Whether its verdict is the maker's word.
    #[serde(skip)]
    recorded: bool,
}

impl<'a> Sampled<'a> {
    /// Links the steps of each run, and holds those of one against what was published of it. None without a step, and
    /// without anything published.
    pub(super) fn of(
        steps: &'a BTreeMap<Stem, SampledStep>,
        published: Option<&'a Published>,
    ) -> Option<Self> {
        let mut runs: BTreeMap<&str, Vec<&SampledStep>> = BTreeMap::new();
        // A run of which no step is shown answers nothing.
        if let Some(published) = published {
            runs.entry(published.commits.run()).or_default();
        }
        for step in steps.values() {
            runs.entry(&step.record.run).or_default().push(step);
        }
        let runs: Vec<Run<'_>> =
            runs.into_iter().map(|(run, steps)| Run::of(run, steps, published)).collect();
        let outcome = runs.iter().map(|run| run.outcome).max()?;
        Some(Self { format: FORMAT, outcome, runs, proves: PROVES, does_not_prove: LIMITS })
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step<'a>> {
        self.runs.iter().flat_map(|run| &run.steps)
    }

    /// How many steps that a challenge asks for are not shown, or not whole.
    pub(super) fn unanswered(&self) -> u64 {
        self.runs.iter().filter_map(|run| run.challenge.as_ref()).map(Challenge::unanswered).sum()
    }

    /// The challenge, and how each of its steps was judged, where there is one.
    pub(super) fn challenge(&self) -> Option<ChallengeFacts> {
        self.runs.iter().find_map(|run| Some(run.challenge.as_ref()?.facts(run)))
    }

    /// How many steps came to this.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.steps().filter(|step| step.outcome == outcome).count() as u64
    }
}

impl<'a> Run<'a> {
    fn of(run: &'a str, mut steps: Vec<&'a SampledStep>, published: Option<&Published>) -> Self {
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
        let published = published.filter(|published| published.commits.run() == run);
        let challenge = published.and_then(|published| Challenge::of(published, &steps));
        let unanswered = challenge.as_ref().is_some_and(|challenge| challenge.unanswered() > 0);
        let answered = if unanswered { Outcome::Fail } else { Outcome::Pass };
        let alone = told.iter().map(|step| step.outcome).max().unwrap_or(Outcome::Insufficient);
        Self {
            run,
            outcome: alone.max(answered),
            revealed: told.len() as u64,
            neighbours,
            planned: steps.iter().filter_map(|step| Some(step.record.schedule.as_ref()?.total)).max(),
            committed: published.map(|published| published.commits.steps()),
            challenge,
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
            recorded: step.recorded,
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
