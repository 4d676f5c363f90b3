//! The plan of a pack: from inputs to every file that follows from them. It is pure, so that the checker makes the same
//! plan from what is stored and compares bytes.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::manifest::{
    Artifact, ClockSource, Counts, FileRole, Judge, Moment, PackId, Producer, Statement, Subject,
};
use super::path::PackPath;
use super::{FINAL_VERDICT, README, SIGNER};
use crate::digest::Digest;
use crate::import::Options;
use crate::json;
use crate::report::{self, Outcome};
use crate::trust::{KeyId, VerifyingKey};
use crate::verify;

/// The format of `results/final_verdict.json`.
pub const FINAL_VERDICT_FORMAT: &str = "bp-final-verdict/1";
/// A stem holds no more than this many bytes.
const MAX_STEM_BYTES: usize = 100;

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A receipt: judged as it is.
    Receipt,
    /// A framework sidecar: imported to a receipt, then judged.
    Sidecar,
}

impl InputKind {
    /// The kind that bytes say they are: a sidecar names a `framework-trace` format; anything else is judged as a receipt.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let value = json::parse(first_line).or_else(|_| json::parse(bytes)).ok();
        let format = value.as_ref().and_then(|value| value.get("format")?.as_str());
        if format.is_some_and(|format| format.starts_with("framework-trace")) {
            Self::Sidecar
        } else {
            Self::Receipt
        }
    }
}

/// One input as the caller gives it.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name: a file name, from which the stem in the pack comes.
    pub name: String,
    /// What it is.
    pub kind: InputKind,
    /// Its bytes, judged and written as they are.
    pub bytes: Vec<u8>,
}

/// Inputs under the stems that they have in a pack.
#[derive(Debug, Clone, Default)]
pub struct Evidence(BTreeMap<String, (InputKind, Vec<u8>)>);

impl Evidence {
    /// Gives every input its stem: the name without its extension, in ASCII letters, digits, `.`, `_` and `-`, unique
    /// also where case is ignored. Inputs in another order get the same stems.
    #[must_use]
    pub fn of(mut inputs: Vec<Input>) -> Self {
        inputs.sort_by_cached_key(|input| (input.name.clone(), input.kind, Digest::of(&input.bytes)));
        let mut evidence = Self::default();
        let mut taken = BTreeSet::new();
        for Input { name, kind, bytes } in inputs {
            let stem = stem_of(&name);
            let (mut free, mut number) = (stem.clone(), 1_u64);
            while !taken.insert(free.to_lowercase()) {
                number += 1;
                free = format!("{stem}-{number}");
            }
            evidence.0.insert(free, (kind, bytes));
        }
        evidence
    }

    /// Adds an input that is stored under a stem. False when the stem is none, or is taken.
    pub(super) fn store(&mut self, stem: &str, kind: InputKind, bytes: Vec<u8>) -> bool {
        let sound = is_stem(stem) && !self.0.contains_key(stem);
        if sound {
            self.0.insert(stem.to_owned(), (kind, bytes));
        }
        sound
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

fn is_stem(text: &str) -> bool {
    // Room for the number that tells twins apart.
    let length = 1..=MAX_STEM_BYTES + 21;
    length.contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with(['.', '-'])
}

fn stem_of(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = match file.rsplit_once('.') {
        Some((stem, "json" | "jsonl" | "ndjson")) => stem,
        _ => file,
    };
    let plain: String = stem.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
    let plain: String = plain.trim_start_matches(['.', '-']).chars().take(MAX_STEM_BYTES).collect();
    if plain.is_empty() { "input".to_owned() } else { plain }
}

/// What a pack says beside what follows from its inputs.
#[derive(Debug, Clone)]
pub struct Terms {
    /// When it is made; imported receipts carry this time too.
    pub created_at: Moment,
    /// Where that time comes from.
    pub created_at_source: ClockSource,
    /// The program that makes it.
    pub producer: Producer,
    /// What judges it.
    pub judge: Judge,
    /// What it is about.
    pub subject: Subject,
    /// The manifest digest of the pack before it.
    pub parent_manifest_sha256: Option<Digest>,
}

impl Terms {
    /// The terms that a manifest states.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        Self {
            created_at: statement.created_at,
            created_at_source: statement.created_at_source,
            producer: statement.producer.clone(),
            judge: statement.judge.clone(),
            subject: statement.subject.clone(),
            parent_manifest_sha256: statement.parent_manifest_sha256,
        }
    }
}

