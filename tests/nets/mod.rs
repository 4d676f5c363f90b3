//! Small nets, the receipts and sidecars of their steps, and what a judgement of those found.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
#![allow(dead_code, reason = "each test takes what it needs")]

use bp::author::{self, Request, Values};
use bp::import::{Framework, Options};
use bp::receipt::canonical::{self, EmitError};
use bp::receipt::id::ParamId;
use bp::receipt::wire;
use bp::receipt::wire::{
    Batch, BiasMode, Factor, Loss, OptimizerConfig, OptimizerState, Ordered, Receipt, Role, TopologyInput,
    Unit,
};
use bp::reconcile::finding::Finding;
use bp::reconcile::rule::Verdict;
use bp::verify::stream::{self, Trace, Tracing};
use bp::verify::{self, Found, Section, Verified, read};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// Sizes, activations and biases of a net; a softmax brings cross-entropy with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) sizes: [usize; 3],
    pub(crate) hidden_by: &'static str,
    pub(crate) output_by: &'static str,
    /// One bias for each unit, which learns; else one for each layer, which does not.
    pub(crate) biases_learn: bool,
}

/// Numbers without a pattern, the same in every run: `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.bits() >> 33).unwrap() % limit
    }

    /// Between `-scale` and `scale`, all 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn number(&mut self, scale: f64) -> f64 {
        ((self.bits() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) * scale
    }
}

/// A number to nine significant digits.
pub(crate) fn nine_digits(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|index| format!("{prefix}{index}")).collect()
}

impl Shape {
    fn parameters(&self) -> Vec<Value> {
        let [inputs, hidden, outputs] = self.sizes;
        let (inputs, hidden, outputs) = (names("x", inputs), names("h", hidden), names("y", outputs));
        let mut parameters = Vec::new();
        for (role, froms, tos) in
            [("input_to_hidden_weight", &inputs, &hidden), ("hidden_to_output_weight", &hidden, &outputs)]
        {
            for to in tos {
                for from in froms {
                    let id = format!("w_{from}_{to}");
                    parameters.push(json!({ "id": id, "role": role, "from_unit": from, "to_unit": to }));
                }
            }
        }
        for (role, id, units) in [("hidden_bias", "b_hidden", &hidden), ("output_bias", "b_output", &outputs)]
        {
            if self.biases_learn {
                for unit in units {
                    let id = format!("b_{unit}");
                    parameters.push(json!({ "id": id, "role": role, "applies_to_units": [unit] }));
                }
            } else {
                parameters.push(json!({ "id": id, "role": role, "applies_to_units": units }));
            }
        }
        parameters
    }

    /// The net as records write it.
    pub(crate) fn topology(&self) -> Value {
        let [inputs, hidden, outputs] = self.sizes;
        let parameters = self.parameters();
        let is_softmax = self.output_by == "softmax";
        json!({
            "layers": ["input", "hidden", "output"],
            "input_size": inputs,
            "hidden_size": hidden,
            "output_size": outputs,
            "unit_order": {
                "input": names("x", inputs), "hidden": names("h", hidden), "output": names("y", outputs),
            },
            "parameter_order": parameters.iter().map(|parameter| &parameter["id"]).collect::<Vec<_>>(),
            "parameters": parameters,
            "activation_hidden": self.hidden_by,
            "activation_output": self.output_by,
            "loss": if is_softmax { "cross_entropy_softmax" } else { "half_squared_error" },
            "bias_sharing": if self.biases_learn { "per_neuron" } else { "per_layer" },
        })
    }

    /// A step: the values of inputs, targets and parameters are taken one after the other.
    pub(crate) fn input(
        &self,
        learning_rate: f64,
        inputs: &[f64],
        targets: &[f64],
        before: &[f64],
    ) -> TopologyInput {
        let topology = self.topology();
        let map = |names: &Value, values: &[f64]| -> Value {
            let names = names.as_array().unwrap();
            assert_eq!(names.len(), values.len(), "one value for each name");
            let pairs = names.iter().zip(values);
            pairs
                .map(|(name, value)| (name.as_str().unwrap().to_owned(), json!(value)))
                .collect::<Map<_, _>>()
                .into()
        };
        let value = json!({
            "fixture": "small-net",
            "metadata": { "source": "bp, tests", "gradient_convention": "descent_direction" },
            "numeric_policy": {
                "number_encoding": "decimal",
                "precision_significant_digits": 9,
                "rounding": "round_half_to_even",
                "tolerance": { "atol": 1e-12, "rtol": 1e-8 },
            },
            "bias_policy": {
                "mode": if self.biases_learn { "sgd" } else { "constant" },
                "updated_in_step": self.biases_learn,
            },
            "learning_rate": learning_rate,
            "inputs": map(&topology["unit_order"]["input"], inputs),
            "targets": map(&topology["unit_order"]["output"], targets),
            "parameters_before": map(&topology["parameter_order"], before),
            "topology": topology,
        });
        TopologyInput::deserialize(value).unwrap()
    }

