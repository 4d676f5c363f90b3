//! What is signed beside the seal, and whom the recipient believes: each attack with its exact codes, by default, strict
//! with a signer pinned, and with the recipient's list.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bp::annex::model::Act;
use bp::digest::Digest;
use bp::pack::attestation::{self, Attestation, Attested};
use bp::pack::check::Limits;
use bp::pack::layout::Added;
use bp::pack::signoff::{self, Attached, Person, Report, Words};
use bp::pack::{Demands, Expected, Moment, Options, PackPath, add};
use bp::trust::envelope::IN_TOTO;
use bp::trust::{Envelope, Revocation, Role, Signer, SigningKey, Subject, TrustPolicy, statement};
use packs::{Place, alice, broken, lax, mallory, strict};

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

/// Checks packs.
fn victor() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

/// Signs off.
fn jane() -> SigningKey {
    SigningKey::from_seed(&[4; 32])
}

fn listed(key: &SigningKey, role: Role, name: &str) -> Signer {
    Signer::new(name, role, key.verifying_key(), "2026-01-01T00:00:00Z")
}

/// The recipient's list, as text edits it.
fn policy(signers: &[Signer], head: &str) -> TrustPolicy {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("trust.toml");
    fs::write(&path, head).unwrap();
    for signer in signers {
        TrustPolicy::add(&path, signer.clone()).unwrap();
    }
    TrustPolicy::load(&path).unwrap()
}

fn all_three(head: &str) -> TrustPolicy {
    policy(
        &[
            listed(&alice(), Role::Seal, "Alice"),
            listed(&victor(), Role::Verifier, "Victor"),
            listed(&jane(), Role::Signoff, "Jane"),
        ],
        head,
    )
}

fn now() -> Demands {
    Demands { now: Some(moment("2026-02-10T00:00:00Z")), ..Demands::default() }
}

/// Strict, with Alice pinned and the recipient's list of the others.
fn with(policy: TrustPolicy) -> Options {
    Options { policy, demands: now(), ..strict() }
}

fn put(place: &Place, path: &str, bytes: &[u8]) {
    place.put(path, bytes);
}

const ATTESTATION: &str = "attestations/verification.dsse.json";
const SIGNOFF: &str = "signoffs/jane-approved.dsse.json";

fn attest(place: &Place, key: &SigningKey) -> Vec<u8> {
    let options = with(all_three(""));
    let result = place.check(&options);
    attestation::sign(&result, &options, key, moment("2026-02-01T12:00:00Z")).unwrap().to_bytes()
}

fn words() -> Words {
    Words {
        person: Person {
            id: "jane".into(),
            name: "Jane Doe".into(),
            function: "Head of testing".into(),
            organisation: Some("ACME".into()),
            on_behalf_of: None,
            developer_of_run: false,
        },
        act: Act::Approved,
        scope: vec!["IV.2.g".into()],
        statement: None,
        limits_acknowledged: true,
        place: Some("Graz".into()),
        signed_at: moment("2026-02-02T12:00:00Z"),
        attached: vec![],
    }
}

fn manifest_sha256(place: &Place) -> Digest {
    Digest::of(&place.bytes("manifest.json"))
}

fn sign_off(place: &Place, words: Words, key: &SigningKey) -> Vec<u8> {
    let path = "results/final_verdict.json";
    let report = Report { path: path.into(), sha256: Digest::of(&place.bytes(path)) };
    signoff::sign(words, &manifest_sha256(place), &[report], key).unwrap().to_bytes()
}

#[track_caller]
fn found(place: &Place, options: &Options, wanted: &[&str]) {
    assert_eq!(place.found(options), wanted);
}