/// One file of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is for.
    pub role: FileRole,
}

impl Planned {
    /// The manifest's entry for it.
    #[must_use]
    pub fn artifact(&self, path: &PackPath) -> Artifact {
        Artifact {
            path: path.clone(),
            size_bytes: self.bytes.len() as u64,
            sha256: Digest::of(&self.bytes),
            role: self.role,
            media_type: media_type(path).to_owned(),
        }
    }
}

fn media_type(path: &PackPath) -> &'static str {
    match path.as_str().rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("jsonl") => "application/x-ndjson",
        Some("md") => "text/markdown",
        Some("pem") => "application/x-pem-file",
        _ => "text/plain",
    }
}

/// What one input came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Its stem.
    pub stem: String,
    /// What it is.
    pub kind: InputKind,
    /// What it came to.
    pub outcome: Outcome,
    /// The digest of the bytes as given.
    pub sha256: Digest,
}

/// `results/final_verdict.json`: what all inputs together come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalVerdict {
    /// Always [`FINAL_VERDICT_FORMAT`].
    pub format: String,
    /// PASS when there is an input and all pass; FAIL when one fails; else INSUFFICIENT.
    pub verdict: Outcome,
    /// How many came to what.
    pub counts: Counts,
    /// Each input, by stem.
    pub inputs: Vec<Judged>,
}

impl FinalVerdict {
    fn of(inputs: Vec<Judged>) -> Self {
        let count = |outcome| inputs.iter().filter(|input| input.outcome == outcome).count() as u64;
        let counts = Counts {
            receipts: inputs.len() as u64,
            passed: count(Outcome::Pass),
            failed: count(Outcome::Fail),
            insufficient: count(Outcome::Insufficient),
        };
        let verdict = match counts {
            Counts { failed: 1.., .. } => Outcome::Fail,
            Counts { receipts: 1.., insufficient: 0, .. } => Outcome::Pass,
            _ => Outcome::Insufficient,
        };
        Self { format: FINAL_VERDICT_FORMAT.to_owned(), verdict, counts, inputs }
    }

    fn text(&self) -> String {
        let Counts { receipts, passed, failed, insufficient } = self.counts;
        let head = format!(
            "{}\ninputs {receipts}, passed {passed}, failed {failed}, insufficient {insufficient}\n",
            self.verdict.name()
        );
        let lines = self.inputs.iter().map(|input| format!("{:<12}  {}\n", input.outcome.name(), input.stem));
        std::iter::once(head).chain(lines).collect()
    }
}

/// Every file that follows from evidence and terms, and what the evidence comes to.
#[derive(Debug, Clone)]
pub struct Plan {
    files: BTreeMap<PackPath, Planned>,
    verdict: FinalVerdict,
}

