//! Making a pack: staged in a hidden sibling directory, sealed, synced, renamed into place.
//!
//! The rename is `renameat2(RENAME_NOREPLACE)`. On file systems without it, a plain rename follows a check that the name
//! is free; `rename` itself never replaces a directory that holds anything, so no pack is overwritten either way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use super::files::{Files, Sealed, Sink};
use super::layout::{Folder, Place, Side};
use super::manifest::{Algorithm, FORMAT, PackId, Signing, SigningRole, Statement};
use super::path::PackPath;
use super::plan::{
    self, Assessment, Captures, Conclusion, Evidence, FinalVerdict, Input, InputKind, Judging, Paper, Papers,
    PapersError, SampledStep, Stem, Terms,
};
use super::{LEDGER, Ledger, MANIFEST, SEAL};
use crate::annex::Annex;
use crate::annex::check::Fault;
use crate::digest::Digest;
use crate::handle::{self, At};
use crate::persist;
use crate::run;
use crate::step::call::{Call, Published};
use crate::step::commit::Commits;
use crate::step::{self, Record, Refusal, whole};
use crate::tensor::{self, Bytes as _, Capture, Folder as _, index};
use crate::trust::{SignError, SigningKey, seal};

/// What the directories of unfinished packs begin with.
const PARTIAL: &str = ".bp-partial-";
/// Up to this many files are synced one by one; more, with everything else that the file system holds back.
const SYNCED_ALONE: usize = 256;

