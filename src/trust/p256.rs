//! Co-signatures: ECDSA over P-256 with SHA-256 (FIPS 186-5), for tools that take no Ed25519, such as cosign and
//! `model_signing`. A second signature over a statement and never a seal: no trust list has such a key.
//!
//! A signature has one spelling here: DER, with the smaller of its two halves `s`; without that anybody could write it again.

use std::io;
use std::path::Path;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{self, Signature};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use zeroize::Zeroizing;

use super::envelope::{Signs, Verifies};
use super::key::{InvalidKey, KeyError, KeyId, SignError, affordable, read_file};

/// The public half of a P-256 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoVerifyingKey(ecdsa::VerifyingKey);

impl CoVerifyingKey {
    /// The key in an SPKI PEM text.
    ///
    /// # Errors
    /// [`InvalidKey::P256`] when it holds none.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        ecdsa::VerifyingKey::from_public_key_pem(text).map(Self).map_err(|_| InvalidKey::P256)
    }

    /// The key in a file: SPKI PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or holds no such key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_file(path, false)?;
        Self::from_pem(&text).map_err(|source| KeyError::Public { path: path.to_owned(), source })
    }

    /// SPKI PEM.
    ///
    /// # Panics
    /// Never: a point has an SPKI encoding.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("a point has an SPKI encoding")
    }

    /// What names this key: the SHA-256 of its SPKI in DER.
    ///
    /// # Panics
    /// Never: a point has an SPKI encoding.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.to_public_key_der().expect("a point has an SPKI encoding").as_bytes())
    }
}

impl Verifies for CoVerifyingKey {
    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(parsed) = Signature::from_der(signature) else { return false };
        let one_spelling = parsed.normalize_s() == parsed && parsed.to_der().as_bytes() == signature;
        one_spelling && self.0.verify(message, &parsed).is_ok()
    }
}

/// A private P-256 key. Its bytes are wiped when it is dropped and never shown.
pub struct CoSigningKey(ecdsa::SigningKey);

impl CoSigningKey {
    /// The key in a file that only its owner can read: PKCS#8 PEM, plain or encrypted, as
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes it. `passphrase` is asked when it is encrypted,
    /// and only then.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read, is open to others, stays encrypted, or holds no such key.
    pub fn read(
        path: &Path,
        passphrase: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyError> {
        let text = read_file(path, true)?;
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            affordable(path, &text)?;
            let passphrase =
                passphrase().map_err(|source| KeyError::Passphrase { path: path.to_owned(), source })?;
            let key = ecdsa::SigningKey::from_pkcs8_encrypted_pem(&text, passphrase.as_bytes());
            return key.map(Self).map_err(|_| KeyError::Decryption(path.to_owned()));
        }
        ecdsa::SigningKey::from_pkcs8_pem(&text).map(Self).map_err(|_| KeyError::NotP256(path.to_owned()))
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> CoVerifyingKey {
        CoVerifyingKey(*self.0.verifying_key())
    }
}

impl Signs for CoSigningKey {
    fn key_id(&self) -> KeyId {
        self.verifying_key().id()
    }

    /// Deterministic (RFC 6979): equal bytes and key give an equal signature.
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature: Signature = self.0.try_sign(message).map_err(|_| SignError::Broken)?;
        Ok(signature.normalize_s().to_der().as_bytes().to_vec())
    }
}
