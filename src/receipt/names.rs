//! The names of closed vocabularies on the wire.

use super::wire::{Activation, BiasSharing, Kind, LossKind, Optimizer, Role};

impl Activation {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Softmax => "softmax",
        }
    }
}

impl Optimizer {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::SgdMomentum => "sgd_momentum",
            Self::Adam => "adam",
            Self::Adamw => "adamw",
        }
    }
}

impl Role {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputToHiddenWeight => "input_to_hidden_weight",
            Self::HiddenToOutputWeight => "hidden_to_output_weight",
            Self::HiddenBias => "hidden_bias",
            Self::OutputBias => "output_bias",
        }
    }
}

impl LossKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfSquaredError => "half_squared_error",
            Self::CrossEntropySoftmax => "cross_entropy_softmax",
        }
    }
}

impl BiasSharing {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerLayer => "per_layer",
            Self::PerNeuron => "per_neuron",
        }
    }
}

impl Kind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
        }
    }
}
