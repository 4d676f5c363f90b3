//! A step in which every key that the net calls for stands, and no other: values by index.

use crate::engine::{Method, Reduction, State};
use crate::receipt::id::{SampleId, UnitId};
use crate::receipt::net::Net;
use crate::receipt::step::Step;
use crate::receipt::wire::{
    Batch, BiasMode, DualForm, HiddenSignal, OptimizerState, Ordered, OutputSignal, Unit, Update,
};

/// A complete step. Vectors follow the net's order.
#[derive(Debug)]
pub struct Complete<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its net.
    pub net: &'a Net,
    /// Input values.
    pub inputs: Vec<f64>,
    /// Target values.
    pub targets: Vec<f64>,
    /// Parameters before.
    pub before: Vec<f64>,
    /// Parameters after.
    pub after: Vec<f64>,
    /// Hidden units.
    pub hidden: Vec<Unit>,
    /// Outputs.
    pub outputs: Vec<Unit>,
    /// Loss per output.
    pub per_output: Vec<f64>,
    /// Error signals of the outputs.
    pub output_signals: Vec<&'a OutputSignal>,
    /// Error signals of the hidden units.
    pub hidden_signals: Vec<&'a HiddenSignal>,
    /// Each parameter's update and its place in the record; `None` for a parameter that does not learn.
    pub updates: Vec<Option<(usize, &'a Update)>>,
    /// The pass with the new parameters, where the record holds one.
    pub post: Option<Post>,
    /// The optimizer.
    pub method: Method<f64>,
    /// Optimizer state before the step, per parameter.
    pub states: Vec<State<f64>>,
    /// The batch and its samples in order, where there is one.
    pub batch: Option<Samples<'a>>,
}

/// The samples of a batch.
#[derive(Debug)]
pub struct Samples<'a> {
    /// How they are combined.
    pub reduction: Reduction,
    /// In the batch's order.
    pub samples: Vec<SampleValues<'a>>,
}

/// One sample of a batch.
#[derive(Debug)]
pub struct SampleValues<'a> {
    /// Its name.
    pub name: &'a SampleId,
    /// Input values.
    pub inputs: Vec<f64>,
    /// Target values.
    pub targets: Vec<f64>,
    /// Hidden units.
    pub hidden: Vec<Unit>,
    /// Outputs.
    pub outputs: Vec<Unit>,
    /// Loss per output.
    pub per_output: Vec<f64>,
    /// Loss in total.
    pub total: f64,
    /// The same total where the batch's loss lists it.
    pub listed_total: f64,
}

impl<'a> Samples<'a> {
    fn of(batch: &'a Batch, step: &'a Step, net: &Net) -> Option<Self> {
        let (samples, totals) = (step.per_sample.as_ref()?, step.loss.per_sample.as_ref()?);
        let samples = batch
            .sample_order
            .iter()
            .map(|name| {
                let sample = samples.get(name)?;
                Some(SampleValues {
                    name,
                    inputs: values(&net.inputs, 0, &sample.inputs)?,
                    targets: values(&net.outputs, 0, &sample.targets)?,
                    hidden: values(&net.hidden, 0, &sample.forward)?,
                    outputs: values(&net.outputs, net.hidden.len(), &sample.forward)?,
                    per_output: values(&net.outputs, 0, &sample.loss.per_output)?,
                    total: sample.loss.total,
                    listed_total: *totals.get(name)?,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { reduction: Reduction::named(&batch.reduction)?, samples })
    }
}

/// The pass with the new parameters.
#[derive(Debug)]
pub struct Post {
    /// Hidden units.
    pub hidden: Vec<Unit>,
    /// Outputs.
    pub outputs: Vec<Unit>,
    /// Loss per output.
    pub per_output: Vec<f64>,
    /// Loss in total.
    pub total: f64,
}

impl<'a> Complete<'a> {
    /// The step's values by index, if every key stands.
    #[must_use]
    pub fn of(step: &'a Step, net: &'a Net) -> Option<Self> {
        let batch = match &step.batch {
            Some(batch) => Some(Samples::of(batch, step, net)?),
            None => None,
        };
        let updates = updates(step, net)?;
        let method = Method::of(step.optimizer.as_ref())?;
        let states = states(&method, &updates)?;
        Some(Self {
            step,
            net,
            inputs: values(&net.inputs, 0, &step.inputs)?,
            targets: values(&net.outputs, 0, &step.targets)?,
            before: values(&net.parameters, 0, &step.parameters_before)?,
            after: values(&net.parameters, 0, &step.parameters_after)?,
            hidden: values(&net.hidden, 0, &step.forward)?,
            outputs: values(&net.outputs, net.hidden.len(), &step.forward)?,
            per_output: values(&net.outputs, 0, &step.loss.per_output)?,
            output_signals: references(&net.outputs, &step.backward.output_error_signals)?,
            hidden_signals: references(&net.hidden, &step.backward.hidden_error_signals)?,
            updates,
            post: post(step, net),
            method,
            states,
            batch,
        })
    }

    /// The dual forms of the output signals, if every output has one.
    #[must_use]
    pub fn duals(&self) -> Option<Vec<&'a DualForm>> {
        self.output_signals.iter().map(|signal| signal.dual_form.as_ref()).collect()
    }
}

/// Whether a parameter learns.
#[must_use]
pub fn learns(step: &Step, net: &Net, parameter: usize) -> bool {
    !net.places[parameter].is_bias() || step.bias_mode == BiasMode::Sgd
}

/// The value of a name, found at once where it stands in the expected place.
fn near<'a, K: std::hash::Hash + Eq, V>(map: &'a Ordered<K, V>, expected: usize, name: &K) -> Option<&'a V> {
    match map.get_index(expected) {
        Some((found, value)) if found == name => Some(value),
        _ => map.get(name),
    }
}

