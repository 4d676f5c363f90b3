//! Handing over: a statement, signed by a key that is believed, that names the key which follows it.

use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::key::{KeyId, SignError, SigningKey, VerifyingKey};
use super::statement::{Statement, StatementError, Subject};
use crate::moment::Moment;

/// What a handing-over says, by predicate type.
pub const PREDICATE: &str = "urn:bp:predicate:key-rotation:1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    old_public_key: String,
    new_public_key: String,
    new_key_id: KeyId,
    valid_from: Moment,
}

/// A key that another has named as its successor. The signature of the old one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    old: VerifyingKey,
    new: VerifyingKey,
    from: Moment,
}

impl Rotation {
    /// Names a successor.
    ///
    /// # Errors
    /// [`SignError`] when the old key's holder does not sign.
    pub fn sign(old: &SigningKey, new: &VerifyingKey, from: Moment) -> Result<Envelope, SignError> {
        let wire = Wire {
            old_public_key: old.verifying_key().to_pem(),
            new_public_key: new.to_pem(),
            new_key_id: new.id(),
            valid_from: from,
        };
        let subject = Subject::new("public-key", &new.id().digest());
        Statement::new(vec![subject], PREDICATE, &wire).sign(old)
    }

    /// The handing-over in an envelope. Whether the old key is believed is the recipient's to say.
    ///
    /// # Errors
    /// [`StatementError`] when the old key did not sign it, or it says something else.
    pub fn open(envelope: &Envelope) -> Result<Self, StatementError> {
        let key =
            |pem: &str| VerifyingKey::from_pem(pem).map_err(|error| StatementError::Shape(error.to_string()));
        let claim: Wire = Statement::claimed(envelope)?.predicate(PREDICATE)?;
        let old = key(&claim.old_public_key)?;
        let opened = Statement::open(envelope, &old)?;
        let new = key(&claim.new_public_key)?;
        let names = opened.subjects().iter().any(|subject| subject.sha256() == Some(new.id().digest()));
        if !names || claim.new_key_id != new.id() {
            return Err(StatementError::Shape(
                "its subject is another key than the one that it holds".to_owned(),
            ));
        }
        Ok(Self { old, new, from: claim.valid_from })
    }

    /// The key that hands over.
    #[must_use]
    pub fn old_key(&self) -> VerifyingKey {
        self.old
    }

    /// The key that follows.
    #[must_use]
    pub fn new_key(&self) -> VerifyingKey {
        self.new
    }

    /// From when on it is to be believed.
    #[must_use]
    pub fn from(&self) -> Moment {
        self.from
    }
}
