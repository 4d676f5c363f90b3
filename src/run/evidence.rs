//! What a run left, as values: texts byte for byte, a table of what is too large to keep, and what the user said.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::json;
use crate::run::record::Kind;
use crate::run::secrets::{self, Secret};
use crate::run::take::{Reason, Role};
use crate::tensor::safetensors::Tensor;

/// The folder of the texts, below the folder of a run's evidence.
pub const HISTORY: &str = "history/";
/// The table.
pub const ARTIFACTS: &str = "artifacts.json";
/// The data sets that the user named.
pub const DATASETS: &str = "datasets.json";
/// What the user said of the job.
pub const COMMAND: &str = "command.json";

/// What the job wrote.
pub const LOG: &str = "log.txt";

/// A text file, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its path in the run directory.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A file that is recorded and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its path in the run directory; a host name in it is masked.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// Its media type, by its name.
    pub media_type: String,
    /// What it is.
    pub role: Role,
    /// For a ZIP archive, as PyTorch writes: whether its end is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<Zip>,
    /// For safetensors: what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safetensors: Option<Contents>,
}

/// Whether an archive is whole, by its last bytes. It is never opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zip {
    /// It begins and ends as an archive does.
    Whole,
    /// It begins as an archive, and its end is missing.
    Cut,
}

/// What a safetensors file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "header", rename_all = "snake_case", deny_unknown_fields)]
pub enum Contents {
    /// Its tensors, in the order of their bytes.
    Read {
        /// The tensors.
        tensors: Vec<Tensor>,
    },
    /// It breaks the format.
    Malformed {
        /// Where and how.
        reason: String,
    },
    /// It may be sound, and is beyond what is read here.
    NotRead {
        /// Why.
        reason: String,
    },
}

/// A name that is neither kept nor recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its path in the run directory, with `/` at the end for a directory.
    pub path: String,
    /// Why.
    pub reason: Reason,
}

/// A text from which secrets were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// Its path in the run directory.
    pub path: String,
    /// The digest of the text as found.
    pub sha256: Digest,
    /// How many places were replaced.
    pub places: usize,
}

/// A file of data that the user says the run was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its name, without folders.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// Whether names of people, hosts and folders are masked in what is derived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// Masked.
    #[default]
    Masked,
    /// As found.
    Shown,
}

/// What ran the job saw of it: `bp` itself, when it ran the training command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The command and its arguments, secrets and folders masked.
    pub arguments: Vec<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
    /// Processor time of it and its children in user mode.
    pub user_seconds: f64,
    /// The same in the system.
    pub system_seconds: f64,
    /// The largest resident memory of one of them.
    pub max_resident_bytes: u64,
    /// Bytes that it wrote to its standard output and error; null where they were not seen.
    pub output_bytes: Option<u64>,
}

/// What the user says of the job. It is believed, and marked as said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// The trainer, where it is not to be detected.
    pub kind: Option<Kind>,
    /// The run, where there are several: an id, or a prefix that only one has.
    pub run_id: Option<String>,
    /// The exit status of the training process.
    pub exit_code: Option<i32>,
    /// That the training process is alive.
    pub alive: bool,
    /// Whether names are masked.
    pub names: Names,
    /// What ran the job saw of it.
    pub job: Option<Job>,
}

/// Everything that is known of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// Texts, sorted by path.
    pub texts: Vec<Text>,
    /// Recorded files, sorted by path.
    pub artifacts: Vec<Artifact>,
    /// What is neither, sorted by path.
    pub left_out: Vec<LeftOut>,
    /// Texts from which secrets were taken, sorted by path, and the log after them.
    pub redacted: Vec<Redacted>,
    /// Data sets, in the order given.
    pub datasets: Vec<Dataset>,
    /// What the user says.
    pub given: Given,
    /// What the job wrote to its standard output and error: all, or its beginning and its end.
    pub log: Option<Vec<u8>>,
}

/// A secret, and the text it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The path of the text in the run directory.
    pub path: String,
    /// Where and what.
    #[serde(flatten)]
    pub secret: Secret,
}

/// Why stored files are no evidence of a run.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A part is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is not what it should be.
    #[error("{path}: {reason}")]
    Malformed {
        /// The part.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that is no part.
    #[error("{0} is no part of a run's evidence")]
    Unknown(String),
}

/// The table as a document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    format: TableFormat,
    artifacts: Vec<Artifact>,
    left_out: Vec<LeftOut>,
    redacted: Vec<Redacted>,
}

