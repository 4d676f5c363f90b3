//! `bp`: evidence packs of training steps, re-derived rather than believed.
pub mod digest;
pub mod json;
pub mod pack;
pub mod persist;
pub mod pointer;
pub mod report;
pub mod trust;
pub mod verify;
