//! A value known to within a bound, and the arithmetic that one engine runs in plainly and with bounds.
//!
//! **What a bound holds.** Let every operand lie within its `value ± bound`. Then the result's `value ± bound`
//! holds the operation's result over those operands, both exactly (in real numbers) and as the same operation on
//! doubles computes it. So a bound covers two parties: the numbers meant, and another who computed in the same
//! order from operands that are known here only rounded. `value` itself is one operation on the two values.
//!
//! **How it grows.** With u = 2^-53, a result x of `+ - * / sqrt` is rounded to x(1 + d), |d| <= u, up to an
//! absolute half of the smallest subnormal h in `* /`. For `exp` and `log` of `libm` the error is below one unit
//! in the last place, so |d| <= 2u (the analyses in the heads of `FreeBSD`'s `e_exp.c` and `e_log.c`, whose ports they
//! are; `expm1` and `log1p` make the same claim). Let s, the spread, be how far the exact result can move when
//! the operands move within their bounds. The exact result then lies within s + d|x| of `value`, and what
//! another computes within d(|x| + s) of that. [`enclose`] adds both.
//!
//! **Rounding the bound up.** Each bound comes from fewer than twelve operations on doubles that are not
//! negative, each low by a factor of at least 1 - 2u; `UP` = 1 + 32u makes up for all of them. Subtractions are
//! covered where they stand. Underflow takes at most h from each: `SLACK` = 16h gives that back.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// u: half the distance from 1 to the next double, the largest relative error of one rounding.
const UNIT: f64 = f64::EPSILON / 2.0;

/// Makes up for every rounding within one bound.
const UP: f64 = 1.0 + 32.0 * UNIT;

/// h: the smallest number above zero.
const SMALLEST: f64 = f64::from_bits(1);

/// Makes up for every underflow within one operation.
const SLACK: f64 = f64::from_bits(16);

/// Numbers that an engine computes in: doubles, and doubles with bounds. Both give the same values.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A number that is meant exactly.
    fn exact(value: f64) -> Self;

    /// The double.
    fn value(self) -> f64;

    /// e to this power, as `libm` computes it.
    #[must_use]
    fn exp(self) -> Self;

    /// The natural logarithm, as `libm` computes it.
    #[must_use]
    fn ln(self) -> Self;

    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;

    /// This number, above zero, to a whole power, as `libm` computes it.
    #[must_use]
    fn power(self, exponent: u64) -> Self;

    /// The magnitude.
    #[must_use]
    fn abs(self) -> Self;

    /// This number unless `other` is greater. So `zero.max(x)` is zero where x is not a number.
    #[must_use]
    fn max(self, other: Self) -> Self;

    /// 1 above zero, else 0: the derivative of a rectifier.
    #[must_use]
    fn step(self) -> Self;
}

impl Real for f64 {
    fn exact(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn exp(self) -> Self {
        libm::exp(self)
    }

    fn ln(self) -> Self {
        libm::log(self)
    }

    fn sqrt(self) -> Self {
        libm::sqrt(self)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exponents are time steps; the reference's are doubles too"
    )]
    fn power(self, exponent: u64) -> Self {
        libm::pow(self, exponent as f64)
    }

    fn abs(self) -> Self {
        self.abs()
    }

    fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    fn step(self) -> Self {
        if self > 0.0 { 1.0 } else { 0.0 }
    }
}

/// A value known to within a bound: what is meant lies in `value ± bound`.
///
/// A bound is never negative and never NaN; it is infinite where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    value: f64,
    bound: f64,
}

impl Bounded {
    /// A value and its bound. A bound that is negative or not a number is infinite, as is any bound around a value
    /// that is not finite.
    #[must_use]
    pub fn new(value: f64, bound: f64) -> Self {
        let known = value.is_finite() && bound >= 0.0;
        Self { value, bound: if known { bound } else { f64::INFINITY } }
    }

    /// A value that is read from nine-digit text: it stands for anything that rounds to that text.
    #[inline]
    #[must_use]
    pub fn stored(value: f64) -> Self {
        Self { value, bound: super::half_unit(value) }
    }

    /// How far what is meant may lie from the value.
    #[must_use]
    pub const fn bound(self) -> f64 {
        self.bound
    }

    /// This value with a bound that is larger by `extra`.
    #[must_use]
    pub fn widened(self, extra: f64) -> Self {
        Self::new(self.value, (self.bound + extra) * UP)
    }

    /// True where `number` lies within the bound; never where either is NaN.
    #[must_use]
    pub fn encloses(&self, number: f64) -> bool {
        (number - self.value).abs() <= self.bound
    }

    /// Exactly zero, so that a product with it is exactly zero.
    fn is_zero(self) -> bool {
        self.value == 0.0 && self.bound == 0.0
    }

    /// Known to within some finite bound.
    fn is_known(self) -> bool {
        self.bound.is_finite()
    }
}

/// A result: `spread` is how far the exact result can move with the operands, `relative` bounds the relative
/// error of the operation. A zero that cannot move is exact: only `* /` and `exp` can underflow to zero, and
/// they do not come here with a spread of zero then.
#[inline]
fn enclose(value: f64, spread: f64, relative: f64) -> Bounded {
    if value == 0.0 && spread == 0.0 {
        return Bounded { value, bound: 0.0 };
    }
    let magnitude = value.abs();
    let bound = (spread + 2.0 * relative * (magnitude + spread)) * UP + SLACK;
    // Where operands within their bounds can overflow, nothing is known of what another computes.
    let known = (magnitude + bound).is_finite();
    Bounded { value, bound: if known { bound } else { f64::INFINITY } }
}

