//! What was added after sealing: statements of what a check came to, and sign-offs. Each is verified on its own, none of
//! them can make the pack itself more than it is.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::annex::facts::Signoff;
use crate::annex::model::Act;
use crate::digest::Digest;
use crate::moment::Moment;
use crate::pack::attestation::{self, Attested, TestResult};
use crate::pack::cosign::CoSigned;
use crate::pack::law;
use crate::pack::layout::Added;
use crate::pack::manifest::{Artifact, Statement};
use crate::pack::path::PackPath;
use crate::pack::result::{AttestationFacts, How, SignOffFacts};
use crate::pack::signoff::{self, Signed};
use crate::pack::walk::{Entry, Walk, shown};
use crate::report::Outcome;
use crate::trust::{Envelope, EnvelopeError, KeyId, Role, StatementError, VerifyingKey, timestamp};

/// Added files that are looked at: each costs a signature.
const MAX_ADDED: usize = 1000;
/// The longest envelope.
const MAX_ENVELOPE_BYTES: u64 = 4 << 20;
/// The longest file that belongs to a sign-off.
pub(super) const MAX_ATTACHED_BYTES: u64 = 32 << 20;

/// Who is believed among those who added something, for the thresholds of a policy.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By their names on the list: one who has two keys there is one.
    pub(super) verifiers: BTreeSet<String>,
    pub(super) persons: BTreeSet<String>,
    pub(super) predicates: BTreeSet<&'static str>,
    /// The names of certificates that vouch for time stamps of the manifest.
    pub(super) authorities: BTreeSet<String>,
    /// The earliest time that such a stamp says.
    pub(super) stamped_at: Option<Moment>,
}

