//! From bytes to a trace of steps: the receipt formats, all versions.

pub mod version;
