//! Honest steps, made in float32 by the orders of evaluation that frameworks use.

pub(crate) mod modules;

use bp::digest::Digest;
use bp::step::leaf::{self, Leaf};
use serde_json::{Value, json};

/// A generator whose numbers are the same everywhere (splitmix64).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From -1 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// A number of some size: often a power of two, zero or subnormal.
    pub(crate) fn value(&mut self, scale: f64) -> f32 {
        let value = (self.unit() * scale) as f32;
        match self.below(16) {
            0 => 0.0,
            1 => f32::from_bits(value.to_bits() & 0xff80_0000),
            2 => f32::from_bits(self.next() as u32 & 0x807f_ffff),
            3 => value * 1e-12,
            4 => value * 1e6,
            _ => value,
        }
    }
}

/// The tensors of one parameter, by role.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) tensors: Vec<(&'static str, Vec<f32>)>,
    pub(crate) narrow: bool,
    pub(crate) shape: Vec<u64>,
}

impl Param {
    pub(crate) fn new(tensors: Vec<(&'static str, Vec<f32>)>) -> Self {
        let shape = vec![tensors[0].1.len() as u64];
        Self { name: "w".to_owned(), tensors, narrow: false, shape }
    }

    pub(crate) fn of(&self, role: &str) -> &[f32] {
        &self.tensors.iter().find(|(name, _)| *name == role).expect("a tensor of that role").1
    }

    pub(crate) fn of_mut(&mut self, role: &str) -> &mut Vec<f32> {
        &mut self.tensors.iter_mut().find(|(name, _)| *name == role).expect("a tensor of that role").1
    }

    fn bytes(&self, values: &[f32]) -> Vec<u8> {
        if self.narrow {
            values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
        } else {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
    }
}

/// A safetensors file of named bytes, by name.
pub(crate) fn safetensors(mut tensors: Vec<(String, &str, Vec<u64>, Vec<u8>)>) -> Vec<u8> {
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let end = data.len() + bytes.len();
        entries.push(format!(
            "{}:{}",
            json!(name),
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [data.len(), end] })
        ));
        data.extend(bytes);
    }
    let header = format!("{{{}}}", entries.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// The payload of parameters, each a vector.
pub(crate) fn payload(params: &[Param]) -> Vec<u8> {
    let mut tensors = Vec::new();
    for param in params {
        for (role, values) in &param.tensors {
            let dtype = if param.narrow { "BF16" } else { "F32" };
            let key = format!("{role}/{}", param.name);
            tensors.push((key, dtype, param.shape.clone(), param.bytes(values)));
        }
    }
    safetensors(tensors)
}

/// The record of parameters under one group, its digests those of the payload.
pub(crate) fn record(optimizer: &Value, arith: &Value, step: u64, params: &[Param]) -> Value {
    let payload = payload(params);
    let leaves: Vec<Leaf> = leaf::of_file("payload", payload.as_slice()).expect("an own payload is sound");
    let rows: Vec<Value> = params
        .iter()
        .map(|param| {
            json!({
                "name": param.name, "group": 0, "t": step,
                "dtype": if param.narrow { "BF16" } else { "F32" }, "shape": param.shape,
            })
        })
        .collect();
    let none = Digest::of(b"");
    json!({
        "format": "tensor-step.v1", "run": "own", "step": step, "optimizer": optimizer, "arith": arith,
        "clip": null, "schedule": null, "params": rows,
        "frozen": { "count": 0, "root0": none, "root1": none },
        "payload": {
            "file": "step.safetensors", "sha256": Digest::of(&payload), "leaf_root": leaf::root(&leaves),
        },
    })
}

pub(crate) fn arith(profile: &str) -> Value {
    json!({ "profile": profile, "ftz": false, "grad_scale": null, "matmul": "ieee" })
}

/// Settings of Adam.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    pub(crate) lr: f64,
    pub(crate) wd: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) decoupled: bool,
}

impl Adam {
    pub(crate) fn document(self) -> Value {
        let Self { lr, wd, beta1, beta2, eps, decoupled } = self;
        json!({ "kind": "adam", "cls": "torch.optim.AdamW", "groups": [{
            "lr": lr, "weight_decay": wd, "maximize": false, "beta1": beta1, "beta2": beta2, "eps": eps,
            "decoupled": decoupled, "amsgrad": false,
        }] })
    }
}

/// Orders in which a framework may form the parameter, the first moment and the second.
pub(crate) const P_ORDERS: u64 = 7;
pub(crate) const M_ORDERS: u64 = 3;
pub(crate) const V_ORDERS: u64 = 3;

/// A step of Adam over fresh tensors; every operation is rounded by `round`, to float32 or further.
pub(crate) fn adam(
    draw: &mut Draw,
    n: usize,
    of: Adam,
    t: u64,
    orders: [u64; 3],
    round: fn(f32) -> f32,
) -> Param {
    let first = t == 1 && draw.below(2) == 0;
    let mut fill = |scale: f64| -> Vec<f32> { (0..n).map(|_| round(draw.value(scale))).collect() };
    let (p0, g, m0) = (fill(1.0), fill(1e-2), if first { vec![0.0; n] } else { fill(1e-2) });
    let v0: Vec<f32> = if first { vec![0.0; n] } else { fill(1e-2).iter().map(|v| round(v * v)).collect() };
    let mut param = adam_from([p0, g, m0, v0], of, t, orders, round);
    if first {
        param.tensors.retain(|(role, _)| !["m0", "v0"].contains(role));
    }
    param
}

