//! `bp tensor`: captured stages of a forward pass, compared and checked by the command.

#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used, missing_docs)]

mod tensors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::handle::Files;
use bp::schema::{Schema, validate};
use bp::tensor;
use serde_json::{Value, json};
use tensors::{Capture, fixture};

fn bp(arguments: &[&str]) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_bp")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A command with --json: its status, and what it says, which keeps its schema.
fn said(arguments: &[&str]) -> (i32, Value) {
    let (status, out, told) = bp(&[&["--json"], arguments].concat());
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    assert_eq!(said["ok"], json!(status == 0));
    for (key, schema) in [("diff", Schema::TensorDiff), ("check", Schema::TensorCheck)] {
        if let Some(document) = said.get(key) {
            assert_eq!(validate(schema, document), Ok(()), "{document}");
            return (status, document.clone());
        }
    }
    assert_eq!(validate(Schema::Error, &said), Ok(()), "{said}");
    (status, said)
}

fn diff(a: &Path, b: &Path, more: &[&str]) -> (i32, Value) {
    said(&[&["tensor", "diff", text(a), text(b)], more].concat())
}

fn check(capture: &Path, weights: bool) -> (i32, Value) {
    let weights = weights.then(|| fixture("weights.safetensors"));
    let more = weights.as_deref().map_or_else(Vec::new, |file| vec!["--weights", text(file)]);
    said(&[vec!["tensor", "check", text(capture)], more].concat())
}

/// The code of a capture that is refused, by every command that reads it.
fn refused(capture: &Path) -> String {
    let mut codes: Vec<String> = ["show", "check"]
        .iter()
        .map(|verb| {
            let (status, said) = said(&["tensor", verb, text(capture)]);
            let message = said["error"]["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
            assert_eq!((status, &said["error"]["code"]), (1, &json!("TENSOR_REFUSED")), "{message}");
            let code =
                message.split(": ").find(|word| word.starts_with("APRT_") || word.starts_with("TENSOR_"));
            code.unwrap_or_else(|| panic!("{message}")).to_owned()
        })
        .collect();
    codes.dedup();
    codes.join(" ")
}

/// The states of equations, by stage.
fn states(check: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let equations = check["equations"].as_array().unwrap();
    equations.iter().map(|row| (text(&row["stage"]), text(&row["state"]))).collect()
}

fn with_state(check: &Value, state: &str) -> Vec<String> {
    states(check).into_iter().filter(|(_, found)| found == state).map(|(stage, _)| stage).collect()
}

/// A stage file of layer 0.
fn stage(folder: &Path, values: &[f32]) -> PathBuf {
    fs::create_dir_all(folder.join("layer-0")).unwrap();
    let path = folder.join("layer-0/attn_norm.bin");
    fs::write(&path, tensor::aprt::write(tensor::Layer::Number(0), values).unwrap()).unwrap();
    path
}

#[test]
fn two_stages_are_compared_and_nothing_passes_without_a_bound() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let a = stage(&at("a"), &[1.0, -2.0, 0.5, 0.0]);
    let same = stage(&at("same"), &[1.0, -2.0, 0.5, 0.0]);
    let near = stage(&at("near"), &[1.0, -2.0, 0.500_001, 0.0]);
    let nan = stage(&at("nan"), &[1.0, f32::NAN, 0.5, 0.0]);
    let short = stage(&at("short"), &[1.0, -2.0, 0.5]);
    let bound: &[&str] = &["--tol", "1e-4,0"];

    let (status, found) = diff(&a, &near, &[]);
    assert_eq!((status, &found["verdict"], &found["first_failing"]), (2, &json!("not_judged"), &json!(null)));
    assert_eq!(found["first_differing"], json!("layer-0/attn_norm"));
    let (status, found) = diff(&a, &same, bound);
    let row = &found["stages"][0];
    assert_eq!((status, &found["verdict"], &row["identical"]), (0, &json!("pass"), &json!(true)));
    assert_eq!(found["not_compared"], json!(["axis order", "prompt", "shape", "token scope"]));
    // A folder is compared as the one file in it is.
    assert_eq!(diff(&at("a"), &at("same"), bound).1["stages"], found["stages"]);
    let (status, found) = diff(&a, &near, bound);
    assert_eq!(
        (status, &found["stages"][0]["over"], &found["stages"][0]["values"]),
        (0, &json!(0), &json!(4))
    );
    let (status, found) = diff(&a, &near, &["--tol", "1e-9,0"]);
    let row = &found["stages"][0];
    assert_eq!((status, &row["over"], &row["top_diffs"][0]["index"]), (1, &json!(1), &json!(2)));
    assert_eq!(found["first_failing"], json!("layer-0/attn_norm"));
    // A value that is none differs whatever the bound.
    for more in [&[][..], &["--tol", "1e9,1e9"]] {
        let (status, found) = diff(&a, &nan, more);
        let row = &found["stages"][0];
        assert_eq!((status, &row["verdict"], &row["class_mismatches"]), (1, &json!("fail"), &json!(1)));
        assert_eq!((&row["max_abs_diff"], &row["top_diffs"][0]["b"]), (&json!("inf"), &json!("NaN")));
    }
    let (status, said) = diff(&a, &short, &["--tol", "1,1"]);
    let message = said["error"]["message"].as_str().unwrap();
    assert_eq!((status, message.contains("APRT_INCOMPARABLE")), (1, true), "{message}");
    let (status, _, told) = bp(&["tensor", "diff", text(&a), text(&a), "--tol", "nan,0"]);
    assert_eq!(status, 3, "{told}");

    let (status, shown, _) = bp(&["tensor", "show", text(&a)]);
    assert_eq!((status, shown.as_str()), (0, "layer-0/attn_norm  F32  4 values\n"));
    let (_, shown, _) = bp(&["tensor", "show", text(&fixture("ok_layer0"))]);
    assert!(shown.starts_with("layer-0/embedding  F32  8 values  [2, 4]\n"), "{shown}");
    assert!(shown.ends_with("lm_head  F32  5 values  [5]\n"), "{shown}");
    assert_eq!(shown.lines().count(), 16);
}

