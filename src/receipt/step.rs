//! One training step as the judge sees it: blocks of every version in one shape, labels split off.

use super::id::{ParamId, SampleId, TraceId, UnitId};
use super::net::{Flaw, Net};
use super::wire::{
    Attestor, Backward, Batch, BiasMode, FixtureStatus, Loss, NumericPolicy, OptimizerConfig, Ordered,
    Sample, SourceFramework, Topology, Unit, Update,
};
use crate::digest::Digest;
use crate::number::{Bounded, Real as _, Tolerance};

/// How well the numbers of a record are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Rounded to nine significant digits, as every receipt is.
    NineDigits,
    /// As computed: a sidecar's shortest round-trip decimals.
    Full,
}

impl Reading {
    /// A stored number together with how far the computed one may lie from it.
    #[must_use]
    pub fn known(self, stored: f64) -> Bounded {
        match self {
            Self::NineDigits => Bounded::stored(stored),
            Self::Full => Bounded::exact(stored),
        }
    }
}

/// Who computed the step. Decided by the blocks that a record carries, never by its labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin {
    /// This arithmetic: stored numbers differ from derived ones by rounding alone.
    Engine,
    /// A framework, in an order and perhaps a precision of its own.
    Imported {
        /// How far a stored number may lie from the formula over its stored neighbours; already clamped.
        local: Tolerance,
        /// How far a stored number may lie from its recomputation; already clamped.
        recompute: Tolerance,
    },
}

/// The forward pass and loss with the new parameters.
#[derive(Debug, Clone, Default)]
pub struct PostUpdate {
    /// Whether the record says that the forward pass is filled in.
    pub forward_status: Option<String>,
    /// The same of the loss.
    pub loss_status: Option<String>,
    /// Forward pass per hidden and output unit.
    pub forward: Option<Ordered<UnitId, Unit>>,
    /// Loss per output.
    pub per_output: Option<Ordered<UnitId, f64>>,
    /// Loss in total.
    pub total: Option<f64>,
}

/// One training step.
#[derive(Debug, Clone)]
pub struct Step {
    /// How well its numbers are known.
    pub reading: Reading,
    /// Who computed it.
    pub origin: Origin,
    /// The tolerance that the record declares, unclamped.
    pub declared_tolerance: Option<Tolerance>,
    /// Whether the record must hold what follows from it (a receipt), or may leave the optional parts out (a sidecar).
    pub is_receipt: bool,
    /// How a receipt says that its numbers are written; a sidecar's are as computed.
    pub numeric_policy: Option<NumericPolicy>,
    /// Whether biases learn.
    pub bias_mode: BiasMode,
    /// Whether the record says that this step updated them.
    pub biases_updated: bool,
    /// Layers, units, parameters, activations and loss; names of 0.1.0 filled in.
    pub topology: Topology,
    /// The same with every name resolved, or why it is no dense net with one hidden layer.
    pub net: Result<Net, Vec<Flaw>>,
    /// The learning rate.
    pub learning_rate: f64,
    /// Optimizer hyper-parameters.
    pub optimizer: Option<OptimizerConfig>,
    /// The step's number in its trace, counted from 1.
    pub step: Option<u64>,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// Its place there, counted from 0.
    pub step_index: Option<u64>,
    /// The batch.
    pub batch: Option<Batch>,
    /// The batch's samples.
    pub per_sample: Option<Ordered<SampleId, Sample>>,
    /// Input value per input unit.
    pub inputs: Ordered<UnitId, f64>,
    /// Target value per output unit.
    pub targets: Ordered<UnitId, f64>,
    /// Parameters before the update.
    pub parameters_before: Ordered<ParamId, f64>,
    /// Forward pass per hidden and output unit.
    pub forward: Ordered<UnitId, Unit>,
    /// Loss per output and in total.
    pub loss: Loss,
    /// Error signals.
    pub backward: Backward,
    /// One entry per parameter that learns.
    pub updates: Vec<Update>,
    /// Parameters after the update.
    pub parameters_after: Ordered<ParamId, f64>,
    /// The pass with the new parameters.
    pub post_update: PostUpdate,
}

/// What a record says about itself: judged after the mathematics, never used by it.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Lifecycle labels; a sidecar has none.
    pub labels: Option<FixtureStatus>,
    /// The foreign framework.
    pub source_framework: Option<SourceFramework>,
    /// Who stands for an import.
    pub attestor: Option<Attestor>,
    /// Whether the bytes are the canonical bytes of what they say.
    pub canonical: bool,
    /// The digest that rule 16 asks for, where the record declares one: over the canonical bytes without that field.
    pub subject_digest: Option<Digest>,
}

/// A record, ready to judge.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The step.
    pub step: Step,
    /// What it says about itself.
    pub claims: Claims,
}
