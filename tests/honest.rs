//! No honest step is refused: random nets, from the engine through canonical bytes to the judge, and the same steps as
//! sidecars at full precision.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod nets;

use std::fmt::Write as _;

use bp::author::{self, Request};
use bp::receipt::canonical::EmitError;
use bp::receipt::wire::OptimizerState;
use bp::reconcile::rule::Verdict;
use bp::verify::{self, Found, Outcome, Verified};
use nets::{Random, Shape};
use serde_json::{Value, json};

const fn shape(
    sizes: [usize; 3],
    hidden_by: &'static str,
    output_by: &'static str,
    biases_learn: bool,
) -> Shape {
    Shape { sizes, hidden_by, output_by, biases_learn }
}

const SHAPES: [(&str, Shape); 10] = [
    ("2-2-1 sigmoid", shape([2, 2, 1], "sigmoid", "sigmoid", false)),
    ("2-2-1 sigmoid, biases learn", shape([2, 2, 1], "sigmoid", "sigmoid", true)),
    ("4-8-3 relu softmax", shape([4, 8, 3], "relu", "softmax", false)),
    ("4-8-3 relu softmax, biases learn", shape([4, 8, 3], "relu", "softmax", true)),
    ("9-16-4 relu softmax", shape([9, 16, 4], "relu", "softmax", false)),
    ("9-16-4 relu softmax, biases learn", shape([9, 16, 4], "relu", "softmax", true)),
    ("16-32-10 relu softmax", shape([16, 32, 10], "relu", "softmax", false)),
    ("16-32-10 relu softmax, biases learn", shape([16, 32, 10], "relu", "softmax", true)),
    ("8-8-8 sigmoid identity", shape([8, 8, 8], "sigmoid", "identity", false)),
    ("8-8-8 sigmoid identity, biases learn", shape([8, 8, 8], "sigmoid", "identity", true)),
];

/// How weights, inputs and targets are rounded before the step.
type Round = fn(f64) -> f64;

const WEIGHTS: [(&str, Round); 2] = [("nine digits", nets::nine_digits), ("all bits", |value| value)];

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn is_long() -> bool {
    std::env::var_os("BP_LONG").is_some()
}

/// Nets of each kind: a few, fewer of the largest; or with `BP_LONG` set 10,000 in all.
fn nets_each(shape: &Shape) -> usize {
    match (is_long(), shape.sizes) {
        (true, _) => 250,
        (false, [_, 32, _]) => 1,
        (false, [_, 16, _]) => 3,
        (false, _) => 10,
    }
}

/// Optimizers, each parameter's first state chosen at random.
const OPTIMIZERS: [&str; 10] = [
    r#"{ "name": "sgd" }"#,
    r#"{ "name": "sgd", "weight_decay": 0.01 }"#,
    r#"{ "name": "sgd_momentum", "momentum": 0.9 }"#,
    r#"{ "name": "sgd_momentum", "momentum": 0.9, "weight_decay": 0.0005 }"#,
    r#"{ "name": "sgd_momentum", "momentum": 0.95, "nesterov": true }"#,
    r#"{ "name": "sgd_momentum", "momentum": 0.9, "nesterov": true, "weight_decay": 0.01 }"#,
    r#"{ "name": "sgd_momentum", "momentum": 0.85, "dampening": 0.3 }"#,
    r#"{ "name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 1 }"#,
    r#"{ "name": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01, "t": 1 }"#,
    r#"{ "name": "adamw", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "weight_decay": 0.1, "t": 1 }"#,
];

/// Reduction and size of a batch; one that is not reduced is a single sample.
const BATCHES: [Option<(&str, usize)>; 4] = [None, Some(("mean", 5)), Some(("sum", 3)), Some(("none", 1))];

