//! Co-signatures with P-256: what `openssl` verifies of them, and what is found where one was tampered with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::digest::Digest;
use bp::pack::cosign;
use bp::pack::{Demands, Options};
use bp::trust::envelope::{Verifies as _, pae};
use bp::trust::p256::{CoSigningKey, CoVerifyingKey};
use bp::trust::{Envelope, SigningKey};
use packs::{Place, has_openssl, lax, strict};
use serde_json::Value;

const PATH: &str = "attestations/co.p256.dsse.json";

fn openssl(folder: &Path, arguments: &[&str]) -> bool {
    Command::new("openssl").args(arguments).current_dir(folder).output().unwrap().status.success()
}

/// A key as `openssl` makes it, readable by its owner alone.
fn key(folder: &Path) -> PathBuf {
    let file = folder.join("p256.pem");
    let make = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "p256.pem"];
    assert!(openssl(folder, &make));
    assert!(openssl(folder, &["pkey", "-in", "p256.pem", "-pubout", "-out", "p256.pub.pem"]));
    #[cfg(unix)]
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    file
}

fn read(file: &Path) -> CoSigningKey {
    CoSigningKey::read(file, || Err(std::io::ErrorKind::Unsupported.into())).unwrap()
}

fn knowing(key: CoVerifyingKey) -> Options {
    Options { demands: Demands { co_signers: vec![key], ..Demands::default() }, ..strict() }
}

/// Payload, signature, and all else of an envelope.
fn parts(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Value) {
    use base64ct::Encoding as _;
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let decode = |text: &Value| base64ct::Base64::decode_vec(text.as_str().unwrap()).unwrap();
    (decode(&value["payload"]), decode(&value["signatures"][0]["sig"]), value)
}

fn with_signature(mut value: Value, signature: &[u8]) -> Vec<u8> {
    use base64ct::Encoding as _;
    value["signatures"][0]["sig"] = base64ct::Base64::encode_string(signature).into();
    bp::json::canonical(&value)
}

#[test]
fn openssl_verifies_what_was_co_signed_and_a_recipient_names_the_key() {
    if !has_openssl() {
        return;
    }
    let place = Place::sealed();
    let folder = place.scratch.path();
    let key = read(&key(folder));
    let manifest = Digest::of(&place.bytes("manifest.json"));
    let envelope = cosign::sign(&manifest, &key).unwrap().to_bytes();
    assert_eq!(cosign::sign(&manifest, &key).unwrap().to_bytes(), envelope, "deterministic");
    place.put(PATH, &envelope);
    assert_eq!(place.found(&knowing(key.verifying_key())), Vec::<String>::new());
    assert_eq!(place.found(&strict()), [format!("ADDITION_BY_UNKNOWN_KEY {PATH}")]);
    assert_eq!(place.found(&lax()), Vec::<String>::new());
    let (payload, signature, _) = parts(&envelope);
    fs::write(folder.join("signed"), pae("application/vnd.in-toto+json", &payload)).unwrap();
    fs::write(folder.join("sig"), signature).unwrap();
    let verify = ["dgst", "-sha256", "-verify", "p256.pub.pem", "-signature", "sig", "signed"];
    assert!(openssl(folder, &verify));
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], manifest.to_string());
    assert_eq!(CoVerifyingKey::read(&folder.join("p256.pub.pem")).unwrap(), key.verifying_key());
    assert_eq!(key.verifying_key().to_pem(), fs::read_to_string(folder.join("p256.pub.pem")).unwrap());
}

