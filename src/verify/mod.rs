//! The gates in order, for every record and whichever verb was typed: strict JSON, schema, rules with recomputation.
//!
//! ```text
//! bytes -> read -> Entry -> reconcile -> Section
//! sidecar bytes -> Section (full precision) -> receipt bytes -> Section (nine digits)
//! ```
//! Nothing here opens a file, reads a clock or fails: bytes that cannot be read are an outcome.

mod facts;
pub mod read;
pub mod stream;
pub mod whole;

pub use facts::{LayerNorms, StepFacts};
pub use whole::Whole;

use serde::{Deserialize, Serialize};

use crate::author::AuthorError;
use crate::digest::Digest;
use crate::import::{Framework, Import, Options, Standing};
use crate::receipt::canonical::{self, EmitError};
use crate::receipt::lower;
use crate::receipt::step::Step;
use crate::reconcile::rule::Verdict;
use crate::reconcile::{self, Report};
use crate::schema::Violation;
use read::{Read, ReadError};

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Everything that applies was compared, and held.
    Pass,
    /// Nothing broke, but less was compared than a pass needs.
    Insufficient,
    /// Something was found broken, or could not be read.
    Fail,
}

impl Outcome {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Insufficient => "INSUFFICIENT",
            Self::Fail => "FAIL",
        }
    }
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A receipt.
    Receipt,
    /// A framework's sidecar.
    Sidecar,
}

/// The bytes of a record, or what is kept of them. No rule is about their digest, so it is computed for documents only.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The bytes.
    Bytes(&'a [u8]),
    /// Their digest.
    Digest {
        /// Of the bytes.
        digest: Digest,
        /// Their number.
        size_bytes: usize,
    },
}

impl Source<'_> {
    /// Digest of the bytes.
    #[must_use]
    pub fn digest(self) -> Digest {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::Digest { digest, .. } => digest,
        }
    }

    /// Their number.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Digest { size_bytes, .. } => size_bytes,
        }
    }

    /// The same without the bytes.
    #[must_use]
    pub fn detached(self) -> Source<'static> {
        Source::Digest { digest: self.digest(), size_bytes: self.size_bytes() }
    }
}

/// One record and what it came to.
#[derive(Debug)]
pub struct Section<'a> {
    /// Receipt or sidecar.
    pub kind: Kind,
    /// Its bytes, or what is kept of them.
    pub source: Source<'a>,
    /// The version that it names, where it could be read that far.
    pub version: Option<String>,
    /// What was found.
    pub found: Found,
}

/// How far a record came.
#[derive(Debug)]
pub enum Found {
    /// It could not be read.
    Unreadable(ReadError),
    /// It breaks its schema.
    Malformed(Vec<Violation>),
    /// A receipt that could not be written down.
    Unwritten(WriteError),
    /// Every rule was put to it.
    Judged {
        /// What the rules came to.
        report: Report,
        /// Whether a receipt's bytes are canonical; a sidecar has no canonical bytes.
        canonical: Option<bool>,
    },
}

/// A judged sidecar that has no receipt.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WriteError {
    /// The engine cannot fill it in.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// A number that the format cannot hold.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl Section<'_> {
    /// The same without the record's bytes.
    #[must_use]
    pub fn detached(self) -> Section<'static> {
        Section { source: self.source.detached(), ..self }
    }

    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.found {
            Found::Unreadable(_) | Found::Malformed(_) => Outcome::Fail,
            Found::Unwritten(_) => Outcome::Insufficient,
            Found::Judged { report, .. } => outcome(report),
        }
    }
}

fn outcome(report: &Report) -> Outcome {
    let any = |test: fn(&Verdict) -> bool| report.rules.iter().any(|(_, verdict)| test(verdict));
    let recomputed = report
        .rules
        .iter()
        .any(|(rule, verdict)| rule.id.is_recompute() && matches!(verdict, Verdict::Holds { .. }));
    if any(|verdict| matches!(verdict, Verdict::Broken(_))) {
        Outcome::Fail
    } else if !recomputed || any(|verdict| matches!(verdict, Verdict::Vacuous { .. } | Verdict::NotReached)) {
        Outcome::Insufficient
    } else {
        Outcome::Pass
    }
}

