//! `annex-iv.json`: the answer to Annex IV, facet by facet. `contracts/annex_iv.schema.json` freezes its shape.
//!
//! Members of what can be long stand in the order of the canonical bytes, so that none has to be moved there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::catalogue::Source;
use super::envelope::Held;
use crate::digest::Digest;
use crate::json;

/// The format of [`Annex`].
pub const FORMAT: &str = "bp/annex-iv/0.1";

/// What a piece of evidence is. The list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the format say what they are")]
pub enum Kind {
    Receipt,
    VerificationResult,
    TensorStep,
    RunHistory,
    Environment,
    DatasetDigest,
    Config,
    Sbom,
    ModelDigest,
    EvalReport,
    TestReport,
    Datasheet,
    ModelCard,
    Ifu,
    RiskFile,
    PmmPlan,
    DeclarationOfConformity,
    StandardList,
    Screenshot,
    Policy,
    Signoff,
    Timestamp,
    Other,
}

/// What was done about a piece of evidence, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Derived again by the judge.
    Recomputed,
    /// Digest and schema.
    Checked,
    /// Digest only.
    Attached,
    /// The provider's text.
    Stated,
}

/// The status of a facet or a unit, by rules that do not weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing that counts.
    Missing,
    /// The provider says that it does not apply: reason, person and date.
    NotApplicable,
    /// A part, and the rest is open.
    Partial,
    /// Provider text or a file, with person and date.
    Declared,
    /// Evidence that was derived again or checked, or a file that the responsible person signed.
    Evidenced,
}

impl Status {
    /// As the format spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotApplicable => "not_applicable",
            Self::Partial => "partial",
            Self::Declared => "declared",
            Self::Evidenced => "evidenced",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A file of the pack, and what it is to a facet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it lies in the pack.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// What it is.
    pub kind: Kind,
    /// The program or party that made it.
    pub produced_by: String,
    /// What was done about it.
    pub assurance: Assurance,
}

/// What the provider says in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The field: `section.key`, or `section[2].key` in a list, counted from 1.
    pub field: String,
    /// The text, as it was given.
    pub text: String,
}

/// What is still asked for, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The field, or the evidence in words.
    pub field: String,
    /// The role that owns it.
    pub owner: String,
}

/// Who stands for an answer, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The id of a listed person.
    pub person: String,
    /// The day.
    pub date: String,
    /// Where the person comes from: named for the statement, or by the role that owns the facet.
    pub person_from: PersonFrom,
    /// Where the day comes from: named, or the day of the pack that carries the statement.
    pub date_from: DateFrom,
}

/// Where a person comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonFrom {
    /// Named for the statement.
    Stated,
    /// The first listed person in the role that owns the facet.
    Role,
}

/// Where a day comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateFrom {
    /// Named for the statement.
    Stated,
    /// The pack carries the statement: it was made no later.
    Pack,
}

/// Why a facet is said not to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotApplicable {
    /// The reason.
    pub reason: String,
    /// The id of a listed person.
    pub person: String,
    /// The day.
    pub date: String,
}

/// The answer to one clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facet {
    /// How old an unchanged text is, in days; none below a year. Not a rule of the law.
    pub age_days: Option<i64>,
    /// Who stands for what the provider says.
    pub by: Option<By>,
    /// Whether the answer differs from that of the parent pack; none without one.
    pub changed: Option<bool>,
    /// The evidence.
    pub evidence: Vec<Evidence>,
    /// `IV.2.g#test_logs`.
    pub id: String,
    /// What may not be read into it.
    pub limits: Vec<String>,
    /// Why it does not apply.
    pub not_applicable: Option<NotApplicable>,
    /// What is still asked for.
    pub open: Vec<Open>,
    /// The role that owns it.
    pub required_role: String,
    /// What the evidence of the pack is about; none where there is none.
    pub scope: Option<String>,
    /// Who can fill it.
    pub source: Source,
    /// What the provider says.
    pub statements: Vec<Statement>,
    /// What it came to.
    pub status: Status,
}

/// The answer to one point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The latest day of its statements.
    pub date: Option<String>,
    /// Its clauses, every one.
    pub facets: Vec<Facet>,
    /// `IV.2.g`.
    pub id: String,
    /// `Annex IV, point 2(g)`.
    pub legal_ref: String,
    /// The person who stands for it, where it is one.
    pub responsible: Option<String>,
    /// The sign-offs that count for it, by path.
    pub signoffs: Vec<String>,
    /// What it came to.
    pub status: Status,
    /// Why.
    pub status_reason: String,
    /// What it asks for, in our words.
    pub summary: String,
    /// The digest of the official English wording.
    pub text_sha256: Digest,
}

/// Which catalogue the answer is to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueRef {
    /// The edition.
    pub id: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The CELEX numbers of the law.
    pub law: Vec<String>,
    /// The day of the legal references.
    pub law_as_of: String,
}

/// Where a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The maker's word.
    Local,
    /// A time stamp of a third party.
    Rfc3161,
    /// A log of a third party.
    TransparencyLog,
}

/// The pack that holds the answer.
///
/// `root_sha256` is null in the file inside a pack: the manifest binds this very file, so its digest cannot stand here. A
/// rendering made later from a sealed pack carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackRef {
    /// Its id; null where no pack is made.
    pub id: Option<String>,
    /// The digest of its manifest.
    pub root_sha256: Option<Digest>,
    /// When it was made.
    pub created_at: String,
    /// Where that time comes from.
    pub clock: Clock,
}

/// A model of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it does in the system.
    pub role: String,
    /// The digest of its weights.
    pub sha256: Digest,
}

