//! What a reader should know beside the statuses: contradictions, an order of days that cannot be, files that are not
//! there, details that should have stayed out.

use std::collections::BTreeMap;

use super::answer::{Reader, answers, day};
use super::signoff::Signoffs;
use crate::annex::catalogue::Catalogue;
use crate::annex::envelope::Standing;
use crate::annex::facts::Facts;
use crate::annex::model::{Act, Entry, Notice, Status};
use crate::annex::provider::Value;

pub(super) fn notices(
    catalogue: &Catalogue,
    reader: Option<&Reader<'_>>,
    facts: &Facts,
    signoffs: &Signoffs<'_>,
    entries: &[Entry],
) -> Vec<Notice> {
    let mut notices = Notices(Vec::new());
    for signoff in facts.signoffs.iter().filter(|signoff| signoff.act == Act::Rejected) {
        notices.add(&signoff.path, format!("{} rejected: {}", signoff.person, signoff.scope.join(", ")));
    }
    for row in signoffs.rows().iter().filter(|row| row.act != Act::Rejected) {
        if let Some(refused) = &row.refused {
            notices.add(&row.path, format!("the sign-off does not count: {refused}"));
        }
    }
    for held in &facts.envelopes {
        match held.standing {
            Standing::Outside => notices.add(&held.path, "this training left the declared change envelope"),
            Standing::NotShown => notices.add(
                &held.path,
                "a setting that the declared change envelope limits was not recorded: nothing shows that it held",
            ),
            Standing::Inside if !held.declared_before => notices.add(
                &held.path,
                "no pack before carries this change envelope: nothing shows that it was declared first",
            ),
            Standing::Inside => {}
        }
    }
    let previous =
        reader.and_then(|reader| reader.provider.value("system.previous_version")).map(Value::text);
    let before = facts.parent.as_ref().and_then(|parent| parent.version.clone());
    if let (Some(previous), Some(before)) = (previous, before)
        && previous != before
    {
        notices.add(
            "system.previous_version",
            format!("the version before is said to be {previous}, and the pack before is about {before}"),
        );
    }
    if let Some(reader) = reader {
        notices.provider(catalogue, reader, facts, entries);
        notices.developers(reader, signoffs);
        notices.days(reader, facts, signoffs);
    }
    notices.0
}

struct Notices(Vec<Notice>);

impl Notices {
    fn add(&mut self, at: &str, message: impl Into<String>) {
        self.0.push(Notice { at: at.to_owned(), message: message.into() });
    }

    fn provider(&mut self, catalogue: &Catalogue, reader: &Reader<'_>, facts: &Facts, entries: &[Entry]) {
        for warning in reader.provider.warnings() {
            self.add(&warning.at, warning.message);
        }
        let told = entries.iter().flat_map(|entry| &entry.facets).flat_map(|facet| &facet.statements);
        let mut quoted: Vec<_> =
            told.filter_map(|said| Some((said.field.as_str(), catalogue.banned_word(&said.text)?))).collect();
        quoted.sort_unstable();
        quoted.dedup();
        for (field, word) in quoted {
            self.add(field, format!("{word:?} is the provider's word: nothing here shows it"));
        }
        for path in reader.kinds.keys().filter(|path| reader.attachment(path).is_none()) {
            self.add(path.as_str(), "named by the provider, and not in the pack: it does not count");
        }
        for (index, record) in reader.provider.records("not_applicable").iter().enumerate() {
            let complete = ["id", "reason", "person", "date"].iter().all(|key| record.value(key).is_some());
            if !complete {
                let at = format!("not_applicable[{}]", index + 1);
                self.add(&at, "it needs id, reason, person and date: it does not count");
            }
        }
        for (index, record) in reader.provider.records("attachment").iter().enumerate() {
            for unit in catalogue.units.iter().filter(|unit| record.ids("answers").contains(&unit.id)) {
                if !unit.facets.iter().any(|facet| answers(record, unit, facet)) {
                    let at = format!("attachment[{}].answers", index + 1);
                    self.add(
                        &at,
                        format!("{} has several facets: name those that the file answers", unit.id),
                    );
                }
            }
        }
        let conditions: BTreeMap<&str, bool> =
            catalogue.facets().map(|facet| (facet.id.as_str(), facet.condition.is_some())).collect();
        for facet in entries.iter().flat_map(|entry| &entry.facets) {
            if facet.not_applicable.is_none() {
                continue;
            }
            if facet.status != Status::NotApplicable {
                self.add(&facet.id, "said not to apply, and yet there is an answer: the answer stands");
            } else if conditions.get(facet.id.as_str()) == Some(&false) {
                self.add(
                    &facet.id,
                    "said not to apply where the law names no condition; only the opening words of Annex IV allow it",
                );
            }
        }
        let described: Vec<_> =
            reader.provider.records("dataset").iter().filter_map(|set| set.digest("sha256")).collect();
        for set in facts.run.datasets.iter().filter(|set| !described.contains(&set.sha256)) {
            self.add(
                "dataset",
                format!("the recorded data set {} is not described by the provider", set.name),
            );
        }
    }

    /// A signer who also developed what they sign.
    fn developers(&mut self, reader: &Reader<'_>, signoffs: &Signoffs<'_>) {
        for signoff in signoffs.counting() {
            let roles = reader.provider.person(&signoff.person).map_or(&[][..], |person| person.ids("roles"));
            let holds = |wanted: &str| roles.iter().any(|role| role == wanted);
            if holds("engineering") && holds("validation") {
                self.add(&signoff.path, "the signer holds the roles of development and of validation");
            }
        }
    }

    /// Criteria, then the report, then its signature, then the market.
    fn days(&mut self, reader: &Reader<'_>, facts: &Facts, signoffs: &Signoffs<'_>) {
        let market =
            reader.provider.records("system").first().and_then(|system| system.date("placed_on_market"));
        for (index, test) in reader.provider.records("test").iter().enumerate() {
            let at = format!("test[{}]", index + 1);
            let (criteria, report) = (test.date("criteria_defined_at"), test.date("report_date"));
            if let (Some(criteria), Some(report)) = (criteria, report)
                && criteria > report
            {
                self.add(&at, "the criteria are younger than the report");
            }
            let files = test.files("report").iter().filter_map(|name| reader.attachment(name));
            for file in files {
                let signed = signoffs.counting().filter(|signoff| signoff.subjects.contains(&file.sha256));
                for signoff in signed {
                    let signed_on = day(signoff.signed_at);
                    if report.is_some_and(|report| report > signed_on) {
                        self.add(&at, "the report is dated after its sign-off");
                    }
                    if market.is_some_and(|market| signed_on > market) {
                        self.add(&at, "the report is signed off after placing on the market");
                    }
                }
            }
            if report.is_some_and(|report| report > day(facts.created_at)) {
                self.add(&at, "the report is dated after the pack");
            }
        }
    }
}
