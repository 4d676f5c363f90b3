//! Bounds on what float32 may make of an equation, whatever the order in which it is evaluated.
//!
//! `u = 2^-24` is the unit roundoff of float32 and `gamma(k) = k u / (1 - k u)`: a product of `k` factors `(1 + d)` or
//! `1 / (1 + d)`, each `|d| <= u`, is `1 + t` with `|t| <= gamma(k)` (Higham, Accuracy and Stability of Numerical Algorithms,
//! 2nd ed. 2002, Lemma 3.1). A fused multiplication and addition rounds once less, so it stays inside. What underflows, or is
//! flushed to zero on the way in or out, loses no more than `2^-126` of a value. Derived values are float64: their own
//! rounding is below `2^-20 u` and is covered by [`SLACK`].

/// Unit roundoff of float32.
const U: f64 = 1.0 / 16_777_216.0;
/// What is lost where float32 underflows or subnormal numbers are taken as zero.
pub(super) const LOST: f64 = 1.175_494_350_822_287_5e-38;
/// Covers the rounding of what is derived, and of the bounds.
const SLACK: f64 = 1.0 + 1e-6;
/// From half the largest float32 on, one may have become infinite on the way.
const LARGE: f64 = 1.7e38;

/// What an equation gives for a value, and how far float32 may be from that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Derived {
    /// The value.
    pub(super) value: f64,
    /// The bound; none where float32 may have overflowed, or so much underflowed that nothing follows.
    pub(super) bound: Option<f64>,
}

impl Derived {
    /// A value with its bound, where no number on the way was larger than `largest`.
    fn new(value: f64, bound: f64, largest: f64) -> Self {
        let decided = value.abs() + bound < LARGE && largest < LARGE;
        Self { value, bound: decided.then_some(bound * SLACK) }
    }
}

/// `gamma(k)`, for `k u` below one half.
#[expect(clippy::cast_precision_loss, reason = "rows are shorter than 2^53")]
fn gamma(k: u64) -> Option<f64> {
    let ku = k as f64 * U;
    (ku < 0.5).then(|| ku / (1.0 - ku))
}

/// `a + b`: one rounding (Higham 2002, eq. 2.4).
pub(super) fn sum(a: f64, b: f64) -> Derived {
    let value = a + b;
    Derived::new(value, U * value.abs() + 3.0 * LOST, value.abs())
}

/// `silu * up`: one rounding. Where the two are fused as `(gate * up) * sigmoid`, three more stand against the two of the
/// stored `silu`: six at most.
pub(super) fn product(silu: f64, up: f64) -> Derived {
    let value = silu * up;
    let bound = 6.0 * U * value.abs() + LOST * (2.0 + silu.abs() + up.abs());
    Derived::new(value, bound, value.abs())
}

/// `x / (1 + exp(-x))`.
///
/// With `e = exp(-x)` known to `2 + 1.173 |x|` units in the last place, each at most `2u` (the error of CUDA's `__expf`; those
/// of other libraries are smaller), `1 + e` is known to `u + (1 - s) 2u (2 + 1.173 |x|)`, relative, `s` the sigmoid; the
/// quotient, or a reciprocal of two units and a product, adds `5u`. A sigmoid by way of the hyperbolic tangent, `(1 + t) / 2`
/// with `t` known to two units, is known to `4u` and no better where it is small: `4u |x|` (its own roundings are among the
/// others). Where `exp(-x)` overflows, the value is below `2^-120`, inside that.
pub(super) fn silu(x: f64) -> Derived {
    let e = libm::exp(-x);
    let value = x / (1.0 + e);
    let rest = if e.is_finite() { e / (1.0 + e) } else { 1.0 };
    let relative = 6.0 + 2.0 * rest * (2.0 + 1.173 * x.abs());
    let bound = U * (relative * value.abs() + 4.0 * x.abs()) + 3.0 * LOST;
    Derived::new(value, bound, x.abs())
}

