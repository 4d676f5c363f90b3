//! The rules, by family, and the one table that registers them.

mod backward;
mod batch;
mod claims;
mod form;
mod forward;
mod loss;
mod optimizer;
mod provenance;
mod recompute;
mod trace;
mod update;

use super::rule::{Check, Rule, RuleId};

pub(crate) use trace::is_imported;

const BACKPROPAGATION: &str = "Rumelhart, Hinton, Williams, Nature 323 (1986), eq. 4-8";
const FORMAT: &str = "backprop-trace receipt format, 0.1.0 to 0.8.0";

/// Every rule, in the order in which reports list them.
pub static RULES: [Rule; 29] = [
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
        title: "an update has the step's learning rate, and by SGD it is that rate times the gradient, decayed",
        citation: "Robbins, Monro, Ann. Math. Statist. 22 (1951)",
        applies: "always",
        parts: &["learning_rate", "update"],
        checks: &[Check::Values(update::updates)],
    },
    Rule {
        id: RuleId::new(6),
        title: "a parameter after an update is the parameter before, decayed by AdamW alone, plus the update",
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
        applies: "steps without a batch",
        parts: &["from", "value"],
        checks: &[Check::Single(provenance::factors)],
    },
    Rule {
        id: RuleId::new(9),
        title: "a step of a trace starts from the parameters that the step before left",
        citation: "Jia et al., Proof-of-Learning, IEEE S&P (2021)",
        applies: "traces",
        parts: &["keys", "value"],
        checks: &[Check::Link(trace::parameters)],
    },
    Rule {
        id: RuleId::new(10),
        title: "the records of a trace share its id and net, and are counted from 0 without a gap",
        citation: FORMAT,
        applies: "traces",
        parts: &["trace_id", "step_index", "net"],
        checks: &[Check::Place(trace::place)],
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
        parts: &["updates", "forward", "loss", "backward", "per_sample", "post_update"],
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
    Rule {
        id: RuleId::new(17),
        title: "a trace's digest over itself is the digest of its records' canonical bytes",
        citation: "FIPS 180-4; backprop-trace receipt format 0.4.0",
        applies: "traces that declare bundle_root_digest, and every imported one",
        parts: &["declared", "digest", "bytes"],
        checks: &[Check::BundleDigest(trace::bundle)],
    },
    Rule {
        id: RuleId::new(18),
        title: "a batch's loss is its samples' losses, reduced in their order",
        citation: FORMAT,
        applies: "batches",
        parts: &["total", "per_output", "copy"],
        checks: &[Check::Batch(batch::reductions)],
    },
    Rule {
        id: RuleId::new(19),
        title: "a batch lists its samples, each once, and the record's own pass is the first one's",
        citation: FORMAT,
        applies: "batches",
        parts: &["size", "order", "keys", "reduction", "first"],
        checks: &[Check::Keys(batch::keys), Check::Batch(batch::first)],
    },
    Rule {
        id: RuleId::new(20),
        title: "an optimizer's configuration is whole, and every update is by it and carries its state",
        citation: FORMAT,
        applies: "records with an optimizer configuration or state",
        parts: &["config", "name", "state"],
        checks: &[Check::Keys(optimizer::configuration)],
    },
    Rule {
        id: RuleId::new(21),
        title: "momentum: the buffer, the direction and the update follow from the gradient",
        citation: "Sutskever, Martens, Dahl, Hinton, ICML (2013), eq. 1-4, as PyTorch's SGD writes them",
        applies: "SGD with momentum",
        parts: &["buffer", "direction", "update"],
        checks: &[Check::Momentum(optimizer::momentum)],
    },
    Rule {
        id: RuleId::new(22),
        title: "Adam: both moments follow from the gradient",
        citation: "Kingma, Ba, ICLR (2015), algorithm 1",
        applies: "Adam and AdamW",
        parts: &["m", "v"],
        checks: &[Check::Adam(optimizer::moments)],
    },
    Rule {
        id: RuleId::new(23),
        title: "Adam: the time step counts the trace's steps, and its bias corrections are above zero",
        citation: "Kingma, Ba, ICLR (2015), section 3",
        applies: "Adam and AdamW",
        parts: &["t", "correction"],
        checks: &[Check::Adam(optimizer::time_step)],
    },
    Rule {
        id: RuleId::new(24),
        title: "Adam: the update is the corrected first moment over the root of the second",
        citation: "Kingma, Ba, ICLR (2015), algorithm 1; Loshchilov, Hutter, ICLR (2019), algorithm 2",
        applies: "Adam and AdamW",
        parts: &[""],
        checks: &[Check::Adam(optimizer::adam_update)],
    },
    Rule {
        id: RuleId::new(25),
        title: "a step of a trace starts from the optimizer state that the step before left",
        citation: "Kingma, Ba, ICLR (2015), algorithm 1",
        applies: "traces with optimizer state",
        parts: &["state", "t"],
        checks: &[Check::Link(trace::states)],
    },
    Rule {
        id: RuleId::new(26),
        title: "a trace keeps its optimizer and hyper-parameters; learning rate and time step may move",
        citation: FORMAT,
        applies: "traces with an optimizer configuration",
        parts: &["present", "name", "constant"],
        checks: &[Check::Place(trace::configuration)],
    },
];
