//! Sampled steps in packs: judged again by whoever checks, wherever their tensors lie; what is changed is found, and what
//! is not there is said.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs
)]

mod packs;
#[allow(dead_code, reason = "each test binary uses a part")]
mod stepped;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::digest::Digest;
use bp::handle::At;
use bp::pack::build::GivenStep;
use bp::pack::result::How;
use bp::pack::{Evidence, Options, Stage, Stem};
use bp::report::Outcome;
use bp::schema::{self, Schema};
use bp::step::Record;
use packs::{Place, alice, lax, mallory, strict, terms};
use serde_json::{Value, json};
use stepped::{Adam, Draw, Param, adam, adam_from, arith, f32_as_it_is, payload, record};

const ADAMW: Adam = Adam { lr: 1e-3, wd: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true };

/// A step, and its tensors.
#[derive(Clone)]
struct Step {
    record: Value,
    payload: Vec<u8>,
}

impl Step {
    fn of(step: u64, param: &Param) -> Self {
        let params = std::slice::from_ref(param);
        let mut record = record(&ADAMW.document(), &arith("bounded"), step, params);
        record["payload"]["file"] = json!(format!("step-{step}.safetensors"));
        Self { record, payload: payload(params) }
    }

    fn number(&self) -> u64 {
        self.record["step"].as_u64().unwrap()
    }

    fn stored(&self) -> String {
        format!("steps/payloads/{}.safetensors", self.record["payload"]["sha256"].as_str().unwrap())
    }
}

/// Three steps that follow each other.
fn three() -> Vec<Step> {
    let mut draw = Draw(21);
    let mut params = vec![adam(&mut draw, 150, ADAMW, 7, [0; 3], f32_as_it_is)];
    for t in 8..10 {
        let g: Vec<f32> = (0..150).map(|_| draw.value(1e-2)).collect();
        let [p, m, v] = ["p1", "m1", "v1"].map(|role| params.last().unwrap().of(role).to_vec());
        params.push(adam_from([p, g, m, v], ADAMW, t, [0; 3], f32_as_it_is));
    }
    (7..).zip(&params).map(|(step, param)| Step::of(step, param)).collect()
}

/// Writes records and payloads into a folder.
fn written(folder: &Path, steps: &[Step]) {
    fs::create_dir_all(folder).unwrap();
    for step in steps {
        fs::write(folder.join(format!("step-{}.json", step.number())), step.record.to_string()).unwrap();
        fs::write(folder.join(step.record["payload"]["file"].as_str().unwrap()), &step.payload).unwrap();
    }
}

/// A pack of steps, their tensors in it or beside it in the folder `given`, sealed by Alice.
fn pack(steps: &[Step], inside: bool) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let given = scratch.path().join("given");
    written(&given, steps);
    let stage = Stage::open(scratch.path()).unwrap();
    let mut evidence = Evidence::default();
    for step in steps {
        let bytes = step.record.to_string().into_bytes();
        let record = Record::parse(&bytes).unwrap();
        let payload = At::new(File::open(given.join(&record.payload.file)).unwrap()).unwrap();
        let stem: Stem = format!("step-{}", step.number()).parse().unwrap();
        let given = GivenStep { bytes, record, payload, linear: None, inside };
        stage.step(&mut evidence, stem, given).unwrap();
    }
    let pack = stage.seal(evidence, &terms(), Some(&alice())).unwrap().publish("demo").unwrap();
    Place { scratch, pack }
}

/// Strict, with the tensors that lie beside the pack.
fn with_given(place: &Place) -> Options {
    Options { payload_dirs: vec![place.scratch.path().join("given")], ..strict() }
}

fn document(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&place.bytes(path)).unwrap()
}

#[test]
fn honest_steps_are_judged_again_wherever_their_tensors_lie() {
    let inside = pack(&three(), true);
    let result = inside.check(&strict());
    assert_eq!(packs::broken(&result), Vec::<String>::new());
    assert!(result.proof_grade && result.verdict_how == How::Recomputed);
    let steps = result.checks.iter().find(|check| check.name == "steps").unwrap();
    assert_eq!((steps.how, steps.ok, steps.count), (How::Recomputed, Some(true), 10));
    let outside = pack(&three(), false);
    assert!(outside.files().keys().all(|path| !path.starts_with("steps/payloads/")));
    assert!(outside.check(&with_given(&outside)).proof_grade);
    // The verdict on a step does not depend on where its tensors lie.
    let verdict = "steps/verdicts/step-8.json";
    assert_eq!(inside.bytes(verdict), outside.bytes(verdict));
}

