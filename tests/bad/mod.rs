//! Bad records: an honest one, and what an attacker or a bug changes in it.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

use bp::author::seed::Seed;
use bp::author::{self, Request};
use bp::digest::Digest;
use bp::engine;
use bp::receipt::canonical;
use bp::receipt::net::Place;
use bp::receipt::wire::{Activation, Optimizer, OptimizerState, TopologyInput};
use bp::verify::{self, Verified, read};
use serde_json::{Map, Value, json};

use crate::nets::{self, Shape};

/// A record that breaks, named by its rule and what was done.
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    made: Made,
}

/// How a bad record is made.
enum Made {
    /// An honest record, edited.
    Record(Base, fn(&mut Value)),
    /// An honest trace whose steps start from elsewhere than the step before left.
    Bent(Steps, fn(usize, &mut Request)),
    /// An honest trace, its records edited.
    Trace(Steps, fn(&mut Vec<Value>)),
}

/// An honest trace of three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// 1-1-1 identity, plain SGD.
    Sgd,
    /// The same by momentum.
    Momentum,
    /// The same by Adam.
    Adam,
    /// The same by Adam over a batch of three.
    Batch,
    /// Receipts of sidecars: 2-2-3 sigmoid, softmax, under one digest.
    Imported,
}

impl Steps {
    pub(crate) const ALL: [Self; 5] = [Self::Sgd, Self::Momentum, Self::Adam, Self::Batch, Self::Imported];

    /// The trace's records; `bend` changes what the step of an index starts from.
    fn records(self, bend: fn(usize, &mut Request)) -> Vec<Value> {
        let mut request = nets::begun(match self {
            Self::Sgd => Base::OneUnit.request(),
            Self::Momentum => Base::Momentum.request(),
            Self::Adam => nets::optimized(Base::OneUnit.input(), &adam("adam", 1), |_| {
                Some(OptimizerState::Adam { m: 0.0, v: 0.0 })
            }),
            Self::Batch => {
                let one = nets::optimized(Base::OneUnit.input(), &adam("adam", 1), |_| {
                    Some(OptimizerState::Adam { m: 0.0, v: 0.0 })
                });
                nets::batched(one, "mean", &OTHERS)
            }
            Self::Imported => Base::Imported.request(),
        });
        let mut records = Vec::new();
        for index in 0..3 {
            bend(index, &mut request);
            let step = author::written(&request).unwrap();
            let record = if self == Self::Imported {
                let mut record =
                    bp::json::parse(&nets::import(&nets::sidecar(&SOFTMAX, &step)).imported.unwrap())
                        .unwrap();
                set(&mut record, "/trace_id", json!(nets::TRACE_ID));
                set(&mut record, "/step_index", json!(index));
                set(&mut record, "/step", json!(index + 1));
                record
            } else {
                bp::json::parse(&nets::request_bytes(&request).unwrap()).unwrap()
            };
            request = nets::continued(&request, &written(&record));
            records.push(record);
        }
        if self == Self::Imported {
            bundle(&mut records);
        }
        records
    }

    /// The honest trace's bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        lines(&self.records(|_, _| {}))
    }
}

fn lines(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(written).collect()
}

/// Puts a trace's digest over itself in its place.
pub(crate) fn bundle(records: &mut [Value]) {
    for record in &mut *records {
        record["attestor"].as_object_mut().unwrap().shift_remove("bundle_root_digest");
    }
    let digest = Digest::of(&lines(records)).prefixed();
    for record in records {
        set(record, "/attestor/bundle_root_digest", json!(digest));
    }
}

/// The samples of a batch after the first.
const OTHERS: [(&[f64], &[f64]); 2] = [(&[1.0], &[2.0]), (&[-0.5], &[0.25])];

/// An epsilon that shows in nine digits.
fn adam(name: &str, t: u64) -> Value {
    let mut config = json!({ "name": name, "beta1": 0.9, "beta2": 0.999, "epsilon": 0.001, "t": t });
    if name == "adamw" {
        config["weight_decay"] = json!(0.01);
    }
    config
}

/// An honest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// 0.1.0: 2-2-2 sigmoid.
    Mazur,
    /// 2-2-1 sigmoid, one bias per layer.
    Xor,
    /// 2-2-3 sigmoid, softmax.
    Softmax,
    /// 2-2-1 sigmoid, one bias per unit, which learns.
    PerNeuron,
    /// 2-2-1 rectifier, identity; one hidden unit is off.
    Relu,
    /// 1-1-1 identity.
    OneUnit,
    /// The same by SGD with weight decay.
    Decay,
    /// The same by momentum.
    Momentum,
    /// By momentum with weight decay.
    MomentumDecay,
    /// By momentum that looks ahead.
    Nesterov,
    /// By momentum, the gradient damped.
    Dampening,
    /// By Adam, at its third step.
    Adam,
    /// By `AdamW`, at its third step.
    Adamw,
    /// The mean of a batch of three.
    Mean,
    /// Its sum.
    Sum,
    /// A batch of one, not reduced.
    Single,
    /// The mean of a batch of three by Adam.
    AdamMean,
    /// The receipt of a sidecar: 2-2-3 sigmoid, softmax.
    Imported,
    /// The same with its digest over itself.
    Signed,
    /// The sidecar.
    Sidecar,
}

const SOFTMAX: Shape =
    Shape { sizes: [2, 2, 3], hidden_by: "sigmoid", output_by: "softmax", biases_learn: true };

impl Base {
    pub(crate) const ALL: [Self; 20] = [
        Self::Mazur,
        Self::Xor,
        Self::Softmax,
        Self::PerNeuron,
        Self::Relu,
        Self::OneUnit,
        Self::Decay,
        Self::Momentum,
        Self::MomentumDecay,
        Self::Nesterov,
        Self::Dampening,
        Self::Adam,
        Self::Adamw,
        Self::Mean,
        Self::Sum,
        Self::Single,
        Self::AdamMean,
        Self::Imported,
        Self::Signed,
        Self::Sidecar,
    ];

    /// What the step is computed from.
    pub(crate) fn input(self) -> TopologyInput {
        let shape =
            |sizes, hidden_by, output_by, biases_learn| Shape { sizes, hidden_by, output_by, biases_learn };
        match self {
            Self::Mazur => Seed::Mazur.input(),
            Self::Xor => Seed::Xor.input(),
            Self::Softmax => Seed::SoftmaxCe.input(),
            Self::PerNeuron => shape([2, 2, 1], "sigmoid", "sigmoid", true).input(
                0.5,
                &[1.0, 0.25],
                &[1.0],
                &[0.1, 0.15, -0.2, 0.25, 0.3, -0.35, 0.05, -0.15, 0.2],
            ),
            Self::Relu => shape([2, 2, 1], "relu", "identity", false).input(
                0.1,
                &[1.0, -0.5],
                &[0.75],
                &[0.5, 0.25, -0.75, 0.5, 0.4, -0.6, 0.125, 0.1],
            ),
            Self::OneUnit
            | Self::Decay
            | Self::Momentum
            | Self::MomentumDecay
            | Self::Nesterov
            | Self::Dampening
            | Self::Adam
            | Self::Adamw
            | Self::Mean
            | Self::Sum
            | Self::Single
            | Self::AdamMean => shape([1, 1, 1], "identity", "identity", false).input(
                0.1,
                &[2.0],
                &[1.0],
                &[3.0, 0.5, 1.0, -1.0],
            ),
            Self::Imported | Self::Signed | Self::Sidecar => SOFTMAX.input(
                0.2,
                &[1.0, 0.5],
                &[0.0, 1.0, 0.0],
                &[0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.1, 0.2, -0.3, 0.4, 0.05, -0.05, 0.1, 0.0, -0.1],
            ),
        }
    }

