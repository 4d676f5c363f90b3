//! Sampled steps of a real fine-tune: a record, a safetensors payload, and every value of the step derived again.
//!
//! ```text
//! record bytes ─ json ─ schema ─▸ Record ─┐
//!                                         ├─▸ judge ─▸ Report ─▸ told
//! payload ─ header ─▸ places ─ blocks ────┘     ▴
//!                                            kernel   each rule's equation in float64, with its bound
//!                                            replay   a named kernel in float32, bit by bit
//! ```
//! `chain` links steps of a run, `commit` holds what was published while it ran and draws what is asked for, and `linear`
//! checks the gradients of modules that are shown.
//!
//! Each stage reads the stored result of the one before (the moments from the file feed the rule of the parameter), so
//! bounds never compound. A rule that could see nothing says so. What holds says that the arithmetic of the revealed
//! steps is the declared one, and no more: [`told::LIMITS`].

mod adapter;
mod around;
pub mod call;
pub mod chain;
pub mod commit;
mod count;
mod drawn;
pub mod judge;
mod kernel;
pub mod leaf;
pub mod linear;
mod matrix;
mod output;
pub mod payload;
mod product;
pub mod record;
mod replay;
pub mod rule;
pub mod scalar;
pub mod tally;
pub mod tensor;
pub mod told;
pub mod whole;
pub mod wire;

pub use judge::{Options, Report, Statistical, Verdict, judge};
pub use record::{Record, Refusal};
pub use rule::{RULES, Rule};
