//! Attacks that a verifier of receipts has fallen for, each by its number in the collection they come from
//! (`backprop-trace` 1.0.0: A1 to A17; A17 is `verify mazur` in `tests/cli.rs`), and what is found.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod bad;
mod nets;

use bad::{Base, Steps, remove, set, written};
use bp::verify::read::ReadError;
use bp::verify::{self, Found, Outcome};
use serde_json::{Value, json};

/// The outcome and what was found, as `rule part place`.
fn judged(bytes: &[u8]) -> (Outcome, Vec<String>) {
    let verified = verify::receipt(bytes);
    let found = nets::findings(&verified.sections[0]);
    (verified.outcome(), found.into_iter().map(|(rule, part, at)| format!("{rule} {part} {at}")).collect())
}

fn edited(base: Base, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut record = base.record();
    edit(&mut record);
    written(&record)
}

#[track_caller]
fn broken(bytes: &[u8], wanted: &[&str]) {
    let (outcome, found) = judged(bytes);
    assert_eq!(found, wanted);
    assert_eq!(outcome, Outcome::Fail);
}

/// The reason for which strict JSON refuses bytes, and where.
#[track_caller]
fn refused(bytes: &[u8]) -> (String, usize) {
    match &verify::receipt(bytes).sections[0].found {
        Found::Unreadable(ReadError::Json(error)) => (error.reason.clone(), error.offset),
        found => panic!("read: {found:?}"),
    }
}

/// An honest receipt's text with one piece of it replaced.
#[track_caller]
fn replaced(base: Base, old: &str, new: &str) -> String {
    let text = String::from_utf8(written(&base.record())).unwrap();
    assert!(text.contains(old), "{old} stands in the text");
    text.replacen(old, new, 1)
}

/// A hidden derivative seven times too large, and everything computed from it.
fn fabricate(record: &mut Value) {
    let at = "/backward/hidden_error_signals/h1";
    let number = |record: &Value, at: &str| record.pointer(at).and_then(Value::as_f64).unwrap();
    for key in ["activation_derivative", "signal_value"] {
        let place = format!("{at}/{key}");
        let fabricated = nets::nine_digits(number(record, &place) * 7.0);
        set(record, &place, json!(fabricated));
    }
    let signal = number(record, &format!("{at}/signal_value"));
    for (update, input) in [(0, 1.0), (1, 0.5), (10, 1.0)] {
        let place = |key: &str| format!("/updates/{update}/{key}");
        let gradient = signal * input;
        let name = record[&"updates"][update]["parameter_id"].as_str().unwrap().to_owned();
        let after = number(record, &place("weight_before")) + 0.2 * gradient;
        set(record, &place("optimizer/factors/0/value"), json!(signal));
        set(record, &place("gradient"), json!(nets::nine_digits(gradient)));
        set(record, &place("update"), json!(nets::nine_digits(0.2 * gradient)));
        set(record, &place("weight_after"), json!(nets::nine_digits(after)));
        set(record, &format!("/parameters_after/{name}"), json!(nets::nine_digits(after)));
    }
    set(record, "/forward/h1/net", json!(123.5));
}

#[test]
fn a1_a_tolerance_of_zero_does_not_turn_the_recomputation_off() {
    for tolerance in [json!(0.0), json!({ "atol": 1e-6, "rtol": 1e-4 })] {
        let record = edited(Base::Imported, |record| {
            set(record, "/numeric_policy/tolerance", tolerance.clone());
            fabricate(record);
        });
        // The fabricated numbers agree with each other; only where they come from gives them away.
        broken(
            &record,
            &[
                "14 backward /backward/hidden_error_signals/h1/activation_derivative",
                "14 backward /backward/hidden_error_signals/h1/signal_value",
                "14 forward /forward/h1/net",
                "14 updates /parameters_after/b_h1",
                "14 updates /parameters_after/w_x1_h1",
                "14 updates /parameters_after/w_x2_h1",
                "14 updates /updates/0/gradient",
                "14 updates /updates/0/update",
                "14 updates /updates/0/weight_after",
                "14 updates /updates/1/gradient",
                "14 updates /updates/1/update",
                "14 updates /updates/1/weight_after",
                "14 updates /updates/10/gradient",
                "14 updates /updates/10/update",
                "14 updates /updates/10/weight_after",
                "3 derivative /backward/hidden_error_signals/h1/activation_derivative",
            ],
        );
    }
}

