//! `bp`: evidence packs of training steps, re-derived rather than believed.
//!
//! ```text
//! bytes ─ json ─ schema ─ receipt ─┬─ engine ───────┐
//!           sidecar ─ import ──────┤                │
//!                                  └─ reconcile ◂───┘  a record becomes a report
//!                                        │
//!                                     verify           the gates in order, for every record
//!                                        │
//!                                     report           documents and text
//!                                        │
//!                      trust ───────── pack            a sealed folder, built and checked
//! ```
//!
//! Small values stand below everything: [`digest`], [`json`], [`mod@pointer`], [`number`], [`schema`], [`error`],
//! [`persist`], [`handle`], [`moment`]. The library opens files in [`pack`], [`run::collect`], [`trust`], [`store`] and [`persist`] alone, sockets in [`store`];
//! it never reads a clock or the environment. ARCHITECTURE.md has the map and the invariants.

pub mod annex;
pub mod author;
pub mod contract;
pub mod digest;
pub mod engine;
pub mod error;
pub mod handle;
pub mod import;
pub mod json;
pub mod law;
pub mod moment;
pub mod number;
pub mod pack;
pub mod persist;
pub mod pointer;
pub mod receipt;
pub mod reconcile;
pub mod report;
pub mod run;
pub mod schema;
pub mod step;
pub mod store;
pub mod tensor;
pub mod trust;
pub mod verify;
