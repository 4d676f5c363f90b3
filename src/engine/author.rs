//! From an input to a receipt: one computed step with every factor named.

use super::{Computed, Forward, Given, Loss, step};
use crate::at;
use crate::number::Real as _;
use crate::pointer::Pointer;
use crate::receipt::id::{ParamId, UnitId};
use crate::receipt::lower;
use crate::receipt::net::{Flaw, Net, Place};
use crate::receipt::version::{Block, ReceiptVersion};
use crate::receipt::wire::{
    self, Contribution, DualForm, Factor, FixtureStatus, HiddenSignal, JacobianTerm, Kind, LossKind,
    Optimizer, Ordered, OutputSignal, PostUpdateForward, PostUpdateLoss, Receipt, Role, TopologyInput, Unit,
    Update, UpdateOptimizer,
};

/// Why no step can be computed from an input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthorError {
    /// The topology is no dense net with one hidden layer.
    #[error("the topology breaks the law of {}: {}", .0.law.name(), .0.at)]
    Topology(Flaw),
    /// A value that the net calls for.
    #[error("{at} is missing")]
    Missing {
        /// Where.
        at: Pointer,
    },
}

/// The values of a step by index.
///
/// # Errors
/// [`AuthorError::Missing`] for the first value that the net calls for and the maps do not hold.
pub fn given(
    net: &Net,
    inputs: &Ordered<UnitId, f64>,
    targets: &Ordered<UnitId, f64>,
    before: &Ordered<ParamId, f64>,
    learning_rate: f64,
    bias_mode: wire::BiasMode,
) -> Result<Given<f64>, AuthorError> {
    fn gather<K>(block: &str, names: &[K], map: &Ordered<K, f64>) -> Result<Vec<f64>, AuthorError>
    where
        K: AsRef<str> + std::hash::Hash + Eq,
    {
        let missing = |name: &K| AuthorError::Missing { at: Pointer::of(&at![block, name.as_ref()]) };
        names.iter().map(|name| map.get(name).copied().ok_or_else(|| missing(name))).collect()
    }
    Ok(Given {
        inputs: gather("inputs", &net.inputs, inputs)?,
        targets: gather("targets", &net.outputs, targets)?,
        before: gather("parameters_before", &net.parameters, before)?,
        learning_rate,
        bias_mode,
    })
}

/// Computes the step of an input and writes it down.
///
/// # Errors
/// [`AuthorError`] where the input is no step of a dense net with one hidden layer.
pub fn receipt(input: &TopologyInput) -> Result<Receipt, AuthorError> {
    let named = lower::named(input.topology.clone());
    let net = Net::resolve(&named).map_err(|flaws| {
        AuthorError::Topology(flaws.into_iter().next().expect("an unresolved topology has a flaw"))
    })?;
    let given = given(
        &net,
        &input.inputs,
        &input.targets,
        &input.parameters_before,
        input.learning_rate,
        input.bias_policy.mode,
    )?;
    let computed = step(&net, &given);
    let is_mazur = input.topology.activation.is_some();
    let mut blocks = Vec::new();
    if !is_mazur {
        blocks.push(Block::GeneralTopology);
    }
    if net.loss == LossKind::CrossEntropySoftmax {
        blocks.push(Block::CrossEntropy);
    }
    let version = ReceiptVersion::carrying(blocks, ReceiptVersion::V0_1_0);
    Ok(Receipt {
        schema_version: version.as_str().to_owned(),
        fixture: input.fixture.clone().unwrap_or_else(|| "general-engine-first-run".to_owned()),
        step: input.step_index.map_or(1, |index| index.saturating_add(1)),
        fixture_status: FixtureStatus {
            authoring_state: "engine_generated".to_owned(),
            verification_state: "engine_reproduced_byte_equal".to_owned(),
            canonical: true,
            promote_to: None,
            describes_in: None,
            blockers_to_promotion: None,
        },
        source_framework: None,
        attestor: None,
        metadata: input.metadata.clone(),
        numeric_policy: input.numeric_policy.clone().with_whole_layout(),
        bias_policy: input.bias_policy.clone(),
        topology: input.topology.clone(),
        learning_rate: input.learning_rate,
        optimizer_config: None,
        trace_id: input.trace_id.clone(),
        step_index: input.step_index,
        batch: None,
        inputs: input.inputs.clone(),
        targets: input.targets.clone(),
        parameters_before: input.parameters_before.clone(),
        per_sample: None,
        forward: forward(&net, &computed.forward),
        loss: wire::Loss {
            per_output: map(&net.outputs, computed.loss.per_output.iter().copied()),
            per_sample: None,
            reduction: None,
            total: computed.loss.total,
        },
        backward: backward(&net, &given, &computed),
        updates: updates(&net, &given, &computed, is_mazur),
        parameters_after: map(&net.parameters, computed.after.iter().copied()),
        post_update_forward: Some(post_update_forward(&net, &computed.post_forward)),
        post_update_loss: Some(post_update_loss(&net, &computed.post_loss)),
        unit_order: None,
        parameter_order: None,
    })
}

