//! What a judgement comes to, as data.

use serde::{Deserialize, Serialize};

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
