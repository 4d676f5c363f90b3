//! Suites: what was demanded before anything was judged decides, and a pack says what it was.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bp::digest::Digest;
use bp::pack::freeze::Frozen;
use bp::pack::manifest::{ClockSource, SuiteFacts};
use bp::pack::{Demand, Evidence, Freeze, InputKind, Judging, Pack, Selection, Stage, Suite};
use bp::report::Outcome;
use bp::trust::SigningKey;
use packs::{Place, alice, mallory, strict, terms};
use serde_json::{Value, json};

const GOOD: &[u8] = include_bytes!("../fixtures/good/mazur.receipt.jsonl");
const BAD: &[u8] = include_bytes!("../fixtures/bad/4-factor-left-out/receipt.jsonl");

fn scenario(id: &str, input: &str, expected: &Value) -> Value {
    json!({ "id": id, "category": "demo", "inputs": [input], "expected": expected })
}

fn suite(scenarios: &[Value]) -> Vec<u8> {
    json!({ "format": "bp-suite/1", "name": "demo", "scenarios": scenarios }).to_string().into_bytes()
}

/// A pack of a suite over `good.json` and `bad.json`, of which `there` can be read.
fn pack(parent: &Path, bytes: &[u8], chosen: Option<&[&str]>, repeats: u32, there: &[&str]) -> Pack {
    frozen_pack(parent, bytes, chosen, repeats, there, None)
}

fn frozen_pack(
    parent: &Path,
    bytes: &[u8],
    chosen: Option<&[&str]>,
    repeats: u32,
    there: &[&str],
    freeze: Option<&[u8]>,
) -> Pack {
    let suite = Suite::parse(bytes).unwrap();
    let chosen = chosen.map(|ids| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
    let selection = Selection::of(&suite, chosen, repeats).unwrap();
    let stage = Stage::open(parent).unwrap();
    let mut evidence = Evidence::default();
    let judging = Judging { created_at: terms().created_at, repeats };
    for (path, stem) in suite.selected(&selection).into_iter().filter(|(path, _)| there.contains(path)) {
        let bytes = if path == "good.json" { GOOD } else { BAD };
        evidence.add(stage.take(stem, InputKind::Receipt, bytes, judging).unwrap());
    }
    let files = stage.demand(bytes, &selection.to_bytes(), freeze.map(|bytes| (bytes, None))).unwrap();
    let freeze = freeze.and_then(|bytes| Freeze::parse(bytes).ok());
    evidence.demand(Demand { suite, selection, freeze }, files);
    stage.seal(evidence, &terms(), Some(&alice())).unwrap()
}

fn place(bytes: &[u8], chosen: Option<&[&str]>, repeats: u32, there: &[&str]) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let pack = pack(scratch.path(), bytes, chosen, repeats, there).publish("demo").unwrap();
    Place { scratch, pack }
}

const BOTH: &[&str] = &["good.json", "bad.json"];

fn demo() -> Vec<u8> {
    suite(&[
        scenario("good", "good.json", &json!("must_pass")),
        scenario("bad", "bad.json", &json!({ "must_detect": ["4"] })),
    ])
}

#[test]
fn a_pack_in_which_every_scenario_is_as_expected_passes_and_is_checked_as_such() {
    let place = place(&demo(), None, 3, BOTH);
    assert_eq!(place.found(&strict()), Vec::<String>::new());
    let statement = place.statement();
    assert_eq!((statement.verdict, statement.counts.failed), (Outcome::Pass, 1));
    let result = place.check(&strict());
    let caveat = "of 2 inputs, 1 failed";
    assert!(result.not_checked.iter().any(|said| said.contains(caveat)), "{:?}", result.not_checked);
    // What is expected to fail shows nothing of how a system was trained.
    let annex: Value = serde_json::from_slice(&place.bytes("annex/annex-iv.json")).unwrap();
    let text = annex.to_string();
    assert!(text.contains("receipts/good") && !text.contains("receipts/bad"), "{text}");
    assert_eq!(statement.suite.unwrap().name.as_deref(), Some("demo"));
    let repeats: Value = serde_json::from_slice(&place.bytes("results/determinism_repeats.json")).unwrap();
    assert_eq!(
        repeats["inputs"],
        json!([{ "stem": "bad", "equal": true }, { "stem": "good", "equal": true }])
    );
    let coverage: Value = serde_json::from_slice(&place.bytes("results/rule_coverage.json")).unwrap();
    let row = |id: &str| {
        coverage["rules"].as_array().unwrap().iter().find(|row| row["rule"] == id).unwrap().clone()
    };
    assert_eq!((&row("4")["holds"], &row("4")["broken"]), (&json!(1), &json!(1)));
}

