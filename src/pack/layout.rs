//! The layout: what lies where, what it is for, and the law that it follows from the evidence.

use super::law::{self, Law};
use super::manifest::FileRole;
use super::path::PackPath;
use super::{
    CONTRACTS, FREEZE, FREEZE_TOKEN, PARENT, README, REPORT, SELECTION, SIGNER, STEP_CHALLENGE, STEP_COMMITS,
    STEPS, SUITE, TEMPLATES, TENSOR_CHECK, TENSOR_DIFF,
};
use crate::annex::provider::{self, Syntax};
use crate::annex::render::{HTML_TEMPLATE, MARKDOWN_TEMPLATE};
use crate::annex::{ANNEX_HTML, ANNEX_JSON, ANNEX_MARKDOWN};
use crate::digest::Digest;

/// A group of sealed files that are held against the evidence together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Records, as given and as imported.
    Receipts,
    /// The verdict on each input.
    Verdicts,
    /// What training jobs left, and what they were.
    Run,
    /// Sampled steps of an optimizer, and their verdicts.
    Steps,
    /// Captured stages of a forward pass, and what they come to.
    Tensors,
    /// What the inputs come to together.
    Results,
    /// The answer to Annex IV, and what people put beside the evidence for it.
    Annex,
    /// What the pack says to people.
    Pages,
}

impl Group {
    /// Every group, in the order of the checks.
    pub const ALL: [Self; 8] = [
        Self::Receipts,
        Self::Verdicts,
        Self::Run,
        Self::Steps,
        Self::Tensors,
        Self::Results,
        Self::Annex,
        Self::Pages,
    ];

    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Verdicts => "verdicts",
            Self::Run => "run",
            Self::Steps => "steps",
            Self::Tensors => "tensors",
            Self::Results => "results",
            Self::Annex => "annex",
            Self::Pages => "pages",
        }
    }
}

/// Runs that a pack may hold the evidence of.
pub const MAX_RUNS: usize = 99;

/// The folder of a run's evidence: `run`, `run-2`, up to `run-99`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder<'a>(&'a str);

impl<'a> Folder<'a> {
    /// The file of a folder that follows from the others.
    const RECORD: &'static str = "run.json";

    /// The folder that a path lies in, and the rest of the path.
    fn of(path: &'a str) -> Option<(Self, &'a str)> {
        let (folder, inside) = path.split_once('/')?;
        let number = match folder.strip_prefix("run")? {
            "" => return Some((Self(folder), inside)),
            number => number.strip_prefix('-')?,
        };
        let value: usize = number.parse().ok()?;
        ((2..=MAX_RUNS).contains(&value) && value.to_string() == number).then_some((Self(folder), inside))
    }

    /// The name of a run's folder; the first has index 0.
    #[must_use]
    pub fn name(index: usize) -> String {
        if index == 0 { "run".to_owned() } else { format!("run-{}", index + 1) }
    }

    /// The folder of this name.
    #[must_use]
    pub const fn named(name: &'a str) -> Self {
        Self(name)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Which of two captures a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that is judged.
    Subject,
    /// The one that it is held against.
    Reference,
}

impl Side {
    /// Its folder.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Subject => "tensors/subject",
            Self::Reference => "tensors/reference",
        }
    }

    /// The side that a path lies on, and the rest of the path.
    fn of(path: &str) -> Option<(Self, &str)> {
        [Self::Subject, Self::Reference].into_iter().find_map(|side| {
            let inside = path.strip_prefix(side.folder())?.strip_prefix('/')?;
            Some((side, inside))
        })
    }
}

