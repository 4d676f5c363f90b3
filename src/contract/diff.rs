//! What changed between two versions of a contract, and which version that takes.

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;

use super::document::{Contract, Document, Falsifier};

/// How much of a new version a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// Words.
    Patch,
    /// More is promised, or shown; or less is shown.
    Minor,
    /// What was promised is not promised any more, or means something else.
    Major,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What changed: an equation, an obligation or a falsifier.
    pub at: String,
    /// How.
    pub what: String,
    /// What it takes.
    pub bump: Bump,
}

/// The version that a change takes.
#[must_use]
pub fn proposed(old: &Version, bump: Bump) -> Version {
    match bump {
        Bump::Patch => Version::new(old.major, old.minor, old.patch + 1),
        Bump::Minor => Version::new(old.major, old.minor + 1, 0),
        Bump::Major => Version::new(old.major + 1, 0, 0),
    }
}

/// Every change. Where none is told and the documents differ, words changed.
#[must_use]
pub fn diff(old: &Document, new: &Document) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |at: &str, what: String, bump| changes.push(Change { at: at.to_owned(), what, bump });
    let (before, after) = (&old.contract, &new.contract);
    compare(&equations(before), &equations(after), "equation", &mut add);
    compare(&obligations(before), &obligations(after), "obligation", &mut add);
    let (status, is) = (before.metadata.status, after.metadata.status);
    if status != is {
        add(&new.stem, format!("status {status:?} became {is:?}"), Bump::Minor);
    }
    for falsifier in &before.falsification_tests {
        match after.falsification_tests.iter().find(|other| other.id == falsifier.id) {
            None => add(&falsifier.id, "falsifier removed".into(), Bump::Major),
            Some(other) => falsifiers(falsifier, other, &mut add),
        }
    }
    for falsifier in &after.falsification_tests {
        if !before.falsification_tests.iter().any(|other| other.id == falsifier.id) {
            add(&falsifier.id, "falsifier added".into(), Bump::Minor);
        }
    }
    let versions = |document: &Document| {
        let mut value = document.value.clone();
        if let Some(metadata) = value.get_mut("metadata").and_then(|metadata| metadata.as_object_mut()) {
            metadata.remove("version");
            metadata.remove("changelog");
        }
        value
    };
    if changes.is_empty() && versions(old) != versions(new) {
        changes.push(Change { at: new.stem.clone(), what: "words changed".into(), bump: Bump::Patch });
    }
    changes
}

fn equations(contract: &Contract) -> BTreeMap<&str, String> {
    contract.equations.iter().map(|(name, equation)| (name.as_str(), format!("{equation:?}"))).collect()
}

fn obligations(contract: &Contract) -> BTreeMap<&str, String> {
    let of = |obligation: &super::document::Obligation| format!("{obligation:?}");
    contract.proof_obligations.iter().map(|each| (each.id.as_str(), of(each))).collect()
}

fn compare(
    before: &BTreeMap<&str, String>,
    after: &BTreeMap<&str, String>,
    kind: &str,
    add: &mut impl FnMut(&str, String, Bump),
) {
    for (name, was) in before {
        match after.get(name) {
            None => add(name, format!("{kind} removed"), Bump::Major),
            Some(is) if is != was => add(name, format!("{kind} changed"), Bump::Major),
            Some(_) => {}
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        add(name, format!("{kind} added"), Bump::Minor);
    }
}

fn falsifiers(old: &Falsifier, new: &Falsifier, add: &mut impl FnMut(&str, String, Bump)) {
    let mut told = |what: String, bump| add(&new.id, what, bump);
    if old.level != new.level {
        told(format!("level {} became {}", old.level.name(), new.level.name()), Bump::Minor);
    }
    if old.required_level != new.required_level {
        let bump = if new.required_level < old.required_level { Bump::Major } else { Bump::Minor };
        let message =
            format!("required level {} became {}", old.required_level.name(), new.required_level.name());
        told(message, bump);
    }
    if old.ship_blocking != new.ship_blocking {
        let bump = if new.ship_blocking { Bump::Minor } else { Bump::Major };
        told(format!("ship_blocking became {}", new.ship_blocking), bump);
    }
    if old.binds_to != new.binds_to {
        told("bound to other obligations".into(), Bump::Major);
    }
    if old.bindings != new.bindings {
        told("tests changed".into(), Bump::Minor);
    }
    if old.bad_fixtures != new.bad_fixtures {
        let fewer = old.bad_fixtures.iter().any(|fixture| !new.bad_fixtures.contains(fixture));
        told("bad fixtures changed".into(), if fewer { Bump::Major } else { Bump::Minor });
    }
    if old.covers != new.covers {
        let fewer = old.covers.iter().any(|name| !new.covers.contains(name));
        told("covers changed".into(), if fewer { Bump::Major } else { Bump::Minor });
    }
    let evidence =
        |falsifier: &Falsifier| (falsifier.functional_evidence.clone(), falsifier.oracle_evidence.clone());
    if evidence(old) != evidence(new) {
        told("evidence changed".into(), Bump::Minor);
    }
    if (&old.rule, &old.prediction) != (&new.rule, &new.prediction) {
        told("rule or prediction changed".into(), Bump::Major);
    }
}
