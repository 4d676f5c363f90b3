//! DSSE envelopes (Dead Simple Signing Envelope, v1.0): bytes, what kind they are, and who signed both.
//!
//! A signature is over `PAE(payloadType, payload)`, never over a re-serialisation, and what is handed to a parser are the
//! very bytes that were verified. Verification is as strict as that of a seal.

use base64ct::{Base64, Base64Url, Encoding as _};
use serde::{Deserialize, Serialize};

use super::key::{KeyId, SignError, SigningKey, VerifyingKey};
use super::seal;
use crate::json;

/// The payload type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Signatures that one envelope may hold: each costs a verification.
const MAX_SIGNATURES: usize = 16;

/// The bytes that are signed: type and payload, each with its length before it (DSSE v1.0, "Pre-Authentication
/// Encoding").
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Bytes that are no envelope, or an envelope that shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not strict JSON.
    #[error("not strict JSON: {0}")]
    Json(#[from] json::JsonError),
    /// A member that is missing, unknown or of another kind.
    #[error("not a DSSE envelope: {0}")]
    Shape(String),
    /// Text that is not the one base64 spelling of any bytes.
    #[error("not a DSSE envelope: {0} is not base64")]
    Base64(&'static str),
    /// No signature, or more than are looked at.
    #[error("a DSSE envelope has one to {MAX_SIGNATURES} signatures, this one {0}")]
    Signatures(usize),
    /// What is signed is of another type.
    #[error("the payload is of type {0:?}, not {expected:?}", expected = IN_TOTO)]
    Type(String),
    /// None of its signatures is by this key over these bytes.
    #[error("no signature of this key over these bytes")]
    Broken,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// A private key under which statements are signed.
pub trait Signs {
    /// What names it.
    fn key_id(&self) -> KeyId;

    /// Its signature over a message.
    ///
    /// # Errors
    /// [`SignError`] when the key's holder does not sign.
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A public key under which statements hold.
pub trait Verifies {
    /// Whether this is its signature over the message, in the one spelling of it.
    fn holds(&self, message: &[u8], signature: &[u8]) -> bool;
}

impl Signs for SigningKey {
    fn key_id(&self) -> KeyId {
        self.id()
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        seal::sign(self, message).map(|signature| signature.to_vec())
    }
}

impl Verifies for VerifyingKey {
    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        seal::open(self, message, signature).is_ok()
    }
}

/// One signature of an envelope. The hint is not signed and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    hint: Option<String>,
    bytes: Vec<u8>,
}

/// An envelope. What it holds is a claim until [`Envelope::open`] answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

impl Envelope {
    /// The envelope in these bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let value = json::parse(bytes)?;
        let wire: Wire =
            serde_json::from_value(value).map_err(|error| EnvelopeError::Shape(error.to_string()))?;
        if wire.signatures.is_empty() || wire.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::Signatures(wire.signatures.len()));
        }
        let signature = |wire: WireSignature| {
            decode(&wire.sig)
                .map(|bytes| Signature { hint: wire.keyid, bytes })
                .ok_or(EnvelopeError::Base64("sig"))
        };
        Ok(Self {
            payload: decode(&wire.payload).ok_or(EnvelopeError::Base64("payload"))?,
            payload_type: wire.payload_type,
            signatures: wire.signatures.into_iter().map(signature).collect::<Result<_, _>>()?,
        })
    }

    /// An envelope around a payload, signed by one key.
    ///
    /// # Errors
    /// [`SignError`] when the key's holder does not sign.
    pub fn sign(key: &impl Signs, payload_type: &str, payload: Vec<u8>) -> Result<Self, SignError> {
        let bytes = key.signature(&pae(payload_type, &payload))?;
        let signature = Signature { hint: Some(key.key_id().to_string()), bytes };
        Ok(Self { payload_type: payload_type.to_owned(), payload, signatures: vec![signature] })
    }

    /// Its one canonical spelling (RFC 8785, standard base64).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let signature = |signature: &Signature| WireSignature {
            keyid: signature.hint.clone(),
            sig: Base64::encode_string(&signature.bytes),
        };
        json::canonical(&Wire {
            payload: Base64::encode_string(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        })
    }

    /// What the payload is said to be.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload, whoever wrote it: a claim.
    #[must_use]
    pub fn claim(&self) -> &[u8] {
        &self.payload
    }

    /// The key of its one signature, where it has one and hints at the key by our id: a claim.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self.signatures.as_slice() {
            [Signature { hint: Some(hint), .. }] => hint.parse().ok(),
            _ => None,
        }
    }

    /// The payload, once a signature of this key holds over it and its type. Hints are not looked at.
    ///
    /// # Errors
    /// [`EnvelopeError::Broken`] when none does.
    pub fn open(&self, key: &impl Verifies) -> Result<&[u8], EnvelopeError> {
        let signed = pae(&self.payload_type, &self.payload);
        let holds = self.signatures.iter().any(|signature| key.holds(&signed, &signature.bytes));
        if holds { Ok(&self.payload) } else { Err(EnvelopeError::Broken) }
    }
}