/// A pack that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The name cannot be that of a directory here, or is hidden.
    #[error("{0:?} is no name for a pack: one visible path component expected")]
    Name(String),
    /// The final name is taken.
    #[error("{path}: exists already, and a pack is never overwritten", path = .0.display())]
    Exists(PathBuf),
    /// What people put beside the evidence cannot be read.
    #[error(transparent)]
    Papers(#[from] PapersError),
    /// The answer to Annex IV cannot be printed as it should be.
    #[error("{path}{}: {}", if .0.at.is_empty() { String::new() } else { format!(", {}", .0.at) }, .0.message, path = .0.path)]
    Annex(Fault),
    /// The system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sampled step that cannot be judged.
    #[error("{stem}: {refusal}")]
    Step {
        /// The stem of its record.
        stem: Stem,
        /// Why.
        refusal: Refusal,
    },
    /// Commitments to the steps of a run that are not sound.
    #[error("the commitments: {0}")]
    Published(Refusal),
    /// Captured tensors that cannot be judged.
    #[error("{}: {fault}", side.folder())]
    Tensors {
        /// Which of the two.
        side: Side,
        /// Why.
        fault: tensor::Fault,
    },
    /// The pack could not be sealed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A sampled step of an optimizer, as it is given.
#[derive(Debug)]
pub struct GivenStep {
    /// The bytes of its record.
    pub bytes: Vec<u8>,
    /// The same, parsed.
    pub record: Record,
    /// Its payload.
    pub payload: At,
    /// The payload of its modules, where the record names one.
    pub linear: Option<At>,
    /// Whether its payloads go into the pack.
    pub inside: bool,
}

/// A file that people put beside the evidence, as it is given.
#[derive(Debug)]
pub enum GivenPaper {
    /// Its bytes.
    Held(Vec<u8>),
    /// An attachment, which is copied: too long to hold.
    File(At),
}

/// A pack in the making: a hidden directory beside the final name. Dropped, it is removed.
#[derive(Debug)]
pub struct Stage {
    parent: PathBuf,
    path: PathBuf,
    directories: Mutex<BTreeSet<PathBuf>>,
    /// Held as long as the build lives: what is not locked belongs to a dead one.
    lock: Option<File>,
}

impl Stage {
    /// Begins a pack in this directory. What dead builds left there is removed first.
    ///
    /// # Errors
    /// [`BuildError::Io`] when the system refuses.
    pub fn open(parent: &Path) -> Result<Self, BuildError> {
        fs::create_dir_all(parent).map_err(at(parent))?;
        remove_dead(parent).map_err(at(parent))?;
        for number in 0_u32.. {
            let path = parent.join(format!("{PARTIAL}{}-{number}", std::process::id()));
            match make_directory(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(at(&path))?,
            }
            let lock = match lock(&path) {
                Lock::Held(lock) => Some(lock),
                Lock::Unknown => None,
                // Another build took it for a dead one's before it was locked.
                Lock::Taken => continue,
            };
            if path.is_dir() {
                let directories = Mutex::new(BTreeSet::from([path.clone()]));
                return Ok(Self { parent: parent.to_owned(), path, directories, lock });
            }
        }
        unreachable!("a directory does not hold that many entries")
    }

    /// Where it is staged.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an input down, judges it, and writes what follows. The bytes judged are the bytes written.
    ///
    /// # Errors
    /// [`BuildError::Io`] when the system refuses.
    pub fn take(
        &self,
        stem: Stem,
        kind: InputKind,
        bytes: &[u8],
        judging: Judging,
    ) -> Result<Assessment, BuildError> {
        self.put(&kind.place(&stem).path(), bytes)?;
        plan::judge(stem, Input { kind, bytes, sha256: Digest::of(bytes) }, judging, self)
    }

    /// Writes a suite down, what of it is judged, and what was signed of it before, with the token over that.
    ///
    /// # Errors
    /// [`BuildError::Io`] when the system refuses.
    pub fn demand(
        &self,
        suite: &[u8],
        selection: &[u8],
        frozen: Option<(&[u8], Option<&[u8]>)>,
    ) -> Result<Files, BuildError> {
        let mut files = Files::default();
        files.put(Place::Suite, suite, self)?;
        files.put(Place::Selection, selection, self)?;
        if let Some((freeze, token)) = frozen {
            files.put(Place::Freeze, freeze, self)?;
            if let Some(token) = token {
                files.put(Place::FreezeToken, token, self)?;
            }
        }
        Ok(files)
    }

    /// Writes what people put beside the evidence: files under `annex/`, by their paths.
    ///
    /// # Errors
    /// [`BuildError::Papers`] when they mean nothing certain, [`BuildError::Io`] when the system refuses.
    pub fn papers(&self, files: &BTreeMap<PackPath, GivenPaper>) -> Result<Papers, BuildError> {
        let mut papers = Vec::with_capacity(files.len());
        for (path, given) in files {
            papers.push(match given {
                GivenPaper::Held(bytes) => {
                    self.put(path, bytes)?;
                    (path, Paper::of(bytes))
                }
                GivenPaper::File(file) => {
                    let (size_bytes, sha256) = self.copy(path, file)?;
                    (path, Paper { size_bytes, sha256, bytes: &[] })
                }
            });
        }
        Ok(Papers::parse(papers)?)
    }

    /// Writes what a training job left, and what follows from it.
    ///
    /// # Errors
    /// [`BuildError::Io`] when the system refuses.
    pub fn run(&self, evidence: &mut Evidence, folder: &str, left: &run::Evidence) -> Result<(), BuildError> {
        let place = Place::RunEvidence(Folder::named(folder));
        let mut files = Files::default();
        for (name, bytes) in left.files() {
            let path = format!("{folder}/{name}");
            let path = path.parse().map_err(|_| BuildError::Name(path))?;
            files.put_at(path, place, &bytes, self)?;
        }
        evidence.run(folder, left, files, self)
    }

    /// Writes down what was published of a run of sampled steps. It comes before the steps, which are held against it.
    ///
    /// # Errors
    /// [`BuildError::Published`] when it is not sound, [`BuildError::Io`] when the system refuses.
    pub fn published(
        &self,
        evidence: &mut Evidence,
        commits: &[u8],
        call: Option<&Call>,
    ) -> Result<(), BuildError> {
        let commitments = Commits::parse(commits).map_err(BuildError::Published)?;
        let mut files = Files::default();
        files.put(Place::StepCommits, commits, self)?;
        if let Some(call) = call {
            files.put(Place::StepChallenge, &call.to_bytes(), self)?;
        }
        evidence.publish(Published { commits: commitments, call: call.cloned() }, files);
        Ok(())
    }

    /// Writes a sampled step down, judges it, and writes what follows. Payloads that go into the pack are judged as they
    /// were written.
    ///
    /// # Errors
    /// [`BuildError::Step`] when it cannot be judged, [`BuildError::Io`] when the system refuses.
    pub fn step(&self, evidence: &mut Evidence, stem: Stem, given: GivenStep) -> Result<(), BuildError> {
        let GivenStep { bytes, record, payload, linear, inside } = given;
        let mut files = Files::default();
        let named: Vec<Digest> = plan::payloads(&record).map(|(_, sha256)| sha256).collect();
        let mut shown = Vec::with_capacity(2);
        for (sha256, given) in named.into_iter().zip([Some(payload), linear].into_iter().flatten()) {
            let place = Place::StepPayload(sha256);
            if inside {
                // Another step may have the same payload.
                let sealed = if let Some(sealed) = evidence.files().at(&place.path()) {
                    *sealed
                } else {
                    let (size_bytes, sha256) = self.copy(&place.path(), &given)?;
                    Sealed { size_bytes, sha256, role: place.role() }
                };
                files.note(place.path(), sealed);
                let path = self.path.join(place.path().as_str());
                shown.push(File::open(&path).and_then(At::new).map_err(at(&path))?);
            } else {
                shown.push(given);
            }
        }
        let judged = shown.split_first().map(|(payload, linear)| {
            let shown = whole::Shown::of(&record, payload, linear.first(), evidence.published());
            whole::judge(&record, &shown, &step::Options::default())
        });
        let missing =
            || Refusal::Payload { file: record.payload.file.clone(), reason: "not there".to_owned() };
        let judged = judged.unwrap_or_else(|| Err(missing()));
        let report = judged.map_err(|refusal| BuildError::Step { stem: stem.clone(), refusal })?;
        self.put(&Place::StepRecord(stem.as_str()).path(), &bytes)?;
        evidence.step(SampledStep::judged(stem, &bytes, record, &report, files, self)?);
        Ok(())
    }

    /// Copies captured tensors into the pack, each folder with its index, judges them as they were written, and writes what
    /// follows.
    ///
    /// # Errors
    /// [`BuildError::Tensors`] when they cannot be judged, [`BuildError::Io`] when the system refuses.
    pub fn captures(
        &self,
        evidence: &mut Evidence,
        subject: &handle::Files,
        reference: Option<&handle::Files>,
    ) -> Result<(), BuildError> {
        let mut files = Files::default();
        let mut copied = |side: Side, given: &handle::Files| {
            for name in given.names() {
                let text = format!("{}/{name}", side.folder());
                let path = text.parse::<PackPath>().map_err(|_| BuildError::Name(text))?;
                let from = given.open(name).map_err(at(&given.root().join(name)))?;
                let (size_bytes, sha256) = self.copy(&path, &from)?;
                files.note(path, Sealed { size_bytes, sha256, role: Place::Captured(side, name).role() });
            }
            let root = self.path.join(side.folder());
            let index = fs::read(root.join(index::NAME)).map_err(at(&given.root().join(index::NAME)))?;
            let written = handle::Files::named(root, given.names().to_vec());
            let capture = Capture::indexed(written, Some(index::NAME), &index);
            capture.map_err(|fault| BuildError::Tensors { side, fault })
        };
        let subject = copied(Side::Subject, subject)?;
        let reference = reference.map(|given| copied(Side::Reference, given)).transpose()?;
        let judged = Captures::judged(&subject, reference.as_ref(), files, self)?;
        let unsound = |fault| BuildError::Tensors { side: Side::Subject, fault };
        evidence.captures(judged.map_err(unsound)?);
        Ok(())
    }

    /// Copies a file into the pack, in constant memory. Answers its length and its digest.
    fn copy(&self, path: &PackPath, from: &At) -> Result<(u64, Digest), BuildError> {
        const CHUNK: u64 = 1 << 18;
        let mut file = self.file(path)?;
        let (mut hasher, size_bytes, mut offset) = (Sha256::new(), from.size_bytes(), 0);
        let mut buffer = vec![0; usize::try_from(size_bytes.min(CHUNK)).expect("a chunk fits memory")];
        while offset < size_bytes {
            let count = (size_bytes - offset).min(CHUNK);
            let chunk = &mut buffer[..usize::try_from(count).expect("a chunk fits memory")];
            let copied = from.read_at(offset, chunk).and_then(|()| file.write_all(chunk));
            copied.map_err(at(&self.path.join(path.as_str())))?;
            hasher.update(&*chunk);
            offset += count;
        }
        Ok((size_bytes, Digest::from_bytes(hasher.finalize().into())))
    }

    /// Derives the rest and seals all. Without a key the pack is unsigned. Equal evidence, terms and key make equal bytes.
    ///
    /// # Errors
    /// [`BuildError::Io`] when the system refuses.
    pub fn seal(
        self,
        evidence: Evidence,
        terms: &Terms,
        key: Option<&SigningKey>,
    ) -> Result<Pack, BuildError> {
        let signer = key.map(SigningKey::verifying_key);
        let key_id = signer.map(|signer| signer.id());
        let conclusion = evidence.conclude(terms, key_id.as_ref(), signer.as_ref(), &self)?;
        let artifacts: Vec<_> =
            conclusion.files().into_iter().map(|(path, sealed)| sealed.artifact(path)).collect();
        let lines = artifacts.iter().map(|artifact| (artifact.path.clone(), artifact.sha256));
        let ledger = lines.collect::<Ledger>().write();
        if let Some(fault) = conclusion.faults.first() {
            return Err(BuildError::Annex(fault.clone()));
        }
        let Conclusion {
            pack_id, subject, verdict, suite, annex, annex_facts, parent_manifest_sha256, ..
        } = conclusion;
        let statement = Statement {
            format: FORMAT.to_owned(),
            pack_id: pack_id.clone(),
            created_at: terms.created_at,
            created_at_source: terms.created_at_source,
            producer: terms.producer.clone(),
            judge: terms.judge.clone(),
            subject,
            parent_manifest_sha256,
            suite,
            annex: annex_facts,
            verdict: verdict.verdict,
            counts: verdict.counts,
            checksums_sha256_digest: Digest::of(&ledger),
            artifacts,
            signing: key_id.map(|key_id| Signing {
                algorithm: Algorithm::Ed25519,
                key_id,
                role: SigningRole::Seal,
            }),
        };
        let manifest = statement.to_bytes();
        if let Some(key) = key {
            self.put(&PackPath::known(SEAL), &seal::sign(key, &manifest)?)?;
        }
        self.put(&PackPath::known(LEDGER), &ledger)?;
        self.put(&PackPath::known(MANIFEST), &manifest)?;
        self.sync(&statement)?;
        Ok(Pack { stage: self, pack_id, manifest_sha256: Digest::of(&manifest), verdict, annex })
    }

    /// Brings every file and directory of a pack down to the disk.
    fn sync(&self, statement: &Statement) -> Result<(), BuildError> {
        let roots = [MANIFEST, LEDGER].into_iter().chain(statement.key_id().map(|_| SEAL));
        self.sync_files(roots.chain(statement.artifacts.iter().map(|artifact| artifact.path.as_str())))
    }

    /// Brings files, and every directory, down to the disk.
    pub(super) fn sync_files<'a>(&self, files: impl Iterator<Item = &'a str>) -> Result<(), BuildError> {
        let files: Vec<&str> = files.collect();
        #[cfg(target_os = "linux")]
        if files.len() > SYNCED_ALONE {
            let directory = File::open(&self.path).map_err(at(&self.path))?;
            return rustix::fs::syncfs(&directory).map_err(io::Error::from).map_err(at(&self.path));
        }
        for file in files {
            let path = self.path.join(file);
            persist::sync(&path).map_err(at(&path))?;
        }
        let directories = self.directories.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for directory in directories.iter().rev() {
            persist::sync_directory(directory).map_err(at(directory))?;
        }
        Ok(())
    }

    /// A new file of the pack, for writing.
    pub(super) fn file(&self, path: &PackPath) -> Result<File, BuildError> {
        self.make_way(path)?;
        let file = self.path.join(path.as_str());
        persist::open_new(&file, 0o644).map_err(at(&file))
    }

    /// Gives what was staged its final name.
    pub(super) fn publish(&self, name: &str) -> Result<PathBuf, BuildError> {
        let target = free(&self.parent, name)?;
        rename_without_replacing(&self.path, &target).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
                BuildError::Exists(target.clone())
            }
            _ => BuildError::Io { path: target.clone(), source },
        })?;
        let parent = persist::parent_of(&target);
        persist::sync_directory(parent).map_err(at(parent))?;
        Ok(target)
    }

    /// Makes the directories that a path of the pack lies in.
    fn make_way(&self, path: &PackPath) -> Result<(), BuildError> {
        let mut directories = self.directories.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let components: Vec<&str> = path.as_str().split('/').collect();
        let mut folder = self.path.clone();
        for component in &components[..components.len() - 1] {
            folder.push(component);
            if directories.insert(folder.clone()) {
                make_directory(&folder).map_err(at(&folder))?;
            }
        }
        Ok(())
    }
}

