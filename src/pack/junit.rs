//! What checking a pack came to, as `JUnit` XML: a case for each group of laws, for each finding, and for the whole.

use serde::Serialize;

use super::law::Effect;
use super::result::{Finding, How, Scope, VerifyResult};
use super::template::render;
use super::text;

const TEMPLATE: &str = include_str!("../../templates/junit.xml.j2");

/// A test case: at most one of the three is there; none is a success.
#[derive(Serialize)]
struct Case<'a> {
    class: &'static str,
    name: String,
    /// The law, and what is seen.
    failure: Option<(&'a str, String)>,
    error: Option<(&'a str, String)>,
    skipped: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    cases: Vec<Case<'a>>,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    /// The outcome, the warnings and what was not checked.
    said: Vec<String>,
}

/// The document.
#[must_use]
pub fn document(result: &VerifyResult) -> String {
    let case =
        |class, name: &str| Case { class, name: name.to_owned(), failure: None, error: None, skipped: None };
    // A group whose law is broken has its findings as cases of their own; to fail it too would count them twice.
    let groups = result.checks.iter().map(|check| {
        let mut case = case("bp.checks", check.name);
        case.skipped = match (check.ok, check.how) {
            (None, _) | (_, How::NotChecked) => Some("not checked".to_owned()),
            (Some(false), _) => Some("broken: see the findings".to_owned()),
            (Some(true), _) => None,
        };
        case
    });
    let findings = result.findings.iter().map(|finding| {
        let mut case = case("bp.findings", &format!("{} {}", finding.law.code, finding.path));
        let seen = Some((finding.law.code, finding.message.clone()));
        match finding.law.effect {
            Effect::Broken => case.failure = seen,
            Effect::CannotJudge => case.error = seen,
        }
        case
    });
    let whole = (result.scope == Scope::Partial).then(|| {
        let mut case = case("bp.pack", "whole");
        case.skipped = Some(text::sentence(result));
        case
    });
    let cases: Vec<Case<'_>> = groups.chain(findings).chain(whole).collect();
    let count = |is: fn(&Case<'_>) -> bool| cases.iter().filter(|case| is(case)).count();
    let warning =
        |finding: &Finding| format!("warning {} {}: {}", finding.law.code, finding.path, finding.message);
    let said = std::iter::once(text::sentence(result))
        .chain(result.warnings.iter().map(warning))
        .chain(result.not_checked.iter().map(|sentence| format!("not checked: {sentence}")));
    let page = Page {
        tests: cases.len(),
        failures: count(|case| case.failure.is_some()),
        errors: count(|case| case.error.is_some()),
        skipped: count(|case| case.skipped.is_some()),
        said: said.collect(),
        cases,
    };
    render("junit.xml", TEMPLATE, page)
}
