//! Numbers: their canonical text, what is known of one, and how far two may lie apart.

mod bounded;
mod decimal;
mod tolerance;

pub use bounded::{Bounded, Real};
pub(crate) use decimal::POWERS;
pub use decimal::{OutOfRange, canonical, half_unit};
pub use tolerance::{InvalidTolerance, Tolerance};

#[cfg(test)]
pub(crate) mod oracle;