/// A step of Adam from what it finds: parameter, gradient and moments.
pub(crate) fn adam_from(
    [p0, g, m0, v0]: [Vec<f32>; 4],
    of: Adam,
    t: u64,
    orders: [u64; 3],
    round: fn(f32) -> f32,
) -> Param {
    let (n, r) = (p0.len(), round);
    let (w1, w2) = (r((1.0 - of.beta1) as f32), r((1.0 - of.beta2) as f32));
    let (b1, b2) = (of.beta1 as f32, of.beta2 as f32);
    let (bc1, bc2) = (1.0 - libm::pow(of.beta1, t as f64), 1.0 - libm::pow(of.beta2, t as f64));
    let (eps, wd) = (of.eps as f32, of.wd as f32);
    let (mut m1, mut v1, mut p1) = (vec![], vec![], vec![]);
    for i in 0..n {
        let grad = if !of.decoupled && of.wd > 0.0 { r(g[i] + r(wd * p0[i])) } else { g[i] };
        let m = match orders[1] {
            0 => r(m0[i] + r(w1 * r(grad - m0[i]))),
            1 => r(w1.mul_add(r(grad - m0[i]), m0[i])),
            _ => r(r(b1 * m0[i]) + r(w1 * grad)),
        };
        let v = match orders[2] {
            0 => r(r(b2 * v0[i]) + r(r(w2 * grad) * grad)),
            1 => r(r(b2 * v0[i]) + r(w2 * r(grad * grad))),
            _ => r(v0[i] + r(w2 * r(r(grad * grad) - v0[i]))),
        };
        let root = r(v.sqrt());
        let den = r(r(root / bc2.sqrt() as f32) + eps);
        let keep = (1.0 - of.lr * of.wd) as f32;
        let kept = if of.decoupled && of.wd > 0.0 { r(keep * p0[i]) } else { p0[i] };
        let ss = (-(of.lr / bc1)) as f32;
        let p = match orders[0] {
            0 => r(kept + r(r(ss * m) / den)),
            1 => r(kept + r(ss * r(m / den))),
            2 => r(ss.mul_add(r(m / den), kept)),
            3 => {
                let hat = r(m / bc1 as f32);
                let den = r(r(r(v / bc2 as f32).sqrt()) + eps);
                r(kept - r(of.lr as f32 * r(hat / den)))
            }
            4 => {
                let folded = (of.lr * bc2.sqrt() / bc1) as f32;
                r(kept - r(r(folded * m) / r(root + (of.eps * bc2.sqrt()) as f32)))
            }
            5 => {
                let kept = if of.decoupled && of.wd > 0.0 {
                    r(p0[i] - r((of.lr * of.wd) as f32 * p0[i]))
                } else {
                    p0[i]
                };
                r(kept - r(of.lr as f32 * r(r(m / bc1 as f32) / den)))
            }
            _ => {
                let hat = r(m / bc1 as f32);
                let den = r(r(r(v / bc2 as f32).sqrt()) + eps);
                let decay = if of.decoupled { r(wd * p0[i]) } else { 0.0 };
                r(p0[i] + r(-of.lr as f32 * r(r(hat / den) + decay)))
            }
        };
        m1.push(m);
        v1.push(v);
        p1.push(p);
    }
    Param::new(vec![("p0", p0), ("p1", p1), ("g", g), ("m1", m1), ("v1", v1), ("m0", m0), ("v0", v0)])
}

/// Rounds to BF16, to the nearest, ties to even.
pub(crate) fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1))) & 0xffff_0000)
}

pub(crate) fn f32_as_it_is(value: f32) -> f32 {
    value
}

/// A step of SGD: with momentum, dampening, the Nesterov form and weight decay as given; with fused multiply and add or
/// without.
pub(crate) struct Sgd {
    pub(crate) lr: f64,
    pub(crate) wd: f64,
    pub(crate) momentum: f64,
    pub(crate) dampening: f64,
    pub(crate) nesterov: bool,
}

impl Sgd {
    pub(crate) fn document(&self) -> Value {
        json!({ "kind": "sgd", "cls": "torch.optim.SGD", "groups": [{
            "lr": self.lr, "weight_decay": self.wd, "maximize": false, "momentum": self.momentum,
            "dampening": self.dampening, "nesterov": self.nesterov,
        }] })
    }

    pub(crate) fn step(&self, draw: &mut Draw, n: usize, first: bool, fused: bool) -> Param {
        let fma = |a: f32, b: f32, c: f32| if fused { a.mul_add(b, c) } else { a * b + c };
        let mut fill = |scale: f64| -> Vec<f32> { (0..n).map(|_| draw.value(scale)).collect() };
        let (p0, g, b0) = (fill(1.0), fill(1e-2), fill(1e-2));
        let (wd, mu, hold) = (self.wd as f32, self.momentum as f32, (1.0 - self.dampening) as f32);
        let (mut p1, mut b1) = (vec![], vec![]);
        for i in 0..n {
            let grad = if self.wd > 0.0 { fma(wd, p0[i], g[i]) } else { g[i] };
            let b = if first {
                grad
            } else if self.dampening > 0.0 {
                fma(hold, grad, mu * b0[i])
            } else {
                mu * b0[i] + grad
            };
            let d = if self.momentum <= 0.0 {
                grad
            } else if self.nesterov {
                fma(mu, b, grad)
            } else {
                b
            };
            p1.push(fma(-self.lr as f32, d, p0[i]));
            b1.push(b);
        }
        let mut tensors = vec![("p0", p0), ("p1", p1), ("g", g)];
        if self.momentum > 0.0 {
            tensors.push(("b1", b1));
            if !first {
                tensors.push(("b0", b0));
            }
        }
        Param::new(tensors)
    }
}
