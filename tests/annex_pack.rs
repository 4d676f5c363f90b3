//! Annex IV inside packs: it follows from the evidence and from what people put beside it, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs;

use bp::annex::model::Act;
use bp::annex::{Annex, catalogue, check};
use bp::digest::Digest;
use bp::pack::build::GivenPaper;
use bp::pack::check::{self as pack_check, Demands};
use bp::pack::manifest::{Artifact, FileRole, Producer};
use bp::pack::signoff::{self, Person, Report, Words};
use bp::pack::{Options, PackPath};
use bp::trust::SigningKey;
use packs::{Place, alice, broken, iris, lax, mallory, strict, terms};
use serde_json::{Value, json};

const PROVIDER: &[u8] = br#"
stated_by = "p1"
[system]
name = "Estimator"
version = "1"
intended_purpose = "Shows how a step is recorded"
[ui]
ifu = "ifu.pdf"
[[person]]
id = "p1"
name = "A. Sample"
function = "Head of Validation"
roles = ["validation"]
"#;
const PAPERS: [(&str, &[u8]); 2] =
    [("annex/provider.toml", PROVIDER), ("annex/attachments/ifu.pdf", b"Read me")];
const JSON: &str = "annex/annex-iv.json";

fn annex(place: &Place) -> Annex {
    check::read(&place.bytes(JSON), catalogue()).unwrap()
}

/// Edits the stored answer and seals everything again.
fn edited(place: &Place, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&place.bytes(JSON)).unwrap();
    edit(&mut value);
    place.put(JSON, bp::json::canonical(&value));
    place.reseal(&alice());
}

fn add(place: &Place, path: &str, bytes: &[u8], role: FileRole) {
    place.put(path, bytes);
    let mut statement = place.statement();
    let path: PackPath = path.parse().unwrap();
    let media_type = bp::pack::layout::media_type(&path).to_owned();
    let (size_bytes, sha256) = (bytes.len() as u64, Digest::of(bytes));
    statement.artifacts.push(Artifact { path, size_bytes, sha256, role, media_type });
    place.reseal_as(&alice(), statement);
}

// What is built.

#[test]
fn without_a_provider_no_point_is_evidenced_and_every_clause_is_printed() {
    let place = Place::sealed();
    let annex = annex(&place);
    assert_eq!((annex.entries.len(), annex.facets().count()), (23, 59));
    let counts = annex.counts;
    assert_eq!((counts.evidenced, counts.declared, counts.not_applicable), (0, 0, 0));
    assert_eq!(counts.partial + counts.missing, 23);
    for path in ["annex/annex-iv.md", "annex/annex-iv.html"] {
        let text = String::from_utf8(place.bytes(path)).unwrap();
        assert!(annex.facets().all(|facet| text.contains(&facet.id)), "{path}");
        assert_eq!(catalogue().banned_word(&text), None, "{path}");
    }
    assert_eq!(annex.pack.id, Some(place.statement().pack_id.to_string()));
    assert_eq!(annex.pack.root_sha256, None);
}

#[test]
fn page_one_says_how_much_of_the_annex_is_open_and_whose_it_is() {
    let place = Place::sealed();
    let open: usize = annex(&place).facets().map(|facet| facet.open.len()).sum();
    let readme = String::from_utf8(place.bytes("README.md")).unwrap();
    let line = format!("- Annex IV of the EU AI Act: {open} items are open (");
    assert!(readme.contains(&line) && readme.contains("): see `annex/annex-iv.md`."), "{readme}");
    let report = String::from_utf8(place.bytes("report.html")).unwrap();
    assert!(report.contains(&format!("{open} items are open")));
    assert!(report.contains("<a href=\"annex/annex-iv.html#open\">"));
    let html = String::from_utf8(place.bytes("annex/annex-iv.html")).unwrap();
    assert!(html.contains("id=\"open\""), "where page one leads");
}

