//! Two runs of values, position by position: how far apart they are, and whether that is within a bound.
//!
//! Differences and sums are float64 in the order of the positions, so the same files give the same numbers everywhere.
//! Memory does not grow with the number of values.

/// Differences that are kept, the largest first.
const TOP: usize = 10;

/// How far `a` may lie from `b`: `|a - b| <= abs + rel * |b|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    abs: f64,
    rel: f64,
}

impl Bound {
    /// A bound; none when a part of it is negative or not finite.
    #[must_use]
    pub fn new(abs: f64, rel: f64) -> Option<Self> {
        let sound = |part: f64| part.is_finite() && part >= 0.0;
        (sound(abs) && sound(rel)).then_some(Self { abs, rel })
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every position is within the bound.
    Pass,
    /// A position is beyond the bound, or NaN or infinite on one side alone.
    Fail,
    /// No bound was given, or nothing was compared.
    NotJudged,
}

/// A position, and how far apart its values are.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The position, from 0.
    pub index: u64,
    /// The value that is judged.
    pub a: f32,
    /// The value it is held against.
    pub b: f32,
    /// `|a - b|`; infinite where the two are not of one class.
    pub abs: f64,
}

/// A comparison under way, or done.
#[derive(Debug, Clone)]
pub struct Comparison {
    bound: Option<Bound>,
    /// Positions seen.
    pub count: u64,
    /// Positions whose bits differ.
    pub unequal: u64,
    /// Positions that are NaN, or the same infinity, on both sides.
    pub non_finite: u64,
    /// Positions that are NaN or infinite on one side, or different on both.
    pub mismatched: u64,
    /// Positions beyond the bound, the mismatched among them.
    pub over: u64,
    /// The largest `|a - b|`; infinite when a position is mismatched.
    pub max_abs: f64,
    /// The largest `|a - b| / |b|`, `|b|` no less than the smallest normal float32.
    pub max_rel: f64,
    /// The largest distance in representable float32 values, between finite values.
    pub max_ulp: u32,
    squares: [f64; 3],
    product: f64,
    top: Vec<Difference>,
}

impl Comparison {
    /// A comparison of nothing yet.
    #[must_use]
    pub const fn new(bound: Option<Bound>) -> Self {
        Self {
            bound,
            count: 0,
            unequal: 0,
            non_finite: 0,
            mismatched: 0,
            over: 0,
            max_abs: 0.0,
            max_rel: 0.0,
            max_ulp: 0,
            squares: [0.0; 3],
            product: 0.0,
            top: Vec::new(),
        }
    }

    /// The values of the next position.
    pub fn push(&mut self, a: f32, b: f32) {
        let index = self.count;
        self.count += 1;
        self.unequal += u64::from(a.to_bits() != b.to_bits());
        if !(a.is_finite() && b.is_finite()) {
            if (a.is_nan() && b.is_nan()) || a.total_cmp(&b).is_eq() {
                self.non_finite += 1;
                return;
            }
            self.mismatched += 1;
            self.over += 1;
            self.max_abs = f64::INFINITY;
            self.max_rel = f64::INFINITY;
            self.keep(Difference { index, a, b, abs: f64::INFINITY });
            return;
        }
        let (x, y) = (f64::from(a), f64::from(b));
        let abs = (x - y).abs();
        self.max_abs = self.max_abs.max(abs);
        self.max_rel = self.max_rel.max(abs / y.abs().max(f64::from(f32::MIN_POSITIVE)));
        self.max_ulp = self.max_ulp.max(ordered(a).abs_diff(ordered(b)));
        self.over += u64::from(self.bound.is_some_and(|bound| abs > bound.abs + bound.rel * y.abs()));
        for (sum, value) in self.squares.iter_mut().zip([x, y, abs]) {
            *sum += value * value;
        }
        self.product += x * y;
        if abs > 0.0 {
            self.keep(Difference { index, a, b, abs });
        }
    }

    /// Keeps the largest; of two that are equal, the one that came first.
    fn keep(&mut self, difference: Difference) {
        let at = self.top.partition_point(|kept| kept.abs >= difference.abs);
        if at < TOP {
            self.top.truncate(TOP - 1);
            self.top.insert(at, difference);
        }
    }

