//! The scalars of a step: powers of the betas, and what a kernel rounds to float32 before it meets a tensor.

use super::record::{Group, Update};

/// A number as an unevaluated sum of two float64: some 106 bits.
#[derive(Debug, Clone, Copy)]
struct Double {
    high: f64,
    low: f64,
}

/// The product of two numbers, and what rounding left out (Dekker 1971, after Veltkamp's splitting).
fn product(a: f64, b: f64) -> Double {
    let split = |x: f64| {
        let t = 134_217_729.0 * x;
        let high = t - (t - x);
        (high, x - high)
    };
    let high = a * b;
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    Double { high, low: ((ah * bh - high) + ah * bl + al * bh) + al * bl }
}

impl Double {
    fn times(self, other: Self) -> Self {
        let Self { high, low } = product(self.high, other.high);
        let low = low + (self.high * other.low + self.low * other.high);
        let sum = high + low;
        Self { high: sum, low: low - (sum - high) }
    }
}

/// `base` to the power of `exponent`, rounded once.
#[must_use]
pub fn power(base: f64, mut exponent: u64) -> f64 {
    let mut square = Double { high: base, low: 0.0 };
    let mut result = Double { high: 1.0, low: 0.0 };
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.times(square);
        }
        square = square.times(square);
        exponent >>= 1;
    }
    result.high + result.low
}

/// A scalar rounded to float32: one value, or both neighbours where libraries may differ in its last bits.
pub(super) fn rounded(value: f64) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
    let narrow = |value: f64| value as f32;
    let slack = value * f64::from_bits((1023 - 45) << 52);
    let (low, high) = (narrow(value - slack), narrow(value + slack));
    if low.to_bits() == high.to_bits() { vec![low] } else { vec![low, high] }
}

/// What the rules of Adam need of one parameter's group and timestep.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the letters of the method")]
pub struct Adam {
    pub lr: f64,
    pub wd: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decoupled: bool,
    /// `beta^t`.
    pub power1: f64,
    pub power2: f64,
    /// `1 - beta^t`.
    pub bc1: f64,
    pub bc2: f64,
    pub timestep: f64,
}

impl Adam {
    /// The scalars, for a group under Adam.
    #[must_use]
    pub fn new(group: &Group, timestep: u64) -> Option<Self> {
        let Update::Adam { beta1, beta2, eps, decoupled } = group.update else { return None };
        let (power1, power2) = (power(beta1, timestep), power(beta2, timestep));
        #[expect(clippy::cast_precision_loss, reason = "a timestep is at most 2^24")]
        let timestep = timestep as f64;
        Some(Self {
            lr: group.lr,
            wd: group.weight_decay,
            beta1,
            beta2,
            eps,
            decoupled,
            power1,
            power2,
            bc1: 1.0 - power1,
            bc2: 1.0 - power2,
            timestep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_rounded_once() {
        for (base, exponent, expected) in
            [(0.5, 10, 0.000_976_562_5), (0.9, 1, 0.9), (0.9, 0, 1.0), (0.0, 3, 0.0), (0.999, 2, 0.998_001)]
        {
            assert_eq!(power(base, exponent).to_bits(), f64::to_bits(expected), "{base}^{exponent}");
        }
        let large = power(0.999, 1 << 16);
        assert!((large / libm::pow(0.999, f64::from(1 << 16)) - 1.0).abs() < 1e-12, "{large}");
    }

    #[test]
    fn a_scalar_near_a_boundary_has_two_values() {
        assert_eq!(rounded(0.1), [0.1_f32]);
        let boundary = 1.0 + f64::from_bits((1023 - 24) << 52);
        assert_eq!(rounded(boundary), [1.0, 1.0 + f32::EPSILON]);
        assert_eq!(rounded(0.0), [0.0]);
    }
}
