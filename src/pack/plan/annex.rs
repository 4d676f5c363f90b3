//! The answer to Annex IV: what the evidence shows of it, with what people put beside the evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::steps::{self, Sampled, Tensors};
use super::{Assessed, FinalVerdict, SampledStep, Stem, Terms};
use crate::annex::check::{self, Fault};
use crate::annex::envelope::{self, Envelope, Held};
use crate::annex::facts::{self, Attachment, Facts, Named, Parent, Signoff};
use crate::annex::model::{Annex, Assurance, Clock, Evidence, Kind, Verdict};
use crate::annex::provider::{self, Provider, ProviderError};
use crate::annex::render::{MARKDOWN_TEMPLATE, Renderer, Templates};
use crate::annex::{
    ANNEX_HTML, ANNEX_JSON, ANNEX_MARKDOWN, Catalogue, MAX_TEMPLATE_BYTES, catalogue, derive,
};
use crate::digest::Digest;
use crate::json;
use crate::pack::files::{Files, Sealed};
use crate::pack::layout::{Folder, Place};
use crate::pack::manifest::AnnexFacts;
use crate::pack::path::PackPath;
use crate::report::{Coverage, Outcome};
use crate::run::RunRecord;
use crate::run::evidence as left;
use crate::run::record::Agreement;
use crate::step::RULES;
use crate::trust::KeyId;

/// Values that are kept for comparison with another pack.
const MAX_RECORDED: usize = 5000;

/// A file that people put beside the evidence. Of an attachment, length and digest are enough.
#[derive(Debug, Clone, Copy)]
pub struct Paper<'a> {
    /// Its length.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// Its bytes, where they are at hand.
    pub bytes: &'a [u8],
}

impl<'a> Paper<'a> {
    /// The file with these bytes.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { size_bytes: bytes.len() as u64, sha256: Digest::of(bytes), bytes }
    }
}

/// Files under `annex/` that mean nothing certain.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PapersError {
    /// The provider's file cannot be read.
    #[error("{path}: {source}")]
    Provider {
        /// Where it lies.
        path: PackPath,
        /// What is wrong with it.
        source: ProviderError,
    },
    /// There are two provider's files, or one under the name of another syntax.
    #[error("{0}: a second provider's file, or one that is not written as its name says")]
    Syntax(PackPath),
    /// A change envelope, or the record of the pack before, that cannot be read.
    #[error("{path}: {reason}")]
    Unsound {
        /// Where it lies.
        path: PackPath,
        /// What is wrong with it.
        reason: String,
    },
    /// A template that is no text, or too long.
    #[error("{0}: a template is UTF-8 of at most {MAX_TEMPLATE_BYTES} bytes")]
    Template(PackPath),
}

impl PapersError {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Provider { path, .. }
            | Self::Unsound { path, .. }
            | Self::Syntax(path)
            | Self::Template(path) => path.as_str(),
        }
    }
}

/// What people put beside the evidence: what the provider says, and the files that it names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Papers {
    provider: Option<Provider>,
    attachments: Vec<Attachment>,
    parent: Option<Parent>,
    envelopes: Vec<(PackPath, Digest, Envelope)>,
    templates: Templates<'static>,
    files: Files,
}

