//! What backpropagate writes: `run_history.json` with one row for each run, `manifest.json`, and the tree of a multi-run.
//!
//! The row decides how a run ended; the other files are held against it.

use serde_json::{Map, Value};

use crate::run::derive::trainer::{self, TrainerState};
use crate::run::derive::{Draft, merges};
use crate::run::docs::{Docs, file_name, folder, join, number};
use crate::run::law;
use crate::run::mask;
use crate::run::record::{Point, Row, Series, State, Steps};

/// Losses that a row keeps at most; more are sampled down.
const KEPT_LOSSES: usize = 100;

/// A row of the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) object: &'a Map<String, Value>,
    pub(super) run_id: &'a str,
}

impl<'a> Entry<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        self.object.get(key)?.as_str()
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.object.get(key)?.as_u64()
    }

    fn hyper(&self, key: &str) -> Option<&'a Value> {
        self.object.get("hyperparameters")?.get(key)
    }

    fn losses(&self) -> Vec<f64> {
        let losses = self.object.get("loss_history").and_then(Value::as_array);
        losses.into_iter().flatten().filter_map(number).collect()
    }

    fn is_multi(&self) -> bool {
        self.text("session_kind") == Some("multi_run")
    }
}

pub(super) fn read(docs: &Docs<'_>, draft: &mut Draft) {
    let Some(path) = docs.named("run_history.json").first().copied() else {
        draft
            .reasons
            .push("There is no run history: an early version deletes it when a run is saved.".to_owned());
        trainer::read(docs, draft);
        return;
    };
    let base = folder(path);
    let entries = entries(docs, path, draft);
    for entry in &entries {
        draft.id(entry.run_id, path);
    }
    let chosen = choose(&entries, path, docs.evidence.given.run_id.as_deref(), draft);
    draft.rows = entries.iter().map(|entry| row(entry, chosen.map(|chosen| chosen.run_id), draft)).collect();
    ids(docs, base, &entries, draft);
    for entry in &entries {
        let other = chosen.is_none_or(|chosen| chosen.run_id != entry.run_id);
        if other && entry.text("status") == Some("running") {
            draft.find(
                &law::RUN_STALE,
                path,
                format!("run {} is recorded as running beside this one", entry.run_id),
            );
        }
    }
    let Some(entry) = chosen else { return };
    draft.run_id = Some(entry.run_id.to_owned());
    status(&entry, path, draft);
    job(docs, &entry, draft);
    settings(&entry, path, draft);
    progress(docs, base, &entries, &entry, path, draft);
    let manifest = join(base, "manifest.json");
    dangling(docs, base, &manifest, draft);
    if entry.is_multi() {
        merges::read(docs, base, &entry, path, draft);
        trainer::adapter(docs, draft);
    } else {
        shared(&entries, &entry, path, draft);
        configuration(docs, base, &entry, path, draft);
    }
}

/// The rows that are rows.
fn entries<'a>(docs: &'a Docs<'_>, path: &'a str, draft: &mut Draft) -> Vec<Entry<'a>> {
    let Some(rows) = docs.value(path).and_then(Value::as_array) else {
        draft.find(&law::RUN_HISTORY_UNREADABLE, path, "not an array of runs");
        return Vec::new();
    };
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let read = row.as_object().and_then(|object| {
            let run_id = object.get("run_id")?.as_str()?;
            Some(Entry { object, run_id })
        });
        match read {
            Some(entry) if entries.iter().any(|other| other.run_id == entry.run_id) => {
                draft.find(
                    &law::RUN_HISTORY_UNREADABLE,
                    path,
                    format!("entry {index} repeats the id {}", entry.run_id),
                );
            }
            Some(entry) => entries.push(entry),
            None => {
                draft.find(&law::RUN_HISTORY_UNREADABLE, path, format!("entry {index} is no run with an id"));
            }
        }
    }
    entries
}

