//! The files of a pack as they come to be: each goes to a sink once, and what stays in memory is its digest.

use std::collections::BTreeMap;

use super::layout::{Place, media_type};
use super::manifest::{Artifact, FileRole};
use super::path::PackPath;
use crate::digest::Digest;

/// Where the files that follow from the evidence go: to disk when a pack is made, to a comparison when it is checked.
pub trait Sink: Sync {
    /// Why a file could not be taken.
    type Error: Send;

    /// Takes one whole file.
    ///
    /// # Errors
    /// What the sink says.
    fn put(&self, path: &PackPath, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// A sealed file: its length, its digest and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// What it is for.
    pub role: FileRole,
}

impl Sealed {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8], role: FileRole) -> Self {
        Self { size_bytes: bytes.len() as u64, sha256: Digest::of(bytes), role }
    }

    /// The manifest's entry for it.
    #[must_use]
    pub fn artifact(&self, path: &PackPath) -> Artifact {
        Artifact {
            path: path.clone(),
            size_bytes: self.size_bytes,
            sha256: self.sha256,
            role: self.role,
            media_type: media_type(path).to_owned(),
        }
    }
}

/// Sealed files, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PackPath, Sealed>);

impl Files {
    /// Notes a file.
    pub fn note(&mut self, path: PackPath, sealed: Sealed) {
        self.0.insert(path, sealed);
    }

    /// Notes a file that has its place to itself, and hands it to the sink.
    ///
    /// # Errors
    /// What the sink says.
    pub fn put<S: Sink>(&mut self, place: Place<'_>, bytes: &[u8], sink: &S) -> Result<(), S::Error> {
        self.put_at(place.path(), place, bytes, sink)
    }

    /// Notes a file of a place that holds several, and hands it to the sink.
    ///
    /// # Errors
    /// What the sink says.
    pub fn put_at<S: Sink>(
        &mut self,
        path: PackPath,
        place: Place<'_>,
        bytes: &[u8],
        sink: &S,
    ) -> Result<(), S::Error> {
        sink.put(&path, bytes)?;
        self.0.insert(path, Sealed::of(bytes, place.role()));
        Ok(())
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What is noted at a path.
    #[must_use]
    pub fn at(&self, path: &PackPath) -> Option<&Sealed> {
        self.0.get(path)
    }

    /// All, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&PackPath, &Sealed)> {
        self.0.iter()
    }
}
