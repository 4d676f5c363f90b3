//! Every part of every rule, by a record that breaks it: the exact set of findings, and no more.
//!
//! The records lie in `fixtures/bad/`; `tests/bad/mod.rs` says how each was made from an honest one. After a change
//! there, `BP_BLESS=1 cargo test --test rules` writes records and expectations anew; a person reviews what changed.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod bad;
mod nets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bad::{BAD, Base, Steps};
use bp::author;
use bp::receipt::lower::{self, ByteFacts};
use bp::receipt::wire::{OptimizerState, Receipt, Topology};
use bp::reconcile::reconcile;
use bp::reconcile::rules::RULES;
use bp::verify::{self, Found, Outcome, Verified};
use serde::Deserialize as _;
use serde_json::{Value, json};

type Findings = Vec<(String, String, String)>;

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn blessing() -> bool {
    std::env::var_os("BP_BLESS").is_some()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad")
}

/// The record in a fixture's folder and what was found in it, the record alone.
fn judged(folder: &Path) -> Findings {
    if let Ok(bytes) = fs::read(folder.join("trace.jsonl")) {
        let trace = nets::trace(&bytes);
        assert_eq!(trace.outcome(), Outcome::Fail, "{}", folder.display());
        return nets::trace_findings(&trace);
    }
    let receipt = folder.join("receipt.jsonl");
    let verified = match fs::read(&receipt) {
        Ok(bytes) => verify::receipt(&bytes).detached(),
        Err(_) => nets::import_bytes(&fs::read(folder.join("sidecar.jsonl")).unwrap()),
    };
    assert_eq!(verified.outcome(), Outcome::Fail, "{}", folder.display());
    nets::findings(&verified.sections[0])
}

fn expected(folder: &Path) -> Findings {
    let document = bp::json::parse(&fs::read(folder.join("expect.json")).unwrap()).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = document.as_array().unwrap().iter();
    findings.map(|finding| (text(finding, "rule"), text(finding, "part"), text(finding, "at"))).collect()
}

fn bless(folder: &Path, file: &str, record: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(file), record).unwrap();
    let findings: Vec<String> = judged(folder)
        .iter()
        .map(|(rule, part, at)| format!("  {}", json!({ "rule": rule, "part": part, "at": at })))
        .collect();
    fs::write(folder.join("expect.json"), format!("[\n{}\n]\n", findings.join(",\n"))).unwrap();
}

#[test]
fn bad_records_are_made_as_said() {
    let mut made = BTreeSet::new();
    for bad in BAD {
        let (file, record) = bad.record();
        let folder = folder().join(bad.name);
        if blessing() {
            bless(&folder, file, &record);
        }
        assert!(made.insert(bad.name.to_owned()), "{} stands twice", bad.name);
        assert_eq!(fs::read(folder.join(file)).unwrap_or_default(), record, "{}", bad.name);
    }
    let lying: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(lying, made, "folders are those of the table");
}

#[test]
fn bad_records_break_as_expected() {
    if blessing() {
        return;
    }
    for bad in BAD {
        let folder = folder().join(bad.name);
        assert_eq!(judged(&folder), expected(&folder), "{}", bad.name);
    }
}

/// What a record says of itself, turned into its opposite.
fn relabelled(record: &mut Value) {
    let labels = &mut record["fixture_status"];
    let opposite = |label: &str| match label {
        "deliberately_corrupted" => "engine_generated",
        "engine_generated" | "external_imported" => "deliberately_corrupted",
        "expected_to_fail_reconciliation" => "engine_reproduced_byte_equal",
        "engine_recompute_disagreed" | "engine_recompute_skipped_with_basis" => {
            "engine_recompute_matched_within_tolerance"
        }
        "engine_recompute_matched_within_tolerance" => "engine_recompute_disagreed",
        "engine_reproduced_byte_equal" => "expected_to_fail_reconciliation",
        other => panic!("{other} has no opposite here"),
    };
    for key in ["authoring_state", "verification_state"] {
        labels[key] = opposite(labels[key].as_str().unwrap()).into();
    }
    labels["canonical"] = (!labels["canonical"].as_bool().unwrap()).into();
}

