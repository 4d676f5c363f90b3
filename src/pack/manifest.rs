//! The manifest: one closed statement in canonical JSON (RFC 8785) that binds every other byte of the pack.
//!
//! Its first member says `bp-pack/1`: a signature over anything else cannot be taken for one over a manifest.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::path::PackPath;
use crate::digest::Digest;
use crate::json;
use crate::report::{Outcome, verdict};
use crate::schema::{self, Schema};
use crate::trust::{KeyId, SealError, VerifyingKey, seal};

pub use crate::moment::{InvalidMoment, Moment};

/// The format that this module reads and writes.
pub const FORMAT: &str = "bp-pack/1";
/// Bytes that are no manifest are read as JSON, to say what is wrong with them, up to this length.
const MAX_DIAGNOSED_BYTES: usize = 1 << 20;
/// The largest integer that every JSON reader keeps (RFC 8785, 3.2.2.3; RFC 7493).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The name of a pack: 32 lower-case hexadecimal digits. `Display` and `FromStr` are inverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackId(String);

/// Text that is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pack id: 32 lower-case hexadecimal digits expected")]
pub struct InvalidPackId;

impl PackId {
    /// The id of a pack made at this time, under this key, with this evidence. What follows from the evidence may show it.
    pub fn of<'a>(
        created_at: &Moment,
        key_id: Option<&KeyId>,
        evidence: impl IntoIterator<Item = (&'a PackPath, &'a Digest)>,
    ) -> Self {
        let key = key_id.map_or_else(|| "unsigned".to_owned(), KeyId::to_string);
        let head = format!("bp-pack-id/1\n{created_at}\n{key}\n");
        let lines = evidence.into_iter().map(|(path, digest)| format!("{digest}  {path}\n"));
        let text: String = std::iter::once(head).chain(lines).collect();
        Self(Digest::of(text.as_bytes()).to_string()[..32].to_owned())
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for PackId {
    type Err = InvalidPackId;

    fn from_str(text: &str) -> Result<Self, InvalidPackId> {
        let sound = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidPackId) }
    }
}

impl Serialize for PackId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a pack's time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// The caller named it.
    Argument,
    /// `SOURCE_DATE_EPOCH` of the environment.
    SourceDateEpoch,
    /// The machine's clock.
    SystemClock,
}

/// The program that made a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What tells two builds of one version apart.
    pub build: String,
}

impl Producer {
    /// This program, as it signs itself.
    #[must_use]
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: option_env!("BP_BUILD").unwrap_or("unknown").to_owned(),
        }
    }
}

/// What judged the inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The ids of its rules, in the order of its table.
    pub rules: Vec<String>,
    /// The digest of its policy on bounds.
    pub bounds_policy_sha256: Digest,
}

impl Judge {
    /// This judge.
    #[must_use]
    pub fn this() -> Self {
        let judge = verdict::Judge::this();
        Self {
            name: judge.name.to_owned(),
            version: judge.version.to_owned(),
            rules: judge.rules.iter().map(ToString::to_string).collect(),
            bounds_policy_sha256: judge.bounds_policy_sha256,
        }
    }
}

/// What a pack is about: what the evidence of its runs names, and without such evidence the recorder's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The training run's id.
    #[serde(deserialize_with = "stated")]
    pub run_id: Option<String>,
    /// The training run's name.
    #[serde(deserialize_with = "stated")]
    pub run_name: Option<String>,
    /// What the run made, by digest.
    pub artifacts: Vec<SubjectArtifact>,
}

/// Something that a run made and the pack does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectArtifact {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// A suite, by name and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteFacts {
    /// The name that it gives itself.
    #[serde(deserialize_with = "stated")]
    pub name: Option<String>,
    /// The digest of its bytes.
    #[serde(deserialize_with = "stated")]
    pub scenarios_sha256: Option<Digest>,
}

/// What the answer to Annex IV is made with, beside the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnexFacts {
    /// The digest of the catalogue of what the annex asks for.
    pub catalogue_sha256: Digest,
    /// The digest of the templates of its renderings.
    pub templates_sha256: Digest,
}

/// How many inputs came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Inputs judged.
    pub receipts: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of which too little could be compared.
    pub insufficient: u64,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// A receipt, as given or imported.
    Receipt,
    /// A framework sidecar, as given.
    Sidecar,
    /// A suite, or what of it was judged.
    Suite,
    /// What a training job left.
    RunEvidence,
    /// What a training job was.
    RunRecord,
    /// A sampled step of an optimizer.
    StepRecord,
    /// The tensors of a sampled step.
    StepPayload,
    /// What was published of a run's steps, and what a beacon asks of them.
    StepCommitment,
    /// A file of captured tensors.
    Tensor,
    /// The verdict on one input.
    Verdict,
    /// What all inputs together came to.
    Result,
    /// What the provider says.
    Provider,
    /// A file that the provider names.
    Attachment,
    /// What is known of the pack before.
    Parent,
    /// A template of the answer to Annex IV.
    Template,
    /// The answer to Annex IV.
    Annex,
    /// Which promises its maker carried.
    Contracts,
    /// Page one.
    Readme,
    /// The pack as a page.
    Report,
    /// The signer's public key.
    SignerKey,
}

/// One sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Where it lies.
    pub path: PackPath,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// What it is for.
    pub role: FileRole,
    /// Its media type (RFC 6838).
    pub media_type: String,
}

