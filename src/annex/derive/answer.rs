//! What the provider says to a facet: how far it answers, who stands for it, and what is left open.

use std::collections::{BTreeMap, BTreeSet};

use super::signoff::Signoffs;
use crate::annex::catalogue::{Answer, Facet, Source, Unit};
use crate::annex::facts::{Attachment, Facts, Signoff};
use crate::annex::model::{
    Assurance, By, DateFrom, Evidence, Kind, NotApplicable, Open, PersonFrom, Statement,
};
use crate::annex::provider::fields::{self, Section, Shape};
use crate::annex::provider::{Provider, Record, place};
use crate::pack::path::PackPath;

/// How far an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// Not at all.
    Open,
    /// Text or a file.
    Filled,
    /// A file that is signed off.
    Signed,
}

/// What the provider says to one facet.
pub(super) struct Said<'a> {
    pub(super) grade: Grade,
    pub(super) statements: Vec<Statement>,
    /// Attached files and sign-offs over them.
    pub(super) evidence: Vec<Evidence>,
    pub(super) signoffs: Vec<&'a Signoff>,
    pub(super) by: Option<By>,
    /// Fields that are empty.
    pub(super) open: Vec<String>,
}

/// What answers are read from.
pub(super) struct Reader<'a> {
    pub(super) provider: &'a Provider,
    pub(super) facts: &'a Facts,
    pub(super) signoffs: &'a Signoffs<'a>,
    pub(super) attachments: BTreeMap<&'a str, &'a Attachment>,
    pub(super) kinds: BTreeMap<PackPath, Kind>,
}

