//! The pack: a directory from which a stranger re-derives a verdict, offline, and sees who sealed it.
//!
//! ```text
//! inputs -> plan::judge, one by one -> Evidence -> conclude --> Stage (+ ledger, manifest, seal) -> Pack -> final name
//!             ^                                      |
//!             |                        every derived file, once, to a Sink: the stage, or a comparison
//!             +---- the checker takes the evidence from the pack, and the same way -----------------------+
//! ```

pub mod add;
pub mod archive;
pub mod attestation;
pub mod build;
pub mod check;
pub mod cosign;
pub mod diff;
pub mod files;
pub mod freeze;
pub mod junit;
pub mod law;
pub mod layout;
pub mod ledger;
pub mod manifest;
pub mod only;
pub mod path;
pub mod plan;
pub mod result;
pub mod said;
pub mod sarif;
pub mod signoff;
pub mod suite;
mod template;
pub mod text;
mod walk;

pub use build::{BuildError, Pack, Stage};
pub use check::{Demands, Expected, Limits, OpenError, Options, Pin};
pub use freeze::Freeze;
pub use ledger::Ledger;
pub use manifest::{Manifest, Moment, Statement, Unsealed};
pub use only::Only;
pub use path::PackPath;
pub use plan::{Answered, Demand, Evidence, InputKind, Judging, Paper, Papers, PapersError, Stem, Terms};
pub use result::{Check, Finding, VerifyResult};
pub use suite::{Selection, Suite};

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
/// Which promises the maker of a pack carried.
pub const CONTRACTS: &str = "contracts.json";
/// The pack as a page.
pub const REPORT: &str = "report.html";
/// The verdict over all inputs, as JSON.
pub const FINAL_VERDICT: &str = "results/final_verdict.json";
/// What the sampled steps come to together.
pub const STEPS: &str = "steps/steps.json";
/// Commitments to all steps of a run.
pub const STEP_COMMITS: &str = "steps/commits.jsonl";
/// How the steps to be revealed of a run were drawn.
pub const STEP_CHALLENGE: &str = "steps/challenge.json";
/// What checking a captured forward pass came to.
pub const TENSOR_CHECK: &str = "tensors/check.json";
/// What comparing it with its reference came to.
pub const TENSOR_DIFF: &str = "tensors/diff.json";
/// The suite that the inputs answer to.
pub const SUITE: &str = "suite/suite.json";
/// What is known of the pack before.
pub const PARENT: &str = "annex/parent.json";
/// The folder of templates that stand for the embedded ones.
pub const TEMPLATES: &str = "annex/templates";
/// What of the suite was judged.
pub const SELECTION: &str = "suite/selection.json";
/// What of the suite was signed before anything ran.
pub const FREEZE: &str = "suite/freeze.json";
/// The time-stamp token over that.
pub const FREEZE_TOKEN: &str = "suite/freeze.tst";