/// A random step by an optimizer, alone or in a batch: at the first step, or later with a state of its own.
fn optimized(
    shape: &Shape,
    random: &mut Random,
    config: &str,
    batch: Option<(&str, usize)>,
    scale: f64,
    round: fn(f64) -> f64,
    is_first: bool,
) -> Request {
    let mut config: Value = serde_json::from_str(config).unwrap();
    let input = shape.random(random, scale, round);
    let others: Vec<(Vec<f64>, Vec<f64>)> = (1..batch.map_or(1, |(_, size)| size))
        .map(|_| {
            let other = shape.random(random, scale, round);
            (other.inputs.values().copied().collect(), other.targets.values().copied().collect())
        })
        .collect();
    let others: Vec<(&[f64], &[f64])> =
        others.iter().map(|(inputs, targets)| (inputs.as_slice(), targets.as_slice())).collect();
    let is_adam = config["beta1"].is_number();
    if is_adam && !is_first {
        config["t"] = json!(2 + random.below(2000));
    }
    let states: Vec<OptimizerState> = (0..input.parameters_before.len())
        .map(|_| match (is_adam, is_first) {
            (true, true) => OptimizerState::Adam { m: 0.0, v: 0.0 },
            (true, false) => {
                let m = random.number(0.1);
                OptimizerState::Adam { m: round(m), v: round(m * m * (1.0 + random.number(0.5))) }
            }
            (false, true) => OptimizerState::Momentum { buffer: 0.0 },
            (false, false) => OptimizerState::Momentum { buffer: round(random.number(0.5)) },
        })
        .collect();
    let is_stateful = config["name"] != "sgd";
    let request = nets::optimized(input, &config, |place| is_stateful.then(|| states[place]));
    match batch {
        None => request,
        Some((reduction, _)) => nets::batched(request, reduction, &others),
    }
}

#[test]
fn no_honest_optimizer_or_batch_is_refused() {
    let each = if is_long() { 3 } else { 1 };
    let mut refused = String::new();
    for (place, config) in OPTIMIZERS.iter().enumerate() {
        for batch in BATCHES {
            let (mut tally, mut sidecars) = (Tally::default(), Tally::default());
            for (kind, (name, shape)) in SHAPES.iter().enumerate() {
                // Not every shape with every optimizer in a short run: half of the small ones, in turn.
                if !is_long() && (shape.sizes[1] > 8 || (kind + place).is_multiple_of(2)) {
                    continue;
                }
                let mut random = Random(7919 * place as u64 + 104_729 * kind as u64 + config.len() as u64);
                for net in 0..each {
                    for (weights, round) in WEIGHTS {
                        for (scale, is_first) in [(0.5, true), (3.0, true), (0.5, false), (3.0, false)] {
                            if !is_long() && !(net + kind + random.below(4)).is_multiple_of(4) {
                                continue;
                            }
                            let request =
                                optimized(shape, &mut random, config, batch, scale, round, is_first);
                            let title = format!(
                                "{name}, {weights}, scale {scale}, {config}, {batch:?}, net {net}, first {is_first}"
                            );
                            tally.judge(&nets::request_bytes(&request), &title, &mut refused);
                            let step = author::written(&request).unwrap();
                            sidecars.import(&nets::sidecar(shape, &step), &title, &mut refused);
                        }
                    }
                }
            }
            tally.print(&format!("{config} {batch:?} receipts"));
            sidecars.print(&format!("{config} {batch:?} sidecars"));
        }
    }
    assert!(refused.is_empty(), "honest steps were refused:\n{refused}");
}

