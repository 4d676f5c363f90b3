//! What the tests of this module measure against: exact numbers, and cases that are the same on every run.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

/// The number that a double is, exactly.
pub(crate) fn exact(value: f64) -> BigDecimal {
    let bits = value.to_bits();
    let field = i64::try_from(bits >> 52 & 0x7ff).unwrap();
    assert!(field != 0x7ff, "{value} is not a number of exact arithmetic");
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if field == 0 { fraction } else { fraction | 1 << 52 };
    let exponent = field.max(1) - 1075;
    let sign = if value.is_sign_negative() { -1 } else { 1 };
    let mantissa = BigInt::from(mantissa) * sign;
    // m * 2^-k = m * 5^k / 10^k
    match u32::try_from(exponent) {
        Ok(power) => BigDecimal::from(mantissa << power),
        Err(_) => BigDecimal::new(
            mantissa * BigInt::from(5).pow(exponent.unsigned_abs().try_into().unwrap()),
            -exponent,
        ),
    }
}

/// A repeatable sequence (splitmix64).
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Uniform in [0, 1).
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Either sign, and a magnitude from 10^low to 10^high with all decades alike.
    pub(crate) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        let magnitude = libm::pow(10.0, low + (high - low) * self.unit());
        if self.next().is_multiple_of(2) { magnitude } else { -magnitude }
    }
}

/// e to the `power`, its relative error below 2^-400 for powers between -800 and 800.
pub(crate) fn exp(power: &BigDecimal) -> BigDecimal {
    // Fixed point: the Taylor series of a 2^20th of the power, then 20 squarings.
    const BITS: u32 = 512;
    const HALVINGS: u32 = 20;
    let one = BigInt::from(1) << BITS;
    let scaled = power.abs() * BigDecimal::from(one.clone());
    let part = scaled.with_scale(0).into_bigint_and_exponent().0 >> HALVINGS;
    let (mut term, mut sum) = (one.clone(), one.clone());
    for count in 1.. {
        term = ((term * &part) >> BITS) / count;
        if term == BigInt::ZERO {
            break;
        }
        sum += &term;
    }
    for _ in 0..HALVINGS {
        sum = (&sum * &sum) >> BITS;
    }
    if power.sign() == bigdecimal::num_bigint::Sign::Minus {
        // More bits, so that the reciprocal of a large number keeps its precision.
        let wide = 4 * BITS;
        return BigDecimal::new(((one << wide) / sum) * BigInt::from(5).pow(wide), wide.into());
    }
    BigDecimal::new(sum * BigInt::from(5).pow(BITS), BITS.into())
}
