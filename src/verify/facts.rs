//! What a step shows at a glance: loss, learning rate and norms, for charts. Nothing here judges.

use std::collections::HashMap;

use crate::receipt::id::ParamId;
use crate::receipt::step::Step;
use crate::receipt::wire::Role;

/// Euclidean norms over the parameters of one layer, weights and biases.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerNorms {
    /// Of the gradient in descent direction.
    pub gradient: f64,
    /// Of what was added.
    pub update: f64,
}

/// What a step shows at a glance, as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFacts {
    /// The loss in total.
    pub loss: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// From the inputs to the hidden layer.
    pub hidden: LayerNorms,
    /// From the hidden layer to the outputs.
    pub output: LayerNorms,
}

impl StepFacts {
    /// What this step shows.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        let roles: HashMap<&ParamId, Role> = step
            .topology
            .parameters
            .iter()
            .flatten()
            .map(|parameter| (&parameter.id, parameter.role))
            .collect();
        let (mut hidden, mut output) = (LayerNorms::default(), LayerNorms::default());
        for update in &step.updates {
            let layer = match roles.get(&update.parameter_id) {
                Some(Role::InputToHiddenWeight | Role::HiddenBias) => &mut hidden,
                Some(Role::HiddenToOutputWeight | Role::OutputBias) => &mut output,
                None => continue,
            };
            layer.gradient += update.gradient * update.gradient;
            layer.update += update.update * update.update;
        }
        for layer in [&mut hidden, &mut output] {
            *layer = LayerNorms { gradient: layer.gradient.sqrt(), update: layer.update.sqrt() };
        }
        Self { loss: step.loss.total, learning_rate: step.learning_rate, hidden, output }
    }
}
