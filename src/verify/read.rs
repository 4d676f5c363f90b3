//! From bytes to a record: strict JSON, then the schema of the version that the record names.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde_json::Value;

use crate::digest::Digest;
use crate::import::{self, Framework, Import, Refusal, Standing};
use crate::json::{self, JsonError};
use crate::receipt::canonical;
use crate::receipt::lower::{self, ByteFacts};
use crate::receipt::step::Entry;
use crate::receipt::version::{ReceiptVersion, TraceVersion, UnknownVersion};
use crate::receipt::wire::{Receipt, Sidecar, TopologyInput};
use crate::schema::{self, Schema, Violation};

/// The largest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 64 << 20;

/// Bytes that cannot be judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Nothing but white space.
    #[error("there is no record: the input is empty")]
    Empty,
    /// Larger than a record may be.
    #[error("{size_bytes} bytes are more than the {limit_bytes} that one record may have")]
    TooLarge {
        /// Found.
        size_bytes: usize,
        /// Allowed.
        limit_bytes: usize,
    },
    /// Not strict JSON.
    #[error("not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A stream of records where one is asked for.
    #[error("{count} records stand in the input, one per line; this verb takes one")]
    Several {
        /// Found.
        count: usize,
    },
    /// Neither a receipt nor a sidecar.
    #[error("neither schema_version nor format says what the record is")]
    Untyped,
    /// A version that does not exist.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// The schema holds and a whole number is too large to count with.
    #[error("the record cannot be held: {0}")]
    Shape(String),
    /// A sidecar that cannot be imported.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A record, or the places where it breaks its schema.
#[derive(Debug)]
pub struct Read<T> {
    /// The version that the record names, as it spells it.
    pub version: String,
    /// The record.
    pub record: Result<T, Vec<Violation>>,
}

/// A JSON object that says which schema it answers to.
struct Typed {
    value: Value,
    version: String,
}

fn typed(bytes: &[u8], key: &str, limit_bytes: usize) -> Result<Typed, ReadError> {
    let value = value(bytes, limit_bytes)?;
    let version = value.get(key).and_then(Value::as_str).ok_or(ReadError::Untyped)?.to_owned();
    Ok(Typed { value, version })
}

fn value(bytes: &[u8], limit_bytes: usize) -> Result<Value, ReadError> {
    if bytes.len() > limit_bytes {
        return Err(ReadError::TooLarge { size_bytes: bytes.len(), limit_bytes });
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ReadError::Empty);
    }
    json::parse(bytes).map_err(|error| several(bytes).unwrap_or(ReadError::Json(error)))
}

/// More than one line, each a JSON value by itself.
fn several(bytes: &[u8]) -> Option<ReadError> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    let mut count = 0;
    for line in lines {
        json::parse(line).ok()?;
        count += 1;
    }
    (count > 1).then_some(ReadError::Several { count })
}

/// Whether bytes hold a receipt, rather than a sidecar: by the key that names the version.
///
/// # Errors
/// [`ReadError`] where they hold neither.
pub fn is_receipt(bytes: &[u8]) -> Result<bool, ReadError> {
    match typed(bytes, "schema_version", MAX_RECORD_BYTES) {
        Ok(_) => Ok(true),
        Err(ReadError::Untyped) => typed(bytes, "format", MAX_RECORD_BYTES).map(|_| false),
        Err(error) => Err(error),
    }
}

/// The wire model of a receipt, without a judgement.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn wire(bytes: &[u8]) -> Result<Read<Receipt>, ReadError> {
    match canonical(bytes) {
        Some(wire) => Ok(Read { version: wire.schema_version.clone(), record: Ok(wire) }),
        None => general(bytes),
    }
}

/// The wire model of a receipt in its canonical bytes, which need no tree, no schema and no comparison.
fn canonical(bytes: &[u8]) -> Option<Receipt> {
    if bytes.len() > MAX_RECORD_BYTES { None } else { canonical::read(bytes) }
}

/// The wire model of a receipt in any bytes.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn general(bytes: &[u8]) -> Result<Read<Receipt>, ReadError> {
    let typed = typed(bytes, "schema_version", MAX_RECORD_BYTES)?;
    let version: ReceiptVersion = typed.version.parse()?;
    if let Err(violations) = schema::validate(Schema::Receipt(version), &typed.value) {
        return Ok(Read { version: typed.version, record: Err(violations) });
    }
    let wire = Receipt::deserialize(typed.value).map_err(|error| ReadError::Shape(error.to_string()))?;
    Ok(Read { version: typed.version, record: Ok(wire) })
}

/// A receipt, ready to judge.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn receipt(bytes: &[u8]) -> Result<Read<Entry>, ReadError> {
    linked(bytes).map(|linked| linked.read)
}

