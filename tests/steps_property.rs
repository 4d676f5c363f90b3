//! Steps by every order of evaluation that a bound covers are accepted; a value three units in the last place beyond its
//! bound is rejected. The bounds stand here as the format's page has them, and not as the judge does.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::many_single_char_names,
    clippy::unwrap_used,
    missing_docs
)]

#[allow(dead_code, reason = "each test binary uses a part")]
mod stepped;

use bp::step::judge::State;
use bp::step::{Options, Record, Report, Verdict, judge};
use serde_json::{Value, json};
use stepped::{Adam, Draw, M_ORDERS, P_ORDERS, Param, Sgd, V_ORDERS, adam, adam_from, bf16, payload, record};

const ADAMW: Adam = Adam { lr: 1e-3, wd: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true };
const L2: Adam = Adam { decoupled: false, ..ADAMW };

fn plain(value: f32) -> f32 {
    value
}

/// As a processor that flushes subnormal results to zero.
fn flushed(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

fn arith(profile: &str, change: &Value) -> Value {
    let mut arith = stepped::arith(profile);
    let change = change.as_object().unwrap().clone();
    arith.as_object_mut().unwrap().extend(change);
    arith
}

fn report(optimizer: &Value, arith: &Value, step: u64, param: &Param) -> Report {
    let params = std::slice::from_ref(param);
    let record = record(optimizer, arith, step, params);
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    judge(&record, payload(params).as_slice(), &Options::default()).unwrap()
}

fn broken(report: &Report) -> Vec<String> {
    report.broken().map(|row| format!("{}:{}", row.rule.code, row.broken)).collect()
}

const NONE: [&str; 0] = [];

/// Every order of the parameter with every order of the moments, in each type and on a processor that flushes.
#[test]
fn every_pair_of_orders_is_accepted_in_every_type() {
    let mut draw = Draw(51);
    let mut judged = 0;
    for of in [ADAMW, L2, Adam { wd: 0.0, ..ADAMW }, Adam { beta1: 0.0, beta2: 0.5, eps: 1e-3, ..ADAMW }] {
        for order in 0..P_ORDERS * M_ORDERS * V_ORDERS {
            let orders = [order % P_ORDERS, order / P_ORDERS % M_ORDERS, order / P_ORDERS / M_ORDERS];
            for (round, change, narrow) in [
                (plain as fn(f32) -> f32, json!({}), false),
                (bf16, json!({}), true),
                (flushed, json!({ "ftz": true }), false),
            ] {
                let t = [1, 2, 9, 4097][draw.below(4) as usize];
                let mut param = adam(&mut draw, 160, of, t, orders, round);
                param.narrow = narrow;
                let report = report(&of.document(), &arith("bounded", &change), t, &param);
                assert_eq!(broken(&report), NONE, "{of:?} at {t} in {orders:?}, {change}, BF16 {narrow}");
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 4 * 63 * 3);
}

/// A step whose betas are held in float32, with `1 - beta` formed from them.
fn complement(draw: &mut Draw, n: usize, of: Adam, t: u64) -> Param {
    let honest = adam(draw, n, of, t, [0; 3], plain);
    let [p0, g] = ["p0", "g"].map(|role| honest.of(role).to_vec());
    let or_zero = |role: &str| {
        let found = honest.tensors.iter().find(|(name, _)| *name == role);
        found.map_or_else(|| vec![0.0; n], |(_, values)| values.clone())
    };
    let (m0, v0) = (or_zero("m0"), or_zero("v0"));
    let (b1, b2) = (of.beta1 as f32, of.beta2 as f32);
    let scalars = Scalars::of(of, t, |base, t| libm::pow(base, t as f64));
    let m1: Vec<f32> = (0..n).map(|i| b1 * m0[i] + (1.0 - b1) * g[i]).collect();
    let v1: Vec<f32> = (0..n).map(|i| b2 * v0[i] + (1.0 - b2) * (g[i] * g[i])).collect();
    let p1 = (0..n).map(|i| scalars.parameter(p0[i], m1[i], v1[i])).collect();
    Param::new(vec![("p0", p0), ("p1", p1), ("g", g), ("m1", m1), ("v1", v1), ("m0", m0), ("v0", v0)])
}

/// The scalars of AdamW, each rounded to float32 where it is formed.
struct Scalars {
    keep: f32,
    step: f32,
    root: f32,
    eps: f32,
}

impl Scalars {
    fn of(of: Adam, t: u64, power: impl Fn(f64, u64) -> f64) -> Self {
        let (bc1, bc2) = (1.0 - power(of.beta1, t), 1.0 - power(of.beta2, t));
        Self {
            keep: (1.0 - of.lr * of.wd) as f32,
            step: (of.lr / bc1) as f32,
            root: bc2.sqrt() as f32,
            eps: of.eps as f32,
        }
    }

    /// The same, everything in float32 from the start.
    fn narrow(of: Adam, t: u64) -> Self {
        let power = |base: f64| (0..t).fold(1.0_f32, |power, _| power * base as f32);
        let (bc1, bc2) = (1.0 - power(of.beta1), 1.0 - power(of.beta2));
        Self {
            keep: 1.0 - of.lr as f32 * of.wd as f32,
            step: of.lr as f32 / bc1,
            root: bc2.sqrt(),
            eps: of.eps as f32,
        }
    }

    fn parameter(&self, p: f32, m: f32, v: f32) -> f32 {
        self.keep * p - self.step * m / (v.sqrt() / self.root + self.eps)
    }
}

#[test]
fn scalars_and_averages_in_float32_are_accepted_where_they_are_declared() {
    let mut draw = Draw(52);
    for of in [ADAMW, Adam { beta1: 0.8, beta2: 0.95, ..ADAMW }] {
        for t in [1, 2, 3, 8, 50, 400] {
            let param = complement(&mut draw, 400, of, t);
            let declared = arith("bounded", &json!({ "form": "complement" }));
            assert_eq!(broken(&report(&of.document(), &declared, t, &param)), NONE, "complement at {t}");
            let mut param = adam(&mut draw, 400, of, t, [0; 3], plain);
            let scalars = Scalars::narrow(of, t);
            for i in 0..400 {
                let (p, m, v) = (param.of("p0")[i], param.of("m1")[i], param.of("v1")[i]);
                param.of_mut("p1")[i] = scalars.parameter(p, m, v);
            }
            let declared = arith("bounded", &json!({ "scalars": "f32" }));
            assert_eq!(broken(&report(&of.document(), &declared, t, &param)), NONE, "scalars at {t}");
        }
    }
    // Where they are not declared, the bound does not cover them.
    let mut param = adam(&mut draw, 400, ADAMW, 3, [0; 3], plain);
    let scalars = Scalars::narrow(ADAMW, 3);
    for i in 0..400 {
        let (p, m, v) = (param.of("p0")[i], param.of("m1")[i], param.of("v1")[i]);
        param.of_mut("p1")[i] = scalars.parameter(p, m, v);
    }
    let undeclared = report(&ADAMW.document(), &arith("bounded", &json!({})), 3, &param);
    assert!(broken(&undeclared)[0].starts_with("STEP-P:"), "{:?}", broken(&undeclared));
}

/// The letters of the page: `u`, `S`, `eta` and `h`, by type.
#[derive(Clone, Copy)]
struct Page {
    u: f64,
    narrow: bool,
}

impl Page {
    fn of(narrow: bool) -> Self {
        Self { u: if narrow { 2_f64.powi(-8) } else { 2_f64.powi(-24) }, narrow }
    }

    fn s(self) -> f64 {
        1.0 + 256.0 * self.u
    }

    fn eta(self) -> f64 {
        2_f64.powi(if self.narrow { -131 } else { -147 })
    }

    fn h(self, x: f32) -> f64 {
        let exponent = f64::from(x.abs().max(f32::MIN_POSITIVE)).log2().floor() as i32;
        2_f64.powi(exponent - if self.narrow { 8 } else { 24 })
    }

    /// The effective gradient under coupled decay, and what it may be off by.
    fn gradient(self, g: f64, p0: f64, wd: f64) -> (f64, f64) {
        let of = g + wd * p0;
        let off = self.s() * (self.u * of.abs() + 2.0 * self.u * (wd * p0).abs());
        (of, if wd == 0.0 { 0.0 } else { off })
    }

    /// By role: what is derived for value `i`, and what it may be off by.
    fn adam(self, of: Adam, t: u64, param: &Param, i: usize) -> [(&'static str, &'static str, f64, f64); 3] {
        let x = |role| f64::from(param.of(role)[i]);
        let Self { u, .. } = self;
        let (s, eta) = (self.s(), self.eta());
        let (w1, w2) = (1.0 - of.beta1, 1.0 - of.beta2);
        let (g, eg) = self.gradient(x("g"), x("p0"), if of.decoupled { 0.0 } else { of.wd });
        let (m0, v0) = (x("m0"), x("v0"));
        let lerp = (3.0 * w1 * (g - m0).abs()).max(2.0 * ((of.beta1 * m0).abs() + (w1 * g).abs()));
        let em = self.h(param.of("m1")[i]) + s * (u * lerp + w1 * eg) + eta;
        let v = u * ((2.0 * of.beta2 + 3.0 * w2) * v0 + 4.0 * w2 * g * g);
        let ev = self.h(param.of("v1")[i]) + s * (v + w2 * (2.0 * g.abs() * eg + eg * eg)) + eta;
        let (bc1, bc2) = (1.0 - of.beta1.powi(t as i32), 1.0 - of.beta2.powi(t as i32));
        let upd = of.lr / bc1 * x("m1") / ((x("v1") / bc2).sqrt() + of.eps);
        let decays = of.decoupled && of.wd != 0.0;
        let q = if decays { x("p0") * (1.0 - of.lr * of.wd) } else { x("p0") };
        let k = if self.narrow { 12.0 } else { 10.0 };
        let decay = if decays { 2.0 * u * q.abs() } else { 0.0 };
        let ep = self.h(param.of("p1")[i]) + s * (k * u * upd.abs() + decay) + eta;
        [
            ("STEP-M", "m1", m0 + w1 * (g - m0), em),
            ("STEP-V", "v1", of.beta2 * v0 + w2 * g * g, ev),
            ("STEP-P", "p1", q - upd, ep),
        ]
    }

    fn sgd(self, of: &Sgd, param: &Param, i: usize) -> [(&'static str, &'static str, f64, f64); 2] {
        let x = |role| f64::from(param.of(role)[i]);
        let Self { u, .. } = self;
        let (s, eta) = (self.s(), self.eta());
        let (g, eg) = self.gradient(x("g"), x("p0"), of.wd);
        let (old, new) = (of.momentum * x("b0"), (1.0 - of.dampening) * g);
        let damped = if of.dampening == 0.0 { 0.0 } else { 2.0 * u * new.abs() };
        let eb =
            self.h(param.of("b1")[i]) + s * (2.0 * u * old.abs() + damped + (1.0 - of.dampening) * eg) + eta;
        let ahead = of.momentum * x("b1");
        let (d, ed) = if of.nesterov {
            (g + ahead, s * (u * (g + ahead).abs() + 2.0 * u * ahead.abs() + eg))
        } else {
            (x("b1"), if self.narrow { 2.0 * u * x("b1").abs() } else { 0.0 })
        };
        let ep = self.h(param.of("p1")[i]) + s * (2.0 * u * of.lr * d.abs() + of.lr * ed) + eta;
        [("STEP-B", "b1", old + new, eb), ("STEP-P", "p1", x("p0") - of.lr * d, ep)]
    }
}

/// Moves one value to both edges of its bound: three units in the last place beyond it is rejected by its rule, one unit
/// within is not.
fn at_the_edges(
    page: Page,
    honest: &Param,
    i: usize,
    (code, role, derived, within): (&str, &'static str, f64, f64),
    judged: impl Fn(&Param) -> Report,
) -> u64 {
    let mut seen = 0;
    let unit = if page.narrow { 1 << 16 } else { 1 };
    for away in [1.0, -1.0] {
        let edge = (derived + away * within) as f32;
        let edge = if page.narrow { bf16(edge) } else { edge };
        let moved = |by: i32| {
            let by = if (edge > 0.0) == (away > 0.0) { by } else { -by };
            f32::from_bits(edge.to_bits().wrapping_add_signed(by * unit))
        };
        // A bound is of one binade; beyond what is normal other terms decide.
        let binade = |value: f32| value.to_bits() >> 23;
        let same =
            [edge, moved(3), moved(-1)].iter().all(|value| binade(*value) == binade(honest.of(role)[i]));
        if !same || edge.abs() < 1e-28 {
            continue;
        }
        let mut param = honest.clone();
        param.of_mut(role)[i] = moved(3);
        let found = broken(&judged(&param));
        assert!(found.contains(&format!("{code}:1")), "{code} at {i}: {found:?}");
        // A bound that is hardly wider than the distance between numbers has no other number within.
        if (f64::from(moved(-1)) - derived).abs() > within {
            continue;
        }
        param.of_mut(role)[i] = moved(-1);
        let found = broken(&judged(&param));
        assert!(!found.iter().any(|found| found.starts_with(code)), "{code} at {i}: {found:?}");
        seen += 1;
    }
    seen
}

#[test]
fn three_units_beyond_any_bound_of_adam_are_rejected() {
    let mut draw = Draw(53);
    for (of, narrow) in [(ADAMW, false), (L2, false), (ADAMW, true), (L2, true)] {
        let round = if narrow { bf16 } else { plain };
        let mut fill =
            |scale: f64| -> Vec<f32> { (0..40).map(|_| round((draw.unit() * scale) as f32)).collect() };
        let (p0, g, m0) = (fill(1.0), fill(1e-2), fill(1e-2));
        let v0 = fill(1e-2).iter().map(|v| round(v * v)).collect();
        let mut honest = adam_from([p0, g, m0, v0], of, 7, [0; 3], round);
        honest.narrow = narrow;
        let page = Page::of(narrow);
        let judged = |param: &Param| report(&of.document(), &arith("bounded", &json!({})), 7, param);
        let mut seen = [0; 3];
        for i in 0..40 {
            for (stage, row) in page.adam(of, 7, &honest, i).into_iter().enumerate() {
                seen[stage] += at_the_edges(page, &honest, i, row, judged);
            }
        }
        assert!(seen.iter().all(|seen| *seen >= 10), "{seen:?} {of:?} BF16 {narrow}");
    }
}

#[test]
fn three_units_beyond_any_bound_of_sgd_are_rejected() {
    let mut draw = Draw(54);
    for (dampening, nesterov, narrow) in
        [(0.0, false, false), (0.1, false, false), (0.0, true, false), (0.0, false, true)]
    {
        let of = Sgd { lr: 0.06, wd: 0.01, momentum: 0.9, dampening, nesterov };
        let mut honest = of.step(&mut draw, 60, false, !narrow);
        if narrow {
            honest.narrow = true;
            honest.tensors.iter_mut().for_each(|(_, values)| values.iter_mut().for_each(|v| *v = bf16(*v)));
            for i in 0..60 {
                let x = |role| honest.of(role)[i];
                let (p0, g, b0) = (x("p0"), x("g"), x("b0"));
                let b1 = bf16(0.9 * b0 + (0.01 * p0 + g));
                honest.of_mut("b1")[i] = b1;
                honest.of_mut("p1")[i] = bf16(p0 - 0.06 * b1);
            }
        }
        let page = Page::of(narrow);
        let judged = |param: &Param| report(&of.document(), &arith("bounded", &json!({})), 7, param);
        assert_eq!(broken(&judged(&honest)), NONE, "{dampening} {nesterov} {narrow}");
        let mut seen = [0; 2];
        for i in 0..60 {
            for (stage, row) in page.sgd(&of, &honest, i).into_iter().enumerate() {
                seen[stage] += at_the_edges(page, &honest, i, row, judged);
            }
        }
        assert!(seen.iter().all(|seen| *seen >= 10), "{seen:?} {dampening} {nesterov} {narrow}");
    }
}

/// Numbers at which a step is not like others.
const EDGES: [f32; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    0.5,
    0.999_999_94,
    1.000_000_1,
    f32::MIN_POSITIVE,
    -1.175_494_2e-38,
    1.4e-45,
    -1.4e-45,
    1e-20,
    16_777_216.0,
];

/// Every pair of edges as parameter and gradient, with moments of zero and of a subnormal size.
fn at_edges(of: Adam, t: u64, [m, v]: [f32; 2], orders: [u64; 3]) -> Param {
    let pairs: Vec<(f32, f32)> =
        EDGES.iter().flat_map(|p| EDGES[..13].iter().map(move |g| (*p, *g))).collect();
    let (p0, g): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
    let n = p0.len();
    adam_from([p0, g, vec![m; n], vec![v; n]], of, t, orders, plain)
}

#[test]
fn powers_of_two_subnormals_and_zeros_are_accepted_in_every_order() {
    for of in
        [ADAMW, L2, Adam { lr: 0.0, ..ADAMW }, Adam { lr: 0.0, wd: 0.0, ..ADAMW }, Adam { wd: 0.0, ..ADAMW }]
    {
        for t in [1, 2, 1000] {
            for moments in [[0.0, 0.0], [1.4e-45, 0.0], [0.0, 1.4e-45], [-1e-39, 1e-40], [0.25, 0.0625]] {
                for order in 0..P_ORDERS {
                    let orders = [order, order % M_ORDERS, order % V_ORDERS];
                    let param = at_edges(of, t, moments, orders);
                    let report = report(&of.document(), &arith("bounded", &json!({})), t, &param);
                    assert_eq!(broken(&report), NONE, "{of:?} at {t} from {moments:?} in {orders:?}");
                }
            }
        }
    }
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        let of = Sgd { lr: 0.06, wd: 0.01, momentum, dampening: 0.0, nesterov };
        for (p0, g) in EDGES.iter().flat_map(|p| EDGES.iter().map(move |g| (*p, *g))) {
            let b0 = -g;
            let grad = 0.01_f32.mul_add(p0, g);
            let b1 = 0.9 * b0 + grad;
            let d = if momentum == 0.0 {
                grad
            } else if nesterov {
                0.9_f32.mul_add(b1, grad)
            } else {
                b1
            };
            let p1 = (-0.06_f32).mul_add(d, p0);
            let mut tensors = vec![("p0", vec![p0]), ("p1", vec![p1]), ("g", vec![g])];
            if momentum > 0.0 {
                tensors.extend([("b0", vec![b0]), ("b1", vec![b1])]);
            }
            let param = Param::new(tensors);
            for profile in ["bounded", "torch-cpu-fused"] {
                let report = report(&of.document(), &arith(profile, &json!({})), 3, &param);
                assert_eq!(broken(&report), NONE, "{profile} {p0:e} {g:e} {momentum} {nesterov}");
            }
        }
    }
}

/// At a power of two the distance to the next number below is half of that above.
#[test]
fn a_stored_power_of_two_has_the_bound_of_its_own_binade() {
    let of = Sgd { lr: 0.0, wd: 0.0, momentum: 0.0, dampening: 0.0, nesterov: false };
    let judged = |p0: f32, p1: f32| {
        let param = Param::new(vec![("p0", vec![p0]), ("p1", vec![p1]), ("g", vec![1.0])]);
        broken(&report(&of.document(), &arith("bounded", &json!({})), 3, &param))
    };
    let below = f32::from_bits(1.0_f32.to_bits() - 1);
    let above = f32::from_bits(1.0_f32.to_bits() + 1);
    // Half a unit of the binade of what is stored: from below, one unit there is half of one here.
    assert_eq!(judged(below, 1.0), NONE);
    assert_eq!(judged(1.0, below), ["STEP-P:1"]);
    assert_eq!(judged(above, 1.0), ["STEP-P:1"]);
    assert_eq!(judged(1.0, above), ["STEP-P:1"]);
    // Below what is normal all numbers are as far apart, and underflow may cost what `eta` allows: four of them.
    assert_eq!(judged(1.4e-45, 0.0), NONE);
    assert_eq!(judged(0.0, 7e-45), ["STEP-P:1"]);
    assert_eq!(judged(-0.0, 0.0), NONE);
}

/// What a rule could see, where a step changes next to nothing.
#[test]
fn what_cannot_show_is_said_at_the_edges() {
    let state =
        |report: &Report, code: &str| report.rows.iter().find(|row| row.rule.code == code).unwrap().state;
    let mut draw = Draw(55);
    // The first step of a warm-up: the rate is zero, and the moments move all the same.
    let of = Adam { lr: 0.0, ..ADAMW };
    let param = adam(&mut draw, 300, of, 1, [0; 3], plain);
    let warm = report(&of.document(), &arith("bounded", &json!({})), 1, &param);
    assert_eq!((broken(&warm), warm.verdict), (vec![], Verdict::Accepted));
    assert_eq!((state(&warm, "STEP-P"), state(&warm, "STEP-M")), (State::Blind, State::Holds));
    assert!(warm.informative == 0.0 && warm.notes.iter().any(|note| note.contains("the rate is 0")));
    // A gradient of zero, as that of a low-rank A at its first step: nothing moves but by decay.
    let zeros = || vec![0.0; 300];
    let p0: Vec<f32> = (0..300).map(|_| draw.unit() as f32).collect();
    let param = adam_from([p0, zeros(), zeros(), zeros()], ADAMW, 1, [0; 3], plain);
    let still = report(&ADAMW.document(), &arith("bounded", &json!({})), 1, &param);
    assert_eq!((broken(&still), still.verdict), (vec![], Verdict::Accepted));
    assert_eq!((state(&still, "STEP-M"), state(&still, "STEP-V")), (State::Blind, State::Blind));
    assert_eq!(state(&still, "STEP-P"), State::Holds);
    // Without decay it shows nothing, and is no pass.
    let of = Adam { wd: 0.0, ..ADAMW };
    let param = adam_from([vec![1.0; 300], zeros(), zeros(), zeros()], of, 1, [0; 3], plain);
    let nothing = report(&of.document(), &arith("bounded", &json!({})), 1, &param);
    assert_eq!((broken(&nothing), nothing.verdict), (vec![], Verdict::Insufficient));
}

/// Rates at the ends of a warm-up and of a schedule: the step before and the one after are another's.
#[test]
fn the_edges_of_a_warm_up_are_where_they_are_stated() {
    let mut draw = Draw(56);
    let mut of = |kind: &str, warmup: u64, total: u64, rates: &[f64]| {
        let (step, lr) = (rates.len() as u64, *rates.last().unwrap());
        let settings = Adam { lr, ..ADAMW };
        let params = [adam(&mut draw, 20, settings, step, [0; 3], plain)];
        let mut record = record(&settings.document(), &arith("bounded", &json!({})), step, &params);
        let rows: Vec<[f64; 1]> = rates.iter().map(|rate| [*rate]).collect();
        record["schedule"] = json!({
            "kind": kind, "warmup": warmup, "total": total, "base_lr": [1.0], "lr_history": rows,
        });
        let record = Record::parse(record.to_string().as_bytes()).unwrap();
        broken(&judge(&record, payload(&params).as_slice(), &Options::default()).unwrap())
    };
    for kind in ["linear", "cosine", "constant"] {
        // A warm-up of one step: from nothing to the whole rate.
        assert_eq!(of(kind, 1, 9, &[0.0, 1.0]), NONE, "{kind}");
        assert_eq!(of(kind, 1, 9, &[1.0, 1.0]), ["SCHEDULE:1"], "{kind}");
        // The first step after a warm-up has the whole rate, and the last one within has not.
        assert_eq!(of(kind, 4, 9, &[0.0, 0.25, 0.5, 0.75, 1.0]), NONE, "{kind}");
        assert_eq!(of(kind, 4, 9, &[0.0, 0.25, 0.5, 1.0, 1.0]), ["SCHEDULE:1"], "{kind}");
        assert_eq!(of(kind, 4, 9, &[0.25, 0.5, 0.75, 1.0]), ["SCHEDULE:4"], "{kind}");
        // No warm-up at all.
        assert_eq!(of(kind, 0, 9, &[1.0]), NONE, "{kind}");
        // A warm-up that is longer than the run.
        assert_eq!(of(kind, 8, 4, &[0.0, 0.125, 0.25, 0.375]), NONE, "{kind}");
    }
    // A rate off by one part in 2^47 of its base is seen.
    let off = 0.5 + 2_f64.powi(-47);
    assert_eq!(of("linear", 2, 4, &[0.0, 0.5, 1.0, off]), ["SCHEDULE:1"]);
    assert_eq!(of("linear", 2, 4, &[0.0, 0.5, 1.0, 0.5 + 2_f64.powi(-50)]), NONE);
}