impl Papers {
    /// The papers among files of a pack. A file that nothing names is none.
    ///
    /// # Errors
    /// [`PapersError`].
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a PackPath, Paper<'a>)>,
    ) -> Result<Self, PapersError> {
        let mut papers = Self::default();
        let mut carried = BTreeMap::new();
        let (mut markdown, mut html) = (None, None);
        for (path, paper) in files {
            match Place::of(path) {
                Some(Place::Provider(syntax)) => {
                    let of = |source| PapersError::Provider { path: path.clone(), source };
                    let provider = provider::parse(paper.bytes).map_err(of)?;
                    if papers.provider.is_some() || provider.syntax() != syntax {
                        return Err(PapersError::Syntax(path.clone()));
                    }
                    papers.provider = Some(provider);
                    papers.note(path, paper);
                }
                Some(Place::Template(name)) => {
                    let text = std::str::from_utf8(paper.bytes)
                        .ok()
                        .filter(|_| paper.bytes.len() <= MAX_TEMPLATE_BYTES);
                    let text = text.ok_or_else(|| PapersError::Template(path.clone()))?;
                    let own = if name == MARKDOWN_TEMPLATE { &mut markdown } else { &mut html };
                    *own = Some(text);
                    papers.note(path, paper);
                }
                Some(Place::Parent) => {
                    let of = |reason: String| PapersError::Unsound { path: path.clone(), reason };
                    let value = json::parse(paper.bytes).map_err(|error| of(error.to_string()))?;
                    papers.parent = serde_json::from_value(value).map_err(|error| of(error.to_string()))?;
                    papers.note(path, paper);
                }
                Some(Place::Attachment(_)) => {
                    carried.insert(path, paper);
                }
                _ => {}
            }
        }
        papers.templates = Templates::of(markdown, html).into_owned();
        let named = papers.provider.as_ref().map(Provider::attachments).unwrap_or_default();
        for (name, _) in named {
            let stored: Result<PackPath, _> = provider::stored_at(&name).parse();
            let Some((path, paper)) = stored.ok().and_then(|path| carried.get_key_value(&path)) else {
                continue;
            };
            let attachment =
                Attachment { name: name.to_string(), path: path.to_string(), sha256: paper.sha256 };
            if path.as_str().ends_with(envelope::SUFFIX) {
                let of = |reason| PapersError::Unsound { path: (*path).clone(), reason };
                let envelope = Envelope::parse(paper.bytes).map_err(of)?;
                papers.envelopes.push(((*path).clone(), paper.sha256, envelope));
            }
            papers.attachments.push(attachment);
            papers.note(path, *paper);
        }
        Ok(papers)
    }

    fn note(&mut self, path: &PackPath, paper: Paper<'_>) {
        if let Some(place) = Place::of(path) {
            let Paper { size_bytes, sha256, .. } = paper;
            self.files.note(path.clone(), Sealed { size_bytes, sha256, role: place.role() });
        }
    }

    /// The files, all part of the evidence.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// What the provider says.
    #[must_use]
    pub fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref()
    }

    /// The templates of its renderings.
    #[must_use]
    pub fn templates(&self) -> &Templates<'static> {
        &self.templates
    }

    /// What the answer is made with, as the manifest states it.
    pub(super) fn facts(&self) -> AnnexFacts {
        AnnexFacts { catalogue_sha256: Catalogue::sha256(), templates_sha256: self.templates.digest() }
    }

    /// The answer, and its renderings.
    pub(super) fn answer(&self, shown: &Shown<'_>) -> Answer {
        let mut facts =
            Facts { attachments: self.attachments.clone(), parent: self.parent.clone(), ..shown.facts() };
        for (path, sha256, envelope) in &self.envelopes {
            let (standing, rows) = envelope.hold(&|name| shown.settings(name));
            let name = format!("envelope {path}");
            let before = self.parent.as_ref().and_then(|parent| parent.recorded.get(&name));
            let declared_before = before == Some(&sha256.to_string());
            facts.envelopes.push(Held {
                path: path.to_string(),
                sha256: *sha256,
                standing,
                declared_before,
                rows,
            });
            facts.run.recorded.insert(name, sha256.to_string());
            facts.evidence.push(Evidence {
                path: path.to_string(),
                sha256: *sha256,
                kind: Kind::Policy,
                produced_by: "provider".to_owned(),
                assurance: Assurance::Checked,
            });
        }
        let annex = derive(catalogue(), self.provider.as_ref(), &facts);
        let mut faults = Vec::new();
        let bytes = annex.bytes();
        let renderer = Renderer::written(&annex, catalogue(), Digest::of(&bytes));
        let mut files = vec![(ANNEX_JSON, bytes)];
        let pages = [
            (ANNEX_MARKDOWN, renderer.markdown(&self.templates)),
            (ANNEX_HTML, renderer.html(&self.templates)),
        ];
        for (name, page) in pages {
            match page {
                Ok(text) => {
                    faults.extend(check::printed(name, &text, &annex, catalogue()));
                    files.push((name, text.into_bytes()));
                }
                Err(error) => faults.push(Fault::template(name, &error)),
            }
        }
        Answer { annex, facts, files, faults }
    }
}

