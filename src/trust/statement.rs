//! In-toto statements (v1): which bytes, by digest, and what is said of them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::{Envelope, EnvelopeError, IN_TOTO, Signs, Verifies};
use super::key::SignError;
use crate::digest::Digest;
use crate::json;

/// The type of every statement that this module reads and writes.
pub const TYPE: &str = "https://in-toto.io/Statement/v1";

/// Bytes, by name and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What they are called.
    pub name: String,
    /// Their digests, by algorithm.
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// Bytes with this SHA-256.
    #[must_use]
    pub fn new(name: &str, sha256: &Digest) -> Self {
        Self { name: name.to_owned(), digest: BTreeMap::from([("sha256".to_owned(), sha256.to_string())]) }
    }

    /// Their SHA-256, where it is stated in our spelling.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.digest.get("sha256")?.parse().ok()
    }
}

/// A payload that is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The envelope does not open, or holds something else.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Not strict JSON.
    #[error("the statement is not strict JSON: {0}")]
    Json(json::JsonError),
    /// A member that is missing, unknown or of another kind.
    #[error("not an in-toto statement: {0}")]
    Shape(String),
    /// Another type, or another version.
    #[error("the statement is of type {0:?}, not {expected:?}", expected = TYPE)]
    Type(String),
    /// It says something of another kind.
    #[error("the statement is a {0:?}")]
    Predicate(String),
}

/// What is said of some bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    type_: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

impl Statement {
    /// What `predicate` says of these subjects.
    ///
    /// # Panics
    /// Never for our own predicates: their keys are strings.
    #[must_use]
    pub fn new(subject: Vec<Subject>, predicate_type: &str, predicate: &impl Serialize) -> Self {
        Self {
            type_: TYPE.to_owned(),
            subject,
            predicate_type: predicate_type.to_owned(),
            predicate: serde_json::to_value(predicate).expect("our predicates hold string keys"),
        }
    }

    /// Its canonical bytes (RFC 8785).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`SignError`] when the key's holder does not sign.
    pub fn sign(&self, key: &impl Signs) -> Result<Envelope, SignError> {
        Envelope::sign(key, IN_TOTO, self.to_bytes())
    }

    /// The statement in an envelope, once a signature of this key holds over it.
    ///
    /// # Errors
    /// [`StatementError`] when none does, or what is signed is no statement.
    pub fn open(envelope: &Envelope, key: &impl Verifies) -> Result<Self, StatementError> {
        Self::parse(envelope.payload_type(), envelope.open(key)?)
    }

    /// The statement in an envelope, whoever wrote it: a claim.
    ///
    /// # Errors
    /// [`StatementError`] when it holds none.
    pub fn claimed(envelope: &Envelope) -> Result<Self, StatementError> {
        Self::parse(envelope.payload_type(), envelope.claim())
    }

    fn parse(payload_type: &str, payload: &[u8]) -> Result<Self, StatementError> {
        if payload_type != IN_TOTO {
            return Err(EnvelopeError::Type(payload_type.to_owned()).into());
        }
        let value = json::parse(payload).map_err(StatementError::Json)?;
        let statement: Self =
            serde_json::from_value(value).map_err(|error| StatementError::Shape(error.to_string()))?;
        if statement.type_ == TYPE { Ok(statement) } else { Err(StatementError::Type(statement.type_)) }
    }

    /// What it is about.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subject
    }

    /// The kind of what it says.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// What it says, as a predicate of this type.
    ///
    /// # Errors
    /// [`StatementError`] when it is of another type, or not of that shape.
    pub fn predicate<P: DeserializeOwned>(&self, predicate_type: &str) -> Result<P, StatementError> {
        if self.predicate_type != predicate_type {
            return Err(StatementError::Predicate(self.predicate_type.clone()));
        }
        P::deserialize(&self.predicate).map_err(|error| StatementError::Shape(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;

    fn alice() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn statement() -> Statement {
        Statement::new(vec![Subject::new("manifest.json", &Digest::of(b"m"))], "urn:test", &7)
    }

    #[test]
    fn a_statement_opens_for_its_key_and_says_what_was_signed() {
        let envelope = statement().sign(&alice()).unwrap();
        let opened = Statement::open(&envelope, &alice().verifying_key()).unwrap();
        assert_eq!(opened, statement());
        assert_eq!(opened.subjects()[0].sha256(), Some(Digest::of(b"m")));
        assert_eq!(opened.predicate::<u8>("urn:test"), Ok(7));
        assert_eq!(
            opened.predicate::<u8>("urn:other"),
            Err(StatementError::Predicate("urn:test".to_owned()))
        );
        assert!(matches!(opened.predicate::<String>("urn:test"), Err(StatementError::Shape(_))));
        let mallory = SigningKey::from_seed(&[2; 32]).verifying_key();
        let refused = Statement::open(&envelope, &mallory).unwrap_err();
        assert_eq!(refused, StatementError::Envelope(EnvelopeError::Broken));
    }

    #[test]
    fn other_types_are_refused() {
        let signed = |payload_type: &str, payload: &str| {
            let envelope = Envelope::sign(&alice(), payload_type, payload.as_bytes().to_vec()).unwrap();
            Statement::open(&envelope, &alice().verifying_key()).unwrap_err()
        };
        let text = String::from_utf8(statement().to_bytes()).unwrap();
        assert!(matches!(signed("text/plain", &text), StatementError::Envelope(EnvelopeError::Type(_))));
        let other = text.replace("Statement/v1", "Statement/v0.1");
        assert!(matches!(signed(IN_TOTO, &other), StatementError::Type(_)));
        let twice = text.replacen('{', "{\"predicate\":1,", 1);
        assert!(matches!(signed(IN_TOTO, &twice), StatementError::Json(_)));
        assert!(matches!(signed(IN_TOTO, "{}"), StatementError::Shape(_)));
    }
}
