//! From bytes to a step: the receipt formats, all versions.
//!
//! ```text
//! bytes -> json -> schema (version) -> wire -> lower -> Step + Claims
//!                                       wire -> canonical bytes
//! ```

pub mod canonical;
pub mod id;
pub mod lower;
mod names;
pub mod net;
mod ordered;
pub mod step;
pub mod version;
pub mod wire;
