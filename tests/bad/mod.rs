//! Bad records: an honest one, and what an attacker or a bug changes in it.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

use bp::author::seed::Seed;
use bp::digest::Digest;
use bp::receipt::canonical;
use bp::receipt::wire::TopologyInput;
use bp::verify::{self, Verified, read};
use serde_json::{Map, Value, json};

use crate::nets::{self, Shape};

/// A record that breaks, named by its rule and what was done.
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    base: Base,
    edit: fn(&mut Value),
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
    pub(crate) const ALL: [Self; 9] = [
        Self::Mazur,
        Self::Xor,
        Self::Softmax,
        Self::PerNeuron,
        Self::Relu,
        Self::OneUnit,
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
            Self::OneUnit => shape([1, 1, 1], "identity", "identity", false).input(
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
            _ => nets::bytes(&self.input()).unwrap(),
        };
        bp::json::parse(&bytes).unwrap()
    }

    /// The honest record, judged.
    pub(crate) fn judged(self) -> Verified {
        let record = self.record();
        match self {
            Self::Sidecar => nets::import(&record),
            _ => verify::receipt(&written(&record)),
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
        let mut record = self.base.record();
        (self.edit)(&mut record);
        match self.base {
            Base::Sidecar => ("sidecar.jsonl", format!("{record}\n").into_bytes()),
            _ => ("receipt.jsonl", written(&record)),
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

const fn bad(name: &'static str, base: Base, edit: fn(&mut Value)) -> Bad {
    Bad { name, base, edit }
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
    bad("0-fifth-step-of-no-trace", Base::Xor, |r| set(r, "/step", json!(5))),
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
        // Everything else is what the engine computes from these targets.
        let mut input = Seed::SoftmaxCe.input();
        input.targets["o2"] = 0.5;
        *r = bp::json::parse(&nets::bytes(&input).unwrap()).unwrap();
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
];