    /// A random step. Targets of a softmax are one class, or now and then a distribution over all.
    pub(crate) fn random(&self, random: &mut Random, scale: f64, round: fn(f64) -> f64) -> TopologyInput {
        let [inputs, _, outputs] = self.sizes;
        let mut numbers = |count: usize, scale: f64| -> Vec<f64> {
            (0..count).map(|_| round(random.number(scale))).collect()
        };
        let before = numbers(self.parameters().len(), scale);
        let inputs = numbers(inputs, 1.0);
        let mut targets = numbers(outputs, 1.0);
        if self.output_by == "softmax" {
            let hot = random.below(outputs);
            let spread = if random.below(4) == 0 { 0.1 } else { 0.0 };
            targets.fill(spread);
            #[expect(clippy::cast_precision_loss, reason = "a few outputs")]
            let rest = spread * (outputs - 1) as f64;
            targets[hot] = 1.0 - rest;
        }
        let learning_rate = [0.5, 0.1, 0.01][random.below(3)];
        self.input(learning_rate, &inputs, &targets, &before)
    }
}

/// The receipt of a step.
pub(crate) fn receipt(input: &TopologyInput) -> Receipt {
    author::receipt(input).unwrap()
}

/// Its canonical bytes.
pub(crate) fn bytes(input: &TopologyInput) -> Result<Vec<u8>, EmitError> {
    canonical::emit(&receipt(input)).map(String::into_bytes)
}

/// The id of every trace here.
pub(crate) const TRACE_ID: &str = "0123456789abcdef0123456789abcdef";

/// A step by an optimizer; each parameter that learns starts from the state that `state` gives it, counted from 0.
pub(crate) fn optimized(
    input: TopologyInput,
    config: &Value,
    state: impl Fn(usize) -> Option<OptimizerState>,
) -> Request {
    let mut config = config.clone();
    config["learning_rate"] = json!(input.learning_rate);
    let learns = input.bias_policy.mode == BiasMode::Sgd;
    let is_bias = |role: Role| matches!(role, Role::HiddenBias | Role::OutputBias);
    let names = input.topology.parameters.iter().flatten().filter(|place| learns || !is_bias(place.role));
    let names: Vec<ParamId> = names.map(|place| place.id.clone()).collect();
    let states = names.into_iter().enumerate();
    let states = states.filter_map(|(place, name)| Some((name, state(place)?))).collect();
    let optimizer = Some(OptimizerConfig::deserialize(config).unwrap());
    Request { optimizer, states, ..Request::from(input) }
}

/// The same step over a batch: the input's own sample is the first, the others follow.
pub(crate) fn batched(mut request: Request, reduction: &str, others: &[(&[f64], &[f64])]) -> Request {
    let input = &request.input;
    let mut samples = Ordered::default();
    let first = Values { inputs: input.inputs.clone(), targets: input.targets.clone() };
    samples.insert("s1".into(), first);
    for (place, (inputs, targets)) in others.iter().enumerate() {
        let of = |names: &Ordered<_, f64>, values: &[f64]| {
            names.keys().cloned().zip(values.iter().copied()).collect::<Ordered<_, _>>()
        };
        let values = Values { inputs: of(&input.inputs, inputs), targets: of(&input.targets, targets) };
        samples.insert(format!("s{}", place + 2).as_str().into(), values);
    }
    let sample_order = samples.keys().cloned().collect();
    let batch = Batch { size: samples.len() as u64, sample_order, reduction: reduction.to_owned() };
    request.batch = Some((batch, samples));
    request
}

/// The canonical bytes of a step.
pub(crate) fn request_bytes(request: &Request) -> Result<Vec<u8>, EmitError> {
    canonical::emit(&author::written(request).unwrap()).map(String::into_bytes)
}

/// Puts a step at the beginning of a trace.
pub(crate) fn begun(mut request: Request) -> Request {
    request.input.trace_id = Some(TRACE_ID.into());
    request.input.step_index = Some(0);
    request
}

