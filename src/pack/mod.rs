//! The pack: a directory from which a stranger re-derives a verdict, offline, and sees who sealed it.
//!
//! ```text
//! inputs -> Plan (path -> bytes, pure) -> Pack (+ ledger, manifest, seal) -> Staged -> final name
//!             ^                                                                           |
//!             +---- the checker makes the same plan from what is stored, and compares ----+
//! ```

pub mod build;
pub mod check;
pub mod law;
pub mod ledger;
pub mod manifest;
pub mod path;
pub mod plan;
pub mod result;
pub mod text;
mod walk;

pub use build::{BuildError, Pack, Staged};
pub use check::{Limits, OpenError, Options, Pin};
pub use ledger::Ledger;
pub use manifest::{Manifest, Moment, Statement, Unsealed};
pub use path::PackPath;
pub use plan::{Input, InputKind, Plan, Terms};
pub use result::{Check, Finding, VerifyResult};

/// The sealed statement.
pub const MANIFEST: &str = "manifest.json";
/// The seal over the manifest's bytes.
pub const SEAL: &str = "manifest.json.sig";
/// The ledger.
pub const LEDGER: &str = "checksums.sha256";
/// The signer's public key, for convenience only.
pub const SIGNER: &str = "signer.pub.pem";
/// Page one for a reader.
pub const README: &str = "README.md";
/// The verdict over all inputs, as JSON.
pub const FINAL_VERDICT: &str = "results/final_verdict.json";
