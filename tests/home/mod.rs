//! A home of its own for each test, with what a build needs, and small disks.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bp::digest::Digest;

const STEP: &[u8] = include_bytes!("../../fixtures/good/jax-sgd-step.sidecar.jsonl");
const TRACE: &[u8] = include_bytes!("../../fixtures/good/momentum-three-steps.trace.jsonl");

/// A home in which nothing is set up, with inputs and a run directory.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    /// Inputs and a run directory, enough that a build takes a while.
    pub(crate) fn furnished() -> Self {
        Self::with(40, 3 << 20)
    }

    /// One input of each kind, so that a build makes few calls.
    pub(crate) fn small() -> Self {
        Self::with(1, 3000)
    }

    fn with(inputs: usize, checkpoint_bytes: usize) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for folder in ["home", "in", "job/checkpoint-1"] {
            fs::create_dir_all(home.at(folder)).unwrap();
        }
        for number in 0..inputs {
            fs::write(home.at(&format!("in/step-{number}.jsonl")), STEP).unwrap();
            fs::write(home.at(&format!("in/trace-{number}.jsonl")), TRACE).unwrap();
        }
        fs::write(home.at("job/checkpoint-1/optimizer.pt"), vec![7; checkpoint_bytes]).unwrap();
        fs::write(home.at("job/config.json"), b"{\"learning_rate\": 0.1}").unwrap();
        home
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn bp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
        self.set(&mut command);
        command.args(arguments);
        command
    }

    /// Any program, in this home.
    pub(crate) fn set(&self, command: &mut Command) {
        command.current_dir(self.0.path()).env_clear();
        command.env("HOME", self.at("home")).env("XDG_CONFIG_HOME", self.at("home/.config"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    pub(crate) fn run(&self, out: &str) -> Command {
        self.bp(&["pack", "run", "in", "--run", "job", "--out", out, "--name", "demo"])
    }

    /// Every input by its digest.
    pub(crate) fn inputs(&self) -> BTreeMap<PathBuf, Digest> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.at("in"), self.at("job")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.clone(), Digest::of(&fs::read(path).unwrap()));
                }
            }
        }
        found
    }

    /// The pack under its name verifies whole, by its maker's key.
    #[track_caller]
    pub(crate) fn is_whole(&self, pack: &str) {
        let done = self.bp(&["pack", "verify", "--strict", "--allow-fail-verdict", pack]).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    }
}

pub(crate) fn told(done: &Output) -> String {
    // On one line: where lines are broken is not what is told.
    String::from_utf8_lossy(&done.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What lies in a folder, by name.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A small file system in memory, gone with the test.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&at)
            .output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(at))
    }

    pub(crate) fn resize(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    pub(crate) fn remount(&self, options: &str) {
        let done =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
