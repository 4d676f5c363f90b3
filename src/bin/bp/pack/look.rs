//! `pack show` and `diff`: what packs say, unchecked.

use std::path::Path;

use bp::annex::ANNEX_JSON;
use bp::error::{self, Failure};
use bp::pack::diff::{self, Change, Diff};
use bp::pack::manifest::Statement;
use bp::pack::said::Said;
use bp::report::{Long, fold};
use serde_json::{Value, json};

use crate::Run;
use crate::cli::PackShow;
use crate::output::Output;

/// Changes of one kind that are told, unless all are asked for.
const TOLD: usize = 12;
/// The characters of a value that are told.
const SHOWN: usize = 60;

/// Said of everything that these verbs tell.
const UNCHECKED: &str = "Nothing was checked: this is what the packs say. `bp pack verify PACK` checks one.";

pub(super) fn show(arguments: &PackShow, output: &Output) -> Run {
    let path = &arguments.pack;
    let said = read(path)?;
    let Said { statement, manifest_sha256, .. } = &said;
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "format": "bp-pack-show/1",
            "checked": false,
            "manifest_sha256": manifest_sha256,
            "manifest": statement,
            "sentence": said.verdict().map(|verdict| verdict.sentence()),
            "open_annex_points": open_points(&said),
            "unread": said.unread.iter().map(|(path, reason)| json!({ "path": path, "reason": reason })).collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    let mut text = String::new();
    let mut line = |head: &str, what: &str| text.push_str(&fold(&format!("{head:<9} "), what, Long::Break));
    line("pack", &statement.pack_id.to_string());
    line("manifest", &manifest_sha256.to_string());
    line("created", &statement.created_at.to_string());
    let Statement { producer, judge, .. } = statement;
    let judge = format!("judge {} {}, {} rules", judge.name, judge.version, judge.rules.len());
    line("maker", &format!("{} {} ({judge})", producer.name, producer.version));
    line(
        "seal",
        &match (statement.key_id(), said.has_seal) {
            (Some(key), true) => format!("by key {key}"),
            (Some(key), false) => format!("missing; the manifest names key {key}"),
            (None, _) => "none".to_owned(),
        },
    );
    let sentence =
        said.verdict().map_or_else(|| "no sentence can be read.".to_owned(), |verdict| verdict.sentence());
    line("verdict", &format!("{}: {sentence}", statement.verdict.name()));
    if let Some(suite) = &statement.suite {
        line("suite", suite.name.as_deref().unwrap_or("not named"));
    }
    for (folder, run) in said.runs() {
        let id = run["run_id"].as_str().unwrap_or("no id");
        let state = run["status"]["state"].as_str().unwrap_or("unknown");
        let flagged = if run["status"]["flagged"] == true { ", and findings speak against it" } else { "" };
        line("run", &format!("{folder}: {id}, {state}{flagged}"));
    }
    for artifact in statement.subject.artifacts.iter().take(TOLD) {
        line("artifact", &format!("{} sha256 {}", artifact.name, artifact.sha256));
    }
    if let Some(points) = open_points(&said) {
        line("Annex IV", &format!("{} open points: {}", points.len(), joined(&points)));
    }
    let bytes: u64 = statement.artifacts.iter().map(|artifact| artifact.size_bytes).sum();
    line("files", &format!("{} sealed, {bytes} bytes", statement.artifacts.len()));
    if output.verbose {
        for artifact in &statement.artifacts {
            line("", &format!("{} {}", artifact.sha256, artifact.path));
        }
    }
    for (path, reason) in &said.unread {
        line("unread", &format!("{path}: {reason}"));
    }
    text.push('\n');
    text.push_str(&fold("", UNCHECKED, Long::Keep));
    output.say(&text);
    Ok(0)
}

pub(super) fn diff(a: &Path, b: &Path, output: &Output) -> Run {
    let diff = diff::diff(&read(a)?, &read(b)?);
    let status = u8::from(!diff.ok);
    if output.json {
        output.envelope(&diff)?;
    } else {
        output.say(&told(&diff, output.verbose));
    }
    Ok(status)
}

fn told(diff: &Diff, all: bool) -> String {
    let mut text = String::new();
    for (name, side) in [("a", &diff.a), ("b", &diff.b)] {
        let about = format!("{} made {}", side.pack_id, side.created_at);
        text.push_str(&fold(&format!("{name}  "), &about, Long::Break));
        for unread in &side.unread {
            let reason = format!("{}: not compared: {}", unread.path, unread.reason);
            text.push_str(&fold("   [WARN] ", &reason, Long::Break));
        }
    }
    for group in &diff.groups {
        let count = match (group.changes.len(), group.compared) {
            (_, 0) => "neither says anything".to_owned(),
            (0, compared) => format!("all {compared} equal"),
            (changes, compared) => format!("{changes} of {compared} differ"),
        };
        text.push_str(&fold("\n", &format!("{}: {count}", group.name), Long::Break));
        let told = if all { group.changes.len() } else { TOLD };
        for Change { what, a, b } in group.changes.iter().take(told) {
            text.push_str(&fold("  ", &format!("{what}: {} -> {}", shown(a), shown(b)), Long::Break));
        }
        if group.changes.len() > told {
            let more = format!("and {} more: --verbose tells all", group.changes.len() - told);
            text.push_str(&fold("  ", &more, Long::Break));
        }
    }
    text.push('\n');
    text.push_str(&fold("", UNCHECKED, Long::Keep));
    text
}

/// A value in few characters.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "not said".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The points of Annex IV with something open; none where the pack holds no answer.
fn open_points(said: &Said) -> Option<Vec<String>> {
    let entries = said.document(ANNEX_JSON)?.get("entries")?.as_array()?;
    let is_open = |entry: &&Value| {
        let facets = entry["facets"].as_array();
        facets.is_some_and(|facets| {
            facets.iter().any(|facet| facet["open"].as_array().is_some_and(|open| !open.is_empty()))
        })
    };
    Some(entries.iter().filter(is_open).filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect())
}

fn joined(points: &[String]) -> String {
    let told: Vec<&str> = points.iter().take(TOLD).map(String::as_str).collect();
    let more = if points.len() > TOLD { ", ..." } else { "" };
    format!("{}{more}", told.join(", "))
}

fn read(path: &Path) -> Result<Said, Failure> {
    Said::read(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Failure { message, ..Failure::of(&error::PACK_UNREADABLE, &error) }
    })
}
