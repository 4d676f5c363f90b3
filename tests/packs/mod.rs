//! Packs to attack: made by the library, edited on disk, sealed again by whoever holds a key.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::digest::Digest;
use bp::pack::build::GivenPaper;
use bp::pack::check::{self, Limits};
use bp::pack::manifest::{ClockSource, Judge, PackId, Producer, Signing, Subject};
use bp::pack::result::{How, SignerStatus};
use bp::pack::{
    Demands, Evidence, InputKind, Judging, Ledger, Options, Pack, Pin, Stage, Statement, Stem, Terms,
    VerifyResult,
};
use bp::trust::{SigningKey, TrustPolicy, seal};
use serde_json::Value;

pub(crate) const SIDECAR: &[u8] = include_bytes!("../../fixtures/good/jax-sgd-step.sidecar.jsonl");
pub(crate) const FILES: [&str; 16] = [
    "README.md",
    "annex/annex-iv.html",
    "annex/annex-iv.json",
    "annex/annex-iv.md",
    "checksums.sha256",
    "contracts.json",
    "manifest.json",
    "manifest.json.sig",
    "receipts/iris.jsonl",
    "report.html",
    "results/final_verdict.json",
    "results/final_verdict.txt",
    "results/rule_coverage.json",
    "sidecars/iris.jsonl",
    "signer.pub.pem",
    "verify/iris.json",
];

pub(crate) fn alice() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn mallory() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn producer() -> Producer {
    Producer { name: "bp".into(), version: "0.1.0".into(), build: "test".into() }
}

pub(crate) fn judge() -> Judge {
    Judge {
        name: "bp".into(),
        version: "0.1.0".into(),
        rules: vec!["R1".into(), "R2".into()],
        bounds_policy_sha256: Digest::of(b"bounds"),
    }
}

pub(crate) fn terms() -> Terms {
    Terms {
        created_at: "2026-01-31T12:00:00Z".parse().unwrap(),
        created_at_source: ClockSource::Argument,
        producer: producer(),
        judge: judge(),
        subject: Subject::default(),
    }
}

/// An input by name.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn iris() -> Input {
    Input { name: "iris.jsonl".into(), bytes: SIDECAR.to_vec() }
}

/// A sealed pack of these inputs, staged in a directory.
pub(crate) fn build(parent: &Path, inputs: Vec<Input>, terms: &Terms, key: Option<&SigningKey>) -> Pack {
    build_with(parent, inputs, &[], terms, key)
}

/// The same with what people put beside the evidence.
pub(crate) fn build_with(
    parent: &Path,
    mut inputs: Vec<Input>,
    papers: &[(&str, &[u8])],
    terms: &Terms,
    key: Option<&SigningKey>,
) -> Pack {
    inputs.sort_by(|one, other| one.name.cmp(&other.name));
    let stage = Stage::open(parent).unwrap();
    let judging = Judging { created_at: terms.created_at, repeats: 1 };
    let mut evidence = Evidence::default();
    for (stem, input) in Stem::all(inputs.iter().map(|input| input.name.as_str())).into_iter().zip(&inputs) {
        evidence.add(stage.take(stem, InputKind::of(&input.bytes), &input.bytes, judging).unwrap());
    }
    let papers = papers.iter().map(|(path, bytes)| (path.parse().unwrap(), GivenPaper::Held(bytes.to_vec())));
    evidence.papers(stage.papers(&papers.collect()).unwrap());
    stage.seal(evidence, terms, key).unwrap()
}

/// Not strict, no signer named.
pub(crate) fn lax() -> Options {
    Options {
        strict: false,
        allow_fail_verdict: true,
        pins: vec![],
        policy: TrustPolicy::default(),
        only: None,
        payload_dirs: vec![],
        demands: Demands::default(),
        limits: Limits::default(),
        producer: producer(),
        judge: judge(),
    }
}

/// Strict, signed by Alice or by no one; whatever the judge of the day makes of the fixture.
pub(crate) fn strict() -> Options {
    Options { strict: true, pins: vec![Pin::Key(alice().verifying_key())], ..lax() }
}

/// A pack on disk that goes away with its scratch directory.
pub(crate) struct Place {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) pack: PathBuf,
}

