//! What the Trainer of transformers writes, and TRL's trainers with it: `trainer_state.json`, configurations, results.

use serde_json::{Map, Value};

use crate::run::derive::Draft;
use crate::run::derive::common::checkpoint_step;
use crate::run::docs::{Docs, depth, file_name, folder, number, scalar};
use crate::run::record::{Point, Series, State, Steps};

/// A `trainer_state.json` that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrainerState<'a> {
    pub(super) path: &'a str,
    pub(super) object: &'a Map<String, Value>,
}

impl TrainerState<'_> {
    fn count(&self, key: &str) -> Option<u64> {
        self.object.get(key)?.as_u64()
    }

    pub(super) fn step(&self) -> Option<u64> {
        self.count("global_step")
    }

    pub(super) fn planned(&self) -> Option<u64> {
        self.count("max_steps")
    }

    fn log(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.object
            .get("log_history")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    }

    /// The logged losses.
    pub(super) fn losses(&self) -> Vec<f64> {
        self.log().filter_map(|entry| number(entry.get("loss")?)).collect()
    }

    /// Whether the summary that ends training was logged.
    fn has_summary(&self) -> bool {
        self.log().any(|entry| entry.contains_key("train_runtime"))
    }

    /// Whether the trainer had decided to stop when this was written.
    fn was_stopping(&self) -> bool {
        let control =
            self.object.get("stateful_callbacks").and_then(|callbacks| callbacks.get("TrainerControl"));
        control.and_then(|control| control.get("args")?.get("should_training_stop")?.as_bool()) == Some(true)
    }

    /// The numbers that were logged at steps, by name.
    pub(super) fn series(&self) -> Vec<Series> {
        let mut series: Vec<Series> = Vec::new();
        for entry in self.log() {
            let step = entry.get("step").and_then(Value::as_u64);
            for (name, value) in entry.iter().filter(|(name, _)| is_series(name)) {
                let Some(value) = number(value) else { continue };
                let point = Point { step, value: value.is_finite().then_some(value) };
                match series.iter_mut().find(|series| series.name == *name) {
                    Some(series) => series.points.push(point),
                    None => {
                        series.push(Series {
                            name: name.clone(),
                            path: self.path.to_owned(),
                            points: vec![point],
                        });
                    }
                }
            }
        }
        series.sort_by(|a, b| a.name.cmp(&b.name));
        series
    }

    pub(super) fn steps(&self) -> Steps {
        Steps {
            taken: self.step(),
            planned: self.planned().filter(|steps| *steps > 0),
            path: Some(self.path.to_owned()),
        }
    }
}

fn is_series(name: &str) -> bool {
    name != "step" && name != "epoch" && name != "total_flos" && !name.starts_with("train_")
}

/// Every state below a folder, the top of the folder first, then by step.
pub(super) fn states<'a>(docs: &'a Docs<'_>, below: &str) -> Vec<TrainerState<'a>> {
    let within = |path: &&str| below.is_empty() || path.starts_with(&format!("{below}/"));
    let paths = docs.named("trainer_state.json").into_iter().filter(within);
    let mut states: Vec<TrainerState<'a>> =
        paths.filter_map(|path| Some(TrainerState { path, object: docs.object(path)? })).collect();
    states.sort_by_key(|state| (depth(state.path), state.step()));
    states
}

/// The state that tells most of the run: the one beside the final weights, else that of the last checkpoint.
fn last<'a>(states: &[TrainerState<'a>]) -> Option<TrainerState<'a>> {
    let outside = states.iter().find(|state| checkpoint_step(file_name(folder(state.path))).is_none());
    outside.or_else(|| states.iter().max_by_key(|state| state.step())).copied()
}