/// The signature algorithm of a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Ed25519, verified strictly.
    Ed25519,
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningRole {
    /// Sealing the pack.
    Seal,
}

/// How, and under which key, the manifest is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key.
    pub key_id: KeyId,
    /// What the signature is for.
    pub role: SigningRole,
}

/// What a manifest says. As long as no seal was opened it is a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Always [`FORMAT`].
    pub format: String,
    /// The name of the pack.
    pub pack_id: PackId,
    /// When the pack was made.
    pub created_at: Moment,
    /// Where that time comes from.
    pub created_at_source: ClockSource,
    /// The program that made it.
    pub producer: Producer,
    /// What judged it.
    pub judge: Judge,
    /// What it is about.
    pub subject: Subject,
    /// The manifest digest of the pack before it.
    #[serde(deserialize_with = "stated")]
    pub parent_manifest_sha256: Option<Digest>,
    /// The suite that the inputs answer to, where there is one.
    #[serde(deserialize_with = "stated")]
    pub suite: Option<SuiteFacts>,
    /// What the answer to Annex IV is made with.
    pub annex: AnnexFacts,
    /// What the inputs came to.
    pub verdict: Outcome,
    /// How many came to what.
    pub counts: Counts,
    /// The digest of the ledger.
    pub checksums_sha256_digest: Digest,
    /// Every sealed file, sorted by path.
    pub artifacts: Vec<Artifact>,
    /// The seal, where there is one.
    #[serde(deserialize_with = "stated")]
    pub signing: Option<Signing>,
}

/// A member that may be null and must be there.
fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

impl Statement {
    /// The bytes of `manifest.json`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// The key that the seal names.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.signing.as_ref().map(|signing| &signing.key_id)
    }
}

/// Bytes that are no manifest of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not strict JSON.
    #[error("{0}")]
    Json(#[from] json::JsonError),
    /// Another format, or none.
    #[error("the format is {0}, not \"{FORMAT}\"")]
    Format(String),
    /// A member that is missing, unknown or of the wrong kind.
    #[error("{0}")]
    Shape(String),
}

/// A manifest whose seal was not opened: what it says is a claim.
#[derive(Debug, Clone)]
pub struct Unsealed {
    bytes: Vec<u8>,
    claim: Statement,
}

impl Unsealed {
    /// The manifest in these bytes.
    ///
    /// # Errors
    /// [`ManifestError`] for bytes that are no manifest.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        // Straight into the closed shape first: what cannot be a manifest ends at its first wrong byte and costs no memory.
        let claim = serde_json::from_slice::<Statement>(&bytes);
        if let Err(error) = &claim
            && bytes.len() > MAX_DIAGNOSED_BYTES
        {
            return Err(ManifestError::Shape(error.to_string()));
        }
        let value = json::parse(&bytes)?;
        match value.get("format") {
            Some(Value::String(format)) if format == FORMAT => {}
            Some(other) => return Err(ManifestError::Format(other.to_string())),
            None => return Err(ManifestError::Format("not stated".to_owned())),
        }
        if let Err(violations) = schema::validate(Schema::PackManifest, &value) {
            let told = violations.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(ManifestError::Shape(told.join("; ")));
        }
        drop(value);
        let claim = claim.map_err(|error| ManifestError::Shape(error.to_string()))?;
        let Counts { receipts, passed, failed, insufficient } = claim.counts;
        let sizes = claim.artifacts.iter().map(|artifact| artifact.size_bytes);
        if sizes.chain([receipts, passed, failed, insufficient]).any(|number| number > MAX_INTEGER) {
            return Err(ManifestError::Shape(format!("an integer above {MAX_INTEGER}")));
        }
        Ok(Self { bytes, claim })
    }

    /// What it claims.
    #[must_use]
    pub fn claim(&self) -> &Statement {
        &self.claim
    }

    /// Whether the bytes are the one canonical spelling (RFC 8785) of what they say.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.claim.to_bytes() == self.bytes
    }

    /// The digest of the bytes: the pack's identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The manifest, once the seal over its exact bytes holds under `key`.
    ///
    /// # Errors
    /// [`SealError`] when it does not.
    pub fn open(self, key: &VerifyingKey, seal: &[u8]) -> Result<Manifest, SealError> {
        seal::open(key, &self.bytes, seal)?;
        Ok(Manifest { statement: self.claim, signer: key.id() })
    }
}

/// A manifest whose seal holds. [`Unsealed::open`] is the only way to get one.
#[derive(Debug, Clone)]
pub struct Manifest {
    statement: Statement,
    signer: KeyId,
}

impl Manifest {
    /// The key that sealed it.
    #[must_use]
    pub fn signer(&self) -> &KeyId {
        &self.signer
    }
}

impl Deref for Manifest {
    type Target = Statement;

    fn deref(&self) -> &Statement {
        &self.statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_a_pack_id_is_accepted() {
        let id = PackId::of(&Moment::from_unix_seconds(0).unwrap(), None, []);
        assert_eq!(id.to_string().parse::<PackId>().unwrap(), id);
        for text in ["", "0", &"A".repeat(32), &"0".repeat(33)] {
            assert_eq!(text.parse::<PackId>(), Err(InvalidPackId));
        }
    }
}
