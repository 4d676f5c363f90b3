//! Files that appear whole or not at all: written beside their place, synced, then linked or renamed into it.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What the name of a folder begins with that is not finished, or not for people.
pub const HIDDEN: &str = ".bp-";

/// How long is waited before each further attempt at what may pass.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1250)];

/// Whether a failure may pass by itself: a file server that is slow or was restarted, a file that is busy. A full disk, a
/// missing file or a refusal does not.
#[must_use]
pub fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::WouldBlock
            | Kind::TimedOut
            | Kind::ResourceBusy
            | Kind::StaleNetworkFileHandle
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    )
}

/// What an attempt comes to, made again up to three times where it fails for a reason that [`may_pass`]. An attempt begins
/// from nothing: what an earlier one left is its own to remove.
///
/// # Errors
/// Those of the last attempt.
pub fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for pause in PAUSES {
        match attempt() {
            Err(error) if may_pass(&error) => thread::sleep(pause),
            other => return other,
        }
    }
    attempt()
}

/// What lies in a folder, in no order.
///
/// # Errors
/// Those of the last attempt to open it ([`patiently`]).
pub fn entries(folder: &Path) -> io::Result<fs::ReadDir> {
    patiently(|| fs::read_dir(folder))
}

/// Writes a new file. A name that is taken is an error ([`io::ErrorKind::AlreadyExists`]), never replaced.
///
/// # Errors
/// Whatever the file system reports.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut staged = Staged::new(path, mode)?;
    staged.write_all(bytes)?;
    staged.publish_new()
}

/// Writes a file, in the place of the one that may be there.
///
/// # Errors
/// Whatever the file system reports.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut staged = Staged::new(path, mode)?;
    staged.write_all(bytes)?;
    staged.publish()
}

/// A file that is written beside its place, part by part. It is gone unless it is published.
#[derive(Debug)]
pub struct Staged {
    file: File,
    beside: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// An empty one.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn new(path: &Path, mode: u32) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        // By chance, not by process: machines and containers that share a folder have processes of equal numbers.
        let chance = RandomState::new().build_hasher().finish();
        let beside = parent_of(path).join(format!(".{name}.partial-{chance:016x}"));
        Ok(Self { file: open_new(&beside, mode)?, beside, path: path.to_owned() })
    }

    /// Brings it down to the disk and into its place. A name that is taken is an error
    /// ([`io::ErrorKind::AlreadyExists`]), never replaced.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn publish_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        // A link, unlike a plain rename, refuses a name that is taken.
        match fs::hard_link(&self.beside, &self.path) {
            Err(error) if lacks_links(&error) => rename_new(&self.beside, &self.path)?,
            done => done?,
        }
        let path = self.path.clone();
        drop(self);
        sync_directory(parent_of(&path))
    }

    /// Brings it down to the disk and into its place, where another file may be. What is no file there, a device or a pipe,
    /// is written to and stays.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn publish(self) -> io::Result<()> {
        let stays = |there: fs::Metadata| !there.is_file() && !there.is_dir();
        if fs::metadata(&self.path).is_ok_and(stays) {
            let mut there = OpenOptions::new().write(true).open(&self.path)?;
            return io::copy(&mut File::open(&self.beside)?, &mut there).map(drop);
        }
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        sync_directory(parent_of(&self.path))
    }
}

impl io::Write for Staged {
    /// Again where it is interrupted: an encoder that ends its stream does not.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Published, it is not there any more.
        drop(fs::remove_file(&self.beside));
    }
}

/// Writes one new file with its mode. It is not down on the disk yet: [`sync`] brings it there.
///
/// # Errors
/// Whatever the file system reports.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    patiently(|| {
        let mut file = open_new(path, mode)?;
        file.write_all(bytes).inspect_err(|_| drop(fs::remove_file(path)))
    })
}

/// Opens a new file with its mode, for writing.
///
/// # Errors
/// Whatever the file system reports.
pub fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let file = options.open(path)?;
    // The mode given to open is cut by the umask; what is promised is the mode itself.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = mode;
    Ok(file)
}

/// Whether a file system may have refused a link because it has none: FAT and exFAT, shares, buckets that are mounted.
fn lacks_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// Renames, where the new name is free.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where it is taken; [`io::ErrorKind::Unsupported`] where the file system has no rename that
/// replaces nothing; whatever else it reports.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    let what =
        "this file system has no rename that replaces nothing; write to another one, and copy from there";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// Brings a file down to the disk.
///
/// # Errors
/// Whatever the file system reports.
pub fn sync(path: &Path) -> io::Result<()> {
    patiently(|| OpenOptions::new().append(true).open(path)?.sync_all())
}

/// Brings a directory's entries down to the disk.
///
/// # Errors
/// Whatever the file system reports.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The directory that a path lies in: `.` for a bare name.
#[must_use]
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_never_replaces_and_replace_does() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        create(&path, b"one", 0o600).unwrap();
        assert_eq!(create(&path, b"two", 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing staged is left");
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else_is() {
        let attempts = |kind: io::ErrorKind, failing: usize| {
            let mut made = 0;
            let done = patiently(|| {
                made += 1;
                if made <= failing { Err(io::Error::from(kind)) } else { Ok(made) }
            });
            (done.ok(), made)
        };
        assert_eq!(attempts(io::ErrorKind::StaleNetworkFileHandle, 1), (Some(2), 2));
        assert_eq!(attempts(io::ErrorKind::TimedOut, 9), (None, 4));
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied] {
            assert_eq!(attempts(kind, 1), (None, 1), "{kind}");
        }
    }

    #[test]
    fn of_two_that_stage_one_name_at_once_one_publishes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        let mut staged = [b"one", b"two"].map(|bytes| {
            let mut staged = Staged::new(&path, 0o644).unwrap();
            staged.write_all(bytes).unwrap();
            staged
        });
        staged.reverse();
        let published = staged.map(|staged| staged.publish_new().map_err(|error| error.kind()));
        assert_eq!(published, [Ok(()), Err(io::ErrorKind::AlreadyExists)]);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_rename_to_a_new_name_replaces_neither_file_nor_folder() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("one"), b"one").unwrap();
        fs::write(at("two"), b"two").unwrap();
        fs::create_dir(at("folder")).unwrap();
        for taken in ["two", "folder"] {
            let refused = rename_new(&at("one"), &at(taken)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        rename_new(&at("one"), &at("three")).unwrap();
        assert_eq!((fs::read(at("three")).unwrap(), at("one").exists()), (b"one".to_vec(), false));
    }

    #[test]
    fn what_is_staged_is_gone_unless_it_is_published() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trace");
        let staged = || {
            let mut staged = Staged::new(&path, 0o644).unwrap();
            staged.write_all(b"half").unwrap();
            staged
        };
        drop(staged());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        staged().publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"half");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reading = {
            let pipe = pipe.clone();
            thread::spawn(move || fs::read(pipe).unwrap())
        };
        replace(&pipe, b"bytes", 0o644).unwrap();
        assert_eq!(reading.join().unwrap(), b"bytes");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