/// Whether one of TRL's trainers was at work: it tags its card, and logs what the plain Trainer does not.
pub(super) fn is_trl(docs: &Docs<'_>) -> bool {
    let tagged = |path: &&str| {
        let text = docs.text(path).unwrap_or_default();
        let front =
            text.strip_prefix("---").and_then(|rest| rest.split_once("\n---")).map_or("", |(front, _)| front);
        front.lines().any(|line| line.trim() == "- trl")
    };
    let logged = |state: &TrainerState<'_>| {
        state.log().any(|entry| {
            entry.keys().any(|name| {
                name == "mean_token_accuracy" || name == "num_tokens" || name.starts_with("rewards/")
            })
        })
    };
    docs.named("README.md").iter().any(tagged) || states(docs, "").iter().any(logged)
}

pub(super) fn read(docs: &Docs<'_>, draft: &mut Draft) {
    let states = states(docs, "");
    let result = ["train_results.json", "all_results.json"]
        .into_iter()
        .find_map(|name| docs.named(name).first().copied());
    if let Some(state) = last(&states) {
        draft.steps = state.steps();
        draft.series = state.series();
        let (taken, planned) = (state.step(), state.planned());
        let whole = taken.is_some() && planned.is_some_and(|planned| planned > 0) && taken >= planned;
        let path = state.path;
        let of = || match (taken, planned) {
            (Some(taken), Some(planned)) => format!("{taken} of {planned} steps"),
            (Some(taken), None) => format!("{taken} steps"),
            _ => "no number of steps".to_owned(),
        };
        if state.has_summary() {
            draft.claim(
                State::Completed,
                format!("{path} holds the summary that is logged when training ends, after {}.", of()),
            );
        } else if whole {
            draft.claim(State::Completed, format!("{path} records {}.", of()));
        } else if state.was_stopping() {
            draft.claim(
                State::Completed,
                format!("{path} records that the trainer decided to stop, after {}.", of()),
            );
        } else if let Some(result) = result {
            draft.claim(State::Completed, format!("{result} is written when training ends."));
        } else {
            draft.claim(State::Stale, format!("{path} records {}, and nothing an end.", of()));
        }
        for key in
            ["train_batch_size", "max_steps", "num_train_epochs", "logging_steps", "save_steps", "eval_steps"]
        {
            if let Some(value) = state.object.get(key) {
                draft.set(key, value, path);
            }
        }
    } else if let Some(result) = result {
        draft.claim(State::Completed, format!("{result} is written when training ends."));
    }
    for name in ["all_results.json", "train_results.json", "eval_results.json"] {
        for path in docs.named(name).into_iter().take(1) {
            for (key, value) in docs.object(path).cloned().unwrap_or_default() {
                draft.set(&key, &value, path);
            }
        }
    }
    adapter(docs, draft);
    card(docs, draft);
}

/// What the adapter's own configuration records.
pub(super) fn adapter(docs: &Docs<'_>, draft: &mut Draft) {
    for path in docs.named("adapter_config.json").into_iter().take(1) {
        let Some(object) = docs.object(path) else { continue };
        for key in [
            "peft_type",
            "r",
            "lora_alpha",
            "lora_dropout",
            "target_modules",
            "base_model_name_or_path",
            "revision",
            "use_rslora",
            "use_dora",
        ] {
            if let Some(value) = object.get(key) {
                draft.set(key, value, path);
            }
        }
    }
    for path in docs.named("config.json").into_iter().take(1) {
        if let Some(value) = docs.object(path).and_then(|object| object.get("_name_or_path")) {
            draft.set("_name_or_path", value, path);
        }
    }
}

/// The list of hyper-parameters that the Trainer writes into a card.
fn card(docs: &Docs<'_>, draft: &mut Draft) {
    for path in docs.named("README.md").into_iter().take(1) {
        let text = docs.text(path).unwrap_or_default();
        let Some((_, list)) = text.split_once("hyperparameters were used during training:") else { continue };
        for line in list.lines().skip(1).take_while(|line| line.starts_with('-') || line.trim().is_empty()) {
            if let Some((name, value)) = line.trim_start_matches(['-', ' ']).split_once(':') {
                draft.set(name.trim(), &scalar(value.trim()), path);
            }
        }
    }
}
