//! From the key that signed a token up to a certificate that the recipient named (RFC 5280, 6, without what time stamps have
//! no use for): names, signatures, purpose of keys, validity at the time of the stamp. What is marked as critical and not
//! known here is refused.

use std::fmt;

use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _, Tag};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier};
use x509_cert::name::Name;

use super::algorithm::{Scheme, Unsigned};
use super::reader::{NotDer, all};
use crate::digest::Digest;
use crate::moment::Moment;

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const SUBJECT_KEY_ID: &str = "2.5.29.14";
/// Which policies a certificate is under: they bind nobody who asks for none (RFC 5280, 6.1.1).
const POLICIES: &str = "2.5.29.32";

/// Certificates in one another's row.
const MAX_LENGTH: usize = 8;
/// Signatures of certificates that are looked at for one token, however many it brings.
const MAX_SIGNATURES: u32 = 64;

/// Why a token's key is not vouched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The recipient named no authority.
    #[error("no authority's certificate was named")]
    NoAnchor,
    /// No row of certificates leads to one that was named.
    #[error("no certificate that was named vouches for the key of {0}")]
    Unknown(String),
    /// A certificate in the row was not valid at the time of the stamp.
    #[error("{0}'s certificate was not valid at the time of the stamp")]
    NotValid(String),
    /// A certificate in the row may not vouch for others, or not for one so far below.
    #[error("{0}'s certificate may not vouch for this one")]
    NotAnIssuer(String),
    /// A certificate in the row demands something that is not known here.
    #[error("{0}'s certificate has a critical extension that is not known here: {1}")]
    Critical(String, String),
    /// A certificate in the row is signed in a way that is not taken here.
    #[error("{0}'s certificate is signed in a way that is not taken here")]
    Algorithm(String),
    /// The token brings more certificates that could fit than are looked at.
    #[error("more certificates fit than are looked at")]
    TooMany,
}

/// A certificate (RFC 5280, 4.1), with the bytes that are signed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    bytes: Vec<u8>,
    signed: Vec<u8>,
    inner: x509_cert::Certificate,
    critical: Option<String>,
    issues: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
    purposes: Option<(bool, Vec<ObjectIdentifier>)>,
    key_id: Option<Vec<u8>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Certificate({:?})", self.subject_name())
    }
}

impl Certificate {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotDer> {
        let inner = x509_cert::Certificate::from_der(bytes)?;
        let signed = all(bytes, |outer| outer.content(Tag::Sequence))?;
        let signed = super::reader::Elements::of(signed)?.whole(Tag::Sequence)?.to_vec();
        let tbs = inner.tbs_certificate();
        // The algorithm stands twice, and only one of the two is signed.
        if tbs.signature() != inner.signature_algorithm() {
            return Err(NotDer);
        }
        let mut certificate = Self {
            bytes: bytes.to_vec(),
            signed,
            critical: None,
            issues: None,
            usage: None,
            purposes: None,
            key_id: None,
            inner: inner.clone(),
        };
        let mut seen = Vec::new();
        for extension in tbs.extensions().into_iter().flatten() {
            if seen.contains(&extension.extn_id) {
                return Err(NotDer);
            }
            seen.push(extension.extn_id);
            let value = extension.extn_value.as_bytes();
            match extension.extn_id.to_string().as_str() {
                BASIC_CONSTRAINTS => certificate.issues = Some(BasicConstraints::from_der(value)?),
                KEY_USAGE => certificate.usage = Some(KeyUsage::from_der(value)?),
                EXTENDED_KEY_USAGE => {
                    let purposes = ExtendedKeyUsage::from_der(value)?.0;
                    certificate.purposes = Some((extension.critical, purposes));
                }
                SUBJECT_KEY_ID => {
                    let key_id = SubjectKeyIdentifier::from_der(value)?.0;
                    certificate.key_id = Some(key_id.as_bytes().to_vec());
                }
                POLICIES => {}
                other if extension.critical => certificate.critical = Some(other.to_owned()),
                _ => {}
            }
        }
        Ok(certificate)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn key(&self) -> &x509_cert::spki::SubjectPublicKeyInfoOwned {
        self.inner.tbs_certificate().subject_public_key_info()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.inner.tbs_certificate().issuer()
    }

