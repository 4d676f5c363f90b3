//! Ed25519 keys (RFC 8032) in the files that `openssl genpkey -algorithm ed25519` makes: PKCS#8 and SPKI, as PEM.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
};
use pkcs8::der::SecretDocument;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::digest::{Digest, InvalidDigest};
use crate::persist;

/// A key file holds no more than this many bytes; what is longer is no key.
const MAX_FILE_BYTES: u64 = 16 * 1024;
/// Rounds of PBKDF2-HMAC-SHA-256, as OWASP advises (2023).
const ROUNDS: u32 = 600_000;

/// The most rounds of PBKDF2 that a file may ask for: some seconds.
const MAX_ROUNDS: u32 = 8_000_000;
/// The most memory that a file may ask for by scrypt, in bytes (RFC 7914: 128 N r).
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// The most work that a file may ask for by scrypt: N r p.
const MAX_SCRYPT_WORK: u64 = 1 << 24;
/// The most rounds of bcrypt that a file of OpenSSH may ask for; `ssh-keygen -a` is 16 or 24 by itself.
const MAX_BCRYPT_ROUNDS: u32 = 2000;

/// What names a key: the SHA-256 of the raw 32-byte public key.
///
/// `Display` and `FromStr` are inverse: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// The id of a key with this encoding.
    pub(super) fn of(encoding: &[u8]) -> Self {
        Self(Digest::of(encoding))
    }

    /// The digest that it is.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for KeyId {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        text.parse().map(Self)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(Self)
    }
}

/// A key, or a key file, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new key would replace a file that is there.
    #[error("{path}: exists already, and a key file is never replaced", path = .0.display())]
    Exists(PathBuf),
    /// Others than the owner may read the private key.
    #[error("{path}: mode {mode:04o} lets others than the owner use this private key; 0600 expected", path = path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The private key is encrypted, and no passphrase was had for it.
    #[error("{path}: the private key is encrypted, and no passphrase was given: {source}", path = path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The passphrase is not that of the key, or it is encrypted in a way that is not read here.
    #[error("{path}: the private key cannot be decrypted with this passphrase", path = .0.display())]
    Decryption(PathBuf),
    /// The file asks for more work than a passphrase is worth.
    #[error("{path}: opening this private key costs more than is spent here; write it again with `openssl pkcs8 -topk8`", path = .0.display())]
    Costly(PathBuf),
    /// The text is no Ed25519 private key.
    #[error("{path}: not an Ed25519 private key in PKCS#8 PEM or OpenSSH's format", path = .0.display())]
    Private(PathBuf),
    /// The text is no P-256 private key.
    #[error("{path}: not a P-256 private key in PKCS#8 PEM", path = .0.display())]
    NotP256(PathBuf),
    /// A key that another program holds has no file.
    #[error("{path}: the key is held by another program, and cannot be written", path = .0.display())]
    Elsewhere(PathBuf),
    /// The file is no SPKI PEM of the public key that is asked for.
    #[error("{path}: {source}", path = path.display())]
    Public {
        /// The file.
        path: PathBuf,
        /// What is wrong with the key.
        source: InvalidKey,
    },
}

/// Bytes or text that hold no public key we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No SPKI PEM, or one of another algorithm.
    #[error("not an Ed25519 public key in SPKI PEM")]
    Pem,
    /// No SPKI PEM, or one of another algorithm or curve.
    #[error("not a P-256 public key in SPKI PEM")]
    P256,
    /// No point of the curve, or not in its one canonical encoding.
    #[error("not the canonical encoding of a point on Ed25519")]
    Point,
    /// A point of small order: a signature by it says nothing about the message.
    #[error("a key of small order, under which any message can be signed")]
    Weak,
}

