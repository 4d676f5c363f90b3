//! What is the same for every trainer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::digest::Digest;
use crate::run::derive::Draft;
use crate::run::docs::{Doc, Docs, extension, file_name, folder, join};
use crate::run::evidence::{Artifact, Contents, Evidence, Zip};
use crate::run::law;
use crate::run::record::{Agreement, Checkpoint, DatasetClaim, Weights};
use crate::run::take::{Reason, Role};

/// Documents in which a number that is not finite was logged by training; elsewhere it may be a setting.
const LOGS: &[&str] = &[
    "trainer_state.json",
    "run_history.json",
    "merge_history.json",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
    "history.json",
    "wandb-summary.json",
];

/// Texts that are not what their names say.
pub(super) fn documents(docs: &Docs<'_>, draft: &mut Draft) {
    for (path, doc) in docs.json() {
        match doc {
            Doc::Json(_) => {}
            Doc::Bare(_, tokens) => {
                let first = tokens.first().map_or(0, |token| token.line);
                let token = tokens.first().map_or("", |token| token.token);
                let count = tokens.len();
                let message = format!(
                    "{count} bare {token} or the like, the first in line {first}: not JSON (RFC 8259)"
                );
                draft.find(&law::RUN_NOT_JSON, path, message);
                if LOGS.contains(&file_name(path)) {
                    let message = format!("{count} numbers are not finite, the first in line {first}");
                    draft.find(&law::RUN_LOG_NOT_FINITE, path, message);
                }
            }
            Doc::Broken(error) => draft.find(&law::RUN_NOT_JSON, path, error.to_string()),
        }
    }
}

/// What was not taken.
pub(super) fn left_out(evidence: &Evidence, draft: &mut Draft) {
    for left in &evidence.left_out {
        let law = match left.reason {
            Reason::PartialSave => &law::RUN_SAVE_UNFINISHED,
            Reason::BackupOnly => &law::RUN_BACKUP_ONLY,
            Reason::Link => &law::RUN_LINK_NOT_FOLLOWED,
            Reason::Special | Reason::Name => &law::RUN_NAME_NOT_HELD,
            Reason::Unreadable | Reason::Changed | Reason::Limit => &law::RUN_FILE_NOT_TAKEN,
            Reason::Lock
            | Reason::Temporary
            | Reason::Backup
            | Reason::Scratch
            | Reason::Private
            | Reason::Pack => continue,
        };
        draft.find(law, &left.path, left.reason.told());
    }
    for artifact in evidence.artifacts.iter().filter(|artifact| artifact.role == Role::Text) {
        draft.find(
            &law::RUN_TEXT_NOT_KEPT,
            &artifact.path,
            format!("{} bytes, or not UTF-8", artifact.size_bytes),
        );
    }
}

/// Cards that are templates.
pub(super) fn cards(docs: &Docs<'_>, draft: &mut Draft) {
    let names = ["README.md", "model_card.md"];
    // A checkpoint holds a copy of the template.
    let card = |path: &&str| checkpoint_step(file_name(folder(path))).is_none();
    for path in names.into_iter().flat_map(|name| docs.named(name)).filter(card) {
        let text = docs.text(path).unwrap_or_default();
        let marks = [
            "[More Information Needed]",
            "More information needed",
            "*(not recorded)*",
            "Incomplete provenance",
            "huggingface.co/None",
        ];
        let count: usize = marks.iter().map(|mark| text.matches(mark).count()).sum();
        if count > 0 {
            draft.find(&law::RUN_CARD_PLACEHOLDER, path, format!("{count} placeholders of the template"));
        }
    }
}

/// Versions and machines, where a file names them.
pub(super) fn environment(docs: &Docs<'_>, draft: &mut Draft) {
    let places: [(&str, &[&str]); 3] = [
        ("config.json", &["transformers_version", "dtype", "torch_dtype", "model_type"]),
        ("adapter_config.json", &["peft_version"]),
        (
            "wandb-metadata.json",
            &["os", "python", "gpu", "gpu_count", "cpu_count", "cuda", "host", "username"],
        ),
    ];
    for (name, keys) in places {
        let Some(path) = docs.named(name).first().copied() else { continue };
        let Some(object) = docs.object(path).cloned() else { continue };
        for key in keys {
            let Some(value) = object.get(*key) else { continue };
            let personal =
                ["host", "username"].contains(key) && draft.names == crate::run::evidence::Names::Masked;
            let masked = Value::from("<masked>");
            draft.environment(key, if personal { &masked } else { value }, path);
        }
    }
    // The list that the Trainer writes into a card.
    for path in docs.named("README.md").into_iter().take(1) {
        let text = docs.text(path).unwrap_or_default();
        let list = text.split_once("ramework versions").map_or("", |(_, list)| list);
        for line in list.lines().skip(1).take_while(|line| line.starts_with('-') || line.trim().is_empty()) {
            if let Some((name, version)) = line.trim_start_matches(['-', ' ']).split_once(':') {
                let name = name.trim().trim_matches('*').to_lowercase();
                draft.environment(&name, &Value::from(version.trim()), path);
            }
        }
    }
    for name in ["requirements.txt", "environment.yml", "environment.yaml", "conda.yaml", "python_env.yaml"] {
        for path in docs.named(name).into_iter().take(1) {
            draft.environment("packages", &Value::from("listed in this file"), path);
        }
    }
}

