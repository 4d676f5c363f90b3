//! The verdict document, `bp-verdict/1`: a frozen type of its own, schema in `contracts/verdict.schema.json`.
//!
//! Members stand in the order of the canonical bytes, so that none has to be moved there.

use std::sync::LazyLock;

use serde::Serialize;

use crate::digest::Digest;
use crate::json;
use crate::number::Tolerance;
use crate::pointer::Pointer;
use crate::reconcile::finding::Finding;
use crate::reconcile::rule::{Rule, RuleId, Verdict};
use crate::reconcile::rules::RULES;
use crate::schema::Violation;
use crate::verify::read::ReadError;
use crate::verify::stream::Trace;
use crate::verify::whole::{TraceError, Traced, Whole};
use crate::verify::{Found, Kind, Outcome, Section, Verified, WriteError};

/// The format's name.
pub const FORMAT: &str = "bp-verdict/1";

/// Which judge, and by which bounds.
#[derive(Debug, Clone, Serialize)]
pub struct Judge {
    /// SHA-256 of the canonical JSON of [`BOUNDS_POLICY`].
    pub bounds_policy_sha256: Digest,
    /// `bp`.
    pub name: &'static str,
    /// The numbers of the rules it has.
    pub rules: Vec<RuleId>,
    /// Its version.
    pub version: &'static str,
}

impl Judge {
    /// This judge.
    #[must_use]
    pub fn this() -> Self {
        static BOUNDS: LazyLock<Digest> = LazyLock::new(|| Digest::of(&json::canonical(&BOUNDS_POLICY)));
        Self {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            rules: RULES.iter().map(|rule| rule.id).collect(),
            bounds_policy_sha256: *BOUNDS,
        }
    }
}

/// The constants by which this judge bounds a gap.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BoundsPolicy {
    significant_digits: u8,
    engine_authored: &'static str,
    imported: &'static str,
    numeric_ceiling: [f64; 2],
    differential_ceiling: [f64; 2],
    import_default: [f64; 2],
}

/// The constants by which this judge bounds a gap.
pub const BOUNDS_POLICY: BoundsPolicy = BoundsPolicy {
    significant_digits: 9,
    engine_authored: "propagated rounding of nine digits",
    imported: "the larger of propagated rounding and the declared tolerance, clamped",
    numeric_ceiling: [Tolerance::NUMERIC_CEILING.atol(), Tolerance::NUMERIC_CEILING.rtol()],
    differential_ceiling: [Tolerance::DIFFERENTIAL_CEILING.atol(), Tolerance::DIFFERENTIAL_CEILING.rtol()],
    import_default: [Tolerance::IMPORT_DEFAULT.atol(), Tolerance::IMPORT_DEFAULT.rtol()],
};

/// The verdict on one input.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    format: &'static str,
    judge: Judge,
    outcome: Outcome,
    records: Vec<Record<'a>>,
}

/// The verdict on one record: the input itself, or the receipt made from a sidecar.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// Whether a receipt's bytes are the canonical bytes; null where there are none.
    canonical: Option<bool>,
    /// Why the record could not be read or written; null where it could.
    error: Option<RecordError>,
    gated_off: Vec<RuleId>,
    kind: Kind,
    outcome: Outcome,
    /// What each rule came to.
    rules: Vec<RuleRecord<'a>>,
    rules_evaluated: Vec<RuleId>,
    sha256: Digest,
    size_bytes: usize,
    version: Option<&'a str>,
    /// Where it breaks its schema.
    violations: &'a [Violation],
}

/// Why a record was not judged.
#[derive(Debug, Clone, Serialize)]
pub struct RecordError {
    /// In capitals.
    pub code: &'static str,
    /// In words.
    pub message: String,
    /// Byte offset, where the text itself is broken.
    pub offset: Option<usize>,
    /// Place, where a value is.
    pub at: Option<Pointer>,
}

impl From<&ReadError> for RecordError {
    fn from(error: &ReadError) -> Self {
        let offset = match error {
            ReadError::Json(error) => Some(error.offset),
            _ => None,
        };
        Self { code: error.code(), message: error.to_string(), offset, at: None }
    }
}

impl From<&TraceError> for RecordError {
    fn from(error: &TraceError) -> Self {
        let inner = match error {
            TraceError::Line { source, .. } => Self::from(source),
            TraceError::Unwritten { source, .. } => Self::from(source),
        };
        Self { message: error.to_string(), ..inner }
    }
}

impl From<&WriteError> for RecordError {
    fn from(error: &WriteError) -> Self {
        use crate::receipt::canonical::EmitError;
        let at = match error {
            WriteError::Emit(EmitError::OutOfRange { at, .. } | EmitError::Missing { at }) => {
                Some(at.clone())
            }
            WriteError::Author(_) => None,
        };
        Self { code: "RECEIPT_NOT_WRITABLE", message: error.to_string(), offset: None, at }
    }
}

impl ReadError {
    /// The code in documents.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "BP_JSONL_EMPTY",
            Self::TooLarge { .. } => "INPUT_TOO_LARGE",
            Self::Json(_) => "INVALID_JSON",
            Self::Several { .. } => "BP_JSONL_MULTI_RECORD",
            Self::Untyped => "NOT_A_RECORD",
            Self::Version(_) => "UNKNOWN_VERSION",
            Self::Shape(_) => "NOT_REPRESENTABLE",
            Self::Refused(_) => "IMPORT_FAILED",
        }
    }
}

