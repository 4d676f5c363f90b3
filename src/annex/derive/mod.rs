//! Catalogue, provider's file and facts of the pack become the answer. Pure: equal inputs, equal bytes.
//!
//! A facet is
//!
//! - *evidenced*: what the pack can show of it was derived again or checked, and, where people have to say the rest, they
//!   did; or, where people alone can fill it, a file of theirs is signed off by a listed person, in the role where the law
//!   asks for a signature;
//! - *declared*: text, or a file, with a person and a day;
//! - *partial*: the pack shows its part, and the part that people have to say is open;
//! - *not applicable*: said with reason, person and day, and nothing to the contrary is there;
//! - *missing* otherwise.
//!
//! A unit is *not applicable* when all its facets are; *evidenced* when all others are; *missing* when none of them is
//! filled; *declared* when all are and none is evidenced; otherwise *partial*.

mod answer;
mod notice;
mod signoff;

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{self, Catalogue, FromPack, Needs, Source, Unit};
use super::envelope::Held;
use super::facts::{Facts, Parent};
use super::model::{
    Annex, Applicability, CatalogueRef, Change, Counts, DateFrom, Entry, Evidence, FORMAT, Facet, FileRef,
    Kind, Lineage, Model, PackRef, Person, Status, System,
};
use super::provider::Provider;
use answer::{Grade, Reader, Said, day, owned};
use signoff::Signoffs;

/// Unchanged text is told its age from this many days on.
const OLD_DAYS: i64 = 365;
/// Changes since the pack before that are told.
const MAX_CHANGES: usize = 200;

/// The answer to Annex IV.
#[must_use]
pub fn derive(catalogue: &Catalogue, provider: Option<&Provider>, facts: &Facts) -> Annex {
    let signoffs = Signoffs::of(provider, facts);
    let reader = provider.map(|provider| Reader::of(provider, facts, &signoffs));
    let derivation = Derivation { catalogue, provider, facts, reader: reader.as_ref() };
    let entries: Vec<Entry> = catalogue.units.iter().map(|unit| derivation.entry(unit)).collect();
    let mut counts = Counts::default();
    for entry in &entries {
        *match entry.status {
            Status::Evidenced => &mut counts.evidenced,
            Status::Partial => &mut counts.partial,
            Status::Declared => &mut counts.declared,
            Status::Missing => &mut counts.missing,
            Status::NotApplicable => &mut counts.not_applicable,
        } += 1;
    }
    let cited: BTreeSet<&String> =
        entries.iter().flat_map(|entry| &entry.facets).flat_map(|facet| &facet.limits).collect();
    let limits = catalogue.limits.iter().filter(|limit| cited.contains(&limit.id));
    let limits: BTreeMap<_, _> = limits.map(|limit| (limit.id.clone(), limit.text.clone())).collect();
    let system = derivation.system();
    Annex {
        schema: FORMAT.to_owned(),
        catalogue: CatalogueRef {
            id: catalogue.id.clone(),
            sha256: Catalogue::sha256(),
            law: catalogue.source.celex.clone(),
            law_as_of: catalogue.as_of.clone(),
        },
        pack: PackRef {
            id: facts.pack_id.clone(),
            root_sha256: facts.manifest_sha256,
            created_at: facts.created_at.to_string(),
            clock: facts.clock,
        },
        applicability: derivation.applicability(&system),
        system,
        verdict: facts.verdict.clone(),
        seal_key_id: facts.seal_key_id,
        envelopes: facts.envelopes.clone(),
        lineage: facts.parent.as_ref().map(|parent| lineage(parent, facts)),
        persons: derivation.persons(),
        signoffs: signoffs.rows(),
        notices: notice::notices(catalogue, reader.as_ref(), facts, &signoffs, &entries),
        entries,
        counts,
        limits,
    }
}

struct Derivation<'a> {
    catalogue: &'a Catalogue,
    provider: Option<&'a Provider>,
    facts: &'a Facts,
    reader: Option<&'a Reader<'a>>,
}

/// What the pack shows of a facet.
struct Shown {
    evidence: Vec<Evidence>,
    /// Whether it is enough for the pack's part.
    holds: bool,
    /// What is not there.
    open: Vec<String>,
}