/// Files of weights, equal ones together, and what speaks against them.
pub(super) fn weights(evidence: &Evidence, draft: &mut Draft) -> Vec<Weights> {
    let mut groups: BTreeMap<Digest, Vec<&Artifact>> = BTreeMap::new();
    for artifact in evidence.artifacts.iter().filter(|artifact| is_weights(artifact)) {
        groups.entry(artifact.sha256).or_default().push(artifact);
        match &artifact.safetensors {
            Some(Contents::Malformed { reason }) => {
                draft.find(&law::RUN_WEIGHTS_MALFORMED, &artifact.path, reason);
            }
            Some(Contents::NotRead { reason }) => {
                draft.find(&law::RUN_WEIGHTS_NOT_READ, &artifact.path, reason);
            }
            Some(Contents::Read { tensors }) => {
                let broken: Vec<_> =
                    tensors.iter().filter(|tensor| tensor.non_finite.unwrap_or(0) > 0).collect();
                if let Some(first) = broken.first() {
                    let values = total(broken.iter().filter_map(|tensor| tensor.non_finite));
                    let message = format!(
                        "{values} values in {} of {} tensors are NaN or infinite, the first in {}",
                        broken.len(),
                        tensors.len(),
                        first.name
                    );
                    draft.find(&law::RUN_WEIGHTS_NOT_FINITE, &artifact.path, message);
                }
            }
            None => {}
        }
    }
    let mut weights: Vec<Weights> = groups.into_values().map(|group| of_group(&group)).collect();
    weights.sort_by(|a, b| a.paths.cmp(&b.paths));
    weights
}

fn is_weights(artifact: &Artifact) -> bool {
    matches!(artifact.role, Role::Weights | Role::OpaqueWeights)
}

fn of_group(group: &[&Artifact]) -> Weights {
    let first = group[0];
    let tensors = match &first.safetensors {
        Some(Contents::Read { tensors }) => Some(tensors.as_slice()),
        _ => None,
    };
    let dtypes: BTreeSet<&str> = tensors.into_iter().flatten().map(|tensor| tensor.dtype.as_str()).collect();
    let counted: Vec<u64> = tensors.into_iter().flatten().filter_map(|tensor| tensor.non_finite).collect();
    Weights {
        sha256: first.sha256,
        size_bytes: first.size_bytes,
        paths: group.iter().map(|artifact| artifact.path.clone()).collect(),
        tensors: tensors.map(|tensors| tensors.len() as u64),
        values: tensors.map(|tensors| {
            total(tensors.iter().map(|tensor| tensor.shape.iter().copied().fold(1, u64::saturating_mul)))
        }),
        dtypes: dtypes.into_iter().map(str::to_owned).collect(),
        non_finite: (!counted.is_empty()).then(|| total(counted.into_iter())),
    }
}

/// The sum of counts as they are stored, which may say anything.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// Checkpoints of the Trainer, `checkpoint-N/`, and files `*.ckpt`.
pub(super) fn checkpoints(docs: &Docs<'_>, draft: &mut Draft) -> Vec<Checkpoint> {
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for path in docs.evidence.paths() {
        let mut at = folder(path);
        while !at.is_empty() {
            if checkpoint_step(file_name(at)).is_some() {
                folders.insert(at.to_owned());
            }
            at = folder(at);
        }
    }
    let mut checkpoints: Vec<Checkpoint> = folders.iter().map(|path| of_folder(docs, path)).collect();
    for artifact in &docs.evidence.artifacts {
        let name = file_name(&artifact.path);
        if extension(name) == "ckpt" {
            let step = name.split("step=").nth(1).and_then(digits);
            let faults = cut(artifact).into_iter().collect::<Vec<_>>();
            checkpoints.push(Checkpoint {
                path: artifact.path.clone(),
                step,
                complete: faults.is_empty(),
                faults,
            });
        }
    }
    for checkpoint in checkpoints.iter().filter(|checkpoint| !checkpoint.complete) {
        draft.find(&law::RUN_CHECKPOINT_TORN, &checkpoint.path, checkpoint.faults.join("; "));
    }
    // Archives outside of any checkpoint.
    let within = |path: &str| {
        checkpoints.iter().any(|checkpoint| path == checkpoint.path || is_below(path, &checkpoint.path))
    };
    for artifact in docs.evidence.artifacts.iter().filter(|artifact| !within(&artifact.path)) {
        if let Some(fault) = cut(artifact) {
            draft.find(&law::RUN_WEIGHTS_MALFORMED, &artifact.path, fault);
        }
    }
    checkpoints.sort_by(|a, b| (folder(&a.path), a.step, &a.path).cmp(&(folder(&b.path), b.step, &b.path)));
    checkpoints
}