/// The label is not evidence: whatever a bad record says of itself, the same is found in it.
#[test]
fn labels_change_no_finding() {
    let mut judged_records = 0;
    for bad in BAD {
        let folder = folder().join(bad.name);
        let is_trace = folder.join("trace.jsonl").exists();
        let file = folder.join(if is_trace { "trace.jsonl" } else { "receipt.jsonl" });
        // A sidecar has no labels.
        let Ok(bytes) = fs::read(file) else { continue };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut records: Vec<Value> = lines.map(|line| bp::json::parse(line).unwrap()).collect();
        let has_digest = |record: &Value| {
            let attestor = record.get("attestor");
            let declares = |key| attestor.and_then(|attestor| attestor.get(key)).is_some();
            declares("signed_subject_digest") || declares("bundle_root_digest")
        };
        let is_digested = records.iter().any(has_digest);
        records.iter_mut().for_each(relabelled);
        let bytes: Vec<u8> = records.iter().flat_map(bad::written).collect();
        let (outcome, found) = if is_trace {
            let trace = nets::trace(&bytes);
            (trace.outcome(), nets::trace_findings(&trace))
        } else {
            let verified = verify::receipt(&bytes);
            (verified.outcome(), nets::findings(&verified.sections[0]))
        };
        assert_eq!(outcome, Outcome::Fail, "{}", bad.name);
        // What the rules about labels say changes with them, and a digest covers them.
        let of_numbers = |findings: Findings| -> Findings {
            let is_label = |(rule, part, _): &(String, String, String)| {
                rule == "15"
                    || (rule == "0" && part == "provenance")
                    || (is_digested && (rule == "16" || rule == "17"))
            };
            findings.into_iter().filter(|finding| !is_label(finding)).collect()
        };
        assert_eq!(of_numbers(found), of_numbers(expected(&folder)), "{}", bad.name);
        judged_records += records.len();
    }
    assert!(judged_records > 150, "{judged_records}");
}

/// Parts that no record can break, because its schema keeps it out first: the rule stands behind the schema.
const BEHIND_THE_SCHEMA: [(&str, &str, &str); 2] =
    [("19-sample-named-twice", "19", "order"), ("23-beta-of-one", "23", "correction")];

/// Judged without its schema, such a record breaks the part.
#[test]
fn rules_stand_behind_the_schema() {
    for (name, rule, part) in BEHIND_THE_SCHEMA {
        let bytes = fs::read(folder().join(name).join("receipt.jsonl")).unwrap();
        let wire = Receipt::deserialize(bp::json::parse(&bytes).unwrap()).unwrap();
        let report = reconcile(&lower::receipt(wire, ByteFacts { canonical: true, subject_digest: None }));
        let found = report.findings().any(|finding| finding.rule.to_string() == rule && finding.part == part);
        assert!(found, "{name}: {:?}", report.findings().collect::<Vec<_>>());
    }
}

/// A fixture's name begins with its rule, and that rule is broken in it; no part of a rule is without one.
#[test]
fn every_part_of_every_rule_has_a_bad_record() {
    if blessing() {
        return;
    }
    let mut shown = BTreeSet::new();
    for bad in BAD {
        let findings = expected(&folder().join(bad.name));
        let rule = bad.name.split('-').next().unwrap();
        if let Some((_, rule, part)) = BEHIND_THE_SCHEMA.into_iter().find(|(name, _, _)| *name == bad.name) {
            assert!(findings.iter().all(|(broken, _, _)| broken == "schema"), "{}", bad.name);
            shown.insert((rule.to_owned(), part.to_owned()));
            continue;
        }
        assert!(findings.iter().any(|(broken, _, _)| broken == rule), "{}", bad.name);
        for (broken, part, _) in findings {
            if broken == rule {
                shown.insert((broken, part));
            }
        }
    }
    let parts = |rule: &bp::reconcile::rule::Rule| {
        rule.parts.iter().map(|part| (rule.id.to_string(), (*part).to_owned())).collect::<Vec<_>>()
    };
    let registered: BTreeSet<(String, String)> = RULES.iter().flat_map(parts).collect();
    assert_eq!(shown, registered);
}

