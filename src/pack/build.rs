//! Sealing a plan and writing it: staged in a hidden sibling directory, synced, renamed into place.
//!
//! The rename is `renameat2(RENAME_NOREPLACE)`. On file systems without it, a plain rename follows a check that the name
//! is free; `rename` itself never replaces a directory that holds anything, so no pack is overwritten either way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Algorithm, FORMAT, PackId, Signing, SigningRole, Statement};
use super::path::PackPath;
use super::plan::{Evidence, Input, Plan, Terms};
use super::{LEDGER, Ledger, MANIFEST, SEAL};
use crate::digest::Digest;
use crate::persist;
use crate::report::Outcome;
use crate::trust::{SigningKey, seal};

/// A pack that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The name cannot be that of a directory here, or is hidden.
    #[error("{0:?} is no name for a pack: one visible path component expected")]
    Name(String),
    /// The final name is taken.
    #[error("{path}: exists already, and a pack is never overwritten", path = .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Every file of a pack, in memory: judged, sealed, and not yet written.
#[derive(Debug, Clone)]
pub struct Pack {
    files: BTreeMap<PackPath, Vec<u8>>,
    /// Its name of 32 digits.
    pub pack_id: PackId,
    /// Its identity.
    pub manifest_sha256: Digest,
    /// What its inputs come to.
    pub verdict: Outcome,
}

impl Pack {
    /// Judges the inputs, plans the files and seals them. Without a key the pack is unsigned. Equal inputs, terms and key
    /// make equal bytes.
    #[must_use]
    pub fn of(inputs: Vec<Input>, terms: &Terms, key: Option<&SigningKey>) -> Self {
        let signer = key.map(SigningKey::verifying_key);
        let key_id = signer.map(|signer| signer.id());
        let mut plan = Plan::of(Evidence::of(inputs), &terms.created_at, signer.as_ref());
        let pack_id = plan.pack_id(&terms.created_at, key_id.as_ref());
        plan.add_readme(terms, &pack_id, key_id.as_ref());

        let artifacts: Vec<_> = plan.files().iter().map(|(path, file)| file.artifact(path)).collect();
        let lines = artifacts.iter().map(|artifact| (artifact.path.clone(), artifact.sha256));
        let ledger = lines.collect::<Ledger>().write();
        let verdict = plan.verdict().verdict;
        let statement = Statement {
            format: FORMAT.to_owned(),
            pack_id: pack_id.clone(),
            created_at: terms.created_at,
            created_at_source: terms.created_at_source,
            producer: terms.producer.clone(),
            judge: terms.judge.clone(),
            subject: terms.subject.clone(),
            parent_manifest_sha256: terms.parent_manifest_sha256,
            suite: (),
            verdict,
            counts: plan.verdict().counts,
            checksums_sha256_digest: Digest::of(&ledger),
            artifacts,
            signing: key_id.map(|key_id| Signing {
                algorithm: Algorithm::Ed25519,
                key_id,
                role: SigningRole::Seal,
            }),
        };
        let manifest = statement.to_bytes();
        let manifest_sha256 = Digest::of(&manifest);

        let mut files = plan.into_files();
        if let Some(key) = key {
            files.insert(PackPath::known(SEAL), seal::sign(key, &manifest).to_vec());
        }
        files.insert(PackPath::known(LEDGER), ledger);
        files.insert(PackPath::known(MANIFEST), manifest);
        Self { files, pack_id, manifest_sha256, verdict }
    }

    /// Every file, by path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<PackPath, Vec<u8>> {
        &self.files
    }

    /// Writes the pack as `parent/name`: whole, or not at all.
    ///
    /// # Errors
    /// [`BuildError`] when the name is taken or the system refuses.
    pub fn write(&self, parent: &Path, name: &str) -> Result<PathBuf, BuildError> {
        self.stage(parent, name)?.publish()
    }

    /// Writes every file into a hidden directory beside the final name and syncs it. What dead builds of the same name
    /// left there is removed first.
    ///
    /// # Errors
    /// [`BuildError`] when the name is taken or the system refuses.
    pub fn stage(&self, parent: &Path, name: &str) -> Result<Staged, BuildError> {
        let is_name = name.parse::<PackPath>().is_ok() && !name.contains('/') && !name.starts_with('.');
        if !is_name || name.len() > 200 {
            return Err(BuildError::Name(name.to_owned()));
        }
        let target = parent.join(name);
        if target.symlink_metadata().is_ok() {
            return Err(BuildError::Exists(target));
        }
        fs::create_dir_all(parent).map_err(at(parent))?;
        let prefix = format!(".{name}.partial-");
        remove_dead(parent, &prefix).map_err(at(parent))?;
        let staged = Staged::new(parent, &prefix, target)?;
        let mut directories = BTreeSet::from([staged.path.clone()]);
        for (path, bytes) in &self.files {
            let file = staged.path.join(path.as_str());
            let folder = persist::parent_of(&file).to_owned();
            if directories.insert(folder.clone()) {
                make_directory(&folder).map_err(at(&folder))?;
            }
            persist::write_synced(&file, bytes, 0o644).map_err(at(&file))?;
        }
        for directory in directories.iter().rev() {
            persist::sync_directory(directory).map_err(at(directory))?;
        }
        Ok(staged)
    }
}

/// A pack on disk under a hidden name. Dropped, it is removed; published, it has its final name.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    target: PathBuf,
    /// Held as long as the build lives: what is not locked belongs to a dead one.
    lock: Option<File>,
}

impl Staged {
    fn new(parent: &Path, prefix: &str, target: PathBuf) -> Result<Self, BuildError> {
        for number in 0_u32.. {
            let path = parent.join(format!("{prefix}{}-{number}", std::process::id()));
            match make_directory(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(at(&path))?,
            }
            let lock = lock(&path);
            return Ok(Self { path, target, lock });
        }
        unreachable!("a directory does not hold that many entries")
    }

    /// Where it is staged.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the pack its final name.
    ///
    /// # Errors
    /// [`BuildError::Exists`] when the name was taken meanwhile; [`BuildError::Io`] when the system refuses.
    pub fn publish(self) -> Result<PathBuf, BuildError> {
        rename_without_replacing(&self.path, &self.target).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
                BuildError::Exists(self.target.clone())
            }
            _ => BuildError::Io { path: self.target.clone(), source },
        })?;
        let parent = persist::parent_of(&self.target);
        persist::sync_directory(parent).map_err(at(parent))?;
        Ok(self.target.clone())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After publication there is nothing under this name; otherwise the next build tries again.
        let _ = fs::remove_dir_all(&self.path);
        self.lock.take();
    }
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

/// The lock of a staging directory; none where it is taken, or where directories cannot be locked.
fn lock(path: &Path) -> Option<File> {
    let handle = File::open(path).ok()?;
    handle.try_lock().ok()?;
    Some(handle)
}

fn remove_dead(parent: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if ours(&entry.file_name()) && entry.file_type()?.is_dir() && lock(&entry.path()).is_some() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return other.map_err(io::Error::from),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}
