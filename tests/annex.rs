//! The Annex IV mapping: what is claimed of each facet, and what must not be.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeSet;

use bp::annex::catalogue::{Answer, Source};
use bp::annex::check::{self, FaultKind, ReadError, Stored};
use bp::annex::envelope::{Held, Standing};
use bp::annex::facts::{Attachment, Facts, Named, Parent, Run, Signoff};
use bp::annex::model::{Act, Annex, Assurance, Clock, Evidence, Kind, Status, Verdict};
use bp::annex::provider::{self, Provider, ProviderError, fields};
use bp::annex::render::{Renderer, Templates};
use bp::annex::{catalogue, derive};
use bp::digest::Digest;
use bp::schema::{Schema, validate};
use proptest::prelude::*;
use serde_json::Value;

const PROVIDER: &str = include_str!("../fixtures/annex/provider.toml");
const EXPECT: &str = include_str!("../fixtures/annex/expect.json");

fn digest(digit: char) -> Digest {
    digit.to_string().repeat(64).parse().unwrap()
}

fn evidence(path: &str, kind: Kind, assurance: Assurance) -> Evidence {
    let (path, produced_by) = (path.to_owned(), "bp 0.1.0".to_owned());
    Evidence { sha256: Digest::of(path.as_bytes()), path, kind, produced_by, assurance }
}

fn signoff(name: &str, person: &str, key: char, act: Act, scope: &[&str], files: &[&str]) -> Signoff {
    let path = format!("signoffs/{name}.dsse.json");
    Signoff {
        sha256: Digest::of(path.as_bytes()),
        path,
        person: person.to_owned(),
        key_id: digest(key),
        scope: scope.iter().map(ToString::to_string).collect(),
        act,
        signed_at: "2026-11-19T10:00:00Z".parse().unwrap(),
        subjects: files.iter().map(|file| Digest::of(file.as_bytes())).collect(),
    }
}

/// The facts of a pack that shows what a pack can show, without anything of the provider's.
fn pack() -> Facts {
    let rules = |from: u32, to: u32| (from..=to).map(|rule| rule.to_string()).collect();
    let verdict = Verdict {
        outcome: "PASS".to_owned(),
        receipts: 3,
        passed: 3,
        failed: 0,
        insufficient: 0,
        steps_checked: 40,
        steps_total: Some(120_000),
        rules_evaluated: rules(0, 14),
        rules_not_evaluated: rules(15, 26),
        numerical_agreement: None,
    };
    let created_at = "2026-11-20T12:00:00Z".parse().unwrap();
    Facts {
        seal_key_id: Some(digest('e')),
        evidence: vec![
            evidence("receipts/a.jsonl", Kind::Receipt, Assurance::Recomputed),
            evidence("verify/a.json", Kind::VerificationResult, Assurance::Recomputed),
            evidence("run/environment.json", Kind::Environment, Assurance::Checked),
            evidence("run/history.jsonl", Kind::RunHistory, Assurance::Checked),
            evidence("run/datasets.json", Kind::DatasetDigest, Assurance::Checked),
            evidence("run/artifacts.json", Kind::ModelDigest, Assurance::Checked),
            evidence("run/sbom.cdx.json", Kind::Sbom, Assurance::Checked),
            evidence("run/envelope.json", Kind::Policy, Assurance::Checked),
        ],
        run: Run {
            hyper_parameters: true,
            datasets: vec![
                Named { name: "train.parquet".to_owned(), sha256: digest('2') },
                Named { name: "test.parquet".to_owned(), sha256: digest('3') },
            ],
            recorded: std::collections::BTreeMap::new(),
            models: vec![Named { name: "model.safetensors".to_owned(), sha256: digest('1') }],
        },
        envelopes: vec![Held {
            path: "run/envelope.json".to_owned(),
            sha256: Digest::of(b"run/envelope.json"),
            standing: Standing::Inside,
            declared_before: true,
            rows: Vec::new(),
        }],
        parent: Some(Parent {
            manifest_sha256: digest('d'),
            created_at: "2025-11-20T12:00:00Z".to_owned(),
            answers: std::collections::BTreeMap::new(),
            version: None,
            recorded: std::collections::BTreeMap::new(),
        }),
        ..Facts::at(created_at, Clock::Local, verdict)
    }
}

/// The same with the files that the provider names and the sign-offs of people.
fn whole(provider: &Provider) -> Facts {
    let attachments = provider.attachments().into_iter().map(|(name, _)| Attachment {
        path: provider::stored_at(&name),
        sha256: Digest::of(name.as_str().as_bytes()),
        name: name.to_string(),
    });
    Facts {
        attachments: attachments.collect(),
        signoffs: vec![
            signoff("p1-2g", "p1", 'a', Act::Approved, &["IV.2.g"], &["reports/t1.pdf", "reports/bias.pdf"]),
            signoff("p3-8", "p3", 'c', Act::Approved, &["IV.8"], &["doc.pdf"]),
            signoff("p3-5", "p3", 'c', Act::Reviewed, &["IV.5#rms"], &["risk.pdf"]),
            signoff("p2-1a", "p2", 'b', Act::Performed, &["IV.1.a#purpose"], &["purpose.pdf"]),
            signoff("seal-9", "p1", 'e', Act::Approved, &["IV.9"], &["pmm.pdf"]),
            signoff("p2-1h", "p2", 'b', Act::Rejected, &["IV.1.h"], &["ifu.pdf"]),
        ],
        ..pack()
    }
}

fn parsed(text: &str) -> Provider {
    provider::parse(text.as_bytes()).unwrap()
}

fn full() -> Annex {
    let provider = parsed(PROVIDER);
    derive(catalogue(), Some(&provider), &whole(&provider))
}

fn facet<'a>(annex: &'a Annex, id: &str) -> &'a bp::annex::model::Facet {
    annex.facets().find(|facet| facet.id == id).unwrap()
}

/// Units and facets with their statuses, in the shape of the expectation.
fn statuses(annex: &Annex) -> Value {
    let units = annex.entries.iter().map(|entry| {
        let facets: serde_json::Map<String, Value> = entry
            .facets
            .iter()
            .map(|facet| (facet.id.split('#').nth(1).unwrap().to_owned(), facet.status.name().into()))
            .collect();
        (entry.id.clone(), serde_json::json!({ "status": entry.status, "facets": facets }))
    });
    Value::Object(units.collect())
}

// The catalogue.