#[test]
fn what_the_provider_says_and_attaches_is_sealed_and_shown() {
    let place = Place::with(&PAPERS);
    assert_eq!(place.found(&strict()), Vec::<String>::new());
    assert_eq!(place.bytes("annex/provider.toml"), PROVIDER);
    let annex = annex(&place);
    assert_eq!(annex.system.name.as_deref(), Some("Estimator"));
    let purpose = annex.facets().find(|facet| facet.id == "IV.1.a#purpose").unwrap();
    assert_eq!(purpose.status.name(), "declared");
    let statement = place.statement();
    let role = |path: &str| {
        statement
            .artifacts
            .iter()
            .find(|artifact| artifact.path.as_str() == path)
            .map(|artifact| artifact.role)
    };
    assert_eq!(role("annex/provider.toml"), Some(FileRole::Provider));
    assert_eq!(role("annex/attachments/ifu.pdf"), Some(FileRole::Attachment));
    assert_eq!(role(JSON), Some(FileRole::Annex));
    let other = Place::with(&[PAPERS[0], ("annex/attachments/ifu.pdf", b"Read me!")]);
    assert_ne!(statement.pack_id, other.statement().pack_id, "an attachment is evidence");
}

#[test]
fn what_the_run_left_out_of_the_pack_is_said_and_not_counted() {
    let place = Place::with(&PAPERS[..1]);
    let annex = annex(&place);
    let notice = annex.notices.iter().find(|notice| notice.at == "ifu.pdf").unwrap();
    assert!(notice.message.contains("not in the pack"), "{notice:?}");
    assert_eq!(place.found(&strict()), Vec::<String>::new());
}

// Attacks: everything is sealed again by Alice.

#[test]
fn annex_status_raised_by_hand() {
    let place = Place::with(&PAPERS);
    edited(&place, |annex| annex["entries"][0]["status"] = json!("evidenced"));
    assert_eq!(place.found(&strict()), [format!("ANNEX_NOT_REDERIVED {JSON}")]);
    let result = place.check(&lax());
    assert_eq!(broken(&result), [format!("ANNEX_NOT_REDERIVED {JSON}")], "strict or not");
    assert!(result.findings[0].message.starts_with("/entries/0/status: "), "{:?}", result.findings);
    let check = result.checks.iter().find(|check| check.name == "annex").unwrap();
    assert_eq!((json!(check.how), check.ok, check.count), (json!("recomputed"), Some(false), 5));
}

#[test]
fn annex_page_edited_by_hand() {
    for path in ["annex/annex-iv.md", "annex/annex-iv.html"] {
        let place = Place::with(&PAPERS);
        let text = String::from_utf8(place.bytes(path)).unwrap();
        place.put(path, text.replacen("OPEN: ", "DONE: ", 1));
        place.reseal(&alice());
        assert_eq!(place.found(&strict()), [format!("ANNEX_NOT_REDERIVED {path}")]);
    }
}

#[test]
fn annex_names_a_file_that_is_not_there() {
    let place = Place::with(&PAPERS);
    edited(&place, |annex| {
        for entry in annex["entries"].as_array_mut().unwrap() {
            for facet in entry["facets"].as_array_mut().unwrap() {
                for evidence in facet["evidence"].as_array_mut().unwrap() {
                    if evidence["path"] == "annex/attachments/ifu.pdf" {
                        evidence["path"] = json!("annex/attachments/other.pdf");
                    }
                }
            }
        }
    });
    let wanted = [format!("ANNEX_EVIDENCE_DANGLING {JSON}"), format!("ANNEX_NOT_REDERIVED {JSON}")];
    assert_eq!(place.found(&strict()), wanted);
    // A pack that calls itself made by another version is not compared byte by byte, and yet nothing dangles in it.
    let options = Options { producer: Producer { version: "9".into(), ..strict().producer }, ..strict() };
    assert_eq!(place.found(&options), [format!("ANNEX_EVIDENCE_DANGLING {JSON}")]);
}

#[test]
fn annex_without_a_clause() {
    let place = Place::with(&PAPERS);
    edited(&place, |annex| drop(annex["entries"][0]["facets"].as_array_mut().unwrap().remove(1)));
    let wanted = [format!("ANNEX_FACET_MISSING {JSON}"), format!("ANNEX_NOT_REDERIVED {JSON}")];
    assert_eq!(place.found(&strict()), wanted);
}

