//! Activation functions of a layer, and their derivatives from the unit's output.

use super::Cell;
use crate::number::Real;
use crate::receipt::wire::Activation;

/// Gives each cell of a layer its activation.
pub fn apply<R: Real>(activation: Activation, layer: &mut [Cell<R>]) {
    match activation {
        Activation::Sigmoid => layer.iter_mut().for_each(|cell| cell.out = sigmoid(cell.net)),
        Activation::Relu => layer.iter_mut().for_each(|cell| cell.out = R::exact(0.0).max(cell.net)),
        Activation::Identity => layer.iter_mut().for_each(|cell| cell.out = cell.net),
        Activation::Softmax => softmax(layer),
    }
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
fn softmax<R: Real>(cells: &mut [Cell<R>]) {
    let largest = cells.iter().map(|cell| cell.net.value()).reduce(f64::max).unwrap_or(0.0);
    for cell in &mut *cells {
        cell.out = (cell.net - R::exact(largest)).exp();
    }
    let sum = cells.iter().fold(R::exact(0.0), |sum, cell| sum + cell.out);
    for cell in cells {
        cell.out = cell.out / sum;
    }
}
