//! `report.html`: the pack as a page for a person who is not a developer. One file, no script, no network.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Head, Inside, render};
use crate::digest::Digest;
use crate::pack::freeze::Freeze;
use crate::pack::path::PackPath;
use crate::pack::plan::results::Judged;
use crate::pack::plan::scenario::Row as Scenario;
use crate::pack::plan::steps::{self, Tensors};
use crate::pack::plan::{Captured, Captures};
use crate::report::chart::{self, Line, Node};
use crate::report::coverage::{RuleCount, RuleId};
use crate::report::timeline::{Point, Timeline};
use crate::report::told::Told;
use crate::run::{self, RunRecord};
use crate::step::told::{LIMITS, PROVES};
use crate::tensor::compare::Verdict;
use crate::tensor::diff::Row;
use crate::tensor::forward::{Equation, State};
use crate::verify::StepFacts;

const TEMPLATE: &str = include_str!("../../../../templates/report.html.j2");
/// Findings that the page shows.
const MAX_FINDINGS: usize = 200;
/// Charts of one run.
const MAX_CHARTS: usize = 12;
/// Rows of a table that may grow with the pack.
const MAX_ROWS: usize = 1000;

#[derive(Serialize)]
struct Page<'a> {
    head: Head<'a>,
    scenarios: Option<&'a [Scenario<'a>]>,
    freeze: Option<String>,
    runs: Vec<Run<'a>>,
    sampled: Vec<Revealed<'a>>,
    tensors: Option<Stages<'a>>,
    proves: &'static str,
    does_not_prove: [&'static str; 4],
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
    title: String,
    caption: String,
    svg: String,
}

/// A training job, by its folder.
#[derive(Serialize)]
struct Run<'a> {
    folder: &'a str,
    record: &'a RunRecord,
    charts: Vec<Chart>,
    graph: Option<String>,
}

/// The sampled steps of a run.
#[expect(clippy::struct_field_names, reason = "the words of the format")]
#[derive(Serialize)]
struct Revealed<'a> {
    run: &'a str,
    revealed: u64,
    neighbours: u64,
    planned: Option<u64>,
    committed: Option<u64>,
    challenge: Option<Asked>,
    steps: Vec<Step<'a>>,
    steps_left: usize,
    charts: Vec<Chart>,
}

/// What a beacon asks of a run.
#[derive(Serialize)]
struct Asked {
    steps: usize,
    answered: usize,
    missing: Vec<u64>,
    unasked: usize,
}

/// A sampled step.
#[expect(clippy::struct_field_names, reason = "the words of the format")]
#[derive(Serialize)]
struct Step<'a> {
    step: u64,
    outcome: &'static str,
    class: &'static str,
    informative: String,
    elements: u64,
    /// The largest ratio of gap to bound; none where bits were compared.
    largest: Option<String>,
    inside: bool,
    broken: Vec<&'a str>,
}

/// Captured stages of a forward pass.
#[derive(Serialize)]
struct Stages<'a> {
    captured: &'a Captured,
    equations: Vec<Derived<'a>>,
    equations_left: usize,
    compared: Vec<Apart>,
    compared_left: usize,
    charts: Vec<Chart>,
}

/// An equation between stages.
#[derive(Serialize)]
struct Derived<'a> {
    stage: String,
    formula: &'a str,
    state: &'static str,
    told: String,
}

