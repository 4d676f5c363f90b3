//! Tokens: CMS signed data (RFC 5652, 5) around what an authority says (RFC 3161, 2.4.2), with the certificates that it
//! sends along. The structures are read here and not by a library of CMS: what is signed are the bytes as they lie, and a
//! library that sorts or encodes them again refuses tokens that hold.

use der::oid::ObjectIdentifier;
use der::{AnyRef, Encode as _, Tag};
use sha1::{Digest as _, Sha1};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::MAX_BYTES;
use super::algorithm::{Hash, Scheme, Unsigned};
use super::chain::Certificate;
use super::reader::{Elements, NotDer, all, context};
use super::request::{Imprint, Request};
use crate::digest::Digest;
use crate::moment::Moment;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// Certificates that a token may bring.
const MAX_CERTIFICATES: usize = 32;
/// Attributes that a token may sign.
const MAX_ATTRIBUTES: usize = 64;

/// Bytes that are no token, or a token that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not DER of a token or a reply, or something follows it.
    #[error("not a time-stamp token or reply in DER (RFC 3161, 2.4.2): {0}")]
    Form(&'static str),
    /// A reply that says why there is no token.
    #[error("the authority did not stamp: status {0} (RFC 3161, 2.4.2)")]
    NotGranted(u8),
    /// It stamps other bytes.
    #[error("it stamps other bytes: {stamped}, not {asked}")]
    OtherBytes {
        /// The digest that it stamps.
        stamped: Digest,
        /// The digest that is asked for.
        asked: Digest,
    },
    /// It answers another request.
    #[error("it repeats another nonce than the request's: it answers another request, or an older one")]
    OtherRequest,
    /// The certificate of its signer is not among those that it brings.
    #[error("it does not bring its signer's certificate; ask for it (certReq)")]
    NoCertificate,
    /// What is signed does not name the certificate, or names another.
    #[error("what is signed names another certificate than the signer's (RFC 5035, ESSCertID)")]
    OtherCertificate,
    /// The key is not, or not only, one that stamps.
    #[error("the signer's certificate is not one for time stamps alone (RFC 3161, 2.3)")]
    Purpose,
    /// The certificate's time had not come, or was over.
    #[error("the signer's certificate was not valid at {0}")]
    NotValid(Moment),
    /// An algorithm that is not taken here.
    #[error(
        "it is signed in a way that is not taken here: RSA from 2048 bits or ECDSA over P-256 or P-384, with SHA-2"
    )]
    Algorithm,
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Broken,
}

impl From<NotDer> for TokenError {
    fn from(_: NotDer) -> Self {
        Self::Form("an element is missing, out of place or in another encoding")
    }
}

impl From<Unsigned> for TokenError {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Algorithm => Self::Algorithm,
            Unsigned::Broken => Self::Broken,
        }
    }
}

/// What a token says, by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// When.
    pub at: Moment,
    /// How far that can be off, in microseconds; none where it is not said.
    pub accuracy_us: Option<u64>,
    /// Under which policy of the authority, as an object identifier.
    pub policy: String,
    /// The name in the certificate of the key that signed it. Whoever made the certificate chose it.
    pub authority: String,
}

impl Claim {
    /// The earliest and the latest time that the token allows for.
    #[must_use]
    pub fn bounds(&self) -> (Moment, Moment) {
        let off = self.accuracy_us.unwrap_or(0);
        (self.at.earlier_by(off), self.at.later_by(off))
    }
}

/// A token as it was found. What it says is a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    bytes: Vec<u8>,
    imprint: Digest,
    nonce: Option<Vec<u8>>,
    /// What is signed about the time.
    info: Vec<u8>,
    claim: Claim,
    /// The attributes that are signed, as a SET.
    signed: Vec<u8>,
    message_digest: Vec<u8>,
    certificate_ids: Vec<CertificateId>,
    scheme: Scheme,
    signature: Vec<u8>,
    signer: usize,
    brought: Vec<Certificate>,
}

