//! Co-signatures: a manifest signed once more with ECDSA over P-256, for tools that take no Ed25519. An in-toto statement
//! beside the seal (`attestations/NAME.p256.dsse.json`); it says that the key's holder signed for these bytes, and nothing of
//! what a check came to.

use serde::{Deserialize, Serialize};

use super::MANIFEST;
use super::attestation::not_a_digest;
use crate::digest::Digest;
use crate::trust::p256::{CoSigningKey, CoVerifyingKey};
use crate::trust::{Envelope, SignError, StatementError, Subject, statement};

/// The predicate type of a co-signature.
pub const PREDICATE: &str = "urn:bp:predicate:co-signature:1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    /// SPKI PEM: for convenience, never a root of trust.
    public_key: String,
}

/// Signs for a manifest.
///
/// # Errors
/// [`SignError`] when the key does not sign.
pub fn sign(manifest_sha256: &Digest, key: &CoSigningKey) -> Result<Envelope, SignError> {
    let wire = Wire { public_key: key.verifying_key().to_pem() };
    let subject = Subject::new(MANIFEST, manifest_sha256);
    statement::Statement::new(vec![subject], PREDICATE, &wire).sign(key)
}

/// A co-signature that holds under the key that it brings along. Whose key that is, is the recipient's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoSigned {
    /// The manifest that it is about.
    pub manifest_sha256: Digest,
    /// The key that signed it.
    pub key: CoVerifyingKey,
}

impl CoSigned {
    /// The co-signature in an envelope.
    ///
    /// # Errors
    /// [`StatementError`] when the signature does not hold, or something else is signed.
    pub fn open(envelope: &Envelope) -> Result<Self, StatementError> {
        let claim: Wire = statement::Statement::claimed(envelope)?.predicate(PREDICATE)?;
        let key = CoVerifyingKey::from_pem(&claim.public_key)
            .map_err(|error| StatementError::Shape(error.to_string()))?;
        let opened = statement::Statement::open(envelope, &key)?;
        let [subject] = opened.subjects() else {
            return Err(StatementError::Shape("its one subject is not a manifest".to_owned()));
        };
        if subject.name != MANIFEST {
            return Err(StatementError::Shape("its one subject is not a manifest".to_owned()));
        }
        Ok(Self { manifest_sha256: subject.sha256().ok_or_else(not_a_digest)?, key })
    }
}