#[test]
fn the_catalogue_has_23_units_and_59_facets_and_every_id_in_it_leads_somewhere() {
    let catalogue = catalogue();
    assert_eq!((catalogue.units.len(), catalogue.facets().count()), (23, 59));
    let of = |source| catalogue.facets().filter(|facet| facet.source == source).count();
    let by_source = [Source::Machine, Source::Mixed, Source::Human, Source::HumanSignature].map(of);
    assert_eq!(by_source, [5, 11, 41, 2]);
    let text = include_str!("../schemas/annex-iv.catalogue.json");
    assert_eq!(validate(Schema::AnnexIvCatalogue, &serde_json::from_str(text).unwrap()), Ok(()));
    let ids: BTreeSet<_> = catalogue.facets().map(|facet| &facet.id).collect();
    assert_eq!(ids.len(), 59);
    let mut used = (BTreeSet::new(), BTreeSet::new());
    for unit in &catalogue.units {
        assert_eq!(
            unit.conditional,
            unit.facets.iter().any(|facet| facet.condition.is_some()),
            "{}",
            unit.id
        );
        for facet in &unit.facets {
            assert!(facet.id.starts_with(&format!("{}#", unit.id)), "{}", facet.id);
            assert!(catalogue.roles.iter().any(|role| role.id == facet.role), "{}", facet.role);
            used.0.insert(&facet.role);
            for limit in &facet.limits {
                assert!(catalogue.limits.iter().any(|known| known.id == *limit), "{limit}");
                used.1.insert(limit);
            }
            let named = |answer: &Answer| [answer.fields.clone(), answer.files.clone()].concat();
            for field in facet.answers.iter().flat_map(named).chain(facet.also.iter().cloned()) {
                assert!(fields::field(&field).is_some(), "{field}");
            }
            let machine = matches!(facet.source, Source::Machine | Source::Mixed);
            assert!(machine || facet.pack.is_none(), "{}: people alone fill it", facet.id);
            assert_eq!(facet.source == Source::Machine, facet.answers.is_empty(), "{}", facet.id);
        }
    }
    assert_eq!((used.0.len(), used.1.len()), (catalogue.roles.len(), catalogue.limits.len()));
    assert!(catalogue.cross_references.iter().flat_map(|item| &item.facets).all(|id| ids.contains(id)));
    assert!(catalogue.standards.iter().all(|standard| standard.oj_reference.is_none()));
    let point = |field: &fields::Field| !field.point.is_empty() && !field.about.is_empty();
    assert!(fields::SECTIONS.iter().flat_map(|section| section.fields).all(point));
}

#[test]
fn every_facet_that_people_can_fill_has_a_field_and_every_field_a_reader() {
    let read: BTreeSet<String> = catalogue()
        .facets()
        .flat_map(|facet| {
            let answers = facet.answers.iter().flat_map(|answer| answer.fields.iter().chain(&answer.files));
            answers.chain(&facet.also).cloned().collect::<Vec<_>>()
        })
        .collect();
    // Read by name: who and what it is about, and what is carried for the reader of the file itself.
    let elsewhere = ["person.", "attachment.", "not_applicable.", "retention."];
    let known = ["system.name", "system.classification", "system.placed_on_market", "dataset.use"];
    for section in fields::SECTIONS.iter().filter(|section| !section.name.is_empty()) {
        for field in section.fields.iter().filter(|field| !fields::BY.contains(&field.key)) {
            let id = format!("{}.{}", section.name, field.key);
            let by_name = known.contains(&id.as_str()) || elsewhere.iter().any(|head| id.starts_with(head));
            assert!(read.contains(&id) || by_name, "{id} is asked for and never read");
        }
    }
}

// The provider's file.

