//! The seal: an Ed25519 signature over the exact bytes of `manifest.json`, verified strictly (RFC 8032 with no
//! small-order keys or nonces and no second encoding of anything).

use ed25519_dalek::Signature;

use super::key::{SignError, SigningKey, VerifyingKey};

/// The length of a seal in bytes.
pub const SEAL_BYTES: usize = 64;

/// A seal that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not 64 bytes.
    #[error("a seal is 64 bytes long, this one {0}")]
    Length(usize),
    /// No signature of this key over these bytes.
    #[error("the seal is not a signature of this key over these bytes")]
    Broken,
}

/// The seal of a key over a manifest's bytes. Deterministic: equal bytes and key give an equal seal. It holds when it is
/// answered: what another program signed is verified here first.
///
/// # Errors
/// [`SignError`] when the key's holder does not sign, or signs something else.
pub fn sign(key: &SigningKey, manifest: &[u8]) -> Result<[u8; SEAL_BYTES], SignError> {
    let seal = key.signature(manifest)?;
    match open(&key.verifying_key(), manifest, &seal) {
        Ok(()) => Ok(seal),
        Err(_) => Err(SignError::Broken),
    }
}

/// Holds when `seal` is the key's signature over exactly these bytes.
///
/// # Errors
/// [`SealError`] with what is wrong.
pub fn open(key: &VerifyingKey, manifest: &[u8], seal: &[u8]) -> Result<(), SealError> {
    let bytes: &[u8; SEAL_BYTES] = seal.try_into().map_err(|_| SealError::Length(seal.len()))?;
    key.0.verify_strict(manifest, &Signature::from_bytes(bytes)).map_err(|_| SealError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_its_bytes_and_key_alone() {
        let (alice, mallory) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let seal = sign(&alice, b"manifest").unwrap();
        assert_eq!(open(&alice.verifying_key(), b"manifest", &seal), Ok(()));
        assert_eq!(open(&alice.verifying_key(), b"manifesT", &seal), Err(SealError::Broken));
        assert_eq!(open(&mallory.verifying_key(), b"manifest", &seal), Err(SealError::Broken));
        assert_eq!(open(&alice.verifying_key(), b"manifest", &seal[1..]), Err(SealError::Length(63)));
        assert_eq!(open(&alice.verifying_key(), b"manifest", &[]), Err(SealError::Length(0)));
    }
}
