//! `run show`: what a training job left behind, and what follows from it; nothing is written.

use std::path::Path;

use bp::error::Failure;
use bp::pack::PackPath;
use bp::report::{Long, fold};
use bp::run::collect::{self, Limits};
use bp::run::record::RunRecord;
use bp::run::{Effect, Evidence, Finding, Given, Leak, Names, derive};
use serde_json::json;

use crate::Run;
use crate::cli::{RunSaid, RunShow, TrainingRun};
use crate::failure::Coded;
use crate::output::Output;

pub(crate) fn run(command: &TrainingRun, output: &Output) -> Run {
    match command {
        TrainingRun::Show(arguments) => show(arguments, output),
    }
}

fn show(arguments: &RunShow, output: &Output) -> Run {
    let evidence = collect(&arguments.dir, &arguments.said)?;
    let record = derive(&evidence);
    let leaks = evidence.leaks();
    if output.json {
        let left_out = &evidence.left_out;
        output.envelope(&json!({ "ok": true, "run": record, "secrets": leaks, "left_out": left_out }))?;
    } else {
        output.say(&text(&record, &evidence, &leaks, output.verbose));
    }
    Ok(u8::from(record.status.flagged || !leaks.is_empty()))
}

/// What lies in the directory that the user names.
pub(crate) fn collect(dir: &Path, said: &RunSaid) -> Result<Evidence, Failure> {
    // What a pack can hold is what `PackPath` takes.
    let key = |path: &str| path.parse::<PackPath>().ok().map(|path| path.fold());
    collect::directory(dir, &said.dataset, given(said), &key, &Limits::default()).map_err(Coded::failure)
}

/// What the user says of the job.
pub(crate) fn given(said: &RunSaid) -> Given {
    Given {
        kind: said.kind.map(Into::into),
        run_id: said.run_id.clone(),
        exit_code: said.exit_code,
        alive: said.alive,
        names: if said.show_names { Names::Shown } else { Names::Masked },
        ..Given::default()
    }
}

/// The record as text of 80 columns; its last line is the status.
fn text(record: &RunRecord, evidence: &Evidence, leaks: &[Leak], verbose: bool) -> String {
    let mut lines = Lines::default();
    let others: Vec<&str> = record.other_kinds.iter().map(|kind| kind.name()).collect();
    let also =
        if others.is_empty() { String::new() } else { format!(" (and files of {})", others.join(", ")) };
    lines.wrap("kind      ", &format!("{}{also}", record.kind.name()));
    lines.wrap("run id    ", record.run_id.as_deref().unwrap_or("none recorded"));
    for row in record.rows.iter().filter(|row| row.chosen) {
        let at = |time: &Option<String>| time.clone().unwrap_or_else(|| "not recorded".to_owned());
        lines.wrap("began     ", &at(&row.started_at));
        lines.wrap("ended     ", &at(&row.ended_at));
    }
    let count = |count: Option<u64>| count.map_or("not recorded".to_owned(), |count| count.to_string());
    lines.wrap(
        "steps     ",
        &format!("{} taken, {} planned", count(record.steps.taken), count(record.steps.planned)),
    );
    for series in record.series.iter().filter(|series| series.name.contains("loss")) {
        lines.wrap(
            "series    ",
            &format!("{}: {} values ({})", series.name, series.points.len(), series.path),
        );
    }
    for weights in &record.weights {
        let finite = match (weights.non_finite, weights.tensors) {
            (Some(0), _) => "all finite".to_owned(),
            (Some(count), _) => format!("{count} NOT FINITE"),
            (None, None) => "not read".to_owned(),
            (None, Some(_)) => "no float to look at".to_owned(),
        };
        lines.wrap("weights   ", &format!("sha256 {}, {finite}", &weights.sha256.to_string()[..16]));
        for path in &weights.paths {
            lines.wrap("          ", path);
        }
    }
    let torn = record.checkpoints.iter().filter(|checkpoint| !checkpoint.complete).count();
    if !record.checkpoints.is_empty() {
        lines.wrap("checkpts  ", &format!("{}, {torn} of them torn", record.checkpoints.len()));
    }
    lines.wrap("settings  ", &format!("{} recorded", record.settings.recorded.len()));
    lines.wrap("  missing ", &record.settings.not_recorded.join(", "));
    let (texts, artifacts) = (evidence.texts.len(), evidence.artifacts.len());
    let taken = format!("{texts} texts, {artifacts} by digest, {} left out", evidence.left_out.len());
    lines.wrap("files     ", &taken);
    let flags: Vec<&Finding> = record.flags().collect();
    let notes: Vec<&Finding> =
        record.findings.iter().filter(|finding| finding.law.effect == Effect::Note).collect();
    lines.findings("findings", &flags);
    lines.findings("notes", &notes);
    if !leaks.is_empty() {
        lines.0.push_str("\nsecrets\n");
        for leak in leaks {
            let masked = &leak.secret.masked;
            lines.wrap("  ", &format!("{}, line {}: {masked}", leak.path, leak.secret.line));
        }
    }
    if verbose {
        lines.0.push_str("\nleft out\n");
        for left in &evidence.left_out {
            lines.wrap("  ", &format!("{}: {}", left.path, left.reason.told()));
        }
    }
    lines.0.push_str("\nnot checked\n");
    for sentence in &record.not_checked {
        lines.wrap("  ", sentence);
    }
    lines.0.push('\n');
    for reason in &record.status.reasons {
        lines.wrap("", reason);
    }
    let flagged = if record.status.flagged { ", flagged: findings speak against it" } else { "" };
    lines.wrap("", &format!("Status: {}{flagged}.", record.status.state.name()));
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn wrap(&mut self, head: &str, text: &str) {
        self.0.push_str(&fold(head, text, Long::Break));
    }

    fn findings(&mut self, title: &str, findings: &[&Finding]) {
        if findings.is_empty() {
            return;
        }
        self.0.push('\n');
        self.wrap("", title);
        for finding in findings {
            self.wrap("  ", &format!("{} {}", finding.law.code, finding.path));
            self.wrap("    ", &finding.message);
        }
    }
}
