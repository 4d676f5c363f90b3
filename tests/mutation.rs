//! The sweep: one small change to a good record, anywhere in it, and it no longer holds.
//!
//! Every number nudged, turned round and set to zero; every text, truth and name changed; every member and first
//! element taken away, doubled, moved. What has no meaning that mathematics could contradict is set aside by `ASIDE`, a
//! closed list; every other change that is let through stands in `mutation_survivors.txt` with its reason. In a trace one
//! record is changed, and the trace is judged.
//! `BP_LONG=1` tries every change, otherwise a sample.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod bad;
mod nets;

use std::collections::{BTreeMap, BTreeSet};

use bad::Base;
use bp::author::seed::Seed;
use bp::author::{self, Request};
use bp::import::Options;
use bp::number::Tolerance;
use bp::pointer::{Pointer, Token};
use bp::receipt::wire::OptimizerState;
use bp::verify::stream::{self, Tracing};
use bp::verify::{self, Outcome};
use nets::{Random, Shape};
use rayon::prelude::*;
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
    /// What stands there afterwards: there, or in the parent for a member taken away or renamed.
    new: Value,
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
    let mut put = |at: String, operation, new: Value, moved| tell(Mutant { at, operation, new, moved });
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

impl Mutant {
    /// The record with the change.
    fn record(self, original: &Value) -> Value {
        let mut record = original.clone();
        let at = match self.operation {
            "deleted" | "renamed" => self.at.rsplit_once('/').expect("a member has a parent").0,
            _ => &self.at,
        };
        *record.pointer_mut(at).unwrap() = self.new;
        record
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

/// A good record or trace.
struct Good {
    name: &'static str,
    records: Vec<Value>,
}

const SOFTMAX: Shape =
    Shape { sizes: [2, 2, 3], hidden_by: "sigmoid", output_by: "softmax", biases_learn: false };
const SIGMOID: Shape =
    Shape { sizes: [2, 2, 2], hidden_by: "sigmoid", output_by: "sigmoid", biases_learn: false };

/// A step of one of the two small nets, by an optimizer (none: plain SGD), from a state that is not zero.
fn request(shape: &Shape, config: &Value, samples: usize) -> Request {
    let softmax = shape.output_by == "softmax";
    let before = [0.15, 0.2, -0.25, 0.3, 0.4, -0.45, 0.5, 0.55, 0.35, 0.6, -0.1, 0.7];
    let targets: &[f64] = if softmax { &[0.0, 1.0, 0.0] } else { &[0.01, 0.99] };
    let input = shape.input(0.1, &[0.05, 0.75], targets, &before[..if softmax { 12 } else { 10 }]);
    let has_state = config["name"].as_str().is_some_and(|name| name != "sgd");
    let state = |place: usize| {
        let sign = if place.is_multiple_of(2) { 0.01 } else { -0.02 };
        has_state.then_some(match config["beta1"].is_number() {
            true => OptimizerState::Adam { m: sign, v: 0.0004 },
            false => OptimizerState::Momentum { buffer: sign },
        })
    };
    let request = match config {
        Value::Null => Request::from(input),
        config => nets::optimized(input, config, state),
    };
    let others: [(&[f64], &[f64]); 3] = [
        (&[1.0, -0.5], &[1.0, 0.0, 0.0]),
        (&[0.25, 0.5], &[0.0, 0.0, 1.0]),
        (&[-0.75, 0.3], &[0.0, 1.0, 0.0]),
    ];
    match samples {
        1 => request,
        samples => nets::batched(request, "mean", &others[..samples - 1]),
    }
}

/// Steps of a trace, one after the other; each written by `write`.
fn steps(request: Request, count: usize, write: impl Fn(&Request) -> Value) -> Vec<Value> {
    let mut request = nets::begun(request);
    let mut records = Vec::new();
    for index in 0..count {
        let mut record = write(&request);
        for (at, value) in
            [("/trace_id", json!(nets::TRACE_ID)), ("/step_index", json!(index)), ("/step", json!(index + 1))]
        {
            bad::set(&mut record, at, value);
        }
        request = nets::continued(&request, &bad::written(&record));
        records.push(record);
    }
    records
}

fn authored(request: &Request) -> Value {
    bp::json::parse(&nets::request_bytes(request).unwrap()).unwrap()
}

/// The receipt of the sidecar that a framework would record of a step.
fn imported(framework: &str, shape: &Shape, request: &Request) -> Value {
    let mut sidecar = nets::sidecar(shape, &author::written(request).unwrap());
    bad::set(&mut sidecar, "/source_framework/name", json!(framework));
    let options = Options::at("2026-01-01T00:00:00Z");
    let verified = verify::sidecar(sidecar.to_string().as_bytes(), None, &options);
    bp::json::parse(&verified.imported.unwrap()).unwrap()
}

/// The 26 kinds of record that the format's reference was measured on, and some more.
fn good() -> Vec<Good> {
    let adam = json!({ "name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 1 });
    let adamw = json!({
        "name": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01, "t": 3
    });
    let decay = json!({ "name": "sgd", "weight_decay": 0.01 });
    let momentum = |more: &[(&str, Value)]| {
        let mut config = json!({ "name": "sgd_momentum", "momentum": 0.9 });
        for (key, value) in more {
            config[*key] = value.clone();
        }
        config
    };
    let nesterov = momentum(&[("nesterov", json!(true))]);
    let coupled = momentum(&[("weight_decay", json!(0.01))]);
    let damped = momentum(&[("dampening", json!(0.3))]);
    let (momentum, none) = (momentum(&[]), Value::Null);

    let mut good = Vec::new();
    let mut put = |name, records| good.push(Good { name, records });
    for seed in Seed::ALL {
        put(seed.name(), vec![authored(&seed.input().into())]);
    }
    put("per-neuron", vec![Base::PerNeuron.record()]);
    put("sgd-coupled-l2", vec![authored(&request(&SIGMOID, &decay, 1))]);
    put("momentum-coupled-l2", vec![authored(&request(&SIGMOID, &coupled, 1))]);
    put("momentum-coupled-l2-trace", steps(request(&SIGMOID, &coupled, 1), 2, authored));
    put("xor-trace", steps(Seed::Xor.input().into(), 2, authored));
    put("hero-trace", steps(Seed::Hero.input().into(), 3, authored));

    for (name, framework) in
        [("jax-softmax", "jax"), ("pytorch-softmax", "pytorch"), ("tensorflow-softmax", "tensorflow")]
    {
        put(name, vec![imported(framework, &SOFTMAX, &request(&SOFTMAX, &none, 1))]);
    }
    put("pytorch-batch", vec![imported("pytorch", &SOFTMAX, &request(&SOFTMAX, &none, 4))]);
    for (name, config) in [
        ("pytorch-adam", &adam),
        ("pytorch-adamw", &adamw),
        ("pytorch-sgd-coupled-l2", &decay),
        ("pytorch-momentum", &momentum),
        ("pytorch-dampening", &damped),
        ("pytorch-nesterov", &nesterov),
    ] {
        put(name, vec![imported("pytorch", &SIGMOID, &request(&SIGMOID, config, 1))]);
    }
    for (name, shape, config, samples, count) in [
        ("pytorch-adam-trace", SIGMOID, &adam, 1, 3),
        ("pytorch-momentum-trace", SIGMOID, &momentum, 1, 3),
        ("pytorch-nesterov-trace", SIGMOID, &nesterov, 1, 3),
        ("pytorch-softmax-trace", SOFTMAX, &none, 1, 3),
        ("pytorch-batch-trace", SOFTMAX, &none, 4, 2),
    ] {
        let write = |request: &Request| imported("pytorch", &shape, request);
        put(name, steps(request(&shape, config, samples), count, write));
    }

    let jax = nets::import_bytes(include_bytes!("../fixtures/good/jax-sgd-step.sidecar.jsonl"));
    put("relu", vec![Base::Relu.record()]);
    put("imported", vec![Base::Imported.record()]);
    put("signed", vec![Base::Signed.record()]);
    put("jax-imported", vec![bp::json::parse(&jax.imported.unwrap()).unwrap()]);
    put("sidecar", vec![Base::Sidecar.record()]);
    good
}

impl Good {
    /// What it comes to with one of its records replaced, as the verb for it would judge. Whoever changes an imported
    /// trace makes its digest anew.
    fn outcome(&self, place: usize, record: Value, sealed: bool) -> Outcome {
        if self.records.len() == 1 {
            // A digest is over canonical bytes.
            let bytes = match record["attestor"]["signed_subject_digest"].is_string() {
                true => bad::written(&record),
                false => record.to_string().into_bytes(),
            };
            // A sidecar is judged without the receipt that would be made from it.
            return match self.records[0].get("format") {
                Some(_) => nets::import_bytes(&bytes).sections[0].outcome(),
                None => verify::receipt(&bytes).outcome(),
            };
        }
        let mut records = self.records.clone();
        records[place] = record;
        let lines: Vec<Vec<u8>> = match records.iter().all(|record| record["attestor"].is_object()) {
            true => {
                if sealed {
                    bad::bundle(&mut records);
                }
                records.iter().map(bad::written).collect()
            }
            false => records.iter().map(|record| record.to_string().into_bytes()).collect(),
        };
        let mut tracing = Tracing::default();
        for line in lines {
            let Ok(judged) = stream::record(&line) else { return Outcome::Fail };
            tracing.push(judged.settled(), &line);
        }
        tracing.finish().outcome()
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

/// One change: as the list spells it, and what became of it.
enum Tried {
    SetAside,
    LeftOut,
    Seen(String),
    LetThrough(String),
}

/// Every change of one place of one record.
fn tried(
    good: &Good,
    record: usize,
    at: &Pointer,
    share: usize,
    listed: &BTreeMap<String, String>,
) -> Vec<Tried> {
    let original = &good.records[record];
    let mut tried = Vec::new();
    mutants(original, at, &mut |mutant| {
        // Which of them are tried does not depend on which are set aside.
        let turn = hash(at.as_str(), record, mutant.operation).is_multiple_of(share as u64);
        if aside(original, &mutant).is_some() {
            tried.push(Tried::SetAside);
            return;
        }
        let place = if good.records.len() == 1 { String::new() } else { format!("/{record}") };
        let change = format!("{} {place}{} {}", good.name, mutant.at, mutant.operation);
        if !turn && !listed.contains_key(&change) {
            tried.push(Tried::LeftOut);
            return;
        }
        let sealed = !mutant.at.starts_with("/attestor/bundle_root_digest");
        tried.push(match good.outcome(record, mutant.record(original), sealed) {
            Outcome::Pass => Tried::LetThrough(change),
            _ => Tried::Seen(change),
        });
    });
    tried
}

/// A number from a change, without a pattern.
fn hash(at: &str, record: usize, operation: &str) -> u64 {
    let mut state = Random(record as u64);
    for byte in at.bytes().chain(operation.bytes()) {
        state.0 ^= u64::from(byte);
        state.0 = state.bits();
    }
    state.0 >> 11
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
    for mut good in good() {
        let is_trace = good.records.len() > 1;
        if is_trace && good.records[0]["attestor"].is_object() {
            bad::bundle(&mut good.records);
        }
        let size: usize = good.records.iter().map(|record| record.to_string().len()).sum();
        let share = if every { 1 } else { (size / 400).max(1) * good.records.len() };
        let honest = good.outcome(0, good.records[0].clone(), true);
        assert_eq!(honest, Outcome::Pass, "{}", good.name);
        let mut found = Vec::new();
        for (record, value) in good.records.iter().enumerate() {
            let mut places_of_one = Vec::new();
            places(value, &Pointer::default(), &mut places_of_one);
            found.extend(places_of_one.into_iter().map(|at| (record, at)));
        }
        let outcomes: Vec<Tried> = found
            .par_iter()
            .flat_map_iter(|(record, at)| tried(&good, *record, at, share, &listed))
            .collect();
        let (mut tried, mut let_through, mut set_aside) = (0_usize, 0_usize, 0_usize);
        let count = outcomes.len();
        for outcome in outcomes {
            let (change, is_seen) = match outcome {
                Tried::SetAside => {
                    set_aside += 1;
                    continue;
                }
                Tried::LeftOut => continue,
                Tried::Seen(change) => (change, true),
                Tried::LetThrough(change) => (change, false),
            };
            tried += 1;
            if listed.contains_key(&change) {
                tried_listed.insert(change.clone());
            }
            if !is_seen {
                if !listed.contains_key(&change) {
                    eprintln!("goes unseen: {change}");
                }
                let_through += 1;
                survivors.insert(change);
            }
        }
        let rate = 100.0 * (1.0 - let_through as f64 / tried as f64);
        eprintln!(
            "{:26} {count:6} changes, {set_aside:5} set aside, {tried:6} tried, {let_through:3} let through: {rate:.2} %",
            good.name
        );
        if every && rate < 99.5 {
            faults.push(format!("{}: only {rate:.2} % are seen", good.name));
        }
        all += tried;
        all_let_through += let_through;
    }
    let rate = 100.0 * (1.0 - all_let_through as f64 / all as f64);
    eprintln!("all: {all} tried, {all_let_through} let through: {rate:.3} %");
    if every && rate < 99.9 {
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