/// The answer to Annex IV of a whole pack: with the digest of its manifest, and with what was signed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    provider: Option<Provider>,
    templates: Templates<'static>,
    facts: Facts,
}

impl Answered {
    pub(super) fn of(papers: Papers, facts: Facts) -> Self {
        let Papers { provider, templates, .. } = papers;
        Self { provider, templates, facts }
    }

    /// Adds what the one who checks knows.
    pub(in crate::pack) fn add(&mut self, manifest_sha256: Digest, signoffs: Vec<Signoff>) {
        self.facts.manifest_sha256 = Some(manifest_sha256);
        self.facts.signoffs = signoffs;
    }

    /// The answer.
    #[must_use]
    pub fn annex(&self) -> Annex {
        derive(catalogue(), self.provider.as_ref(), &self.facts)
    }

    /// The templates that the pack is rendered by.
    #[must_use]
    pub fn templates(&self) -> &Templates<'static> {
        &self.templates
    }

    /// What a pack that follows this one keeps of it; none without the digest of its manifest.
    #[must_use]
    pub fn parent(&self) -> Option<Parent> {
        let recorded = self.facts.run.recorded.clone();
        // Without sign-offs: those of this pack come after the next one may be made.
        let sealed = Facts { signoffs: Vec::new(), ..self.facts.clone() };
        let annex = derive(catalogue(), self.provider.as_ref(), &sealed);
        Some(Parent::of(&annex, self.facts.manifest_sha256?, recorded))
    }
}

/// The answer to Annex IV, as it lies in a pack.
pub(super) struct Answer {
    pub(super) annex: Annex,
    pub(super) facts: Facts,
    files: Vec<(&'static str, Vec<u8>)>,
    pub(super) faults: Vec<Fault>,
}

impl Answer {
    /// Its files, by their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
    }
}

/// What the answer is given of the evidence.
pub(super) struct Shown<'a> {
    pub(super) terms: &'a Terms,
    pub(super) key_id: Option<&'a KeyId>,
    pub(super) pack_id: &'a super::PackId,
    pub(super) verdict: &'a FinalVerdict,
    pub(super) coverage: &'a Coverage,
    pub(super) assessed: &'a BTreeMap<Stem, Assessed>,
    pub(super) runs: &'a BTreeMap<String, RunRecord>,
    pub(super) steps: &'a BTreeMap<Stem, SampledStep>,
    pub(super) sampled: Option<&'a Sampled<'a>>,
    pub(super) evidence: &'a Files,
    pub(super) derived: &'a Files,
}