#[derive(Serialize, Deserialize)]
enum TableFormat {
    #[serde(rename = "bp-run-artifacts/1")]
    V1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Datasets {
    format: DatasetsFormat,
    datasets: Vec<Dataset>,
}

#[derive(Serialize, Deserialize)]
enum DatasetsFormat {
    #[serde(rename = "bp-run-datasets/1")]
    V1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    format: CommandFormat,
    given: Given,
}

#[derive(Serialize, Deserialize)]
enum CommandFormat {
    #[serde(rename = "bp-run-command/1")]
    V1,
}

impl Evidence {
    /// The files of the evidence, by their paths below its folder; [`Evidence::parse`] is the inverse.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let texts = self.texts.iter().map(|text| (format!("{HISTORY}{}", text.path), text.bytes.clone()));
        let mut files: BTreeMap<String, Vec<u8>> = texts.collect();
        let table = Table {
            format: TableFormat::V1,
            artifacts: self.artifacts.clone(),
            left_out: self.left_out.clone(),
            redacted: self.redacted.clone(),
        };
        let datasets = Datasets { format: DatasetsFormat::V1, datasets: self.datasets.clone() };
        let command = Command { format: CommandFormat::V1, given: self.given.clone() };
        files.extend(self.log.iter().map(|log| (LOG.to_owned(), log.clone())));
        files.insert(ARTIFACTS.to_owned(), json::canonical(&table));
        files.insert(DATASETS.to_owned(), json::canonical(&datasets));
        files.insert(COMMAND.to_owned(), json::canonical(&command));
        files
    }

    /// The evidence that files hold, by their paths below its folder.
    ///
    /// # Errors
    /// [`EvidenceError`], when a part is missing, is not what it should be, or is none.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, EvidenceError> {
        let (mut table, mut datasets, mut command) = (None, None, None);
        let (mut texts, mut log) = (Vec::new(), None);
        for (path, bytes) in files {
            match path {
                ARTIFACTS => table = Some(part::<Table>(path, bytes)?),
                DATASETS => datasets = Some(part::<Datasets>(path, bytes)?),
                LOG => log = Some(bytes.to_vec()),
                COMMAND => command = Some(part::<Command>(path, bytes)?),
                _ => match path.strip_prefix(HISTORY) {
                    Some(path) => texts.push(Text { path: path.to_owned(), bytes: bytes.to_vec() }),
                    None => return Err(EvidenceError::Unknown(path.to_owned())),
                },
            }
        }
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        let table = table.ok_or(EvidenceError::Missing(ARTIFACTS))?;
        Ok(Self {
            texts,
            artifacts: table.artifacts,
            left_out: table.left_out,
            redacted: table.redacted,
            datasets: datasets.ok_or(EvidenceError::Missing(DATASETS))?.datasets,
            given: command.ok_or(EvidenceError::Missing(COMMAND))?.given,
            log,
        })
    }

    /// Every secret in the texts.
    #[must_use]
    pub fn leaks(&self) -> Vec<Leak> {
        let texts = self.texts.iter().map(|text| (text.path.as_str(), text.bytes.as_slice()));
        let all = texts.chain(self.log.iter().map(|log| (LOG, log.as_slice())));
        let of = |(path, bytes): (&str, &[u8])| -> Vec<Leak> {
            secrets::scan(bytes).into_iter().map(|secret| Leak { path: path.to_owned(), secret }).collect()
        };
        all.flat_map(of).collect()
    }

    /// The evidence without secrets; of each text that held one, the digest as found is kept.
    #[must_use]
    pub fn redact(mut self) -> Self {
        for text in &mut self.texts {
            let places = secrets::scan(&text.bytes).len();
            if places > 0 {
                let sha256 = Digest::of(&text.bytes);
                text.bytes = secrets::redact(&text.bytes);
                self.redacted.push(Redacted { path: text.path.clone(), sha256, places });
            }
        }
        if let Some(log) = &mut self.log {
            let places = secrets::scan(log).len();
            if places > 0 {
                self.redacted.push(Redacted { path: LOG.to_owned(), sha256: Digest::of(log), places });
                *log = secrets::redact(log);
            }
        }
        self
    }

    /// The text at a path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&[u8]> {
        self.texts.iter().find(|text| text.path == path).map(|text| text.bytes.as_slice())
    }

    /// The paths of everything kept or recorded.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let texts = self.texts.iter().map(|text| text.path.as_str());
        texts.chain(self.artifacts.iter().map(|artifact| artifact.path.as_str()))
    }
}

fn part<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, EvidenceError> {
    let malformed = |reason: String| EvidenceError::Malformed { path: path.to_owned(), reason };
    let value = json::parse(bytes).map_err(|error| malformed(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| malformed(error.to_string()))
}
