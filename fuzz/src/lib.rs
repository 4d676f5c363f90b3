//! What is fuzzed: one function for each parser of bytes from outside. `tests/fuzz.rs` calls them with a bounded number of
//! mutations, `scripts/fuzz` for as long as it is let. Each asserts more than that nothing panics: what is accepted is written
//! back, and is accepted again as the same.

#![allow(clippy::unwrap_used, reason = "a broken invariant is what is looked for")]

use std::io;
use std::path::Path;

use bp::annex::provider;
use bp::author;
use bp::digest::Digest;
use bp::import::Options as Import;
use bp::json;
use bp::pack::attestation::Attested;
use bp::pack::check::{self, Demands, Limits};
use bp::pack::cosign::CoSigned;
use bp::pack::manifest::{Judge, Producer, Unsealed};
use bp::pack::signoff::Signed;
use bp::pack::{Freeze, Ledger, Options, Selection, Suite};
use bp::receipt::canonical;
use bp::step::call::Call;
use bp::step::commit::Commits;
use bp::step::{self, judge, leaf};
use bp::tensor::safetensors::Scanner;
use bp::tensor::{Capture, Folder, Index, aprt};
use bp::trust::p256::CoVerifyingKey;
use bp::trust::timestamp::{Anchor, Request, Token};
use bp::trust::{Envelope, Rotation, SigningKey, TrustPolicy, VerifyingKey};
use bp::verify::{self, read};

/// A target, by name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("strict_json", strict_json),
    ("receipt", receipt),
    ("sidecar", sidecar),
    ("topology_input", topology_input),
    ("suite", suite),
    ("provider", provider),
    ("manifest", manifest),
    ("ledger", ledger),
    ("envelope", envelope),
    ("key", key),
    ("timestamp", timestamp),
    ("archive", archive),
    ("step", step),
    ("published", published),
    ("safetensors", safetensors),
    ("stage_file", stage_file),
    ("npy", npy),
    ("tensor_index", tensor_index),
    ("policy", policy),
];

/// Strict JSON, and the canonical form of what it takes.
pub fn strict_json(bytes: &[u8]) {
    if let Ok(value) = json::parse(bytes) {
        let canonical = json::canonical(&value);
        let again = json::parse(&canonical).unwrap();
        assert_eq!(json::canonical(&again), canonical);
    }
}

/// A receipt through every gate. What the canonical reader takes, the writer writes back.
pub fn receipt(bytes: &[u8]) {
    let _ = verify::receipt(bytes).outcome();
    if let Some(receipt) = canonical::read(bytes) {
        assert_eq!(canonical::emit(&receipt).unwrap().as_bytes(), bytes);
    }
}

/// A sidecar through every gate, and the receipt that it gives.
pub fn sidecar(bytes: &[u8]) {
    let verified = verify::sidecar(bytes, None, &Import::at("2026-01-31T12:00:00Z"));
    let _ = verified.outcome();
}

/// A topology input, and the step that is computed from it.
pub fn topology_input(bytes: &[u8]) {
    if let Ok(read) = read::topology_input(bytes)
        && let Ok(input) = read.record
        && let Ok(receipt) = author::receipt(&input)
    {
        let _ = canonical::emit(&receipt);
    }
}

/// A suite, and what may be selected of it.
pub fn suite(bytes: &[u8]) {
    if let Ok(suite) = Suite::parse(bytes) {
        let all = Selection::of(&suite, None, 1).unwrap();
        assert_eq!(Selection::parse(&all.to_bytes(), &suite).unwrap(), all);
        let _ = suite.selected(&all).len();
    }
}

/// What a provider says, TOML or JSON.
pub fn provider(bytes: &[u8]) {
    if let Ok(provider) = provider::parse(bytes) {
        assert_eq!(provider.sha256(), Digest::of(bytes));
        let _ = provider.attachments();
    }
}

/// A manifest: its canonical form is what it says.
pub fn manifest(bytes: &[u8]) {
    if let Ok(unsealed) = Unsealed::parse(bytes.to_vec()) {
        assert_eq!(unsealed.digest(), Digest::of(bytes));
        let canonical = unsealed.claim().to_bytes();
        assert_eq!(unsealed.is_canonical(), canonical == bytes);
        assert!(Unsealed::parse(canonical).unwrap().is_canonical());
    }
}

