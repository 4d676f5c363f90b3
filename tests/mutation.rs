//! The sweep: one small change to a good record, anywhere in it, and it no longer holds.
//!
//! Every number nudged, turned round and set to zero; every text, truth and name changed; every member and first
//! element taken away, doubled, moved. What has no meaning that mathematics could contradict is set aside by `ASIDE`, a
//! closed list; every other change that is let through stands in `mutation_survivors.txt` with its reason.
//! `BP_LONG=1` tries every change, otherwise a sample.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod bad;
mod nets;

use std::collections::{BTreeMap, BTreeSet};

use bad::Base;
use bp::author::seed::Seed;
use bp::number::Tolerance;
use bp::pointer::{Pointer, Token};
use bp::verify::{self, Outcome};
use serde_json::{Map, Value, json};

/// Places set aside: a `*` stands for one name or index, `**` at the end for any number of them. With the reason.
const ASIDE: &[(&str, &str)] = &[
    ("/fixture", "free text"),
    ("/metadata/**", "free text"),
    ("/metadata", "free text: a note more, or none"),
    ("/bias_policy/reason", "free text"),
    ("/bias_policy/reconciliation", "free text"),
    ("/source_framework/version", "the version of a tool"),
    ("/source_framework/information_uri", "free text"),
    ("/source_framework/extractor", "a tool"),
    ("/source_framework/extractor/**", "name and version of a tool"),
    ("/attestor/computed_by/**", "who someone says they are"),
    ("/attestor/verified_by/**", "who someone says they are"),
    ("/attestor/import_provenance/import_timestamp", "a time that nothing here can contradict"),
    ("/attestor/import_provenance/source_hash", "bytes that do not stand here"),
];

/// Tolerances: set aside where the change makes one tighter.
const TOLERANCES: &[&str] = &["/numeric_policy/tolerance/**", "/attestor/differential_tolerance/**"];

/// A change and where.
struct Mutant {
    at: String,
    operation: &'static str,
    record: Value,
    /// A number before and after.
    moved: Option<(f64, f64)>,
}

fn matches(pattern: &str, at: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('/'), at.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) | (Some("**"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Every place of a value, itself first.
fn places(value: &Value, at: &Pointer, found: &mut Vec<Pointer>) {
    found.push(at.clone());
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                places(member, &at.clone().join(Token::Key(key)), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &at.clone().join(Token::Index(index)), found);
            }
        }
        _ => {}
    }
}

/// Every change of one place.
fn mutants(record: &Value, at: &Pointer, tell: &mut impl FnMut(Mutant)) {
    let value = record.pointer(at.as_str()).unwrap();
    let mut put = |at: String, operation, new: Value, moved| {
        let mut record = record.clone();
        *record.pointer_mut(at_parent(at.as_str(), operation)).unwrap() = new;
        tell(Mutant { at, operation, record, moved });
    };
    match value {
        Value::Number(number) if number.is_f64() => {
            let old = number.as_f64().unwrap();
            for (operation, new) in
                [("+1e-3", old * 1.001), ("+1e-5", old * 1.000_01), ("negated", -old), ("zero", 0.0)]
            {
                if (old - new).abs() > 0.0 {
                    put(at.to_string(), operation, json!(new), Some((old, new)));
                }
            }
        }
        Value::Number(number) => {
            let old = number.as_u64().unwrap();
            put(at.to_string(), "+1", json!(old + 1), None);
            put(at.to_string(), "+2", json!(old + 2), None);
        }
        Value::String(text) => put(at.to_string(), "text_x", json!(format!("{text}_x")), None),
        Value::Bool(truth) => put(at.to_string(), "flipped", json!(!truth), None),
        Value::Null => {}
        Value::Object(members) => {
            let without = |left_out: &str| -> Map<String, Value> {
                let kept = members.iter().filter(|(key, _)| *key != left_out);
                kept.map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            for key in members.keys() {
                let place = at.clone().join(Token::Key(key)).to_string();
                put(place.clone(), "deleted", without(key).into(), None);
                let renamed = |(member, value): (&String, &Value)| {
                    let name = if member == key { format!("{member}_x") } else { member.clone() };
                    (name, value.clone())
                };
                put(place, "renamed", members.iter().map(renamed).collect::<Map<_, _>>().into(), None);
            }
            let mut more = members.clone();
            more.insert("added_x".to_owned(), json!(1.0));
            put(at.to_string(), "added", more.into(), None);
        }
        Value::Array(items) => {
            if let [first, rest @ ..] = items.as_slice() {
                put(at.to_string(), "first deleted", rest.to_vec().into(), None);
                let doubled: Vec<Value> = [first, first].into_iter().chain(rest).cloned().collect();
                put(at.to_string(), "first doubled", doubled.into(), None);
            }
            if let [first, second, rest @ ..] = items.as_slice()
                && first != second
            {
                let swapped: Vec<Value> = [second, first].into_iter().chain(rest).cloned().collect();
                put(at.to_string(), "swapped", swapped.into(), None);
            }
        }
    }
}

/// The place that takes the new value: the parent for a member taken away or renamed.
fn at_parent<'a>(at: &'a str, operation: &str) -> &'a str {
    match operation {
        "deleted" | "renamed" => at.rsplit_once('/').expect("a member has a parent").0,
        _ => at,
    }
}

