//! What looks like a secret does not go into a pack.

use std::fmt::Write as _;

use bp::error::{self, Failure};
use bp::run::secrets::{self, Secret};

/// Why `--redact` does not reach a record, and what does.
const IN_RECORD: &str = "a record is judged byte for byte, so --redact does not reach it: take the secret out \
                         where the step is recorded, record it again, and revoke it if others saw it";
/// So many places are told.
const TOLD: usize = 5;

/// Refuses secrets in a record, which cannot be redacted.
pub(super) fn none_in_record(name: &str, bytes: &[u8]) -> Result<(), Failure> {
    none_in(name, bytes).map_err(|refused| refused.hint(IN_RECORD))
}

/// Refuses secrets in a text.
pub(super) fn none_in(name: &str, bytes: &[u8]) -> Result<(), Failure> {
    none(secrets::scan(bytes).into_iter().map(|secret| (name, secret)))
}

/// Refuses the secrets that were found, with their places and the values masked.
pub(super) fn none<'a>(found: impl Iterator<Item = (&'a str, Secret)>) -> Result<(), Failure> {
    let places: Vec<String> =
        found.map(|(path, secret)| format!("{path}, line {}: {}", secret.line, secret.masked)).collect();
    let (told, more) = (places.iter().take(TOLD), places.len().saturating_sub(TOLD));
    let mut message = told.cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        let _ = write!(message, "; and {more} more");
    }
    if places.is_empty() { Ok(()) } else { Err(Failure::new(&error::SECRETS_FOUND, message)) }
}