/// A ledger: without a problem it is the one spelling of what it lists.
pub fn ledger(bytes: &[u8]) {
    let (ledger, problems) = Ledger::parse(bytes);
    if problems.is_empty() {
        assert_eq!(ledger.write(), bytes);
    }
}

/// A DSSE envelope, and every statement that may be in one.
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes) {
        assert_eq!(Envelope::parse(&envelope.to_bytes()).unwrap(), envelope);
        let _ = Attested::open(&envelope);
        let _ = Signed::open(&envelope);
        let _ = CoSigned::open(&envelope);
        let _ = Rotation::open(&envelope);
        let _ = Freeze::parse(bytes);
    }
}

/// Keys and certificates in PEM, plain and encrypted.
pub fn key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = VerifyingKey::from_pem(text) {
        assert_eq!(VerifyingKey::from_pem(&key.to_pem()), Ok(key));
    }
    if let Ok(key) = CoVerifyingKey::from_pem(text) {
        assert_eq!(CoVerifyingKey::from_pem(&key.to_pem()), Ok(key));
    }
    if let Ok(anchors) = Anchor::all_from_pem(text, None) {
        let again: String = anchors.iter().map(Anchor::to_pem).collect();
        assert_eq!(Anchor::all_from_pem(&again, None), Ok(anchors));
    }
    // The passphrase is not had: deriving a key from one is bounded by the file's own word, and slow on purpose.
    let passphrase = || Err(io::ErrorKind::Unsupported.into());
    if let Ok(key) = SigningKey::parse(Path::new("key.pem"), text, passphrase) {
        let pem = key.to_pem().unwrap();
        let again = SigningKey::parse(Path::new("key.pem"), &pem, || unreachable!("it is not encrypted"));
        assert_eq!(again.unwrap().id(), key.id());
    }
}

/// A time-stamp token, reply or request.
pub fn timestamp(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(Request::parse(&request.to_bytes()).unwrap(), request);
    }
    if let Ok(token) = Token::parse(bytes) {
        assert_eq!(Token::parse(token.to_bytes()).unwrap(), token);
        let sha256 = Digest::of(SEEDED);
        let anchors = Anchor::all_from_pem(SEEDED_ROOT, None).unwrap();
        // Only the key of the seed's authority says anything under its root.
        if let Ok(stamp) = token.open(&sha256, &anchors) {
            assert_eq!(stamp.claim.authority, "Test Authority");
        }
    }
}

/// What the token among the seeds stamps.
pub const SEEDED: &[u8] = b"what is stamped";
/// The root above it.
pub const SEEDED_ROOT: &str = include_str!("../seeds/root.pem");

/// An archive: its tar as it is, and as what is compressed.
pub fn archive(bytes: &[u8]) {
    let options = lax();
    assert!(!check::archive(bytes, &options).proof_grade);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    io::Write::write_all(&mut gzip, bytes).unwrap();
    assert!(!check::archive(gzip.finish().unwrap().as_slice(), &options).proof_grade);
}

fn lax() -> Options {
    let name = || "bp".to_owned();
    Options {
        strict: false,
        allow_fail_verdict: false,
        pins: vec![],
        policy: TrustPolicy::default(),
        only: None,
        payload_dirs: vec![],
        demands: Demands::default(),
        limits: Limits { total_bytes: 64 << 20, ..Limits::default() },
        producer: Producer { name: name(), version: "0.1.0".into(), build: "fuzz".into() },
        judge: Judge {
            name: name(),
            version: "0.1.0".into(),
            rules: vec![],
            bounds_policy_sha256: Digest::of(b"fuzz"),
        },
    }
}

/// The record of an optimizer step; behind a NUL byte, its payload.
pub fn step(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let Ok(record) = step::Record::parse(&bytes[..end]) else { return };
    let payload = bytes.get(end + 1..).unwrap_or_default();
    let options =
        judge::Options { bounded: false, statistical: judge::Statistical::Warn, informative_min: None };
    let _ = step::judge(&record, payload, &options);
}

