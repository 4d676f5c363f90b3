//! Arguments of `step`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Derive every value of a step again, and compare.
    #[command(after_help = "Examples:
  bp step verify steps/step-000006.json
  bp step verify step-000006.json --payload-dir /data/steps --profile bounded --json

Exit status: 0 accepted, 1 rejected or too little seen, 2 refused: what the
record says is not judged, or its payload cannot be read")]
    Verify(StepVerify),
    /// The leaves of a safetensors file, and their root.
    #[command(after_help = "Example:\n  bp step digest step-000006.safetensors")]
    Digest {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StepVerify {
    /// The record.
    #[arg(value_name = "RECORD")]
    pub(crate) record: PathBuf,
    /// Where its payload lies; by default beside it.
    #[arg(long, value_name = "DIR")]
    pub(crate) payload_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Manner {
    /// auto replays a step bit by bit where its record names a kernel that is known; bounded compares within bounds alone.
    #[arg(long, value_enum, default_value = "auto", value_name = "PROFILE")]
    pub(crate) profile: ProfileName,
    /// What a statistical rule may do.
    #[arg(long, value_enum, default_value = "warn", value_name = "MANNER")]
    pub(crate) stat: StatName,
    /// The least share of values whose update could show, from 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) informative_min: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// As the record says.
    Auto,
    /// Within bounds.
    Bounded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatName {
    /// Warn.
    Warn,
    /// Reject.
    Reject,
    /// Do not look.
    Off,
}
