//! Findings as rows of a table: what is stored, what is derived, how far apart they are, and the bound.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::evidence_text;
use crate::reconcile::finding::{Evidence, Finding};
use crate::reconcile::rule::{Rule, RuleId, Verdict};
use crate::verify::{Found, Kind, Section, Whole};

/// A finding in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The record: as given, or the receipt made of it; none for a trace as a whole.
    pub kind: Option<Kind>,
    /// Its place in a trace, counted from 0.
    pub record: Option<u64>,
    /// The rule, where it is one that is broken.
    pub rule: Option<RuleId>,
    /// What was put to the record, in words.
    pub law: String,
    /// Which part of the rule; empty where it has one only.
    pub part: &'static str,
    /// Where in the record.
    pub at: String,
    /// The stored number, for a gap.
    pub stored: Option<String>,
    /// The derived number.
    pub derived: Option<String>,
    /// Their distance.
    pub gap: Option<String>,
    /// The distance that is allowed.
    pub bound: Option<String>,
    /// What else there is to say.
    pub words: String,
}

/// What a judgement found, first to last.
#[must_use]
pub fn told(whole: &Whole<'_>) -> Vec<Told> {
    let mut all = Vec::new();
    match whole {
        Whole::One(verified) => verified.sections.iter().for_each(|section| tell(section, None, &mut all)),
        Whole::Trace(traced) => {
            if let Some(error) = &traced.error {
                all.push(plain(None, "it can be read to its end", error.to_string()));
            }
            let sidecars = traced.sidecars.iter().map(|trace| (Kind::Sidecar, trace));
            for (kind, trace) in sidecars.chain(traced.receipts.iter().map(|trace| (Kind::Receipt, trace))) {
                trace.told.iter().for_each(|(index, section)| tell(section, Some(*index), &mut all));
                trace.rules.iter().for_each(|(rule, verdict)| tell_rule(rule, verdict, kind, None, &mut all));
            }
        }
    }
    all
}

fn plain(kind: Option<Kind>, law: &str, words: String) -> Told {
    Told {
        kind,
        record: None,
        rule: None,
        law: law.to_owned(),
        part: "",
        at: String::new(),
        stored: None,
        derived: None,
        gap: None,
        bound: None,
        words,
    }
}

fn tell(section: &Section<'_>, record: Option<u64>, all: &mut Vec<Told>) {
    let words = |law, words| Told { record, ..plain(Some(section.kind), law, words) };
    match &section.found {
        Found::Unreadable(error) => all.push(words("it can be read", error.to_string())),
        Found::Unwritten(error) => all.push(words("a receipt can be written", error.to_string())),
        Found::Malformed(violations) => {
            all.extend(
                violations
                    .iter()
                    .map(|violation| words("it has the shape of its schema", violation.to_string())),
            );
        }
        Found::Judged { report, .. } => {
            report
                .rules
                .iter()
                .for_each(|(rule, verdict)| tell_rule(rule, verdict, section.kind, record, all));
        }
    }
}

fn tell_rule(rule: &Rule, verdict: &Verdict, kind: Kind, record: Option<u64>, all: &mut Vec<Told>) {
    let Verdict::Broken(findings) = verdict else { return };
    let of = |finding| Told { rule: Some(rule.id), law: rule.title.to_owned(), record, ..of(finding, kind) };
    all.extend(findings.iter().map(of));
}

fn of(finding: &Finding, kind: Kind) -> Told {
    let (mut stored, mut derived, mut gap, mut bound, mut words) = (None, None, None, None, String::new());
    match &finding.evidence {
        Evidence::Gap { stored: one, derived: other, gap: apart, bound: allowed, .. } => {
            stored = Some(one.to_string());
            derived = Some(other.to_string());
            gap = Some(format!("{apart:.3e}"));
            bound = Some(format!("{allowed:.3e}"));
        }
        other => words = evidence_text(other),
    }
    if let Some(cause) = &finding.follows_from {
        if !words.is_empty() {
            words.push_str("; ");
        }
        let _ = write!(words, "follows from rule {} at {}", cause.rule, cause.at);
    }
    let at = finding.at.as_str().to_owned();
    Told { part: finding.part, at, stored, derived, gap, bound, ..plain(Some(kind), "", words) }
}
