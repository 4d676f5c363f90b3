//! What a judgement comes to, as data.

mod pack_text;

use serde::{Deserialize, Serialize};

pub use pack_text::pack_text;

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Everything that applies was compared, and held.
    Pass,
    /// Something was found broken, or could not be read.
    Fail,
    /// Nothing broke, but less was compared than a pass needs.
    Insufficient,
}
