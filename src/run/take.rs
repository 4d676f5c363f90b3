//! What becomes of a file of a run directory, by its name and those around it: kept as text, recorded by its digest, or
//! left out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::persist;

/// What an artifact is, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Weights in safetensors: read while they are hashed.
    Weights,
    /// Weights or a whole checkpoint in a format that is not read: pickle, HDF5, Keras archive, GGUF.
    OpaqueWeights,
    /// State of an optimizer, a scheduler or a generator of random numbers.
    TrainingState,
    /// The pickled arguments of a trainer; they may hold an access token in clear.
    TrainingArguments,
    /// A file of a tokenizer that is too large to keep.
    Tokenizer,
    /// A log in a format that is not read here.
    Log,
    /// Text that would be kept, and is too large or not UTF-8.
    Text,
    /// Anything else.
    Other,
}

/// Why a name was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An advisory lock: it stays behind for ever and says nothing.
    Lock,
    /// A write that was interrupted before it was put in place.
    Temporary,
    /// A save that is in progress, or crashed.
    PartialSave,
    /// What a finished save left behind.
    Backup,
    /// What an interrupted save left behind, with nothing in its place.
    BackupOnly,
    /// Scratch space of an exporter.
    Scratch,
    /// Where programs keep credentials or their own history.
    Private,
    /// A pack that was made before, or one that was not finished.
    Pack,
    /// A link: what it shows can change without the run changing.
    Link,
    /// Neither a regular file nor a directory.
    Special,
    /// A name that a pack cannot hold, or that equals another where case is ignored.
    Name,
    /// It could not be read.
    Unreadable,
    /// It changed while it was read.
    Changed,
    /// Beyond a limit.
    Limit,
}

impl Reason {
    /// The reason, in words.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Lock => "an advisory lock",
            Self::Temporary => "a write that was interrupted",
            Self::PartialSave => "a save in progress, or one that crashed",
            Self::Backup => "left behind by a finished save",
            Self::BackupOnly => "left behind by an interrupted save, and the only copy",
            Self::Scratch => "scratch space of an exporter",
            Self::Private => "where programs keep credentials or their own history",
            Self::Pack => "a pack, which tells of itself",
            Self::Link => "a link, not followed",
            Self::Special => "neither a regular file nor a directory, not opened",
            Self::Name => {
                "a name that a pack cannot hold, or that differs from another in case or spelling alone"
            }
            Self::Unreadable => "it could not be read",
            Self::Changed => "it changed while it was read",
            Self::Limit => "beyond a limit",
        }
    }
}

/// What becomes of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its bytes are kept.
    Text,
    /// Its bytes are kept when it is small; otherwise it is recorded.
    Small(Role),
    /// Its bytes are kept when it is a table of losses; otherwise it is recorded. It may be data of people.
    LossTable,
    /// It is recorded.
    Record(Role),
    /// Neither.
    LeaveOut(Reason),
}

/// Names of text that is evidence wherever it lies.
const TEXTS: &[&str] = &[
    // backpropagate
    "run_history.json",
    "manifest.json",
    "merge_history.json",
    "run_id",
    "events.jsonl",
    "job.json",
    "model_card.md",
    "Modelfile",
    // Hugging Face: Trainer, TRL, PEFT
    "trainer_state.json",
    "adapter_config.json",
    "config.json",
    "generation_config.json",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
    "README.md",
    "model.safetensors.index.json",
    // Lightning, Keras
    "hparams.yaml",
    "metrics.csv",
    "history.json",
    // MLflow, W&B, Ray
    "meta.yaml",
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "wandb-metadata.json",
    "wandb-summary.json",
    "config.yaml",
    "params.json",
    "result.json",
    "progress.csv",
    // The environment
    "requirements.txt",
    "environment.yml",
    "environment.yaml",
    "output.log",
];

/// Files of a tokenizer: they decide what a model reads, and are kept when small.
const TOKENIZERS: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "preprocessor_config.json",
    "processor_config.json",
];

/// Directories in which programs keep credentials, or the history of a source tree.
pub const PRIVATE: &[&str] =
    &[".ssh", ".aws", ".kube", ".docker", ".gnupg", ".config", ".git", ".netrc", ".env"];

/// What becomes of a directory: entered, or left out whole. `taken` says whether a name stands beside it.
#[must_use]
pub fn directory(name: &str, taken: impl Fn(&str) -> bool) -> Option<Reason> {
    if PRIVATE.contains(&name) {
        Some(Reason::Private)
    } else if name.starts_with(persist::HIDDEN) {
        Some(Reason::Pack)
    } else if name == "_unsloth_partial" || name == "merged_temp" {
        Some(Reason::Scratch)
    } else if name.ends_with(".partial") {
        Some(Reason::PartialSave)
    } else {
        let saved = name.strip_suffix(".backup")?;
        Some(if taken(saved) { Reason::Backup } else { Reason::BackupOnly })
    }
}

/// Whether this is the journal of a save that was not finished: its target may be a mix of old and new files.
#[must_use]
pub fn is_journal(name: &str) -> bool {
    name.ends_with(".backup.json")
}

