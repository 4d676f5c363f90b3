//! The recipient's own list of whom to believe, and for what: `trust.toml`, a file that stays on the recipient's machine.
//! `schemas/trust.schema.json` has its shape.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::{InvalidKey, KeyId, VerifyingKey};
use super::rotation::Rotation;
use super::timestamp::Anchor;
use crate::moment::Moment;
use crate::persist;

/// What a key is trusted for: one thing, so that no key vouches for itself in another part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sealing packs: the key of an organisation or of its machines.
    Seal,
    /// Stating what a check of a pack came to.
    Verifier,
    /// Signing off: the key of a person.
    Signoff,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Verifier => "verifier",
            Self::Signoff => "signoff",
        }
    }
}

/// When a key stopped to be believed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// From when on.
    pub at: Moment,
    /// Why, in the recipient's words.
    pub reason: String,
}

/// One key that the recipient believes, or has believed.
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
    /// From when on it is believed.
    pub valid_from: Option<Moment>,
    /// Until when.
    pub valid_until: Option<Moment>,
    /// Set when it is not believed any more.
    pub revoked: Option<Revocation>,
}

/// Why a listed key is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// It is trusted for something else.
    #[error("listed as {0:?} for another role: {role}", role = .1.name())]
    Role(String, Role),
    /// It was revoked.
    #[error("revoked at {}: {}", .0.at, .0.reason)]
    Revoked(Revocation),
    /// Its time has not come.
    #[error("valid from {0} on")]
    NotYet(Moment),
    /// Its time is over.
    #[error("valid until {0}")]
    Expired(Moment),
    /// It has a time, and what time it is was not said.
    #[error("valid for a time only, and no time is known to check that against")]
    NoClock,
}

impl Signer {
    /// A key that is believed from now on, without an end.
    #[must_use]
    pub fn new(name: &str, role: Role, public_key: VerifyingKey, added_at: &str) -> Self {
        Self {
            name: name.to_owned(),
            role,
            public_key,
            added_at: added_at.to_owned(),
            valid_from: None,
            valid_until: None,
            revoked: None,
        }
    }

    /// Whether the key is believed in a role, for something that is known to have been there at a time: a time that
    /// somebody else vouches for, else now. What a signer says of its own time shows nothing.
    ///
    /// # Errors
    /// [`Unbelieved`] with the reason.
    pub fn believed(&self, role: Role, at: Option<Moment>) -> Result<(), Unbelieved> {
        if self.role != role {
            return Err(Unbelieved::Role(self.name.clone(), self.role));
        }
        if let Some(revoked) = &self.revoked
            && at.is_none_or(|at| at >= revoked.at)
        {
            return Err(Unbelieved::Revoked(revoked.clone()));
        }
        if self.valid_from.is_none() && self.valid_until.is_none() {
            return Ok(());
        }
        let at = at.ok_or(Unbelieved::NoClock)?;
        match (self.valid_from, self.valid_until) {
            (Some(from), _) if at < from => Err(Unbelieved::NotYet(from)),
            (_, Some(until)) if at > until => Err(Unbelieved::Expired(until)),
            _ => Ok(()),
        }
    }
}

/// What the recipient demands of every pack, beside a seal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requires {
    /// Statements of what a check came to, each by another listed verifier.
    pub verifiers: u32,
    /// Sign-offs, each by another listed person; one that rejects never counts.
    pub signoffs: u32,
    /// Time stamps of the manifest, each by another authority that is listed or named for the check.
    pub timestamps: u32,
    /// The most days between the time that a pack claims and the first such stamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_within_days: Option<u32>,
    /// Kinds of statements that must be there by a listed key, by predicate type.
    pub predicates: Vec<String>,
    /// The oldest judge whose verdicts are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_judge: Option<semver::Version>,
    /// The oldest pack that is taken, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
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
    /// A certificate that is none, or more than one.
    #[error("{path}: timestamp_authority {name:?}: one certificate in PEM is asked for", path = path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
    },
    /// A revocation without a reason, or a reason without one.
    #[error("{path}: signer {name:?}: revoked_at and revoked_reason belong together", path = path.display())]
    Revocation {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
    },
    /// No such key is listed.
    #[error("{path}: no key {key_id} is listed", path = path.display())]
    Unlisted {
        /// The file.
        path: PathBuf,
        /// The key.
        key_id: KeyId,
    },
    /// The key that hands over is not one that may.
    #[error("{path}: key {key_id} cannot name its successor: {source}", path = path.display())]
    Rotation {
        /// The file.
        path: PathBuf,
        /// The old key.
        key_id: KeyId,
        /// Why not.
        source: Unbelieved,
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

/// The signers that a recipient believes, and what is demanded of packs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustPolicy {
    requires: Requires,
    signers: Vec<Signer>,
    authorities: Vec<Anchor>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    requires: Requires,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    timestamp_authority: Vec<WireAuthority>,
    #[serde(default)]
    signer: Vec<WireSigner>,
}

