//! The local default key and the local trust list.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::manifest::Moment;
use bp::trust::key::{KeyError, SignError, SigningKey};
use bp::trust::policy::{Role, Signer, TrustPolicy};

use crate::source;

/// The local default key.
pub(crate) fn default_key() -> Result<PathBuf, Failure> {
    Ok(source::home()?.join("default-key.pem"))
}

/// The local trust list.
pub(crate) fn list() -> Result<PathBuf, Failure> {
    Ok(source::home()?.join("trust.toml"))
}

/// A key file that cannot be used.
pub(crate) fn key_failure(error: &KeyError) -> Failure {
    let failure = Failure::of(&error::KEY_ERROR, error);
    match error {
        KeyError::Exists(_) => failure.hint("Choose another --out."),
        KeyError::Mode { path, .. } => failure.hint(format!("chmod 600 {}", path.display())),
        _ => failure,
    }
}

/// What was not signed.
pub(crate) fn sign_failure(error: &SignError) -> Failure {
    Failure::of(&error::KEY_ERROR, error)
}

/// A private key that is named.
pub(crate) fn load(path: &Path) -> Result<SigningKey, Failure> {
    SigningKey::read(path).map_err(|error| key_failure(&error))
}

fn drawn_key() -> Result<SigningKey, Failure> {
    let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    Ok(SigningKey::from_seed(&seed))
}

/// A new key from the system's randomness, written where nothing stands yet.
pub(crate) fn new_key(path: &Path) -> Result<(SigningKey, PathBuf), Failure> {
    let key = drawn_key()?;
    let public = key.write(path).map_err(|error| key_failure(&error))?;
    Ok((key, public))
}

/// A signing key, and what to say about it: one that is named, else `$BP_SIGNING_KEY`, else the local default key,
/// which is made on first use and put on the local trust list.
pub(crate) fn signing_key(
    named: Option<&Path>,
    now: &Moment,
) -> Result<(SigningKey, Option<String>), Failure> {
    let from_environment = source::variable("BP_SIGNING_KEY").map(PathBuf::from);
    if let Some(path) = named.map(Path::to_owned).or(from_environment) {
        return Ok((load(&path)?, None));
    }
    let path = default_key()?;
    if path.exists() {
        return Ok((load(&path)?, None));
    }
    let home = source::home()?;
    std::fs::create_dir_all(&home).map_err(|error| source::failure(&home, &error))?;
    let key = drawn_key()?;
    let list = list()?;
    let trust = |key: &SigningKey| {
        let signer = Signer::new("local default key", Role::Seal, key.verifying_key(), &now.to_string());
        TrustPolicy::add(&list, signer).map_err(|error| Failure::of(&error::TRUST_ERROR, &error))
    };
    // The list first: a key that is there is trusted here, also when a run ends in between.
    trust(&key)?;
    match key.write(&path) {
        Ok(_) => {}
        // Another run made it in the meantime.
        Err(KeyError::Exists(_)) => {
            let key = load(&path)?;
            trust(&key)?;
            return Ok((key, None));
        }
        Err(error) => return Err(key_failure(&error)),
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