impl Plan {
    /// Judges the evidence and plans every file except README.md, which shows an id that hangs on the others.
    #[must_use]
    pub fn of(evidence: Evidence, created_at: &Moment, signer: Option<&VerifyingKey>) -> Self {
        let timestamp = created_at.to_string();
        let mut files = BTreeMap::new();
        let mut add = |path: String, role, bytes| {
            files.insert(PackPath::known(&path), Planned { bytes, role });
        };
        let mut inputs = Vec::new();
        for (stem, (kind, bytes)) in evidence.0 {
            let sha256 = Digest::of(&bytes);
            let judgement = match kind {
                InputKind::Receipt => {
                    let judgement = report::judgement(&verify::receipt(&bytes));
                    add(format!("receipts/{stem}.jsonl"), FileRole::Receipt, bytes);
                    judgement
                }
                InputKind::Sidecar => {
                    let verified = verify::sidecar(&bytes, None, &Options::at(&timestamp));
                    let judgement = report::judgement(&verified);
                    add(format!("sidecars/{stem}.jsonl"), FileRole::Sidecar, bytes);
                    if let Some(receipt) = verified.imported {
                        add(format!("receipts/{stem}.jsonl"), FileRole::Receipt, receipt);
                    }
                    judgement
                }
            };
            add(format!("verify/{stem}.json"), FileRole::Verdict, judgement.document);
            inputs.push(Judged { stem, kind, outcome: judgement.outcome, sha256 });
        }
        let verdict = FinalVerdict::of(inputs);
        add(FINAL_VERDICT.to_owned(), FileRole::Result, json::canonical(&verdict));
        add("results/final_verdict.txt".to_owned(), FileRole::Result, verdict.text().into_bytes());
        if let Some(signer) = signer {
            add(SIGNER.to_owned(), FileRole::SignerKey, signer.to_pem().into_bytes());
        }
        Self { files, verdict }
    }

    /// The id of the pack that this plan makes.
    #[must_use]
    pub fn pack_id(&self, created_at: &Moment, key_id: Option<&KeyId>) -> PackId {
        let digests: Vec<_> = self.files.iter().map(|(path, file)| (path, Digest::of(&file.bytes))).collect();
        PackId::of(created_at, key_id, digests.iter().map(|(path, digest)| (*path, digest)))
    }

    /// Adds page one.
    pub fn add_readme(&mut self, terms: &Terms, pack_id: &PackId, key_id: Option<&KeyId>) {
        let bytes = readme(&self.verdict, terms, pack_id, key_id).into_bytes();
        self.files.insert(PackPath::known(README), Planned { bytes, role: FileRole::Readme });
    }

    /// The files, by path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<PackPath, Planned> {
        &self.files
    }

    /// What the evidence comes to.
    #[must_use]
    pub fn verdict(&self) -> &FinalVerdict {
        &self.verdict
    }

    /// The files' bytes, by path.
    #[must_use]
    pub fn into_files(self) -> BTreeMap<PackPath, Vec<u8>> {
        self.files.into_iter().map(|(path, file)| (path, file.bytes)).collect()
    }
}

#[derive(Serialize)]
struct Page<'a> {
    pack_id: &'a PackId,
    created_at: &'a Moment,
    clock: &'static str,
    producer: String,
    judge: String,
    rule_count: usize,
    run: String,
    key: String,
    sealed: bool,
    verdict: &'static str,
    verdict_sentence: String,
    inputs: &'a [Judged],
    open_points: Vec<String>,
}

