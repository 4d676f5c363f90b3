//! The equations over the values of stages: block by block, or by rows of tokens where weights take part.

use super::bound::{self, Derived, Dot, Scale};
use super::{Input, Outcome, Pass, Tally, one_scope};
use crate::tensor::capture::{Opened, blocks};
use crate::tensor::law::Fault;
use crate::tensor::stage::{Layer, Place};
use crate::tensor::{Bytes, Folder};

/// Values that are read at a time.
const BLOCK: usize = 1 << 15;
/// Values of rows of tokens that are held at a time, and of rows of weights; one row at least.
const ROWS: u64 = 1 << 21;
/// Parts that a sum is kept in.
const LANES: usize = 8;

/// What keeps an equation from being put: the question mark for both kinds of answer.
macro_rules! or_why {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(why) => return Ok(Err(why)),
        }
    };
}

/// Rows of weights under one name, with the bias beside them.
struct Part<'a, B> {
    weight: Opened<'a, &'a B>,
    bias: Vec<f64>,
    rows: u64,
}

/// The weights of a stage, one under the other, and the length of their rows.
type Parts<'a, B> = (Vec<Part<'a, B>>, u64);

impl<F: Folder, B: Bytes> Pass<'_, F, B> {
    /// An equation that each value follows from by the values at its own position.
    pub(super) fn by_value<const N: usize>(
        &self,
        place: Place,
        inputs: [Input; N],
        equation: impl Fn([f64; N]) -> Derived,
    ) -> Result<Outcome, Fault> {
        let stored = or_why!(self.opened(place)?);
        let mut opened = Vec::with_capacity(N);
        for input in inputs {
            let from = or_why!(self.input(place, input));
            let input = or_why!(self.opened(from)?);
            if input.tensor.values != stored.tensor.values || !one_scope(input.tensor, stored.tensor) {
                return Ok(Err(format!("{from} has other tokens or another width than {place}")));
            }
            opened.push(input);
        }
        let mut tally = Tally::default();
        let mut values = vec![0.0; BLOCK];
        let mut read = vec![vec![0.0; BLOCK]; N];
        for (from, count) in blocks(stored.tensor.values, BLOCK) {
            stored.wide(from, &mut values[..count])?;
            for (opened, buffer) in opened.iter().zip(&mut read) {
                opened.wide(from, &mut buffer[..count])?;
            }
            for at in 0..count {
                let derived = equation(std::array::from_fn(|input| read[input][at]));
                tally.hold(from + at as u64, values[at], derived);
            }
        }
        Ok(Ok(tally))
    }

    /// A norm, by rows.
    pub(super) fn norm(&self, place: Place, input: Input) -> Result<Outcome, Fault> {
        let stored = or_why!(self.opened(place)?);
        let from = or_why!(self.input(place, input));
        let input = or_why!(self.opened(from)?);
        let Some(epsilon) = self.capture.index().and_then(|index| index.epsilon) else {
            return Ok(Err("no index states the epsilon of its norms (rms_norm)".to_owned()));
        };
        let name = weight(place);
        let weights = or_why!(self.vector(&name)?);
        let width = weights.len() as u64;
        let whole = input.tensor.values == stored.tensor.values && one_scope(input.tensor, stored.tensor);
        if !whole || stored.tensor.values % width != 0 {
            return Ok(Err(format!("{from} and {place} are not rows of the {width} values of {name}")));
        }
        let mut tally = Tally::default();
        let (mut row, mut values) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for (from, count) in blocks(stored.tensor.values, weights.len()) {
            input.wide(from, &mut row[..count])?;
            stored.wide(from, &mut values[..count])?;
            let scale = Scale::of(row.iter().map(|x| x * x).sum(), width, epsilon);
            for at in 0..count {
                tally.hold(from + at as u64, values[at], bound::norm(row[at], weights[at], scale));
            }
        }
        Ok(Ok(tally))
    }

    /// A bias on every row.
    pub(super) fn bias(&self, place: Place, input: Input) -> Result<Outcome, Fault> {
        let mut bias = Vec::new();
        for name in names(place) {
            bias.extend(or_why!(self.vector(&format!("{name}.bias"))?));
        }
        let from = or_why!(self.input(place, input));
        let (stored, input) = (or_why!(self.opened(place)?), or_why!(self.opened(from)?));
        let whole = input.tensor.values == stored.tensor.values && one_scope(input.tensor, stored.tensor);
        if !whole || stored.tensor.values % bias.len() as u64 != 0 {
            return Ok(Err(format!(
                "{from} and {place} are not rows of the {} values of the bias",
                bias.len()
            )));
        }
        let mut tally = Tally::default();
        let (mut row, mut values) = (vec![0.0; bias.len()], vec![0.0; bias.len()]);
        for (from, count) in blocks(stored.tensor.values, bias.len()) {
            input.wide(from, &mut row[..count])?;
            stored.wide(from, &mut values[..count])?;
            for at in 0..count {
                tally.hold(from + at as u64, values[at], bound::sum(row[at], bias[at]));
            }
        }
        Ok(Ok(tally))
    }

    /// Weights times a stage, by rows of tokens and rows of weights.
    pub(super) fn linear(&self, place: Place, input: Input) -> Result<Outcome, Fault> {
        let from = or_why!(self.input(place, input));
        let (stored, input) = (or_why!(self.opened(place)?), or_why!(self.opened(from)?));
        let (parts, width) = or_why!(self.parts(place)?);
        let rows: u64 = parts.iter().map(|part| part.rows).sum();
        let (tokens, given) = (stored.tensor.values / rows, input.tensor.values / width);
        let whole = tokens * rows == stored.tensor.values && given * width == input.tensor.values;
        // Logits may be those of the last token alone.
        let last = place.stage.name() == "lm_head" && tokens == 1;
        if !whole || !(last || (tokens == given && one_scope(input.tensor, stored.tensor))) {
            return Ok(Err(format!("{from} times weights of {rows} by {width} does not give {place}")));
        }
        let skipped = if last { given - tokens } else { 0 };
        let step = (ROWS / (rows + width)).clamp(1, tokens);
        let size = |rows: u64, width: u64| usize::try_from(rows * width).expect("a block fits memory");
        let mut tally = Tally::default();
        let mut given = vec![0.0; size(step, width)];
        let mut values = vec![0.0; size(step, rows)];
        for (token, count) in blocks(tokens, size(step, 1)) {
            let count = count as u64;
            let (x, y) = (&mut given[..size(count, width)], &mut values[..size(count, rows)]);
            input.wide((skipped + token) * width, x)?;
            stored.wide(token * rows, y)?;
            let block = Rows { x, y, width: size(width, 1), outputs: size(rows, 1), token };
            block.hold(&parts, &mut tally)?;
        }
        Ok(Ok(tally))
    }

    /// A vector of the weights, whole.
    fn vector(&self, name: &str) -> Result<Result<Vec<f64>, String>, Fault> {
        let Some(weights) = self.weights else {
            return Ok(Err("no weights are given (--weights)".to_owned()));
        };
        let Some(opened) = weights.get(name).filter(|opened| sides(opened).len() == 1) else {
            return Ok(Err(format!("the weights have no vector {name:?}")));
        };
        let length = usize::try_from(opened.tensor.values).unwrap_or(usize::MAX);
        if length > 1 << 28 {
            return Ok(Err(format!("{name:?} is longer than is read")));
        }
        let mut vector = vec![0.0; length];
        opened.wide(0, &mut vector)?;
        Ok(Ok(vector))
    }

    /// The weights of a linear stage, one under the other, and the length of their rows.
    fn parts(&self, place: Place) -> Result<Result<Parts<'_, B>, String>, Fault> {
        let Some(weights) = self.weights else {
            return Ok(Err("no weights are given (--weights)".to_owned()));
        };
        let (mut parts, mut width) = (Vec::new(), None);
        for name in names(place) {
            let mut key = format!("{name}.weight");
            if place.layer == Layer::WholeModel && weights.get(&key).is_none() {
                // A head that is tied is the table of embeddings.
                "model.embed_tokens.weight".clone_into(&mut key);
            }
            let matrix = weights.get(&key).filter(|opened| sides(opened).len() == 2);
            let Some(weight) = matrix else {
                return Ok(Err(format!("the weights have no matrix {key:?}")));
            };
            let (rows, columns) = (sides(&weight)[0], sides(&weight)[1]);
            if *width.get_or_insert(columns) != columns {
                return Ok(Err(format!("{key:?} has another width than the weights above it")));
            }
            // The bias of queries, keys and values is a stage of its own.
            let biased = place.stage.name() != "qkv_matmul" && weights.get(&format!("{name}.bias")).is_some();
            let bias = if biased { or_why!(self.vector(&format!("{name}.bias"))?) } else { Vec::new() };
            if biased && bias.len() as u64 != rows {
                return Ok(Err(format!("the bias of {name:?} has another length than its weights")));
            }
            parts.push(Part { weight, bias, rows });
        }
        Ok(width.map(|width| (parts, width)).ok_or_else(|| format!("{place} has no weights")))
    }
}

