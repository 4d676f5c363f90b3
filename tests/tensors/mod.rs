//! Captures to test with: the small one among the fixtures, copied and changed with its index made to follow.

use std::fs;
use std::path::{Path, PathBuf};

use bp::digest::Digest;
use serde_json::{Value, json};

/// The folder of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tensor").join(name)
}

/// A capture in a scratch folder.
pub(crate) struct Capture {
    scratch: tempfile::TempDir,
    pub(crate) index: Value,
}

impl Capture {
    /// A copy of the small capture, or of another among the fixtures.
    pub(crate) fn of(name: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        copy(&fixture(name), scratch.path());
        let index = serde_json::from_slice(&fs::read(fixture(name).join("index.json")).unwrap()).unwrap();
        Self { scratch, index }
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path().join(file)).unwrap()
    }

    pub(crate) fn entries(&mut self) -> &mut Vec<Value> {
        self.index["entries"].as_array_mut().unwrap()
    }

    /// The entry of a stage.
    pub(crate) fn entry(&mut self, stage: &str) -> &mut Value {
        self.entries().iter_mut().find(|entry| entry["stage"] == stage).unwrap()
    }

    /// Changes a file, and its digest in the index.
    pub(crate) fn edit(&mut self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let mut bytes = self.bytes(file);
        change(&mut bytes);
        fs::write(self.path().join(file), &bytes).unwrap();
        for entry in self.entries().iter_mut().filter(|entry| entry["file"] == file) {
            entry["sha256"] = json!(Digest::of(&bytes));
        }
        self
    }

    /// Changes a value of a stage file, and the digest.
    pub(crate) fn set(&mut self, file: &str, at: usize, value: f32) -> &mut Self {
        let place = 12 + 4 * at;
        self.edit(file, |bytes| bytes[place..place + 4].copy_from_slice(&value.to_le_bytes()))
    }

    /// A value of a stage file.
    pub(crate) fn value(&self, file: &str, at: usize) -> f32 {
        f32::from_le_bytes(self.bytes(file)[12 + 4 * at..][..4].try_into().unwrap())
    }

    /// Moves a file, and its entry with it.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> &mut Self {
        let target = self.path().join(to);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::rename(self.path().join(from), target).unwrap();
        for entry in self.entries().iter_mut().filter(|entry| entry["file"] == from) {
            entry["file"] = json!(to);
        }
        self
    }

    /// Writes the index down.
    pub(crate) fn done(&self) -> &Path {
        fs::write(self.path().join("index.json"), self.index.to_string()).unwrap();
        self.path()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
