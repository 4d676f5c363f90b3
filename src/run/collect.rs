//! Takes a run directory in: by handle, following no link, opening nothing but regular files, each read once.
//!
//! Nothing is parsed but the header of safetensors, as its bytes pass; nothing is ever unpickled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::digest::Digest;
use crate::handle::{self, ReadError};
use crate::persist;
use crate::run::evidence::{Artifact, Contents, Dataset, Evidence, Given, LeftOut, Names, Text, Zip};
use crate::run::take::{self, Fate, Reason, Role};
use crate::tensor::safetensors::{Refusal, Scanner};

/// How much of a directory is taken. What lies beyond is listed as left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Names, directories included.
    pub names: usize,
    /// Directories within each other.
    pub depth: usize,
    /// The length of one path.
    pub path_bytes: usize,
    /// The length of one text that is kept.
    pub text_bytes: u64,
    /// The length of one text that is kept when small.
    pub small_bytes: u64,
    /// The length of all kept texts together.
    pub texts_bytes: u64,
    /// The length of one recorded file.
    pub artifact_bytes: u64,
    /// The length of all recorded files together.
    pub artifacts_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            names: 100_000,
            // Two less than a pack has, whose folders run/history/ these lie in.
            depth: 14,
            path_bytes: 900,
            text_bytes: 16 << 20,
            small_bytes: 64 << 10,
            texts_bytes: 256 << 20,
            artifact_bytes: 1 << 40,
            artifacts_bytes: 4 << 40,
        }
    }
}