#[test]
fn seal_attestation_and_sign_off_are_three_things_and_each_holds() {
    let place = Place::sealed();
    put(&place, ATTESTATION, &attest(&place, &victor()));
    put(&place, SIGNOFF, &sign_off(&place, words(), &jane()));
    let result = place.check(&with(all_three("")));
    assert_eq!(broken(&result), Vec::<String>::new());
    let attestation = &result.attestations[0];
    assert_eq!((attestation.listed.as_deref(), attestation.believed), (Some("Victor"), true));
    let signoff = &result.sign_offs[0];
    assert_eq!(
        (signoff.listed.as_deref(), signoff.believed, signoff.act),
        (Some("Jane"), true, Act::Approved)
    );
    let text = bp::pack::text::render(&result);
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(
        at("attestations (what a program found") < at("Victor") && at("Victor") < at("sign-offs (persons")
    );
    assert!(at("sign-offs (persons") < at("Jane Doe") && at("Jane Doe") < at("key of Jane"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // The pack itself is as it was: its seal says nothing of what was added.
    assert_eq!(result.manifest_sha256, Some(manifest_sha256(&place)));
}

#[test]
fn what_is_added_by_nobody_known_counts_for_nothing_and_is_a_finding_in_strict() {
    let place = Place::sealed();
    put(&place, ATTESTATION, &attest(&place, &mallory()));
    put(&place, SIGNOFF, &sign_off(&place, words(), &mallory()));
    found(&place, &lax(), &[]);
    let result = place.check(&lax());
    let codes: Vec<_> = result.warnings.iter().map(|warning| warning.law.code).collect();
    assert_eq!(codes, ["SIGNER_UNPINNED", "ADDITION_BY_UNKNOWN_KEY", "ADDITION_BY_UNKNOWN_KEY"]);
    assert!(!result.attestations[0].believed && !result.sign_offs[0].believed);
    let unknown = [
        "ADDITION_BY_UNKNOWN_KEY attestations/verification.dsse.json",
        "ADDITION_BY_UNKNOWN_KEY signoffs/jane-approved.dsse.json",
    ];
    found(&place, &strict(), &unknown);
    // Nor does it fill a threshold.
    let demanding = with(all_three("[requires]\nverifiers = 1\nsignoffs = 1\n"));
    found(&place, &demanding, &[unknown[0], unknown[1], "POLICY_THRESHOLD ."]);
}

#[test]
fn thresholds_count_keys_and_not_statements() {
    let place = Place::sealed();
    let two = with(all_three("[requires]\nsignoffs = 2\n"));
    let other = Words { act: Act::Reviewed, ..words() };
    put(&place, SIGNOFF, &sign_off(&place, words(), &jane()));
    put(&place, "signoffs/jane-reviewed.dsse.json", &sign_off(&place, other, &jane()));
    found(&place, &two, &["POLICY_THRESHOLD ."]);
    found(&place, &with(all_three("[requires]\nsignoffs = 1\n")), &[]);
    // One who has two keys on the list is one.
    let again = SigningKey::from_seed(&[77; 32]);
    let twice = Words { act: Act::Reviewed, ..words() };
    put(&place, "signoffs/jane-reviewed.dsse.json", &sign_off(&place, twice, &again));
    let signers = [
        listed(&alice(), Role::Seal, "Alice"),
        listed(&victor(), Role::Verifier, "Victor"),
        listed(&jane(), Role::Signoff, "Jane"),
        listed(&again, Role::Signoff, "Jane"),
    ];
    found(&place, &with(policy(&signers, "[requires]\nsignoffs = 2\n")), &["POLICY_THRESHOLD ."]);
    let [seal, verifier, one, _] = signers;
    let two_names = [seal, verifier, one, listed(&again, Role::Signoff, "Joan")];
    found(&place, &with(policy(&two_names, "[requires]\nsignoffs = 2\n")), &[]);
    put(&place, "signoffs/jane-reviewed.dsse.json", &sign_off(&place, words(), &jane()));
    let predicate = format!("[requires]\npredicates = [{:?}]\n", signoff::PREDICATE);
    found(&place, &with(all_three(&predicate)), &[]);
    let predicate = format!("[requires]\npredicates = [{:?}]\n", attestation::PREDICATE);
    found(&place, &with(all_three(&predicate)), &["POLICY_PREDICATE ."]);
    put(&place, ATTESTATION, &attest(&place, &victor()));
    found(&place, &with(all_three(&predicate)), &[]);
}

#[test]
fn a_key_that_sealed_cannot_attest_or_sign_off_for_itself() {
    let place = Place::sealed();
    put(&place, ATTESTATION, &attest(&place, &alice()));
    put(&place, SIGNOFF, &sign_off(&place, words(), &alice()));
    found(&place, &lax(), &[]);
    let wanted = [
        "ADDITION_KEY_NOT_BELIEVED attestations/verification.dsse.json",
        "ADDITION_KEY_NOT_BELIEVED signoffs/jane-approved.dsse.json",
        "SIGNERS_SHARE_A_KEY attestations/verification.dsse.json",
        "SIGNERS_SHARE_A_KEY signoffs/jane-approved.dsse.json",
    ];
    found(&place, &with(all_three("")), &wanted);
    let verifier = Demands { verifier: Some(alice().id()), ..now() };
    let place = Place::sealed();
    found(&place, &Options { demands: verifier.clone(), ..lax() }, &[]);
    found(&place, &Options { demands: verifier, ..strict() }, &["SIGNERS_SHARE_A_KEY ."]);
}

#[test]
fn one_byte_flipped_in_what_was_added() {
    let place = Place::sealed();
    for (path, bytes) in
        [(ATTESTATION, attest(&place, &victor())), (SIGNOFF, sign_off(&place, words(), &jane()))]
    {
        for at in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            put(&place, path, &flipped);
            for options in [lax(), with(all_three(""))] {
                let found = place.found(&options);
                assert!(!found.is_empty(), "{path} byte {at} of {}", bytes.len());
            }
        }
        fs::remove_file(place.at(path)).unwrap();
        fs::remove_dir(place.at(path).parent().unwrap()).unwrap();
    }
}

/// Without a key, the container can be written in other ways: none of them passes.
#[test]
fn an_envelope_written_again_without_a_key() {
    let place = Place::sealed();
    let text = String::from_utf8(sign_off(&place, words(), &jane())).unwrap();
    let signature = text.find("\"signatures\":[").unwrap() + "\"signatures\":[".len();
    let one = text[signature..text.len() - 2].to_owned();
    let key = jane().id().to_string();
    for (name, edited) in [
        ("white space", text.replacen(':', ": ", 1)),
        ("a last line", format!("{text}\n")),
        ("another key named", text.replace(&key, &mallory().id().to_string())),
        ("no key named", text.replace(&format!("\"keyid\":\"{key}\","), "")),
        ("a second signature", text.replace(&one, &format!("{one},{one}"))),
        ("an unknown member", text.replacen('{', "{\"approved\":true,", 1)),
        ("a repeated member", text.replacen('{', "{\"payload\":\"\",", 1)),
        ("nothing", String::new()),
    ] {
        put(&place, SIGNOFF, edited.as_bytes());
        for options in [lax(), with(all_three(""))] {
            assert_eq!(place.found(&options), [format!("ADDITION_UNSOUND {SIGNOFF}")], "{name}");
        }
    }
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let other = String::from_utf8(envelope.claim().to_vec()).unwrap().replace("approved", "rejected");
    let forged = Envelope::sign(&mallory(), IN_TOTO, other.into_bytes()).unwrap().to_bytes();
    put(&place, SIGNOFF, &forged);
    found(&place, &lax(), &["ADDITION_SIGNATURE_BROKEN signoffs/jane-approved.dsse.json"]);
}

#[test]
fn a_statement_about_another_pack_or_another_file() {
    let place = Place::sealed();
    let other = Place::of(vec![], &packs::terms(), Some(&alice()));
    put(&place, SIGNOFF, &sign_off(&other, words(), &jane()));
    put(&place, ATTESTATION, &attest(&other, &victor()));
    let wanted = [
        "ADDITION_OF_ANOTHER_PACK attestations/verification.dsse.json",
        "ADDITION_OF_ANOTHER_PACK signoffs/jane-approved.dsse.json",
    ];
    found(&place, &lax(), &wanted);
    found(&place, &with(all_three("")), &wanted);
    let place = Place::sealed();
    let report = Report { path: "results/final_verdict.json".into(), sha256: Digest::of(b"another") };
    let bytes = signoff::sign(words(), &manifest_sha256(&place), &[report], &jane()).unwrap().to_bytes();
    put(&place, SIGNOFF, &bytes);
    found(&place, &lax(), &["ADDITION_OF_ANOTHER_PACK signoffs/jane-approved.dsse.json"]);
}

#[test]
fn a_statement_of_another_kind_in_the_place_of_one() {
    let place = Place::sealed();
    let subject = || vec![Subject::new("manifest.json", &manifest_sha256(&place))];
    let other = statement::Statement::new(subject(), "urn:other", &7).sign(&victor()).unwrap().to_bytes();
    let swapped = (attest(&place, &victor()), sign_off(&place, words(), &jane()));
    for (path, bytes) in [(ATTESTATION, &other), (ATTESTATION, &swapped.1), (SIGNOFF, &swapped.0)] {
        put(&place, path, bytes);
        found(&place, &lax(), &[&format!("ADDITION_UNSOUND {path}")]);
        fs::remove_dir_all(place.at(path).parent().unwrap()).unwrap();
    }
    // The seal's own bytes are no statement, whoever wraps them.
    let sealed = Envelope::sign(&alice(), IN_TOTO, place.bytes("manifest.json")).unwrap().to_bytes();
    put(&place, ATTESTATION, &sealed);
    found(&place, &lax(), &[&format!("ADDITION_UNSOUND {ATTESTATION}")]);
}

#[test]
fn an_attestation_of_another_verdict_is_contradicted() {
    let place = Place::sealed();
    let options = with(all_three(""));
    let result = place.check(&options);
    let key = victor().verifying_key();
    let mut said = Attestation::of(&result, &options, &key, moment("2026-02-01T12:00:00Z"));
    said.bp.verdict = Some(bp::report::Outcome::Fail);
    if result.verdict == said.bp.verdict {
        said.bp.verdict = Some(bp::report::Outcome::Pass);
    }
    let envelope = said.statement(result.manifest_sha256.as_ref()).sign(&victor()).unwrap();
    put(&place, ATTESTATION, &envelope.to_bytes());
    found(&place, &options, &["ATTESTATION_CONTRADICTED attestations/verification.dsse.json"]);
}

#[test]
fn junk_where_something_may_be_added() {
    let place = Place::sealed();
    let at = |path: &str| place.at(path);
    for path in [
        "attestations/x.txt",
        "signoffs/x.json",
        "signoffs/deep/x.dsse.json",
        "timestamps/x",
        "signoffs/files/x",
    ] {
        put(&place, path, b"junk");
    }
    for path in ["attestations/junk.dsse.json", "signoffs/junk.dsse.json"] {
        put(&place, path, b"junk");
    }
    let stray = format!("signoffs/files/{}", Digest::of(b"stray"));
    put(&place, &stray, b"stray");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../manifest.json", at("signoffs/link.dsse.json")).unwrap();
    fs::write(place.scratch.path().join("outside"), sign_off(&place, words(), &jane())).unwrap();
    fs::hard_link(place.scratch.path().join("outside"), at("attestations/hard.dsse.json")).unwrap();
    fs::create_dir(at("timestamps/empty")).unwrap();
    let mut wanted = [
        format!("ADDITION_FILE_MISMATCH {stray}"),
        "ADDITION_UNSOUND attestations/junk.dsse.json".into(),
        "ADDITION_UNSOUND signoffs/junk.dsse.json".into(),
        "DIRECTORY_EMPTY timestamps/empty".into(),
        "FILE_UNEXPECTED attestations/x.txt".into(),
        "FILE_UNEXPECTED signoffs/deep/x.dsse.json".into(),
        "FILE_UNEXPECTED signoffs/files/x".into(),
        "FILE_UNEXPECTED signoffs/x.json".into(),
        "FILE_UNEXPECTED timestamps/x".into(),
        "HARD_LINK attestations/hard.dsse.json".into(),
        "SYMLINK signoffs/link.dsse.json".into(),
    ];
    wanted.sort();
    assert_eq!(place.found(&lax()), wanted);
    assert_eq!(place.found(&with(all_three(""))), wanted);
}

#[test]
fn many_files_added_cost_a_limit_and_never_a_pass() {
    let place = Place::sealed();
    let sound = sign_off(&place, words(), &jane());
    for number in 0..1001 {
        put(&place, &format!("signoffs/{number}.dsse.json"), &sound);
    }
    let result = place.check(&with(all_three("")));
    assert_eq!(broken(&result), ["LIMIT_EXCEEDED ."]);
    assert_eq!(result.exit_code(), 2);
    assert_eq!(Limits::default().files, 200_000);
}

#[test]
fn a_file_that_belongs_to_a_sign_off() {
    let place = Place::sealed();
    let scan = b"%PDF-1.7 a scan";
    let file = Attached { name: "scan.pdf".into(), sha256: Digest::of(scan), size_bytes: scan.len() as u64 };
    let path = Added::file(&file.sha256);
    let words = Words { attached: vec![file], ..words() };
    put(&place, SIGNOFF, &sign_off(&place, words, &jane()));
    let mismatch = format!("ADDITION_FILE_MISMATCH {path}");
    found(&place, &with(all_three("")), &[&mismatch]);
    put(&place, path.as_str(), b"another scan");
    found(&place, &with(all_three("")), &[&mismatch]);
    put(&place, path.as_str(), scan);
    found(&place, &with(all_three("")), &[]);
}

#[test]
fn long_files_of_sign_offs_are_no_burden_in_an_archive() {
    let place = Place::sealed();
    let files = [vec![1; 20 << 20], vec![2; 20 << 20]];
    let attached = files.iter().map(|bytes| {
        let size_bytes = bytes.len() as u64;
        Attached { name: "scan.pdf".into(), sha256: Digest::of(bytes), size_bytes }
    });
    let words = Words { attached: attached.collect(), ..words() };
    for bytes in &files {
        put(&place, Added::file(&Digest::of(bytes)).as_str(), bytes);
    }
    put(&place, SIGNOFF, &sign_off(&place, words, &jane()));
    // As a directory, and as the archive that `check` makes of it.
    found(&place, &with(all_three("")), &[]);
}

#[test]
fn a_sign_off_that_rejects_or_that_came_before_the_pack() {
    let place = Place::sealed();
    put(&place, SIGNOFF, &sign_off(&place, Words { act: Act::Rejected, ..words() }, &jane()));
    found(&place, &lax(), &[]);
    found(&place, &with(all_three("")), &["SIGNOFF_REJECTS signoffs/jane-approved.dsse.json"]);
    let threshold = with(all_three("[requires]\nsignoffs = 1\n"));
    found(&place, &threshold, &["POLICY_THRESHOLD .", "SIGNOFF_REJECTS signoffs/jane-approved.dsse.json"]);
    let early = Words { signed_at: moment("2026-01-31T11:59:59Z"), ..words() };
    put(&place, SIGNOFF, &sign_off(&place, early, &jane()));
    found(&place, &lax(), &["TIME_ORDER signoffs/jane-approved.dsse.json"]);
}

#[test]
fn a_sealer_that_is_revoked_expired_or_listed_for_something_else() {
    let place = Place::sealed();
    let sealer = || listed(&alice(), Role::Seal, "Alice");
    let revocation = Revocation { at: moment("2026-01-01T00:00:00Z"), reason: "stolen".into() };
    let revoked = Signer { revoked: Some(revocation), ..sealer() };
    let expired = Signer { valid_until: Some(moment("2026-02-01T00:00:00Z")), ..sealer() };
    let early = Signer { valid_from: Some(moment("2026-03-01T00:00:00Z")), ..sealer() };
    let other = listed(&alice(), Role::Verifier, "Alice");
    for (signer, code) in [
        (revoked, "SIGNER_REVOKED"),
        (expired, "SIGNER_NOT_VALID"),
        (early, "SIGNER_NOT_VALID"),
        (other, "SIGNER_IN_ANOTHER_ROLE"),
    ] {
        let policy = policy(&[signer], "");
        let by_list = Options { pins: vec![], ..with(policy.clone()) };
        let wanted = [format!("{code} manifest.json.sig")];
        // Whether pinned by hand, by the list, or not strict at all: the list has the last word.
        let lax = Options { policy: policy.clone(), demands: now(), ..lax() };
        for options in [lax, with(policy)] {
            let result = place.check(&options);
            assert_eq!(broken(&result), wanted);
            assert!(!result.proof_grade && result.exit_code() == 1);
        }
        assert!(place.check(&by_list).exit_code() == 1);
    }
}

#[test]
fn what_the_recipient_demands_of_the_pack() {
    let place = Place::sealed();
    let result = place.check(&strict());
    let pack = result.pack.unwrap();
    let sidecar = Digest::of(packs::SIDECAR);
    let meets = Demands {
        pack: Some(Expected::Id(pack.id.clone())),
        inputs: vec![sidecar],
        max_age_seconds: Some(12 * 86_400),
        minimum_judge: Some(semver::Version::new(0, 1, 0)),
        ..now()
    };
    let manifest = Demands { pack: Some(Expected::Manifest(pack.manifest_sha256)), ..meets.clone() };
    let other: bp::pack::manifest::PackId = "0".repeat(32).parse().unwrap();
    let found = |demands: &Demands| place.found(&Options { demands: demands.clone(), ..strict() });
    assert_eq!(found(&meets), Vec::<String>::new());
    assert_eq!(found(&manifest), Vec::<String>::new());
    for (demands, wanted) in [
        (Demands { pack: Some(Expected::Id(other)), ..meets.clone() }, "PACK_NOT_EXPECTED"),
        (Demands { pack: Some(Expected::Manifest(sidecar)), ..meets.clone() }, "PACK_NOT_EXPECTED"),
        (Demands { subjects: vec![sidecar], ..meets.clone() }, "SUBJECT_NOT_EXPECTED"),
        (Demands { inputs: vec![sidecar, Digest::of(b"other")], ..meets.clone() }, "INPUT_NOT_EXPECTED"),
        (Demands { max_age_seconds: Some(86_400), ..meets.clone() }, "PACK_TOO_OLD"),
        (Demands { now: None, ..meets.clone() }, "PACK_TOO_OLD"),
        (Demands { now: Some(moment("2026-01-01T00:00:00Z")), ..meets.clone() }, "PACK_TOO_OLD"),
        (Demands { minimum_judge: Some(semver::Version::new(0, 1, 1)), ..meets.clone() }, "JUDGE_TOO_OLD"),
    ] {
        assert_eq!(found(&demands), [format!("{wanted} manifest.json")]);
    }
}

/// Two honest packs of one signer, about one thing: the recipient can tell which one is meant.
#[test]
fn an_old_pass_replayed_in_the_place_of_a_new_pack() {
    let old = Place::sealed();
    let terms = bp::pack::Terms { created_at: moment("2026-02-05T00:00:00Z"), ..packs::terms() };
    let new = Place::of(vec![packs::iris()], &terms, Some(&alice()));
    let demands = Demands { pack: Some(Expected::Manifest(manifest_sha256(&new))), ..now() };
    found(&new, &Options { demands: demands.clone(), ..strict() }, &[]);
    found(&old, &Options { demands, ..strict() }, &["PACK_NOT_EXPECTED manifest.json"]);
}

#[test]
fn a_receipt_states_rejections_and_packs_without_a_manifest() {
    let place = Place::sealed();
    place.flip("report.html", 0);
    let options = with(all_three(""));
    let at = moment("2026-02-01T12:00:00Z");
    let receipt = |place: &Place| {
        let envelope = attestation::sign(&place.check(&options), &options, &victor(), at).unwrap();
        Attested::open(&Envelope::parse(&envelope.to_bytes()).unwrap()).unwrap()
    };
    let attested = receipt(&place);
    assert_eq!(attested.attestation.result, attestation::TestResult::Failed);
    assert_eq!(attested.attestation.bp.findings[0].code, "FILE_DIGEST_MISMATCH");
    assert_eq!(attested.manifest_sha256, Some(manifest_sha256(&place)));
    place.put("manifest.json", b"{}");
    assert_eq!(receipt(&place).manifest_sha256, Some(Digest::of(b"{}")));
    fs::remove_file(place.at("manifest.json")).unwrap();
    assert_eq!(receipt(&place).manifest_sha256, None);
}

#[test]
fn nothing_is_added_elsewhere_or_in_the_place_of_another() {
    let place = Place::sealed();
    let path = |text: &str| text.parse::<PackPath>().unwrap();
    let added = |at: &str| add::add(&place.pack, &path(at), b"x").map_err(|error| error.kind());
    for at in ["README.md", "signoffs/x.json", "run/x.dsse.json", "signoffs/a/b.dsse.json"] {
        assert_eq!(added(at), Err(std::io::ErrorKind::InvalidInput), "{at}");
    }
    added(SIGNOFF).unwrap();
    assert_eq!(added(SIGNOFF), Err(std::io::ErrorKind::AlreadyExists));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.scratch.path(), place.at("attestations")).unwrap();
        assert_eq!(added(ATTESTATION), Err(std::io::ErrorKind::NotADirectory));
    }
}