    /// The same with its optimizer and batch.
    pub(crate) fn request(self) -> Request {
        let input = self.input();
        let buffers = |place: usize| Some(OptimizerState::Momentum { buffer: [0.5, -1.0][place] });
        let moments = |place: usize| {
            Some([OptimizerState::Adam { m: -0.2, v: 0.01 }, OptimizerState::Adam { m: 0.5, v: 0.04 }][place])
        };
        let momentum = |more: &[(&str, Value)]| {
            let mut config = json!({ "name": "sgd_momentum", "momentum": 0.9 });
            for (key, value) in more {
                config[*key] = value.clone();
            }
            config
        };
        match self {
            Self::Decay => nets::optimized(input, &json!({ "name": "sgd", "weight_decay": 0.1 }), |_| None),
            Self::Momentum => nets::optimized(input, &momentum(&[]), buffers),
            Self::MomentumDecay => {
                nets::optimized(input, &momentum(&[("weight_decay", json!(0.1))]), buffers)
            }
            Self::Nesterov => nets::optimized(input, &momentum(&[("nesterov", json!(true))]), buffers),
            Self::Dampening => nets::optimized(input, &momentum(&[("dampening", json!(0.1))]), buffers),
            Self::Adam => nets::optimized(input, &adam("adam", 3), moments),
            Self::Adamw => nets::optimized(input, &adam("adamw", 3), moments),
            Self::Mean => nets::batched(input.into(), "mean", &OTHERS),
            Self::Sum => nets::batched(input.into(), "sum", &OTHERS),
            Self::Single => nets::batched(input.into(), "none", &[]),
            Self::AdamMean => {
                nets::batched(nets::optimized(input, &adam("adam", 3), moments), "mean", &OTHERS)
            }
            _ => input.into(),
        }
    }

    /// The record as JSON.
    pub(crate) fn record(self) -> Value {
        let sidecar = || nets::sidecar(&SOFTMAX, &nets::receipt(&self.input()));
        let bytes = match self {
            Self::Sidecar => return sidecar(),
            Self::Imported => nets::import(&sidecar()).imported.unwrap(),
            Self::Signed => {
                let mut record = Self::Imported.record();
                sign(&mut record);
                return record;
            }
            _ => nets::request_bytes(&self.request()).unwrap(),
        };
        bp::json::parse(&bytes).unwrap()
    }

    /// The honest record, judged.
    pub(crate) fn judged(self) -> Verified<'static> {
        let record = self.record();
        match self {
            Self::Sidecar => nets::import(&record),
            _ => verify::receipt(&written(&record)).detached(),
        }
    }
}

/// The canonical bytes where they say all that the record says, else plain JSON on one line.
pub(crate) fn written(record: &Value) -> Vec<u8> {
    let plain = format!("{record}\n").into_bytes();
    let wire = read::wire(&plain).ok().and_then(|read| read.record.ok());
    let text = wire.and_then(|wire| canonical::emit(&wire).ok());
    match text {
        Some(text) if bp::json::parse(text.as_bytes()).as_ref() == Ok(record) => text.into_bytes(),
        _ => plain,
    }
}

/// Puts the record's digest over itself in its place.
pub(crate) fn sign(record: &mut Value) {
    let attestor = record["attestor"].as_object_mut().unwrap();
    attestor.remove("signed_subject_digest");
    let digest = Digest::of(&written(record)).prefixed();
    record["attestor"]["signed_subject_digest"] = digest.into();
}

impl Bad {
    /// The file's name and its bytes.
    pub(crate) fn record(&self) -> (&'static str, Vec<u8>) {
        match self.made {
            Made::Record(base, edit) => {
                let mut record = base.record();
                edit(&mut record);
                match base {
                    Base::Sidecar => ("sidecar.jsonl", format!("{record}\n").into_bytes()),
                    _ => ("receipt.jsonl", written(&record)),
                }
            }
            Made::Bent(steps, bend) => ("trace.jsonl", lines(&steps.records(bend))),
            Made::Trace(steps, edit) => {
                let mut records = steps.records(|_, _| {});
                edit(&mut records);
                ("trace.jsonl", lines(&records))
            }
        }
    }
}

fn split(at: &str) -> (&str, &str) {
    at.rsplit_once('/').expect("a place within the record")
}

fn within<'a>(record: &'a mut Value, at: &str) -> &'a mut Value {
    record.pointer_mut(at).unwrap_or_else(|| panic!("{at} stands in the record"))
}

fn members<'a>(record: &'a mut Value, at: &str) -> &'a mut Map<String, Value> {
    within(record, at).as_object_mut().unwrap()
}

/// Puts a value in a place, new or not.
pub(crate) fn set(record: &mut Value, at: &str, value: Value) {
    let (parent, key) = split(at);
    match within(record, parent) {
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{parent} holds no {key}"),
    }
}

/// Takes a place away.
pub(crate) fn remove(record: &mut Value, at: &str) {
    let (parent, key) = split(at);
    match within(record, parent) {
        Value::Object(members) => drop(members.shift_remove(key).unwrap()),
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        _ => panic!("{parent} holds no {key}"),
    }
}

/// Puts a copy of one place in another.
pub(crate) fn copy(record: &mut Value, from: &str, to: &str) {
    let value = within(record, from).clone();
    set(record, to, value);
}

fn swap(record: &mut Value, one: &str, other: &str) {
    let first = within(record, one).clone();
    copy(record, other, one);
    set(record, other, first);
}

/// A second copy of an array's element at its end.
fn repeat(record: &mut Value, at: &str) {
    let element = within(record, at).clone();
    within(record, split(at).0).as_array_mut().unwrap().push(element);
}

/// A number times a factor, to nine digits.
fn times(record: &mut Value, at: &str, factor: f64) {
    let number = within(record, at).as_f64().unwrap();
    set(record, at, json!(nets::nine_digits(number * factor)));
}

/// Another name for a member.
fn rename(record: &mut Value, at: &str, name: &str) {
    let (parent, key) = split(at);
    let old = std::mem::take(members(record, parent));
    let renamed = |(member, value)| if member == *key { (name.to_owned(), value) } else { (member, value) };
    *members(record, parent) = old.into_iter().map(renamed).collect();
}

