//! Versions of the two formats a step is written in, and which part of a receipt entered at which.

use std::fmt;
use std::str::FromStr;

/// Version of a receipt, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptVersion {
    /// The fixed 2-2-2 sigmoid network.
    V0_1_0,
    /// Any network with one hidden layer, hybrid tolerance, traces of steps, a bias per neuron.
    V0_2_0,
    /// Softmax with cross-entropy, output error signals in dual form.
    V0_3_0,
    /// Records imported from a framework with their attestor, and mini-batches.
    V0_4_0,
    /// Adam and `AdamW` with their state.
    V0_5_0,
    /// Classical momentum.
    V0_6_0,
    /// Nesterov momentum and dampening.
    V0_7_0,
    /// Weight decay coupled to the gradient (L2).
    V0_8_0,
}

/// Version of a framework trace, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TraceVersion {
    /// A single step by gradient descent.
    V0_1_0,
    /// Traces of steps.
    V0_2_0,
    /// Mini-batches.
    V0_3_0,
    /// Adam and `AdamW` with their state.
    V0_4_0,
    /// Classical momentum.
    V0_5_0,
    /// Nesterov momentum and dampening.
    V0_6_0,
    /// The extraction helper.
    V0_7_0,
    /// Weight decay coupled to the gradient (L2).
    V0_8_0,
}

/// A version that no receipt and no framework trace is known to have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {found:?}, known are {}", known.join(", "))]
pub struct UnknownVersion {
    /// The field that holds the version.
    pub what: &'static str,
    /// The text found there, cut to a bounded length.
    pub found: String,
    /// The versions that are known, oldest first.
    pub known: &'static [&'static str],
}

impl UnknownVersion {
    fn new(what: &'static str, found: &str, known: &'static [&'static str]) -> Self {
        Self { what, found: found.chars().take(64).collect(), known }
    }
}

impl ReceiptVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 8] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_4_0,
        Self::V0_5_0,
        Self::V0_6_0,
        Self::V0_7_0,
        Self::V0_8_0,
    ];

    const NAMES: [&str; 8] = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0"];

    /// The spelling of `schema_version`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The lowest version, no lower than `floor`, that can carry all of `blocks`.
    #[must_use]
    pub fn carrying(blocks: impl IntoIterator<Item = Block>, floor: Self) -> Self {
        blocks.into_iter().map(Block::since).fold(floor, Ord::max)
    }
}

impl TraceVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 8] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_4_0,
        Self::V0_5_0,
        Self::V0_6_0,
        Self::V0_7_0,
        Self::V0_8_0,
    ];

    const NAMES: [&str; 8] = [
        "framework-trace.v0.1.0",
        "framework-trace.v0.2.0",
        "framework-trace.v0.3.0",
        "framework-trace.v0.4.0",
        "framework-trace.v0.5.0",
        "framework-trace.v0.6.0",
        "framework-trace.v0.7.0",
        "framework-trace.v0.8.0",
    ];

    /// The spelling of `format`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl fmt::Display for ReceiptVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for TraceVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ReceiptVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let known = Self::ALL.into_iter().find(|version| version.as_str() == text);
        known.ok_or_else(|| UnknownVersion::new("schema_version", text, &Self::NAMES))
    }
}

impl FromStr for TraceVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let known = Self::ALL.into_iter().find(|version| version.as_str() == text);
        known.ok_or_else(|| UnknownVersion::new("format", text, &Self::NAMES))
    }
}

/// A part of a receipt that older versions do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Block {
    /// A topology that names its units and parameters, in place of the fixed 2-2-2 network.
    GeneralTopology,
    /// A tolerance with an absolute and a relative bound.
    HybridTolerance,
    /// The trace that a step belongs to, and its place in it.
    TracePlace,
    /// Biases that are trained, one to a neuron.
    BiasPerNeuron,
    /// Softmax as the output activation.
    Softmax,
    /// Cross-entropy as the loss.
    CrossEntropy,
    /// Output error signals summed over the softmax Jacobian.
    DualForm,
    /// The framework that computed the numbers.
    SourceFramework,
    /// Who computed and who recomputed the step.
    Attestor,
    /// A mini-batch, with the loss and its reduction by sample.
    Batch,
    /// Inputs, targets, forward pass and loss by sample.
    PerSample,
    /// The optimizer's hyperparameters.
    OptimizerConfig,
    /// Adam, with its two moment estimates.
    Adam,
    /// `AdamW`, with decoupled weight decay.
    AdamW,
    /// Momentum, with its velocity.
    Momentum,
    /// Nesterov momentum.
    Nesterov,
    /// Dampening of the gradient that enters the velocity.
    Dampening,
    /// Weight decay added to the gradient of gradient descent, with or without momentum.
    CoupledDecay,
}

