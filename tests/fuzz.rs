//! Every parser of bytes from outside, with mutations of what is sound: the same functions that `scripts/fuzz` runs for
//! longer. Which mutations are tried follows from the target's name and `BP_FUZZ_ROUNDS` alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;
#[allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "each test binary uses a part, and a draw is cut to size"
)]
mod stepped;
#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own there")]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::pack::signoff::{self, Person, Words};
use bp::pack::{Freeze, attestation};
use bp::trust::{Role, Rotation, Signer, SigningKey, TrustPolicy};
use packs::{Place, alice, mallory, strict, tar};
use serde_json::json;
use stepped::Draw;
use targets::TARGETS;

/// Mutations of each seed, unless the environment says otherwise.
const ROUNDS: u64 = 300;
/// A mutation is no longer than this.
const LONGEST: usize = 1 << 17;

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn fixture(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn fixtures(folder: &str, part: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.is_file() && file.file_name().unwrap().to_string_lossy().contains(part));
    assert!(!files.is_empty(), "{part}");
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

fn envelopes(place: &Place) -> Vec<Vec<u8>> {
    let (manifest, at) = (Digest::of(&place.bytes("manifest.json")), "2026-02-01T12:00:00Z".parse().unwrap());
    let attested = attestation::sign(&place.check(&strict()), &strict(), &mallory(), at).unwrap();
    let person = Person {
        id: "jane".into(),
        name: "Jane Doe".into(),
        function: "Head of testing".into(),
        organisation: None,
        on_behalf_of: None,
        developer_of_run: true,
    };
    let words = Words {
        person,
        act: bp::annex::model::Act::Approved,
        scope: vec!["IV.2.g".into()],
        statement: Some("seen".into()),
        limits_acknowledged: true,
        place: None,
        signed_at: at,
        attached: vec![],
    };
    let signed = signoff::sign(words, &manifest, &[], &mallory()).unwrap();
    let rotation = Rotation::sign(&alice(), &mallory().verifying_key(), at).unwrap();
    let suite = bp::pack::Suite::parse(&fixture("fixtures/suite.json")).unwrap();
    let clock = (at, bp::pack::manifest::ClockSource::Argument);
    let frozen =
        bp::pack::freeze::Frozen::of(&suite, &std::collections::BTreeMap::new(), packs::judge(), clock);
    let frozen = frozen.sign(&alice()).unwrap();
    assert!(Freeze::parse(&frozen).is_ok());
    vec![attested.to_bytes(), signed.to_bytes(), rotation.to_bytes(), frozen]
}

fn keys() -> Vec<Vec<u8>> {
    let random = bp::trust::key::Random { salt: [3; 16], iv: [4; 16] };
    let sealed = alice().to_encrypted_pem("passphrase", &random).unwrap();
    vec![
        alice().to_pem().unwrap().as_bytes().to_vec(),
        sealed.as_bytes().to_vec(),
        alice().verifying_key().to_pem().into_bytes(),
        targets::SEEDED_ROOT.as_bytes().to_vec(),
    ]
}

fn policies() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("trust.toml");
    fs::write(&path, "[requires]\nverifiers = 1\ntimestamps = 1\nminimum_judge = \"0.1.0\"\n").unwrap();
    for (seed, role) in [(1, Role::Seal), (2, Role::Verifier), (3, Role::Signoff)] {
        let key = SigningKey::from_seed(&[seed; 32]).verifying_key();
        TrustPolicy::add(&path, Signer::new(role.name(), role, key, "2026-01-01T00:00:00Z")).unwrap();
    }
    let anchors = bp::trust::timestamp::Anchor::all_from_pem(targets::SEEDED_ROOT, None).unwrap();
    vec![TrustPolicy::add_authorities(&path, &anchors).unwrap().to_toml().into_bytes()]
}

