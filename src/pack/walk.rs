//! What lies in a pack's directory, by handle: names and metadata first, then each file once. No link is followed and
//! nothing that is not a regular file with one name is opened for reading.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::{Dir, Metadata};

use super::check::Limits;
use super::law::{self, Law};
use super::path::PackPath;
use crate::digest::Digest;
use crate::handle::{self, ReadError};
use crate::persist;
use crate::report::plain;

/// A name that is a path of a pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The length that the system states.
    pub(super) size_bytes: u64,
    /// A regular file with one name. Anything else has its finding and is not opened.
    pub(super) regular: bool,
}

/// A finding of the walk: the law, the place, and what is seen there.
pub(super) type Seen = (&'static Law, String, String);

/// Everything that lies in a pack.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    pub(super) entries: BTreeMap<PackPath, Entry>,
    pub(super) seen: Vec<Seen>,
    /// The number of names looked at, directories included.
    pub(super) count: u64,
    /// False when a limit or an error cut the walk short.
    pub(super) whole: bool,
    /// Whether more names are seen once files are read.
    pub(super) on_the_way: bool,
}

impl Walk {
    /// Looks at every name below `dir`.
    pub(super) fn of(dir: &Dir, limits: &Limits) -> Self {
        let mut walk = Self::default();
        walk.whole = walk.descend(dir, "", 0, limits);
        let mut folded = BTreeSet::new();
        for path in walk.entries.keys() {
            if !folded.insert(path.fold()) {
                let message = "equal to another name where case is ignored".to_owned();
                walk.seen.push((&law::FILE_NAME_CASE_TWIN, shown(path.as_str()), message));
            }
        }
        walk
    }

    fn descend(&mut self, dir: &Dir, prefix: &str, depth: usize, limits: &Limits) -> bool {
        let place = if prefix.is_empty() { "." } else { prefix.trim_end_matches('/') };
        let names = match self.names(dir, limits) {
            Ok(Some(names)) => names,
            Ok(None) => {
                self.note(
                    &law::LIMIT_EXCEEDED,
                    place,
                    format!("more than {} names; the rest is not looked at", limits.files),
                );
                return false;
            }
            Err(error) => {
                self.note(&law::FILE_UNREADABLE, place, error.to_string());
                return false;
            }
        };
        if names.is_empty() && depth > 0 {
            self.note(&law::DIRECTORY_EMPTY, place, "an empty directory".to_owned());
        }
        names.into_iter().all(|name| self.name(dir, prefix, depth, &name, limits))
    }

    fn names(&mut self, dir: &Dir, limits: &Limits) -> io::Result<Option<BTreeSet<OsString>>> {
        let mut names = BTreeSet::new();
        for entry in persist::patiently(|| dir.entries())? {
            self.count += 1;
            if self.count > limits.files {
                return Ok(None);
            }
            names.insert(entry?.file_name());
        }
        Ok(Some(names))
    }

    /// Looks at one name. False stops the walk.
    fn name(&mut self, dir: &Dir, prefix: &str, depth: usize, name: &OsString, limits: &Limits) -> bool {
        let lossy = format!("{prefix}{}", name.to_string_lossy());
        let path = match name.to_str().map(|_| lossy.parse::<PackPath>()) {
            Some(Ok(path)) => Some(path),
            Some(Err(error)) => {
                self.note(&law::FILE_NAME_UNSAFE, &lossy, error.to_string());
                None
            }
            None => {
                self.note(&law::FILE_NAME_UNSAFE, &lossy, "not UTF-8".to_owned());
                None
            }
        };
        if lossy.len() > limits.path_bytes {
            self.note(&law::LIMIT_EXCEEDED, &lossy, format!("a path over {} bytes", limits.path_bytes));
            return false;
        }
        let metadata = match dir.symlink_metadata(name) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.note(&law::FILE_UNREADABLE, &lossy, error.to_string());
                return true;
            }
        };
        if let Some(message) = unsafe_mode(&metadata) {
            self.note(&law::FILE_MODE, &lossy, message);
        }
        if metadata.is_dir() {
            if depth + 1 > limits.depth {
                self.note(
                    &law::LIMIT_EXCEEDED,
                    &lossy,
                    format!("more than {} directories deep", limits.depth),
                );
                return false;
            }
            return match handle::folder(dir, name) {
                Ok(inner) => self.descend(&inner, &format!("{lossy}/"), depth + 1, limits),
                Err(error) => {
                    self.note(&law::FILE_UNREADABLE, &lossy, error.to_string());
                    true
                }
            };
        }
        let regular = match irregular(&metadata) {
            Some((law, message)) => {
                self.note(law, &lossy, message);
                false
            }
            None => true,
        };
        if let Some(path) = path {
            self.entries.insert(path, Entry { size_bytes: metadata.len(), regular });
        }
        true
    }

    fn note(&mut self, law: &'static Law, place: &str, message: String) {
        self.seen.push((law, shown(place), message));
    }
}