#[test]
fn a2a_a_weighted_input_that_no_local_rule_reads() {
    let record = edited(Base::Imported, |record| set(record, "/forward/h1/net", json!(99.0)));
    broken(&record, &["14 forward /forward/h1/net"]);
}

#[test]
fn a2b_the_same_without_the_order_of_parameters() {
    let record = edited(Base::Imported, |record| {
        set(record, "/forward/h1/net", json!(99.0));
        remove(record, "/topology/parameter_order");
    });
    broken(&record, &["schema required /topology"]);
}

/// An honest trace with its records edited, and what is found in it.
fn traced(steps: Steps, edit: impl FnOnce(&mut Vec<Value>)) -> (Outcome, Vec<String>) {
    let bytes = steps.bytes();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut records: Vec<Value> = lines.map(|line| bp::json::parse(line).unwrap()).collect();
    edit(&mut records);
    let trace = nets::trace(&records.iter().flat_map(written).collect::<Vec<u8>>());
    let found = nets::trace_findings(&trace).into_iter();
    (trace.outcome(), found.map(|(rule, part, at)| format!("{rule} {part} {at}")).collect())
}

/// A foreign trace whose marks are taken off, told as the engine's: it has all that the engine's own has, and a weighted
/// input that no local rule reads is another.
#[test]
fn a3_a_foreign_trace_relabelled() {
    let (outcome, found) = traced(Steps::Sgd, |records| {
        for record in &mut *records {
            set(record, "/forward/h1/net", json!(5.0));
        }
    });
    let wanted = [0, 1, 2].map(|record| format!("14 forward /{record}/forward/h1/net"));
    assert_eq!((outcome, found), (Outcome::Fail, wanted.to_vec()));
}

#[test]
fn a3s_one_record_of_it() {
    let shape =
        nets::Shape { sizes: [1, 1, 1], hidden_by: "identity", output_by: "identity", biases_learn: false };
    let sidecar = nets::sidecar(&shape, &nets::receipt(&Base::OneUnit.input()));
    let mut record = bp::json::parse(&nets::import(&sidecar).imported.unwrap()).unwrap();
    remove(&mut record, "/source_framework");
    remove(&mut record, "/attestor");
    set(&mut record, "/fixture_status/authoring_state", json!("engine_generated"));
    set(&mut record, "/fixture_status/verification_state", json!("engine_reproduced_byte_equal"));
    set(&mut record, "/numeric_policy/tolerance", json!({ "atol": 1e-12, "rtol": 1e-8 }));
    assert_eq!(judged(&written(&record)), (Outcome::Pass, Vec::new()), "an honest one is the engine's");
    set(&mut record, "/forward/h1/net", json!(5.0));
    broken(&written(&record), &["14 forward /forward/h1/net"]);
}

