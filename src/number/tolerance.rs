//! How far two numbers may lie apart where a trace declares it, and the verifier's ceilings on that.

/// A tolerance: `atol`, or `rtol` of the larger magnitude, whichever is wider. Both are finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    atol: f64,
    rtol: f64,
}

/// A tolerance with a part that is negative, infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("not a tolerance: atol {atol:e}, rtol {rtol:e}; both are to be finite and not negative")]
pub struct InvalidTolerance {
    /// The absolute part.
    pub atol: f64,
    /// The relative part.
    pub rtol: f64,
}

impl Tolerance {
    /// None at all.
    pub const ZERO: Self = Self { atol: 0.0, rtol: 0.0 };

    /// The widest that a declared numeric tolerance (`numeric_policy`) can be.
    pub const NUMERIC_CEILING: Self = Self { atol: 1e-8, rtol: 1e-6 };

    /// The widest that an observer's differential tolerance (`attestor`) can be.
    pub const DIFFERENTIAL_CEILING: Self = Self { atol: 1e-5, rtol: 1e-3 };

    /// The tolerance of an import that declares none.
    pub const IMPORT_DEFAULT: Self = Self { atol: 1e-6, rtol: 1e-4 };

    /// A tolerance of two parts.
    ///
    /// # Errors
    /// [`InvalidTolerance`] unless both parts are finite and not negative. Zero is a tolerance: none at all.
    pub fn new(atol: f64, rtol: f64) -> Result<Self, InvalidTolerance> {
        let sound = |part: f64| part.is_finite() && part >= 0.0;
        if sound(atol) && sound(rtol) {
            Ok(Self { atol, rtol })
        } else {
            Err(InvalidTolerance { atol, rtol })
        }
    }

    /// The absolute part.
    #[must_use]
    pub const fn atol(self) -> f64 {
        self.atol
    }

    /// The relative part.
    #[must_use]
    pub const fn rtol(self) -> f64 {
        self.rtol
    }

    /// How far `a` and `b` may lie apart: `max(atol, rtol * max(|a|, |b|))`. Not a number where one of them is
    /// not finite, so that every comparison with it fails.
    #[must_use]
    pub fn width(self, a: f64, b: f64) -> f64 {
        if !a.is_finite() || !b.is_finite() {
            return f64::NAN;
        }
        self.atol.max(self.rtol * a.abs().max(b.abs()))
    }

    /// This tolerance, no part wider than the same part of `ceiling`.
    #[must_use]
    pub fn clamp(self, ceiling: Self) -> Self {
        Self { atol: self.atol.min(ceiling.atol), rtol: self.rtol.min(ceiling.rtol) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_finite_and_not_negative() {
        for wrong in [-1e-9, -f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert!(Tolerance::new(wrong, 0.0).is_err(), "{wrong}");
            assert!(Tolerance::new(0.0, wrong).is_err(), "{wrong}");
        }
        let error = Tolerance::new(-1.0, 0.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a tolerance: atol -1e0, rtol 5e-1; both are to be finite and not negative"
        );
    }

    #[test]
    fn the_wider_of_both_parts_counts_and_the_width_is_inclusive() {
        let tolerance = Tolerance::new(0.25, 0.5).unwrap();
        for (a, b, width) in [(0.0, 0.0, 0.25), (0.1, -0.2, 0.25), (1.0, 0.0, 0.5), (-4.0, 1.0, 2.0)] {
            assert_eq!(tolerance.width(a, b).to_bits(), f64::to_bits(width), "{a} {b}");
        }
        assert!((1.0_f64 - 1.5).abs() <= tolerance.width(1.0, 1.5));
        assert!((1.0_f64 - 2.0).abs() <= tolerance.width(1.0, 2.0));
        assert!((-1.0_f64 - 0.2).abs() > tolerance.width(-1.0, 0.2));
    }

    #[test]
    fn zero_means_zero() {
        let none = Tolerance::new(0.0, 0.0).unwrap();
        assert_eq!(none.width(1.0, 2.0).to_bits(), 0);
        assert_eq!(none.clamp(Tolerance::NUMERIC_CEILING), none);
    }

    #[test]
    fn what_is_not_finite_is_never_within() {
        let wide = Tolerance::new(f64::MAX, f64::MAX).unwrap();
        for (a, b) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (f64::INFINITY, f64::INFINITY)]
        {
            let within = (a - b).abs() <= wide.width(a, b);
            assert!(!within, "{a} {b}");
        }
    }

    #[test]
    fn a_ceiling_bounds_each_part_by_itself() {
        let declared = Tolerance::new(1.0, 1e-9).unwrap();
        let clamped = declared.clamp(Tolerance::NUMERIC_CEILING);
        assert_eq!(
            (clamped.atol().to_bits(), clamped.rtol().to_bits()),
            (1e-8_f64.to_bits(), 1e-9_f64.to_bits())
        );
        let default = Tolerance::IMPORT_DEFAULT;
        assert_eq!(default.clamp(Tolerance::DIFFERENTIAL_CEILING), default);
    }
}
