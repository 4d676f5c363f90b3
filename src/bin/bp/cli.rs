//! The arguments: types and help, nothing else.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use bp::author::seed::Seed;
use bp::error::{self, Failure};
use bp::import::Framework;

use crate::output::{Colour, Output};

/// Re-derives what training code claims, and seals what it finds.
///
/// Exit status: 0 pass, 1 a finding, 2 cannot judge, 3 invalid argument.
#[derive(Debug, Parser)]
#[command(
    name = "bp",
    version,
    max_term_width = 80,
    subcommand_required = true,
    arg_required_else_help = false
)]
#[command(after_help = "Examples:
  bp pack run                          pack a built-in real training step
  bp pack run trace.jsonl --out packs  judge a framework sidecar and pack it
  bp pack verify --strict packs/NAME   check a pack, trusting nothing it says
  bp verify general receipt.jsonl      judge one receipt")]
pub(crate) struct Cli {
    /// One JSON envelope on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour what people read.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Colour,
    /// Tell every rule and finding.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Tell nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge a record (the same judge as `verify`; silent when it holds).
    #[command(subcommand)]
    Reconcile(Reconcile),
    /// Judge a record: strict JSON, schema, rules, recomputation.
    #[command(subcommand)]
    Verify(Verify),
    /// Check a receipt or sidecar against its schema, and nothing else.
    Validate {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the receipt of a built-in step.
    #[command(after_help = "Example:\n  bp generate mazur --out mazur.jsonl")]
    Generate(Generate),
    /// Make a receipt from a framework's sidecar, judging it first.
    #[command(after_help = "Example:\n  bp import pytorch trace.jsonl --out receipt.jsonl")]
    Import(Import),
    /// The rules, from the table that runs.
    Rules {
        /// One rule, by its number.
        #[arg(value_name = "N")]
        number: Option<String>,
    },
    /// What an error or finding code means, and what to do.
    Explain {
        /// The code.
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Signing keys: Ed25519, PKCS#8 PEM.
    #[command(subcommand)]
    Keys(Keys),
    /// Evidence packs.
    #[command(subcommand)]
    Pack(Pack),
    /// The same as `pack verify`.
    VerifyPack(PackVerify),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Reconcile {
    /// Judge one receipt.
    Receipt {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verify {
    /// Judge a receipt of the 2-2-2 step, and compare it with the golden bytes and the published value.
    Mazur {
        /// The file, or - for standard input; by default the step computed here.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        strictness: Strictness,
    },
    /// Judge a trace: one receipt per line, each by itself and each against the one before it.
    Multi {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        strictness: Strictness,
    },
    /// Judge one receipt.
    General {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        strictness: Strictness,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Strictness {
    /// A warning is a failure.
    #[arg(long, alias = "warn-as-fail")]
    pub(crate) strict: bool,
    /// The bytes must be the canonical bytes.
    #[arg(long)]
    pub(crate) canonical: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Which step.
    #[arg(value_enum)]
    pub(crate) seed: SeedName,
    /// Where to write it; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Compare with the golden bytes instead of writing.
    #[arg(long, conflicts_with = "out")]
    pub(crate) check: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SeedName {
    /// 2-2-2, Mazur (2015).
    Mazur,
    /// 2-2-1, exclusive or.
    Xor,
    /// 4-3-3, Fisher's first iris.
    Iris,
    /// 2-2-3, softmax and cross-entropy.
    SoftmaxCe,
}

impl From<SeedName> for Seed {
    fn from(name: SeedName) -> Self {
        match name {
            SeedName::Mazur => Self::Mazur,
            SeedName::Xor => Self::Xor,
            SeedName::Iris => Self::Iris,
            SeedName::SoftmaxCe => Self::SoftmaxCe,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The framework that recorded the sidecar.
    #[arg(value_enum)]
    pub(crate) framework: FrameworkName,
    /// The sidecar, or - for standard input.
    #[arg(value_name = "SIDECAR")]
    pub(crate) file: PathBuf,
    /// Where to write the receipt; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The import time in the receipt; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME")]
    pub(crate) import_timestamp: Option<String>,
    /// The receipt's label.
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FrameworkName {
    /// `PyTorch`.
    Pytorch,
    /// JAX.
    Jax,
    /// TensorFlow.
    Tensorflow,
}

impl From<FrameworkName> for Framework {
    fn from(name: FrameworkName) -> Self {
        match name {
            FrameworkName::Pytorch => Self::Pytorch,
            FrameworkName::Jax => Self::Jax,
            FrameworkName::Tensorflow => Self::Tensorflow,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key: private half 0600, public half beside it.
    New {
        /// Where to write the private half.
        #[arg(long, value_name = "FILE", default_value = "bp-signing-key.pem")]
        out: PathBuf,
    },
    /// The id of a key, public or private.
    Show {
        /// The key, PEM.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The local default key: where it is and its id.
    Default,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    /// Judge inputs and write a sealed pack.
    #[command(after_help = "Examples:
  bp pack run
  bp pack run trace.jsonl --out packs --name nightly
  bp pack run receipts/ --key seal.pem --created-at 2026-01-31T12:00:00Z")]
    Run(PackRun),
    /// Check a pack: every byte, the seal, and every verdict again.
    #[command(after_help = "Examples:
  bp pack verify --strict packs/nightly
  bp pack verify --strict --signer seal.pem.pub packs/nightly")]
    Verify(PackVerify),
}

#[derive(Debug, Args)]
pub(crate) struct PackRun {
    /// Receipts, sidecars, or folders that hold them; by default a built-in real step.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder in which the pack is made.
    #[arg(long, value_name = "DIR", default_value = "packs")]
    pub(crate) out: PathBuf,
    /// The pack's name; by default from the first input, the time and the content.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Signing key, PEM; by default $`BP_SIGNING_KEY`, else the local default key.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Write no seal.
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// The time in the pack; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME")]
    pub(crate) created_at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PackVerify {
    /// The pack's folder.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// Demand a pass, a seal by a signer you trust, and no warning.
    #[arg(long)]
    pub(crate) strict: bool,
    /// A signer you trust: a public key in PEM, or a key id (repeatable).
    #[arg(long, value_name = "KEY|ID")]
    pub(crate) signer: Vec<String>,
    /// Whom you trust; by default the local trust list.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_policy: Option<PathBuf>,
    /// Accept a pack whose sealed verdict is not PASS, as evidence of that.
    #[arg(long)]
    pub(crate) allow_fail_verdict: bool,
    /// Also write the result here.
    #[arg(long, value_name = "FILE")]
    pub(crate) json_out: Option<PathBuf>,
}

/// Parses the arguments. What clap has to say goes where it belongs, and its status comes back.
pub(crate) fn parse() -> Result<(Cli, Output), u8> {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    let command = Cli::command();
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => {
            let output = Output::new(&cli);
            Ok((cli, output))
        }
        Err(error) => Err(told(&error, wants_json)),
    }
}

fn told(error: &clap::Error, wants_json: bool) -> u8 {
    let code = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match error.print() {
                Ok(()) => 0,
                Err(_) => error::IO_ERROR.exit,
            };
        }
        ErrorKind::MissingSubcommand
        | ErrorKind::InvalidSubcommand
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => &error::USAGE,
        _ => &error::INVALID_FLAG,
    };
    if wants_json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return Output::json_only().failure(&Failure::new(code, message));
    }
    // Nowhere is left to report that standard error is gone.
    let _ = error.print();
    code.exit
}
