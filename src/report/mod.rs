//! What a judgement comes to, as documents and as text.
pub use crate::verify::Outcome;
