//! What an authority is asked (RFC 3161, 2.4.1): to stamp a SHA-256, and to send its certificates along.

use der::asn1::{OctetStringRef, UintRef};
use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _, Sequence};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::MAX_BYTES;
use super::reader::NotDer;
use crate::digest::Digest;

/// SHA-256.
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// What makes a reply the reply to one request. The caller brings the randomness.
pub type Nonce = [u8; 8];

/// Bytes that are no request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not the DER of a request.
    #[error("not a time-stamp request in DER (RFC 3161, 2.4.1)")]
    Form,
    /// It is about a digest of another kind.
    #[error("the request is not about a SHA-256")]
    Imprint,
}

impl From<NotDer> for RequestError {
    fn from(_: NotDer) -> Self {
        Self::Form
    }
}

/// The digest that is stamped, by algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct Imprint<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    digest: &'a OctetStringRef,
}

impl<'a> Imprint<'a> {
    /// The imprint that is a SHA-256, where it is one.
    pub(super) fn sha256(&self) -> Option<Digest> {
        let bytes: [u8; 32] = self.digest.as_bytes().try_into().ok()?;
        let null = self.algorithm.parameters.is_none_or(der::AnyRef::is_null);
        (self.algorithm.oid == SHA_256 && null).then(|| Digest::from_bytes(bytes))
    }

    fn of(digest: &'a Digest) -> der::Result<Self> {
        let algorithm = AlgorithmIdentifierRef { oid: SHA_256, parameters: Some(der::AnyRef::NULL) };
        Ok(Self { algorithm, digest: OctetStringRef::new(digest.as_bytes())? })
    }
}

#[derive(Sequence)]
struct Wire<'a> {
    version: u8,
    imprint: Imprint<'a>,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<UintRef<'a>>,
    #[asn1(default = "Default::default")]
    certificates: bool,
}

/// A request for a time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    imprint: Digest,
    nonce: Option<Vec<u8>>,
}

impl Request {
    /// A request to stamp this digest.
    #[must_use]
    pub fn new(imprint: Digest, nonce: Nonce) -> Self {
        let start = nonce.iter().position(|byte| *byte != 0).unwrap_or(nonce.len() - 1);
        Self { imprint, nonce: Some(nonce[start..].to_vec()) }
    }

    /// The request in these bytes.
    ///
    /// # Errors
    /// [`RequestError`] for bytes that are none, or are about another digest than a SHA-256.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let wire = Some(bytes).filter(|bytes| bytes.len() <= MAX_BYTES);
        let wire = Wire::from_der(wire.ok_or(RequestError::Form)?).map_err(|_| RequestError::Form)?;
        if wire.version != 1 {
            return Err(RequestError::Form);
        }
        let imprint = wire.imprint.sha256().ok_or(RequestError::Imprint)?;
        Ok(Self { imprint, nonce: wire.nonce.map(|nonce| nonce.as_bytes().to_vec()) })
    }

    /// Its DER, as `openssl ts -query -sha256 -cert` writes it.
    ///
    /// # Panics
    /// Never: a digest and a few bytes have a DER.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let imprint = Imprint::of(&self.imprint).expect("32 bytes are an octet string");
        let nonce = self.nonce.as_deref().map(|nonce| UintRef::new(nonce).expect("a few bytes are a number"));
        let wire = Wire { version: 1, imprint, policy: None, nonce, certificates: true };
        wire.to_der().expect("it is short")
    }

    /// The digest that is to be stamped.
    #[must_use]
    pub fn imprint(&self) -> Digest {
        self.imprint
    }

    /// What its reply repeats, big-endian without leading zeros.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}