/// Why a directory was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It is not there, or is no directory that can be read.
    #[error("{path}")]
    Open {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A save was interrupted: the directory may be a mix of old and new files.
    #[error(
        "{path}: a save was not finished, so old and new files may be mixed; run the save again, which rolls back"
    )]
    Journal {
        /// The journal.
        path: String,
    },
    /// It is, or lies in, a directory in which programs keep credentials.
    #[error("{path}: {name} is where programs keep credentials, and is not collected from")]
    Private {
        /// The path.
        path: String,
        /// The directory.
        name: String,
    },
    /// A data set cannot be read.
    #[error("{path}")]
    Dataset {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Takes in what lies in `root`, and the digests of `datasets`.
///
/// `key` tells which names a pack can hold: `None` for one that it cannot, and the same key for two that some file system
/// takes for one.
///
/// # Errors
/// [`CollectError`], when there is nothing that could be taken, or nothing that should.
pub fn directory(
    root: &Path,
    datasets: &[PathBuf],
    given: Given,
    key: &dyn Fn(&str) -> Option<String>,
    limits: &Limits,
) -> Result<Evidence, CollectError> {
    let open = |source| CollectError::Open { path: root.display().to_string(), source };
    let place = root.canonicalize().map_err(open)?;
    if let Some(name) = private(&place) {
        return Err(CollectError::Private { path: root.display().to_string(), name });
    }
    let dir = handle::root(&place).map_err(open)?;
    let mut walk = Walk { limits, files: BTreeMap::new(), left_out: Vec::new(), journal: None, count: 0 };
    walk.beside(&place);
    walk.descend(&dir, "", 0).map_err(open)?;
    if let Some(path) = walk.journal {
        return Err(CollectError::Journal { path });
    }
    let datasets = datasets.iter().map(|path| dataset(path)).collect::<Result<_, _>>()?;
    let mut taken = Evidence { given, datasets, left_out: walk.left_out, ..Evidence::default() };
    let paths: BTreeSet<String> = walk.files.keys().cloned().collect();
    let mut keys = BTreeSet::new();
    let (mut texts_left, mut artifacts_left) = (limits.texts_bytes, limits.artifacts_bytes);
    for (path, size_bytes) in walk.files {
        let fate = match key(&path) {
            Some(key) if keys.insert(key.clone()) => take::fate(&path, &paths),
            _ => Fate::LeaveOut(Reason::Name),
        };
        let (role, keep_bytes) = match fate {
            Fate::LeaveOut(reason) => {
                taken.left_out.push(LeftOut { path, reason });
                continue;
            }
            Fate::Text => (Role::Text, limits.text_bytes.min(texts_left)),
            Fate::Small(role) => (role, limits.small_bytes.min(texts_left)),
            Fate::LossTable => (Role::Other, limits.text_bytes.min(texts_left)),
            Fate::Record(role) => (role, 0),
        };
        let keep = keep_bytes > 0 && size_bytes <= keep_bytes;
        if !keep && size_bytes > limits.artifact_bytes.min(artifacts_left) {
            taken.left_out.push(LeftOut { path, reason: Reason::Limit });
            continue;
        }
        match read(&dir, &path, size_bytes, role, keep) {
            Ok((_, bytes)) if keep && is_text(fate, &bytes) => {
                texts_left -= size_bytes;
                taken.texts.push(Text { path, bytes });
            }
            Ok((artifact, _)) => {
                artifacts_left = artifacts_left.saturating_sub(size_bytes);
                taken.artifacts.push(artifact);
            }
            Err(reason) => taken.left_out.push(LeftOut { path, reason }),
        }
    }
    if taken.given.names == Names::Masked {
        for artifact in &mut taken.artifacts {
            artifact.path = without_host(&artifact.path);
        }
        taken.artifacts.sort_by(|a, b| (&a.path, a.sha256).cmp(&(&b.path, b.sha256)));
    }
    taken.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(taken)
}

fn is_text(fate: Fate, bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && (fate != Fate::LossTable || take::is_loss_table(bytes))
}

/// Files that every pack has.
const PACK: [&str; 3] = ["manifest.json", "checksums.sha256", "results/final_verdict.json"];

/// Whether a folder is a pack that was made before: it tells of itself, and nothing of the run that it lies in.
fn is_pack(dir: &Dir) -> bool {
    PACK.iter().all(|name| handle::open(dir, name).is_ok_and(|(_, metadata)| metadata.is_file()))
}

/// The component of a path in which programs keep credentials.
fn private(place: &Path) -> Option<String> {
    let names = place.components().filter_map(|component| component.as_os_str().to_str());
    names.into_iter().find(|name| take::PRIVATE.contains(name)).map(str::to_owned)
}

/// A data set: its name, length and digest.
fn dataset(path: &Path) -> Result<Dataset, CollectError> {
    let fault = |source| CollectError::Dataset { path: path.display().to_string(), source };
    // Asked before opening: opening a FIFO waits for a writer.
    if !fs::metadata(path).map_err(fault)?.is_file() {
        return Err(fault(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let mut file = fs::File::open(path).map_err(fault)?;
    let (sha256, size_bytes) = Digest::of_reader(&mut file).map_err(fault)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Dataset { name, size_bytes, sha256 })
}

struct Walk<'a> {
    limits: &'a Limits,
    /// Regular files, with the length that the system states.
    files: BTreeMap<String, u64>,
    left_out: Vec<LeftOut>,
    journal: Option<String>,
    count: usize,
}

impl Walk<'_> {
    /// What a save left beside the directory itself.
    fn beside(&mut self, place: &Path) {
        let (Some(parent), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str()))
        else {
            return;
        };
        let there = |suffix: &str| parent.join(format!("{name}{suffix}")).symlink_metadata().is_ok();
        if there(".backup.json") {
            self.journal = Some(format!("../{name}.backup.json"));
        }
        if there(".partial") {
            self.leave_out("../*.partial/".to_owned(), Reason::PartialSave);
        }
    }

    fn leave_out(&mut self, path: String, reason: Reason) {
        self.left_out.push(LeftOut { path, reason });
    }

    fn descend(&mut self, dir: &Dir, prefix: &str, depth: usize) -> io::Result<()> {
        let mut names = BTreeSet::new();
        for entry in persist::patiently(|| dir.entries())? {
            self.count += 1;
            if self.count > self.limits.names {
                self.leave_out(format!("{prefix}..."), Reason::Limit);
                break;
            }
            names.insert(entry?.file_name());
        }
        for name in &names {
            let path = format!("{prefix}{}", name.to_string_lossy());
            let Some(name) = name.to_str() else {
                self.leave_out(path, Reason::Name);
                continue;
            };
            let Ok(metadata) = dir.symlink_metadata(name) else {
                self.leave_out(path, Reason::Unreadable);
                continue;
            };
            if path.len() > self.limits.path_bytes {
                self.leave_out(path, Reason::Limit);
            } else if metadata.is_symlink() {
                self.leave_out(path, Reason::Link);
            } else if metadata.is_file() {
                if take::is_journal(name) {
                    self.journal.get_or_insert(path);
                } else {
                    self.files.insert(path, metadata.len());
                }
            } else if metadata.is_dir() {
                let path = format!("{path}/");
                if let Some(reason) =
                    take::directory(name, |beside| names.contains(std::ffi::OsStr::new(beside)))
                {
                    self.leave_out(path, reason);
                } else if depth + 1 > self.limits.depth {
                    self.leave_out(path, Reason::Limit);
                } else {
                    let inner = handle::folder(dir, name);
                    if inner.as_ref().is_ok_and(is_pack) {
                        self.leave_out(path, Reason::Pack);
                        continue;
                    }
                    if inner.and_then(|inner| self.descend(&inner, &path, depth + 1)).is_err() {
                        self.leave_out(path, Reason::Unreadable);
                    }
                }
            } else {
                self.leave_out(path, Reason::Special);
            }
        }
        Ok(())
    }
}