    fn subject(&self) -> &Name {
        self.inner.tbs_certificate().subject()
    }

    /// Whether its serial number is the one with this encoding.
    pub(super) fn has_serial(&self, content: &[u8]) -> bool {
        let digits = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        digits(self.inner.tbs_certificate().serial_number().as_bytes()) == digits(content)
    }

    /// What the certificate calls its key (RFC 5280, 4.2.1.2).
    pub(super) fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }

    /// The common name of the subject, else all of its name. Whoever made the certificate chose it.
    pub(super) fn subject_name(&self) -> String {
        let attribute = |attribute: &x509_cert::attr::AttributeTypeAndValue| {
            let value = String::from_utf8_lossy(attribute.value.value()).into_owned();
            (attribute.oid == COMMON_NAME).then_some(value)
        };
        self.subject().iter().find_map(attribute).unwrap_or_else(|| self.subject().to_string())
    }

    /// Whether its key may sign time stamps and nothing else (RFC 3161, 2.3).
    pub(super) fn stamps(&self) -> bool {
        let purpose = matches!(&self.purposes, Some((true, purposes)) if *purposes == [TIME_STAMPING]);
        let signs = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation;
        let usage = self.usage.is_none_or(|KeyUsage(usage)| !usage.is_empty() && signs.contains(usage));
        purpose && usage
    }

    pub(super) fn valid_at(&self, at: Moment) -> bool {
        let validity = self.inner.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs());
        let (Ok(from), Ok(until)) = (seconds(validity.not_before), seconds(validity.not_after)) else {
            return false;
        };
        (from..=until).contains(&at.unix_seconds())
    }

    /// Whether it may vouch for a certificate with so many issuers between.
    fn may_issue(&self, below: usize) -> bool {
        let issues = self.issues.as_ref().is_some_and(|constraints| {
            constraints.ca && constraints.path_len_constraint.is_none_or(|most| below <= usize::from(most))
        });
        let usage = self.usage.is_none_or(|KeyUsage(usage)| usage.contains(KeyUsages::KeyCertSign));
        let stamps = self.purposes.as_ref().is_none_or(|(_, purposes)| {
            purposes.iter().any(|purpose| [TIME_STAMPING, ANY_PURPOSE].contains(purpose))
        });
        issues && usage && stamps
    }

    fn signed_by(&self, issuer: &Self) -> Result<(), Unsigned> {
        let algorithm = self.inner.signature_algorithm();
        let encoded = algorithm.to_der().map_err(|_| Unsigned::Algorithm)?;
        let algorithm = x509_cert::spki::AlgorithmIdentifierRef::from_der(&encoded);
        let scheme = Scheme::of(&algorithm.map_err(|_| Unsigned::Algorithm)?, None)?;
        let signature = self.inner.signature().as_bytes().ok_or(Unsigned::Broken)?;
        scheme.check(issuer.key(), &self.signed, signature)
    }
}

/// Text that holds no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate in PEM (RFC 7468)")]
pub struct InvalidAnchor;

/// A certificate that the recipient names: a root of authorities, one below it, or an authority's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    name: String,
    certificate: Certificate,
}

