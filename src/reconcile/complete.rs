//! A step held against its net: which blocks name what the net does, and, where all do, their values by index.

use std::hash::Hash;
use std::ops::Index;

use crate::engine::{Method, Reduction, State};
use crate::receipt::id::{ParamId, SampleId, UnitId};
use crate::receipt::net::Net;
use crate::receipt::step::Step;
use crate::receipt::wire::{
    Batch, BiasMode, DualForm, HiddenSignal, OptimizerState, Ordered, OutputSignal, Unit, Update,
};

/// The values of a block in the net's order, counted from 0.
#[derive(Debug)]
pub enum Column<'a, K, V> {
    /// They lie in that order.
    Lying(&'a [(K, V)]),
    /// They were looked up name by name.
    Found(Vec<&'a V>),
}

/// Values by unit.
pub type OfUnits<'a, V> = Column<'a, UnitId, V>;

impl<'a, K: Clone + Hash + Eq, V> Column<'a, K, V> {
    /// The values of names, if every name stands; `before` are the names of the map that the net has before them.
    fn of(names: &[K], before: usize, map: &'a Ordered<K, V>) -> Option<Self> {
        let lying = map.entries().get(before..before + names.len());
        let lying = lying.filter(|lying| lying.iter().map(|(name, _)| name).eq(names));
        lying.map(Self::Lying).or_else(|| {
            let found: Option<Vec<&V>> = names.iter().map(|name| map.get(name)).collect();
            found.map(Self::Found)
        })
    }

    /// The values of names, if these are the keys of the map, all of them and no other. No two names are alike.
    fn whole(names: &[K], map: &'a Ordered<K, V>) -> Option<Self> {
        Self::of(names, 0, map).filter(|_| map.len() == names.len())
    }
}

impl<K, V> Column<'_, K, V> {
    /// The values.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &V> {
        let count = match self {
            Self::Lying(entries) => entries.len(),
            Self::Found(values) => values.len(),
        };
        (0..count).map(|index| &self[index])
    }
}

impl<K, V> Index<usize> for Column<'_, K, V> {
    type Output = V;

    #[inline]
    fn index(&self, index: usize) -> &V {
        match self {
            Self::Lying(entries) => &entries[index].1,
            Self::Found(values) => values[index],
        }
    }
}

/// A step and its net. A block is here where its keys are those that the net calls for, all of them and no other.
#[derive(Debug)]
pub struct Keyed<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its net.
    pub net: &'a Net,
    /// Input values.
    pub inputs: Option<OfUnits<'a, f64>>,
    /// Target values.
    pub targets: Option<OfUnits<'a, f64>>,
    /// Parameters before.
    pub before: Option<Column<'a, ParamId, f64>>,
    /// Parameters after.
    pub after: Option<Column<'a, ParamId, f64>>,
    /// Hidden units and outputs.
    pub forward: Option<(OfUnits<'a, Unit>, OfUnits<'a, Unit>)>,
    /// Loss per output.
    pub per_output: Option<OfUnits<'a, f64>>,
    /// Error signals of the outputs.
    pub output_signals: Option<OfUnits<'a, OutputSignal>>,
    /// Error signals of the hidden units.
    pub hidden_signals: Option<OfUnits<'a, HiddenSignal>>,
    /// Each parameter's update and its place in the record; `None` for a parameter that does not learn. They stand in the
    /// net's order.
    pub updates: Option<Vec<Option<(usize, &'a Update)>>>,
}

impl<'a> Keyed<'a> {
    /// Looks up every name of the net.
    #[must_use]
    pub fn of(step: &'a Step, net: &'a Net) -> Self {
        Self {
            step,
            net,
            inputs: Column::whole(&net.inputs, &step.inputs),
            targets: Column::whole(&net.outputs, &step.targets),
            before: Column::whole(&net.parameters, &step.parameters_before),
            after: Column::whole(&net.parameters, &step.parameters_after),
            forward: computed(net, &step.forward),
            per_output: Column::whole(&net.outputs, &step.loss.per_output),
            output_signals: Column::whole(&net.outputs, &step.backward.output_error_signals),
            hidden_signals: Column::whole(&net.hidden, &step.backward.hidden_error_signals),
            updates: updates(step, net),
        }
    }
}

/// The hidden units and outputs of a pass that names these and no other.
fn computed<'a>(
    net: &Net,
    pass: &'a Ordered<UnitId, Unit>,
) -> Option<(OfUnits<'a, Unit>, OfUnits<'a, Unit>)> {
    let hidden = Column::of(&net.hidden, 0, pass)?;
    let outputs = Column::of(&net.outputs, net.hidden.len(), pass)?;
    (pass.len() == net.hidden.len() + net.outputs.len()).then_some((hidden, outputs))
}

