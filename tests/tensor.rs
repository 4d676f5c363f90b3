//! `bp tensor`: stage files of a forward pass, shown and compared by the command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn bp(arguments: &[&str]) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_bp")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

/// A stage file of layer 0.
fn stage(folder: &Path, values: &[f32]) -> PathBuf {
    let mut bytes = b"APRT\0\0\0\0".to_vec();
    bytes.extend(u32::try_from(values.len()).unwrap().to_le_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::create_dir_all(folder.join("layer-0")).unwrap();
    let path = folder.join("layer-0/attn_norm.bin");
    fs::write(&path, bytes).unwrap();
    path
}

fn diff(a: &Path, b: &Path, more: &[&str]) -> (i32, Value) {
    let paths = [a.to_str().unwrap(), b.to_str().unwrap()];
    let arguments: Vec<&str> =
        ["tensor", "diff"].into_iter().chain(paths).chain(more.iter().copied()).collect();
    let (status, out, told) = bp(&[arguments.as_slice(), &["--json"]].concat());
    (status, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}")))
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
    assert_eq!((status, &found["verdict"]), (2, &Value::from("not_judged")));
    let (status, found) = diff(&a, &same, bound);
    assert_eq!((status, &found["verdict"], &found["identical"]), (0, &Value::from("pass"), &true.into()));
    assert_eq!(found["not_compared"], serde_json::json!(["shape", "axis order", "token scope"]));
    let (status, found) = diff(&a, &near, bound);
    assert_eq!((status, &found["over"], &found["values"]), (0, &0.into(), &4.into()));
    let (status, found) = diff(&a, &near, &["--tol", "1e-9,0"]);
    assert_eq!((status, &found["over"], &found["top_diffs"][0]["index"]), (1, &1.into(), &2.into()));
    // A value that is none differs whatever the bound.
    for more in [&[][..], &["--tol", "1e9,1e9"]] {
        let (status, found) = diff(&a, &nan, more);
        assert_eq!((status, &found["verdict"], &found["class_mismatches"]), (1, &"fail".into(), &1.into()));
    }
    let paths = [a.to_str().unwrap(), short.to_str().unwrap()];
    let (status, _, told) = bp(&["tensor", "diff", paths[0], paths[1], "--tol", "1,1"]);
    assert_eq!((status, told.contains("APRT_INCOMPARABLE")), (1, true), "{told}");
    let (status, _, told) = bp(&["tensor", "diff", paths[0], paths[0], "--tol", "nan,0"]);
    assert_eq!(status, 3, "{told}");

    let (status, shown, _) = bp(&["tensor", "show", paths[0]]);
    assert_eq!((status, shown.as_str()), (0, "attn_norm  layer 0  4 values\n"));
    let cut = at("a/layer-0/attn_norm.bin");
    fs::write(&cut, &fs::read(&cut).unwrap()[..27]).unwrap();
    let (status, _, told) = bp(&["tensor", "show", cut.to_str().unwrap()]);
    assert_eq!((status, told.contains("APRT_")), (1, true), "{told}");
}
