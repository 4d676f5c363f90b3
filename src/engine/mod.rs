//! One training step of a dense net with one hidden layer, computed from inputs, parameters and hyper-parameters alone.
//!
//! The arithmetic is generic over [`Real`]: in `f64` it authors receipts, in [`Bounded`](crate::number::Bounded) it
//! judges them, in the same order of operations, so both round alike. Signs follow the descent direction: the output
//! signal is (t - y) f'(y), an update adds learning rate times gradient (Rumelhart, Hinton and Williams 1986, eq. 4-8).
//!
//! A batch shares its parameters: each sample has a pass of its own, gradients and losses are reduced in the order of the
//! samples, and the optimizer takes one step.
//!
//! Shapes: N samples, I inputs, H hidden units, O outputs; vectors follow the order of the [`Net`].

pub mod activation;
pub mod optimizer;

use std::ops::Add;

use crate::number::Real;
use crate::receipt::net::{Net, Place};
use crate::receipt::wire::{BiasMode, LossKind};
pub use optimizer::{Change, Method, State};

/// One sample.
#[derive(Debug, Clone)]
pub struct Sample<R> {
    /// Inputs, then targets.
    values: Vec<R>,
    inputs: usize,
}

impl<R> Sample<R> {
    /// A sample of input values, I, and target values, O.
    pub fn new(inputs: impl ExactSizeIterator<Item = R>, targets: impl ExactSizeIterator<Item = R>) -> Self {
        let count = inputs.len();
        let mut values = Vec::with_capacity(count + targets.len());
        values.extend(inputs);
        values.extend(targets);
        Self { values, inputs: count }
    }

    /// Input values, I.
    #[must_use]
    pub fn inputs(&self) -> &[R] {
        &self.values[..self.inputs]
    }

    /// Target values, O.
    #[must_use]
    pub fn targets(&self) -> &[R] {
        &self.values[self.inputs..]
    }
}

/// How the samples of a batch are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum over N.
    Mean,
    /// The sum.
    Sum,
    /// A single sample as it is.
    None,
}

impl Reduction {
    /// The reduction of a name on the wire.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mean" => Some(Self::Mean),
            "sum" => Some(Self::Sum),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Numbers reduced in order, left to right from 0; for `None` the first.
    pub fn of<R: Real>(self, numbers: impl IntoIterator<Item = R>) -> R {
        let mut numbers = numbers.into_iter();
        if self == Self::None {
            return numbers.next().unwrap_or_else(|| R::exact(f64::NAN));
        }
        let (sum, count) =
            numbers.fold((R::exact(0.0), 0_u32), |(sum, count), number| (sum + number, count + 1));
        if self == Self::Mean { sum / R::exact(f64::from(count)) } else { sum }
    }
}

/// What a step is computed from.
#[derive(Debug, Clone)]
pub struct Given<R> {
    /// The samples; one where there is no batch.
    pub samples: Vec<Sample<R>>,
    /// How they are combined.
    pub reduction: Reduction,
    /// Parameters before the update, in the net's order.
    pub before: Vec<R>,
    /// Optimizer state of each parameter, same order; none where the optimizer keeps none.
    pub states: Vec<State<R>>,
    /// The optimizer.
    pub method: Method<R>,
    /// Learning rate of the step.
    pub learning_rate: R,
    /// Whether biases learn.
    pub bias_mode: BiasMode,
}

impl<R: Copy> Given<R> {
    /// The optimizer state of a parameter.
    #[must_use]
    pub fn state(&self, parameter: usize) -> State<R> {
        self.states.get(parameter).copied().unwrap_or(State::None)
    }
}

/// A unit's weighted input and its activation.
#[derive(Debug, Clone, Copy)]
pub struct Cell<R> {
    /// Weighted sum plus bias.
    pub net: R,
    /// Activation of `net`.
    pub out: R,
}

/// A forward pass.
#[derive(Debug, Clone)]
pub struct Forward<R> {
    /// Hidden units, H, then outputs, O.
    pub cells: Vec<Cell<R>>,
    hidden: usize,
}

impl<R> Forward<R> {
    /// Hidden units, H.
    #[must_use]
    pub fn hidden(&self) -> &[Cell<R>] {
        &self.cells[..self.hidden]
    }

    /// Outputs, O.
    #[must_use]
    pub fn outputs(&self) -> &[Cell<R>] {
        &self.cells[self.hidden..]
    }
}

/// A loss.
#[derive(Debug, Clone)]
pub struct Loss<R> {
    /// Each output's part, O.
    pub per_output: Vec<R>,
    /// Their sum.
    pub total: R,
}

