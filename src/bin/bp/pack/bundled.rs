//! The suite in this program: honest steps that must pass, and for each rule a step in which it must be seen broken.

macro_rules! inputs {
    ($($path:literal,)*) => {
        /// The suite's inputs, by the path that it names.
        pub(super) const INPUTS: &[(&str, &[u8])] =
            &[$(($path, include_bytes!(concat!("../../../../fixtures/", $path)))),*];
    };
}

/// The suite.
pub(super) const SUITE: &[u8] = include_bytes!("../../../../fixtures/suite.json");

inputs! {
    "good/mazur.receipt.jsonl",
    "good/xor.receipt.jsonl",
    "good/softmax-ce.receipt.jsonl",
    "good/jax-sgd-step.sidecar.jsonl",
    "good/momentum-three-steps.trace.jsonl",
    "bad/0-unit-without-a-weight/receipt.jsonl",
    "bad/0.8-probability-above-one/receipt.jsonl",
    "bad/0.9-unit-left-out/receipt.jsonl",
    "bad/1-factor-under-another-name/receipt.jsonl",
    "bad/2-signal-left-out/receipt.jsonl",
    "bad/3-derivative-of-a-unit-that-is-off/receipt.jsonl",
    "bad/4-factor-left-out/receipt.jsonl",
    "bad/5-decay-done-and-not-said/receipt.jsonl",
    "bad/6-decay-of-another-adamw/receipt.jsonl",
    "bad/7-parameter-left-out/receipt.jsonl",
    "bad/8-factor-from-nowhere/receipt.jsonl",
    "bad/11-probabilities-of-a-sigmoid/receipt.jsonl",
    "bad/12-targets-changed-after-the-step/receipt.jsonl",
    "bad/13-dual-form-at-a-sigmoid/receipt.jsonl",
    "bad/14-hidden-signal-forged-with-all-that-follows/receipt.jsonl",
    "bad/15-reproduced-byte-for-byte-and-not-canonical/receipt.jsonl",
    "bad/16-note-added-around-the-digest/receipt.jsonl",
    "bad/18-loss-of-a-sample-left-out/receipt.jsonl",
    "bad/19-samples-of-no-batch/receipt.jsonl",
    "bad/20-buffer-of-plain-sgd/receipt.jsonl",
    "bad/21-look-ahead-done-and-not-said/receipt.jsonl",
    "bad/22-betas-swapped/receipt.jsonl",
    "bad/23-beta-of-one/receipt.jsonl",
    "bad/24-step-up-the-hill/receipt.jsonl",
    "bad/9-first-two-steps-forgotten/trace.jsonl",
    "bad/10-step-left-out/trace.jsonl",
    "bad/17-import-slipped-into-a-trace-of-the-engine/trace.jsonl",
    "bad/25-buffer-forgotten-between-steps/trace.jsonl",
    "bad/26-optimizer-taken-up-in-the-middle/trace.jsonl",
}

/// The bytes of an input that the suite names.
pub(super) fn input(path: &str) -> Option<&'static [u8]> {
    INPUTS.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bp::pack::Suite;
    use bp::reconcile::rules::RULES;

    #[test]
    fn it_names_what_it_brings_and_a_record_for_every_rule() {
        let suite = Suite::parse(SUITE).unwrap();
        let named: Vec<&str> = suite.inputs().into_keys().collect();
        let mut brought: Vec<&str> = INPUTS.iter().map(|(path, _)| *path).collect();
        brought.sort_unstable();
        assert_eq!(named, brought);
        let has =
            |id: &str| suite.scenarios().iter().any(|scenario| scenario.category == format!("rule-{id}"));
        let without: Vec<String> =
            RULES.iter().map(|rule| rule.id.to_string()).filter(|id| !has(id)).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