#[test]
fn tensors_that_are_not_there_make_a_verdict_the_makers_word() {
    let place = pack(&three(), false);
    let result = place.check(&lax());
    assert!(result.ok && !result.proof_grade);
    assert_eq!((result.verdict, result.verdict_how), (Some(Outcome::Pass), How::Recorded));
    let steps = result.checks.iter().find(|check| check.name == "steps").unwrap();
    assert_eq!(steps.how, How::Recorded);
    let warned = result.warnings.iter().filter(|warning| warning.law.code == "STEP_PAYLOAD_ABSENT").count();
    assert_eq!(warned, 3);
    let result = place.check(&strict());
    let absent = |step| format!("STEP_PAYLOAD_ABSENT steps/records/step-{step}.json");
    assert_eq!(packs::broken(&result), [absent(7), absent(8), absent(9)]);
    assert_eq!(result.exit_code(), 2, "strict is never passed by what was not judged");
    // What lies under the name is another file.
    let other = place.scratch.path().join("given/step-8.safetensors");
    let mut bytes = fs::read(&other).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&other, bytes).unwrap();
    let result = place.check(&with_given(&place));
    assert_eq!(packs::broken(&result), [absent(8)]);
    assert!(result.findings[0].message.contains("step-8.safetensors that was given has the digest"));
}

#[test]
fn a_bit_of_a_payload_is_found_also_under_a_new_seal() {
    let steps = three();
    let place = pack(&steps, true);
    let payload = steps[1].stored();
    let last = place.bytes(&payload).len() - 1;
    place.flip(&payload, last);
    assert_eq!(place.found(&strict()), [format!("FILE_DIGEST_MISMATCH {payload}")]);
    place.reseal(&alice());
    let found = place.found(&strict());
    for wanted in [
        "MANIFEST_VERDICT_MISMATCH manifest.json",
        "RESULT_NOT_REDERIVED results/final_verdict.json",
        "STEP_NOT_REDERIVED steps/steps.json",
        "STEP_NOT_REDERIVED steps/verdicts/step-8.json",
    ] {
        assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
    }
    place.reseal(&mallory());
    assert!(place.found(&strict()).iter().all(|code| code.starts_with("SIGNER_NOT_PINNED")));
}

#[test]
fn steps_that_are_dropped_or_swapped_are_found() {
    let steps = three();
    let place = pack(&steps, true);
    let gone = ["steps/records/step-8.json", "steps/verdicts/step-8.json", &steps[1].stored()];
    for path in gone {
        fs::remove_file(place.at(path)).unwrap();
    }
    let found = place.found(&strict());
    assert_eq!(found.iter().filter(|code| code.starts_with("FILE_MISSING")).count(), 3, "{found:?}");
    let mut statement = place.statement();
    statement.artifacts.retain(|artifact| !gone.contains(&artifact.path.as_str()));
    place.reseal_as(&alice(), statement);
    let found = place.found(&strict());
    assert!(found.contains(&"STEP_NOT_REDERIVED steps/steps.json".to_owned()), "{found:?}");

    let place = pack(&steps, true);
    let [one, other] = ["steps/records/step-7.json", "steps/records/step-9.json"];
    let bytes = place.bytes(one);
    place.put(one, place.bytes(other));
    place.put(other, bytes);
    place.reseal(&alice());
    let found = place.found(&strict());
    for step in [7, 9] {
        let wanted = format!("STEP_NOT_REDERIVED steps/verdicts/step-{step}.json");
        assert!(found.contains(&wanted), "{found:?}");
    }
    // A pack made anew without the step is sound, and says how few neighbours it shows.
    let fewer = pack(&[steps[0].clone(), steps[2].clone()], true);
    assert!(fewer.check(&strict()).proof_grade);
    let of = |place: &Place| document(place, "steps/steps.json")["runs"][0]["neighbours"].clone();
    assert_eq!((of(&fewer), of(&pack(&steps, true))), (json!(0), json!(2)));
}

/// The second of three steps with another learning rate in its record.
fn wrong() -> Vec<Step> {
    let mut steps = three();
    steps[1].record["optimizer"]["groups"][0]["lr"] = json!(2e-3);
    steps
}