/// What a linear stage needs of a row of weights and one of inputs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dot {
    /// `sum w x`.
    pub(super) value: f64,
    /// `sum |w x|`.
    pub(super) size: f64,
    /// `sum |w| + sum |x|`.
    pub(super) inputs: f64,
}

/// A dot product of `n` terms, and a bias where there is one: `gamma(n + 1) (sum |w x| + |bias|)` in any order (Higham 2002,
/// eq. 3.5 and section 3.1), one more where the weights were rounded to float32.
pub(super) fn linear(dot: Dot, bias: f64, n: u64) -> Derived {
    let value = dot.value + bias;
    let size = dot.size + bias.abs();
    #[expect(clippy::cast_precision_loss, reason = "rows are shorter than 2^53")]
    let lost = LOST * (n as f64 + 3.0 + dot.inputs);
    match gamma(n + 2) {
        Some(gamma) => Derived::new(value, gamma * size + lost, size),
        None => Derived { value, bound: None },
    }
}

/// The factor of a row in an RMS norm: `1 / sqrt(mean(x^2) + epsilon)`, and how far float32 may be from it, relative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    value: f64,
    relative: Option<f64>,
}

impl Scale {
    /// That of a row of `n` values with this sum of squares.
    ///
    /// All terms are positive, so the sum is known to `gamma(n)` in any order, and the mean plus epsilon to `gamma(n + 4)`:
    /// a rounded `1 / n`, a product, a rounded epsilon, a sum. The root halves that; root and quotient, or a reciprocal root
    /// of two units, add `4u`, and the two products `2u`.
    pub(super) fn of(squares: f64, n: u64, epsilon: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "rows are shorter than 2^53")]
        let mean = squares / n as f64 + epsilon;
        let value = 1.0 / mean.sqrt();
        // Squares that underflow take no more than this off the mean.
        let underflow = 2.0 * LOST / mean;
        let relative = gamma(n + 4)
            .map(|gamma| gamma + underflow)
            .filter(|apart| squares < LARGE && *apart < 0.25)
            // 1 / sqrt(1 - a) <= 1 + a / 2 + a^2 / 2 for a up to 1/4.
            .map(|apart| apart / 2.0 + apart * apart / 2.0 + 8.0 * U);
        Self { value, relative }
    }
}