#[test]
fn a_stage_that_one_capture_alone_has_passes_nothing() {
    let mut short = Capture::of("ok_reference_close");
    fs::remove_file(short.path().join("layer-0/ffn_up.bin")).unwrap();
    short.entries().retain(|entry| entry["stage"] != "ffn_up");
    for (a, b, alone) in [
        (fixture("ok_layer0"), short.done().to_owned(), "only_in_a"),
        (short.done().to_owned(), fixture("ok_layer0"), "only_in_b"),
    ] {
        let (status, found) = diff(&a, &b, &["--tol", "1,1"]);
        assert_eq!((status, &found["verdict"]), (2, &json!("not_judged")));
        assert_eq!(found[alone], json!(["layer-0/ffn_up"]));
    }
}

#[test]
fn bounds_come_from_the_index_and_the_first_stage_that_diverges_is_named() {
    let ours = fixture("ok_layer0");
    let (status, found) = diff(&ours, &fixture("ok_reference_close"), &[]);
    assert_eq!((status, &found["verdict"], &found["first_failing"]), (0, &json!("pass"), &json!(null)));
    assert_eq!(found["first_differing"], json!("layer-0/attn_norm"));
    assert_eq!(found["not_compared"], json!([]));
    let bound = &found["stages"][3]["bound"];
    assert_eq!((&bound["abs"], &bound["from"]), (&json!(1e-5), &json!("index of b")));
    assert_eq!(bound["reasons"], json!(["float32 against float64 over few layers"]));
    // Whoever asks has the last word.
    let (status, found) = diff(&ours, &fixture("ok_reference_close"), &["--tol", "0,0"]);
    assert_eq!((status, &found["stages"][0]["verdict"]), (1, &json!("pass")));
    assert_eq!(found["first_failing"], json!("layer-0/attn_norm"));

    let mut far = Capture::of("ok_reference_close");
    far.set("layer-0/ffn_gate.bin", 3, 9.0).set("layer-0/ffn_out.bin", 0, 9.0);
    let (status, found) = diff(&ours, far.done(), &[]);
    assert_eq!((status, &found["first_failing"]), (1, &json!("layer-0/ffn_gate")));
    let failing = found["stages"].as_array().unwrap().iter().filter(|row| row["verdict"] == "fail").count();
    assert_eq!(failing, 2);
    // The tighter of two bounds holds.
    let mut loose = Capture::of("ok_layer0");
    for entry in loose.entries() {
        entry["bound"] = json!({ "abs": 100.0, "rel": 100.0, "reason": "whatever is written passes" });
    }
    let (status, found) = diff(loose.done(), far.done(), &[]);
    let bound = &found["stages"][0]["bound"];
    assert_eq!((status, &bound["from"], &bound["abs"]), (1, &json!("both indexes"), &json!(1e-5)));
    // What one index leaves unsaid contradicts nothing.
    let mut silent = Capture::of("ok_reference_close");
    silent.index["dims"].as_object_mut().unwrap().remove("vocab");
    assert_eq!(diff(&ours, silent.done(), &[]).0, 0);
}