#[test]
fn good_records_hold() {
    for base in Base::ALL {
        let verified = base.judged();
        let canonical: Vec<Option<bool>> = verified
            .sections
            .iter()
            .map(|section| match section.found {
                Found::Judged { canonical, .. } => canonical,
                _ => panic!("{base:?}: {:?}", nets::findings(section)),
            })
            .collect();
        let found: Vec<_> = verified.sections.iter().map(nets::findings).collect();
        assert_eq!(verified.outcome(), Outcome::Pass, "{base:?}: {found:?}");
        assert!(canonical.iter().all(|canonical| *canonical != Some(false)), "{base:?}");
    }
    let three = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/good/momentum-three-steps.trace.jsonl");
    if blessing() {
        fs::write(&three, Steps::Momentum.bytes()).unwrap();
    }
    assert_eq!(fs::read(three).unwrap(), Steps::Momentum.bytes());
    for steps in Steps::ALL {
        let trace = nets::trace(&steps.bytes());
        assert_eq!(trace.outcome(), Outcome::Pass, "{steps:?}: {:?}", nets::trace_findings(&trace));
        assert_eq!(trace.counts, [3, 0, 0], "{steps:?}");
    }
    let jax = include_bytes!("../fixtures/good/jax-sgd-step.sidecar.jsonl");
    let verified = nets::import_bytes(jax);
    assert_eq!(verified.outcome(), Outcome::Pass);
    let imported = verify::receipt(&verified.imported.unwrap()).detached();
    assert_eq!(imported.outcome(), Outcome::Pass);
    assert!(matches!(imported.sections[0].found, Found::Judged { canonical: Some(true), .. }));
}

/// A schedule moves the learning rate from step to step; everything else stays, and the trace holds.
#[test]
fn a_learning_rate_schedule_holds() {
    for base in [Base::OneUnit, Base::Momentum, Base::Adamw, Base::AdamMean] {
        let mut request = nets::begun(base.request());
        if let Some(t) = request.optimizer.as_mut().and_then(|config| config.t.as_mut()) {
            *t = 1;
        }
        let mut bytes = Vec::new();
        for rate in [0.1, 0.05, 0.0125, 0.001] {
            request.input.learning_rate = rate;
            if let Some(config) = request.optimizer.as_mut() {
                config.learning_rate = rate;
            }
            let record = nets::request_bytes(&request).unwrap();
            request = nets::continued(&request, &record);
            bytes.extend(record);
        }
        let trace = nets::trace(&bytes);
        assert_eq!(trace.outcome(), Outcome::Pass, "{base:?}: {:?}", nets::trace_findings(&trace));
        assert_eq!(trace.counts, [4, 0, 0], "{base:?}");
    }
}

/// x = 2, w = 3, b = 1: h = 7. v = 0.5, c = -1: y = 2.5. t = 1: loss (1 - 2.5)^2 / 2 = 1.125, signal of y -1.5.
/// h receives -1.5 * 0.5 = -0.75. Rate 0.1: w falls by 0.1 * 0.75 * 2 = 0.15, v by 0.1 * 1.5 * 7 = 1.05.
/// Then h = 2 * 2.85 + 1 = 6.7 and y = 6.7 * -0.55 - 1 = -4.685, loss (5.685)^2 / 2 = 16.1596125.
#[test]
fn one_unit_by_hand() {
    let input = Base::OneUnit.input();
    let text = String::from_utf8(nets::bytes(&input).unwrap()).unwrap();
    let record = bp::json::parse(text.as_bytes()).unwrap();
    for (at, written) in [
        ("/forward/h1/net", "7.00000000"),
        ("/forward/h1/out", "7.00000000"),
        ("/forward/y1/out", "2.50000000"),
        ("/loss/total", "1.12500000"),
        ("/backward/output_error_signals/y1/factors/0/value", "-1.50000000"),
        ("/backward/output_error_signals/y1/factors/1/value", "1.00000000"),
        ("/backward/output_error_signals/y1/signal_value", "-1.50000000"),
        ("/backward/hidden_error_signals/h1/signal_value", "-0.750000000"),
        ("/updates/0/gradient", "-1.50000000"),
        ("/updates/0/update", "-0.150000000"),
        ("/updates/1/gradient", "-10.5000000"),
        ("/updates/1/update", "-1.05000000"),
        ("/parameters_after/w_x1_h1", "2.85000000"),
        ("/parameters_after/w_h1_y1", "-0.550000000"),
        ("/parameters_after/b_hidden", "1.00000000"),
        ("/post_update_forward/h1/out", "6.70000000"),
        ("/post_update_forward/y1/out", "-4.68500000"),
        ("/post_update_loss/total", "16.1596125"),
    ] {
        let number: f64 = written.parse().unwrap();
        assert_eq!(record.pointer(at), Some(&json!(number)), "{at}");
        assert!(text.contains(&format!(":{written}")), "{at}: {written}");
    }
}