/// `x * weight / sqrt(mean(x^2) + epsilon)`.
pub(super) fn norm(x: f64, weight: f64, scale: Scale) -> Derived {
    let value = x * scale.value * weight;
    let Some(relative) = scale.relative else { return Derived { value, bound: None } };
    // Whichever product comes first, what it loses is multiplied by the other factors.
    let lost = LOST * (3.0 + (1.0 + weight.abs()) * (1.0 + scale.value) * (1.0 + x.abs()));
    let largest = (x * scale.value).abs().max((x * weight).abs()).max(value.abs());
    Derived::new(value, relative * value.abs() + lost, largest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inside(stored: f32, derived: Derived) -> Result<(), TestCaseError> {
        if let Some(bound) = derived.bound {
            let gap = (f64::from(stored) - derived.value).abs();
            prop_assert!(gap <= bound, "{stored} {derived:?} {gap}");
        }
        Ok(())
    }

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -8.0_f32..8.0,
            1 => -100.0_f32..100.0,
            1 => any::<f32>().prop_filter("finite", |value| value.is_finite()),
            1 => (0_u32..1 << 24).prop_map(f32::from_bits),
        ]
    }

    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
    fn narrow(value: f64) -> f32 {
        value as f32
    }

    proptest! {
        #[test]
        fn float32_is_inside_in_every_order(a in value(), b in value()) {
            let wide = |x: f32| f64::from(x);
            inside(a + b, sum(wide(a), wide(b)))?;
            inside(a * b, product(wide(a), wide(b)))?;
            // The exponential in float32, correctly rounded and one unit beside that.
            let exp = narrow(libm::exp(-wide(a)));
            for exp in [exp, exp.next_up(), exp.next_down()] {
                let plain = a / (1.0 + exp);
                inside(plain, silu(wide(a)))?;
                inside(a * (1.0 / (1.0 + exp)), silu(wide(a)))?;
                // Fused with what comes after.
                let fused = (a * b) * (1.0 / (1.0 + exp));
                if plain.is_normal() && (a * b).is_normal() {
                    inside(fused, product(wide(plain), wide(b)))?;
                }
            }
            let tanh = narrow(libm::tanh(wide(a) / 2.0));
            inside(a * (0.5 * (1.0 + tanh)), silu(wide(a)))?;
        }

        #[test]
        fn dot_products_and_norms_are_inside_in_every_order(
            pairs in prop::collection::vec((value(), value()), 1..80),
            bias in value(),
        ) {
            let n = pairs.len() as u64;
            let (mut dot, mut squares) = (Dot::default(), 0.0);
            for (w, x) in &pairs {
                let (w, x) = (f64::from(*w), f64::from(*x));
                dot.value += w * x;
                dot.size += (w * x).abs();
                dot.inputs += w.abs() + x.abs();
                squares += x * x;
            }
            let forward = pairs.iter().fold(0.0_f32, |sum, (w, x)| sum + w * x) + bias;
            let backward = pairs.iter().rev().fold(bias, |sum, (w, x)| sum + w * x);
            let tree = {
                let mut terms: Vec<f32> = pairs.iter().map(|(w, x)| w * x).collect();
                while terms.len() > 1 {
                    terms = terms.chunks(2).map(|pair| pair.iter().sum()).collect();
                }
                terms[0] + bias
            };
            for stored in [forward, backward, tree] {
                inside(stored, linear(dot, f64::from(bias), n))?;
            }
            let (w, x) = pairs[0];
            let square = pairs.iter().fold(0.0_f32, |sum, (_, x)| sum + x * x);
            let count = f32::from(u8::try_from(n).unwrap());
            let mean = square / count + 1e-6_f32;
            let scale = Scale::of(squares, n, 1e-6);
            for stored in [x / mean.sqrt() * w, x * (1.0 / mean.sqrt()) * w, w * (x / (square * (1.0 / count) + 1e-6).sqrt())] {
                inside(stored, norm(f64::from(x), f64::from(w), scale))?;
            }
        }
    }

    #[test]
    fn a_bound_is_a_few_units_and_no_more() {
        let of = |derived: Derived| derived.bound.unwrap() / derived.value.abs();
        assert!(of(sum(1.0, 0.5)) < 1.01 * U);
        assert!(of(product(0.7, 3.0)) < 6.1 * U);
        assert!(of(silu(1.0)) < 16.0 * U);
        let dot = Dot { value: 4.0, size: 4.0, inputs: 8.0 };
        assert!(of(linear(dot, 0.0, 4)) < 6.1 * U);
        assert!(of(norm(1.0, 1.0, Scale::of(64.0, 64, 1e-6))) < 43.0 * U);
    }

    #[test]
    fn what_underflows_between_two_products_is_inside() {
        let (x, weight, scale) = (1.175_496_3e-38_f32, 3.399_411e32_f32, Scale::of(9.775e28, 2, 1e-6));
        let root = 1.0 / 4.8875e28_f32.sqrt();
        for stored in [x * root * weight, weight * x * root] {
            inside(stored, norm(f64::from(x), f64::from(weight), scale)).unwrap();
        }
    }

    #[test]
    fn where_float32_overflows_nothing_is_decided() {
        assert_eq!(sum(3e38, 3e38).bound, None);
        assert_eq!(product(1e30, 1e30).bound, None);
        assert_eq!(linear(Dot { value: 0.0, size: 1e39, inputs: 0.0 }, 0.0, 2).bound, None);
        assert_eq!(linear(Dot::default(), 0.0, 1 << 24).bound, None);
        assert_eq!(norm(1.0, 1.0, Scale::of(1e39, 4, 0.0)).bound, None);
        assert_eq!(norm(1e-25, 1.0, Scale::of(4e-50, 4, 0.0)).bound, None);
    }
}
