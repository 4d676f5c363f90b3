//! The seal against published Ed25519 vectors: Wycheproof, speccheck ("Taming the many `EdDSAs`"), and CCTV.
//!
//! They lie in the shared data folder: `BP_SHARED_DATA`, or `../shared/data` from the project's root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use bp::trust::{VerifyingKey, seal};
use serde_json::Value;

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn vectors(name: &str) -> Option<Value> {
    let shared = std::env::var_os("BP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let path = shared.join("vectors").join(name);
    match fs::read(&path) {
        Ok(bytes) => Some(bp::json::parse(&bytes).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED: {}: {error}; set BP_SHARED_DATA to run it", path.display());
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