/// A stage, and how far it is from that of the reference.
#[derive(Serialize)]
struct Apart {
    stage: String,
    verdict: &'static str,
    bound: String,
    over: u64,
    max_abs: String,
    rms: String,
    cosine: String,
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
        freeze: inside.freeze.map(frozen),
        runs: inside.runs.iter().map(|(folder, record)| Run::of(folder, record)).collect(),
        sampled: inside.sampled.iter().flat_map(|sampled| &sampled.runs).map(Revealed::of).collect(),
        tensors: inside.captures.zip(inside.verdict.tensors.as_ref()).map(Stages::of),
        proves: PROVES,
        does_not_prove: LIMITS,
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

impl<'a> Run<'a> {
    fn of(folder: &'a str, record: &'a RunRecord) -> Self {
        // What a reader looks for first, first.
        let rank = |name: &str| match name {
            "loss" | "train_loss" | "train/loss" => 0,
            name if name.contains("loss") => 1,
            name if name.contains("learning_rate") || name.contains("lr") => 2,
            name if name.contains("norm") => 3,
            _ => 4,
        };
        let mut all: Vec<_> = record.series.iter().collect();
        all.sort_by_key(|series| rank(&series.name));
        let charts = all.into_iter().filter_map(|series| {
            #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
            let point = |(place, point): (u64, &run::record::Point)| {
                Some((point.step.unwrap_or(place) as f64, point.value?))
            };
            let line =
                Line { name: &series.name, points: (0..).zip(&series.points).filter_map(point).collect() };
            let lines = [line];
            let svg = chart::lines("step", &series.name, &lines)?;
            let absent = series.points.iter().filter(|point| point.value.is_none()).count();
            let mut caption = described(&format!("As recorded in {}.", series.path), &lines);
            if absent > 0 {
                let _ =
                    write!(caption, " {absent} recorded values are no finite numbers, and are not drawn.");
            }
            Some(Chart { title: series.name.clone(), caption, svg })
        });
        Self { folder, record, charts: charts.take(MAX_CHARTS).collect(), graph: artifacts(record) }
    }
}

impl<'a> Revealed<'a> {
    fn of(run: &'a steps::Run<'a>) -> Self {
        let step = |step: &'a steps::Step<'a>| Step {
            step: step.step,
            outcome: step.outcome.name(),
            class: step.class.name(),
            informative: format!("{:.2} %", 100.0 * step.informative),
            elements: step.elements,
            largest: step.largest_ratio().map(|ratio| format!("{ratio:.4}")),
            inside: step.tensors == Tensors::Inside,
            broken: step.broken().map(|(code, _)| code).collect(),
        };
        Self {
            run: run.run,
            revealed: run.revealed,
            neighbours: run.neighbours,
            planned: run.planned,
            committed: run.committed,
            challenge: run.challenge.as_ref().map(Asked::of),
            steps: run.steps.iter().take(MAX_ROWS).map(step).collect(),
            steps_left: run.steps.len().saturating_sub(MAX_ROWS),
            charts: [ratios(run), coverage(run)].into_iter().flatten().collect(),
        }
    }
}

impl Asked {
    fn of(challenge: &steps::Challenge) -> Self {
        let missing = challenge.asked.iter().filter(|step| !step.is_whole());
        Self {
            steps: challenge.asked.len(),
            answered: challenge.asked.iter().filter(|step| step.is_whole()).count(),
            missing: missing.map(|step| step.step).take(MAX_ROWS).collect(),
            unasked: challenge.unasked.len(),
        }
    }
}

impl<'a> Stages<'a> {
    fn of((judged, captured): (&'a Captures, &'a Captured)) -> Self {
        let equations = &judged.checked().equations;
        let rows = judged.diff().map_or(&[][..], |diff| diff.rows.as_slice());
        Self {
            captured,
            equations: equations.iter().take(MAX_ROWS).map(Derived::of).collect(),
            equations_left: equations.len().saturating_sub(MAX_ROWS),
            compared: rows.iter().take(MAX_ROWS).map(Apart::of).collect(),
            compared_left: rows.len().saturating_sub(MAX_ROWS),
            charts: apart(rows).into_iter().collect(),
        }
    }
}

impl<'a> Derived<'a> {
    fn of(equation: &'a Equation) -> Self {
        let (state, told) = match &equation.state {
            State::Holds(tally) => {
                ("holds", format!("{} values, at most {:.2} of the bound", tally.compared, tally.ratio))
            }
            State::Broken(tally) => ("broken", format!("{} of {} values", tally.broken, tally.compared)),
            State::NotCheckable(why) => ("not checkable", why.clone()),
        };
        Self { stage: equation.place.to_string(), formula: &equation.formula, state, told }
    }
}

impl Apart {
    fn of(row: &Row) -> Self {
        let Row { place, bound, compared, .. } = row;
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "none".to_owned(), |value| format!("{value:.digits$}"))
        };
        Self {
            stage: place.to_string(),
            verdict: match compared.verdict() {
                Verdict::Pass => "within",
                Verdict::Fail => "beyond",
                Verdict::NotJudged => "not judged",
            },
            bound: bound.as_ref().map_or_else(
                || "none".to_owned(),
                |(bound, _)| format!("{:e} + {:e} * |b|", bound.abs(), bound.rel()),
            ),
            over: compared.over,
            max_abs: format!("{:.3e}", compared.max_abs),
            rms: compared.rms().map_or_else(|| "none".to_owned(), |rms| format!("{rms:.3e}")),
            cosine: number(compared.cosine(), 9),
        }
    }
}

/// How far each stage is from that of the reference, in the order of the forward pass.
fn apart(rows: &[Row]) -> Option<Chart> {
    let line = |name, of: fn(&Row) -> Option<f64>| {
        #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
        let point = |(place, row)| Some((place as f64, of(row).filter(|value| value.is_finite())?));
        Line { name, points: (1_u64..).zip(rows).filter_map(point).collect() }
    };
    let lines = [
        line("largest difference", |row| Some(row.compared.max_abs)),
        line("root mean square", |row| row.compared.rms()),
    ];
    let svg = chart::lines("stage", "difference", &lines)?;
    let what = "How far each stage is from that of the reference, numbered in the order of the forward pass, as in the table.";
    Some(Chart { title: "Difference by stage".to_owned(), caption: described(what, &lines), svg })
}