/// z = ln 2 and 0: p = 2/3 and 1/3. t = 1, 0: loss ln 1.5, signals 1/3 and -1/3, and by the Jacobian the same.
#[test]
fn a_softmax_by_hand() {
    let shape =
        nets::Shape { sizes: [1, 1, 2], hidden_by: "identity", output_by: "softmax", biases_learn: false };
    let input = shape.input(0.5, &[1.0], &[1.0, 0.0], &[1.0, core::f64::consts::LN_2, 0.0, 0.0, 0.0]);
    let step = nets::receipt(&input);
    let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-15, "{value} {wanted}");
    near(step.forward["y1"].out, 2.0 / 3.0);
    near(step.forward["y2"].out, 1.0 / 3.0);
    near(step.loss.total, libm::log(1.5));
    for (unit, signal) in [("y1", 1.0 / 3.0), ("y2", -1.0 / 3.0)] {
        let stored = &step.backward.output_error_signals[unit];
        near(stored.signal_value, signal);
        near(stored.dual_form.as_ref().unwrap().summed_value, signal);
    }
    // h receives (ln 2) / 3 from y1 and 0 from y2; so does x's weight, and half of that is added.
    near(step.backward.hidden_error_signals["h1"].signal_value, core::f64::consts::LN_2 / 3.0);
    near(step.parameters_after["w_x1_h1"], 1.0 + core::f64::consts::LN_2 / 6.0);
    assert_eq!(verify::receipt(&nets::bytes(&input).unwrap()).outcome(), Outcome::Pass);
}

/// The net of [`one_unit_by_hand`], rate 0.1: gradients -1.5 of w = 3 and -10.5 of v = 0.5. Numbers of w, then of v.
#[track_caller]
fn by_hand(base: Base, rows: &[(&str, &str)]) {
    let text = String::from_utf8(nets::request_bytes(&base.request()).unwrap()).unwrap();
    let record = bp::json::parse(text.as_bytes()).unwrap();
    for (at, written) in rows {
        let number: f64 = written.parse().unwrap();
        assert_eq!(record.pointer(&format!("/updates/{at}")), Some(&json!(number)), "{base:?} {at}");
        assert!(text.contains(&format!(":{written}")), "{base:?} {at}: {written}");
    }
    assert_eq!(base.judged().outcome(), Outcome::Pass);
}

/// Decay 0.1: -1.5 - 0.3 = -1.8 and -10.5 - 0.05 = -10.55; a tenth of each is added.
#[test]
fn decay_by_hand() {
    by_hand(
        Base::Decay,
        &[
            ("0/gradient", "-1.50000000"),
            ("0/update", "-0.180000000"),
            ("0/weight_after", "2.82000000"),
            ("1/update", "-1.05500000"),
            ("1/weight_after", "-0.555000000"),
        ],
    );
}

/// Momentum 0.9, buffers 0.5 and -1: 0.45 - 1.5 = -1.05 and -0.9 - 10.5 = -11.4.
#[test]
fn momentum_by_hand() {
    by_hand(
        Base::Momentum,
        &[
            ("0/optimizer/state_after/buffer", "-1.05000000"),
            ("0/update", "-0.105000000"),
            ("0/weight_after", "2.89500000"),
            ("1/optimizer/state_after/buffer", "-11.4000000"),
            ("1/update", "-1.14000000"),
            ("1/weight_after", "-0.640000000"),
        ],
    );
    // With decay 0.1: 0.45 - 1.8 = -1.35 and -0.9 - 10.55 = -11.45.
    by_hand(
        Base::MomentumDecay,
        &[
            ("0/optimizer/state_after/buffer", "-1.35000000"),
            ("0/update", "-0.135000000"),
            ("1/optimizer/state_after/buffer", "-11.4500000"),
            ("1/update", "-1.14500000"),
        ],
    );
}

