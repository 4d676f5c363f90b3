//! What follows from the evidence, and how: the same for the one who makes a pack and the one who checks it.
//!
//! ```text
//! input bytes -> judge -> Assessment --+
//!                                      +-> Evidence -> conclude -> Conclusion
//! other evidence ----------------------+                  |
//!        every derived file goes to the sink, once  <-----+
//! ```

mod annex;
mod input;
mod page;
mod results;
mod scenario;
mod steps;
mod tensors;

use std::collections::{BTreeMap, BTreeSet};

pub use annex::{Answered, Paper, Papers, PapersError};
pub use input::{InputKind, InvalidStem, Stem};
use results::{Determinism, RuleCoverage};
pub use results::{FINAL_VERDICT_FORMAT, FinalVerdict, Judged as JudgedInput};
use scenario::Summary;
pub use scenario::{Counts as ScenarioCounts, Standing};
use steps::Sampled;
pub(super) use steps::payloads;
pub use steps::{InvalidVerdict, SampledStep, Tensors};
pub use tensors::{Captured, Captures};

use super::files::{Files, Sealed, Sink};
use super::freeze::Freeze;
use super::layout::{Folder, Place};
use super::manifest::{
    AnnexFacts, ClockSource, Judge, Moment, PackId, Producer, Statement, Subject, SubjectArtifact, SuiteFacts,
};
use super::path::PackPath;
use super::result::ChallengeFacts;
use super::suite::{Selection, Suite};
use crate::annex::Annex;
use crate::annex::check::Fault;
use crate::contract::carried;
use crate::digest::Digest;
use crate::import::Options;
use crate::json;
use crate::report::coverage::RuleId;
use crate::report::timeline::Timeline;
use crate::report::told::Told;
use crate::report::{self, Coverage};
use crate::run::{self, RunRecord};
use crate::step;
use crate::step::call::Published;
use crate::trust::{KeyId, VerifyingKey};
use crate::verify::stream::Judged;
use crate::verify::{StepFacts, Whole, whole};
use page::Inside;

/// What a pack says beside what follows from its inputs.
#[derive(Debug, Clone)]
pub struct Terms {
    /// When it is made; imported receipts carry this time too.
    pub created_at: Moment,
    /// Where that time comes from.
    pub created_at_source: ClockSource,
    /// The program that makes it.
    pub producer: Producer,
    /// What judges it.
    pub judge: Judge,
    /// What it is about.
    pub subject: Subject,
}

impl Terms {
    /// The terms that a manifest states.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        Self {
            created_at: statement.created_at,
            created_at_source: statement.created_at_source,
            producer: statement.producer.clone(),
            judge: statement.judge.clone(),
            subject: statement.subject.clone(),
        }
    }
}

/// One input, judged.
#[derive(Debug, Clone)]
pub struct Assessment {
    assessed: Assessed,
    /// What the rules came to over its records.
    coverage: Coverage,
    /// The input itself.
    evidence: (PackPath, Sealed),
    /// What follows from it alone.
    derived: Files,
}

/// What is kept of a judged input.
#[derive(Debug, Clone)]
struct Assessed {
    judged: JudgedInput,
    /// Comparisons that decided something.
    compared: u64,
    /// The rules that decided something.
    decided: Vec<RuleId>,
    /// What is broken: rules, parts of rules, codes.
    detected: BTreeSet<String>,
    /// Whether receipt and verdict were byte-equal every time.
    repeated_equal: bool,
    /// The input's records in order.
    timeline: Timeline,
    /// The first findings.
    told: Vec<Told>,
    /// How many findings there are.
    found: usize,
}

/// Findings that are kept of an input, for pages; all of them are in its verdict.
const MAX_TOLD: usize = 50;

/// How inputs are judged.
#[derive(Debug, Clone, Copy)]
pub struct Judging {
    /// The time that imported receipts carry.
    pub created_at: Moment,
    /// How often each is judged: at least once.
    pub repeats: u32,
}

/// The bytes of an input, with what is known of them.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What they are.
    pub kind: InputKind,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Their digest.
    pub sha256: Digest,
}