impl Token {
    /// The token in these bytes: a token, or a reply that holds one.
    ///
    /// # Errors
    /// [`TokenError`] for bytes that are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        if bytes.len() > MAX_BYTES {
            return Err(TokenError::Form("longer than one is"));
        }
        let inside = all(bytes, |outer| outer.content(Tag::Sequence))?;
        let mut elements = Elements::of(inside)?;
        if elements.peek() == Some(Tag::ObjectIdentifier) {
            return Self::of(bytes);
        }
        let status = elements.content(Tag::Sequence)?;
        let status: u8 = Elements::of(status)?.decode()?;
        // 0 is granted, 1 granted with changes.
        if status > 1 {
            return Err(TokenError::NotGranted(status));
        }
        let token = elements.whole(Tag::Sequence)?;
        elements.end()?;
        Self::of(token)
    }

    fn of(bytes: &[u8]) -> Result<Self, TokenError> {
        let content = all(bytes, |outer| outer.content(Tag::Sequence))?;
        let data = all(content, |content| {
            let kind: ObjectIdentifier = content.decode()?;
            let data = content.content(context(0, true))?;
            if kind == SIGNED_DATA { Ok(data) } else { Err(NotDer) }
        })?;
        let data = all(data, |data| data.content(Tag::Sequence))?;
        let mut data = Elements::of(data)?;
        let _version: u8 = data.decode()?;
        let _hashes = data.content(Tag::Set)?;
        let info = all(data.content(Tag::Sequence)?, |content| {
            let kind: ObjectIdentifier = content.decode()?;
            let info = content.content(context(0, true))?;
            if kind == TST_INFO { all(info, |info| info.content(Tag::OctetString)) } else { Err(NotDer) }
        })?;
        let brought = certificates(data.optional(context(0, true))?.unwrap_or_default())?;
        let _revoked = data.optional(context(1, true))?;
        let signer = all(data.content(Tag::Set)?, |signers| signers.content(Tag::Sequence));
        let signer = signer.map_err(|NotDer| TokenError::Form("it has not one signer"))?;
        data.end()?;
        let signer = Signer::parse(signer)?;
        let Info { imprint, nonce, at, accuracy_us, policy } = Info::parse(info)?;
        let place = brought.iter().position(|certificate| signer.id.names(certificate));
        let place = place.ok_or(TokenError::NoCertificate)?;
        let claim = Claim { at, accuracy_us, policy, authority: brought[place].subject_name() };
        Ok(Self {
            bytes: bytes.to_vec(),
            imprint,
            nonce,
            info: info.to_vec(),
            claim,
            signed: signer.signed,
            message_digest: signer.message_digest,
            certificate_ids: signer.certificate_ids,
            scheme: signer.scheme?,
            signature: signer.signature,
            signer: place,
            brought,
        })
    }

    /// The token alone, as it was found.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it answers this request.
    ///
    /// # Errors
    /// [`TokenError::OtherBytes`] or [`TokenError::OtherRequest`] when it answers another.
    pub fn answers(&self, request: &Request) -> Result<(), TokenError> {
        self.about(&request.imprint())?;
        if self.nonce.as_deref() == request.nonce() { Ok(()) } else { Err(TokenError::OtherRequest) }
    }

    fn about(&self, asked: &Digest) -> Result<(), TokenError> {
        if self.imprint == *asked {
            return Ok(());
        }
        Err(TokenError::OtherBytes { stamped: self.imprint, asked: *asked })
    }

    /// What it says of bytes with this digest, once it holds by itself: it is about them, and is signed by a key that its
    /// certificate has for time stamps alone. Anybody can make such a certificate.
    ///
    /// # Errors
    /// [`TokenError`] with the first thing that does not hold.
    pub fn claim(&self, sha256: &Digest) -> Result<&Claim, TokenError> {
        self.about(sha256)?;
        let signer = self.signer();
        let (Scheme::Pkcs1(hash) | Scheme::Pss(hash, _) | Scheme::Ecdsa(hash)) = self.scheme;
        if hash.digest(&self.info) != self.message_digest {
            return Err(TokenError::Broken);
        }
        self.scheme.check(signer.key(), &self.signed, &self.signature)?;
        if !self.certificate_ids.iter().all(|id| id.names(signer)) {
            return Err(TokenError::OtherCertificate);
        }
        if !signer.stamps() {
            return Err(TokenError::Purpose);
        }
        if !signer.valid_at(self.claim.at) {
            return Err(TokenError::NotValid(self.claim.at));
        }
        Ok(&self.claim)
    }

    pub(super) fn signer(&self) -> &Certificate {
        &self.brought[self.signer]
    }

    pub(super) fn brought(&self) -> &[Certificate] {
        &self.brought
    }
}

