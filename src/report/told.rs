//! Findings as rows of a table: what is stored, what is derived, how far apart they are, and the bound.

use serde::Serialize;

use super::text::evidence_text;
use crate::reconcile::finding::{Evidence, Finding};
use crate::reconcile::rule::{RuleId, Verdict};
use crate::verify::{Found, Kind, Verified};

/// A finding in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The record: as given, or the receipt made of it.
    pub kind: Kind,
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
pub fn told(verified: &Verified) -> Vec<Told> {
    let mut all = Vec::new();
    for section in &verified.sections {
        let plain = |law: &str, at: String, words: String| Told {
            kind: section.kind,
            rule: None,
            law: law.to_owned(),
            part: "",
            at,
            stored: None,
            derived: None,
            gap: None,
            bound: None,
            words,
        };
        match &section.found {
            Found::Unreadable(error) => all.push(plain("it can be read", String::new(), error.to_string())),
            Found::Unwritten(error) => {
                all.push(plain("a receipt can be written", String::new(), error.to_string()));
            }
            Found::Malformed(violations) => all.extend(violations.iter().map(|violation| {
                plain("it has the shape of its schema", String::new(), violation.to_string())
            })),
            Found::Judged { report, .. } => {
                for (rule, verdict) in &report.rules {
                    let Verdict::Broken(findings) = verdict else { continue };
                    all.extend(findings.iter().map(|finding| Told {
                        rule: Some(rule.id),
                        law: rule.title.to_owned(),
                        ..of(finding, section.kind)
                    }));
                }
            }
        }
    }
    all
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
        words.push_str(&format!("follows from rule {} at {}", cause.rule, cause.at));
    }
    let at = finding.at.as_str().to_owned();
    Told { kind, rule: None, law: String::new(), part: finding.part, at, stored, derived, gap, bound, words }
}