impl Block {
    /// Every block, in the order in which they entered.
    pub const ALL: [Self; 18] = [
        Self::GeneralTopology,
        Self::HybridTolerance,
        Self::TracePlace,
        Self::BiasPerNeuron,
        Self::Softmax,
        Self::CrossEntropy,
        Self::DualForm,
        Self::SourceFramework,
        Self::Attestor,
        Self::Batch,
        Self::PerSample,
        Self::OptimizerConfig,
        Self::Adam,
        Self::AdamW,
        Self::Momentum,
        Self::Nesterov,
        Self::Dampening,
        Self::CoupledDecay,
    ];

    /// The version at which the block entered.
    #[must_use]
    pub const fn since(self) -> ReceiptVersion {
        match self {
            Self::GeneralTopology | Self::HybridTolerance | Self::TracePlace | Self::BiasPerNeuron => {
                ReceiptVersion::V0_2_0
            }
            Self::Softmax | Self::CrossEntropy | Self::DualForm => ReceiptVersion::V0_3_0,
            Self::SourceFramework | Self::Attestor | Self::Batch | Self::PerSample => ReceiptVersion::V0_4_0,
            Self::OptimizerConfig | Self::Adam | Self::AdamW => ReceiptVersion::V0_5_0,
            Self::Momentum => ReceiptVersion::V0_6_0,
            Self::Nesterov | Self::Dampening => ReceiptVersion::V0_7_0,
            Self::CoupledDecay => ReceiptVersion::V0_8_0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_version_are_inverse() {
        for version in ReceiptVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for version in TraceVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!(ReceiptVersion::V0_4_0.as_str(), "0.4.0");
        assert_eq!(TraceVersion::V0_4_0.as_str(), "framework-trace.v0.4.0");
        assert!(ReceiptVersion::ALL.is_sorted() && TraceVersion::ALL.is_sorted());
    }

    #[test]
    fn an_unknown_version_names_the_known_ones() {
        let error = "0.9.0".parse::<ReceiptVersion>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown schema_version \"0.9.0\", known are 0.1.0, 0.2.0, 0.3.0, 0.4.0, 0.5.0, 0.6.0, 0.7.0, 0.8.0"
        );
        for wrong in ["", "0.4", "v0.4.0", "0.4.0 ", "framework-trace.v0.4.0"] {
            assert!(wrong.parse::<ReceiptVersion>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "0.4.0", "framework-trace.v0.9.0", "Framework-trace.v0.4.0"] {
            assert_eq!(wrong.parse::<TraceVersion>().unwrap_err().what, "format", "{wrong:?}");
        }
        assert_eq!("9".repeat(10_000).parse::<TraceVersion>().unwrap_err().found.len(), 64);
    }

    #[test]
    fn the_lowest_version_that_carries_a_set_of_blocks() {
        let engine =
            |blocks: &[Block]| ReceiptVersion::carrying(blocks.iter().copied(), ReceiptVersion::V0_2_0);
        assert_eq!(engine(&[Block::TracePlace]).as_str(), "0.2.0");
        assert_eq!(engine(&[Block::CrossEntropy]).as_str(), "0.3.0");
        assert_eq!(engine(&[Block::Batch, Block::Softmax]).as_str(), "0.4.0");
        assert_eq!(engine(&[Block::AdamW, Block::Softmax]).as_str(), "0.5.0");
        assert_eq!(engine(&[Block::Momentum]).as_str(), "0.6.0");
        assert_eq!(engine(&[Block::Momentum, Block::Dampening]).as_str(), "0.7.0");
        assert_eq!(engine(&[Block::Momentum, Block::Nesterov, Block::CoupledDecay]).as_str(), "0.8.0");
        let imported = ReceiptVersion::carrying([Block::Softmax, Block::Attestor], ReceiptVersion::V0_4_0);
        assert_eq!(imported.as_str(), "0.4.0");
    }

    #[test]
    fn blocks_are_listed_in_the_order_in_which_they_entered() {
        assert!(Block::ALL.is_sorted_by_key(|block| block.since()));
        assert!(Block::ALL.iter().enumerate().all(|(place, block)| *block as usize == place));
    }
}