fn sides<'a, B>(opened: &'a Opened<'_, B>) -> &'a [u64] {
    opened.tensor.shape.as_deref().unwrap_or_default()
}

/// The names of a stage's weights, as checkpoints of decoders spell them.
fn names(place: Place) -> Vec<String> {
    let modules: &[&str] = match place.stage.name() {
        "qkv_matmul" | "qkv_bias" => &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        "attn_out" => &["self_attn.o_proj"],
        "attn_norm" => &["input_layernorm"],
        "ffn_norm" => &["post_attention_layernorm"],
        "ffn_gate" => &["mlp.gate_proj"],
        "ffn_up" => &["mlp.up_proj"],
        "ffn_out" => &["mlp.down_proj"],
        "final_norm" => &["norm"],
        _ => &["lm_head"],
    };
    let name = |module: &&str| match place.layer {
        Layer::Number(number) => format!("model.layers.{number}.{module}"),
        Layer::WholeModel if *module == "norm" => "model.norm".to_owned(),
        Layer::WholeModel => (*module).to_owned(),
    };
    modules.iter().map(name).collect()
}

/// The name of a norm's weights.
fn weight(place: Place) -> String {
    names(place).into_iter().next().unwrap_or_default() + ".weight"
}

/// Rows of tokens in memory: what went into a linear stage, and what came out.
struct Rows<'a> {
    x: &'a [f64],
    y: &'a [f64],
    width: usize,
    outputs: usize,
    /// The first token.
    token: u64,
}

