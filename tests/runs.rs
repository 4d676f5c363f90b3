//! Training jobs in packs: what they left is evidence, what they were follows from it, and neither can be edited.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs;

use bp::pack::manifest::Subject;
use bp::pack::{Evidence, Stage};
use bp::report::Outcome;
use bp::run::collect::{self, Limits};
use bp::run::{self, Given};
use packs::{Place, alice, strict, terms};
use serde_json::{Value, json};

/// The history of a trainer with one run.
fn history(status: &str) -> String {
    json!([{
        "run_id": "1".repeat(32), "status": status, "session_kind": "single_run", "started_at": "2026-01-31T11:00:00",
        "completed_at": null, "hyperparameters": { "learning_rate": 0.1 }, "loss_history": [2.0, 1.5, 1.25],
    }])
    .to_string()
}

fn left(files: &[(&str, &[u8])], given: Given) -> run::Evidence {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("out");
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    collect::directory(&root, &[], given, &|path| Some(path.to_owned()), &Limits::default()).unwrap()
}

fn place(runs: &[run::Evidence]) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let stage = Stage::open(scratch.path()).unwrap();
    let mut evidence = Evidence::default();
    for (folder, left) in ["run", "run-2"].iter().zip(runs) {
        stage.run(&mut evidence, folder, left).unwrap();
    }
    let pack = stage.seal(evidence, &terms(), Some(&alice())).unwrap().publish("demo").unwrap();
    Place { scratch, pack }
}

fn one(status: &str) -> Place {
    place(&[left(
        &[("run_history.json", history(status).as_bytes()), ("weights.bin", b"pickle")],
        Given::default(),
    )])
}

#[test]
fn a_pack_holds_what_jobs_left_and_its_verdict_says_how_they_ended() {
    for (status, given, verdict, words) in [
        ("completed", None, Outcome::Insufficient, "there was nothing to judge"),
        ("running", None, Outcome::Insufficient, "nothing shows how the training job ended"),
        ("failed", None, Outcome::Fail, "the training job failed"),
        ("completed", Some(3), Outcome::Fail, "the training job failed"),
    ] {
        let given = Given { exit_code: given, ..Given::default() };
        let evidence = left(&[("run_history.json", history(status).as_bytes())], given);
        let place = place(&[evidence]);
        assert_eq!(place.found(&strict()), Vec::<String>::new());
        assert_eq!(place.statement().verdict, verdict, "{status}");
        let text = String::from_utf8(place.bytes("results/final_verdict.txt")).unwrap();
        assert!(text.contains(words), "{text}");
        assert_eq!(place.statement().subject.run_id, Some("1".repeat(32)));
    }
    let two = place(&[
        left(&[("run_history.json", history("completed").as_bytes())], Given::default()),
        left(&[("train.log", b"by hand")], Given::default()),
    ]);
    assert_eq!(two.found(&strict()), Vec::<String>::new());
    assert_eq!(two.bytes("run-2/history/train.log"), b"by hand");
    let record: Value = serde_json::from_slice(&two.bytes("run/run.json")).unwrap();
    assert_eq!(record["status"]["state"], "completed");
}

// Attacks, each sealed by the right key.

#[test]
fn the_record_of_a_run_is_edited() {
    let place = one("running");
    let text = String::from_utf8(place.bytes("run/run.json")).unwrap();
    place.put("run/run.json", text.replace("stale", "completed"));
    place.reseal(&alice());
    let found = place.found(&strict());
    assert!(found.contains(&"RUN_NOT_REDERIVED run/run.json".to_owned()), "{found:?}");
}

#[test]
fn the_evidence_of_a_run_lacks_a_part_or_has_another() {
    for (file, bytes) in [("run/artifacts.json", b"{}".as_slice()), ("run/command.json", b"not JSON")] {
        let place = one("completed");
        place.put(file, bytes);
        place.reseal(&alice());
        let found = place.found(&strict());
        assert!(found.contains(&"RUN_EVIDENCE_UNSOUND run".to_owned()), "{file}: {found:?}");
        assert!(found.contains(&"FILE_UNACCOUNTED run/run.json".to_owned()), "{file}: {found:?}");
    }
}

#[test]
fn the_manifest_is_about_another_run() {
    let place = one("completed");
    let subject = Subject { run_id: Some("2".repeat(32)), ..place.statement().subject };
    place.reseal_manifest(&alice(), |statement| statement.subject = subject);
    assert_eq!(place.found(&strict()), ["MANIFEST_SUBJECT_MISMATCH manifest.json"]);
}

#[test]
fn a_run_in_a_folder_of_another_name_is_unaccounted_for() {
    for folder in ["run-1", "run-02", "run-100", "runs"] {
        let place = one("completed");
        let mut statement = place.statement();
        let mut artifact =
            statement.artifacts.iter().find(|one| one.path.as_str() == "run/run.json").unwrap().clone();
        place.put(&format!("{folder}/run.json"), place.bytes("run/run.json"));
        artifact.path = format!("{folder}/run.json").parse().unwrap();
        statement.artifacts.push(artifact);
        place.reseal_as(&alice(), statement);
        let found = place.found(&strict());
        assert!(found.contains(&format!("FILE_UNACCOUNTED {folder}/run.json")), "{found:?}");
    }
}
