//! What follows from the evidence: verdicts, results, page one, and what the manifest says of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Derived, Intact};
use crate::digest::Digest;
use crate::json;
use crate::pack::law::{self, Law};
use crate::pack::manifest::{Artifact, PackId, Statement};
use crate::pack::path::PackPath;
use crate::pack::plan::{Evidence, FinalVerdict, InputKind, Plan, Terms};
use crate::pack::result::{Check, How};
use crate::pack::{FINAL_VERDICT, MANIFEST, README, SIGNER};

impl Checker<'_> {
    /// Judges the evidence again and compares everything that follows from it.
    pub(super) fn derive(
        &mut self,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        mut intact: Intact,
    ) -> Option<Derived> {
        let damaged =
            expected.keys().find(|path| evidence_of(path).is_some() && !intact.digests.contains_key(*path));
        if let Some(path) = damaged {
            self.skip(format!(
                "{path} is not the evidence that was sealed, so no verdict was computed again"
            ));
            return None;
        }
        let mut evidence = Evidence::default();
        let imported: BTreeSet<String> =
            expected.keys().filter_map(|path| path.stem("sidecars", "jsonl")).map(str::to_owned).collect();
        for path in expected.keys() {
            let Some((kind, stem)) = evidence_of(path) else { continue };
            if kind == InputKind::Sidecar || !imported.contains(stem) {
                let bytes = intact.kept.remove(path).unwrap_or_default();
                if !evidence.store(stem, kind, bytes) {
                    self.skip(format!("{path} has a name that no input gets, so it was not judged again"));
                }
            }
        }
        let mut plan = Plan::of(evidence, &statement.created_at, self.key.as_ref());
        self.derived = true;
        self.verdict = Some(plan.verdict().verdict);
        self.verdict_how = How::Recomputed;
        let same_tool = (&statement.producer.name, &statement.producer.version)
            == (&self.options.producer.name, &self.options.producer.version)
            && (&statement.judge.name, &statement.judge.version)
                == (&self.options.judge.name, &self.options.judge.version);
        if same_tool {
            plan.add_readme(&Terms::of(statement), &statement.pack_id, statement.key_id());
        } else {
            self.skip(format!(
                "made by {} {} (judge {}): verdicts and results are compared by outcome, and the text of README.md by its digest alone",
                statement.producer.name, statement.producer.version, statement.judge.version
            ));
        }
        self.compare(&plan, expected, &intact, same_tool);
        Some(Derived { plan, same_tool })
    }

    pub(super) fn compare(
        &mut self,
        plan: &Plan,
        expected: &BTreeMap<PackPath, Artifact>,
        intact: &Intact,
        same_tool: bool,
    ) {
        let how = if same_tool { How::Recomputed } else { How::Checked };
        for (group, how) in
            [("receipts", How::Recomputed), ("verdicts", how), ("results", how), ("readme", how)]
        {
            let before = self.findings.len();
            let unread = |path: &str| !intact.digests.contains_key(&PackPath::known(path));
            // Page one by another version is in no plan.
            let (mut count, mut damaged) = (0, group == "readme" && !same_tool && unread(README));
            let in_group = |path: &&PackPath| derivation(path).0 == group;
            for path in plan.files().keys().filter(in_group) {
                if !expected.contains_key(path) {
                    let message = "follows from the evidence, and is not among the sealed files";
                    self.find(&law::FILE_NOT_SEALED, path.as_str(), message);
                } else if let Some(digest) = intact.digests.get(path) {
                    count += 1;
                    self.compare_file(plan, path, digest, intact, how);
                } else {
                    damaged = true;
                }
            }
            let known = |path: &&PackPath| {
                plan.files().contains_key(*path) || (path.as_str() == README && !same_tool)
            };
            // Without a key there is nothing that signer.pub.pem could follow from; the seal says so already.
            let keyless = |path: &&PackPath| {
                path.as_str() == SIGNER && self.key.is_none() && self.signer.key_id.is_some()
            };
            let unaccounted: Vec<_> =
                expected.keys().filter(in_group).filter(|path| !known(path) && !keyless(path)).collect();
            for path in unaccounted {
                let message = "sealed, but nothing says what it is";
                self.find(&law::FILE_UNACCOUNTED, path.as_str(), message);
            }
            // A group is not said to hold when a file of it was lost or changed, and so was not compared.
            let ok = !damaged && self.findings.len() == before;
            let compared = count > 0 || !damaged;
            self.checks.push(Check {
                name: group,
                how: if compared { how } else { How::NotChecked },
                ok: compared.then_some(ok),
                count,
            });
        }
    }

    pub(super) fn compare_file(
        &mut self,
        plan: &Plan,
        path: &PackPath,
        digest: &Digest,
        intact: &Intact,
        how: How,
    ) {
        let planned = &plan.files()[path].bytes;
        let (_, law) = derivation(path);
        let equal = if how == How::Recomputed || path.as_str() == SIGNER {
            *digest == Digest::of(planned)
        } else {
            let stored = intact.kept.get(path).and_then(|bytes| json::parse(bytes).ok());
            match (stored, path.stem("verify", "json")) {
                (Some(stored), None) => {
                    path.as_str() != FINAL_VERDICT
                        || serde_json::from_value::<FinalVerdict>(stored)
                            .is_ok_and(|stored| stored == *plan.verdict())
                }
                (Some(stored), Some(stem)) => {
                    let derived = plan.verdict().inputs.iter().find(|input| input.stem == stem);
                    let derived = derived.map(|input| input.outcome.name());
                    let stated = stored.get("outcome").or_else(|| stored.get("verdict"));
                    stated.and_then(|stated| stated.as_str()).is_none_or(|stated| Some(stated) == derived)
                }
                // Text is compared with nothing but its digest.
                (None, stem) => stem.is_none() && path.as_str() != FINAL_VERDICT,
            }
        };
        if !equal {
            self.find(law, path.as_str(), "not what the evidence gives when it is judged here");
        }
    }

    pub(super) fn manifest_fields(
        &mut self,
        Derived { plan, same_tool }: &Derived,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
    ) {
        let derived = plan.verdict();
        if statement.verdict != derived.verdict {
            let message = format!(
                "it states {}, the evidence gives {}",
                statement.verdict.name(),
                derived.verdict.name()
            );
            self.find(&law::MANIFEST_VERDICT_MISMATCH, MANIFEST, message);
        } else if statement.counts != derived.counts {
            let message = "its counts are not those of the evidence";
            self.find(&law::MANIFEST_VERDICT_MISMATCH, MANIFEST, message);
        }
        if *same_tool && statement.judge != self.options.judge {
            let message = format!("judge {} has other rules or another policy", statement.judge.version);
            self.find(&law::MANIFEST_JUDGE_MISMATCH, MANIFEST, message);
        }
        for (path, file) in plan.files() {
            let described = file.artifact(path);
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
        if let Some(derived) = derived {
            self.manifest_fields(derived, statement, expected);
        }
        let files = statement.artifacts.iter().map(|artifact| (&artifact.path, &artifact.sha256));
        let id = PackId::of(&statement.created_at, statement.key_id(), files);
        if id != statement.pack_id {
            let message = format!("it states {}, its files give {id}", statement.pack_id);
            self.find(&law::PACK_ID_MISMATCH, MANIFEST, message);
        }
        let how = if derived.is_some() { How::Recomputed } else { How::Checked };
        self.done("identity", how, 1, before);
    }
}

/// What kind of evidence lies at a path, and its stem.
pub(super) fn evidence_of(path: &PackPath) -> Option<(InputKind, &str)> {
    let receipt = path.stem("receipts", "jsonl").map(|stem| (InputKind::Receipt, stem));
    receipt.or_else(|| path.stem("sidecars", "jsonl").map(|stem| (InputKind::Sidecar, stem)))
}

/// The group that a sealed file belongs to, and the law that it follows from the evidence.
fn derivation(path: &PackPath) -> (&'static str, &'static Law) {
    match path.as_str() {
        README => ("readme", &law::README_NOT_REDERIVED),
        SIGNER => ("results", &law::SIGNER_FILE_MISMATCH),
        path if path.starts_with("receipts/") || path.starts_with("sidecars/") => {
            ("receipts", &law::RECEIPT_NOT_REDERIVED)
        }
        path if path.starts_with("verify/") => ("verdicts", &law::VERDICT_NOT_REDERIVED),
        _ => ("results", &law::RESULT_NOT_REDERIVED),
    }
}