/// A complete step. Columns and vectors follow the net's order.
#[derive(Debug)]
pub struct Complete<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its net.
    pub net: &'a Net,
    /// Input values.
    pub inputs: OfUnits<'a, f64>,
    /// Target values.
    pub targets: OfUnits<'a, f64>,
    /// Parameters before.
    pub before: Column<'a, ParamId, f64>,
    /// Parameters after.
    pub after: Column<'a, ParamId, f64>,
    /// Hidden units.
    pub hidden: OfUnits<'a, Unit>,
    /// Outputs.
    pub outputs: OfUnits<'a, Unit>,
    /// Loss per output.
    pub per_output: OfUnits<'a, f64>,
    /// Error signals of the outputs.
    pub output_signals: OfUnits<'a, OutputSignal>,
    /// Error signals of the hidden units.
    pub hidden_signals: OfUnits<'a, HiddenSignal>,
    /// Each parameter's update and its place in the record; `None` for a parameter that does not learn.
    pub updates: Vec<Option<(usize, &'a Update)>>,
    /// The pass with the new parameters, where the record holds one.
    pub post: Option<Post<'a>>,
    /// The optimizer.
    pub method: Method<f64>,
    /// Optimizer state before the step, per parameter; none where the optimizer keeps none.
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
    pub inputs: OfUnits<'a, f64>,
    /// Target values.
    pub targets: OfUnits<'a, f64>,
    /// Hidden units.
    pub hidden: OfUnits<'a, Unit>,
    /// Outputs.
    pub outputs: OfUnits<'a, Unit>,
    /// Loss per output.
    pub per_output: OfUnits<'a, f64>,
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
                let (hidden, outputs) = computed(net, &sample.forward)?;
                Some(SampleValues {
                    name,
                    inputs: Column::whole(&net.inputs, &sample.inputs)?,
                    targets: Column::whole(&net.outputs, &sample.targets)?,
                    hidden,
                    outputs,
                    per_output: Column::whole(&net.outputs, &sample.loss.per_output)?,
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
pub struct Post<'a> {
    /// Hidden units.
    pub hidden: OfUnits<'a, Unit>,
    /// Outputs.
    pub outputs: OfUnits<'a, Unit>,
    /// Loss per output.
    pub per_output: OfUnits<'a, f64>,
    /// Loss in total.
    pub total: f64,
}

impl<'a> Complete<'a> {
    /// The step's values by index, if every key stands.
    #[must_use]
    pub fn of(keyed: Keyed<'a>) -> Option<Self> {
        let Keyed { step, net, .. } = keyed;
        let batch = match &step.batch {
            Some(batch) => Some(Samples::of(batch, step, net)?),
            None => None,
        };
        let updates = keyed.updates?;
        let method = Method::of(step.optimizer.as_ref())?;
        let states = states(&method, &updates)?;
        let (hidden, outputs) = keyed.forward?;
        Some(Self {
            step,
            net,
            inputs: keyed.inputs?,
            targets: keyed.targets?,
            before: keyed.before?,
            after: keyed.after?,
            hidden,
            outputs,
            per_output: keyed.per_output?,
            output_signals: keyed.output_signals?,
            hidden_signals: keyed.hidden_signals?,
            updates,
            post: post(step, net),
            method,
            states,
            batch,
        })
    }

    /// The dual forms of the output signals, if every output has one.
    #[must_use]
    pub fn duals(&self) -> Option<Vec<&DualForm>> {
        self.output_signals.iter().map(|signal| signal.dual_form.as_ref()).collect()
    }
}

/// Whether a parameter learns.
#[must_use]
pub fn learns(step: &Step, net: &Net, parameter: usize) -> bool {
    !net.places[parameter].is_bias() || step.bias_mode == BiasMode::Sgd
}

/// All items, if none is missing, in one allocation.
fn every<T>(count: usize, items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut all = Vec::with_capacity(count);
    for item in items {
        all.push(item?);
    }
    Some(all)
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

fn post<'a>(step: &'a Step, net: &Net) -> Option<Post<'a>> {
    let post = &step.post_update;
    let (hidden, outputs) = computed(net, post.forward.as_ref()?)?;
    let per_output = Column::whole(&net.outputs, post.per_output.as_ref()?)?;
    Some(Post { hidden, outputs, per_output, total: post.total? })
}

/// The state before the step of each parameter that learns, of the kind that the optimizer has.
fn states(method: &Method<f64>, updates: &[Option<(usize, &Update)>]) -> Option<Vec<State<f64>>> {
    if matches!(method, Method::Sgd { .. }) {
        let stateless =
            |update: &(usize, &Update)| state_of(method, update.1.optimizer.state_before.as_ref()).is_some();
        return updates.iter().flatten().all(stateless).then(Vec::new);
    }
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
