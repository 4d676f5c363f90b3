//! What follows from the evidence: verdicts, results, page one, and what the manifest says of them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::bytes::{self, Intact};
use super::source::{Kept, Read};
use super::timestamp::Seen;
use super::{Checker, Derived};
use crate::json;
use crate::pack::files::{Files, Sealed, Sink};
use crate::pack::law;
use crate::pack::layout::{Folder, Group, Place};
use crate::pack::manifest::{Artifact, Counts, PackId, Statement};
use crate::pack::path::PackPath;
use crate::pack::plan::{Conclusion, Demand, Evidence, FinalVerdict, Terms};
use crate::pack::result::{Check, How};
use crate::pack::{FINAL_VERDICT, MANIFEST, SUITE};
use crate::report::Outcome;
use crate::run;

/// Takes derived files whose digest is all that is asked of them.
pub(super) struct Unkept;

impl Sink for Unkept {
    type Error = Infallible;

    fn put(&self, _: &PackPath, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Checker<'_> {
    /// Derives from the evidence what follows from it, and compares.
    pub(super) fn derive(
        &mut self,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        intact: Intact,
    ) -> Option<Derived> {
        let Intact { read, evidence, demand } = intact;
        if let Some(path) = evidence.iter().find(|path| !read.contains_key(path)) {
            self.skip(format!(
                "{path} is not the evidence that was sealed, so no verdict was computed again"
            ));
            return None;
        }
        if demand.is_none() && expected.keys().any(|path| path.as_str() == SUITE) {
            self.skip("the suite cannot be read, so no verdict was computed again");
            return None;
        }
        // What the suite does not ask for is no evidence of it: such a file is unaccounted for.
        let asked = demand.as_ref().map(Demand::stems);
        let (mut kept, mut assessed) = (BTreeMap::new(), Evidence::default());
        for (path, read) in read {
            match read {
                Read::Assessed(assessment) => {
                    if asked.as_ref().is_none_or(|stems| stems.contains(assessment.stem())) {
                        assessed.add(*assessment);
                    }
                }
                Read::Kept(digest, bytes) => {
                    kept.insert(path, (digest, bytes));
                }
            }
        }
        let demanded = demand.clone();
        if let Some(demand) = demand {
            let mut files = Files::default();
            for place in [Place::Suite, Place::Selection, Place::Freeze, Place::FreezeToken] {
                let (path, role) = (place.path(), place.role());
                if let Some((sha256, bytes)) = kept.get(&path) {
                    files.note(path, Sealed { size_bytes: bytes.len() as u64, sha256: *sha256, role });
                }
            }
            assessed.demand(demand, files);
        }
        self.runs(&mut assessed, &kept);
        self.jobs_before(statement);
        self.steps(&mut assessed, expected, &kept);
        self.tensors(&mut assessed, expected);
        self.papers(&mut assessed, expected, &kept);
        let terms = Terms::of(statement);
        let Ok(conclusion) = assessed.conclude(&terms, statement.key_id(), self.key.as_ref(), &Unkept);
        self.derived = true;
        self.verdict = Some(conclusion.verdict.verdict);
        self.verdict_how = if self.steps_recorded { How::Recorded } else { How::Recomputed };
        self.counts = Some(conclusion.verdict.counts);
        self.challenge.clone_from(&conclusion.challenge);
        let Counts { receipts, failed, insufficient, .. } = conclusion.verdict.counts;
        if let (Some(_), Outcome::Pass, 1..) = (&demanded, conclusion.verdict.verdict, failed + insufficient)
        {
            self.skip(format!(
                "the verdict is about what the suite expects: of {receipts} inputs, {failed} failed and {insufficient} had less compared than a pass needs, as the suite has it; that the suite asks for enough"
            ));
        }
        let same_tool = self.made_by_this(statement);
        if !same_tool {
            self.skip(format!(
                "made by {} {} (judge {}): verdicts and results are compared by outcome, and the text of pages by its digest alone",
                statement.producer.name, statement.producer.version, statement.judge.version
            ));
        }
        let derived = Derived { conclusion, same_tool };
        if let Some(demand) = &demanded {
            self.freeze(demand, statement, &derived);
        }
        self.compare(&derived, expected, &kept);
        Some(derived)
    }

    /// Takes the evidence of runs as it is stored, and derives what they were.
    fn runs(&mut self, evidence: &mut Evidence, kept: &BTreeMap<PackPath, Kept>) {
        type Parts<'a> = BTreeMap<&'a PackPath, &'a Kept>;
        let mut folders: BTreeMap<Folder<'_>, Parts<'_>> = BTreeMap::new();
        for (path, file) in kept {
            if let Some(Place::RunEvidence(folder)) = Place::of(path) {
                folders.entry(folder).or_default().insert(path, file);
            }
        }
        for (folder, parts) in folders {
            let inside = |path: &'_ PackPath| path.as_str()[folder.as_str().len() + 1..].to_owned();
            let named: Vec<(String, &[u8])> =
                parts.iter().map(|(path, (_, bytes))| (inside(path), bytes.as_slice())).collect();
            let parsed = run::Evidence::parse(named.iter().map(|(path, bytes)| (path.as_str(), *bytes)));
            match parsed {
                Ok(left) => {
                    let role = Place::RunEvidence(folder).role();
                    let mut files = Files::default();
                    for (path, (sha256, bytes)) in parts {
                        let size_bytes = bytes.len() as u64;
                        files.note(path.clone(), Sealed { size_bytes, sha256: *sha256, role });
                    }
                    let times = left.given.job.as_ref().map(|job| [&job.started_at, &job.ended_at]);
                    if let Some([Ok(began), Ok(ended)]) = times.map(|times| times.map(|time| time.parse())) {
                        self.jobs.push(Seen { folder: folder.as_str().to_owned(), began, ended });
                    }
                    self.datasets.extend(left.datasets.iter().map(|dataset| dataset.sha256));
                    let Ok(()) = evidence.run(folder.as_str(), &left, files, &Unkept);
                    self.skip(format!(
                        "{}/artifacts.json: digests of files that are not in the pack are the maker's word",
                        folder.as_str()
                    ));
                }
                Err(error) => self.find(&law::RUN_EVIDENCE_UNSOUND, folder.as_str(), error.to_string()),
            }
        }
    }

    /// Whether this version made the pack, so that bytes and not outcomes are compared.
    pub(super) fn made_by_this(&self, statement: &Statement) -> bool {
        (&statement.producer.name, &statement.producer.version)
            == (&self.options.producer.name, &self.options.producer.version)
            && (&statement.judge.name, &statement.judge.version)
                == (&self.options.judge.name, &self.options.judge.version)
    }

    /// Holds every sealed file that is no evidence against the one that follows from the evidence.
    fn compare(
        &mut self,
        derived: &Derived,
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
    ) {
        let group_of = |path: &PackPath| Place::of(path).map_or(Group::Results, Place::group);
        let files = derived.conclusion.files();
        // Without a key there is nothing that signer.pub.pem could follow from; the seal says so already.
        let keyless = self.key.is_none() && self.signer.key_id.is_some();
        let keyless = |path: &PackPath| keyless && matches!(Place::of(path), Some(Place::Signer));
        let unaccounted = expected.keys().filter(|path| !files.contains_key(path) && !keyless(path));
        let mut of_groups: BTreeMap<Group, (Vec<_>, Vec<_>)> = BTreeMap::new();
        for (path, sealed) in &files {
            of_groups.entry(group_of(path)).or_default().0.push((*path, *sealed));
        }
        for path in unaccounted {
            of_groups.entry(group_of(path)).or_default().1.push(path);
        }
        for group in Group::ALL {
            let (derivable, unaccounted) = of_groups.remove(&group).unwrap_or_default();
            let before = self.findings.len();
            let (mut count, mut damaged, mut annex_differs) = (0, false, false);
            for (path, sealed) in derivable {
                if !expected.contains_key(path) {
                    let message = "follows from the evidence, and is not among the sealed files";
                    self.find(&law::FILE_NOT_SEALED, path.as_str(), message);
                } else if derived.conclusion.evidence.at(path).is_some() {
                    count += 1;
                } else if let Some((digest, bytes)) = kept.get(path) {
                    let equal = if derived.same_tool || matches!(Place::of(path), Some(Place::Signer)) {
                        *digest == sealed.sha256
                    } else {
                        match same_outcome(path, bytes, &derived.conclusion) {
                            Some(same) => same,
                            // Text of another version: nothing was compared.
                            None => continue,
                        }
                    };
                    count += 1;
                    if !equal && matches!(Place::of(path), Some(Place::Annex)) {
                        annex_differs = true;
                    } else if let (false, Some(place)) = (equal, Place::of(path)) {
                        let message = "not what the evidence gives when it is judged here";
                        self.find(place.law(), path.as_str(), message);
                    }
                } else {
                    damaged = true;
                }
            }
            if group == Group::Annex {
                count += self.annex(derived, expected, kept, annex_differs);
            }
            for path in unaccounted {
                let message = "sealed, but nothing says what it is";
                self.find(&law::FILE_UNACCOUNTED, path.as_str(), message);
            }
            // A group is not said to hold when a file of it was lost or changed, and so was not compared.
            let ok = !damaged && self.findings.len() == before;
            // A group without a file holds nothing that could hold.
            let compared = count > 0 || self.findings.len() > before;
            let how = match group {
                Group::Steps if self.steps_recorded => How::Recorded,
                Group::Receipts => How::Recomputed,
                _ if derived.same_tool => How::Recomputed,
                _ => How::Checked,
            };
            self.checks.push(Check {
                name: group.name(),
                how: if compared { how } else { How::NotChecked },
                ok: compared.then_some(ok),
                count,
            });
        }
    }

    fn manifest_fields(
        &mut self,
        derived: &Derived,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
    ) {
        let verdict = &derived.conclusion.verdict;
        if statement.verdict != verdict.verdict {
            let message = format!(
                "it states {}, the evidence gives {}",
                statement.verdict.name(),
                verdict.verdict.name()
            );
            self.find(&law::MANIFEST_VERDICT_MISMATCH, MANIFEST, message);
        } else if statement.counts != verdict.counts {
            let message = "its counts are not those of the evidence";
            self.find(&law::MANIFEST_VERDICT_MISMATCH, MANIFEST, message);
        }
        if statement.suite != derived.conclusion.suite {
            let message = "it names another suite than the one that lies in the pack";
            self.find(&law::MANIFEST_SUITE_MISMATCH, MANIFEST, message);
        }
        if statement.subject != derived.conclusion.subject {
            let message = "it names another run, or other artifacts, than the evidence";
            self.find(&law::MANIFEST_SUBJECT_MISMATCH, MANIFEST, message);
        }
        if statement.parent_manifest_sha256 != derived.conclusion.parent_manifest_sha256 {
            let message = "it names another pack before it than the answer to Annex IV";
            self.find(&law::MANIFEST_PARENT_MISMATCH, MANIFEST, message);
        }
        if derived.same_tool && statement.annex != derived.conclusion.annex_facts {
            let message =
                "it names another catalogue, or other templates, than the answer to Annex IV follows by";
            self.find(&law::MANIFEST_ANNEX_MISMATCH, MANIFEST, message);
        }
        if derived.same_tool && statement.judge != self.options.judge {
            let message = format!("judge {} has other rules or another policy", statement.judge.version);
            self.find(&law::MANIFEST_JUDGE_MISMATCH, MANIFEST, message);
        }
        for (path, sealed) in derived.conclusion.files() {
            let described = sealed.artifact(path);
            let stated = expected.get(path).map(|artifact| (artifact.role, artifact.media_type.as_str()));
            if stated.is_some_and(|stated| stated != (described.role, &described.media_type)) {
                let message = "another role or media type than that of its place";
                self.find(&law::MANIFEST_ARTIFACT_MISDESCRIBED, path.as_str(), message);
            }
        }
    }

    /// What the manifest says of the pack against what its files and its evidence give.
    pub(super) fn identity(
        &mut self,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        derived: Option<&Derived>,
    ) {
        let before = self.findings.len();
        let id = if let Some(derived) = derived {
            self.manifest_fields(derived, statement, expected);
            derived.conclusion.pack_id.clone()
        } else {
            let evidence = bytes::evidence(expected);
            let files = evidence.iter().map(|path| (path, &expected[path].sha256));
            PackId::of(&statement.created_at, statement.key_id(), files)
        };
        if id != statement.pack_id {
            let message = format!("it states {}, its evidence gives {id}", statement.pack_id);
            self.find(&law::PACK_ID_MISMATCH, MANIFEST, message);
        }
        let how = if derived.is_some() { How::Recomputed } else { How::Checked };
        self.done("identity", how, 1, before);
    }
}

/// Whether a file by another version says the same as what this version derives: documents by their outcome. None for text,
/// and for the answer to Annex IV, which are not compared so.
fn same_outcome(path: &PackPath, bytes: &[u8], conclusion: &Conclusion) -> Option<bool> {
    let Conclusion { verdict, steps, .. } = conclusion;
    let stored = json::parse(bytes).ok();
    Some(match (Place::of(path), stored) {
        (Some(Place::Verdict(stem)), Some(stored)) => {
            let derived = verdict.inputs.iter().find(|input| input.stem.as_str() == stem);
            let derived = derived.map(|input| input.outcome.name());
            let stated = stored.get("outcome").or_else(|| stored.get("verdict"));
            stated.and_then(|stated| stated.as_str()).is_some_and(|stated| Some(stated) == derived)
        }
        (Some(Place::StepVerdict(stem)), Some(stored)) => {
            let derived = steps.iter().find(|(step, _)| step.as_str() == stem).map(|(_, verdict)| *verdict);
            let stated = stored.get("verdict").cloned();
            stated.and_then(|stated| serde_json::from_value(stated).ok()) == derived
        }
        (Some(place @ (Place::TensorCheck | Place::TensorDiff)), Some(stored)) => {
            let [check, diff] = conclusion.tensors.unwrap_or_default();
            let derived = if place == Place::TensorCheck { check } else { diff };
            stored.get("verdict").and_then(|verdict| verdict.as_str()) == derived
        }
        (Some(Place::Verdict(_) | Place::StepVerdict(_) | Place::TensorCheck | Place::TensorDiff), None) => {
            false
        }
        (_, stored) if path.as_str() == FINAL_VERDICT => stored
            .and_then(|stored| serde_json::from_value::<FinalVerdict>(stored).ok())
            .is_some_and(|stored| stored == *verdict),
        _ => return None,
    })
}
