//! Arguments of `step`.

use std::path::PathBuf;

use bp::step::call::Beacon;
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
    /// Judge every record of a folder, each by itself and each against the one before it.
    #[command(after_help = "Example:
  bp step chain steps")]
    Chain {
        /// The folder; every file of it that ends in .json is a record.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Where the payloads lie; by default beside the records.
        #[arg(long, value_name = "DIR")]
        payload_dir: Option<PathBuf>,
        #[command(flatten)]
        manner: Manner,
        #[command(flatten)]
        published: Published,
    },
    /// What a beacon asks to be revealed of a run whose steps were committed to.
    #[command(after_help = "Example:
  bp step challenge --commits commits.jsonl --beacon 8a3f --steps 44 --tensors 4")]
    Challenge {
        /// The commitments, published before the beacon was known.
        #[arg(long, value_name = "FILE")]
        commits: PathBuf,
        /// A public random number of a later time, in hexadecimal.
        #[arg(long, value_name = "HEX")]
        beacon: Beacon,
        /// How many steps at least.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        steps: u64,
        /// How many tensors, and modules, of each.
        #[arg(long, value_name = "M")]
        tensors: usize,
    },
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
    /// The record of the step before: what it left is what this one found.
    #[arg(long, value_name = "RECORD")]
    pub(crate) prev: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[command(flatten)]
    pub(crate) published: Published,
}

/// What was published of a run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Published {
    /// Commitments to the steps of the run.
    #[arg(long, value_name = "FILE")]
    pub(crate) commits: Option<PathBuf>,
    /// A public random number of a later time, in hexadecimal: what is asked for, and the signs of gradients' checks, are
    /// drawn from it.
    #[arg(long, value_name = "HEX")]
    pub(crate) beacon: Option<Beacon>,
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