/// The public half of a key, from a canonical encoding and not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(pub(super) ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// The key with these 32 bytes (RFC 8032, 5.1.2).
    ///
    /// # Errors
    /// [`InvalidKey`] when they are no canonical point, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| InvalidKey::Point)?;
        Self::admit(key)
    }

    /// The key in an SPKI PEM text.
    ///
    /// # Errors
    /// [`InvalidKey`] with what is wrong.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text).map_err(|_| InvalidKey::Pem)?;
        Self::admit(key)
    }

    /// The key in a line of OpenSSH: `ssh-ed25519 AAAA... comment`.
    fn from_openssh(text: &str) -> Result<Self, InvalidKey> {
        let key = ssh_key::PublicKey::from_openssh(text.trim_end()).map_err(|_| InvalidKey::Pem)?;
        let key = key.key_data().ed25519().ok_or(InvalidKey::Pem)?;
        Self::from_bytes(key.as_ref())
    }

    /// The key in a file: SPKI PEM, or OpenSSH's line.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or holds no such key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_file(path, false)?;
        let key = if text.starts_with("ssh-") { Self::from_openssh(&text) } else { Self::from_pem(&text) };
        key.map_err(|source| KeyError::Public { path: path.to_owned(), source })
    }

    /// SPKI PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Panics
    /// Never: 32 bytes have an SPKI encoding.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("32 bytes have an SPKI encoding")
    }

    /// What names this key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.as_bytes())
    }

    fn admit(key: ed25519_dalek::VerifyingKey) -> Result<Self, InvalidKey> {
        if key.is_weak() {
            Err(InvalidKey::Weak)
        } else if key.to_edwards().compress().as_bytes() == key.as_bytes() {
            Ok(Self(key))
        } else {
            Err(InvalidKey::Point)
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", self.id())
    }
}

/// A message that was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The holder of the key did not answer with a signature.
    #[error("the holder of the key did not sign: {0}")]
    Holder(#[source] io::Error),
    /// What was answered is no signature of this key over the message.
    #[error("what the holder of the key answered is no signature of that key over the message")]
    Broken,
}

/// Who holds a private key that never comes here: it is given a message and answers its signature.
pub type Holder = dyn Fn(&[u8]) -> io::Result<Vec<u8>> + Send + Sync;

enum Private {
    Here(Box<ed25519_dalek::SigningKey>),
    Elsewhere(Box<Holder>),
}

/// A private key, here or with a holder. Its bytes are wiped when it is dropped and never shown.
pub struct SigningKey {
    private: Private,
    public: VerifyingKey,
}

impl SigningKey {
    fn here(key: ed25519_dalek::SigningKey) -> Self {
        Self { public: VerifyingKey(key.verifying_key()), private: Private::Here(Box::new(key)) }
    }

    /// The key that a holder signs with: an agent, a hardware module, a service.
    #[must_use]
    pub fn elsewhere(public: VerifyingKey, holder: Box<Holder>) -> Self {
        Self { private: Private::Elsewhere(holder), public }
    }

    /// The signature over a message, as far as the holder is believed.
    pub(super) fn signature(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        match &self.private {
            Private::Here(key) => Ok(key.sign(message).to_bytes()),
            Private::Elsewhere(holder) => {
                let signature = holder(message).map_err(SignError::Holder)?;
                signature.try_into().map_err(|_| SignError::Broken)
            }
        }
    }