#[test]
fn annex_of_another_version_with_a_raised_status() {
    let place = Place::with(&PAPERS);
    edited(&place, |annex| annex["entries"][0]["facets"][0]["status"] = json!("evidenced"));
    let options = Options { producer: Producer { version: "9".into(), ..strict().producer }, ..strict() };
    assert_eq!(place.found(&options), [format!("ANNEX_NOT_REDERIVED {JSON}")]);
}

#[test]
fn annex_taken_out_of_the_pack() {
    let place = Place::with(&PAPERS);
    let mut statement = place.statement();
    statement.artifacts.retain(|artifact| artifact.path.as_str() != JSON);
    fs::remove_file(place.at(JSON)).unwrap();
    place.reseal_as(&alice(), statement);
    assert_eq!(place.found(&strict()), [format!("FILE_NOT_SEALED {JSON}")]);
}

#[test]
fn provider_file_swapped_after_the_answer_was_derived() {
    let place = Place::with(&PAPERS);
    let text = String::from_utf8(PROVIDER.to_vec()).unwrap();
    place.put("annex/provider.toml", text.replace("version = \"1\"", "version = \"2\""));
    place.reseal(&alice());
    let found = place.found(&strict());
    assert!(found.contains(&format!("ANNEX_NOT_REDERIVED {JSON}")), "{found:?}");
}

#[test]
fn provider_file_that_cannot_be_read() {
    let place = Place::with(&PAPERS);
    place.put("annex/provider.toml", "[sytem]\n");
    place.reseal(&alice());
    let found = place.found(&strict());
    assert!(found.contains(&"ANNEX_PAPERS_UNSOUND annex/provider.toml".to_owned()), "{found:?}");
    let second = Place::with(&PAPERS);
    add(&second, "annex/provider.json", b"{}", FileRole::Provider);
    let found = second.found(&strict());
    assert!(found.iter().any(|found| found.starts_with("ANNEX_PAPERS_UNSOUND annex/provider.")), "{found:?}");
}

#[test]
fn attachment_that_nobody_names() {
    let place = Place::with(&PAPERS);
    add(&place, "annex/attachments/praise.pdf", b"", FileRole::Attachment);
    let found = place.found(&strict());
    assert!(found.contains(&"FILE_UNACCOUNTED annex/attachments/praise.pdf".to_owned()), "{found:?}");
    let place = Place::with(&PAPERS);
    add(&place, "annex/praise.md", b"", FileRole::Annex);
    assert_eq!(place.found(&strict()), ["FILE_UNACCOUNTED annex/praise.md"]);
}

#[test]
fn manifest_names_another_catalogue_or_another_parent() {
    let place = Place::with(&PAPERS);
    place.reseal_manifest(&alice(), |statement| statement.annex.catalogue_sha256 = Digest::of(b""));
    assert_eq!(place.found(&strict()), ["MANIFEST_ANNEX_MISMATCH manifest.json"]);
    let place = Place::with(&PAPERS);
    place.reseal_manifest(&alice(), |statement| statement.parent_manifest_sha256 = Some(Digest::of(b"")));
    assert_eq!(place.found(&strict()), ["MANIFEST_PARENT_MISMATCH manifest.json"]);
}

#[test]
fn equal_papers_make_equal_bytes() {
    let (one, same) = (Place::with(&PAPERS), Place::with(&PAPERS));
    assert_eq!(one.files(), same.files());
    assert_eq!(broken(&pack_check::directory(&one.pack, &strict()).unwrap()), Vec::<String>::new());
    let plain = Place::of(vec![iris()], &terms(), Some(&alice()));
    assert_ne!(plain.statement().pack_id, one.statement().pack_id);
}

// Templates of others.

const MARKDOWN: &str = include_str!("../templates/annex-iv.md.j2");

/// A template with a heading of its own.
fn own(heading: &str) -> String {
    MARKDOWN.replacen("# EU AI Act, Annex IV", heading, 1)
}

fn faulty(template: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let stage = bp::pack::Stage::open(scratch.path()).unwrap();
    let path = "annex/templates/annex-iv.md.j2".parse().unwrap();
    let papers = stage.papers(&[(path, GivenPaper::Held(template.as_bytes().to_vec()))].into()).unwrap();
    let mut evidence = bp::pack::Evidence::default();
    evidence.papers(papers);
    stage.seal(evidence, &terms(), Some(&alice())).unwrap_err().to_string()
}

