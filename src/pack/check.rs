//! The checker: every law of a pack, put to a directory in order, and all findings collected.
//!
//! ```text
//! structure -> manifest -> seal, signer -> ledger -> disk = manifest = ledger -> digests
//!           -> judge the evidence again -> verdicts, results, README, manifest fields as they follow from it
//! ```
//! A file is read once: it is hashed, judged and compared from the same bytes. With a signer that the recipient named,
//! nothing beyond manifest, seal and ledger is read until the seal holds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::law::{self, Law};
use super::ledger::{Defect, Ledger, MAX_PROBLEMS};
use super::manifest::{Artifact, Judge, Manifest, ManifestError, PackId, Producer, Statement, Unsealed};
use super::path::PackPath;
use super::plan::{Evidence, FinalVerdict, InputKind, Plan, Terms};
use super::result::{
    Check, FORMAT, Finding, How, JudgeFacts, PackFacts, SignerFacts, SignerStatus, VerifyResult,
};
use super::walk::{self, Entry, Walk, shown};
use super::{FINAL_VERDICT, LEDGER, MANIFEST, README, SEAL, SIGNER};
use crate::digest::Digest;
use crate::json;
use crate::report::Outcome;
use crate::trust::{KeyId, SEAL_BYTES, SealError, TrustPolicy, VerifyingKey};

/// A public key file is no longer than this.
const MAX_SIGNER_BYTES: u64 = 4096;

/// How much of a pack is looked at. What lies beyond is not checked, and said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Names in the pack, directories included.
    pub files: u64,
    /// The length of one file.
    pub file_bytes: u64,
    /// The length of all files together.
    pub total_bytes: u64,
    /// The length of the manifest, and of the ledger.
    pub index_bytes: u64,
    /// Directories within each other.
    pub depth: usize,
    /// The length of one path.
    pub path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 200_000,
            file_bytes: 1 << 30,
            total_bytes: 8 << 30,
            index_bytes: 32 << 20,
            depth: 16,
            path_bytes: 1024,
        }
    }
}

/// A signer that the recipient names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// By the key itself.
    Key(VerifyingKey),
    /// By its id: the key may then come from the pack, if it has this id.
    Id(KeyId),
}

impl Pin {
    fn id(&self) -> KeyId {
        match self {
            Self::Key(key) => key.id(),
            Self::Id(id) => *id,
        }
    }
}

/// What the recipient demands and brings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether a seal by a named signer and a PASS are demanded, and warnings are findings.
    pub strict: bool,
    /// Whether, in strict verification, a pack that did not pass may be checked as evidence.
    pub allow_fail_verdict: bool,
    /// The signers that the recipient named for this check.
    pub pins: Vec<Pin>,
    /// The recipient's trust list.
    pub policy: TrustPolicy,
    /// How much is looked at.
    pub limits: Limits,
    /// The program that checks, as it would sign itself as producer.
    pub producer: Producer,
    /// The judge that checks.
    pub judge: Judge,
}

/// A pack that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct OpenError {
    /// The directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The groups of laws, in the order of the checks.
const CHECKS: [&str; 12] = [
    "structure",
    "manifest",
    "seal",
    "signer",
    "ledger",
    "files",
    "digests",
    "receipts",
    "verdicts",
    "results",
    "readme",
    "identity",
];

/// Checks the pack in a directory.
///
/// # Errors
/// [`OpenError`] when there is no such directory, or it cannot be opened.
pub fn directory(path: &Path, options: &Options) -> Result<VerifyResult, OpenError> {
    let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority())
        .map_err(|source| OpenError { path: path.to_owned(), source })?;
    let signer = SignerFacts { key_id: None, status: SignerStatus::Unverified, name: None };
    let mut checker = Checker {
        dir,
        options,
        pack: None,
        signer,
        key: None,
        verdict: None,
        verdict_how: How::NotChecked,
        derived: false,
        checks: Vec::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
        not_checked: Vec::new(),
    };
    checker.run();
    Ok(checker.result())
}

/// What the manifest is worth: once the seal holds, a manifest; else a claim.
enum Standing {
    Sealed(Box<Manifest>),
    Claimed(Box<Unsealed>),
}

impl Standing {
    fn statement(&self) -> &Statement {
        match self {
            Self::Sealed(manifest) => manifest,
            Self::Claimed(unsealed) => unsealed.claim(),
        }
    }
}

