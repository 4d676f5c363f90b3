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

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::digest::Digest;
use bp::handle::At;
use bp::pack::build::GivenStep;
use bp::pack::result::How;
use bp::pack::{Demands, Evidence, Options, Stage, Stem};
use bp::report::Outcome;
use bp::schema::{self, Schema};
use bp::step::call::Call;
use bp::step::commit::{self, Commits};
use bp::step::{Options as StepOptions, Record};
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
    published(steps, inside, None)
}

/// The same with what was published of the run.
fn published(steps: &[Step], inside: bool, said: Option<(&str, Option<&Call>)>) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let given = scratch.path().join("given");
    written(&given, steps);
    let stage = Stage::open(scratch.path()).unwrap();
    let mut evidence = Evidence::default();
    if let Some((commits, call)) = said {
        stage.published(&mut evidence, commits.as_bytes(), call).unwrap();
    }
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

/// Two steps of five parameters each.
fn wide() -> Vec<Step> {
    let mut draw = Draw(23);
    let step = |number: u64, draw: &mut Draw| {
        let params: Vec<Param> = (0..5)
            .map(|index| {
                let mut param =
                    adam(draw, 40 + 30 * index, ADAMW, number, [index as u64, 0, 0], f32_as_it_is);
                param.name = format!("layer.{index}.weight");
                param
            })
            .collect();
        let mut record = record(&ADAMW.document(), &arith("bounded"), number, &params);
        record["payload"]["file"] = json!(format!("step-{number}.safetensors"));
        Step { record, payload: payload(&params) }
    };
    [7, 20].map(|number| step(number, &mut draw)).into()
}

/// What follows `head` up to `end`, everywhere in a text.
fn between<'a>(text: &'a str, head: &str, end: &str) -> Vec<&'a str> {
    text.split(head).skip(1).filter_map(|rest| rest.split_once(end)).map(|(inside, _)| inside).collect()
}

