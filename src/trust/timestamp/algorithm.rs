//! The signatures of certificates and tokens: RSA of 2048 bits and more (PKCS#1 v1.5, PSS), ECDSA over P-256 and P-384, and
//! SHA-2 under each. What is older, or rarer, is told as such and never believed.

use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1::RsaPssParams;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};

/// The least length of an RSA modulus, in bits.
const MIN_RSA_BITS: u32 = 2048;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Why a signature says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// An algorithm, curve or length that is not taken here.
    Algorithm,
    /// Not the key's signature over these bytes.
    Broken,
}

/// A hash of SHA-2 (FIPS 180-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn of(oid: ObjectIdentifier) -> Option<Self> {
        match oid.to_string().as_str() {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Pkcs1(Hash),
    Pss(Hash, usize),
    Ecdsa(Hash),
}

impl Scheme {
    /// The scheme of an algorithm. Where that names no hash, it is `stated`, which stands elsewhere; where it names one,
    /// the two are equal.
    pub(super) fn of(algorithm: &AlgorithmIdentifierRef<'_>, stated: Option<Hash>) -> Result<Self, Unsigned> {
        let scheme = match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.11" => Self::Pkcs1(Hash::Sha256),
            "1.2.840.113549.1.1.12" => Self::Pkcs1(Hash::Sha384),
            "1.2.840.113549.1.1.13" => Self::Pkcs1(Hash::Sha512),
            "1.2.840.10045.4.3.2" => Self::Ecdsa(Hash::Sha256),
            "1.2.840.10045.4.3.3" => Self::Ecdsa(Hash::Sha384),
            "1.2.840.10045.4.3.4" => Self::Ecdsa(Hash::Sha512),
            _ if algorithm.oid == RSA => Self::Pkcs1(stated.ok_or(Unsigned::Algorithm)?),
            _ if algorithm.oid == EC => Self::Ecdsa(stated.ok_or(Unsigned::Algorithm)?),
            _ if algorithm.oid == RSA_PSS => pss(algorithm).ok_or(Unsigned::Algorithm)?,
            _ => return Err(Unsigned::Algorithm),
        };
        let (Self::Pkcs1(hash) | Self::Pss(hash, _) | Self::Ecdsa(hash)) = scheme;
        if stated.is_none_or(|stated| stated == hash) { Ok(scheme) } else { Err(Unsigned::Algorithm) }
    }

    /// Holds when this is the key's signature over the message.
    pub(super) fn check(
        self,
        key: &SubjectPublicKeyInfoOwned,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Unsigned> {
        match self {
            Self::Pkcs1(hash) => {
                let scheme = match hash {
                    Hash::Sha256 => rsa::Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => rsa::Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => rsa::Pkcs1v15Sign::new::<Sha512>(),
                };
                broken(rsa_key(key)?.verify(scheme, &hash.digest(message), signature))
            }
            Self::Pss(hash, salt) => {
                let (key, digest) = (rsa_key(key)?, hash.digest(message));
                broken(match hash {
                    Hash::Sha256 => key.verify(rsa::Pss::<Sha256>::new_with_salt(salt), &digest, signature),
                    Hash::Sha384 => key.verify(rsa::Pss::<Sha384>::new_with_salt(salt), &digest, signature),
                    Hash::Sha512 => key.verify(rsa::Pss::<Sha512>::new_with_salt(salt), &digest, signature),
                })
            }
            Self::Ecdsa(hash) => ecdsa(key, &hash.digest(message), signature),
        }
    }
}

fn broken<E>(outcome: Result<(), E>) -> Result<(), Unsigned> {
    outcome.map_err(|_| Unsigned::Broken)
}

/// RSASSA-PSS (RFC 4055) with one hash throughout.
fn pss(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Scheme> {
    let encoded = algorithm.parameters?.to_der().ok()?;
    let parameters = RsaPssParams::<der::Any>::from_der(&encoded).ok()?;
    let hash = Hash::of(parameters.hash.oid)?;
    let mask = parameters.mask_gen.parameters.map(|inner| inner.oid);
    let one_hash = parameters.mask_gen.oid == MGF1 && mask.and_then(Hash::of) == Some(hash);
    one_hash.then_some(Scheme::Pss(hash, usize::from(parameters.salt_len)))
}

/// A key of another kind never made such a signature: it is broken, and its algorithm is not what is wrong.
fn rsa_key(key: &SubjectPublicKeyInfoOwned) -> Result<rsa::PublicKey, Unsigned> {
    if ![RSA, RSA_PSS].contains(&key.algorithm.oid) {
        return Err(Unsigned::Broken);
    }
    let encoded = key.to_der().map_err(|_| Unsigned::Algorithm)?;
    let key = rsa::PublicKey::from_public_key_der(&encoded).map_err(|_| Unsigned::Algorithm)?;
    if key.n().bit_width_vartime() < MIN_RSA_BITS { Err(Unsigned::Algorithm) } else { Ok(key) }
}

fn ecdsa(key: &SubjectPublicKeyInfoOwned, digest: &[u8], signature: &[u8]) -> Result<(), Unsigned> {
    let curve =
        key.algorithm.parameters.as_ref().and_then(|named| named.decode_as::<ObjectIdentifier>().ok());
    if key.algorithm.oid != EC {
        return Err(Unsigned::Broken);
    }
    let point = key.subject_public_key.raw_bytes();
    if curve == Some(P256) {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| Unsigned::Algorithm)?;
        let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| Unsigned::Broken)?;
        broken(key.verify_prehash(digest, &signature))
    } else if curve == Some(P384) {
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| Unsigned::Algorithm)?;
        let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| Unsigned::Broken)?;
        broken(key.verify_prehash(digest, &signature))
    } else {
        Err(Unsigned::Algorithm)
    }
}