/// The run that was asked for; else the last one that began.
fn choose<'a>(
    entries: &[Entry<'a>],
    path: &str,
    asked: Option<&str>,
    draft: &mut Draft,
) -> Option<Entry<'a>> {
    if let Some(asked) = asked {
        if let Some(exact) = entries.iter().find(|entry| entry.run_id == asked) {
            return Some(*exact);
        }
        let begun: Vec<_> = entries.iter().filter(|entry| entry.run_id.starts_with(asked)).collect();
        if let ([one], false) = (begun.as_slice(), asked.is_empty()) {
            return Some(**one);
        }
        draft.find(
            &law::RUN_ID_UNKNOWN,
            path,
            format!("{} runs have an id that is or begins with {asked}", begun.len()),
        );
        return None;
    }
    // Local times without a zone: their order is that of their letters. The later row stands for a tie.
    let last = entries.iter().max_by_key(|entry| entry.text("started_at").unwrap_or_default())?;
    if entries.len() > 1 {
        draft.find(
            &law::RUN_SEVERAL,
            path,
            format!("{} runs; this is {}, the last that began", entries.len(), last.run_id),
        );
    }
    Some(*last)
}

fn row(entry: &Entry<'_>, chosen: Option<&str>, draft: &Draft) -> Row {
    let text = |key: &str| entry.text(key).map(|text| mask::text(text, draft.names));
    Row {
        run_id: entry.run_id.to_owned(),
        chosen: chosen == Some(entry.run_id),
        recorded_status: text("status"),
        started_at: text("started_at"),
        ended_at: text("completed_at"),
    }
}

/// How the run ended, by its row.
fn status(entry: &Entry<'_>, path: &str, draft: &mut Draft) {
    let reason = entry.text("failure_reason");
    let ended = entry.text("completed_at");
    match entry.text("status") {
        Some("completed") => {
            draft.claim(State::Completed, format!("{path} records the run as completed."));
            if let Some(reason) = reason {
                draft.find(
                    &law::RUN_STATUS_CONTRADICTION,
                    path,
                    format!("completed, with a reason of failure: {reason}"),
                );
            }
            if ended.is_none() {
                draft.find(&law::RUN_STATUS_CONTRADICTION, path, "completed, with no time of completion");
            }
        }
        Some("failed") => {
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            draft.claim(State::Failed, format!("{path} records the run as failed{why}."));
        }
        Some("running") => {
            draft.claim(
                State::Stale,
                format!("{path} records the run as running; bytes cannot show that it is alive."),
            );
            if ended.is_some() {
                draft.find(&law::RUN_STATUS_CONTRADICTION, path, "running, with a time of completion");
            }
        }
        other => {
            let other = other.map_or("none".to_owned(), |other| format!("{other:?}"));
            draft.claim(
                State::Unknown,
                format!("{path} records a status that the trainer does not write: {other}."),
            );
            draft.find(&law::RUN_STATUS_UNKNOWN, path, format!("the status is {other}"));
        }
    }
    for (key, what) in [("final_loss", "the final loss"), ("duration_seconds", "the duration")] {
        if entry.object.get(key).and_then(number).is_some_and(|number| !number.is_finite()) {
            draft.find(&law::RUN_LOG_NOT_FINITE, path, format!("{what} is not finite"));
        }
    }
    if entry.object.get("eval").is_some_and(|eval| !eval.is_null()) {
        draft.find(
            &law::RUN_TOUCHED_LATER,
            path,
            "an evaluation stored its result in the row, and moved its completion time",
        );
    }
}

/// The job of the user interface that started the run, where there is one.
fn job(docs: &Docs<'_>, entry: &Entry<'_>, draft: &mut Draft) {
    for path in docs.named("job.json") {
        let Some(object) = docs.object(path) else { continue };
        let code = object.get("exit_code").and_then(Value::as_i64);
        if let Some(id) = object.get("run_id").and_then(Value::as_str) {
            draft.id(id, path);
        }
        if let (Some("completed"), Some(code)) = (entry.text("status"), code.filter(|code| *code != 0)) {
            let message = format!("the process ended with status {code}, and the row is completed");
            draft.find(&law::RUN_STATUS_CONTRADICTION, path, message);
        }
    }
}

