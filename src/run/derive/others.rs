//! Lightning, Keras, `MLflow` and W&B: their logs are read, and none but `MLflow` says how a run ended.

use serde_json::Value;

use crate::run::derive::Draft;
use crate::run::docs::{Docs, extension, file_name, flat_yaml, folder, join, number, scalar};
use crate::run::law;
use crate::run::record::{Point, Row, Series, State, Steps};

/// The version that the record is about: the highest, or the one asked for.
pub(super) fn lightning(docs: &Docs<'_>, draft: &mut Draft) {
    let mut versions: Vec<&str> = Vec::new();
    for path in docs.evidence.paths() {
        let place = match file_name(path) {
            "hparams.yaml" | "metrics.csv" => folder(path),
            name if extension(name) == "ckpt" && file_name(folder(path)) == "checkpoints" => {
                folder(folder(path))
            }
            _ => continue,
        };
        if !versions.contains(&place) {
            versions.push(place);
        }
    }
    let number =
        |place: &str| file_name(place).strip_prefix("version_").and_then(|rest| rest.parse::<u64>().ok());
    versions.sort_by_key(|place| (number(place), *place));
    let names: Vec<String> = versions.iter().map(|place| file_name(place).to_owned()).collect();
    let Some(at) = choose(&names, draft, docs) else { return };
    let place = versions[at];
    if !names[at].is_empty() {
        draft.run_id = Some(names[at].clone());
        draft.id(&names[at], place);
    }
    let path = join(place, "hparams.yaml");
    for (name, value) in flat_yaml(docs.text(&path).unwrap_or_default()) {
        draft.set(&name, &value, &path);
    }
    table(docs, &join(place, "metrics.csv"), draft);
    draft.reasons.push("Lightning records no status.".to_owned());
}

pub(super) fn keras(docs: &Docs<'_>, draft: &mut Draft) {
    let tables: Vec<&str> = docs
        .evidence
        .texts
        .iter()
        .map(|text| text.path.as_str())
        .filter(|path| extension(path) == "csv")
        .collect();
    for path in tables {
        table(docs, path, draft);
    }
    for path in docs.named("history.json") {
        for (name, values) in docs.object(path).cloned().unwrap_or_default() {
            let points = values.as_array().into_iter().flatten().filter_map(number);
            series(name, path, points.map(|value| (None, value)).collect(), draft);
        }
    }
    draft.reasons.push("Keras records no status.".to_owned());
}

/// The index of the run that was asked for, else of the last.
fn choose(ids: &[String], draft: &mut Draft, docs: &Docs<'_>) -> Option<usize> {
    if let Some(asked) = docs.evidence.given.run_id.as_deref() {
        if let Some(exact) = ids.iter().position(|id| id == asked) {
            return Some(exact);
        }
        let begun: Vec<usize> = (0..ids.len()).filter(|at| ids[*at].starts_with(asked)).collect();
        if let ([one], false) = (begun.as_slice(), asked.is_empty()) {
            return Some(*one);
        }
        draft.find(
            &law::RUN_ID_UNKNOWN,
            ".",
            format!("{} runs have an id that is or begins with {asked}", begun.len()),
        );
        return None;
    }
    let last = ids.len().checked_sub(1)?;
    if last > 0 {
        draft.find(&law::RUN_SEVERAL, ".", format!("{} runs; this is {}, the last", ids.len(), ids[last]));
    }
    Some(last)
}

/// A table of numbers over training, as a CSV logger writes it: every column that is not a step becomes a series.
fn table(docs: &Docs<'_>, path: &str, draft: &mut Draft) {
    let Some(bytes) = docs.evidence.text(path) else { return };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let Ok(columns) = reader.headers().cloned() else { return };
    let column = |name: &str| columns.iter().position(|column| column.trim() == name);
    let step = column("step");
    let mut points: Vec<Vec<(Option<u64>, f64)>> = vec![Vec::new(); columns.len()];
    let mut most = None;
    for row in reader.records() {
        let Ok(row) = row else { continue };
        let at = step.and_then(|step| row.get(step)?.trim().parse::<u64>().ok());
        most = most.max(at);
        for (index, cell) in row.iter().enumerate().take(columns.len()) {
            if let Ok(value) = cell.trim().parse::<f64>() {
                points[index].push((at, value));
            }
        }
    }
    if let Some(most) = most {
        // Steps are counted from 0 here, and the last row may lie before the last step.
        draft.steps = Steps { taken: None, planned: None, path: Some(path.to_owned()) };
        draft
            .not_checked
            .push(format!("How many steps were taken: the last one logged in {path} is {most}."));
    }
    for (name, points) in columns.iter().zip(points) {
        if !["step", "epoch"].contains(&name.trim()) {
            series(name.trim().to_owned(), path, points, draft);
        }
    }
}

fn series(name: String, path: &str, points: Vec<(Option<u64>, f64)>, draft: &mut Draft) {
    if points.is_empty() {
        return;
    }
    let broken = points.iter().filter(|(_, value)| !value.is_finite()).count();
    if broken > 0 {
        draft.find(&law::RUN_LOG_NOT_FINITE, path, format!("{broken} values of {name} are not finite"));
    }
    let points =
        points.into_iter().map(|(step, value)| Point { step, value: value.is_finite().then_some(value) });
    draft.series.push(Series { name, path: path.to_owned(), points: points.collect() });
}