/// Sealed files whose bytes are the sealed ones.
#[derive(Default)]
struct Intact {
    digests: BTreeMap<PackPath, Digest>,
    kept: BTreeMap<PackPath, Vec<u8>>,
}

/// What follows from the evidence.
struct Derived {
    plan: Plan,
    /// Whether the pack was made by this version, so that bytes and not outcomes are compared.
    same_tool: bool,
}

struct Checker<'a> {
    dir: Dir,
    options: &'a Options,
    pack: Option<PackFacts>,
    signer: SignerFacts,
    /// The public key of the signer, where it is at hand.
    key: Option<VerifyingKey>,
    verdict: Option<Outcome>,
    verdict_how: How,
    /// Whether the evidence was judged again.
    derived: bool,
    checks: Vec<Check>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
    not_checked: Vec<String>,
}

impl Checker<'_> {
    fn run(&mut self) {
        let limits = &self.options.limits;
        let mut walk = Walk::of(&self.dir, limits);
        for (law, path, message) in std::mem::take(&mut walk.seen) {
            self.findings.push(Finding { law, path, message });
        }
        self.done("structure", How::Checked, walk.count, 0);
        if !walk.whole {
            self.skip("the pack was not looked at as a whole, so nothing in it was checked");
            return;
        }
        let Some(unsealed) = self.manifest(&walk) else {
            self.ledger(&walk, None);
            self.skip("without a manifest that can be read, files and verdicts are held against nothing");
            return;
        };
        let Some(standing) = self.seal(&walk, unsealed) else {
            self.ledger(&walk, None);
            self.skip("the seal does not hold for a signer that you named, so nothing beyond manifest, seal and ledger was read");
            return;
        };
        let statement = standing.statement();
        self.verdict = Some(statement.verdict);
        self.verdict_how = How::Recorded;
        let ledger = self.ledger(&walk, Some(statement));
        let expected = self.files(&walk, statement, ledger.as_ref());
        let intact = self.digests(&walk, &expected);
        let derived = self.derive(statement, &expected, intact);
        self.identity(statement, &expected, derived.as_ref());
        if self.verdict != Some(Outcome::Pass) && self.options.strict && !self.options.allow_fail_verdict {
            let verdict = self.verdict.map_or("none", Outcome::name);
            self.find(&law::VERDICT_NOT_PASS, ".", format!("the verdict is {verdict}"));
        }
    }

    fn result(mut self) -> VerifyResult {
        if self.options.strict {
            self.findings.append(&mut self.warnings);
        }
        let done = |name: &'static str| {
            let found = self.checks.iter().find(|check| check.name == name).cloned();
            found.unwrap_or(Check { name, how: How::NotChecked, ok: None, count: 0 })
        };
        let ok = self.findings.is_empty();
        VerifyResult {
            format: FORMAT,
            ok,
            strict: self.options.strict,
            proof_grade: ok
                && self.options.strict
                && self.derived
                && self.signer.status == SignerStatus::Pinned
                && self.verdict == Some(Outcome::Pass),
            checks: CHECKS.into_iter().map(done).collect(),
            pack: self.pack,
            signer: self.signer,
            verdict: self.verdict,
            verdict_how: self.verdict_how,
            findings: self.findings,
            warnings: self.warnings,
            not_checked: self.not_checked,
        }
    }

    fn find(&mut self, law: &'static Law, path: &str, message: impl AsRef<str>) {
        self.findings.push(Finding { law, path: shown(path), message: shown(message.as_ref()) });
    }

    fn warn(&mut self, law: &'static Law, path: &str, message: impl AsRef<str>) {
        self.warnings.push(Finding { law, path: shown(path), message: shown(message.as_ref()) });
    }

    fn skip(&mut self, sentence: impl Into<String>) {
        self.not_checked.push(sentence.into());
    }

    /// Records a group of laws; `before` is the number of findings when it began.
    fn done(&mut self, name: &'static str, how: How, count: u64, before: usize) {
        self.checks.push(Check { name, how, ok: Some(self.findings.len() == before), count });
    }

    /// The bytes of a root file that is read before anything is trusted. None when there is a finding instead.
    fn root(&mut self, entry: Entry, name: &str, limit: u64) -> Option<Vec<u8>> {
        if !entry.regular {
            return None;
        }
        if entry.size_bytes > limit {
            let message = format!("{} bytes long, over the limit of {limit}; not read", entry.size_bytes);
            self.find(&law::LIMIT_EXCEEDED, name, message);
            return None;
        }
        match walk::read(&self.dir, &PackPath::known(name), entry.size_bytes, true) {
            Ok((_, bytes)) => Some(bytes),
            Err((law, message)) => {
                self.find(law, name, message);
                None
            }
        }
    }

    fn manifest(&mut self, walk: &Walk) -> Option<Unsealed> {
        let before = self.findings.len();
        let Some(entry) = walk.entries.get(&PackPath::known(MANIFEST)).copied() else {
            self.find(&law::MANIFEST_MISSING, MANIFEST, "there is none");
            self.done("manifest", How::Checked, 0, before);
            return None;
        };
        let bytes = self.root(entry, MANIFEST, self.options.limits.index_bytes)?;
        let unsealed = match Unsealed::parse(bytes) {
            Ok(unsealed) => unsealed,
            Err(error) => {
                let law = match error {
                    ManifestError::Json(_) => &law::MANIFEST_NOT_STRICT_JSON,
                    ManifestError::Format(_) => &law::MANIFEST_FORMAT,
                    ManifestError::Shape(_) => &law::MANIFEST_SHAPE,
                };
                self.find(law, MANIFEST, error.to_string());
                self.done("manifest", How::Checked, 1, before);
                return None;
            }
        };
        if !unsealed.is_canonical() {
            let message = "the bytes are not the canonical form of what they say";
            self.find(&law::MANIFEST_NOT_CANONICAL, MANIFEST, message);
        }
        let claim = unsealed.claim();
        self.pack = Some(PackFacts {
            id: claim.pack_id.clone(),
            manifest_sha256: unsealed.digest(),
            created_at: claim.created_at,
            created_at_source: claim.created_at_source,
            producer: claim.producer.clone(),
            judge: JudgeFacts { name: claim.judge.name.clone(), version: claim.judge.version.clone() },
            subject: claim.subject.clone(),
            parent_manifest_sha256: claim.parent_manifest_sha256,
        });
        if let Some(path) = unsound_artifact(&claim.artifacts) {
            let message =
                format!("{path} is listed twice, out of order, as a twin by case, or cannot be sealed");
            self.find(&law::MANIFEST_ARTIFACTS_UNSOUND, MANIFEST, message);
        }
        self.done("manifest", How::Checked, 1, before);
        Some(unsealed)
    }

    /// Opens the seal. None when the recipient named a signer and the seal does not hold for one: then nothing more is read.
    fn seal(&mut self, walk: &Walk, unsealed: Unsealed) -> Option<Standing> {
        let before = self.findings.len();
        let named = !self.options.pins.is_empty()
            || (self.options.strict && !self.options.policy.signers().is_empty());
        let standing = self.open(walk, unsealed, named);
        let sealed = matches!(standing, Standing::Sealed(_));
        let how = if self.signer.status == SignerStatus::Unsigned { How::NotChecked } else { How::Checked };
        let ok = (how == How::Checked).then_some(sealed && self.findings.len() == before);
        self.checks.push(Check { name: "seal", how, ok, count: u64::from(sealed) });
        if sealed {
            let before = self.findings.len() + self.warnings.len();
            self.signer(named);
            let ok = self.findings.len() + self.warnings.len() == before;
            self.checks.push(Check { name: "signer", how: How::Checked, ok: Some(ok), count: 1 });
        }
        (!named || self.signer.status == SignerStatus::Pinned).then_some(standing)
    }

    fn open(&mut self, walk: &Walk, unsealed: Unsealed, named: bool) -> Standing {
        let entry = walk.entries.get(&PackPath::known(SEAL)).copied();
        let Some(key_id) = unsealed.claim().key_id().copied() else {
            self.signer.status = SignerStatus::Unsigned;
            if entry.is_some() {
                let message = "the manifest says that the pack is not sealed";
                self.find(&law::SEAL_UNDECLARED, SEAL, message);
            }
            let message = "nothing shows who made the pack, or that it was not changed since";
            if named {
                self.find(&law::PACK_UNSIGNED, ".", message);
            } else {
                self.warn(&law::PACK_UNSIGNED, ".", message);
            }
            return Standing::Claimed(Box::new(unsealed));
        };
        self.signer.key_id = Some(key_id);
        let Some(entry) = entry else {
            self.find(&law::SEAL_MISSING, SEAL, format!("the manifest names key {key_id}"));
            return Standing::Claimed(Box::new(unsealed));
        };
        if entry.regular && entry.size_bytes != SEAL_BYTES as u64 {
            self.find(&law::SEAL_LENGTH, SEAL, format!("{} bytes long", entry.size_bytes));
            return Standing::Claimed(Box::new(unsealed));
        }
        let Some(seal) = self.root(entry, SEAL, SEAL_BYTES as u64) else {
            return Standing::Claimed(Box::new(unsealed));
        };
        self.open_with(walk, unsealed, &key_id, &seal)
    }

    fn open_with(&mut self, walk: &Walk, unsealed: Unsealed, key_id: &KeyId, seal: &[u8]) -> Standing {
        let beside = match self.recipient_key(key_id) {
            Some(key) => {
                self.key = Some(key);
                None
            }
            None => self.key_beside(walk),
        };
        if self.key.is_none() {
            self.key = beside.filter(|key| key.id() == *key_id);
        }
        let claim = unsealed.clone();
        let Some(key) = self.key else {
            // The pack's own key, if it made the seal, is then another than the manifest names.
            match beside.filter(|key| unsealed.open(key, seal).is_ok()) {
                Some(other) => {
                    let message = format!("the manifest names {key_id}, the seal is by {}", other.id());
                    self.find(&law::SEAL_BY_OTHER_KEY, SEAL, message);
                }
                None => self.find(
                    &law::SEAL_KEY_UNKNOWN,
                    SEAL,
                    format!("no public key with id {key_id} is at hand"),
                ),
            }
            return Standing::Claimed(Box::new(claim));
        };
        match unsealed.open(&key, seal) {
            Ok(manifest) => Standing::Sealed(Box::new(manifest)),
            Err(error) => {
                let by_other = self.other_signer(&claim, key_id, seal);
                match (error, by_other) {
                    (SealError::Broken, Some(other)) => {
                        let message = format!("the manifest names {key_id}, the seal is by {other}");
                        self.find(&law::SEAL_BY_OTHER_KEY, SEAL, message);
                    }
                    (error, _) => self.find(&law::SEAL_BROKEN, SEAL, error.to_string()),
                }
                Standing::Claimed(Box::new(claim))
            }
        }
    }

    fn recipient_keys(&self) -> impl Iterator<Item = VerifyingKey> {
        let pinned = self.options.pins.iter().filter_map(|pin| match pin {
            Pin::Key(key) => Some(*key),
            Pin::Id(_) => None,
        });
        pinned.chain(self.options.policy.signers().iter().map(|signer| signer.public_key))
    }

    fn recipient_key(&self, key_id: &KeyId) -> Option<VerifyingKey> {
        self.recipient_keys().find(|key| key.id() == *key_id)
    }

    /// A key of the recipient that did make the seal, when the one that the manifest names did not.
    fn other_signer(&self, claim: &Unsealed, key_id: &KeyId, seal: &[u8]) -> Option<KeyId> {
        let opens = |key: &VerifyingKey| key.id() != *key_id && claim.clone().open(key, seal).is_ok();
        self.recipient_keys().find(opens).map(|key| key.id())
    }

    /// The key in the pack's own signer.pub.pem. Never a root of trust.
    fn key_beside(&self, walk: &Walk) -> Option<VerifyingKey> {
        let path = PackPath::known(SIGNER);
        let entry =
            walk.entries.get(&path).filter(|entry| entry.regular && entry.size_bytes <= MAX_SIGNER_BYTES)?;
        let (_, bytes) = walk::read(&self.dir, &path, entry.size_bytes, true).ok()?;
        VerifyingKey::from_pem(std::str::from_utf8(&bytes).ok()?).ok()
    }

    /// Whether the recipient named the key under which the seal holds.
    fn signer(&mut self, named: bool) {
        let Some(key_id) = self.signer.key_id else { return };
        let listed = self.options.policy.signer(&key_id);
        self.signer.name = listed.map(|signer| signer.name.clone());
        let pinned = self.options.pins.iter().any(|pin| pin.id() == key_id);
        // Where signers are named for this check, the list does not add to them.
        let trusted = pinned || (self.options.pins.is_empty() && listed.is_some());
        self.signer.status = if trusted { SignerStatus::Pinned } else { SignerStatus::Unpinned };
        if trusted {
            return;
        }
        if named {
            self.find(
                &law::SIGNER_NOT_PINNED,
                SEAL,
                format!("sealed by key {key_id}, which you did not name"),
            );
        } else if self.options.strict {
            self.find(
                &law::SIGNER_NOT_GIVEN,
                SEAL,
                format!("sealed by key {key_id}, and you named no signer"),
            );
        } else {
            self.warn(
                &law::SIGNER_UNPINNED,
                SEAL,
                format!("sealed by key {key_id}, for which only the pack vouches"),
            );
        }
    }

    /// Reads the ledger and puts its grammar to it. Answers it when it is the one that the manifest binds.
    fn ledger(&mut self, walk: &Walk, statement: Option<&Statement>) -> Option<Ledger> {
        let before = self.findings.len();
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
    fn files(
        &mut self,
        walk: &Walk,
        statement: &Statement,
        ledger: Option<&Ledger>,
    ) -> BTreeMap<PackPath, Artifact> {
        let before = self.findings.len();
        let root_files: BTreeSet<PackPath> = [MANIFEST, SEAL, LEDGER].map(PackPath::known).into();
        let listed = statement.artifacts.iter().filter(|artifact| !root_files.contains(&artifact.path));
        let expected: BTreeMap<PackPath, Artifact> =
            listed.map(|artifact| (artifact.path.clone(), artifact.clone())).collect();
        if let Some(ledger) = ledger {
            self.ledger_equals_artifacts(ledger, &expected);
        }
        for path in walk.entries.keys() {
            let sealed =
                expected.contains_key(path) || ledger.is_some_and(|ledger| ledger.digest(path).is_some());
            // What is no regular file has its finding from the structure.
            if !sealed && !root_files.contains(path) && walk.entries[path].regular {
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

    fn ledger_equals_artifacts(&mut self, ledger: &Ledger, expected: &BTreeMap<PackPath, Artifact>) {
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

    /// Reads every sealed file once and answers those whose bytes are the sealed ones.
    fn digests(&mut self, walk: &Walk, expected: &BTreeMap<PackPath, Artifact>) -> Intact {
        let before = self.findings.len();
        let limits = self.options.limits.clone();
        let mut intact = Intact::default();
        let mut total_bytes = 0_u64;
        for (path, artifact) in expected {
            let Some(entry) = walk.entries.get(path) else { continue };
            if !entry.regular || entry.size_bytes != artifact.size_bytes {
                continue;
            }
            if entry.size_bytes > limits.file_bytes {
                let message = format!(
                    "{} bytes long, over the limit of {}; not read",
                    entry.size_bytes, limits.file_bytes
                );
                self.find(&law::LIMIT_EXCEEDED, path.as_str(), message);
                continue;
            }
            total_bytes = total_bytes.saturating_add(entry.size_bytes);
            if total_bytes > limits.total_bytes {
                let message =
                    format!("over {} bytes in all; from here on nothing is read", limits.total_bytes);
                self.find(&law::LIMIT_EXCEEDED, path.as_str(), message);
                break;
            }
            let keep = evidence_of(path).is_some()
                || path.as_str() == FINAL_VERDICT
                || path.stem("verify", "json").is_some();
            match walk::read(&self.dir, path, entry.size_bytes, keep) {
                Ok((digest, bytes)) if digest == artifact.sha256 => {
                    intact.digests.insert(path.clone(), digest);
                    if keep {
                        intact.kept.insert(path.clone(), bytes);
                    }
                }
                Ok((digest, _)) => {
                    let message = format!("its digest is {digest}, {} was sealed", artifact.sha256);
                    self.find(&law::FILE_DIGEST_MISMATCH, path.as_str(), message);
                }
                Err((law, message)) => self.find(law, path.as_str(), message),
            }
        }
        self.done("digests", How::Checked, intact.digests.len() as u64, before);
        intact
    }

    /// Judges the evidence again and compares everything that follows from it.
    fn derive(
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

    fn compare(
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

    fn compare_file(&mut self, plan: &Plan, path: &PackPath, digest: &Digest, intact: &Intact, how: How) {
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

    fn manifest_fields(
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
    fn identity(
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
fn evidence_of(path: &PackPath) -> Option<(InputKind, &str)> {
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

/// The first path that makes a list of artifacts mean nothing certain.
fn unsound_artifact(artifacts: &[Artifact]) -> Option<&PackPath> {
    let mut folded = BTreeSet::new();
    let mut last = None;
    artifacts.iter().map(|artifact| &artifact.path).find(|path| {
        let ordered = last.replace(*path).is_none_or(|last| last < *path);
        !ordered || !folded.insert(path.fold()) || [MANIFEST, SEAL, LEDGER].contains(&path.as_str())
    })
}
