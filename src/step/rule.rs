//! The table of rules about optimizer steps: the one registration. A finding names its rule by a reference into it.

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Bit by bit.
    Exact,
    /// Within a rigorous bound on rounding.
    Bounded,
    /// Within what is likely; a warning unless more is asked for.
    Statistical,
}

impl Class {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::Statistical => "statistical",
        }
    }
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
}

/// The rule of a code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code == code)
}
