//! Products of matrices: how an engine forms them, and what their results may be off by.

use super::kernel::two_to;
use super::wire::{Arith, Dtype, Linear, Matmul};

/// How many times what is likely an entry may be off by.
const LAMBDA: f64 = 16.0;

/// How the products of a module were formed.
#[derive(Clone, Copy)]
pub(super) struct Engine {
    /// Half the distance between what a factor is rounded to, relative; zero where factors are as they are.
    input: f64,
    /// The same of what the result is rounded to; zero where it is kept as it was summed.
    output: f64,
    /// What underflow may lose of one product or sum.
    eta: f64,
    narrow: bool,
}

impl Engine {
    pub(super) const fn new(module: &Linear, arith: Arith) -> Self {
        // Instructions that multiply BF16 take what is subnormal for zero, whatever the processor is told.
        let narrow = matches!(module.compute, Dtype::Bf16);
        let eta = if narrow || arith.ftz { two_to(-125) } else { two_to(-149) };
        let (input, output) = match (module.compute, arith.matmul) {
            (Dtype::Bf16, _) => (0.0, two_to(-8)),
            (Dtype::F32, Matmul::Tf32) => (two_to(-11), 0.0),
            (Dtype::F32, Matmul::Bf16) => (two_to(-8), 0.0),
            (Dtype::F32, Matmul::Ieee) => (0.0, 0.0),
        };
        Self { input, output, eta, narrow }
    }

    /// A factor as the engine takes it.
    #[inline]
    pub(super) fn factor(self, value: f32) -> f64 {
        if self.narrow { f64::from(bf16(value)) } else { f64::from(value) }
    }

    /// What `results` results together may be off by, each a sum of `terms` products: all products have the absolute sum
    /// `absolute`, and the results are stored with absolute sum `stored`.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a bound may be rounded")]
    pub(super) fn bound(self, terms: u64, results: usize, absolute: f64, stored: f64) -> f64 {
        let n = (terms + 2) as f64;
        let once = n * two_to(-24) / (1.0 - n * two_to(-24));
        let gamma = if self.narrow { 2.0 * once } else { once } + 2.0 * self.input;
        let sum = gamma * absolute + n * results as f64 * self.eta;
        if self.output > 0.0 {
            sum * (1.0 + self.output) + self.output * stored / (1.0 - self.output)
        } else {
            sum
        }
    }

    /// The same where something of absolute sum `added` is added to the results: as one more product, or to results that were
    /// rounded once before.
    pub(super) fn added(self, terms: u64, results: usize, absolute: f64, stored: f64, added: f64) -> f64 {
        if added <= 0.0 {
            return self.bound(terms, results, absolute, stored);
        }
        let between = self.output * (1.0 + 4.0 * self.output) * (stored + added);
        self.bound(terms + 1, results, absolute + added, stored) + between
    }

    /// What such a sum is likely to be off by: of products whose squares add up to `squares`, stored with the square
    /// `stored`.
    pub(super) fn likely(self, terms: u64, squares: f64, stored: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a bound may be rounded")]
        let root = (terms as f64).sqrt();
        let narrow = self.output / 3.0_f64.sqrt() * stored.sqrt();
        LAMBDA * ((two_to(-24) + self.input) * root * (squares.sqrt() + stored.sqrt()) + narrow)
    }
}

/// A float32 rounded to BF16, to the nearest, ties to even.
#[inline]
pub(super) fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}
