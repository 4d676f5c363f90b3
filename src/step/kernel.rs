//! The loops over a block of a tensor: each rule's equation in float64 with its bound, and the replay in float32.
//!
//! `u` is half the distance between a number and the next, relative: 2^-24 in F32, 2^-8 in BF16. `h` is half a unit in
//! the last place of the stored value. `S` covers what is of higher order, `eta` what underflow loses; of a numerator, that
//! loss is carried through the quotient. Every slice of a block has one length.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the instructions that were chosen"
)]

use super::scalar;
use super::tally::Tally;
use super::wire::{Arith, Div, Dtype, Form, Scalars};

/// Values that are judged between two looks at the tallies: they stay in the nearest cache.
pub(super) const SUB: usize = 512;

/// Sums and maxima are kept in this many parts, so that the processor takes as many values at once.
pub(super) const LANES: usize = 16;

/// Below this, what underflow loses may be more than what rounding does.
const TINY: f32 = 1e-25;

/// A power of two.
pub(super) const fn two_to(exponent: i32) -> f64 {
    f64::from_bits((1023_u64).wrapping_add_signed(exponent as i64) << 52)
}

/// Whether a gap is inside a bound; NaN never is.
#[inline(always)]
pub(super) fn within(gap: f64, bound: f64) -> bool {
    gap <= bound
}

/// What the bounds of one type of number are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// Half a unit in the last place, relative.
    pub(super) u: f64,
    /// `1 + 256u`.
    s: f64,
    /// What underflow may lose.
    eta: f64,
    /// `h(x)` is two to the power of the exponent's bits less this.
    shift: u32,
    /// Roundings of an update of Adam, relative to it.
    k: f64,
    arith: Arith,
    narrow: bool,
}

impl Unit {
    pub(super) fn new(dtype: Dtype, arith: Arith) -> Self {
        let (u, eta, shift) = match dtype {
            Dtype::F32 => (two_to(-24), two_to(-147), 151),
            Dtype::Bf16 => (two_to(-8), two_to(-131), 135),
        };
        let eta = if arith.ftz { two_to(-125) } else { eta };
        let k = match arith.div {
            Div::Ieee => 10.0,
            Div::Approx => 16.0,
        };
        Self { u, s: 1.0 + 256.0 * u, eta, shift, k, arith, narrow: dtype == Dtype::Bf16 }
    }

    #[inline(always)]
    fn exponent(x: f32) -> u32 {
        ((x.to_bits() >> 23) & 0xff).max(1)
    }

    /// Half a unit in the last place of a stored value.
    #[inline(always)]
    pub(super) fn half_ulp(&self, x: f32) -> f64 {
        f64::from_bits(u64::from(1023 + Self::exponent(x) - self.shift) << 52)
    }

    /// One over that; zero for a value so small that underflow, and not rounding, decides its last place.
    #[inline(always)]
    fn per_half_ulp(&self, x: f32) -> f64 {
        let per = f64::from_bits(u64::from(1023 + self.shift - Self::exponent(x)) << 52);
        if x.abs() > TINY { per } else { 0.0 }
    }
}

/// Room for the residuals, bounds and moves of one piece.
#[derive(Debug, Clone)]
pub(super) struct Room {
    r: [f64; SUB],
    e: [f64; SUB],
    d: [f64; SUB],
}

impl Room {
    pub(super) const fn new() -> Self {
        Self { r: [0.0; SUB], e: [0.0; SUB], d: [0.0; SUB] }
    }
}

/// Sums of a weighted least squares of what is left on the update: the learning rate as the tensors show it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fit {
    cross: [f64; LANES],
    square: [f64; LANES],
}

impl Fit {
    /// The sums over all lanes: of weight, residual and update, and of weight and squared update.
    #[must_use]
    pub fn sums(&self) -> (f64, f64) {
        (self.cross.iter().sum(), self.square.iter().sum())
    }
}

/// A block of a parameter under Adam.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdamBlock<'a> {
    pub(super) p0: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) m0: &'a [f32],
    pub(super) v0: &'a [f32],
    pub(super) p1: &'a [f32],
    pub(super) m1: &'a [f32],
    pub(super) v1: &'a [f32],
}