    /// The key that grows from a seed (RFC 8032, 5.1.5). Equal seeds are equal keys: the caller brings the randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::here(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    /// What names this key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.verifying_key().id()
    }

    /// The key in a file that only its owner can read: PKCS#8 PEM as `openssl` makes it, or OpenSSH's format. `passphrase`
    /// is asked when the key is encrypted, and only then.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read, is open to others, stays encrypted, or holds no such key.
    pub fn read(
        path: &Path,
        passphrase: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyError> {
        Self::parse(path, &read_file(path, true)?, passphrase)
    }

    /// The key in the text of a file; `path` is where it was found.
    ///
    /// # Errors
    /// [`KeyError`] when it stays encrypted, or holds no such key.
    pub fn parse(
        path: &Path,
        text: &str,
        passphrase: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyError> {
        let wrong = || KeyError::Private(path.to_owned());
        let passphrase =
            || passphrase().map_err(|source| KeyError::Passphrase { path: path.to_owned(), source });
        let locked = || KeyError::Decryption(path.to_owned());
        if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            let key = ssh_key::PrivateKey::from_openssh(text.as_bytes()).map_err(|_| wrong())?;
            let key = if key.is_encrypted() {
                if matches!(key.kdf(), ssh_key::Kdf::Bcrypt { rounds, .. } if *rounds > MAX_BCRYPT_ROUNDS) {
                    return Err(KeyError::Costly(path.to_owned()));
                }
                key.decrypt(passphrase()?.as_bytes()).map_err(|_| locked())?
            } else {
                key
            };
            let pair = key.key_data().ed25519().ok_or_else(wrong)?;
            let key = Self::from_seed(pair.private.as_ref());
            let stated = VerifyingKey::from_bytes(pair.public.as_ref()).ok();
            return if stated == Some(key.public) { Ok(key) } else { Err(wrong()) };
        }
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            affordable(path, text)?;
            let passphrase = passphrase()?;
            let key = ed25519_dalek::SigningKey::from_pkcs8_encrypted_pem(text, passphrase.as_bytes());
            return key.map(Self::here).map_err(|_| locked());
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(text).map(Self::here).map_err(|_| wrong())
    }

    /// PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it (version 1: the seed alone). None for a key that a
    /// holder keeps.
    ///
    /// # Panics
    /// Never: 32 bytes have a PKCS#8 encoding.
    #[must_use]
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        let Private::Here(key) = &self.private else { return None };
        let bytes = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        Some(bytes.to_pkcs8_pem(LineEnding::LF).expect("32 bytes have a PKCS#8 encoding"))
    }

    /// The same under a passphrase: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256, which `openssl` reads.
    ///
    /// # Panics
    /// Never: the parameters are sound, and 32 bytes have a PKCS#8 encoding.
    #[must_use]
    pub fn to_encrypted_pem(&self, passphrase: &str, random: &Random) -> Option<Zeroizing<String>> {
        let Private::Here(key) = &self.private else { return None };
        let bytes = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        let plain = bytes.to_pkcs8_der().expect("32 bytes have a PKCS#8 encoding");
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &random.salt, random.iv)
            .expect("the parameters are sound");
        let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).expect("it was written just now");
        let sealed = info.encrypt_with_params(parameters, passphrase).expect("the parameters are sound");
        Some(sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("a short text is PEM"))
    }

    /// Writes the private key (mode 0600) and, beside it, the public key (`.pub.pem`); answers the latter's path.
    /// Neither replaces a file. `lock` is the passphrase under which it is written, with what makes its encryption random.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when a name is taken, [`KeyError::Io`] for anything else the system reports.
    pub fn write(&self, path: &Path, lock: Option<(&str, &Random)>) -> Result<PathBuf, KeyError> {
        let public = public_path(path);
        let private = match lock {
            None => self.to_pem(),
            Some((passphrase, random)) => self.to_encrypted_pem(passphrase, random),
        };
        let private = private.ok_or_else(|| KeyError::Elsewhere(path.to_owned()))?;
        if let Some(taken) = [path, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(KeyError::Exists(taken.to_owned()));
        }
        create(path, private.as_bytes(), 0o600)?;
        create(&public, self.verifying_key().to_pem().as_bytes(), 0o644)?;
        Ok(public)
    }
}

/// What makes two encryptions of one key differ: the caller brings the randomness.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    /// The salt of the passphrase.
    pub salt: [u8; 16],
    /// The first block of the cipher.
    pub iv: [u8; 16],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.id())
    }
}

/// Where the public half of a key file lies: `seal.pem` has `seal.pub.pem`.
#[must_use]
pub fn public_path(private: &Path) -> PathBuf {
    private.with_extension("pub.pem")
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    persist::create(path, bytes, mode).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => KeyError::Io { path: path.to_owned(), source },
    })
}

/// Refuses an encrypted PKCS#8 text that asks for work without end, before any is done. What cannot be read asks for none:
/// whoever decrypts it says that it is no key.
pub(super) fn affordable(path: &Path, text: &str) -> Result<(), KeyError> {
    let Ok((_, document)) = SecretDocument::from_pem(text) else { return Ok(()) };
    let Ok(info) = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()) else { return Ok(()) };
    let Some(parameters) = info.encryption_algorithm.pbes2() else { return Ok(()) };
    let rounds = parameters.kdf.pbkdf2().is_none_or(|pbkdf2| pbkdf2.iteration_count <= MAX_ROUNDS);
    let memory = parameters.kdf.scrypt().is_none_or(|scrypt| {
        let [r, p] = [scrypt.block_size, scrypt.parallelization].map(u64::from);
        let size = scrypt.cost_parameter.checked_mul(r);
        size.is_some_and(|size| {
            size.saturating_mul(128) <= MAX_SCRYPT_BYTES && size.saturating_mul(p) <= MAX_SCRYPT_WORK
        })
    });
    if rounds && memory { Ok(()) } else { Err(KeyError::Costly(path.to_owned())) }
}