/// The AI system, as the provider names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its models, by digest.
    pub models: Vec<Model>,
    /// Its classification.
    pub classification: Option<String>,
    /// Who classified it: `person:p1`.
    pub classified_by: Option<String>,
}

/// From when the documentation is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applicability {
    /// The day; none where the classification does not say.
    pub applies_from: Option<String>,
    /// The provision.
    pub basis: Option<String>,
    /// Whose word the classification is; none without one.
    pub stated_by: Option<String>,
}

/// A file and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Where it lies in the pack.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
}

/// A person whom the provider lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Within the provider's file.
    pub id: String,
    /// Name.
    pub name: String,
    /// Function.
    pub function: String,
    /// Organisation.
    pub organisation: String,
    /// For, or on behalf of, whom.
    pub on_behalf_of: String,
    /// Roles.
    pub roles: Vec<String>,
    /// The document of appointment.
    pub appointment: Option<FileRef>,
}

/// What somebody did with what they signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Did the work.
    Performed,
    /// Looked at it.
    Reviewed,
    /// Approved it.
    Approved,
    /// Rejected it.
    Rejected,
}

impl Act {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Performed => "performed",
            Self::Reviewed => "reviewed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A sign-off, whether it counts or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignoffRow {
    /// Where it lies.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The person that it names.
    pub person: String,
    /// The key that it was made with.
    pub key_id: Digest,
    /// What was done.
    pub act: Act,
    /// The units and facets that it is about.
    pub scope: Vec<String>,
    /// When, by the signer's clock.
    pub signed_at: String,
    /// Why it does not count; none where it does.
    pub refused: Option<String>,
}

/// What the judgement of the pack came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// PASS, FAIL or INSUFFICIENT.
    pub outcome: String,
    /// Records judged.
    pub receipts: u64,
    /// Of these, passed.
    pub passed: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, with less compared than a pass needs.
    pub insufficient: u64,
    /// Training steps in the records that were checked.
    pub steps_checked: u64,
    /// Training steps of the run, where that is known.
    pub steps_total: Option<u64>,
    /// Rules that were evaluated.
    pub rules_evaluated: Vec<String>,
    /// Rules that were not, since nothing applied.
    pub rules_not_evaluated: Vec<String>,
    /// Within what captured stages of a forward pass agree with those of a reference; absent without such a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerical_agreement: Option<String>,
}

/// How many units have which status. Not a score: they are not weighed and not added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "one for each status")]
pub struct Counts {
    pub evidenced: u64,
    pub partial: u64,
    pub declared: u64,
    pub missing: u64,
    pub not_applicable: u64,
}

/// What a reader should know of the provider's file: a contradiction, an order of dates, a detail that should stay out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The field, the facet or the file.
    pub at: String,
    /// What is seen there.
    pub message: String,
}

/// Something recorded that is another than in the pack before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What.
    pub what: String,
    /// In the pack before; null where it was not recorded.
    pub before: Option<String>,
    /// In this one; null where it is not recorded.
    pub after: Option<String>,
}

/// The pack before this one, and what is recorded otherwise since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The digest of its manifest.
    pub manifest_sha256: Digest,
    /// When it was made.
    pub created_at: String,
    /// The version of the system that it was about.
    pub version: Option<String>,
    /// What is recorded otherwise, by name.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub changes_left: u64,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annex {
    /// From when the documentation is owed.
    pub applicability: Applicability,
    /// Which catalogue it answers.
    pub catalogue: CatalogueRef,
    /// Units by status.
    pub counts: Counts,
    /// Every unit.
    pub entries: Vec<Entry>,
    /// The declared change envelopes, and how the runs of the pack stand to them.
    pub envelopes: Vec<Held>,
    /// The limits that are cited.
    pub limits: BTreeMap<String, String>,
    /// The pack before it, where one is named.
    pub lineage: Option<Lineage>,
    /// What a reader should know.
    pub notices: Vec<Notice>,
    /// The pack.
    pub pack: PackRef,
    /// The people whom the provider lists.
    pub persons: Vec<Person>,
    /// Always [`FORMAT`].
    pub schema: String,
    /// The key that seals the pack; an organisation's seal at most.
    pub seal_key_id: Option<Digest>,
    /// Every sign-off.
    pub signoffs: Vec<SignoffRow>,
    /// The system.
    pub system: System,
    /// What the judgement of the pack came to.
    pub verdict: Verdict,
}

impl Annex {
    /// The bytes of `annex-iv.json` (RFC 8785).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// Every facet, in order.
    pub fn facets(&self) -> impl Iterator<Item = &Facet> {
        self.entries.iter().flat_map(|entry| &entry.facets)
    }

    /// The answer to each facet as one digest: what a later pack compares its own with.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<String, Digest> {
        self.facets().map(|facet| (facet.id.clone(), facet.answer())).collect()
    }
}

impl Facet {
    /// The digest of what is said and shown, without what follows from the parent.
    #[must_use]
    pub fn answer(&self) -> Digest {
        let statements: Vec<_> = self.statements.iter().map(|each| (&each.field, &each.text)).collect();
        // The provider's file as a whole changes with every word in it; the words themselves stand in the statements.
        let evidence = self.evidence.iter().filter(|each| each.assurance != Assurance::Stated);
        let evidence: Vec<_> = evidence.map(|each| (&each.path, &each.sha256)).collect();
        let reason = self.not_applicable.as_ref().map(|each| &each.reason);
        Digest::of(&json::canonical(&(self.status, statements, evidence, reason)))
    }
}