#[test]
fn the_file_of_init_says_nothing_and_names_every_key() {
    let text = provider::template();
    let silent = parsed(&text);
    assert_eq!(derive(catalogue(), Some(&silent), &pack()).counts, derive(catalogue(), None, &pack()).counts);
    // With every comment sign before a key taken away it still parses, and says as little.
    let opened: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.starts_with('[') || key.contains(" = ") => key.to_owned() + "\n",
            _ => line.to_owned() + "\n",
        })
        .map(|line| line.replace("\"p1\"", "\"\"").replace("= 2026-01-31", "= \"\""))
        .collect();
    let opened = parsed(&opened);
    assert_eq!(
        statuses(&derive(catalogue(), Some(&opened), &pack())),
        statuses(&derive(catalogue(), None, &pack()))
    );
    for section in fields::SECTIONS {
        for field in section.fields {
            assert!(text.contains(&format!("# {} =", field.key)), "{}", field.key);
            assert!(
                fields::BY.contains(&field.key)
                    || text.contains(&format!("# {}: {}", field.point, field.about))
            );
        }
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
    for (text, told) in [
        (
            "[system]\nintended_purpse = 'x'",
            "system.intended_purpse: there is no such key; did you mean \"intended_purpose\"?",
        ),
        (
            "[[dataset]]\n[[dataset]]\nprovenence = ''",
            "dataset[2].provenence: there is no such key; did you mean \"provenance\"?",
        ),
        ("[sytem]\nname = 'x'", "sytem: there is no such key; did you mean \"system\"?"),
        ("[[system.modle]]\nrole = 'x'", "system.modle: there is no such key; did you mean \"model\"?"),
        (
            "[runtime]\nsoftware = [{ nam = 'x' }]",
            "runtime.software[1].nam: there is no such key; did you mean \"name\"?",
        ),
        ("[x\u{1b}y]", "not TOML"),
        ("quux = 1", "quux: there is no such key"),
    ] {
        let error = provider::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn a_value_of_another_kind_is_refused_with_its_place() {
    for (text, told) in [
        ("schema = 'bp/provider/9'", "schema: \"bp/provider/9\" is not one of bp/provider/0.1"),
        ("[system]\nname = ['x']", "system.name: text expected"),
        ("[[system]]\nname = 'x'", "system: one table expected"),
        ("[dataset]\nname = 'x'", "dataset: a list of tables, [[...]], expected"),
        ("[[change]]\ndate = '2026-02-30'", "change[1].date: a day like 2026-01-31 expected"),
        (
            "[[system.model]]\nsha256 = 'ABC'",
            "system.model[1].sha256: a SHA-256 digest, 64 lower-case hexadecimal digits, expected",
        ),
        (
            "[[dataset]]\nuse = 'trainig'",
            "dataset[1].use: \"trainig\" is not one of training, validation, testing; did you mean \"training\"?",
        ),
        ("[system]\nclassification = 'annex_iv.1'", "system.classification: \"annex_iv.1\" is not one of"),
        (
            "[ui]\nifu = '/etc/passwd'",
            "ui.ifu: a component is empty, or the path is absolute; paths are relative to the provider file",
        ),
        (
            "[ui]\nifu = 'a/../../b'",
            "ui.ifu: a component is `.` or `..`; paths are relative to the provider file",
        ),
        ("[ui]\nifu = 'C:\\x'", "ui.ifu: a backslash; paths are relative to the provider file"),
        (
            "[ui]\nifu = 'a.pdf'\nscreenshots = ['A.pdf']",
            "A.pdf: another file is named alike except for case or spelling",
        ),
        ("[[test]]\nsigned_by = 'p1'", "test[1].signed_by: no [[person]] has the id \"p1\""),
        ("[[person]]\nid = 'p1'\n[[person]]\nid = 'p1'", "person[2].id: another [[person]] has the same id"),
        (
            "[[person]]\nid = 'p'\nroles = ['validatoin']",
            "person[1].roles: \"validatoin\" is not one of product, engineering, data",
        ),
        (
            "[[not_applicable]]\nid = 'IV.2.x'",
            "not_applicable[1].id: \"IV.2.x\" is not one of the points of Annex IV; did you mean \"IV.2.a\"?",
        ),
        ("[runtime]\nsame_as_training = 'yes'", "runtime.same_as_training: true or false expected"),
        ("[system]\nname = nan", "system.name: text expected"),
        ("{\"system\": {\"name\": \"x\", \"name\": \"y\"}}", "not JSON: repeated key \"name\""),
        ("[system]\nname = 'x'\nname = 'y'", "not TOML"),
        ("{\"system\": []}", "system: one table expected"),
    ] {
        let error = provider::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(told), "{text}: {error}");
    }
    assert_eq!(provider::parse(b"\xff").unwrap_err(), ProviderError::Encoding { offset: 0 });
    let long = vec![b'#'; provider::MAX_BYTES + 1];
    assert_eq!(provider::parse(&long).unwrap_err(), ProviderError::TooLarge { size_bytes: long.len() });
    assert!(provider::parse(&b"[".repeat(100_000)).is_err());
    assert!(provider::parse(format!("x = {}", "[".repeat(100_000)).as_bytes()).is_err());
    assert!(provider::parse(format!("{{\"x\":{}", "[".repeat(100_000)).as_bytes()).is_err());
}

#[test]
fn json_with_the_same_keys_says_the_same() {
    let table: toml::Table = PROVIDER.parse().unwrap();
    let json = serde_json::to_string(&plain(toml::Value::Table(table))).unwrap();
    let (one, other) = (parsed(PROVIDER), parsed(&json));
    assert_eq!(other.syntax().stored_at(), "annex/provider.json");
    for section in fields::SECTIONS {
        assert_eq!(one.records(section.name), other.records(section.name), "{}", section.name);
    }
}

fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

#[test]
fn mail_addresses_and_telephone_numbers_are_warned_about_and_not_repeated() {
    let provider = parsed("[provider]\ncontact = 'write to jane@example.org or +43 1 234 5678'");
    let at: Vec<_> = provider.warnings().iter().map(|warning| warning.at.as_str()).collect();
    assert_eq!(at, ["provider.contact", "provider.contact"]);
    let annex = derive(catalogue(), Some(&provider), &pack());
    assert!(annex.notices.iter().filter(|notice| notice.at == "provider.contact").count() == 2);
    assert!(annex.notices.iter().all(|notice| !notice.message.contains("jane")));
}

#[test]
fn what_people_write_who_have_nothing_to_write_counts_as_missing() {
    let blanks = [
        "",
        " ",
        "-",
        "--",
        "\u{2014}",
        "n/a",
        "N/A",
        "n.a.",
        " TBD ",
        "tbd.",
        "[tbd]",
        "TODO",
        "to be determined",
        "...",
        "?",
        "\u{200b}",
        "\u{a0}",
        "\n\t",
        "xxx",
        "<placeholder>",
        "null",
    ];
    for blank in blanks {
        let text = toml::Value::String(blank.to_owned()).to_string();
        let provider = parsed(&format!(
            "stated_by = 'p'\n[[person]]\nid = 'p'\nname = 'P'\n[risk_management]\nowner = {text}\n[runtime]\nupdate_requirements = {text}\nhardware = [{text}]\n[oversight]\nassessment = {text}\ninterpretation_aids = {text}"
        ));
        let annex = derive(catalogue(), Some(&provider), &pack());
        assert_eq!(statuses(&annex), statuses(&derive(catalogue(), None, &pack())), "{blank:?} is an answer");
    }
    // The words that say something.
    for answer in ["unknown", "none known", "0", "no"] {
        let text = format!(
            "stated_by = 'p'\n[[person]]\nid = 'p'\nname = 'P'\n[runtime]\nupdate_requirements = '{answer}'"
        );
        let provider = parsed(&text);
        let annex = derive(catalogue(), Some(&provider), &pack());
        assert_eq!(facet(&annex, "IV.1.c#update_requirements").status, Status::Declared, "{answer}");
    }
}

// The statuses.

#[test]
fn without_people_no_unit_is_evidenced_and_every_facet_is_there() {
    let expect: Value = serde_json::from_str(EXPECT).unwrap();
    for facts in [pack(), Facts { evidence: vec![], parent: None, ..pack() }] {
        let annex = derive(catalogue(), None, &facts);
        assert_eq!(annex.facets().count(), 59);
        for entry in &annex.entries {
            assert!(matches!(entry.status, Status::Partial | Status::Missing), "{}", entry.id);
        }
        let unanswered = annex.facets().filter(|facet| facet.status < Status::Declared);
        for facet in unanswered {
            assert!(!facet.open.is_empty(), "{} is open and says nothing of it", facet.id);
        }
        let markdown = Renderer::new(&annex, catalogue()).markdown(&Templates::default()).unwrap();
        let html = Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap();
        for facet in annex.facets() {
            assert!(html.contains(&format!("<span class=\"id\">{}</span>", facet.id)), "{}", facet.id);
            assert!(markdown.contains(&format!("### {}", facet.id)), "{}", facet.id);
        }
    }
    assert_eq!(statuses(&derive(catalogue(), None, &pack())), expect["without_provider"]);
}

#[test]
fn with_people_the_statuses_are_those_derived_by_hand() {
    let expect: Value = serde_json::from_str(EXPECT).unwrap();
    let annex = full();
    assert_eq!(statuses(&annex), expect["with_provider"]);
    assert_eq!(serde_json::to_value(annex.counts).unwrap(), expect["counts_with_provider"]);
    assert_eq!(validate(Schema::AnnexIv, &serde_json::to_value(&annex).unwrap()), Ok(()));
    assert_eq!(annex.applicability.applies_from.as_deref(), Some("2027-12-02"));
    assert_eq!(annex.system.classified_by.as_deref(), Some("person:p3"));
    let notices: Vec<_> = annex.notices.iter().map(|notice| notice.at.as_str()).collect();
    let wanted = [
        "signoffs/p2-1h.dsse.json",
        "signoffs/seal-9.dsse.json",
        "not_applicable[3]",
        "attachment[1].answers",
        "IV.7#harmonised_list",
    ];
    assert_eq!(notices, wanted);
}

#[test]
fn equal_inputs_make_equal_bytes_and_the_file_reads_back() {
    let annex = full();
    assert_eq!(annex.bytes(), full().bytes());
    assert_eq!(check::read(&annex.bytes(), catalogue()), Ok(annex));
}

#[test]
fn the_hardware_in_use_is_never_that_of_training() {
    let asked = catalogue().facet("IV.1.e#intended_hardware").unwrap();
    assert_eq!(asked.pack, None);
    let annex = derive(catalogue(), None, &pack());
    let facet = facet(&annex, "IV.1.e#intended_hardware");
    assert_eq!((facet.status, facet.evidence.len()), (Status::Missing, 0));
}

#[test]
fn the_training_stack_is_that_of_use_only_where_the_provider_says_so_and_why() {
    for line in ["same_as_training = false", "same_as_training_reason = ''"] {
        let (key, _) = line.split_once(" =").unwrap();
        let text: String =
            PROVIDER
                .lines()
                .map(|old| {
                    if old.starts_with(&format!("{key} =")) {
                        format!("{line}\n")
                    } else {
                        format!("{old}\n")
                    }
                })
                .collect();
        let provider = parsed(&text);
        let annex = derive(catalogue(), Some(&provider), &whole(&provider));
        let facet = facet(&annex, "IV.1.c#software_versions");
        assert_eq!(facet.status, Status::Declared, "{line}");
        assert!(facet.scope.as_ref().unwrap().contains("recorded training environment"));
    }
}

#[test]
fn evidence_that_is_only_carried_fills_nothing() {
    for assurance in [Assurance::Attached, Assurance::Stated] {
        let evidence = pack().evidence.into_iter().map(|each| Evidence { assurance, ..each }).collect();
        let annex = derive(catalogue(), None, &Facts { evidence, ..pack() });
        assert!(annex.facets().all(|facet| facet.status == Status::Missing));
        assert_eq!(annex.counts.missing, 23);
    }
}

#[test]
fn a_log_of_nothing_is_no_test_log_and_a_failed_test_is_one() {
    let mut facts = pack();
    facts.verdict.receipts = 0;
    let annex = derive(catalogue(), None, &facts);
    assert_eq!(facet(&annex, "IV.2.g#test_logs").status, Status::Missing);
    let mut facts = pack();
    facts.verdict.outcome = "FAIL".to_owned();
    let annex = derive(catalogue(), None, &facts);
    let log = facet(&annex, "IV.2.g#test_logs");
    assert_eq!(log.status, Status::Evidenced);
    let scope = "training-computation integrity; 40 recorded steps checked of 120000, verdict FAIL";
    assert_eq!(log.scope.as_deref(), Some(scope));
    let html = Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap();
    assert!(html.contains("<strong>FAIL</strong>: 3 records judged"));
}

#[test]
fn a_sign_off_counts_only_from_a_listed_person_with_their_own_key_over_that_file_for_that_point() {
    type Change = fn(&mut Signoff);
    let changes: [(&str, Change); 8] = [
        ("by nobody", |signoff| signoff.person = "p9".to_owned()),
        ("by another's key", |signoff| signoff.key_id = digest('b')),
        ("by the key that seals", |signoff| signoff.key_id = digest('e')),
        ("over another file", |signoff| signoff.subjects = vec![Digest::of(b"other")]),
        ("over nothing", |signoff| signoff.subjects.clear()),
        ("for another point", |signoff| signoff.scope = vec!["IV.2".to_owned(), "IV.2.h".to_owned()]),
        ("to reject it", |signoff| signoff.act = Act::Rejected),
        ("by somebody without the role", |signoff| {
            (signoff.person, signoff.key_id) = ("p2".to_owned(), digest('b'));
        }),
    ];
    for (how, change) in changes {
        let provider = parsed(PROVIDER);
        let mut facts = whole(&provider);
        change(&mut facts.signoffs[0]);
        let annex = derive(catalogue(), Some(&provider), &facts);
        let reports = facet(&annex, "IV.2.g#reports_dated_signed");
        // Dated, with a named signatory and a file: that much is said.
        assert_eq!(reports.status, Status::Declared, "{how}");
    }
    for (from, to) in [
        ("key = \"aaaa", "# \"aaaa"),
        ("name = \"A. Sample\"", ""),
        ("function = \"Head of Validation\"", ""),
        (
            "key = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
            "key = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        ),
    ] {
        assert!(PROVIDER.contains(from));
        let provider = parsed(&PROVIDER.replacen(from, to, 1));
        let annex = derive(catalogue(), Some(&provider), &whole(&provider));
        assert_eq!(facet(&annex, "IV.2.g#reports_dated_signed").status, Status::Declared, "{to}");
    }
}

#[test]
fn unsigned_and_undated_reports_leave_the_point_open() {
    let provider = parsed(&PROVIDER.replace("report_date = 2026-11-10\n", ""));
    let facts = Facts { signoffs: vec![], ..whole(&provider) };
    let annex = derive(catalogue(), Some(&provider), &facts);
    let reports = facet(&annex, "IV.2.g#reports_dated_signed");
    assert_eq!(reports.status, Status::Missing);
    let open: Vec<_> = reports.open.iter().map(|open| open.field.as_str()).collect();
    assert_eq!(
        open,
        [
            "test[1].report_date",
            "a sign-off over the file, by a person in the role of head of validation and testing"
        ]
    );
}

#[test]
fn a_second_report_without_a_signature_opens_the_point_again() {
    let provider =
        parsed(&format!("{PROVIDER}\n[[test]]\nid = 'T2'\nprocedure = 'y'\nreport = 'reports/t2.pdf'\n"));
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    let reports = facet(&annex, "IV.2.g#reports_dated_signed");
    assert_eq!(reports.status, Status::Missing);
    assert!(reports.open.iter().any(|open| open.field == "test[2].report_date"));
    // And a data set without a word about its origin does the same for provenance.
    let provider = parsed(&format!("{PROVIDER}\n[[dataset]]\nname = 'more'\n"));
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    let provenance = facet(&annex, "IV.2.d#provenance");
    assert_eq!(
        (provenance.status, provenance.open[0].field.as_str()),
        (Status::Missing, "dataset[3].provenance")
    );
}

#[test]
fn a_model_that_is_not_mapped_is_not_the_system() {
    let provider = parsed(&PROVIDER.replace(&"1".repeat(64), &"9".repeat(64)));
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    let lineage = facet(&annex, "IV.1.a#version_lineage");
    assert_eq!(lineage.status, Status::Declared);
    assert!(lineage.evidence.iter().all(|evidence| evidence.kind != Kind::ModelDigest));
}

#[test]
fn text_that_nobody_stands_for_does_not_count() {
    let text = PROVIDER.replace("stated_by = \"p3\"\n", "");
    let without_roles: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with("roles")).collect();
    let provider = parsed(&without_roles);
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    let ui = facet(&annex, "IV.1.g#ui");
    assert_eq!((ui.status, ui.statements.len(), ui.open.len()), (Status::Missing, 1, 1));
    // By role, the owner stands for it, and the day is that of the pack unless one is named.
    let provider = parsed(&text.replace("stated_on = 2026-11-18\n", ""));
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    let by = facet(&annex, "IV.1.g#ui").by.clone().unwrap();
    assert_eq!((by.person.as_str(), by.date.as_str()), ("p2", "2026-11-20"));
    assert_eq!(
        (by.person_from, by.date_from),
        (bp::annex::model::PersonFrom::Role, bp::annex::model::DateFrom::Pack)
    );
}

#[test]
fn what_is_said_not_to_apply_and_yet_answered_stays_answered_and_is_noticed() {
    let more = "\n[[not_applicable]]\nid = 'IV.2.g'\nreason = 'no'\nperson = 'p1'\ndate = 2026-11-18\n";
    let provider = parsed(&format!("{PROVIDER}{more}"));
    let annex = derive(catalogue(), Some(&provider), &whole(&provider));
    assert_eq!(facet(&annex, "IV.2.g#test_logs").status, Status::Evidenced);
    assert_eq!(facet(&annex, "IV.2.g#metrics_accuracy").status, Status::Declared);
    assert_eq!(facet(&annex, "IV.2.g#metrics_robustness_other").status, Status::NotApplicable);
    let stands = |at: &str| {
        annex.notices.iter().any(|notice| notice.at == at && notice.message.contains("the answer stands"))
    };
    assert!(stands("IV.2.g#test_logs") && stands("IV.2.g#metrics_accuracy"));
}

#[test]
fn what_changed_since_the_parent_is_marked_and_old_text_tells_its_age() {
    let provider = parsed(&PROVIDER.replace("stated_on = 2026-11-18", "stated_on = 2024-11-18"));
    let mut facts = whole(&provider);
    let before = derive(catalogue(), Some(&provider), &facts);
    facts.parent.as_mut().unwrap().answers = before.answers();
    let same = derive(catalogue(), Some(&provider), &facts);
    assert!(same.facets().all(|facet| facet.changed == Some(false)));
    assert_eq!(facet(&same, "IV.1.g#ui").age_days, Some(732));
    let provider = parsed(&PROVIDER.replace("One page with", "Two pages with"));
    let changed = derive(catalogue(), Some(&provider), &facts);
    let ids: Vec<_> =
        changed.facets().filter(|facet| facet.changed == Some(true)).map(|facet| &facet.id).collect();
    assert_eq!(ids, ["IV.1.g#ui", "IV.1.h#ui"]);
}

// Removing an input never raises a status.

/// How far a unit is. A unit that is half evidenced is `partial` where one that is all text is `declared`: neither is
/// above the other.
fn rank(status: Status) -> u8 {
    match status {
        Status::Missing => 0,
        Status::NotApplicable => 1,
        Status::Partial | Status::Declared => 2,
        Status::Evidenced => 3,
    }
}

fn never_below(more: &Annex, less: &Annex) -> Result<(), TestCaseError> {
    for (more, less) in more.entries.iter().zip(&less.entries) {
        for (more, less) in more.facets.iter().zip(&less.facets) {
            prop_assert!(more.status >= less.status, "{}: {} under {}", more.id, more.status, less.status);
        }
        // A facet that is said not to apply is taken out of the sum. Where the two differ in that, only the facets compare.
        let out = |entry: &bp::annex::model::Entry| -> Vec<bool> {
            entry.facets.iter().map(|facet| facet.status == Status::NotApplicable).collect()
        };
        if out(more) == out(less) {
            prop_assert!(
                rank(more.status) >= rank(less.status),
                "{}: {} under {}",
                more.id,
                more.status,
                less.status
            );
        }
    }
    Ok(())
}

/// The lines of the file that answer something, each removable by itself. A whole entry of a list is not an input but an
/// obligation: `a_second_report_without_a_signature_opens_the_point_again`.
fn removable() -> Vec<usize> {
    let lines = PROVIDER.lines().enumerate();
    let keys = lines.filter(|(_, line)| line.contains(" = ") && !line.starts_with("schema"));
    // A person's id is what others name; the use of a data set and the reference of a standard say what it is, not what
    // is said of it.
    let names = |line: &str| {
        ["id = \"p", "use = ", "ref = ", "oj_reference = "].iter().any(|head| line.starts_with(head))
    };
    keys.filter(|(_, line)| !names(line)).map(|(number, _)| number).collect()
}

fn without(lines: &BTreeSet<usize>) -> String {
    let kept = PROVIDER.split_inclusive('\n').enumerate().filter(|(number, _)| !lines.contains(number));
    kept.map(|(_, line)| line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn removing_any_input_never_raises_a_status(
        gone in proptest::collection::btree_set(proptest::sample::select(removable()), 0..40),
        one in proptest::sample::select(removable()),
        kept in proptest::collection::vec(any::<bool>(), 40),
        fact in 0_usize..8,
    ) {
        let provider = parsed(&without(&gone));
        let mut kept = kept.into_iter().cycle();
        let mut facts = whole(&parsed(PROVIDER));
        facts.evidence.retain(|_| kept.next().unwrap());
        facts.signoffs.retain(|_| kept.next().unwrap());
        facts.attachments.retain(|_| kept.next().unwrap());
        let more = derive(catalogue(), Some(&provider), &facts);
        // One line of the file.
        let mut fewer = gone;
        fewer.insert(one);
        let poorer = parsed(&without(&fewer));
        never_below(&more, &derive(catalogue(), Some(&poorer), &facts))?;
        // One fact.
        let mut less = facts.clone();
        match fact {
            0 => drop(less.evidence.pop()),
            1 => drop(less.signoffs.pop()),
            2 => drop(less.attachments.pop()),
            3 => less.run.hyper_parameters = false,
            4 => drop(less.run.datasets.pop()),
            5 => drop(less.run.models.pop()),
            6 => less.envelopes.clear(),
            _ => less.parent = None,
        }
        never_below(&more, &derive(catalogue(), Some(&provider), &less))?;
        // The whole file, unless it says that something does not apply.
        never_below(&more, &derive(catalogue(), None, &facts))?;
    }
}

// Rendering.

#[test]
fn every_claim_ends_with_its_path_digest_and_assurance_and_every_open_item_names_its_owner() {
    let annex = full();
    let html = Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap();
    let markdown = Renderer::new(&annex, catalogue()).markdown(&Templates::default()).unwrap();
    let plain = |text: &str| text.replace('\\', "");
    for facet in annex.facets() {
        for evidence in &facet.evidence {
            let digest = evidence.sha256.to_string();
            let assurance = serde_json::to_value(evidence.assurance).unwrap();
            let mark = format!("[{} · {} · {}]", evidence.path, &digest[..12], assurance.as_str().unwrap());
            assert!(plain(&markdown).lines().any(|line| line.ends_with(&mark)), "{mark}");
            assert!(html.contains(&format!("<span class=\"mark\">{mark}</span></li>")), "{mark}");
        }
        for open in &facet.open {
            let line = format!("OPEN: {}, owner: {}", open.field, catalogue().role(&open.owner));
            assert!(plain(&markdown).contains(&line) && html.contains(&line), "{line}");
        }
    }
}

#[test]
fn of_many_files_a_page_lists_some_and_counts_the_rest_and_the_answer_has_them_all() {
    let mut facts = pack();
    let model = facts.evidence.iter().find(|each| each.kind == Kind::Receipt).unwrap().clone();
    facts
        .evidence
        .extend((0..500).map(|at| Evidence { path: format!("receipts/r{at:03}.jsonl"), ..model.clone() }));
    let annex = derive(catalogue(), None, &facts);
    let many = annex.facets().find(|facet| facet.evidence.len() > 500).unwrap();
    let receipts = many.evidence.iter().filter(|each| each.kind == Kind::Receipt).count();
    let html = Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap();
    let markdown = Renderer::new(&annex, catalogue()).markdown(&Templates::default()).unwrap();
    let digest = Digest::of(&annex.bytes()).to_string();
    let assurance = serde_json::to_value(model.assurance).unwrap();
    let mark = format!("[annex/annex-iv.json · {} · {}]", &digest[..12], assurance.as_str().unwrap());
    let rest = format!("{} more, each with its digest in", receipts - 20);
    for page in [&html, &markdown] {
        let page = page.replace('\\', "");
        assert!(page.contains(&rest) && page.contains(&mark), "{rest} {mark}");
        assert!(page.contains("receipts/r000.jsonl") && !page.contains("receipts/r499.jsonl"));
        assert_eq!(bp::annex::check::printed("page", &page, &annex, catalogue()), []);
    }
    assert!(html.len() < 200_000, "{}", html.len());
    // A template of others lists what it likes.
    let foreign = Templates::of(
        Some(
            "{% for e in entries %}{% for f in e.facets %}{% for c in f.claims %}{{ c.mark.path }} {% endfor %}{% endfor %}{% endfor %}",
        ),
        None,
    );
    assert!(Renderer::new(&annex, catalogue()).markdown(&foreign).unwrap().contains("r499"));
}

#[test]
fn text_of_the_provider_cannot_leave_its_place() {
    let nasty = "x | y `z` <script>alert(1)</script> </bdi> <!-- \n\n# Heading\n| a | b |\n\u{202e}desrever\u{2066} [l](javascript:1) ![i](http://e.example/i) {{ 7777*7777 }} {% raw %} \" ' &lt; \u{0}end";
    let json = serde_json::json!({
        "stated_by": "p1",
        "system": { "name": nasty, "version": nasty, "intended_purpose": nasty },
        "runtime": { "hardware": [nasty] },
        "person": [{ "id": "p1", "name": nasty, "function": nasty, "organisation": nasty, "roles": ["validation"] }],
        "not_applicable": [{ "id": "IV.1.f", "reason": nasty, "person": "p1", "date": "2026-01-01" }],
    });
    let provider = provider::parse(json.to_string().as_bytes()).unwrap();
    let mut facts = whole(&provider);
    facts.signoffs[0].person = nasty.to_owned();
    facts.signoffs[0].scope = vec![nasty.to_owned()];
    let annex = derive(catalogue(), Some(&provider), &facts);
    let html = Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap();
    let markdown = Renderer::new(&annex, catalogue()).markdown(&Templates::default()).unwrap();
    for text in [&html, &markdown] {
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\0']), "a hidden mark is left");
        assert!(text.contains("\u{27e8}U+202E\u{27e9}"));
        assert!(!text.contains("60481729"), "a template in a text was run");
    }
    // No element, attribute or comment that the template does not have, and as many lines of the template's own marks.
    for tag in ["<script", "</bdi> <!--", "<!-- ", "<img", "<a href=\"java"] {
        assert!(!html.contains(tag), "{tag}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;"));
    assert!(!markdown.lines().any(|line| line.starts_with("# Heading") || line.starts_with("| a")));
    assert_eq!(markdown.lines().filter(|line| line.starts_with("# ")).count(), 1);
    for line in markdown.lines().filter(|line| line.contains("alert")) {
        let bare = line
            .replace("\\\\", "")
            .replace("\\|", "")
            .replace("\\`", "")
            .replace("\\<", "")
            .replace("\\[", "");
        assert!(!bare.contains('`') && !bare.contains('<'), "{line}");
        let cells = bare.matches('|').count();
        assert!(
            cells == 0 || bare.starts_with('|') && bare.ends_with('|') && [3, 7].contains(&cells),
            "{cells}: {line}"
        );
        let own = bare.matches('[').count();
        assert!(own <= 1, "{line}");
    }
}

#[test]
fn the_page_loads_nothing_runs_nothing_and_can_be_walked_without_sight() {
    let html = Renderer::new(&full(), catalogue()).html(&Templates::default()).unwrap();
    for absent in ["<script", "<img", "<link", "@import", "url(", " onload=", "src=", "href=\"http"] {
        assert!(!html.contains(absent), "{absent}");
    }
    for present in [
        "<html lang=\"en\">",
        "<main id=\"main\">",
        "<nav aria-label=",
        "class=\"skip\" href=\"#main\"",
        "prefers-color-scheme: dark",
        "@media print",
        "default-src 'none'",
    ] {
        assert!(html.contains(present), "{present}");
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert_eq!(html.matches("<table").count(), html.matches("<caption>").count());
    // Every anchor that is led to is there once.
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
    for target in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&target), "{target}");
    }
    assert!(
        !html.contains('%') || html.matches('%').count() == html.matches("100%").count(),
        "no percentage"
    );
}