#[test]
fn templates_are_packed_named_in_the_manifest_and_rendered_by_again() {
    let text = own("# House style, Annex IV");
    let place = Place::with(&[("annex/templates/annex-iv.md.j2", text.as_bytes())]);
    assert_eq!(place.found(&strict()), Vec::<String>::new());
    assert!(
        String::from_utf8(place.bytes("annex/annex-iv.md")).unwrap().starts_with("# House style, Annex IV")
    );
    let plain = Place::sealed();
    assert_eq!(place.bytes("annex/annex-iv.html"), {
        // The page shows the id of the pack, which names the template too.
        let ids = [&plain, &place].map(|place| place.statement().pack_id.to_string());
        String::from_utf8(plain.bytes("annex/annex-iv.html")).unwrap().replace(&ids[0], &ids[1]).into_bytes()
    });
    let digests = [&plain, &place].map(|place| place.statement().annex.templates_sha256);
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn template_changed_after_the_page_was_made() {
    let text = own("# House style, Annex IV");
    let place = Place::with(&[("annex/templates/annex-iv.md.j2", text.as_bytes())]);
    place.put("annex/templates/annex-iv.md.j2", own("# Other style, Annex IV"));
    place.reseal(&alice());
    let found = place.found(&strict());
    for finding in ["ANNEX_NOT_REDERIVED annex/annex-iv.md", "MANIFEST_ANNEX_MISMATCH manifest.json"] {
        assert!(found.contains(&finding.to_owned()), "{found:?}");
    }
}

/// A pack whose template is swapped for another and sealed again, as a forger would who owns a key.
fn swapped(template: &str) -> Vec<String> {
    let place = Place::with(&[("annex/templates/annex-iv.md.j2", own("# House style").as_bytes())]);
    place.put("annex/templates/annex-iv.md.j2", template);
    place.reseal(&alice());
    place.found(&strict())
}

#[test]
fn template_that_uses_a_word_that_judges() {
    let text = own("# This system is Compliant with Annex IV");
    assert_eq!(
        faulty(&text),
        "annex/annex-iv.md: \"compliant\" judges, and nobody outside is quoted with it"
    );
    assert!(swapped(&text).contains(&"ANNEX_BANNED_WORD annex/annex-iv.md".to_owned()));
}

#[test]
fn template_that_leaves_a_clause_out() {
    for text in [
        MARKDOWN.replacen("### {{ facet.id }}", "### {{ facet.name }}", 1),
        MARKDOWN.replace("- OPEN: {{ open.field }}", "- {{ open.field }}"),
        format!("<!--{MARKDOWN}-->"),
    ] {
        assert!(faulty(&text).starts_with("annex/annex-iv.md"), "{}", faulty(&text));
        let found = swapped(&text);
        assert!(found.contains(&"ANNEX_FACET_MISSING annex/annex-iv.md".to_owned()), "{found:?}");
    }
}

#[test]
fn template_that_never_ends_or_reaches_elsewhere() {
    let nested = |depth: usize| {
        let (heads, tails) = ("{% for a in entries %}".repeat(depth), "{% endfor %}".repeat(depth));
        format!("{heads}{{{{ a.id }}}}{tails}")
    };
    for text in [
        nested(12),
        format!("{{% for a in entries %}}{}{{% endfor %}}", "{{ entries }}".repeat(500)),
        "{% include 'other' %}".to_owned(),
        "{{ 'a' * 1000000000 }}".to_owned(),
        "{{ nothing }}".to_owned(),
        "{% for".to_owned(),
    ] {
        let began = std::time::Instant::now();
        let found = swapped(&text);
        assert!(found.contains(&"ANNEX_TEMPLATE_BROKEN annex/annex-iv.md".to_owned()), "{found:?}");
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }
}

// Lineage.

fn history(rate: f64) -> String {
    json!([{
        "run_id": "1".repeat(32), "status": "completed", "session_kind": "single_run",
        "started_at": "2026-01-31T11:00:00", "completed_at": "2026-01-31T11:30:00",
        "hyperparameters": { "learning_rate": rate }, "loss_history": [2.0, 1.5, 1.25],
    }])
    .to_string()
}

const ENVELOPE: &[u8] =
    br#"{ "schema": "bp/envelope/0.1", "settings": { "learning_rate": { "min": 0.05, "max": 0.2 } } }"#;

/// A pack of one training job, with the envelope that the provider declares.
fn trained(rate: f64, version: &str, parent: Option<&[u8]>) -> Place {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run_history.json"), history(rate)).unwrap();
    let key = |path: &str| Some(path.to_owned());
    let left = bp::run::collect::directory(
        folder.path(),
        &[],
        bp::run::Given::default(),
        &key,
        &bp::run::collect::Limits::default(),
    )
    .unwrap();
    let provider = format!(
        "[system]\nversion = '{version}'\nprevious_version = '1'\n[[predetermined_change]]\nwhat = 'Retraining'\ndocument = 'rate.envelope.json'\n"
    );
    let mut files = vec![
        ("annex/provider.toml", provider.as_bytes()),
        ("annex/attachments/rate.envelope.json", ENVELOPE),
    ];
    files.extend(parent.map(|parent| ("annex/parent.json", parent)));
    let scratch = tempfile::tempdir().unwrap();
    let stage = bp::pack::Stage::open(scratch.path()).unwrap();
    let files =
        files.iter().map(|(path, bytes)| (path.parse().unwrap(), GivenPaper::Held(bytes.to_vec()))).collect();
    let mut evidence = bp::pack::Evidence::default();
    stage.run(&mut evidence, "run", &left).unwrap();
    evidence.papers(stage.papers(&files).unwrap());
    let pack = stage.seal(evidence, &terms(), Some(&alice())).unwrap().publish("demo").unwrap();
    Place { scratch, pack }
}

/// What the next pack keeps of this one.
fn kept(place: &Place) -> Vec<u8> {
    let answered = place.check(&strict()).answered.unwrap();
    bp::json::canonical(&answered.parent().unwrap())
}

#[test]
fn a_pack_that_follows_another_says_what_changed_and_whether_it_stayed_inside() {
    let first = trained(0.1, "1", None);
    let answer = annex(&first);
    assert_eq!(answer.lineage, None);
    let held = &answer.envelopes[0];
    // Nothing shows that the first was declared before.
    assert_eq!((json!(held.standing), held.declared_before), (json!("inside"), false));
    assert!(answer.notices.iter().any(|notice| notice.message.contains("no pack before carries")));

    let second = trained(0.15, "2", Some(&kept(&first)));
    assert_eq!(second.found(&strict()), Vec::<String>::new());
    let manifest = Digest::of(&first.bytes("manifest.json"));
    assert_eq!(second.statement().parent_manifest_sha256, Some(manifest));
    let answer = annex(&second);
    let lineage = answer.lineage.as_ref().unwrap();
    assert_eq!((lineage.manifest_sha256, lineage.version.as_deref()), (manifest, Some("1")));
    let changes: Vec<_> = lineage
        .changes
        .iter()
        .map(|change| (change.what.as_str(), change.before.as_deref(), change.after.as_deref()))
        .collect();
    assert_eq!(changes, [("run: setting learning_rate", Some("0.1"), Some("0.15"))]);
    assert_eq!(
        (json!(answer.envelopes[0].standing), answer.envelopes[0].declared_before),
        (json!("inside"), true)
    );
    let of = |id: &str| answer.facets().find(|facet| facet.id == id).unwrap();
    assert_eq!(of("IV.6#training_changes").status.name(), "evidenced");
    assert_eq!(of("IV.1.a#purpose").changed, Some(false));
    let text = String::from_utf8(second.bytes("annex/annex-iv.md")).unwrap();
    assert!(text.contains("| run: setting learning_rate | 0.1 | 0.15 |"), "{text}");

    let third = annex(&trained(0.5, "3", Some(&kept(&second))));
    assert_eq!(json!(third.envelopes[0].standing), json!("outside"));
    assert!(third.notices.iter().any(|notice| notice.message.contains("left the declared change envelope")));
    // `previous_version` is said to be 1, and the pack before is about 2.
    assert!(third.notices.iter().any(|notice| notice.at == "system.previous_version"));
}

#[test]
fn another_parent_put_in_after_sealing() {
    let first = trained(0.1, "1", None);
    let place = trained(0.15, "2", Some(&kept(&first)));
    let mut parent: Value = serde_json::from_slice(&place.bytes("annex/parent.json")).unwrap();
    parent["manifest_sha256"] = json!(Digest::of(b"another"));
    place.put("annex/parent.json", bp::json::canonical(&parent));
    place.reseal(&alice());
    let found = place.found(&strict());
    assert!(found.contains(&"MANIFEST_PARENT_MISMATCH manifest.json".to_owned()), "{found:?}");
    place.put("annex/parent.json", "{}");
    place.reseal(&alice());
    let found = place.found(&strict());
    assert!(found.contains(&"ANNEX_PAPERS_UNSOUND annex/parent.json".to_owned()), "{found:?}");
}

// Sign-offs: made after sealing, beside the pack.

const FIXTURE: &str = include_str!("../fixtures/annex/provider.toml");
const EXPECT: &str = include_str!("../fixtures/annex/expect.json");

/// The key of a person of the fixture.
fn key(person: &str) -> SigningKey {
    SigningKey::from_seed(&[person.as_bytes()[1]; 32])
}

/// The built-in step with everything that the fixture's provider says and attaches.
fn full() -> Place {
    let mut text = FIXTURE.to_owned();
    for (person, digit) in [("p1", "a"), ("p2", "b"), ("p3", "c")] {
        text = text.replace(&digit.repeat(64), &key(person).id().to_string());
    }
    let provider = bp::annex::provider::parse(text.as_bytes()).unwrap();
    let names: Vec<String> = provider.attachments().iter().map(|(name, _)| name.to_string()).collect();
    let stored: Vec<String> = names.iter().map(|name| format!("annex/attachments/{name}")).collect();
    let mut papers = vec![("annex/provider.toml", text.as_bytes())];
    papers.extend(stored.iter().zip(&names).map(|(path, name)| (path.as_str(), name.as_bytes())));
    Place::with(&papers)
}

fn sign(
    place: &Place,
    name: &str,
    (person, key): (&str, &SigningKey),
    act: Act,
    scope: &str,
    files: &[&str],
) {
    let words = Words {
        person: Person {
            id: person.to_owned(),
            name: "A. Sample".to_owned(),
            function: "Head of Validation".to_owned(),
            organisation: None,
            on_behalf_of: None,
            developer_of_run: false,
        },
        act,
        scope: vec![scope.to_owned()],
        statement: None,
        limits_acknowledged: true,
        place: None,
        signed_at: "2026-11-19T10:00:00Z".parse().unwrap(),
        attached: Vec::new(),
    };
    let report = |name: &&str| {
        let path = format!("annex/attachments/{name}");
        Report { sha256: Digest::of(&place.bytes(&path)), path }
    };
    let reports: Vec<Report> = files.iter().map(report).collect();
    let manifest = Digest::of(&place.bytes("manifest.json"));
    let envelope = signoff::sign(words, &manifest, &reports, key).unwrap();
    place.put(&format!("signoffs/{name}.dsse.json"), envelope.to_bytes());
}

fn signed() -> Place {
    let place = full();
    let [p1, p2, p3] = ["p1", "p2", "p3"].map(key);
    let reports = ["reports/t1.pdf", "reports/bias.pdf"];
    sign(&place, "p1-2g", ("p1", &p1), Act::Approved, "IV.2.g", &reports);
    sign(&place, "p3-8", ("p3", &p3), Act::Approved, "IV.8", &["doc.pdf"]);
    sign(&place, "p3-5", ("p3", &p3), Act::Reviewed, "IV.5#rms", &["risk.pdf"]);
    sign(&place, "p2-1a", ("p2", &p2), Act::Performed, "IV.1.a#purpose", &["purpose.pdf"]);
    sign(&place, "p2-1h", ("p2", &p2), Act::Rejected, "IV.1.h", &["ifu.pdf"]);
    place
}

/// The answer of a pack, derived again with the sign-offs that verify.
fn answered(place: &Place) -> Annex {
    let result = place.check(&lax());
    assert_eq!(broken(&result), Vec::<String>::new());
    let annex = result.answered.unwrap().annex();
    let open: usize = annex.facets().map(|facet| facet.open.len()).sum();
    let summary = result.annex.unwrap();
    assert_eq!((summary.units, summary.open), (annex.counts, open as u64));
    annex
}

fn statuses(annex: &Annex) -> Value {
    let units = annex.entries.iter().map(|entry| {
        let facets: serde_json::Map<String, Value> = entry
            .facets
            .iter()
            .map(|facet| (facet.id.split('#').nth(1).unwrap().to_owned(), facet.status.name().into()))
            .collect();
        (entry.id.clone(), json!({ "status": entry.status, "facets": facets }))
    });
    Value::Object(units.collect())
}

#[test]
fn with_people_and_their_sign_offs_a_pack_has_the_statuses_derived_by_hand() {
    let place = signed();
    let annex = answered(&place);
    let expect: Value = serde_json::from_str(EXPECT).unwrap();
    let found = statuses(&annex);
    for (id, unit) in expect["in_a_pack_of_one_receipt"].as_object().unwrap() {
        assert_eq!(&found[id], unit, "{id}");
    }
    assert_eq!(found.as_object().unwrap().len(), 23);
    assert_eq!(json!(annex.counts), expect["counts_in_a_pack_of_one_receipt"]);
    assert_eq!(annex.pack.root_sha256, Some(Digest::of(&place.bytes("manifest.json"))));
    // The stored answer has none: it was sealed before.
    let stored = self::annex(&place);
    assert!(stored.signoffs.is_empty());
    assert_eq!(stored.facets().find(|facet| facet.id == "IV.8#copy").unwrap().status.name(), "declared");
    assert_eq!(annex.signoffs.len(), 5);
    assert_eq!(annex.signoffs.iter().filter(|row| row.refused.is_none()).count(), 4);
}

#[test]
fn sign_off_with_the_seal_or_by_a_stranger_or_over_another_pack_raises_nothing() {
    let [plain, place, other] = [full(), full(), full()];
    let wanted = statuses(&answered(&plain));
    let [p1, p2] = ["p1", "p2"].map(key);
    let reports = ["reports/t1.pdf", "reports/bias.pdf"];
    sign(&place, "seal", ("p1", &alice()), Act::Approved, "IV.2.g", &reports);
    sign(&place, "stranger", ("p1", &mallory()), Act::Approved, "IV.2.g", &reports);
    sign(&place, "nobody", ("p9", &mallory()), Act::Approved, "IV.2.g", &reports);
    sign(&place, "borrowed", ("p1", &p2), Act::Approved, "IV.2.g", &reports);
    sign(&place, "manifest-alone", ("p1", &p1), Act::Approved, "IV.2.g", &[]);
    sign(&place, "rejected", ("p1", &p1), Act::Rejected, "IV.2.g", &reports);
    sign(&place, "elsewhere", ("p1", &p1), Act::Approved, "IV.9", &reports);
    assert_eq!(statuses(&answered(&place)), wanted);
    // Over another pack it is a finding, and the answer has none of it.
    sign(&plain, "p1-2g", ("p1", &p1), Act::Approved, "IV.2.g", &reports);
    let envelope = plain.bytes("signoffs/p1-2g.dsse.json");
    other.reseal_manifest(&alice(), |statement| {
        statement.created_at = "2026-02-01T00:00:00Z".parse().unwrap();
    });
    other.put("signoffs/p1-2g.dsse.json", envelope);
    let result = other.check(&lax());
    assert!(broken(&result).contains(&"ADDITION_OF_ANOTHER_PACK signoffs/p1-2g.dsse.json".to_owned()));
    assert!(result.answered.unwrap().annex().signoffs.is_empty());
}

#[test]
fn pack_that_follows_another_than_the_one_named() {
    let first = trained(0.1, "1", None);
    let second = trained(0.15, "2", Some(&kept(&first)));
    let manifest = Digest::of(&first.bytes("manifest.json"));
    let demanding =
        |parent| Options { demands: Demands { parent: Some(parent), ..strict().demands }, ..strict() };
    assert_eq!(second.found(&demanding(manifest)), Vec::<String>::new());
    let other = demanding(Digest::of(b"another"));
    assert_eq!(second.found(&other), ["PARENT_NOT_EXPECTED manifest.json"]);
    assert_eq!(first.found(&other), ["PARENT_NOT_EXPECTED manifest.json"], "a pack without a past");
}