/// Base64 in either alphabet, with padding, in the one spelling of its bytes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let standard = Base64::decode_vec(text).ok().filter(|bytes| Base64::encode_string(bytes) == text);
    let url = || Base64Url::decode_vec(text).ok().filter(|bytes| Base64Url::encode_string(bytes) == text);
    standard.or_else(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    /// The one example of the specification (`protocol.md`).
    #[test]
    fn the_published_encoding() {
        let payload = b"hello world";
        assert_eq!(
            pae("http://example.com/HelloWorld", payload),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn an_envelope_opens_for_its_key_type_and_bytes_alone() {
        let envelope = Envelope::sign(&alice(), IN_TOTO, b"{}".to_vec()).unwrap();
        let bytes = envelope.to_bytes();
        assert_eq!(Envelope::parse(&bytes).unwrap(), envelope);
        assert_eq!(envelope.open(&alice().verifying_key()).unwrap(), b"{}");
        assert_eq!(envelope.key_id(), Some(alice().id()));
        let mallory = SigningKey::from_seed(&[2; 32]).verifying_key();
        assert_eq!(envelope.open(&mallory), Err(EnvelopeError::Broken));
        let retyped = Envelope { payload_type: "text/plain".to_owned(), ..envelope.clone() };
        assert_eq!(retyped.open(&alice().verifying_key()), Err(EnvelopeError::Broken));
        let edited = Envelope { payload: b"[]".to_vec(), ..envelope };
        assert_eq!(edited.open(&alice().verifying_key()), Err(EnvelopeError::Broken));
    }

    #[test]
    fn another_spelling_is_read_where_dsse_allows_it_and_is_never_ours() {
        let payload = vec![0xfb, 0xff, 0xfe];
        let bytes = Envelope::sign(&alice(), IN_TOTO, payload.clone()).unwrap().to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let parsed = |text: &str| Envelope::parse(text.as_bytes());
        let url = parsed(&text.replace("\"+//+\"", "\"-__-\"")).unwrap();
        assert_eq!(url.open(&alice().verifying_key()).unwrap(), payload);
        assert_eq!(url.to_bytes(), bytes);
        let spaced = parsed(&text.replace(':', ": ")).unwrap();
        assert_ne!(text.replace(':', ": ").as_bytes(), spaced.to_bytes());
        // Bits that are in no byte, missing padding, white space.
        for other in ["\"+//-\"", "\"+//+=\"", "\"+//\"", "\"+/+x\\n\""] {
            assert_eq!(
                parsed(&text.replace("\"+//+\"", other)),
                Err(EnvelopeError::Base64("payload")),
                "{other}"
            );
        }
        let one = Envelope::sign(&alice(), IN_TOTO, vec![1]).unwrap().to_bytes();
        let one = String::from_utf8(one).unwrap();
        assert_eq!(parsed(&one.replace("\"AQ==\"", "\"AR==\"")), Err(EnvelopeError::Base64("payload")));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let bytes = Envelope::sign(&alice(), IN_TOTO, b"{}".to_vec()).unwrap().to_bytes();
        let text = String::from_utf8(bytes).unwrap();
        let refused = |text: &str| Envelope::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(refused(&text.replacen('{', "{\"x\":1,", 1)), EnvelopeError::Shape(_)));
        assert!(matches!(refused(&text.replacen('{', "{\"payload\":\"\",", 1)), EnvelopeError::Json(_)));
        let start = text.find("[{").unwrap();
        let none = format!("{}[]}}", &text[..start]);
        assert_eq!(refused(&none), EnvelopeError::Signatures(0));
        let signature = &text[start + 1..text.len() - 2];
        let many = format!("{}[{}]}}", &text[..start], vec![signature; 17].join(","));
        assert_eq!(refused(&many), EnvelopeError::Signatures(17));
        assert!(matches!(refused("[]"), EnvelopeError::Shape(_)));
        assert!(matches!(refused(""), EnvelopeError::Json(_)));
    }
}