/// The certificates of a token. Other things that CMS allows among them are passed over, and so are certificates that are not
/// read here: without them fewer keys are vouched for, never more.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, TokenError> {
    let (mut elements, mut certificates) = (Elements::of(bytes)?, Vec::new());
    while let Some(tag) = elements.peek() {
        let element = elements.whole(tag)?;
        if tag == Tag::Sequence {
            if certificates.len() == MAX_CERTIFICATES {
                return Err(TokenError::Form("it brings more certificates than are looked at"));
            }
            certificates.extend(Certificate::parse(element).ok());
        }
    }
    elements.end()?;
    Ok(certificates)
}

/// What the authority says (RFC 3161, 2.4.2, `TSTInfo`).
struct Info {
    imprint: Digest,
    nonce: Option<Vec<u8>>,
    at: Moment,
    accuracy_us: Option<u64>,
    policy: String,
}

impl Info {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let info = all(bytes, |outer| outer.content(Tag::Sequence))?;
        let mut info = Elements::of(info)?;
        let version: u8 = info.decode()?;
        if version != 1 {
            return Err(TokenError::Form("its version is another than 1"));
        }
        let policy: ObjectIdentifier = info.decode()?;
        let imprint: Imprint<'_> = info.decode()?;
        let imprint =
            imprint.sha256().ok_or(TokenError::Form("it stamps a digest of another kind than SHA-256"))?;
        let _serial = info.content(Tag::Integer)?;
        let at = info.content(Tag::GeneralizedTime)?;
        let at = moment(at).ok_or(TokenError::Form("its time is not in the one spelling of DER"))?;
        let accuracy_us = info.optional(Tag::Sequence)?.map(accuracy).transpose()?;
        // Whether tokens of this authority have an order says nothing about one of them.
        if info.optional(Tag::Boolean)?.is_some_and(|ordering| ordering != [0xff]) {
            return Err(TokenError::Form("a default value is written out"));
        }
        let nonce = info.optional(Tag::Integer)?.map(positive).transpose()?;
        let _authority = info.optional(context(0, true))?;
        if let Some(extensions) = info.optional(context(1, true))? {
            extensions_known(extensions)?;
        }
        info.end()?;
        Ok(Self { imprint, nonce, at, accuracy_us, policy: policy.to_string() })
    }
}

/// The octets of a number without the zero that marks it as positive.
fn positive(content: &[u8]) -> Result<Vec<u8>, TokenError> {
    match content {
        [0, rest @ ..] if !rest.is_empty() => Ok(rest.to_vec()),
        [first, ..] if *first < 0x80 => Ok(content.to_vec()),
        _ => Err(TokenError::Form("a nonce below zero")),
    }
}

/// `YYYYMMDDhhmmss[.f]Z`, the fraction without a zero at its end (X.690, 11.7).
fn moment(content: &[u8]) -> Option<Moment> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || fraction.is_some_and(|rest| !digits(rest)) {
        return None;
    }
    let (date, time) = whole.split_at(8);
    let mut text = format!(
        "{}-{}-{}T{}:{}:{}",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    if let Some(fraction) = fraction {
        text.extend([".", fraction]);
    }
    text.push('Z');
    text.parse().ok()
}

/// `Accuracy`: seconds, and thousandths and millionths from 1 to 999.
fn accuracy(content: &[u8]) -> Result<u64, TokenError> {
    let part = |content: Option<&[u8]>| match content {
        None => Ok(0),
        Some(bytes) => {
            let value = positive(bytes)?.into_iter().try_fold(0_u64, |sum, byte| {
                sum.checked_mul(256).and_then(|sum| sum.checked_add(u64::from(byte)))
            });
            value.filter(|value| u32::try_from(*value).is_ok()).ok_or(TokenError::Form("an accuracy of ages"))
        }
    };
    let mut elements = Elements::of(content)?;
    let seconds = part(elements.optional(Tag::Integer)?)?;
    let thousandths = part(elements.optional(context(0, false))?)?;
    let millionths = part(elements.optional(context(1, false))?)?;
    elements.end()?;
    Ok(seconds * 1_000_000 + thousandths * 1000 + millionths)
}

