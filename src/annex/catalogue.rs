//! What Annex IV asks for, as data: 23 units, 59 facets, what may fill each, and what may not be said of it.
//!
//! The file is `schemas/annex-iv.catalogue.json`. The wording of the law stays out of it; each unit has the reference and
//! the digest of the official wording. Dates and the status of standards carry the day they were looked up.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::model::{Assurance, Kind};
use crate::digest::Digest;

/// The embedded file.
const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/annex-iv.catalogue.json"));

/// Who can fill a facet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// What the pack shows by itself.
    Machine,
    /// What the pack shows, together with what the provider says.
    Mixed,
    /// People alone.
    Human,
    /// The signature of a person in a named role.
    HumanSignature,
}

/// A condition on what the pack shows, beside the kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// The provider maps the system version to the models, by digest.
    MappedModels,
    /// The provider says that the system runs on the software that it was trained with, and why.
    SameAsTraining,
    /// The run recorded its hyper-parameters.
    HyperParameters,
    /// The declared change envelope was checked and held.
    EnvelopeHeld,
    /// The provider names recorded files as validation or testing data, by digest.
    EvaluationData,
    /// There is a parent pack to compare with.
    Parent,
}

/// One way in which the provider can answer a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The fields, all of them, as `section.key`.
    pub fields: Vec<String>,
    /// Fields that name a file; one of them answers instead of the others.
    pub files: Vec<String>,
    /// Of the data sets, those with one of these uses; a data set without a use counts as training data.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Vec<String>>,
    /// Of the standards, those with (or without) a reference in the Official Journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cited: Option<bool>,
    /// One entry of a list is enough; otherwise each entry has to answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub any: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What the pack itself can show of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromPack {
    /// Evidence of each of these kinds.
    pub all: Vec<Kind>,
    /// Evidence of one of these kinds.
    pub any: Vec<Kind>,
    /// What has to hold beside it.
    pub needs: Option<Needs>,
    /// What such evidence is about, in words.
    pub scope: String,
}

impl FromPack {
    /// The kinds that count, all and any.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.all.iter().chain(&self.any).copied()
    }

    /// Evidence counts when it was derived again or checked, not when it is only carried.
    #[must_use]
    pub fn counts(assurance: Assurance) -> bool {
        matches!(assurance, Assurance::Recomputed | Assurance::Checked)
    }
}

/// A clause of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facet {
    /// `IV.2.g#test_logs`.
    pub id: String,
    /// Who can fill it.
    pub source: Source,
    /// What it asks for, in our words.
    pub summary: String,
    /// The words of the law under which it may not apply; none where it always does.
    pub condition: Option<String>,
    /// The role that owns it.
    pub role: String,
    /// How the provider can answer it: one of these.
    pub answers: Vec<Answer>,
    /// Fields that are shown with the answer.
    pub also: Vec<String>,
    /// What the pack can show of it.
    pub pack: Option<FromPack>,
    /// What may not be read into it.
    pub limits: Vec<String>,
}

/// A point of Annex IV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// `IV.2.g`.
    pub id: String,
    /// `Annex IV, point 2(g)`.
    pub legal_ref: String,
    /// The digest of the official English wording.
    pub text_sha256: Digest,
    /// What it asks for, in our words.
    pub summary: String,
    /// Whether the law puts a part of it under a condition.
    pub conditional: bool,
    /// How much of the whole unit a pack can show at most.
    pub fit: String,
    /// The same for its best facet.
    pub fit_best: String,
    /// Its clauses.
    pub facets: Vec<Facet>,
}

/// The law, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Law {
    /// Its name.
    pub act: String,
    /// The CELEX numbers of the act and of what amends it.
    pub celex: Vec<String>,
    /// Where the official text is.
    pub address: String,
    /// What amends it.
    pub amended_by: Vec<String>,
    /// Whether Annex IV itself was amended.
    pub annex_iv_amended: bool,
    /// The consolidated text that was looked at.
    pub consolidated_checked: String,
    /// What the digests of the units are over.
    pub wording: String,
}