impl Checker<'_> {
    /// Verifies what was added. `expected` is what was sealed.
    pub(super) fn additions(
        &mut self,
        walk: &Walk,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
    ) -> Counted {
        let before = self.findings.len();
        let added = |(path, entry): (&PackPath, &Entry)| {
            let place = Added::of(path).filter(|_| entry.regular && !expected.contains_key(path))?;
            Some((path.clone(), place, *entry))
        };
        let mut added: Vec<_> = walk.entries.iter().filter_map(added).collect();
        if added.len() > MAX_ADDED {
            let message =
                format!("{} added files, over the limit of {MAX_ADDED}; the rest is not read", added.len());
            self.find(&law::LIMIT_EXCEEDED, ".", message);
            added.truncate(MAX_ADDED);
        }
        let count = added.len() as u64;
        let mut counted = Counted::default();
        let mut attached: BTreeMap<PackPath, Digest> = BTreeMap::new();
        let mut files = Vec::new();
        for (path, place, entry) in added {
            let (name, envelope) = (path.as_str(), MAX_ENVELOPE_BYTES);
            match place {
                Added::Attestation => {
                    if let Some(bytes) = self.root(entry, name, envelope) {
                        self.attestation(&path, &bytes, &mut counted);
                    }
                }
                Added::CoSignature => {
                    if let Some(bytes) = self.root(entry, name, envelope) {
                        self.co_signature(&path, &bytes);
                    }
                }
                Added::TimeStamp => {
                    if let Some(bytes) = self.root(entry, name, timestamp::MAX_BYTES as u64) {
                        self.time_stamp(&path, &bytes, statement, &mut counted);
                    }
                }
                Added::SignOff => {
                    let bytes = self.root(entry, name, envelope);
                    let signed = bytes
                        .and_then(|bytes| self.sign_off(&path, &bytes, statement, expected, &mut counted));
                    let named = signed.iter().flat_map(|signed| &signed.signoff.attached);
                    attached.extend(named.map(|file| (Added::file(&file.sha256), file.sha256)));
                }
                Added::SignOffFile => {
                    let digest = self.attached(entry, &path, MAX_ATTACHED_BYTES);
                    files.extend(digest.map(|digest| (path, digest)));
                }
            }
        }
        for (path, digest) in &files {
            match attached.get(path) {
                Some(stated) if stated == digest => {}
                Some(_) => self.find(
                    &law::ADDITION_FILE_MISMATCH,
                    path.as_str(),
                    "not the bytes that were signed for",
                ),
                None => self.find(&law::ADDITION_FILE_MISMATCH, path.as_str(), "no sign-off here names it"),
            }
        }
        let there: BTreeSet<&PackPath> = files.iter().map(|(path, _)| path).collect();
        for path in attached.keys().filter(|path| !there.contains(path)) {
            self.find(
                &law::ADDITION_FILE_MISMATCH,
                path.as_str(),
                "a sign-off names it, and it is not there",
            );
        }
        if count > 0 {
            self.done("additions", How::Checked, count, before);
        }
        counted
    }

    /// The envelope in a file, if it is one in its one spelling with one signature that names its key.
    fn envelope(&mut self, path: &PackPath, bytes: &[u8]) -> Option<Envelope> {
        match Envelope::parse(bytes) {
            Err(error) => {
                self.find(&law::ADDITION_UNSOUND, path.as_str(), error.to_string());
                None
            }
            Ok(envelope) if envelope.to_bytes() != bytes || envelope.key_id().is_none() => {
                let message =
                    "not the canonical spelling of an envelope with one signature by a key that it names";
                self.find(&law::ADDITION_UNSOUND, path.as_str(), message);
                None
            }
            Ok(envelope) => Some(envelope),
        }
    }

    fn refused(&mut self, path: &PackPath, error: &StatementError) {
        let law = match error {
            StatementError::Envelope(EnvelopeError::Broken) => &law::ADDITION_SIGNATURE_BROKEN,
            _ => &law::ADDITION_UNSOUND,
        };
        self.find(law, path.as_str(), error.to_string());
    }

    /// What the recipient's list has under a key for a role: its name there, and whether it is believed.
    fn listed(&mut self, path: &PackPath, key: &VerifyingKey, role: Role) -> (Option<String>, bool) {
        let key_id = key.id();
        let mut believed = false;
        let mut name = None;
        match self.options.policy.signer(&key_id) {
            None => {
                let message =
                    format!("signed by key {key_id}, which is not on your list: it counts for nothing");
                self.warn(&law::ADDITION_BY_UNKNOWN_KEY, path.as_str(), message);
            }
            Some(signer) => {
                name = Some(signer.name.clone());
                match signer.believed(role, self.options.demands.now) {
                    Ok(()) => believed = true,
                    Err(error) => {
                        let message = format!("signed by key {key_id}: {error}");
                        self.find(&law::ADDITION_KEY_NOT_BELIEVED, path.as_str(), message);
                    }
                }
            }
        }
        if self.signer.key_id == Some(key_id) {
            let message = format!("signed by key {key_id}, which also sealed the pack");
            self.warn(&law::SIGNERS_SHARE_A_KEY, path.as_str(), message);
            believed = false;
        }
        (name, believed)
    }

    /// Whether a statement is about this pack, and hints at the key that signed it.
    fn about_this(
        &mut self,
        path: &PackPath,
        envelope: &Envelope,
        key_id: KeyId,
        manifest: Option<Digest>,
    ) -> bool {
        if envelope.key_id() != Some(key_id) {
            self.find(
                &law::ADDITION_UNSOUND,
                path.as_str(),
                "it names another key than the one that signed it",
            );
        }
        let this = self.pack.as_ref().map(|pack| pack.manifest_sha256);
        let about = manifest.is_some() && manifest == this;
        if !about {
            let other =
                manifest.map_or_else(|| "no manifest".to_owned(), |digest| format!("manifest {digest}"));
            self.find(&law::ADDITION_OF_ANOTHER_PACK, path.as_str(), format!("it is about {other}"));
        }
        about
    }

    /// A co-signature: it counts for nothing, and whose key it is the recipient says for this check.
    fn co_signature(&mut self, path: &PackPath, bytes: &[u8]) {
        let Some(envelope) = self.envelope(path, bytes) else { return };
        let signed = match CoSigned::open(&envelope) {
            Ok(signed) => signed,
            Err(error) => return self.refused(path, &error),
        };
        let key_id = signed.key.id();
        if self.about_this(path, &envelope, key_id, Some(signed.manifest_sha256))
            && !self.options.demands.co_signers.contains(&signed.key)
        {
            let message = format!("signed by P-256 key {key_id}, which you did not name");
            self.warn(&law::ADDITION_BY_UNKNOWN_KEY, path.as_str(), message);
        }
    }

    fn attestation(&mut self, path: &PackPath, bytes: &[u8], counted: &mut Counted) {
        let Some(envelope) = self.envelope(path, bytes) else { return };
        let opened = Attested::open(&envelope);
        let attested = match opened {
            Ok(attested) => attested,
            Err(error) => return self.refused(path, &error),
        };
        if !self.about_this(path, &envelope, attested.key.id(), attested.manifest_sha256) {
            return;
        }
        let said = &attested.attestation;
        let passed = said.result == TestResult::Passed;
        let other = (passed && self.verdict != Some(Outcome::Pass))
            || (said.bp.verdict.is_some() && said.bp.verdict != self.verdict);
        if self.derived && other {
            let found = self.verdict.map_or("none", Outcome::name);
            let message = format!("it states another verdict than the one computed here, {found}");
            self.find(&law::ATTESTATION_CONTRADICTED, path.as_str(), message);
        }
        let (listed, believed) = self.listed(path, &attested.key, Role::Verifier);
        if believed && passed {
            counted.verifiers.extend(listed.clone());
            counted.predicates.insert(attestation::PREDICATE);
        }
        self.attestations.push(AttestationFacts {
            path: path.clone(),
            key_id: attested.key.id(),
            listed,
            believed,
            result: said.result,
            strict: said.bp.strict,
            verifier: format!("{} {}", shown(&said.bp.verifier.name), shown(&said.bp.verifier.version)),
            verified_at: said.bp.verified_at,
        });
    }

    fn sign_off(
        &mut self,
        path: &PackPath,
        bytes: &[u8],
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        counted: &mut Counted,
    ) -> Option<Signed> {
        let envelope = self.envelope(path, bytes)?;
        let opened = Signed::open(&envelope);
        let signed = match opened {
            Ok(signed) => signed,
            Err(error) => {
                self.refused(path, &error);
                return None;
            }
        };
        if !self.about_this(path, &envelope, signed.key.id(), Some(signed.manifest_sha256)) {
            return None;
        }
        let mut whole = true;
        for report in &signed.reports {
            let sealed = report.path.parse::<PackPath>().ok();
            let sealed = sealed.and_then(|path| expected.get(&path)).map(|artifact| artifact.sha256);
            if sealed != Some(report.sha256) {
                whole = false;
                let message =
                    format!("it is about {}, which was not sealed with that digest", shown(&report.path));
                self.find(&law::ADDITION_OF_ANOTHER_PACK, path.as_str(), message);
            }
        }
        let said = &signed.signoff;
        if said.signed_at < statement.created_at {
            let message =
                format!("signed at {}, before the pack was made at {}", said.signed_at, statement.created_at);
            self.find(&law::TIME_ORDER, path.as_str(), message);
        }
        let (listed, believed) = self.listed(path, &signed.key, Role::Signoff);
        // A key that the recipient's list has and does not believe stands for nobody.
        if whole && (believed || listed.is_none()) {
            self.signed.push(Signoff {
                path: path.to_string(),
                sha256: Digest::of(bytes),
                person: said.person.id.clone(),
                key_id: signed.key.id().digest(),
                scope: said.scope.clone(),
                act: said.act,
                signed_at: said.signed_at.timestamp(),
                subjects: signed.reports.iter().map(|report| report.sha256).collect(),
            });
        }
        if believed && said.act != Act::Rejected {
            counted.persons.extend(listed.clone());
            counted.predicates.insert(signoff::PREDICATE);
        }
        if said.act == Act::Rejected {
            let message = format!("{} rejected what the pack shows", shown(&said.person.name));
            self.warn(&law::SIGNOFF_REJECTS, path.as_str(), message);
        }
        self.sign_offs.push(SignOffFacts {
            path: path.clone(),
            key_id: signed.key.id(),
            listed,
            believed,
            person: shown(&said.person.id),
            name: shown(&said.person.name),
            function: shown(&said.person.function),
            on_behalf_of: said.person.on_behalf_of.as_deref().map(shown),
            developer_of_run: said.person.developer_of_run,
            act: said.act,
            scope: said.scope.iter().map(|id| shown(id)).collect(),
            signed_at: said.signed_at,
            attached: said.attached.len() as u64,
        });
        Some(signed)
    }
}
