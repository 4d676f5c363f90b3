//! Which sign-offs count: a listed person, a key that is listed for them and seals nothing, and an act that stands for
//! the thing. What counts for a facet is a sign-off over the digest of a file, with that facet or its unit in scope.

use std::collections::BTreeMap;

use crate::annex::facts::{Facts, Signoff};
use crate::annex::model::{Act, SignoffRow};
use crate::annex::provider::Provider;
use crate::digest::Digest;

pub(super) struct Signoffs<'a> {
    rows: Vec<(&'a Signoff, Option<String>)>,
    roles: BTreeMap<String, &'a [String]>,
}

impl<'a> Signoffs<'a> {
    pub(super) fn of(provider: Option<&'a Provider>, facts: &'a Facts) -> Self {
        let mut rows: Vec<_> =
            facts.signoffs.iter().map(|signoff| (signoff, refused(signoff, provider, facts))).collect();
        rows.sort_by(|(one, _), (other, _)| (&one.path, one.sha256).cmp(&(&other.path, other.sha256)));
        let persons = provider.map_or(&[][..], |provider| provider.records("person"));
        let roles = persons.iter().filter_map(|person| Some((person.text("id")?, person.ids("roles"))));
        Self { rows, roles: roles.collect() }
    }

    /// Every sign-off, with the reason where it does not count.
    pub(super) fn rows(&self) -> Vec<SignoffRow> {
        let row = |(signoff, refused): &(&Signoff, Option<String>)| SignoffRow {
            path: signoff.path.clone(),
            sha256: signoff.sha256,
            person: signoff.person.clone(),
            key_id: signoff.key_id,
            act: signoff.act,
            scope: signoff.scope.clone(),
            signed_at: signoff.signed_at.to_string(),
            refused: refused.clone(),
        };
        self.rows.iter().map(row).collect()
    }

    /// Those that count.
    pub(super) fn counting(&self) -> impl Iterator<Item = &'a Signoff> {
        self.rows.iter().filter(|(_, refused)| refused.is_none()).map(|(signoff, _)| *signoff)
    }

    /// The first that counts for a facet over a file, by a person in a role where one is asked for.
    pub(super) fn over(
        &self,
        unit: &str,
        facet: &str,
        file: Digest,
        role: Option<&str>,
    ) -> Option<&'a Signoff> {
        self.counting().find(|signoff| {
            signoff.subjects.contains(&file)
                && signoff.scope.iter().any(|id| id == unit || id == facet)
                && role.is_none_or(|role| {
                    self.roles.get(&signoff.person).is_some_and(|roles| roles.iter().any(|held| held == role))
                })
        })
    }
}

/// Why a sign-off does not count.
fn refused(signoff: &Signoff, provider: Option<&Provider>, facts: &Facts) -> Option<String> {
    let reason = if facts.seal_key_id == Some(signoff.key_id) {
        "made with the key that seals the pack: a seal is an organisation's, not the signature of a person"
    } else if signoff.act == Act::Rejected {
        "a rejection"
    } else {
        let Some(person) = provider.and_then(|provider| provider.person(&signoff.person)) else {
            return Some("the provider's file does not list the person".to_owned());
        };
        let persons = provider.map_or(&[][..], |provider| provider.records("person"));
        let shared = persons.iter().filter(|person| person.digest("key") == Some(signoff.key_id)).count() > 1;
        if person.text("name").is_none() || person.text("function").is_none() {
            "the person is listed without name or function"
        } else if person.digest("key").is_none() {
            "no key is listed for the person: a name alone identifies nobody"
        } else if person.digest("key") != Some(signoff.key_id) {
            "the key is not the one that is listed for the person"
        } else if shared {
            "the key is listed for several people"
        } else {
            return None;
        }
    };
    Some(reason.to_owned())
}
