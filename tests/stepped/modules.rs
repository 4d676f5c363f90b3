//! Honest modules, made in float32 or BF16 by the orders in which engines add up products.

use bp::digest::Digest;
use serde_json::{Value, json};

use super::{Draw, Param, arith, bf16, payload, record, safetensors};

/// How numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kept {
    /// Everything in float32.
    F32,
    /// Parameters in float32, products of what was rounded to BF16.
    Autocast,
    /// Everything in BF16, products added up in float32.
    Bf16,
}

impl Kept {
    pub(crate) const ALL: [Self; 3] = [Self::F32, Self::Autocast, Self::Bf16];

    fn narrow(self) -> bool {
        self != Self::F32
    }

    /// A result, as it is kept.
    pub(crate) fn round(self, value: f32) -> f32 {
        if self.narrow() { bf16(value) } else { value }
    }

    /// A parameter, as it is kept.
    fn param(self, value: f32) -> f32 {
        if self == Self::Bf16 { bf16(value) } else { value }
    }
}

/// A matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

impl Matrix {
    pub(crate) fn random(draw: &mut Draw, rows: usize, columns: usize, round: impl Fn(f32) -> f32) -> Self {
        let values = (0..rows * columns).map(|_| round(draw.unit() as f32)).collect();
        Self { rows, columns, values }
    }

    pub(crate) fn transposed(&self) -> Self {
        let values = (0..self.columns)
            .flat_map(|column| (0..self.rows).map(move |row| self.values[row * self.columns + column]))
            .collect();
        Self { rows: self.columns, columns: self.rows, values }
    }

    pub(crate) fn map(&self, of: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.iter().map(|value| of(*value)).collect(), ..*self }
    }

    /// The product with another, in one of the orders in which engines add up, each result rounded as it is kept.
    pub(crate) fn times(&self, other: &Self, order: u64, kept: Kept) -> Self {
        let (n, factor) = (self.columns, |value: f32| kept.round(value));
        assert_eq!(n, other.rows);
        let mut values = Vec::with_capacity(self.rows * other.columns);
        for row in 0..self.rows {
            for column in 0..other.columns {
                let pairs = (0..n).map(|k| {
                    (factor(self.values[row * n + k]), factor(other.values[k * other.columns + column]))
                });
                values.push(kept.round(match order % 4 {
                    0 => pairs.fold(0.0, |sum, (a, b)| sum + a * b),
                    1 => pairs.fold(0.0, |sum, (a, b)| a.mul_add(b, sum)),
                    2 => pairs.rev().fold(0.0, |sum, (a, b)| sum + a * b),
                    _ => pairwise(&pairs.map(|(a, b)| a * b).collect::<Vec<_>>()),
                }));
            }
        }
        Self { rows: self.rows, columns: other.columns, values }
    }
}

fn pairwise(values: &[f32]) -> f32 {
    match values {
        [] => 0.0,
        [one] => *one,
        values => {
            let (left, right) = values.split_at(values.len() / 2);
            pairwise(left) + pairwise(right)
        }
    }
}

/// What a module saw in one micro-batch.
#[derive(Debug, Clone)]
pub(crate) struct Micro {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) dy: Matrix,
    pub(crate) dw: Matrix,
    /// The gradient of an adapter's output.
    pub(crate) out: Option<Matrix>,
}

/// A module, its micro-batches, and its gradient.
#[derive(Debug, Clone)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) lora: Option<&'static str>,
    pub(crate) scaling: Option<f64>,
    pub(crate) w: Matrix,
    /// Its bias; empty where it has none.
    pub(crate) bias: Vec<f32>,
    pub(crate) micros: Vec<Micro>,
    /// What the optimizer used.
    pub(crate) gradient: Vec<f32>,
}

/// Modules of a step of SGD.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) kept: Kept,
    pub(crate) order: u64,
    pub(crate) profile: &'static str,
    pub(crate) modules: Vec<Module>,
}

const RATE: f64 = 0.05;

