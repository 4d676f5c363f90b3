//! `README.md`: page one for a reader.

use serde::Serialize;

use super::{Head, Inside, plain, render};
use crate::digest::Digest;
use crate::pack::plan::Captured;
use crate::pack::plan::results::Judged;
use crate::step::told::PROVES;

const TEMPLATE: &str = include_str!("../../../../templates/pack-readme.md.j2");

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    inputs: &'a [Judged],
    steps: Vec<Step>,
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
    let steps = inside.verdict.steps.iter().map(|step| Step {
        run: plain(&step.run),
        step: step.step,
        outcome: step.outcome.name(),
        sha256: step.sha256,
    });
    let inputs = &inside.verdict.inputs;
    let tensors = inside.verdict.tensors.as_ref();
    let agreement = tensors.and_then(|tensors| tensors.agreement.as_deref()).map(said);
    let (head, steps) = (inside.head(), steps.collect());
    render("README.md", TEMPLATE, Page { head, inputs, steps, shows: PROVES, tensors, agreement })
}

/// Stages and a name from outside, in a sentence: what could end a line or begin a mark is replaced.
fn said(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._:+@/,;|*-".contains(letter);
    let text: String = text.chars().map(|letter| if allowed(letter) { letter } else { '?' }).collect();
    text.replace('*', "\\*").replace('|', "\\|").replace('_', "\\_")
}
