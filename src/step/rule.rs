//! The table of rules about optimizer steps: the one registration. A finding names its rule by a reference into it.

use serde::{Deserialize, Serialize};

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Bit by bit.
    Exact,
    /// Within a rigorous bound on rounding.
    Bounded,
    /// Within what is likely; a warning unless more is asked for.
    Statistical,
}

/// A law about steps.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code it is cited by.
    pub code: &'static str,
    /// The law, as a present-tense sentence.
    pub title: &'static str,
    /// Where the law comes from.
    pub citation: &'static str,
    /// When it applies, in words.
    pub applies: &'static str,
    /// How it compares.
    pub class: Class,
}

macro_rules! rules {
    ($($name:ident $code:literal $class:ident $title:literal $applies:literal $citation:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Rule = Rule {
                code: $code,
                title: $title,
                citation: $citation,
                applies: $applies,
                class: Class::$class,
            };
        )*

        /// Every rule, in the order in which reports tell them.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    PAYLOAD "PAYLOAD" Exact
        "The digests that the record states are those of the payload's bytes."
        "Every record." "tensor-step.v1, payload";
    NONFINITE "NONFINITE" Exact
        "No value is NaN or infinite, and no second moment is negative."
        "Every record." "IEEE 754-2019, 6";
    PARTITION "PARTITION" Exact
        "Parameters that were trained and parameters that were not make up the model."
        "A record that says how many parameters the model has." "tensor-step.v1, manifest";
    T "T" Exact
        "Every parameter was updated at every step since its first."
        "Every record." "Kingma and Ba (2015), algorithm 1";
    FROZEN "FROZEN" Exact
        "What was not trained did not change."
        "Every record." "tensor-step.v1, frozen";
    LR_HISTORY "LR-HISTORY" Exact
        "The last rates of the history are those in force."
        "A record with a schedule." "tensor-step.v1, schedule";
    SCHEDULE "SCHEDULE" Bounded
        "Every rate of the history is the schedule's."
        "A record with a schedule." "transformers.optimization: linear, cosine and constant, with warm-up";
    CLIP_NORM "CLIP-NORM" Bounded
        "The total norm is the norm of the gradients."
        "A record with clipping." "torch.nn.utils.clip_grad_norm_";
    CLIP_G "CLIP-G" Bounded
        "Each gradient is the one before clipping times the factor that the norm gives."
        "A record with gradients before clipping." "torch.nn.utils.clip_grad_norm_";
    STEP_BITS "STEP-BITS" Exact
        "Moments, buffers and parameters are what the named kernel leaves, bit by bit."
        "A float32 parameter under a profile that is replayed." "PyTorch's kernels, measured";
    STEP_M "STEP-M" Bounded
        "The first moment is the average of itself and the gradient."
        "Adam." "Kingma and Ba (2015), algorithm 1";
    STEP_V "STEP-V" Bounded
        "The second moment is the average of itself and the squared gradient."
        "Adam." "Kingma and Ba (2015), algorithm 1";
    STEP_B "STEP-B" Bounded
        "The buffer is the average of itself and the gradient."
        "SGD with momentum." "Sutskever et al. (2013), equation 1";
    STEP_P "STEP-P" Bounded
        "The parameter moved by the optimizer's update."
        "Every record." "Kingma and Ba (2015), algorithm 1; Loshchilov and Hutter (2019), algorithm 2";
    LR_FIT "LR-FIT" Statistical
        "The learning rate that the updates show is the one that is stated."
        "A parameter that is judged within bounds, under a rate that is not zero." "least squares, weighted by rounding";
    CHAIN_GAP "CHAIN-GAP" Exact
        "A step comes after the one before it, in one run."
        "Two steps of a run." "tensor-step.v1, step";
    CHAIN_P "CHAIN-P" Exact
        "Each parameter is found as the step before left it."
        "Two steps that follow each other." "tensor-step.v1, p0 and p1";
    CHAIN_M "CHAIN-M" Exact
        "Each first moment is found as the step before left it."
        "Two steps of Adam that follow each other." "tensor-step.v1, m0 and m1";
    CHAIN_V "CHAIN-V" Exact
        "Each second moment is found as the step before left it."
        "Two steps of Adam that follow each other." "tensor-step.v1, v0 and v1";
    CHAIN_B "CHAIN-B" Exact
        "Each buffer is found as the step before left it."
        "Two steps of SGD with momentum that follow each other." "tensor-step.v1, b0 and b1";
    CHAIN_FROZEN "CHAIN-FROZEN" Exact
        "What was not trained is the same at every step."
        "Two steps of a run." "tensor-step.v1, frozen";
    CHAIN_LR "CHAIN-LR" Exact
        "The history of rates of an earlier step begins that of a later one."
        "Two steps of a run with a schedule." "tensor-step.v1, schedule";
    COMMIT "COMMIT" Exact
        "The step is the one that was committed to."
        "A record with a place in a published tree, or commitments that are given." "RFC 6962, 2.1";
    CHALLENGE "CHALLENGE" Exact
        "Every step, tensor and module that the beacon asks for is shown."
        "A run whose steps were committed to, with a beacon." "tensor-step.v1, challenge";
    LIN_LINK "LIN-LINK" Exact
        "A module's weight is the parameter before the step, and the input of a low-rank B is the output of its A."
        "Modules whose gradients are shown." "tensor-step.v1, linear";
    LIN_ACC "LIN-ACC" Exact
        "The gradient is the sum over micro-batches, in their order."
        "Modules whose gradients are shown, with gradients from before clipping." "torch.autograd, accumulation";
    LIN_Y "LIN-Y" Bounded
        "A module's output is its input times its weight, and its bias."
        "Modules whose gradients are shown, whose bias, where there is one, is a parameter that was trained." "Freivalds (1977); Higham (2002), 3.5";
    LIN_DW "LIN-DW" Bounded
        "A weight's gradient is the product of the output's gradient and the input."
        "Modules whose gradients are shown." "Freivalds (1977); Higham (2002), 3.5";
    LIN_DY "LIN-DY" Bounded
        "The gradient into a low-rank B's input is its output's gradient times B, and that is the adapter's, scaled."
        "Low-rank adapters with both matrices shown, or with the gradient before it is scaled." "Hu et al. (2022), section 4.1";
    LIN_STAT "LIN-STAT" Statistical
        "A weight's gradient is as near to that product as rounding makes likely."
        "Modules whose gradients are shown." "Higham and Mary (2019), calibrated";
}

/// The rule of a code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code == code)
}