/// The three stages of Adam, each on the stored result of the one before.
#[inline(always)]
pub(super) fn adam(
    block: AdamBlock<'_>,
    of: &scalar::Adam,
    unit: &Unit,
    room: &mut Room,
    [m_tally, v_tally, p_tally]: &mut [Tally; 3],
    fit: &mut Fit,
) {
    let count = block.p0.len();
    for start in (0..count).step_by(SUB) {
        let piece = start..count.min(start + SUB);
        let n = piece.len();
        let p0 = &block.p0[piece.clone()];
        let g = &block.g[piece.clone()];
        let (m0, m1) = (&block.m0[piece.clone()], &block.m1[piece.clone()]);
        let (v0, v1) = (&block.v0[piece.clone()], &block.v1[piece.clone()]);
        let p1 = &block.p1[piece];
        if of.wd > 0.0 && !of.decoupled {
            moments::<true>(p0, g, m0, v0, m1, v1, of, unit, room, m_tally, v_tally);
        } else {
            moments::<false>(p0, g, m0, v0, m1, v1, of, unit, room, m_tally, v_tally);
        }
        let Unit { u, s, eta, .. } = *unit;
        let step = of.lr / of.bc1;
        let keep = if of.decoupled { 1.0 - of.lr * of.wd } else { 1.0 };
        let decay = if of.decoupled && of.wd > 0.0 { 2.0 * u } else { 0.0 };
        let mut k = unit.k * u;
        if unit.narrow {
            k += 2.0 * u;
        }
        if unit.arith.scalars == Scalars::F32 {
            let t = of.timestep;
            let first = of.power1 * (t * (t + 2.0)) / of.bc1 + 1.0;
            let second = f64::midpoint(of.power2 * (t * (t + 2.0)) / of.bc2, 1.0);
            k += u * (2.0 + first + second);
        }
        // A kernel may fold the root of bc2 into both sides of the quotient.
        let lost = eta * (1.0 + step) / of.bc2.sqrt();
        // A product where the equation divides: two roundings in float64 are nothing beside `k`.
        let per_bc2 = 1.0 / of.bc2;
        let Room { r, e, d } = room;
        let mut upds = [0.0; SUB];
        for i in 0..n {
            let before = f64::from(p0[i]);
            let per_den = 1.0 / ((f64::from(v1[i]) * per_bc2).sqrt() + of.eps);
            let upd = step * f64::from(m1[i]) * per_den;
            let q = before * keep;
            let derived = q - upd;
            r[i] = f64::from(p1[i]) - derived;
            e[i] = unit.half_ulp(p1[i]) + s * (k * upd.abs() + decay * q.abs()) + eta + lost * per_den;
            d[i] = derived - before;
            upds[i] = upd;
        }
        p_tally.take(&r[..n], &e[..n], &d[..n]);
        regress(&r[..n], &upds[..n], p1, unit, fit);
    }
}