#[test]
fn a_verdict_that_says_otherwise_is_found_where_the_tensors_are() {
    let verdict = "steps/verdicts/step-8.json";
    let forge = |place: &Place, edit: fn(&mut Value)| {
        let mut told = document(place, verdict);
        edit(&mut told);
        place.put(verdict, serde_json_canonicalizer::to_vec(&told).unwrap());
        place.reseal(&alice());
    };
    let accepted = |told: &mut Value| {
        told["verdict"] = json!("accepted");
        for row in told["rules"].as_array_mut().unwrap() {
            if row["state"] == "broken" {
                row["state"] = json!("holds");
                row["broken"] = json!(0);
            }
        }
    };
    let inside = pack(&wrong(), true);
    assert_eq!(document(&inside, verdict)["verdict"], "rejected");
    assert_eq!(inside.check(&lax()).verdict, Some(Outcome::Fail));
    let demanding = Options { allow_fail_verdict: false, ..strict() };
    assert_eq!(inside.found(&demanding), ["VERDICT_NOT_PASS ."]);
    forge(&inside, accepted);
    assert!(inside.found(&strict()).contains(&format!("STEP_NOT_REDERIVED {verdict}")));

    let outside = pack(&wrong(), false);
    forge(&outside, accepted);
    // Without the tensors the forged word is a word, and no strict check takes it.
    let found = outside.found(&strict());
    assert!(found.contains(&"STEP_PAYLOAD_ABSENT steps/records/step-8.json".to_owned()), "{found:?}");
    assert!(outside.found(&with_given(&outside)).contains(&format!("STEP_NOT_REDERIVED {verdict}")));

    let unsound: [fn(&mut Value); 4] = [
        |told| told["verdict"] = json!("rejected"),
        |told| told["leaves"][0]["sha256"] = json!(Digest::of(b"another")),
        |told| told["step"] = json!(9),
        |told| told["more"] = json!(true),
    ];
    for edit in unsound {
        let place = pack(&three(), false);
        forge(&place, edit);
        let found = place.found(&lax());
        assert!(found.contains(&"STEP_UNSOUND steps/records/step-8.json".to_owned()), "{found:?}");
    }
}

#[test]
fn a_payload_that_no_record_names_is_unaccounted_for() {
    let place = pack(&three(), true);
    let path = format!("steps/payloads/{}.safetensors", Digest::of(b"more"));
    place.put(&path, b"more");
    let mut statement = place.statement();
    let mut artifact = statement
        .artifacts
        .iter()
        .find(|artifact| artifact.path.as_str().contains("payloads"))
        .unwrap()
        .clone();
    (artifact.path, artifact.size_bytes, artifact.sha256) = (path.parse().unwrap(), 4, Digest::of(b"more"));
    statement.artifacts.push(artifact);
    place.reseal_as(&alice(), statement);
    assert!(place.found(&strict()).contains(&format!("FILE_UNACCOUNTED {path}")));
}

#[test]
fn what_links_steps_is_derived_also_from_the_leaves_of_a_recorded_verdict() {
    let mut steps = three();
    let mut draw = Draw(22);
    let other = adam(&mut draw, 150, ADAMW, 8, [0; 3], f32_as_it_is);
    steps[1] = Step::of(8, &other);
    for inside in [true, false] {
        let place = pack(&steps, inside);
        let result = place.check(&lax());
        assert_eq!(result.verdict, Some(Outcome::Fail), "{:?}", packs::broken(&result));
        let told = document(&place, "steps/steps.json");
        let links = told["runs"][0]["steps"][1]["links"].as_array().unwrap();
        let broken: Vec<&str> = links
            .iter()
            .filter(|row| row["state"] == "broken")
            .map(|row| row["code"].as_str().unwrap())
            .collect();
        assert_eq!(broken, ["CHAIN-P", "CHAIN-M", "CHAIN-V"]);
        // By itself the step holds.
        assert_eq!(document(&place, "steps/verdicts/step-8.json")["verdict"], "accepted");
    }
}

