//! What comparing a tensor came to: how often it failed, how near it came to its bound, and how much it could see.

use super::kernel::{LANES, SUB, within};

/// Ratios of no more values than this are kept of a tensor, evenly spaced; their median is told.
pub const SAMPLE: u64 = 4096;

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
        }
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

    /// The ratios that were kept.
    #[must_use]
    pub fn sample(&self) -> &[f64] {
        &self.sample
    }
}
