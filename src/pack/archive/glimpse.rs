//! The first entry of an archive: its manifest, without the rest.

use std::io::{self, Read};

use super::{Decoder, Entries};
use crate::pack::MANIFEST;
use crate::pack::check::Limits;

/// A stream that does not begin as an archive of a pack does.
#[derive(Debug, thiserror::Error)]
pub enum GlimpseError {
    /// It cannot be read, or is no archive.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its first entry is something else, or longer than any manifest.
    #[error("it does not begin with a {MANIFEST}")]
    Other,
}

/// The manifest at the beginning of an archive, as it is there: nothing is checked.
///
/// # Errors
/// [`GlimpseError`]
pub fn manifest(stream: impl Read) -> Result<Vec<u8>, GlimpseError> {
    let limits = Limits::default();
    let mut entries = Entries::new(Decoder::new(stream)?, &limits);
    match entries.next() {
        Some(file) if file.path.as_str() == MANIFEST && file.size_bytes <= limits.index_bytes => {}
        _ => return Err(GlimpseError::Other),
    }
    entries.bytes().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
}