impl Place {
    pub(crate) fn of(inputs: Vec<Input>, terms: &Terms, key: Option<&SigningKey>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let pack = build(scratch.path(), inputs, terms, key).publish("demo").unwrap();
        Self { scratch, pack }
    }

    /// The built-in step with what people put beside it, sealed by Alice.
    pub(crate) fn with(papers: &[(&str, &[u8])]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let pack = build_with(scratch.path(), vec![iris()], papers, &terms(), Some(&alice()));
        let pack = pack.publish("demo").unwrap();
        Self { scratch, pack }
    }

    pub(crate) fn sealed() -> Self {
        Self::of(vec![iris()], &terms(), Some(&alice()))
    }

    pub(crate) fn unsigned() -> Self {
        Self::of(vec![iris()], &terms(), None)
    }

    /// Every file and its bytes.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), files);
                } else {
                    files.insert(name, fs::read(entry.path()).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(&self.pack, "", &mut files);
        files
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.pack.join(path)
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap()
    }

    pub(crate) fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn flip(&self, path: &str, at: usize) {
        let mut bytes = self.bytes(path);
        bytes[at] ^= 1;
        self.put(path, bytes);
    }

    pub(crate) fn statement(&self) -> Statement {
        serde_json::from_slice(&self.bytes("manifest.json")).unwrap()
    }

    /// Seals whatever the manifest says, with the key and nothing else changed.
    pub(crate) fn seal(&self, manifest: &[u8], key: &SigningKey) {
        self.put("manifest.json", manifest);
        self.put("manifest.json.sig", seal::sign(key, manifest).unwrap());
    }

    /// Edits what the manifest says and seals it.
    pub(crate) fn reseal_manifest(&self, key: &SigningKey, edit: impl FnOnce(&mut Statement)) {
        let mut statement = self.statement();
        edit(&mut statement);
        self.seal(&statement.to_bytes(), key);
    }

    /// Makes manifest, ledger, id and seal fit the files as they now are: what a forger with a key would do.
    pub(crate) fn reseal(&self, key: &SigningKey) {
        self.put("signer.pub.pem", key.verifying_key().to_pem());
        let mut statement = self.statement();
        for artifact in &mut statement.artifacts {
            let bytes = self.bytes(artifact.path.as_str());
            (artifact.size_bytes, artifact.sha256) = (bytes.len() as u64, Digest::of(&bytes));
        }
        self.reseal_as(key, statement);
    }

    pub(crate) fn reseal_as(&self, key: &SigningKey, mut statement: Statement) {
        statement.artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        let lines = statement.artifacts.iter().map(|artifact| (artifact.path.clone(), artifact.sha256));
        let ledger = lines.collect::<Ledger>().write();
        statement.checksums_sha256_digest = Digest::of(&ledger);
        let signing = statement.signing.as_ref().unwrap();
        statement.signing = Some(Signing { key_id: key.id(), ..signing.clone() });
        let files = statement.artifacts.iter();
        let folders = [
            "sidecars/",
            "annex/provider.",
            "annex/attachments/",
            "annex/parent.json",
            "annex/templates/",
            "run/",
            "steps/records/",
            "steps/payloads/",
        ];
        let evidence = files.filter(|artifact| {
            folders.iter().any(|folder| artifact.path.as_str().starts_with(folder))
                && artifact.path.as_str() != "run/run.json"
        });
        let files = evidence.map(|artifact| (&artifact.path, &artifact.sha256));
        statement.pack_id = PackId::of(&statement.created_at, Some(&key.id()), files);
        // A forger would write the page with the new id too.
        self.put("checksums.sha256", ledger);
        self.seal(&statement.to_bytes(), key);
    }

    /// Seals a ledger of other text, with manifest and seal that fit it.
    pub(crate) fn reseal_ledger(&self, key: &SigningKey, edit: impl FnOnce(&str) -> String) {
        let ledger = edit(&String::from_utf8(self.bytes("checksums.sha256")).unwrap());
        self.put("checksums.sha256", &ledger);
        self.reseal_manifest(key, |statement| {
            statement.checksums_sha256_digest = Digest::of(ledger.as_bytes());
        });
    }

    pub(crate) fn check(&self, options: &Options) -> VerifyResult {
        let result = check::directory(&self.pack, options).unwrap();
        assert_schema(&result);
        self.assert_streamed(&result, options);
        result
    }

    /// The length of all files together.
    fn length(&self) -> u64 {
        fn sum(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
            entries
                .map(|entry| match entry.file_type().unwrap() {
                    kind if kind.is_dir() => sum(&entry.path()),
                    _ => entry.metadata().unwrap().len(),
                })
                .sum()
        }
        sum(&self.pack)
    }

    /// In an archive the pack is found to be the same, wherever an archive can hold what the directory does.
    fn assert_streamed(&self, result: &VerifyResult, options: &Options) {
        let structure = result.checks.iter().find(|check| check.name == "structure").unwrap();
        let length = self.length();
        if structure.ok != Some(true) || !self.at("manifest.json").exists() || length > 64 << 20 {
            return;
        }
        let streamed = check::archive(&gzip(&tar(&self.files()))[..], options);
        assert_schema(&streamed);
        let found = broken(result);
        if found.iter().any(|code| code.starts_with("LIMIT_EXCEEDED")) {
            assert!(!streamed.ok);
            return;
        }
        // Where the seal holds for no named signer, no more than the head was read.
        let head = streamed.checks.iter().any(|check| check.name == "ledger" && check.how == How::NotChecked);
        if head && result.signer.status != SignerStatus::Pinned && !result.ok {
            let known = |code: &String| found.contains(code) || code.starts_with("SIGNER_NOT_PINNED ");
            let streamed = broken(&streamed);
            assert!(!streamed.is_empty() && streamed.iter().all(known), "{streamed:?} {found:?}");
        } else {
            assert_eq!(streamed, *result);
        }
    }

    /// `CODE path` of every finding, in order of text.
    pub(crate) fn found(&self, options: &Options) -> Vec<String> {
        let result = self.check(options);
        assert_eq!(result.ok, result.findings.is_empty());
        assert!(result.ok || !result.proof_grade);
        broken(&result)
    }
}

