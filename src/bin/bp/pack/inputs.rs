//! What `pack run` is given: files, folders of records, or nothing.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::plan::{Input, InputKind};
use bp::verify::read::{self, ReadError};

use crate::source;

/// A real step, recorded from a JAX training loop: what is packed when nothing is named.
const BUILT_IN: (&str, &[u8]) =
    ("built-in-jax-step.jsonl", include_bytes!("../../../../fixtures/good/jax-sgd-step.sidecar.jsonl"));

/// Every input, each file read once.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    if paths.is_empty() {
        let (name, bytes) = BUILT_IN;
        return Ok(vec![input(name.to_owned(), bytes.to_vec())]);
    }
    let mut inputs = Vec::new();
    for path in paths {
        if !path.is_dir() {
            inputs.push(record(path)?);
            continue;
        }
        let files = records_in(path)?;
        if files.is_empty() {
            let message = format!("{}: no .json or .jsonl file in this folder", path.display());
            return Err(Failure::new(&error::BP_JSONL_EMPTY, message));
        }
        for file in files {
            inputs.push(record(&file)?);
        }
    }
    Ok(inputs)
}

/// The record in a file. A stream of records would be judged as one broken record, so it is refused before a pack says so.
fn record(path: &Path) -> Result<Input, Failure> {
    let bytes = source::bytes(path)?;
    if let Err(ReadError::Several { count }) = read::is_receipt(&bytes) {
        let message = format!("{}: {count} records, and a pack takes files of one", path.display());
        let hint = "split it, one file per line; `bp verify multi` judges a trace of receipts";
        return Err(Failure::new(&error::BP_JSONL_MULTI_RECORD, message).hint(hint));
    }
    Ok(input(name_of(path), bytes))
}

fn input(name: String, bytes: Vec<u8>) -> Input {
    Input { name, kind: InputKind::of(&bytes), bytes }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "stdin".into(), |name| name.to_string_lossy());
    if name == "-" { "stdin".to_owned() } else { name.into_owned() }
}

/// The record files of a folder, sorted by name; folders within it are not entered.
fn records_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| source::failure(folder, &error))? {
        let path = entry.map_err(|error| source::failure(folder, &error))?.path();
        let is_record = path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
        if is_record && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
