//! What a pack shows, as far as Annex IV is concerned: a plain value that the caller fills in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::Held;
use super::model::{Act, Annex, Clock, Evidence, Verdict};
use crate::digest::Digest;

/// A sign-off whose signature the caller has verified over the exact bytes of the statement. Whether it *counts* for a
/// facet is decided here: by person, key, role, scope, act and subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signoff {
    /// Where it lies in the pack: `signoffs/p1-2g.dsse.json`.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The id of the person, as the statement names it.
    pub person: String,
    /// The key that verified it.
    pub key_id: Digest,
    /// Units and facets: `IV.2.g` or `IV.2.g#test_logs`.
    pub scope: Vec<String>,
    /// What was done.
    pub act: Act,
    /// When, by the signer's clock.
    pub signed_at: Timestamp,
    /// The digests of what was signed.
    pub subjects: Vec<Digest>,
}

/// A file that the provider attached, as it lies in the pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// As the provider's file names it, relative.
    pub name: String,
    /// Where it lies in the pack: [`super::provider::stored_at`].
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
}

/// Something with a name and a digest: a data set or the weights of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name in the record.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// What the training run recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Whether it recorded its hyper-parameters.
    pub hyper_parameters: bool,
    /// Data sets, by digest.
    pub datasets: Vec<Named>,
    /// Models, by digest.
    pub models: Vec<Named>,
    /// Settings, versions, data sets and weights by name, for comparison with another pack.
    pub recorded: BTreeMap<String, String>,
}

/// The pack before this one. It can be stored beside the evidence, so that a checker derives the same without that pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The digest of its manifest.
    pub manifest_sha256: Digest,
    /// When it was made.
    pub created_at: String,
    /// The version of the system that it was about.
    #[serde(default)]
    pub version: Option<String>,
    /// Its answers, from [`super::Annex::answers`]; empty where it had none.
    pub answers: BTreeMap<String, Digest>,
    /// What it recorded: [`Run::recorded`].
    #[serde(default)]
    pub recorded: BTreeMap<String, String>,
}

impl Parent {
    /// What a later pack keeps of this one.
    #[must_use]
    pub fn of(annex: &Annex, manifest_sha256: Digest, recorded: BTreeMap<String, String>) -> Self {
        Self {
            manifest_sha256,
            created_at: annex.pack.created_at.clone(),
            version: annex.system.version.clone(),
            answers: annex.answers(),
            recorded,
        }
    }
}

/// What a pack shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The pack's id.
    pub pack_id: Option<String>,
    /// The digest of its manifest: none inside the pack, since the manifest binds the annex's own bytes.
    pub manifest_sha256: Option<Digest>,
    /// When the pack is made.
    pub created_at: Timestamp,
    /// Where that time comes from.
    pub clock: Clock,
    /// The key that seals the pack.
    pub seal_key_id: Option<Digest>,
    /// What its judgement came to.
    pub verdict: Verdict,
    /// Files that show something, each with what was done about it. Attachments and sign-offs do not belong here.
    pub evidence: Vec<Evidence>,
    /// What the run recorded.
    pub run: Run,
    /// The declared change envelopes, and how the runs stand to them. Their files are evidence of kind `policy`.
    pub envelopes: Vec<Held>,
    /// Verified sign-offs.
    pub signoffs: Vec<Signoff>,
    /// The provider's files.
    pub attachments: Vec<Attachment>,
    /// The pack before this one.
    pub parent: Option<Parent>,
}

impl Facts {
    /// The facts of a pack that shows nothing yet.
    #[must_use]
    pub fn at(created_at: Timestamp, clock: Clock, verdict: Verdict) -> Self {
        Self {
            pack_id: None,
            manifest_sha256: None,
            created_at,
            clock,
            seal_key_id: None,
            verdict,
            evidence: Vec::new(),
            run: Run::default(),
            envelopes: Vec::new(),
            signoffs: Vec::new(),
            attachments: Vec::new(),
            parent: None,
        }
    }
}
