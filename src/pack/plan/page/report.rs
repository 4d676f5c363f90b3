//! `report.html`: the pack as a page for a person who is not a developer. One file, no script, no network.

use serde::Serialize;

use super::{Head, Inside, render};
use crate::digest::Digest;
use crate::pack::path::PackPath;
use crate::pack::plan::results::Judged;
use crate::pack::plan::scenario::Row;
use crate::report::chart::{self, Line};
use crate::report::coverage::{RuleCount, RuleId};
use crate::report::timeline::{Point, Timeline};
use crate::report::told::Told;
use crate::verify::StepFacts;

const TEMPLATE: &str = include_str!("../../../../templates/report.html.j2");
/// Findings that the page shows.
const MAX_FINDINGS: usize = 200;
/// Rows of a table that may grow with the pack.
const MAX_ROWS: usize = 1000;

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    scenarios: Option<&'a [Row<'a>]>,
    charts: Vec<Chart>,
    map: Option<String>,
    records: u64,
    records_per_column: u64,
    rules: Vec<Rule<'a>>,
    findings: Vec<Found<'a>>,
    findings_left: usize,
    inputs: &'a [Judged],
    inputs_left: usize,
    files: Vec<File<'a>>,
    files_left: usize,
}

/// A chart, and what it shows in words.
#[derive(Serialize)]
struct Chart {
    title: &'static str,
    caption: String,
    svg: String,
}

#[derive(Serialize)]
struct Rule<'a> {
    id: RuleId,
    title: &'static str,
    #[serde(flatten)]
    count: &'a RuleCount,
}

#[derive(Serialize)]
struct Found<'a> {
    input: &'a str,
    #[serde(flatten)]
    told: &'a Told,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a PackPath,
    size_bytes: u64,
    sha256: Digest,
}

/// The bytes of `report.html`.
pub(in crate::pack::plan) fn report(inside: &Inside<'_>) -> String {
    let mut timeline = Timeline::default();
    inside.assessed.values().for_each(|input| timeline.append(&input.timeline));
    let names: Vec<String> = inside.coverage.rows().map(|(id, _, _)| id.to_string()).collect();
    let found = inside
        .assessed
        .iter()
        .flat_map(|(stem, input)| input.told.iter().map(|told| Found { input: stem.as_str(), told }));
    let findings: Vec<Found<'_>> = found.take(MAX_FINDINGS).collect();
    let all: usize = inside.assessed.values().map(|input| input.found).sum();
    let inputs = &inside.verdict.inputs;
    let files: Vec<File<'_>> = inside
        .evidence
        .iter()
        .map(|(path, sealed)| File { path, size_bytes: sealed.size_bytes, sha256: sealed.sha256 })
        .collect();
    let page = Page {
        head: inside.head(),
        scenarios: inside.scenarios.map(|summary| summary.scenarios.as_slice()),
        // The scenarios of a suite have nothing to do with each other: no line leads from one to the next.
        charts: if inside.scenarios.is_none() { charts(&timeline) } else { Vec::new() },
        map: chart::map(&names, timeline.points()),
        records: timeline.records(),
        records_per_column: timeline.width(),
        rules: inside.coverage.rows().map(|(id, title, count)| Rule { id, title, count }).collect(),
        findings_left: all - findings.len(),
        findings,
        inputs_left: inputs.len().saturating_sub(MAX_ROWS),
        inputs: &inputs[..inputs.len().min(MAX_ROWS)],
        files_left: files.len().saturating_sub(MAX_ROWS),
        files: files.into_iter().take(MAX_ROWS).collect(),
    };
    render("report.html", TEMPLATE, page)
}

fn charts(timeline: &Timeline) -> Vec<Chart> {
    let series = |name, of: fn(&StepFacts) -> f64| {
        #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
        let point = |point: &Point| Some((point.first as f64, of(&point.facts?)));
        Line { name, points: timeline.points().iter().filter_map(point).collect() }
    };
    let drawn = |title, y_title, what: &str, lines: &[Line<'_>]| {
        let svg = chart::lines("record", y_title, lines)?;
        Some(Chart { title, caption: described(what, lines), svg })
    };
    [
        drawn("Loss", "loss", "The recorded loss of each step.", &[series("loss", |facts| facts.loss)]),
        drawn(
            "Learning rate",
            "learning rate",
            "The recorded learning rate of each step.",
            &[series("learning rate", |facts| facts.learning_rate)],
        ),
        drawn(
            "Gradient norms",
            "norm",
            "Euclidean norm of the gradient, weights and biases of a layer together.",
            &[
                series("hidden layer", |facts| facts.hidden.gradient),
                series("output layer", |facts| facts.output.gradient),
            ],
        ),
        drawn(
            "Update norms",
            "norm",
            "Euclidean norm of what a step added to the parameters of a layer.",
            &[
                series("hidden layer", |facts| facts.hidden.update),
                series("output layer", |facts| facts.output.update),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a chart shows, for who cannot see it.
fn described(what: &str, lines: &[Line<'_>]) -> String {
    let mut text = what.to_owned();
    for line in lines {
        let (Some((_, first)), Some((_, last))) = (line.points.first(), line.points.last()) else { continue };
        let low = line.points.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
        let high = line.points.iter().map(|(_, y)| *y).fold(f64::NEG_INFINITY, f64::max);
        text.push_str(&format!(
            " {}: first {first:.6}, last {last:.6}, least {low:.6}, greatest {high:.6}.",
            line.name
        ));
    }
    text
}