impl Rows<'_> {
    fn hold<B: Bytes>(&self, parts: &[Part<'_, B>], tally: &mut Tally) -> Result<(), Fault> {
        let sizes: Vec<f64> =
            self.x.chunks(self.width).map(|row| row.iter().map(|x| x.abs()).sum()).collect();
        let block = (usize::try_from(ROWS).expect("a block fits memory") / self.width).max(1);
        let mut weights = vec![0.0; block * self.width];
        let mut column = 0;
        for part in parts {
            let mut biases = part.bias.iter();
            for (row, count) in blocks(part.rows, block) {
                let weights = &mut weights[..count * self.width];
                part.weight.wide(row * self.width as u64, weights)?;
                for weight in weights.chunks(self.width) {
                    let size: f64 = weight.iter().map(|w| w.abs()).sum();
                    let bias = biases.next().copied().unwrap_or_default();
                    for (token, (x, inputs)) in self.x.chunks(self.width).zip(&sizes).enumerate() {
                        let dot = Dot { inputs: size + inputs, ..dot(weight, x) };
                        let derived = bound::linear(dot, bias, self.width as u64);
                        let index = (self.token + token as u64) * self.outputs as u64 + column as u64;
                        tally.hold(index, self.y[token * self.outputs + column], derived);
                    }
                    column += 1;
                }
            }
        }
        Ok(())
    }
}

/// A dot product and the size of its terms, in parts that are added up in order.
fn dot(weights: &[f64], x: &[f64]) -> Dot {
    let (mut value, mut size) = ([0.0; LANES], [0.0; LANES]);
    let (left, rest) = weights.as_chunks::<LANES>();
    let (right, tail) = x.as_chunks::<LANES>();
    for (w, x) in left.iter().zip(right) {
        for lane in 0..LANES {
            let term = w[lane] * x[lane];
            value[lane] += term;
            size[lane] += term.abs();
        }
    }
    for (w, x) in rest.iter().zip(tail) {
        value[0] += w * x;
        size[0] += (w * x).abs();
    }
    Dot { value: value.iter().sum(), size: size.iter().sum(), inputs: 0.0 }
}