/// All signals of a step invented, everything after them computed from them, and the next step honest from there.
#[test]
fn a4_invented_signals_with_consistent_products() {
    let bytes = Steps::Sgd.bytes();
    let first = bp::json::parse(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let mut forged = first;
    // The signal of y doubled: its difference, and all that follows.
    for (at, value) in [
        ("/backward/output_error_signals/y1/factors/0/value", -3.0),
        ("/backward/output_error_signals/y1/signal_value", -3.0),
        ("/backward/hidden_error_signals/h1/downstream_contributions/0/downstream_signal", -3.0),
        ("/backward/hidden_error_signals/h1/downstream_contributions/0/value", -1.5),
        ("/backward/hidden_error_signals/h1/backpropagated_sum", -1.5),
        ("/backward/hidden_error_signals/h1/signal_value", -1.5),
        ("/updates/0/optimizer/factors/0/value", -1.5),
        ("/updates/0/gradient", -3.0),
        ("/updates/0/update", -0.3),
        ("/updates/0/weight_after", 2.7),
        ("/parameters_after/w_x1_h1", 2.7),
        ("/updates/1/optimizer/factors/0/value", -3.0),
        ("/updates/1/gradient", -21.0),
        ("/updates/1/update", -2.1),
        ("/updates/1/weight_after", -1.6),
        ("/parameters_after/w_h1_y1", -1.6),
        // h = 2 * 2.7 + 1, y = -1.6 h - 1, loss (1 - y)^2 / 2
        ("/post_update_forward/h1/net", 6.4),
        ("/post_update_forward/h1/out", 6.4),
        ("/post_update_forward/y1/net", -11.24),
        ("/post_update_forward/y1/out", -11.24),
        ("/post_update_loss/per_output/y1", 74.9088),
        ("/post_update_loss/total", 74.9088),
    ] {
        set(&mut forged, at, json!(value));
    }
    let next = nets::continued(&nets::begun(Base::OneUnit.request()), &written(&forged));
    let trace = nets::trace(&[written(&forged), nets::request_bytes(&next).unwrap()].concat());
    assert_eq!((trace.outcome(), trace.counts), (Outcome::Fail, [1, 0, 1]));
    let found = nets::trace_findings(&trace);
    let local: Vec<_> = found.iter().filter(|(rule, _, _)| rule != "14").collect();
    // Where the invention begins.
    let at = "/0/backward/output_error_signals/y1/factors/0/value".to_owned();
    assert_eq!(local, [&("1".to_owned(), "difference".to_owned(), at)]);
    assert!(found.iter().any(|(rule, _, at)| rule == "14" && at == "/0/updates/0/gradient"), "{found:?}");
}

#[test]
fn a5_a_weight_teleported_by_leaving_out_its_update() {
    let (outcome, found) = traced(Steps::Sgd, |records| {
        remove(&mut records[0], "/updates/0");
        remove(&mut records[0], "/parameters_after/w_x1_h1");
        set(&mut records[1], "/parameters_before/w_x1_h1", json!(9.0));
    });
    assert_eq!(outcome, Outcome::Fail);
    for wanted in [
        "14 updates /0/updates/w_x1_h1",
        "7 keys /0/parameters_after/w_x1_h1",
        "9 keys /1/parameters_before/w_x1_h1",
    ] {
        assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
    }
}

#[test]
fn a6_an_update_that_starts_from_another_weight() {
    let record = edited(Base::Xor, |record| set(record, "/updates/0/weight_before", json!(5.0)));
    broken(&record, &["6 after /updates/0/weight_after", "6 before /updates/0/weight_before"]);
}

#[test]
fn a7_a_batch_block_around_a_wrong_loss() {
    let (outcome, found) = judged(&edited(Base::Xor, |record| {
        set(record, "/schema_version", json!("0.4.0"));
        set(record, "/batch", json!({ "size": 1, "sample_order": ["s1"], "reduction": "none" }));
        set(record, "/loss/total", json!(999.0));
    }));
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.iter().any(|found| found.starts_with("19 ")), "{found:?}");
}