/// Adds to the least squares; what is left over of a piece goes to the first lanes.
#[inline(always)]
fn regress(r: &[f64], upds: &[f64], p1: &[f32], unit: &Unit, fit: &mut Fit) {
    let Fit { mut cross, mut square } = *fit;
    let mut add = |lane: usize, r: f64, upd: f64, p1: f32| {
        let per = unit.per_half_ulp(p1);
        let scaled = upd * per;
        cross[lane] += 3.0 * (r * per) * scaled;
        square[lane] += 3.0 * scaled * scaled;
    };
    let whole = r.len() - r.len() % LANES;
    for at in (0..whole).step_by(LANES) {
        let (r, upds, p1) = (&r[at..at + LANES], &upds[at..at + LANES], &p1[at..at + LANES]);
        for lane in 0..LANES {
            add(lane, r[lane], upds[lane], p1[lane]);
        }
    }
    for at in whole..r.len() {
        add(at - whole, r[at], upds[at], p1[at]);
    }
    *fit = Fit { cross, square };
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the letters of the equation, one slice each")]
fn moments<const COUPLED: bool>(
    p0: &[f32],
    g: &[f32],
    m0: &[f32],
    v0: &[f32],
    m1: &[f32],
    v1: &[f32],
    of: &scalar::Adam,
    unit: &Unit,
    room: &mut Room,
    m_tally: &mut Tally,
    v_tally: &mut Tally,
) {
    let n = p0.len();
    let (g, m0, v0, m1, v1) = (&g[..n], &m0[..n], &v0[..n], &m1[..n], &v1[..n]);
    let Unit { u, s, eta, .. } = *unit;
    let (w1, w2) = (1.0 - of.beta1, 1.0 - of.beta2);
    let complement = if unit.arith.form == Form::Complement { 3.0 * u } else { 0.0 };
    let Room { r, e, d } = room;
    for i in 0..n {
        let (gradient, off) = effective::<COUPLED>(p0[i], g[i], of.wd, u, s);
        let before = f64::from(m0[i]);
        let apart = gradient - before;
        let derived = before + w1 * apart;
        let lerp = 3.0 * (w1 * apart).abs();
        let sum = 2.0 * ((of.beta1 * before).abs() + (w1 * gradient).abs());
        r[i] = f64::from(m1[i]) - derived;
        e[i] = unit.half_ulp(m1[i])
            + s * (u * if lerp > sum { lerp } else { sum } + w1 * off)
            + s * (complement * of.beta1) * apart.abs()
            + eta;
        d[i] = derived - before;
    }
    m_tally.take(&r[..n], &e[..n], &d[..n]);
    for i in 0..n {
        let (gradient, off) = effective::<COUPLED>(p0[i], g[i], of.wd, u, s);
        let before = f64::from(v0[i]);
        let square = gradient * gradient;
        let derived = of.beta2 * before + w2 * square;
        r[i] = f64::from(v1[i]) - derived;
        e[i] = unit.half_ulp(v1[i])
            + s * (u * ((2.0 * of.beta2 + 3.0 * w2) * before + 4.0 * w2 * square)
                + w2 * (2.0 * gradient.abs() * off + off * off))
            + s * (complement * of.beta2) * (square - before).abs()
            + eta;
        d[i] = derived - before;
    }
    v_tally.take(&r[..n], &e[..n], &d[..n]);
}

/// The gradient with coupled weight decay, and what it may be off by.
#[inline(always)]
fn effective<const COUPLED: bool>(p0: f32, g: f32, wd: f64, u: f64, s: f64) -> (f64, f64) {
    let g = f64::from(g);
    if COUPLED {
        let decay = wd * f64::from(p0);
        let gradient = g + decay;
        (gradient, s * (u * gradient.abs() + 2.0 * u * decay.abs()))
    } else {
        (g, 0.0)
    }
}

/// What the rules of SGD need of one parameter's group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sgd {
    pub(super) lr: f64,
    pub(super) wd: f64,
    pub(super) momentum: f64,
    pub(super) dampening: f64,
    pub(super) nesterov: bool,
    /// Whether the buffer begins with this step.
    pub(super) first: bool,
}

/// A block of a parameter under SGD; the buffers are empty without momentum, the first one also when it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct SgdBlock<'a> {
    pub(super) p0: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) b0: &'a [f32],
    pub(super) p1: &'a [f32],
    pub(super) b1: &'a [f32],
}

