//! A whole input, whatever it holds: one record, or a trace of them, one per line; receipts, or sidecars.

use rayon::prelude::*;

use super::read::ReadError;
use super::stream::{self, Judged, Trace, Tracing};
use super::{Kind, Outcome, Verified, WriteError};
use crate::digest::Digest;
use crate::import::Options;
use crate::import::stream::{Bundle, Run};
use crate::json;

/// Lines judged at once.
const LINES: usize = 64;

/// An input, judged.
#[derive(Debug)]
pub enum Whole<'a> {
    /// One record.
    One(Verified<'a>),
    /// A trace.
    Trace(Box<Traced>),
}

impl Whole<'_> {
    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::One(verified) => verified.outcome(),
            Self::Trace(traced) => traced.outcome(),
        }
    }

    /// The same, where the digest of the input is known already.
    #[must_use]
    pub fn known(self, sha256: Digest) -> Self {
        match self {
            Self::One(verified) => Self::One(verified.known(sha256)),
            trace @ Self::Trace(_) => trace,
        }
    }

    /// The canonical bytes of the receipts that an import made.
    #[must_use]
    pub fn imported(&self) -> Option<&[u8]> {
        match self {
            Self::One(verified) => verified.imported.as_deref(),
            Self::Trace(traced) => traced.imported.as_deref(),
        }
    }
}

/// A trace, judged.
#[derive(Debug)]
pub struct Traced {
    /// The sidecars, where the trace holds such: as they are, at full precision.
    pub sidecars: Option<Trace>,
    /// The receipts: the input itself, or what was made of its sidecars.
    pub receipts: Option<Trace>,
    /// The canonical bytes of the receipts that an import made.
    pub imported: Option<Vec<u8>>,
    /// Why the trace was not judged to its end.
    pub error: Option<TraceError>,
}

/// Why a trace was not judged to its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// A line that cannot be judged.
    #[error("line {line}, which begins at byte {offset}: {source}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Of its first byte.
        offset: usize,
        /// Why.
        source: ReadError,
    },
    /// A receipt that does not fit its format.
    #[error("record {index}, counted from 0: {source}")]
    Unwritten {
        /// The record.
        index: u64,
        /// Why.
        source: WriteError,
    },
}

impl Traced {
    /// What it comes to: the worst of its parts. What was not judged to its end fails, and receipts that the format cannot
    /// hold leave too little to compare.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let parts = [&self.sidecars, &self.receipts].into_iter().flatten().map(Trace::outcome);
        let error = self.error.as_ref().map(|error| match error {
            TraceError::Line { .. } => Outcome::Fail,
            TraceError::Unwritten { .. } => Outcome::Insufficient,
        });
        parts.chain(error).max().unwrap_or(Outcome::Insufficient)
    }
}

/// A line that is not blank.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    bytes: &'a [u8],
    /// Counted from 1.
    number: u64,
    offset: usize,
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut offset = 0;
    let all = bytes.split_inclusive(|byte| *byte == b'\n').zip(1_u64..).map(move |(bytes, number)| {
        let line = Line { bytes, number, offset };
        offset += bytes.len();
        line
    });
    all.filter(|line| !line.bytes.trim_ascii().is_empty())
}

/// What an input holds: sidecars say so by a `framework-trace` format in their first record; anything else is judged as
/// receipts.
#[must_use]
pub fn kind(bytes: &[u8]) -> Kind {
    let first = lines(bytes).next().and_then(|line| json::parse(line.bytes).ok());
    let value = first.or_else(|| json::parse(bytes).ok());
    let format = value.as_ref().and_then(|value| value.get("format")?.as_str());
    if format.is_some_and(|format| format.starts_with("framework-trace")) {
        Kind::Sidecar
    } else {
        Kind::Receipt
    }
}

/// Judges an input. Every record of a trace is shown to `observe`, in order, with the kind that it was given as.
#[must_use]
pub fn judge<'a>(
    bytes: &'a [u8],
    kind: Kind,
    options: &Options,
    observe: &mut dyn FnMut(&Judged<'_>),
) -> Whole<'a> {
    // Most inputs are one line, and `contains` looks at many bytes at once.
    let is_trace = bytes.trim_ascii().contains(&b'\n')
        && lines(bytes).nth(1).is_some()
        && lines(bytes).next().is_some_and(|line| json::parse(line.bytes).is_ok());
    match kind {
        Kind::Receipt if is_trace => Whole::Trace(Box::new(receipts(bytes, observe))),
        Kind::Sidecar if is_trace => Whole::Trace(Box::new(sidecars(bytes, options, observe))),
        Kind::Receipt => Whole::One(super::receipt(bytes)),
        Kind::Sidecar => Whole::One(super::sidecar(bytes, None, options)),
    }
}