/// What a place of the layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// `receipts/STEM.jsonl`: evidence, unless a sidecar of the same stem says that it was imported.
    Receipt(&'a str),
    /// `sidecars/STEM.jsonl`: evidence.
    Sidecar(&'a str),
    /// `suite/suite.json`: evidence.
    Suite,
    /// `suite/selection.json`: evidence.
    Selection,
    /// `suite/freeze.json`: evidence.
    Freeze,
    /// `suite/freeze.tst`: when it was there; evidence.
    FreezeToken,
    /// `run/...`, `run-2/...`: what a training job left; evidence.
    RunEvidence(Folder<'a>),
    /// `run/run.json`: what a training job was.
    RunRecord(Folder<'a>),
    /// `steps/records/STEM.json`: a sampled step of an optimizer; evidence.
    StepRecord(&'a str),
    /// `steps/commits.jsonl`: commitments to all steps of a run; evidence.
    StepCommits,
    /// `steps/challenge.json`: how the steps to be revealed were drawn; evidence.
    StepChallenge,
    /// `steps/payloads/SHA256.safetensors`: the tensors of a sampled step; evidence.
    StepPayload(Digest),
    /// `steps/verdicts/STEM.json`: the verdict on a sampled step.
    StepVerdict(&'a str),
    /// `steps/steps.json`: what the sampled steps come to together.
    Steps,
    /// `tensors/subject/...`, `tensors/reference/...`: a file of a capture; evidence.
    Captured(Side, &'a str),
    /// `tensors/check.json`: what checking the captured forward pass came to.
    TensorCheck,
    /// `tensors/diff.json`: what comparing it with its reference came to.
    TensorDiff,
    /// `verify/STEM.json`.
    Verdict(&'a str),
    /// `results/...`.
    Result,
    /// `annex/provider.toml` or `annex/provider.json`: what the provider says; evidence.
    Provider(Syntax),
    /// `annex/attachments/NAME`: a file that the provider names; evidence.
    Attachment(&'a str),
    /// `annex/parent.json`: what is known of the pack before this one; evidence.
    Parent,
    /// `annex/templates/...`: a template that stands for an embedded one; evidence.
    Template(&'a str),
    /// `annex/annex-iv.json` and its renderings.
    Annex,
    /// `contracts.json`: which promises its maker carried.
    Contracts,
    /// `README.md`.
    Readme,
    /// `report.html`.
    Report,
    /// `signer.pub.pem`.
    Signer,
}

impl<'a> Place<'a> {
    /// The place that a path is, where the layout has it.
    #[must_use]
    pub fn of(path: &'a PackPath) -> Option<Self> {
        match path.as_str() {
            CONTRACTS => return Some(Self::Contracts),
            README => return Some(Self::Readme),
            REPORT => return Some(Self::Report),
            SIGNER => return Some(Self::Signer),
            SUITE => return Some(Self::Suite),
            SELECTION => return Some(Self::Selection),
            FREEZE => return Some(Self::Freeze),
            FREEZE_TOKEN => return Some(Self::FreezeToken),
            PARENT => return Some(Self::Parent),
            STEPS => return Some(Self::Steps),
            STEP_COMMITS => return Some(Self::StepCommits),
            STEP_CHALLENGE => return Some(Self::StepChallenge),
            TENSOR_CHECK => return Some(Self::TensorCheck),
            TENSOR_DIFF => return Some(Self::TensorDiff),
            ANNEX_JSON | ANNEX_MARKDOWN | ANNEX_HTML => return Some(Self::Annex),
            _ => {}
        }
        let stored = |syntax: &Syntax| path.as_str() == syntax.stored_at();
        if let Some(syntax) = [Syntax::Toml, Syntax::Json].into_iter().find(stored) {
            return Some(Self::Provider(syntax));
        }
        if let Some(inside) = path.as_str().strip_prefix(provider::ATTACHMENTS) {
            return inside.strip_prefix('/').map(Self::Attachment);
        }
        let template = path.as_str().strip_prefix(TEMPLATES).and_then(|inside| inside.strip_prefix('/'));
        if let Some(name) = template {
            return [MARKDOWN_TEMPLATE, HTML_TEMPLATE].contains(&name).then_some(Self::Template(name));
        }
        if let Some((folder, inside)) = Folder::of(path.as_str()) {
            let is_record = inside == Folder::RECORD;
            return Some(if is_record { Self::RunRecord(folder) } else { Self::RunEvidence(folder) });
        }
        if let Some((side, inside)) = Side::of(path.as_str()) {
            return Some(Self::Captured(side, inside));
        }
        let receipt = path.stem("receipts", "jsonl").map(Self::Receipt);
        let sidecar = || path.stem("sidecars", "jsonl").map(Self::Sidecar);
        let verdict = || path.stem("verify", "json").map(Self::Verdict);
        let result = || path.as_str().starts_with("results/").then_some(Self::Result);
        let step_record = || path.stem("steps/records", "json").map(Self::StepRecord);
        let step_verdict = || path.stem("steps/verdicts", "json").map(Self::StepVerdict);
        let step_payload = || {
            let digest = path.stem("steps/payloads", "safetensors")?.parse().ok()?;
            (Self::StepPayload(digest).path() == *path).then_some(Self::StepPayload(digest))
        };
        let step = || step_record().or_else(step_verdict).or_else(step_payload);
        receipt.or_else(sidecar).or_else(verdict).or_else(result).or_else(step)
    }

    /// The path of this place; of a place that holds several files, that of their folder.
    #[must_use]
    pub fn path(self) -> PackPath {
        match self {
            Self::Receipt(stem) => PackPath::known(&format!("receipts/{stem}.jsonl")),
            Self::Sidecar(stem) => PackPath::known(&format!("sidecars/{stem}.jsonl")),
            Self::Verdict(stem) => PackPath::known(&format!("verify/{stem}.json")),
            Self::StepRecord(stem) => PackPath::known(&format!("steps/records/{stem}.json")),
            Self::StepPayload(sha256) => PackPath::known(&format!("steps/payloads/{sha256}.safetensors")),
            Self::StepVerdict(stem) => PackPath::known(&format!("steps/verdicts/{stem}.json")),
            Self::Steps => PackPath::known(STEPS),
            Self::StepCommits => PackPath::known(STEP_COMMITS),
            Self::StepChallenge => PackPath::known(STEP_CHALLENGE),
            Self::Captured(side, name) => PackPath::known(&format!("{}/{name}", side.folder())),
            Self::TensorCheck => PackPath::known(TENSOR_CHECK),
            Self::TensorDiff => PackPath::known(TENSOR_DIFF),
            Self::Suite => PackPath::known(SUITE),
            Self::Selection => PackPath::known(SELECTION),
            Self::Freeze => PackPath::known(FREEZE),
            Self::FreezeToken => PackPath::known(FREEZE_TOKEN),
            Self::RunEvidence(folder) => PackPath::known(folder.0),
            Self::RunRecord(folder) => PackPath::known(&format!("{}/{}", folder.0, Folder::RECORD)),
            Self::Result => PackPath::known("results"),
            Self::Provider(syntax) => PackPath::known(syntax.stored_at()),
            Self::Attachment(name) => PackPath::known(&format!("{}/{name}", provider::ATTACHMENTS)),
            Self::Parent => PackPath::known(PARENT),
            Self::Template(name) => PackPath::known(&format!("{TEMPLATES}/{name}")),
            Self::Annex => PackPath::known("annex"),
            Self::Contracts => PackPath::known(CONTRACTS),
            Self::Readme => PackPath::known(README),
            Self::Report => PackPath::known(REPORT),
            Self::Signer => PackPath::known(SIGNER),
        }
    }

    /// What a file here is for.
    #[must_use]
    pub const fn role(self) -> FileRole {
        match self {
            Self::Receipt(_) => FileRole::Receipt,
            Self::Sidecar(_) => FileRole::Sidecar,
            Self::StepRecord(_) => FileRole::StepRecord,
            Self::StepPayload(_) => FileRole::StepPayload,
            Self::StepCommits | Self::StepChallenge => FileRole::StepCommitment,
            Self::Captured(..) => FileRole::Tensor,
            Self::Verdict(_) | Self::StepVerdict(_) => FileRole::Verdict,
            Self::Suite | Self::Selection | Self::Freeze | Self::FreezeToken => FileRole::Suite,
            Self::RunEvidence(_) => FileRole::RunEvidence,
            Self::RunRecord(_) => FileRole::RunRecord,
            Self::Result | Self::Steps | Self::TensorCheck | Self::TensorDiff => FileRole::Result,
            Self::Provider(_) => FileRole::Provider,
            Self::Attachment(_) => FileRole::Attachment,
            Self::Parent => FileRole::Parent,
            Self::Template(_) => FileRole::Template,
            Self::Annex => FileRole::Annex,
            Self::Contracts => FileRole::Contracts,
            Self::Readme => FileRole::Readme,
            Self::Report => FileRole::Report,
            Self::Signer => FileRole::SignerKey,
        }
    }

    /// The group that a file here belongs to.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::Receipt(_) | Self::Sidecar(_) => Group::Receipts,
            Self::Verdict(_) => Group::Verdicts,
            Self::StepRecord(_)
            | Self::StepPayload(_)
            | Self::StepCommits
            | Self::StepChallenge
            | Self::StepVerdict(_)
            | Self::Steps => Group::Steps,
            Self::Captured(..) | Self::TensorCheck | Self::TensorDiff => Group::Tensors,
            Self::Suite
            | Self::Selection
            | Self::Freeze
            | Self::FreezeToken
            | Self::Result
            | Self::Contracts
            | Self::Signer => Group::Results,
            Self::RunEvidence(_) | Self::RunRecord(_) => Group::Run,
            Self::Provider(_) | Self::Attachment(_) | Self::Parent | Self::Template(_) | Self::Annex => {
                Group::Annex
            }
            Self::Readme | Self::Report => Group::Pages,
        }
    }

    /// The law that a file here is what the evidence gives.
    #[must_use]
    pub fn law(self) -> &'static Law {
        match self {
            Self::Receipt(_) | Self::Sidecar(_) => &law::RECEIPT_NOT_REDERIVED,
            Self::Verdict(_) => &law::VERDICT_NOT_REDERIVED,
            Self::StepRecord(_)
            | Self::StepPayload(_)
            | Self::StepCommits
            | Self::StepChallenge
            | Self::StepVerdict(_)
            | Self::Steps => &law::STEP_NOT_REDERIVED,
            Self::Captured(..) | Self::TensorCheck | Self::TensorDiff => &law::TENSORS_NOT_REDERIVED,
            Self::Suite | Self::Selection | Self::Freeze | Self::FreezeToken | Self::Result => {
                &law::RESULT_NOT_REDERIVED
            }
            Self::RunEvidence(_) | Self::RunRecord(_) => &law::RUN_NOT_REDERIVED,
            Self::Provider(_) | Self::Attachment(_) | Self::Parent | Self::Template(_) | Self::Annex => {
                &law::ANNEX_NOT_REDERIVED
            }
            Self::Contracts => &law::CONTRACTS_NOT_REDERIVED,
            Self::Readme | Self::Report => &law::PAGE_NOT_REDERIVED,
            Self::Signer => &law::SIGNER_FILE_MISMATCH,
        }
    }
}

/// What the names of co-signatures end with.
const CO_SIGNED: &str = ".p256.dsse.json";

/// What may be added to a pack after it was sealed: each file is verified on its own, and no ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// `attestations/NAME.dsse.json`: what a check came to.
    Attestation,
    /// `attestations/NAME.p256.dsse.json`: the manifest, signed for tools that take no Ed25519.
    CoSignature,
    /// `timestamps/SHA256.tst`: when the manifest was there, as an authority says.
    TimeStamp,
    /// `signoffs/NAME.dsse.json`: what a person signed.
    SignOff,
    /// `signoffs/files/SHA256`: a file that belongs to a sign-off.
    SignOffFile,
}

impl Added {
    /// What a path is, where something may be added there.
    #[must_use]
    pub fn of(path: &PackPath) -> Option<Self> {
        let name = |folder: &str| {
            let name = path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then_some(name)
        };
        let envelope = |folder: &str| name(folder).and_then(|name| name.strip_suffix(".dsse.json")).is_some();
        let digest = || name("signoffs/files").is_some_and(|name| name.parse::<Digest>().is_ok());
        let stamp = || {
            let digest = name("timestamps").and_then(|name| name.strip_suffix(".tst"));
            digest.is_some_and(|name| name.parse::<Digest>().is_ok())
        };
        match () {
            () if envelope("attestations") && path.as_str().ends_with(CO_SIGNED) => Some(Self::CoSignature),
            () if stamp() => Some(Self::TimeStamp),
            () if envelope("attestations") => Some(Self::Attestation),
            () if envelope("signoffs") => Some(Self::SignOff),
            () if digest() => Some(Self::SignOffFile),
            () => None,
        }
    }

    /// Where an envelope of this kind and name lies. None where that is no name of a file, or no envelope lies there.
    #[must_use]
    pub fn envelope(self, name: &str) -> Option<PackPath> {
        let folder = match self {
            Self::Attestation | Self::CoSignature => "attestations",
            Self::SignOff => "signoffs",
            Self::SignOffFile | Self::TimeStamp => return None,
        };
        let suffix = if self == Self::CoSignature { CO_SIGNED } else { ".dsse.json" };
        format!("{folder}/{name}{suffix}").parse().ok().filter(|path| Self::of(path) == Some(self))
    }

    /// Where a token with this digest lies.
    #[must_use]
    pub fn token(sha256: &Digest) -> PackPath {
        PackPath::known(&format!("timestamps/{sha256}.tst"))
    }

    /// Where a file that belongs to a sign-off lies.
    #[must_use]
    pub fn file(sha256: &Digest) -> PackPath {
        PackPath::known(&format!("signoffs/files/{sha256}"))
    }
}

/// The media type (RFC 6838) that a path's extension says.
#[must_use]
pub fn media_type(path: &PackPath) -> &'static str {
    match path.as_str().rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("jsonl") => "application/x-ndjson",
        Some("md") => "text/markdown",
        Some("html") => "text/html",
        Some("pem") => "application/x-pem-file",
        Some("tst") => "application/timestamp-token",
        Some("safetensors") => "application/octet-stream",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "text/plain",
    }
}