#[test]
fn templates_can_be_replaced_and_a_name_that_is_not_there_is_an_error() {
    let annex = full();
    let own = Templates::of(Some("{{ system.name }}\n"), None);
    assert_eq!(Renderer::new(&annex, catalogue()).markdown(&own).unwrap(), "Repayment estimator\n");
    assert_ne!(own.digest(), Templates::default().digest());
    let broken = Templates::of(Some("{{ sytem.name }}"), None);
    let error = Renderer::new(&annex, catalogue()).markdown(&broken).unwrap_err();
    assert_eq!(error.template, "annex-iv.md.j2");
    let reaching = Templates::of(None, Some("{% include '/etc/hostname' %}"));
    assert!(Renderer::new(&annex, catalogue()).html(&reaching).is_err());
}

// Words.

#[test]
fn no_template_rendering_schema_or_catalogue_uses_a_word_that_judges() {
    let catalogue = catalogue();
    for (text, word) in [
        ("fully Compliant.", Some("compliant")),
        ("non-compliant", Some("compliant")),
        ("Proves it", Some("proves")),
        ("improves", None),
        ("continuous_compliance", None),
    ] {
        assert_eq!(catalogue.banned_word(text), word, "{text}");
    }
    let mut said = vec![
        ("markdown template", include_str!("../templates/annex-iv.md.j2").to_owned()),
        ("html template", include_str!("../templates/annex-iv.html.j2").to_owned()),
        ("pack template", include_str!("../templates/pack-readme.md.j2").to_owned()),
        ("provider template", provider::template()),
    ];
    for annex in [full(), derive(catalogue, None, &pack())] {
        said.push(("markdown", Renderer::new(&annex, catalogue).markdown(&Templates::default()).unwrap()));
        said.push(("html", Renderer::new(&annex, catalogue).html(&Templates::default()).unwrap()));
        said.push(("json", String::from_utf8(annex.bytes()).unwrap()));
    }
    let mut own: Value = serde_json::from_str(include_str!("../schemas/annex-iv.catalogue.json")).unwrap();
    own.as_object_mut().unwrap().remove("banned_words");
    said.push(("catalogue", own.to_string()));
    for (path, text) in bp::schema::embedded() {
        let schema: Value = serde_json::from_str(text).unwrap();
        for key in ["title", "description"] {
            said.push((path, schema[key].as_str().unwrap_or_default().to_owned()));
        }
    }
    for (place, text) in said {
        assert_eq!(catalogue.banned_word(&text), None, "{place}");
    }
    assert!(catalogue.texts.header.contains("gives no presumption of conformity"));
}

