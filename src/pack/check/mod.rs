//! The checker: every law of a pack, put in order to a pack's bytes, wherever they lie, and all findings collected.
//!
//! ```text
//! structure -> manifest -> seal, signer -> ledger -> disk = manifest = ledger -> digests
//!           -> judge the evidence again -> verdicts, results, README, manifest fields as they follow from it
//! ```
//! A file is read once: it is hashed, judged and compared from the same bytes. With a signer that the recipient named,
//! nothing beyond manifest, seal and ledger is read until the seal holds.

mod additions;
mod annex;
mod bytes;
mod derive;
mod freeze;
mod part;
mod policy;
mod seal;
mod source;
mod steps;
mod stream;
mod tensors;
mod timestamp;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

pub use policy::{Demands, Expected};

use crate::annex::facts::Signoff;
use crate::digest::Digest;
use crate::pack::law::{self, Law};
use crate::pack::manifest::{Counts, Judge, Manifest, Producer, Statement, Unsealed};
use crate::pack::only::Only;
use crate::pack::path::PackPath;
use crate::pack::plan::{Answered, Conclusion};
use crate::pack::result::{
    AnnexSummary, AttestationFacts, ChallengeFacts, Check, FORMAT, Finding, How, PackFacts, Scope,
    SignOffFacts, SignerFacts, SignerStatus, TimestampFacts, VerifyResult,
};
use crate::pack::walk::{Entry, Refusal, Walk, shown};
use crate::report::Outcome;
use crate::trust::{KeyId, TrustPolicy, VerifyingKey};
use additions::Counted;
use source::Source;
use timestamp::Seen;

/// A public key file is no longer than this.
const MAX_SIGNER_BYTES: u64 = 4096;

/// How much of a pack is looked at. What lies beyond is not checked, and said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Names in the pack, directories included.
    pub files: u64,
    /// The length of one file. It is hashed as it is read.
    pub file_bytes: u64,
    /// The length of one file that is more than hashed, and so held in memory: evidence, and what people say.
    pub held_bytes: u64,
    /// The length of all files together.
    pub total_bytes: u64,
    /// The length of the manifest, and of the ledger.
    pub index_bytes: u64,
    /// Directories within each other.
    pub depth: usize,
    /// The length of one path.
    pub path_bytes: usize,
}

