//! What a pack says, unchecked: its manifest, and the documents in it that still have the digest that the manifest states.
//!
//! For people who look at packs or compare them. Nothing here is a check: no seal is opened and nothing derived again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use serde_json::Value;

use super::check::Limits;
use super::layout::{Place, media_type};
use super::manifest::{Artifact, ManifestError, Statement, Unsealed};
use super::path::PackPath;
use super::plan::FinalVerdict;
use super::{FINAL_VERDICT, MANIFEST, SEAL, walk};
use crate::annex::ANNEX_JSON;
use crate::digest::Digest;
use crate::{handle, json};

/// A document is no longer than this to be looked at.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// What a pack says.
#[derive(Debug, Clone)]
pub struct Said {
    /// The digest of the manifest: the pack's identity.
    pub manifest_sha256: Digest,
    /// The manifest. A claim: its seal was not opened.
    pub statement: Statement,
    /// Whether something lies where a seal would.
    pub has_seal: bool,
    /// Documents about verdict, rules, scenarios, runs and Annex IV, by path.
    documents: BTreeMap<PackPath, Value>,
    /// Those that could not be read, or have another digest than the manifest states, and why.
    pub unread: Vec<(PackPath, String)>,
}

/// A directory that says nothing that could be read.
#[derive(Debug, thiserror::Error)]
pub enum SaidError {
    /// It, or its manifest, cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The manifest is no regular file with one name, or changed.
    #[error("{MANIFEST}: {0}")]
    Unread(String),
    /// The manifest is none.
    #[error("{MANIFEST}: {0}")]
    Manifest(#[from] ManifestError),
}

impl Said {
    /// What the pack in this directory says in its manifest alone.
    ///
    /// # Errors
    /// [`SaidError`] when there is no manifest that can be read.
    pub fn manifest(path: &Path) -> Result<Self, SaidError> {
        Self::of(&crate::handle::root(path)?)
    }

    /// What the pack in this directory says.
    ///
    /// # Errors
    /// [`SaidError`] when there is no manifest that can be read.
    pub fn read(path: &Path) -> Result<Self, SaidError> {
        let dir = crate::handle::root(path)?;
        let mut said = Self::of(&dir)?;
        let wanted = std::mem::take(&mut said.statement.artifacts);
        for artifact in wanted.iter().filter(|artifact| is_told(&artifact.path)) {
            let path = artifact.path.clone();
            match document(&dir, artifact) {
                Ok(document) => drop(said.documents.insert(path, document)),
                Err(reason) => said.unread.push((path, reason)),
            }
        }
        said.statement.artifacts = wanted;
        Ok(said)
    }

    fn of(dir: &Dir) -> Result<Self, SaidError> {
        let (_, metadata) = handle::open(dir, MANIFEST)?;
        let size_bytes = metadata.len();
        if size_bytes > Limits::default().index_bytes {
            return Err(SaidError::Unread(format!("{size_bytes} bytes long")));
        }
        let (_, bytes) = walk::read(dir, &PackPath::known(MANIFEST), size_bytes, true)
            .map_err(|(_, message)| SaidError::Unread(message))?;
        Ok(Self { has_seal: dir.symlink_metadata(SEAL).is_ok(), ..Self::claim(bytes)? })
    }

    /// What a manifest says, without the pack around it: no seal was looked for.
    ///
    /// # Errors
    /// [`SaidError`] when it is none.
    pub fn claim(manifest: Vec<u8>) -> Result<Self, SaidError> {
        let unsealed = Unsealed::parse(manifest)?;
        Ok(Self {
            manifest_sha256: unsealed.digest(),
            statement: unsealed.claim().clone(),
            has_seal: false,
            documents: BTreeMap::new(),
            unread: Vec::new(),
        })
    }

    /// The document at a path.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<&Value> {
        self.documents.get(&path.parse().ok()?)
    }

    /// What the inputs came to, as it is stored.
    #[must_use]
    pub fn verdict(&self) -> Option<FinalVerdict> {
        serde_json::from_value(self.document(FINAL_VERDICT)?.clone()).ok()
    }

    /// The records of runs, by folder.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.documents.iter().filter_map(|(path, document)| match Place::of(path) {
            Some(Place::RunRecord(folder)) => Some((folder.as_str(), document)),
            _ => None,
        })
    }
}

/// Whether a file is a document that is told or compared.
fn is_told(path: &PackPath) -> bool {
    let told = matches!(Place::of(path), Some(Place::Result | Place::RunRecord(_)));
    (told && media_type(path) == "application/json") || path.as_str() == ANNEX_JSON
}

fn document(dir: &Dir, artifact: &Artifact) -> Result<Value, String> {
    if artifact.size_bytes > MAX_DOCUMENT_BYTES {
        return Err(format!("{} bytes long; not read", artifact.size_bytes));
    }
    let (digest, bytes) =
        walk::read(dir, &artifact.path, artifact.size_bytes, true).map_err(|(_, message)| message)?;
    if digest != artifact.sha256 {
        return Err("not the file that the manifest names".to_owned());
    }
    json::parse(&bytes).map_err(|error| error.to_string())
}
