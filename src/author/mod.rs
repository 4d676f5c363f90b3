//! From an input to a receipt: one computed step with every factor named. Authors receipts; judges none.

pub mod scaffold;
pub mod seed;

use smallvec::smallvec;

use crate::at;
use crate::engine::{Computed, Forward, Given, Loss, Method, Pass, Reduction, Sample, State, step};
use crate::number::Real as _;
use crate::pointer::Pointer;
use crate::receipt::id::{ParamId, SampleId, UnitId};
use crate::receipt::lower;
use crate::receipt::net::{Flaw, Net, Place};
use crate::receipt::version::{Block, ReceiptVersion};
use crate::receipt::wire::{
    self, Batch, Contribution, DualForm, Factor, Factors, FixtureStatus, HiddenSignal, JacobianTerm, Kind,
    LossKind, Optimizer, OptimizerConfig, OptimizerState, Ordered, OutputSignal, PostUpdateForward,
    PostUpdateLoss, Receipt, Role, Text, TopologyInput, Unit, Update, UpdateOptimizer,
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
    /// Targets of a cross-entropy that are no distribution.
    #[error("{at} sum to {sum}, and the targets of a cross-entropy sum to 1")]
    Targets {
        /// Where.
        at: Pointer,
        /// Their sum.
        sum: f64,
    },
}

/// What a step is authored from: an input, and what topology inputs have no words for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Net, values, policies and labels.
    pub input: TopologyInput,
    /// The optimizer; plain SGD where there is none.
    pub optimizer: Option<OptimizerConfig>,
    /// Optimizer state before the step, for each parameter that learns.
    pub states: Ordered<ParamId, OptimizerState>,
    /// The batch and its samples' inputs and targets; the input's own are then the first sample's.
    pub batch: Option<(Batch, Ordered<SampleId, Values>)>,
}

/// A sample's inputs and targets.
#[derive(Debug, Clone)]
pub struct Values {
    /// Input value per input unit.
    pub inputs: Ordered<UnitId, f64>,
    /// Target value per output unit.
    pub targets: Ordered<UnitId, f64>,
}

impl From<TopologyInput> for Request {
    fn from(input: TopologyInput) -> Self {
        Self { input, optimizer: None, states: Ordered::default(), batch: None }
    }
}

fn gather<K>(block: &str, names: &[K], map: &Ordered<K, f64>) -> Result<Vec<f64>, AuthorError>
where
    K: AsRef<str> + Clone + std::hash::Hash + Eq,
{
    let missing = |name: &K| AuthorError::Missing { at: Pointer::of(&at![block, name.as_ref()]) };
    names.iter().map(|name| map.get(name).copied().ok_or_else(|| missing(name))).collect()
}

impl Request {
    /// The values of the step by index.
    ///
    /// # Errors
    /// [`AuthorError`] for the first value that the net calls for and the request does not hold.
    pub fn given(&self, net: &Net) -> Result<Given<f64>, AuthorError> {
        let input = &self.input;
        let sample = |inputs, targets| -> Result<Sample<f64>, AuthorError> {
            let inputs = gather("inputs", &net.inputs, inputs)?;
            let targets = gather("targets", &net.outputs, targets)?;
            Ok(Sample::new(inputs.into_iter(), targets.into_iter()))
        };
        let (samples, reduction) = match &self.batch {
            None => (vec![sample(&input.inputs, &input.targets)?], Reduction::None),
            Some((batch, values)) => {
                let reduction = Reduction::named(&batch.reduction)
                    .ok_or_else(|| AuthorError::Missing { at: Pointer::of(&at!["batch", "reduction"]) })?;
                let missing =
                    |name: &SampleId| AuthorError::Missing { at: Pointer::of(&at!["per_sample", name]) };
                let samples = batch
                    .sample_order
                    .iter()
                    .map(|name| {
                        let values = values.get(name).ok_or_else(|| missing(name))?;
                        sample(&values.inputs, &values.targets)
                    })
                    .collect::<Result<_, _>>()?;
                (samples, reduction)
            }
        };
        let method = Method::of(self.optimizer.as_ref())
            .ok_or_else(|| AuthorError::Missing { at: Pointer::of(&at!["optimizer_config"]) })?;
        let states = net.parameters.iter().zip(&net.places).map(|(name, place)| {
            let learns = !place.is_bias() || input.bias_policy.mode == wire::BiasMode::Sgd;
            let missing = || AuthorError::Missing { at: Pointer::of(&at!["updates", name]) };
            match (&method, self.states.get(name)) {
                (Method::Sgd { .. }, _) => Ok(State::None),
                _ if !learns => Ok(State::None),
                (Method::Momentum { .. }, Some(OptimizerState::Momentum { buffer })) => {
                    Ok(State::Momentum(*buffer))
                }
                (Method::Adam { .. }, Some(OptimizerState::Adam { m, v })) => Ok(State::Adam(*m, *v)),
                _ => Err(missing()),
            }
        });
        Ok(Given {
            samples,
            reduction,
            before: gather("parameters_before", &net.parameters, &input.parameters_before)?,
            states: states.collect::<Result<_, _>>()?,
            method,
            learning_rate: input.learning_rate,
            bias_mode: input.bias_policy.mode,
        })
    }