#[test]
fn a_forward_pass_follows_from_its_stages() {
    let (status, found) = check(&fixture("ok_layer0"), true);
    assert_eq!((status, &found["verdict"]), (0, &json!("pass")), "{found}");
    assert_eq!(
        (with_state(&found, "not_checkable"), &found["holds"]),
        (vec!["layer-0/attention".to_owned()], &json!(14))
    );
    assert_eq!(found["weights"]["of_the_index"], json!(true));
    // Without weights, what needs none.
    let (status, found) = check(&fixture("ok_layer0"), false);
    assert_eq!(status, 0);
    let free = ["ffn_silu", "ffn_swigl", "post_attn_residual", "post_ffn_residual"]
        .map(|stage| format!("layer-0/{stage}"));
    assert_eq!(with_state(&found, "holds"), free);
    for row in found["equations"].as_array().unwrap().iter().filter(|row| row["state"] == "not_checkable") {
        assert!(!row["why"].as_str().unwrap().is_empty(), "{row}");
    }
}

#[test]
fn a_value_that_does_not_follow_breaks_its_equation() {
    // Each stage but those that others alone follow from: one value is off by one part in ten thousand.
    for (file, broken) in [
        ("layer-0/attn_norm", vec!["layer-0/attn_norm", "layer-0/qkv_matmul"]),
        ("layer-0/qkv_matmul", vec!["layer-0/qkv_bias", "layer-0/qkv_matmul"]),
        ("layer-0/qkv_bias", vec!["layer-0/qkv_bias"]),
        ("layer-0/attn_out", vec!["layer-0/attn_out", "layer-0/post_attn_residual"]),
        ("layer-0/ffn_gate", vec!["layer-0/ffn_gate", "layer-0/ffn_silu"]),
        ("layer-0/ffn_silu", vec!["layer-0/ffn_silu", "layer-0/ffn_swigl"]),
        ("layer-0/ffn_swigl", vec!["layer-0/ffn_out", "layer-0/ffn_swigl"]),
        ("layer-0/ffn_out", vec!["layer-0/ffn_out", "layer-0/post_ffn_residual"]),
        ("final_norm", vec!["final_norm"]),
        ("lm_head", vec!["lm_head"]),
    ] {
        let mut capture = Capture::of("ok_layer0");
        let name = format!("{file}.bin");
        let value = capture.value(&name, 1);
        capture.set(&name, 1, value * 1.0001);
        let (status, found) = check(capture.done(), true);
        assert_eq!(
            (status, with_state(&found, "broken")),
            (1, broken.iter().map(ToString::to_string).collect()),
            "{file}"
        );
    }
    // A value of one of many inputs may hide in the rounding of sums; those of its own equation do not.
    let mut capture = Capture::of("ok_layer0");
    capture.set("layer-0/post_attn_residual.bin", 1, 0.75);
    let (_, found) = check(capture.done(), true);
    let broken =
        ["ffn_norm", "post_attn_residual", "post_ffn_residual"].map(|stage| format!("layer-0/{stage}"));
    assert_eq!(with_state(&found, "broken"), broken);
    let row = found["equations"].as_array().unwrap().iter().find(|row| row["stage"] == broken[1]).unwrap();
    assert_eq!((&row["first_broken"]["index"], &row["first_broken"]["stored"]), (&json!(1), &json!(0.75)));
}

