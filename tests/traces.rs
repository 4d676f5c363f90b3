//! Recorded runs, honest and with one defect each (`neg_*`): every one gets the verdict that its name says.
//!
//! They lie in the shared data folder: `BP_SHARED_DATA`, or `../shared/data` from the project's root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn recorded() -> Vec<PathBuf> {
    let shared = std::env::var_os("BP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let folder = shared.join("traces");
    match fs::read_dir(&folder) {
        Ok(entries) => {
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        }
        Err(error) => {
            eprintln!("SKIPPED: {}: {error}; set BP_SHARED_DATA to run it", folder.display());
            Vec::new()
        }
    }
}

fn imported(file: &Path, out: &Path) -> Option<i32> {
    let text = fs::read_to_string(file).unwrap();
    let framework = if text.contains("\"name\":\"jax\"") || text.contains("\"name\": \"jax\"") {
        "jax"
    } else {
        "pytorch"
    };
    let several = text.lines().count() > 1;
    let words: Vec<&str> = ["import", framework].into_iter().chain(several.then_some("multi")).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
    command.args(words).arg(file).arg("--out").arg(out).arg("--quiet").env_clear();
    command.args(["--import-timestamp", "2026-01-01T00:00:00Z"]);
    command.output().unwrap().status.code()
}

#[test]
fn each_recording_gets_the_verdict_that_its_name_says() {
    let scratch = tempfile::tempdir().unwrap();
    for file in recorded() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let out = scratch.path().join(&name);
        let wanted = match name.as_str() {
            "neg_edit_truncated_last_line.jsonl" => 2,
            name if name.starts_with("neg_") => 1,
            _ => 0,
        };
        assert_eq!(imported(&file, &out), Some(wanted), "{name}");
        assert_eq!(out.exists(), wanted < 2, "{name}: a trace that was judged is written, and no other");
    }
}