/// Files as `numpy.save` writes them.
fn arrays() -> Vec<Vec<u8>> {
    let array = |descr: &str, shape: &str, data_bytes: usize| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        let data: Vec<u8> = (0..data_bytes).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
        [b"\x93NUMPY\x01\0\x76\0", header.as_bytes(), &data].concat()
    };
    let arrays = vec![array("<f4", "(2, 3)", 24), array("<f2", "(5,)", 10), array("<f8", "()", 8)];
    for array in &arrays {
        let (begin, length) = bp::tensor::npy::header(array.len() as u64, &array[..12]).unwrap();
        bp::tensor::npy::Array::read(array.len() as u64, begin, &array[begin..begin + length]).unwrap();
    }
    arrays
}

/// Indexes: that of the small capture, and one of a single file that is there.
fn captures() -> Vec<Vec<u8>> {
    let index = fixture("fixtures/tensor/ok_layer0/index.json");
    let mut alone: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let file = bp::tensor::aprt::write(bp::tensor::Layer::WholeModel, &[0.5; 5]).unwrap();
    alone["entries"] = json!([{
        "file": "lm_head.bin", "sha256": Digest::of(&file), "stage": "lm_head", "layer": null, "shape": [5],
        "axis_order": "token-major", "token_scope": "last",
        "bound": { "abs": 1e-4, "rel": 1e-3, "reason": "logits" },
    }]);
    vec![index, alone.to_string().into_bytes()]
}

fn steps() -> (Vec<u8>, Vec<u8>) {
    let settings = stepped::Adam { lr: 1e-3, wd: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true };
    let params = vec![stepped::adam(&mut Draw(7), 12, settings, 7, [0, 0, 0], stepped::f32_as_it_is)];
    let record = stepped::record(&settings.document(), &stepped::arith("bounded"), 7, &params);
    (serde_json::to_vec(&record).unwrap(), stepped::payload(&params))
}

/// A challenge.
const CALL: &[u8] = br#"{"beacon":"5eed","format":"tensor-step-challenge.v1","steps":3,"tensors":2}"#;

/// Commitments to four steps.
fn commitments() -> Vec<u8> {
    let head = json!({ "format": "tensor-step-commits.v1", "run": "r", "warmup": 2, "tensors": ["a", "b"] });
    let mut text = format!("{head}\n");
    let mut chain = Digest::of(format!("tensor-step.v1 chain\n{head}").as_bytes());
    for step in 1..5_u64 {
        let root = Digest::of(&step.to_be_bytes());
        chain = Digest::of(&[chain.as_bytes(), root.as_bytes(), &step.to_be_bytes()[..]].concat());
        text.push_str(&json!({ "step": step, "root": root, "chain": chain }).to_string());
        text.push('\n');
    }
    assert!(bp::step::commit::Commits::parse(text.as_bytes()).is_ok());
    text.into_bytes()
}

/// What is sound, by target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let place = Place::sealed();
    match target {
        "strict_json" => vec![
            place.bytes("manifest.json"),
            br#"{"a":[1,-0.5e-3,"\u00e9\ud83d\ude00\n",null,true],"b":{}}"#.to_vec(),
            json!({ "n": 123_456_789_u64 }).to_string().into_bytes(),
        ],
        "receipt" => {
            [fixtures("fixtures/good", "receipt"), vec![place.bytes("receipts/iris.jsonl")]].concat()
        }
        "sidecar" => fixtures("fixtures/good", "jax-sgd-step.sidecar"),
        "topology_input" => fixtures("fixtures/seed", ".json"),
        "suite" => vec![fixture("fixtures/suite.json")],
        "provider" => vec![fixture("fixtures/annex/provider.toml")],
        "manifest" => vec![place.bytes("manifest.json"), Place::unsigned().bytes("manifest.json")],
        "ledger" => vec![place.bytes("checksums.sha256")],
        "envelope" => envelopes(&place),
        "key" => keys(),
        "timestamp" => timestamps(),
        "archive" => {
            let tar = tar(&place.files());
            vec![tar[..2048.min(tar.len())].to_vec(), tar]
        }
        "step" => {
            let (record, payload) = steps();
            vec![[&record[..], &[0], &payload].concat(), record]
        }
        "published" => vec![commitments(), CALL.to_vec()],
        "safetensors" => vec![steps().1],
        "stage_file" => fixtures("fixtures/tensor/ok_layer0/layer-0", ".bin"),
        "npy" => arrays(),
        "tensor_index" => captures(),
        "policy" => policies(),
        other => panic!("{other} has no seeds"),
    }
}

