//! The manifest, its seal, and who made it.

use super::{Checker, MAX_SIGNER_BYTES, Pin, Standing};
use crate::digest::Digest;
use crate::pack::law;
use std::collections::BTreeSet;

use crate::pack::LEDGER;
use crate::pack::manifest::Artifact;
use crate::pack::manifest::{ManifestError, Unsealed};
use crate::pack::path::PackPath;
use crate::pack::result::{Check, How, JudgeFacts, PackFacts, SignerStatus};
use crate::pack::walk::Walk;
use crate::pack::{MANIFEST, SEAL, SIGNER};
use crate::trust::policy::Unbelieved;
use crate::trust::{KeyId, Role, SEAL_BYTES, SealError, VerifyingKey};

impl Checker<'_> {
    pub(super) fn manifest(&mut self, walk: &Walk) -> Option<Unsealed> {
        let before = self.findings.len();
        let Some(entry) = walk.entries.get(&PackPath::known(MANIFEST)).copied() else {
            self.find(&law::MANIFEST_MISSING, MANIFEST, "there is none");
            self.done("manifest", How::Checked, 0, before);
            return None;
        };
        let bytes = self.root(entry, MANIFEST, self.options.limits.index_bytes)?;
        self.manifest_sha256 = Some(Digest::of(&bytes));
        let unsealed = match Unsealed::parse(bytes) {
            Ok(unsealed) => unsealed,
            Err(error) => {
                let law = match error {
                    ManifestError::Json(_) => &law::MANIFEST_NOT_STRICT_JSON,
                    ManifestError::Format(_) => &law::MANIFEST_FORMAT,
                    ManifestError::Shape(_) => &law::MANIFEST_SHAPE,
                };
                self.find(law, MANIFEST, error.to_string());
                self.done("manifest", How::Checked, 1, before);
                return None;
            }
        };
        if !unsealed.is_canonical() {
            let message = "the bytes are not the canonical form of what they say";
            self.find(&law::MANIFEST_NOT_CANONICAL, MANIFEST, message);
        }
        let claim = unsealed.claim();
        self.pack = Some(PackFacts {
            id: claim.pack_id.clone(),
            manifest_sha256: unsealed.digest(),
            created_at: claim.created_at,
            created_at_source: claim.created_at_source,
            producer: claim.producer.clone(),
            judge: JudgeFacts { name: claim.judge.name.clone(), version: claim.judge.version.clone() },
            subject: claim.subject.clone(),
            parent_manifest_sha256: claim.parent_manifest_sha256,
        });
        if let Some(path) = unsound_artifact(&claim.artifacts) {
            let message =
                format!("{path} is listed twice, out of order, as a twin by case, or cannot be sealed");
            self.find(&law::MANIFEST_ARTIFACTS_UNSOUND, MANIFEST, message);
        }
        self.done("manifest", How::Checked, 1, before);
        Some(unsealed)
    }

    /// Opens the seal. None when the recipient named a signer and the seal does not hold for one: then nothing more is read.
    pub(super) fn seal(&mut self, walk: &Walk, unsealed: Unsealed) -> Option<Standing> {
        let before = self.findings.len();
        let named = self.named();
        let standing = self.open(walk, unsealed, named);
        let sealed = matches!(standing, Standing::Sealed(_));
        let how = if self.signer.status == SignerStatus::Unsigned { How::NotChecked } else { How::Checked };
        let ok = (how == How::Checked).then_some(sealed && self.findings.len() == before);
        self.checks.push(Check { name: "seal", how, ok, count: u64::from(sealed) });
        if sealed {
            let before = self.findings.len() + self.warnings.len();
            self.signer(named);
            let ok = self.findings.len() + self.warnings.len() == before;
            self.checks.push(Check { name: "signer", how: How::Checked, ok: Some(ok), count: 1 });
        }
        (!named || self.signer.status == SignerStatus::Pinned).then_some(standing)
    }

    /// Whether the recipient named whom to believe.
    pub(super) fn named(&self) -> bool {
        !self.options.pins.is_empty()
            || (self.options.strict && self.options.policy.in_role(Role::Seal).next().is_some())
    }

    /// Whether the head of a stream shows already that the seal holds for none that the recipient named.
    pub(super) fn refused_by_head(&self, walk: &Walk, unsealed: &Unsealed) -> bool {
        if !self.named() {
            return false;
        }
        let Some(key_id) = unsealed.claim().key_id() else { return true };
        let listed = self.options.policy.signer(key_id);
        if listed.is_some_and(|signer| signer.believed(Role::Seal, self.options.demands.now).is_err()) {
            return true;
        }
        let seal = PackPath::known(SEAL);
        let entry = walk.entries.get(&seal);
        let Some(Ok(bytes)) = entry.map(|entry| self.source.root(&seal, entry.size_bytes)) else {
            return true;
        };
        match self.recipient_key(key_id) {
            Some(key) => unsealed.clone().open(&key, &bytes).is_err(),
            // The key may come with the pack, when its id is one that was named.
            None => !self.options.pins.iter().any(|pin| pin.id() == *key_id),
        }
    }

    pub(super) fn open(&mut self, walk: &Walk, unsealed: Unsealed, named: bool) -> Standing {
        let entry = walk.entries.get(&PackPath::known(SEAL)).copied();
        let Some(key_id) = unsealed.claim().key_id().copied() else {
            self.signer.status = SignerStatus::Unsigned;
            if entry.is_some() {
                let message = "the manifest says that the pack is not sealed";
                self.find(&law::SEAL_UNDECLARED, SEAL, message);
            }
            let message = "nothing shows who made the pack, or that it was not changed since";
            if named {
                self.find(&law::PACK_UNSIGNED, ".", message);
            } else {
                self.warn(&law::PACK_UNSIGNED, ".", message);
            }
            return Standing::Claimed(Box::new(unsealed));
        };
        self.signer.key_id = Some(key_id);
        let Some(entry) = entry else {
            self.find(&law::SEAL_MISSING, SEAL, format!("the manifest names key {key_id}"));
            return Standing::Claimed(Box::new(unsealed));
        };
        if entry.regular && entry.size_bytes != SEAL_BYTES as u64 {
            self.find(&law::SEAL_LENGTH, SEAL, format!("{} bytes long", entry.size_bytes));
            return Standing::Claimed(Box::new(unsealed));
        }
        let Some(seal) = self.root(entry, SEAL, SEAL_BYTES as u64) else {
            return Standing::Claimed(Box::new(unsealed));
        };
        self.open_with(walk, unsealed, &key_id, &seal)
    }

    pub(super) fn open_with(
        &mut self,
        walk: &Walk,
        unsealed: Unsealed,
        key_id: &KeyId,
        seal: &[u8],
    ) -> Standing {
        let beside = match self.recipient_key(key_id) {
            Some(key) => {
                self.key = Some(key);
                None
            }
            None => self.key_beside(walk),
        };
        if self.key.is_none() {
            self.key = beside.filter(|key| key.id() == *key_id);
        }
        let claim = unsealed.clone();
        let Some(key) = self.key else {
            if walk.on_the_way && self.named() {
                let message = format!("the manifest names key {key_id}, which you did not name");
                self.find(&law::SIGNER_NOT_PINNED, SEAL, message);
                return Standing::Claimed(Box::new(claim));
            }
            // The pack's own key, if it made the seal, is then another than the manifest names.
            match beside.filter(|key| unsealed.open(key, seal).is_ok()) {
                Some(other) => {
                    let message = format!("the manifest names {key_id}, the seal is by {}", other.id());
                    self.find(&law::SEAL_BY_OTHER_KEY, SEAL, message);
                }
                None => self.find(
                    &law::SEAL_KEY_UNKNOWN,
                    SEAL,
                    format!("no public key with id {key_id} is at hand"),
                ),
            }
            return Standing::Claimed(Box::new(claim));
        };
        match unsealed.open(&key, seal) {
            Ok(manifest) => Standing::Sealed(Box::new(manifest)),
            Err(error) => {
                let by_other = self.other_signer(&claim, key_id, seal);
                match (error, by_other) {
                    (SealError::Broken, Some(other)) => {
                        let message = format!("the manifest names {key_id}, the seal is by {other}");
                        self.find(&law::SEAL_BY_OTHER_KEY, SEAL, message);
                    }
                    (error, _) => self.find(&law::SEAL_BROKEN, SEAL, error.to_string()),
                }
                Standing::Claimed(Box::new(claim))
            }
        }
    }

    pub(super) fn recipient_keys(&self) -> impl Iterator<Item = VerifyingKey> {
        let pinned = self.options.pins.iter().filter_map(|pin| match pin {
            Pin::Key(key) => Some(*key),
            Pin::Id(_) => None,
        });
        pinned.chain(self.options.policy.in_role(Role::Seal).map(|signer| signer.public_key))
    }

    pub(super) fn recipient_key(&self, key_id: &KeyId) -> Option<VerifyingKey> {
        self.recipient_keys().find(|key| key.id() == *key_id)
    }

    /// A key of the recipient that did make the seal, when the one that the manifest names did not.
    pub(super) fn other_signer(&self, claim: &Unsealed, key_id: &KeyId, seal: &[u8]) -> Option<KeyId> {
        let opens = |key: &VerifyingKey| key.id() != *key_id && claim.clone().open(key, seal).is_ok();
        self.recipient_keys().find(opens).map(|key| key.id())
    }

    /// The key in the pack's own signer.pub.pem. Never a root of trust.
    pub(super) fn key_beside(&self, walk: &Walk) -> Option<VerifyingKey> {
        let path = PackPath::known(SIGNER);
        let entry =
            walk.entries.get(&path).filter(|entry| entry.regular && entry.size_bytes <= MAX_SIGNER_BYTES)?;
        let bytes = self.source.root(&path, entry.size_bytes).ok()?;
        VerifyingKey::from_pem(std::str::from_utf8(&bytes).ok()?).ok()
    }

    /// Whether the recipient named the key under which the seal holds.
    pub(super) fn signer(&mut self, named: bool) {
        let Some(key_id) = self.signer.key_id else { return };
        let listed = self.options.policy.signer(&key_id);
        self.signer.name = listed.map(|signer| signer.name.clone());
        let pinned = self.options.pins.iter().any(|pin| pin.id() == key_id);
        // Where signers are named for this check, the list does not add to them.
        let trusted = pinned || (self.options.pins.is_empty() && listed.is_some());
        if let Some(Err(error)) = listed.map(|signer| signer.believed(Role::Seal, self.options.demands.now)) {
            let law = match error {
                Unbelieved::Revoked(_) => &law::SIGNER_REVOKED,
                Unbelieved::Role(..) => &law::SIGNER_IN_ANOTHER_ROLE,
                _ => &law::SIGNER_NOT_VALID,
            };
            self.find(law, SEAL, format!("sealed by key {key_id}: {error}"));
            self.signer.status = SignerStatus::Unpinned;
            return;
        }
        self.signer.status = if trusted { SignerStatus::Pinned } else { SignerStatus::Unpinned };
        if trusted {
            return;
        }
        if named {
            self.find(
                &law::SIGNER_NOT_PINNED,
                SEAL,
                format!("sealed by key {key_id}, which you did not name"),
            );
        } else if self.options.strict {
            self.find(
                &law::SIGNER_NOT_GIVEN,
                SEAL,
                format!("sealed by key {key_id}, and you named no signer"),
            );
        } else {
            self.warn(
                &law::SIGNER_UNPINNED,
                SEAL,
                format!("sealed by key {key_id}, for which only the pack vouches"),
            );
        }
    }
}

/// The first path that makes a list of artifacts mean nothing certain.
fn unsound_artifact(artifacts: &[Artifact]) -> Option<&PackPath> {
    let mut folded = BTreeSet::new();
    let mut last = None;
    artifacts.iter().map(|artifact| &artifact.path).find(|path| {
        let ordered = last.replace(*path).is_none_or(|last| last < *path);
        !ordered || !folded.insert(path.fold()) || [MANIFEST, SEAL, LEDGER].contains(&path.as_str())
    })
}