/// A certificate above the keys of a time-stamping authority.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAuthority {
    name: String,
    certificate: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSigner {
    key_id: KeyId,
    name: String,
    role: Role,
    public_key: String,
    added_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_from: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_reason: Option<String>,
}

impl TrustPolicy {
    /// The list in a file.
    ///
    /// # Errors
    /// [`PolicyError`] when it cannot be read or means nothing certain.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text =
            fs::read_to_string(path).map_err(|source| PolicyError::Io { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// The list in a text; `path` is where it was found.
    ///
    /// # Errors
    /// [`PolicyError`] when it means nothing certain.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PolicyError> {
        let wire: Wire =
            toml::from_str(text).map_err(|source| PolicyError::Shape { path: path.to_owned(), source })?;
        let mut policy = Self { requires: wire.requires, ..Self::default() };
        for WireAuthority { name, certificate } in wire.timestamp_authority {
            let anchors = Anchor::all_from_pem(&certificate, Some(&name)).unwrap_or_default();
            let [anchor] = anchors.as_slice() else {
                return Err(PolicyError::Authority { path: path.to_owned(), name });
            };
            policy.authorities.push(anchor.clone());
        }
        for wire in wire.signer {
            let name = wire.name;
            let public_key = match VerifyingKey::from_pem(&wire.public_key) {
                Ok(key) => key,
                Err(source) => return Err(PolicyError::Key { path: path.to_owned(), name, source }),
            };
            let (stated, derived) = (wire.key_id, public_key.id());
            if derived != stated {
                return Err(PolicyError::KeyId { path: path.to_owned(), name, stated, derived });
            }
            if policy.signer(&derived).is_some() {
                return Err(PolicyError::Twice { path: path.to_owned(), key_id: derived });
            }
            let revoked = match (wire.revoked_at, wire.revoked_reason) {
                (Some(at), Some(reason)) => Some(Revocation { at, reason }),
                (None, None) => None,
                _ => return Err(PolicyError::Revocation { path: path.to_owned(), name }),
            };
            let WireSigner { role, added_at, valid_from, valid_until, .. } = wire;
            policy.signers.push(Signer {
                name,
                role,
                public_key,
                added_at,
                valid_from,
                valid_until,
                revoked,
            });
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
            policy.write(path)?;
        }
        Ok(policy)
    }

    /// Adds certificates above the keys of a time-stamping authority. One that is there already keeps its entry.
    ///
    /// # Errors
    /// [`PolicyError`] when the file cannot be read or written.
    pub fn add_authorities(path: &Path, anchors: &[Anchor]) -> Result<Self, PolicyError> {
        let mut policy = Self::load_or_empty(path)?;
        for anchor in anchors {
            if !policy.authorities.iter().any(|there| there.sha256() == anchor.sha256()) {
                policy.authorities.push(anchor.clone());
            }
        }
        policy.write(path)?;
        Ok(policy)
    }

    /// Adds the key that a listed one names as its successor, in the same role and under the same name.
    ///
    /// # Errors
    /// [`PolicyError`] when the old key is not listed or not believed at `now`, or the file cannot be read or written.
    pub fn rotate(path: &Path, rotation: &Rotation, now: &Moment) -> Result<Self, PolicyError> {
        let policy = Self::load_or_empty(path)?;
        let key_id = rotation.old_key().id();
        let old = policy.signer(&key_id).ok_or(PolicyError::Unlisted { path: path.to_owned(), key_id })?;
        if let Err(source) = old.believed(old.role, Some(*now)) {
            return Err(PolicyError::Rotation { path: path.to_owned(), key_id, source });
        }
        let signer = Signer {
            valid_from: Some(rotation.from()),
            // The recipient's limit is about whoever holds the key, whichever it is.
            valid_until: old.valid_until,
            ..Signer::new(&old.name, old.role, rotation.new_key(), &now.to_string())
        };
        Self::add(path, signer)
    }

    /// Marks a listed key as not believed from `revocation.at` on. An earlier revocation stays.
    ///
    /// # Errors
    /// [`PolicyError`] when the key is not listed, or the file cannot be read or written.
    pub fn revoke(path: &Path, key_id: &KeyId, revocation: Revocation) -> Result<Self, PolicyError> {
        let mut policy = Self::load_or_empty(path)?;
        let Some(signer) = policy.signers.iter_mut().find(|signer| signer.public_key.id() == *key_id) else {
            return Err(PolicyError::Unlisted { path: path.to_owned(), key_id: *key_id });
        };
        if signer.revoked.as_ref().is_none_or(|before| revocation.at < before.at) {
            signer.revoked = Some(revocation);
            policy.write(path)?;
        }
        Ok(policy)
    }

    fn write(&self, path: &Path) -> Result<(), PolicyError> {
        persist::replace(path, self.to_toml().as_bytes(), 0o644)
            .map_err(|source| PolicyError::Io { path: path.to_owned(), source })
    }

    /// What is demanded of every pack.
    #[must_use]
    pub fn requires(&self) -> &Requires {
        &self.requires
    }

    /// The certificates above the keys of time-stamping authorities.
    #[must_use]
    pub fn authorities(&self) -> &[Anchor] {
        &self.authorities
    }

    /// The signers in a role.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter(move |signer| signer.role == role)
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

    /// The bytes of the file.
    ///
    /// # Panics
    /// Never: strings and ids have a TOML form.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let signer = self.signers.iter().map(|signer| WireSigner {
            key_id: signer.public_key.id(),
            name: signer.name.clone(),
            role: signer.role,
            public_key: signer.public_key.to_pem(),
            added_at: signer.added_at.clone(),
            valid_from: signer.valid_from,
            valid_until: signer.valid_until,
            revoked_at: signer.revoked.as_ref().map(|revoked| revoked.at),
            revoked_reason: signer.revoked.as_ref().map(|revoked| revoked.reason.clone()),
        });
        let authority =
            |anchor: &Anchor| WireAuthority { name: anchor.name().to_owned(), certificate: anchor.to_pem() };
        let timestamp_authority = self.authorities.iter().map(authority).collect();
        let wire = Wire { requires: self.requires.clone(), timestamp_authority, signer: signer.collect() };
        toml::to_string(&wire).expect("strings and ids have a TOML form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;

    fn signer(seed: u8, name: &str) -> Signer {
        let key = SigningKey::from_seed(&[seed; 32]).verifying_key();
        Signer::new(name, Role::Seal, key, "2026-01-02T03:04:05Z")
    }

    fn moment(text: &str) -> Moment {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_believed_in_its_role_and_time_and_until_it_is_revoked() {
        let plain = signer(1, "a");
        assert_eq!(plain.believed(Role::Seal, None), Ok(()));
        assert!(matches!(plain.believed(Role::Verifier, None), Err(Unbelieved::Role(..))));
        let timed = Signer {
            valid_from: Some(moment("2026-01-01T00:00:00Z")),
            valid_until: Some(moment("2026-12-31T00:00:00Z")),
            ..signer(1, "a")
        };
        let at = |text: &str| timed.believed(Role::Seal, Some(moment(text)));
        assert_eq!(at("2026-01-01T00:00:00Z"), Ok(()));
        assert_eq!(at("2026-12-31T00:00:00Z"), Ok(()));
        assert!(matches!(at("2025-12-31T23:59:59Z"), Err(Unbelieved::NotYet(_))));
        assert!(matches!(at("2026-12-31T00:00:01Z"), Err(Unbelieved::Expired(_))));
        assert_eq!(timed.believed(Role::Seal, None), Err(Unbelieved::NoClock));
        let revoked = Revocation { at: moment("2026-06-01T00:00:00Z"), reason: "lost".into() };
        let revoked = Signer { revoked: Some(revoked), ..signer(1, "a") };
        assert!(matches!(revoked.believed(Role::Seal, None), Err(Unbelieved::Revoked(_))));
        let at = |text: &str| revoked.believed(Role::Seal, Some(moment(text)));
        assert!(matches!(at("2026-06-01T00:00:00Z"), Err(Unbelieved::Revoked(_))));
        assert_eq!(at("2026-05-31T23:59:59Z"), Ok(()));
    }

    #[test]
    fn what_is_revoked_stays_on_the_list_and_the_earliest_time_counts() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trust.toml");
        let key_id = signer(1, "").public_key.id();
        let revoke = |at: &str| {
            TrustPolicy::revoke(
                &path,
                &key_id,
                Revocation { at: moment(at), reason: "stolen \"laptop\"".into() },
            )
        };
        assert!(matches!(revoke("2026-06-01T00:00:00Z"), Err(PolicyError::Unlisted { .. })));
        TrustPolicy::add(&path, signer(1, "one")).unwrap();
        for (at, earliest) in [
            ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z"),
            ("2026-07-01T00:00:00Z", "2026-06-01T00:00:00Z"),
            ("2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z"),
        ] {
            revoke(at).unwrap();
            let policy = TrustPolicy::load(&path).unwrap();
            let revoked = policy.signer(&key_id).unwrap().revoked.clone().unwrap();
            assert_eq!((revoked.at, revoked.reason.as_str()), (moment(earliest), "stolen \"laptop\""));
        }
    }

    #[test]
    fn a_listed_key_names_its_successor_unless_it_is_revoked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trust.toml");
        let [old, new, other] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
        let from = moment("2026-03-01T00:00:00Z");
        let rotation = |old: &SigningKey| {
            let envelope = Rotation::sign(old, &new.verifying_key(), from).unwrap();
            Rotation::open(&envelope).unwrap()
        };
        TrustPolicy::add(&path, signer(1, "the maker")).unwrap();
        let refused = TrustPolicy::rotate(&path, &rotation(&other), &from).unwrap_err();
        assert!(matches!(refused, PolicyError::Unlisted { key_id, .. } if key_id == other.id()));
        let policy = TrustPolicy::rotate(&path, &rotation(&old), &from).unwrap();
        let added = policy.signer(&new.id()).unwrap();
        assert_eq!(
            (added.name.as_str(), added.role, added.valid_from),
            ("the maker", Role::Seal, Some(from))
        );
        TrustPolicy::revoke(&path, &old.id(), Revocation { at: from, reason: "lost".into() }).unwrap();
        let refused = TrustPolicy::rotate(&path, &rotation(&old), &from).unwrap_err();
        assert!(matches!(refused, PolicyError::Rotation { source: Unbelieved::Revoked(_), .. }));
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
        assert!(matches!(refused(&format!("{sound}valid_until = \"2027\"\n")), PolicyError::Shape { .. }));
        let revoked = "revoked_at = \"2026-01-01T00:00:00Z\"\n";
        assert!(matches!(refused(&format!("{sound}{revoked}")), PolicyError::Revocation { .. }));
        assert!(matches!(refused(&sound.replace("\"seal\"", "\"king\"")), PolicyError::Shape { .. }));
        assert!(matches!(refused(&sound.replace(&one, &other)), PolicyError::KeyId { .. }));
        let entry = &sound[sound.find("[[signer]]").unwrap()..];
        assert!(matches!(refused(&format!("{sound}\n{entry}")), PolicyError::Twice { .. }));
        assert!(matches!(refused(&sound.replace("BEGIN", "BEGAN")), PolicyError::Key { .. }));
    }
}
