//! No honest step is refused: random nets, from the engine through canonical bytes to the judge, and the same steps as
//! sidecars at full precision.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod nets;

use std::fmt::Write as _;

use bp::receipt::canonical::EmitError;
use bp::reconcile::rule::Verdict;
use bp::verify::{self, Found, Outcome, Verified};
use nets::{Random, Shape};

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

/// Nets of each kind: a few, fewer of the largest; or with `BP_LONG` set 10,000 in all.
#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn nets_each(shape: &Shape) -> usize {
    match (std::env::var_os("BP_LONG").is_some(), shape.sizes) {
        (true, _) => 250,
        (false, [_, 32, _]) => 1,
        (false, [_, 16, _]) => 3,
        (false, _) => 10,
    }
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
    fn enter(&mut self, verified: &Verified, refused: &mut String) {
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
#[allow(clippy::print_stderr, reason = "counts that a long run is for")]
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
                    match nets::bytes(&input) {
                        Ok(bytes) => {
                            let before = refused.len();
                            let verified = verify::receipt(&bytes);
                            receipts.enter(&verified, &mut refused);
                            let Found::Judged { canonical, .. } = verified.sections[0].found else {
                                panic!("{title}: {:?}", nets::findings(&verified.sections[0]))
                            };
                            assert_eq!(canonical, Some(true), "{title}");
                            if refused.len() > before {
                                writeln!(refused, "^ {title}").unwrap();
                            }
                        }
                        Err(EmitError::OutOfRange { .. }) => receipts.not_emittable += 1,
                        Err(error) => panic!("{title}: {error}"),
                    }
                    let before = refused.len();
                    let mut verified = nets::import(&nets::sidecar(shape, &step));
                    if matches!(
                        verified.sections.last().map(|section| &section.found),
                        Some(Found::Unwritten(_))
                    ) {
                        // The sidecar itself is judged all the same.
                        verified.sections.pop();
                        sidecars.not_emittable += 1;
                    }
                    sidecars.enter(&verified, &mut refused);
                    if refused.len() > before {
                        writeln!(refused, "^ sidecar of {title}").unwrap();
                    }
                }
                for (what, tally) in [("receipts", receipts), ("sidecars", sidecars)] {
                    eprintln!(
                        "{name:37} {weights:11} scale {scale_name:2} {what}: pass {:4}, insufficient {:3}, fail {:3}, \
                         not emittable {:4}; compared {:8}, blind {:5}",
                        tally.pass,
                        tally.insufficient,
                        tally.fail,
                        tally.not_emittable,
                        tally.compared,
                        tally.blind,
                    );
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
