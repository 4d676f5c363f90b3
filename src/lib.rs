//! `bp`: evidence packs of training steps, re-derived rather than believed.
pub mod digest;
pub mod json;
pub mod number;
pub mod pointer;
pub mod receipt;
pub mod report;
pub mod schema;
pub mod verify;
pub mod engine;
pub mod error;
pub mod import;
pub mod reconcile;