/// Refuses an extension that is marked as one that must be known: none is.
fn extensions_known(content: &[u8]) -> Result<(), TokenError> {
    let mut elements = Elements::of(content)?;
    while !elements.is_empty() {
        let extension: x509_cert::ext::Extension = elements.decode()?;
        if extension.critical {
            return Err(TokenError::Form("it has a critical extension that is not known here"));
        }
    }
    Ok(())
}

/// How a signer names its certificate (RFC 5652, 5.3).
enum SignerId {
    IssuerAndSerial { issuer: Vec<u8>, serial: Vec<u8> },
    KeyId(Vec<u8>),
}

impl SignerId {
    fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                let same = certificate.issuer().to_der().is_ok_and(|name| name == *issuer);
                same && certificate.has_serial(serial)
            }
            Self::KeyId(key_id) => certificate.key_id() == Some(key_id),
        }
    }
}

/// What is signed of the signer's certificate (RFC 2634, RFC 5035): its digest, and who issued it under which number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CertificateId {
    digest: CertificateDigest,
    issued: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum CertificateDigest {
    /// Of the first version. The key that signed is checked beside it, so that finding a twin gains nothing.
    Sha1(Vec<u8>),
    Sha2(Hash, Vec<u8>),
}

impl CertificateId {
    fn names(&self, certificate: &Certificate) -> bool {
        let same = match &self.digest {
            CertificateDigest::Sha1(digest) => Sha1::digest(certificate.bytes()).as_slice() == digest,
            CertificateDigest::Sha2(hash, digest) => hash.digest(certificate.bytes()) == *digest,
        };
        let issued = self.issued.as_ref().is_none_or(|(issuer, serial)| {
            certificate.issuer().to_der().is_ok_and(|name| name == *issuer) && certificate.has_serial(serial)
        });
        same && issued
    }

    /// The first id of a `SigningCertificate`; those behind it are of certificates above.
    fn first(attribute: &[u8], version: u8) -> Result<Self, NotDer> {
        let inside = all(attribute, |outer| outer.content(Tag::Sequence))?;
        let mut inside = Elements::of(inside)?;
        let mut ids = Elements::of(inside.content(Tag::Sequence)?)?;
        let _policies = inside.optional(Tag::Sequence)?;
        inside.end()?;
        let mut id = Elements::of(ids.content(Tag::Sequence)?)?;
        let digest = if version == 1 {
            CertificateDigest::Sha1(id.content(Tag::OctetString)?.to_vec())
        } else {
            let hash = if id.peek() == Some(Tag::Sequence) {
                let algorithm: AlgorithmIdentifierRef<'_> = id.decode()?;
                Hash::of(algorithm.oid).ok_or(NotDer)?
            } else {
                Hash::Sha256
            };
            CertificateDigest::Sha2(hash, id.content(Tag::OctetString)?.to_vec())
        };
        let issued = match id.optional(Tag::Sequence)? {
            None => None,
            Some(issued) => Some(all(issued, |issued| {
                let names = issued.content(Tag::Sequence)?;
                // One directory name: [4] around a Name.
                let name = all(names, |names| names.content(context(4, true)))?;
                Ok((name.to_vec(), issued.content(Tag::Integer)?.to_vec()))
            })?),
        };
        id.end()?;
        Ok(Self { digest, issued })
    }
}

/// The one signer of a token.
struct Signer {
    id: SignerId,
    signed: Vec<u8>,
    message_digest: Vec<u8>,
    certificate_ids: Vec<CertificateId>,
    scheme: Result<Scheme, Unsigned>,
    signature: Vec<u8>,
}

