//! A topology with every name resolved: a dense net with one hidden layer.
//!
//! Weights stand by index: hidden weight (h, i) leads from input i to hidden unit h, output weight (o, h) from hidden
//! unit h to output o. All indices count from 0 in the order that the record declares.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::id::{ParamId, UnitId};
use super::wire::{Activation, BiasSharing, LossKind, Parameter, Role, Topology};
use crate::pointer::Pointer;
use crate::{at, place};

/// Units per layer; the judge's own ceiling, whatever a schema admits.
pub const MAX_LAYER: usize = 512;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Weight from an input to a hidden unit.
    HiddenWeight {
        /// The input.
        input: usize,
        /// The hidden unit.
        hidden: usize,
    },
    /// Weight from a hidden unit to an output.
    OutputWeight {
        /// The hidden unit.
        hidden: usize,
        /// The output.
        output: usize,
    },
    /// Bias of hidden units; `unit` is the first (and, one bias per unit, the only) one.
    HiddenBias {
        /// The hidden unit.
        unit: usize,
    },
    /// Bias of outputs; `unit` as above.
    OutputBias {
        /// The output.
        unit: usize,
    },
}

impl Place {
    /// Whether it is a bias.
    #[must_use]
    pub const fn is_bias(self) -> bool {
        matches!(self, Self::HiddenBias { .. } | Self::OutputBias { .. })
    }
}

/// A dense net with one hidden layer.
#[derive(Debug, Clone)]
pub struct Net {
    /// Names of the inputs.
    pub inputs: Vec<UnitId>,
    /// Names of the hidden units.
    pub hidden: Vec<UnitId>,
    /// Names of the outputs.
    pub outputs: Vec<UnitId>,
    /// Names of the parameters, in order.
    pub parameters: Vec<ParamId>,
    /// Where each parameter stands; same order.
    pub places: Vec<Place>,
    /// Parameter index of hidden weight (h, i) at `h * inputs + i`.
    hidden_weights: Vec<usize>,
    /// Parameter index of output weight (o, h) at `o * hidden + h`.
    output_weights: Vec<usize>,
    /// Parameter index of each hidden unit's bias.
    pub hidden_biases: Vec<usize>,
    /// Parameter index of each output's bias.
    pub output_biases: Vec<usize>,
    /// Activation of the hidden layer.
    pub activation_hidden: Activation,
    /// Activation of the output layer.
    pub activation_output: Activation,
    /// The loss.
    pub loss: LossKind,
    /// How biases are shared.
    pub bias_sharing: BiasSharing,
    /// The index of each parameter, once one is looked up out of order.
    by_name: OnceLock<HashMap<ParamId, usize>>,
}

/// Why a topology is not a dense net with one hidden layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    /// The law it breaks.
    pub law: TopologyLaw,
    /// Where.
    pub at: Pointer,
    /// A count that stands there and the one that follows, where the law is about a count.
    pub counts: Option<(u64, u64)>,
}

/// What holds of a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyLaw {
    /// `layers` is input, hidden, output.
    Layers,
    /// A declared size is the number of units named.
    Size,
    /// A layer has at most [`MAX_LAYER`] units.
    Ceiling,
    /// No two units share a name.
    UnitNames,
    /// `parameter_order` names the parameters, in order, each once.
    ParameterOrder,
    /// A weight leads from a unit of one layer to a unit of the next; a bias names no such ends.
    Ends,
    /// No two weights connect the same units.
    Edge,
    /// Every unit is connected to every unit of the layer before.
    FanIn,
    /// A shared bias applies to its whole layer, any other to one unit.
    BiasUnits,
    /// Every unit has one bias.
    BiasCover,
    /// The hidden layer has no softmax; cross-entropy goes with a softmax, and only with it.
    Pairing,
}

impl TopologyLaw {
    /// The law's name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Size => "size",
            Self::Ceiling => "ceiling",
            Self::UnitNames => "unit_names",
            Self::ParameterOrder => "parameter_order",
            Self::Ends => "ends",
            Self::Edge => "edge",
            Self::FanIn => "fan_in",
            Self::BiasUnits => "bias_units",
            Self::BiasCover => "bias_cover",
            Self::Pairing => "pairing",
        }
    }
}

impl Net {
    /// Resolves a topology in which every name is filled in.
    ///
    /// # Errors
    /// Every [`Flaw`] found, in the order of the record.
    pub fn resolve(topology: &Topology) -> Result<Self, Vec<Flaw>> {
        Resolver::new(topology).resolve()
    }

