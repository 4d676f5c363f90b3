//! Whose files these are: by marker files, the one nearest to the top first.

use crate::run::derive::trainer;
use crate::run::docs::{Docs, depth, extension, file_name, folder};
use crate::run::record::Kind;

/// Every kind that left a marker: the nearest to the top first, then the more telling.
pub(super) fn kinds(docs: &Docs<'_>) -> Vec<Kind> {
    let mut seen: Vec<(usize, Kind)> = Vec::new();
    for path in docs.evidence.paths() {
        if let Some(kind) = marker(docs, path) {
            // A checkpoint and a version of Lightning lie one below the run they belong to.
            let below = folder(path).rsplit('/').next().unwrap_or_default();
            let inner = below.starts_with("checkpoint-") || below == "checkpoints";
            seen.push((depth(path) - usize::from(inner), kind));
        }
    }
    if seen.iter().any(|(_, kind)| *kind == Kind::HfTrainer) && trainer::is_trl(docs) {
        for (_, kind) in seen.iter_mut().filter(|(_, kind)| *kind == Kind::HfTrainer) {
            *kind = Kind::Trl;
        }
    }
    seen.sort_unstable();
    let mut kinds: Vec<Kind> = Vec::new();
    for (_, kind) in seen {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn marker(docs: &Docs<'_>, path: &str) -> Option<Kind> {
    let name = file_name(path);
    let has = |path: &str, key: &str| docs.object(path).is_some_and(|object| object.contains_key(key));
    match name {
        "run_history.json" | "merge_history.json" => Some(Kind::Backpropagate),
        "manifest.json" if has(path, "checkpoints") && has(path, "policy") => Some(Kind::Backpropagate),
        "trainer_state.json" | "train_results.json" | "training_args.bin" => Some(Kind::HfTrainer),
        "hparams.yaml" => Some(Kind::Lightning),
        "meta.yaml" if docs.text(path).is_some_and(|text| text.contains("lifecycle_stage")) => {
            Some(Kind::Mlflow)
        }
        _ if extension(name) == "keras" || name.ends_with("weights.h5") => Some(Kind::Keras),
        _ if extension(name) == "ckpt" && name.contains("step=") => Some(Kind::Lightning),
        _ if name.starts_with("run-") && extension(name) == "wandb" => Some(Kind::WandbOffline),
        "history.json" if has(path, "loss") => Some(Kind::Keras),
        // CSVLogger of Keras writes an epoch and no step; that of Lightning both.
        _ if extension(name) == "csv" => {
            let first = docs.text(path)?.lines().next()?.to_lowercase();
            let columns: Vec<&str> = first.split(',').map(str::trim).collect();
            match (columns.contains(&"step"), columns.contains(&"epoch")) {
                (true, true) => Some(Kind::Lightning),
                (false, true) => Some(Kind::Keras),
                _ => None,
            }
        }
        _ => None,
    }
}
