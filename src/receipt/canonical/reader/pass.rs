//! The numbers: passes, losses, error signals and updates.

use super::super::Order;
use super::super::scanner::require;
use super::Reader;
use crate::receipt::id::{ParamId, UnitId};
use crate::receipt::version::Block;
use crate::receipt::wire::{
    Batch, Contribution, DualForm, Factor, Factors, HiddenSignal, JacobianTerm, Kind, Loss, Optimizer,
    OptimizerState, OutputSignal, PostUpdateForward, PostUpdateLoss, Sample, Text, Unit, Update,
    UpdateOptimizer,
};

const LEFT_TO_RIGHT: Text = Text::new_static("left_to_right");

/// The factors that most products have, as they are spelled and by name.
const FACTORS: [(&str, &str); 3] = [
    ("\"hidden_error_signal\"", "hidden_error_signal"),
    ("\"upstream_activation\"", "upstream_activation"),
    ("\"output_error_signal\"", "output_error_signal"),
];

/// The kinds of updates and the layers that they connect, where they are what the format has them be.
const KINDS: [(&str, Kind, &str); 3] = [
    ("\"weight\",\"layer_edge\":\"input_to_hidden\"", Kind::Weight, "input_to_hidden"),
    ("\"weight\",\"layer_edge\":\"hidden_to_output\"", Kind::Weight, "hidden_to_output"),
    ("\"bias\",\"layer_edge\":\"bias_to_layer\"", Kind::Bias, "bias_to_layer"),
];

const POST_UPDATE: [&str; 2] = ["pending_engine_first_run", "filled"];

