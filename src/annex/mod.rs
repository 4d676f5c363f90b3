//! The technical documentation of Annex IV, Regulation (EU) 2024/1689: what a pack can show of it, what the provider says,
//! and what is open.
//!
//! ```text
//! catalogue ─┐
//! provider ──┼─▸ derive ─▸ Annex (annex-iv.json) ─▸ render ─▸ Markdown, HTML
//! facts ─────┘                  │
//!                               └─▸ todo, check, verify
//! ```
//!
//! A pack alone closes no point of the annex. Nothing here weighs, scores or judges: a status says by a rule whether a
//! piece is there, and each piece says what was done about it.

pub mod catalogue;
pub mod check;
mod derive;
pub mod envelope;
pub mod facts;
mod foreign;
pub mod model;
pub mod provider;
pub mod render;

pub use catalogue::{Catalogue, catalogue};
pub use derive::{derive, unit_status};
pub use facts::Facts;
pub use foreign::MAX_TEMPLATE_BYTES;
pub use model::Annex;
pub use provider::Provider;

/// Where the answer lies in a pack.
pub const ANNEX_JSON: &str = "annex/annex-iv.json";
/// Its Markdown.
pub const ANNEX_MARKDOWN: &str = "annex/annex-iv.md";
/// Its HTML.
pub const ANNEX_HTML: &str = "annex/annex-iv.html";