/// Ten steps, and a hundred in a long run: each from the nine digits that the one before left.
#[test]
#[allow(clippy::print_stderr, reason = "counts that a long run is for")]
fn no_honest_trace_is_refused() {
    let mut refused = String::new();
    for (place, config) in OPTIMIZERS.iter().enumerate() {
        for (kind, (name, shape)) in SHAPES.iter().enumerate() {
            if shape.sizes[1] > 8 || (!is_long() && kind % 3 != place % 3) {
                continue;
            }
            let batch = BATCHES[(place + kind) % BATCHES.len()];
            // One sample over and over: probabilities come so near to soft targets that their difference is rounding.
            let settles = place == 0 && batch == Some(("none", 1));
            let steps = if is_long() || settles { 100 } else { 10 };
            let mut random = Random(1_299_709 * place as u64 + kind as u64);
            let request = optimized(shape, &mut random, config, batch, 0.5, nets::nine_digits, true);
            let mut request = nets::begun(request);
            let mut bytes = Vec::new();
            let mut records = 0;
            while records < steps {
                let Ok(record) = nets::request_bytes(&request) else { break };
                request = nets::continued(&request, &record);
                // A rate may move; a new sample comes with each step.
                let sample = shape.random(&mut random, 0.5, nets::nine_digits);
                if request.batch.is_none() {
                    request.input.inputs = sample.inputs;
                    request.input.targets = sample.targets;
                }
                bytes.extend(record);
                records += 1;
            }
            let title = format!("{name}, {config}, {batch:?}: {records} of {steps} steps");
            if records == 0 {
                eprintln!("{title}: not emittable");
                continue;
            }
            let trace = nets::trace(&bytes);
            eprintln!("{title}: {:?} {:?}", trace.outcome(), trace.counts);
            if trace.outcome() != Outcome::Pass && refused.len() < 4000 {
                let rules: Vec<_> =
                    trace.rules.iter().map(|(rule, verdict)| format!("{}: {verdict:?}", rule.id)).collect();
                writeln!(refused, "{title} {:?} {rules:?}", nets::trace_findings(&trace)).unwrap();
            }
        }
    }
    assert!(refused.is_empty(), "honest traces were refused:\n{refused}");
}

/// What became of the nets of one kind.
#[derive(Default)]
struct Tally {
    pass: usize,
    insufficient: usize,
    fail: usize,
    not_emittable: usize,
    blind: usize,
    compared: usize,
}

impl Tally {
    /// Judges the receipt of an honest step, where it could be written.
    fn judge(&mut self, bytes: &Result<Vec<u8>, EmitError>, title: &str, refused: &mut String) {
        match bytes {
            Ok(bytes) => {
                let before = refused.len();
                let verified = verify::receipt(bytes);
                self.enter(&verified, refused);
                let Found::Judged { canonical, .. } = verified.sections[0].found else {
                    panic!("{title}: {:?}", nets::findings(&verified.sections[0]))
                };
                assert_eq!(canonical, Some(true), "{title}");
                if refused.len() > before {
                    writeln!(refused, "^ {title}").unwrap();
                }
            }
            Err(EmitError::OutOfRange { .. }) => self.not_emittable += 1,
            Err(error) => panic!("{title}: {error}"),
        }
    }

    /// Judges the sidecar of an honest step at full precision, and its receipt where it could be written.
    fn import(&mut self, sidecar: &Value, title: &str, refused: &mut String) {
        let before = refused.len();
        let mut verified = nets::import(sidecar);
        let last = verified.sections.last().map(|section| &section.found);
        if matches!(last, Some(Found::Unwritten(_))) {
            // The sidecar itself is judged all the same.
            verified.sections.pop();
            self.not_emittable += 1;
        }
        self.enter(&verified, refused);
        if refused.len() > before {
            writeln!(refused, "^ sidecar of {title}").unwrap();
        }
    }

    #[allow(clippy::print_stderr, reason = "counts that a long run is for")]
    fn print(&self, what: &str) {
        eprintln!(
            "{what}: pass {:4}, insufficient {:3}, fail {:3}, not emittable {:4}; compared {:8}, blind {:5}",
            self.pass, self.insufficient, self.fail, self.not_emittable, self.compared, self.blind,
        );
    }

    fn enter(&mut self, verified: &Verified<'_>, refused: &mut String) {
        for section in &verified.sections {
            if let Found::Judged { report, .. } = &section.found {
                for (_, verdict) in &report.rules {
                    if let Verdict::Holds { compared, blind } = verdict {
                        self.compared += compared;
                        self.blind += blind;
                    }
                }
            }
        }
        match verified.outcome() {
            Outcome::Pass => self.pass += 1,
            Outcome::Insufficient => self.insufficient += 1,
            Outcome::Fail => self.fail += 1,
        }
        if verified.outcome() != Outcome::Pass && refused.len() < 4000 {
            for section in &verified.sections {
                let vacuous: Vec<String> = match &section.found {
                    Found::Judged { report, .. } => report
                        .rules
                        .iter()
                        .filter(|(_, verdict)| {
                            matches!(verdict, Verdict::Vacuous { .. } | Verdict::NotReached)
                        })
                        .map(|(rule, verdict)| format!("rule {}: {verdict:?}", rule.id))
                        .collect(),
                    _ => Vec::new(),
                };
                let found = nets::findings(section);
                writeln!(refused, "  {:?} {:?} {vacuous:?} {found:?}", section.kind, section.outcome())
                    .unwrap();
            }
        }
    }
}