/// One alternative, as far as it goes.
struct Tried<'a> {
    grade: Grade,
    open: Vec<String>,
    /// Who says each entry; none where nobody does.
    by: Vec<Option<By>>,
    signed: Vec<&'a Signoff>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(provider: &'a Provider, facts: &'a Facts, signoffs: &'a Signoffs<'a>) -> Self {
        let attachments = facts.attachments.iter().map(|file| (file.name.as_str(), file)).collect();
        Self { provider, facts, signoffs, attachments, kinds: provider.attachments().into_iter().collect() }
    }

    /// What is said to a facet.
    pub(super) fn said(&self, unit: &Unit, facet: &Facet) -> Said<'a> {
        let mut best: Option<Tried<'a>> = None;
        let tried = facet.answers.iter().map(|answer| self.answer(unit, facet, answer));
        for tried in tried.chain(self.attached(unit, facet)) {
            if best.as_ref().is_none_or(|best| tried.grade > best.grade) {
                best = Some(tried);
            }
        }
        let best = best.unwrap_or(Tried {
            grade: Grade::Open,
            open: Vec::new(),
            by: Vec::new(),
            signed: Vec::new(),
        });
        let signed_by = best.signed.first().map(|signoff| By {
            person: signoff.person.clone(),
            date: day(signoff.signed_at).to_string(),
            person_from: PersonFrom::Stated,
            date_from: DateFrom::Stated,
        });
        let everyone: Option<Vec<By>> = best.by.into_iter().collect();
        let stated_by = everyone.and_then(|by| by.into_iter().next());
        let by = if best.grade == Grade::Signed { signed_by } else { stated_by };
        let (statements, evidence) = self.shown(unit, facet, &best.signed);
        let by = by.filter(|_| best.grade > Grade::Open);
        let mut open = best.open;
        // Text without a person and a day is nobody's: it does not count yet.
        let grade = if by.is_none() && best.grade > Grade::Open {
            open = vec!["stated_by, or a [[person]] in the role".to_owned()];
            Grade::Open
        } else {
            best.grade
        };
        Said { grade, statements, evidence, signoffs: best.signed, by, open }
    }

    /// Why a facet is said not to apply: reason, person and day, or nothing.
    pub(super) fn not_applicable(&self, unit: &Unit, facet: &Facet) -> Option<NotApplicable> {
        self.provider.records("not_applicable").iter().find_map(|record| {
            let named = record.ids("id").iter().any(|id| *id == unit.id || *id == facet.id);
            let person = record.ids("person").first()?;
            (named && self.provider.person(person).is_some_and(|person| person.text("name").is_some()))
                .then_some(())?;
            Some(NotApplicable {
                reason: record.text("reason")?,
                person: person.clone(),
                date: record.date("date")?.to_string(),
            })
        })
    }

    fn answer(&self, unit: &Unit, facet: &Facet, answer: &Answer) -> Tried<'a> {
        let mut tried = Tried { grade: Grade::Signed, open: Vec::new(), by: Vec::new(), signed: Vec::new() };
        for section in sections(answer) {
            let records = self.records(section, answer);
            let mut grades = Vec::new();
            let mut open = Vec::new();
            for (index, record) in &records {
                let (grade, missing, signed) = self.record(unit, facet, answer, section, *index, record);
                if grade > Grade::Open {
                    tried.by.push(self.by(record, &facet.role));
                    tried.signed.extend(signed);
                }
                grades.push(grade);
                open.extend(missing);
            }
            let grade = if answer.any { grades.iter().max() } else { grades.iter().min() };
            let grade = grade.copied().unwrap_or(Grade::Open);
            if records.is_empty() {
                open.extend(keys(answer, section).map(|(key, _)| id(section, key)));
            }
            if grade == Grade::Open {
                tried.open.extend(open);
            }
            tried.grade = tried.grade.min(grade);
        }
        tried
    }

    /// One entry of a section.
    fn record(
        &self,
        unit: &Unit,
        facet: &Facet,
        answer: &Answer,
        section: &'static Section,
        index: usize,
        record: &'a Record,
    ) -> (Grade, Vec<String>, Vec<&'a Signoff>) {
        let is_signature = facet.source == Source::HumanSignature;
        let role = is_signature.then_some(facet.role.as_str());
        let mut missing = Vec::new();
        let (mut texts, mut filled, mut carried, mut signed) = (0, 0, 0, Vec::new());
        for (key, is_file) in keys(answer, section) {
            let files: Vec<_> = record.files(key).iter().filter_map(|name| self.attachment(name)).collect();
            if is_file {
                carried += files.len();
                signed.extend(
                    files
                        .iter()
                        .filter_map(|file| self.signoffs.over(&unit.id, &facet.id, file.sha256, role)),
                );
            }
            let is_text = answer.fields.iter().any(|field| *field == id(section, key));
            let present = match section.field(key).map(|field| field.shape) {
                Some(Shape::File(_) | Shape::Files(_)) => !files.is_empty(),
                _ => record.value(key).is_some(),
            };
            texts += usize::from(is_text);
            filled += usize::from(is_text && present);
            if !present {
                missing.push(place(section, index, key));
            }
        }
        let complete = texts > 0 && filled == texts;
        let grade = if !signed.is_empty() {
            Grade::Signed
        } else if complete || (carried > 0 && !is_signature) {
            Grade::Filled
        } else {
            Grade::Open
        };
        (grade, missing, signed)
    }

    /// The documents that the provider attached to the facet by its id.
    fn attached(&self, unit: &Unit, facet: &Facet) -> Vec<Tried<'a>> {
        let is_signature = facet.source == Source::HumanSignature;
        let records = if is_signature { &[][..] } else { self.provider.records("attachment") };
        let answering = records.iter().filter(|record| answers(record, unit, facet));
        let tried = answering.filter_map(|record| {
            let files: Vec<_> =
                record.files("file").iter().filter_map(|name| self.attachment(name)).collect();
            let signed: Vec<_> = files
                .iter()
                .filter_map(|file| self.signoffs.over(&unit.id, &facet.id, file.sha256, None))
                .collect();
            let grade = if signed.is_empty() { Grade::Filled } else { Grade::Signed };
            let by = vec![self.by(record, &facet.role)];
            (!files.is_empty()).then_some(Tried { grade, open: Vec::new(), by, signed })
        });
        tried.collect()
    }

    /// Everything that is said, whether it is enough or not, and the files.
    fn shown(&self, unit: &Unit, facet: &Facet, signed: &[&'a Signoff]) -> (Vec<Statement>, Vec<Evidence>) {
        let (mut statements, mut evidence) = (Vec::new(), BTreeSet::new());
        let mut shown = BTreeSet::new();
        let own = facet.answers.iter().flat_map(|answer| {
            let ids = answer.fields.iter().chain(&answer.files);
            ids.map(move |id| (id, Some(answer)))
        });
        for (id, answer) in own.chain(facet.also.iter().map(|id| (id, None))) {
            let Some((section, field)) = fields::field(id) else { continue };
            let answer = answer.or(facet
                .answers
                .first()
                .filter(|first| sections(first).any(|used| used.name == section.name)));
            let records = answer.map_or_else(
                || self.provider.records(section.name).iter().enumerate().collect(),
                |answer| self.records(section, answer),
            );
            for (index, record) in records {
                let at = place(section, index, field.key);
                if let Shape::File(_) | Shape::Files(_) = field.shape {
                    evidence.extend(record.files(field.key).iter().filter_map(|name| self.carried(name)));
                } else if let Some(text) = record.text(field.key)
                    && shown.insert(at.clone())
                {
                    statements.push(Statement { field: at, text });
                }
            }
        }
        for record in self.provider.records("attachment").iter().filter(|record| answers(record, unit, facet))
        {
            evidence.extend(record.files("file").iter().filter_map(|name| self.carried(name)));
        }
        if !statements.is_empty() {
            evidence.insert(Evidence {
                path: self.provider.syntax().stored_at().to_owned(),
                sha256: self.provider.sha256(),
                kind: Kind::Other,
                produced_by: "provider".to_owned(),
                assurance: Assurance::Stated,
            });
        }
        evidence.extend(signed.iter().map(|signoff| Evidence {
            path: signoff.path.clone(),
            sha256: signoff.sha256,
            kind: Kind::Signoff,
            produced_by: format!("person:{}", signoff.person),
            assurance: Assurance::Checked,
        }));
        (statements, evidence.into_iter().collect())
    }

    fn carried(&self, name: &PackPath) -> Option<Evidence> {
        let file = self.attachment(name)?;
        Some(Evidence {
            path: file.path.clone(),
            sha256: file.sha256,
            kind: self.kinds.get(name).copied().unwrap_or(Kind::Other),
            produced_by: "provider".to_owned(),
            assurance: Assurance::Attached,
        })
    }

    pub(super) fn attachment(&self, name: &PackPath) -> Option<&'a Attachment> {
        self.attachments.get(name.as_str()).copied()
    }

    /// The entries of a section that an answer is about, with their places.
    fn records(&self, section: &Section, answer: &Answer) -> Vec<(usize, &'a Record)> {
        let concerned = |(_, record): &(usize, &Record)| match section.name {
            "dataset" => answer.uses.as_ref().is_none_or(|uses| {
                let used = record.text("use").unwrap_or_else(|| "training".to_owned());
                uses.contains(&used)
            }),
            "standard" => answer.cited.is_none_or(|cited| {
                record.value("ref").is_some() && record.value("oj_reference").is_some() == cited
            }),
            _ => true,
        };
        self.provider.records(section.name).iter().enumerate().filter(concerned).collect()
    }

    /// Who stands for an entry: who is named in it, or in the file, or holds the role; and since when.
    pub(super) fn by(&self, record: &Record, role: &str) -> Option<By> {
        let top = self.provider.records("").first();
        let has_name =
            |id: &&String| self.provider.person(id).is_some_and(|person| person.text("name").is_some());
        let stated = record.ids("stated_by").first().or_else(|| top?.ids("stated_by").first());
        let stated = stated.filter(has_name).map(|id| (id.clone(), PersonFrom::Stated));
        let person = stated.or_else(|| {
            self.provider.records("person").iter().find_map(|person| {
                let holds = person.ids("roles").iter().any(|held| held == role);
                let id = person.text("id")?;
                (holds && has_name(&&id)).then_some((id, PersonFrom::Role))
            })
        });
        let (person, person_from) = person?;
        let stated_on = record.date("stated_on").or_else(|| top?.date("stated_on"));
        let (date, date_from) = stated_on
            .map_or_else(|| (day(self.facts.created_at), DateFrom::Pack), |date| (date, DateFrom::Stated));
        Some(By { person, date: date.to_string(), person_from, date_from })
    }
}