#[test]
fn no_receipt_is_called_a_log_of_article_12_and_no_quality_is_claimed() {
    let html = Renderer::new(&full(), catalogue()).html(&Templates::default()).unwrap();
    let article_12: Vec<&str> =
        html.match_indices("Article 12").map(|(place, _)| &html[place - 90..place]).collect();
    assert_eq!(article_12.len(), 1);
    assert!(article_12[0].contains("They are not the event logs"));
    for id in [
        "IV.2.d#provenance",
        "IV.2.g#metrics_accuracy",
        "IV.2.g#metrics_robustness_other",
        "IV.2.g#discriminatory_impacts",
        "IV.3#accuracy_by_group",
    ] {
        assert_eq!(catalogue().facet(id).unwrap().pack, None, "{id}");
    }
}

// Checking a stored answer.

fn digest_of(facts: &Facts, provider: &Provider) -> impl Fn(&str) -> Option<Digest> {
    let mut files: Vec<(String, Digest)> =
        facts.evidence.iter().map(|each| (each.path.clone(), each.sha256)).collect();
    files.extend(facts.attachments.iter().map(|file| (file.path.clone(), file.sha256)));
    files.extend(facts.signoffs.iter().map(|signoff| (signoff.path.clone(), signoff.sha256)));
    files.push((provider.syntax().stored_at().to_owned(), provider.sha256()));
    move |path| files.iter().find(|(known, _)| known == path).map(|(_, digest)| *digest)
}