impl Derivation<'_> {
    fn entry(&self, unit: &Unit) -> Entry {
        let mut signed = BTreeSet::new();
        let mut facets = Vec::new();
        for facet in &unit.facets {
            let (facet, paths) = self.facet(unit, facet);
            facets.push(facet);
            signed.extend(paths);
        }
        let persons: BTreeSet<&String> =
            facets.iter().filter_map(|facet| facet.by.as_ref()).map(|by| &by.person).collect();
        let status = unit_status(&facets);
        Entry {
            id: unit.id.clone(),
            legal_ref: unit.legal_ref.clone(),
            text_sha256: unit.text_sha256,
            summary: unit.summary.clone(),
            status,
            status_reason: reason(&facets),
            responsible: (persons.len() == 1).then(|| persons.first().map(ToString::to_string)).flatten(),
            date: facets.iter().filter_map(|facet| facet.by.as_ref()).map(|by| by.date.clone()).max(),
            facets,
            signoffs: signed.into_iter().collect(),
        }
    }

    /// A facet, and the sign-offs that count for it.
    fn facet(&self, unit: &Unit, facet: &catalogue::Facet) -> (Facet, Vec<String>) {
        let shown = facet.pack.as_ref().map_or_else(
            || Shown { evidence: Vec::new(), holds: false, open: Vec::new() },
            |pack| self.shown(pack),
        );
        let said = self.reader.map_or_else(
            || Said {
                grade: Grade::Open,
                statements: Vec::new(),
                evidence: Vec::new(),
                signoffs: Vec::new(),
                by: None,
                open: first_answer(facet),
            },
            |reader| reader.said(unit, facet),
        );
        let not_applicable = self.reader.and_then(|reader| reader.not_applicable(unit, facet));
        let mut status = status(facet.source, &shown, said.grade);
        if status == Status::Missing && not_applicable.is_some() {
            status = Status::NotApplicable;
        }
        let mut open = match (status, facet.source) {
            (Status::Missing, Source::Machine) => shown.open,
            (Status::Missing | Status::Partial, _) => said.open,
            _ => Vec::new(),
        };
        if status == Status::Missing && facet.source == Source::HumanSignature {
            let title = self.catalogue.role(&facet.role).to_lowercase();
            open.push(format!("a sign-off over the file, by a person in the role of {title}"));
        }
        let mut evidence = shown.evidence;
        let scope = facet.pack.as_ref().filter(|_| !evidence.is_empty()).map(|pack| self.scope(pack));
        evidence.extend(said.evidence);
        let mut derived = Facet {
            id: facet.id.clone(),
            source: facet.source,
            status,
            scope,
            required_role: facet.role.clone(),
            evidence,
            statements: said.statements,
            by: said.by,
            not_applicable,
            open: owned(open, &facet.role),
            changed: None,
            age_days: None,
            limits: facet.limits.clone(),
        };
        self.compare(&mut derived);
        (derived, said.signoffs.iter().map(|signoff| signoff.path.clone()).collect())
    }

    /// Marks what differs from the parent pack, and how old unchanged text is.
    fn compare(&self, facet: &mut Facet) {
        let Some(parent) = &self.facts.parent else { return };
        if parent.answers.is_empty() {
            return;
        }
        let changed = parent.answers.get(&facet.id) != Some(&facet.answer());
        facet.changed = Some(changed);
        let date = facet.by.as_ref().filter(|by| by.date_from == DateFrom::Stated);
        let date = date.and_then(|by| by.date.parse::<jiff::civil::Date>().ok());
        if let Some(date) = date.filter(|_| !changed && !facet.statements.is_empty()) {
            let age = day(self.facts.created_at).duration_since(date).as_hours() / 24;
            facet.age_days = (age >= OLD_DAYS).then_some(age);
        }
    }

    fn shown(&self, pack: &FromPack) -> Shown {
        let counts = |evidence: &&Evidence| {
            FromPack::counts(evidence.assurance)
                // A log of nothing is no log.
                && (self.facts.verdict.receipts > 0
                    || !matches!(evidence.kind, Kind::Receipt | Kind::TensorStep | Kind::VerificationResult))
        };
        let mut evidence: Vec<Evidence> = self
            .facts
            .evidence
            .iter()
            .filter(|evidence| pack.kinds().any(|kind| kind == evidence.kind))
            .filter(counts)
            .cloned()
            .collect();
        evidence.sort();
        let there = |kind: &Kind| evidence.iter().any(|evidence| evidence.kind == *kind);
        let mut open: Vec<String> = pack.all.iter().filter(|kind| !there(kind)).copied().map(named).collect();
        if !pack.any.is_empty() && !pack.any.iter().any(there) {
            let kinds: Vec<String> = pack.any.iter().copied().map(named).collect();
            open.push(kinds.join(" or "));
        }
        let needs = pack.needs.is_none_or(|needs| self.meets(needs));
        if let Some(Needs::Parent) = pack.needs.filter(|_| !needs) {
            open.push("a parent pack".to_owned());
        }
        let holds = open.is_empty() && needs;
        // The training stack is shown, as that, also where nobody says that the deployed system is the same.
        let context = open.is_empty() && pack.needs == Some(Needs::SameAsTraining);
        if !holds && !context {
            evidence.clear();
        }
        Shown { evidence, holds, open }
    }

    fn meets(&self, needs: Needs) -> bool {
        let run = &self.facts.run;
        let records = |name| self.provider.map_or(&[][..], |provider| provider.records(name));
        match needs {
            Needs::MappedModels => {
                let models = records("system.model");
                let recorded = |digest| run.models.iter().any(|model| model.sha256 == digest);
                !models.is_empty() && models.iter().all(|model| model.digest("sha256").is_some_and(recorded))
            }
            Needs::SameAsTraining => records("runtime").first().is_some_and(|runtime| {
                runtime.value("same_as_training").is_some()
                    && runtime.value("same_as_training_reason").is_some()
            }),
            Needs::HyperParameters => run.hyper_parameters,
            Needs::EnvelopeHeld => {
                !self.facts.envelopes.is_empty() && self.facts.envelopes.iter().all(Held::shows)
            }
            Needs::EvaluationData => {
                let is_evaluation = |use_: &str| use_ == "validation" || use_ == "testing";
                let mut sets = records("dataset")
                    .iter()
                    .filter(|set| set.text("use").is_some_and(|use_| is_evaluation(&use_)))
                    .peekable();
                let recorded = |digest| run.datasets.iter().any(|set| set.sha256 == digest);
                sets.peek().is_some() && sets.all(|set| set.digest("sha256").is_some_and(recorded))
            }
            Needs::Parent => self.facts.parent.is_some(),
        }
    }

    /// What the pack's evidence is about, with the coverage where records are judged.
    fn scope(&self, pack: &FromPack) -> String {
        if !pack
            .kinds()
            .any(|kind| matches!(kind, Kind::Receipt | Kind::TensorStep | Kind::VerificationResult))
        {
            return pack.scope.clone();
        }
        let verdict = &self.facts.verdict;
        let of = verdict.steps_total.map_or_else(
            || "of a run whose length is not recorded".to_owned(),
            |total| format!("of {total}"),
        );
        format!(
            "{}; {} recorded steps checked {of}, verdict {}",
            pack.scope, verdict.steps_checked, verdict.outcome
        )
    }

    fn system(&self) -> System {
        let text =
            |id| self.provider.and_then(|provider| provider.value(id)).map(super::provider::Value::text);
        let models = self.provider.map_or(&[][..], |provider| provider.records("system.model"));
        let record = self.provider.and_then(|provider| provider.records("system").first());
        let by = self.reader.zip(record).and_then(|(reader, record)| reader.by(record, "quality"));
        let classification = text("system.classification");
        System {
            name: text("system.name"),
            version: text("system.version"),
            models: models
                .iter()
                .filter_map(|model| {
                    let role = model.text("role").unwrap_or_default();
                    Some(Model { role, sha256: model.digest("sha256")? })
                })
                .collect(),
            classified_by: by.filter(|_| classification.is_some()).map(|by| format!("person:{}", by.person)),
            classification,
        }
    }

    fn applicability(&self, system: &System) -> Applicability {
        let kind = system.classification.as_ref().and_then(|text| text.split('.').next());
        let row = self.catalogue.applicability.iter().find(|row| kind == Some(row.classification.as_str()));
        Applicability {
            applies_from: row.map(|row| row.applies_from.clone()),
            basis: row.map(|row| row.basis.clone()),
            stated_by: system.classification.as_ref().map(|_| "provider".to_owned()),
        }
    }

    fn persons(&self) -> Vec<Person> {
        let records = self.provider.map_or(&[][..], |provider| provider.records("person"));
        records
            .iter()
            .filter_map(|person| {
                let text = |key| person.text(key).unwrap_or_default();
                let appointment = person.files("appointment").first();
                let appointment =
                    self.reader.zip(appointment).and_then(|(reader, name)| reader.attachment(name));
                Some(Person {
                    id: person.text("id")?,
                    name: text("name"),
                    function: text("function"),
                    organisation: text("organisation"),
                    on_behalf_of: text("on_behalf_of"),
                    roles: person.ids("roles").to_vec(),
                    appointment: appointment
                        .map(|file| FileRef { path: file.path.clone(), sha256: file.sha256 }),
                })
            })
            .collect()
    }
}