fn map<K: Clone + std::hash::Hash + Eq, V>(names: &[K], values: impl Iterator<Item = V>) -> Ordered<K, V> {
    names.iter().cloned().zip(values).collect()
}

fn forward(net: &Net, pass: &Forward<f64>) -> Ordered<UnitId, Unit> {
    let cells = pass.hidden.iter().chain(&pass.outputs);
    net.computed_units().cloned().zip(cells.map(|cell| Unit { net: cell.net, out: cell.out })).collect()
}

/// The pass with the new parameters, as receipts write it.
#[must_use]
pub fn post_update_forward(net: &Net, pass: &Forward<f64>) -> PostUpdateForward {
    PostUpdateForward {
        status: "filled".to_owned(),
        required_before_promotion: None,
        fields_required: None,
        fill_specification: None,
        note: None,
        units: forward(net, pass),
    }
}

/// The loss with the new parameters, as receipts write it.
#[must_use]
pub fn post_update_loss(net: &Net, loss: &Loss<f64>) -> PostUpdateLoss {
    PostUpdateLoss {
        status: "filled".to_owned(),
        required_before_promotion: None,
        fields_required: None,
        fill_specification: None,
        drift_check_against_published: None,
        note: None,
        per_output: Some(map(&net.outputs, loss.per_output.iter().copied())),
        total: Some(loss.total),
    }
}

const PRODUCT_ORDER: &str = "left_to_right";

fn factor(name: &str, from: Option<String>, value: f64) -> Factor {
    Factor { name: name.to_owned(), from, value }
}

fn backward(net: &Net, given: &Given<f64>, computed: &Computed<f64>) -> wire::Backward {
    let names: &[&str] = match net.loss {
        LossKind::HalfSquaredError => &["target_minus_output", "activation_derivative"],
        LossKind::CrossEntropySoftmax => &["target_minus_probability"],
    };
    let output_signals = computed.output_errors.iter().map(|error| OutputSignal {
        factors: names.iter().zip(&error.factors).map(|(name, value)| factor(name, None, *value)).collect(),
        product_order: PRODUCT_ORDER.to_owned(),
        signal_value: error.signal,
        dual_form: error.dual.as_ref().map(|dual| DualForm {
            jacobian_terms: net
                .outputs
                .iter()
                .zip(&dual.terms)
                .map(|(output, term)| JacobianTerm {
                    target_unit: output.clone(),
                    factors: vec![
                        factor("y_j", Some(format!("targets.{output}")), term.target),
                        factor("delta_ju_minus_p_u", None, term.delta),
                    ],
                    term_value: term.term,
                })
                .collect(),
            product_order: PRODUCT_ORDER.to_owned(),
            summation_order: net.outputs.clone(),
            summed_value: dual.sum,
        }),
    });
    let hidden_signals = computed.hidden_errors.iter().enumerate().map(|(hidden, error)| HiddenSignal {
        downstream_contributions: error
            .contributions
            .iter()
            .enumerate()
            .map(|(output, value)| {
                let weight = net.output_weight(output, hidden);
                Contribution {
                    from: net.outputs[output].clone(),
                    downstream_signal: computed.output_errors[output].signal,
                    via_weight: net.parameters[weight].clone(),
                    weight_value: given.before[weight].value(),
                    value: *value,
                }
            })
            .collect(),
        summation_order: net.outputs.clone(),
        backpropagated_sum: error.sum,
        activation_derivative: error.derivative,
        product_order: PRODUCT_ORDER.to_owned(),
        signal_value: error.signal,
    });
    wire::Backward {
        output_error_signals: map(&net.outputs, output_signals),
        hidden_error_signals: map(&net.hidden, hidden_signals),
    }
}

