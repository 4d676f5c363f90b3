//! Files that appear whole or not at all: written beside their place, synced, then linked or renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes a new file. A name that is taken is an error ([`io::ErrorKind::AlreadyExists`]), never replaced.
///
/// # Errors
/// Whatever the file system reports.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let staged = stage(path, bytes, mode)?;
    // A link, unlike a rename, refuses a name that is taken.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    linked?;
    sync_directory(parent_of(path))
}

/// Writes a file, in the place of the one that may be there.
///
/// # Errors
/// Whatever the file system reports.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let staged = stage(path, bytes, mode)?;
    fs::rename(&staged, path).inspect_err(|_| drop(fs::remove_file(&staged)))?;
    sync_directory(parent_of(path))
}

/// Writes one new file with its mode. It is not down on the disk yet: [`sync`] brings it there.
///
/// # Errors
/// Whatever the file system reports.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    // The mode given to open is cut by the umask; what is promised is the mode itself.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = mode;
    file.write_all(bytes)?;
    Ok(file)
}

/// Brings a file down to the disk.
///
/// # Errors
/// Whatever the file system reports.
pub fn sync(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.sync_all()
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

fn stage(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let staged = parent_of(path).join(format!(".{name}.partial-{}", std::process::id()));
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(&staged, bytes, mode)
        .and_then(|file| file.sync_all())
        .inspect_err(|_| drop(fs::remove_file(&staged)))?;
    Ok(staged)
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
}