/// The step after the one that `bytes` tell of: from the nine-digit parameters and states that it left.
pub(crate) fn continued(request: &Request, bytes: &[u8]) -> Request {
    let left = read::wire(bytes).unwrap().record.unwrap();
    let mut next = request.clone();
    next.input.parameters_before = left.parameters_after;
    next.input.step_index = next.input.step_index.map(|index| index + 1);
    for update in left.updates {
        if let Some(state) = update.optimizer.state_after {
            next.states.insert(update.parameter_id, state);
        }
    }
    if let Some(t) = next.optimizer.as_mut().and_then(|config| config.t.as_mut()) {
        *t += 1;
    }
    next
}

/// Judges a trace.
pub(crate) fn trace(bytes: &[u8]) -> Trace {
    let mut tracing = Tracing::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        tracing.push(stream::record(line).unwrap().settled(), line);
    }
    tracing.finish()
}

/// What was found in a trace, each record's own findings under its place.
pub(crate) fn trace_findings(trace: &Trace) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (index, section) in &trace.told {
        let own = findings(section).into_iter();
        found.extend(own.map(|(rule, part, at)| (rule, part, format!("/{index}{at}"))));
    }
    for (_, verdict) in &trace.rules {
        if let Verdict::Broken(findings) = verdict {
            found.extend(findings.iter().map(told));
        }
    }
    found.sort();
    found
}

fn told(finding: &Finding) -> (String, String, String) {
    (finding.rule.to_string(), finding.part.to_owned(), finding.at.to_string())
}

fn map<K: AsRef<str>, V>(map: &Ordered<K, V>, value: impl Fn(&V) -> Value) -> Value {
    map.iter().map(|(key, item)| (key.as_ref().to_owned(), value(item))).collect::<Map<_, _>>().into()
}

fn unit(unit: &Unit) -> Value {
    json!({ "net": unit.net, "out": unit.out })
}

fn factors(factors: &[Factor]) -> Value {
    let factor = |factor: &Factor| match &factor.from {
        Some(from) => json!({ "name": factor.name, "from": from, "value": factor.value }),
        None => json!({ "name": factor.name, "value": factor.value }),
    };
    factors.iter().map(factor).collect()
}

fn names_of<T: AsRef<str>>(names: &[T]) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

fn state(state: Option<&OptimizerState>) -> Value {
    match state {
        None => Value::Null,
        Some(OptimizerState::Momentum { buffer }) => json!({ "buffer": buffer }),
        Some(OptimizerState::Adam { m, v }) => json!({ "m": m, "v": v }),
    }
}

fn optimizer(config: &OptimizerConfig) -> Value {
    json!({
        "name": config.name.name(),
        "learning_rate": config.learning_rate,
        "beta1": config.beta1,
        "beta2": config.beta2,
        "epsilon": config.epsilon,
        "weight_decay": config.weight_decay,
        "t": config.t,
        "momentum": config.momentum,
        "nesterov": config.nesterov,
        "dampening": config.dampening,
    })
}

fn batch(batch: &Batch) -> Value {
    json!({ "size": batch.size, "sample_order": names_of(&batch.sample_order), "reduction": batch.reduction })
}

fn loss(loss: &Loss) -> Value {
    let number = |value: &f64| json!(value);
    json!({
        "per_output": map(&loss.per_output, number),
        "per_sample": loss.per_sample.as_ref().map(|samples| map(samples, number)),
        "reduction": loss.reduction,
        "total": loss.total,
    })
}

/// Takes away what is not stated.
fn stated(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(stated);
        }
        Value::Array(items) => items.iter_mut().for_each(stated),
        _ => {}
    }
}