impl Shown {
    /// One linear module of these sides, over three micro-batches.
    pub(crate) fn linear(draw: &mut Draw, kept: Kept, order: u64, sides: [usize; 3]) -> Self {
        Self::over(draw, kept, order, sides, 3)
    }

    /// The same over so many micro-batches.
    pub(crate) fn over(
        draw: &mut Draw,
        kept: Kept,
        order: u64,
        [batch, inner, outer]: [usize; 3],
        micros: usize,
    ) -> Self {
        let w = Matrix::random(draw, outer, inner, |value| kept.param(value));
        let micros = (0..micros)
            .map(|_| {
                let mut fill = |columns| Matrix::random(draw, batch, columns, |value| kept.round(value));
                let (x, dy) = (fill(inner), fill(outer));
                Micro::new(x, dy, &w, order, kept)
            })
            .collect();
        let mut module = Module {
            name: "l".to_owned(),
            lora: None,
            scaling: None,
            w,
            bias: vec![],
            micros,
            gradient: vec![],
        };
        module.accumulate(kept);
        let profile = if kept == Kept::Bf16 { "bounded" } else { "torch-cpu-fused" };
        Self { kept, order, profile, modules: vec![module] }
    }

    /// A low-rank adapter: A, then B, over two micro-batches.
    pub(crate) fn adapter(draw: &mut Draw, kept: Kept, order: u64) -> Self {
        let (batch, inner, rank, outer) = (9, 11, 3, 8);
        let mut shown = Self::linear(draw, kept, order, [batch, inner, rank]);
        let b = Matrix::random(draw, outer, rank, |value| kept.param(value));
        "q.lora_A.default".clone_into(&mut shown.modules[0].name);
        shown.modules[0].lora = Some("A");
        shown.modules[0].micros.truncate(2);
        let mut module = Module {
            name: "q.lora_B.default".to_owned(),
            lora: Some("B"),
            scaling: Some(2.0),
            w: b,
            bias: vec![],
            micros: shown.modules[0].micros.clone(),
            gradient: vec![],
        };
        for micro in &mut module.micros {
            let out = Matrix::random(draw, batch, outer, |value| kept.round(value));
            micro.out = Some(out);
        }
        shown.modules.push(module);
        shown.back(2.0);
        shown
    }

    /// Derives what flows through an adapter and back again, the gradient of its output multiplied by this.
    pub(crate) fn back(&mut self, scale: f32) {
        let (kept, order) = (self.kept, self.order);
        let [a, b] = &mut self.modules[..] else { panic!("an adapter has two modules") };
        for (of_a, of_b) in a.micros.iter_mut().zip(&mut b.micros) {
            let out = of_b.out.clone().expect("an adapter's output has a gradient");
            let dy = out.map(|value| kept.round(value * scale));
            *of_a = Micro::new(of_a.x.clone(), dy.times(&b.w, order, kept), &a.w, order, kept);
            *of_b = Micro { out: Some(out), ..Micro::new(of_a.y.clone(), dy, &b.w, order, kept) };
        }
        self.modules.iter_mut().for_each(|module| module.accumulate(kept));
    }

    fn params(&self) -> Vec<Param> {
        let of = |module: &Module| {
            let step = |(p, g): (&f32, &f32)| self.kept.param((-RATE as f32).mul_add(*g, *p));
            let p1 = module.w.values.iter().zip(&module.gradient).map(step).collect();
            let mut param =
                Param::new(vec![("p0", module.w.values.clone()), ("p1", p1), ("g", module.gradient.clone())]);
            param.name = format!("{}.weight", module.name);
            param.narrow = self.kept == Kept::Bf16;
            param.shape = vec![module.w.rows as u64, module.w.columns as u64];
            param
        };
        let mut params: Vec<Param> = self.modules.iter().map(of).collect();
        for Module { name, bias, .. } in self.modules.iter().filter(|module| !module.bias.is_empty()) {
            let p1 = bias.iter().map(|p| self.kept.param((-RATE as f32).mul_add(0.25, *p))).collect();
            let mut param = Param::new(vec![("p0", bias.clone()), ("p1", p1), ("g", vec![0.25; bias.len()])]);
            param.name = format!("{name}.bias");
            param.narrow = self.kept == Kept::Bf16;
            params.push(param);
        }
        params
    }

