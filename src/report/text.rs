//! A judgement in words: plain lines, readable at 80 columns, without colour.

use crate::reconcile::Report;
use crate::reconcile::finding::{Evidence, Finding};
use crate::reconcile::rule::{Rule, Verdict};
use crate::report::{Long, fold};
use crate::verify::stream::Trace;
use crate::verify::{Found, Kind, Outcome, Section, Verified};

/// One paragraph: its lead, then its words.
macro_rules! line {
    ($out:expr, $lead:literal, $($format:tt)*) => {
        $out.push_str(&fold($lead, &format!($($format)*), Long::Break))
    };
}

/// Findings told of one rule before the rest is only counted; every one stands in the verdict document.
const TOLD: usize = 8;

/// A judgement in words. `verbose` tells every rule and finding, not only what is broken.
#[must_use]
pub fn render(verified: &Verified<'_>, verbose: bool) -> String {
    let mut out = String::new();
    for section in &verified.sections {
        section_text(section, verbose, &mut out);
    }
    out
}

/// A trace's judgement in words; `what` names what was judged.
#[must_use]
pub fn render_trace(what: &str, trace: &Trace, verbose: bool) -> String {
    let mut out = String::new();
    let [passed, insufficient, failed] = trace.counts;
    let headline = match trace.outcome() {
        Outcome::Pass => " passed",
        Outcome::Fail => " failed",
        Outcome::Insufficient => ": too little could be compared for a pass",
    };
    line!(
        out,
        "",
        "{what}{headline} ({} records: {passed} pass, {insufficient} insufficient, {failed} fail)",
        trace.records
    );
    let told = if verbose { trace.told.len() } else { TOLD };
    for (index, section) in trace.told.iter().take(told) {
        out.push('\n');
        line!(out, "", "record {index}, counted from 0");
        section_text(section, verbose, &mut out);
    }
    rest(trace.told.len(), told, &mut out);
    let mut across = String::new();
    rules_text(&trace.rules, verbose, &mut across);
    if !across.is_empty() {
        out.push('\n');
        line!(out, "", "across records");
        out.push_str(&across);
    }
    out
}

fn section_text(section: &Section<'_>, verbose: bool, out: &mut String) {
    let kind = match section.kind {
        Kind::Receipt => "receipt",
        Kind::Sidecar => "sidecar",
    };
    let version = section.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    line!(out, "", "{kind}{version}: {}", headline(section.outcome(), &section.found));
    match &section.found {
        Found::Unreadable(error) => line!(out, "  [FAIL] ", "{error}"),
        Found::Unwritten(error) => line!(out, "  [----] ", "no receipt: {error}"),
        Found::Malformed(violations) => {
            line!(out, "  [FAIL] ", "schema: broken in {}", places(violations.len()));
            let told = if verbose { violations.len() } else { TOLD };
            for violation in violations.iter().take(told) {
                line!(out, "         ", "{violation}");
            }
            rest(violations.len(), told, out);
        }
        Found::Judged { report, canonical } => {
            report_text(report, verbose, out);
            if *canonical == Some(false) {
                line!(out, "  note: ", "the bytes are not the canonical bytes of the record");
            }
        }
    }
}

fn headline(outcome: Outcome, found: &Found) -> String {
    match (outcome, found) {
        (Outcome::Pass, Found::Judged { report, .. }) => {
            let (compared, blind) = totals(report);
            let blind = match blind {
                0 => String::new(),
                blind => format!(", {blind} more too small for their bound to decide"),
            };
            format!("every rule that applies holds ({compared} comparisons{blind})")
        }
        (Outcome::Fail, Found::Judged { .. }) => "broken".to_owned(),
        (Outcome::Fail, _) => "cannot be judged".to_owned(),
        (Outcome::Insufficient, Found::Unwritten(_)) => "not written".to_owned(),
        (_, _) => "nothing broke, but too little could be compared for a pass".to_owned(),
    }
}

fn totals(report: &Report) -> (usize, usize) {
    report.rules.iter().fold((0, 0), |(compared, blind), (_, verdict)| match verdict {
        Verdict::Holds { compared: more, blind: unseen } => (compared + more, blind + unseen),
        Verdict::Vacuous { blind: unseen } => (compared, blind + unseen),
        _ => (compared, blind),
    })
}

fn report_text(report: &Report, verbose: bool, out: &mut String) {
    rules_text(&report.rules, verbose, out);
}

fn rules_text(rules: &[(&'static Rule, Verdict)], verbose: bool, out: &mut String) {
    for (rule, verdict) in rules {
        match verdict {
            Verdict::Broken(findings) => {
                line!(out, "  [FAIL] ", "rule {}: {}", rule.id, rule.title);
                let told = if verbose { findings.len() } else { TOLD };
                for finding in findings.iter().take(told) {
                    finding_text(finding, out);
                }
                rest(findings.len(), told, out);
            }
            Verdict::Vacuous { .. } => {
                line!(
                    out,
                    "  [----] ",
                    "rule {}: every bound is as large as the values; nothing decided",
                    rule.id
                );
            }
            Verdict::Holds { compared, blind } if verbose => {
                line!(out, "  [PASS] ", "rule {}: {compared} compared, {blind} undecidable", rule.id);
            }
            Verdict::NotReached if verbose => {
                line!(out, "  [----] ", "rule {}: not reached, the record's form is broken", rule.id);
            }
            Verdict::NotApplicable if verbose => {
                line!(out, "  [----] ", "rule {}: nothing in the record that it is about", rule.id);
            }
            _ => {}
        }
    }
}

fn rest(count: usize, told: usize, out: &mut String) {
    if count > told {
        line!(out, "         ", "and {} more (all of them with --verbose or --json)", count - told);
    }
}

/// A number of places, in words.
#[must_use]
pub fn places(count: usize) -> String {
    format!("{count} place{}", if count == 1 { "" } else { "s" })
}

fn finding_text(finding: &Finding, out: &mut String) {
    let place = if finding.at.as_str().is_empty() { "the record" } else { finding.at.as_str() };
    let part = if finding.part.is_empty() { String::new() } else { format!(" ({})", finding.part) };
    line!(out, "         ", "{place}{part}");
    line!(out, "           ", "{}", evidence_text(&finding.evidence));
    if let Some(cause) = &finding.follows_from {
        line!(out, "           ", "follows from rule {} at {}", cause.rule, cause.at);
    }
}

pub(super) fn evidence_text(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Gap { stored, derived, gap, bound, .. } => {
            format!("stored {stored}, derived {derived}, gap {gap:.3e}, bound {bound:.3e}")
        }
        Evidence::Count { stored, expected } => format!("stored {stored}, expected {expected}"),
        Evidence::Text { stored, expected } => format!("stored {stored:?}, expected {expected:?}"),
        Evidence::Missing => "missing".to_owned(),
        Evidence::Unexpected => "nothing in the record explains it".to_owned(),
        Evidence::AboveCeiling { atol, rtol } => {
            format!("declared atol {atol:e}, rtol {rtol:e}: above what the judge allows")
        }
        Evidence::Topology { law } => {
            format!("no dense net with one hidden layer: {}", law.replace('_', " "))
        }
        Evidence::Label { stated } => format!("the record says of itself {stated:?}"),
        Evidence::Digest { stored, derived } => {
            let derived = derived.as_deref().unwrap_or("none, for it has no canonical bytes");
            format!("stored {stored}, derived {derived}")
        }
    }
}
