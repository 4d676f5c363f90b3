//! Sign-offs: what a person signs of a pack, after it was sealed and beside it (`signoffs/`). The only kind of signature
//! here that a person answers for; a seal is an organisation's, an attestation a program's run.

use serde::{Deserialize, Serialize};

use super::MANIFEST;
use super::attestation::{brought, not_a_digest};
use crate::annex::model::Act;
use crate::digest::Digest;
use crate::moment::Moment;
use crate::trust::{Envelope, SignError, SigningKey, StatementError, Subject, VerifyingKey, statement};

/// The predicate type of a sign-off.
pub const PREDICATE: &str = "urn:bp:predicate:sign-off:1";

/// Who signs: the fields of Annex V, point 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// A short name: lower-case letters, digits and dashes.
    pub id: String,
    /// The person's name.
    pub name: String,
    /// In which function.
    pub function: String,
    /// Of which organisation.
    pub organisation: Option<String>,
    /// For, or on behalf of whom.
    pub on_behalf_of: Option<String>,
    /// Whether this person developed what the pack is about, by their own word.
    pub developer_of_run: bool,
}

/// A file that belongs to a sign-off, such as a scan of a signature by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// What it was called.
    pub name: String,
    /// Its digest, which is also its name beside the sign-off.
    pub sha256: Digest,
    /// Its length.
    pub size_bytes: u64,
}

/// What a person signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// Who.
    pub person: Person,
    /// What they did.
    pub act: Act,
    /// Points of Annex IV, such as `IV.2.g`.
    pub scope: Vec<String>,
    /// In their own words.
    pub statement: Option<String>,
    /// Whether they have taken note of what the pack says that it does not show.
    pub limits_acknowledged: bool,
    /// Where.
    pub place: Option<String>,
    /// When, by their own clock.
    pub signed_at: Moment,
    /// Files that belong to it.
    pub attached: Vec<Attached>,
    /// Their key, in SPKI PEM: for convenience, never a root of trust.
    public_key: String,
}

/// A file of the pack that is signed for, by path and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its path in the pack.
    pub path: String,
    /// Its digest.
    pub sha256: Digest,
}

/// What a person says, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Who.
    pub person: Person,
    /// What they did.
    pub act: Act,
    /// Points of Annex IV.
    pub scope: Vec<String>,
    /// In their own words.
    pub statement: Option<String>,
    /// Whether they have taken note of the limits.
    pub limits_acknowledged: bool,
    /// Where.
    pub place: Option<String>,
    /// When.
    pub signed_at: Moment,
    /// Files that belong to it.
    pub attached: Vec<Attached>,
}

/// Signs off a pack, by its manifest's digest, and the reports in scope.
///
/// # Errors
/// [`SignError`] when the key's holder does not sign.
pub fn sign(
    words: Words,
    manifest_sha256: &Digest,
    reports: &[Report],
    key: &SigningKey,
) -> Result<Envelope, SignError> {
    let Words { person, act, scope, statement, limits_acknowledged, place, signed_at, attached } = words;
    let public_key = key.verifying_key().to_pem();
    let said = SignOff {
        person,
        act,
        scope,
        statement,
        limits_acknowledged,
        place,
        signed_at,
        attached,
        public_key,
    };
    let reports = reports.iter().map(|report| Subject::new(&report.path, &report.sha256));
    let subjects = std::iter::once(Subject::new(MANIFEST, manifest_sha256)).chain(reports).collect();
    statement::Statement::new(subjects, PREDICATE, &said).sign(key)
}

/// A sign-off whose signature holds under a key. Whether the key is that of the person is the recipient's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub signoff: SignOff,
    /// The manifest that it is about.
    pub manifest_sha256: Digest,
    /// The reports that it is about.
    pub reports: Vec<Report>,
    /// The key that signed it.
    pub key: VerifyingKey,
}

impl Signed {
    /// The sign-off in an envelope; the key as for an attestation.
    ///
    /// # Errors
    /// [`StatementError`] when the signature does not hold, or something else is signed.
    pub fn open(envelope: &Envelope) -> Result<Self, StatementError> {
        let claim: SignOff = statement::Statement::claimed(envelope)?.predicate(PREDICATE)?;
        let key = brought(&claim.public_key)?;
        let opened = statement::Statement::open(envelope, &key)?;
        if !is_id(&claim.person.id) {
            return Err(StatementError::Shape(format!("{:?} is no id of a person", claim.person.id)));
        }
        let mut subjects = opened.subjects().iter();
        let manifest = subjects.next().filter(|subject| subject.name == MANIFEST);
        let manifest = manifest
            .ok_or_else(|| StatementError::Shape("its first subject is not a manifest".to_owned()))?;
        let report = |subject: &Subject| {
            let sha256 = subject.sha256().ok_or_else(not_a_digest)?;
            Ok(Report { path: subject.name.clone(), sha256 })
        };
        let reports = subjects.map(report).collect::<Result<_, StatementError>>()?;
        let manifest_sha256 = manifest.sha256().ok_or_else(not_a_digest)?;
        Ok(Self { signoff: claim, manifest_sha256, reports, key })
    }
}

/// Whether a text can be the id of a person: lower-case letters, digits and dashes, up to 64.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}