/// A run of `MLflow`'s file store.
struct Store<'a> {
    path: &'a str,
    fields: Vec<(String, Value)>,
}

impl Store<'_> {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)?;
        value.as_str().map(str::to_owned).or_else(|| (!value.is_null()).then(|| value.to_string()))
    }

    fn start(&self) -> Option<i64> {
        self.text("start_time")?.parse().ok()
    }
}

pub(super) fn mlflow(docs: &Docs<'_>, draft: &mut Draft) {
    let stores = docs
        .named("meta.yaml")
        .into_iter()
        .map(|path| Store { path, fields: flat_yaml(docs.text(path).unwrap_or_default()) });
    // An experiment has a meta.yaml too, without a run id.
    let mut stores: Vec<Store<'_>> = stores.filter(|store| store.text("run_id").is_some()).collect();
    stores.sort_by_key(|store| (store.start(), store.path));
    let ids: Vec<String> = stores.iter().filter_map(|store| store.text("run_id")).collect();
    for (id, store) in ids.iter().zip(&stores) {
        draft.id(id, store.path);
    }
    let chosen = choose(&ids, draft, docs);
    draft.rows = stores
        .iter()
        .enumerate()
        .map(|(at, store)| Row {
            run_id: ids[at].clone(),
            chosen: chosen == Some(at),
            recorded_status: store.text("status"),
            started_at: store.text("start_time"),
            ended_at: store.text("end_time"),
        })
        .collect();
    let Some(store) = chosen.map(|at| &stores[at]) else { return };
    draft.run_id = store.text("run_id");
    let path = store.path;
    match store.text("status").as_deref() {
        Some("3" | "FINISHED") => {
            draft.claim(State::Completed, format!("{path} records the run as finished."));
        }
        Some("4" | "FAILED") => draft.claim(State::Failed, format!("{path} records the run as failed.")),
        Some("5" | "KILLED") => draft.claim(State::Failed, format!("{path} records the run as killed.")),
        Some("1" | "RUNNING") => {
            draft.claim(
                State::Stale,
                format!("{path} records the run as running; bytes cannot show that it is alive."),
            );
        }
        Some("2" | "SCHEDULED") => {
            draft.claim(State::Unknown, format!("{path} records the run as scheduled."));
        }
        other => {
            let other = other.unwrap_or("none");
            draft.claim(
                State::Unknown,
                format!("{path} records a status that MLflow does not write: {other}."),
            );
            draft.find(&law::RUN_STATUS_UNKNOWN, path, format!("the status is {other}"));
        }
    }
    let place = folder(path);
    for text in &docs.evidence.texts {
        let Some(inside) = text.path.strip_prefix(&join(place, "")) else { continue };
        let Some(content) = docs.text(&text.path) else { continue };
        match inside.split_once('/') {
            Some(("params", name)) => draft.set(name, &scalar(content.trim()), &text.path),
            Some(("metrics", name)) => {
                let point = |line: &str| {
                    let mut words = line.split_whitespace().skip(1);
                    let value = words.next()?.parse::<f64>().ok()?;
                    Some((words.next().and_then(|step| step.parse().ok()), value))
                };
                series(name.to_owned(), &text.path, content.lines().filter_map(point).collect(), draft);
            }
            Some((
                "tags",
                name @ ("mlflow.source.git.commit" | "mlflow.source.type" | "mlflow.source.name"),
            )) => {
                draft.environment(name, &Value::from(content.trim()), &text.path);
            }
            _ => {}
        }
    }
}

/// The record log of W&B is binary and not read: its id and what lies beside it are.
pub(super) fn wandb(docs: &Docs<'_>, draft: &mut Draft) {
    let log = |path: &&str| file_name(path).starts_with("run-") && extension(path) == "wandb";
    // The folder's name begins with the date and time, so the last in order is the last that began.
    let logs: Vec<&str> = docs.evidence.paths().filter(log).collect();
    let id = |path: &&str| file_name(path).trim_start_matches("run-").trim_end_matches(".wandb").to_owned();
    let ids: Vec<String> = logs.iter().map(id).collect();
    for (id, path) in ids.iter().zip(&logs) {
        draft.id(id, path);
    }
    let Some(at) = choose(&ids, draft, docs) else { return };
    draft.run_id = Some(ids[at].clone());
    let place = folder(logs[at]);
    let summary = join(place, "files/wandb-summary.json");
    for (name, value) in docs.object(&summary).cloned().unwrap_or_default() {
        if let Some(value) = number(&value).filter(|value| !value.is_finite()) {
            draft.find(&law::RUN_LOG_NOT_FINITE, &summary, format!("{name} is {value}"));
        }
        draft.set(&name, &value, &summary);
    }
    let config = join(place, "files/config.yaml");
    for (name, value) in flat_yaml(docs.text(&config).unwrap_or_default()) {
        draft.set(&name, &value, &config);
    }
    draft.not_checked.push(format!("{}: the record log of W&B is binary and is not read.", logs[at]));
    draft.reasons.push("W&B keeps the status in a log that is not read here.".to_owned());
}