#[test]
fn a_list_keeps_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schemas/trust.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let head = "[requires]\nverifiers = 1\nsignoffs = 2\npredicates = [\"x\"]\nminimum_judge = \"0.1.0\"\nmax_age_days = 9\n";
    let mut signer = listed(&alice(), Role::Seal, "Alice");
    signer.valid_from = Some(moment("2026-01-01T00:00:00Z"));
    signer.valid_until = Some(moment("2027-01-01T00:00:00.5Z"));
    signer.revoked = Some(Revocation { at: moment("2026-06-01T00:00:00Z"), reason: "lost".into() });
    let written = policy(&[signer, listed(&jane(), Role::Signoff, "Jane")], head);
    let value = |text: &str| serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
    let text = written.to_toml();
    assert!(validator.is_valid(&value(&text)), "{text}");
    assert!(validator.is_valid(&value("")));
    for wrong in [
        text.replace("revoked_reason = \"lost\"", ""),
        text.replace("role = \"seal\"", "role = \"king\""),
        text.replace("verifiers = 1", "verifier = 1"),
    ] {
        assert_ne!(wrong, text);
        assert!(!validator.is_valid(&value(&wrong)), "{wrong}");
    }
}

// Other programs.

/// A Python with `securesystemslib`: `BP_PYTHON`, else `python3`.
#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("BP_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let has = Command::new(&python).args(["-c", "import securesystemslib.dsse, cryptography"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED: no Python with securesystemslib and cryptography; set BP_PYTHON to run it");
    None
}