#[test]
fn one_signature_has_one_spelling() {
    if !has_openssl() {
        return;
    }
    let place = Place::sealed();
    let key = read(&key(place.scratch.path()));
    let manifest = Digest::of(&place.bytes("manifest.json"));
    let envelope = cosign::sign(&manifest, &key).unwrap().to_bytes();
    let (payload, signature, value) = parts(&envelope);
    let signed = pae("application/vnd.in-toto+json", &payload);
    let parsed = p256::ecdsa::Signature::from_der(&signature).unwrap();
    let (r, s) = (parsed.r(), parsed.s());
    let other = p256::ecdsa::Signature::from_scalars(*r.as_ref(), -*s.as_ref()).unwrap();
    // It is a signature, for those who do not ask for one spelling.
    let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point(&key.verifying_key())).unwrap();
    assert!(p256::ecdsa::signature::Verifier::verify(&theirs, &signed, &other).is_ok());
    let options = knowing(key.verifying_key());
    for (what, signature) in [
        ("the other half", other.to_der().as_bytes().to_vec()),
        ("raw", parsed.to_bytes().to_vec()),
        ("something after it", [&signature[..], &[0]].concat()),
        ("nothing", vec![]),
    ] {
        assert!(!key.verifying_key().holds(&signed, &signature), "{what}");
        place.put(PATH, with_signature(value.clone(), &signature));
        assert_eq!(place.found(&options), [format!("ADDITION_SIGNATURE_BROKEN {PATH}")], "{what}");
    }
    for at in (0..envelope.len()).step_by(7) {
        place.put(PATH, &envelope);
        place.flip(PATH, at);
        let found = place.found(&options);
        assert!(found.iter().any(|found| found.starts_with("ADDITION_")), "byte {at}: {found:?}");
    }
}

/// The point in the last 65 bytes of an SPKI.
fn point(key: &CoVerifyingKey) -> Vec<u8> {
    let (_, document) = der::Document::from_pem(&key.to_pem()).unwrap();
    document.as_bytes()[document.as_bytes().len() - 65..].to_vec()
}

#[test]
fn what_lies_in_the_place_of_a_co_signature() {
    if !has_openssl() {
        return;
    }
    let place = Place::sealed();
    let key = read(&key(place.scratch.path()));
    let options = knowing(key.verifying_key());
    let other = cosign::sign(&Digest::of(b"another manifest"), &key).unwrap();
    place.put(PATH, other.to_bytes());
    assert_eq!(place.found(&options), [format!("ADDITION_OF_ANOTHER_PACK {PATH}")]);
    // An Ed25519 key in the place of a P-256 one, and a co-signature where an attestation lies.
    let (payload, _, _) = parts(&other.to_bytes());
    let by_other = Envelope::sign(&SigningKey::from_seed(&[9; 32]), "application/vnd.in-toto+json", payload);
    place.put(PATH, by_other.unwrap().to_bytes());
    assert_eq!(place.found(&options), [format!("ADDITION_SIGNATURE_BROKEN {PATH}")]);
    fs::remove_file(place.at(PATH)).unwrap();
    let manifest = Digest::of(&place.bytes("manifest.json"));
    place.put("attestations/co.dsse.json", cosign::sign(&manifest, &key).unwrap().to_bytes());
    assert_eq!(place.found(&options), ["ADDITION_UNSOUND attestations/co.dsse.json"]);
}

#[test]
fn the_verb_co_signs_a_pack_that_holds_and_no_other() {
    if !has_openssl() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    key(home.path());
    let bp = |arguments: &[&str], status: i32| {
        let output = Command::new(env!("CARGO_BIN_EXE_bp"))
            .args(arguments)
            .env("HOME", home.path())
            .env_remove("BP_SIGNING_KEY")
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(home.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{text}");
        text
    };
    bp(&["pack", "run", "--name", "demo"], 0);
    bp(&["attest", "packs/demo", "--p256", "p256.pem"], 0);
    bp(&["attest", "packs/demo", "--p256", "p256.pem"], 2);
    let text = bp(&["attest", "packs/demo"], 0);
    assert!(text.contains("urn:bp:predicate:co-signature:1"), "{text}");
    bp(&["pack", "verify", "--strict", "packs/demo"], 1);
    bp(&["pack", "verify", "--strict", "packs/demo", "--co-signer", "p256.pub.pem"], 0);
    // A key of another kind, and a key that others can read.
    bp(&["keys", "new", "--out", "ed.pem"], 0);
    let text = bp(&["attest", "packs/demo", "--p256", "ed.pem"], 2);
    assert!(text.contains("not a P-256 private key"), "{text}");
    fs::write(home.path().join("packs/demo/README.md"), "x").unwrap();
    fs::remove_dir_all(home.path().join("packs/demo/attestations")).unwrap();
    bp(&["attest", "packs/demo", "--p256", "p256.pem"], 1);
    assert!(!home.path().join("packs/demo/attestations").exists());
}