/// One input and what it came to: a receipt by itself, or a sidecar and the receipt made from it.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The records, in the order in which they were judged.
    pub sections: Vec<Section<'a>>,
    /// The canonical bytes of the receipt that an import made.
    pub imported: Option<Vec<u8>>,
    /// The step as it was given, where it could be read.
    pub step: Option<Box<Step>>,
}

impl Verified<'_> {
    /// The same without the bytes of its input.
    #[must_use]
    pub fn detached(self) -> Verified<'static> {
        let sections = self.sections.into_iter().map(Section::detached).collect();
        Verified { sections, imported: self.imported, step: self.step }
    }

    /// The same, where the digest of its input is known already.
    #[must_use]
    pub fn known(mut self, sha256: Digest) -> Self {
        for section in &mut self.sections {
            if let Source::Bytes(bytes) = section.source {
                section.source = Source::Digest { digest: sha256, size_bytes: bytes.len() };
            }
        }
        self
    }

    /// The worst of the sections; without any, nothing was compared.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.sections.iter().map(Section::outcome).max().unwrap_or(Outcome::Insufficient)
    }
}

/// Judges the bytes of one receipt.
#[must_use]
pub fn receipt(bytes: &[u8]) -> Verified<'_> {
    let (version, found, step) = match read::receipt(bytes) {
        Err(error) => (None, Found::Unreadable(error), None),
        Ok(Read { version, record: Err(violations) }) => (Some(version), Found::Malformed(violations), None),
        Ok(Read { version, record: Ok(entry) }) => {
            let canonical = Some(entry.claims.canonical);
            let found = Found::Judged { report: reconcile::reconcile(&entry), canonical };
            (Some(version), found, Some(Box::new(entry.step)))
        }
    };
    Verified { sections: vec![section(Kind::Receipt, bytes, version, found)], imported: None, step }
}

/// Judges the bytes of one framework sidecar as they are, makes its receipt, and judges that too.
#[must_use]
pub fn sidecar(bytes: &[u8], expected: Option<Framework>, options: &Options) -> Verified<'static> {
    let alone = |version, found| {
        let sections = vec![section(Kind::Sidecar, bytes, version, found).detached()];
        Verified { sections, imported: None, step: None }
    };
    let (version, import) = match read::sidecar(bytes, Standing::Alone, expected) {
        Err(error) => return alone(None, Found::Unreadable(error)),
        Ok(Read { version, record: Err(violations) }) => {
            return alone(Some(version), Found::Malformed(violations));
        }
        Ok(Read { version, record: Ok(import) }) => (Some(version), import),
    };
    let entry = lower::sidecar(import.wire().clone(), import.bias_policy(), options.tolerance);
    let report = reconcile::reconcile(&entry);
    let written = written(import, &report, options, None);
    let found = Found::Judged { report, canonical: None };
    let judged = section(Kind::Sidecar, bytes, version, found).detached();
    let step = Some(Box::new(entry.step));
    match written {
        Ok(imported) => {
            let mut sections = receipt(&imported).detached().sections;
            sections.insert(0, judged);
            Verified { sections, imported: Some(imported), step }
        }
        Err(error) => {
            let unwritten = section(Kind::Receipt, &[], None, Found::Unwritten(error));
            Verified { sections: vec![judged, unwritten], imported: None, step }
        }
    }
}

/// The bytes of the receipt that an import makes, labelled by what was found; `index` is its place in a stream.
fn written(
    import: Import,
    report: &Report,
    options: &Options,
    index: Option<u64>,
) -> Result<Vec<u8>, WriteError> {
    let receipt = import.into_receipt(outcome(report) == Outcome::Pass, options, index)?;
    Ok(canonical::emit(&receipt)?.into_bytes())
}

fn section(kind: Kind, bytes: &[u8], version: Option<String>, found: Found) -> Section<'_> {
    Section { kind, source: Source::Bytes(bytes), version, found }
}
