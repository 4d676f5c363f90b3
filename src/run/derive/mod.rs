//! Evidence -> record, pure: whoever holds the evidence derives the same record.
//!
//! Each trainer's reader adds claims to a `Draft`; what is the same for all (weights, checkpoints, data sets, cards,
//! what was left out) is added here, and the outcome is what the claims come to.

mod backpropagate;
mod common;
mod detect;
mod merges;
mod others;
mod trainer;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::run::docs::Docs;
use crate::run::evidence::{Evidence, Names};
use crate::run::law::{self, Effect, Law};
use crate::run::mask;
use crate::run::record::{
    Basis, FORMAT, Finding, Kind, Merge, Row, RunRecord, SeenId, Series, Setting, Settings, State, Status,
    Steps,
};

/// What a run was, as far as its evidence shows.
#[must_use]
pub fn derive(evidence: &Evidence) -> RunRecord {
    let docs = Docs::of(evidence);
    let seen = detect::kinds(&docs);
    let detected = seen.first().copied().unwrap_or(Kind::Plain);
    let kind = evidence.given.kind.unwrap_or(detected);
    let mut draft = Draft { names: evidence.given.names, ..Draft::default() };
    match kind {
        Kind::Backpropagate => backpropagate::read(&docs, &mut draft),
        Kind::Trl | Kind::HfTrainer => trainer::read(&docs, &mut draft),
        Kind::Lightning => others::lightning(&docs, &mut draft),
        Kind::Keras => others::keras(&docs, &mut draft),
        Kind::Mlflow => others::mlflow(&docs, &mut draft),
        Kind::WandbOffline => others::wandb(&docs, &mut draft),
        Kind::Plain => {}
    }
    common::documents(&docs, &mut draft);
    common::left_out(evidence, &mut draft);
    common::cards(&docs, &mut draft);
    common::environment(&docs, &mut draft);
    let weights = common::weights(evidence, &mut draft);
    let checkpoints = common::checkpoints(&docs, &mut draft);
    let datasets = common::datasets(evidence, &mut draft);
    let needs_weights =
        matches!(kind, Kind::Backpropagate | Kind::Trl | Kind::HfTrainer | Kind::Keras | Kind::Lightning);
    let state = draft.state(evidence);
    if needs_weights && state == State::Completed && weights.is_empty() {
        draft.find(&law::RUN_WEIGHTS_MISSING, ".", "completed, and there is no file of weights");
    }
    let missing = draft.not_recorded();
    draft.close(&docs);
    draft.findings.sort_by(|a, b| {
        (a.law.effect, &a.path, a.law.code, &a.message).cmp(&(b.law.effect, &b.path, b.law.code, &b.message))
    });
    draft.findings.dedup();
    draft.ids.sort();
    draft.ids.dedup();
    RunRecord {
        format: FORMAT,
        kind,
        kind_basis: if evidence.given.kind.is_some() { Basis::Given } else { Basis::Derived },
        other_kinds: seen.into_iter().filter(|other| *other != kind).collect(),
        status: Status {
            state,
            flagged: draft.findings.iter().any(|finding| finding.law.effect == Effect::Flag),
            reasons: draft.reasons,
        },
        run_id: draft.run_id,
        ids: draft.ids,
        rows: draft.rows,
        settings: Settings { recorded: draft.settings, not_recorded: missing },
        steps: draft.steps,
        series: draft.series,
        merges: draft.merges,
        checkpoints,
        weights,
        datasets,
        environment: draft.environment,
        findings: draft.findings,
        not_checked: draft.not_checked,
    }
}

/// What the readers gather.
#[derive(Debug, Default)]
struct Draft {
    names: Names,
    /// What a file says of the end, and in which words.
    claimed: Option<State>,
    reasons: Vec<String>,
    run_id: Option<String>,
    ids: Vec<SeenId>,
    rows: Vec<Row>,
    settings: Vec<Setting>,
    /// Names of settings, each with the file that it stands in: the first value counts.
    set: BTreeSet<(String, String)>,
    steps: Steps,
    series: Vec<Series>,
    merges: Vec<Merge>,
    environment: Vec<Setting>,
    /// The data set as the trainer names it, and the first digits of its digest.
    dataset: Option<(Option<String>, Option<String>)>,
    findings: Vec<Finding>,
    not_checked: Vec<String>,
}

/// Characters of an id that a record quotes.
const MAX_ID: usize = 128;

