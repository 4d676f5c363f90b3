//! `README.md`: page one for a reader.

use serde::Serialize;

use super::{Head, Inside, render};
use crate::pack::plan::results::Judged;

const TEMPLATE: &str = include_str!("../../../../templates/pack-readme.md.j2");

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    inputs: &'a [Judged],
}

/// The bytes of `README.md`.
pub(in crate::pack::plan) fn readme(inside: &Inside<'_>) -> String {
    render("README.md", TEMPLATE, Page { head: inside.head(), inputs: &inside.verdict.inputs })
}