fn named(kind: Kind) -> String {
    let name = serde_json::to_value(kind).expect("a kind is a word");
    format!("pack evidence: {}", name.as_str().unwrap_or_default())
}

/// The fields that would answer a facet.
fn first_answer(facet: &catalogue::Facet) -> Vec<String> {
    let Some(answer) = facet.answers.first() else { return Vec::new() };
    let ids = if answer.fields.is_empty() { &answer.files } else { &answer.fields };
    ids.clone()
}

fn status(source: Source, shown: &Shown, said: Grade) -> Status {
    let is_shown = !shown.evidence.is_empty();
    match (source, said) {
        (Source::Machine, _) | (Source::Mixed, Grade::Filled | Grade::Signed) if shown.holds => {
            Status::Evidenced
        }
        (Source::Human | Source::HumanSignature, Grade::Signed) => Status::Evidenced,
        (_, Grade::Filled | Grade::Signed) => Status::Declared,
        (Source::Mixed, Grade::Open) if is_shown => Status::Partial,
        (_, Grade::Open) => Status::Missing,
    }
}

/// What is recorded otherwise than in the pack before.
fn lineage(parent: &Parent, facts: &Facts) -> Lineage {
    let (before, after) = (&parent.recorded, &facts.run.recorded);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let other = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let mut changes: Vec<Change> = other
        .map(|name| Change {
            what: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect();
    let changes_left = changes.len().saturating_sub(MAX_CHANGES) as u64;
    changes.truncate(MAX_CHANGES);
    Lineage {
        manifest_sha256: parent.manifest_sha256,
        created_at: parent.created_at.clone(),
        version: parent.version.clone(),
        changes,
        changes_left,
    }
}

/// The status of a unit, from its facets.
#[must_use]
pub fn unit_status(facets: &[Facet]) -> Status {
    let remaining: Vec<Status> =
        facets.iter().map(|facet| facet.status).filter(|status| *status != Status::NotApplicable).collect();
    let all = |wanted: &[Status]| remaining.iter().all(|status| wanted.contains(status));
    if remaining.is_empty() {
        Status::NotApplicable
    } else if all(&[Status::Evidenced]) {
        Status::Evidenced
    } else if all(&[Status::Missing]) {
        Status::Missing
    } else if all(&[Status::Declared]) {
        Status::Declared
    } else {
        Status::Partial
    }
}

fn reason(facets: &[Facet]) -> String {
    let of = |status: Status, words: &str| {
        let names: Vec<&str> = facets
            .iter()
            .filter(|facet| facet.status == status)
            .map(|facet| facet.id.rsplit('#').next().unwrap_or_default())
            .collect();
        (!names.is_empty()).then(|| format!("{words}: {}", names.join(", ")))
    };
    let parts = [
        of(Status::Missing, "facets open"),
        of(Status::Partial, "open for the provider's part"),
        of(Status::Declared, "declared"),
        of(Status::Evidenced, "evidenced"),
        of(Status::NotApplicable, "said not to apply"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