/// What matters for a fine-tune, and the names under which trainers write it.
const MATTERS: &[(&str, &[&str])] = &[
    ("base model", &["model_name", "base_model_name_or_path", "base_model", "_name_or_path", "model"]),
    ("base model revision", &["revision", "base_model_revision", "model_revision"]),
    ("data set", &["dataset_info", "dataset", "dataset_name", "data", "train_file"]),
    ("data set digest", &["dataset_hash", "dataset_sha256"]),
    ("learning rate", &["learning_rate", "lr", "initial_lr"]),
    ("learning rate scheduler", &["lr_scheduler_type", "lr_scheduler", "scheduler", "lr_decay"]),
    (
        "warm-up",
        &[
            "warmup_steps",
            "warmup_ratio",
            "lr_scheduler_warmup_steps",
            "warmup_steps_per_run",
            "num_warmup_steps",
        ],
    ),
    ("optimizer", &["optimizer", "optim"]),
    ("weight decay", &["weight_decay"]),
    ("batch size", &["batch_size", "per_device_train_batch_size", "train_batch_size"]),
    (
        "gradient accumulation",
        &["gradient_accumulation", "gradient_accumulation_steps", "accumulate_grad_batches"],
    ),
    ("gradient clipping", &["max_grad_norm", "gradient_clip_val", "clipnorm"]),
    (
        "steps or epochs",
        &["max_steps", "steps_per_run", "num_train_epochs", "num_epochs", "epochs", "max_epochs"],
    ),
    ("sequence length", &["max_seq_length", "max_length", "max_seq_len"]),
    ("precision of training", &["bf16", "fp16", "precision", "mixed_precision", "mixed_precision_training"]),
    ("quantization", &["load_in_4bit", "load_in_8bit", "quantization_config", "quantization"]),
    ("seed", &["seed", "random_seed", "random_state"]),
];

impl Draft {
    fn find(&mut self, law: &'static Law, path: &str, message: impl AsRef<str>) {
        let message = mask::text(message.as_ref(), self.names);
        self.findings.push(Finding { law, path: path.to_owned(), message });
    }

    fn claim(&mut self, state: State, reason: impl AsRef<str>) {
        self.claimed = Some(state);
        self.reasons.push(mask::text(reason.as_ref(), self.names));
    }

    fn set(&mut self, name: &str, value: &Value, path: &str) {
        let value = mask::value(value, self.names);
        if !value.is_null() && self.set.insert((name.to_owned(), path.to_owned())) {
            self.settings.push(Setting { name: name.to_owned(), value, path: path.to_owned() });
        }
    }

    fn environment(&mut self, name: &str, value: &Value, path: &str) {
        let value = mask::value(value, self.names);
        if !value.is_null() {
            self.environment.push(Setting { name: name.to_owned(), value, path: path.to_owned() });
        }
    }

    fn id(&mut self, id: &str, path: &str) {
        // An id is short; a file that is named as one may hold anything.
        let id: String = mask::text(id, self.names).chars().take(MAX_ID).collect();
        self.ids.push(SeenId { id, path: path.to_owned() });
    }

    /// The settings that matter and that nothing records.
    fn not_recorded(&self) -> Vec<&'static str> {
        let recorded: BTreeSet<&str> = self.settings.iter().map(|setting| setting.name.as_str()).collect();
        let missing = MATTERS.iter().filter(|(_, names)| !names.iter().any(|name| recorded.contains(name)));
        missing.map(|(name, _)| *name).collect()
    }

    /// The worst of what the files and the exit status say.
    fn state(&mut self, evidence: &Evidence) -> State {
        let given = &evidence.given;
        if let (Some(code), Some(State::Completed)) =
            (given.exit_code.filter(|code| *code != 0), self.claimed)
        {
            let message = format!("recorded as completed, and the process ended with status {code}");
            self.find(&law::RUN_STATUS_CONTRADICTION, ".", message);
        }
        if let (Some(0), Some(State::Failed)) = (given.exit_code, self.claimed) {
            let message = "recorded as failed, and the process ended with status 0".to_owned();
            self.find(&law::RUN_STATUS_CONTRADICTION, ".", message);
        }
        let state = match (self.claimed, given.exit_code) {
            (_, Some(code)) if code != 0 => {
                self.reasons.push(format!("The process ended with status {code} (given)."));
                State::Failed
            }
            (None, Some(_)) => {
                self.reasons.push("The process ended with status 0 (given).".to_owned());
                State::Completed
            }
            (Some(State::Stale), _) if given.alive => {
                self.reasons.push("The process is alive (given).".to_owned());
                State::Running
            }
            (Some(state), _) => state,
            (None, None) => {
                self.reasons.push("No file tells how the run ended.".to_owned());
                State::Unknown
            }
        };
        if state == State::Stale {
            let message = "the run began, and no file shows an end";
            self.find(&law::RUN_STALE, ".", message);
        }
        state
    }

    /// What nothing here shows.
    fn close(&mut self, docs: &Docs<'_>) {
        let artifacts = &docs.evidence.artifacts;
        let opaque = artifacts.iter().filter(|artifact| artifact.safetensors.is_none()).count();
        if opaque > 0 {
            let message =
                format!("What {opaque} files known by their digest alone hold (pickles and others).");
            self.not_checked.push(message);
        }
        if self.run_id.is_none() {
            self.not_checked.push("No run id ties these files to each other.".to_owned());
        }
        self.not_checked.push(
            "That the files were written by the run they tell of is the word of who collected them."
                .to_owned(),
        );
        self.not_checked.push("Times are as written by the trainer's machine.".to_owned());
    }
}
