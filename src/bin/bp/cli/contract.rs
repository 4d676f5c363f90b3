//! Arguments of `contract`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Contract {
    /// Hold every contract to its laws, and every claim to what is derived.
    #[command(after_help = "Examples:
  cargo test --locked -- --list > inventory.txt 2>&1
  cargo test --locked > results.txt 2>&1
  bp contract validate --inventory inventory.txt --results results.txt

Exit status: 0 every law holds, 1 a law is broken, 2 nothing was measured:
without the inventory and the results no level follows")]
    Validate(Measured),
    /// The level of every falsifier: claimed, derived, required.
    #[command(after_help = "Example:
  bp contract status --inventory inventory.txt --results results.txt

Exit status: 0 every law holds, 1 a law is broken, 2 a level was not measured")]
    Status(Measured),
    /// Replay what this program has to accept and to reject, with nothing but itself.
    #[command(after_help = "Examples:
  bp contract run
  bp contract run FALSIFY-BP-LEDGER-001 reconcile-rules-v1

Exit status: 0 every replay ended as promised, 1 one did not, 2 there was
nothing to replay")]
    Run {
        /// Falsifiers or contracts; all by default.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// What changed between two versions of a contract, and which version that takes.
    #[command(after_help = "Example:
  bp contract diff old/pack-ledger-v1.json contracts/pack-ledger-v1.json

Exit status: 0 the version says it, 1 it does not, 2 one is no contract")]
    Diff {
        /// The contract as it was.
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The contract as it is.
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Write down every level and digest, where nothing fell, went or changed silently.
    #[command(after_help = "Examples:
  bp contract lock --check
  bp contract lock")]
    Lock {
        /// The top of the repository.
        #[arg(value_name = "DIR", default_value = ".")]
        root: PathBuf,
        /// Hold the contracts against the lock, and write nothing.
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Measured {
    /// The top of the repository: contracts/ lies in it, and so does what contracts name.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,
    /// What `cargo test -- --list` printed, standard error and output in one file.
    #[arg(long, value_name = "FILE", requires = "results")]
    pub(crate) inventory: Option<PathBuf>,
    /// What `cargo test` printed, standard error and output in one file.
    #[arg(long, value_name = "FILE", requires = "inventory")]
    pub(crate) results: Option<PathBuf>,
}