/// The two stages of SGD.
#[inline(always)]
pub(super) fn sgd(
    block: SgdBlock<'_>,
    of: &Sgd,
    unit: &Unit,
    room: &mut Room,
    b_tally: &mut Tally,
    p_tally: &mut Tally,
    fit: &mut Fit,
) {
    let count = block.p0.len();
    let Unit { u, s, eta, .. } = *unit;
    let hold = 1.0 - of.dampening;
    for start in (0..count).step_by(SUB) {
        let piece = start..count.min(start + SUB);
        let n = piece.len();
        let (p0, p1, g) = (&block.p0[piece.clone()], &block.p1[piece.clone()], &block.g[piece.clone()]);
        let Room { r, e, d } = room;
        if of.momentum > 0.0 {
            let (b0, b1) = (&block.b0[piece.clone()], &block.b1[piece.clone()]);
            for i in 0..n {
                let (gradient, off) = effective::<true>(p0[i], g[i], of.wd, u, s);
                let off = if of.wd > 0.0 { off } else { 0.0 };
                let (derived, within) = if of.first {
                    let within = if of.wd > 0.0 { unit.half_ulp(b1[i]) + s * off + eta } else { 0.0 };
                    (gradient, within)
                } else {
                    let (old, new) = (of.momentum * f64::from(b0[i]), hold * gradient);
                    let damped = if of.dampening > 0.0 { 2.0 * u * new.abs() } else { 0.0 };
                    let within = unit.half_ulp(b1[i]) + s * (2.0 * u * old.abs() + damped + hold * off) + eta;
                    (old + new, within)
                };
                r[i] = f64::from(b1[i]) - derived;
                e[i] = within;
                d[i] = derived - f64::from(b0[i]);
            }
            b_tally.take(&r[..n], &e[..n], &d[..n]);
        }
        let mut upds = [0.0; SUB];
        let b1 = if of.momentum > 0.0 { &block.b1[piece] } else { g };
        for i in 0..n {
            let (gradient, off) = effective::<true>(p0[i], g[i], of.wd, u, s);
            let off = if of.wd > 0.0 { off } else { 0.0 };
            let ahead = of.momentum * f64::from(b1[i]);
            let (direction, mut off) = if of.momentum <= 0.0 {
                (gradient, off)
            } else if of.nesterov {
                let direction = gradient + ahead;
                (direction, s * (u * direction.abs() + 2.0 * u * ahead.abs() + off))
            } else {
                (f64::from(b1[i]), 0.0)
            };
            if unit.narrow && !of.nesterov {
                off += 2.0 * u * direction.abs();
            }
            let before = f64::from(p0[i]);
            let upd = of.lr * direction;
            let derived = before - upd;
            r[i] = f64::from(p1[i]) - derived;
            e[i] = unit.half_ulp(p1[i]) + s * (2.0 * u * upd.abs() + of.lr * off) + eta;
            d[i] = derived - before;
            upds[i] = upd;
        }
        p_tally.take(&r[..n], &e[..n], &d[..n]);
        regress(&r[..n], &upds[..n], p1, unit, fit);
    }
}

/// Clipping: `g = c graw`, or the same bits where the norm stayed inside.
#[inline(always)]
pub(super) fn clip(
    g: &[f32],
    graw: &[f32],
    factor: Option<f64>,
    unit: &Unit,
    room: &mut Room,
    tally: &mut Tally,
) {
    let Unit { u, s, .. } = *unit;
    for start in (0..g.len()).step_by(SUB) {
        let piece = start..g.len().min(start + SUB);
        let n = piece.len();
        let (g, graw) = (&g[piece.clone()], &graw[piece]);
        let Room { r, e, d } = room;
        for i in 0..n {
            let raw = f64::from(graw[i]);
            let derived = factor.map_or(raw, |factor| factor * raw);
            r[i] = f64::from(g[i]) - derived;
            e[i] = if factor.is_some() { unit.half_ulp(g[i]) + s * 4.0 * u * derived.abs() } else { 0.0 };
            d[i] = derived;
        }
        tally.take(&r[..n], &e[..n], &d[..n]);
    }
}

/// The sum of squares, in float64.
#[inline(always)]
pub(super) fn squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            let value = f64::from(chunk[lane]);
            lanes[lane] += value * value;
        }
    }
    let rest: f64 = chunks.remainder().iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// How many values are NaN or infinite.
#[inline(always)]
pub(super) fn non_finite(values: &[f32]) -> u64 {
    values.iter().map(|value| u64::from(u32::from(value.to_bits() & 0x7f80_0000 == 0x7f80_0000))).sum()
}

/// How many values are below zero.
#[inline(always)]
pub(super) fn negative(values: &[f32]) -> u64 {
    values.iter().map(|value| u64::from(u32::from(*value < 0.0))).sum()
}
