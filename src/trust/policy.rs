//! The recipient's own list of whom to believe: `trust.toml`, a file that stays on the recipient's machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::{InvalidKey, KeyId, VerifyingKey};
use crate::persist;

/// What a key is trusted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sealing packs.
    Seal,
}

/// One key that the recipient believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name the recipient gave it.
    pub name: String,
    /// What it is trusted for.
    pub role: Role,
    /// The key itself.
    pub public_key: VerifyingKey,
    /// When it was added, RFC 3339.
    pub added_at: String,
}

/// A trust list that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not TOML, or not of this shape: unknown fields are refused.
    #[error("{path}: {source}", path = path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where and what, in the parser's words.
        source: toml::de::Error,
    },
    /// A public key that is none.
    #[error("{path}: signer {name:?}: {source}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
        /// What is wrong with its key.
        source: InvalidKey,
    },
    /// An entry whose `key_id` is not that of its `public_key`.
    #[error("{path}: signer {name:?}: key_id {stated} is not that of public_key, which is {derived}", path = path.display())]
    KeyId {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
        /// The id it states.
        stated: KeyId,
        /// The id of the key it holds.
        derived: KeyId,
    },
    /// A key that is listed twice.
    #[error("{path}: key {key_id} is listed twice", path = path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The key.
        key_id: KeyId,
    },
}

/// The signers that a recipient believes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustPolicy {
    signers: Vec<Signer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    signer: Vec<WireSigner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSigner {
    key_id: KeyId,
    name: String,
    role: Role,
    public_key: String,
    added_at: String,
}

impl TrustPolicy {
    /// The list in a file.
    ///
    /// # Errors
    /// [`PolicyError`] when it cannot be read or means nothing certain.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text =
            fs::read_to_string(path).map_err(|source| PolicyError::Io { path: path.to_owned(), source })?;
        let wire: Wire =
            toml::from_str(&text).map_err(|source| PolicyError::Shape { path: path.to_owned(), source })?;
        let mut policy = Self::default();
        for WireSigner { key_id: stated, name, role, public_key, added_at } in wire.signer {
            let public_key = match VerifyingKey::from_pem(&public_key) {
                Ok(key) => key,
                Err(source) => return Err(PolicyError::Key { path: path.to_owned(), name, source }),
            };
            let derived = public_key.id();
            if derived != stated {
                return Err(PolicyError::KeyId { path: path.to_owned(), name, stated, derived });
            }
            if policy.signer(&derived).is_some() {
                return Err(PolicyError::Twice { path: path.to_owned(), key_id: derived });
            }
            policy.signers.push(Signer { name, role, public_key, added_at });
        }
        Ok(policy)
    }

    /// The list in a file, empty where there is no file yet.
    ///
    /// # Errors
    /// As [`TrustPolicy::load`].
    pub fn load_or_empty(path: &Path) -> Result<Self, PolicyError> {
        match Self::load(path) {
            Err(PolicyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            other => other,
        }
    }

    /// Adds a signer to the list in a file, which appears whole or stays as it was. A key that is there already
    /// keeps its entry. Answers the list as it now is.
    ///
    /// # Errors
    /// [`PolicyError`] when the file cannot be read or written.
    pub fn add(path: &Path, signer: Signer) -> Result<Self, PolicyError> {
        let mut policy = Self::load_or_empty(path)?;
        if policy.signer(&signer.public_key.id()).is_none() {
            policy.signers.push(signer);
            persist::replace(path, policy.to_toml().as_bytes(), 0o644)
                .map_err(|source| PolicyError::Io { path: path.to_owned(), source })?;
        }
        Ok(policy)
    }

    /// The signer with this key.
    #[must_use]
    pub fn signer(&self, key_id: &KeyId) -> Option<&Signer> {
        self.signers.iter().find(|signer| signer.public_key.id() == *key_id)
    }

    /// Every signer, in the order of the file.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    fn to_toml(&self) -> String {
        let signer = self.signers.iter().map(|signer| WireSigner {
            key_id: signer.public_key.id(),
            name: signer.name.clone(),
            role: signer.role,
            public_key: signer.public_key.to_pem(),
            added_at: signer.added_at.clone(),
        });
        toml::to_string(&Wire { signer: signer.collect() }).expect("strings and ids have a TOML form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;

    fn signer(seed: u8, name: &str) -> Signer {
        Signer {
            name: name.into(),
            role: Role::Seal,
            public_key: SigningKey::from_seed(&[seed; 32]).verifying_key(),
            added_at: "2026-01-02T03:04:05Z".into(),
        }
    }

    #[test]
    fn what_is_added_is_loaded_and_found_by_its_key() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trust.toml");
        assert!(TrustPolicy::load_or_empty(&path).unwrap().signers().is_empty());
        TrustPolicy::add(&path, signer(1, "this machine")).unwrap();
        let policy = TrustPolicy::add(&path, signer(2, "the \"other\" one")).unwrap();
        assert_eq!(TrustPolicy::add(&path, signer(1, "renamed")).unwrap(), policy, "a key keeps its entry");
        assert_eq!(TrustPolicy::load(&path).unwrap(), policy);
        assert_eq!(policy.signer(&signer(2, "").public_key.id()).unwrap().name, "the \"other\" one");
        assert_eq!(policy.signer(&signer(3, "").public_key.id()), None);
    }

    #[test]
    fn a_list_that_means_nothing_certain_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trust.toml");
        TrustPolicy::add(&path, signer(1, "one")).unwrap();
        let sound = fs::read_to_string(&path).unwrap();
        let other = signer(2, "").public_key.id().to_string();
        let one = signer(1, "").public_key.id().to_string();
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            TrustPolicy::load(&path).unwrap_err()
        };
        assert!(matches!(refused(&format!("{sound}not_after = \"2027\"\n")), PolicyError::Shape { .. }));
        assert!(matches!(refused(&sound.replace("\"seal\"", "\"king\"")), PolicyError::Shape { .. }));
        assert!(matches!(refused(&sound.replace(&one, &other)), PolicyError::KeyId { .. }));
        assert!(matches!(refused(&format!("{sound}\n{sound}")), PolicyError::Twice { .. }));
        assert!(matches!(refused(&sound.replace("BEGIN", "BEGAN")), PolicyError::Key { .. }));
    }
}