/// Judges one input. What follows from it goes to the sink; the input itself does not.
///
/// # Errors
/// What the sink says.
pub fn judge<S: Sink>(
    stem: Stem,
    Input { kind, bytes, sha256 }: Input<'_>,
    judging: Judging,
    sink: &S,
) -> Result<Assessment, S::Error> {
    let options = Options::at(&judging.created_at.to_string());
    let (mut coverage, mut timeline) = (Coverage::default(), Timeline::default());
    let mut observe = |judged: &Judged<'_>| {
        let mut one = Coverage::default();
        one.add(judged.section());
        timeline.push(judged.step().map(StepFacts::of), &one, judged.section().outcome());
        coverage.merge(&one);
    };
    let whole = whole::judge(bytes, kind.into(), &options, &mut observe).known(sha256);
    let judgement = report::judgement(&whole);
    match &whole {
        Whole::One(verified) => {
            coverage = Coverage::of(verified);
            timeline.push(verified.step.as_deref().map(StepFacts::of), &coverage, judgement.outcome);
        }
        Whole::Trace(traced) => {
            [&traced.sidecars, &traced.receipts]
                .into_iter()
                .flatten()
                .for_each(|trace| coverage.add_trace(trace));
        }
    }
    let repeated_equal = (1..judging.repeats).all(|_| {
        let again = whole::judge(bytes, kind.into(), &options, &mut |_| {}).known(sha256);
        again.imported() == whole.imported() && report::judgement(&again).document == judgement.document
    });
    let mut derived = Files::default();
    if let Some(receipt) = whole.imported() {
        derived.put(Place::Receipt(stem.as_str()), receipt, sink)?;
    }
    derived.put(Place::Verdict(stem.as_str()), &judgement.document, sink)?;
    let place = kind.place(&stem);
    let sealed = Sealed { size_bytes: bytes.len() as u64, sha256, role: place.role() };
    let evidence = (place.path(), sealed);
    let mut detected = report::coverage::detected(&whole);
    detected.extend(coverage.broken());
    let mut told = report::told::told(&whole);
    let found = told.len();
    told.truncate(MAX_TOLD);
    let assessed = Assessed {
        judged: results::Judged {
            stem,
            kind,
            outcome: judgement.outcome,
            records: timeline.records(),
            sha256: sealed.sha256,
        },
        timeline,
        told,
        found,
        compared: coverage.compared(),
        decided: coverage.decided().collect(),
        detected,
        repeated_equal,
    };
    Ok(Assessment { assessed, coverage, evidence, derived })
}

/// Everything that the rest of a pack follows from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    assessed: BTreeMap<Stem, Assessed>,
    /// Of all inputs together.
    coverage: Coverage,
    files: Files,
    derived: Files,
    demand: Option<Demand>,
    /// By folder.
    runs: BTreeMap<String, RunRecord>,
    steps: BTreeMap<Stem, SampledStep>,
    /// What was published of a run of sampled steps.
    published: Option<Published>,
    captures: Option<Captures>,
    papers: Papers,
}

/// A suite, and what of it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The suite.
    pub suite: Suite,
    /// What of it was judged.
    pub selection: Selection,
    /// What of it was signed before anything ran.
    pub freeze: Option<Freeze>,
}

impl Demand {
    /// The inputs that were to be judged.
    #[must_use]
    pub fn stems(&self) -> BTreeSet<Stem> {
        self.suite.selected(&self.selection).into_values().collect()
    }
}

impl Assessment {
    /// The stem of the input.
    #[must_use]
    pub fn stem(&self) -> &Stem {
        &self.assessed.judged.stem
    }
}

impl Evidence {
    /// Adds a judged input.
    pub fn add(&mut self, assessment: Assessment) {
        let Assessment { assessed, coverage, evidence: (path, sealed), derived } = assessment;
        self.coverage.merge(&coverage);
        self.assessed.insert(assessed.judged.stem.clone(), assessed);
        self.files.note(path, sealed);
        self.derived.extend(derived);
    }

    /// The digest of a judged input.
    #[must_use]
    pub fn input(&self, stem: &Stem) -> Option<Digest> {
        self.assessed.get(stem).map(|input| input.judged.sha256)
    }

    /// Adds a suite, whose files are part of the evidence.
    pub fn demand(&mut self, demand: Demand, files: Files) {
        self.demand = Some(demand);
        self.files.extend(files);
    }