/// The largest ratio of gap to bound of each tensor over the steps of a run, by the rule of the stage.
fn ratios(run: &steps::Run<'_>) -> Option<Chart> {
    let mut tensors: Vec<&str> = Vec::new();
    let mut largest: BTreeMap<&str, BTreeMap<usize, f64>> = BTreeMap::new();
    for row in run.steps.iter().flat_map(|step| &step.told.tensors) {
        let place = tensors.iter().position(|name| *name == row.param).unwrap_or_else(|| {
            tensors.push(&row.param);
            tensors.len() - 1
        });
        for (code, ratio) in &row.gap_over_bound {
            let of = largest.entry(code).or_default().entry(place).or_insert(ratio.max);
            *of = of.max(ratio.max);
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
    let point = |(place, ratio): (&usize, &f64)| ((place + 1) as f64, *ratio);
    let lines: Vec<Line<'_>> = largest
        .iter()
        .map(|(code, places)| Line { name: code, points: places.iter().map(point).collect() })
        .collect();
    let svg = chart::lines("tensor", "gap over bound", &lines)?;
    let what = "The largest gap over its bound in each tensor, of all steps that were compared within bounds; \
                beyond 1 a rule is broken. Tensors are numbered in the order of the record.";
    Some(Chart { title: "Gap over bound by tensor".to_owned(), caption: described(what, &lines), svg })
}

/// Which steps are revealed, and how much of each could show.
fn coverage(run: &steps::Run<'_>) -> Option<Chart> {
    #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
    let points = run.steps.iter().map(|step| (step.step as f64, step.informative)).collect();
    let lines = [Line { name: "informative", points }];
    let svg = chart::lines("step", "share", &lines)?;
    let of = run
        .committed
        .or(run.planned)
        .map_or_else(|| "a number that is not stated".to_owned(), |all| all.to_string());
    let what = format!(
        "Share of values whose update could be told from none, at the {} revealed steps of {of}; between them nothing is \
         shown.",
        run.revealed
    );
    Some(Chart { title: "What could show, by step".to_owned(), caption: described(&what, &lines), svg })
}

/// What a freeze shows, in a sentence or two.
fn frozen(freeze: &Freeze) -> String {
    let claim = freeze.claim();
    let open = match claim.open_inputs() {
        0 => String::new(),
        count => format!(" Of the inputs, {count} were not there yet, and are not frozen."),
    };
    let (frozen_at, key) = (claim.frozen_at, freeze.key_id());
    format!(
        "Suite, criteria and inputs were frozen at {frozen_at} under key {key}; the time is the signer's word.{open}"
    )
}

/// Data, run, weights, and the files that hold equal weights.
fn artifacts(record: &RunRecord) -> Option<String> {
    let digits = |digest: &Digest| format!("sha256 {}", &digest.to_string()[..12]);
    let data = record.datasets.iter().map(|claim| Node {
        name: claim.recorded_name.clone().unwrap_or_else(|| "data".to_owned()),
        about: claim.given_sha256.as_ref().map_or_else(|| "not given".to_owned(), digits),
    });
    let run = Node {
        name: record.run_id.clone().unwrap_or_else(|| "run without an id".to_owned()),
        about: record.status.state.name().to_owned(),
    };
    let weights = record.weights.iter().map(|weights| Node {
        name: digits(&weights.sha256),
        about: match weights.non_finite {
            Some(0) => "all values finite".to_owned(),
            Some(count) => format!("{count} values not finite"),
            None => "values not read".to_owned(),
        },
    });
    let files = record.weights.iter().flat_map(|weights| {
        weights
            .paths
            .iter()
            .map(|path| Node { name: path.clone(), about: format!("{} bytes", weights.size_bytes) })
    });
    let columns = [data.collect(), vec![run], weights.collect::<Vec<_>>(), files.collect()];
    let mut edges: Vec<_> = (0..columns[0].len()).map(|row| ((0, row), (1, 0))).collect();
    let mut file = 0;
    for (row, weights) in record.weights.iter().enumerate() {
        edges.push(((1, 0), (2, row)));
        for _ in &weights.paths {
            edges.push(((2, row), (3, file)));
            file += 1;
        }
    }
    if columns[2].is_empty() { None } else { chart::graph(&columns, &edges) }
}

fn charts(timeline: &Timeline) -> Vec<Chart> {
    let series = |name, of: fn(&StepFacts) -> f64| {
        #[allow(clippy::cast_precision_loss, reason = "a place on an axis")]
        let point = |point: &Point| Some((point.first as f64, of(&point.facts?)));
        Line { name, points: timeline.points().iter().filter_map(point).collect() }
    };
    let drawn = |title: &str, y_title, what: &str, lines: &[Line<'_>]| {
        let svg = chart::lines("record", y_title, lines)?;
        Some(Chart { title: title.to_owned(), caption: described(what, lines), svg })
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
        let name = line.name;
        let _ =
            write!(text, " {name}: first {first:.6}, last {last:.6}, least {low:.6}, greatest {high:.6}.");
    }
    text
}
