//! Putting a statement beside what was sealed, into a pack that is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::Added;
use super::path::PackPath;
use crate::persist;

/// Writes a file where something may be added. It appears whole or not at all, and never in the place of another.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] where nothing may be added; whatever the system reports.
pub fn add(pack: &Path, path: &PackPath, bytes: &[u8]) -> io::Result<PathBuf> {
    if Added::of(path).is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing can be added to a pack there"));
    }
    let components: Vec<&str> = path.as_str().split('/').collect();
    let mut folder = pack.to_owned();
    let mut made = Vec::new();
    for component in &components[..components.len() - 1] {
        folder.push(component);
        match fs::create_dir(&folder) {
            Ok(()) => made.push(folder.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // A link would lead out of the pack.
        if !folder.symlink_metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"));
        }
    }
    let target = pack.join(path.as_str());
    let written = persist::create(&target, bytes, 0o644);
    if written.is_err() {
        // No empty folder is left behind.
        made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
    written.map(|()| target)
}