/// The same buffers, looked ahead from: -1.5 - 0.9 * 1.05 = -2.445 and -10.5 - 0.9 * 11.4 = -20.76.
#[test]
fn a_look_ahead_by_hand() {
    by_hand(
        Base::Nesterov,
        &[
            ("0/optimizer/state_after/buffer", "-1.05000000"),
            ("0/update", "-0.244500000"),
            ("1/optimizer/state_after/buffer", "-11.4000000"),
            ("1/update", "-2.07600000"),
        ],
    );
}

/// Dampening 0.1: 0.45 - 0.9 * 1.5 = -0.9 and -0.9 - 0.9 * 10.5 = -10.35.
#[test]
fn dampening_by_hand() {
    by_hand(
        Base::Dampening,
        &[
            ("0/optimizer/state_after/buffer", "-0.900000000"),
            ("0/update", "-0.0900000000"),
            ("1/optimizer/state_after/buffer", "-10.3500000"),
            ("1/update", "-1.03500000"),
        ],
    );
}

/// Adam's first step: m = 0.1 g, v = 0.001 g²; corrected, g and g². So the update is 0.1 g / (|g| + 0.001), whatever the
/// betas: -0.15 / 1.501 and -1.05 / 10.501. `AdamW` also takes 0.1 * 0.01 of the weight: 3 - 0.003 and 0.5 - 0.0005.
#[test]
fn the_first_step_of_adam_by_hand() {
    let adam = json!({ "name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 0.001, "t": 1 });
    let mut adamw = adam.clone();
    adamw["name"] = json!("adamw");
    adamw["weight_decay"] = json!(0.01);
    let updates = [-0.15 / 1.501, -1.05 / 10.501];
    for (config, after) in
        [(adam, [3.0 + updates[0], 0.5 + updates[1]]), (adamw, [2.997 + updates[0], 0.4995 + updates[1]])]
    {
        let zero = |_| Some(OptimizerState::Adam { m: 0.0, v: 0.0 });
        let request = nets::optimized(Base::OneUnit.input(), &config, zero);
        let step = author::written(&request).unwrap();
        let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-14, "{value} {wanted}");
        for (place, moments) in [(-0.15, 0.00225), (-1.05, 0.11025)].into_iter().enumerate() {
            let update = &step.updates[place];
            let Some(OptimizerState::Adam { m, v }) = update.optimizer.state_after else {
                panic!("no moments")
            };
            near(m, moments.0);
            near(v, moments.1);
            near(update.update, updates[place]);
            near(update.weight_after, after[place]);
        }
        let bytes = nets::request_bytes(&request).unwrap();
        assert_eq!(verify::receipt(&bytes).outcome(), Outcome::Pass);
    }
}

/// x = 2, 1, -0.5 to targets 1, 2, 0.25: h = 7, 4, -0.5; y = 2.5, 1, -1.25; signals -1.5, 1, 1.5. Gradients of w are
/// signal * 0.5 * x, -1.5, 0.5 and -0.375; of v signal * h, -10.5, 4 and -0.75. Losses are 1.125, 0.5 and 1.125.
#[test]
fn a_batch_by_hand() {
    by_hand(
        Base::Sum,
        &[
            ("0/gradient", "-1.37500000"),
            ("0/update", "-0.137500000"),
            ("1/gradient", "-7.25000000"),
            ("1/weight_after", "-0.225000000"),
        ],
    );
    by_hand(Base::Mean, &[("0/gradient", "-0.458333333"), ("1/gradient", "-2.41666667")]);
    for (base, total) in [(Base::Sum, 2.75), (Base::Mean, 0.916_666_667), (Base::Single, 1.125)] {
        assert_eq!(base.record().pointer("/loss/total"), Some(&json!(total)), "{base:?}");
    }
}

/// y = 2.5 and target minus output, -1.5, are known to 5e-9 each, the target to as much: a gap of 2e-8 is no rounding.
#[test]
fn a_bound_by_hand() {
    let outcome = |out: f64| -> Verified<'static> {
        let mut record = Base::OneUnit.record();
        bad::set(&mut record, "/forward/y1/out", json!(out));
        verify::receipt(record.to_string().as_bytes()).detached()
    };
    assert_eq!(outcome(2.5).outcome(), Outcome::Pass);
    assert_eq!(outcome(2.500_000_02).outcome(), Outcome::Fail);
    let found = nets::findings(&outcome(2.6).sections[0]);
    let places: Vec<String> = found.iter().map(|(rule, part, at)| format!("{rule} {part} {at}")).collect();
    assert_eq!(
        places,
        [
            "1 difference /backward/output_error_signals/y1/factors/0/value",
            "12 per_output /loss/per_output/y1",
            "14 forward /forward/y1/out",
        ]
    );
}

