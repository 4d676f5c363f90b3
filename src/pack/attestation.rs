//! What checking a pack came to, as an in-toto statement that somebody signs: for the pack's own folder
//! (`attestations/`), or as a receipt that stays with the one who checked. Rejections are stated like passes.
//!
//! The predicate is in-toto's test result; what it has no word for stands under `bp`.

use serde::{Deserialize, Serialize};

use super::manifest::{Counts, PackId, Producer};
use super::result::{How, SignerStatus, VerifyResult};
use super::{MANIFEST, Options};
use crate::digest::Digest;
use crate::moment::Moment;
use crate::report::Outcome;
use crate::trust::{
    Envelope, KeyId, SignError, SigningKey, StatementError, Subject, VerifyingKey, statement,
};

/// The predicate type: <https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>.
pub const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The format of what stands under `bp`.
pub const FORMAT: &str = "bp-verification/1";

/// What a check came to, in in-toto's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestResult {
    /// Every law that was put holds, and the verdict computed again is PASS.
    Passed,
    /// Every law that was put holds, and less was checked than was demanded.
    Warned,
    /// Anything else.
    Failed,
}

/// What the check was configured with: the recipient's policy, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    name: String,
    digest: std::collections::BTreeMap<String, String>,
}

/// What a check came to: the predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Attestation {
    /// In one word.
    pub result: TestResult,
    /// What the check was configured with.
    pub configuration: Vec<Configuration>,
    /// Groups of laws that hold.
    pub passed_tests: Vec<String>,
    /// Laws with a warning.
    pub warned_tests: Vec<String>,
    /// Laws that are broken.
    pub failed_tests: Vec<String>,
    /// Everything else.
    pub bp: Verification,
}

/// Who checked what, when, how, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    format: String,
    /// The program that checked.
    pub verifier: Producer,
    /// The rules that it puts.
    pub rules: Vec<String>,
    /// The key that signs this, in SPKI PEM: for convenience, never a root of trust.
    public_key: String,
    /// When, by the clock of the one who checked.
    pub verified_at: Moment,
    /// The pack.
    pub pack_id: Option<PackId>,
    /// The key that its manifest names.
    pub seal_key_id: Option<KeyId>,
    /// Whom the one who checked took it for.
    pub signer: SignerStatus,
    /// Whether the check was strict.
    pub strict: bool,
    /// What the inputs come to.
    pub verdict: Option<Outcome>,
    /// How that was obtained.
    pub verdict_how: How,
    /// How many inputs came to what.
    pub counts: Option<Counts>,
    /// The exit status of the check.
    pub exit_code: u8,
    /// Every group of laws.
    pub checks: Vec<Said>,
    /// Every broken law.
    pub findings: Vec<FindingSaid>,
    /// What was not checked.
    pub not_checked: Vec<String>,
}

/// A group of laws, as it was stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    name: String,
    how: How,
    ok: Option<bool>,
    count: u64,
}

/// A broken law, as it was stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingSaid {
    /// Its code.
    pub code: String,
    /// Where.
    pub path: String,
    /// What was seen there.
    pub message: String,
}

