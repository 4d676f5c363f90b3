//! Calls of this program on fixtures, in a folder of their own, under a home in which nothing is set up.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bp::contract::{Replay, Replayed};
use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::json;
use serde::Deserialize;
use tempfile::TempDir;

use crate::source;

/// A fixture with this ending is not given as it is: it says what is done to a pack that the program has just made.
const EDITS: &str = ".edits.json";
/// The time of packs that are made here: equal programs make equal ones.
const CREATED_AT: &str = "1767225600";

/// The folder that replays run in, and the pack in it.
pub(super) struct Bench {
    folder: TempDir,
    program: PathBuf,
    replays: usize,
}

/// What is done to a pack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Edit {
    /// Writes a file.
    Put { path: String, text: String },
    /// Adds to the end of a file.
    Append { path: String, text: String },
    /// Flips the lowest bit of a byte.
    Flip { path: String, byte: usize },
    /// Puts one text in the place of the first of another.
    Replace { path: String, from: String, with: String },
    /// Writes a file without its first line.
    CutLine { path: String },
    /// Turns the lines of a file round.
    TurnLines { path: String },
    /// Removes a file.
    Remove { path: String },
    /// Makes a folder.
    Folder { path: String },
    /// Makes a symbolic link.
    Link { path: String, to: String },
}

impl Bench {
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::of(&error::IO_ERROR, &error);
        let program = std::env::current_exe().map_err(failed)?;
        let folder = tempfile::tempdir().map_err(failed)?;
        fs::create_dir(folder.path().join("home")).map_err(failed)?;
        let bench = Self { folder, program, replays: 0 };
        let made: [&[&str]; 2] = [
            &["keys", "new", "--out", "signer.pem"],
            &["pack", "run", "--key", "signer.pem", "--out", "packs", "--name", "base"],
        ];
        for arguments in made {
            let ended = bench.call(arguments)?;
            if ended.exit != 0 {
                let message = format!("`bp {}` ended with {}", arguments.join(" "), ended.exit);
                return Err(
                    Failure::new(&error::IO_ERROR, message).hint("nothing can be replayed without a pack")
                );
            }
        }
        Ok(bench)
    }

    /// Makes a call, with a fixture from where `fixture` finds it. The inner error says that the fixture is not the one
    /// that is meant.
    pub(super) fn replay<'a>(
        &mut self,
        replay: &Replay,
        fixture: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Result<Replayed, String>, Failure> {
        let mut given = String::new();
        if let Some(pinned) = &replay.fixture {
            let Some(bytes) = fixture(&pinned.path) else {
                return Ok(Err("the fixture is not there".into()));
            };
            if Digest::of(bytes) != pinned.sha256 {
                return Ok(Err(format!("the fixture has the digest {}", Digest::of(bytes))));
            }
            match self.place(&pinned.path, bytes) {
                Ok(path) => given = path,
                Err(error) => return Ok(Err(format!("the fixture cannot be set up: {error}"))),
            }
        }
        let words: Vec<&str> = replay
            .args
            .iter()
            .map(|word| match word.as_str() {
                "{fixture}" => &given,
                "{pack}" => "packs/base",
                "{signer}" => "signer.pub.pem",
                word => word,
            })
            .collect();
        self.call(&words).map(Ok)
    }

    /// Puts a fixture where the program finds it: the path, from the folder.
    fn place(&mut self, path: &str, bytes: &[u8]) -> io::Result<String> {
        self.replays += 1;
        let folder = format!("fixture-{}", self.replays);
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(EDITS).unwrap_or(&name);
        let at = self.folder.path().join(&folder);
        fs::create_dir(&at)?;
        if path.ends_with(EDITS) {
            let invalid =
                |error: &dyn std::error::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
            let edits = json::parse(bytes).map_err(|error| invalid(&error))?;
            let Edits { edits } = serde_json::from_value(edits).map_err(|error| invalid(&error))?;
            let pack = at.join(name);
            copy(&self.folder.path().join("packs/base"), &pack)?;
            edits.iter().try_for_each(|edit| edit.apply(&pack))?;
        } else {
            fs::write(at.join(name), bytes)?;
        }
        Ok(format!("{folder}/{name}"))
    }

    fn call(&self, arguments: &[&str]) -> Result<Replayed, Failure> {
        let home = self.folder.path().join("home");
        let output = Command::new(&self.program)
            .arg("--json")
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &home)
            .env("SOURCE_DATE_EPOCH", CREATED_AT)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| source::failure(&self.program, &error))?;
        Ok(Replayed::of(output.status.code().unwrap_or(-1), &output.stdout))
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in bp::persist::entries(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}

impl Edit {
    fn apply(&self, pack: &Path) -> io::Result<()> {
        let change = |path: &str, edit: &dyn Fn(String) -> String| {
            let at = pack.join(path);
            fs::read_to_string(&at).and_then(|text| fs::write(&at, edit(text)))
        };
        match self {
            Self::Put { path, text } => {
                let at = pack.join(path);
                fs::create_dir_all(bp::persist::parent_of(&at)).and_then(|()| fs::write(at, text))
            }
            Self::Append { path, text } => change(path, &|old| old + text),
            Self::Flip { path, byte } => {
                let at = pack.join(path);
                let mut bytes = fs::read(&at)?;
                *bytes.get_mut(*byte).ok_or(io::ErrorKind::InvalidInput)? ^= 1;
                fs::write(at, bytes)
            }
            Self::Replace { path, from, with } => change(path, &|old| old.replacen(from.as_str(), with, 1)),
            Self::CutLine { path } => change(path, &|old| {
                old.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned())
            }),
            Self::TurnLines { path } => {
                change(path, &|old| old.lines().rev().fold(String::new(), |all, line| all + line + "\n"))
            }
            Self::Remove { path } => fs::remove_file(pack.join(path)),
            Self::Folder { path } => fs::create_dir(pack.join(path)),
            #[cfg(unix)]
            Self::Link { path, to } => std::os::unix::fs::symlink(to, pack.join(path)),
            #[cfg(not(unix))]
            Self::Link { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