    /// Adds what a training job left: its files are part of the evidence, and what the job was goes to the sink.
    ///
    /// # Errors
    /// What the sink says.
    pub fn run<S: Sink>(
        &mut self,
        folder: &str,
        evidence: &run::Evidence,
        files: Files,
        sink: &S,
    ) -> Result<(), S::Error> {
        let record = run::derive(evidence);
        self.derived.put(Place::RunRecord(Folder::named(folder)), &json::canonical(&record), sink)?;
        self.files.extend(files);
        self.runs.insert(folder.to_owned(), record);
        Ok(())
    }

    /// Adds what was published of a run of sampled steps, whose files are part of the evidence.
    pub fn publish(&mut self, published: Published, files: Files) {
        self.published = Some(published);
        self.files.extend(files);
    }

    /// What was published of a run of sampled steps.
    #[must_use]
    pub const fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// Adds a sampled step of an optimizer.
    pub fn step(&mut self, step: SampledStep) {
        let (evidence, derived) = step.files();
        self.files.extend(evidence.clone());
        self.derived.extend(derived.clone());
        self.steps.insert(step.stem().clone(), step);
    }

    /// Adds captured stages of a forward pass.
    pub fn captures(&mut self, captures: Captures) {
        let (evidence, derived) = captures.files();
        self.files.extend(evidence.clone());
        self.derived.extend(derived.clone());
        self.captures = Some(captures);
    }

    /// Adds what people put beside the evidence, whose files are part of it.
    pub fn papers(&mut self, papers: Papers) {
        self.files.extend(papers.files().clone());
        self.papers = papers;
    }

    /// The files of the evidence itself.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The id of the pack with this evidence.
    #[must_use]
    pub fn pack_id(&self, created_at: &Moment, key_id: Option<&KeyId>) -> PackId {
        PackId::of(created_at, key_id, self.files.iter().map(|(path, sealed)| (path, &sealed.sha256)))
    }

    /// Derives the rest. `signer` is the key with the id `key_id`, where it is at hand.
    ///
    /// # Errors
    /// What the sink says.
    pub fn conclude<S: Sink>(
        self,
        terms: &Terms,
        key_id: Option<&KeyId>,
        signer: Option<&VerifyingKey>,
        sink: &S,
    ) -> Result<Conclusion, S::Error> {
        let pack_id = self.pack_id(&terms.created_at, key_id);
        let Self { assessed, coverage, files, mut derived, demand, runs, steps, published, captures, papers } =
            self;
        let sampled = Sampled::of(&steps, published.as_ref());
        let subject = subject(&runs).unwrap_or_else(|| terms.subject.clone());
        if let Some(sampled) = &sampled {
            derived.put(Place::Steps, &json::canonical(sampled), sink)?;
        }
        let mut result = |name: &str, bytes: &[u8]| {
            let path = PackPath::known(&format!("results/{name}"));
            derived.put_at(path, Place::Result, bytes, sink)
        };
        result("rule_coverage.json", &json::canonical(&RuleCoverage::of(&coverage)))?;
        let stems = demand.as_ref().map(|demand| demand.suite.inputs()).unwrap_or_default();
        let summary = demand
            .as_ref()
            .map(|Demand { suite, selection, .. }| Summary::of(suite, selection, &stems, &assessed));
        if let Some(summary) = &summary {
            result("scenario_summary.json", &json::canonical(summary))?;
            result("category_summary.json", &json::canonical(&summary.categories()))?;
        }
        if let Some(repeats) = demand.as_ref().map(|demand| demand.selection.repeats()).filter(|n| *n > 1) {
            let inputs = assessed.iter().map(|(stem, input)| (stem, input.repeated_equal));
            let repeats = Determinism::of(repeats, inputs);
            result("determinism_repeats.json", &json::canonical(&repeats))?;
        }
        let judged = assessed.values().map(|input| input.judged.clone()).collect();
        let verdict = FinalVerdict::of(judged, summary.as_ref(), &runs, sampled.as_ref(), captures.as_ref());
        result("final_verdict.json", &json::canonical(&verdict))?;
        result("final_verdict.txt", verdict.text().as_bytes())?;
        derived.put(Place::Contracts, carried(), sink)?;
        if let Some(signer) = signer {
            derived.put(Place::Signer, signer.to_pem().as_bytes(), sink)?;
        }
        let shown = annex::Shown {
            terms,
            key_id,
            pack_id: &pack_id,
            verdict: &verdict,
            coverage: &coverage,
            assessed: &assessed,
            runs: &runs,
            steps: &steps,
            sampled: sampled.as_ref(),
            evidence: &files,
            derived: &derived,
        };
        let answer = papers.answer(&shown);
        for (name, bytes) in answer.files() {
            derived.put_at(PackPath::known(name), Place::Annex, bytes, sink)?;
        }
        let inside = Inside {
            terms,
            subject: &subject,
            runs: &runs,
            pack_id: &pack_id,
            key_id,
            verdict: &verdict,
            scenarios: summary.as_ref(),
            freeze: demand.as_ref().and_then(|demand| demand.freeze.as_ref()),
            coverage: &coverage,
            assessed: &assessed,
            sampled: sampled.as_ref(),
            captures: captures.as_ref(),
            evidence: &files,
            annex: &answer.annex,
        };
        derived.put(Place::Readme, page::readme(&inside).as_bytes(), sink)?;
        derived.put(Place::Report, page::report(&inside).as_bytes(), sink)?;
        drop(summary);
        let suite = demand.map(|Demand { suite, .. }| SuiteFacts {
            name: Some(suite.name().to_owned()),
            scenarios_sha256: Some(suite.sha256()),
        });
        let annex::Answer { annex, facts, faults, .. } = answer;
        let parent_manifest_sha256 = annex.lineage.as_ref().map(|lineage| lineage.manifest_sha256);
        Ok(Conclusion {
            pack_id,
            subject,
            verdict,
            steps: steps.iter().map(|(stem, step)| (stem.clone(), step.told().verdict)).collect(),
            challenge: sampled.as_ref().and_then(Sampled::challenge),
            tensors: captures.as_ref().map(Captures::verdicts),
            suite,
            annex_facts: papers.facts(),
            annex,
            answered: Answered::of(papers, facts),
            faults,
            parent_manifest_sha256,
            evidence: files,
            derived,
        })
    }
}