#[test]
fn targets_that_are_no_distribution_are_not_authored() {
    let mut request = Base::Softmax.request();
    request.input.targets.insert("o2".into(), 0.5);
    let error = author::written(&request).unwrap_err();
    assert_eq!(error.to_string(), "/targets sum to 1.5, and the targets of a cross-entropy sum to 1");
    let others: [(&[f64], &[f64]); 1] = [(&[0.5, 0.5], &[0.0, f64::NAN, 1.0])];
    let batch = nets::batched(Base::Softmax.input().into(), "mean", &others);
    let error = author::written(&batch).unwrap_err();
    let text = "/per_sample/s2/targets sum to NaN, and the targets of a cross-entropy sum to 1";
    assert_eq!(error.to_string(), text);
    // A third each is a distribution, as near as doubles come.
    let mut thirds = Base::Softmax.request();
    thirds.input.targets.values_mut().for_each(|target| *target = 1.0 / 3.0);
    assert!(author::written(&thirds).is_ok());
}

/// Which units a shared bias is added to is a set: what a topology input or a sidecar names in another order is the same
/// step, and its receipt has the layer's order.
#[test]
fn units_of_a_shared_bias_come_in_any_order() {
    let turned = |topology: &mut Topology| {
        for parameter in topology.parameters.iter_mut().flatten() {
            parameter.applies_to_units.iter_mut().for_each(|units| units.reverse());
        }
    };
    let mut input = Base::Xor.input();
    turned(&mut input.topology);
    assert_eq!(nets::bytes(&input), nets::bytes(&Base::Xor.input()));

    let shape =
        nets::Shape { sizes: [2, 3, 2], hidden_by: "relu", output_by: "identity", biases_learn: false };
    let before = [0.5, -0.25, 0.75, 0.5, 0.25, 1.0, 0.4, -0.6, 0.2, 0.3, 0.9, -0.1, 0.125, 0.1];
    let step = nets::receipt(&shape.input(0.1, &[1.0, 0.5], &[0.75, 0.25], &before));
    let honest = nets::sidecar(&shape, &step);
    let mut sidecar = honest.clone();
    let units = sidecar.pointer_mut("/topology/parameters/12/applies_to_units").unwrap();
    *units = json!(["h3", "h1", "h2"]);
    let receipt = |sidecar: &Value| {
        let verified = nets::import(sidecar);
        assert_eq!(verified.outcome(), Outcome::Pass, "{:?}", nets::findings(&verified.sections[0]));
        let mut receipt = bp::json::parse(&verified.imported.unwrap()).unwrap();
        bad::remove(&mut receipt, "/attestor/import_provenance/source_hash");
        receipt
    };
    assert_eq!(receipt(&sidecar), receipt(&honest));
    // A set all the same: whole, and each unit once.
    for units in [json!(["h3", "h1"]), json!(["h3", "h1", "h1"]), json!(["h3", "h1", "y1"])] {
        *sidecar.pointer_mut("/topology/parameters/12/applies_to_units").unwrap() = units;
        let found = nets::findings(&nets::import(&sidecar).sections[0]);
        assert_eq!(found[0].2, "/topology/parameters/12/applies_to_units", "{found:?}");
    }
}

/// The seeds' engine is the judge's: computed plainly, nothing lies outside the judge's bounds.
#[test]
fn the_engine_has_one_set_of_seeds() {
    for seed in author::seed::Seed::ALL {
        let bytes = nets::bytes(&seed.input()).unwrap();
        assert_eq!(verify::receipt(&bytes).outcome(), Outcome::Pass, "{}", seed.name());
    }
}