impl Attestation {
    /// What a check came to, with the options that it was made with. `key` is the one that will sign.
    #[must_use]
    pub fn of(result: &VerifyResult, options: &Options, key: &VerifyingKey, verified_at: Moment) -> Self {
        let outcome = match (result.exit_code(), result.verdict, result.verdict_how) {
            (0, Some(Outcome::Pass), How::Recomputed) => TestResult::Passed,
            (0, Some(Outcome::Insufficient), How::Recomputed) => TestResult::Warned,
            _ => TestResult::Failed,
        };
        let policy = Digest::of(options.policy.to_toml().as_bytes());
        let codes = |findings: &[super::Finding]| {
            let codes: std::collections::BTreeSet<_> = findings.iter().map(|found| found.law.code).collect();
            codes.into_iter().map(str::to_owned).collect()
        };
        let held = result.checks.iter().filter(|check| check.ok == Some(true));
        let finding = |finding: &super::Finding| FindingSaid {
            code: finding.law.code.to_owned(),
            path: finding.path.clone(),
            message: finding.message.clone(),
        };
        let said = |check: &super::Check| Said {
            name: check.name.to_owned(),
            how: check.how,
            ok: check.ok,
            count: check.count,
        };
        Self {
            result: outcome,
            configuration: vec![Configuration {
                name: "trust policy".to_owned(),
                digest: [("sha256".to_owned(), policy.to_string())].into(),
            }],
            passed_tests: held.map(|check| check.name.to_owned()).collect(),
            warned_tests: codes(&result.warnings),
            failed_tests: codes(&result.findings),
            bp: Verification {
                format: FORMAT.to_owned(),
                verifier: options.producer.clone(),
                rules: options.judge.rules.clone(),
                public_key: key.to_pem(),
                verified_at,
                pack_id: result.pack.as_ref().map(|pack| pack.id.clone()),
                seal_key_id: result.signer.key_id,
                signer: result.signer.status,
                strict: result.strict,
                verdict: result.verdict,
                verdict_how: result.verdict_how,
                counts: result.counts,
                exit_code: result.exit_code(),
                checks: result.checks.iter().map(said).collect(),
                findings: result.findings.iter().map(finding).collect(),
                not_checked: result.not_checked.clone(),
            },
        }
    }

    /// The statement of it: its subject is the digest of the manifest as it was read. Without a manifest it has none.
    #[must_use]
    pub fn statement(&self, manifest_sha256: Option<&Digest>) -> statement::Statement {
        let subject = manifest_sha256.map(|digest| Subject::new(MANIFEST, digest));
        statement::Statement::new(subject.into_iter().collect(), PREDICATE, self)
    }
}

/// The signed statement of what a check came to.
///
/// # Errors
/// [`SignError`] when the key's holder does not sign.
pub fn sign(
    result: &VerifyResult,
    options: &Options,
    key: &SigningKey,
    verified_at: Moment,
) -> Result<Envelope, SignError> {
    let attestation = Attestation::of(result, options, &key.verifying_key(), verified_at);
    attestation.statement(result.manifest_sha256.as_ref()).sign(key)
}

/// A statement of what a check came to, whose signature holds under a key. Whether the key is believed is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// What it says.
    pub attestation: Attestation,
    /// The manifest that it is about.
    pub manifest_sha256: Option<Digest>,
    /// The key that signed it.
    pub key: VerifyingKey,
}

impl Attested {
    /// The statement in an envelope, its signature checked under the key that it brings along. Whose key that is, only the
    /// recipient's own list can say.
    ///
    /// # Errors
    /// [`StatementError`] when the signature does not hold, or something else is signed.
    pub fn open(envelope: &Envelope) -> Result<Self, StatementError> {
        let claim: Attestation = statement::Statement::claimed(envelope)?.predicate(PREDICATE)?;
        let key = brought(&claim.bp.public_key)?;
        let opened = statement::Statement::open(envelope, &key)?;
        if claim.bp.format != FORMAT {
            return Err(StatementError::Shape(format!("its format is {:?}", claim.bp.format)));
        }
        let manifest_sha256 = match opened.subjects() {
            [] => None,
            [subject] if subject.name == MANIFEST => Some(subject.sha256().ok_or_else(not_a_digest)?),
            _ => return Err(StatementError::Shape("its one subject is not a manifest".to_owned())),
        };
        Ok(Self { attestation: claim, manifest_sha256, key })
    }
}

pub(super) fn not_a_digest() -> StatementError {
    StatementError::Shape("a subject without a SHA-256".to_owned())
}

/// The key that a statement brings along.
pub(super) fn brought(pem: &str) -> Result<VerifyingKey, StatementError> {
    VerifyingKey::from_pem(pem).map_err(|error| StatementError::Shape(error.to_string()))
}