impl Reader<'_> {
    pub(super) fn sample(&mut self, order: &Order) -> Option<Sample> {
        self.scanner.literal("{\"inputs\":")?;
        let inputs = self.numbers(&order.input)?;
        self.scanner.literal(",\"targets\":")?;
        let targets = self.numbers(&order.output)?;
        self.scanner.literal(",\"forward\":")?;
        let forward = self.units(order)?;
        self.scanner.literal(",\"loss\":{\"per_output\":")?;
        let per_output = self.numbers(&order.output)?;
        self.scanner.literal(",\"total\":")?;
        let total = self.scanner.number()?;
        self.scanner.literal("}}")?;
        let loss = Loss { per_output, per_sample: None, reduction: None, total };
        Some(Sample { inputs, targets, forward, loss })
    }

    pub(super) fn loss(&mut self, order: &Order, batch: Option<&Batch>) -> Option<Loss> {
        self.scanner.literal("\"per_output\":")?;
        let per_output = self.numbers(&order.output)?;
        let per_sample = match batch {
            Some(batch) => self.member(",\"per_sample\":", |reader| reader.numbers(&batch.sample_order))?,
            None => None,
        };
        let reduction = self.member(",\"reduction\":", |reader| {
            require(reader.admits(Block::Batch))?;
            reader.one_of(&["mean", "sum", "none"])
        })?;
        self.scanner.literal(",\"total\":")?;
        let total = self.scanner.number()?;
        self.scanner.literal("}")?;
        Some(Loss { per_output, per_sample, reduction, total })
    }

    pub(super) fn output_signal(&mut self) -> Option<OutputSignal> {
        self.scanner.literal("{")?;
        let factors = self.factors()?;
        require(!self.is_first() || factors.len() >= 2)?;
        self.scanner.literal(",\"product_order\":\"left_to_right\",\"signal_value\":")?;
        let signal_value = self.scanner.number()?;
        let dual_form = self.member(",\"dual_form\":", Self::dual_form)?;
        self.scanner.literal("}")?;
        Some(OutputSignal { factors, product_order: LEFT_TO_RIGHT, signal_value, dual_form })
    }

    pub(super) fn dual_form(&mut self) -> Option<DualForm> {
        require(self.admits(Block::DualForm))?;
        self.scanner.literal("{\"jacobian_terms\":")?;
        let jacobian_terms = self.list(4, |reader| {
            reader.scanner.literal("{\"target_unit\":")?;
            let target_unit = reader.scanner.name()?.into();
            reader.scanner.literal(",")?;
            let factors = reader.factors()?;
            reader.scanner.literal(",\"term_value\":")?;
            let term_value = reader.scanner.number()?;
            reader.scanner.literal("}")?;
            Some(JacobianTerm { target_unit, factors, term_value })
        })?;
        self.scanner.literal(",\"product_order\":\"left_to_right\",\"summation_order\":")?;
        let summation_order = self.summands()?;
        self.scanner.literal(",\"summed_value\":")?;
        let summed_value = self.scanner.number()?;
        self.scanner.literal("}")?;
        require(!jacobian_terms.is_empty() && !summation_order.is_empty())?;
        Some(DualForm { jacobian_terms, product_order: LEFT_TO_RIGHT, summation_order, summed_value })
    }

    pub(super) fn hidden_signal(&mut self) -> Option<HiddenSignal> {
        self.scanner.literal("{\"downstream_contributions\":")?;
        let downstream_contributions = self.list(4, |reader| {
            reader.scanner.literal("{\"from\":")?;
            let from = reader.round.outputs.text(&mut reader.scanner)?.into();
            reader.scanner.literal(",\"downstream_signal\":")?;
            let downstream_signal = reader.scanner.number()?;
            reader.scanner.literal(",\"via_weight\":")?;
            let via_weight = reader.scanner.text()?.into();
            reader.scanner.literal(",\"weight_value\":")?;
            let weight_value = reader.scanner.number()?;
            reader.scanner.literal(",\"value\":")?;
            let value = reader.scanner.number()?;
            reader.scanner.literal("}")?;
            Some(Contribution { from, downstream_signal, via_weight, weight_value, value })
        })?;
        self.scanner.literal(",\"summation_order\":")?;
        let summation_order = self.summands()?;
        self.scanner.literal(",\"backpropagated_sum\":")?;
        let backpropagated_sum = self.scanner.number()?;
        self.scanner.literal(",\"activation_derivative\":")?;
        let activation_derivative = self.scanner.number()?;
        self.scanner.literal(",\"product_order\":\"left_to_right\",\"signal_value\":")?;
        let signal_value = self.scanner.number()?;
        self.scanner.literal("}")?;
        require(!downstream_contributions.is_empty() && !summation_order.is_empty())?;
        Some(HiddenSignal {
            downstream_contributions,
            summation_order,
            backpropagated_sum,
            activation_derivative,
            product_order: LEFT_TO_RIGHT,
            signal_value,
        })
    }

    fn summands(&mut self) -> Option<Vec<UnitId>> {
        self.list(4, |reader| Some(reader.round.outputs.text(&mut reader.scanner)?.into()))
    }

    /// At least one.
    pub(super) fn factors(&mut self) -> Option<Factors> {
        self.scanner.literal("\"factors\":[")?;
        let mut factors = Factors::new();
        loop {
            self.scanner.literal("{\"name\":")?;
            let name = match FACTORS.iter().find(|(spelled, _)| self.scanner.follows(spelled)) {
                Some((_, name)) => Text::new_static(name),
                None => Text::new(self.scanner.text()?),
            };
            let place = factors.len() % 2;
            let from =
                self.member(",\"from\":", |reader| reader.round.sources[place].text(&mut reader.scanner))?;
            self.scanner.literal(",\"value\":")?;
            let value = self.scanner.number()?;
            self.scanner.literal("}")?;
            factors.push(Factor { name, from, value });
            if !self.scanner.follows(",") {
                break;
            }
        }
        self.scanner.literal("]")?;
        Some(factors)
    }

    /// `expected` is the parameter whose turn it is.
    pub(super) fn update(&mut self, expected: Option<&ParamId>) -> Option<Update> {
        self.scanner.literal("{\"parameter_id\":")?;
        let parameter_id = match expected {
            Some(expected) if self.scanner.follows_text(expected) => expected.clone(),
            _ => self.scanner.text()?.into(),
        };
        self.scanner.literal(",\"kind\":")?;
        // A kind with another's layers is the general reader's.
        let (_, kind, edge) = KINDS.iter().find(|(spelled, ..)| self.scanner.follows(spelled))?;
        let (kind, layer_edge) = (*kind, Text::new_static(edge));
        self.scanner.literal(",\"parameter_role\":")?;
        let parameter_role = Text::new(self.scanner.text()?);
        self.scanner.literal(",\"from_unit\":")?;
        let from_unit = self.round.from_units.text(&mut self.scanner)?.into();
        self.scanner.literal(",\"to_unit\":")?;
        let to_unit = self.round.to_units.text(&mut self.scanner)?.into();
        self.scanner.literal(",\"weight_before\":")?;
        let weight_before = self.scanner.number()?;
        self.scanner.literal(",\"optimizer\":{\"name\":")?;
        let name = match self.round.optimizer {
            Some(known) if self.scanner.follows_text(known.name()) => known,
            _ => self.optimizer()?,
        };
        self.round.optimizer = Some(name);
        self.scanner.literal(",\"learning_rate\":")?;
        let learning_rate = self.learning_rate()?;
        self.scanner.literal(",")?;
        let factors = self.factors()?;
        require(!self.is_first() || factors.len() >= 2)?;
        self.scanner.literal(",\"product_order\":\"left_to_right\"")?;
        let state_before = self.member(",\"state_before\":", Self::state)?;
        let state_after = self.member(",\"state_after\":", Self::state)?;
        require(name == Optimizer::Sgd || (state_before.is_some() && state_after.is_some()))?;
        self.scanner.literal("},\"gradient\":")?;
        let gradient = self.scanner.number()?;
        self.scanner.literal(",\"update\":")?;
        let update = self.scanner.number()?;
        self.scanner.literal(",\"weight_after\":")?;
        let weight_after = self.scanner.number()?;
        self.scanner.literal("}")?;
        Some(Update {
            parameter_id,
            kind,
            layer_edge: Some(layer_edge),
            parameter_role: Some(parameter_role),
            from_unit: Some(from_unit),
            to_unit: Some(to_unit),
            weight_before,
            optimizer: UpdateOptimizer {
                name,
                learning_rate,
                factors,
                product_order: LEFT_TO_RIGHT,
                state_before,
                state_after,
            },
            gradient,
            update,
            weight_after,
        })
    }

    pub(super) fn state(&mut self) -> Option<OptimizerState> {
        require(self.admits(Block::OptimizerConfig))?;
        let state = if self.scanner.follows("{\"m\":") {
            let m = self.scanner.number()?;
            self.scanner.literal(",\"v\":")?;
            let v = self.scanner.number()?;
            require(v >= 0.0)?;
            OptimizerState::Adam { m, v }
        } else {
            require(self.admits(Block::Momentum))?;
            self.scanner.literal("{\"buffer\":")?;
            OptimizerState::Momentum { buffer: self.scanner.number()? }
        };
        self.scanner.literal("}")?;
        Some(state)
    }

    pub(super) fn post_update_forward(&mut self, order: &Order) -> Option<PostUpdateForward> {
        let status = self.one_of(&POST_UPDATE)?;
        if order.computed_count() > 0 {
            self.scanner.literal(",")?;
        }
        let units = self.members(order.computed_count(), order.computed(), Self::unit)?;
        self.scanner.literal("}")?;
        Some(PostUpdateForward {
            status,
            required_before_promotion: None,
            fields_required: None,
            fill_specification: None,
            note: None,
            units,
        })
    }

    pub(super) fn post_update_loss(&mut self, order: &Order) -> Option<PostUpdateLoss> {
        let status = self.one_of(&POST_UPDATE)?;
        self.scanner.literal(",\"per_output\":")?;
        let per_output = self.numbers(&order.output)?;
        self.scanner.literal(",\"total\":")?;
        let total = self.scanner.number()?;
        self.scanner.literal("}")?;
        Some(PostUpdateLoss {
            status,
            required_before_promotion: None,
            fields_required: None,
            fill_specification: None,
            drift_check_against_published: None,
            note: None,
            per_output: Some(per_output),
            total: Some(total),
        })
    }

    pub(super) fn unit(&mut self) -> Option<Unit> {
        self.scanner.literal("{\"net\":")?;
        let net = self.scanner.number()?;
        self.scanner.literal(",\"out\":")?;
        let out = self.scanner.number()?;
        self.scanner.literal("}")?;
        Some(Unit { net, out })
    }
}
