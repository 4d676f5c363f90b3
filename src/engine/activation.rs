//! Activation functions of a layer, and their derivatives from the unit's output.

use super::Cell;
use crate::number::Real;
use crate::receipt::wire::Activation;

/// A layer's cells from its weighted inputs.
#[must_use]
pub fn layer<R: Real>(activation: Activation, nets: Vec<R>) -> Vec<Cell<R>> {
    let outs: Vec<R> = match activation {
        Activation::Sigmoid => nets.iter().map(|net| sigmoid(*net)).collect(),
        Activation::Identity => nets.clone(),
        Activation::Relu => nets.iter().map(|net| R::exact(0.0).max(*net)).collect(),
        Activation::Softmax => softmax(&nets),
    };
    nets.into_iter().zip(outs).map(|(net, out)| Cell { net, out }).collect()
}

/// The derivative of an activation with respect to its input, from its output.
///
/// Softmax has no derivative of a single unit; its error signal is target minus probability (Bishop 2006, eq. 4.109),
/// so it counts as 1 here.
#[must_use]
pub fn derivative<R: Real>(activation: Activation, out: R) -> R {
    match activation {
        Activation::Sigmoid => out * (R::exact(1.0) - out),
        Activation::Identity | Activation::Softmax => R::exact(1.0),
        Activation::Relu => out.step(),
    }
}

/// 1 / (1 + e^-x).
fn sigmoid<R: Real>(net: R) -> R {
    R::exact(1.0) / (R::exact(1.0) + (-net).exp())
}

/// `e^(z_i - m)` over the sum of all, m the largest z.
///
/// The quotient does not depend on m, so m is a constant here: how well the largest z is known does not count twice.
fn softmax<R: Real>(nets: &[R]) -> Vec<R> {
    let largest = nets.iter().map(|net| net.value()).reduce(f64::max).unwrap_or(0.0);
    let powers: Vec<R> = nets.iter().map(|net| (*net - R::exact(largest)).exp()).collect();
    let sum = powers.iter().fold(R::exact(0.0), |sum, power| sum + *power);
    powers.into_iter().map(|power| power / sum).collect()
}
