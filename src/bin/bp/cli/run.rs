//! What a training job left, and what its user says of it.

use std::path::PathBuf;

use bp::run::record::Kind;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TrainingRun {
    /// What a run was, how it ended, and what speaks against it. Nothing is written.
    #[command(after_help = "Examples:
  bp run show out
  bp run show out --run-id last-run-id --dataset train.jsonl --json

Exit status: 1 when a finding speaks against the run, or a secret was found")]
    Show(RunShow),
}

#[derive(Debug, Args)]
pub(crate) struct RunShow {
    /// The training job's output directory.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) said: RunSaid,
}

/// What the user says of a training job. It is believed, and marked as said.
#[derive(Debug, Args)]
pub(crate) struct RunSaid {
    /// The run, where there are several: an id or its beginning; by default the last.
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// The trainer, instead of detecting it.
    #[arg(long = "run-kind", value_enum, value_name = "KIND")]
    pub(crate) kind: Option<KindName>,
    /// A file of data that the run was trained on (repeatable).
    #[arg(long, value_name = "FILE")]
    pub(crate) dataset: Vec<PathBuf>,
    /// The exit status of the training process.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) exit_code: Option<i32>,
    /// The training process is alive.
    #[arg(long, conflicts_with = "exit_code")]
    pub(crate) alive: bool,
    /// Show host names, accounts and absolute paths.
    #[arg(long)]
    pub(crate) show_names: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KindName {
    /// backpropagate.
    Backpropagate,
    /// TRL.
    Trl,
    /// The Trainer of transformers.
    HfTrainer,
    /// `PyTorch` Lightning.
    Lightning,
    /// Keras.
    Keras,
    /// `MLflow`'s file store.
    Mlflow,
    /// Weights & Biases, not synced.
    WandbOffline,
    /// None of these.
    Plain,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Backpropagate => Self::Backpropagate,
            KindName::Trl => Self::Trl,
            KindName::HfTrainer => Self::HfTrainer,
            KindName::Lightning => Self::Lightning,
            KindName::Keras => Self::Keras,
            KindName::Mlflow => Self::Mlflow,
            KindName::WandbOffline => Self::WandbOffline,
            KindName::Plain => Self::Plain,
        }
    }
}
