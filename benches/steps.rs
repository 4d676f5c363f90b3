//! What judging a sampled optimizer step costs, by byte of its payload, beside what the machine gives: copying and hashing
//! the same bytes. `judge` hashes every byte twice, once for its tensor and once for the file, beside what it compares.

#![allow(clippy::unwrap_used, reason = "a bench ends where something is not as it says")]
#![allow(clippy::cast_possible_truncation, reason = "a kernel takes its scalars in float32")]
#![allow(missing_docs, reason = "a bench has no pages")]

use bp::digest::Digest;
use bp::step::{Options, Record, Verdict, judge, leaf};
use divan::{Bencher, counter::BytesCount};
use serde_json::json;
use sha2::{Digest as _, Sha256};

fn main() {
    divan::main();
}

/// Values of the one parameter: a payload of some 29 MB.
const VALUES: usize = 1 << 20;

/// A step of `AdamW` by the fused kernel, at timestep 7: the record and its payload.
fn step() -> (Record, Vec<u8>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut unit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let value = (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
        value
    };
    let mut fill = |scale: f32| -> Vec<f32> { (0..VALUES).map(|_| unit() * scale).collect() };
    let (p0, g, m0) = (fill(1.0), fill(1e-2), fill(1e-2));
    let v0: Vec<f32> = fill(1e-2).iter().map(|v| v * v).collect();
    let (bc1, bc2) = (1.0 - libm::pow(0.9, 7.0), 1.0 - libm::pow(0.999, 7.0));
    let (w1, w2) = ((1.0 - 0.9_f64) as f32, (1.0 - 0.999_f64) as f32);
    let (keep, ss, sb) = ((1.0 - 1e-3 * 0.1_f64) as f32, (-(1e-3 / bc1)) as f32, bc2.sqrt() as f32);
    let (mut m1, mut v1, mut p1) = (vec![], vec![], vec![]);
    for i in 0..VALUES {
        let m = w1.mul_add(g[i] - m0[i], m0[i]);
        let v = (w2 * g[i]).mul_add(g[i], 0.999 * v0[i]);
        p1.push(keep * p0[i] + (ss * m) / (v.sqrt() / sb + 1e-8));
        m1.push(m);
        v1.push(v);
    }
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (role, values) in [("g", g), ("m0", m0), ("m1", m1), ("p0", p0), ("p1", p1), ("v0", v0), ("v1", v1)] {
        let begin = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let place = json!({ "dtype": "F32", "shape": [VALUES], "data_offsets": [begin, data.len()] });
        entries.push(format!("\"{role}/w\":{place}"));
    }
    let header = format!("{{{}}}", entries.join(","));
    let payload = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    let leaves = leaf::of_file("payload", payload.as_slice()).unwrap();
    let none = Digest::of(b"");
    let record = json!({
        "format": "tensor-step.v1", "run": "bench", "step": 7,
        "optimizer": { "kind": "adam", "cls": "torch.optim.AdamW", "groups": [{
            "lr": 1e-3, "weight_decay": 0.1, "maximize": false, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
            "decoupled": true, "amsgrad": false,
        }] },
        "arith": { "profile": "torch-cpu-fused", "ftz": false, "grad_scale": null, "matmul": "ieee" },
        "clip": null, "schedule": null,
        "params": [{ "name": "w", "group": 0, "t": 7, "dtype": "F32", "shape": [VALUES] }],
        "frozen": { "count": 0, "root0": none, "root1": none },
        "payload": {
            "file": "step.safetensors", "sha256": Digest::of(&payload), "leaf_root": leaf::root(&leaves),
        },
    });
    (Record::parse(record.to_string().as_bytes()).unwrap(), payload)
}

fn judged(bencher: Bencher<'_, '_>, bounded: bool) {
    let (record, payload) = step();
    let options = Options { bounded, ..Options::default() };
    let judge = || judge(&record, payload.as_slice(), &options).unwrap().verdict;
    assert_eq!(judge(), Verdict::Accepted);
    bencher.counter(BytesCount::of_slice(&payload)).bench(|| divan::black_box(judge()));
}

/// Every element within its bound, in float64.
#[divan::bench]
fn bounded(bencher: Bencher<'_, '_>) {
    judged(bencher, true);
}

/// Every element again in float32, bit by bit.
#[divan::bench]
fn replayed(bencher: Bencher<'_, '_>) {
    judged(bencher, false);
}

/// SHA-256 of the same bytes, once.
#[divan::bench]
fn hashed(bencher: Bencher<'_, '_>) {
    let (_, payload) = step();
    bencher.counter(BytesCount::of_slice(&payload)).bench(|| Sha256::digest(divan::black_box(&payload)));
}

/// The same bytes, copied.
#[divan::bench]
fn copied(bencher: Bencher<'_, '_>) {
    let (_, payload) = step();
    let mut to = vec![0; payload.len()];
    bencher
        .counter(BytesCount::of_slice(&payload))
        .bench_local(|| to.copy_from_slice(divan::black_box(&payload)));
}