/// The values of names; `before` are the names of the map that stand before them in the order of the net.
fn values<K: std::hash::Hash + Eq, V: Copy>(
    names: &[K],
    before: usize,
    map: &Ordered<K, V>,
) -> Option<Vec<V>> {
    let found = names.iter().enumerate().map(|(index, name)| near(map, before + index, name).copied());
    every(names.len(), found)
}

/// All items, if none is missing, in one allocation.
fn every<T>(count: usize, items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut all = Vec::with_capacity(count);
    for item in items {
        all.push(item?);
    }
    Some(all)
}

fn references<'a, V>(names: &[UnitId], map: &'a Ordered<UnitId, V>) -> Option<Vec<&'a V>> {
    every(names.len(), names.iter().enumerate().map(|(index, name)| near(map, index, name)))
}

fn updates<'a>(step: &'a Step, net: &Net) -> Option<Vec<Option<(usize, &'a Update)>>> {
    let mut stated = step.updates.iter().enumerate();
    let own = net.parameters.iter().enumerate().map(|(parameter, name)| match learns(step, net, parameter) {
        false => Some(None),
        true => stated.next().filter(|(_, update)| update.parameter_id == *name).map(Some),
    });
    let updates = every(net.parameters.len(), own)?;
    stated.next().is_none().then_some(updates)
}

fn post(step: &Step, net: &Net) -> Option<Post> {
    let post = &step.post_update;
    Some(Post {
        hidden: values(&net.hidden, 0, post.forward.as_ref()?)?,
        outputs: values(&net.outputs, net.hidden.len(), post.forward.as_ref()?)?,
        per_output: values(&net.outputs, 0, post.per_output.as_ref()?)?,
        total: post.total?,
    })
}

/// The state before the step of each parameter that learns, of the kind that the optimizer has.
fn states(method: &Method<f64>, updates: &[Option<(usize, &Update)>]) -> Option<Vec<State<f64>>> {
    let state = |update: &Option<(usize, &Update)>| match update {
        None => Some(State::None),
        Some((_, update)) => state_of(method, update.optimizer.state_before.as_ref()),
    };
    every(updates.len(), updates.iter().map(state))
}

/// A state on the wire, if it is of the kind that the optimizer has.
#[must_use]
pub fn state_of(method: &Method<f64>, stored: Option<&OptimizerState>) -> Option<State<f64>> {
    match (method, stored) {
        (Method::Sgd { .. }, None) => Some(State::None),
        (Method::Momentum { .. }, Some(OptimizerState::Momentum { buffer })) => {
            Some(State::Momentum(*buffer))
        }
        (Method::Adam { .. }, Some(OptimizerState::Adam { m, v })) => Some(State::Adam(*m, *v)),
        _ => None,
    }
}