#[test]
fn what_cannot_be_checked_is_no_pass() {
    // Nothing follows from a stage alone.
    let scratch = tempfile::tempdir().unwrap();
    let alone = stage(scratch.path(), &[1.0, 2.0]);
    let (status, found) = check(&alone, false);
    assert_eq!((status, &found["verdict"], &found["holds"]), (2, &json!("not_judged"), &json!(0)));
    // Nor from stages of other arithmetic.
    let mut other = Capture::of("ok_layer0");
    other.index["arithmetic"] = json!("other");
    let (status, found) = check(other.done(), true);
    assert_eq!((status, &found["not_checkable"]), (2, &json!(15)));
    // Without an epsilon norms are not, and the rest is.
    let mut bare = Capture::of("ok_layer0");
    bare.index.as_object_mut().unwrap().remove("rms_norm");
    let (status, found) = check(bare.done(), true);
    assert_eq!((status, &found["holds"]), (0, &json!(11)));
    // Stages of one token are not those of all.
    let mut last = Capture::of("ok_layer0");
    for stage in ["ffn_silu", "ffn_up"] {
        last.edit(&format!("layer-0/{stage}.bin"), |bytes| {
            *bytes = [&bytes[..8], &6_u32.to_le_bytes(), &bytes[36..]].concat();
        });
        last.entry(stage)["shape"] = json!([1, 6]);
        last.entry(stage)["token_scope"] = json!("last");
    }
    let (status, found) = check(last.done(), false);
    assert_eq!((status, states(&found)["layer-0/ffn_swigl"].as_str()), (0, "not_checkable"));
    // A model without a bias has no such stage, and nothing is said of it.
    let mut plain = Capture::of("ok_layer0");
    fs::remove_file(plain.path().join("layer-0/qkv_bias.bin")).unwrap();
    plain.entries().retain(|entry| entry["stage"] != "qkv_bias");
    let (status, found) = check(plain.done(), true);
    assert_eq!(
        (status, &found["holds"], states(&found).contains_key("layer-0/qkv_bias")),
        (0, &json!(13), false)
    );
    // Weights of another shape prove nothing, and break nothing.
    let (status, _) = said(&["tensor", "check", text(&fixture("ok_layer0")), "--weights", text(&alone)]);
    assert_eq!(status, 1);
}

