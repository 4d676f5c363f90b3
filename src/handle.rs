//! Files below a directory, by handle: no link is followed, and nothing that may block is waited for.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::tensor::{Bytes, Folder};

/// Bytes that are read at a time.
const CHUNK: u64 = 1 << 18;

/// Why a file was not read whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not as long as it was.
    #[error("{stated} bytes long at first, {read} when read")]
    Changed {
        /// The length before it was opened.
        stated: u64,
        /// The length when it was read, or as far as reading went.
        read: u64,
    },
}

/// Opens what lies at `path` below `dir`, its components separated by `/`. The caller looks at the metadata before it
/// reads: what was a regular file when it was listed may be a FIFO now.
///
/// # Errors
/// Whatever the system reports; a link anywhere on the way is an error.
pub fn open(dir: &Dir, path: &str) -> io::Result<(File, Metadata)> {
    let path = Path::new(path);
    let mut folder = None;
    for component in path.parent().into_iter().flat_map(Path::components) {
        folder = Some(folder.as_ref().unwrap_or(dir).open_dir_nofollow(component)?);
    }
    let mut options = OpenOptions::new();
    // A FIFO that takes the file's place after it was listed must not hang.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let name = path.file_name().unwrap_or_default();
    let file = folder.as_ref().unwrap_or(dir).open_with(name, &options)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Reads a file to its end, once, in constant memory: its digest, and every chunk to `sink`. The file must be
/// `size_bytes` long.
///
/// # Errors
/// [`ReadError::Changed`] when it is longer or shorter; whatever the system reports.
pub fn drain(file: &mut File, size_bytes: u64, mut sink: impl FnMut(&[u8])) -> Result<Digest, ReadError> {
    let changed = |read| ReadError::Changed { stated: size_bytes, read };
    let mut hasher = Sha256::new();
    // One byte more, so that a file that grew is seen.
    let mut buffer = vec![0_u8; usize::try_from((size_bytes + 1).min(CHUNK)).expect("a chunk fits memory")];
    let mut length = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += count as u64;
                if length > size_bytes {
                    return Err(changed(length));
                }
                hasher.update(&buffer[..count]);
                sink(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if length == size_bytes { Ok(Digest::from_bytes(hasher.finalize().into())) } else { Err(changed(length)) }
}

/// A file that is read at any place, by several threads, at the length that it had when it was opened.
#[derive(Debug)]
pub struct At {
    file: std::fs::File,
    begin: u64,
    size_bytes: u64,
}

impl At {
    /// The file, which is a regular one.
    ///
    /// # Errors
    /// Whatever the system reports, and what is no regular file.
    pub fn new(file: std::fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file, begin: 0, size_bytes: metadata.len() })
    }

    /// A stretch of a file.
    #[must_use]
    pub const fn part(file: std::fs::File, begin: u64, size_bytes: u64) -> Self {
        Self { file, begin, size_bytes }
    }
}

impl Bytes for At {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let ends = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size_bytes);
        let begin = ends.and(self.begin.checked_add(offset)).ok_or(io::ErrorKind::UnexpectedEof)?;
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, begin)
    }
}

/// Regular files below a folder, by name; links are not followed.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    names: Vec<String>,
}

impl Files {
    /// All files below a folder.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn below(root: &Path) -> io::Result<Self> {
        let mut files = Self::named(root.to_owned(), Vec::new());
        files.walk("")?;
        files.names.sort();
        Ok(files)
    }

    /// Files of these names below a folder.
    #[must_use]
    pub const fn named(root: PathBuf, names: Vec<String>) -> Self {
        Self { root, names }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn walk(&mut self, inside: &str) -> io::Result<()> {
        for entry in self.root.join(inside).read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            match entry.file_type()? {
                kind if kind.is_dir() => self.walk(&name)?,
                kind if kind.is_file() => self.names.push(name),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Folder for Files {
    type File = At;

    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, name: &str) -> io::Result<At> {
        std::fs::File::open(self.root.join(name)).and_then(At::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("folder")).unwrap();
        std::fs::write(place.path().join("folder/file"), b"abc").unwrap();
        let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
        (place, dir)
    }

    #[test]
    fn a_file_is_read_at_the_length_it_had_and_at_no_other() {
        let (_place, dir) = place();
        let read = |size_bytes| {
            let mut kept = Vec::new();
            let (mut file, _) = open(&dir, "folder/file").unwrap();
            drain(&mut file, size_bytes, |chunk| kept.extend_from_slice(chunk)).map(|digest| (digest, kept))
        };
        assert_eq!(read(3).unwrap(), (Digest::of(b"abc"), b"abc".to_vec()));
        for size_bytes in [0, 2, 4] {
            assert!(
                matches!(read(size_bytes), Err(ReadError::Changed { stated, .. }) if stated == size_bytes)
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed_and_a_fifo_does_not_hang() {
        let (place, dir) = place();
        std::os::unix::fs::symlink("folder", place.path().join("link")).unwrap();
        std::os::unix::fs::symlink("file", place.path().join("folder/link")).unwrap();
        assert!(open(&dir, "link/file").is_err());
        assert!(open(&dir, "folder/link").is_err());
        let fifo = place.path().join("folder/fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(!open(&dir, "folder/fifo").unwrap().1.is_file());
    }
}
