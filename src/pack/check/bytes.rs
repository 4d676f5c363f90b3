//! The bytes: ledger, the set of files, their digests.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::source::{Read, Task, Wanted};
use crate::digest::Digest;
use crate::pack::law;
use crate::pack::layout::{Added, Place};
use crate::pack::ledger::{Defect, Ledger, MAX_PROBLEMS};
use crate::pack::manifest::{Artifact, Statement, Unsealed};
use crate::pack::path::PackPath;
use crate::pack::plan::{Demand, InputKind, Judging, Stem};
use crate::pack::result::How;
use crate::pack::suite::{Selection, Suite};
use crate::pack::walk::Walk;
use crate::pack::{FREEZE, FREEZE_TOKEN, Freeze, LEDGER, MANIFEST, SEAL, SELECTION, SUITE};

impl Checker<'_> {
    /// Reads the ledger and puts its grammar to it. Answers it when it is the one that the manifest binds.
    pub(super) fn ledger(&mut self, walk: &Walk, statement: Option<&Statement>) -> Option<Ledger> {
        let before = self.findings.len();
        if walk.on_the_way {
            return None;
        }
        let Some(entry) = walk.entries.get(&PackPath::known(LEDGER)).copied() else {
            self.find(&law::LEDGER_MISSING, LEDGER, "there is none");
            self.done("ledger", How::Checked, 0, before);
            return None;
        };
        let bytes = self.root(entry, LEDGER, self.options.limits.index_bytes)?;
        let digest = Digest::of(&bytes);
        let stated = statement.map(|statement| statement.checksums_sha256_digest);
        if let Some(stated) = stated.filter(|stated| *stated != digest) {
            let message = format!("its digest is {digest}, the manifest states {stated}");
            self.find(&law::LEDGER_DIGEST_MISMATCH, LEDGER, message);
        }
        let (ledger, problems) = Ledger::parse(&bytes);
        if problems.len() >= MAX_PROBLEMS {
            self.skip(format!(
                "of the lines of the ledger that break its grammar, {MAX_PROBLEMS} are listed"
            ));
        }
        for problem in problems {
            let (law, reason) = match problem.defect {
                Defect::Malformed => (&law::LEDGER_LINE_MALFORMED, "malformed".to_owned()),
                Defect::UnsafePath(reason) => (&law::LEDGER_PATH_UNSAFE, reason.to_string()),
                Defect::Twice => (&law::LEDGER_PATH_TWICE, "listed before".to_owned()),
                Defect::Unsorted => (&law::LEDGER_UNSORTED, "belongs further up".to_owned()),
                Defect::CaseTwin => {
                    (&law::LEDGER_CASE_TWIN, "equal to an earlier path but for case".to_owned())
                }
                Defect::NoFinalNewline => (&law::LEDGER_NO_FINAL_NEWLINE, "the line does not end".to_owned()),
            };
            self.find(law, LEDGER, format!("line {}: {reason}: {}", problem.line, problem.text));
        }
        self.done("ledger", How::Checked, ledger.iter().count() as u64, before);
        (stated == Some(digest)).then_some(ledger)
    }

    /// Holds disk, manifest and ledger against each other. Answers what the manifest lists.
    pub(super) fn files(
        &mut self,
        walk: &Walk,
        statement: &Statement,
        ledger: Option<&Ledger>,
    ) -> BTreeMap<PackPath, Artifact> {
        let before = self.findings.len();
        let root_files = root_files();
        let expected = expected(statement);
        if let Some(ledger) = ledger {
            self.ledger_equals_artifacts(ledger, &expected);
        }
        for path in walk.entries.keys() {
            let sealed =
                expected.contains_key(path) || ledger.is_some_and(|ledger| ledger.digest(path).is_some());
            // What is no regular file has its finding from the structure.
            let added = Added::of(path).is_some();
            if !sealed && !added && !root_files.contains(path) && walk.entries[path].regular {
                self.find(&law::FILE_UNEXPECTED, path.as_str(), "not among the sealed files; not read");
            }
        }
        for (path, artifact) in &expected {
            match walk.entries.get(path) {
                None => self.find(&law::FILE_MISSING, path.as_str(), "sealed, and not there"),
                Some(entry) if entry.regular && entry.size_bytes != artifact.size_bytes => {
                    let (seen, stated) = (entry.size_bytes, artifact.size_bytes);
                    let message = format!("{seen} bytes long, {stated} were sealed; not read");
                    self.find(&law::FILE_SIZE_MISMATCH, path.as_str(), message);
                }
                Some(_) => {}
            }
        }
        self.done("files", How::Checked, expected.len() as u64, before);
        expected
    }

    pub(super) fn ledger_equals_artifacts(
        &mut self,
        ledger: &Ledger,
        expected: &BTreeMap<PackPath, Artifact>,
    ) {
        for (path, digest) in ledger.iter() {
            let message = match expected.get(path) {
                Some(artifact) if artifact.sha256 == *digest => continue,
                Some(_) => "the manifest states another digest",
                None => "in the ledger, not in the manifest",
            };
            self.find(&law::LEDGER_ARTIFACTS_DIFFER, path.as_str(), message);
        }
        for path in expected.keys().filter(|path| ledger.digest(path).is_none()) {
            let message = "in the manifest, not in the ledger";
            self.find(&law::LEDGER_ARTIFACTS_DIFFER, path.as_str(), message);
        }
    }

    /// Reads every sealed file once, on all cores. Evidence is judged from the same bytes that were hashed.
    pub(super) fn digests(
        &mut self,
        walk: &Walk,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
    ) -> Intact {
        let before = self.findings.len();
        let mut task = self.task(statement, expected);
        let mut readable = self.readable(walk, expected, &task);
        let mut intact = Intact::default();
        // How often inputs are judged stands in the selection, so the suite is read first.
        let demand: Vec<_> = readable.extract_if(.., |(path, _)| is_demand(path)).collect();
        self.take(&mut intact, &demand, &task);
        intact.demand = self.demand(expected, &intact);
        task.judging.repeats = intact.demand.as_ref().map_or(1, |demand| demand.selection.repeats());
        self.take(&mut intact, &readable, &task);
        intact.evidence = evidence(expected);
        self.done("digests", How::Checked, intact.read.len() as u64, before);
        intact
    }

    /// What is done with the bytes of each file, as far as the manifest says.
    fn task(&self, statement: &Statement, expected: &BTreeMap<PackPath, Artifact>) -> Task {
        let judging = Judging { created_at: statement.created_at, repeats: 1 };
        Task {
            inputs: inputs(expected),
            judges_steps: true,
            judging,
            same_tool: self.made_by_this(statement),
        }
    }

    /// What is wanted of files that stream by.
    pub(super) fn wanted(&self, unsealed: &Unsealed) -> Wanted {
        let statement = unsealed.claim();
        let expected = expected(statement);
        let key_comes_later =
            self.named() && statement.key_id().is_some_and(|id| self.recipient_key(id).is_none());
        let mut task = self.task(statement, &expected);
        let mut waits = key_comes_later || expected.keys().any(is_demand);
        if self.options.only.is_some() {
            // Of a part it is the digests that count.
            (task.inputs, task.judges_steps) = (BTreeMap::new(), false);
            (task.same_tool, waits) = (true, false);
        }
        Wanted { expected, task, waits }
    }

    fn take(&mut self, intact: &mut Intact, files: &[(&PackPath, &Artifact)], task: &Task) {
        let outcomes = self.source.sealed(files, task);
        for ((path, _), outcome) in files.iter().zip(outcomes) {
            match outcome {
                Ok(read) => {
                    intact.read.insert((*path).clone(), read);
                }
                Err((law, message)) => self.find(law, path.as_str(), message),
            }
        }
    }

    /// The suite that the inputs answer to, where the pack has one.
    fn demand(&mut self, expected: &BTreeMap<PackPath, Artifact>, intact: &Intact) -> Option<Demand> {
        let [suite, selection] = [SUITE, SELECTION].map(PackPath::known);
        if !expected.contains_key(&suite) && !expected.contains_key(&selection) {
            return None;
        }
        let bytes = |path: &PackPath| match intact.read.get(path) {
            Some(Read::Kept(_, bytes)) => Some(bytes.as_slice()),
            _ => None,
        };
        let missing = [&suite, &selection].into_iter().find(|path| !expected.contains_key(*path));
        if let Some(path) = missing {
            self.find(
                &law::SUITE_UNSOUND,
                path.as_str(),
                "a suite and what of it was judged belong together",
            );
        }
        let frozen = PackPath::known(FREEZE);
        let freeze = if expected.contains_key(&frozen) {
            let parsed = Freeze::parse(bytes(&frozen)?);
            let freeze =
                parsed.map_err(|error| self.find(&law::FREEZE_UNSOUND, FREEZE, error.to_string())).ok()?;
            let token =
                bytes(&PackPath::known(FREEZE_TOKEN)).and_then(|bytes| self.token(FREEZE_TOKEN, bytes));
            Some(freeze.stamped(token))
        } else {
            None
        };
        let parsed = Suite::parse(bytes(&suite)?);
        let demand = parsed.and_then(|suite| {
            let selection = Selection::parse(bytes(&selection).unwrap_or_default(), &suite)?;
            Ok(Demand { suite, selection, freeze })
        });
        demand
            .map_err(|error| {
                if missing.is_none() && bytes(&selection).is_some() {
                    self.find(&law::SUITE_UNSOUND, suite.as_str(), error.to_string());
                }
            })
            .ok()
    }

    /// The sealed files that are there at their sealed length, within the limits.
    pub(super) fn readable<'a>(
        &mut self,
        walk: &Walk,
        expected: &'a BTreeMap<PackPath, Artifact>,
        task: &Task,
    ) -> Vec<(&'a PackPath, &'a Artifact)> {
        let limits = self.options.limits.clone();
        let mut readable = Vec::new();
        let mut total_bytes = 0_u64;
        for (path, artifact) in expected {
            let Some(entry) = walk.entries.get(path) else { continue };
            if !entry.regular || entry.size_bytes != artifact.size_bytes {
                continue;
            }
            let limit = limits.of(task.keeps(path));
            if entry.size_bytes > limit {
                let flag = if limit == limits.file_bytes { " (--max-file-bytes)" } else { "" };
                let size_bytes = entry.size_bytes;
                let message = format!("{size_bytes} bytes long, over the limit of {limit}{flag}; not read");
                self.find(&law::LIMIT_EXCEEDED, path.as_str(), message);
                continue;
            }
            total_bytes = total_bytes.saturating_add(entry.size_bytes);
            if total_bytes > limits.total_bytes {
                let message = format!(
                    "over {} bytes in all (--max-total-bytes); from here on nothing is read",
                    limits.total_bytes
                );
                self.find(&law::LIMIT_EXCEEDED, path.as_str(), message);
                break;
            }
            readable.push((path, artifact));
        }
        readable
    }
}

