//! The leaves of a payload: one for each tensor, and the roots over them.
//!
//! ```text
//! leaf = key LF dtype LF side,side LF sha256 of the bytes, in hexadecimal LF
//! root = SHA-256 of all leaves, by key
//! ```

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::payload;
use super::record::Refusal;
use crate::digest::Digest;
use crate::tensor::{Bytes, Stretch};

/// A tensor of a payload, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Its key.
    pub key: String,
    /// Its type.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// The digest of its bytes.
    #[serde(rename = "sha256")]
    pub digest: Digest,
}

impl Leaf {
    /// The text that is hashed.
    #[must_use]
    pub fn text(&self) -> String {
        let sides: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let mut text = String::new();
        let _ = writeln!(text, "{}\n{}\n{}\n{}", self.key, self.dtype, sides.join(","), self.digest);
        text
    }
}

/// The root over leaves, which are in the order of their keys.
#[must_use]
pub fn root(leaves: &[Leaf]) -> Digest {
    Digest::of(leaves.iter().map(Leaf::text).collect::<String>().as_bytes())
}

/// The leaves of a safetensors file, by key.
///
/// # Errors
/// [`Refusal`] where it is none, or cannot be read.
pub fn of_file(file: &str, bytes: &(impl Bytes + ?Sized)) -> Result<Vec<Leaf>, Refusal> {
    let layout = payload::layout(file, bytes)?;
    let leaf = |place: &crate::tensor::safetensors::Place| {
        let (begin, size_bytes) = (layout.data_start + place.begin, place.end - place.begin);
        let part = Stretch { of: bytes, begin, size_bytes };
        let digest =
            crate::tensor::digest(&part).map_err(|source| Refusal::Io { file: file.to_owned(), source })?;
        let tensor = &place.tensor;
        Ok(Leaf {
            key: tensor.name.clone(),
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
            digest,
        })
    };
    let mut leaves = layout.places.iter().map(leaf).collect::<Result<Vec<_>, Refusal>>()?;
    leaves.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(leaves)
}
