//! Contracts: those that stand, and for each law the change that breaks it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "names of this repository")]

mod packs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bp::contract::diff::{Bump, diff, proposed};
use bp::contract::document::{Binding, Reference};
use bp::contract::evidence::Record;
use bp::contract::law::{self, Effect};
use bp::contract::{
    Document, Ended, Facts, Finding, Level, Lock, Replay, Replayed, Tests, carried, embedded, judge,
};
use bp::pack::law::LAWS;
use bp::reconcile::rules::RULES;
use bp::schema::{self, Schema};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Everything measured as it has to be: the tests of the sources passed, and replays ended as promised.
#[derive(Clone)]
struct World {
    files: BTreeMap<String, Vec<u8>>,
    tests: Tests,
    replayed: BTreeMap<Replay, Replayed>,
    history: BTreeSet<String>,
    promised: BTreeSet<String>,
}

/// Whether a source has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let declared = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[at.saturating_sub(6)..at].iter().rev();
        line.trim_start().starts_with(&declared)
            && above.take_while(|line| !line.trim().is_empty()).any(|line| line.trim() == "#[test]")
    })
}

/// The source of a test: of a target of its own, or of the module that its path names.
fn source(target: &str, path: &str) -> String {
    let file = if let Some(("test", name)) = target.split_once(':') {
        root().join(format!("tests/{name}.rs"))
    } else {
        let modules: Vec<_> = path.split("::").take_while(|part| *part != "tests").collect();
        root().join(format!("src/{}.rs", modules.join("/")))
    };
    fs::read_to_string(&file).unwrap_or_default()
}

impl World {
    fn of(documents: &[Document]) -> Self {
        let mut world = Self {
            files: BTreeMap::new(),
            tests: Tests::default(),
            replayed: BTreeMap::new(),
            history: BTreeSet::new(),
            promised: BTreeSet::new(),
        };
        let mut tests = BTreeSet::new();
        for document in documents {
            for reference in &document.contract.metadata.references {
                if let Reference::Path(path) = reference {
                    world.take(path);
                }
            }
            for falsifier in &document.contract.falsification_tests {
                tests.extend(falsifier.tests().cloned());
                for pinned in falsifier.functional_evidence.iter().chain(&falsifier.oracle_evidence) {
                    world.take(&pinned.path);
                    let record = Record::parse(&world.files[&pinned.path]).unwrap();
                    record.artifacts.iter().for_each(|artifact| world.take(&artifact.path));
                    world.history.insert(record.git_sha);
                }
            }
            for (_, replay) in document.replays() {
                if let Some(fixture) = &replay.fixture {
                    world.take(&fixture.path);
                }
                let codes = replay.expect_code.iter().cloned().collect();
                world.replayed.insert(replay.clone(), Replayed { exit: replay.expect_exit.into(), codes });
            }
        }
        for test in tests {
            let name = test.path.rsplit("::").next().unwrap().to_owned();
            if has_test(&source(&test.target, &test.path), &name) {
                world.tests.note(test, Ended::Passed);
            }
        }
        let rules = RULES.iter().map(|rule| format!("rule:{}", rule.id));
        let laws = LAWS.iter().map(|law| format!("law:{}", law.code));
        let formats = schema::embedded().map(|(path, _)| path).filter(|path| path.starts_with("contracts/"));
        world.promised = rules.chain(laws).chain(formats.map(|path| format!("format:{path}"))).collect();
        world
    }

    fn take(&mut self, path: &str) {
        if let Ok(bytes) = fs::read(root().join(path)) {
            self.files.insert(path.to_owned(), bytes);
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            files: &self.files,
            tests: Some(&self.tests),
            replayed: Some(&self.replayed),
            history: Some(&self.history),
            promised: &self.promised,
        }
    }
}

fn standing() -> Vec<Document> {
    embedded::documents().to_vec()
}

fn codes(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|finding| finding.law.code).collect()
}

#[test]
fn contracts_as_they_stand_keep_every_law() {
    let documents = standing();
    let world = World::of(&documents);
    let judged = judge(&documents, &world.facts());
    assert!(judged.findings.is_empty(), "\n{}", serde_json::to_string_pretty(&judged.findings).unwrap());
    assert!(judged.rows.iter().all(|row| row.derived == Some(row.falsifier.level)));
    let at = |level| judged.rows.iter().filter(|row| row.derived == Some(level)).count();
    assert!(Level::ALL.into_iter().all(|level| at(level) > 0), "every level is in use");
}

