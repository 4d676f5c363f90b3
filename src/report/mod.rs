//! What a judgement comes to, for machines and for people: the verdict document and its text.

pub mod chart;
pub mod coverage;
mod fold;
pub mod text;
pub mod timeline;
pub mod told;
pub mod verdict;

pub use coverage::Coverage;
pub use fold::{Long, WIDTH, fold, plain};
pub use verdict::{BOUNDS_POLICY, Judgement, judgement};

pub use crate::verify::Outcome;