#[derive(Debug, Serialize)]
struct RuleRecord<'a> {
    /// Comparisons whose bound was as large as the values compared.
    blind: usize,
    /// Comparisons that decided something.
    compared: usize,
    findings: &'a [Finding],
    id: RuleId,
    title: &'static str,
    verdict: &'static str,
}

/// The verdict on a trace.
#[derive(Debug, Serialize)]
pub struct TraceDocument<'a> {
    format: &'static str,
    judge: Judge,
    outcome: Outcome,
    record_count: u64,
    passed: u64,
    insufficient: u64,
    failed: u64,
    /// Records that did not pass, the first thousand.
    per_record: Vec<PlacedRecord<'a>>,
    cross_record_checks: Vec<RuleRecord<'a>>,
    rules_evaluated: Vec<RuleId>,
    gated_off: Vec<RuleId>,
}

#[derive(Debug, Serialize)]
struct PlacedRecord<'a> {
    /// Place in the trace, counted from 0.
    index: u64,
    record: Record<'a>,
}

/// The document of a trace's judgement.
#[must_use]
pub fn trace(trace: &Trace) -> TraceDocument<'_> {
    let [passed, insufficient, failed] = trace.counts;
    let (mut rules_evaluated, mut gated_off) = (Vec::new(), Vec::new());
    for (rule, verdict) in &trace.rules {
        match verdict {
            Verdict::NotApplicable => gated_off.push(rule.id),
            _ => rules_evaluated.push(rule.id),
        }
    }
    TraceDocument {
        format: "bp-trace-verdict/1",
        judge: Judge::this(),
        outcome: trace.outcome(),
        record_count: trace.records,
        passed,
        insufficient,
        failed,
        per_record: trace
            .told
            .iter()
            .map(|(index, section)| PlacedRecord { index: *index, record: record(section) })
            .collect(),
        cross_record_checks: trace.rules.iter().map(|(rule, verdict)| rule_record(rule, verdict)).collect(),
        rules_evaluated,
        gated_off,
    }
}

fn rule_record<'a>(rule: &'static Rule, verdict: &'a Verdict) -> RuleRecord<'a> {
    let (compared, blind, findings) = match verdict {
        Verdict::Holds { compared, blind } => (*compared, *blind, [].as_slice()),
        Verdict::Vacuous { blind } => (0, *blind, [].as_slice()),
        Verdict::Broken(findings) => (0, 0, findings.as_slice()),
        Verdict::NotApplicable | Verdict::NotReached => (0, 0, [].as_slice()),
    };
    RuleRecord { id: rule.id, title: rule.title, verdict: verdict.name(), compared, blind, findings }
}

/// The document of a judgement.
#[must_use]
pub fn document<'a>(verified: &'a Verified<'_>) -> Document<'a> {
    Document {
        format: FORMAT,
        judge: Judge::this(),
        outcome: verified.outcome(),
        records: verified.sections.iter().map(record).collect(),
    }
}

fn record<'a>(section: &'a Section<'_>) -> Record<'a> {
    let mut record = Record {
        kind: section.kind,
        sha256: section.source.digest(),
        size_bytes: section.source.size_bytes(),
        version: section.version.as_deref(),
        outcome: section.outcome(),
        canonical: None,
        error: None,
        violations: &[],
        rules: Vec::new(),
        rules_evaluated: Vec::new(),
        gated_off: Vec::new(),
    };
    match &section.found {
        Found::Unreadable(error) => record.error = Some(error.into()),
        Found::Unwritten(error) => record.error = Some(error.into()),
        Found::Malformed(violations) => record.violations = violations,
        Found::Judged { report, canonical } => {
            record.canonical = *canonical;
            for (rule, verdict) in &report.rules {
                match verdict {
                    Verdict::NotApplicable => record.gated_off.push(rule.id),
                    Verdict::NotReached => {}
                    _ => record.rules_evaluated.push(rule.id),
                }
                record.rules.push(rule_record(rule, verdict));
            }
        }
    }
    record
}

impl Verdict {
    /// The name in documents.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Holds { .. } => "holds",
            Self::Broken(_) => "broken",
            Self::NotApplicable => "not_applicable",
            Self::Vacuous { .. } => "vacuous",
            Self::NotReached => "not_reached",
        }
    }
}

/// What one input came to, ready to write.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Pass, fail or insufficient.
    pub outcome: Outcome,
    /// The verdict document as canonical JSON (RFC 8785).
    pub document: Vec<u8>,
}

/// The judgement of a verified input.
#[must_use]
pub fn judgement(whole: &Whole<'_>) -> Judgement {
    let document = match whole {
        Whole::One(verified) => json::canonical(&document(verified)),
        Whole::Trace(traced) => json::canonical(&traced_document(traced)),
    };
    Judgement { outcome: whole.outcome(), document }
}

/// The verdict on an input that holds a trace.
#[derive(Debug, Serialize)]
pub struct TracedDocument<'a> {
    format: &'static str,
    outcome: Outcome,
    /// Why the trace was not judged to its end; null where it was.
    error: Option<RecordError>,
    /// Of the sidecars as given; null where receipts were.
    sidecars: Option<TraceDocument<'a>>,
    /// Of the receipts, as given or as made; null where none were made.
    receipts: Option<TraceDocument<'a>>,
}

/// The document of an input that holds a trace.
#[must_use]
pub fn traced_document(traced: &Traced) -> TracedDocument<'_> {
    TracedDocument {
        format: "bp-traced-verdict/1",
        outcome: traced.outcome(),
        error: traced.error.as_ref().map(RecordError::from),
        sidecars: traced.sidecars.as_ref().map(trace),
        receipts: traced.receipts.as_ref().map(trace),
    }
}