impl Anchor {
    /// Every certificate of a PEM text, under the name that the recipient gives; each is named by its own subject without.
    ///
    /// # Errors
    /// [`InvalidAnchor`] when one is none, or there is none.
    pub fn all_from_pem(text: &str, name: Option<&str>) -> Result<Vec<Self>, InvalidAnchor> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let mut anchors = Vec::new();
        for (start, _) in text.match_indices(BEGIN) {
            const END: &str = "-----END CERTIFICATE-----";
            let block = &text[start..];
            let end = block.find(END).ok_or(InvalidAnchor)? + END.len();
            let (label, document) = der::Document::from_pem(&block[..end]).map_err(|_| InvalidAnchor)?;
            let certificate = Certificate::parse(document.as_bytes()).map_err(|NotDer| InvalidAnchor)?;
            debug_assert_eq!(label, "CERTIFICATE");
            let name = name.map_or_else(|| certificate.subject_name(), str::to_owned);
            anchors.push(Self { name, certificate });
        }
        if anchors.is_empty() { Err(InvalidAnchor) } else { Ok(anchors) }
    }

    /// What the recipient calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the certificate.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.certificate.bytes)
    }

    /// PEM, in its one spelling.
    ///
    /// # Panics
    /// Never: what was read as DER is a document.
    #[must_use]
    pub fn to_pem(&self) -> String {
        der::Document::try_from(self.certificate.bytes.as_slice())
            .and_then(|document| document.to_pem("CERTIFICATE", der::pem::LineEnding::LF))
            .expect("it was read as DER")
    }
}

/// The anchor that vouches for a certificate at a time, over the certificates that were brought along.
pub(super) fn anchor<'a>(
    signer: &Certificate,
    brought: &[Certificate],
    anchors: &'a [Anchor],
    at: Moment,
) -> Result<&'a Anchor, Untrusted> {
    if anchors.is_empty() {
        return Err(Untrusted::NoAnchor);
    }
    let mut climb = Climb { brought, anchors, at, signatures: MAX_SIGNATURES, refused: None };
    let mut row = Vec::new();
    match climb.from(signer, &mut row) {
        Some(anchor) => Ok(anchor),
        None => Err(climb.refused.unwrap_or_else(|| Untrusted::Unknown(signer.subject_name()))),
    }
}

struct Climb<'a, 'b> {
    brought: &'b [Certificate],
    anchors: &'a [Anchor],
    at: Moment,
    /// How many signatures may still be looked at.
    signatures: u32,
    /// Why the first row that led somewhere was refused.
    refused: Option<Untrusted>,
}

impl<'a> Climb<'a, '_> {
    /// The anchor above a certificate; `row` holds the places of those below it.
    fn from(&mut self, certificate: &Certificate, row: &mut Vec<usize>) -> Option<&'a Anchor> {
        if !self.sound(certificate) {
            return None;
        }
        if let Some(itself) = self.anchors.iter().find(|anchor| anchor.certificate == *certificate) {
            return Some(itself);
        }
        let below = row.len();
        let (anchors, brought) = (self.anchors, self.brought);
        for anchor in anchors {
            if anchor.certificate.subject() == certificate.issuer()
                && self.sound(&anchor.certificate)
                && self.vouches(&anchor.certificate, certificate, below)
            {
                return Some(anchor);
            }
        }
        if below >= MAX_LENGTH {
            return None;
        }
        for (place, above) in brought.iter().enumerate() {
            if above.subject() != certificate.issuer() || row.contains(&place) || above == certificate {
                continue;
            }
            if self.vouches(above, certificate, below) {
                row.push(place);
                let found = self.from(above, row);
                row.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn sound(&mut self, certificate: &Certificate) -> bool {
        if !certificate.valid_at(self.at) {
            self.refuse(Untrusted::NotValid(certificate.subject_name()));
            return false;
        }
        if let Some(critical) = &certificate.critical {
            self.refuse(Untrusted::Critical(certificate.subject_name(), critical.clone()));
            return false;
        }
        true
    }

    fn vouches(&mut self, above: &Certificate, certificate: &Certificate, below: usize) -> bool {
        if !above.may_issue(below) {
            self.refuse(Untrusted::NotAnIssuer(above.subject_name()));
            return false;
        }
        if self.signatures == 0 {
            self.refuse(Untrusted::TooMany);
            return false;
        }
        self.signatures -= 1;
        match certificate.signed_by(above) {
            Ok(()) => true,
            Err(Unsigned::Algorithm) => {
                self.refuse(Untrusted::Algorithm(certificate.subject_name()));
                false
            }
            // An authority of the same name with another key.
            Err(Unsigned::Broken) => false,
        }
    }

    fn refuse(&mut self, why: Untrusted) {
        self.refused.get_or_insert(why);
    }
}
