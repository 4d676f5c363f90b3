//! Where a pack's bytes come from. Each is read once, and one checker judges them, wherever they lie.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use rayon::prelude::*;

use super::Limits;
use super::derive::Unkept;
use crate::annex::envelope;
use crate::digest::Digest;
use crate::handle::{self, At};
use crate::pack::FINAL_VERDICT;
use crate::pack::law;
use crate::pack::layout::Place;
use crate::pack::manifest::Artifact;
use crate::pack::path::PackPath;
use crate::pack::plan::{self, Assessment, Input, InputKind, Judging, Stem};
use crate::pack::walk::{self, Refusal, Walk};

/// A pack's bytes, each read once.
pub(super) trait Source {
    /// The names of the pack, as far as they are seen before its files are read.
    fn begin(&mut self, limits: &Limits) -> Walk;

    /// Reads on, where names are seen only as files are read: all of the names. `wanted` is nothing without a manifest.
    fn go_on(&mut self, wanted: Option<&Wanted>, limits: &Limits) -> Option<Walk>;

    /// The bytes of a small file that is read before anything is trusted: manifest, seal, key and ledger.
    fn root(&self, path: &PackPath, size_bytes: u64) -> Result<Vec<u8>, Refusal>;

    /// The digest of a file that belongs to a sign-off.
    fn attached(&self, path: &PackPath, size_bytes: u64) -> Result<Digest, Refusal>;

    /// A payload, or a file of captured tensors, that was read as a sealed file, to be read at any place. It may have changed since in a directory: whoever
    /// judges it hashes what it judges.
    fn payload(&mut self, path: &PackPath) -> Result<At, Refusal>;

    /// What becomes of each of these sealed files, in their order.
    fn sealed(&mut self, files: &[(&PackPath, &Artifact)], task: &Task) -> Vec<Result<Read, Refusal>>;
}

/// The digest of a file that was read, and its bytes where they are needed.
pub(super) type Kept = (Digest, Vec<u8>);

/// What became of a file whose bytes are the sealed ones.
pub(super) enum Read {
    /// Evidence, judged.
    Assessed(Box<Assessment>),
    /// Any other.
    Kept(Digest, Vec<u8>),
}

/// What is done with the bytes of each sealed file.
pub(super) struct Task {
    /// Files that are judged.
    pub(super) inputs: BTreeMap<PackPath, (InputKind, Stem)>,
    /// Whether sampled steps and captured tensors are judged.
    pub(super) judges_steps: bool,
    /// On which terms.
    pub(super) judging: Judging,
    /// Whether this version made the pack, so that digests alone tell whether what follows is the same.
    pub(super) same_tool: bool,
}

impl Task {
    /// Whether more is asked of a file than its digest.
    pub(super) fn keeps(&self, path: &PackPath) -> bool {
        match Place::of(path) {
            Some(
                Place::Suite
                | Place::Selection
                | Place::Freeze
                | Place::FreezeToken
                | Place::RunEvidence(_)
                | Place::Provider(_)
                | Place::Parent
                | Place::Template(_)
                | Place::StepRecord(_)
                | Place::StepCommits
                | Place::StepChallenge
                | Place::StepVerdict(_)
                | Place::TensorCheck
                | Place::TensorDiff
                | Place::Annex,
            ) => true,
            // A change envelope is read; of other attachments the digest is enough.
            Some(Place::Attachment(name)) => name.ends_with(envelope::SUFFIX),
            place => {
                let outcome = matches!(place, Some(Place::Verdict(_))) || path.as_str() == FINAL_VERDICT;
                self.inputs.contains_key(path) || (outcome && !self.same_tool)
            }
        }
    }

    /// Whether a file that streams by is set aside on disk, to be read at any place.
    pub(super) fn sets_aside(&self, path: &PackPath) -> bool {
        self.judges_steps && matches!(Place::of(path), Some(Place::StepPayload(_) | Place::Captured(..)))
    }

    /// Takes the bytes of a file, if they are the sealed ones. Evidence is judged from the bytes that were hashed.
    pub(super) fn take(
        &self,
        path: &PackPath,
        artifact: &Artifact,
        (digest, bytes): Kept,
    ) -> Result<Read, Refusal> {
        if digest != artifact.sha256 {
            let message = format!("its digest is {digest}, {} was sealed", artifact.sha256);
            return Err((&law::FILE_DIGEST_MISMATCH, message));
        }
        Ok(match self.inputs.get(path) {
            Some((kind, stem)) => {
                let input = Input { kind: *kind, bytes: &bytes, sha256: digest };
                let Ok(assessment) = plan::judge(stem.clone(), input, self.judging, &Unkept);
                Read::Assessed(Box::new(assessment))
            }
            None => Read::Kept(digest, bytes),
        })
    }
}

/// What is wanted of a pack's files, as the manifest says.
pub(super) struct Wanted {
    /// The sealed files.
    pub(super) expected: BTreeMap<PackPath, Artifact>,
    /// What is done with each.
    pub(super) task: Task,
    /// Whether that waits for what is read later: a suite that says how evidence is judged, or the key of a seal.
    pub(super) waits: bool,
}

/// A pack in a directory, by handle.
pub(super) struct Directory(pub(super) Dir);

impl Source for Directory {
    fn begin(&mut self, limits: &Limits) -> Walk {
        Walk::of(&self.0, limits)
    }

    fn go_on(&mut self, _: Option<&Wanted>, _: &Limits) -> Option<Walk> {
        None
    }

    fn root(&self, path: &PackPath, size_bytes: u64) -> Result<Vec<u8>, Refusal> {
        walk::read(&self.0, path, size_bytes, true).map(|(_, bytes)| bytes)
    }

    fn attached(&self, path: &PackPath, size_bytes: u64) -> Result<Digest, Refusal> {
        walk::stream(&self.0, path, size_bytes, |_| ())
    }

    fn payload(&mut self, path: &PackPath) -> Result<At, Refusal> {
        let opened = handle::open(&self.0, path.as_str()).and_then(|(file, _)| At::new(file.into_std()));
        opened.map_err(|error| (&law::FILE_UNREADABLE, error.to_string()))
    }

    fn sealed(&mut self, files: &[(&PackPath, &Artifact)], task: &Task) -> Vec<Result<Read, Refusal>> {
        let read = |(path, artifact): &(&PackPath, &Artifact)| {
            let kept = walk::read(&self.0, path, artifact.size_bytes, task.keeps(path))?;
            task.take(path, artifact, kept)
        };
        files.par_iter().map(read).collect()
    }
}
