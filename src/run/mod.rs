//! What a training job leaves behind, and what follows from it.
//!
//! ```text
//! directory ─ collect ─▸ Evidence ─ derive ─▸ RunRecord
//!                         │   ▴                 what the run was, how it ended, what speaks against it
//!                    files│   │parse
//!                         ▼   │
//!                     run/history/*  artifacts.json  datasets.json  command.json
//! ```
//! Text is kept byte for byte, so whoever holds it derives the same record again. What is too large to keep (weights,
//! pickles) is a row of a table: its digest and what was seen while it was read once. The table and what the user said
//! are the collector's word; everything else is checked by deriving it again.
//!
//! [`collect`] is the only part that opens files. Nothing is ever unpickled.

pub mod collect;
pub mod derive;
mod docs;
pub mod evidence;
pub mod law;
mod mask;
pub mod record;
pub mod secrets;
pub mod take;

pub use collect::{CollectError, Limits};
pub use derive::derive;
pub use evidence::{Artifact, Dataset, Evidence, EvidenceError, Given, Job, Leak, LeftOut, Names, Text};
pub use law::{Effect, Law};
pub use mask::text as masked;
pub use record::{Finding, RunRecord};