/// Sealed files whose bytes are the sealed ones.
#[derive(Default)]
pub(super) struct Intact {
    pub(super) read: BTreeMap<PackPath, Read>,
    /// Every path of the evidence, read or not.
    pub(super) evidence: BTreeSet<PackPath>,
    /// The suite that the inputs answer to.
    pub(super) demand: Option<Demand>,
}

fn root_files() -> BTreeSet<PackPath> {
    [MANIFEST, SEAL, LEDGER].map(PackPath::known).into()
}

/// The sealed files that the manifest lists.
fn expected(statement: &Statement) -> BTreeMap<PackPath, Artifact> {
    let root_files = root_files();
    let listed = statement.artifacts.iter().filter(|artifact| !root_files.contains(&artifact.path));
    listed.map(|artifact| (artifact.path.clone(), artifact.clone())).collect()
}

fn is_demand(path: &PackPath) -> bool {
    matches!(Place::of(path), Some(Place::Suite | Place::Selection | Place::Freeze | Place::FreezeToken))
}

/// Whether a path is evidence by its place alone.
fn is_evidence(path: &PackPath) -> bool {
    matches!(
        Place::of(path),
        Some(
            Place::Suite
                | Place::Selection
                | Place::Freeze
                | Place::FreezeToken
                | Place::RunEvidence(_)
                | Place::Provider(_)
                | Place::Attachment(_)
                | Place::Parent
                | Place::Template(_)
                | Place::StepRecord(_)
                | Place::StepPayload(_)
                | Place::StepCommits
                | Place::StepChallenge
                | Place::Captured(..)
        )
    )
}

/// Every path of the evidence among the sealed files.
pub(super) fn evidence(expected: &BTreeMap<PackPath, Artifact>) -> BTreeSet<PackPath> {
    inputs(expected).into_keys().chain(expected.keys().filter(|path| is_evidence(path)).cloned()).collect()
}

/// The inputs among the sealed files: receipts that were not imported, and sidecars.
fn inputs(expected: &BTreeMap<PackPath, Artifact>) -> BTreeMap<PackPath, (InputKind, Stem)> {
    let sidecar = |path| match Place::of(path) {
        Some(Place::Sidecar(stem)) => Some(stem),
        _ => None,
    };
    let imported: BTreeSet<&str> = expected.keys().filter_map(sidecar).collect();
    let input = |path: &PackPath| {
        let (kind, stem) = match Place::of(path)? {
            Place::Receipt(stem) if !imported.contains(stem) => (InputKind::Receipt, stem),
            Place::Sidecar(stem) => (InputKind::Sidecar, stem),
            _ => return None,
        };
        // Under a name that no input gets there is no input: the file is unaccounted for.
        Some((path.clone(), (kind, stem.parse().ok()?)))
    };
    expected.keys().filter_map(input).collect()
}