fn updates(net: &Net, given: &Given<f64>, computed: &Computed<f64>, is_mazur: bool) -> Vec<Update> {
    let hidden_signal = |unit: usize| {
        let from = format!("backward.hidden_error_signals.{}.signal_value", net.hidden[unit]);
        factor("hidden_error_signal", Some(from), computed.hidden_errors[unit].signal)
    };
    let output_signal = |unit: usize| {
        let from = format!("backward.output_error_signals.{}.signal_value", net.outputs[unit]);
        factor("output_error_signal", Some(from), computed.output_errors[unit].signal)
    };
    let upstream = |from: String, value: f64| factor("upstream_activation", Some(from), value);
    let place = |parameter: usize| -> (Kind, &str, String, &UnitId, &UnitId, Vec<Factor>) {
        let words = |from: &UnitId, to: &UnitId, numbered: String| match is_mazur {
            true => numbered,
            false => format!("{from}_to_{to}"),
        };
        match net.places[parameter] {
            Place::HiddenWeight { input, hidden } => {
                let (from, to) = (&net.inputs[input], &net.hidden[hidden]);
                let role = words(from, to, format!("input_{}_to_hidden_{}", input + 1, hidden + 1));
                let source = upstream(format!("inputs.{from}"), given.inputs[input]);
                (Kind::Weight, "input_to_hidden", role, from, to, vec![hidden_signal(hidden), source])
            }
            Place::OutputWeight { hidden, output } => {
                let (from, to) = (&net.hidden[hidden], &net.outputs[output]);
                let role = words(from, to, format!("hidden_{}_to_output_{}", hidden + 1, output + 1));
                let source = upstream(format!("forward.{from}.out"), computed.forward.hidden[hidden].out);
                (Kind::Weight, "hidden_to_output", role, from, to, vec![output_signal(output), source])
            }
            Place::HiddenBias { unit } => {
                let (role, name) = (Role::HiddenBias.name().to_owned(), &net.hidden[unit]);
                (Kind::Bias, "bias_to_layer", role, name, name, vec![hidden_signal(unit)])
            }
            Place::OutputBias { unit } => {
                let (role, name) = (Role::OutputBias.name().to_owned(), &net.outputs[unit]);
                (Kind::Bias, "bias_to_layer", role, name, name, vec![output_signal(unit)])
            }
        }
    };
    let learned =
        computed.changes.iter().enumerate().filter_map(|(index, change)| Some((index, change.as_ref()?)));
    learned
        .map(|(parameter, change)| {
            let (kind, edge, role, from, to, factors) = place(parameter);
            Update {
                parameter_id: net.parameters[parameter].clone(),
                kind,
                layer_edge: Some(edge.to_owned()),
                parameter_role: Some(role),
                from_unit: Some(from.clone()),
                to_unit: Some(to.clone()),
                weight_before: given.before[parameter],
                optimizer: UpdateOptimizer {
                    name: Optimizer::Sgd,
                    learning_rate: given.learning_rate,
                    factors,
                    product_order: PRODUCT_ORDER.to_owned(),
                    state_before: None,
                    state_after: None,
                },
                gradient: change.gradient,
                update: change.update,
                weight_after: change.after,
            }
        })
        .collect()
}