impl Sink for Stage {
    type Error = BuildError;

    fn put(&self, path: &PackPath, bytes: &[u8]) -> Result<(), BuildError> {
        self.make_way(path)?;
        let file = self.path.join(path.as_str());
        persist::write(&file, bytes, 0o644).map_err(at(&file))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After publication there is nothing under this name; otherwise the next build tries again.
        let _ = fs::remove_dir_all(&self.path);
        self.lock.take();
    }
}

/// A sealed pack that has no name yet.
#[derive(Debug)]
pub struct Pack {
    stage: Stage,
    /// Its name of 32 digits.
    pub pack_id: PackId,
    /// Its identity.
    pub manifest_sha256: Digest,
    /// What its inputs come to.
    pub verdict: FinalVerdict,
    /// Its answer to Annex IV.
    pub annex: Annex,
}

impl Pack {
    /// Where it is staged.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.stage.path()
    }

    /// Gives the pack its final name.
    ///
    /// # Errors
    /// [`BuildError::Name`] for a name that is none, [`BuildError::Exists`] when it is taken, [`BuildError::Io`] when the
    /// system refuses.
    pub fn publish(self, name: &str) -> Result<PathBuf, BuildError> {
        self.stage.publish(name)
    }
}

/// The path that a pack of this name will have, while the name is free.
///
/// # Errors
/// [`BuildError::Name`] for a name that is none, [`BuildError::Exists`] when it is taken.
pub fn free(parent: &Path, name: &str) -> Result<PathBuf, BuildError> {
    let is_name = name.parse::<PackPath>().is_ok() && !name.contains('/') && !name.starts_with('.');
    if !is_name || name.len() > 200 {
        return Err(BuildError::Name(name.to_owned()));
    }
    let target = parent.join(name);
    if target.symlink_metadata().is_ok() { Err(BuildError::Exists(target)) } else { Ok(target) }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::Io { path: path.to_owned(), source }
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

/// Whose a staging directory is.
enum Lock {
    /// Ours, as long as the handle lives.
    Held(File),
    /// Another's, or gone.
    Taken,
    /// Directories cannot be locked here.
    Unknown,
}

fn lock(path: &Path) -> Lock {
    let Ok(handle) = File::open(path) else { return Lock::Taken };
    match handle.try_lock() {
        Ok(()) => Lock::Held(handle),
        Err(TryLockError::WouldBlock) => Lock::Taken,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

fn remove_dead(parent: &Path) -> io::Result<()> {
    for entry in persist::entries(parent)? {
        let entry = entry?;
        let ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(PARTIAL));
        if ours(&entry.file_name())
            && entry.file_type()?.is_dir()
            && let Lock::Held(_lock) = lock(&entry.path())
        {
            // One that is somebody else's stays, and is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match persist::rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        done => return done,
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}