const SECURESYSTEMSLIB: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey
folder = sys.argv[1]
read = lambda name: open(f"{folder}/{name}", "rb").read()
public = load_pem_public_key(read("ours.pub.pem"))
ours = json.loads(read("ours.json"))
key = SSlibKey.from_crypto(public, keyid=ours["signatures"][0]["keyid"])
Envelope.from_dict(ours).verify([key], 1)
edited = json.loads(read("ours.json"))
edited["payload"] = base64.b64encode(b"{}").decode()
try:
    Envelope.from_dict(edited).verify([key], 1)
    sys.exit("an edited envelope verified")
except Exception:
    pass
theirs = Envelope(read("payload"), "application/vnd.in-toto+json", {})
theirs.sign(CryptoSigner(load_pem_private_key(read("theirs.pem"), None)))
open(f"{folder}/theirs.json", "w").write(json.dumps(theirs.to_dict(), indent=1))
"#;

#[test]
fn envelopes_go_both_ways_with_securesystemslib() {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let payload = statement::Statement::new(vec![], "urn:test", &7).to_bytes();
    let ours = Envelope::sign(&victor(), IN_TOTO, payload.clone()).unwrap();
    for (name, bytes) in [
        ("payload", payload.as_slice()),
        ("ours.json", &ours.to_bytes()),
        ("ours.pub.pem", victor().verifying_key().to_pem().as_bytes()),
        ("theirs.pem", jane().to_pem().unwrap().as_bytes()),
    ] {
        fs::write(at(name), bytes).unwrap();
    }
    let output = Command::new(python).args(["-c", SECURESYSTEMSLIB]).arg(place.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = Envelope::parse(&fs::read(at("theirs.json")).unwrap()).unwrap();
    let opened = statement::Statement::open(&theirs, &jane().verifying_key()).unwrap();
    assert_eq!(opened.predicate::<u8>("urn:test"), Ok(7));
    assert!(theirs.open(&victor().verifying_key()).is_err());
}

#[test]
fn envelopes_go_both_ways_with_openssl() {
    if !packs::has_openssl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(place.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let envelope = Envelope::sign(&victor(), IN_TOTO, b"{}".to_vec()).unwrap();
    let wire: serde_json::Value = serde_json::from_slice(&envelope.to_bytes()).unwrap();
    let base64 = |text: &serde_json::Value| {
        fs::write(at("b64"), text.as_str().unwrap()).unwrap();
        assert!(openssl(&["base64", "-d", "-A", "-in", "b64", "-out", "raw"]).0);
        fs::read(at("raw")).unwrap()
    };
    fs::write(at("sig"), base64(&wire["signatures"][0]["sig"])).unwrap();
    fs::write(at("pae"), bp::trust::envelope::pae(IN_TOTO, &base64(&wire["payload"]))).unwrap();
    fs::write(at("key.pem"), victor().verifying_key().to_pem()).unwrap();
    let verify =
        ["pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "pae", "-sigfile", "sig"];
    assert_eq!(openssl(&verify), (true, String::new()));
    fs::write(at("pae"), bp::trust::envelope::pae(IN_TOTO, b"[]")).unwrap();
    assert!(!openssl(&verify).0);
    // Theirs: signed by openssl, put into an envelope by hand.
    assert!(openssl(&["genpkey", "-algorithm", "ed25519", "-out", "new.pem"]).0);
    assert!(openssl(&["pkey", "-in", "new.pem", "-pubout", "-out", "new.pub.pem"]).0);
    assert!(openssl(&["pkeyutl", "-sign", "-inkey", "new.pem", "-rawin", "-in", "pae", "-out", "sig"]).0);
    assert!(openssl(&["base64", "-A", "-in", "sig", "-out", "b64"]).0);
    let sig = fs::read_to_string(at("b64")).unwrap();
    let theirs = format!(
        r#"{{"payloadType":"{IN_TOTO}","payload":"W10=","signatures":[{{"sig":"{}"}}]}}"#,
        sig.trim()
    );
    let key = bp::trust::VerifyingKey::read(&at("new.pub.pem")).unwrap();
    assert_eq!(Envelope::parse(theirs.as_bytes()).unwrap().open(&key).unwrap(), b"[]");
}

// The command line.

struct Desk {
    place: Place,
}

impl Desk {
    fn new() -> Self {
        let place = Place::sealed();
        for (name, key) in
            [("alice", alice()), ("victor", victor()), ("jane", jane()), ("mallory", mallory())]
        {
            key.write(&place.scratch.path().join(format!("{name}.pem")), None).unwrap();
        }
        Self { place }
    }

    fn at(&self) -> &Path {
        self.place.scratch.path()
    }

    fn bp(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_bp"))
            .args(arguments)
            .current_dir(self.at())
            .env("HOME", self.at())
            .env("XDG_CONFIG_HOME", self.at().join("config"))
            .env_remove("BP_SIGNING_KEY")
            .env("SOURCE_DATE_EPOCH", "1769947200")
            .output()
            .unwrap()
    }

    /// The exit status and what was said on standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.bp(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        // Lines are folded where they are long.
        (output.status.code().unwrap(), said.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn ends(&self, status: i32, arguments: &[&str], says: &str) {
        let (seen, said) = self.run(arguments);
        assert_eq!(seen, status, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {says:?} in {said}");
    }
}

const JANE: [&str; 12] = [
    "--person",
    "jane",
    "--name",
    "Jane Doe",
    "--function",
    "Head of testing",
    "--act",
    "approved",
    "--scope",
    "IV.2.g",
    "--key",
    "jane.pem",
];

/// Everything by hand, from keys to a threshold that is met.
#[test]
fn a_recipient_who_trusts_three_keys() {
    let desk = Desk::new();
    let add = |key: &str, role: &str| {
        let key = format!("{key}.pub.pem");
        desk.ends(0, &["trust", "add", &key, "--name", role, "--role", role], role);
    };
    desk.ends(1, &["trust", "check"], "no key that seals is believed");
    add("alice", "seal");
    desk.ends(0, &["trust", "check"], "seal");
    desk.ends(2, &["trust", "add", "alice.pub.pem", "--name", "x", "--role", "signoff"], "listed already");
    desk.ends(2, &["attest", "demo", "--key", "alice.pem"], "sealed the pack");
    add("victor", "verifier");
    add("jane", "signoff");
    desk.ends(0, &["pack", "run", "--key", "alice.pem", "--name", "nightly"], "");
    let attest = ["attest", "packs/nightly", "--strict", "--key", "victor.pem"];
    desk.ends(0, &attest, "attestations/verification.dsse.json");
    let signoff = [["signoff", "add", "packs/nightly"].as_slice(), &JANE].concat();
    desk.ends(0, &signoff, "signoffs/jane-approved-");
    desk.ends(2, &signoff, "exists already");
    let by_alice = [&signoff[..14], &["alice.pem"]].concat();
    desk.ends(2, &by_alice, "sealed the pack");
    desk.ends(0, &["signoff", "list", "packs/nightly"], "key of signoff (on your trust list)");
    let verify = ["pack", "verify", "--strict", "packs/nightly"];
    let receipt = [verify.as_slice(), &["--receipt", "passed.json", "--key", "victor.pem"]].concat();
    desk.ends(0, &receipt, "PASS, proof grade");
    desk.ends(2, &receipt, "exists already");
    desk.ends(0, &["receipt", "check", "passed.json"], "by a verifier that you trust");
    desk.ends(1, &["receipt", "check", "passed.json", "--signer", "jane.pub.pem"], "which you did not name");
    desk.ends(1, &["receipt", "check", "passed.json", "--expect-pack", &"0".repeat(32)], "another pack");
    let own = [verify.as_slice(), &["--receipt", "own.json", "--key", "alice.pem"]].concat();
    desk.ends(1, &own, "SIGNERS_SHARE_A_KEY");
    desk.ends(1, &["receipt", "check", "own.json", "--allow-fail-verdict"], "sealed the pack itself");
    // The statement that is in the pack is what in-toto reads.
    let printed = desk.bp(&["attest", "packs/nightly"]);
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed["predicateType"], attestation::PREDICATE);
    assert_eq!(printed["predicate"]["result"], "PASSED");
    let manifest = fs::read(desk.at().join("packs/nightly/manifest.json")).unwrap();
    assert_eq!(printed["subject"][0]["digest"]["sha256"], Digest::of(&manifest).to_string());
    // Bytes without a key, a rejection with one.
    fs::write(desk.at().join("packs/nightly/README.md"), b"Approved.").unwrap();
    let rejected = [verify.as_slice(), &["--receipt", "rejected.json", "--key", "victor.pem"]].concat();
    desk.ends(1, &rejected, "Refused");
    desk.ends(1, &["receipt", "check", "rejected.json"], "the pack was rejected");
    desk.ends(0, &["receipt", "check", "rejected.json", "--allow-fail-verdict"], "the pack was rejected");
    desk.ends(1, &signoff, "Nothing was signed");
    desk.ends(1, &attest, "Nothing was added");
    // Handing over, and taking back.
    let rotate =
        ["keys", "rotate", "--key", "alice.pem", "--new", "mallory.pub.pem", "--out", "rotation.json"];
    desk.ends(0, &rotate, "names key");
    desk.ends(0, &["trust", "add", "--rotation", "rotation.json"], &mallory().id().to_string());
    let id = alice().id().to_string();
    desk.ends(0, &["trust", "revoke", &id, "--reason", "lost", "--at", "2026-01-01T00:00:00Z"], "revoked");
    desk.ends(1, &verify, "SIGNER_REVOKED");
    desk.ends(1, &["trust", "check"], "revoked at 2026-01-01T00:00:00Z: lost");
}

/// A budget that is spent says so and nothing else.
#[test]
fn a_check_that_takes_longer_than_it_may() {
    let desk = Desk::new();
    desk.ends(2, &["pack", "verify", "demo", "--budget", "0s"], "took longer than 0s");
}

impl Desk {
    fn tool(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).current_dir(self.at()).output().unwrap()
    }

    /// The key id that `keys show` tells, with a passphrase in a file.
    fn shown(&self, key: &str, passphrase: &str) -> Result<String, String> {
        fs::write(self.at().join("passphrase"), passphrase).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_bp"))
            .args(["--json", "keys", "show", key])
            .current_dir(self.at())
            .env("BP_KEY_PASSPHRASE_FILE", "passphrase")
            .output()
            .unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        match said["key_id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(said["error"]["message"].as_str().unwrap().to_owned()),
        }
    }
}

#[test]
fn keys_under_a_passphrase_go_both_ways_with_openssl() {
    if !packs::has_openssl() {
        return;
    }
    let desk = Desk::new();
    let alice_id = alice().id().to_string();
    for cipher in ["aes-256-cbc", "aes-128-cbc"] {
        let sealed = [
            "pkcs8",
            "-topk8",
            "-in",
            "alice.pem",
            "-v2",
            cipher,
            "-passout",
            "pass:open sesame",
            "-out",
            "sealed.pem",
        ];
        assert!(desk.tool("openssl", &sealed).status.success());
        fs::set_permissions(
            desk.at().join("sealed.pem"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        assert_eq!(desk.shown("sealed.pem", "open sesame\n").unwrap(), alice_id);
        assert!(desk.shown("sealed.pem", "open sesame ").unwrap_err().contains("cannot be decrypted"));
    }
    desk.ends(2, &["keys", "show", "sealed.pem"], "no passphrase was given");
    // Ours, read by openssl.
    fs::write(desk.at().join("passphrase"), "tr0ub4dor").unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_bp"))
        .args(["keys", "new", "--encrypt", "--out", "new.pem"])
        .current_dir(desk.at())
        .env("BP_KEY_PASSPHRASE_FILE", "passphrase")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(
        fs::read_to_string(desk.at().join("new.pem"))
            .unwrap()
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    let read = desk.tool("openssl", &["pkey", "-in", "new.pem", "-passin", "pass:tr0ub4dor", "-pubout"]);
    assert_eq!(read.stdout, fs::read(desk.at().join("new.pub.pem")).unwrap());
    assert!(desk.shown("new.pem", "tr0ub4dor").is_ok());
}

#[test]
fn keys_of_openssh() {
    let there = Command::new("ssh-keygen").arg("-?").output();
    if there.is_err() {
        #[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
        {
            eprintln!("SKIPPED: no ssh-keygen on this machine");
        }
        return;
    }
    let desk = Desk::new();
    for (name, passphrase) in [("plain", ""), ("locked", "open sesame")] {
        let made = ["-q", "-t", "ed25519", "-N", passphrase, "-C", "a comment", "-f", name];
        assert!(desk.tool("ssh-keygen", &made).status.success());
        let id = desk.shown(name, passphrase).unwrap();
        assert_eq!(desk.shown(&format!("{name}.pub"), "").unwrap(), id);
    }
    assert!(desk.shown("locked", "wrong").unwrap_err().contains("cannot be decrypted"));
    assert!(desk.tool("ssh-keygen", &["-q", "-t", "rsa", "-N", "", "-f", "rsa"]).status.success());
    assert!(desk.shown("rsa", "").unwrap_err().contains("not an Ed25519 private key"));
    fs::set_permissions(desk.at().join("plain"), std::os::unix::fs::PermissionsExt::from_mode(0o640))
        .unwrap();
    assert!(desk.shown("plain", "").unwrap_err().contains("0640"));
}

/// A key that never comes here: a command answers for it.
#[test]
fn a_key_that_a_command_holds() {
    if !packs::has_openssl() {
        return;
    }
    let desk = Desk::new();
    let held = "case $BP_KEY_REQUEST in public) cat alice.pub.pem;; \
        sign) cat > message; openssl pkeyutl -sign -inkey alice.pem -rawin -in message;; esac";
    fs::write(desk.at().join("held"), held).unwrap();
    desk.ends(0, &["pack", "run", "--key", "exec:sh held", "--name", "held"], "");
    desk.ends(
        0,
        &["pack", "verify", "--strict", "--signer", "alice.pub.pem", "packs/held"],
        "PASS, proof grade",
    );
    let shown = desk.bp(&["keys", "show", "exec:sh held"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains(&alice().id().to_string()));
    // What it answers is not believed: another key's signature, no signature, a failure.
    for (name, sign, says) in [
        (
            "other",
            "cat > m; openssl pkeyutl -sign -inkey mallory.pem -rawin -in m",
            "no signature of that key",
        ),
        ("short", "echo signed", "no signature of that key"),
        ("fails", "exit 3", "exit status: 3"),
    ] {
        fs::write(
            desk.at().join("held"),
            held.replace("cat > message; openssl pkeyutl -sign -inkey alice.pem -rawin -in message", sign),
        )
        .unwrap();
        desk.ends(2, &["pack", "run", "--key", "exec:sh held", "--name", name], says);
        assert!(!desk.at().join("packs").join(name).exists());
    }
}

#[test]
fn verbs_refuse_what_they_cannot_do() {
    let desk = Desk::new();
    desk.ends(3, &["pack", "verify", "demo", "--max-age", "90"], "as in 90d");
    desk.ends(3, &["pack", "verify", "demo", "--max-age", "+9d"], "as in 90d");
    desk.ends(3, &["pack", "verify", "demo", "--expect-pack", "x"], "--expect-pack");
    desk.ends(3, &["pack", "verify", "demo", "--judge", "1"], "--judge");
    desk.ends(
        3,
        &["pack", "verify", "demo", "--receipt", "demo/r.json", "--key", "victor.pem"],
        "lies in the pack",
    );
    desk.ends(2, &["attest", "demo"], "nothing is attested yet");
    desk.ends(3, &["trust", "revoke", "x", "--reason", "y"], "hexadecimal");
    desk.ends(2, &["trust", "revoke", &"0".repeat(64), "--reason", "y"], "is listed");
    desk.ends(2, &["pack", "verify", "demo", "--receipt", "r.json"], "--key <FILE> is missing");
    desk.ends(2, &["receipt", "check", "alice.pem"], "not");
}