#[test]
fn ledger_seal_receipts_and_rules_are_discharged_against_programs_that_are_not_ours() {
    let oracles = [
        ("pack-ledger-v1", "sha256sum"),
        ("pack-seal-v1", "openssl"),
        ("receipt-v0.8", "@mcptoolshop/backprop-trace"),
        ("reconcile-rules-v1", "@mcptoolshop/backprop-trace"),
    ];
    for (id, oracle) in oracles {
        let documents = standing();
        let document = documents.iter().find(|document| document.stem == id).unwrap();
        for falsifier in &document.contract.falsification_tests {
            assert_eq!(falsifier.level, Level::Discharged, "{}", falsifier.id);
            for pinned in &falsifier.oracle_evidence {
                let record = Record::parse(&fs::read(root().join(&pinned.path)).unwrap()).unwrap();
                assert_eq!(record.oracle.as_ref().unwrap().name, oracle);
                assert_eq!(record.agrees(), Ok(()));
            }
        }
    }
}

#[test]
fn every_contract_and_every_fixture_is_carried_and_is_what_lies_in_the_tree() {
    let mut lying = BTreeSet::new();
    for entry in root().join("contracts").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && !name.ends_with(".schema.json") && name != "contracts.lock.json" {
            lying.insert(format!("contracts/{name}"));
        }
    }
    let held: BTreeSet<_> = embedded::CONTRACTS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(lying, held);
    let documents = standing();
    let named: BTreeSet<&str> = documents
        .iter()
        .flat_map(Document::replays)
        .filter_map(|(_, replay)| replay.fixture.as_ref().map(|fixture| fixture.path.as_str()))
        .collect();
    let held: BTreeSet<&str> = embedded::FIXTURES.iter().map(|(path, _)| *path).collect();
    assert_eq!(named, held);
}

#[test]
fn nothing_measured_is_no_level() {
    let documents = standing();
    let world = World::of(&documents);
    let nothing = Facts { tests: None, replayed: None, history: None, ..world.facts() };
    let judged = judge(&documents, &nothing);
    for row in &judged.rows {
        let wanted = row.falsifier.bindings.is_empty().then_some(Level::Proposed);
        assert_eq!(row.derived, wanted, "{}", row.falsifier.id);
    }
    // Without replays, or without a history where there is evidence, nothing follows either.
    for facts in [Facts { replayed: None, ..world.facts() }, Facts { history: None, ..world.facts() }] {
        let judged = judge(&documents, &facts);
        let ledger = judged.rows.iter().find(|row| row.falsifier.id == "FALSIFY-BP-LEDGER-001").unwrap();
        assert_eq!(ledger.derived, None);
    }
}

#[test]
fn what_is_no_contract_is_refused_with_its_place() {
    let text = String::from_utf8(embedded::CONTRACTS[0].1.to_vec()).unwrap();
    let refused = |text: &str| Document::read("x", text.as_bytes()).unwrap_err();
    let told = |findings: Vec<Finding>| {
        findings.iter().map(|finding| (finding.law.code, finding.message.clone())).collect::<Vec<_>>()
    };
    let unknown = text.replacen("\"qa_gate\"", "\"proven\": true, \"qa_gate\"", 1);
    assert_eq!(told(refused(&unknown)), [("BPC-001", "/proven: unknown property \"proven\"".to_owned())]);
    let status = text.replacen("\"PROPOSED\"", "\"BANANA\"", 1);
    let found = told(refused(&status));
    assert!(found[0].1.starts_with("/metadata/status: \"BANANA\" is not one of"), "{found:?}");
    let twice = text.replacen("\"metadata\"", "\"qa_gate\": {}, \"metadata\"", 1);
    let found = told(refused(&twice));
    assert!(found[0].0 == "BPC-003" && found[0].1.contains("repeated key"), "{found:?}");
    assert_eq!(refused("[").len(), 1);
}

/// One contract as JSON, to be changed.
fn change(document: &Document, edit: impl FnOnce(&mut Value)) -> Result<Document, Vec<Finding>> {
    let mut value = document.value.clone();
    edit(&mut value);
    Document::of(&document.stem, value)
}