fn settings(entry: &Entry<'_>, path: &str, draft: &mut Draft) {
    for key in ["model_name", "dataset_info", "dataset_hash", "session_kind"] {
        if let Some(value) = entry.object.get(key) {
            draft.set(key, value, path);
        }
    }
    for (name, value) in entry.object.get("hyperparameters").and_then(Value::as_object).into_iter().flatten()
    {
        draft.set(name, value, path);
    }
    let text = |key: &str| entry.text(key).map(str::to_owned);
    // Fewer digits than the trainer keeps, or none, would agree with too much.
    let is_prefix = |text: &String| {
        (16..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    draft.dataset = Some((text("dataset_info"), text("dataset_hash").filter(is_prefix)));
    for key in ["host", "pid", "heartbeat_at"] {
        let Some(value) = entry.object.get(key) else { continue };
        let personal = key == "host" && draft.names == crate::run::evidence::Names::Masked;
        draft.environment(key, if personal { &Value::Null } else { value }, path);
    }
}

/// Steps and losses, from the row and from the trainer's state where that is the state of this run.
fn progress(
    docs: &Docs<'_>,
    base: &str,
    entries: &[Entry<'_>],
    entry: &Entry<'_>,
    path: &str,
    draft: &mut Draft,
) {
    let taken = entry.count("steps");
    let planned = entry.hyper("max_steps").and_then(Value::as_u64).filter(|steps| *steps > 0);
    draft.steps = Steps { taken, planned, path: Some(path.to_owned()) };
    let losses = entry.losses();
    if losses.iter().any(|loss| !loss.is_finite()) {
        draft.find(&law::RUN_LOG_NOT_FINITE, path, "a loss of the history is not finite");
    }
    let states = trainer::states(docs, base);
    if entry.is_multi() {
        for state in &states {
            draft.series.extend(state.series());
        }
        whole_session(&states, taken, path, draft);
        return;
    }
    let Some(state) = own_state(&states, entries, entry) else {
        if !losses.is_empty() {
            let points =
                losses.iter().map(|loss| Point { step: None, value: loss.is_finite().then_some(*loss) });
            draft.series.push(Series {
                name: "loss".to_owned(),
                path: path.to_owned(),
                points: points.collect(),
            });
        }
        if !states.is_empty() && taken.is_some() {
            let steps: Vec<String> =
                states.iter().filter_map(TrainerState::step).map(|step| step.to_string()).collect();
            let message = format!(
                "Steps and losses against the trainer's state: none there is surely of this run (steps {}).",
                steps.join(", ")
            );
            draft.not_checked.push(message);
        }
        let beyond =
            states.iter().find(|state| entries.len() == 1 && taken.is_some() && state.step() > taken);
        if let (Some(state), Some(taken)) = (beyond, taken) {
            let message =
                format!("step {}, and {path} counts {taken} steps", state.step().unwrap_or_default());
            draft.find(&law::RUN_STEPS_CONTRADICTION, state.path, message);
        }
        return;
    };
    draft.series = state.series();
    if taken.is_none() {
        draft.steps = state.steps();
    }
    let logged = state.losses();
    if taken.is_some() && !same_losses(&losses, &logged) {
        let message =
            format!("{} losses, and {path} keeps {} that are not those", logged.len(), losses.len());
        draft.find(&law::RUN_LOSS_CONTRADICTION, state.path, message);
    }
}

/// The state that the row's run surely wrote: of its last step, or, for a run without an end, the last there is; and no
/// other run of the directory could have written it.
fn own_state<'a>(
    states: &[TrainerState<'a>],
    entries: &[Entry<'_>],
    entry: &Entry<'_>,
) -> Option<TrainerState<'a>> {
    let planned = entry.hyper("max_steps").and_then(Value::as_u64).filter(|steps| *steps > 0);
    let fits = |state: &&TrainerState<'a>| planned.is_none() || state.planned() == planned;
    let Some(taken) = entry.count("steps") else {
        return states
            .iter()
            .filter(fits)
            .max_by_key(|state| state.step())
            .copied()
            .filter(|_| entries.len() == 1);
    };
    let began = entry.text("started_at");
    let later = |other: &&Entry<'_>| other.run_id != entry.run_id && other.text("started_at") >= began;
    let rewritten =
        entries.iter().filter(later).any(|other| other.count("steps").is_none_or(|steps| steps >= taken));
    let own = states.iter().filter(fits).rfind(|state| state.step() == Some(taken));
    own.copied().filter(|_| !rewritten)
}

/// Whether the row keeps the logged losses: all of them, or a sample when there are too many.
fn same_losses(kept: &[f64], logged: &[f64]) -> bool {
    let bits = |losses: &[f64]| losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    let (kept, logged) = (bits(kept), bits(logged));
    if logged.len() <= KEPT_LOSSES {
        return kept == logged;
    }
    let mut rest = logged.iter();
    kept.len() <= KEPT_LOSSES && !kept.is_empty() && kept.iter().all(|loss| rest.any(|other| other == loss))
}

/// The steps of a session are those of its runs together; after a resume the row counts the second process alone.
fn whole_session(states: &[TrainerState<'_>], taken: Option<u64>, path: &str, draft: &mut Draft) {
    let mut runs: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for state in states {
        let run = folder(folder(state.path));
        let most = runs.entry(run).or_default();
        *most = (*most).max(state.step().unwrap_or(0));
    }
    let sum: u64 = runs.values().sum();
    match taken {
        Some(taken) if sum < taken => {
            draft
                .not_checked
                .push(format!("{path} counts {taken} steps; the checkpoints that are left show {sum}."));
        }
        Some(taken) if sum > taken => {
            draft.not_checked.push(format!(
                "{path} counts {taken} steps, the checkpoints {sum}: a resumed session counts its last process alone."
            ));
        }
        Some(_) => {}
        None => draft.steps.taken = (!runs.is_empty()).then_some(sum),
    }
}

/// Ids that do not belong together.
fn ids(docs: &Docs<'_>, base: &str, entries: &[Entry<'_>], draft: &mut Draft) {
    let mut seen: Vec<(String, String)> = Vec::new();
    for path in docs.named("run_id") {
        if let Some(id) = docs.text(path) {
            seen.push((id.trim().to_owned(), path.to_owned()));
        }
    }
    for path in docs.named("merge_history.json") {
        let id = docs.object(path).and_then(|object| object.get("run_id")?.as_str());
        seen.extend(id.map(|id| (id.to_owned(), path.to_owned())));
    }
    let manifest = join(base, "manifest.json");
    for checkpoint in manifest_rows(docs, &manifest) {
        let Some(id) = checkpoint.get("run_id").and_then(Value::as_str) else { continue };
        seen.push((id.to_owned(), manifest.clone()));
        let Some(place) =
            checkpoint.get("path").and_then(Value::as_str).and_then(|path| resolve(docs, base, path))
        else {
            continue;
        };
        let file = join(&place, "run_id");
        if let Some(own) = docs.text(&file).map(str::trim).filter(|own| *own != id) {
            draft.find(
                &law::RUN_ID_CONTRADICTION,
                &file,
                format!("{own}, and {manifest} says {id} of this folder"),
            );
        }
    }
    // The merges of a run lie beside its adapter.
    for path in docs.named("run_id") {
        let run = folder(folder(path));
        let history = join(run, "slao/merge_history.json");
        let other = docs.object(&history).and_then(|object| object.get("run_id")?.as_str());
        if let (Some(own), Some(other)) = (docs.text(path).map(str::trim), other)
            && own != other
        {
            draft.find(&law::RUN_ID_CONTRADICTION, path, format!("{own}, and {history} says {other}"));
        }
    }
    for (id, path) in seen {
        if !entries.iter().any(|entry| entry.run_id == id) {
            draft.find(&law::RUN_ID_CONTRADICTION, &path, format!("{id} is no run of the history"));
        }
        draft.id(&id, &path);
    }
}

fn manifest_rows<'a>(docs: &'a Docs<'_>, manifest: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    let rows = docs.object(manifest).and_then(|object| object.get("checkpoints")?.as_array());
    rows.into_iter().flatten().filter_map(Value::as_object)
}

/// Where a path that a trainer wrote lies now. It was relative to the working directory of that day, so its tail is looked
/// for: from the folder of a run of several, else its last component.
fn resolve(docs: &Docs<'_>, base: &str, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !["", "."].contains(part)).collect();
    let is_run = |part: &&&str| part.strip_prefix("run_").is_some_and(|rest| rest.parse::<u32>().is_ok());
    let from = parts.iter().position(|part| is_run(&part)).unwrap_or(parts.len().saturating_sub(1));
    let place = join(base, &parts.get(from..)?.join("/"));
    docs.exists(&place).then_some(place)
}

/// Folders that the manifest names and that are gone.
fn dangling(docs: &Docs<'_>, base: &str, manifest: &str, draft: &mut Draft) {
    for checkpoint in manifest_rows(docs, manifest) {
        let path = checkpoint.get("path").and_then(Value::as_str);
        // Row 0 is the directory itself, under whatever name it had.
        let inner = checkpoint.get("run_index").and_then(Value::as_u64).is_some_and(|index| index > 0);
        if let Some(path) = path.filter(|path| inner && resolve(docs, base, path).is_none()) {
            draft.find(&law::RUN_PATH_DANGLING, manifest, format!("{path} is not there"));
        }
    }
}

/// Other runs that wrote to the same place.
fn shared(entries: &[Entry<'_>], entry: &Entry<'_>, path: &str, draft: &mut Draft) {
    let place = entry.text("checkpoint_path");
    let others =
        entries.iter().filter(|other| other.run_id != entry.run_id && other.text("checkpoint_path") == place);
    let count = others.count();
    if place.is_some() && count > 0 {
        draft.find(
            &law::RUN_SHARED_DIRECTORY,
            path,
            format!("runs that wrote to the same directory beside this one: {count}"),
        );
    }
}

/// The adapter against the row: the artifact decides what was trained.
fn configuration(docs: &Docs<'_>, base: &str, entry: &Entry<'_>, path: &str, draft: &mut Draft) {
    let place = entry.text("checkpoint_path").and_then(|path| resolve(docs, base, path));
    let places = [place.unwrap_or_default(), base.to_owned(), join(base, "lora")];
    let configs = places.iter().map(|place| join(place, "adapter_config.json"));
    let Some(config) = configs.into_iter().find(|config| docs.object(config).is_some()) else {
        let full =
            docs.evidence.artifacts.iter().any(|artifact| file_name(&artifact.path) == "model.safetensors");
        if full && entry.hyper("lora_r").is_some() && entry.hyper("mode").is_none() {
            draft.find(
                &law::RUN_MODE_NOT_RECORDED,
                path,
                "lora_r is recorded, and the weights are a full model",
            );
        }
        return;
    };
    let object = docs.object(&config).cloned().unwrap_or_default();
    for (ours, theirs) in [("lora_r", "r"), ("lora_alpha", "lora_alpha"), ("lora_dropout", "lora_dropout")] {
        let (row, file) = (entry.hyper(ours).and_then(number), object.get(theirs).and_then(number));
        if let (Some(row), Some(file)) = (row, file)
            && row.to_bits() != file.to_bits()
        {
            draft.find(
                &law::RUN_CONFIG_CONTRADICTION,
                &config,
                format!("{theirs} is {file}, and {path} says {row}"),
            );
        }
    }
    trainer::adapter(docs, draft);
}
