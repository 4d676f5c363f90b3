//! What a run was, in one form for every trainer: `run/run.json`, `bp-run/1`.
//!
//! Every value names the file it was read in. Times are quoted as found: most trainers write local time without a zone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::run::law::{Effect, Law};

/// The domain tag of the document.
pub const FORMAT: &str = "bp-run/1";

/// Whose files these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// backpropagate.
    Backpropagate,
    /// TRL's trainers.
    Trl,
    /// The Trainer of transformers.
    HfTrainer,
    /// PyTorch Lightning.
    Lightning,
    /// Keras.
    Keras,
    /// `MLflow`'s file store.
    Mlflow,
    /// Weights & Biases, not synced.
    WandbOffline,
    /// None that is known.
    Plain,
}

impl Kind {
    /// Every kind, the more telling first.
    pub const ALL: [Self; 8] = [
        Self::Backpropagate,
        Self::Trl,
        Self::HfTrainer,
        Self::Lightning,
        Self::Keras,
        Self::Mlflow,
        Self::WandbOffline,
        Self::Plain,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backpropagate => "backpropagate",
            Self::Trl => "trl",
            Self::HfTrainer => "hf_trainer",
            Self::Lightning => "lightning",
            Self::Keras => "keras",
            Self::Mlflow => "mlflow",
            Self::WandbOffline => "wandb_offline",
            Self::Plain => "plain",
        }
    }
}

/// How something came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It follows from the files.
    Derived,
    /// The user said so.
    Given,
}

/// How a run ended, as far as its files show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It came to its end.
    Completed,
    /// It did not.
    Failed,
    /// It began, and nothing shows an end, nor that it is alive.
    Stale,
    /// It began, and the user says that it is alive.
    Running,
    /// The files do not tell.
    Unknown,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// How the run ended, and why that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Whether a finding speaks against it. A state that is flagged is not to be relied on.
    pub flagged: bool,
    /// What it follows from, in sentences.
    pub reasons: Vec<String>,
}

/// An id of the run, where a file names one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SeenId {
    /// The id.
    pub id: String,
    /// The file.
    pub path: String,
}

/// One run of those that left their traces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its id.
    pub run_id: String,
    /// Whether the record is about this one.
    pub chosen: bool,
    /// The status as written.
    pub recorded_status: Option<String>,
    /// When it began, as written.
    pub started_at: Option<String>,
    /// When it ended, as written.
    pub ended_at: Option<String>,
}

/// A value, and the file it was read in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its name, as written.
    pub name: String,
    /// Its value; names of people, hosts and folders in it are masked unless shown.
    pub value: Value,
    /// The file.
    pub path: String,
}

/// Settings that are recorded, and those that matter and are not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Settings {
    /// What the files record.
    pub recorded: Vec<Setting>,
    /// What nothing records, by the field's usual names.
    pub not_recorded: Vec<&'static str>,
}

/// How far training went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// Optimizer steps taken.
    pub taken: Option<u64>,
    /// Optimizer steps planned.
    pub planned: Option<u64>,
    /// The file that says so.
    pub path: Option<String>,
}

/// A number over training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Its name, as written.
    pub name: String,
    /// The file.
    pub path: String,
    /// Its values, in order.
    pub points: Vec<Point>,
}

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The step, where it is written.
    pub step: Option<u64>,
    /// The value; null where it is not finite.
    pub value: Option<f64>,
}

/// One merge of a run of several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merge {
    /// The number of the run that was merged, from 1.
    pub run_index: u64,
    /// How it was scaled.
    pub scale_factor: Option<f64>,
    /// The norm of the A matrices before.
    pub a_norm_before: Option<f64>,
    /// The norm of the A matrices after.
    pub a_norm_after: Option<f64>,
    /// Whether the scale is one over the square root of `run_index`; null where the strategy is another.
    pub scale_holds: Option<bool>,
    /// Whether it begins where the one before it ended; null where there is none.
    pub chain_holds: Option<bool>,
    /// The file.
    pub path: String,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// Its folder, or its file.
    pub path: String,
    /// The step it was taken at.
    pub step: Option<u64>,
    /// Whether everything is there that a checkpoint of its kind has.
    pub complete: bool,
    /// What is missing or cut, in words.
    pub faults: Vec<String>,
}

/// Files of weights with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// Their digest.
    pub sha256: Digest,
    /// Their length.
    pub size_bytes: u64,
    /// Where they lie.
    pub paths: Vec<String>,
    /// How many tensors they hold; null where they are not read.
    pub tensors: Option<u64>,
    /// How many values.
    pub values: Option<u64>,
    /// Their types.
    pub dtypes: Vec<String>,
    /// How many values are NaN or infinite; null where none was looked at.
    pub non_finite: Option<u64>,
}

/// What is known of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetClaim {
    /// What the trainer calls it.
    pub recorded_name: Option<String>,
    /// What the trainer keeps of its SHA-256: the first digits.
    pub recorded_prefix: Option<String>,
    /// The digest of the file that was given.
    pub given_sha256: Option<Digest>,
    /// How the two compare.
    pub agreement: Agreement,
}

/// How what was given compares with what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The digest begins as recorded.
    Agrees,
    /// It begins otherwise.
    Differs,
    /// Nothing was given.
    NotGiven,
    /// Nothing was recorded.
    NotRecorded,
}

/// Something found of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind it is.
    #[serde(rename = "code")]
    pub law: &'static Law,
    /// The file, folder or, for the whole run, `.`.
    pub path: String,
    /// What is seen there.
    pub message: String,
}

/// What a run was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Whose files these are.
    pub kind: Kind,
    /// How that is known.
    pub kind_basis: Basis,
    /// Other kinds that left files too.
    pub other_kinds: Vec<Kind>,
    /// How it ended.
    pub status: Status,
    /// The run that the record is about.
    pub run_id: Option<String>,
    /// Every id that a file names.
    pub ids: Vec<SeenId>,
    /// Every run that left traces.
    pub rows: Vec<Row>,
    /// What was trained from what, and how.
    pub settings: Settings,
    /// How far it went.
    pub steps: Steps,
    /// Losses, learning rates, gradient norms and what else was logged.
    pub series: Vec<Series>,
    /// Merges, in order.
    pub merges: Vec<Merge>,
    /// Checkpoints, in order of their steps.
    pub checkpoints: Vec<Checkpoint>,
    /// Weights, equal ones together.
    pub weights: Vec<Weights>,
    /// Data sets.
    pub datasets: Vec<DatasetClaim>,
    /// Versions and machines, as recorded.
    pub environment: Vec<Setting>,
    /// What speaks against the run, and what a reader should know.
    pub findings: Vec<Finding>,
    /// What nothing here shows, in sentences.
    pub not_checked: Vec<String>,
}

impl RunRecord {
    /// The findings that speak against the run.
    pub fn flags(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.law.effect == Effect::Flag)
    }
}
