//! `README.md`: page one for a reader.

use serde::Serialize;

use super::{Head, Inside, plain, render};
use crate::digest::Digest;
use crate::pack::plan::results::Judged;
use crate::step::told::PROVES;

const TEMPLATE: &str = include_str!("../../../../templates/pack-readme.md.j2");

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    inputs: &'a [Judged],
    steps: Vec<Step>,
    shows: &'static str,
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
    render("README.md", TEMPLATE, Page { head: inside.head(), inputs, steps: steps.collect(), shows: PROVES })
}