fn timestamps() -> Vec<Vec<u8>> {
    ["request.tsq", "reply.tsr", "token.tst"].map(|name| fixture(&format!("fuzz/seeds/{name}"))).to_vec()
}

/// One change or a few, at places that follow from the draw.
fn mutate(draw: &mut Draw, seeds: &[Vec<u8>], bytes: &[u8]) -> Vec<u8> {
    const TELLING: [u8; 12] = [0, 1, 0x30, 0x7f, 0x80, 0xff, b'"', b'{', b'\n', b'-', b'9', b'e'];
    let mut bytes = bytes.to_vec();
    for _ in 0..=draw.below(4) {
        let length = bytes.len() as u64;
        let at = usize::try_from(draw.below(length + 1)).unwrap();
        let end = (at + usize::try_from(draw.below(32)).unwrap()).min(bytes.len());
        let telling = TELLING[usize::try_from(draw.below(12)).unwrap()];
        match draw.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draw.below(8),
            1 if at < bytes.len() => bytes[at] = telling,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.insert(at, telling),
            4 => bytes.truncate(at),
            5 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            6 => {
                let other = &seeds[usize::try_from(draw.below(seeds.len() as u64)).unwrap()];
                let from = usize::try_from(draw.below(other.len() as u64 + 1)).unwrap();
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            7 => drop(bytes.splice(at..at, std::iter::repeat_n(telling, 300))),
            _ => {
                // A number that is longer, or of another size.
                if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    drop(bytes.splice(at + digit..at + digit, *b"99999999999999999999"));
                }
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let rounds = variable("BP_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seeds = seeds(name);
    if let Some(corpus) = variable("BP_FUZZ_CORPUS") {
        let folder = Path::new(&corpus).join(name);
        fs::create_dir_all(&folder).unwrap();
        for seed in &seeds {
            fs::write(folder.join(Digest::of(seed).to_string()), seed).unwrap();
        }
    }
    let mut draw = Draw(name.bytes().fold(1_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)));
    for seed in &seeds {
        target(seed);
        for _ in 0..rounds {
            let mutated = mutate(&mut draw, &seeds, seed);
            let kept = mutated.clone();
            let outcome = std::panic::catch_unwind(|| target(&mutated));
            if outcome.is_err() {
                let file = std::env::temp_dir().join(format!("bp-fuzz-{name}-{}", Digest::of(&kept)));
                fs::write(&file, kept).unwrap();
                panic!("{name}: the input is in {}", file.display());
            }
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        /// Whatever is fuzzed for long is sampled here, and has its file there.
        #[test]
        fn every_target_is_run_here_and_there() {
            let here = [$(stringify!($name)),*];
            let there: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(here.as_slice(), there);
            let manifest = String::from_utf8(fixture("fuzz/Cargo.toml")).unwrap();
            for name in here {
                let file = String::from_utf8(fixture(&format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
                assert!(file.contains(&format!("bp_fuzz::{name}(bytes)")), "{file}");
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
        }
    };
}

targets! {
    strict_json
    receipt
    sidecar
    topology_input
    suite
    provider
    manifest
    ledger
    envelope
    key
    timestamp
    archive
    step
    published
    safetensors
    stage_file
    npy
    tensor_index
    policy
}

/// Seeds are sound: a mutation of what is refused at its first byte shows little.
#[test]
fn the_token_among_the_seeds_opens_under_its_root() {
    let anchors = bp::trust::timestamp::Anchor::all_from_pem(targets::SEEDED_ROOT, None).unwrap();
    let sha256 = Digest::of(targets::SEEDED);
    for bytes in timestamps().into_iter().skip(1) {
        let token = bp::trust::timestamp::Token::parse(&bytes).unwrap();
        assert!(token.open(&sha256, &anchors).is_ok());
    }
}