/// The error signal of an output: minus the derivative of the loss with respect to its `net`.
#[derive(Debug, Clone)]
pub struct OutputError<R> {
    /// Target minus output, or target minus probability.
    pub difference: R,
    /// Derivative of the activation; the signal of a softmax with cross-entropy is the difference alone.
    pub derivative: Option<R>,
    /// The product.
    pub signal: R,
    /// The same through the softmax Jacobian, where there is one.
    pub dual: Option<Dual<R>>,
}

impl<R: Copy> OutputError<R> {
    /// What the signal is the product of.
    pub fn factors(&self) -> impl Iterator<Item = R> {
        std::iter::once(self.difference).chain(self.derivative)
    }
}

/// The softmax error signal as the sum over j of `y_j` ((1 if j = u, else 0) - `p_u`).
#[derive(Debug, Clone)]
pub struct Dual<R> {
    /// Terms in output order, O.
    pub terms: Vec<DualTerm<R>>,
    /// Their sum.
    pub sum: R,
}

/// One term of a [`Dual`].
#[derive(Debug, Clone, Copy)]
pub struct DualTerm<R> {
    /// `y_j`.
    pub target: R,
    /// (1 if j = u, else 0) - `p_u`.
    pub delta: R,
    /// Their product.
    pub term: R,
}

/// The error signal of a hidden unit.
#[derive(Debug, Clone, Copy)]
pub struct HiddenError<R> {
    /// The sum of what the outputs send back.
    pub sum: R,
    /// Derivative of the activation.
    pub derivative: R,
    /// Sum times derivative.
    pub signal: R,
}

/// One sample's pass.
#[derive(Debug, Clone)]
pub struct Pass<R> {
    /// Forward pass.
    pub forward: Forward<R>,
    /// Loss.
    pub loss: Loss<R>,
    /// Error signals of the outputs, O.
    pub output_errors: Vec<OutputError<R>>,
    /// Error signals of the hidden units, H.
    pub hidden_errors: Vec<HiddenError<R>>,
    /// What each output sends back to each hidden unit, H times O.
    contributions: Vec<R>,
}

impl<R> Pass<R> {
    /// What each output sends back to a hidden unit: its signal times the weight between, O.
    #[must_use]
    pub fn contributions(&self, hidden: usize) -> &[R] {
        let count = self.output_errors.len();
        &self.contributions[hidden * count..(hidden + 1) * count]
    }
}

/// A computed step.
#[derive(Debug, Clone)]
pub struct Computed<R> {
    /// Each sample's pass, N.
    pub passes: Vec<Pass<R>>,
    /// The loss over all samples.
    pub loss: Loss<R>,
    /// Change of each parameter, in the net's order; `None` where it does not learn.
    pub changes: Vec<Option<Change<R>>>,
    /// Parameters after the update.
    pub after: Vec<R>,
    /// The first sample's forward pass with them.
    pub post_forward: Forward<R>,
    /// The first sample's loss with them.
    pub post_loss: Loss<R>,
}

/// Computes one step. `None` without a sample.
#[must_use]
pub fn step<R: Real>(net: &Net, given: &Given<R>) -> Option<Computed<R>> {
    let first = given.samples.first()?;
    let passes: Vec<Pass<R>> = given.samples.iter().map(|sample| pass(net, sample, &given.before)).collect();
    let corrections = given.method.corrections();
    let changes: Vec<Option<Change<R>>> = net
        .places
        .iter()
        .enumerate()
        .map(|(parameter, place)| {
            if place.is_bias() && given.bias_mode == BiasMode::Constant {
                return None;
            }
            let gradients =
                given.samples.iter().zip(&passes).map(|(sample, pass)| gradient(*place, sample, pass));
            let gradient = given.reduction.of(gradients);
            let (before, state) = (given.before[parameter], given.state(parameter));
            Some(given.method.change(corrections, given.learning_rate, gradient, before, state))
        })
        .collect();
    let after: Vec<R> = given
        .before
        .iter()
        .zip(&changes)
        .map(|(before, change)| change.as_ref().map_or(*before, |change| change.after))
        .collect();
    let per_output = (0..net.outputs.len())
        .map(|output| given.reduction.of(passes.iter().map(|pass| pass.loss.per_output[output])))
        .collect();
    let total = given.reduction.of(passes.iter().map(|pass| pass.loss.total));
    let post_forward = forward(net, first, &after);
    let post_loss = loss(net.loss, first.targets(), &post_forward);
    Some(Computed { passes, loss: Loss { per_output, total }, changes, after, post_forward, post_loss })
}

fn pass<R: Real>(net: &Net, sample: &Sample<R>, before: &[R]) -> Pass<R> {
    let forward = forward(net, sample, before);
    let loss = loss(net.loss, sample.targets(), &forward);
    let output_errors = output_errors(net, sample, &forward);
    let (hidden_errors, contributions) = hidden_errors(net, before, &forward, &output_errors);
    Pass { forward, loss, output_errors, hidden_errors, contributions }
}

