//! `README.md`: page one for a reader.

use serde::Serialize;

use super::{Head, Inside, plain, render};
use crate::digest::Digest;
use crate::pack::plan::Captured;
use crate::pack::plan::results::Judged;
use crate::step::told::PROVES;
use crate::verify::Outcome;

/// Rows of a table; what did not pass comes first, so that no row that is left out hides it.
const MAX_ROWS: usize = 100;

const TEMPLATE: &str = include_str!("../../../../templates/pack-readme.md.j2");

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    inputs: Vec<&'a Judged>,
    inputs_left: usize,
    steps: Vec<Step>,
    steps_left: usize,
    shows: &'static str,
    tensors: Option<&'a Captured>,
    agreement: Option<String>,
}

/// A sampled step of an optimizer.
#[expect(clippy::struct_field_names, reason = "the words of the format")]
#[derive(Serialize)]
struct Step {
    run: String,
    step: u64,
    outcome: &'static str,
    sha256: Digest,
}

/// The bytes of `README.md`.
pub(in crate::pack::plan) fn readme(inside: &Inside<'_>) -> String {
    let (steps, steps_left) = rows(&inside.verdict.steps, |step| step.outcome == Outcome::Pass);
    let steps = steps.into_iter().map(|step| Step {
        run: plain(&step.run),
        step: step.step,
        outcome: step.outcome.name(),
        sha256: step.sha256,
    });
    let (inputs, inputs_left) = rows(&inside.verdict.inputs, |input| input.outcome == Outcome::Pass);
    let tensors = inside.verdict.tensors.as_ref();
    let agreement = tensors.and_then(|tensors| tensors.agreement.as_deref()).map(said);
    let (head, steps) = (inside.head(), steps.collect());
    let page = Page { head, inputs, inputs_left, steps, steps_left, shows: PROVES, tensors, agreement };
    render("README.md", TEMPLATE, page)
}

/// The rows of a table, and how many are left out.
fn rows<T>(all: &[T], passed: impl Fn(&T) -> bool) -> (Vec<&T>, usize) {
    let mut rows: Vec<&T> = all.iter().collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by_key(|row| passed(row));
        rows.truncate(MAX_ROWS);
    }
    let left = all.len() - rows.len();
    (rows, left)
}

/// Stages and a name from outside, in a sentence: what could end a line or begin a mark is replaced.
fn said(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._:+@/,;|*-".contains(letter);
    let text: String = text.chars().map(|letter| if allowed(letter) { letter } else { '?' }).collect();
    text.replace('*', "\\*").replace('|', "\\|").replace('_', "\\_")
}
