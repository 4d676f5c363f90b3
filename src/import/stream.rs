//! One run's sidecars, one per line: what they share, and the marks that all their receipts carry.
//!
//! Every receipt names the digest of the whole stream, and the digest of all receipts (rule 17). Both are known after the
//! last line only. So a receipt is first written with zeros in their places, and marked in two more passes:
//!
//! ```text
//! sidecar lines -> receipts with zeros -> Source::unbound, hashed -> Source::bound, as they are judged and written
//! ```
//! A mark is as long as the zeros in its place, so no pass parses a receipt, and memory does not grow with the stream.

use sha2::{Digest as _, Sha256};

use super::{Import, Refusal};
use crate::digest::Digest;
use crate::receipt::canonical;
use crate::receipt::id::TraceId;

/// What stands in a receipt for a digest that is not known yet.
pub(super) const UNKNOWN: Digest = Digest::from_bytes([0; 32]);

/// The trace id that stands in a receipt until the stream's digest is known: of a stream that states none.
#[must_use]
pub fn unknown_trace() -> TraceId {
    TraceId::from("0".repeat(ID_DIGITS))
}

/// Hexadecimal digits of a trace id.
const ID_DIGITS: usize = 32;

/// What a sidecar says of the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    framework: String,
    trace_id: Option<TraceId>,
    step_index: Option<u64>,
}

impl From<&Import> for Facts {
    fn from(import: &Import) -> Self {
        let wire = import.wire();
        Self {
            framework: format!("{} {}", wire.source_framework.name, wire.source_framework.version),
            trace_id: wire.trace_id.clone(),
            step_index: wire.step_index,
        }
    }
}

/// A run whose sidecars are read in order.
#[derive(Debug, Default)]
pub struct Run {
    first: Option<Facts>,
    records: u64,
}

impl Run {
    /// Admits the next sidecar; one that breaks its schema says nothing, and has its place all the same.
    ///
    /// # Errors
    /// [`Refusal::Mixed`] where it belongs to another run than the first one, or stands in another place.
    pub fn admit(&mut self, facts: Option<&Facts>) -> Result<(), Refusal> {
        let index = self.records;
        self.records += 1;
        let Some(facts) = facts else { return Ok(()) };
        let first = self.first.get_or_insert_with(|| facts.clone());
        let same = |what, found: &str, expected: &str| match found == expected {
            true => Ok(()),
            false => Err(Refusal::Mixed { what, found: found.to_owned(), expected: expected.to_owned() }),
        };
        let id = |facts: &Facts| facts.trace_id.as_ref().map_or("none", TraceId::as_str).to_owned();
        same("framework", &facts.framework, &first.framework)?;
        same("trace_id", &id(facts), &id(first))?;
        let place = |index: Option<u64>| index.map_or_else(|| "none".to_owned(), |index| index.to_string());
        same("step_index", &place(facts.step_index), &place(first.step_index.map(|_| index)))
    }

    /// The marks of this run's receipts; `stream` is the digest of all its bytes.
    #[must_use]
    pub fn source(&self, stream: Digest) -> Source {
        let is_named = self.first.as_ref().is_some_and(|first| first.trace_id.is_some());
        Source { stream: stream.to_string(), is_named }
    }
}

/// Where receipts come from: the digest of the whole stream, by which a run without a name is called too.
#[derive(Debug)]
pub struct Source {
    stream: String,
    is_named: bool,
}

impl Source {
    /// A receipt with the stream's marks, and without the digest of all receipts.
    #[must_use]
    pub fn unbound(&self, receipt: &[u8]) -> Vec<u8> {
        let bytes = self.marked(receipt);
        canonical::around(&bytes, "bundle_root_digest", &UNKNOWN.prefixed())
            .map_or_else(|| bytes.clone(), |pieces| pieces.concat())
    }

    /// A receipt with all its marks.
    #[must_use]
    pub fn bound(&self, receipt: &[u8], bundle: Digest) -> Vec<u8> {
        let mut bytes = self.marked(receipt);
        put(&mut bytes, &bundle_member(&UNKNOWN.to_string()), &bundle_member(&bundle.to_string()));
        bytes
    }