/// A change to the small capture, and the code that it is refused with.
type Attack = (&'static str, fn(&mut Capture));

/// Changes to files, which show without an index too.
const OF_FILES: &[Attack] = &[
    ("APRT_TRUNCATED", |of| {
        of.edit("lm_head.bin", |bytes| bytes.truncate(11));
    }),
    ("APRT_SIZE_MISMATCH", |of| {
        of.edit("lm_head.bin", |bytes| bytes.truncate(31));
    }),
    ("APRT_SIZE_MISMATCH", |of| {
        of.edit("lm_head.bin", |bytes| bytes.push(0));
    }),
    ("APRT_SIZE_MISMATCH", |of| {
        of.edit("lm_head.bin", |bytes| *bytes = [&bytes[..8], &[0xff; 4]].concat());
    }),
    ("APRT_BAD_MAGIC", |of| {
        of.edit("lm_head.bin", |bytes| bytes[0] = b'a');
    }),
    ("APRT_FOREIGN_LAYOUT", |of| {
        of.edit("lm_head.bin", |bytes| *bytes = [&b"APRT\x01\x02\0\0"[..], &[7; 40]].concat());
    }),
    ("APRT_FOREIGN_LAYOUT", |of| {
        let sides = [2_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        of.edit("lm_head.bin", |bytes| *bytes = [&b"APRT\x01\x02\0\0"[..], &sides, &[0; 8]].concat());
    }),
    ("APRT_EMPTY", |of| {
        of.edit("lm_head.bin", |bytes| *bytes = [&bytes[..8], &[0; 4]].concat());
    }),
    // A layer in the folder of another, and in its header; the whole model in a layer.
    ("APRT_LAYER_MISMATCH", |of| {
        of.rename("layer-0/attn_norm.bin", "layer-1/attn_norm.bin");
    }),
    ("APRT_LAYER_MISMATCH", |of| {
        of.edit("layer-0/attn_norm.bin", |bytes| bytes[4] = 1);
    }),
    ("APRT_LAYER_MISMATCH", |of| {
        of.rename("lm_head.bin", "layer-0/lm_head.bin");
    }),
    ("APRT_DUP", |of| {
        let alias = "layer-0/layer_output.bin";
        fs::copy(of.path().join("layer-0/post_ffn_residual.bin"), of.path().join(alias)).unwrap();
        let mut entry = of.entry("post_ffn_residual").clone();
        (entry["file"], entry["stage"]) = (json!(alias), json!("layer_output"));
        of.entries().push(entry);
    }),
    ("TENSOR_FILE_REFUSED", |of| {
        of.rename("lm_head.bin", "lm_head.npy");
    }),
];

/// Changes to what the index says, or against what it says.
const OF_INDEX: &[Attack] = &[
    ("APRT_LAYER_MISMATCH", |of| of.entry("attn_norm")["layer"] = json!(1)),
    ("APRT_LAYER_MISMATCH", |of| of.entry("attn_norm")["layer"] = json!(null)),
    ("APRT_LAYER_MISMATCH", |of| of.entry("lm_head")["layer"] = json!(0)),
    ("APRT_STAGE_UNKNOWN", |of| of.entry("ffn_swigl")["stage"] = json!("ffn_swiglu")),
    ("APRT_NONFINITE", |of| {
        of.set("layer-0/ffn_up.bin", 2, f32::NAN);
    }),
    ("APRT_NONFINITE", |of| {
        of.set("layer-0/ffn_up.bin", 2, f32::NEG_INFINITY);
    }),
    ("APRT_SHAPE_MISMATCH", |of| of.entry("attn_norm")["shape"] = json!([4, 2])),
    ("APRT_SHAPE_MISMATCH", |of| of.entry("attn_norm")["shape"] = json!([2, 5])),
    ("APRT_SHAPE_MISMATCH", |of| of.entry("attn_norm")["token_scope"] = json!("last")),
    ("APRT_SHAPE_MISMATCH", |of| {
        of.entry("attn_norm")["shape"] = json!([9_007_199_254_740_991_u64, 9_007_199_254_740_991_u64]);
    }),
    ("APRT_UNLISTED", |of| {
        fs::copy(of.path().join("lm_head.bin"), of.path().join("layer-0/k_post_rope.bin")).unwrap();
    }),
    ("APRT_UNLISTED", |of| of.entries().retain(|entry| entry["stage"] != "ffn_up")),
    ("APRT_MISSING", |of| fs::remove_file(of.path().join("layer-0/ffn_up.bin")).unwrap()),
    // A name that leads out of the folder leads nowhere.
    ("APRT_MISSING", |of| {
        fs::remove_file(of.path().join("lm_head.bin")).unwrap();
        of.entry("lm_head")["file"] = json!("layer-0/../../lm_head.bin");
    }),
    ("TENSOR_DIGEST_MISMATCH", |of| {
        fs::copy(fixture("ok_reference_close/lm_head.bin"), of.path().join("lm_head.bin")).unwrap();
    }),
    ("TENSOR_INDEX_REFUSED", |of| {
        fs::remove_file(of.path().join("layer-0/ffn_up.bin")).unwrap();
        let gate = of.entry("ffn_gate").clone();
        (of.entry("ffn_up")["file"], of.entry("ffn_up")["sha256"]) =
            (gate["file"].clone(), gate["sha256"].clone());
        of.entries().retain(|entry| entry["stage"] != "ffn_gate");
    }),
    ("TENSOR_INDEX_REFUSED", |of| of.index["arithmetic"] = json!("float33")),
    ("TENSOR_INDEX_REFUSED", |of| of.entry("ffn_up")["note"] = json!("a key that nobody reads")),
    ("TENSOR_INDEX_REFUSED", |of| of.index["prompt"]["token_ids"] = json!([4, 3])),
    ("TENSOR_INDEX_REFUSED", |of| of.index["prompt"]["token_ids"] = json!([4])),
    ("TENSOR_FILE_REFUSED", |of| {
        of.rename("lm_head.bin", "lm_head.dat");
    }),
];

#[test]
fn each_capture_that_lies_is_refused_with_its_code() {
    assert_eq!(bp(&["tensor", "show", text(&fixture("ok_layer0"))]).0, 0);
    for (number, (code, attack)) in OF_FILES.iter().chain(OF_INDEX).enumerate() {
        let mut capture = Capture::of("ok_layer0");
        attack(&mut capture);
        assert_eq!(refused(capture.done()), *code, "attack {number}");
        assert_eq!(bp(&["explain", code]).0, 0, "{code}");
    }
}

#[test]
fn files_that_lie_show_without_an_index() {
    for (number, (code, attack)) in OF_FILES.iter().enumerate() {
        let mut capture = Capture::of("ok_layer0");
        attack(&mut capture);
        fs::remove_file(capture.path().join("index.json")).unwrap();
        assert_eq!(refused(capture.path()), *code, "attack {number}");
    }
    let capture = Capture::of("ok_layer0");
    fs::rename(capture.path().join("lm_head.bin"), capture.path().join("logits.bin")).unwrap();
    fs::remove_file(capture.path().join("index.json")).unwrap();
    assert_eq!(refused(capture.path()), "APRT_STAGE_UNKNOWN");
    assert_eq!(refused(tempfile::tempdir().unwrap().path()), "APRT_MISSING");
}

#[test]
fn every_law_of_captures_has_its_attack() {
    let mut attacked: Vec<&str> = OF_FILES.iter().chain(OF_INDEX).map(|(code, _)| *code).collect();
    // Those have tests of their own.
    attacked.extend(["APRT_INDEX_INVALID", "APRT_INCOMPARABLE"]);
    for law in tensor::law::LAWS {
        assert!(attacked.contains(&law.code), "{}", law.code);
    }
}

#[test]
fn values_that_are_not_finite_are_kept_where_they_are_meant() {
    let mut capture = Capture::of("ok_layer0");
    capture.set("layer-0/ffn_up.bin", 2, f32::NAN).set("layer-0/ffn_up.bin", 3, f32::INFINITY);
    capture.entry("ffn_up")["nonfinite"] = json!("allow");
    let (status, found) = diff(capture.done(), capture.path(), &["--tol", "0,0"]);
    let row =
        found["stages"].as_array().unwrap().iter().find(|row| row["stage"] == "layer-0/ffn_up").unwrap();
    assert_eq!((status, &row["identical"], &row["non_finite"]), (0, &json!(true), &json!(2)));
    // What was made of them is finite, so it was not made of them.
    let (status, found) = check(capture.path(), false);
    assert_eq!((status, with_state(&found, "broken")), (1, vec!["layer-0/ffn_swigl".to_owned()]));
}

#[test]
fn captures_of_other_positions_are_not_compared() {
    let ours = fixture("ok_layer0");
    let code = |other: &Path| {
        let (status, said) = diff(&ours, other, &["--tol", "1e9,1e9"]);
        (status, said["error"]["message"].as_str().unwrap_or_default().contains("APRT_INCOMPARABLE"))
    };
    // All tokens against the last one.
    let mut last = Capture::of("ok_reference_close");
    last.edit("layer-0/attn_out.bin", |bytes| {
        *bytes = [&bytes[..8], &4_u32.to_le_bytes(), &bytes[28..]].concat();
    });
    last.entry("attn_out")["shape"] = json!([1, 4]);
    last.entry("attn_out")["token_scope"] = json!("last");
    assert_eq!(code(last.done()), (1, true));
    let mut heads = Capture::of("ok_reference_close");
    heads.entry("attention")["axis_order"] = json!("head-major");
    assert_eq!(code(heads.done()), (1, true));
    let mut shape = Capture::of("ok_reference_close");
    shape.entry("attention")["shape"] = json!([2, 2, 2]);
    assert_eq!(code(shape.done()), (1, true));
    let mut prompt = Capture::of("ok_reference_close");
    prompt.index["prompt"] = json!({ "sha256": "0".repeat(64) });
    assert_eq!(code(prompt.done()), (1, true));
    let mut dims = Capture::of("ok_reference_close");
    dims.index["dims"]["layers"] = json!(2);
    assert_eq!(code(dims.done()), (1, true));
    let scratch = tempfile::tempdir().unwrap();
    fs::copy(ours.join("lm_head.bin"), scratch.path().join("lm_head.bin")).unwrap();
    assert_eq!(code(&scratch.path().join("lm_head.bin")), (2, false));
    let alone = fixture("ok_layer0/layer-0/ffn_up.bin");
    let (status, said) = diff(&alone, &scratch.path().join("lm_head.bin"), &["--tol", "1,1"]);
    assert_eq!((status, &said["error"]["code"]), (1, &json!("TENSOR_REFUSED")));
}

/// Adds a stage to a capture.
fn add(capture: &mut Capture, file: &str, entry: Value, values: &[f32]) {
    let bytes = tensor::aprt::write(tensor::Layer::Number(0), values).unwrap();
    fs::write(capture.path().join(file), bytes).unwrap();
    let mut entry = entry;
    entry["file"] = json!(file);
    entry["sha256"] = json!("");
    capture.entries().push(entry);
    capture.edit(file, |_| {});
}

#[test]
fn an_index_that_no_check_would_read_is_refused_where_it_is_given() {
    let fixture = fixture("ok_layer0");
    let mut bytes = fs::read(fixture.join("index.json")).unwrap();
    bytes.resize(tensor::index::MAX_BYTES, b' ');
    assert!(tensor::Capture::indexed(below(&fixture), Some("index.json"), &bytes).is_ok());
    bytes.push(b' ');
    let refused = tensor::Capture::indexed(below(&fixture), Some("index.json"), &bytes).unwrap_err();
    assert!(
        matches!(&refused, tensor::Fault::Refused(refusal) if refusal.to_string().contains("TENSOR_INDEX_REFUSED"))
    );
}

#[test]
fn numbers_of_experts_are_equal_or_they_are_not() {
    let chosen = |values: &[f32]| {
        let mut capture = Capture::of("ok_layer0");
        capture.index["dims"]["experts"] = json!(8);
        capture.index["dims"]["experts_per_token"] = json!(2);
        let entry = json!({
            "stage": "moe_router_indices", "layer": 0, "shape": [2, 2], "axis_order": "token-major",
            "token_scope": "all", "bound": { "abs": 10.0, "rel": 10.0, "reason": "an index is no distance" },
        });
        add(&mut capture, "layer-0/moe_router_indices.bin", entry, values);
        capture.done();
        capture
    };
    let (one, other) = (chosen(&[7.0, 6.0, 5.0, 4.0]), chosen(&[7.0, 6.0, 5.0, 3.0]));
    let row = |found: &Value| {
        let rows = found["stages"].as_array().unwrap();
        rows.iter().find(|row| row["stage"] == "layer-0/moe_router_indices").unwrap().clone()
    };
    // Their cosine is all but 1, and says nothing.
    let (status, found) = diff(one.path(), other.path(), &["--tol", "10,10"]);
    assert_eq!(
        (status, &row(&found)["verdict"], &row(&found)["cosine_sim"]),
        (1, &json!("fail"), &json!(null))
    );
    assert_eq!(row(&found)["bound"]["from"], json!("stage"));
    assert_eq!(diff(one.path(), one.path(), &["--tol", "0,0"]).0, 0);
    for wrong in [8.0, -1.0, 0.5, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(chosen(&[7.0, 6.0, 5.0, wrong]).path()), "APRT_INDEX_INVALID", "{wrong}");
    }
}

fn below(folder: &Path) -> Files {
    Files::below(folder).unwrap()
}

/// A python that has `NumPy`; none is a failure where `BP_NUMPY` demands one.
fn numpy() -> Option<&'static str> {
    let has_numpy = |program: &&str| {
        let done = Command::new(program).args(["-c", "import numpy"]).output();
        done.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_numpy);
    if found.is_none() {
        // Where all is judged, what is skipped is not judged.
        assert!(std::env::var_os("BP_NUMPY").is_none(), "BP_NUMPY is set, and no python3 has numpy");
        eprintln!("SKIPPED: no python3 with numpy, so no forward pass was made");
    }
    found
}