impl Limits {
    /// The length of one file that is held in memory, or only hashed.
    pub(super) fn of(&self, held: bool) -> u64 {
        if held { self.held_bytes.min(self.file_bytes) } else { self.file_bytes }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 200_000,
            file_bytes: 8 << 30,
            held_bytes: 1 << 30,
            total_bytes: 32 << 30,
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
    /// The part that is looked at; all of the pack without one.
    pub only: Option<Only>,
    /// Where payloads of sampled steps lie that are not in the pack.
    pub payload_dirs: Vec<PathBuf>,
    /// What the recipient demands of this pack.
    pub demands: Demands,
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
const CHECKS: [&str; 18] = [
    "structure",
    "manifest",
    "seal",
    "signer",
    "ledger",
    "files",
    "digests",
    "receipts",
    "verdicts",
    "run",
    "steps",
    "tensors",
    "results",
    "annex",
    "pages",
    "identity",
    "additions",
    "policy",
];

/// Checks the pack in a directory.
///
/// # Errors
/// [`OpenError`] when there is no such directory, or it cannot be opened.
pub fn directory(path: &Path, options: &Options) -> Result<VerifyResult, OpenError> {
    let dir = crate::handle::root(path).map_err(|source| OpenError { path: path.to_owned(), source })?;
    Ok(checked(&mut source::Directory(dir), options))
}

/// Checks the pack in an archive, in one pass over its bytes: nothing is unpacked, and memory does not grow with it.
pub fn archive(stream: impl io::Read + Send, options: &Options) -> VerifyResult {
    checked(&mut stream::Stream::new(stream), options)
}

/// Puts every law to a pack, wherever its bytes come from.
fn checked(source: &mut dyn Source, options: &Options) -> VerifyResult {
    let signer = SignerFacts { key_id: None, status: SignerStatus::Unverified, name: None };
    let mut checker = Checker {
        source,
        options,
        pack: None,
        signer,
        key: None,
        verdict: None,
        verdict_how: How::NotChecked,
        challenge: None,
        counts: None,
        manifest_sha256: None,
        datasets: BTreeSet::new(),
        attestations: Vec::new(),
        sign_offs: Vec::new(),
        timestamps: Vec::new(),
        jobs: Vec::new(),
        signed: Vec::new(),
        annex: None,
        answered: None,
        derived: false,
        steps_recorded: false,
        checks: Vec::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
        not_checked: Vec::new(),
    };
    checker.run();
    checker.result()
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

/// What follows from the evidence.
struct Derived {
    conclusion: Conclusion,
    /// Whether the pack was made by this version, so that bytes and not outcomes are compared.
    same_tool: bool,
}

struct Checker<'a> {
    source: &'a mut dyn Source,
    options: &'a Options,
    pack: Option<PackFacts>,
    signer: SignerFacts,
    /// The public key of the signer, where it is at hand.
    key: Option<VerifyingKey>,
    verdict: Option<Outcome>,
    verdict_how: How,
    /// What a beacon asks of the sampled steps, where it was derived again.
    challenge: Option<ChallengeFacts>,
    /// How many inputs came to what, where that was computed again.
    counts: Option<Counts>,
    /// The digest of the manifest as it was read, whatever it says.
    manifest_sha256: Option<Digest>,
    /// The data sets that the evidence of runs names.
    datasets: BTreeSet<Digest>,
    attestations: Vec<AttestationFacts>,
    sign_offs: Vec<SignOffFacts>,
    timestamps: Vec<TimestampFacts>,
    /// When each training command ran, as `bp` saw it.
    jobs: Vec<Seen>,
    /// The same, for the answer to Annex IV.
    signed: Vec<Signoff>,
    /// What the answer to Annex IV comes to, where the evidence was judged again.
    annex: Option<AnnexSummary>,
    /// The same, to be read.
    answered: Option<Answered>,
    /// Whether the evidence was judged again.
    derived: bool,
    /// Whether a verdict on a sampled step is the maker's word.
    steps_recorded: bool,
    checks: Vec<Check>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
    not_checked: Vec<String>,
}

impl Checker<'_> {
    fn run(&mut self) {
        let limits = &self.options.limits;
        let mut walk = self.source.begin(limits);
        let unsealed = if walk.whole { self.manifest(&walk) } else { None };
        if walk.on_the_way {
            let wanted = unsealed.as_ref().map(|unsealed| self.wanted(unsealed));
            let refused = unsealed.as_ref().is_some_and(|unsealed| self.refused_by_head(&walk, unsealed));
            walk = if refused { walk } else { self.source.go_on(wanted.as_ref(), limits).unwrap_or(walk) };
        }
        self.structure(&mut walk);
        if !walk.whole {
            self.skip("the pack was not looked at as a whole, so nothing in it was checked");
            return;
        }
        let Some(unsealed) = unsealed else {
            self.ledger(&walk, None);
            self.skip("without a manifest that can be read, files and verdicts are held against nothing");
            return;
        };
        let Some(standing) = self.seal(&walk, unsealed) else {
            self.ledger(&walk, None);
            self.skip("the seal does not hold for a signer that you named, so nothing beyond manifest, seal and ledger was judged");
            return;
        };
        let statement = standing.statement();
        let ledger = self.ledger(&walk, Some(statement));
        let expected = self.files(&walk, statement, ledger.as_ref());
        if let Some(only) = &self.options.only {
            self.part(&walk, statement, &expected, only);
            self.skip("what was added after sealing was not looked at");
            self.demands(statement, &expected, &Counted::default());
            return;
        }
        self.verdict = Some(statement.verdict);
        self.verdict_how = How::Recorded;
        let intact = self.digests(&walk, statement, &expected);
        let derived = self.derive(statement, &expected, intact);
        self.identity(statement, &expected, derived.as_ref());
        let counted = self.additions(&walk, statement, &expected);
        self.demands(statement, &expected, &counted);
        if let (Some(derived), Some(pack)) = (derived, &self.pack) {
            let Conclusion { mut answered, annex, .. } = derived.conclusion;
            // Without sign-offs the answer comes to what was compared.
            let same = self.signed.is_empty().then(|| AnnexSummary::of(&annex));
            answered.add(pack.manifest_sha256, std::mem::take(&mut self.signed));
            self.annex = Some(same.unwrap_or_else(|| AnnexSummary::of(&answered.annex())));
            self.answered = Some(answered);
        }
        if self.verdict != Some(Outcome::Pass) && self.options.strict && !self.options.allow_fail_verdict {
            let verdict = self.verdict.map_or("none", Outcome::name);
            self.find(&law::VERDICT_NOT_PASS, ".", format!("the verdict is {verdict}"));
        }
    }

    /// Puts what was seen of names before all other findings.
    fn structure(&mut self, walk: &mut Walk) {
        let seen = std::mem::take(&mut walk.seen);
        let ok = seen.is_empty();
        let findings = seen.into_iter().map(|(law, path, message)| Finding { law, path, message });
        self.findings.splice(0..0, findings);
        // Of a stream that was not read on, most names were not seen.
        let (how, ok) =
            if walk.on_the_way && ok { (How::NotChecked, None) } else { (How::Checked, Some(ok)) };
        self.checks.push(Check { name: "structure", how, ok, count: walk.count });
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
            scope: if self.options.only.is_some() { Scope::Partial } else { Scope::Whole },
            only: self.options.only.iter().flat_map(Only::globs).map(str::to_owned).collect(),
            proof_grade: ok
                && self.options.strict
                && self.options.only.is_none()
                && self.derived
                && self.signer.status == SignerStatus::Pinned
                && self.verdict == Some(Outcome::Pass),
            checks: CHECKS.into_iter().map(done).collect(),
            pack: self.pack,
            signer: self.signer,
            verdict: self.verdict,
            verdict_how: self.verdict_how,
            attestations: self.attestations,
            sign_offs: self.sign_offs,
            timestamps: self.timestamps,
            challenge: self.challenge,
            counts: self.counts,
            manifest_sha256: self.manifest_sha256,
            annex: self.annex,
            answered: self.answered,
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
        self.within(entry, name, limit)?;
        let read = self.source.root(&PackPath::known(name), entry.size_bytes);
        self.found(name, read)
    }

    /// The digest of a file that belongs to a sign-off. None when there is a finding instead.
    fn attached(&mut self, entry: Entry, path: &PackPath, limit: u64) -> Option<Digest> {
        self.within(entry, path.as_str(), limit)?;
        let read = self.source.attached(path, entry.size_bytes);
        self.found(path.as_str(), read)
    }

    /// Nothing for what is no file, or, with a finding, for one that is too long.
    fn within(&mut self, entry: Entry, name: &str, limit: u64) -> Option<()> {
        if entry.regular && entry.size_bytes > limit {
            let message = format!("{} bytes long, over the limit of {limit}; not read", entry.size_bytes);
            self.find(&law::LIMIT_EXCEEDED, name, message);
        }
        (entry.regular && entry.size_bytes <= limit).then_some(())
    }

    fn found<T>(&mut self, name: &str, read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|(law, message)| self.find(law, name, message)).ok()
    }
}