impl Shown<'_> {
    fn facts(&self) -> Facts {
        let created_at = self.terms.created_at.timestamp();
        let mut evidence = self.records();
        evidence.extend(self.of_steps());
        for (folder, run) in self.runs {
            evidence.extend(self.of_run(folder, run));
        }
        evidence.sort();
        evidence.dedup();
        Facts {
            pack_id: Some(self.pack_id.to_string()),
            seal_key_id: self.key_id.map(KeyId::digest),
            evidence,
            run: self.run(),
            ..Facts::at(created_at, Clock::Local, self.verdict())
        }
    }

    fn verdict(&self) -> Verdict {
        let counts = self.verdict.counts;
        let records: u64 = self.verdict.inputs.iter().map(|input| input.records).sum();
        let failing = self.assessed.values().filter(|input| !input.decided.is_empty() && !self.shows(input));
        let against: u64 = failing.map(|input| input.judged.records).sum();
        let decided: BTreeSet<String> = self.coverage.decided().map(|id| id.to_string()).collect();
        let rules = |wanted: bool| {
            let rows = self.coverage.rows().map(|(id, _, _)| id.to_string());
            let of_steps = self.rules_of_steps(wanted);
            rows.filter(|id| decided.contains(id) == wanted).chain(of_steps).collect()
        };
        // A sampled step is one record of one step.
        let steps = |outcome| self.sampled.map_or(0, |sampled| sampled.count(outcome));
        let sampled = [Outcome::Pass, Outcome::Fail, Outcome::Insufficient].map(steps);
        let all: u64 = sampled.iter().sum();
        // How long a run was is known when each of the runs says so.
        let taken: Option<Vec<u64>> = self.runs.values().map(|run| run.steps.taken).collect();
        let taken = taken.filter(|taken| !taken.is_empty()).map(|taken| taken.iter().sum::<u64>());
        let steps_checked = records.saturating_sub(self.coverage.unjudged + against) + all;
        Verdict {
            outcome: self.verdict.verdict.name().to_owned(),
            receipts: counts.receipts + all,
            passed: counts.passed + sampled[0],
            failed: counts.failed + sampled[1],
            insufficient: counts.insufficient + sampled[2],
            steps_checked,
            // Steps of a run that took fewer than were checked are others than those that were recorded.
            steps_total: taken.filter(|taken| *taken >= steps_checked),
            rules_evaluated: rules(true),
            rules_not_evaluated: rules(false),
            numerical_agreement: self.verdict.tensors.as_ref().and_then(|tensors| tensors.agreement.clone()),
        }
    }

    /// Whether an input shows how the system was trained: not one that no rule decided anything about, and not one that a suite
    /// expects to fail.
    fn shows(&self, input: &Assessed) -> bool {
        let expected_to_fail = self.verdict.verdict == Outcome::Pass && input.judged.outcome == Outcome::Fail;
        !input.decided.is_empty() && !expected_to_fail
    }

    /// Records and their verdicts.
    fn records(&self) -> Vec<Evidence> {
        let judge = format!("{} {}", self.terms.judge.name, self.terms.judge.version);
        let mut records = Vec::new();
        for (stem, _) in self.assessed.iter().filter(|(_, input)| self.shows(input)) {
            let stem = stem.as_str();
            let recorder = "the recorder of the training job";
            records.extend(self.file(
                &Place::Receipt(stem).path(),
                Kind::Receipt,
                recorder,
                Assurance::Recomputed,
            ));
            records.extend(self.file(
                &Place::Verdict(stem).path(),
                Kind::VerificationResult,
                &judge,
                Assurance::Recomputed,
            ));
        }
        records
    }

    /// Rules of steps that decided something about one, or that decided nothing about any.
    fn rules_of_steps(&self, wanted: bool) -> Vec<String> {
        let sampled = || self.sampled.iter().flat_map(|sampled| sampled.steps());
        let decided: BTreeSet<&str> = sampled().flat_map(steps::Step::decided).collect();
        let rules = RULES.iter().map(|rule| rule.code).filter(|code| decided.contains(code) == wanted);
        if self.sampled.is_some() { rules.map(str::to_owned).collect() } else { Vec::new() }
    }

    /// Sampled steps and their verdicts. Without its payload in the pack, a record is held to its digest alone.
    fn of_steps(&self) -> Vec<Evidence> {
        let judge = format!("{} {}", self.terms.judge.name, self.terms.judge.version);
        let mut shown = Vec::new();
        for (stem, step) in self.steps {
            let assurance = match step.tensors() {
                Tensors::Inside => Assurance::Recomputed,
                Tensors::Outside => Assurance::Checked,
            };
            let recorder = "the recorder of the training job";
            let record = Place::StepRecord(stem.as_str()).path();
            let verdict = Place::StepVerdict(stem.as_str()).path();
            shown.extend(self.file(&record, Kind::TensorStep, recorder, assurance));
            shown.extend(self.file(&verdict, Kind::VerificationResult, &judge, assurance));
        }
        shown
    }

    /// What a run shows: its record, derived again, and the files that the record names, each read as what it is.
    fn of_run(&self, folder: &str, run: &RunRecord) -> Vec<Evidence> {
        let mut shown = Vec::new();
        let record = Place::RunRecord(Folder::named(folder)).path();
        let producer = format!("{} {}", self.terms.producer.name, self.terms.producer.version);
        let inside = |name: &str| format!("{folder}/{name}").parse::<PackPath>().ok();
        let series = run.series.iter().map(|series| &series.path).chain(&run.steps.path);
        let groups: [(Kind, BTreeSet<&String>); 3] = [
            (Kind::RunHistory, series.collect()),
            (Kind::Config, run.settings.recorded.iter().map(|setting| &setting.path).collect()),
            (Kind::Environment, run.environment.iter().map(|setting| &setting.path).collect()),
        ];
        for (kind, paths) in groups {
            if !paths.is_empty() {
                shown.extend(self.file(&record, kind, &producer, Assurance::Recomputed));
            }
            let texts = paths.into_iter().filter_map(|path| inside(&format!("{}{path}", left::HISTORY)));
            shown
                .extend(texts.filter_map(|path| self.file(&path, kind, run.kind.name(), Assurance::Checked)));
        }
        let given = |agreement: Agreement| matches!(agreement, Agreement::Agrees | Agreement::NotRecorded);
        let data = run.datasets.iter().filter(|claim| claim.given_sha256.is_some());
        // Data that is not what the run recorded identifies nothing.
        let sound = data.clone().count() > 0 && data.clone().all(|claim| given(claim.agreement));
        let tables = [
            (sound, Kind::DatasetDigest, left::DATASETS),
            (!run.weights.is_empty(), Kind::ModelDigest, left::ARTIFACTS),
        ];
        for (there, kind, name) in tables {
            let path = there.then(|| inside(name)).flatten();
            shown.extend(path.and_then(|path| self.file(&path, kind, &producer, Assurance::Checked)));
        }
        shown
    }

    fn run(&self) -> facts::Run {
        let recorded = |run: &RunRecord| {
            let missing = &run.settings.not_recorded;
            !missing.contains(&"learning rate") && !missing.contains(&"optimizer")
        };
        // A receipt states the loss, the optimizer and its settings, or it is none.
        let by_receipt = self.assessed.values().any(|input| self.shows(input));
        let datasets = self.runs.values().flat_map(|run| &run.datasets).filter_map(|claim| {
            let name = claim.recorded_name.clone().unwrap_or_else(|| "data".to_owned());
            Some(Named { name, sha256: claim.given_sha256? })
        });
        let models = self.runs.values().flat_map(|run| &run.weights).map(|weights| {
            let name = weights.paths.first().cloned().unwrap_or_default();
            Named { name, sha256: weights.sha256 }
        });
        facts::Run {
            hyper_parameters: by_receipt || self.runs.values().any(recorded),
            datasets: datasets.collect(),
            models: models.collect(),
            recorded: self.recorded(),
        }
    }

    /// Every value that a setting was recorded with, of each run; `None` for a run that did not record it.
    fn settings(&self, name: &str) -> Vec<Option<Value>> {
        let of = |run: &RunRecord| -> Vec<Option<Value>> {
            let named = run.settings.recorded.iter().filter(|setting| setting.name == name);
            let values: Vec<_> = named.map(|setting| Some(setting.value.clone())).collect();
            if values.is_empty() { vec![None] } else { values }
        };
        self.runs.values().flat_map(of).collect()
    }

    /// What a later pack is compared by.
    fn recorded(&self) -> BTreeMap<String, String> {
        let mut recorded = BTreeMap::new();
        for (folder, run) in self.runs {
            let mut note = |what: &str, name: &str, value: String| {
                if recorded.len() < MAX_RECORDED {
                    recorded.insert(format!("{folder}: {what} {name}"), value);
                }
            };
            for setting in &run.settings.recorded {
                note("setting", &setting.name, envelope::told(&setting.value));
            }
            for setting in &run.environment {
                note("environment", &setting.name, envelope::told(&setting.value));
            }
            for claim in &run.datasets {
                let name = claim.recorded_name.as_deref().unwrap_or("data");
                if let Some(sha256) = claim.given_sha256 {
                    note("data set", name, sha256.to_string());
                }
            }
            for weights in &run.weights {
                let name = weights.paths.first().map_or("weights", String::as_str);
                note("weights", name, weights.sha256.to_string());
            }
        }
        recorded
    }

    fn file(&self, path: &PackPath, kind: Kind, produced_by: &str, assurance: Assurance) -> Option<Evidence> {
        let sealed = self.evidence.at(path).or_else(|| self.derived.at(path))?;
        let (path, produced_by) = (path.to_string(), produced_by.to_owned());
        Some(Evidence { path, sha256: sealed.sha256, kind, produced_by, assurance })
    }
}
