//! How far the rules reached: what each came to over many records, and what a judgement detected.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::reconcile::Report;
pub use crate::reconcile::rule::RuleId;
use crate::reconcile::rule::{Rule, Verdict};
use crate::reconcile::rules::RULES;
use crate::verify::stream::Trace;
use crate::verify::{Found, Section, Verified, Whole};

use super::verdict::RecordError;

/// What a record breaks that breaks its schema.
pub const SCHEMA: &str = "SCHEMA";

/// What one rule came to, counted in records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// Records for which it holds.
    pub holds: u64,
    /// Records for which it is broken.
    pub broken: u64,
    /// Records for which it could decide nothing.
    pub vacuous: u64,
    /// Records that have nothing it is about.
    pub not_applicable: u64,
    /// Records whose form is broken.
    pub not_reached: u64,
    /// Comparisons that decided something.
    pub compared: u64,
    /// Comparisons whose bound was as large as the values.
    pub blind: u64,
}

/// What every rule came to. Whoever checks a pack holds one for each input until all are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// In the rules' order; every rule is there.
    counts: Vec<RuleCount>,
    /// Records that no rule was put to: unreadable, or broken by their schema.
    pub unjudged: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { counts: vec![RuleCount::default(); RULES.len()], unjudged: 0 }
    }
}

impl Coverage {
    /// What the rules came to over an input's records.
    #[must_use]
    pub fn of(verified: &Verified<'_>) -> Self {
        let mut coverage = Self::default();
        for section in &verified.sections {
            coverage.add(section);
        }
        coverage
    }

    /// Adds one record.
    pub fn add(&mut self, section: &Section<'_>) {
        match &section.found {
            Found::Judged { report, .. } => self.add_report(report),
            _ => self.unjudged += 1,
        }
    }

    /// Adds what the rules about a whole trace came to.
    pub fn add_trace(&mut self, trace: &Trace) {
        trace.rules.iter().for_each(|(rule, verdict)| self.add_verdict(rule, verdict));
    }

    fn add_report(&mut self, report: &Report) {
        report.rules.iter().for_each(|(rule, verdict)| self.add_verdict(rule, verdict));
    }

    pub(super) fn add_verdict(&mut self, rule: &Rule, verdict: &Verdict) {
        let mut rows = RULES.iter().zip(&mut self.counts);
        let (_, count) = rows.find(|(row, _)| row.id == rule.id).expect("every rule is in the table");
        match verdict {
            Verdict::Holds { compared, blind } => {
                count.holds += 1;
                count.compared += *compared as u64;
                count.blind += *blind as u64;
            }
            Verdict::Broken(_) => count.broken += 1,
            Verdict::Vacuous { blind } => {
                count.vacuous += 1;
                count.blind += *blind as u64;
            }
            Verdict::NotApplicable => count.not_applicable += 1,
            Verdict::NotReached => count.not_reached += 1,
        }
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.unjudged += other.unjudged;
        for (count, add) in self.counts.iter_mut().zip(&other.counts) {
            count.holds += add.holds;
            count.broken += add.broken;
            count.vacuous += add.vacuous;
            count.not_applicable += add.not_applicable;
            count.not_reached += add.not_reached;
            count.compared += add.compared;
            count.blind += add.blind;
        }
    }

    /// Every rule with its title and its count, in the rules' order.
    pub fn rows(&self) -> impl Iterator<Item = (RuleId, &'static str, &RuleCount)> {
        RULES.iter().zip(&self.counts).map(|(rule, count)| (rule.id, rule.title, count))
    }

    /// The rules that decided something.
    pub fn decided(&self) -> impl Iterator<Item = RuleId> {
        self.rows().filter(|(_, _, count)| count.holds + count.broken > 0).map(|(id, ..)| id)
    }

    /// The rules that are broken for a record, as text.
    pub fn broken(&self) -> impl Iterator<Item = String> {
        self.rows().filter(|(_, _, count)| count.broken > 0).map(|(id, ..)| id.to_string())
    }

    /// Comparisons that decided something, of all rules.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.counts.iter().map(|count| count.compared).sum()
    }
}

/// What a judgement detected: the rules that are broken (`14`), their parts (`13.softmax`), [`SCHEMA`], and the codes of
/// errors.
#[must_use]
pub fn detected(whole: &Whole<'_>) -> BTreeSet<String> {
    let mut detected = BTreeSet::new();
    match whole {
        Whole::One(verified) => verified.sections.iter().for_each(|section| detect(section, &mut detected)),
        Whole::Trace(traced) => {
            detected.extend(traced.error.iter().map(|error| RecordError::from(error).code.to_owned()));
            for trace in [&traced.sidecars, &traced.receipts].into_iter().flatten() {
                trace.told.iter().for_each(|(_, section)| detect(section, &mut detected));
                trace.rules.iter().for_each(|(rule, verdict)| detect_broken(rule, verdict, &mut detected));
            }
        }
    }
    detected
}

fn detect(section: &Section<'_>, detected: &mut BTreeSet<String>) {
    match &section.found {
        Found::Unreadable(error) => {
            detected.insert(RecordError::from(error).code.to_owned());
        }
        Found::Unwritten(error) => {
            detected.insert(RecordError::from(error).code.to_owned());
        }
        Found::Malformed(_) => {
            detected.insert(SCHEMA.to_owned());
        }
        Found::Judged { report, .. } => {
            report.rules.iter().for_each(|(rule, verdict)| detect_broken(rule, verdict, detected));
        }
    }
}

fn detect_broken(rule: &Rule, verdict: &Verdict, detected: &mut BTreeSet<String>) {
    let Verdict::Broken(findings) = verdict else { return };
    detected.insert(rule.id.to_string());
    let parts = findings.iter().filter(|finding| !finding.part.is_empty());
    detected.extend(parts.map(|finding| format!("{}.{}", rule.id, finding.part)));
}

/// Whether a judgement can detect something of this name.
#[must_use]
pub fn is_detectable(name: &str) -> bool {
    let of_rule = RULES.iter().any(|rule| {
        let id = rule.id.to_string();
        name == id || rule.parts.iter().any(|part| name == format!("{id}.{part}"))
    });
    of_rule || name == SCHEMA || crate::error::code(name).is_some()
}