pub(super) fn read_file(path: &Path, private: bool) -> Result<Zeroizing<String>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true);
    // A FIFO given as a key must not hang.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    #[cfg(unix)]
    if private {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
    }
    let _ = private;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, 10.3: the private and public key of the standard's own example.
    const RFC_8410_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const RFC_8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    fn read(path: &Path) -> Result<SigningKey, KeyError> {
        SigningKey::read(path, || Err(io::ErrorKind::Unsupported.into()))
    }

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key.pem");
        persist::create(&path, text.as_bytes(), mode).unwrap();
        (place, path)
    }

    #[test]
    fn the_example_of_rfc_8410_is_read_and_written_back() {
        let (_place, path) = file(RFC_8410_PRIVATE, 0o600);
        let key = read(&path).unwrap();
        assert_eq!(*key.to_pem().unwrap(), RFC_8410_PRIVATE);
        assert_eq!(key.verifying_key().to_pem(), RFC_8410_PUBLIC);
        assert_eq!(VerifyingKey::from_pem(RFC_8410_PUBLIC).unwrap().id(), key.id());
        assert_eq!(key.id().to_string().parse::<KeyId>().unwrap(), key.id());
    }

    #[cfg(unix)]
    #[test]
    fn a_private_key_that_others_can_read_is_refused_with_its_mode() {
        for mode in [0o640, 0o604, 0o644, 0o620] {
            let (_place, path) = file(RFC_8410_PRIVATE, mode);
            assert!(matches!(read(&path), Err(KeyError::Mode { mode: seen, .. }) if seen == mode));
        }
    }

    #[test]
    fn an_encrypted_key_and_text_that_is_no_key_are_told_apart() {
        let (_place, path) = file(&RFC_8410_PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE"), 0o600);
        assert!(matches!(read(&path), Err(KeyError::Passphrase { .. })));
        let other = SigningKey::read(&path, || Ok("x".to_owned().into()));
        assert!(matches!(other, Err(KeyError::Decryption(_))));
        let (_place, path) = file("hello\n", 0o600);
        assert!(matches!(read(&path), Err(KeyError::Private(_))));
        let (_place, path) = file(RFC_8410_PUBLIC, 0o600);
        assert!(matches!(read(&path), Err(KeyError::Private(_))));
    }

    #[test]
    fn a_key_that_asks_for_work_without_end_is_refused_before_any_is_done() {
        let random = Random { salt: [1; 16], iv: [2; 16] };
        let sealed = SigningKey::from_seed(&[7; 32]).to_encrypted_pem("x", &random).unwrap();
        let (_, document) = SecretDocument::from_pem(&sealed).unwrap();
        let mut bytes = document.as_bytes().to_vec();
        // 600,000 rounds, as DER has them, and the most that fit in their place.
        let place = bytes.windows(5).position(|window| window == [2, 3, 9, 0x27, 0xc0]).unwrap();
        bytes[place + 2..place + 5].copy_from_slice(&[0x7f, 0xff, 0xff]);
        let costly = SecretDocument::try_from(bytes.as_slice()).unwrap();
        let costly = costly.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
        let parse = |text: &str| SigningKey::parse(Path::new("key.pem"), text, || Ok("x".to_owned().into()));
        assert!(parse(&sealed).is_ok());
        assert!(matches!(parse(&costly), Err(KeyError::Costly(_))));
    }

    #[test]
    fn a_new_key_is_private_has_its_public_half_and_replaces_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("seal.pem");
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.write(&path, None).unwrap();
        assert_eq!(public, place.path().join("seal.pub.pem"));
        assert_eq!(read(&path).unwrap().id(), key.id());
        assert_eq!(VerifyingKey::read(&public).unwrap(), key.verifying_key());
        assert!(
            matches!(SigningKey::from_seed(&[8; 32]).write(&path, None), Err(KeyError::Exists(taken)) if taken == path)
        );
        std::fs::remove_file(&path).unwrap();
        assert!(
            matches!(SigningKey::from_seed(&[8; 32]).write(&path, None), Err(KeyError::Exists(taken)) if taken == public)
        );
        assert!(!path.exists(), "a private key without its public half is not left behind");
    }

    #[test]
    fn weak_and_non_canonical_public_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(&identity), Err(InvalidKey::Weak));
        // y = p + 3: a point, spelt with a coordinate above the prime.
        let mut beyond = [0xff; 32];
        beyond[0] = 0xf0;
        beyond[31] = 0x7f;
        assert!(VerifyingKey::from_bytes(&beyond).is_err());
    }
}