impl Signer {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut signer = Elements::of(bytes)?;
        let _version: u8 = signer.decode()?;
        let id = if signer.peek() == Some(Tag::Sequence) {
            all(signer.content(Tag::Sequence)?, |id| {
                let issuer = id.whole(Tag::Sequence)?.to_vec();
                Ok(SignerId::IssuerAndSerial { issuer, serial: id.content(Tag::Integer)?.to_vec() })
            })?
        } else {
            SignerId::KeyId(signer.content(context(0, false))?.to_vec())
        };
        let hash: AlgorithmIdentifierRef<'_> = signer.decode()?;
        let attributes = signer.content(context(0, true))?;
        let algorithm: AlgorithmIdentifierRef<'_> = signer.decode()?;
        let scheme = match Hash::of(hash.oid) {
            Some(hash) => Scheme::of(&algorithm, Some(hash)),
            None => Err(Unsigned::Algorithm),
        };
        let signature = signer.content(Tag::OctetString)?.to_vec();
        // Not signed, and so not read.
        let _unsigned = signer.optional(context(1, true))?;
        signer.end()?;
        // What is signed is the SET, though it lies there under another tag (RFC 5652, 5.4).
        let set = AnyRef::new(Tag::Set, attributes).and_then(|set| set.to_der());
        let set = set.map_err(|_| NotDer)?;
        let (message_digest, certificate_ids) = attributes_of(attributes)?;
        Ok(Self { id, signed: set, message_digest, certificate_ids, scheme, signature })
    }
}

/// The digest of what the authority says, and how its certificate is named, from the attributes that are signed.
fn attributes_of(bytes: &[u8]) -> Result<(Vec<u8>, Vec<CertificateId>), TokenError> {
    let (mut attributes, mut seen) = (Elements::of(bytes)?, Vec::new());
    let (mut content_type, mut digest, mut ids) = (None, None, Vec::new());
    while !attributes.is_empty() {
        let attribute = attributes.content(Tag::Sequence)?;
        let (kind, values) = all(attribute, |attribute| {
            Ok((attribute.decode::<ObjectIdentifier>()?, attribute.content(Tag::Set)?))
        })?;
        if seen.contains(&kind) || seen.len() == MAX_ATTRIBUTES {
            return Err(TokenError::Form("a signed attribute stands twice, or there are too many"));
        }
        seen.push(kind);
        match kind {
            CONTENT_TYPE => content_type = Some(all(values, Elements::decode::<ObjectIdentifier>)?),
            MESSAGE_DIGEST => digest = Some(all(values, |value| value.content(Tag::OctetString))?.to_vec()),
            SIGNING_CERTIFICATE => ids.push(CertificateId::first(all(values, whole)?, 1)?),
            SIGNING_CERTIFICATE_V2 => ids.push(CertificateId::first(all(values, whole)?, 2)?),
            _ => {}
        }
    }
    if content_type != Some(TST_INFO) {
        return Err(TokenError::Form("what is signed is not said to be about a time"));
    }
    let digest = digest.ok_or(TokenError::Form("no digest is signed"))?;
    if ids.is_empty() {
        return Err(TokenError::OtherCertificate);
    }
    Ok((digest, ids))
}

fn whole<'a>(value: &mut Elements<'a>) -> Result<&'a [u8], NotDer> {
    value.whole(Tag::Sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_one_spelling_of_der() {
        let read = |text: &str| moment(text.as_bytes()).map(|at| at.to_string());
        assert_eq!(read("20260131120000Z").as_deref(), Some("2026-01-31T12:00:00Z"));
        assert_eq!(read("20260131120000.25Z").as_deref(), Some("2026-01-31T12:00:00.25Z"));
        for wrong in [
            "20260131120000",
            "20260131120000.Z",
            "20260131120000.250Z",
            "202601311200Z",
            "20260231120000Z",
            "20260131126000Z",
            "20260131120000+0000",
            "20260131120000.0000000001Z",
            "Z",
            "2026013112000\u{e9}Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_accuracy_is_the_sum_of_its_parts() {
        // 1 s, 500 ms, 100 us.
        let content = [2, 1, 1, 0x80, 2, 1, 0xf4, 0x81, 1, 100];
        assert_eq!(accuracy(&content), Ok(1_500_100));
        assert_eq!(accuracy(&[]), Ok(0));
        assert!(accuracy(&[2, 1, 0x80]).is_err(), "below zero");
        assert!(accuracy(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "ages");
    }
}