    /// The blocks that the receipt needs.
    fn blocks(&self, net: &Net) -> Vec<Block> {
        let mut blocks = Vec::new();
        let config = self.optimizer.as_ref();
        let has = |block, present| if present { Some(block) } else { None };
        let coupled = config.is_some_and(|config| {
            matches!(config.name, Optimizer::Sgd | Optimizer::SgdMomentum)
                && config.weight_decay.is_some_and(|decay| decay != 0.0)
        });
        let named = |name| config.is_some_and(|config| config.name == name);
        blocks.extend(has(Block::GeneralTopology, self.input.topology.activation.is_none()));
        blocks.extend(has(Block::CrossEntropy, net.loss == LossKind::CrossEntropySoftmax));
        blocks.extend(has(Block::Batch, self.batch.is_some()));
        blocks.extend(has(Block::Adam, named(Optimizer::Adam) || named(Optimizer::Adamw)));
        blocks.extend(has(Block::Momentum, named(Optimizer::SgdMomentum)));
        blocks.extend(has(Block::Nesterov, config.is_some_and(|config| config.nesterov == Some(true))));
        blocks.extend(has(
            Block::Dampening,
            config.is_some_and(|config| config.dampening.is_some_and(|dampening| dampening != 0.0)),
        ));
        blocks.extend(has(Block::CoupledDecay, coupled));
        blocks
    }

    /// The lowest schema version that can carry the receipt, and no lower than `floor`.
    #[must_use]
    pub fn version(&self, net: &Net, floor: ReceiptVersion) -> ReceiptVersion {
        ReceiptVersion::carrying(self.blocks(net), floor)
    }

    /// The configuration as receipts write it: a hyper-parameter that does nothing is left out.
    #[must_use]
    pub fn written_config(&self) -> Option<OptimizerConfig> {
        let config = self.optimizer.clone()?;
        let decay = config.weight_decay.filter(|decay| *decay != 0.0 || config.name == Optimizer::Adamw);
        let config = OptimizerConfig { weight_decay: decay, ..config };
        (config.name != Optimizer::Sgd || decay.is_some()).then_some(config)
    }
}

/// Computes the step of an input and writes it down.
///
/// # Errors
/// [`AuthorError`] where the input is no step of a dense net with one hidden layer.
pub fn receipt(input: &TopologyInput) -> Result<Receipt, AuthorError> {
    written(&Request::from(input.clone()))
}

/// Computes the step of a request and writes it down.
///
/// # Errors
/// As [`receipt`].
pub fn written(request: &Request) -> Result<Receipt, AuthorError> {
    let input = &request.input;
    let topology = lower::in_unit_order(input.topology.clone());
    let net = resolved(&topology)?;
    let given = request.given(&net)?;
    distributions(request, &net, &given)?;
    let missing = || AuthorError::Missing { at: Pointer::of(&at!["batch", "sample_order"]) };
    let computed = step(&net, &given).ok_or_else(missing)?;
    let first = computed.passes.first().ok_or_else(missing)?;
    let is_mazur = input.topology.activation.is_some();
    let batch = request.batch.as_ref();
    let in_order = |passes: &[Pass<f64>]| -> Option<Vec<(SampleId, Pass<f64>)>> {
        Some(batch?.0.sample_order.iter().cloned().zip(passes.iter().cloned()).collect())
    };
    let samples = in_order(&computed.passes);
    Ok(Receipt {
        schema_version: request.version(&net, ReceiptVersion::V0_1_0).as_str().to_owned(),
        fixture: input.fixture.clone().unwrap_or_else(|| match batch {
            Some((batch, _)) => format!("batched-{}-sample-step", batch.size),
            None => "general-engine-first-run".to_owned(),
        }),
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
        topology,
        learning_rate: input.learning_rate,
        optimizer_config: request.written_config(),
        trace_id: input.trace_id.clone(),
        step_index: input.step_index,
        batch: batch.map(|(batch, _)| batch.clone()),
        inputs: map(&net.inputs, given.samples[0].inputs().iter().copied()),
        targets: map(&net.outputs, given.samples[0].targets().iter().copied()),
        parameters_before: input.parameters_before.clone(),
        per_sample: samples.as_ref().map(|samples| {
            let sample = |(place, (name, pass)): (usize, &(SampleId, Pass<f64>))| {
                let sample = wire::Sample {
                    inputs: map(&net.inputs, given.samples[place].inputs().iter().copied()),
                    targets: map(&net.outputs, given.samples[place].targets().iter().copied()),
                    forward: forward(&net, &pass.forward),
                    loss: loss(&net, &pass.loss),
                };
                (name.clone(), sample)
            };
            samples.iter().enumerate().map(sample).collect()
        }),
        forward: forward(&net, &first.forward),
        loss: wire::Loss {
            per_sample: samples
                .as_ref()
                .map(|samples| samples.iter().map(|(name, pass)| (name.clone(), pass.loss.total)).collect()),
            reduction: batch.map(|(batch, _)| batch.reduction.clone()),
            ..loss(&net, &computed.loss)
        },
        backward: backward(&net, &given, first),
        updates: updates(&net, &given, &computed, first, is_mazur, batch.is_some()),
        parameters_after: map(&net.parameters, computed.after.iter().copied()),
        post_update_forward: Some(post_update_forward(&net, &computed.post_forward)),
        post_update_loss: Some(post_update_loss(&net, &computed.post_loss)),
        unit_order: None,
        parameter_order: None,
    })
}