/// What the laws say of the set in which one contract was changed.
fn judged(
    documents: &[Document],
    at: usize,
    world: &World,
    edit: impl FnOnce(&mut Value),
) -> BTreeSet<&'static str> {
    let mut documents = documents.to_vec();
    match change(&documents[at], edit) {
        Ok(changed) => documents[at] = changed,
        Err(findings) => return codes(&findings),
    }
    codes(&judge(&documents, &world.facts()).findings)
}

const FALSIFIER: &str = "/falsification_tests/0";

fn member<'a>(value: &'a mut Value, at: &str) -> &'a mut Value {
    value.pointer_mut(at).unwrap()
}

/// A change of the contract, and what it breaks.
type Mutation = (&'static str, fn(&mut Value));

const MUTATIONS: &[Mutation] = &[
    ("BPC-001", |value| value["metadata"]["proven"] = json!(true)),
    ("BPC-001", |value| value["metadata"]["status"] = json!("BANANA")),
    ("BPC-001", |value| value["falsification_tests"] = json!([])),
    ("BPC-002", |value| value["metadata"]["id"] = json!("another-name-v1")),
    ("BPC-004", |value| value["metadata"]["version"] = json!("first")),
    ("BPC-004", |value| value["metadata"]["version"] = json!("0.9.9")),
    ("BPC-005", |value| {
        let references = value["metadata"]["references"].as_array_mut().unwrap();
        references.push(json!({ "path": "src/nothing-there.rs" }));
    }),
    ("BPC-006", |value| value["metadata"]["depends_on"] = json!(["nothing-there-v1"])),
    ("BPC-006", |value| value["metadata"]["depends_on"] = json!([value["metadata"]["id"]])),
    ("BPC-007", |value| value["proof_obligations"][0]["equation"] = json!("none")),
    ("BPC-007", |value| {
        let bound = member(value, "/falsification_tests/0/binds_to").as_array_mut().unwrap();
        bound.push(json!("NONE-001"));
    }),
    ("BPC-007", |value| {
        let mut more = member(value, "/proof_obligations/0").clone();
        more["id"] = json!("MORE-001");
        value["proof_obligations"].as_array_mut().unwrap().push(more);
    }),
    ("BPC-008", |value| value["falsification_tests"][0]["rule"] = json!("TBD: the rule")),
    ("BPC-008", |value| value["falsification_tests"][0]["if_fails"] = json!(" ")),
    ("BPC-009", |value| value["proof_obligations"][0]["applies_to"] = json!("not_applicable")),
    ("BPC-009", |value| value["proof_obligations"][0]["na_reason"] = json!("none")),
    ("BPC-015", |value| value["falsification_tests"][0]["test"] = json!("cargo test")),
    ("BPC-033", |value| {
        let covers = covered(value, "law:NONE");
        value["falsification_tests"][0]["covers"] = covers;
    }),
    ("BPC-034", |value| value["metadata"]["description"] = json!(["It is compl", "iant."].concat())),
];

fn covered(value: &Value, name: &str) -> Value {
    let mut covers = value.pointer(FALSIFIER).unwrap()["covers"].as_array().cloned().unwrap_or_default();
    covers.push(json!(name));
    Value::Array(covers)
}

/// Changes of a falsifier that has something to lose.
const BOUND_MUTATIONS: &[Mutation] = &[
    ("BPC-010", |value| {
        let falsifier = member(value, FALSIFIER).as_object_mut().unwrap();
        ["bindings", "test"].iter().for_each(|key| drop(falsifier.remove(*key)));
    }),
    ("BPC-011", |value| {
        let bindings = member(value, "/falsification_tests/0/bindings").as_array_mut().unwrap();
        let more =
            json!({ "kind": "cargo_test", "package": "bp", "target": "lib", "path": "no::such::test" });
        bindings.push(more);
    }),
    ("BPC-013", |value| {
        let bad = json!({
            "path": "fixtures/nothing-there", "sha256": "0".repeat(64), "args": ["validate", "{fixture}"],
            "expect_exit": 1, "expect_code": "SCHEMA_VIOLATION",
        });
        value["falsification_tests"][0]["bad_fixtures"] = json!([bad]);
    }),
    ("BPC-022", |value| {
        let pinned = json!([{ "path": "evidence/nothing-there.json", "sha256": "0".repeat(64) }]);
        value["falsification_tests"][0]["functional_evidence"] = pinned;
    }),
    ("BPC-024", |value| {
        let falsifier = member(value, FALSIFIER);
        falsifier["level"] = json!("DISCHARGED");
        falsifier["functional_evidence"] = functional();
        falsifier.as_object_mut().unwrap().remove("oracle_evidence");
    }),
    ("BPC-024", |value| {
        let falsifier = member(value, FALSIFIER);
        falsifier["level"] = json!("DISCHARGED");
        falsifier["functional_evidence"] = functional();
        falsifier["oracle_evidence"] = functional();
    }),
    ("BPC-020", |value| {
        let falsifier = member(value, FALSIFIER);
        falsifier["level"] = json!("DISCHARGED");
        falsifier.as_object_mut().unwrap().remove("functional_evidence");
    }),
    ("BPC-021", |value| {
        let falsifier = member(value, FALSIFIER);
        falsifier["level"] = json!("PROPOSED");
        falsifier["blocked_on"] = json!("a reason");
    }),
    ("BPC-030", |value| value["metadata"]["status"] = json!("ACTIVE")),
];

/// A record of a run in which no oracle was asked.
fn functional() -> Value {
    let documents = embedded::documents();
    let layout = documents.iter().find(|document| document.stem == "pack-layout-v1").unwrap();
    layout.value.pointer("/falsification_tests/0/functional_evidence").unwrap().clone()
}

#[test]
#[allow(clippy::too_many_lines, reason = "one change after the other, each with its code")]
fn each_law_is_broken_by_exactly_the_change_that_breaks_it() {
    let documents = standing();
    let mut shown = BTreeSet::new();
    let world = World::of(&documents);
    for (at, document) in documents.iter().enumerate() {
        let first = &document.contract.falsification_tests[0];
        for (code, edit) in MUTATIONS {
            assert_eq!(judged(&documents, at, &world, edit), BTreeSet::from([*code]), "{}", document.stem);
            shown.insert(*code);
        }
        // A key that stands twice is seen before there is a value.
        let repeated = document.value.to_string().replacen('{', "{\"qa_gate\":{},", 1);
        let found = Document::read(&document.stem, repeated.as_bytes()).unwrap_err();
        assert_eq!(codes(&found), BTreeSet::from(["BPC-003"]));
        // Another contract with a falsifier of this one.
        let other = (at + 1) % documents.len();
        let doubled = judged(&documents, other, &world, |value| {
            let id = value["falsification_tests"][0]["id"].as_str().unwrap().to_owned();
            value["falsification_tests"][0]["id"] = json!(first.id);
            for check in value["qa_gate"]["checks"].as_array_mut().unwrap() {
                if *check == json!(id) {
                    *check = json!(first.id);
                }
            }
        });
        assert_eq!(doubled, BTreeSet::from(["BPC-002"]), "{}", document.stem);
        let below = judged(&documents, at, &world, |value| {
            let falsifier = member(value, FALSIFIER);
            falsifier.as_object_mut().unwrap().remove("blocked_on");
            falsifier["required_level"] = json!("DISCHARGED");
            falsifier["level"] = json!("PROPOSED");
            for key in ["bindings", "test", "bad_fixtures", "functional_evidence", "oracle_evidence"] {
                falsifier.as_object_mut().unwrap().remove(key);
            }
        });
        assert_eq!(below, BTreeSet::from(["BPC-025"]), "{}", document.stem);
        shown.extend(["BPC-002", "BPC-003", "BPC-025"]);
        if first.bindings.is_empty() {
            continue;
        }
        for (code, edit) in BOUND_MUTATIONS {
            assert_eq!(
                judged(&documents, at, &world, edit),
                BTreeSet::from([*code]),
                "{} {code}",
                document.stem
            );
            shown.insert(*code);
        }
        let unchanged = |world: &World| judged(&documents, at, world, |_| {});
        let test = first.tests().next().unwrap().clone();
        // A test that is there twice, one that failed or was left out, one without a result.
        let with = |edit: &dyn Fn(&mut World)| {
            let mut world = world.clone();
            edit(&mut world);
            unchanged(&world)
        };
        assert_eq!(with(&|world| world.tests.note(test.clone(), Ended::Passed)), BTreeSet::from(["BPC-012"]));
        let inventory = |text: &str| {
            let mut world = world.clone();
            let mut tests = Tests::read(&listing(&documents), &listing_results(&documents, &test, text));
            std::mem::swap(&mut world.tests, &mut tests);
            unchanged(&world)
        };
        assert_eq!(inventory("ok"), BTreeSet::new());
        for end in ["FAILED", "ignored", "ignored, needs a network", "o", ""] {
            assert_eq!(inventory(end), BTreeSet::from(["BPC-014"]), "{} {end:?}", document.stem);
        }
        // A bad fixture that is taken, or rejected for another reason.
        if let Some(replay) = first.bad_fixtures.first() {
            let codes = BTreeSet::from(["OTHER".to_owned()]);
            for ended in [
                Replayed { exit: 0, codes: BTreeSet::new() },
                Replayed { exit: replay.expect_exit.into(), codes },
            ] {
                let found = with(&|world| drop(world.replayed.insert(replay.clone(), ended.clone())));
                assert_eq!(found, BTreeSet::from(["BPC-013"]), "{}", document.stem);
            }
        }
        if !first.functional_evidence.is_empty() {
            assert_eq!(
                with(&|world| world.history.clear()),
                BTreeSet::from(["BPC-023"]),
                "{}",
                document.stem
            );
            let record = Record::parse(&world.files[&first.functional_evidence[0].path]).unwrap();
            let artifact = record.artifacts[0].path.clone();
            let found = with(&|world| world.files.get_mut(&artifact).unwrap().push(b'x'));
            assert_eq!(found, BTreeSet::from(["BPC-022"]), "{}", document.stem);
            shown.insert("BPC-023");
        }
        shown.extend(["BPC-012", "BPC-014"]);
        let lock = Lock::of(&documents);
        for (code, edit) in LOCKED {
            assert_eq!(
                codes(&edit(&lock, document).check(&documents)),
                BTreeSet::from([*code]),
                "{}",
                document.stem
            );
            shown.insert(*code);
        }
    }
    let every: BTreeSet<_> = law::LAWS.iter().map(|law| law.code).collect();
    assert_eq!(shown, every, "every law is shown");
    assert_eq!(law::LAWS.iter().filter(|law| law.effect == Effect::Told).count(), 1);
}

/// Changes of the lock under the contract.
type Relocked = (&'static str, fn(&Lock, &Document) -> Lock);

fn relocked(lock: &Lock, edit: impl FnOnce(&mut Value)) -> Lock {
    let mut value: Value = serde_json::from_slice(&lock.to_bytes()).unwrap();
    edit(&mut value);
    Lock::read(value.to_string().as_bytes()).unwrap()
}

const LOCKED: &[Relocked] = &[
    ("BPC-032", |lock, document| {
        relocked(lock, |value| {
            value["contracts"][&document.stem]["levels"]["FALSIFY-BP-GONE-001"] = json!("PROPOSED");
        })
    }),
    ("BPC-032", |lock, document| {
        relocked(lock, |value| value["contracts"]["gone-v1"] = value["contracts"][&document.stem].clone())
    }),
    ("BPC-035", |lock, document| {
        relocked(lock, |value| value["contracts"][&document.stem]["sha256"] = json!("0".repeat(64)))
    }),
    ("BPC-035", |lock, document| {
        relocked(lock, |value| drop(value["contracts"].as_object_mut().unwrap().remove(&document.stem)))
    }),
    ("BPC-031", |lock, _| {
        relocked(lock, |value| {
            value["contracts"]["contract-format-v1"]["levels"]["FALSIFY-BP-CONTRACT-001"] =
                json!("DISCHARGED");
        })
    }),
];

/// What cargo would print of every bound test.
fn listing(documents: &[Document]) -> String {
    bound(documents, |path| format!("{path}: test\n"))
}

fn listing_results(documents: &[Document], test: &bp::contract::document::Test, end: &str) -> String {
    let mut targets = BTreeSet::new();
    targets.insert(test.clone());
    bound(documents, |path| {
        let end = if path == test.path { end } else { "ok" };
        format!("test {path} ... {end}\n")
    })
}

fn bound(documents: &[Document], line: impl Fn(&str) -> String) -> String {
    let mut tests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for falsifier in documents.iter().flat_map(|document| &document.contract.falsification_tests) {
        for binding in &falsifier.bindings {
            if let Binding::CargoTest(test) = binding {
                tests.entry(&test.target).or_default().insert(&test.path);
            }
        }
    }
    let mut text = String::new();
    for (target, paths) in tests {
        let started = match target.split_once(':') {
            Some((_, name)) => format!("     Running tests/{name}.rs (target/debug/deps/{name}-0)\n"),
            None => "     Running unittests src/lib.rs (target/debug/deps/bp-0)\n".to_owned(),
        };
        text.push_str(&started);
        paths.into_iter().for_each(|path| text.push_str(&line(path)));
    }
    text
}

#[test]
fn a_lock_lets_levels_rise_and_asks_for_reasons() {
    let documents = standing();
    let committed = Lock::read(&fs::read(root().join("contracts/contracts.lock.json")).unwrap()).unwrap();
    assert_eq!(committed.check(&documents), []);
    let at = documents.iter().position(|document| document.stem == "contract-format-v1").unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut documents = documents.clone();
        documents[at] = change(&documents[at], |value| {
            value["metadata"]["version"] = json!("9.0.0");
            edit(value);
        })
        .unwrap();
        codes(&Lock::of(&standing()).refuses(&documents))
    };
    let rise = |value: &mut Value| value["falsification_tests"][0]["level"] = json!("DISCHARGED");
    let fall = |value: &mut Value| value["falsification_tests"][0]["level"] = json!("PROPOSED");
    let reason = json!([{ "id": "FALSIFY-BP-CONTRACT-001", "reason": "a test was wrong" }]);
    assert_eq!(with(&rise), BTreeSet::new());
    assert_eq!(with(&fall), BTreeSet::from(["BPC-031"]));
    let explained = |value: &mut Value| {
        fall(value);
        value["demotions"] = reason.clone();
    };
    assert_eq!(with(&explained), BTreeSet::new());
    let drop_it = |value: &mut Value| drop(value["falsification_tests"].as_array_mut().unwrap().remove(0));
    assert_eq!(with(&drop_it), BTreeSet::from(["BPC-032"]));
    let retired = |value: &mut Value| {
        drop_it(value);
        value["retired"] = reason.clone();
    };
    assert_eq!(with(&retired), BTreeSet::new());
    assert!(Lock::read(br#"{"format":"other/1","contracts":{}}"#).is_err());
}

#[test]
fn a_difference_takes_the_version_that_it_is_worth() {
    let documents = standing();
    let old = documents.iter().find(|document| document.stem == "pack-ledger-v1").unwrap();
    let takes = |edit: &dyn Fn(&mut Value)| {
        let new = change(old, |value| edit(value)).unwrap();
        diff(old, &new).into_iter().map(|change| change.bump).max()
    };
    assert_eq!(takes(&|_| {}), None);
    assert_eq!(takes(&|value| value["metadata"]["description"] = json!("Other words.")), Some(Bump::Patch));
    let level = |value: &mut Value| value["falsification_tests"][0]["level"] = json!("FUNCTIONAL");
    assert_eq!(takes(&level), Some(Bump::Minor));
    assert_eq!(
        takes(&|value| value["falsification_tests"][0]["oracle_evidence"] = json!([])),
        Some(Bump::Minor)
    );
    assert_eq!(takes(&|value| value["equations"]["line"]["formula"] = json!("another")), Some(Bump::Major));
    assert_eq!(
        takes(&|value| value["falsification_tests"][1]["bad_fixtures"] = json!([])),
        Some(Bump::Major)
    );
    assert_eq!(
        takes(&|value| value["falsification_tests"][1]["ship_blocking"] = json!(false)),
        Some(Bump::Major)
    );
    let version = "1.2.3".parse().unwrap();
    let of = |bump| proposed(&version, bump).to_string();
    assert_eq!([of(Bump::Patch), of(Bump::Minor), of(Bump::Major)], ["1.2.4", "1.3.0", "2.0.0"]);
}

#[test]
fn a_pack_carries_the_contracts_of_its_maker() {
    let value: Value = serde_json::from_slice(carried()).unwrap();
    schema::validate(Schema::Carried, &value).unwrap();
    assert_eq!(value["contracts"].as_array().unwrap().len(), embedded::CONTRACTS.len());
    let place = packs::Place::sealed();
    assert_eq!(place.bytes("contracts.json"), carried());
    // A promise that its maker never made, under the right seal.
    let text = String::from_utf8(carried().to_vec()).unwrap();
    place.put("contracts.json", text.replacen("PROPOSED", "DISCHARGED", 1));
    place.reseal(&packs::alice());
    assert_eq!(place.found(&packs::strict()), ["CONTRACTS_NOT_REDERIVED contracts.json"]);
}
