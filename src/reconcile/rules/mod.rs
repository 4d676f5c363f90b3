//! The rules, by family, and the one table that registers them.

mod backward;
mod claims;
mod form;
mod forward;
mod loss;
mod provenance;
mod recompute;
mod update;

use super::rule::{Check, Rule, RuleId};

const BACKPROPAGATION: &str = "Rumelhart, Hinton, Williams, Nature 323 (1986), eq. 4-8";
const FORMAT: &str = "backprop-trace receipt format, 0.1.0 to 0.4.0";

/// Every rule, in the order in which reports list them.
pub static RULES: &[Rule] = &[
    Rule {
        id: RuleId::new(0),
        title: "the record's form is whole: topology, keys, counters and facts stated twice agree",
        citation: FORMAT,
        applies: "always",
        parts: &[
            "tolerance",
            "precision",
            "layout",
            "step",
            "learning_rate",
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
            "topology",
            "keys",
            "ends",
            "provenance",
        ],
        checks: &[
            Check::Form(form::form),
            Check::Keys(form::keys),
            Check::Values(form::constant_biases),
            Check::Labels(claims::provenance),
        ],
    },
    Rule {
        id: RuleId::structural(8),
        title: "a softmax output is a probability, between 0 and 1",
        citation: "Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.104",
        applies: "softmax output layer",
        parts: &[""],
        checks: &[Check::Softmax(forward::probabilities)],
    },
    Rule {
        id: RuleId::structural(9),
        title: "the forward pass names every hidden unit and output, and nothing else",
        citation: FORMAT,
        applies: "always",
        parts: &[""],
        checks: &[Check::Keys(forward::units)],
    },
    Rule {
        id: RuleId::new(1),
        title: "an output's error signal is the product of its factors, and these are what their names say",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["keys", "factors", "product", "difference", "derivative"],
        checks: &[Check::Keys(backward::output_keys), Check::Values(backward::output_signals)],
    },
    Rule {
        id: RuleId::new(2),
        title: "a hidden unit receives from each output its signal times the weight between, and their sum",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["keys", "order", "weight", "value", "source", "sum"],
        checks: &[Check::Keys(backward::hidden_keys), Check::Values(backward::contributions)],
    },
    Rule {
        id: RuleId::new(3),
        title: "a hidden unit's error signal is what it receives times the derivative of its activation",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["product", "derivative"],
        checks: &[Check::Values(backward::hidden_signals)],
    },
    Rule {
        id: RuleId::new(4),
        title: "a gradient is the product of its factors",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["factors", "product"],
        checks: &[Check::Values(update::gradients)],
    },
    Rule {
        id: RuleId::new(5),
        title: "an update is learning rate times gradient, with the step's own learning rate",
        citation: "Robbins, Monro, Ann. Math. Statist. 22 (1951)",
        applies: "updates by SGD",
        parts: &["learning_rate", "update"],
        checks: &[Check::Values(update::updates)],
    },
    Rule {
        id: RuleId::new(6),
        title: "a parameter after an update is the parameter before plus the update",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["before", "after"],
        checks: &[Check::Values(update::weights_after)],
    },
    Rule {
        id: RuleId::new(7),
        title: "parameters_after is parameters_before plus each parameter's update",
        citation: BACKPROPAGATION,
        applies: "always",
        parts: &["keys", "sum", "copy"],
        checks: &[Check::Keys(update::after_keys), Check::Values(update::parameters_after)],
    },
    Rule {
        id: RuleId::new(8),
        title: "a factor names the place it is copied from, the place the topology gives, and equals it",
        citation: FORMAT,
        applies: "always",
        parts: &["from", "value"],
        checks: &[Check::Values(provenance::factors)],
    },
    Rule {
        id: RuleId::new(11),
        title: "softmax outputs sum to 1",
        citation: "Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.104",
        applies: "softmax output layer",
        parts: &[""],
        checks: &[Check::Softmax(forward::probabilities_sum)],
    },
    Rule {
        id: RuleId::new(12),
        title: "each output's loss follows from its target and output, and the total is their sum",
        citation: "Bishop, Pattern Recognition and Machine Learning (2006), eq. 5.11 and 4.108",
        applies: "always",
        parts: &["keys", "reduction", "per_output", "total", "targets"],
        checks: &[Check::Keys(loss::keys), Check::Values(loss::values)],
    },
    Rule {
        id: RuleId::new(13),
        title: "an output's error signal equals its sum over the softmax Jacobian",
        citation: "Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.106 and 4.109",
        applies: "error signals in dual form",
        parts: &["keys", "order", "factors", "source", "term", "sum", "signal"],
        checks: &[Check::Keys(backward::dual_keys), Check::Dual(backward::duals)],
    },
    Rule {
        id: RuleId::new(14),
        title: "every stored number is what the engine computes from inputs and parameters alone",
        citation: "this judge's own engine",
        applies: "always",
        parts: &["updates", "forward", "loss", "backward", "post_update"],
        checks: &[Check::Keys(recompute::keys), Check::Values(recompute::values)],
    },
    Rule {
        id: RuleId::new(15),
        title: "the record does not disown itself, and a claim of a skipped recomputation names its basis",
        citation: FORMAT,
        applies: "records with lifecycle labels",
        parts: &["basis", "label"],
        checks: &[Check::Labels(claims::labels)],
    },
    Rule {
        id: RuleId::new(16),
        title: "a record's digest over itself is the digest of its canonical bytes",
        citation: "FIPS 180-4; backprop-trace receipt format 0.4.0",
        applies: "records that declare signed_subject_digest",
        parts: &["digest", "bytes"],
        checks: &[Check::SubjectDigest(claims::subject_digest)],
    },
];