    /// The parameter index of the weight from input `input` to hidden unit `hidden`.
    #[must_use]
    pub fn hidden_weight(&self, hidden: usize, input: usize) -> usize {
        self.hidden_weights[hidden * self.inputs.len() + input]
    }

    /// The parameter index of the weight from hidden unit `hidden` to output `output`.
    #[must_use]
    pub fn output_weight(&self, output: usize, hidden: usize) -> usize {
        self.output_weights[output * self.hidden.len() + hidden]
    }

    /// The names of hidden units and outputs, in the order of a forward pass.
    pub fn computed_units(&self) -> impl Iterator<Item = &UnitId> + Clone {
        self.hidden.iter().chain(&self.outputs)
    }

    /// The index of a parameter, found at once where it is the expected one.
    #[must_use]
    pub fn parameter_near(&self, expected: usize, id: &ParamId) -> Option<usize> {
        if self.parameters.get(expected) == Some(id) {
            return Some(expected);
        }
        let table = || self.parameters.iter().cloned().enumerate().map(|(index, id)| (id, index)).collect();
        self.by_name.get_or_init(table).get(id).copied()
    }
}

/// Names up to this many are looked at one by one.
const FEW: usize = 12;

/// Names and where each stands first.
enum Index<'a> {
    /// So few that looking at each is quicker than a table.
    Few([&'a str; FEW], usize),
    Many(HashMap<&'a str, usize, RandomState>),
}

impl<'a> Index<'a> {
    /// At most `most` names.
    fn of(most: usize, mut names: impl Iterator<Item = &'a str>) -> Self {
        let mut few = [""; FEW];
        for (count, place) in few.iter_mut().enumerate() {
            match names.next() {
                Some(name) => *place = name,
                None => return Self::Few(few, count),
            }
        }
        let mut table = HashMap::with_capacity_and_hasher(most, RandomState::default());
        for (index, name) in few.into_iter().chain(names).enumerate() {
            table.entry(name).or_insert(index);
        }
        Self::Many(table)
    }

    fn get(&self, name: &str) -> Option<usize> {
        match self {
            Self::Few(names, count) => names[..*count].iter().position(|known| *known == name),
            Self::Many(table) => table.get(name).copied(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Few(_, count) => *count,
            Self::Many(table) => table.len(),
        }
    }
}

struct Resolver<'a> {
    topology: &'a Topology,
    flaws: Vec<Flaw>,
}

impl<'a> Resolver<'a> {
    fn new(topology: &'a Topology) -> Self {
        Self { topology, flaws: Vec::new() }
    }

    fn flaw(&mut self, law: TopologyLaw, at: Pointer) {
        self.flaws.push(Flaw { law, at, counts: None });
    }

    fn resolve(mut self) -> Result<Net, Vec<Flaw>> {
        let topology = self.topology;
        let (Some(order), Some(names), Some(parameters), Some(hidden_by), Some(output_by), Some(sharing)) = (
            &topology.unit_order,
            &topology.parameter_order,
            &topology.parameters,
            topology.activation_hidden,
            topology.activation_output,
            topology.bias_sharing,
        ) else {
            self.flaw(TopologyLaw::Layers, Pointer::of(&at!["topology"]));
            return Err(self.flaws);
        };
        if topology.layers != ["input", "hidden", "output"] {
            self.flaw(TopologyLaw::Layers, Pointer::of(&at!["topology", "layers"]));
        }
        let (inputs, hidden, outputs) = (&order.input, &order.hidden, &order.output);
        for (key, declared, units) in [
            ("input_size", topology.input_size, inputs),
            ("hidden_size", topology.hidden_size, hidden),
            ("output_size", topology.output_size, outputs),
        ] {
            let at = place!["topology", key];
            if units.len() > MAX_LAYER {
                self.flaw(TopologyLaw::Ceiling, at());
            }
            if declared != units.len() as u64 {
                let counts = Some((declared, units.len() as u64));
                self.flaws.push(Flaw { law: TopologyLaw::Size, at: at(), counts });
            }
        }
        self.unit_names();
        self.parameter_order(names, parameters);
        if hidden_by == Activation::Softmax
            || (output_by == Activation::Softmax) != (topology.loss == LossKind::CrossEntropySoftmax)
        {
            self.flaw(TopologyLaw::Pairing, Pointer::of(&at!["topology", "loss"]));
        }
        // Without names that stand for one unit each, nothing else can be resolved.
        if self.flaws.iter().any(|flaw| matches!(flaw.law, TopologyLaw::Ceiling | TopologyLaw::UnitNames)) {
            return Err(self.flaws);
        }

        let places = self.places(parameters, sharing);
        let hidden_weights = self.weights(&places, hidden.len(), inputs.len(), |place| match place {
            Place::HiddenWeight { input, hidden } => Some((hidden, input)),
            _ => None,
        });
        let output_weights = self.weights(&places, outputs.len(), hidden.len(), |place| match place {
            Place::OutputWeight { hidden, output } => Some((output, hidden)),
            _ => None,
        });
        let hidden_biases = self.biases(&places, hidden.len(), sharing, |place| match place {
            Place::HiddenBias { unit } => Some(unit),
            _ => None,
        });
        let output_biases = self.biases(&places, outputs.len(), sharing, |place| match place {
            Place::OutputBias { unit } => Some(unit),
            _ => None,
        });
        if !self.flaws.is_empty() {
            return Err(self.flaws);
        }
        Ok(Net {
            inputs: inputs.clone(),
            hidden: hidden.clone(),
            outputs: outputs.clone(),
            parameters: names.clone(),
            places: {
                let mut known = Vec::with_capacity(places.len());
                known.extend(places.into_iter().flatten());
                known
            },
            hidden_weights,
            output_weights,
            hidden_biases,
            output_biases,
            activation_hidden: hidden_by,
            activation_output: output_by,
            loss: topology.loss,
            bias_sharing: sharing,
            by_name: OnceLock::new(),
        })
    }

    fn unit_names(&mut self) {
        let Some(order) = &self.topology.unit_order else { return };
        let all = order.input.iter().chain(&order.hidden).chain(&order.output);
        let count = order.input.len() + order.hidden.len() + order.output.len();
        let names = Index::of(count, all.map(UnitId::as_str));
        let mut place = 0;
        for (layer, units) in [("input", &order.input), ("hidden", &order.hidden), ("output", &order.output)]
        {
            for (index, unit) in units.iter().enumerate() {
                if names.get(unit) != Some(place) {
                    let at = Pointer::of(&at!["topology", "unit_order", layer, index]);
                    self.flaw(TopologyLaw::UnitNames, at);
                }
                place += 1;
            }
        }
    }

    fn parameter_order(&mut self, names: &[ParamId], parameters: &[Parameter]) {
        if names.len() != parameters.len() {
            let counts = Some((names.len() as u64, parameters.len() as u64));
            let at = Pointer::of(&at!["topology", "parameter_order"]);
            self.flaws.push(Flaw { law: TopologyLaw::ParameterOrder, at, counts });
        }
        let mut known = HashSet::with_capacity_and_hasher(names.len(), RandomState::default());
        for (index, (name, parameter)) in names.iter().zip(parameters).enumerate() {
            let is_new = *name == parameter.id && known.insert(name.as_str());
            if !is_new {
                self.flaw(
                    TopologyLaw::ParameterOrder,
                    Pointer::of(&at!["topology", "parameter_order", index]),
                );
            }
        }
    }

    /// Each parameter's place, `None` where it has none.
    fn places(&mut self, parameters: &[Parameter], sharing: BiasSharing) -> Vec<Option<Place>> {
        let Some(order) = &self.topology.unit_order else { return Vec::new() };
        let index_of = |units: &'a [UnitId]| Index::of(units.len(), units.iter().map(UnitId::as_str));
        let (inputs, hidden, outputs) =
            (index_of(&order.input), index_of(&order.hidden), index_of(&order.output));
        let mut places = Vec::with_capacity(parameters.len());
        // Weights come row by row: an end is mostly the one before, or the next.
        let mut last = (0, 0);
        for (index, parameter) in parameters.iter().enumerate() {
            let mut ends = |from: (&[UnitId], &Index<'_>), to: (&[UnitId], &Index<'_>)| {
                if parameter.applies_to_units.is_some() {
                    return None;
                }
                let near = |(units, index): (&[UnitId], &Index<'_>), last: usize, unit: &UnitId| {
                    let mut likely = [last, last + 1, 0].into_iter();
                    likely.find(|place| units.get(*place) == Some(unit)).or_else(|| index.get(unit))
                };
                last.0 = near(from, last.0, parameter.from_unit.as_ref()?)?;
                last.1 = near(to, last.1, parameter.to_unit.as_ref()?)?;
                Some(last)
            };
            let place = match parameter.role {
                Role::InputToHiddenWeight => ends((&order.input, &inputs), (&order.hidden, &hidden))
                    .map(|(input, hidden)| Place::HiddenWeight { input, hidden }),
                Role::HiddenToOutputWeight => ends((&order.hidden, &hidden), (&order.output, &outputs))
                    .map(|(hidden, output)| Place::OutputWeight { hidden, output }),
                Role::HiddenBias => {
                    self.bias_unit(index, parameter, &hidden, sharing).map(|unit| Place::HiddenBias { unit })
                }
                Role::OutputBias => {
                    self.bias_unit(index, parameter, &outputs, sharing).map(|unit| Place::OutputBias { unit })
                }
            };
            let is_weight = matches!(parameter.role, Role::InputToHiddenWeight | Role::HiddenToOutputWeight);
            if place.is_none() && is_weight {
                self.flaw(TopologyLaw::Ends, Pointer::of(&at!["topology", "parameters", index]));
            }
            places.push(place);
        }
        places
    }

    fn bias_unit(
        &mut self,
        index: usize,
        parameter: &Parameter,
        layer: &Index<'_>,
        sharing: BiasSharing,
    ) -> Option<usize> {
        let at = place!["topology", "parameters", index, "applies_to_units"];
        if parameter.from_unit.is_some() || parameter.to_unit.is_some() {
            self.flaw(TopologyLaw::Ends, Pointer::of(&at!["topology", "parameters", index]));
        }
        let units = parameter.applies_to_units.as_deref().unwrap_or_default();
        let expected = match sharing {
            BiasSharing::PerLayer => layer.len(),
            BiasSharing::PerNeuron => 1,
        };
        if units.len() != expected {
            let counts = Some((units.len() as u64, expected as u64));
            self.flaws.push(Flaw { law: TopologyLaw::BiasUnits, at: at(), counts });
            return None;
        }
        let mut found = units.iter().map(|unit| layer.get(unit));
        let first = found.next().flatten();
        let in_order = match sharing {
            BiasSharing::PerNeuron => first.is_some(),
            BiasSharing::PerLayer => expected == 0 || (first == Some(0) && found.eq((1..expected).map(Some))),
        };
        if !in_order {
            self.flaw(TopologyLaw::BiasUnits, at());
            return None;
        }
        first
    }

    /// The parameter index per pair of units, row by row.
    fn weights(
        &mut self,
        places: &[Option<Place>],
        rows: usize,
        columns: usize,
        pair: impl Fn(Place) -> Option<(usize, usize)>,
    ) -> Vec<usize> {
        let mut table = vec![usize::MAX; rows * columns];
        for (index, place) in places.iter().enumerate() {
            let Some((row, column)) = place.and_then(&pair) else { continue };
            let cell = &mut table[row * columns + column];
            if *cell == usize::MAX {
                *cell = index;
            } else {
                self.flaw(TopologyLaw::Edge, Pointer::of(&at!["topology", "parameters", index]));
            }
        }
        self.hole(TopologyLaw::FanIn, places, &table);
        table
    }

    /// The parameter index of each unit's bias.
    fn biases(
        &mut self,
        places: &[Option<Place>],
        units: usize,
        sharing: BiasSharing,
        unit: impl Fn(Place) -> Option<usize>,
    ) -> Vec<usize> {
        let mut table = vec![usize::MAX; units];
        for (index, place) in places.iter().enumerate() {
            let Some(first) = place.and_then(&unit) else { continue };
            let covered = match sharing {
                BiasSharing::PerLayer => 0..units,
                BiasSharing::PerNeuron => first..first + 1,
            };
            for cell in &mut table[covered] {
                if *cell == usize::MAX {
                    *cell = index;
                } else {
                    self.flaw(TopologyLaw::BiasCover, Pointer::of(&at!["topology", "parameters", index]));
                    break;
                }
            }
        }
        self.hole(TopologyLaw::BiasCover, places, &table);
        table
    }

    /// Notes a place that no parameter takes, unless a parameter that stands elsewhere, which is noted, explains it.
    fn hole(&mut self, law: TopologyLaw, places: &[Option<Place>], table: &[usize]) {
        let doubled = if law == TopologyLaw::FanIn { TopologyLaw::Edge } else { law };
        let explained = places.contains(&None) || self.flaws.iter().any(|flaw| flaw.law == doubled);
        if table.contains(&usize::MAX) && !explained {
            self.flaw(law, Pointer::of(&at!["topology", "parameters"]));
        }
    }
}
