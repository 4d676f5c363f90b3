//! Captured tensors in packs: checked and compared again by whoever checks; what is changed is found.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

mod packs;
#[allow(dead_code, reason = "each test binary uses a part")]
mod tensors;

use std::path::Path;
use std::process::Command;

use bp::digest::Digest;
use bp::handle::Files;
use bp::pack::result::How;
use bp::pack::{Evidence, Stage};
use bp::report::Outcome;
use bp::schema::{self, Schema};
use packs::{Place, alice, mallory, strict, terms};
use serde_json::{Value, json};
use tensors::{Capture, fixture};

/// A pack of a capture, and of its reference where there is one, sealed by Alice.
fn pack(subject: &Path, reference: Option<&Path>) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let stage = Stage::open(scratch.path()).unwrap();
    let mut evidence = Evidence::default();
    let files = |path: &Path| Files::below(path).unwrap();
    stage.captures(&mut evidence, &files(subject), reference.map(files).as_ref()).unwrap();
    let pack = stage.seal(evidence, &terms(), Some(&alice())).unwrap().publish("demo").unwrap();
    Place { scratch, pack }
}

fn honest() -> Place {
    pack(&fixture("ok_layer0"), Some(&fixture("ok_reference_close")))
}

fn document(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&place.bytes(path)).unwrap()
}

fn verdict(place: &Place) -> (Outcome, Value) {
    let result = place.check(&strict());
    (result.verdict.unwrap(), document(place, "results/final_verdict.json")["tensors"].clone())
}

fn text(place: &Place, path: &str) -> String {
    String::from_utf8(place.bytes(path)).unwrap()
}

#[test]
fn honest_captures_are_checked_and_compared_again() {
    let place = honest();
    let result = place.check(&strict());
    assert_eq!(packs::broken(&result), Vec::<String>::new());
    assert!(result.proof_grade && result.verdict_how == How::Recomputed);
    let tensors = result.checks.iter().find(|check| check.name == "tensors").unwrap();
    // Two captures of sixteen files and an index each, and what they come to.
    assert_eq!((tensors.how, tensors.ok, tensors.count), (How::Recomputed, Some(true), 36));
    let (outcome, tensors) = verdict(&place);
    assert_eq!((outcome, &tensors["compared"], &tensors["broken"]), (Outcome::Pass, &json!(16), &json!(0)));
    for (path, schema) in [
        ("tensors/check.json", Schema::TensorCheck),
        ("tensors/diff.json", Schema::TensorDiff),
        ("results/final_verdict.json", Schema::FinalVerdict),
        ("annex/annex-iv.json", Schema::AnnexIv),
        ("manifest.json", Schema::PackManifest),
    ] {
        assert_eq!(schema::validate(schema, &document(&place, path)), Ok(()), "{path}");
    }
}

#[test]
fn pages_say_what_agrees_within_what_at_which_stages_and_no_more() {
    let place = honest();
    let agreement = "numerical agreement with reference small decoder within 1e-5 + 1e-4 * |b| at stages layer-0/embedding, ";
    let annex = document(&place, "annex/annex-iv.json");
    let said = annex["verdict"]["numerical_agreement"].as_str().unwrap();
    assert!(said.starts_with(agreement) && said.ends_with("final_norm, lm_head"), "{said}");
    for page in ["annex/annex-iv.md", "annex/annex-iv.html", "report.html"] {
        assert!(
            text(&place, page).contains("numerical agreement with reference small decoder within 1e-5"),
            "{page}"
        );
    }
    assert!(
        text(&place, "README.md").contains("numerical agreement with reference small decoder within 1e-5")
    );
    let report = text(&place, "report.html");
    assert!(report.contains("Difference by stage") && report.contains("post_attn_residual"));
    for page in ["README.md", "report.html"] {
        assert!(!text(&place, page).contains("Nothing was judged"), "{page}");
    }
    // Without a reference nothing agrees with anything.
    let alone = pack(&fixture("ok_layer0"), None);
    let (outcome, tensors) = verdict(&alone);
    assert_eq!(
        (outcome, &tensors["compared"], &tensors["agreement"]),
        (Outcome::Pass, &json!(null), &json!(null))
    );
    assert!(document(&alone, "annex/annex-iv.json")["verdict"].get("numerical_agreement").is_none());
    assert!(!text(&alone, "annex/annex-iv.md").contains("numerical agreement"));
    // Of stages, those that are within.
    let mut far = Capture::of("ok_reference_close");
    far.set("lm_head.bin", 0, 9.0);
    let place = pack(&fixture("ok_layer0"), Some(far.done()));
    let (outcome, tensors) = verdict(&place);
    assert_eq!((outcome, &tensors["first_failing"]), (Outcome::Fail, &json!("lm_head")));
    assert!(tensors["agreement"].as_str().unwrap().ends_with("final_norm"));
}

