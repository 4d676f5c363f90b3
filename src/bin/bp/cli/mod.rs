//! The arguments: types and help, nothing else.

use std::path::PathBuf;

mod annex;
mod contract;
mod pack;
mod run;
mod step;
mod tensor;
mod trust;

pub(crate) use annex::{Annex, AnnexCheck, AnnexRender, MinStatus};
pub(crate) use contract::{Contract, Measured};
pub(crate) use pack::{
    Format, Pack, PackArchive, PackExtract, PackPull, PackPush, PackRun, PackShow, PackSuite, PackVerify,
    Retention, SuiteFreeze,
};
pub(crate) use run::{RunSaid, RunShow, TrainingRun};
pub(crate) use step::{Manner, ProfileName, Published, StatName, Step, StepVerify};
pub(crate) use tensor::Tensor;
pub(crate) use trust::{
    Attest, Demanded, Keys, Limited, Receipt, ReceiptCheck, Signoff, SignoffAdd, Timestamp, TimestampAttach,
    Trust, TrustAdd, TrustList, Trusting,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use bp::author::seed::Seed;
use bp::error::{self, Failure};
use bp::import::Framework;
use serde_json::json;

use crate::Run;
use crate::output::{Colour, Output};

/// Re-derives what training code claims, and seals what it finds.
#[derive(Debug, Parser)]
#[command(
    name = "bp",
    version,
    max_term_width = 80,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "Exit status: 0 pass, 1 a finding, 2 cannot judge, 3 invalid argument

Examples:
  bp pack run                          pack a built-in real training step
  bp pack run trace.jsonl --out packs  judge a framework sidecar and pack it
  bp pack verify --strict packs/NAME   check a pack, trusting nothing it says
  bp verify general receipt.jsonl      judge one receipt")]
pub(crate) struct Cli {
    /// Answer with one JSON document on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour text: auto (on a terminal, unless `NO_COLOR` is set), always or never.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_possible_values = true
    )]
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
    #[command(after_help = "Example:\n  bp validate receipt.jsonl")]
    Validate {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a topology input against its schema, and nothing else.
    #[command(after_help = "Example:
  bp validate-input net.json")]
    ValidateInput {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the receipt of a built-in step.
    #[command(after_help = "Example:\n  bp generate mazur --out mazur.jsonl")]
    Generate(Generate),
    /// Write a file to start a step of your own from.
    #[command(subcommand)]
    Scaffold(Scaffold),
    /// Make receipts from a framework's sidecars, judging them first.
    #[command(
        override_usage = "bp import [OPTIONS] <FRAMEWORK> [multi] <SIDECAR>",
        after_help = "Examples:
  bp import pytorch step.jsonl --out receipt.jsonl          one step
  bp import pytorch multi trace.jsonl --out receipts.jsonl  a run, one sidecar per line"
    )]
    Import(Import),
    /// The file that records the steps of a training loop as sidecars.
    #[command(after_help = "Examples:
  bp examples pytorch                     what it is, and its digest
  bp examples pytorch --print > record.py")]
    Examples {
        /// The framework: pytorch or jax.
        #[arg(value_enum, value_name = "FRAMEWORK")]
        framework: ExampleName,
        /// Print the file.
        #[arg(long)]
        print: bool,
    },
    /// The rules, from the table that runs.
    #[command(after_help = "Examples:\n  bp rules\n  bp rules 14")]
    Rules {
        /// One rule, by its number.
        #[arg(value_name = "N")]
        number: Option<String>,
    },
    /// What an error or finding code means, and what to do.
    #[command(after_help = "Example:\n  bp explain FILE_DIGEST_MISMATCH")]
    Explain {
        /// The code.
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Make and show signing keys (Ed25519, PKCS#8 PEM).
    #[command(subcommand)]
    Keys(Keys),
    /// Whom you believe, and for what: your own list.
    #[command(subcommand)]
    Trust(Trust),
    /// State what checking a pack came to: an in-toto statement beside the seal.
    #[command(after_help = "Examples:
  bp attest packs/nightly --strict --key verifier.pem    check, sign, add
  bp attest packs/nightly                                print what is attested")]
    Attest(Attest),
    /// Sign a pack off as a person, or show who signed what.
    #[command(subcommand)]
    Signoff(Signoff),
    /// Time stamps (RFC 3161): when a pack, or the freeze of a suite, was there.
    #[command(subcommand)]
    Timestamp(Timestamp),
    /// Receipts of checks.
    #[command(subcommand)]
    Receipt(Receipt),
    /// Look at what a training job left behind.
    #[command(subcommand)]
    Run(TrainingRun),
    /// Build and check evidence packs.
    #[command(subcommand)]
    Pack(Pack),
    /// Annex IV of the EU AI Act: what a pack shows of it, what people say, what is open.
    #[command(subcommand)]
    Annex(Annex),
    /// Sampled steps of a real fine-tune: every value of an optimizer's step.
    #[command(subcommand)]
    Step(Step),
    /// What this program promises, how far that was shown, and what would show that it is broken.
    #[command(subcommand)]
    Contract(Contract),
    /// What a stage of a forward pass computed, captured in files.
    #[command(subcommand)]
    Tensor(Tensor),
    /// The same as `pack verify`.
    #[command(after_help = "Example:\n  bp verify-pack --strict packs/nightly")]
    VerifyPack(Box<PackVerify>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Reconcile {
    /// Judge one receipt; say nothing when it holds.
    #[command(after_help = "Example:\n  bp reconcile receipt receipt.jsonl && echo holds")]
    Receipt {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verify {
    /// Judge the 2-2-2 step, and compare it with the golden bytes and the published value.
    #[command(after_help = "Examples:\n  bp verify mazur\n  bp verify mazur mazur.jsonl")]
    Mazur {
        /// The file, or - for standard input; by default the step computed here.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        strictness: Strictness,
    },
    /// Judge a trace: one receipt per line, each by itself and each against the one before it.
    #[command(after_help = "Example:
  bp verify multi trace.jsonl")]
    Multi {
        /// The file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        strictness: Strictness,
    },
    /// Judge one receipt of any step.
    #[command(after_help = "Examples:
  bp verify general receipt.jsonl
  bp generate xor | bp verify general - --canonical")]
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
    /// The input of from-config, or - for standard input.
    #[arg(value_name = "FILE", required_if_eq("seed", "from-config"))]
    pub(crate) file: Option<PathBuf>,
    /// Where to write it; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Compare with the golden bytes, or with the file of --out, instead of writing.
    #[arg(long)]
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
    /// 9-16-4, relu and softmax.
    Hero,
    /// A step of your own, from a topology input.
    FromConfig,
}

impl SeedName {
    /// The built-in step, where it is one.
    pub(crate) const fn seed(self) -> Option<Seed> {
        match self {
            Self::Mazur => Some(Seed::Mazur),
            Self::Xor => Some(Seed::Xor),
            Self::Iris => Some(Seed::Iris),
            Self::SoftmaxCe => Some(Seed::SoftmaxCe),
            Self::Hero => Some(Seed::Hero),
            Self::FromConfig => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scaffold {
    /// The topology input of a built-in step, for `generate from-config`.
    #[command(after_help = "Examples:
  bp scaffold topology --topology xor --out net.json
  bp scaffold topology --topology iris | bp generate from-config -")]
    Topology {
        /// Which step: mazur, xor or iris; softmax-ce and hero have no topology input.
        #[arg(long, value_name = "NAME", value_parser = step(), hide_possible_values = true)]
        topology: Seed,
        /// Where to write it; by default standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// A built-in step by its name.
fn step() -> impl TypedValueParser<Value = Seed> {
    let named = |name: String| Seed::ALL.into_iter().find(|seed| seed.name() == name).ok_or("no such step");
    PossibleValuesParser::new(Seed::ALL.map(Seed::name)).try_map(named)
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The framework that recorded the sidecar: pytorch, jax or tensorflow.
    #[arg(value_enum, value_name = "FRAMEWORK", hide_possible_values = true)]
    pub(crate) framework: FrameworkName,
    /// The sidecar, or - for standard input; after the word multi, a stream of them, one per line.
    #[arg(value_name = "SIDECAR", required = true, num_args = 1..=2)]
    pub(crate) sidecar: Vec<PathBuf>,
    /// Where to write the receipt, or the receipts; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The import time in the receipt; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long = "import-timestamp", value_name = "TIME")]
    pub(crate) timestamp: Option<String>,
    /// The receipt's label; in a stream, its place is added.
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FrameworkName {
    /// `PyTorch`.
    Pytorch,
    /// JAX.
    Jax,
    /// `TensorFlow`.
    Tensorflow,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExampleName {
    /// `PyTorch`.
    Pytorch,
    /// JAX.
    Jax,
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

/// Parses the arguments. What there is to say instead of running is said, and its status comes back.
pub(crate) fn parse() -> Result<(Cli, Output), u8> {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => {
            let output = Output::new(&cli);
            Ok((cli, output))
        }
        Err(error) => {
            let output = Output::before(std::env::args_os());
            Err(told(&error, &output).unwrap_or_else(|failure| output.failure(&failure)))
        }
    }
}

fn told(error: &clap::Error, output: &Output) -> Run {
    match error.kind() {
        ErrorKind::DisplayHelp => output.help(&error.render()).map(|()| 0),
        ErrorKind::DisplayVersion if output.json => {
            let version = env!("CARGO_PKG_VERSION");
            output.envelope(&json!({ "ok": true, "name": "bp", "version": version })).map(|()| 0)
        }
        ErrorKind::DisplayVersion => output.data(error.render().to_string().as_bytes()).map(|()| 0),
        // No command at all: the usage is the answer.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !output.json => {
            output.say(&error.render().to_string());
            Ok(error::USAGE.exit)
        }
        _ => Err(failure(error)),
    }
}

/// How clap spells the argument.
const TOPOLOGY: &str = "--topology <NAME>";

/// What clap found wrong, in our words.
fn failure(error: &clap::Error) -> Failure {
    let words = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word.clone()],
        Some(ContextValue::Strings(words)) => words.clone(),
        _ => Vec::new(),
    };
    let word = |kind| words(kind).join(" ");
    let usage =
        error.get(ContextKind::Usage).map(|usage| usage.to_string().trim().replace("Usage:", "usage:"));
    let meant = |kind| {
        let close: Vec<String> = words(kind).iter().rev().map(|word| format!("{word:?}")).collect();
        (!close.is_empty()).then(|| format!("did you mean {}?", close.join(" or ")))
    };
    let argument = word(ContextKind::InvalidArg);
    let (code, message, hint) = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            (&error::USAGE, "there is no command".to_owned(), None)
        }
        ErrorKind::InvalidSubcommand => {
            let message = format!("there is no command {:?}", word(ContextKind::InvalidSubcommand));
            (&error::USAGE, message, meant(ContextKind::SuggestedSubcommand))
        }
        ErrorKind::MissingRequiredArgument => {
            let is_file =
                ["<FILE>", "<SIDECAR>", "<PACK>", "<PACK|FILE>"].iter().any(|file| argument.contains(file));
            let code = match argument.as_str() {
                _ if is_file => &error::MISSING_FILE_ARG,
                TOPOLOGY => &error::MISSING_TOPOLOGY_ARG,
                _ => &error::USAGE,
            };
            (code, format!("{argument} is missing"), usage)
        }
        ErrorKind::InvalidValue => {
            let value = word(ContextKind::InvalidValue);
            let code = match argument.as_str() {
                "<FRAMEWORK>" => &error::UNKNOWN_FRAMEWORK,
                // In the reference these are verbs.
                "<SEED>" => &error::USAGE,
                TOPOLOGY => &error::INVALID_TOPOLOGY_ARG,
                _ => &error::INVALID_FLAG,
            };
            let message = match value.as_str() {
                "" => format!("{argument} has no value"),
                value => format!("{argument} cannot be {value:?}"),
            };
            let values = words(ContextKind::ValidValue).join(", ");
            let possible = (!values.is_empty()).then(|| format!("it is one of {values}"));
            (code, message, meant(ContextKind::SuggestedValue).or(possible))
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            (&error::INVALID_FLAG, format!("there is no flag {argument}"), meant(ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => {
            (&error::INVALID_FLAG, format!("{argument:?} is one argument too many"), usage)
        }
        ErrorKind::ArgumentConflict => {
            let other = word(ContextKind::PriorArg);
            (&error::INVALID_FLAG, format!("{argument} and {other} exclude each other"), usage)
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            (&error::INVALID_FLAG, line, None)
        }
    };
    Failure { hint, ..Failure::new(code, message) }
}