/// The step of a receipt as a framework would record it: every number with all its bits.
pub(crate) fn sidecar(shape: &Shape, step: &Receipt) -> Value {
    let number = |value: &f64| json!(value);
    let learns = shape.biases_learn;
    let outputs = map(&step.backward.output_error_signals, |signal| {
        json!({
            "factors": factors(&signal.factors),
            "product_order": signal.product_order,
            "signal_value": signal.signal_value,
        })
    });
    let hidden = map(&step.backward.hidden_error_signals, |signal| {
        let contributions: Value = signal
            .downstream_contributions
            .iter()
            .map(|part| {
                json!({
                    "from": part.from.as_str(),
                    "downstream_signal": part.downstream_signal,
                    "via_weight": part.via_weight.as_str(),
                    "weight_value": part.weight_value,
                    "value": part.value,
                })
            })
            .collect();
        json!({
            "downstream_contributions": contributions,
            "summation_order": names_of(&signal.summation_order),
            "backpropagated_sum": signal.backpropagated_sum,
            "activation_derivative": signal.activation_derivative,
            "product_order": signal.product_order,
            "signal_value": signal.signal_value,
        })
    });
    let updates: Value = step
        .updates
        .iter()
        .map(|update| {
            json!({
                "parameter_id": update.parameter_id.as_str(),
                "kind": update.kind.name(),
                "layer_edge": update.layer_edge,
                "parameter_role": update.parameter_role,
                "from_unit": update.from_unit.as_deref(),
                "to_unit": update.to_unit.as_deref(),
                "weight_before": update.weight_before,
                "optimizer": {
                    "name": update.optimizer.name.name(),
                    "learning_rate": update.optimizer.learning_rate,
                    "factors": factors(&update.optimizer.factors),
                    "product_order": update.optimizer.product_order,
                    "state_before": state(update.optimizer.state_before.as_ref()),
                    "state_after": state(update.optimizer.state_after.as_ref()),
                },
                "gradient": update.gradient,
                "update": update.update,
                "weight_after": update.weight_after,
            })
        })
        .collect();
    // From 0.7.0 on, a framework's numbers come with a helper, or say that they were written by hand.
    let by_hand = step.optimizer_config.as_ref().map(|_| json!({ "name": "hand_authored", "version": "1" }));
    let mut sidecar = json!({
        "format": match (&step.optimizer_config, &step.batch) {
            // 0.8.0 by itself is for coupled decay; 0.7.0 takes every other optimizer.
            (Some(config), _) if matches!(config.name, wire::Optimizer::Adam | wire::Optimizer::Adamw) => "framework-trace.v0.7.0",
            (Some(_), _) => "framework-trace.v0.8.0",
            (None, Some(_)) => "framework-trace.v0.3.0",
            (None, None) => "framework-trace.v0.1.0",
        },
        "source_framework": { "name": "jax", "version": "0.10.2", "extractor": by_hand },
        "topology": shape.topology(),
        "learning_rate": step.learning_rate,
        "optimizer": step.optimizer_config.as_ref().map(optimizer),
        "bias_policy": { "mode": if learns { "sgd" } else { "constant" }, "updated_in_step": learns },
        "batch": step.batch.as_ref().map(batch),
        "inputs": map(&step.inputs, number),
        "targets": map(&step.targets, number),
        "parameters_before": map(&step.parameters_before, number),
        "per_sample": step.per_sample.as_ref().map(|samples| map(samples, |sample| json!({
            "inputs": map(&sample.inputs, number),
            "targets": map(&sample.targets, number),
            "forward": map(&sample.forward, unit),
            "loss": loss(&sample.loss),
        }))),
        "forward": map(&step.forward, unit),
        "loss": loss(&step.loss),
        "backward": { "output_error_signals": outputs, "hidden_error_signals": hidden },
        "updates": updates,
        "parameters_after": map(&step.parameters_after, number),
    });
    stated(&mut sidecar);
    sidecar
}

/// A number rounded to 24 bits.
#[expect(clippy::cast_possible_truncation, reason = "the rounding that is meant")]
pub(crate) fn in_single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The same as a framework keeps it that computes in single precision: every number rounded to 24 bits.
pub(crate) fn single_precision(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => *value = json!(in_single(number.as_f64().unwrap())),
        Value::Object(members) => members.values_mut().for_each(single_precision),
        Value::Array(items) => items.iter_mut().for_each(single_precision),
        _ => {}
    }
}

/// The judgement of a sidecar and of the receipt made from it.
pub(crate) fn import(sidecar: &Value) -> Verified<'static> {
    import_bytes(sidecar.to_string().as_bytes())
}

/// The same, from bytes.
pub(crate) fn import_bytes(sidecar: &[u8]) -> Verified<'static> {
    verify::sidecar(sidecar, Some(Framework::Jax), &Options::at("2026-01-01T00:00:00Z"))
}

/// What a section's rules found: rule, part, place; or why no rule was put to it.
pub(crate) fn findings(section: &Section<'_>) -> Vec<(String, String, String)> {
    let mut found: Vec<_> = match &section.found {
        Found::Judged { report, .. } => report.findings().map(told).collect(),
        Found::Malformed(violations) => violations
            .iter()
            .map(|violation| ("schema".to_owned(), violation.keyword.clone(), violation.at.to_string()))
            .collect(),
        Found::Unreadable(error) => vec![("unreadable".to_owned(), error.to_string(), String::new())],
        Found::Unwritten(error) => vec![("unwritten".to_owned(), error.to_string(), String::new())],
    };
    found.sort();
    found
}
