//! The reader of canonical bytes takes nothing that the general reader refuses, and reads it the same.
//!
//! Whatever it takes is strict JSON, keeps its schema, gives the same receipt by either reader, and is byte for byte
//! what the writer makes of that. Tried on honest records, on every fixture, and on changes of both: each token put in
//! another's place, each version on each record, each member and element left out or doubled, each byte changed.
//! `BP_LONG=1` tries every change, otherwise a sample.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod bad;
mod nets;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use bad::{Base, Steps};
use bp::author::seed::Seed;
use bp::receipt::canonical;
use bp::receipt::version::ReceiptVersion;
use bp::verify::read;
use proptest::prelude::*;
use serde_json::Value;

/// Whether the reader takes the bytes; that everyone else does too and reads the same is asserted.
fn taken(bytes: &[u8]) -> bool {
    let Some(receipt) = canonical::read(bytes) else { return false };
    let text = String::from_utf8_lossy(bytes);
    let general = read::general(bytes).unwrap_or_else(|error| panic!("{error}: {text}"));
    let record = general.record.unwrap_or_else(|violations| panic!("{violations:?}: {text}"));
    assert_eq!(general.version, receipt.schema_version);
    assert_eq!(format!("{receipt:?}"), format!("{record:?}"), "{text}");
    assert_eq!(canonical::emit(&record).unwrap(), text);
    true
}

fn bases() -> Vec<(String, Vec<u8>)> {
    let seeds = Seed::ALL.iter().map(|seed| (seed.name().to_owned(), nets::bytes(&seed.input()).unwrap()));
    let bases = Base::ALL.iter().filter(|base| **base != Base::Sidecar);
    let bases = bases.map(|base| (format!("{base:?}"), bad::written(&base.record())));
    let trace = Steps::Imported.bytes();
    let traced =
        trace.split_inclusive(|byte| *byte == b'\n').map(|line| ("bundled".to_owned(), line.to_vec()));
    seeds.chain(bases).chain(traced.take(1)).collect()
}

/// One value or member of a text, by its bytes.
struct Span {
    kind: Kind,
    bytes: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Container,
    /// A key with its value.
    Member,
    Element,
}