#[test]
fn a_scenario_that_comes_out_otherwise_fails_the_pack() {
    for (expected, input, there, verdict, shortfall) in [
        (json!("must_pass"), "bad.json", BOTH, Outcome::Fail, "x: bad.json: FAIL, and PASS was expected"),
        (json!("must_fail"), "good.json", BOTH, Outcome::Fail, "x: good.json: PASS, and FAIL was expected"),
        (
            json!({ "must_detect": ["4"] }),
            "good.json",
            BOTH,
            Outcome::Fail,
            "x: good.json: PASS, and 4 was to be detected",
        ),
        (
            json!({ "must_detect": ["21", "22"] }),
            "bad.json",
            BOTH,
            Outcome::Fail,
            "x: bad.json: FAIL, and 21 or 22 was to be detected",
        ),
        (json!("must_fail"), "bad.json", &["good.json"], Outcome::Fail, "x: bad.json: not there"),
        (json!("informational"), "bad.json", &["good.json"], Outcome::Fail, "x: bad.json: not there"),
    ] {
        let bytes =
            suite(&[scenario("good", "good.json", &json!("must_pass")), scenario("x", input, &expected)]);
        let place = place(&bytes, None, 1, there);
        assert_eq!(place.found(&strict()), Vec::<String>::new());
        let result: Value = serde_json::from_slice(&place.bytes("results/final_verdict.json")).unwrap();
        assert_eq!(place.statement().verdict, verdict, "{shortfall}");
        assert_eq!(result["shortfalls"], json!([shortfall]));
        assert!(String::from_utf8(place.bytes("README.md")).unwrap().contains("Scenario x"), "{shortfall}");
    }
}

#[test]
fn less_checked_than_demanded_is_insufficient_and_so_is_what_was_left_out() {
    let demanding = |member: &str, value: Value| {
        let mut scenario = scenario("good", "good.json", &json!("must_pass"));
        scenario[member] = value;
        let place = place(&suite(&[scenario]), None, 1, BOTH);
        assert_eq!(place.found(&strict()), Vec::<String>::new());
        let result: Value = serde_json::from_slice(&place.bytes("results/final_verdict.json")).unwrap();
        (place.statement().verdict, result["shortfalls"][0].as_str().map(str::to_owned))
    };
    assert_eq!(demanding("rules", json!(["14", "4"])), (Outcome::Pass, None));
    let short = "good: good.json: rule 22 decided nothing, and was demanded".to_owned();
    assert_eq!(demanding("rules", json!(["22"])), (Outcome::Insufficient, Some(short)));
    assert_eq!(demanding("min_compared", json!(10)), (Outcome::Pass, None));
    assert_eq!(demanding("min_compared", json!(1_000_000)).0, Outcome::Insufficient);
    let part = place(&demo(), Some(&["good"]), 1, &["good.json"]);
    assert_eq!(part.statement().verdict, Outcome::Insufficient);
    assert_eq!(part.found(&strict()), Vec::<String>::new());
    let told = suite(&[scenario("told", "bad.json", &json!("informational"))]);
    assert_eq!(
        place(&told, None, 1, BOTH).statement().verdict,
        Outcome::Insufficient,
        "nothing was demanded"
    );
}

// Attacks, each sealed by the right key.

#[test]
fn the_suite_is_exchanged_for_an_easier_one() {
    let place = place(&demo(), None, 1, BOTH);
    let easier = suite(&[scenario("bad", "bad.json", &json!("must_fail"))]);
    place.put("suite/suite.json", &easier);
    place.reseal(&alice());
    let found = place.found(&strict());
    for finding in ["MANIFEST_SUITE_MISMATCH manifest.json", "FILE_UNACCOUNTED receipts/good.jsonl"] {
        assert!(found.contains(&finding.to_owned()), "{finding}: {found:?}");
    }
}

#[test]
fn the_manifest_names_no_suite_or_another() {
    let place = place(&demo(), None, 1, BOTH);
    place.reseal_manifest(&alice(), |statement| statement.suite = None);
    assert_eq!(place.found(&strict()), ["MANIFEST_SUITE_MISMATCH manifest.json"]);
    let other = SuiteFacts { name: Some("release".into()), scenarios_sha256: None };
    place.reseal_manifest(&alice(), |statement| statement.suite = Some(other));
    assert_eq!(place.found(&strict()), ["MANIFEST_SUITE_MISMATCH manifest.json"]);
}