    /// The largest differences, the largest first, then by position.
    #[must_use]
    pub fn top(&self) -> &[Difference] {
        &self.top
    }

    /// Root of the mean square of the differences between finite values; none when there are none.
    #[must_use]
    pub fn rms(&self) -> Option<f64> {
        let finite = self.count - self.non_finite - self.mismatched;
        #[expect(clippy::cast_precision_loss, reason = "a file has fewer than 2^32 values")]
        (finite > 0).then(|| (self.squares[2] / finite as f64).sqrt())
    }

    /// Cosine of the angle between the finite values; none when either side is zero throughout.
    #[must_use]
    pub fn cosine(&self) -> Option<f64> {
        let norms = self.squares[0].sqrt() * self.squares[1].sqrt();
        (norms > 0.0).then(|| self.product / norms)
    }

    /// `|a| / |b|` of the finite values, which the cosine does not see; none when `b` is zero throughout.
    #[must_use]
    pub fn norm_ratio(&self) -> Option<f64> {
        (self.squares[1] > 0.0).then(|| (self.squares[0] / self.squares[1]).sqrt())
    }

    /// What it comes to.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        if self.mismatched > 0 || self.over > 0 {
            Verdict::Fail
        } else if self.bound.is_none() || self.count == 0 {
            Verdict::NotJudged
        } else {
            Verdict::Pass
        }
    }
}

/// The place of a finite value among all float32 values; both zeros have one place.
fn ordered(value: f32) -> i32 {
    let magnitude = (value.to_bits() & 0x7fff_ffff).cast_signed();
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &[f32], b: &[f32], bound: Option<Bound>) -> Comparison {
        let mut comparison = Comparison::new(bound);
        a.iter().zip(b).for_each(|(a, b)| comparison.push(*a, *b));
        comparison
    }

    #[test]
    fn without_a_bound_nothing_passes_and_a_class_that_differs_fails() {
        let values = [1.0, f32::NAN, f32::INFINITY];
        assert_eq!(compare(&values, &values, None).verdict(), Verdict::NotJudged);
        assert_eq!(compare(&[], &[], Bound::new(1.0, 0.0)).verdict(), Verdict::NotJudged);
        assert_eq!(compare(&values, &values, Bound::new(0.0, 0.0)).verdict(), Verdict::Pass);
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::INFINITY), (f32::INFINITY, -f32::INFINITY)] {
            let comparison = compare(&[a], &[b], None);
            assert_eq!((comparison.verdict(), comparison.mismatched), (Verdict::Fail, 1), "{a} {b}");
            assert!(comparison.max_abs.is_infinite());
        }
        assert_eq!(Bound::new(f64::NAN, 0.0), None);
        assert_eq!(Bound::new(0.0, -1.0), None);
    }

    #[test]
    fn a_scale_that_the_cosine_does_not_see_shows_in_the_ratio() {
        let comparison = compare(&[2.0, 4.0], &[1.0, 2.0], Bound::new(1.5, 0.0));
        assert!((comparison.cosine().unwrap() - 1.0).abs() < 1e-15);
        assert!((comparison.norm_ratio().unwrap() - 2.0).abs() < 1e-15);
        assert_eq!((comparison.over, comparison.verdict()), (1, Verdict::Fail));
        assert!((comparison.rms().unwrap() - 2.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(compare(&[0.0], &[0.0], None).cosine(), None);
    }

    #[test]
    fn the_largest_differences_come_first_whatever_is_among_them() {
        let a: Vec<f32> =
            (0_u8..40).map(|index| if index == 30 { f32::NAN } else { f32::from(index % 7) }).collect();
        let comparison = compare(&a, &[0.0; 40], None);
        let indices: Vec<u64> = comparison.top().iter().map(|difference| difference.index).collect();
        assert_eq!(indices, [30, 6, 13, 20, 27, 34, 5, 12, 19, 26]);
        let next = compare(&[f32::from_bits(1), -0.0], &[-f32::from_bits(1), 0.0], None);
        assert_eq!((next.max_ulp, next.unequal), (2, 2));
    }
}
