//! Two runs of values, position by position: how far apart they are, and whether that is within a bound.
//!
//! Differences are float64. Sums are kept in eight parts, the part of a position being its number modulo 8, and added up
//! in order, so the same values give the same numbers however they are cut and whatever the processor. Memory does not grow
//! with the number of values.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the instructions that were chosen"
)]

use std::array;

use super::dtype::Value;

/// Differences that are kept, the largest first.
const TOP: usize = 10;
/// Parts that a sum is kept in.
const LANES: usize = 8;
/// Values that are taken as one piece where all of them are finite.
const SUB: usize = 512;

/// How far `a` may lie from `b`: `|a - b| <= abs + rel * |b|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    abs: f64,
    rel: f64,
}

impl Bound {
    /// Nothing but equal values.
    pub const EXACT: Self = Self { abs: 0.0, rel: 0.0 };

    /// A bound; none when a part of it is negative or not finite.
    #[must_use]
    pub fn new(abs: f64, rel: f64) -> Option<Self> {
        let sound = |part: f64| part.is_finite() && part >= 0.0;
        (sound(abs) && sound(rel)).then_some(Self { abs, rel })
    }

    /// The part that does not depend on the value.
    #[must_use]
    pub const fn abs(self) -> f64 {
        self.abs
    }

    /// The part that is relative to the value.
    #[must_use]
    pub const fn rel(self) -> f64 {
        self.rel
    }

    /// A bound that holds no more than either.
    #[must_use]
    pub const fn tighter(self, other: Self) -> Self {
        Self { abs: self.abs.min(other.abs), rel: self.rel.min(other.rel) }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every position is within the bound.
    Pass,
    /// No bound was given, or nothing was compared.
    NotJudged,
    /// A position is beyond the bound, or NaN or infinite on one side alone.
    Fail,
}

impl Verdict {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotJudged => "not_judged",
        }
    }
}

/// A position, and how far apart its values are.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The position, from 0.
    pub index: u64,
    /// The value that is judged.
    pub a: f64,
    /// The value it is held against.
    pub b: f64,
    /// `|a - b|`; infinite where the two are not of one class.
    pub abs: f64,
}

/// A sum in parts.
type Lanes = [f64; LANES];

/// Sums over the finite values: squares of `a`, of `b` and of their difference, and their product.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    a: Lanes,
    b: Lanes,
    gap: Lanes,
    product: Lanes,
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
    /// The largest `|a - b| / |b|`, `|b|` no less than the smallest normal number of its type.
    pub max_rel: f64,
    /// The largest distance between finite values, in steps from one number of their type to the next.
    pub max_ulp: u64,
    sums: Sums,
    top: Vec<Difference>,
}