fn readme(verdict: &FinalVerdict, terms: &Terms, pack_id: &PackId, key_id: Option<&KeyId>) -> String {
    let Terms { created_at, created_at_source, producer, judge, subject, .. } = terms;
    let page = Page {
        pack_id,
        created_at,
        clock: match created_at_source {
            ClockSource::Argument => "named by the caller",
            ClockSource::SourceDateEpoch => "SOURCE_DATE_EPOCH",
            ClockSource::SystemClock => "the maker's clock",
        },
        producer: plain(&format!("{} {} {}", producer.name, producer.version, producer.build)),
        judge: plain(&format!("{} {}", judge.name, judge.version)),
        rule_count: judge.rules.len(),
        run: plain(subject.run_name.as_ref().or(subject.run_id.as_ref()).map_or("not named", String::as_str)),
        key: key_id.map_or_else(|| "none".to_owned(), KeyId::to_string),
        sealed: key_id.is_some(),
        verdict: verdict.verdict.name(),
        verdict_sentence: sentence(verdict),
        inputs: &verdict.inputs,
        open_points: open_points(verdict, terms, key_id.is_some()),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters differ"));
    environment
        .render_str(include_str!("../../templates/pack-readme.md.j2"), Serde(page))
        .expect("the template names members of its page only")
}

fn sentence(verdict: &FinalVerdict) -> String {
    let Counts { receipts, failed, insufficient, .. } = verdict.counts;
    let recorded = format!("{receipts} recorded input{}", if receipts == 1 { "" } else { "s" });
    match verdict.verdict {
        Outcome::Pass => format!("in {recorded}, everything that applies was compared, and held."),
        Outcome::Fail => format!("of {recorded}, {failed} broke a rule or could not be read."),
        Outcome::Insufficient if receipts == 0 => "there was nothing to judge.".to_owned(),
        Outcome::Insufficient => {
            format!("nothing broke, but of {recorded}, {insufficient} had less compared than a pass needs.")
        }
    }
}

fn open_points(verdict: &FinalVerdict, terms: &Terms, sealed: bool) -> Vec<String> {
    let mut points = Vec::new();
    for input in verdict.inputs.iter().filter(|input| input.outcome != Outcome::Pass) {
        points.push(format!("`{}` came to {}: see `verify/{0}.json`.", input.stem, input.outcome.name()));
    }
    if !sealed {
        points.push("The pack is not sealed.".to_owned());
    }
    if terms.subject.artifacts.is_empty() {
        points.push("No artifact (weights, data set) is bound to this pack by digest.".to_owned());
    }
    points.push("No independent time stamp and no sign-off is part of this pack.".to_owned());
    points
}

/// Text from outside, cut to what can neither end a code span nor a table cell.
fn plain(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._:+@/-".contains(letter);
    text.chars().take(80).map(|letter| if allowed(letter) { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(names: &[&str]) -> Vec<String> {
        let input = |name: &&str| Input { name: (*name).into(), kind: InputKind::Receipt, bytes: vec![] };
        Evidence::of(names.iter().map(input).collect()).0.into_keys().collect()
    }

    #[test]
    fn stems_are_plain_and_unique_also_where_case_is_ignored() {
        assert_eq!(stems(&["runs/a.jsonl", "a.json", "A.jsonl"]), ["A", "a-2", "a-3"]);
        assert_eq!(stems(&["..\u{1b}[31m|`x`.jsonl"]), ["31m--x-"]);
        assert_eq!(stems(&["..", "", "日本"]), ["input", "input-2", "input-3"]);
        assert!(stems(&[&"x".repeat(500)]).iter().all(|stem| is_stem(stem)));
    }

    #[test]
    fn one_failure_fails_all_and_nothing_is_no_pass() {
        use Outcome::{Fail, Insufficient, Pass};
        let verdict = |outcomes: &[Outcome]| {
            let judged = |outcome: &Outcome| Judged {
                stem: "x".into(),
                kind: InputKind::Receipt,
                outcome: *outcome,
                sha256: Digest::of(b""),
            };
            FinalVerdict::of(outcomes.iter().map(judged).collect()).verdict
        };
        assert_eq!(verdict(&[]), Insufficient);
        assert_eq!(verdict(&[Pass, Pass]), Pass);
        assert_eq!(verdict(&[Pass, Insufficient]), Insufficient);
        assert_eq!(verdict(&[Pass, Insufficient, Fail]), Fail);
    }

    #[test]
    fn text_from_outside_cannot_leave_its_cell() {
        assert_eq!(plain("a`|\n# b<script>"), "a???? b?script?");
    }

    #[test]
    fn a_sidecar_is_told_by_its_format() {
        assert_eq!(InputKind::of(br#"{"format":"framework-trace.v0.1.0"}"#), InputKind::Sidecar);
        assert_eq!(InputKind::of(b"{\n \"format\": \"framework-trace.v0.1.0\"\n}"), InputKind::Sidecar);
        for bytes in [br#"{"schema_version":"0.1.0"}"#.as_slice(), b"", b"\xff"] {
            assert_eq!(InputKind::of(bytes), InputKind::Receipt);
        }
    }
}