#[test]
fn an_edited_an_incomplete_and_a_dangling_answer_are_found() {
    let provider = parsed(PROVIDER);
    let facts = whole(&provider);
    let annex = derive(catalogue(), Some(&provider), &facts);
    let templates = Templates::default();
    let (json, markdown, html) = (
        annex.bytes(),
        Renderer::new(&annex, catalogue()).markdown(&templates).unwrap(),
        Renderer::new(&annex, catalogue()).html(&templates).unwrap(),
    );
    let known = digest_of(&facts, &provider);
    let faults = |json: &[u8], markdown: &str, html: &str, digest_of: &dyn Fn(&str) -> Option<Digest>| {
        let stored =
            Stored { json: Some(json), markdown: Some(markdown.as_bytes()), html: Some(html.as_bytes()) };
        let faults = check::verify(stored, &annex, catalogue(), &templates, digest_of);
        faults.into_iter().map(|fault| (fault.kind, fault.path, fault.at)).collect::<Vec<_>>()
    };
    assert_eq!(faults(&json, &markdown, &html, &known), []);
    // A status raised by hand.
    let edited = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&json).unwrap();
        change(&mut value);
        bp::json::canonical(&value)
    };
    let raised = edited(&|value| value["entries"][0]["facets"][1]["status"] = "evidenced".into());
    let at = "/entries/0/facets/1/status".to_owned();
    assert_eq!(
        faults(&raised, &markdown, &html, &known),
        [(FaultKind::NotDerived, "annex/annex-iv.json", at)]
    );
    // A facet taken out.
    let short = edited(&|value| drop(value["entries"][0]["facets"].as_array_mut().unwrap().remove(1)));
    let found = faults(&short, &markdown, &html, &known);
    assert_eq!(found[0].0, FaultKind::Incomplete);
    assert_eq!(found[1], (FaultKind::NotDerived, "annex/annex-iv.json", "/entries/0/facets".to_owned()));
    let incomplete = check::read(&short, catalogue()).unwrap_err();
    assert_eq!(incomplete, ReadError::Incomplete { id: "IV.1.a#provider_name".to_owned() });
    // The same value in other bytes.
    let pretty = serde_json::to_vec_pretty(&annex).unwrap();
    assert_eq!(
        faults(&pretty, &markdown, &html, &known),
        [(FaultKind::NotDerived, "annex/annex-iv.json", String::new())]
    );
    // A page edited.
    let page = html.replacen("missing", "evidenced", 1);
    let found = faults(&json, &markdown, &page, &known);
    assert_eq!((found.len(), found[0].0, found[0].1), (1, FaultKind::NotRendered, "annex/annex-iv.html"));
    let found = faults(&json, &markdown.replacen("OPEN", "DONE", 1), &html, &known);
    assert_eq!((found.len(), found[0].0, found[0].1), (1, FaultKind::NotRendered, "annex/annex-iv.md"));
    // A file that is named and not there, or is another.
    let gone = |path: &str| known(path).filter(|_| path != "verify/a.json");
    let wanted = (FaultKind::Dangling, "annex/annex-iv.json", "verify/a.json".to_owned());
    assert_eq!(faults(&json, &markdown, &html, &gone), [wanted]);
    let other = |path: &str| if path == "run/sbom.cdx.json" { Some(digest('0')) } else { known(path) };
    let wanted = (FaultKind::Digest, "annex/annex-iv.json", "run/sbom.cdx.json".to_owned());
    assert_eq!(faults(&json, &markdown, &html, &other), [wanted]);
    // Nothing stored at all.
    let nothing = check::verify(Stored::default(), &annex, catalogue(), &templates, &known);
    assert!(nothing.iter().any(|fault| fault.kind == FaultKind::Unreadable));
    assert_eq!(nothing.iter().filter(|fault| fault.kind == FaultKind::NotRendered).count(), 2);
}

