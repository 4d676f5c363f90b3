//! What follows from the evidence, and how: the same for the one who makes a pack and the one who checks it.
//!
//! ```text
//! input bytes -> judge -> Assessment --+
//!                                      +-> Evidence -> conclude -> Conclusion
//! other evidence ----------------------+                  |
//!        every derived file goes to the sink, once  <-----+
//! ```

mod input;
mod page;
mod results;

use std::collections::BTreeMap;

pub use input::{InputKind, InvalidStem, Stem};
pub use results::{FINAL_VERDICT_FORMAT, FinalVerdict, Judged};

use super::FINAL_VERDICT;
use super::files::{Files, Sealed, Sink};
use super::layout::Place;
use super::manifest::{ClockSource, Judge, Moment, PackId, Producer, Statement, Subject};
use super::path::PackPath;
use crate::digest::Digest;
use crate::import::Options;
use crate::json;
use crate::report;
use crate::trust::{KeyId, VerifyingKey};
use crate::verify;

/// What a pack says beside what follows from its inputs.
#[derive(Debug, Clone)]
pub struct Terms {
    /// When it is made; imported receipts carry this time too.
    pub created_at: Moment,
    /// Where that time comes from.
    pub created_at_source: ClockSource,
    /// The program that makes it.
    pub producer: Producer,
    /// What judges it.
    pub judge: Judge,
    /// What it is about.
    pub subject: Subject,
    /// The manifest digest of the pack before it.
    pub parent_manifest_sha256: Option<Digest>,
}

impl Terms {
    /// The terms that a manifest states.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        Self {
            created_at: statement.created_at,
            created_at_source: statement.created_at_source,
            producer: statement.producer.clone(),
            judge: statement.judge.clone(),
            subject: statement.subject.clone(),
            parent_manifest_sha256: statement.parent_manifest_sha256,
        }
    }
}

/// One input, judged.
#[derive(Debug, Clone)]
pub struct Assessment {
    judged: Judged,
    /// The input itself.
    evidence: (PackPath, Sealed),
    /// What follows from it alone.
    derived: Files,
}

/// Judges one input. What follows from it goes to the sink; the input itself does not.
///
/// # Errors
/// What the sink says.
pub fn judge<S: Sink>(
    stem: Stem,
    kind: InputKind,
    bytes: &[u8],
    created_at: &Moment,
    sink: &S,
) -> Result<Assessment, S::Error> {
    let verified = match kind {
        InputKind::Receipt => verify::receipt(bytes),
        InputKind::Sidecar => verify::sidecar(bytes, None, &Options::at(&created_at.to_string())),
    };
    let judgement = report::judgement(&verified);
    let mut derived = Files::default();
    if let Some(receipt) = &verified.imported {
        derived.put(Place::Receipt(stem.as_str()), receipt, sink)?;
    }
    derived.put(Place::Verdict(stem.as_str()), &judgement.document, sink)?;
    let place = kind.place(&stem);
    let sealed = Sealed { size_bytes: bytes.len() as u64, sha256: Digest::of(bytes), role: place.role() };
    let evidence = (place.path(), sealed);
    let judged = Judged { stem, kind, outcome: judgement.outcome, sha256: sealed.sha256 };
    Ok(Assessment { judged, evidence, derived })
}

/// Everything that the rest of a pack follows from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    judged: BTreeMap<Stem, Judged>,
    files: Files,
    derived: Files,
}

impl Evidence {
    /// Adds a judged input.
    pub fn add(&mut self, Assessment { judged, evidence: (path, sealed), derived }: Assessment) {
        self.judged.insert(judged.stem.clone(), judged);
        self.files.note(path, sealed);
        self.derived.extend(derived);
    }

    /// The files of the evidence itself.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The id of the pack with this evidence.
    #[must_use]
    pub fn pack_id(&self, created_at: &Moment, key_id: Option<&KeyId>) -> PackId {
        PackId::of(created_at, key_id, self.files.iter().map(|(path, sealed)| (path, &sealed.sha256)))
    }

    /// Derives the rest. `signer` is the key with the id `key_id`, where it is at hand.
    ///
    /// # Errors
    /// What the sink says.
    pub fn conclude<S: Sink>(
        self,
        terms: &Terms,
        key_id: Option<&KeyId>,
        signer: Option<&VerifyingKey>,
        sink: &S,
    ) -> Result<Conclusion, S::Error> {
        let pack_id = self.pack_id(&terms.created_at, key_id);
        let Self { judged, files, mut derived } = self;
        let verdict = FinalVerdict::of(judged.into_values().collect());
        let mut result =
            |path, bytes: &[u8]| derived.put_at(PackPath::known(path), Place::Result, bytes, sink);
        result(FINAL_VERDICT, &json::canonical(&verdict))?;
        result("results/final_verdict.txt", verdict.text().as_bytes())?;
        if let Some(signer) = signer {
            derived.put(Place::Signer, signer.to_pem().as_bytes(), sink)?;
        }
        let readme = page::readme(&verdict, terms, &pack_id, key_id);
        derived.put(Place::Readme, readme.as_bytes(), sink)?;
        Ok(Conclusion { pack_id, verdict, evidence: files, derived })
    }
}

/// What the evidence comes to, and every file but manifest, ledger and seal.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// The pack's id.
    pub pack_id: PackId,
    /// What the inputs come to.
    pub verdict: FinalVerdict,
    /// The evidence.
    pub evidence: Files,
    /// What follows from it.
    pub derived: Files,
}

impl Conclusion {
    /// Every file, evidence and derived.
    #[must_use]
    pub fn files(&self) -> Files {
        let mut files = self.evidence.clone();
        files.extend(self.derived.clone());
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_told_by_its_format() {
        assert_eq!(InputKind::of(br#"{"format":"framework-trace.v0.1.0"}"#), InputKind::Sidecar);
        assert_eq!(InputKind::of(b"{\n \"format\": \"framework-trace.v0.1.0\"\n}"), InputKind::Sidecar);
        for bytes in [br#"{"schema_version":"0.1.0"}"#.as_slice(), b"", b"\xff"] {
            assert_eq!(InputKind::of(bytes), InputKind::Receipt);
        }
    }
}
