//! How long a judgement takes, and where: the gates one by one, and a record whole.

#![allow(clippy::unwrap_used, reason = "a bench ends where something is not as it says")]
#![allow(missing_docs, reason = "a bench has no pages")]

use bp::author;
use bp::author::seed::Seed;
use bp::json;
use bp::receipt::canonical;
use bp::receipt::version::ReceiptVersion;
use bp::reconcile;
use bp::schema::{self, Schema};
use bp::verify::Outcome;
use bp::verify::{self, read, stream};
use divan::{Bencher, counter::BytesCount};

fn main() {
    divan::main();
}

const SEEDS: [Seed; 2] = [Seed::Mazur, Seed::Hero];

fn bytes(seed: Seed) -> Vec<u8> {
    canonical::emit(&author::receipt(&seed.input()).unwrap()).unwrap().into_bytes()
}

/// Strict JSON to a tree.
#[divan::bench(args = SEEDS)]
fn parse(bencher: Bencher, seed: Seed) {
    let bytes = bytes(seed);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| json::parse(divan::black_box(&bytes)).unwrap());
}

#[divan::bench(args = SEEDS)]
fn schema(bencher: Bencher, seed: Seed) {
    let value = json::parse(&bytes(seed)).unwrap();
    let version: ReceiptVersion = value["schema_version"].as_str().unwrap().parse().unwrap();
    bencher.bench(|| schema::validate(Schema::Receipt(version), divan::black_box(&value)).unwrap());
}

/// Bytes to a record that is ready to judge.
#[divan::bench(args = SEEDS)]
fn read(bencher: Bencher, seed: Seed) {
    let bytes = bytes(seed);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| read::receipt(divan::black_box(&bytes)).unwrap());
}

/// A record written down.
#[divan::bench(args = SEEDS)]
fn emit(bencher: Bencher, seed: Seed) {
    let receipt = author::receipt(&seed.input()).unwrap();
    bencher.bench(|| canonical::emit(divan::black_box(&receipt)).unwrap());
}

/// The rules alone.
#[divan::bench(args = SEEDS)]
fn reconcile(bencher: Bencher, seed: Seed) {
    let entry = read::receipt(&bytes(seed)).unwrap().record.unwrap();
    bencher.bench(|| reconcile::reconcile(divan::black_box(&entry)));
}

/// Everything that `verify general` does to a record.
#[divan::bench(args = SEEDS)]
fn verify(bencher: Bencher, seed: Seed) {
    let bytes = bytes(seed);
    assert_eq!(verify::receipt(&bytes).outcome(), Outcome::Pass);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| verify::receipt(divan::black_box(&bytes)).outcome());
}

/// Everything that `verify multi` does to a record.
#[divan::bench(args = SEEDS)]
fn stream(bencher: Bencher, seed: Seed) {
    let bytes = bytes(seed);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| stream::record(divan::black_box(&bytes)).unwrap());
}
