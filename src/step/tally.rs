//! What comparing a tensor came to: how often it failed, how near it came to its bound, and how much it could see.

use super::kernel::{LANES, SUB, within};

/// Ratios of no more values than this are kept while a tensor is judged, evenly spaced; their median is told.
pub const SAMPLE: u64 = 4096;

/// Ratios that are kept of all tensors together, for the median of a rule: no record is held in memory by what it keeps.
const KEPT: usize = 1 << 16;

/// Of each tensor at least so many are.
const LEAST: usize = 16;

/// The first value that is outside its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct First {
    /// Its place in its tensor, counted from 0.
    pub index: u64,
    /// What it is off by; stored less derived.
    pub gap: f64,
    /// What it may be off by.
    pub bound: f64,
}

/// Comparisons of one stage over one tensor.
#[derive(Debug, Clone)]
pub struct Tally {
    stride: u64,
    /// Values compared.
    pub compared: u64,
    /// Values outside their bound.
    pub outside: u64,
    /// The first of them.
    pub first: Option<First>,
    /// Values whose change is larger than the bound: where leaving them as they were would be seen.
    pub informative: u64,
    /// The gap and bound of the largest ratio, by lane.
    largest: [(f64, f64); LANES],
    sample: Vec<f64>,
    middle: f64,
}

impl Tally {
    /// An empty tally over a tensor of so many values.
    #[must_use]
    pub fn new(elements: u64) -> Self {
        Self {
            stride: elements.div_ceil(SAMPLE).max(1),
            compared: 0,
            outside: 0,
            first: None,
            informative: 0,
            largest: [(0.0, 1.0); LANES],
            sample: Vec::new(),
            middle: 0.0,
        }
    }

    /// Ends the tally of one of so many tensors: what is kept of it is its median, and few of its ratios.
    pub(super) fn close(&mut self, tensors: usize) {
        self.middle = median(&mut self.sample.clone());
        let kept = (KEPT / tensors.max(1)).max(LEAST);
        let every = self.sample.len().div_ceil(kept).max(1);
        self.sample = self.sample.iter().step_by(every).copied().collect();
    }

    /// The next values: what each is off by, may be off by, and how far the step moved it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as in the kernels")]
    pub(super) fn take(&mut self, residual: &[f64], bound: &[f64], moved: &[f64]) {
        let count = residual.len();
        let (bound, moved) = (&bound[..count], &moved[..count]);
        let (mut outside, mut informative) = ([0_u64; LANES], [0_u64; LANES]);
        let (mut top, mut under) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            (top[lane], under[lane]) = self.largest[lane];
        }
        let whole = count - count % LANES;
        for at in (0..whole).step_by(LANES) {
            let (r, e, d) = (&residual[at..at + LANES], &bound[at..at + LANES], &moved[at..at + LANES]);
            for lane in 0..LANES {
                let gap = r[lane].abs();
                outside[lane] += u64::from(!within(gap, e[lane]));
                informative[lane] += u64::from(d[lane].abs() > e[lane]);
                let larger = gap * under[lane] > top[lane] * e[lane];
                top[lane] = if larger { gap } else { top[lane] };
                under[lane] = if larger { e[lane] } else { under[lane] };
            }
        }
        for at in whole..count {
            let (gap, e) = (residual[at].abs(), bound[at]);
            outside[0] += u64::from(!within(gap, e));
            informative[0] += u64::from(moved[at].abs() > e);
            if gap * under[0] > top[0] * e {
                (top[0], under[0]) = (gap, e);
            }
        }
        for lane in 0..LANES {
            self.largest[lane] = (top[lane], under[lane]);
        }
        let outside: u64 = outside.iter().sum();
        if outside > 0 && self.first.is_none() {
            let at = (0..count).find(|at| !within(residual[*at].abs(), bound[*at])).unwrap_or_default();
            let index = self.compared + at as u64;
            self.first = Some(First { index, gap: residual[at], bound: bound[at] });
        }
        self.outside += outside;
        self.informative += informative.iter().sum::<u64>();
        let mut at = self.compared.next_multiple_of(self.stride) - self.compared;
        while at < count as u64 {
            let index = usize::try_from(at).expect("less than the length of a slice");
            let (gap, e) = (residual[index].abs(), bound[index]);
            self.sample.push(if gap <= 0.0 { 0.0 } else { gap / e });
            at += self.stride;
        }
        self.compared += count as u64;
        debug_assert!(count <= SUB, "a block is tallied in pieces");
    }

    /// The next values, compared bit by bit: which differ, and which the step changed.
    pub(super) fn take_bits(&mut self, differ: &[bool], changed: &[bool]) {
        if let (None, Some(at)) = (self.first, differ.iter().position(|differs| *differs)) {
            let index = self.compared + at as u64;
            self.first = Some(First { index, gap: f64::NAN, bound: 0.0 });
        }
        let count = |flags: &[bool]| flags.iter().map(|flag| u64::from(*flag)).sum::<u64>();
        self.outside += count(differ);
        self.informative += count(changed);
        self.compared += differ.len() as u64;
    }

    /// The largest ratio of gap to bound; NaN and gaps beyond a bound of zero are counted as outside, not here.
    #[must_use]
    pub fn max_ratio(&self) -> f64 {
        self.largest
            .iter()
            .map(|(gap, bound)| if *gap <= 0.0 { 0.0 } else { gap / bound })
            .fold(0.0, f64::max)
    }

    /// The ratio in the middle, once the tally has ended.
    #[must_use]
    pub const fn median(&self) -> f64 {
        self.middle
    }

    /// The ratios that were kept.
    #[must_use]
    pub fn sample(&self) -> &[f64] {
        &self.sample
    }
}

/// The value in the middle; of an even number, between the two that are.
pub(super) fn median(sample: &mut [f64]) -> f64 {
    if sample.is_empty() {
        return 0.0;
    }
    let (middle, even) = (sample.len() / 2, sample.len().is_multiple_of(2));
    let (below, at, _) = sample.select_nth_unstable_by(middle, f64::total_cmp);
    if even { f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), *at) } else { *at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert!(median(&mut []).abs() <= 0.0);
        for (sample, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5), (vec![7.0], 7.0)] {
            assert!((median(&mut sample.clone()) - expected).abs() <= 0.0, "{sample:?}");
        }
    }

    #[test]
    fn what_is_kept_of_many_tensors_is_bounded_and_its_median_is_not_changed() {
        let ratios: Vec<f64> = (0..4096).map(f64::from).collect();
        for (tensors, kept) in [(1, 4096), (16, 4096), (64, 1024), (1 << 20, LEAST)] {
            let mut tally = Tally { sample: ratios.clone(), ..Tally::new(4096) };
            tally.close(tensors);
            assert!((tally.median() - 2047.5).abs() <= 0.0);
            assert_eq!(tally.sample().len(), kept, "{tensors}");
        }
    }
}
