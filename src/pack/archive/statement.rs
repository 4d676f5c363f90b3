//! What is said of an archive, signed, in a file beside it: these compressed bytes hold the pack with this manifest.

use serde::Serialize;

use super::{Codec, Written};
use crate::pack::MANIFEST;
use crate::pack::manifest::PackId;
use crate::trust::{Envelope, SignError, SigningKey, Subject, statement};

/// The predicate type of the statement.
pub const PREDICATE: &str = "urn:bp:predicate:archive:1";

/// What the name of the file beside an archive ends in.
pub const BESIDE: &str = ".dsse.json";

/// What the subjects' names and digests do not say.
#[derive(Serialize)]
struct Predicate<'a> {
    pack_id: &'a PackId,
    media_type: &'static str,
    size_bytes: u64,
}

/// Signs that an archive of this file name holds this pack: both are subjects, since equal packs may be compressed to
/// different bytes.
///
/// # Errors
/// [`SignError`] when the key's holder does not sign.
pub fn sign(name: &str, codec: Codec, written: &Written, key: &SigningKey) -> Result<Envelope, SignError> {
    let subjects =
        vec![Subject::new(name, &written.sha256), Subject::new(MANIFEST, &written.manifest_sha256)];
    let predicate = Predicate {
        pack_id: &written.pack_id,
        media_type: codec.media_type(),
        size_bytes: written.size_bytes,
    };
    statement::Statement::new(subjects, PREDICATE, &predicate).sign(key)
}