#[test]
fn the_chart_of_gaps_over_bounds_has_the_figures_of_the_verdicts() {
    let place = pack(&wide(), true);
    let mut largest: BTreeMap<String, [f64; 5]> = BTreeMap::new();
    for step in [7, 20] {
        let verdict = document(&place, &format!("steps/verdicts/step-{step}.json"));
        for (tensor, row) in verdict["tensors"].as_array().unwrap().iter().enumerate() {
            for (code, ratio) in row["gap_over_bound"].as_object().unwrap() {
                let of = &mut largest.entry(code.clone()).or_insert([0.0; 5])[tensor];
                *of = of.max(ratio["max"].as_f64().unwrap());
            }
        }
    }
    assert_eq!(largest.keys().collect::<Vec<_>>(), ["STEP-M", "STEP-P", "STEP-V"]);
    let report = String::from_utf8(place.bytes("report.html")).unwrap();
    let figure = between(&report, "<h3>Gap over bound by tensor</h3>", "</figure>")[0];
    for (code, ratios) in &largest {
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = ratios.iter().copied().fold(0.0, f64::max);
        let said = format!(
            "{code}: first {:.6}, last {:.6}, least {least:.6}, greatest {greatest:.6}.",
            ratios[0], ratios[4]
        );
        assert!(figure.contains(&said), "{said}: {figure}");
    }
    // The first line is drawn through; its places are those of its figures, along one scale.
    let line = between(figure, "<polyline", "/>").into_iter().map(|line| between(line, "points=\"", "\"")[0]);
    let places: Vec<Vec<f64>> = line
        .map(|points| {
            let places = points.split_whitespace().map(|place| place.split_once(',').unwrap().1);
            places.map(|y| y.parse().unwrap()).collect()
        })
        .collect();
    let ratios = largest["STEP-M"];
    let drawn = places.iter().find(|places| places.len() == 5).expect("a line through five tensors");
    let by = |of: fn(f64, f64) -> bool| {
        (0..5).reduce(|a, b| if of(ratios[a], ratios[b]) { a } else { b }).expect("there are five")
    };
    let (low, high) = (by(|a, b| a < b), by(|a, b| a > b));
    let scale = (drawn[high] - drawn[low]) / (ratios[high] - ratios[low]);
    assert!(scale < 0.0, "what is larger is drawn higher");
    for (tensor, ratio) in ratios.iter().enumerate() {
        let at = drawn[low] + scale * (ratio - ratios[low]);
        assert!((drawn[tensor] - at).abs() <= 2.0, "tensor {tensor}: {drawn:?} {ratios:?}");
    }
    // The table has the largest of all.
    let greatest = |step: &str| {
        let verdict = document(&place, &format!("steps/verdicts/step-{step}.json"));
        let rows = verdict["tensors"].as_array().unwrap().clone();
        let ratios = rows.iter().flat_map(|row| row["gap_over_bound"].as_object().unwrap().values().cloned());
        ratios.map(|ratio| ratio["max"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    for step in ["7", "20"] {
        assert!(report.contains(&format!("<td class=\"number\">{:.4}</td>", greatest(step))), "{step}");
    }
}

/// Six steps of a run, and the commitments to them.
fn committed() -> (Vec<Step>, String) {
    let mut draw = Draw(24);
    let mut params = vec![adam(&mut draw, 90, ADAMW, 1, [0; 3], f32_as_it_is)];
    for t in 2..7 {
        let g: Vec<f32> = (0..90).map(|_| draw.value(1e-2)).collect();
        let [p, m, v] = ["p1", "m1", "v1"].map(|role| params.last().unwrap().of(role).to_vec());
        params.push(adam_from([p, g, m, v], ADAMW, t, [0; 3], f32_as_it_is));
    }
    let steps: Vec<Step> = (1..).zip(&params).map(|(step, param)| Step::of(step, param)).collect();
    let head = json!({ "format": "tensor-step-commits.v1", "run": "own", "tensors": ["w"] });
    let mut text = format!("{head}\n");
    let mut chain = Digest::of(format!("tensor-step.v1 chain\n{head}").as_bytes());
    for step in &steps {
        let record = Record::parse(step.record.to_string().as_bytes()).unwrap();
        let report = bp::step::judge(&record, step.payload.as_slice(), &StepOptions::default()).unwrap();
        let root = commit::root(&record, &report.leaves);
        let number = step.number();
        chain = Digest::of(&[chain.as_bytes(), root.as_bytes(), &number.to_be_bytes()[..]].concat());
        text.push_str(&json!({ "step": number, "root": root, "chain": chain }).to_string());
        text.push('\n');
    }
    (steps, text)
}

fn call(beacon: &str) -> Call {
    Call { beacon: beacon.parse().unwrap(), steps: 3, tensors: 1 }
}

/// The numbers of the steps that a beacon asks for.
fn asked(commits: &str, beacon: &str) -> Vec<u64> {
    let call = call(beacon);
    let commits = Commits::parse(commits.as_bytes()).unwrap();
    let challenge = commits.challenge(call.beacon.as_bytes(), call.steps, call.tensors);
    challenge.steps.iter().map(|asked| asked.step).collect()
}

/// The steps of these numbers.
fn of(steps: &[Step], numbers: &[u64]) -> Vec<Step> {
    steps.iter().filter(|step| numbers.contains(&step.number())).cloned().collect()
}

/// How each challenged step stands, for whoever checks.
fn standing(result: &bp::pack::VerifyResult) -> Vec<String> {
    let challenge = result.challenge.as_ref().expect("a challenge");
    challenge.steps.iter().map(|step| format!("{} {:?}", step.step, step.standing)).collect()
}

#[test]
fn what_a_beacon_asks_for_is_derived_again_and_said() {
    let (steps, commits) = committed();
    let numbers = asked(&commits, "5eed");
    assert!(numbers.len() < 6 && numbers.contains(&1) && numbers.contains(&6), "{numbers:?}");
    let call = call("5eed");
    let inside = published(&of(&steps, &numbers), true, Some((&commits, Some(&call))));
    let result = inside.check(&strict());
    assert_eq!(packs::broken(&result), Vec::<String>::new());
    assert!(result.proof_grade);
    let all = |word: &str| numbers.iter().map(|step| format!("{step} {word}")).collect::<Vec<_>>();
    assert_eq!(standing(&result), all("Recomputed"));
    let facts = result.challenge.as_ref().unwrap();
    assert_eq!((facts.committed, facts.revealed, facts.unasked.len()), (6, numbers.len() as u64, 0));
    assert!(
        result.not_checked.iter().any(|said| said.contains("beacon 5eed") && said.contains("maker's word"))
    );
    let told = serde_json::to_value(&result).unwrap();
    assert_eq!(schema::validate(Schema::PackVerify, &told), Ok(()));
    let text = bp::pack::text::render(&result);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("asks for {} of 6 steps of own", numbers.len())), "{text}");
    assert_eq!(schema::validate(Schema::Steps, &document(&inside, "steps/steps.json")), Ok(()));
    let report = String::from_utf8(inside.bytes("report.html")).unwrap();
    assert!(report.contains(&format!("{} steps of 6 are revealed", numbers.len())));
    // Each step was held against its commitment.
    let verdict = document(&inside, "steps/verdicts/step-1.json");
    let commit = verdict["rules"].as_array().unwrap().iter().find(|row| row["code"] == "COMMIT").unwrap();
    assert_eq!(commit["state"], "holds");

    let outside = published(&of(&steps, &numbers), false, Some((&commits, Some(&call))));
    let result = outside.check(&strict());
    assert_eq!(standing(&result), all("Recorded"));
    assert_eq!(result.exit_code(), 2);
    assert_eq!(standing(&outside.check(&with_given(&outside))), all("Recomputed"));
    // Commitments without a beacon ask for nothing, and say how many steps there were.
    let unasked = published(&steps[..2], true, Some((&commits, None)));
    let result = unasked.check(&strict());
    assert!(result.proof_grade && result.challenge.is_none());
    assert_eq!(document(&unasked, "steps/steps.json")["runs"][0]["committed"], 6);
}

#[test]
fn a_choice_of_steps_that_nobody_asked_for_is_found() {
    let (steps, commits) = committed();
    let (call, numbers) = (call("5eed"), asked(&commits, "5eed"));
    let left_out = *numbers.iter().find(|step| ![1, 6].contains(*step)).unwrap();
    let other = (1..7).find(|step| !numbers.contains(step)).unwrap();
    let chosen: Vec<u64> = numbers.iter().copied().filter(|step| *step != left_out).chain([other]).collect();
    let place = published(&of(&steps, &chosen), true, Some((&commits, Some(&call))));
    let result = place.check(&lax());
    assert_eq!((result.verdict, result.ok), (Some(Outcome::Fail), true));
    assert!(standing(&result).contains(&format!("{left_out} Missing")));
    assert_eq!(result.challenge.as_ref().unwrap().unasked, [other]);
    let demanding = Options { allow_fail_verdict: false, ..strict() };
    assert_eq!(place.found(&demanding), ["VERDICT_NOT_PASS ."]);
    let told = document(&place, "steps/steps.json");
    let rule = &told["runs"][0]["challenge"]["rule"];
    assert_eq!(
        (&rule["code"], &rule["state"], &rule["broken"]),
        (&json!("CHALLENGE"), &json!("broken"), &json!(1))
    );
    let verdict = document(&place, "results/final_verdict.json");
    assert_eq!(schema::validate(Schema::FinalVerdict, &verdict), Ok(()));
    assert_eq!(verdict["unanswered"], 1);
    let said = String::from_utf8(place.bytes("results/final_verdict.txt")).unwrap();
    assert!(said.contains("1 step that the beacon asks for is not shown, or not whole"), "{said}");

    // What says that the choice was the one asked for is found, under any seal.
    let forge = |edit: fn(&mut Value, u64, u64)| {
        let place = published(&of(&steps, &chosen), true, Some((&commits, Some(&call))));
        let mut told = document(&place, "steps/steps.json");
        edit(&mut told["runs"][0]["challenge"], left_out, other);
        place.put("steps/steps.json", serde_json_canonicalizer::to_vec(&told).unwrap());
        place.reseal(&alice());
        assert!(place.found(&strict()).contains(&"STEP_NOT_REDERIVED steps/steps.json".to_owned()));
    };
    forge(|challenge, left_out, other| {
        for asked in challenge["asked"].as_array_mut().unwrap() {
            if asked["step"] == left_out {
                asked["step"] = json!(other);
                asked["shown"] = json!(true);
            }
        }
        challenge["unasked"] = json!([]);
    });
    forge(|challenge, _, _| challenge["rule"]["state"] = json!("holds"));
    // The challenge taken out of the pack, or another one put in: what follows is another, and none of it is sealed so.
    let other = Call { steps: 1, ..call.clone() };
    for (call, name) in [(None, "no challenge"), (Some(&other), "a smaller one")] {
        let forged = published(&of(&steps, &chosen), true, Some((&commits, call)));
        let place = published(&of(&steps, &chosen), true, Some((&commits, Some(&self::call("5eed")))));
        place.put("steps/steps.json", forged.bytes("steps/steps.json"));
        place.reseal(&alice());
        assert!(place.found(&strict()).contains(&"STEP_NOT_REDERIVED steps/steps.json".to_owned()), "{name}");
    }
    // A run of which nothing is shown answers nothing.
    let place = published(&[], true, Some((&commits, Some(&call))));
    assert_eq!(place.check(&lax()).verdict, Some(Outcome::Fail));
}

#[test]
fn a_step_that_was_not_committed_to_is_found() {
    let (steps, commits) = committed();
    let (call, numbers) = (call("5eed"), asked(&commits, "5eed"));
    let at = numbers.iter().position(|step| ![1, 6].contains(step)).unwrap();
    let number = numbers[at];
    // Sound by itself, and made after the beacon was known.
    let made = adam(&mut Draw(25), 90, ADAMW, number, [0; 3], f32_as_it_is);
    let mut shown = of(&steps, &numbers);
    shown[at] = Step::of(number, &made);
    for inside in [true, false] {
        let place = published(&shown, inside, Some((&commits, Some(&call))));
        let verdict = format!("steps/verdicts/step-{number}.json");
        let told = document(&place, &verdict);
        let broken = told["rules"].as_array().unwrap().iter().filter(|row| row["state"] == "broken");
        assert_eq!(broken.map(|row| row["code"].clone()).collect::<Vec<_>>(), ["COMMIT"]);
        assert_eq!(place.check(&lax()).verdict, Some(Outcome::Fail));
        // Whoever has no tensors still holds it against the commitment, by its leaves.
        let mut forged = told;
        forged["verdict"] = json!("accepted");
        for row in forged["rules"].as_array_mut().unwrap() {
            if row["code"] == "COMMIT" {
                (row["state"], row["broken"], row["note"]) = (json!("holds"), json!(0), Value::Null);
            }
        }
        place.put(&verdict, serde_json_canonicalizer::to_vec(&forged).unwrap());
        place.reseal(&alice());
        let wanted = if inside {
            format!("STEP_NOT_REDERIVED {verdict}")
        } else {
            format!("STEP_UNSOUND steps/records/step-{number}.json")
        };
        let found = place.found(&lax());
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
}

#[test]
fn a_beacon_that_the_recipient_did_not_name_is_found() {
    let (steps, commits) = committed();
    let chain = Commits::parse(commits.as_bytes()).unwrap().last();
    // Ground until it asks for what the maker likes to show.
    let numbers = asked(&commits, "00ff");
    let place = published(&of(&steps, &numbers), true, Some((&commits, Some(&call("00ff")))));
    assert!(place.check(&strict()).proof_grade, "whoever knows no beacon cannot tell");
    let demanding = |beacon: Option<&str>, chain: Option<Digest>| {
        let beacon = beacon.map(|beacon| beacon.parse().unwrap());
        Options { demands: Demands { beacon, chain, ..strict().demands }, ..strict() }
    };
    assert_eq!(place.found(&demanding(Some("00FF"), Some(chain))), Vec::<String>::new());
    let found = "CHALLENGE_NOT_EXPECTED steps/challenge.json";
    assert_eq!(place.found(&demanding(Some("5eed"), None)), [found]);
    assert_eq!(place.found(&demanding(None, Some(Digest::of(b"another")))), [found]);
    let drawing = |steps, tensors| {
        let (challenge_steps, challenge_tensors) = (Some(steps), Some(tensors));
        Options { demands: Demands { challenge_steps, challenge_tensors, ..strict().demands }, ..strict() }
    };
    assert_eq!(place.found(&drawing(3, 1)), Vec::<String>::new());
    assert_eq!(place.found(&drawing(4, 1)), [found]);
    assert_eq!(place.found(&drawing(3, 2)), [found]);
    // Without a challenge there is none that could be the one that was named.
    let place = published(&steps[..2], true, Some((&commits, None)));
    assert_eq!(place.found(&demanding(None, Some(chain))), [found]);
    assert_eq!(pack(&three(), true).found(&demanding(Some("5eed"), None)), [found]);
}

#[test]
fn what_was_published_is_sound_or_found() {
    let (steps, commits) = committed();
    let (call, numbers) = (call("5eed"), asked(&commits, "5eed"));
    let shown = of(&steps, &numbers);
    let without_a_line: String = commits
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 3)
        .fold(String::new(), |text, (_, line)| text + line + "\n");
    for (path, bytes) in [
        ("steps/commits.jsonl", without_a_line.as_bytes()),
        ("steps/commits.jsonl", b"{}\n"),
        ("steps/challenge.json", b"{}"),
    ] {
        let place = published(&shown, true, Some((&commits, Some(&call))));
        place.put(path, bytes);
        place.reseal(&alice());
        let found = place.found(&strict());
        assert!(found.contains(&format!("STEP_UNSOUND {path}")), "{found:?}");
    }
    // Commitments that are shorter are sound: the end is what must have been published.
    let shorter: String = commits.lines().take(4).fold(String::new(), |text, line| text + line + "\n");
    let place = published(&shown, true, Some((&commits, Some(&call))));
    place.put("steps/commits.jsonl", &shorter);
    place.reseal(&alice());
    assert!(place.found(&strict()).contains(&"STEP_NOT_REDERIVED steps/steps.json".to_owned()));
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
        let head = json!({ "format": "tensor-step-commits.v1", "run": "own", "tensors": ["w"] });
        let genesis = Digest::of(format!("tensor-step.v1 chain\n{head}").as_bytes());
        let root = Digest::of(b"root");
        let chain = Digest::of(&[genesis.as_bytes(), root.as_bytes(), &1_u64.to_be_bytes()[..]].concat());
        format!("{head}\n{}\n", json!({ "step": 1, "root": root, "chain": chain }))
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
fn a_pack_answers_a_beacon_on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let (steps, commits) = committed();
    let numbers = asked(&commits, "5eed");
    written(&home.path().join("asked"), &of(&steps, &numbers));
    written(&home.path().join("first"), &steps[..2]);
    fs::write(home.path().join("commits.jsonl"), &commits).unwrap();
    let run = |more: &[&str]| bp(home.path(), &[&["--json", "pack", "run"], more].concat());
    let challenged = ["--commits", "commits.jsonl", "--beacon", "5EED", "--challenge-steps", "3"];
    let (status, said, text) = run(&[&["--steps", "asked", "--name", "asked"], &challenged[..]].concat());
    assert_eq!((status, &said["verdict"]), (0, &json!("PASS")), "{text}");
    let verify = |name: &str| bp(home.path(), &["--json", "pack", "verify", "--strict", name]);
    let (status, said, text) = verify("packs/asked");
    assert_eq!(status, 0, "{text}");
    let chain = said["challenge"]["chain"].as_str().unwrap();
    for (beacon, expected) in [("5eed", 0), ("5eee", 1)] {
        let named = ["--expect-beacon", beacon, "--expect-chain", chain];
        let verify = [&["pack", "verify", "--strict", "packs/asked"], &named[..]].concat();
        assert_eq!(bp(home.path(), &verify).0, expected, "{beacon}");
    }
    let found: Vec<u64> = said["challenge"]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["standing"] == "recomputed")
        .map(|step| step["step"].as_u64().unwrap())
        .collect();
    assert_eq!(found, numbers);
    let (status, said, _) = run(&[&["--steps", "first", "--name", "first"], &challenged[..]].concat());
    assert_eq!((status, &said["verdict"]), (1, &json!("FAIL")));
    let (status, said, _) = verify("packs/first");
    assert_eq!((status, &said["findings"][0]["code"]), (1, &json!("VERDICT_NOT_PASS")));
    for (arguments, reason) in [
        (&["--steps", "asked", "--beacon", "5eed", "--challenge-steps", "3"][..], "--commits FILE"),
        (&["--steps", "asked", "--commits", "commits.jsonl", "--beacon", "5eed"], "--challenge-steps N"),
        (&["asked", "--commits", "commits.jsonl"], "--steps DIR"),
    ] {
        let (status, said, _) = run(arguments);
        let message = said["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(status == 3 && message.contains(reason), "{status} {said}");
    }
    fs::write(home.path().join("commits.jsonl"), b"{}").unwrap();
    assert_eq!(run(&[&["--steps", "asked", "--name", "unsound"], &challenged[..]].concat()).0, 2);
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