/// Follows a forged update of the 1-1-1 identity net through everything after it, so that only the update is wrong.
fn settle(record: &mut Value) {
    let number = |record: &Value, at: &str| record.pointer(at).and_then(Value::as_f64).unwrap();
    for (place, name) in ["w_x1_h1", "w_h1_y1"].into_iter().enumerate() {
        let before = number(record, &format!("/updates/{place}/weight_before"));
        let after = before + number(record, &format!("/updates/{place}/update"));
        set(record, &format!("/updates/{place}/weight_after"), json!(nets::nine_digits(after)));
        set(record, &format!("/parameters_after/{name}"), json!(nets::nine_digits(after)));
    }
    let after = |record: &Value, name: &str| number(record, &format!("/parameters_after/{name}"));
    let h = number(record, "/inputs/x1") * after(record, "w_x1_h1") + after(record, "b_hidden");
    let y = h * after(record, "w_h1_y1") + after(record, "b_output");
    let difference = number(record, "/targets/y1") - y;
    let loss = difference * difference / 2.0;
    for (at, value) in [
        ("/post_update_forward/h1/net", h),
        ("/post_update_forward/h1/out", h),
        ("/post_update_forward/y1/net", y),
        ("/post_update_forward/y1/out", y),
        ("/post_update_loss/per_output/y1", loss),
        ("/post_update_loss/total", loss),
    ] {
        set(record, at, json!(nets::nine_digits(value)));
    }
}

/// Puts what the engine computes from a request in its places in the receipt of a step by plain SGD with a softmax and
/// shared biases.
fn recomputed(record: &mut Value, request: &Request) {
    let net = author::resolved(&request.input.topology).unwrap();
    let step = engine::step(&net, &request.given(&net).unwrap()).unwrap();
    let mut put = |at: &str, value: f64| set(record, at, json!(nets::nine_digits(value)));
    let mut pass = |block: &str, loss: &str, units: &engine::Forward<f64>, losses: &engine::Loss<f64>| {
        for (name, cell) in net.computed_units().zip(&units.cells) {
            put(&format!("/{block}/{name}/net"), cell.net);
            put(&format!("/{block}/{name}/out"), cell.out);
        }
        for (name, value) in net.outputs.iter().zip(&losses.per_output) {
            put(&format!("/{loss}/per_output/{name}"), *value);
        }
        put(&format!("/{loss}/total"), losses.total);
    };
    pass("forward", "loss", &step.passes[0].forward, &step.loss);
    pass("post_update_forward", "post_update_loss", &step.post_forward, &step.post_loss);
    for (name, error) in net.outputs.iter().zip(&step.passes[0].output_errors) {
        let at = format!("/backward/output_error_signals/{name}");
        put(&format!("{at}/factors/0/value"), error.factors().next().unwrap());
        put(&format!("{at}/signal_value"), error.signal);
        let dual = error.dual.as_ref().unwrap();
        for (place, term) in dual.terms.iter().enumerate() {
            let at = format!("{at}/dual_form/jacobian_terms/{place}");
            put(&format!("{at}/factors/0/value"), term.target);
            put(&format!("{at}/factors/1/value"), term.delta);
            put(&format!("{at}/term_value"), term.term);
        }
        put(&format!("{at}/dual_form/summed_value"), dual.sum);
    }
    for (hidden, (name, error)) in net.hidden.iter().zip(&step.passes[0].hidden_errors).enumerate() {
        let at = format!("/backward/hidden_error_signals/{name}");
        for (place, value) in step.passes[0].contributions(hidden).iter().enumerate() {
            let at = format!("{at}/downstream_contributions/{place}");
            put(&format!("{at}/downstream_signal"), step.passes[0].output_errors[place].signal);
            put(&format!("{at}/value"), *value);
        }
        put(&format!("{at}/backpropagated_sum"), error.sum);
        put(&format!("{at}/activation_derivative"), error.derivative);
        put(&format!("{at}/signal_value"), error.signal);
    }
    let learned =
        step.changes.iter().enumerate().filter_map(|(index, change)| Some((index, change.as_ref()?)));
    for (place, (parameter, change)) in learned.enumerate() {
        let at = format!("/updates/{place}");
        let signal = match net.places[parameter] {
            Place::HiddenWeight { hidden, .. } => step.passes[0].hidden_errors[hidden].signal,
            Place::OutputWeight { output, .. } => step.passes[0].output_errors[output].signal,
            place => panic!("{place:?} does not learn here"),
        };
        put(&format!("{at}/optimizer/factors/0/value"), signal);
        put(&format!("{at}/gradient"), change.gradient);
        put(&format!("{at}/update"), change.update);
        put(&format!("{at}/weight_after"), change.after);
    }
    for (name, value) in net.parameters.iter().zip(&step.after) {
        put(&format!("/parameters_after/{name}"), *value);
    }
}

/// Another update of the 1-1-1 identity net, from both moments after the step and what corrects them.
fn forge_update(record: &mut Value, update: fn(f64, f64, f64) -> f64) {
    for place in 0..2 {
        let number =
            |at: &str| record.pointer(&format!("/updates/{place}/{at}")).and_then(Value::as_f64).unwrap();
        let (m, v) = (number("optimizer/state_after/m"), number("optimizer/state_after/v"));
        let forged = update(m / (1.0 - 0.9 * 0.9 * 0.9), v / (1.0 - 0.999 * 0.999 * 0.999), m / v.sqrt());
        set(record, &format!("/updates/{place}/update"), json!(nets::nine_digits(0.1 * forged)));
    }
    settle(record);
}

const fn bad(name: &'static str, base: Base, edit: fn(&mut Value)) -> Bad {
    Bad { name, made: Made::Record(base, edit) }
}

const fn bent(name: &'static str, steps: Steps, bend: fn(usize, &mut Request)) -> Bad {
    Bad { name, made: Made::Bent(steps, bend) }
}

const fn edited(name: &'static str, steps: Steps, edit: fn(&mut Vec<Value>)) -> Bad {
    Bad { name, made: Made::Trace(steps, edit) }
}

