//! Files below a directory, by handle: no link is followed, and nothing that may block is waited for. What the user names is
//! opened by its path ([`Files`]), wherever that leads.

use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::persist;
use crate::tensor::{Bytes, Folder};

/// Bytes that are read at a time.
const CHUNK: u64 = 1 << 18;
/// From this length on, reading goes ahead on a thread of its own: below, starting one costs more than it saves.
const AHEAD: u64 = 16 << 20;
/// Chunks that are read ahead.
const BUFFERS: usize = 4;

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

/// Opens the folder at `path`, wherever it leads.
///
/// # Errors
/// Whatever the system reports, each time that it is asked ([`persist::patiently`]).
pub fn root(path: &Path) -> io::Result<Dir> {
    persist::patiently(|| Dir::open_ambient_dir(path, cap_std::ambient_authority()))
}

/// Opens the folder `name` in `dir`; a link is an error.
///
/// # Errors
/// Whatever the system reports, each time that it is asked ([`persist::patiently`]).
pub fn folder(dir: &Dir, name: impl AsRef<Path>) -> io::Result<Dir> {
    persist::patiently(|| dir.open_dir_nofollow(&name))
}

/// Opens what lies at `path` below `dir`, its components separated by `/`. The caller looks at the metadata before it
/// reads: what was a regular file when it was listed may be a FIFO now.
///
/// # Errors
/// Whatever the system reports; a link anywhere on the way is an error.
pub fn open(dir: &Dir, path: &str) -> io::Result<(File, Metadata)> {
    let path = Path::new(path);
    let mut inner = None;
    for component in path.parent().into_iter().flat_map(Path::components) {
        inner = Some(folder(inner.as_ref().unwrap_or(dir), component)?);
    }
    let mut options = OpenOptions::new();
    // A FIFO that takes the file's place after it was listed must not hang.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let name = path.file_name().unwrap_or_default();
    let file = persist::patiently(|| inner.as_ref().unwrap_or(dir).open_with(name, &options))?;
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
    let mut length = 0_u64;
    // One byte more, so that a file that grew is seen.
    let room = usize::try_from((size_bytes + 1).min(CHUNK)).expect("a chunk fits memory");
    let mut take = |chunk: &[u8]| {
        length += chunk.len() as u64;
        if length > size_bytes {
            return Err(changed(length));
        }
        hasher.update(chunk);
        sink(chunk);
        Ok(())
    };
    if size_bytes < AHEAD {
        let mut buffer = vec![0_u8; room];
        loop {
            match read(file, &mut buffer)? {
                0 => break,
                count => take(&buffer[..count])?,
            }
        }
    } else {
        ahead(file, room, take)?;
    }
    if length == size_bytes { Ok(Digest::from_bytes(hasher.finalize().into())) } else { Err(changed(length)) }
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads on a thread of its own, while what was read before is taken.
fn ahead(
    file: &mut File,
    room: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (filled, to_take) = mpsc::sync_channel(BUFFERS);
    let (taken, to_fill) = mpsc::sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        taken.send(vec![0_u8; room]).expect("the other end is here");
    }
    // What is taken from goes with the closure, so that nobody waits for it.
    thread::scope(move |scope| {
        let reading = move || {
            // It ends when nothing is taken any more.
            while let Ok(mut buffer) = to_fill.recv() {
                let count = read(file, &mut buffer);
                let goes_on = matches!(count, Ok(1..));
                if filled.send(count.map(|count| (buffer, count))).is_err() || !goes_on {
                    break;
                }
            }
        };
        thread::Builder::new().spawn_scoped(scope, reading)?;
        for chunk in to_take {
            let (buffer, count) = chunk?;
            take(&buffer[..count])?;
            // At the end of the file nobody fills it again.
            let _ = taken.send(buffer);
        }
        Ok(())
    })
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

    /// The regular file at a path that somebody else may have laid there: a FIFO is an error, and is not waited for.
    ///
    /// # Errors
    /// Whatever the system reports, and what is no regular file.
    pub fn path(path: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        persist::patiently(|| std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path))
            .and_then(Self::new)
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

/// Regular files below a folder, by name. A link below it is not among them.
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
        for entry in persist::entries(&self.root.join(inside))? {
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
        At::path(&self.root.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("folder")).unwrap();
        std::fs::write(place.path().join("folder/file"), b"abc").unwrap();
        let dir = root(place.path()).unwrap();
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

    #[test]
    fn a_long_file_is_read_ahead_to_the_same_end() {
        let (place, dir) = place();
        let bytes: Vec<u8> = (0..AHEAD + 12_345).map(|at| (at % 251) as u8).collect();
        std::fs::write(place.path().join("long"), &bytes).unwrap();
        let read = |size_bytes| {
            let mut kept = Vec::new();
            let (mut file, _) = open(&dir, "long").unwrap();
            drain(&mut file, size_bytes, |chunk| kept.extend_from_slice(chunk)).map(|digest| (digest, kept))
        };
        assert_eq!(read(bytes.len() as u64).unwrap(), (Digest::of(&bytes), bytes.clone()));
        // A file that grew is left at once, and nobody waits for the one who reads; one that was cut ends early.
        for size_bytes in [AHEAD, bytes.len() as u64 - 1, bytes.len() as u64 + 1] {
            assert!(
                matches!(read(size_bytes), Err(ReadError::Changed { stated, .. }) if stated == size_bytes)
            );
        }
        let mut folder = dir.open(".").unwrap();
        assert!(matches!(drain(&mut folder, AHEAD, |_| ()), Err(ReadError::Io(_))));
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
        assert_eq!(At::path(&fifo).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
