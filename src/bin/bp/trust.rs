//! The local default key and the local trust list.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::error::{self, Failure};
use bp::pack::manifest::Moment;
use bp::trust::key::{KeyError, Random, SigningKey, VerifyingKey};
use bp::trust::p256::CoSigningKey;
use bp::trust::policy::{Role, Signer, TrustPolicy};

use zeroize::Zeroizing;

use crate::failure::Coded;
use crate::{program, source};

/// A passphrase is no longer than this.
const MAX_PASSPHRASE_BYTES: u64 = 1024;

/// The local default key.
pub(crate) fn default_key() -> Result<PathBuf, Failure> {
    Ok(source::home()?.join("default-key.pem"))
}

/// The local trust list.
pub(crate) fn list() -> Result<PathBuf, Failure> {
    Ok(source::home()?.join("trust.toml"))
}

/// The private key that is named, else `$BP_SIGNING_KEY`, else the local default key where there is one.
pub(crate) fn present_key(named: Option<&Path>) -> Result<Option<SigningKey>, Failure> {
    let from_environment = || source::variable("BP_SIGNING_KEY").map(PathBuf::from);
    if let Some(path) = named.map(Path::to_owned).or_else(from_environment) {
        return load(&path).map(Some);
    }
    match default_key() {
        Ok(path) if path.exists() => load(&path).map(Some),
        _ => Ok(None),
    }
}

/// What stands before a command that holds a key.
const EXEC: &str = "exec:";

/// A private key that is named: a file, or `exec:` and a command that holds it.
pub(crate) fn load(path: &Path) -> Result<SigningKey, Failure> {
    match path.to_str().and_then(|text| text.strip_prefix(EXEC)) {
        Some(command) => held(command),
        None => SigningKey::read(path, || passphrase("passphrase: ")).map_err(Coded::failure),
    }
}

/// A private P-256 key in a file.
pub(crate) fn load_p256(path: &Path) -> Result<CoSigningKey, Failure> {
    CoSigningKey::read(path, || passphrase("passphrase: ")).map_err(Coded::failure)
}

/// A key that a command holds. Asked for `public` it answers SPKI PEM; asked to `sign`, the 64 bytes of a signature over its
/// standard input. `BP_KEY_REQUEST` says what is asked.
fn held(command: &str) -> Result<SigningKey, Failure> {
    let failure =
        |error: &dyn std::error::Error| Failure::new(&error::KEY_ERROR, format!("{EXEC}{command}: {error}"));
    let public = asked(command, "public", &[]).map_err(|error| failure(&error))?;
    let public = String::from_utf8_lossy(&public).into_owned();
    let public = VerifyingKey::from_pem(&public).map_err(|error| failure(&error))?;
    let command = command.to_owned();
    Ok(SigningKey::elsewhere(public, Box::new(move |message| asked(&command, "sign", message))))
}

fn asked(command: &str, request: &str, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("BP_KEY_REQUEST", request);
    // It may wait for a person, as long as that takes.
    let (status, answer) = program::asked(&mut shell, message, None)?;
    if status.success() {
        return Ok(answer);
    }
    Err(io::Error::other(format!("the command that holds the key ended with {status}")))
}

/// A passphrase: from the file that `BP_KEY_PASSPHRASE_FILE` names, the descriptor that `BP_KEY_PASSPHRASE_FD` names, or
/// the terminal. One line end after it is not part of it.
fn passphrase(prompt: &str) -> io::Result<Zeroizing<String>> {
    let file = source::variable("BP_KEY_PASSPHRASE_FILE").map(PathBuf::from);
    let descriptor = source::variable("BP_KEY_PASSPHRASE_FD");
    let descriptor = descriptor.map(|number| Path::new("/dev/fd").join(number));
    let Some(path) = file.or(descriptor) else {
        if !io::stderr().is_terminal() || !io::stdin().is_terminal() {
            let message =
                "there is no terminal to ask on; set BP_KEY_PASSPHRASE_FILE or BP_KEY_PASSPHRASE_FD";
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        return rpassword::prompt_password(prompt).map(Zeroizing::new);
    };
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(MAX_PASSPHRASE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_PASSPHRASE_BYTES {
        // Cut short it would be another passphrase.
        let message = format!("the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let end =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)).len();
    text.truncate(end);
    Ok(text)
}

fn drawn_key() -> Result<SigningKey, Failure> {
    let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    Ok(SigningKey::from_seed(&seed))
}

/// A new key from the system's randomness, written where nothing stands yet; under a passphrase where that is wanted.
pub(crate) fn new_key(path: &Path, encrypt: bool) -> Result<(SigningKey, PathBuf), Failure> {
    let key = drawn_key()?;
    let lock = encrypt.then(new_lock).transpose()?;
    let lock = lock.as_ref().map(|(passphrase, random)| (passphrase.as_str(), random));
    let public = key.write(path, lock).map_err(Coded::failure)?;
    Ok((key, public))
}

fn new_lock() -> Result<(Zeroizing<String>, Random), Failure> {
    let failure = |error: io::Error| Failure::of(&error::KEY_ERROR, &error);
    let first = passphrase("new passphrase: ").map_err(failure)?;
    let second = passphrase("the same again: ").map_err(failure)?;
    if first.is_empty() || first != second {
        let message = if first.is_empty() { "the passphrase is empty" } else { "the passphrases differ" };
        return Err(Failure::new(&error::KEY_ERROR, message));
    }
    let mut random = Random { salt: [0; 16], iv: [0; 16] };
    for bytes in [&mut random.salt, &mut random.iv] {
        getrandom::fill(bytes).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    }
    Ok((first, random))
}

/// A signing key, and what to say about it: one that is named, else `$BP_SIGNING_KEY`, else the local default key,
/// which is made on first use and put on the local trust list.
pub(crate) fn signing_key(
    named: Option<&Path>,
    now: &Moment,
) -> Result<(SigningKey, Option<String>), Failure> {
    if let Some(key) = present_key(named)? {
        return Ok((key, None));
    }
    let path = default_key()?;
    let home = source::home()?;
    std::fs::create_dir_all(&home).map_err(|error| source::failure(&home, &error))?;
    let key = drawn_key()?;
    let list = list()?;
    let trust = |key: &SigningKey| {
        let signer = Signer::new("local default key", Role::Seal, key.verifying_key(), &now.to_string());
        TrustPolicy::add(&list, signer).map_err(Coded::failure)
    };
    // The list first: a key that is there is trusted here, also when a run ends in between.
    trust(&key)?;
    match key.write(&path, None) {
        Ok(_) => {}
        // Another run made it in the meantime.
        Err(KeyError::Exists(_)) => {
            let key = load(&path)?;
            trust(&key)?;
            return Ok((key, None));
        }
        Err(error) => return Err(error.failure()),
    }
    let said = format!(
        "made a signing key (private, only on this machine)\n  {}\n\
         and put its public half on the local trust list\n  {}\n\
         Strict verification works here at once, and elsewhere once you have shared the\n\
         public half. The key is a seal: it does not say who is responsible.",
        path.display(),
        list.display()
    );
    Ok((key, Some(said)))
}