impl Comparison {
    /// A comparison of nothing yet.
    #[must_use]
    pub fn new(bound: Option<Bound>) -> Self {
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
            sums: Sums::default(),
            top: Vec::new(),
        }
    }

    /// The bits of the next positions as a file holds them, as many of either side.
    pub fn push<V: Value>(&mut self, a: &[V::Bits], b: &[V::Bits]) {
        let length = a.len().min(b.len());
        let (a, b) = (&a[..length], &b[..length]);
        let compared = self;
        pulp::Arch::new().dispatch(Pass::<V> { compared, a, b });
    }

    #[inline(always)]
    fn all<V: Value>(&mut self, a: &[V::Bits], b: &[V::Bits]) {
        // Pieces begin where the first part of a sum does.
        let begun = usize::try_from(self.count % LANES as u64).expect("it is below the number of parts");
        let head = ((LANES - begun) % LANES).min(a.len());
        self.each::<V>(&a[..head], &b[..head]);
        for (a, b) in a[head..].chunks(SUB).zip(b[head..].chunks(SUB)) {
            let whole = a.len() - a.len() % LANES;
            let taken =
                if a == b { self.same::<V>(&a[..whole]) } else { self.piece::<V>(&a[..whole], &b[..whole]) };
            let rest = if taken { whole } else { 0 };
            self.each::<V>(&a[rest..], &b[rest..]);
        }
    }

    /// A piece whose bits are equal, where all of them are finite.
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "a value less itself is zero where it is finite, and nowhere else")]
    fn same<V: Value>(&mut self, bits: &[V::Bits]) -> bool {
        let (mut square, mut probe) = ([self.sums.a, self.sums.b, self.sums.product], [0.0; LANES]);
        for eight in bits.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                let x = V::of(V::native(eight[lane])).wide();
                probe[lane] += x - x;
                for sum in &mut square {
                    sum[lane] += x * x;
                }
            }
        }
        if !finite(probe) {
            return false;
        }
        [self.sums.a, self.sums.b, self.sums.product] = square;
        self.count += bits.len() as u64;
        true
    }

    /// A piece, where all of it is finite.
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "a value less itself is zero where it is finite, and nowhere else")]
    fn piece<V: Value>(&mut self, a: &[V::Bits], b: &[V::Bits]) -> bool {
        let Bound { abs, rel } = self.bound.unwrap_or(Bound { abs: f64::INFINITY, rel: 0.0 });
        let mut sums = self.sums;
        let (mut probe, mut max_abs, mut max_rel) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let (mut over, mut unequal) = ([0_u64; LANES], [0_u64; LANES]);
        let mut steps = [V::Steps::default(); LANES];
        for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let (left, right) = (V::of(V::native(a[lane])), V::of(V::native(b[lane])));
                let (x, y) = (left.wide(), right.wide());
                probe[lane] += (x - x) + (y - y);
                let gap = (x - y).abs();
                max_abs[lane] = larger(gap, max_abs[lane]);
                max_rel[lane] = larger(gap / larger(y.abs(), V::SMALLEST_NORMAL), max_rel[lane]);
                let apart = left.steps(right);
                steps[lane] = if apart > steps[lane] { apart } else { steps[lane] };
                over[lane] += u64::from(!within(gap, abs + rel * y.abs()));
                unequal[lane] += u64::from(a[lane] != b[lane]);
                sums.a[lane] += x * x;
                sums.b[lane] += y * y;
                sums.gap[lane] += gap * gap;
                sums.product[lane] += x * y;
            }
        }
        if !finite(probe) {
            return false;
        }
        let largest = max_abs.into_iter().fold(0.0, larger);
        if largest > 0.0 && (self.top.len() < TOP || self.top.last().is_some_and(|last| largest > last.abs)) {
            self.note::<V>(a, b);
        }
        self.sums = sums;
        self.max_abs = larger(largest, self.max_abs);
        self.max_rel = max_rel.into_iter().fold(self.max_rel, larger);
        self.max_ulp = steps.into_iter().map(Into::into).fold(self.max_ulp, u64::max);
        self.over += over.iter().sum::<u64>();
        self.unequal += unequal.iter().sum::<u64>();
        self.count += a.len() as u64;
        true
    }

    /// Keeps what belongs to the largest differences of a piece.
    fn note<V: Value>(&mut self, a: &[V::Bits], b: &[V::Bits]) {
        for (index, (a, b)) in (self.count..).zip(a.iter().zip(b)) {
            let (a, b) = (V::of(V::native(*a)).wide(), V::of(V::native(*b)).wide());
            let abs = (a - b).abs();
            if abs > 0.0 {
                self.keep(Difference { index, a, b, abs });
            }
        }
    }

    /// Positions one by one, whatever they are.
    fn each<V: Value>(&mut self, a: &[V::Bits], b: &[V::Bits]) {
        for (a, b) in a.iter().zip(b) {
            self.unequal += u64::from(a != b);
            self.one(V::of(V::native(*a)), V::of(V::native(*b)));
        }
    }

    fn one<V: Value>(&mut self, left: V, right: V) {
        let index = self.count;
        let lane = usize::try_from(index % LANES as u64).expect("it is below the number of parts");
        self.count += 1;
        let (a, b) = (left.wide(), right.wide());
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
        let abs = (a - b).abs();
        self.max_abs = larger(abs, self.max_abs);
        self.max_rel = larger(abs / larger(b.abs(), V::SMALLEST_NORMAL), self.max_rel);
        self.max_ulp = self.max_ulp.max(left.steps(right).into());
        let beyond = |bound: Bound| !within(abs, bound.abs + bound.rel * b.abs());
        self.over += u64::from(self.bound.is_some_and(beyond));
        self.sums.a[lane] += a * a;
        self.sums.b[lane] += b * b;
        self.sums.gap[lane] += abs * abs;
        self.sums.product[lane] += a * b;
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
        #[expect(
            clippy::cast_precision_loss,
            reason = "a mean over 2^53 values is as good as float64 has it"
        )]
        (finite > 0).then(|| (sum(self.sums.gap) / finite as f64).sqrt())
    }

    /// Cosine of the angle between the finite values; none when either side is zero throughout, or when its squares are
    /// beyond float64.
    #[must_use]
    pub fn cosine(&self) -> Option<f64> {
        let cosine = sum(self.sums.product) / (sum(self.sums.a).sqrt() * sum(self.sums.b).sqrt());
        cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
    }

    /// `|a| / |b|` of the finite values, which the cosine does not see; none when `b` is zero throughout, or when squares are
    /// beyond float64.
    #[must_use]
    pub fn norm_ratio(&self) -> Option<f64> {
        let ratio = sum(self.sums.a).sqrt() / sum(self.sums.b).sqrt();
        ratio.is_finite().then_some(ratio)
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.mismatched > 0 || self.over > 0 {
            Verdict::Fail
        } else if self.decides() {
            Verdict::Pass
        } else {
            Verdict::NotJudged
        }
    }

    /// Whether anything was decided: values are finite somewhere (where none is no gap was compared, alike as the two may be),
    /// and the bound is smaller than the values. One as large as these would let anything pass.
    fn decides(&self) -> bool {
        let Some(bound) = self.bound.filter(|_| self.count > self.non_finite) else { return false };
        let [a, b] = [self.sums.a, self.sums.b].map(sum);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a mean over 2^53 values is as good as float64 has it"
        )]
        let mean_square = larger(a, b) / (self.count - self.non_finite) as f64;
        self.max_abs <= 0.0 || (bound.rel < 1.0 && bound.abs * bound.abs < mean_square)
    }
}

