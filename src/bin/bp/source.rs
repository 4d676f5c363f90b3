//! Reading: files, standard input and the environment.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::handle::At;
use bp::verify::read::MAX_RECORD_BYTES;

/// The largest input of a pack: it is held in memory while it is judged.
const MAX_INPUT_BYTES: u64 = 1 << 30;

/// The bytes of a record in a file, or in standard input for `-`; never more than one record may have, and one byte.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path, MAX_RECORD_BYTES as u64 + 1)
}

/// The bytes of an input of a pack: a record, or a trace.
pub(crate) fn whole(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read(path, MAX_INPUT_BYTES + 1)?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        let message = format!("{}: more than {MAX_INPUT_BYTES} bytes", path.display());
        return Err(Failure::new(&error::INPUT_TOO_LARGE, message));
    }
    Ok(bytes)
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let all = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.take(limit).read_to_end(&mut bytes).map(|_| bytes)
    };
    if path == Path::new("-") {
        return all(&mut standard_input()?).map_err(|error| failure(path, &error));
    }
    // Opened and read from its beginning each time: bytes of two attempts are never put together.
    let attempt = || {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { all(&mut file) }
    };
    bp::persist::patiently(attempt).map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => {
            Failure::new(&error::EISDIR, format!("{} is a folder", path.display()))
        }
        _ => failure(path, &error),
    })
}

/// The bytes of a file of a pack, where somebody else may have laid a FIFO: that is an error, and is not waited for.
pub(crate) fn of_pack(pack: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let path = pack.join(name);
    At::path(&path).map_err(|error| failure(&path, &error))?;
    whole(&path)
}

/// Writes a new file, whole or not at all; one that is there is never replaced.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    bp::persist::create(path, bytes, 0o644).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(&error::FILE_EXISTS, format!("{}: exists already", path.display()))
        }
        _ => failure(path, &error),
    })
}

/// Refuses a result file inside the pack, or in its place: writing it would change what is checked.
pub(crate) fn outside(file: &Path, pack: &Path) -> Result<(), Failure> {
    let (folder, pack) = (bp::persist::parent_of(file).canonicalize(), pack.canonicalize());
    let (Ok(folder), Ok(pack)) = (folder, pack) else { return Ok(()) };
    if folder.starts_with(&pack) || file.canonicalize().is_ok_and(|file| file == pack) {
        let message = format!("{} lies in the pack that is checked", file.display());
        return Err(Failure::new(&error::JSON_OUT_IN_PACK, message));
    }
    Ok(())
}

/// Standard input, when something is piped in.
pub(crate) fn standard_input() -> Result<io::Stdin, Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::new(&error::STDIN_IS_TTY, "standard input is a terminal"));
    }
    Ok(io::stdin())
}

/// A path as text, for documents: what is not Unicode in it is replaced.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A path as one word of a command line that a POSIX shell takes as it is.
pub(crate) fn word(path: &Path) -> String {
    let text = shown(path);
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:@%,".contains(letter);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What went wrong with a file, with its path.
pub(crate) fn failure(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => &error::ENOENT,
        io::ErrorKind::PermissionDenied => &error::EACCES,
        io::ErrorKind::IsADirectory => &error::EISDIR,
        _ => &error::IO_ERROR,
    };
    Failure::new(code, format!("{}: {error}", path.display()))
}

/// An environment variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All variables of the environment that are text.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The folder of `bp`'s own files by the platform's convention: the default key and the trust list.
pub(crate) fn home() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy as _;
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::of(&error::ENOENT, &error).hint("set HOME, or give --key and --signer explicitly")
    })?;
    Ok(strategy.config_dir().join("bp"))
}