/// What runs say a pack is about: the first one that has an id, and the weights of all.
fn subject(runs: &BTreeMap<String, RunRecord>) -> Option<Subject> {
    if runs.is_empty() {
        return None;
    }
    let artifacts = runs.iter().flat_map(|(folder, run)| {
        let of = move |weights: &run::record::Weights| SubjectArtifact {
            name: weights.paths.first().map_or_else(|| folder.clone(), Clone::clone),
            sha256: weights.sha256,
        };
        run.weights.iter().map(of)
    });
    Some(Subject {
        run_id: runs.values().find_map(|run| run.run_id.clone()),
        run_name: None,
        artifacts: artifacts.collect(),
    })
}

/// What the evidence comes to, and every file but manifest, ledger and seal.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// The pack's id.
    pub pack_id: PackId,
    /// What the inputs come to.
    pub verdict: FinalVerdict,
    /// What each sampled step came to by itself.
    pub steps: BTreeMap<Stem, step::judge::Verdict>,
    /// What a beacon asks of the sampled steps, and what is there of it.
    pub challenge: Option<ChallengeFacts>,
    /// What the check of captured tensors and their comparison came to, in their documents' words.
    pub tensors: Option<[Option<&'static str>; 2]>,
    /// What the pack is about.
    pub subject: Subject,
    /// The suite that the inputs answer to.
    pub suite: Option<SuiteFacts>,
    /// The answer to Annex IV.
    pub annex: Annex,
    /// The same, to be derived again with what was signed since.
    pub answered: Answered,
    /// What it is made with.
    pub annex_facts: AnnexFacts,
    /// What keeps the answer from being printed as it should be.
    pub faults: Vec<Fault>,
    /// The manifest digest of the pack before it.
    pub parent_manifest_sha256: Option<Digest>,
    /// The evidence.
    pub evidence: Files,
    /// What follows from it.
    pub derived: Files,
}

impl Conclusion {
    /// Every file, evidence and derived.
    #[must_use]
    pub fn files(&self) -> BTreeMap<&PackPath, &Sealed> {
        self.evidence.iter().chain(self.derived.iter()).collect()
    }
}
