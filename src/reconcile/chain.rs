//! A trace: records in order, each against the one before it and against the first. Memory does not grow with the trace.

use sha2::{Digest as _, Sha256};

use super::finding::Finding;
use super::ledger::Ledger;
use super::rule::{Check, Rule, Verdict};
use super::rules::{RULES, is_imported};
use crate::digest::Digest;
use crate::pointer::Token;
use crate::receipt::step::Entry;

/// Findings kept of one rule; the rest are counted.
pub const MAX_FINDINGS: usize = 1000;

/// What a trace says of its own digest (rule 17).
#[derive(Debug, Default)]
pub struct Bundle {
    /// The digest that the first record declares.
    pub declared: Option<String>,
    /// Whether any record is an import.
    pub is_imported: bool,
    /// The first record that declares otherwise than the first, and whether it declares anything.
    pub odd_one_out: Option<(u64, bool)>,
    /// The digest of all records' canonical bytes without the field; `None` where a record has none.
    pub derived: Option<Digest>,
    /// The first record whose bytes are not canonical.
    pub not_canonical: Option<u64>,
}

/// What one rule came to over a trace.
#[derive(Debug, Default)]
struct Tally {
    applied: bool,
    compared: usize,
    blind: usize,
    findings: Vec<Finding>,
    untold: usize,
}

impl Tally {
    fn add(&mut self, ledger: Ledger, index: Option<u64>) {
        let (compared, blind, findings) = ledger.close();
        self.applied |= compared + blind + findings.len() > 0;
        self.compared += compared;
        self.blind += blind;
        for mut finding in findings {
            if let Some(index) = index {
                finding.at = finding.at.under(Token::Index(usize::try_from(index).unwrap_or(usize::MAX)));
            }
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            } else {
                self.untold += 1;
            }
        }
    }
}

/// A trace under judgement.
#[derive(Debug)]
pub struct Chain {
    count: u64,
    first: Option<Entry>,
    previous: Option<Entry>,
    hasher: Option<Sha256>,
    bundle: Bundle,
    tallies: Vec<(&'static Rule, Tally)>,
}

impl Default for Chain {
    fn default() -> Self {
        let crosses = |rule: &&Rule| {
            rule.checks
                .iter()
                .any(|check| matches!(check, Check::Link(_) | Check::Place(_) | Check::BundleDigest(_)))
        };
        Self {
            count: 0,
            first: None,
            previous: None,
            hasher: None,
            bundle: Bundle::default(),
            tallies: RULES.iter().filter(crosses).map(|rule| (rule, Tally::default())).collect(),
        }
    }
}

impl Chain {
    /// A trace of records that have no canonical bytes: nothing is digested, and rule 17 is not put to it.
    #[must_use]
    pub fn without_digest() -> Self {
        let mut chain = Self { hasher: None, ..Self::default() };
        let digests = |check: &Check| matches!(check, Check::BundleDigest(_));
        chain.tallies.retain(|(rule, _)| !rule.checks.iter().any(digests));
        chain
    }

    /// Adds the next record; `subject` are its canonical bytes without the trace's digest in two pieces, where it has any.
    pub fn push(&mut self, entry: Entry, subject: Option<[&[u8]; 2]>) {
        let index = self.count;
        self.count += 1;
        self.digest(&entry, subject, index);
        for (rule, tally) in &mut self.tallies {
            for check in rule.checks {
                let mut ledger = Ledger::new(rule, &entry.step);
                match (check, &self.previous, &self.first) {
                    (Check::Link(check), Some(previous), _) => check(previous, &entry, &mut ledger),
                    (Check::Place(check), _, first) => {
                        check(first.as_ref().unwrap_or(&entry), &entry, index, &mut ledger);
                    }
                    _ => continue,
                }
                tally.add(ledger, Some(index));
            }
        }
        if self.first.is_none() {
            self.first = Some(entry.clone());
        }
        self.previous = Some(entry);
    }

    /// Notes a record that could not be read: what follows it has nothing to link to, and the trace has no digest.
    pub fn gap(&mut self) {
        self.count += 1;
        self.previous = None;
        self.hasher = None;
    }

    fn digest(&mut self, entry: &Entry, subject: Option<[&[u8]; 2]>, index: u64) {
        let declared =
            entry.claims.attestor.as_ref().and_then(|attestor| attestor.bundle_root_digest.clone());
        self.bundle.is_imported |= is_imported(entry);
        if index == 0 {
            self.bundle.declared.clone_from(&declared);
            // Without a declared digest there is nothing to compare one with.
            self.hasher = declared.as_ref().map(|_| Sha256::new());
        } else if declared != self.bundle.declared && self.bundle.odd_one_out.is_none() {
            self.bundle.odd_one_out = Some((index, declared.is_some()));
        }
        if !entry.claims.canonical && self.bundle.not_canonical.is_none() {
            self.bundle.not_canonical = Some(index);
        }
        match (&mut self.hasher, subject) {
            (Some(hasher), Some(pieces)) => pieces.into_iter().for_each(|piece| hasher.update(piece)),
            _ => self.hasher = None,
        }
    }

    /// What each rule about traces came to.
    #[must_use]
    pub fn finish(mut self) -> Vec<(&'static Rule, Verdict)> {
        self.bundle.derived = self.hasher.take().map(|hasher| Digest::from_bytes(hasher.finalize().into()));
        let (bundle, first) = (&self.bundle, &self.first);
        let mut verdicts = Vec::new();
        for (rule, mut tally) in self.tallies {
            for check in rule.checks {
                if let (Check::BundleDigest(check), Some(first)) = (check, first) {
                    let mut ledger = Ledger::new(rule, &first.step);
                    check(bundle, &mut ledger);
                    tally.add(ledger, None);
                }
            }
            let verdict = match (tally.applied, tally.findings.is_empty(), tally.compared) {
                (false, ..) => Verdict::NotApplicable,
                (true, false, _) => Verdict::Broken(tally.findings),
                (true, true, 0) => Verdict::Vacuous { blind: tally.blind },
                (true, true, compared) => Verdict::Holds { compared, blind: tally.blind },
            };
            verdicts.push((rule, verdict));
        }
        verdicts
    }
}