/// The values of a JSON text without white space, innermost first.
fn spans(text: &[u8]) -> Vec<Span> {
    fn value(text: &[u8], at: &mut usize, found: &mut Vec<Span>) {
        let start = *at;
        let kind = match text[start] {
            b'{' | b'[' => {
                let is_object = text[start] == b'{';
                *at += 1;
                while !matches!(text[*at], b'}' | b']') {
                    if text[*at] == b',' {
                        *at += 1;
                    }
                    let from = *at;
                    if is_object {
                        string(text, at);
                        *at += 1;
                    }
                    value(text, at, found);
                    let kind = if is_object { Kind::Member } else { Kind::Element };
                    found.push(Span { kind, bytes: from..*at });
                }
                *at += 1;
                Kind::Container
            }
            b'"' => {
                string(text, at);
                Kind::Text
            }
            b't' | b'f' | b'n' => {
                *at += if text[start] == b'f' { 5 } else { 4 };
                Kind::Truth
            }
            _ => {
                while matches!(text[*at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    *at += 1;
                }
                Kind::Number
            }
        };
        found.push(Span { kind, bytes: start..*at });
    }
    fn string(text: &[u8], at: &mut usize) {
        *at += 1;
        while text[*at] != b'"' {
            *at += if text[*at] == b'\\' { 2 } else { 1 };
        }
        *at += 1;
    }
    let (mut found, mut at) = (Vec::new(), 0);
    value(text, &mut at, &mut found);
    found
}

/// Every word that a schema names, and every text of the honest records that is short.
fn vocabulary() -> Vec<String> {
    fn texts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() < 48 && !text.contains([' ', '/', '#']) => {
                found.insert(format!("{text:?}"));
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(members) => members.iter().for_each(|(_, member)| texts(member, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for (path, text) in bp::schema::embedded() {
        if path.starts_with("schemas/") {
            texts(&serde_json::from_str(text).unwrap(), &mut found);
        }
    }
    found.extend(
        ["\"\"", "\"x\"", "\"\u{3a9}\"", "\"1x\"", "\"status\"", "\"note\"", "\"i1\"", "\"h1\"", "\"o1\""]
            .map(str::to_owned),
    );
    found.extend(
        ["\"\\u0041\"", "\"a\\\"b\"", "\"\u{7f}\"", "\"w1\"", "null", "true", "1"].map(str::to_owned),
    );
    found.into_iter().collect()
}

const NUMBERS: &[&str] = &[
    "0.000000000",
    "-0.000000000",
    "1.00000000",
    "-1.00000000",
    "0.999999999",
    "1.50000000",
    "2.00000000",
    "0.00000100000000",
    "0.0000100000000",
    "0.0000100000001",
    "0.00100000000",
    "0.00100000001",
    "0.00000000100000000",
    "0.000000000000100000000",
    "0.0000000000000100000000",
    "9999999.99",
    "10000000.0",
    "12345.6789",
    "0",
    "-0",
    "1",
    "2",
    "9",
    "10",
    "12",
    "64",
    "65",
    "10000",
    "10001",
    "01",
    "1.0",
    "1e0",
    "9007199254740993",
    "null",
    "\"1\"",
    "{}",
];

/// Changes of a record, token by token; a `share` of them.
fn changed(text: &[u8], share: usize, words: &[String], mut tell: impl FnMut(&[u8])) {
    let mut count = 0_usize;
    let mut put = |bytes: &Range<usize>, new: &[u8]| {
        count += 1;
        if count.is_multiple_of(share) {
            tell(&[&text[..bytes.start], new, &text[bytes.end..]].concat());
        }
    };
    for Span { kind, bytes } in spans(text) {
        match kind {
            Kind::Text => words.iter().for_each(|word| put(&bytes, word.as_bytes())),
            Kind::Number => NUMBERS.iter().for_each(|number| put(&bytes, number.as_bytes())),
            Kind::Truth => {
                for word in ["true", "false", "null", "1"] {
                    put(&bytes, word.as_bytes());
                }
            }
            Kind::Container => {
                for word in ["{}", "[]", "null", "[[]]"] {
                    put(&bytes, word.as_bytes());
                }
            }
            Kind::Member | Kind::Element => {
                let (start, end) = (bytes.start, bytes.end);
                let own = &text[bytes.clone()];
                put(&bytes, &[own, b",", own].concat());
                put(&(start..start), b" ");
                put(&(start..start), b"\"note\":\"x\",");
                // With the comma before it, or after it.
                put(&(start - usize::from(text[start - 1] == b',')..end), b"");
                put(&(start..end + usize::from(text[end] == b',')), b"");
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn share(of: usize) -> usize {
    if std::env::var_os("BP_LONG").is_some() { 1 } else { of }
}

#[test]
fn every_honest_record_is_taken() {
    for (name, bytes) in bases() {
        assert!(taken(&bytes), "{name}");
        assert!(!taken(&bytes[..bytes.len() - 1]), "{name} without its line feed");
        assert!(!taken(&[bytes.as_slice(), b"\n"].concat()), "{name} with another");
        assert!(!taken(&[b" ", bytes.as_slice()].concat()), "{name} after a space");
    }
}

#[test]
fn every_fixture_is_read_alike() {
    let (mut read, mut taken_whole) = (0, 0);
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n') {
                read += 1;
                taken_whole += usize::from(taken(line));
            }
        }
    }
    assert!(taken_whole > 20 && read > taken_whole, "{taken_whole} of {read}");
}

#[test]
fn what_is_taken_after_a_change_keeps_its_schema() {
    let words = vocabulary();
    let mut taken_whole = 0_usize;
    for (name, bytes) in bases() {
        if name == "hero" {
            continue;
        }
        changed(&bytes, share(199), &words, |bytes| taken_whole += usize::from(taken(bytes)));
    }
    // Names, notes and numbers that mean something else, and still are a record.
    assert!(taken_whole > 30, "{taken_whole}");
}

/// The names of units, parameters and samples of a record.
fn names(bytes: &[u8]) -> Vec<String> {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let lists = ["/topology/unit_order/input", "/topology/unit_order/hidden", "/topology/unit_order/output"];
    let lists = lists.iter().chain(&["/topology/parameter_order", "/batch/sample_order"]);
    let lists = lists.filter_map(|list| value.pointer(list)?.as_array());
    lists.flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_names_that_become_one_wherever_they_stand_are_read_alike() {
    let mut tried = 0;
    for (_, bytes) in bases() {
        let names = names(&bytes);
        let text = String::from_utf8(bytes).unwrap();
        for (index, (one, other)) in
            names.iter().flat_map(|one| names.iter().map(move |other| (one, other))).enumerate()
        {
            if one != other && index % share((names.len() * names.len()).div_ceil(40)) == 0 {
                tried += 1;
                let merged = text.replace(&format!("\"{one}\""), &format!("\"{other}\""));
                // An input may have the name of an output as far as reading goes; that is a rule's to break.
                taken(merged.as_bytes());
            }
        }
    }
    assert!(tried > 100, "{tried} pairs");
}

#[test]
fn what_is_taken_under_another_version_keeps_that_versions_schema() {
    let words = vocabulary();
    let (mut moved, mut taken_whole) = (0, 0_usize);
    for (name, bytes) in bases() {
        if name == "hero" {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let (_, rest) = text.split_at("{\"schema_version\":\"0.1.0\"".len());
        for version in ReceiptVersion::ALL {
            let record = format!("{{\"schema_version\":\"{version}\"{rest}");
            if taken(record.as_bytes()) {
                moved += 1;
                changed(record.as_bytes(), share(4001), &words, |bytes| {
                    taken_whole += usize::from(taken(bytes));
                });
            }
        }
    }
    assert!(moved > 40 && taken_whole > 8, "{moved} {taken_whole}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn bytes_put_in_left_out_or_changed(
        base in 0..20_usize,
        place in any::<prop::sample::Index>(),
        length in 0..3_usize,
        new in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"0123456789.,-{}[]\":eE+ \\".to_vec())], 0..3),
    ) {
        thread_local! {
            static BASES: Vec<Vec<u8>> = bases().into_iter().filter(|(name, _)| name != "hero").map(|(_, bytes)| bytes).collect();
        }
        BASES.with(|bases| {
            let bytes = &bases[base % bases.len()];
            let start = place.index(bytes.len());
            let end = (start + length).min(bytes.len());
            taken(&[&bytes[..start], &new, &bytes[end..]].concat());
        });
    }
}