    fn marked(&self, receipt: &[u8]) -> Vec<u8> {
        let mut bytes = receipt.to_vec();
        let source = |digest: &str| format!("\"source_hash\":\"sha256:{digest}\"").into_bytes();
        put(&mut bytes, &source(&UNKNOWN.to_string()), &source(&self.stream));
        if !self.is_named {
            let trace = |id: &str| format!("\"trace_id\":\"{id}\"").into_bytes();
            put(&mut bytes, &trace(&unknown_trace()), &trace(&self.stream[..ID_DIGITS]));
        }
        bytes
    }
}

fn bundle_member(digest: &str) -> Vec<u8> {
    format!(",\"bundle_root_digest\":\"sha256:{digest}\"").into_bytes()
}

/// Puts a mark in the place of zeros. Inside a JSON string every quotation mark is escaped, so no text of a receipt can
/// pass for the place.
fn put(bytes: &mut [u8], zeros: &[u8], mark: &[u8]) {
    if let Some(place) = find(bytes, zeros) {
        bytes[place..place + zeros.len()].copy_from_slice(mark);
    }
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes.windows(sought.len()).position(|window| window == sought)
}

/// The digest of all receipts (rule 17), from each without it, in order.
#[derive(Debug, Default)]
pub struct Bundle(Sha256);

impl Bundle {
    /// Adds the next receipt, as [`Source::unbound`] gives it.
    pub fn add(&mut self, unbound: &[u8]) {
        self.0.update(unbound);
    }

    /// The digest.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(trace_id: Option<&str>, step_index: Option<u64>) -> Facts {
        Facts { framework: "pytorch 2.0".into(), trace_id: trace_id.map(TraceId::from), step_index }
    }

    fn mixed(sidecars: &[Facts]) -> Option<String> {
        let mut run = Run::default();
        sidecars.iter().find_map(|facts| run.admit(Some(facts)).err()).map(|refusal| refusal.to_string())
    }

    #[test]
    fn a_run_is_one_trace_in_order_or_says_nothing_of_it() {
        assert_eq!(mixed(&[facts(Some("a"), Some(0)), facts(Some("a"), Some(1))]), None);
        assert_eq!(mixed(&[facts(None, None), facts(None, None)]), None);
        let mut run = Run::default();
        run.admit(None).unwrap();
        run.admit(Some(&facts(Some("a"), Some(1)))).unwrap();
        let words = |what, found, expected| {
            Some(format!("another run's sidecar: {what} is {found}, where {expected} is to stand"))
        };
        assert_eq!(
            mixed(&[facts(Some("a"), Some(0)), facts(Some("b"), Some(1))]),
            words("trace_id", "b", "a")
        );
        assert_eq!(mixed(&[facts(Some("a"), Some(0)), facts(None, Some(1))]), words("trace_id", "none", "a"));
        assert_eq!(mixed(&[facts(Some("a"), Some(1))]), words("step_index", "1", "0"));
        assert_eq!(mixed(&[facts(None, Some(0)), facts(None, None)]), words("step_index", "none", "1"));
        let other = Facts { framework: "pytorch 2.1".into(), ..facts(None, None) };
        assert_eq!(mixed(&[facts(None, None), other]), words("framework", "pytorch 2.1", "pytorch 2.0"));
    }

    #[test]
    fn marks_stand_in_their_places_and_in_no_text() {
        let zeros = UNKNOWN.to_string();
        let decoy = format!("\\\"source_hash\\\":\\\"sha256:{zeros}\\\"");
        let receipt = |source: &str, bundle: &str, trace: &str| {
            format!(
                "{{\"fixture\":\"{decoy}\",\"source_hash\":\"sha256:{source}\"{bundle},\"trace_id\":\"{trace}\"}}\n"
            )
        };
        let bundle = |digest: &str| format!(",\"bundle_root_digest\":\"sha256:{digest}\"");
        let unmarked = receipt(&zeros, &bundle(&zeros), &unknown_trace());
        let (stream, all) = (Digest::of(b"stream"), Digest::of(b"all"));
        let source = Run::default().source(stream);
        let id = &stream.to_string()[..ID_DIGITS];
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(source.unbound(unmarked.as_bytes())), receipt(&stream.to_string(), "", id));
        assert_eq!(
            text(source.bound(unmarked.as_bytes(), all)),
            receipt(&stream.to_string(), &bundle(&all.to_string()), id)
        );
    }
}