/// How far the targets of a cross-entropy may sum to something else than 1.
const TARGETS_OFF: f64 = 1e-9;

/// The error signal of a cross-entropy is target minus probability only where the targets sum to 1.
fn distributions(request: &Request, net: &Net, given: &Given<f64>) -> Result<(), AuthorError> {
    if net.loss != LossKind::CrossEntropySoftmax {
        return Ok(());
    }
    for (place, sample) in given.samples.iter().enumerate() {
        let sum: f64 = sample.targets().iter().sum();
        let is_one = (sum - 1.0).abs() <= TARGETS_OFF;
        if !is_one {
            let name = request.batch.as_ref().and_then(|(batch, _)| batch.sample_order.get(place));
            let at = match name {
                Some(name) => Pointer::of(&at!["per_sample", name, "targets"]),
                None => Pointer::of(&at!["targets"]),
            };
            return Err(AuthorError::Targets { at, sum });
        }
    }
    Ok(())
}

/// The net of a topology as it stands on the wire.
///
/// # Errors
/// [`AuthorError::Topology`] with its first flaw.
pub fn resolved(topology: &wire::Topology) -> Result<Net, AuthorError> {
    Net::resolve(&lower::named(topology.clone())).map_err(|flaws| {
        AuthorError::Topology(flaws.into_iter().next().expect("an unresolved topology has a flaw"))
    })
}

fn loss(net: &Net, loss: &Loss<f64>) -> wire::Loss {
    wire::Loss {
        per_output: map(&net.outputs, loss.per_output.iter().copied()),
        per_sample: None,
        reduction: None,
        total: loss.total,
    }
}

/// The names of a net differ.
fn map<K: Clone, V>(names: &[K], values: impl Iterator<Item = V>) -> Ordered<K, V> {
    Ordered::of_distinct(names.iter().cloned().zip(values).collect())
}