#[test]
fn a_suite_that_demands_nothing_is_put_in_its_place() {
    let place = place(&demo(), None, 1, BOTH);
    place.put("suite/suite.json", suite(&[]));
    place.reseal(&alice());
    let result = place.check(&strict());
    assert!(
        result.findings.iter().any(|finding| finding.law.code == "SUITE_UNSOUND"),
        "{:?}",
        result.findings
    );
    assert!(!result.proof_grade && !result.not_checked.is_empty());
}

// What was frozen before anything ran.

/// A freeze of a suite, in which an input may have other bytes, edited before it is signed.
fn freeze(bytes: &[u8], key: &SigningKey, edit: impl FnOnce(&mut Frozen)) -> Vec<u8> {
    let suite = Suite::parse(bytes).unwrap();
    let inputs = BTreeMap::from([("good.json".to_owned(), Digest::of(GOOD))]);
    let moment = ("2026-01-30T12:00:00Z".parse().unwrap(), ClockSource::Argument);
    let mut frozen = Frozen::of(&suite, &inputs, terms().judge, moment);
    edit(&mut frozen);
    frozen.sign(key).unwrap()
}

fn frozen(freeze: &[u8]) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let pack = frozen_pack(scratch.path(), &demo(), None, 1, BOTH, Some(freeze)).publish("demo").unwrap();
    Place { scratch, pack }
}

#[test]
fn a_pack_that_kept_to_what_was_frozen_holds_and_says_whose_word_the_time_is() {
    let place = frozen(&freeze(&demo(), &alice(), |_| {}));
    let result = place.check(&strict());
    assert_eq!(packs::broken(&result), Vec::<String>::new());
    assert!(result.not_checked.iter().any(|sentence| sentence.contains("its signer's word")), "{result:?}");
    let report = String::from_utf8(place.bytes("report.html")).unwrap();
    assert!(report.contains("were frozen at 2026-01-30T12:00:00Z under key"), "{report}");
    assert!(report.contains("Of the inputs, 1 were not there yet, and are not frozen."), "{report}");
}

#[test]
fn the_demands_are_not_those_that_were_frozen() {
    let easier = suite(&[scenario("good", "good.json", &json!("informational"))]);
    for (found, differs) in [
        (freeze(&easier, &alice(), |_| {}), "FREEZE_DIFFERS suite/freeze.json"),
        (
            freeze(&demo(), &alice(), |frozen| {
                frozen.inputs.insert("good.json".into(), Some(Digest::of(b"other")));
            }),
            "FREEZE_DIFFERS suite/freeze.json",
        ),
        (
            freeze(&demo(), &alice(), |frozen| frozen.judge.bounds_policy_sha256 = Digest::of(b"looser")),
            "FREEZE_DIFFERS suite/freeze.json",
        ),
        (
            freeze(&demo(), &alice(), |frozen| frozen.frozen_at = "2026-02-01T00:00:00Z".parse().unwrap()),
            "FREEZE_DIFFERS suite/freeze.json",
        ),
        // Signed by someone of whom the recipient knows nothing.
        (freeze(&demo(), &mallory(), |_| {}), "FREEZE_KEY_UNKNOWN suite/freeze.json"),
    ] {
        assert_eq!(frozen(&found).found(&strict()), [differs]);
    }
}

#[test]
fn a_freeze_that_was_edited_is_seen_and_one_that_is_none_gives_no_verdict() {
    let signed = freeze(&demo(), &alice(), |_| {});
    let other =
        freeze(&demo(), &alice(), |frozen| frozen.frozen_at = "2026-01-29T00:00:00Z".parse().unwrap());
    let [mut forged, other]: [Value; 2] =
        [&signed, &other].map(|bytes| serde_json::from_slice(bytes).unwrap());
    forged["payload"] = other["payload"].clone();
    let place = frozen(&bp::json::canonical(&forged));
    assert_eq!(place.found(&strict()), ["FREEZE_BROKEN suite/freeze.json"]);
    let place = frozen(b"{}");
    let found = place.found(&strict());
    assert!(found.contains(&"FREEZE_UNSOUND suite/freeze.json".to_owned()), "{found:?}");
    assert!(!place.check(&strict()).proof_grade);
    // Beside no suite it is evidence of nothing.
    let place = Place::sealed();
    place.put("suite/freeze.json", &signed);
    assert_eq!(place.found(&strict()), ["FILE_UNEXPECTED suite/freeze.json"]);
}
