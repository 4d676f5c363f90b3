//! Annex IV inside packs: it follows from the evidence and from what people put beside it, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs;

use bp::annex::{Annex, catalogue, check};
use bp::digest::Digest;
use bp::pack::check as pack_check;
use bp::pack::manifest::{Artifact, FileRole, Producer};
use bp::pack::{Options, PackPath};
use packs::{Place, alice, broken, iris, lax, strict, terms};
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