/// The day of a time, in UTC.
pub(super) fn day(time: jiff::Timestamp) -> jiff::civil::Date {
    time.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Whether a document is attached to a facet: by its id, or by that of its unit where it is the only one. A unit of
/// several clauses is not answered by one word.
pub(super) fn answers(record: &Record, unit: &Unit, facet: &Facet) -> bool {
    record.ids("answers").iter().any(|id| *id == facet.id || (*id == unit.id && unit.facets.len() == 1))
}

/// The sections of an answer, each once, in the order of the file.
fn sections(answer: &Answer) -> impl Iterator<Item = &'static Section> + use<'_> {
    fields::SECTIONS
        .iter()
        .filter(|section| answer.fields.iter().chain(&answer.files).any(|id| within(section, id).is_some()))
}

/// The keys of an answer in a section, and whether each is one of its files.
fn keys<'a>(
    answer: &'a Answer,
    section: &'static Section,
) -> impl Iterator<Item = (&'static str, bool)> + use<'a> {
    section.fields.iter().filter_map(|field| {
        let named = |ids: &[String]| ids.iter().any(|id| within(section, id) == Some(field.key));
        let is_file = named(&answer.files);
        (is_file || named(&answer.fields)).then_some((field.key, is_file))
    })
}

fn within<'a>(section: &Section, id: &'a str) -> Option<&'a str> {
    id.strip_prefix(section.name)?.strip_prefix('.').filter(|key| !key.contains('.'))
}

fn id(section: &Section, key: &str) -> String {
    format!("{}.{key}", section.name)
}

/// Open fields, with who owns them.
pub(super) fn owned(fields: Vec<String>, role: &str) -> Vec<Open> {
    let mut seen = BTreeSet::new();
    let fresh = fields.into_iter().filter(|field| seen.insert(field.clone()));
    fresh.map(|field| Open { field, owner: role.to_owned() }).collect()
}