/// Sentences that every rendering prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// What the pack is, and what it is not.
    pub header: String,
    /// What PASS means.
    pub pass: String,
    /// What the times mean.
    pub dates: String,
    /// What a seal is, and what it is not.
    pub signatures: String,
    /// What receipts are not.
    pub logs: String,
    /// The day of the legal references.
    pub legal_state: String,
    /// The state of harmonised standards.
    pub standards: String,
    /// What the words of assurance mean.
    pub assurance: String,
    /// The words between a facet and an item of another framework.
    pub cross_references: String,
}

/// From when the documentation is owed, by classification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesFrom {
    /// The classification, or what it begins with before a dot.
    pub classification: String,
    /// The day.
    pub applies_from: String,
    /// The provision.
    pub basis: String,
}

/// A day of the law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalDate {
    /// The day.
    pub date: String,
    /// What applies from it.
    pub what: String,
    /// The provision.
    pub basis: String,
    /// When this was looked up.
    pub as_of: String,
}

/// A standard and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Its number.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What it is about.
    pub about: String,
    /// How far it is.
    pub status: String,
    /// Its reference in the Official Journal for the AI Act.
    pub oj_reference: Option<String>,
    /// When this was looked up.
    pub as_of: String,
}

/// A role that owns facets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// As `person.roles` names it.
    pub id: String,
    /// For people.
    pub title: String,
}

/// What may not be read into a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// `L-coverage`.
    pub id: String,
    /// The sentence.
    pub text: String,
}

/// An item of another framework that a facet's record may serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossReference {
    /// The framework, with its edition.
    pub framework: String,
    /// The item.
    pub item: String,
    /// What it is about.
    pub about: String,
    /// How far the pack's record reaches; `none` where it reaches nothing and provider text alone may.
    pub fit: String,
    /// The facets.
    pub facets: Vec<String>,
}

/// The whole catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The format.
    pub schema: String,
    /// The edition.
    pub id: String,
    /// The day of the legal references.
    pub as_of: String,
    /// The law.
    pub source: Law,
    /// Sentences that every rendering prints.
    pub texts: Texts,
    /// From when the documentation is owed.
    pub applicability: Vec<AppliesFrom>,
    /// The days of the law.
    pub dates: Vec<LegalDate>,
    /// Standards.
    pub standards: Vec<Standard>,
    /// Owner roles.
    pub roles: Vec<Role>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Other frameworks.
    pub cross_references: Vec<CrossReference>,
    /// Words that no output of ours uses: they judge, and `bp` does not.
    pub banned_words: Vec<String>,
    /// The units, in the order of the annex.
    pub units: Vec<Unit>,
}

/// The embedded catalogue, parsed once.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static PARSED: OnceLock<Catalogue> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(TEXT).expect("the embedded catalogue keeps to its shape"))
}

impl Catalogue {
    /// The digest of the embedded file.
    #[must_use]
    pub fn sha256() -> Digest {
        Digest::of(TEXT.as_bytes())
    }

    /// The unit of an id, also without its `IV.`: `IV.2.g` or `2.g`.
    #[must_use]
    pub fn unit(&self, id: &str) -> Option<&Unit> {
        let short = id.strip_prefix("IV.").unwrap_or(id);
        self.units.iter().find(|unit| unit.id.strip_prefix("IV.") == Some(short))
    }

    /// Every facet, in order.
    pub fn facets(&self) -> impl Iterator<Item = &Facet> {
        self.units.iter().flat_map(|unit| &unit.facets)
    }

    /// The facet of an id.
    #[must_use]
    pub fn facet(&self, id: &str) -> Option<&Facet> {
        self.facets().find(|facet| facet.id == id)
    }

    /// The title of a role; the id where there is none.
    #[must_use]
    pub fn role<'a>(&'a self, id: &'a str) -> &'a str {
        self.roles.iter().find(|role| role.id == id).map_or(id, |role| &role.title)
    }

    /// The banned words in a text, whole words only, in any case.
    pub fn banned_words_in<'c>(&'c self, text: &str) -> impl Iterator<Item = &'c str> + use<'c> {
        let text = text.to_lowercase();
        self.banned_words.iter().map(String::as_str).filter(move |word| holds_word(&text, word))
    }

    /// The first of [`Catalogue::banned_words_in`].
    #[must_use]
    pub fn banned_word(&self, text: &str) -> Option<&str> {
        self.banned_words_in(text).next()
    }
}

/// Whether a word, or words, stand in a text by themselves.
fn holds_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}
