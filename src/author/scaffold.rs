//! A built-in input written down as a topology input (0.4.0): a file to start a step of one's own from.

use serde_json::{Map, Value, json};

use super::seed::Seed;
use crate::receipt::lower;
use crate::receipt::wire::{
    Activation, BiasMode, ByteOutput, NumericPolicy, Parameter, PolicyTolerance, Topology, TopologyInput,
};

/// A step that topology inputs have no words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} has a softmax, and a topology input (0.4.0) has no word for one", .seed.name())]
pub struct Inexpressible {
    /// The step.
    pub seed: Seed,
}

impl Seed {
    /// The text of the topology input that authors this step, indented, with its line feed. The names that 0.1.0 leaves
    /// unsaid are said, so that they can be changed.
    ///
    /// # Errors
    /// [`Inexpressible`] for a step with a softmax.
    pub fn scaffold(self) -> Result<String, Inexpressible> {
        let input = self.input();
        if input.topology.activation_output == Some(Activation::Softmax) {
            return Err(Inexpressible { seed: self });
        }
        let fixture = match self {
            // The general form has other bytes than the 0.1.0 step, and another label.
            Self::Mazur => Some("mazur-2-2-2-engine-first-run".to_owned()),
            _ => input.fixture.clone(),
        };
        Ok(format!("{:#}\n", written(&TopologyInput { fixture, ..input })))
    }
}

/// The topology input as JSON, in the order of keys that the format's reference has.
fn written(input: &TopologyInput) -> Value {
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    put("topology", topology(lower::named(input.topology.clone())));
    put("learning_rate", json!(input.learning_rate));
    put("inputs", json!(input.inputs));
    put("targets", json!(input.targets));
    put("parameters_before", json!(input.parameters_before));
    put("numeric_policy", numeric_policy(&input.numeric_policy));
    let policy = &input.bias_policy;
    put(
        "bias_policy",
        stated([
            ("mode", Some(json!(if policy.mode == BiasMode::Sgd { "sgd" } else { "constant" }))),
            ("reason", policy.reason.as_ref().map(|reason| json!(reason))),
            ("updated_in_step", Some(json!(policy.updated_in_step))),
            ("reconciliation", policy.reconciliation.as_ref().map(|note| json!(note))),
        ]),
    );
    put("fixture", json!(input.fixture));
    put("metadata", json!(input.metadata));
    document.retain(|_, value| !value.is_null());
    short(Value::Object(document))
}

fn topology(topology: Topology) -> Value {
    let units = topology
        .unit_order
        .map(|order| json!({ "input": order.input, "hidden": order.hidden, "output": order.output }));
    let parameter = |parameter: Parameter| {
        stated([
            ("id", Some(json!(parameter.id))),
            ("role", Some(json!(parameter.role.name()))),
            ("from_unit", parameter.from_unit.map(|unit| json!(unit))),
            ("to_unit", parameter.to_unit.map(|unit| json!(unit))),
            ("applies_to_units", parameter.applies_to_units.map(|units| json!(units))),
        ])
    };
    let parameters = topology.parameters.map(|all| all.into_iter().map(parameter).collect());
    let activation = |activation: Option<Activation>| activation.map(|activation| json!(activation.name()));
    stated([
        ("layers", Some(json!(topology.layers))),
        ("unit_order", units),
        ("parameter_order", topology.parameter_order.map(|names| json!(names))),
        ("parameters", parameters),
        ("activation_hidden", activation(topology.activation_hidden)),
        ("activation_output", activation(topology.activation_output)),
        ("loss", Some(json!(topology.loss.name()))),
        ("bias_sharing", topology.bias_sharing.map(|sharing| json!(sharing.name()))),
        ("input_size", Some(json!(topology.input_size))),
        ("hidden_size", Some(json!(topology.hidden_size))),
        ("output_size", Some(json!(topology.output_size))),
    ])
}

fn numeric_policy(policy: &NumericPolicy) -> Value {
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let layout = |bytes: &ByteOutput| {
        stated([
            ("format", text(&bytes.format)),
            ("json_key_order", text(&bytes.json_key_order)),
            ("trailing_zero_policy", text(&bytes.trailing_zero_policy)),
            ("indent", text(&bytes.indent)),
        ])
    };
    let tolerance = match policy.tolerance {
        PolicyTolerance::Absolute(atol) => json!(atol),
        PolicyTolerance::Hybrid(both) => json!({ "atol": both.atol, "rtol": both.rtol }),
    };
    stated([
        ("number_encoding", Some(json!(policy.number_encoding))),
        ("precision_significant_digits", Some(json!(policy.precision_significant_digits))),
        ("rounding", Some(json!(policy.rounding))),
        ("tolerance", Some(tolerance)),
        ("computation_order", text(&policy.computation_order)),
        ("byte_output", policy.byte_output.as_ref().map(layout)),
    ])
}

/// An object of what is stated.
fn stated<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let stated = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    stated.collect::<Map<_, _>>().into()
}

/// The same with every number in its shortest form: 1 for 1.0.
fn short(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract().abs() <= 0.0 && value.abs() < 1e15);
            #[expect(clippy::cast_possible_truncation, reason = "whole, and far below the limit")]
            whole.map_or(Value::Number(number), |whole| json!(whole as i64))
        }
        Value::Array(items) => items.into_iter().map(short).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, short(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author;
    use crate::json;
    use crate::receipt::canonical;
    use crate::schema::{self, Schema};
    use serde::Deserialize as _;

    /// The step of a scaffold is the seed's; of the 0.1.0 one in its general form.
    #[test]
    fn a_scaffold_is_a_topology_input_that_authors_the_step() {
        for seed in [Seed::Mazur, Seed::Xor, Seed::Iris] {
            let text = seed.scaffold().unwrap();
            let value = json::parse(text.as_bytes()).unwrap();
            assert_eq!(schema::validate(Schema::TopologyInput, &value), Ok(()), "{}", seed.name());
            let input = TopologyInput::deserialize(value).unwrap();
            let [scaffolded, built_in] = [&input, &seed.input()].map(|input| author::receipt(input).unwrap());
            if seed == Seed::Mazur {
                assert_eq!(scaffolded.schema_version, "0.2.0");
                let values = |receipt: &crate::receipt::wire::Receipt| {
                    format!("{:?} {:?} {:?}", receipt.forward, receipt.backward, receipt.parameters_after)
                };
                assert_eq!(values(&scaffolded), values(&built_in));
            } else {
                assert_eq!(canonical::emit(&scaffolded), canonical::emit(&built_in), "{}", seed.name());
            }
        }
    }

    #[test]
    fn a_softmax_cannot_be_scaffolded() {
        for seed in [Seed::SoftmaxCe, Seed::Hero] {
            assert_eq!(seed.scaffold(), Err(Inexpressible { seed }));
        }
    }
}