/// Bytes at the end of an archive in which its end record lies: 22 bytes, and a comment that nobody writes.
const ZIP_TAIL: usize = 1 << 10;

/// Reads one file once: hashed, kept where asked for, and looked at as it passes.
fn read(
    dir: &Dir,
    path: &str,
    size_bytes: u64,
    role: Role,
    keep: bool,
) -> Result<(Artifact, Vec<u8>), Reason> {
    let (mut file, before) = handle::open(dir, path).map_err(|_| Reason::Unreadable)?;
    if !before.is_file() {
        return Err(Reason::Special);
    }
    if before.len() != size_bytes {
        return Err(Reason::Changed);
    }
    let mut scanner = (role == Role::Weights).then(|| Scanner::new(size_bytes));
    let (mut bytes, mut head, mut tail) = (Vec::new(), Vec::new(), Vec::new());
    let sha256 = handle::drain(&mut file, size_bytes, |chunk| {
        if keep {
            bytes.extend_from_slice(chunk);
        }
        if let Some(scanner) = &mut scanner {
            scanner.push(chunk);
        }
        head.extend(chunk.iter().take(4_usize.saturating_sub(head.len())));
        tail.extend_from_slice(&chunk[chunk.len().saturating_sub(ZIP_TAIL)..]);
        tail.drain(..tail.len().saturating_sub(ZIP_TAIL));
    })
    .map_err(|error| match error {
        ReadError::Io(_) => Reason::Unreadable,
        ReadError::Changed { .. } => Reason::Changed,
    })?;
    let after = file.metadata().map_err(|_| Reason::Unreadable)?;
    if after.modified().ok() != before.modified().ok() || after.len() != size_bytes {
        return Err(Reason::Changed);
    }
    let zip = head.starts_with(b"PK\x03\x04").then(|| {
        let whole = tail.windows(4).any(|window| window == b"PK\x05\x06");
        if whole { Zip::Whole } else { Zip::Cut }
    });
    let safetensors = scanner.map(|scanner| match scanner.finish() {
        Ok(tensors) => Contents::Read { tensors },
        Err(Refusal::Malformed(reason)) => Contents::Malformed { reason },
        Err(Refusal::NotRead(reason)) => Contents::NotRead { reason },
    });
    let media_type = take::media_type(path).to_owned();
    Ok((Artifact { path: path.to_owned(), size_bytes, sha256, media_type, role, zip, safetensors }, bytes))
}

/// The path without the host name that `TensorBoard` writes into its file names:
/// `events.out.tfevents.TIME.HOST.PID.NUMBER`.
fn without_host(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let Some((kind, rest)) = name.split_once(".tfevents.") else { return path.to_owned() };
    let mut parts: Vec<&str> = rest.split('.').collect();
    let numbers = |part: &&&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let end = parts.len() - parts.iter().rev().take(2).take_while(numbers).count();
    if end > 1 {
        parts.splice(1..end, ["host"]);
    }
    let name = format!("{kind}.tfevents.{}", parts.join("."));
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_a_file_name_is_masked() {
        for (path, wanted) in [
            (
                "runs/events.out.tfevents.1700000000.box.example.org.123.0",
                "runs/events.out.tfevents.1700000000.host.123.0",
            ),
            ("events.out.tfevents.1700000000.box", "events.out.tfevents.1700000000.host"),
            ("events.out.tfevents.1700000000.box.12.0.v2", "events.out.tfevents.1700000000.host"),
            ("model.safetensors", "model.safetensors"),
        ] {
            assert_eq!(without_host(path), wanted);
        }
    }
}