    /// Gives the first module a bias, added to its outputs as one more product, or to what was rounded.
    pub(crate) fn add_bias(&mut self, draw: &mut Draw, rounded_before: bool) {
        let (kept, order, of) = (self.kept, self.order, &mut self.modules[0]);
        of.bias = (0..of.w.rows).map(|_| kept.param(draw.unit() as f32)).collect();
        for micro in &mut of.micros {
            let [x, w] = [&micro.x, &of.w.transposed()].map(|matrix| matrix.map(|value| kept.round(value)));
            // Factors that were rounded already are summed as they are.
            let sums = x.times(&w, order, if rounded_before { kept } else { Kept::F32 });
            let add = |(at, sum): (usize, &f32)| kept.round(sum + kept.round(of.bias[at % of.w.rows]));
            micro.y = Matrix { values: sums.values.iter().enumerate().map(add).collect(), ..sums };
        }
    }

    /// The payload of the modules.
    pub(crate) fn linear_payload(&self) -> Vec<u8> {
        let mut tensors = Vec::new();
        for Module { name, w, micros, .. } in &self.modules {
            let mut put = |key: String, matrix: &Matrix, narrow: bool| {
                let shape = vec![matrix.rows as u64, matrix.columns as u64];
                let values = &matrix.values;
                tensors.push(if narrow {
                    let bytes =
                        values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes());
                    (key, "BF16", shape, bytes.collect())
                } else {
                    (key, "F32", shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
                });
            };
            let params = self.kept == Kept::Bf16;
            put(format!("lin/{name}/W"), w, params);
            for (index, micro) in micros.iter().enumerate() {
                put(format!("lin/{name}/{index}/X"), &micro.x, self.kept.narrow());
                put(format!("lin/{name}/{index}/Y"), &micro.y, self.kept.narrow());
                put(format!("lin/{name}/{index}/dY"), &micro.dy, self.kept.narrow());
                put(format!("lin/{name}/{index}/dW"), &micro.dw, params);
                if let Some(out) = &micro.out {
                    put(format!("lin/{name}/{index}/dOut"), out, self.kept.narrow());
                }
            }
        }
        safetensors(tensors)
    }

    /// The record, its payload, and that of the modules.
    pub(crate) fn written(&self) -> (Value, Vec<u8>, Vec<u8>) {
        let (params, linear) = (self.params(), self.linear_payload());
        let optimizer = json!({ "kind": "sgd", "cls": "torch.optim.SGD", "groups": [{
            "lr": RATE, "weight_decay": 0.0, "maximize": false, "momentum": 0.0, "dampening": 0.0,
            "nesterov": false,
        }] });
        let mut record = record(&optimizer, &arith(self.profile), 7, &params);
        let rows = self.modules.iter().map(|module| {
            json!({
                "module": module.name, "weight": format!("{}.weight", module.name),
                "micro": module.micros.len(), "compute": if self.kept.narrow() { "BF16" } else { "F32" },
                "bias": !module.bias.is_empty(), "scaling": module.scaling, "lora": module.lora,
            })
        });
        record["linear"] = rows.collect();
        record["linear_payload"] = json!({ "file": "linear.safetensors", "sha256": Digest::of(&linear) });
        (record, payload(&params), linear)
    }
}

impl Micro {
    pub(crate) fn new(x: Matrix, dy: Matrix, w: &Matrix, order: u64, kept: Kept) -> Self {
        let y = x.times(&w.transposed(), order, kept);
        let dw = dy.transposed().times(&x, order, kept);
        Self { x, y, dy, dw, out: None }
    }
}

impl Module {
    /// The gradient is the sum of those of the micro-batches, in their order, rounded as it is kept after each.
    pub(crate) fn accumulate(&mut self, kept: Kept) {
        let mut parts = self.micros.iter().map(|micro| &micro.dw.values);
        self.gradient = parts.next().expect("a module has a micro-batch").clone();
        for part in parts {
            self.gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum = kept.param(*sum + part));
        }
    }
}