/// A receipt that may be part of a trace.
#[derive(Debug)]
pub struct Linked {
    /// The receipt.
    pub read: Read<Entry>,
    /// Its canonical bytes without the trace's digest.
    pub subject: Option<Subject>,
}

/// What the digest of a trace (rule 17) is over, of one record: its canonical bytes without that digest, in two pieces.
#[derive(Debug)]
pub struct Subject {
    /// Where the record's own bytes are not canonical.
    canonical: Option<Vec<u8>>,
    /// The digest as the record spells it.
    bundle: Option<String>,
}

impl Subject {
    /// The bytes, of a record that was read from `record`; none of them belong to the digest.
    #[must_use]
    pub fn pieces<'a>(&'a self, record: &'a [u8]) -> Option<[&'a [u8]; 2]> {
        let canonical = self.canonical.as_deref().unwrap_or(record);
        match &self.bundle {
            Some(bundle) => canonical::around(canonical, "bundle_root_digest", bundle),
            None => Some([canonical, &[]]),
        }
    }
}

/// A receipt that may be part of a trace, ready to judge. Its line feed is part of its canonical bytes.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn linked(bytes: &[u8]) -> Result<Linked, ReadError> {
    if let Some(wire) = canonical(bytes) {
        let version = wire.schema_version.clone();
        let (entry, subject) = lowered(wire, Some(Cow::Borrowed(bytes)), true);
        return Ok(Linked { read: Read { version, record: Ok(entry) }, subject });
    }
    let Read { version, record } = general(bytes)?;
    let mut subject = None;
    let record = record.map(|wire| {
        let own = canonical::emit(&wire).ok().map(String::into_bytes);
        let is_canonical = own.as_deref() == Some(bytes);
        let (entry, of_trace) = lowered(wire, own.map(Cow::Owned), is_canonical);
        subject = of_trace;
        entry
    });
    Ok(Linked { read: Read { version, record }, subject })
}

/// A receipt, and what of it the digest of a trace is over; `own` are its canonical bytes, where it has any.
fn lowered(wire: Receipt, own: Option<Cow<'_, [u8]>>, is_canonical: bool) -> (Entry, Option<Subject>) {
    let subject_digest = own.as_deref().and_then(|own| subject_digest(&wire, own));
    let bundle = wire.attestor.as_ref().and_then(|attestor| attestor.bundle_root_digest.clone());
    let subject = own.map(|own| {
        let canonical = match own {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => (!is_canonical).then_some(bytes),
        };
        Subject { canonical, bundle }
    });
    (lower::receipt(wire, ByteFacts { canonical: is_canonical, subject_digest }), subject)
}

/// The digest that rule 16 asks for: over the canonical bytes without the field that holds it.
fn subject_digest(wire: &Receipt, canonical: &[u8]) -> Option<Digest> {
    let stored = wire.attestor.as_ref()?.signed_subject_digest.as_ref()?;
    canonical::around(canonical, "signed_subject_digest", stored).map(Digest::of_pieces)
}

/// A topology input, ready to author from.
///
/// # Errors
/// [`ReadError`] where the bytes are not strict JSON.
pub fn topology_input(bytes: &[u8]) -> Result<Read<TopologyInput>, ReadError> {
    let value = value(bytes, MAX_RECORD_BYTES)?;
    let version = "topology-input.v0.4.0".to_owned();
    if let Err(violations) = schema::validate(Schema::TopologyInput, &value) {
        return Ok(Read { version, record: Err(violations) });
    }
    let input = TopologyInput::deserialize(value).map_err(|error| ReadError::Shape(error.to_string()))?;
    Ok(Read { version, record: Ok(input) })
}

/// The wire model of a sidecar and its version, without a judgement.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn sidecar_wire(bytes: &[u8]) -> Result<Read<(Sidecar, TraceVersion)>, ReadError> {
    let typed = typed(bytes, "format", import::MAX_SIDECAR_BYTES)?;
    let version: TraceVersion = typed.version.parse()?;
    if let Err(violations) = schema::validate(Schema::FrameworkTrace(version), &typed.value) {
        return Ok(Read { version: typed.version, record: Err(violations) });
    }
    let wire = Sidecar::deserialize(typed.value).map_err(|error| ReadError::Shape(error.to_string()))?;
    Ok(Read { version: typed.version, record: Ok((wire, version)) })
}

/// A sidecar, ready to judge and to import.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged, or `expected` is another framework.
pub fn sidecar(
    bytes: &[u8],
    standing: Standing,
    expected: Option<Framework>,
) -> Result<Read<Import>, ReadError> {
    let Read { version, record } = sidecar_wire(bytes)?;
    let record = match record {
        Ok((wire, format)) => Ok(Import::of(wire, format, bytes, standing, expected)?),
        Err(violations) => Err(violations),
    };
    Ok(Read { version, record })
}
