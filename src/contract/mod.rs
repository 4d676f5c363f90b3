//! Contracts: what `bp` promises, what would show that a promise is broken, and how far it was shown to hold.
//!
//! A level is claimed in the file and derived here, from tests that ran, bad fixtures that are rejected, runs on record and
//! oracles that agree. The judge of packs never reads either: `contracts.json` in a pack says what its maker carried.
//!
//! ```text
//! contracts/*.json ─▸ Document ─┐
//! cargo test ─▸ Tests ──────────┼─▸ judge ─▸ a derived level for each falsifier, and findings
//! replays, evidence, history ───┘
//! ```

mod carried;
pub mod diff;
pub mod document;
pub mod embedded;
pub mod evidence;
pub mod inventory;
pub mod judge;
pub mod law;
pub mod lock;

pub use carried::carried;
pub use document::{Document, Level, Replay, Status};
pub use inventory::{Ended, Tests};
pub use judge::{Facts, Judged, Replayed, Row, judge};
pub use lock::Lock;

use serde::Serialize;

use law::Law;

/// A law that is broken, where, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The law.
    #[serde(rename = "code")]
    pub law: &'static Law,
    /// The contract or the falsifier.
    pub at: String,
    /// How.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(law: &'static Law, at: &str, message: impl Into<String>) -> Self {
        Self { law, at: at.to_owned(), message: message.into() }
    }
}

/// Reads a set of contracts, by the names of their files without the extension. Nothing is judged of a set of which one
/// cannot be read.
///
/// # Errors
/// Every place that keeps one from being a contract.
pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<Document>, Vec<Finding>> {
    let (mut documents, mut findings) = (Vec::new(), Vec::new());
    for (stem, bytes) in files {
        match Document::read(stem, bytes) {
            Ok(document) => documents.push(document),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok(documents) } else { Err(findings) }
}
