//! What a judgement comes to, for machines and for people: the verdict document and its text.

mod fold;
pub mod text;
pub mod verdict;

pub use fold::{Long, WIDTH, fold};
pub use verdict::{BOUNDS_POLICY, Judgement, judgement};

pub use crate::verify::Outcome;