/// exp(b) - 1 or a little more, b not negative: up to 1/2 what follows b²/2 in the series is below b³/5, since
/// b³/6 (1 + b/4 + b²/20 + ...) is.
fn growth(bound: f64) -> f64 {
    if bound <= 0.5 { bound + bound * bound * (0.5 + 0.2 * bound) } else { libm::expm1(bound) }
}

/// A result of which nothing is known but the double.
fn unknown(value: f64) -> Bounded {
    Bounded { value, bound: f64::INFINITY }
}

impl Add for Bounded {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        enclose(self.value + other.value, self.bound + other.bound, UNIT)
    }
}

impl Sub for Bounded {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        enclose(self.value - other.value, self.bound + other.bound, UNIT)
    }
}

impl Mul for Bounded {
    type Output = Self;

    /// a'b' - ab = a(b' - b) + b(a' - a) + (a' - a)(b' - b).
    #[inline]
    fn mul(self, other: Self) -> Self {
        let value = self.value * other.value;
        // Asked first, since it is seldom so: a product with an exact zero is zero or not a number.
        if value == 0.0 && ((self.is_zero() && other.is_known()) || (other.is_zero() && self.is_known())) {
            return Self { value, bound: 0.0 };
        }
        let spread =
            self.value.abs() * other.bound + other.value.abs() * self.bound + self.bound * other.bound;
        enclose(value, spread + SMALLEST, UNIT)
    }
}

impl Div for Bounded {
    type Output = Self;

    /// a'/b' - a/b = ((a' - a) - (a/b)(b' - b)) / b', and |b'| is at least |b| less its bound.
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        // One subtraction of doubles is low or high by a factor of 1 ± u, which `UP` covers.
        let nearest = other.value.abs() - other.bound;
        if nearest > 0.0 {
            if self.is_zero() {
                return Self { value, bound: 0.0 };
            }
            // An exact quotient that underflowed is off by less than `SMALLEST`. What underflows in the product
            // must be given back before the division magnifies it.
            let moved = if self.bound == 0.0 && other.bound == 0.0 {
                0.0
            } else {
                self.bound + (value.abs() + SMALLEST) * other.bound + SMALLEST
            };
            enclose(value, moved / nearest + SMALLEST, UNIT)
        } else {
            unknown(value)
        }
    }
}

impl Neg for Bounded {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self { value: -self.value, bound: self.bound }
    }
}

impl Real for Bounded {
    fn exact(value: f64) -> Self {
        Self::new(value, 0.0)
    }

    fn value(self) -> f64 {
        self.value
    }

    /// |exp a' - exp a| <= exp(a) (exp(bound) - 1).
    fn exp(self) -> Self {
        let value = libm::exp(self.value);
        // What underflowed is below `SMALLEST`.
        let spread = (value + SMALLEST) * growth(self.bound) + SMALLEST;
        if self.is_known() { enclose(value, spread, 2.0 * UNIT) } else { unknown(value) }
    }

    /// |ln a' - ln a| <= -ln(1 - bound/a), for the lower end moves the logarithm most.
    fn ln(self) -> Self {
        let value = libm::log(self.value);
        if self.value > 0.0 && self.is_known() {
            // Rounded up here already: close to 1 the logarithm magnifies.
            let part = self.bound / self.value * UP;
            if part < 1.0 {
                return enclose(value, -libm::log1p(-part), 2.0 * UNIT);
            }
        }
        unknown(value)
    }

    /// |√a' - √a| = |a' - a| / (√a' + √a). A lower end below zero stands for zero: no root is meant there.
    fn sqrt(self) -> Self {
        let value = libm::sqrt(self.value);
        let spread = if !self.is_known() || self.value < 0.0 {
            return unknown(value);
        } else if self.bound == 0.0 {
            0.0
        } else if self.bound <= self.value {
            self.bound / (value + libm::sqrt(self.value - self.bound))
        } else {
            value.max(self.bound / (value + libm::sqrt(self.value + self.bound)))
        };
        enclose(value, spread, UNIT)
    }

    /// |a'^n - a^n| <= a^n ((1 + bound/a)^n - 1).
    #[expect(
        clippy::cast_precision_loss,
        reason = "exponents are time steps; the reference's are doubles too"
    )]
    fn power(self, exponent: u64) -> Self {
        let value = libm::pow(self.value, exponent as f64);
        if self.value > 0.0 && self.is_known() {
            // Each of the three functions is off by less than a unit in the last place of a positive number.
            let part = self.bound / self.value * UP;
            let growth = libm::expm1(exponent as f64 * libm::log1p(part) * UP) * UP;
            return enclose(value, (value + SMALLEST) * growth + SMALLEST, 2.0 * UNIT);
        }
        unknown(value)
    }

    fn abs(self) -> Self {
        Self { value: self.value.abs(), bound: self.bound }
    }

    /// The greater's bound, or what the lesser may reach above the greater. Nothing is rounded but the bound.
    fn max(self, other: Self) -> Self {
        let (greater, lesser) = if other.value > self.value { (other, self) } else { (self, other) };
        if !greater.is_known() || !lesser.is_known() {
            return unknown(greater.value);
        }
        // The subtractions are off by less than 3u of the lesser's bound, unless they come out below zero.
        let reach = lesser.bound * UP - (greater.value - lesser.value);
        let reach = if reach > 0.0 { reach * UP + SLACK } else { 0.0 };
        Self { value: greater.value, bound: greater.bound.max(reach) }
    }

    fn step(self) -> Self {
        let decided = self.value.abs() > self.bound || (self.value <= 0.0 && -self.value >= self.bound);
        let bound = match (self.is_known(), decided) {
            (true, true) => 0.0,
            (true, false) => 1.0,
            (false, _) => f64::INFINITY,
        };
        Self { value: self.value.step(), bound }
    }
}

#[cfg(test)]
#[path = "bounded_tests.rs"]
mod tests;