#[test]
fn no_honest_step_is_refused() {
    let mut refused = String::new();
    for (kind, (name, shape)) in SHAPES.iter().enumerate() {
        for (weights, round) in WEIGHTS {
            for (scale_name, scale) in [(".5", 0.5), ("3", 3.0)] {
                let mut random = Random(1000 * kind as u64 + weights.len() as u64 + scale_name.len() as u64);
                let (mut receipts, mut sidecars) = (Tally::default(), Tally::default());
                for net in 0..nets_each(shape) {
                    let title = format!("{name}, {weights}, scale {scale_name}, net {net}");
                    let input = shape.random(&mut random, scale, round);
                    let step = nets::receipt(&input);
                    receipts.judge(&nets::bytes(&input), &title, &mut refused);
                    sidecars.import(&nets::sidecar(shape, &step), &title, &mut refused);
                }
                for (what, tally) in [("receipts", receipts), ("sidecars", sidecars)] {
                    tally.print(&format!("{name:37} {weights:11} scale {scale_name:2} {what}"));
                }
            }
        }
    }
    assert!(refused.is_empty(), "honest steps were refused:\n{refused}");
}

#[test]
fn no_honest_step_in_single_precision_is_refused() {
    for (name, shape) in SHAPES {
        for scale in [0.5, 3.0] {
            let mut random = Random(24);
            for net in 0..nets_each(&shape) {
                let input = shape.random(&mut random, scale, nets::in_single);
                let mut sidecar = nets::sidecar(&shape, &nets::receipt(&input));
                nets::single_precision(&mut sidecar);
                let verified = nets::import(&sidecar);
                let found = nets::findings(&verified.sections[0]);
                assert_eq!(
                    verified.sections[0].outcome(),
                    Outcome::Pass,
                    "{name}, scale {scale}, net {net}: {found:?}"
                );
            }
        }
    }
}

/// A framework's loss comes from the logits where its probability is 0; the loss must still be the right one.
#[test]
fn a_probability_too_small_for_the_framework() {
    let shape = shape([1, 1, 2], "identity", "softmax", false);
    let input = shape.input(0.5, &[1.0], &[0.0, 1.0], &[2.0, 75.0, -75.0, 0.0, 0.0]);
    let mut sidecar = nets::sidecar(&shape, &nets::receipt(&input));
    nets::single_precision(&mut sidecar);
    assert_eq!(sidecar["forward"]["y2"]["out"], 0.0);
    assert_eq!(sidecar["loss"]["total"], 300.0);
    let judged = |sidecar: &serde_json::Value| nets::import(sidecar).sections[0].outcome();
    assert_eq!(judged(&sidecar), Outcome::Pass);
    for at in ["/loss/per_output/y2", "/loss/total"] {
        *sidecar.pointer_mut(at).unwrap() = 299.0.into();
    }
    let found = nets::findings(&nets::import(&sidecar).sections[0]);
    let rules: Vec<&str> = found.iter().map(|(rule, _, _)| rule.as_str()).collect();
    assert_eq!(rules, ["14", "14"], "{found:?}");
}

/// A sidecar without a bias policy, of a step that is right already: no bias moves, each has an update.
#[test]
fn a_step_without_an_error_moves_no_bias() {
    let shape = shape([1, 1, 1], "identity", "identity", true);
    let input = shape.input(0.5, &[1.0], &[2.0], &[1.0, 1.0, 0.5, 0.5]);
    let mut sidecar = nets::sidecar(&shape, &nets::receipt(&input));
    sidecar.as_object_mut().unwrap().shift_remove("bias_policy");
    let verified = nets::import(&sidecar);
    assert_eq!(nets::findings(&verified.sections[0]), Vec::new());
    assert_eq!(verified.outcome(), Outcome::Pass);
}