// Asking.

#[test]
fn what_is_open_is_told_by_owner_and_a_gate_names_what_is_below() {
    let annex = full();
    let todos = check::todo(&annex);
    let owners: Vec<_> = todos.iter().map(|todo| todo.owner).collect();
    assert_eq!(owners, ["quality", "data", "validation"]);
    let all: usize = todos.iter().map(|todo| todo.items.len()).sum();
    assert_eq!(all, annex.facets().map(|facet| facet.open.len()).sum::<usize>());
    let below = |points: &[&str], min| -> Vec<String> {
        let below = check::check(&annex, catalogue(), points, min).unwrap();
        below.iter().map(|facet| facet.id.clone()).collect()
    };
    assert_eq!(
        below(&["2.g", "6"], Status::Declared),
        ["IV.2.g#metrics_robustness_other", "IV.6#significance"]
    );
    assert_eq!(below(&["1.f", "IV.8", "2.g#test_logs"], Status::Evidenced), [""; 0]);
    assert_eq!(below(&["1.c"], Status::Evidenced), ["IV.1.c#update_requirements"]);
    assert_eq!(below(&[], Status::Evidenced), [""; 0]);
    assert_eq!(below(&["2"], Status::Partial).len(), 3);
    let unknown = check::check(&annex, catalogue(), &["2.k"], Status::Declared).unwrap_err();
    assert_eq!((unknown.id.as_str(), unknown.nearest.is_some()), ("2.k", true));
    assert!(check::check(&annex, catalogue(), &[""], Status::Declared).is_err());
}