fn python(program: &str, script: &str, arguments: &[&str]) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensors").join(script);
    let output = Command::new(program).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How many values of a capture `NumPy` reads as this library does, which is all of them.
fn read_alike(program: &str, folder: &Path) -> usize {
    let theirs: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&python(program, "values.py", &[text(folder)])).unwrap();
    let capture = match fs::read(folder.join("index.json")) {
        Ok(index) => tensor::Capture::indexed(below(folder), Some("index.json"), &index).unwrap(),
        Err(_) => tensor::Capture::bare(below(folder)).unwrap(),
    };
    let mut ours = BTreeMap::new();
    for (place, tensor) in capture.stages() {
        let mut values = vec![0.0; usize::try_from(tensor.values).unwrap()];
        capture.open(place).unwrap().unwrap().wide(0, &mut values).unwrap();
        let bits: Vec<String> = values.iter().map(|value| format!("{:016x}", value.to_bits())).collect();
        ours.insert(place.to_string(), bits);
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert!(ours == theirs, "{}: a value is read otherwise than NumPy reads it", folder.display());
    ours.values().map(Vec::len).sum()
}

#[test]
fn a_forward_pass_of_numpy_holds_in_every_layout_and_numpy_reads_the_same_values() {
    let Some(program) = numpy() else { return };
    let scratch = tempfile::tempdir().unwrap();
    for (number, dims) in ["2,4,6,2,1,5,1", "7,64,96,4,2,50,3", "1,32,40,4,4,11,2"].into_iter().enumerate() {
        let place = scratch.path().join(number.to_string());
        python(program, "forward.py", &[text(&place), dims]);
        let weights = place.join("weights.safetensors");
        let layers: u64 = dims.rsplit(',').next().unwrap().parse().unwrap();
        for layout in ["aprt", "npy", "safetensors"] {
            let folder = place.join(layout);
            let (status, found) = said(&["tensor", "check", text(&folder), "--weights", text(&weights)]);
            assert_eq!(
                (status, &found["holds"], &found["broken"]),
                (0, &json!(12 * layers + 2), &json!(0)),
                "{found}"
            );
            let attention: Vec<String> =
                (0..layers).map(|layer| format!("layer-{layer}/attention")).collect();
            assert_eq!(with_state(&found, "not_checkable"), attention);
            let (status, found) = diff(&folder, &place.join("reference"), &[]);
            assert_eq!((status, &found["verdict"]), (0, &json!("pass")), "{found}");
            let (status, found) = diff(&folder, &place.join("aprt"), &["--tol", "0,0"]);
            let rows = found["stages"].as_array().unwrap();
            assert_eq!((status, rows.len() as u64), (0, 13 * layers + 3));
            assert!(rows.iter().all(|row| row["identical"] == json!(true)));
            assert!(read_alike(program, &folder) > 100);
        }
    }
}