fn of_folder(docs: &Docs<'_>, path: &str) -> Checkpoint {
    let mut faults = Vec::new();
    let state = join(path, "trainer_state.json");
    let inside: Vec<&Artifact> =
        docs.evidence.artifacts.iter().filter(|artifact| folder(&artifact.path) == path).collect();
    if !docs.exists(&state) {
        faults.push("trainer_state.json is missing".to_owned());
    } else if docs.evidence.text(&state).is_some() && docs.value(&state).is_none() {
        faults.push("trainer_state.json is cut".to_owned());
    }
    // Sharded ones lie in a folder of their own.
    let mut below = docs.evidence.artifacts.iter().filter(|artifact| is_below(&artifact.path, path));
    if !below.any(is_weights) {
        faults.push("no weights".to_owned());
    }
    for artifact in inside {
        faults.extend(cut(artifact));
        if let Some(Contents::Malformed { reason }) = &artifact.safetensors {
            faults.push(format!("{}: {reason}", file_name(&artifact.path)));
        }
    }
    Checkpoint {
        path: path.to_owned(),
        step: checkpoint_step(file_name(path)),
        complete: faults.is_empty(),
        faults,
    }
}

/// Whether a path leads below a folder.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What is missing of an archive.
fn cut(artifact: &Artifact) -> Option<String> {
    let name = file_name(&artifact.path);
    let archive = [".pt", ".pth", ".bin", ".ckpt", ".keras"].iter().any(|suffix| name.ends_with(suffix));
    match artifact.zip {
        Some(Zip::Cut) => Some(format!("{name} begins as an archive and has no end")),
        None if archive && artifact.size_bytes == 0 => Some(format!("{name} is empty")),
        _ => None,
    }
}

/// `checkpoint-N`.
pub(super) fn checkpoint_step(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.parse().ok()
}

fn digits(text: &str) -> Option<u64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// What the trainer recorded of its data set against what was given.
pub(super) fn datasets(evidence: &Evidence, draft: &mut Draft) -> Vec<DatasetClaim> {
    let (name, prefix) = draft.dataset.clone().unwrap_or_default();
    let masked = name.as_deref().map(|name| crate::run::mask::text(name, draft.names));
    let begins =
        |digest: &Digest| prefix.as_ref().is_some_and(|prefix| digest.to_string().starts_with(prefix));
    let recorded_file = name.as_deref().map(|name| name.rsplit(['/', '\\']).next().unwrap_or(name));
    // The one whose digest begins so; else the one of that name; else the only one.
    let given = &evidence.datasets;
    let meant = given
        .iter()
        .find(|dataset| begins(&dataset.sha256))
        .or_else(|| given.iter().find(|dataset| Some(dataset.name.as_str()) == recorded_file))
        .or_else(|| if given.len() == 1 { given.first() } else { None });
    let mut claims = Vec::new();
    if name.is_some() || prefix.is_some() {
        let agreement = match (&prefix, meant) {
            (_, None) => Agreement::NotGiven,
            (None, Some(_)) => Agreement::NotRecorded,
            (Some(_), Some(dataset)) if begins(&dataset.sha256) => Agreement::Agrees,
            (Some(_), Some(_)) => Agreement::Differs,
        };
        match (agreement, meant, &prefix) {
            (Agreement::Differs, Some(dataset), Some(prefix)) => {
                let message = format!(
                    "{} has the digest {}, and {prefix}... is recorded",
                    dataset.name, dataset.sha256
                );
                draft.find(&law::RUN_DATASET_CONTRADICTION, ".", message);
            }
            (Agreement::NotGiven, _, _) => {
                let recorded =
                    prefix.as_ref().map_or("no digest".to_owned(), |prefix| format!("{prefix}..."));
                let message =
                    format!("{} with {recorded} is recorded", name.as_deref().unwrap_or("a data set"));
                draft.find(&law::RUN_DATASET_NOT_GIVEN, ".", message);
            }
            (Agreement::Agrees, _, Some(prefix)) if prefix.len() < 64 => {
                let digits = prefix.len();
                draft.not_checked.push(format!(
                    "The digest of the data set beyond its first {digits} digits: the trainer keeps no more."
                ));
            }
            _ => {}
        }
        claims.push(DatasetClaim {
            recorded_name: masked,
            recorded_prefix: prefix.clone(),
            given_sha256: meant.map(|dataset| dataset.sha256),
            agreement,
        });
    }
    let told = claims.len();
    for dataset in given.iter().filter(|dataset| told == 0 || meant != Some(*dataset)) {
        claims.push(DatasetClaim {
            recorded_name: None,
            recorded_prefix: None,
            given_sha256: Some(dataset.sha256),
            agreement: Agreement::NotRecorded,
        });
    }
    claims
}