/// Why a name is no regular file with one name.
fn irregular(metadata: &Metadata) -> Option<(&'static Law, String)> {
    if metadata.is_symlink() {
        Some((&law::SYMLINK, "a symbolic link".to_owned()))
    } else if !metadata.is_file() {
        Some((&law::SPECIAL_FILE, "neither a regular file nor a directory".to_owned()))
    } else if metadata.nlink() != 1 {
        Some((&law::HARD_LINK, format!("a file with {} names", metadata.nlink())))
    } else {
        None
    }
}

#[cfg(unix)]
fn unsafe_mode(metadata: &Metadata) -> Option<String> {
    // A link's own mode means nothing.
    let mode = cap_std::fs::MetadataExt::mode(metadata);
    if metadata.is_symlink() { None } else { unsafe_bits(mode, metadata.is_dir()) }
}

#[cfg(not(unix))]
fn unsafe_mode(_: &Metadata) -> Option<String> {
    None
}

/// A mode that lets anyone change what it belongs to, or run it with another's rights.
pub(super) fn unsafe_bits(mode: u32, is_directory: bool) -> Option<String> {
    let mode = mode & 0o7777;
    // A directory may inherit setgid from where it lies.
    let forbidden = if is_directory { 0o4002 } else { 0o6002 };
    (mode & forbidden != 0).then(|| format!("mode {mode:04o}"))
}

/// Why a file was not read.
pub(super) type Refusal = (&'static Law, String);

/// Reads one file once: its digest, and its bytes when they are kept. The file must be `size_bytes` long.
pub(super) fn read(
    dir: &Dir,
    path: &PackPath,
    size_bytes: u64,
    keep: bool,
) -> Result<(Digest, Vec<u8>), Refusal> {
    let mut kept = Vec::new();
    let keeping = |chunk: &[u8]| {
        if keep {
            kept.extend_from_slice(chunk);
        }
    };
    stream(dir, path, size_bytes, keeping).map(|digest| (digest, kept))
}

/// Reads one file once: its digest, and every chunk to `sink`. The file must be `size_bytes` long.
pub(super) fn stream(
    dir: &Dir,
    path: &PackPath,
    size_bytes: u64,
    sink: impl FnMut(&[u8]),
) -> Result<Digest, Refusal> {
    let unreadable = |error: io::Error| (&law::FILE_UNREADABLE, error.to_string());
    let changed = |error: ReadError| match error {
        ReadError::Io(error) => unreadable(error),
        ReadError::Changed { .. } => (&law::FILE_CHANGED, error.to_string()),
    };
    let (mut file, metadata) = handle::open(dir, path.as_str()).map_err(unreadable)?;
    if let Some(refusal) = irregular(&metadata) {
        return Err(refusal);
    }
    if metadata.len() != size_bytes {
        return Err(changed(ReadError::Changed { stated: size_bytes, read: metadata.len() }));
    }
    handle::drain(&mut file, size_bytes, sink).map_err(changed)
}

/// A name or text from a pack, fit for a terminal: control characters escaped, cut after 200.
pub(super) fn shown(text: &str) -> String {
    let mut text: Vec<char> = text.chars().take(201).collect();
    if text.len() > 200 {
        text[200] = '…';
    }
    plain(&text.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), b"abc").unwrap();
        let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
        (place, dir)
    }

    #[test]
    fn a_file_is_read_once_and_only_at_the_length_it_had() {
        let (_place, dir) = pack();
        let path: PackPath = "file".parse().unwrap();
        assert_eq!(read(&dir, &path, 3, true), Ok((Digest::of(b"abc"), b"abc".to_vec())));
        assert_eq!(read(&dir, &path, 3, false), Ok((Digest::of(b"abc"), vec![])));
        for size_bytes in [0, 2, 4] {
            assert_eq!(read(&dir, &path, size_bytes, true).unwrap_err().0.code, "FILE_CHANGED");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_becomes_something_else_after_the_walk_is_not_read() {
        let (place, dir) = pack();
        let (file, inner) = (place.path().join("file"), place.path().join("inner"));
        let code = |path: &str| read(&dir, &path.parse().unwrap(), 3, true).unwrap_err().0.code;
        std::fs::hard_link(&file, place.path().join("other")).unwrap();
        assert_eq!(code("file"), "HARD_LINK");
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("other", &file).unwrap();
        assert_eq!(code("file"), "FILE_UNREADABLE");
        std::os::unix::fs::symlink(".", &inner).unwrap();
        assert_eq!(code("inner/other"), "FILE_UNREADABLE");
        std::fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert_eq!(code("file"), "SPECIAL_FILE");
    }

    #[test]
    fn what_is_shown_cannot_steer_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m\n\u{202e}é"), "a\\u{1b}[31m\\u{a}\\u{202e}é");
        assert_eq!(shown(&"x".repeat(300)).chars().count(), 201);
    }
}