#[test]
fn every_bit_pattern_of_every_type_is_read_as_numpy_reads_it() {
    let Some(program) = numpy() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let double = |factor: u64| -> Vec<u8> {
        (0..1_u64 << 15).flat_map(|number| (number.wrapping_mul(factor)).to_le_bytes()).collect()
    };
    let wide = double(0x9e37_79b9_7f4a_7c15);
    let tensors = [
        ("layer-0/ffn_up", "F16", 1 << 16, all.as_slice()),
        ("layer-0/ffn_gate", "BF16", 1 << 16, all.as_slice()),
        ("layer-0/ffn_silu", "F32", 1 << 16, wide.as_slice()),
        ("layer-0/ffn_swigl", "F64", 1 << 15, wide.as_slice()),
    ];
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, dtype, count, data) in tensors {
        header.insert(
            name.to_owned(),
            json!({ "dtype": dtype, "shape": [count], "data_offsets": [at, at + data.len()] }),
        );
        at += data.len();
    }
    let header = Value::Object(header).to_string();
    let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    tensors.iter().for_each(|(_, _, _, data)| bytes.extend_from_slice(data));
    let folder = scratch.path().join("capture");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("all.safetensors"), bytes).unwrap();
    // A signalling NaN may come out of a conversion quiet, so those are told apart from numbers and no further.
    let theirs: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&python(program, "values.py", &[text(&folder)])).unwrap();
    let capture = tensor::Capture::bare(below(&folder)).unwrap();
    let mut compared = 0;
    for (place, tensor) in capture.stages() {
        let mut values = vec![0.0; usize::try_from(tensor.values).unwrap()];
        capture.open(place).unwrap().unwrap().wide(0, &mut values).unwrap();
        for (value, bits) in values.iter().zip(&theirs[&place.to_string()]) {
            let theirs = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            let alike = theirs.to_bits() == value.to_bits() || (theirs.is_nan() && value.is_nan());
            assert!(alike, "{place}: {value} {theirs}");
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * (1 << 16) + (1 << 15));
}