pub(crate) fn broken(result: &VerifyResult) -> Vec<String> {
    let texts = result.findings.iter().map(|finding| format!("{} {}", finding.law.code, finding.path));
    texts.collect::<BTreeSet<_>>().into_iter().collect()
}

pub(crate) fn assert_schema(result: &VerifyResult) {
    let schema: Value =
        serde_json::from_str(include_str!("../../contracts/pack_verify.schema.json")).unwrap();
    let document = serde_json::to_value(result).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}");
}

#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
pub(crate) fn has_openssl() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: no openssl on this machine");
    }
    there
}

// Archives, byte by byte: the tests' own hand, so that what the product writes is held against another.

/// A ustar header; the name as it is.
pub(crate) fn tar_header(name: &[u8], kind: u8, size: u64, mode: u32) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    for (at, width, value) in
        [(100, 7, u64::from(mode)), (108, 7, 0), (116, 7, 0), (124, 11, size), (136, 11, 0)]
    {
        header[at..at + width].copy_from_slice(format!("{value:0width$o}").as_bytes());
    }
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    tar_edit(&mut header, 0, b"");
    header
}

/// Puts bytes into a header, and its sum right.
pub(crate) fn tar_edit(header: &mut [u8], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// A file of an archive.
pub(crate) fn tar_entry(name: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut entry = tar_header(name, b'0', bytes.len() as u64, 0o644);
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Files as an archive: manifest and seal first, then by name, each folder before what lies in it.
pub(crate) fn tar(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut folders = BTreeSet::new();
    let first = |name: &str| (name != "manifest.json", name != "manifest.json.sig");
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|(name, _)| (first(name), (*name).clone()));
    for (name, bytes) in files {
        for (at, _) in name.match_indices('/') {
            if folders.insert(name[..at].to_owned()) {
                archive.extend(tar_header(&name.as_bytes()[..=at], b'5', 0, 0o755));
            }
        }
        archive.extend(tar_entry(name.as_bytes(), bytes));
    }
    archive.extend([0; 1024]);
    archive
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
