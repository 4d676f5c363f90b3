//! One training step of a dense net with one hidden layer, computed from inputs, parameters and hyper-parameters alone.
//!
//! The arithmetic is generic over [`Real`]: in `f64` it authors receipts, in [`Bounded`](crate::number::Bounded) it
//! judges them, in the same order of operations, so both round alike. Signs follow the descent direction: the output
//! signal is (t - y) f'(y), an update adds learning rate times gradient (Rumelhart, Hinton and Williams 1986, eq. 4-8).
//!
//! Shapes: I inputs, H hidden units, O outputs; vectors follow the order of the [`Net`].

pub mod activation;

use crate::number::Real;
use crate::receipt::net::{Net, Place};
use crate::receipt::wire::{BiasMode, LossKind};

/// What a step is computed from.
#[derive(Debug, Clone)]
pub struct Given<R> {
    /// Input values, I.
    pub inputs: Vec<R>,
    /// Target values, O.
    pub targets: Vec<R>,
    /// Parameters before the update, in the net's order.
    pub before: Vec<R>,
    /// Learning rate of the step.
    pub learning_rate: R,
    /// Whether biases learn.
    pub bias_mode: BiasMode,
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
    /// Hidden units, H.
    pub hidden: Vec<Cell<R>>,
    /// Outputs, O.
    pub outputs: Vec<Cell<R>>,
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
    /// What the signal is the product of: target minus output and derivative, or target minus probability alone.
    pub factors: Vec<R>,
    /// The product.
    pub signal: R,
    /// The same through the softmax Jacobian, where there is one.
    pub dual: Option<Dual<R>>,
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
#[derive(Debug, Clone)]
pub struct HiddenError<R> {
    /// What each output sends back: its signal times the weight between, O.
    pub contributions: Vec<R>,
    /// Their sum.
    pub sum: R,
    /// Derivative of the activation.
    pub derivative: R,
    /// Sum times derivative.
    pub signal: R,
}

/// What a step does to one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Change<R> {
    /// Gradient in descent direction.
    pub gradient: R,
    /// What is added.
    pub update: R,
    /// The new value.
    pub after: R,
}

/// A computed step.
#[derive(Debug, Clone)]
pub struct Computed<R> {
    /// Forward pass.
    pub forward: Forward<R>,
    /// Loss.
    pub loss: Loss<R>,
    /// Error signals of the outputs, O.
    pub output_errors: Vec<OutputError<R>>,
    /// Error signals of the hidden units, H.
    pub hidden_errors: Vec<HiddenError<R>>,
    /// Change of each parameter, in the net's order; `None` where it does not learn.
    pub changes: Vec<Option<Change<R>>>,
    /// Parameters after the update.
    pub after: Vec<R>,
    /// Forward pass with them.
    pub post_forward: Forward<R>,
    /// Loss with them.
    pub post_loss: Loss<R>,
}

/// Computes one step.
#[must_use]
pub fn step<R: Real>(net: &Net, given: &Given<R>) -> Computed<R> {
    let forward = forward(net, given, &given.before);
    let loss = loss(net.loss, &given.targets, &forward);
    let output_errors = output_errors(net, given, &forward);
    let hidden_errors = hidden_errors(net, given, &forward, &output_errors);
    let changes: Vec<Option<Change<R>>> = net
        .places
        .iter()
        .zip(&given.before)
        .map(|(place, before)| {
            let gradient = match *place {
                Place::HiddenWeight { input, hidden } => hidden_errors[hidden].signal * given.inputs[input],
                Place::OutputWeight { hidden, output } => {
                    output_errors[output].signal * forward.hidden[hidden].out
                }
                _ if given.bias_mode == BiasMode::Constant => return None,
                Place::HiddenBias { unit } => hidden_errors[unit].signal,
                Place::OutputBias { unit } => output_errors[unit].signal,
            };
            let update = given.learning_rate * gradient;
            Some(Change { gradient, update, after: *before + update })
        })
        .collect();
    let after: Vec<R> = given
        .before
        .iter()
        .zip(&changes)
        .map(|(before, change)| change.as_ref().map_or(*before, |change| change.after))
        .collect();
    let post_forward = self::forward(net, given, &after);
    let post_loss = self::loss(net.loss, &given.targets, &post_forward);
    Computed { forward, loss, output_errors, hidden_errors, changes, after, post_forward, post_loss }
}

/// The forward pass with given parameters: `net = x_1 w_1 + ... + x_n w_n + b`, summed left to right.
fn forward<R: Real>(net: &Net, given: &Given<R>, parameters: &[R]) -> Forward<R> {
    let weighted = |sources: &[R], weight: &dyn Fn(usize) -> usize, bias: usize| {
        let sum = sources
            .iter()
            .enumerate()
            .fold(R::exact(0.0), |sum, (index, source)| sum + *source * parameters[weight(index)]);
        sum + parameters[bias]
    };
    let hidden_nets: Vec<R> = (0..net.hidden.len())
        .map(|unit| weighted(&given.inputs, &|input| net.hidden_weight(unit, input), net.hidden_biases[unit]))
        .collect();
    let hidden = activation::layer(net.activation_hidden, hidden_nets);
    let outs: Vec<R> = hidden.iter().map(|cell| cell.out).collect();
    let output_nets = (0..net.outputs.len())
        .map(|unit| weighted(&outs, &|hidden| net.output_weight(unit, hidden), net.output_biases[unit]))
        .collect();
    Forward { hidden, outputs: activation::layer(net.activation_output, output_nets) }
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
    let per_output: Vec<R> =
        targets.iter().zip(&forward.outputs).map(|(target, cell)| loss_of(kind, *target, cell.out)).collect();
    let total = per_output.iter().fold(R::exact(0.0), |total, part| total + *part);
    Loss { per_output, total }
}

fn output_errors<R: Real>(net: &Net, given: &Given<R>, forward: &Forward<R>) -> Vec<OutputError<R>> {
    let error = |(unit, (target, cell)): (usize, (&R, &Cell<R>))| {
        let difference = *target - cell.out;
        match net.loss {
            LossKind::HalfSquaredError => {
                let derivative = activation::derivative(net.activation_output, cell.out);
                OutputError {
                    factors: vec![difference, derivative],
                    signal: difference * derivative,
                    dual: None,
                }
            }
            LossKind::CrossEntropySoftmax => OutputError {
                factors: vec![difference],
                signal: difference,
                dual: Some(dual(unit, cell.out, &given.targets)),
            },
        }
    };
    given.targets.iter().zip(&forward.outputs).enumerate().map(error).collect()
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
    given: &Given<R>,
    forward: &Forward<R>,
    output_errors: &[OutputError<R>],
) -> Vec<HiddenError<R>> {
    let error = |(unit, cell): (usize, &Cell<R>)| {
        let contributions: Vec<R> = output_errors
            .iter()
            .enumerate()
            .map(|(output, error)| error.signal * given.before[net.output_weight(output, unit)])
            .collect();
        let sum = contributions.iter().fold(R::exact(0.0), |sum, contribution| sum + *contribution);
        let derivative = activation::derivative(net.activation_hidden, cell.out);
        HiddenError { contributions, sum, derivative, signal: sum * derivative }
    };
    forward.hidden.iter().enumerate().map(error).collect()
}