fn forward(net: &Net, pass: &Forward<f64>) -> Ordered<UnitId, Unit> {
    let units = pass.cells.iter().map(|cell| Unit { net: cell.net, out: cell.out });
    Ordered::of_distinct(net.computed_units().cloned().zip(units).collect())
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

fn factor(name: &'static str, from: Option<String>, value: f64) -> Factor {
    Factor { name: Text::new_static(name), from: from.map(Text::from), value }
}

fn backward(net: &Net, given: &Given<f64>, computed: &Pass<f64>) -> wire::Backward {
    let names: &[&'static str] = match net.loss {
        LossKind::HalfSquaredError => &["target_minus_output", "activation_derivative"],
        LossKind::CrossEntropySoftmax => &["target_minus_probability"],
    };
    let output_signals = computed.output_errors.iter().map(|error| OutputSignal {
        factors: names.iter().zip(error.factors()).map(|(name, value)| factor(name, None, value)).collect(),
        product_order: Text::new_static(PRODUCT_ORDER),
        signal_value: error.signal,
        dual_form: error.dual.as_ref().map(|dual| DualForm {
            jacobian_terms: net
                .outputs
                .iter()
                .zip(&dual.terms)
                .map(|(output, term)| JacobianTerm {
                    target_unit: output.clone(),
                    factors: smallvec![
                        factor("y_j", Some(format!("targets.{output}")), term.target),
                        factor("delta_ju_minus_p_u", None, term.delta),
                    ],
                    term_value: term.term,
                })
                .collect(),
            product_order: Text::new_static(PRODUCT_ORDER),
            summation_order: net.outputs.clone(),
            summed_value: dual.sum,
        }),
    });
    let hidden_signals = computed.hidden_errors.iter().enumerate().map(|(hidden, error)| HiddenSignal {
        downstream_contributions: computed
            .contributions(hidden)
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
        product_order: Text::new_static(PRODUCT_ORDER),
        signal_value: error.signal,
    });
    wire::Backward {
        output_error_signals: map(&net.outputs, output_signals),
        hidden_error_signals: map(&net.hidden, hidden_signals),
    }
}

fn updates(
    net: &Net,
    given: &Given<f64>,
    computed: &Computed<f64>,
    first: &Pass<f64>,
    is_mazur: bool,
    is_batch: bool,
) -> Vec<Update> {
    let hidden_signal = |unit: usize| {
        let from = format!("backward.hidden_error_signals.{}.signal_value", net.hidden[unit]);
        factor("hidden_error_signal", Some(from), first.hidden_errors[unit].signal)
    };
    let output_signal = |unit: usize| {
        let from = format!("backward.output_error_signals.{}.signal_value", net.outputs[unit]);
        factor("output_error_signal", Some(from), first.output_errors[unit].signal)
    };
    let upstream = |from: String, value: f64| factor("upstream_activation", Some(from), value);
    let place = |parameter: usize| -> (Kind, &'static str, String, &UnitId, &UnitId, Factors) {
        let words = |from: &UnitId, to: &UnitId, numbered: String| match is_mazur {
            true => numbered,
            false => format!("{from}_to_{to}"),
        };
        match net.places[parameter] {
            Place::HiddenWeight { input, hidden } => {
                let (from, to) = (&net.inputs[input], &net.hidden[hidden]);
                let role = words(from, to, format!("input_{}_to_hidden_{}", input + 1, hidden + 1));
                let source = upstream(format!("inputs.{from}"), given.samples[0].inputs()[input]);
                (Kind::Weight, "input_to_hidden", role, from, to, smallvec![hidden_signal(hidden), source])
            }
            Place::OutputWeight { hidden, output } => {
                let (from, to) = (&net.hidden[hidden], &net.outputs[output]);
                let role = words(from, to, format!("hidden_{}_to_output_{}", hidden + 1, output + 1));
                let source = upstream(format!("forward.{from}.out"), first.forward.hidden()[hidden].out);
                (Kind::Weight, "hidden_to_output", role, from, to, smallvec![output_signal(output), source])
            }
            Place::HiddenBias { unit } => {
                let (role, name) = (Role::HiddenBias.name().to_owned(), &net.hidden[unit]);
                (Kind::Bias, "bias_to_layer", role, name, name, smallvec![hidden_signal(unit)])
            }
            Place::OutputBias { unit } => {
                let (role, name) = (Role::OutputBias.name().to_owned(), &net.outputs[unit]);
                (Kind::Bias, "bias_to_layer", role, name, name, smallvec![output_signal(unit)])
            }
        }
    };
    let learned =
        computed.changes.iter().enumerate().filter_map(|(index, change)| Some((index, change.as_ref()?)));
    learned
        .map(|(parameter, change)| {
            let (kind, edge, role, from, to, factors) = place(parameter);
            let reduced = || smallvec![factor("batch_reduced_gradient", None, change.gradient)];
            Update {
                parameter_id: net.parameters[parameter].clone(),
                kind,
                layer_edge: Some(Text::new_static(edge)),
                parameter_role: Some(role.into()),
                from_unit: Some(from.clone()),
                to_unit: Some(to.clone()),
                weight_before: given.before[parameter],
                optimizer: UpdateOptimizer {
                    name: name_of(&given.method),
                    learning_rate: given.learning_rate,
                    factors: if is_batch { reduced() } else { factors },
                    product_order: Text::new_static(PRODUCT_ORDER),
                    state_before: written_state(given.state(parameter)),
                    state_after: written_state(change.state),
                },
                gradient: change.gradient,
                update: change.update,
                weight_after: change.after,
            }
        })
        .collect()
}

fn name_of(method: &Method<f64>) -> Optimizer {
    match method {
        Method::Sgd { .. } => Optimizer::Sgd,
        Method::Momentum { .. } => Optimizer::SgdMomentum,
        Method::Adam { decay: None, .. } => Optimizer::Adam,
        Method::Adam { decay: Some(_), .. } => Optimizer::Adamw,
    }
}

fn written_state(state: State<f64>) -> Option<OptimizerState> {
    match state {
        State::None => None,
        State::Momentum(buffer) => Some(OptimizerState::Momentum { buffer }),
        State::Adam(m, v) => Some(OptimizerState::Adam { m, v }),
    }
}