#[test]
fn documents_keep_their_contracts_and_pages_say_what_was_seen() {
    let place = pack(&three(), true);
    let mut contracts = 0;
    for (path, schema) in [
        ("steps/steps.json", Schema::Steps),
        ("steps/verdicts/step-7.json", Schema::Step),
        ("results/final_verdict.json", Schema::FinalVerdict),
    ] {
        let mut told = document(&place, path);
        assert_eq!(schema::validate(schema, &told), Ok(()), "{path}");
        told["more"] = Value::Null;
        assert!(schema::validate(schema, &told).is_err(), "{path}");
        contracts += 1;
    }
    assert_eq!(contracts, 3);
    let report = String::from_utf8(place.bytes("report.html")).unwrap();
    for said in [
        "Sampled optimizer steps of own",
        "3 steps of a number that is not stated are revealed",
        "What could show, by step",
        "Not that batches were not chosen, reordered or poisoned.",
        "in the pack",
    ] {
        assert!(report.contains(said), "{said}");
    }
    let annex = document(&place, "annex/annex-iv.json");
    let cites = |id: &str| {
        let facets = annex["entries"].as_array().unwrap().iter().flat_map(|entry| {
            entry["facets"].as_array().unwrap().iter().filter(|facet| facet["id"] == id).cloned()
        });
        let evidence: Vec<Value> =
            facets.flat_map(|facet| facet["evidence"].as_array().unwrap().clone()).collect();
        evidence.iter().filter(|row| row["kind"] == "tensor_step").count()
    };
    assert_eq!((cites("IV.2.a#steps_training"), cites("IV.2.c#compute_train")), (3, 0));
    assert_eq!(annex["verdict"]["steps_checked"], 3);
    assert_eq!(annex["verdict"]["steps_total"], Value::Null);
    let evaluated = annex["verdict"]["rules_evaluated"].as_array().unwrap();
    assert!(evaluated.contains(&json!("STEP-P")) && !evaluated.contains(&json!("STEP-BITS")));
}

/// What a command says on standard output, and its status.
fn bp(home: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bp"))
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), text)
}

#[test]
fn the_commands_say_what_their_contract_says() {
    let home = tempfile::tempdir().unwrap();
    written(&home.path().join("steps"), &three());
    let commits = {
        let genesis = Digest::of(&[&b"tensor-step.v1 chain\n"[..], b"own"].concat());
        let root = Digest::of(b"root");
        let chain = Digest::of(&[genesis.as_bytes(), root.as_bytes(), &1_u64.to_be_bytes()[..]].concat());
        format!(
            "{}\n{}\n",
            json!({ "format": "tensor-step-commits.v1", "run": "own", "tensors": ["w"] }),
            json!({ "step": 1, "root": root, "chain": chain })
        )
    };
    fs::write(home.path().join("commits.jsonl"), commits).unwrap();
    let challenge = [
        "step",
        "challenge",
        "--commits",
        "commits.jsonl",
        "--beacon",
        "5eed",
        "--steps",
        "1",
        "--tensors",
        "1",
    ];
    for arguments in [
        &["step", "verify", "steps/step-8.json", "--prev", "steps/step-7.json"][..],
        &["step", "chain", "steps"],
        &["step", "digest", "steps/step-8.safetensors"],
        &challenge,
    ] {
        let (status, said, text) = bp(home.path(), &[&["--json"], arguments].concat());
        assert_eq!(status, 0, "{arguments:?}: {text}");
        assert_eq!(schema::validate(Schema::StepSaid, &said), Ok(()), "{arguments:?}");
    }
    let (status, said, _) = bp(home.path(), &["--json", "step", "verify", "steps/none.json"]);
    assert_eq!((status, schema::validate(Schema::Error, &said)), (2, Ok(())));
}

#[test]
fn a_pack_is_run_and_verified_with_tensors_in_it_and_beside_it() {
    let home = tempfile::tempdir().unwrap();
    written(&home.path().join("steps"), &three());
    let run = |more: &[&str]| bp(home.path(), &[&["pack", "run", "--steps", "steps"], more].concat());
    let verify = |more: &[&str]| bp(home.path(), &[&["pack", "verify", "--strict"], more].concat()).0;
    assert_eq!(run(&["--name", "in"]).0, 0);
    assert_eq!(verify(&["packs/in"]), 0);
    assert_eq!(run(&["--name", "out", "--payload-limit", "0"]).0, 0);
    assert_eq!(verify(&["packs/out"]), 2);
    assert_eq!(verify(&["packs/out", "--payload-dir", "steps"]), 0);
    assert_eq!(bp(home.path(), &["pack", "archive", "packs/in", "--unsigned"]).0, 0);
    assert_eq!(verify(&["packs/in.tar.gz"]), 0);
    let extract = ["pack", "extract", "--strict", "packs/in.tar.gz", "packs/again"];
    assert_eq!(bp(home.path(), &extract).0, 0);
    // A record whose payload is not there is refused, and nothing is left behind.
    let payload: PathBuf = home.path().join("steps/step-8.safetensors");
    fs::remove_file(payload).unwrap();
    let (status, _, text) = run(&["--name", "short"]);
    assert!(status == 2 && text.contains("step-8.safetensors"), "{status} {text}");
    assert!(!home.path().join("packs/short").exists());
    fs::copy(home.path().join("steps/step-7.json"), home.path().join("steps/twin.json")).unwrap();
    let (status, _, text) = run(&["--name", "twice"]);
    assert!(status == 2 && text.contains("are both step 7"), "{status} {text}");
}