// The program.

/// Exit status, standard output and standard error of a run in a folder.
fn bp(folder: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bp"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn init_writes_the_file_once() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, _, _) = bp(scratch.path(), &["annex", "init", "-o", "provider.toml"]);
    assert_eq!(status, 0);
    let written = std::fs::read_to_string(scratch.path().join("provider.toml")).unwrap();
    assert_eq!(written, provider::template());
    let (status, _, told) = bp(scratch.path(), &["annex", "init", "-o", "provider.toml"]);
    assert_eq!((status, told.starts_with("error: provider.toml exists")), (2, true), "{told}");
    assert_eq!(bp(scratch.path(), &["annex", "init"]).1, written);
}

#[test]
fn a_file_or_the_pack_that_holds_it_is_asked_gated_and_rendered() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let annex = full();
    std::fs::create_dir_all(folder.join("pack/annex")).unwrap();
    for path in ["annex-iv.json", "pack/annex/annex-iv.json"] {
        std::fs::write(folder.join(path), annex.bytes()).unwrap();
    }
    for file in ["annex-iv.json", "pack"] {
        let (status, open, note) = bp(folder, &["annex", "todo", file]);
        assert_eq!(status, 0);
        assert!(
            open.starts_with("Regulatory and quality lead\n  IV.2.b#tradeoffs: design.tradeoffs\n"),
            "{open}"
        );
        assert!(note.starts_with("read, not verified"), "{note}");
        let (status, html, _) = bp(folder, &["annex", "render", file, "--html"]);
        assert_eq!(
            (status, html),
            (0, Renderer::new(&annex, catalogue()).html(&Templates::default()).unwrap())
        );
        let (status, markdown, _) = bp(folder, &["annex", "render", file]);
        assert_eq!(
            (status, markdown),
            (0, Renderer::new(&annex, catalogue()).markdown(&Templates::default()).unwrap())
        );
    }
    for (arguments, wanted) in [
        (&["annex", "check", "pack"][..], 0),
        (&["annex", "check", "pack", "--require", "1.b,2.e,8"], 0),
        (&["annex", "check", "pack", "--require", "1.b", "--min", "evidenced"], 1),
        (&["annex", "check", "pack", "--require", "2.g,6", "--min", "declared"], 1),
        (&["annex", "check", "pack", "--require", "2.z"], 3),
        (&["annex", "check", "pack", "--min", "perfect"], 3),
        (&["annex", "check", "nowhere"], 2),
        (&["annex", "todo"], 2),
    ] {
        let (status, out, told) = bp(folder, arguments);
        assert_eq!(status, wanted, "{arguments:?}: {told}");
        assert!(out.is_empty() && told.lines().all(|line| line.chars().count() <= 80), "{told}");
    }
    let (_, json, _) = bp(folder, &["annex", "check", "pack", "--require", "6", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["below"], serde_json::json!([{ "facet": "IV.6#significance", "status": "missing" }]));
    assert_eq!((&json["ok"], &json["verified"]), (&Value::Bool(false), &Value::Bool(false)));
    std::fs::write(folder.join("other.json"), "{}").unwrap();
    let (status, _, told) = bp(folder, &["annex", "render", "other.json"]);
    assert_eq!((status, told.starts_with("error: other.json: not bp/annex-iv/0.1: ")), (2, true), "{told}");
    std::fs::create_dir(folder.join("templates")).unwrap();
    let (status, _, told) = bp(folder, &["annex", "render", "pack", "--templates", "templates"]);
    assert_eq!((status, told.contains("holds neither annex-iv.md.j2 nor")), (2, true), "{told}");
    std::fs::write(folder.join("templates/annex-iv.md.j2"), "{{ system.version }}").unwrap();
    let (status, out, _) = bp(folder, &["annex", "render", "pack", "--templates", "templates"]);
    assert_eq!((status, out.as_str()), (0, "2.1"));
}

#[test]
fn no_help_text_uses_a_word_that_judges() {
    let scratch = tempfile::tempdir().unwrap();
    let mut verbs: Vec<Vec<String>> = vec![vec![]];
    let mut seen = 0;
    while let Some(verb) = verbs.pop() {
        let arguments: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
        let (status, help, _) = bp(scratch.path(), &arguments);
        assert_eq!(status, 0, "{arguments:?}");
        assert_eq!(catalogue().banned_word(&help), None, "{arguments:?}");
        seen += 1;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in commands.take_while(|line| !line.is_empty()) {
            let name = line.strip_prefix("  ").and_then(|line| line.split(' ').next()).unwrap_or_default();
            if !name.is_empty() && name != "help" {
                verbs.push(verb.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    assert!(seen > 20, "{seen} verbs were read");
}