/// Other bytes of the same record: accepted, and never called canonical.
#[test]
fn a8a_a8b_a8f_a8j_other_bytes_are_told() {
    let honest = String::from_utf8(written(&Base::Xor.record())).unwrap();
    let record = Base::Xor.record();
    let digits = replaced(Base::Xor, r#""learning_rate":0.500000000,"#, r#""learning_rate":0.50,"#);
    let zero = replaced(Base::Xor, r#""x2":0.000000000"#, r#""x2":-0.0"#);
    for bytes in [format!("{record:#}\n"), honest.replace('\n', "\r\n"), digits, zero] {
        let verified = verify::receipt(bytes.as_bytes());
        assert_eq!(verified.outcome(), Outcome::Pass, "{bytes}");
        assert!(matches!(verified.sections[0].found, Found::Judged { canonical: Some(false), .. }));
    }
    // Two statements of one rate differ by a digit.
    let rate = replaced(Base::Xor, r#""learning_rate":0.500000000,"#, r#""learning_rate":0.50000000001,"#);
    let (outcome, found) = judged(rate.as_bytes());
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.contains(&"5 learning_rate /updates/0/optimizer/learning_rate".to_owned()), "{found:?}");
}

#[test]
fn a8p_a8q_a8r_a8s_a8u_what_is_no_record() {
    let unreadable = |bytes: &[u8]| match &verify::receipt(bytes).sections[0].found {
        Found::Unreadable(error) => error.clone(),
        found => panic!("read: {found:?}"),
    };
    for nothing in ["", "\n\n"] {
        assert_eq!(unreadable(nothing.as_bytes()), ReadError::Empty);
    }
    for other in ["null", "[]", "5"] {
        assert_eq!(unreadable(other.as_bytes()), ReadError::Untyped, "{other}");
    }
    let two = written(&Base::Xor.record()).repeat(2);
    assert_eq!(unreadable(&two), ReadError::Several { count: 2 });
}

#[test]
fn a8c_a8d_a_key_that_stands_twice() {
    for twice in [
        r#""learning_rate":0.9,"learning_rate":0.500000000,"#,
        r#""learning_rate":0.500000000,"learning_rate":0.9,"#,
    ] {
        let text = replaced(Base::Xor, r#""learning_rate":0.500000000,"#, twice);
        let (reason, offset) = refused(text.as_bytes());
        assert!(reason.contains("learning_rate"), "{reason}");
        let second = text.rfind(twice).unwrap() + twice.rfind(r#""learning_rate""#).unwrap();
        assert!((second..second + twice.len()).contains(&offset), "{offset}, the second stands at {second}");
    }
}

#[test]
fn a8e_a_byte_order_mark() {
    let bytes = [b"\xEF\xBB\xBF".as_slice(), &written(&Base::Xor.record())].concat();
    assert_eq!(refused(&bytes), ("byte order mark".to_owned(), 0));
}

#[test]
fn a8g_something_after_the_record() {
    let mut bytes = written(&Base::Xor.record());
    let end = bytes.len();
    bytes.extend(b"}");
    assert_eq!(refused(&bytes), ("trailing characters".to_owned(), end));
}

#[test]
fn a8h_a_number_that_overflows() {
    let text = replaced(Base::Xor, r#""learning_rate":0.500000000"#, r#""learning_rate":1e999"#);
    assert_eq!(refused(text.as_bytes()).0, "number out of range");
}

#[test]
fn a8i_not_a_number() {
    let text = replaced(Base::Xor, r#""learning_rate":0.500000000"#, r#""learning_rate":NaN"#);
    assert_eq!(refused(text.as_bytes()).0, "expected value");
}

#[test]
fn a8k_a_step_that_cannot_be_counted() {
    let text = replaced(Base::Xor, r#""step":1"#, r#""step":100000000000000000000"#);
    let found = &verify::receipt(text.as_bytes()).sections[0].found;
    assert!(matches!(found, Found::Unreadable(ReadError::Shape(_))), "{found:?}");
}

#[test]
fn a8l_a_weight_at_the_end_of_the_doubles() {
    let record = edited(Base::Xor, |record| {
        for at in ["/parameters_before/w_x1_h1", "/updates/0/weight_before"] {
            set(record, at, json!(1e308));
        }
    });
    // The bounds of what follows from such a weight grow beyond all doubles; its own sums do not.
    broken(
        &record,
        &["14 forward /forward/h1/net", "6 after /updates/0/weight_after", "7 sum /parameters_after/w_x1_h1"],
    );
}

#[test]
fn a8m_a_lone_surrogate_is_no_text_and_a_line_separator_is() {
    let escaped = "\"source\":\"\\ud800";
    let text = replaced(Base::Xor, "\"source\":\"", escaped);
    assert_eq!(refused(text.as_bytes()).0, "unexpected end of hex escape");
    let text = replaced(Base::Xor, "\"source\":\"", "\"source\":\"\u{2028}");
    assert_eq!(judged(text.as_bytes()), (Outcome::Pass, Vec::new()));
}

#[test]
fn a8n_a_hundred_thousand_arrays_in_each_other() {
    let nested = format!("\"metadata\":{{\"x\":{}{},", "[".repeat(100_000), "]".repeat(100_000));
    let text = replaced(Base::Xor, "\"metadata\":{", &nested);
    assert_eq!(refused(text.as_bytes()).0, "recursion limit exceeded");
}

#[test]
fn a8o_a_unit_by_the_name_of_a_prototype() {
    let record = edited(Base::Xor, |record| set(record, "/inputs/__proto__", json!(1.0)));
    broken(&record, &["0 keys /inputs/__proto__"]);
}

#[test]
fn a8t_bytes_that_are_no_text() {
    let mut bytes = written(&Base::Xor.record());
    let place = bytes.windows(7).position(|window| window == b"fixture").unwrap() + 12;
    bytes[place] = 0xff;
    assert_eq!(refused(&bytes).0, "invalid unicode code point");
}

#[test]
fn a8v_a_note_more_is_reported_as_other_bytes() {
    let record = edited(Base::Xor, |record| set(record, "/metadata/approved_by", json!("everyone")));
    let verified = verify::receipt(&record);
    assert_eq!(verified.outcome(), Outcome::Pass);
    assert!(matches!(verified.sections[0].found, Found::Judged { canonical: Some(false), .. }));
}

#[test]
fn a9a_a_digest_over_itself_holds() {
    assert_eq!(judged(&written(&Base::Signed.record())), (Outcome::Pass, Vec::new()));
}

#[test]
fn a9b_what_the_digest_does_not_cover() {
    for (at, value) in [
        ("/metadata/approved_by", json!("everyone")),
        ("/fixture_status/promote_to", json!("canonical")),
        ("/post_update_loss/note", json!("reviewed")),
    ] {
        let record = edited(Base::Signed, |record| set(record, at, value));
        broken(&record, &["16 bytes "]);
    }
}

#[test]
fn a9c_a_digit_behind_the_ninth() {
    let record = edited(Base::Signed, |record| {
        let net = record["forward"]["h1"]["net"].as_f64().unwrap();
        set(record, "/forward/h1/net", json!(net + 1e-12));
    });
    broken(&record, &["16 bytes "]);
}

/// Labels, numbers of steps, names of factors falsified, and the trace's digest made anew.
#[test]
fn a10a_what_a_digest_says_nothing_about() {
    for (at, value, wanted) in [
        ("/fixture_status/verification_state", json!("engine_recompute_disagreed"), "15 label"),
        ("/step", json!(77), "0 step"),
        ("/updates/0/optimizer/factors/0/name", json!("output_error_signal"), "4 factors"),
    ] {
        let (outcome, found) = traced(Steps::Imported, |records| {
            for record in &mut *records {
                set(record, at, value.clone());
            }
            bad::bundle(records);
        });
        let wanted = [0, 1, 2].map(|record| format!("{wanted} /{record}{at}"));
        assert_eq!((outcome, found), (Outcome::Fail, wanted.to_vec()));
    }
}

#[test]
fn a10b_digests_taken_off() {
    let (outcome, found) = traced(Steps::Imported, |records| {
        for record in &mut *records {
            remove(record, "/attestor/bundle_root_digest");
        }
    });
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.iter().all(|found| found.starts_with("17 ")) && !found.is_empty(), "{found:?}");
}

#[test]
fn a10c_attestors_taken_off() {
    let (outcome, found) = traced(Steps::Imported, |records| {
        for record in &mut *records {
            remove(record, "/attestor");
        }
    });
    assert_eq!(outcome, Outcome::Fail);
    for record in 0..3 {
        let wanted = format!("0 provenance /{record}/attestor/import_provenance");
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
}

#[test]
fn a10d_names_of_the_trace_taken_off_too() {
    let (outcome, found) = traced(Steps::Imported, |records| {
        for at in ["/attestor", "/trace_id", "/step_index"] {
            for record in &mut *records {
                remove(record, at);
            }
        }
    });
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.iter().any(|found| found.starts_with("10 ")), "{found:?}");
}

#[test]
fn a10e_the_last_record_taken_off_too() {
    let (outcome, found) = traced(Steps::Imported, |records| {
        for at in ["/attestor", "/trace_id", "/step_index"] {
            for record in &mut *records {
                remove(record, at);
            }
        }
        records.pop();
    });
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.iter().any(|found| found.starts_with("10 ")), "{found:?}");
    // With its digest, the shorter trace is another one.
    let (outcome, found) = traced(Steps::Imported, |records| drop(records.pop()));
    assert_eq!(outcome, Outcome::Fail);
    assert!(found.iter().any(|found| found.starts_with("17 ")), "{found:?}");
}

#[test]
fn a10f_a_step_taken_out_of_the_middle() {
    let (outcome, found) = traced(Steps::Sgd, |records| {
        records.remove(1);
        for at in ["/trace_id", "/step_index"] {
            for record in &mut *records {
                remove(record, at);
            }
        }
    });
    assert_eq!(outcome, Outcome::Fail);
    for rule in ["9 value /1/parameters_before/w_x1_h1", "10 "] {
        assert!(found.iter().any(|found| found.starts_with(rule)), "{rule}: {found:?}");
    }
}

#[test]
fn a11_a_skip_with_a_reason_over_a_wrong_pass() {
    let record = edited(Base::Imported, |record| {
        set(record, "/fixture_status/verification_state", json!("engine_recompute_skipped_with_basis"));
        set(record, "/attestor/skip_basis", json!("hardware_nondeterminism"));
        set(record, "/forward/h1/net", json!(99.0));
    });
    broken(&record, &["14 forward /forward/h1/net", "15 label /fixture_status/verification_state"]);
}

#[test]
fn a12_a_receipt_that_says_it_is_corrupted() {
    for (key, label) in [
        ("authoring_state", "deliberately_corrupted"),
        ("verification_state", "expected_to_fail_reconciliation"),
    ] {
        let at = format!("/fixture_status/{key}");
        let record = edited(Base::Xor, |record| set(record, &at, json!(label)));
        broken(&record, &[&format!("15 label {at}")]);
    }
}

#[test]
fn a13_an_import_that_says_it_disagreed() {
    let record = edited(Base::Imported, |record| {
        set(record, "/fixture_status/verification_state", json!("engine_recompute_disagreed"));
    });
    broken(&record, &["15 label /fixture_status/verification_state"]);
}

#[test]
fn a14_moments_without_a_beginning() {
    let record = edited(Base::Adam, |record| remove(record, "/updates/0/optimizer/state_before"));
    broken(&record, &["schema required /updates/0/optimizer"]);
}

/// A batch of two as a framework records it.
fn batch_import() -> Value {
    let shape =
        nets::Shape { sizes: [2, 2, 3], hidden_by: "sigmoid", output_by: "softmax", biases_learn: true };
    let others: [(&[f64], &[f64]); 1] = [(&[-0.5, 0.25], &[1.0, 0.0, 0.0])];
    let request = nets::batched(Base::Imported.input().into(), "mean", &others);
    let step = bp::author::written(&request).unwrap();
    let verified = nets::import(&nets::sidecar(&shape, &step));
    assert_eq!(verified.outcome(), Outcome::Pass);
    bp::json::parse(&verified.imported.unwrap()).unwrap()
}

#[test]
fn a15_a_hollow_batch() {
    let mut record = batch_import();
    for at in ["/backward/output_error_signals", "/backward/hidden_error_signals", "/targets"] {
        set(&mut record, at, json!({}));
    }
    set(&mut record, "/loss/per_output", json!({}));
    set(&mut record, "/inputs/x1", json!(1e6));
    for at in ["/loss/per_sample", "/post_update_forward", "/post_update_loss"] {
        remove(&mut record, at);
    }
    let (outcome, found) = judged(&written(&record));
    assert_eq!(outcome, Outcome::Fail);
    for wanted in [
        "0 keys /targets/y1",
        "1 keys /backward/output_error_signals/y1",
        "12 keys /loss/per_output/y1",
        "2 keys /backward/hidden_error_signals/h1",
    ] {
        assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
    }
    assert!(found.iter().any(|found| found.starts_with("19 ")), "{found:?}");
}

#[test]
fn a15b_a_batch_with_one_bogus_signal() {
    let mut record = batch_import();
    let signals = record.pointer_mut("/backward/output_error_signals").unwrap().as_object_mut().unwrap();
    signals.retain(|name, _| name == "y1");
    set(&mut record, "/backward/output_error_signals/y1/signal_value", json!(7.0));
    let (outcome, found) = judged(&written(&record));
    assert_eq!(outcome, Outcome::Fail);
    for wanted in ["1 keys /backward/output_error_signals/y2", "1 keys /backward/output_error_signals/y3"] {
        assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
    }
}

#[test]
fn a16_a_hollow_import() {
    let hollow = |record: &mut Value| {
        set(record, "/backward/output_error_signals", json!({}));
        set(record, "/backward/hidden_error_signals", json!({}));
        let updates = record["updates"].as_array_mut().unwrap();
        let factors =
            updates.iter_mut().flat_map(|update| update["optimizer"]["factors"].as_array_mut().unwrap());
        for factor in factors {
            factor.as_object_mut().unwrap().shift_remove("from");
        }
        for block in ["attestor", "source_framework", "metadata", "post_update_forward", "post_update_loss"] {
            remove(record, &format!("/{block}"));
        }
    };
    // Without the marks of an import it is held to the engine's tolerance.
    broken(
        &edited(Base::Imported, hollow),
        &[
            "0 provenance /attestor/import_provenance",
            "0 provenance /source_framework",
            "0 tolerance /numeric_policy/tolerance",
        ],
    );
    let tight = edited(Base::Imported, |record| {
        hollow(record);
        set(record, "/numeric_policy/tolerance", json!({ "atol": 0.0, "rtol": 0.0 }));
    });
    broken(
        &tight,
        &[
            "0 provenance /attestor/import_provenance",
            "0 provenance /source_framework",
            "1 keys /backward/output_error_signals/y1",
            "1 keys /backward/output_error_signals/y2",
            "1 keys /backward/output_error_signals/y3",
            "2 keys /backward/hidden_error_signals/h1",
            "2 keys /backward/hidden_error_signals/h2",
        ],
    );
}