#[test]
fn what_was_not_compared_or_does_not_follow_is_no_pass() {
    // Neither capture states a bound.
    let unjudged = pack(&fixture("ok_layer0"), Some(&fixture("ok_layer0")));
    assert_eq!(verdict(&unjudged).0, Outcome::Insufficient);
    let mut broken = Capture::of("ok_layer0");
    broken.set("layer-0/ffn_silu.bin", 0, 3.0);
    let place = pack(broken.done(), None);
    let (outcome, tensors) = verdict(&place);
    assert_eq!((outcome, &tensors["broken"]), (Outcome::Fail, &json!(2)));
    let mut other = Capture::of("ok_layer0");
    other.index["arithmetic"] = json!("other");
    assert_eq!(verdict(&pack(other.done(), None)).0, Outcome::Insufficient);
}

#[test]
fn each_attack_on_captured_tensors_is_found() {
    let (file, diff) = ("tensors/subject/lm_head.bin", "tensors/diff.json");
    // One byte of a tensor, with all digests of the pack made to follow: the index still states the old one.
    let place = honest();
    place.flip(file, 14);
    assert_eq!(place.found(&strict()), [format!("FILE_DIGEST_MISMATCH {file}")]);
    place.reseal(&alice());
    assert!(place.found(&strict()).contains(&"TENSORS_UNSOUND tensors/subject".to_owned()));
    // The index too: what follows is another comparison.
    let place = honest();
    let mut bytes = place.bytes(file);
    bytes[12..16].copy_from_slice(&9.0_f32.to_le_bytes());
    let mut index = document(&place, "tensors/subject/index.json");
    for entry in
        index["entries"].as_array_mut().unwrap().iter_mut().filter(|entry| entry["stage"] == "lm_head")
    {
        entry["sha256"] = json!(Digest::of(&bytes));
    }
    place.put(file, bytes);
    place.put("tensors/subject/index.json", index.to_string());
    place.reseal(&alice());
    let found = place.found(&strict());
    for wanted in [
        "TENSORS_NOT_REDERIVED tensors/diff.json",
        "RESULT_NOT_REDERIVED results/final_verdict.json",
        "MANIFEST_VERDICT_MISMATCH manifest.json",
    ] {
        assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
    }
    // The comparison alone, sealed again by the right key.
    let mut far = Capture::of("ok_reference_close");
    far.set("lm_head.bin", 0, 9.0);
    let place = pack(&fixture("ok_layer0"), Some(far.done()));
    let edited = text(&place, diff).replace("\"fail\"", "\"pass\"");
    assert_ne!(edited, text(&place, diff));
    place.put(diff, edited);
    place.reseal(&alice());
    assert!(place.found(&strict()).contains(&format!("TENSORS_NOT_REDERIVED {diff}")));
    place.reseal(&mallory());
    assert!(place.found(&strict()).iter().all(|code| code.starts_with("SIGNER_NOT_PINNED")));
    // A file of another capture, and an index that is gone.
    let place = honest();
    place.put("tensors/subject/layer-0/k_post_rope.bin", place.bytes(file));
    assert!(
        place.found(&strict()).iter().any(|code| code.ends_with("tensors/subject/layer-0/k_post_rope.bin"))
    );
    let place = honest();
    std::fs::remove_file(place.at("tensors/reference/index.json")).unwrap();
    let mut statement = place.statement();
    statement.artifacts.retain(|artifact| artifact.path.as_str() != "tensors/reference/index.json");
    place.reseal_as(&alice(), statement);
    assert!(place.found(&strict()).contains(&"TENSORS_UNSOUND tensors/reference".to_owned()));
}

#[test]
fn the_command_packs_captures_and_refuses_those_that_lie() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |subject: &Path| {
        let reference = fixture("ok_reference_close");
        let done = Command::new(env!("CARGO_BIN_EXE_bp"))
            .args(["--json", "pack", "run", "--unsigned", "--created-at", "2026-01-31T12:00:00Z", "--out"])
            .arg(scratch.path())
            .arg("--tensors")
            .arg(subject)
            .arg("--tensors-reference")
            .arg(reference)
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        (done.status.code().unwrap(), said)
    };
    let (status, said) = run(&fixture("ok_layer0"));
    assert_eq!((status, &said["ok"]), (0, &json!(true)), "{said}");
    let mut lying = Capture::of("ok_layer0");
    lying.entry("ffn_up")["shape"] = json!([6, 2]);
    let (status, said) = run(lying.done());
    assert_eq!((status, &said["error"]["code"]), (1, &json!("TENSOR_REFUSED")), "{said}");
    assert!(said["error"]["message"].as_str().unwrap().contains("APRT_SHAPE_MISMATCH"), "{said}");
}
