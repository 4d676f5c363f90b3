//! Published vectors: the seal against Ed25519 (Wycheproof, speccheck "Taming the many `EdDSAs`", CCTV), the reader of
//! strict JSON against `JSONTestSuite`, the writer of canonical JSON against RFC 8785's own, and DSSE's one example.
//!
//! They lie in the shared data folder: `BP_SHARED_DATA`, or `../shared/data` from the project's root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use bp::trust::{VerifyingKey, seal};
use serde_json::Value;

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn at(name: &str) -> PathBuf {
    let shared = std::env::var_os("BP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    shared.join("vectors").join(name)
}

#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn skipped(path: &std::path::Path, error: &std::io::Error) {
    eprintln!("SKIPPED: {}: {error}; set BP_SHARED_DATA to run it", path.display());
}

fn vectors(name: &str) -> Option<Value> {
    let path = at(name);
    match fs::read(&path) {
        Ok(bytes) => Some(bp::json::parse(&bytes).unwrap()),
        Err(error) => {
            skipped(&path, &error);
            None
        }
    }
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn holds(key: &Value, message: &[u8], signature: &Value) -> bool {
    let key: [u8; 32] = hex(key).try_into().unwrap();
    VerifyingKey::from_bytes(&key).is_ok_and(|key| seal::open(&key, message, &hex(signature)).is_ok())
}

#[test]
fn wycheproof() {
    let Some(vectors) = vectors("wycheproof/ed25519_test.json") else { return };
    let mut count = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let held = holds(&group["publicKey"]["pk"], &hex(&test["msg"]), &test["sig"]);
            assert_eq!(held, test["result"] == "valid", "tcId {}: {}", test["tcId"], test["comment"]);
            count += 1;
        }
    }
    assert_eq!(count, 151);
}

#[test]
fn speccheck() {
    let Some(cases) = vectors("speccheck/cases.json") else { return };
    let row: String = cases
        .as_array()
        .unwrap()
        .iter()
        .map(
            |case| {
                if holds(&case["pub_key"], &hex(&case["message"]), &case["signature"]) { 'V' } else { 'X' }
            },
        )
        .collect();
    assert_eq!(row, "XXXVXXXXXXXX");
}

#[test]
fn cctv() {
    let Some(cases) = vectors("cctv/ed25519vectors.json") else { return };
    let cases = cases.as_array().unwrap();
    let held: Vec<&Value> = cases
        .iter()
        .filter(|case| holds(&case["key"], case["msg"].as_str().unwrap().as_bytes(), &case["sig"]))
        .collect();
    assert_eq!((cases.len(), held.len()), (914, 43));
    for case in held {
        let flags = case["flags"].as_array().into_iter().flatten().map(|flag| flag.as_str().unwrap());
        assert!(
            flags.clone().all(|flag| !flag.starts_with("low_order_A") && !flag.starts_with("non_canonical")),
            "{case}"
        );
    }
}

/// The files of a folder of vectors, by name.
fn folder(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let path = at(name);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) => {
            skipped(&path, &error);
            return None;
        }
    };
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = entries.map(file).collect();
    files.sort();
    Some(files)
}

/// `JSONTestSuite`: what must be read is, unless a key repeats in it; what must be refused is; of what a reader may choose,
/// we refuse all that two readers could read in two ways.
#[test]
fn json_test_suite() {
    let Some(files) = folder("json") else { return };
    // RFC 8259 leaves repeated keys to the reader; here they are refused.
    let stricter = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];
    let lenient: Vec<&str> = files
        .iter()
        .filter(|(name, bytes)| name.starts_with("i_") && bp::json::parse(bytes).is_ok())
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, bytes) in &files {
        let read = bp::json::parse(bytes).is_ok();
        match &name[..2] {
            "y_" => assert_eq!(read, !stricter.contains(&name.as_str()), "{name}"),
            "n_" => assert!(!read, "{name}"),
            _ => {}
        }
    }
    assert_eq!(files.len(), 318);
    // Numbers that a double holds, or comes to nothing, and nothing else.
    let numbers = |name: &&str| name.starts_with("i_number_");
    assert!(lenient.iter().all(numbers), "{lenient:?}");
}

/// RFC 8785's own inputs and outputs, byte for byte.
#[test]
fn jcs() {
    let (Some(inputs), Some(outputs)) = (folder("jcs/input"), folder("jcs/output")) else { return };
    assert_eq!(inputs.len(), outputs.len());
    for ((name, input), (_, output)) in inputs.iter().zip(&outputs) {
        let value = bp::json::parse(input).unwrap();
        let wanted = String::from_utf8_lossy(output);
        assert_eq!(String::from_utf8(bp::json::canonical(&value)).unwrap(), wanted.trim_end(), "{name}");
    }
    assert_eq!(inputs.len(), 6);
}

/// The example of DSSE's `protocol.md`: what is signed, how an envelope is spelled, and its signature of ECDSA over P-256,
/// under the key that is printed there as two coordinates.
#[test]
fn dsse() {
    use base64ct::Encoding as _;
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr\n\
        CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==\n-----END PUBLIC KEY-----\n";
    const SIGNATURE: &str =
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
    let payload = b"hello world";
    let kind = "http://example.com/HelloWorld";
    let pae = bp::trust::envelope::pae(kind, payload);
    assert_eq!(pae, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    let envelope = |signature: &str| {
        let text = format!(
            r#"{{"payload": "aGVsbG8gd29ybGQ=", "payloadType": "{kind}", "signatures": [{{"sig": "{signature}"}}]}}"#
        );
        bp::trust::Envelope::parse(text.as_bytes()).unwrap()
    };
    let published = envelope(SIGNATURE);
    assert_eq!((published.claim(), published.payload_type()), (payload.as_slice(), kind));
    assert!(published.open(&bp::trust::SigningKey::from_seed(&[1; 32]).verifying_key()).is_err());
    // The example writes the two halves one after another; tools that verify write DER, which is what is taken here.
    let key = bp::trust::p256::CoVerifyingKey::from_pem(KEY).unwrap();
    assert!(published.open(&key).is_err());
    let halves = base64ct::Base64::decode_vec(SIGNATURE).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&halves).unwrap();
    let in_der = |signature: &p256::ecdsa::Signature| {
        envelope(&base64ct::Base64::encode_string(signature.to_der().as_bytes()))
    };
    assert_eq!(in_der(&signature).open(&key), Ok(payload.as_slice()));
    let mut halves = halves;
    halves[40] ^= 1;
    let broken = p256::ecdsa::Signature::from_slice(&halves).unwrap();
    assert_eq!(in_der(&broken).open(&key), Err(bp::trust::EnvelopeError::Broken));
}