/// Why a change is set aside, if it is.
fn aside(original: &Value, mutant: &Mutant) -> Option<&'static str> {
    if let Some((_, reason)) = ASIDE.iter().find(|(pattern, _)| matches(pattern, &mutant.at)) {
        return Some(reason);
    }
    // A number alone: the format's authors write what they like there.
    let alone = mutant.at == "/step" && original.get("step_index").is_none();
    if alone && mutant.operation.starts_with('+') {
        return Some("the step number of a record outside a trace");
    }
    let (old, new) = mutant.moved?;
    if TOLERANCES.iter().any(|pattern| matches(pattern, &mutant.at)) && (0.0..=old).contains(&new) {
        return Some("a tolerance made tighter");
    }
    let declared = |key: &str| original.pointer("/attestor/differential_tolerance")?.get(key)?.as_f64();
    let (atol, rtol) = match original.get("format") {
        Some(_) => (Tolerance::IMPORT_DEFAULT.atol(), Tolerance::IMPORT_DEFAULT.rtol()),
        None => (declared("atol")?, declared("rtol")?),
    };
    let width = atol.min(1e-5).max(rtol.min(1e-3) * old.abs().max(new.abs()));
    ((old - new).abs() <= width).then_some("less than the tolerance that an import declares")
}

fn good() -> Vec<(&'static str, Vec<u8>)> {
    let seed = |seed: Seed| (seed.name(), nets::bytes(&seed.input()).unwrap());
    let jax = nets::import_bytes(include_bytes!("../fixtures/good/jax-sgd-step.sidecar.jsonl"));
    let mut good = Seed::ALL.map(seed).to_vec();
    good.push(("per-neuron", bad::written(&Base::PerNeuron.record())));
    good.push(("relu", bad::written(&Base::Relu.record())));
    good.push(("imported", bad::written(&Base::Imported.record())));
    good.push(("signed", bad::written(&Base::Signed.record())));
    good.push(("jax-imported", jax.imported.unwrap()));
    good.push(("sidecar", Base::Sidecar.record().to_string().into_bytes()));
    good
}

/// What a record comes to: a receipt by itself, a sidecar without the receipt that would be made from it.
fn outcome(record: &Value) -> Outcome {
    let bytes = record.to_string().into_bytes();
    match record.get("format") {
        Some(_) => nets::import_bytes(&bytes).sections[0].outcome(),
        None => verify::receipt(&bytes).outcome(),
    }
}

/// Survivors by fixture, place and operation, and the reason that the list gives.
fn listed() -> BTreeMap<String, String> {
    let lines = include_str!("mutation_survivors.txt").lines();
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (change, reason) = row.split_once("  # ").expect("every survivor has a reason");
        (change.trim_end().to_owned(), reason.to_owned())
    })
    .collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
#[allow(clippy::print_stderr, reason = "rates that a long run is for")]
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn no_change_goes_unseen() {
    let every = std::env::var_os("BP_LONG").is_some();
    let listed = listed();
    let (mut survivors, mut tried_listed) = (BTreeSet::new(), BTreeSet::new());
    let (mut all, mut all_let_through) = (0_usize, 0_usize);
    let mut faults = Vec::new();
    for (name, bytes) in good() {
        let original = bp::json::parse(&bytes).unwrap();
        if original.get("format").is_none() {
            assert_eq!(verify::receipt(&bytes).outcome(), Outcome::Pass, "{name}");
        }
        let mut found = Vec::new();
        places(&original, &Pointer::default(), &mut found);
        let (mut tried, mut let_through, mut set_aside, mut count) = (0_usize, 0_usize, 0_usize, 0_usize);
        let share = if every { 1 } else { (bytes.len() / 1200).max(1) };
        for at in &found {
            mutants(&original, at, &mut |mutant| {
                count += 1;
                if aside(&original, &mutant).is_some() {
                    set_aside += 1;
                    return;
                }
                let change = format!("{name} {} {}", mutant.at, mutant.operation);
                if !count.is_multiple_of(share) && !listed.contains_key(&change) {
                    return;
                }
                tried += 1;
                if listed.contains_key(&change) {
                    tried_listed.insert(change.clone());
                }
                if outcome(&mutant.record) == Outcome::Pass {
                    let_through += 1;
                    survivors.insert(change);
                }
            });
        }
        let rate = 100.0 * (1.0 - let_through as f64 / tried as f64);
        eprintln!(
            "{name:14} {count:6} changes, {set_aside:5} set aside, {tried:6} tried, {let_through:3} let through: {rate:.2} %"
        );
        if every && rate < 99.5 {
            faults.push(format!("{name}: only {rate:.2} % are seen"));
        }
        all += tried;
        all_let_through += let_through;
    }
    let rate = 100.0 * (1.0 - all_let_through as f64 / all as f64);
    eprintln!("all: {all} tried, {all_let_through} let through: {rate:.3} %");
    // Four of five let through are tolerances that nothing is compared with, and orders that change no sum.
    if every && rate < 99.8 {
        faults.push(format!("only {rate:.3} % are seen"));
    }
    for change in survivors.iter().filter(|change| !listed.contains_key(*change)) {
        faults.push(format!("goes unseen: {change}"));
    }
    for change in listed.keys().filter(|change| !survivors.contains(*change)) {
        let how = if tried_listed.contains(change) { "is seen" } else { "is not tried" };
        faults.push(format!("listed, and {how}: {change}"));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_pattern_matches_whole_names() {
    for (pattern, at, wanted) in [
        ("/fixture", "/fixture", true),
        ("/fixture", "/fixture_status", false),
        ("/metadata/**", "/metadata", false),
        ("/metadata/**", "/metadata/source/0", true),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/b/d", false),
        ("/a/*", "/a", false),
    ] {
        assert_eq!(matches(pattern, at), wanted, "{pattern} {at}");
    }
}