/// Values, in the widest instructions that the processor has.
struct Pass<'a, V: Value> {
    compared: &'a mut Comparison,
    a: &'a [V::Bits],
    b: &'a [V::Bits],
}

impl<V: Value> pulp::WithSimd for Pass<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.compared.all::<V>(self.a, self.b);
    }
}

/// Whether a gap is inside a bound; NaN never is.
#[inline(always)]
fn within(gap: f64, bound: f64) -> bool {
    gap <= bound
}

/// The larger of two numbers, neither of which is NaN.
#[inline(always)]
fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// Whether every value was finite: one that is not, less itself, is NaN, and stays so in a sum.
#[inline(always)]
fn finite(probe: Lanes) -> bool {
    let none: [bool; LANES] = array::from_fn(|lane| within(probe[lane].abs(), 0.0));
    none.iter().all(|none| *none)
}

fn sum(lanes: Lanes) -> f64 {
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tensor::dtype::{Bf16, F16};

    fn compare(a: &[f32], b: &[f32], bound: Option<Bound>) -> Comparison {
        let bits =
            |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits().to_le()).collect() };
        let mut comparison = Comparison::new(bound);
        comparison.push::<f32>(&bits(a), &bits(b));
        comparison
    }

    #[test]
    fn nothing_finite_or_a_bound_as_large_as_the_values_decides_nothing() {
        let bound = |abs, rel| Some(Bound::new(abs, rel).unwrap());
        let judged = |a: &[f32], b: &[f32], bound| compare(a, b, bound).verdict();
        let nan = [f32::NAN, f32::INFINITY];
        assert_eq!(judged(&nan, &nan, Some(Bound::EXACT)), Verdict::NotJudged);
        let (a, b) = ([1.0, 2.0], [1.0, -2.0]);
        for (abs, rel) in [(1e300, 0.0), (0.0, 1.0), (1.6, 0.0)] {
            let found = judged(&a, &b, bound(abs, rel));
            assert!(found != Verdict::Pass, "{abs} {rel}: {found:?}");
        }
        assert_eq!(judged(&[1.0, 2.0], &[1.0, 2.001], bound(0.01, 0.0)), Verdict::Pass);
        // What is equal to the bit needs no bound.
        assert_eq!(judged(&[0.0, 0.0], &[0.0, 0.0], bound(1e-6, 0.0)), Verdict::Pass);
    }

    #[test]
    fn equal_bits_are_equal_whatever_they_are() {
        let values = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::from_bits(1)];
        let comparison = compare(&values, &values, Some(Bound::EXACT));
        assert_eq!((comparison.unequal, comparison.non_finite, comparison.mismatched), (0, 3, 0));
        assert_eq!(comparison.verdict(), Verdict::Pass);
        assert!(comparison.max_abs.abs() < f64::MIN_POSITIVE && comparison.top().is_empty());
        let zeros = compare(&[-0.0], &[0.0], Some(Bound::EXACT));
        assert_eq!((zeros.unequal, zeros.max_ulp, zeros.verdict()), (1, 0, Verdict::Pass));
    }

    #[test]
    fn nothing_passes_without_a_bound_and_a_class_apart_fails_within_any() {
        let values = [1.0, 2.0];
        assert_eq!(compare(&values, &values, None).verdict(), Verdict::NotJudged);
        assert_eq!(compare(&[], &[], Bound::new(1.0, 0.0)).verdict(), Verdict::NotJudged);
        assert_eq!(compare(&values, &values, Bound::new(0.0, 0.0)).verdict(), Verdict::Pass);
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::INFINITY), (f32::INFINITY, -f32::INFINITY)] {
            for bound in [None, Bound::new(1e300, 1e300)] {
                let comparison = compare(&[a], &[b], bound);
                assert_eq!((comparison.verdict(), comparison.mismatched), (Verdict::Fail, 1), "{a} {b}");
                assert!(comparison.max_abs.is_infinite());
            }
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

    /// What a comparison comes to, its numbers by their bits.
    fn told(of: &Comparison) -> String {
        let numbers = [Some(of.max_abs), Some(of.max_rel), of.rms(), of.cosine(), of.norm_ratio()];
        let top: Vec<_> = of.top().iter().map(|at| (at.index, at.abs.to_bits(), at.a.to_bits())).collect();
        let counts = [of.count, of.unequal, of.non_finite, of.mismatched, of.over, of.max_ulp];
        format!("{counts:?} {:?} {top:?} {:?}", numbers.map(|number| number.map(f64::to_bits)), of.verdict())
    }

    /// By the letter of each definition, over all values at once.
    fn plainly(a: &[f32], b: &[f32], bound: Bound) -> (u64, u64, u64, u64) {
        let mut counts = (0, 0, 0, 0);
        for (a, b) in a.iter().zip(b) {
            counts.0 += u64::from(a.to_bits() != b.to_bits());
            let class = |x: &f32| (x.is_nan(), x.is_infinite().then(|| x.is_sign_negative()));
            if a.is_finite() && b.is_finite() {
                let gap = (f64::from(*a) - f64::from(*b)).abs();
                counts.3 += u64::from(gap > bound.abs + bound.rel * f64::from(*b).abs());
            } else if class(a) == class(b) {
                counts.1 += 1;
            } else {
                counts.2 += 1;
                counts.3 += 1;
            }
        }
        counts
    }

    /// Values of every kind: any bits, few numbers that come again, zeros of both signs, subnormals, what is not finite.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -4.0_f32..4.0,
            2 => any::<u32>().prop_map(f32::from_bits),
            1 => (0_u32..4).prop_map(f32::from_bits),
            1 => prop::sample::select(vec![0.0, -0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
        ]
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter_and_counts_are_those_of_the_definitions(
            pairs in prop::collection::vec((value(), value(), any::<bool>()), 0..1600),
            clean in any::<bool>(),
            cuts in prop::collection::vec(0_usize..1600, 0..4),
        ) {
            let sound = |value: &f32| !clean || value.is_finite();
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b, _)| sound(a) && sound(b)).collect();
            let a: Vec<f32> = pairs.iter().map(|(a, _, _)| *a).collect();
            let b: Vec<f32> = pairs.iter().map(|(a, b, same)| if *same { *a } else { *b }).collect();
            let bound = Bound::new(0.25, 0.125).unwrap();
            let whole = compare(&a, &b, Some(bound));
            prop_assert_eq!((whole.unequal, whole.non_finite, whole.mismatched, whole.over), plainly(&a, &b, bound));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(a.len())).chain([0, a.len()]).collect();
            cuts.sort_unstable();
            let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits().to_le()).collect() };
            let (left, right) = (bits(&a), bits(&b));
            let mut parts = Comparison::new(Some(bound));
            for pair in cuts.windows(2) {
                parts.push::<f32>(&left[pair[0]..pair[1]], &right[pair[0]..pair[1]]);
            }
            prop_assert_eq!(told(&parts), told(&whole));
            // One value at a time takes no piece.
            let mut single = Comparison::new(Some(bound));
            for at in 0..left.len() {
                single.push::<f32>(&left[at..=at], &right[at..=at]);
            }
            prop_assert_eq!(told(&single), told(&whole));
            prop_assert!(whole.top().is_sorted_by(|one, next| one.abs >= next.abs));
        }

        #[test]
        fn narrow_numbers_are_compared_as_the_wide_ones_that_they_are(bits in prop::collection::vec(any::<(u16, u16)>(), 1..900)) {
            let (a, b): (Vec<u16>, Vec<u16>) = bits.into_iter().map(|(a, b)| (a.to_le(), b.to_le())).unzip();
            let bound = Bound::new(0.5, 0.0);
            let wide = |of: fn(u16) -> f64, bits: &[u16]| -> Vec<u64> {
                bits.iter().map(|bits| of(u16::from_le(*bits)).to_bits().to_le()).collect()
            };
            let f16: fn(u16) -> f64 = |bits| F16::of(bits).wide();
            let bf16: fn(u16) -> f64 = |bits| Bf16::of(bits).wide();
            let mut halves = Comparison::new(bound);
            halves.push::<F16>(&a, &b);
            let mut brains = Comparison::new(bound);
            brains.push::<Bf16>(&a, &b);
            for (narrow, of) in [(halves, f16), (brains, bf16)] {
                let mut doubles = Comparison::new(bound);
                doubles.push::<f64>(&wide(of, &a), &wide(of, &b));
                prop_assert_eq!(narrow.max_abs.to_bits(), doubles.max_abs.to_bits());
                let sums = |of: &Comparison| [of.rms(), of.cosine(), of.norm_ratio()].map(|one| one.map(f64::to_bits));
                prop_assert_eq!(sums(&narrow), sums(&doubles));
                prop_assert_eq!(
                    (narrow.over, narrow.mismatched, narrow.non_finite),
                    (doubles.over, doubles.mismatched, doubles.non_finite)
                );
            }
        }
    }
}