fn receipts(bytes: &[u8], observe: &mut dyn FnMut(&Judged<'_>)) -> Traced {
    let (trace, error) = trace(bytes, Tracing::default(), observe);
    Traced { sidecars: None, receipts: Some(trace), imported: None, error }
}

fn trace(
    bytes: &[u8],
    mut tracing: Tracing,
    observe: &mut dyn FnMut(&Judged<'_>),
) -> (Trace, Option<TraceError>) {
    let all: Vec<Line<'_>> = lines(bytes).collect();
    for batch in all.chunks(LINES) {
        let judged: Vec<_> = batch.par_iter().map(|line| stream::record(line.bytes)).collect();
        for (line, judged) in batch.iter().zip(judged) {
            match judged {
                Ok(judged) => {
                    observe(&judged);
                    tracing.push(judged.settled(), line.bytes);
                }
                Err(source) => return (tracing.finish(), Some(line.unread(source))),
            }
        }
    }
    (tracing.finish(), None)
}

fn sidecars(bytes: &[u8], options: &Options, observe: &mut dyn FnMut(&Judged<'_>)) -> Traced {
    let all: Vec<(u64, Line<'_>)> = (0..).zip(lines(bytes)).collect();
    let (mut run, mut tracing) = (Run::default(), Tracing::of_sidecars());
    let (mut made, mut error) = (Some(Vec::new()), None);
    'lines: for batch in all.chunks(LINES) {
        let judged: Vec<_> = batch
            .par_iter()
            .map(|(index, line)| stream::sidecar(line.bytes, None, options, *index))
            .collect();
        for ((index, line), imported) in batch.iter().zip(judged) {
            let admitted = imported.and_then(|imported| {
                run.admit(imported.facts.as_ref())?;
                Ok(imported)
            });
            let imported = match admitted {
                Ok(imported) => imported,
                Err(source) => {
                    error = Some(line.unread(source));
                    break 'lines;
                }
            };
            observe(&imported.judged);
            tracing.push(imported.judged.settled(), line.bytes);
            match (imported.receipt, &mut made) {
                (Some(Ok(receipt)), Some(made)) => made.push(receipt),
                (Some(Ok(_)), None) => {}
                (Some(Err(source)), _) => {
                    made = None;
                    error.get_or_insert(TraceError::Unwritten { index: *index, source });
                }
                (None, _) => made = None,
            }
        }
    }
    let sidecars = Some(tracing.finish());
    let whole = error.is_none();
    let Some(made) = made.filter(|_| whole) else {
        return Traced { sidecars, receipts: None, imported: None, error };
    };
    let source = run.source(Digest::of(bytes));
    let mut bundle = Bundle::default();
    for receipt in &made {
        bundle.add(&source.unbound(receipt));
    }
    let digest = bundle.digest();
    let imported: Vec<u8> = made.iter().flat_map(|receipt| source.bound(receipt, digest)).collect();
    let (receipts, error) = trace(&imported, Tracing::default(), &mut |_| {});
    Traced { sidecars, receipts: Some(receipts), imported: Some(imported), error }
}

impl Line<'_> {
    fn unread(self, source: ReadError) -> TraceError {
        TraceError::Line { line: self.number, offset: self.offset, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_told_by_its_format() {
        for bytes in [
            br#"{"format":"framework-trace.v0.1.0"}"#.as_slice(),
            b"{\n \"format\": \"framework-trace.v0.1.0\"\n}",
            b"\n{\"format\":\"framework-trace.v0.1.0\"}\nnot JSON\n",
        ] {
            assert_eq!(kind(bytes), Kind::Sidecar);
        }
        for bytes in [br#"{"schema_version":"0.1.0"}"#.as_slice(), b"", b"\xff"] {
            assert_eq!(kind(bytes), Kind::Receipt);
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_fails_the_trace() {
        fn judge(bytes: &[u8]) -> Whole<'_> {
            super::judge(bytes, kind(bytes), &Options::at("2026-01-31T12:00:00Z"), &mut |_| {})
        }
        let record = include_bytes!("../../fixtures/good/momentum-three-steps.trace.jsonl");
        let sound = judge(record);
        assert_eq!(sound.outcome(), Outcome::Pass);
        let Whole::Trace(sound) = sound else { panic!("{sound:?}") };
        assert!(sound.error.is_none() && sound.receipts.is_some());
        let cut = judge(&record[..record.len() - 20]);
        assert_eq!(cut.outcome(), Outcome::Fail);
        let Whole::Trace(cut) = cut else { panic!("{cut:?}") };
        let Some(TraceError::Line { line, offset, .. }) = cut.error else { panic!("{cut:?}") };
        let first_two = record.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
        assert_eq!((line, offset), (3, first_two));
    }
}