/// The gradient of one parameter over one sample.
fn gradient<R: Real>(place: Place, sample: &Sample<R>, pass: &Pass<R>) -> R {
    match place {
        Place::HiddenWeight { input, hidden } => pass.hidden_errors[hidden].signal * sample.inputs()[input],
        Place::OutputWeight { hidden, output } => {
            pass.output_errors[output].signal * pass.forward.hidden()[hidden].out
        }
        Place::HiddenBias { unit } => pass.hidden_errors[unit].signal,
        Place::OutputBias { unit } => pass.output_errors[unit].signal,
    }
}

/// The forward pass with given parameters: `net = x_1 w_1 + ... + x_n w_n + b`, summed left to right.
fn forward<R: Real>(net: &Net, sample: &Sample<R>, parameters: &[R]) -> Forward<R> {
    let hidden = net.hidden.len();
    let mut cells = Vec::with_capacity(hidden + net.outputs.len());
    for unit in 0..hidden {
        let terms = sample.inputs().iter().enumerate();
        let terms = terms.map(|(input, value)| *value * parameters[net.hidden_weight(unit, input)]);
        let weighted = terms.fold(R::exact(0.0), Add::add) + parameters[net.hidden_biases[unit]];
        cells.push(Cell { net: weighted, out: weighted });
    }
    activation::apply(net.activation_hidden, &mut cells);
    for unit in 0..net.outputs.len() {
        let terms = cells[..hidden].iter().enumerate();
        let terms = terms.map(|(source, cell)| cell.out * parameters[net.output_weight(unit, source)]);
        let weighted = terms.fold(R::exact(0.0), Add::add) + parameters[net.output_biases[unit]];
        cells.push(Cell { net: weighted, out: weighted });
    }
    activation::apply(net.activation_output, &mut cells[hidden..]);
    Forward { cells, hidden }
}

/// The loss of one output.
#[must_use]
pub fn loss_of<R: Real>(kind: LossKind, target: R, out: R) -> R {
    match kind {
        LossKind::HalfSquaredError => {
            let difference = target - out;
            R::exact(0.5) * difference * difference
        }
        // The limit of -t ln p as t falls to 0 is 0, also where p is 0.
        LossKind::CrossEntropySoftmax if target.value() == 0.0 => R::exact(0.0),
        LossKind::CrossEntropySoftmax => -target * out.ln(),
    }
}

fn loss<R: Real>(kind: LossKind, targets: &[R], forward: &Forward<R>) -> Loss<R> {
    let per_output: Vec<R> = targets
        .iter()
        .zip(forward.outputs())
        .map(|(target, cell)| loss_of(kind, *target, cell.out))
        .collect();
    let total = per_output.iter().fold(R::exact(0.0), |total, part| total + *part);
    Loss { per_output, total }
}

fn output_errors<R: Real>(net: &Net, sample: &Sample<R>, forward: &Forward<R>) -> Vec<OutputError<R>> {
    let error = |(unit, (target, cell)): (usize, (&R, &Cell<R>))| {
        let difference = *target - cell.out;
        match net.loss {
            LossKind::HalfSquaredError => {
                let derivative = activation::derivative(net.activation_output, cell.out);
                OutputError {
                    difference,
                    derivative: Some(derivative),
                    signal: difference * derivative,
                    dual: None,
                }
            }
            LossKind::CrossEntropySoftmax => OutputError {
                difference,
                derivative: None,
                signal: difference,
                dual: Some(dual(unit, cell.out, sample.targets())),
            },
        }
    };
    sample.targets().iter().zip(forward.outputs()).enumerate().map(error).collect()
}

fn dual<R: Real>(unit: usize, probability: R, targets: &[R]) -> Dual<R> {
    let terms: Vec<DualTerm<R>> = targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            let delta = R::exact(if index == unit { 1.0 } else { 0.0 }) - probability;
            DualTerm { target: *target, delta, term: *target * delta }
        })
        .collect();
    let sum = terms.iter().fold(R::exact(0.0), |sum, term| sum + term.term);
    Dual { terms, sum }
}

fn hidden_errors<R: Real>(
    net: &Net,
    before: &[R],
    forward: &Forward<R>,
    output_errors: &[OutputError<R>],
) -> (Vec<HiddenError<R>>, Vec<R>) {
    let mut contributions = Vec::with_capacity(forward.hidden().len() * output_errors.len());
    let error = |(unit, cell): (usize, &Cell<R>)| {
        let mut sum = R::exact(0.0);
        for (output, error) in output_errors.iter().enumerate() {
            let contribution = error.signal * before[net.output_weight(output, unit)];
            contributions.push(contribution);
            sum = sum + contribution;
        }
        let derivative = activation::derivative(net.activation_hidden, cell.out);
        HiddenError { sum, derivative, signal: sum * derivative }
    };
    let errors = forward.hidden().iter().enumerate().map(error).collect();
    (errors, contributions)
}
