//! Taking a pack out of its archive: checked as a stream before anything is written, and as a directory before it has
//! its name.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Decoder, Entries};
use crate::digest::Digest;
use crate::pack::build::{BuildError, Stage};
use crate::pack::check::{self, OpenError, Options};
use crate::pack::path::PackPath;
use crate::pack::result::VerifyResult;
use crate::persist;

/// An archive from which no pack was taken.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It does not hold a pack that keeps every law that was put to it. Nothing was written.
    #[error("the pack does not verify: {findings} findings, the first {first}; nothing was written")]
    Refused {
        /// How many.
        findings: usize,
        /// The first, by its code and place.
        first: String,
        /// All of it.
        result: Box<VerifyResult>,
    },
    /// It is not what it was when it was checked.
    #[error("{0}: changed while it was read; nothing was written under the pack's name")]
    Changed(PathBuf),
    /// The pack cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Takes the pack out of an archive into the new directory `target`, if it verifies.
///
/// # Errors
/// [`ExtractError`]; then nothing stands under that name.
pub fn extract(
    archive: &Path,
    target: &Path,
    options: &Options,
) -> Result<(VerifyResult, PathBuf), ExtractError> {
    let parent = persist::parent_of(target);
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if parent.is_dir() {
        crate::pack::build::free(parent, name)?;
    }
    let open = || File::open(archive).map_err(|source| OpenError { path: archive.to_owned(), source });
    let checked = check::archive(open()?, options);
    refuse(&checked)?;
    let stage = Stage::open(parent)?;
    let changed = || ExtractError::Changed(archive.to_owned());
    let decoder = Decoder::new(open()?).map_err(|_| changed())?;
    let mut entries = Entries::new(decoder, &options.limits);
    while let Some(file) = entries.next() {
        let mut out = stage.file(&file.path)?;
        let mut failed: Option<io::Error> = None;
        let digest: Option<Digest> = entries.digest(|chunk| {
            if failed.is_none() {
                failed = out.write_all(chunk).err();
            }
        });
        if let Some(source) = failed {
            return Err(BuildError::Io { path: target.to_owned(), source }.into());
        }
        digest.ok_or_else(changed)?;
    }
    if !entries.walk.whole || !entries.walk.seen.is_empty() {
        return Err(changed());
    }
    let result = check::directory(stage.path(), options)?;
    refuse(&result)?;
    if result.pack != checked.pack {
        return Err(changed());
    }
    stage.sync_files(entries.walk.entries.keys().map(PackPath::as_str))?;
    let path = stage.publish(name)?;
    Ok((result, path))
}

fn refuse(result: &VerifyResult) -> Result<(), ExtractError> {
    match result.findings.first() {
        None => Ok(()),
        Some(first) => Err(ExtractError::Refused {
            findings: result.findings.len(),
            first: format!("{} {}", first.law.code, first.path),
            result: Box::new(result.clone()),
        }),
    }
}