/// Every bad record, by rule.
pub(crate) const BAD: &[Bad] = &[
    bad("0-tolerance-of-a-framework-in-an-engine-receipt", Base::Xor, |r| {
        set(r, "/numeric_policy/tolerance", json!({ "atol": 1e-6, "rtol": 1e-4 }));
    }),
    bad("0-twelve-digits-declared", Base::Xor, |r| {
        set(r, "/numeric_policy/precision_significant_digits", json!(12));
    }),
    bad("0-layout-stated-in-part", Base::Xor, |r| remove(r, "/numeric_policy/byte_output/indent")),
    bad("0-layout-without-an-order-of-computation", Base::Xor, |r| {
        remove(r, "/numeric_policy/computation_order");
    }),
    bad("0-layout-without-its-bytes", Base::Xor, |r| remove(r, "/numeric_policy/byte_output")),
    bad("0-step-number-of-another-place-in-the-trace", Base::Xor, |r| {
        set(r, "/trace_id", json!("0123456789abcdef0123456789abcdef"));
        set(r, "/step_index", json!(4));
    }),
    bad("0-learning-rate-of-another-optimizer-block", Base::Xor, |r| {
        set(r, "/schema_version", json!("0.5.0"));
        set(r, "/optimizer_config", json!({ "name": "sgd", "learning_rate": 0.1 }));
    }),
    bad("0-biases-updated-under-a-constant-policy", Base::Xor, |r| {
        set(r, "/bias_policy/updated_in_step", json!(true));
    }),
    bad("0-bias-update-under-a-constant-policy", Base::Xor, |r| {
        set(r, "/updates/0/kind", json!("bias"));
    }),
    bad("0-constant-bias-moved", Base::Xor, |r| set(r, "/parameters_after/b_hidden", json!(0.1001))),
    bad("0-shared-biases-said-to-learn", Base::Xor, |r| {
        set(r, "/bias_policy/mode", json!("sgd"));
        set(r, "/bias_policy/updated_in_step", json!(true));
    }),
    bad("0-bias-that-learns-without-an-update", Base::PerNeuron, |r| remove(r, "/updates/8")),
    bad("0-shared-bias-leaves-out-a-unit", Base::Xor, |r| {
        remove(r, "/topology/parameters/6/applies_to_units/1");
    }),
    bad("0-own-bias-of-two-units", Base::PerNeuron, |r| {
        set(r, "/topology/parameters/6/applies_to_units", json!(["h1", "h2"]));
    }),
    bad("0-bias-updated-as-a-weight", Base::PerNeuron, |r| set(r, "/updates/8/kind", json!("weight"))),
    bad("0-weight-updated-as-a-bias", Base::PerNeuron, |r| set(r, "/updates/0/kind", json!("bias"))),
    bad("0-size-of-a-wider-layer", Base::Xor, |r| set(r, "/topology/hidden_size", json!(3))),
    bad("0-layers-in-another-order", Base::Xor, |r| swap(r, "/topology/layers/0", "/topology/layers/2")),
    bad("0-unit-named-twice", Base::Xor, |r| set(r, "/topology/unit_order/hidden/1", json!("x1"))),
    bad("0-weight-listed-twice", Base::Xor, |r| {
        copy(r, "/topology/parameters/0", "/topology/parameters/1");
    }),
    bad("0-parameters-in-another-order", Base::Xor, |r| {
        swap(r, "/topology/parameter_order/0", "/topology/parameter_order/1");
    }),
    bad("0-parameter-without-a-name-in-the-order", Base::Xor, |r| remove(r, "/topology/parameter_order/7")),
    bad("0-weight-skips-a-layer", Base::Xor, |r| set(r, "/topology/parameters/0/to_unit", json!("y"))),
    bad("0-unit-without-a-weight", Base::Xor, |r| {
        remove(r, "/topology/parameter_order/0");
        remove(r, "/topology/parameters/0");
        for map in ["parameters_before", "parameters_after"] {
            remove(r, &format!("/{map}/w_x1_h1"));
        }
        remove(r, "/updates/0");
    }),
    bad("0-unit-without-a-bias", Base::PerNeuron, |r| {
        remove(r, "/topology/parameter_order/8");
        remove(r, "/topology/parameters/8");
    }),
    bad("0-two-weights-on-one-edge", Base::Xor, |r| set(r, "/topology/parameters/1/from_unit", json!("x1"))),
    bad("0-bias-in-another-order-of-units", Base::Xor, |r| {
        swap(r, "/topology/parameters/6/applies_to_units/0", "/topology/parameters/6/applies_to_units/1");
    }),
    bad("0-two-biases-of-one-unit", Base::PerNeuron, |r| {
        set(r, "/topology/parameters/7/applies_to_units/0", json!("h1"));
    }),
    bad("0-softmax-without-cross-entropy", Base::Softmax, |r| {
        set(r, "/topology/loss", json!("half_squared_error"));
    }),
    bad("0-cross-entropy-without-softmax", Base::Softmax, |r| {
        set(r, "/topology/activation_output", json!("sigmoid"));
    }),
    bad("0-input-of-no-unit", Base::Xor, |r| set(r, "/inputs/x3", json!(0.5))),
    bad("0-target-left-out", Base::Xor, |r| remove(r, "/targets/y")),
    bad("0-parameter-before-under-another-name", Base::Xor, |r| {
        rename(r, "/parameters_before/w_h1_y", "w_h1_y_x");
    }),
    bad("0-update-of-another-edge", Base::Xor, |r| {
        set(r, "/updates/0/layer_edge", json!("hidden_to_output"));
    }),
    bad("0-update-in-another-role", Base::Mazur, |r| {
        set(r, "/updates/0/parameter_role", json!("input_2_to_hidden_1"));
    }),
    bad("0-update-without-its-ends", Base::Xor, |r| {
        remove(r, "/updates/2/from_unit");
        remove(r, "/updates/2/to_unit");
    }),
    bad("0-ends-of-an-update-swapped", Base::Xor, |r| swap(r, "/updates/2/from_unit", "/updates/2/to_unit")),
    bad("0-import-said-to-be-the-engine", Base::Imported, |r| {
        set(r, "/fixture_status/authoring_state", json!("engine_generated"));
    }),
    bad("0-import-without-a-framework", Base::Imported, |r| remove(r, "/source_framework")),
    bad("0-import-without-its-source-bytes", Base::Imported, |r| remove(r, "/attestor/import_provenance")),
    bad("0-import-from-a-format-that-does-not-exist", Base::Imported, |r| {
        set(r, "/attestor/import_provenance/source_format", json!("framework-trace.v9.9.9"));
    }),
    bad("0.8-probability-above-one", Base::Softmax, |r| set(r, "/forward/o1/out", json!(1.25))),
    bad("0.8-probability-below-zero", Base::Softmax, |r| set(r, "/forward/o3/out", json!(-0.25))),
    bad("0.9-unit-left-out", Base::Xor, |r| remove(r, "/forward/h2")),
    bad("0.9-unit-of-no-layer", Base::Xor, |r| copy(r, "/forward/h2", "/forward/h3")),
    bad("1-signal-left-out", Base::Softmax, |r| remove(r, "/backward/output_error_signals/o2")),
    bad("1-factor-under-another-name", Base::Xor, |r| {
        set(r, "/backward/output_error_signals/y/factors/0/name", json!("output_minus_target"));
    }),
    bad("1-factors-in-another-order", Base::Xor, |r| {
        swap(r, "/backward/output_error_signals/y/factors/0", "/backward/output_error_signals/y/factors/1");
    }),
    bad("1-factor-of-one-put-in", Base::Xor, |r| {
        let one = json!({ "name": "scale", "value": 1.0 });
        within(r, "/backward/output_error_signals/y/factors").as_array_mut().unwrap().push(one);
    }),
    bad("1-signal-turned-round", Base::Xor, |r| {
        times(r, "/backward/output_error_signals/y/signal_value", -1.0);
    }),
    bad("1-difference-from-another-target", Base::Mazur, |r| {
        set(r, "/backward/output_error_signals/o1/factors/0/value", json!(0.238_634_929));
    }),
    bad("1-derivative-of-another-output", Base::Mazur, |r| {
        copy(
            r,
            "/backward/output_error_signals/o2/factors/1/value",
            "/backward/output_error_signals/o1/factors/1/value",
        );
    }),
    bad("2-signal-left-out", Base::Xor, |r| remove(r, "/backward/hidden_error_signals/h2")),
    bad("2-contribution-left-out", Base::Mazur, |r| {
        remove(r, "/backward/hidden_error_signals/h1/downstream_contributions/1");
    }),
    bad("2-contributions-in-another-order", Base::Mazur, |r| {
        let at = "/backward/hidden_error_signals/h1/downstream_contributions";
        swap(r, &format!("{at}/0"), &format!("{at}/1"));
    }),
    bad("2-sum-in-another-order", Base::Mazur, |r| {
        let at = "/backward/hidden_error_signals/h1/summation_order";
        swap(r, &format!("{at}/0"), &format!("{at}/1"));
    }),
    bad("2-contribution-through-another-weight", Base::Mazur, |r| {
        set(r, "/backward/hidden_error_signals/h1/downstream_contributions/0/via_weight", json!("w6"));
    }),
    bad("2-contribution-doubled", Base::Mazur, |r| {
        times(r, "/backward/hidden_error_signals/h1/downstream_contributions/0/value", 2.0);
    }),
    bad("2-sum-of-magnitudes", Base::Mazur, |r| {
        set(r, "/backward/hidden_error_signals/h1/backpropagated_sum", json!(0.074_447_000));
    }),
    bad("2-weight-after-the-update", Base::Mazur, |r| {
        copy(
            r,
            "/parameters_after/w5",
            "/backward/hidden_error_signals/h1/downstream_contributions/0/weight_value",
        );
    }),
    bad("2-signal-of-another-output", Base::Mazur, |r| {
        let at = "/backward/hidden_error_signals/h1/downstream_contributions";
        copy(r, &format!("{at}/1/downstream_signal"), &format!("{at}/0/downstream_signal"));
    }),
    bad("3-signal-without-the-derivative", Base::Xor, |r| {
        let at = "/backward/hidden_error_signals/h1";
        copy(r, &format!("{at}/backpropagated_sum"), &format!("{at}/signal_value"));
    }),
    bad("3-derivative-of-another-unit", Base::Xor, |r| {
        let at = "/backward/hidden_error_signals";
        copy(r, &format!("{at}/h2/activation_derivative"), &format!("{at}/h1/activation_derivative"));
    }),
    bad("3-derivative-of-a-unit-that-is-off", Base::Relu, |r| {
        set(r, "/backward/hidden_error_signals/h2/activation_derivative", json!(1.0));
    }),
    bad("4-gradient-of-another-weight", Base::Xor, |r| copy(r, "/updates/2/gradient", "/updates/0/gradient")),
    bad("4-factors-in-another-order", Base::Xor, |r| {
        swap(r, "/updates/0/optimizer/factors/0", "/updates/0/optimizer/factors/1");
    }),
    bad("4-factor-left-out", Base::Xor, |r| remove(r, "/updates/0/optimizer/factors/1")),
    bad("4-factor-under-another-name", Base::Xor, |r| {
        set(r, "/updates/4/optimizer/factors/0/name", json!("hidden_error_signal"));
    }),
    bad("5-learning-rate-of-its-own", Base::Xor, |r| {
        set(r, "/updates/4/optimizer/learning_rate", json!(0.05));
    }),
    bad("5-learning-rate-of-its-own-where-the-gradient-is-zero", Base::Xor, |r| {
        set(r, "/updates/1/optimizer/learning_rate", json!(0.05));
    }),
    bad("5-update-turned-round", Base::Xor, |r| times(r, "/updates/4/update", -1.0)),
    bad("6-weight-teleported-before-its-update", Base::Xor, |r| {
        set(r, "/updates/4/weight_before", json!(5.0));
    }),
    bad("6-weight-teleported-after-its-update", Base::Xor, |r| {
        set(r, "/updates/4/weight_after", json!(5.0));
    }),
    bad("7-weight-left-as-it-was", Base::Xor, |r| {
        copy(r, "/parameters_before/w_h1_y", "/parameters_after/w_h1_y");
    }),
    bad("7-last-digit-of-a-copy", Base::Xor, |r| {
        let after = within(r, "/parameters_after/w_h1_y").as_f64().unwrap();
        set(r, "/parameters_after/w_h1_y", json!(nets::nine_digits(after + 1e-9)));
    }),
    bad("7-parameter-left-out", Base::Xor, |r| remove(r, "/parameters_after/w_h2_y")),
    bad("7-parameter-of-no-place", Base::Xor, |r| set(r, "/parameters_after/w_extra", json!(1.0))),
    bad("8-factor-from-another-unit", Base::Xor, |r| {
        set(r, "/updates/4/optimizer/factors/1/from", json!("forward.h2.out"));
    }),
    bad("8-factor-from-nowhere", Base::Xor, |r| remove(r, "/updates/4/optimizer/factors/1/from")),
    bad("8-factor-from-a-place-of-the-same-value", Base::Xor, |r| {
        set(r, "/updates/0/optimizer/factors/1/from", json!("targets.y"));
    }),
    bad("8-output-factor-from-itself", Base::Xor, |r| {
        let from = "backward.output_error_signals.y.factors[0].value";
        set(r, "/backward/output_error_signals/y/factors/0/from", json!(from));
    }),
    bad("8-sidecar-that-names-no-sources", Base::Sidecar, |r| {
        for update in within(r, "/updates").as_array_mut().unwrap() {
            for factor in update["optimizer"]["factors"].as_array_mut().unwrap() {
                factor.as_object_mut().unwrap().shift_remove("from");
            }
        }
    }),
    bad("8-factor-of-another-value", Base::Xor, |r| {
        copy(r, "/forward/h2/out", "/updates/4/optimizer/factors/1/value");
    }),
    bad("11-probabilities-of-a-sigmoid", Base::Softmax, |r| {
        times(r, "/forward/o1/out", 1.5);
    }),
    bad("12-loss-of-an-output-left-out", Base::Softmax, |r| remove(r, "/loss/per_output/o2")),
    bad("12-loss-of-an-earlier-step", Base::Xor, |r| times(r, "/loss/per_output/y", 1.25)),
    bad("12-reduction-of-no-batch", Base::Imported, |r| set(r, "/loss/reduction", json!("mean"))),
    bad("12-total-is-the-mean", Base::Mazur, |r| times(r, "/loss/total", 0.5)),
    bad("12-targets-are-no-distribution", Base::Softmax, |r| {
        // Everything else is what the engine computes from these targets; no one authors it.
        let mut request = Base::Softmax.request();
        request.input.targets.insert("o2".into(), 0.5);
        set(r, "/targets/o2", json!(0.5));
        recomputed(r, &request);
    }),
    bad("12-sidecar-with-the-loss-of-another-step", Base::Sidecar, |r| {
        // Sum and part agree with each other.
        times(r, "/loss/per_output/y2", 1.25);
        let total = within(r, "/loss/per_output/y2").clone();
        set(r, "/loss/total", total);
    }),
    bad("12-targets-changed-after-the-step", Base::OneUnit, |r| set(r, "/targets/y1", json!(0.5))),
    bad("13-dual-forms-left-out", Base::Softmax, |r| {
        for unit in ["o1", "o2", "o3"] {
            remove(r, &format!("/backward/output_error_signals/{unit}/dual_form"));
        }
    }),
    bad("13-dual-form-at-a-sigmoid", Base::Xor, |r| {
        set(r, "/schema_version", json!("0.3.0"));
        let dual = Base::Softmax.record()["backward"]["output_error_signals"]["o1"]["dual_form"].clone();
        set(r, "/backward/output_error_signals/y/dual_form", dual);
    }),
    bad("13-terms-in-another-order", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/jacobian_terms";
        swap(r, &format!("{at}/0"), &format!("{at}/1"));
    }),
    bad("13-sum-in-another-order", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/summation_order";
        swap(r, &format!("{at}/0"), &format!("{at}/1"));
    }),
    bad("13-term-left-out", Base::Softmax, |r| {
        remove(r, "/backward/output_error_signals/o1/dual_form/jacobian_terms/2");
    }),
    bad("13-factor-under-another-name", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/jacobian_terms/0/factors/1/name";
        set(r, at, json!("delta_ju_plus_p_u"));
    }),
    bad("13-factor-from-another-target", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/jacobian_terms/1/factors/0/from";
        set(r, at, json!("targets.o3"));
    }),
    bad("13-factor-of-another-target", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/jacobian_terms/1";
        set(r, &format!("{at}/factors/0/value"), json!(1.0));
        copy(r, &format!("{at}/factors/1/value"), &format!("{at}/term_value"));
    }),
    bad("13-jacobian-of-another-output", Base::Softmax, |r| {
        let at = "/backward/output_error_signals/o1/dual_form/jacobian_terms/1/factors/1/value";
        copy(r, "/backward/output_error_signals/o1/dual_form/jacobian_terms/0/factors/1/value", at);
    }),
    bad("13-term-is-not-its-product", Base::Softmax, |r| {
        times(r, "/backward/output_error_signals/o1/dual_form/jacobian_terms/0/term_value", 2.0);
    }),
    bad("13-sum-of-another-signal", Base::Softmax, |r| {
        copy(
            r,
            "/backward/output_error_signals/o2/dual_form/summed_value",
            "/backward/output_error_signals/o1/dual_form/summed_value",
        );
    }),
    bad("14-weighted-input-of-another-unit", Base::Xor, |r| copy(r, "/forward/h1/net", "/forward/h2/net")),
    bad("14-input-changed-after-the-step", Base::OneUnit, |r| set(r, "/inputs/x1", json!(2.5))),
    bad("14-total-of-a-consistent-forged-loss", Base::Xor, |r| {
        times(r, "/loss/per_output/y", 1.25);
        times(r, "/loss/total", 1.25);
    }),
    bad("14-update-listed-twice", Base::Xor, |r| repeat(r, "/updates/0")),
    bad("14-update-left-out", Base::Xor, |r| remove(r, "/updates/4")),
    bad("14-updates-in-another-order", Base::Xor, |r| swap(r, "/updates/0", "/updates/1")),
    bad("14-update-of-no-parameter", Base::Xor, |r| set(r, "/updates/0/parameter_id", json!("w_extra"))),
    bad("14-hidden-signal-forged-with-all-that-follows", Base::OneUnit, |r| {
        // Everything after the derivative is recomputed from it: the numbers agree with each other and not with x, w.
        set(r, "/backward/hidden_error_signals/h1/activation_derivative", json!(2.0));
        set(r, "/backward/hidden_error_signals/h1/signal_value", json!(-1.5));
        set(r, "/updates/0/optimizer/factors/0/value", json!(-1.5));
        set(r, "/updates/0/gradient", json!(-3.0));
        set(r, "/updates/0/update", json!(-0.3));
        set(r, "/updates/0/weight_after", json!(2.7));
        set(r, "/parameters_after/w_x1_h1", json!(2.7));
    }),
    bad("14-pass-after-the-update-left-out", Base::Xor, |r| {
        remove(r, "/post_update_forward");
        remove(r, "/post_update_loss");
    }),
    bad("14-pass-after-the-update-pending-and-filled", Base::Xor, |r| {
        set(r, "/post_update_forward/status", json!("pending_engine_first_run"));
        set(r, "/post_update_loss/status", json!("pending_engine_first_run"));
    }),
    bad("14-unit-left-out-after-the-update", Base::Xor, |r| remove(r, "/post_update_forward/h1")),
    bad("14-loss-before-the-update-told-as-after", Base::Xor, |r| {
        copy(r, "/loss/total", "/post_update_loss/total");
    }),
    bad("14-total-after-the-update-left-out", Base::Xor, |r| remove(r, "/post_update_loss/total")),
    bad("14-sidecar-with-half-of-the-pass-after-the-update", Base::Sidecar, |r| {
        let post = Base::Imported.record()["post_update_loss"].clone();
        set(r, "/post_update_loss", post);
    }),
    bad("14-framework-off-by-more-than-it-declares", Base::Sidecar, |r| times(r, "/forward/h1/net", 1.001)),
    bad("15-record-that-disowns-itself", Base::Xor, |r| {
        set(r, "/fixture_status/authoring_state", json!("deliberately_corrupted"));
    }),
    bad("15-reproduced-byte-for-byte-and-not-canonical", Base::Xor, |r| {
        set(r, "/fixture_status/canonical", json!(false));
    }),
    bad("15-import-that-disagreed", Base::Imported, |r| {
        set(r, "/fixture_status/verification_state", json!("engine_recompute_disagreed"));
    }),
    bad("15-recomputation-skipped-for-no-reason", Base::Imported, |r| {
        set(r, "/fixture_status/verification_state", json!("engine_recompute_skipped_with_basis"));
    }),
    bad("15-recomputation-skipped-for-a-reason", Base::Imported, |r| {
        set(r, "/fixture_status/verification_state", json!("engine_recompute_skipped_with_basis"));
        set(r, "/attestor/skip_basis", json!("hardware_nondeterminism"));
    }),
    bad("15-reason-for-a-skip-that-was-none", Base::Imported, |r| {
        set(r, "/attestor/skip_basis", json!("hardware_nondeterminism"));
    }),
    bad("16-digest-of-another-record", Base::Signed, |r| {
        set(r, "/attestor/verified_by/identity", json!("someone-else@1.0.0"));
    }),
    bad("16-note-added-around-the-digest", Base::Signed, |r| {
        set(r, "/metadata/reviewed_by", json!("nobody"));
    }),
    bad("5-decay-said-and-not-done", Base::OneUnit, |r| {
        set(r, "/schema_version", json!("0.8.0"));
        set(r, "/optimizer_config", json!({ "name": "sgd", "learning_rate": 0.1, "weight_decay": 0.1 }));
    }),
    bad("5-decay-done-and-not-said", Base::Decay, |r| remove(r, "/optimizer_config")),
    bad("6-decay-of-another-adamw", Base::Adamw, |r| {
        set(r, "/optimizer_config/weight_decay", json!(0.02));
    }),
    bad("14-unit-of-a-sample-left-out", Base::Mean, |r| remove(r, "/per_sample/s2/forward/h1")),
    bad("14-input-of-a-sample-changed-after-the-step", Base::Sum, |r| {
        set(r, "/per_sample/s2/inputs/x1", json!(1.5));
    }),
    bad("14-sample-passed-through-other-weights", Base::Mean, |r| {
        copy(r, "/post_update_forward/h1/net", "/per_sample/s3/forward/h1/net");
    }),
    bad("14-gradient-of-the-first-sample-told-as-the-batch-s", Base::Mean, |r| {
        for (place, gradient) in [(0, -1.5), (1, -10.5)] {
            set(r, &format!("/updates/{place}/optimizer/factors/0/value"), json!(gradient));
            set(r, &format!("/updates/{place}/gradient"), json!(gradient));
            set(r, &format!("/updates/{place}/update"), json!(0.1 * gradient));
        }
        settle(r);
    }),
    bad("18-sum-told-as-the-mean", Base::Mean, |r| {
        times(r, "/loss/total", 3.0);
        times(r, "/loss/per_output/y1", 3.0);
    }),
    bad("18-loss-of-a-sample-left-out", Base::Sum, |r| {
        copy(r, "/per_sample/s1/loss/total", "/loss/total");
    }),
    bad("18-losses-of-two-samples-exchanged", Base::Mean, |r| {
        swap(r, "/loss/per_sample/s1", "/loss/per_sample/s2");
    }),
    bad("19-size-of-a-bigger-batch", Base::Mean, |r| set(r, "/batch/size", json!(4))),
    bad("19-sample-named-twice", Base::Mean, |r| copy(r, "/batch/sample_order/1", "/batch/sample_order/2")),
    bad("19-sample-left-out-of-the-batch", Base::Mean, |r| {
        remove(r, "/batch/sample_order/2");
        set(r, "/batch/size", json!(2));
    }),
    bad("19-sample-without-a-loss", Base::Mean, |r| remove(r, "/loss/per_sample/s2")),
    bad("19-samples-left-out", Base::Mean, |r| {
        remove(r, "/per_sample");
        remove(r, "/loss/per_sample");
    }),
    bad("19-samples-of-no-batch", Base::Single, |r| remove(r, "/batch")),
    bad("19-sum-told-under-the-mean", Base::Mean, |r| set(r, "/loss/reduction", json!("sum"))),
    bad("19-batch-of-three-not-reduced", Base::Mean, |r| {
        set(r, "/batch/reduction", json!("none"));
        set(r, "/loss/reduction", json!("none"));
    }),
    bad("19-input-of-another-sample-at-the-top", Base::Mean, |r| {
        copy(r, "/per_sample/s2/inputs/x1", "/inputs/x1");
    }),
    bad("19-samples-in-another-order", Base::Mean, |r| {
        swap(r, "/batch/sample_order/0", "/batch/sample_order/1");
    }),
    bad("20-configuration-left-out", Base::Adam, |r| remove(r, "/optimizer_config")),
    bad("20-momentum-in-adam", Base::Adam, |r| {
        set(r, "/schema_version", json!("0.6.0"));
        set(r, "/optimizer_config/momentum", json!(0.9));
    }),
    bad("20-update-by-another-optimizer", Base::Adam, |r| {
        set(r, "/updates/0/optimizer/name", json!("adamw"));
    }),
    bad("20-buffer-where-moments-belong", Base::Adam, |r| {
        set(r, "/schema_version", json!("0.6.0"));
        set(r, "/updates/0/optimizer/state_before", json!({ "buffer": 0.5 }));
    }),
    bad("20-buffer-of-plain-sgd", Base::Decay, |r| {
        set(r, "/updates/0/optimizer/state_after", json!({ "buffer": 0.5 }));
    }),
    bad("20-stateless-update-under-momentum", Base::Momentum, |r| {
        set(r, "/updates/1/optimizer/name", json!("sgd"));
        remove(r, "/updates/1/optimizer/state_before");
        remove(r, "/updates/1/optimizer/state_after");
    }),
    bad("21-buffer-left-as-it-was", Base::Momentum, |r| {
        copy(r, "/updates/0/optimizer/state_before/buffer", "/updates/0/optimizer/state_after/buffer");
    }),
    bad("21-dampening-ignored", Base::Momentum, |r| {
        set(r, "/schema_version", json!("0.7.0"));
        set(r, "/optimizer_config/dampening", json!(0.1));
    }),
    bad("21-look-ahead-said-and-not-done", Base::Momentum, |r| {
        set(r, "/schema_version", json!("0.7.0"));
        set(r, "/optimizer_config/nesterov", json!(true));
    }),
    bad("21-look-ahead-done-and-not-said", Base::Nesterov, |r| remove(r, "/optimizer_config/nesterov")),
    bad("21-decay-ignored", Base::Momentum, |r| {
        set(r, "/schema_version", json!("0.8.0"));
        set(r, "/optimizer_config/weight_decay", json!(0.1));
    }),
    bad("21-decay-of-the-other-sign", Base::MomentumDecay, |r| {
        // b' = 0.9 * 0.5 + (-1.5 + 0.1 * 3), and for v 0.9 * -1 + (-10.5 + 0.1 * 0.5).
        for (place, buffer) in [(0, -0.75), (1, -11.35)] {
            set(r, &format!("/updates/{place}/optimizer/state_after/buffer"), json!(buffer));
            set(r, &format!("/updates/{place}/update"), json!(nets::nine_digits(0.1 * buffer)));
        }
        settle(r);
    }),
    bad("21-update-of-the-gradient-alone", Base::Momentum, |r| {
        for (place, gradient) in [(0, -1.5), (1, -10.5)] {
            set(r, &format!("/updates/{place}/update"), json!(nets::nine_digits(0.1 * gradient)));
        }
        settle(r);
    }),
    bad("22-betas-swapped", Base::Adam, |r| swap(r, "/optimizer_config/beta1", "/optimizer_config/beta2")),
    bad("22-first-moment-left-as-it-was", Base::Adam, |r| {
        copy(r, "/updates/0/optimizer/state_before/m", "/updates/0/optimizer/state_after/m");
    }),
    bad("22-second-moment-of-the-gradient-not-squared", Base::Adam, |r| {
        // 0.999 * 0.01 + 0.001 * 1.5
        set(r, "/updates/0/optimizer/state_after/v", json!(0.01149));
    }),
    bad("22-second-moment-of-each-sample-s-gradient", Base::AdamMean, |r| {
        // Gradients of v: -10.5, 4 and -0.75; 0.999 * 0.04 + 0.001 * (110.25 + 16 + 0.5625) / 3.
        set(r, "/updates/1/optimizer/state_after/v", json!(0.082_230_833_3));
    }),
    bad("23-time-step-counted-from-zero", Base::Adam, |r| {
        set(r, "/trace_id", json!(nets::TRACE_ID));
        set(r, "/step_index", json!(3));
        set(r, "/step", json!(4));
    }),
    bad("23-beta-of-one", Base::Adam, |r| set(r, "/optimizer_config/beta1", json!(1.0))),
    bad("24-epsilon-inside-sqrt", Base::Adam, |r| forge_update(r, |m, v, _| m / (v + 0.001).sqrt())),
    bad("24-epsilon-left-out", Base::Adam, |r| forge_update(r, |m, v, _| m / v.sqrt())),
    bad("24-moments-not-corrected", Base::Adam, |r| forge_update(r, |_, _, plain| plain)),
    bad("24-step-up-the-hill", Base::Adam, |r| forge_update(r, |m, v, _| -m / (v.sqrt() + 0.001))),
    bad("24-time-step-of-another-step", Base::Adam, |r| set(r, "/optimizer_config/t", json!(4))),
    bent("9-weight-teleported-between-steps", Steps::Sgd, |index, request| {
        if index == 1 {
            request.input.parameters_before.insert("w_x1_h1".into(), 2.9);
        }
    }),
    bent("9-last-digit-between-steps", Steps::Sgd, |index, request| {
        if index == 1 {
            request.input.parameters_before.insert("w_x1_h1".into(), 2.850_000_01);
        }
    }),
    bent("9-net-of-other-parameters-between-steps", Steps::Sgd, |index, request| {
        if index == 2 {
            let shape =
                Shape { sizes: [1, 1, 1], hidden_by: "identity", output_by: "identity", biases_learn: true };
            let before: Vec<f64> = request.input.parameters_before.values().copied().collect();
            let input = shape.input(0.1, &[2.0], &[1.0], &before);
            *request = Request::from(TopologyInput {
                trace_id: request.input.trace_id.clone(),
                step_index: request.input.step_index,
                ..input
            });
        }
    }),
    edited("9-first-two-steps-forgotten", Steps::Sgd, |records| {
        // The counters are put right; the parameters are those of the third step.
        let first = Steps::Sgd.records(|_, _| {}).remove(0);
        records.drain(..2);
        for at in ["/step", "/step_index"] {
            let second = first.pointer(at).and_then(Value::as_u64).unwrap() + 1;
            set(&mut records[0], at, json!(second));
        }
        records.insert(0, first);
    }),
    edited("10-step-left-out", Steps::Sgd, |records| drop(records.remove(1))),
    edited("10-steps-in-another-order", Steps::Sgd, |records| records.swap(1, 2)),
    edited("10-step-told-twice", Steps::Sgd, |records| records.insert(1, records[0].clone())),
    bent("10-step-of-another-trace", Steps::Sgd, |index, request| {
        if index == 1 {
            request.input.trace_id = Some("fedcba9876543210fedcba9876543210".into());
        } else {
            request.input.trace_id = Some(nets::TRACE_ID.into());
        }
    }),
    bent("10-activation-of-another-net-between-steps", Steps::Sgd, |index, request| {
        if index == 2 {
            request.input.topology.activation_hidden = Some(Activation::Sigmoid);
        }
    }),
    edited("10-steps-of-no-trace", Steps::Sgd, |records| {
        for record in records {
            remove(record, "/trace_id");
            remove(record, "/step_index");
        }
    }),
    edited("14-invented-update-in-a-trace", Steps::Momentum, |records| {
        times(&mut records[1], "/updates/0/gradient", 1.001);
    }),
    edited("14-pass-after-the-update-edited-in-a-trace", Steps::Sgd, |records| {
        times(&mut records[1], "/post_update_forward/h1/net", 1.001);
    }),
    edited("17-record-edited-under-the-digest", Steps::Imported, |records| {
        set(&mut records[1], "/attestor/verified_by/identity", json!("someone-else@1.0.0"));
    }),
    edited("17-last-record-cut-off", Steps::Imported, |records| drop(records.pop())),
    edited("17-digest-left-out", Steps::Imported, |records| {
        for record in records {
            remove(record, "/attestor/bundle_root_digest");
        }
    }),
    edited("17-import-slipped-into-a-trace-of-the-engine", Steps::Sgd, |records| {
        let import = Base::Imported.record();
        for block in ["source_framework", "attestor"] {
            records[1][block] = import[block].clone();
        }
        set(&mut records[1], "/schema_version", json!("0.4.0"));
        set(&mut records[1], "/fixture_status", import["fixture_status"].clone());
    }),
    edited("17-digest-left-out-of-one-record", Steps::Imported, |records| {
        remove(&mut records[2], "/attestor/bundle_root_digest");
    }),
    edited("17-note-added-around-the-digest", Steps::Imported, |records| {
        set(&mut records[1], "/metadata/reviewed_by", json!("nobody"));
    }),
    bent("25-moment-of-two-steps-ago", Steps::Adam, |index, request| {
        // The second step leaves what the third should start from; the first step began with zeros.
        if index == 2 {
            request.states.insert("w_x1_h1".into(), OptimizerState::Adam { m: 0.0, v: 0.0 });
        }
    }),
    bent("25-moments-forgotten-between-steps", Steps::Batch, |index, request| {
        if index == 1 {
            request.states.values_mut().for_each(|state| *state = OptimizerState::Adam { m: 0.0, v: 0.0 });
        }
    }),
    bent("25-buffer-forgotten-between-steps", Steps::Momentum, |index, request| {
        if index == 1 {
            request.states.values_mut().for_each(|state| *state = OptimizerState::Momentum { buffer: 0.0 });
        }
    }),
    bent("25-time-step-stands-still", Steps::Adam, |index, request| {
        if index == 2 {
            request.optimizer.as_mut().unwrap().t = Some(2);
        }
    }),
    bent("26-optimizer-left-off-in-the-middle", Steps::Momentum, |index, request| {
        if index == 2 {
            request.optimizer = None;
            request.states = bp::receipt::wire::Ordered::default();
        }
    }),
    bent("26-optimizer-taken-up-in-the-middle", Steps::Sgd, |index, request| {
        if index == 1 {
            let input = request.input.clone();
            let config = json!({ "name": "sgd", "weight_decay": 0.1 });
            *request = nets::optimized(input, &config, |_| None);
        }
    }),
    bent("26-adam-becomes-adamw", Steps::Adam, |index, request| {
        if index == 2 {
            let config = request.optimizer.as_mut().unwrap();
            config.name = Optimizer::Adamw;
            config.weight_decay = Some(0.01);
        }
    }),
    bent("26-momentum-raised-between-steps", Steps::Momentum, |index, request| {
        if index == 2 {
            request.optimizer.as_mut().unwrap().momentum = Some(0.95);
        }
    }),
    bent("26-look-ahead-from-the-second-step-on", Steps::Momentum, |index, request| {
        if index == 1 {
            request.optimizer.as_mut().unwrap().nesterov = Some(true);
        }
    }),
];