/// What is published of a run's steps: how a challenge is drawn, or the commitments that it is drawn from.
pub fn published(bytes: &[u8]) {
    if let Ok(call) = Call::parse(bytes) {
        assert_eq!(Call::parse(&call.to_bytes()).unwrap(), call);
    }
    if let Ok(commits) = Commits::parse(bytes) {
        let challenge = commits.challenge(b"beacon", 3, 2);
        assert!(challenge.steps.iter().all(|asked| (1..=commits.steps()).contains(&asked.step)));
    }
}

/// A file of tensors, read at once and as it streams by.
pub fn safetensors(bytes: &[u8]) {
    let at_once = leaf::of_file("payload", bytes);
    let mut scanner = Scanner::new(bytes.len() as u64);
    bytes.chunks(7).for_each(|chunk| scanner.push(chunk));
    let streamed = scanner.finish();
    if let (Ok(leaves), Ok(tensors)) = (&at_once, &streamed) {
        assert_eq!(leaves.len(), tensors.len());
    }
}

/// Bytes as the one file of a folder.
struct Alone<'a>(Vec<String>, &'a [u8]);

impl<'a> Folder for Alone<'a> {
    type File = &'a [u8];

    fn names(&self) -> &[String] {
        &self.0
    }

    fn open(&self, _: &str) -> io::Result<&'a [u8]> {
        Ok(self.1)
    }
}

/// The values of a capture of one file, stage by stage.
fn values(name: &str, bytes: &[u8]) -> Option<Vec<Vec<f64>>> {
    let capture = Capture::bare(Alone(vec![name.to_owned()], bytes)).ok()?;
    let read = |(place, tensor): (bp::tensor::Place, &bp::tensor::capture::Tensor)| {
        // What is accepted holds as many values as it states, so this is never beyond the file.
        let mut values = vec![0.0; usize::try_from(tensor.values).unwrap()];
        capture.open(place).unwrap().unwrap().wide(0, &mut values).unwrap();
        values
    };
    Some(capture.stages().map(read).collect())
}

/// A stage file: what is accepted is written back as it was.
#[allow(clippy::cast_possible_truncation, reason = "a float32 was widened before")]
pub fn stage_file(bytes: &[u8]) {
    for name in ["layer-0/attn_norm.bin", "lm_head.bin"] {
        if let Some(stages) = values(name, bytes) {
            let header = aprt::Header::read(bytes.len() as u64, &bytes[..12]).unwrap();
            let narrow: Vec<f32> = stages[0].iter().map(|value| *value as f32).collect();
            let again = aprt::write(header.layer, &narrow).unwrap();
            assert_eq!(again.len(), bytes.len());
            // A signalling NaN may come back quiet.
            let alike = |(one, other): (&[u8], &[u8])| {
                let of = |four: &[u8]| f32::from_le_bytes(four.try_into().unwrap());
                one == other || (of(one).is_nan() && of(other).is_nan())
            };
            assert!(again[12..].chunks(4).zip(bytes[12..].chunks(4)).all(alike));
        }
    }
}

/// A `.npy` file: its values, and those of the same bytes under another name, are the same or are refused.
pub fn npy(bytes: &[u8]) {
    let bits = |stages: Vec<Vec<f64>>| stages.concat().into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let one = values("layer-3/ffn_up.npy", bytes).map(bits);
    assert_eq!(one, values("final_norm.npy", bytes).map(bits));
    assert!(one.is_none_or(|values| !values.is_empty() && values.len() <= bytes.len()));
}

/// An index, and the files that it lists where there are none but one.
pub fn tensor_index(bytes: &[u8]) {
    let Ok(index) = Index::parse(bytes) else { return };
    assert_eq!(index.sha256, Digest::of(bytes));
    let file = aprt::write(bp::tensor::Layer::WholeModel, &[0.5; 5]).unwrap();
    for entry in &index.entries {
        assert!(entry.form.values().is_some());
        if let Ok(capture) = Capture::indexed(Alone(vec![entry.file.clone()], &file), None, bytes) {
            assert_eq!(capture.stages().count(), index.entries.len());
        }
    }
}

/// A trust list.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("trust.toml");
    if let Ok(policy) = TrustPolicy::parse(path, text) {
        assert_eq!(TrustPolicy::parse(path, &policy.to_toml()).unwrap(), policy);
    }
}
