//! What checking a pack came to, as data: `bp-pack-verify/1`, whose shape `contracts/pack_verify.schema.json` freezes.

use serde::{Deserialize, Serialize};

use super::attestation::TestResult;
use super::law::{Effect, Law};
use super::manifest::{ClockSource, Counts, Moment, PackId, Producer, Subject};
use super::path::PackPath;
use super::plan::Answered;
use crate::annex::model::{self, Act, Annex};
use crate::digest::Digest;
use crate::report::Outcome;
use crate::trust::KeyId;

/// The format of [`VerifyResult`].
pub const FORMAT: &str = "bp-pack-verify/1";

/// How a result was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Re-derived here from the evidence.
    Recomputed,
    /// Compared here: digests, shape, seal.
    Checked,
    /// The pack's word.
    Recorded,
    /// Not looked at.
    NotChecked,
}

/// One group of laws, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The group.
    pub name: &'static str,
    /// How its result was obtained.
    pub how: How,
    /// Whether every law of it holds; null when it was not checked.
    pub ok: Option<bool>,
    /// How many things were compared.
    pub count: u64,
}

/// A law that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The law, as its code.
    #[serde(rename = "code")]
    pub law: &'static Law,
    /// Where in the pack; `.` for the pack as a whole.
    pub path: String,
    /// What is seen there.
    pub message: String,
}

/// Whom the recipient can take for the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignerStatus {
    /// The seal holds under a key that the recipient named.
    Pinned,
    /// The seal holds under a key that only the pack vouches for.
    Unpinned,
    /// There is no seal.
    Unsigned,
    /// There is a seal, and it does not hold or was not checked.
    Unverified,
}

/// What is known of the signer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignerFacts {
    /// The key that the manifest names.
    pub key_id: Option<KeyId>,
    /// Whom the recipient can take it for.
    pub status: SignerStatus,
    /// The name in the recipient's trust list.
    pub name: Option<String>,
}

/// A statement of what a check came to, added to the pack: a program's run, signed by whoever ran it. Its signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttestationFacts {
    /// Where it lies.
    pub path: PackPath,
    /// The key that signed it.
    pub key_id: KeyId,
    /// The name of that key in the recipient's trust list.
    pub listed: Option<String>,
    /// Whether the recipient's list has the key as a verifier's, and it did not seal the pack.
    pub believed: bool,
    /// What the check came to, by their word.
    pub result: TestResult,
    /// Whether it was strict.
    pub strict: bool,
    /// The program that checked.
    pub verifier: String,
    /// When, by their clock.
    pub verified_at: Moment,
}

/// A sign-off: a person's signature. It holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignOffFacts {
    /// Where it lies.
    pub path: PackPath,
    /// The key that signed it.
    pub key_id: KeyId,
    /// The name of that key in the recipient's trust list.
    pub listed: Option<String>,
    /// Whether the recipient's list has the key as a person's, and it did not seal the pack.
    pub believed: bool,
    /// The person's short name, by the statement.
    pub person: String,
    /// The person's name, by the statement.
    pub name: String,
    /// Their function.
    pub function: String,
    /// For whom.
    pub on_behalf_of: Option<String>,
    /// Whether they developed what the pack is about, by their own word.
    pub developer_of_run: bool,
    /// What they did.
    pub act: Act,
    /// Points of Annex IV.
    pub scope: Vec<String>,
    /// When, by their own clock.
    pub signed_at: Moment,
    /// Files that belong to it.
    pub attached: u64,
}

/// A time-stamp token that holds by itself. Only one whose authority the recipient named shows anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimestampFacts {
    /// Where it lies.
    pub path: PackPath,
    /// What it stamps.
    pub of: Stamped,
    /// When that was there, by the token.
    pub at: Moment,
    /// How far that can be off, by the token, in microseconds.
    pub accuracy_us: Option<u64>,
    /// Under which policy of the authority, as an object identifier.
    pub policy: String,
    /// What the authority's certificate calls it.
    pub authority: String,
    /// The name of the certificate, among those that the recipient named, that vouches for it; null where none does.
    pub trusted_by: Option<String>,
}

/// What a token stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamped {
    /// The manifest, and so all of the pack.
    Manifest,
    /// The freeze of the suite.
    Freeze,
}