/// What becomes of the file at `path`, where `paths` are all files there.
#[must_use]
pub fn fate(path: &str, paths: &BTreeSet<String>) -> Fate {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if PRIVATE.contains(&name) {
        Fate::LeaveOut(Reason::Private)
    } else if ends(&[".lock"]) {
        Fate::LeaveOut(Reason::Lock)
    } else if ends(&[".tmp", ".partial"]) {
        Fate::LeaveOut(Reason::Temporary)
    } else if TEXTS.contains(&name) || is_mlflow(folder, paths) || ends(&[".log"]) {
        Fate::Text
    } else if TOKENIZERS.contains(&name) {
        Fate::Small(Role::Tokenizer)
    } else if ends(&[".csv"]) {
        Fate::LossTable
    } else if ends(&[".safetensors"]) {
        Fate::Record(Role::Weights)
    } else if name == "training_args.bin" {
        Fate::Record(Role::TrainingArguments)
    } else if name.starts_with("rng_state")
        || ["optimizer", "scheduler", "scaler"]
            .iter()
            .any(|stem| name.starts_with(stem) && name.contains('.'))
    {
        Fate::Record(Role::TrainingState)
    } else if ends(&[".model"]) {
        Fate::Record(Role::Tokenizer)
    } else if ends(&[
        ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".keras", ".gguf", ".npz", ".msgpack",
        // Shards of torch.distributed.checkpoint, as FSDP writes them; those of DeepSpeed end in .pt.
        ".distcp",
    ]) {
        Fate::Record(Role::OpaqueWeights)
    } else if name.contains(".tfevents.") || ends(&[".wandb"]) {
        Fate::Record(Role::Log)
    } else {
        Fate::Record(Role::Other)
    }
}

/// `params/`, `metrics/` and `tags/` of a run in `MLflow`'s file store: the folder that holds them holds meta.yaml.
fn is_mlflow(folder: &str, paths: &BTreeSet<String>) -> bool {
    let parts: Vec<&str> = folder.split('/').collect();
    (0..parts.len()).any(|at| {
        let run = parts[..at].join("/");
        let meta = if run.is_empty() { "meta.yaml".to_owned() } else { format!("{run}/meta.yaml") };
        ["params", "metrics", "tags"].contains(&parts[at]) && paths.contains(&meta)
    })
}

/// Whether a table is a log of training: its first line names a step or an epoch, and a loss.
#[must_use]
pub fn is_loss_table(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).to_lowercase();
    let columns: Vec<&str> = first.split(',').map(|column| column.trim().trim_matches('"')).collect();
    columns.iter().any(|column| ["step", "epoch"].contains(column))
        && columns.iter().any(|column| column.contains("loss"))
}

/// The media type of an artifact, by its name.
#[must_use]
pub fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "safetensors" => "application/vnd.safetensors",
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "keras" | "npz" => "application/zip",
        "h5" => "application/x-hdf5",
        "csv" => "text/csv",
        "md" => "text/markdown",
        "txt" | "log" | "yaml" | "yml" | "jinja" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_fate() {
        let paths = BTreeSet::from(["mlruns/0/a/meta.yaml".to_owned()]);
        for (path, wanted) in [
            ("run_history.json", Fate::Text),
            ("checkpoint-4/trainer_state.json", Fate::Text),
            ("mlruns/0/a/params/lr", Fate::Text),
            ("mlruns/0/a/metrics/eval/loss", Fate::Text),
            ("mlruns/0/b/params/lr", Fate::Record(Role::Other)),
            ("wandb/offline-run-1/logs/debug-internal.log", Fate::Text),
            ("tokenizer.json", Fate::Small(Role::Tokenizer)),
            ("training.csv", Fate::LossTable),
            ("train.log", Fate::Text),
            ("model-00001-of-00002.safetensors", Fate::Record(Role::Weights)),
            ("training_args.bin", Fate::Record(Role::TrainingArguments)),
            ("checkpoint-4/optimizer.pt", Fate::Record(Role::TrainingState)),
            ("checkpoint-4/rng_state_0.pth", Fate::Record(Role::TrainingState)),
            ("pytorch_model.bin", Fate::Record(Role::OpaqueWeights)),
            ("checkpoints/epoch=1-step=8.ckpt", Fate::Record(Role::OpaqueWeights)),
            ("train20.jsonl", Fate::Record(Role::Other)),
            ("people.json", Fate::Record(Role::Other)),
            ("run_history.json.lock", Fate::LeaveOut(Reason::Lock)),
            ("manifest.json.tmp", Fate::LeaveOut(Reason::Temporary)),
            (".env", Fate::LeaveOut(Reason::Private)),
        ] {
            assert_eq!(fate(path, &paths), wanted, "{path}");
        }
    }

    #[test]
    fn a_folder_of_a_save_is_told_by_what_stands_beside_it() {
        let beside = |name: &str| name == "lora";
        for (name, wanted) in [
            ("lora", None),
            ("lora.partial", Some(Reason::PartialSave)),
            ("lora.backup", Some(Reason::Backup)),
            ("other.backup", Some(Reason::BackupOnly)),
            ("merged_temp", Some(Reason::Scratch)),
            (".ssh", Some(Reason::Private)),
        ] {
            assert_eq!(directory(name, beside), wanted, "{name}");
        }
        assert!(is_journal("lora.backup.json") && !is_journal("backup.json"));
    }

    #[test]
    fn a_table_is_kept_for_its_columns_not_for_its_name() {
        assert!(is_loss_table(b"epoch,accuracy,loss,val_loss\n0,0.5,1.0,1.1\n"));
        assert!(is_loss_table(b"\"step\",\"train_loss\"\r\n"));
        assert!(!is_loss_table(b"name,age,salary\nA,1,2\n"));
        assert!(!is_loss_table(b""));
    }
}