/// What the manifest says of the pack. The pack's word, except the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackFacts {
    /// The pack's id.
    pub id: PackId,
    /// The digest of the manifest: the pack's identity.
    pub manifest_sha256: Digest,
    /// When it was made.
    pub created_at: Moment,
    /// Where that time comes from.
    pub created_at_source: ClockSource,
    /// The program that made it.
    pub producer: Producer,
    /// What judged it.
    pub judge: JudgeFacts,
    /// What it is about.
    pub subject: Subject,
    /// The pack before it.
    pub parent_manifest_sha256: Option<Digest>,
}

/// The judge that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgeFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How much of a pack was put to its laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scope {
    /// All of it.
    Whole,
    /// What the recipient named with globs; there is no verdict then.
    Partial,
}

/// What the answer to Annex IV comes to. Nothing is weighed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnnexSummary {
    /// How many units have which status.
    pub units: model::Counts,
    /// How many items are open.
    pub open: u64,
    /// How many sign-offs verify and count.
    pub signoffs: u64,
}

impl AnnexSummary {
    /// That of an answer.
    #[must_use]
    pub fn of(annex: &Annex) -> Self {
        Self {
            units: annex.counts,
            open: annex.facets().map(|facet| facet.open.len() as u64).sum(),
            signoffs: annex.signoffs.iter().filter(|row| row.refused.is_none()).count() as u64,
        }
    }
}

/// What a beacon asks to be revealed of a run whose steps were committed to, derived again here, and what is there of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChallengeFacts {
    /// The run.
    pub run: String,
    /// How many steps were committed to.
    pub committed: u64,
    /// How many steps are shown.
    pub revealed: u64,
    /// The chain of commitments after the last step; that it was published before the beacon is the maker's word.
    pub chain: Digest,
    /// The beacon, in hexadecimal.
    pub beacon: String,
    /// Each step that is asked for, in order.
    pub steps: Vec<ChallengedStep>,
    /// Steps that are shown, and that nobody asked for.
    pub unasked: Vec<u64>,
    /// How many steps were to be drawn at least, and how many tensors and modules of each: what the maker chose.
    #[serde(skip)]
    pub drawn: (u64, u64),
}

/// A step that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChallengedStep {
    /// Which.
    pub step: u64,
    /// What is there of it.
    pub standing: Standing,
}

/// What is there of a step that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All of it, judged again here.
    Recomputed,
    /// Its record; its verdict is the maker's word.
    Recorded,
    /// Its record, which lacks a tensor or module that is asked for.
    Partial,
    /// Nothing.
    Missing,
}

/// What checking a pack came to: `bp-pack-verify/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyResult {
    /// Always [`FORMAT`].
    pub format: &'static str,
    /// No finding.
    pub ok: bool,
    /// Whether it was checked strictly.
    pub strict: bool,
    /// How much of it was checked.
    pub scope: Scope,
    /// The globs that name the part; none for the whole.
    pub only: Vec<String>,
    /// Strict, no finding, the signer pinned, and the verdict PASS.
    pub proof_grade: bool,
    /// What the manifest says; null when there is none to read.
    pub pack: Option<PackFacts>,
    /// What is known of the signer.
    pub signer: SignerFacts,
    /// What the inputs come to.
    pub verdict: Option<Outcome>,
    /// How the verdict was obtained.
    pub verdict_how: How,
    /// Statements of what a check came to: programs' runs, each with its own signature.
    pub attestations: Vec<AttestationFacts>,
    /// Sign-offs: persons' signatures.
    pub sign_offs: Vec<SignOffFacts>,
    /// Time stamps, of the manifest and of the freeze of its suite.
    pub timestamps: Vec<TimestampFacts>,
    /// What a beacon asks of the sampled steps, where it was derived again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeFacts>,
    /// How many inputs came to what, where that was computed again.
    #[serde(skip)]
    pub counts: Option<Counts>,
    /// The digest of the manifest as it was read, whatever it says.
    #[serde(skip)]
    pub manifest_sha256: Option<Digest>,
    /// What the answer to Annex IV comes to, derived here with the sign-offs that verify; null where it was not.
    pub annex: Option<AnnexSummary>,
    /// The same, to be read and printed.
    #[serde(skip)]
    pub answered: Option<Answered>,
    /// Every group of laws, in order.
    pub checks: Vec<Check>,
    /// Every broken law.
    pub findings: Vec<Finding>,
    /// What would be a finding in strict verification.
    pub warnings: Vec<Finding>,
    /// What was not checked, and why.
    pub not_checked: Vec<String>,
}

impl VerifyResult {
    /// 0: no finding; 1: a finding; 2: nothing found, but part of the pack could not be judged.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let broken = self.findings.iter().any(|finding| finding.law.effect == Effect::Broken);
        match (self.findings.is_empty(), broken) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}
