//! The arguments of `pack`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Demanded, Limited, Published, RunSaid, Trusting};

#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    /// Judge inputs and write a sealed pack.
    #[command(after_help = "Examples:
  bp pack run
  bp pack run trace.jsonl --out packs --name nightly
  bp pack run receipts/ --key seal.pem --created-at 2026-01-31T12:00:00Z
  bp pack run --steps steps/ --run run/")]
    Run(Box<PackRun>),
    /// Check a pack: every byte, the seal, and every verdict again.
    #[command(after_help = "Examples:
  bp pack verify --strict packs/nightly
  bp pack verify --strict --signer seal.pub.pem packs/nightly
  bp pack verify --strict --format sarif packs/nightly > pack.sarif
  bp pack verify --only 'receipts/*' packs/nightly
  bp pack verify --strict nightly.tar.gz
  bp pack verify --strict s3://evidence/2026/nightly.tar.gz
  zstd -dc old.tar.zst | gzip | bp pack verify -")]
    Verify(Box<PackVerify>),
    /// Tell what a pack says, without checking it.
    #[command(after_help = "Example:
  bp pack show packs/nightly")]
    Show(PackShow),
    /// Tell what changed from one pack to another: verdict, rules, settings, artifacts, environment, Annex IV.
    #[command(after_help = "Exit status: 0 nothing changed but identity and time, 1 something did

Example:
  bp pack diff packs/monday packs/tuesday")]
    Diff {
        /// The first pack's folder.
        #[arg(value_name = "A")]
        a: PathBuf,
        /// The second pack's folder.
        #[arg(value_name = "B")]
        b: PathBuf,
    },
    /// List the packs of a folder or store, the oldest first: verdict, time, id, key, name. Manifests alone are read.
    #[command(after_help = "Examples:
  bp pack list packs
  bp pack list s3://evidence/2026")]
    List {
        /// The folder that holds packs, or the URL of a store.
        #[arg(value_name = "DIR|URL", default_value = "packs")]
        folder: PathBuf,
    },
    /// Put a pack into a store: file://, s3://, gs://, az://, http(s)://, oci://, mlflow://.
    #[command(after_help = "Credentials come from the environment, as the store's own programs read them.

Examples:
  bp pack push packs/nightly s3://evidence/2026/
  bp pack push packs/nightly oci://registry.example/team/packs:nightly
  bp pack push --retention annex-iv nightly.tar.zst s3://evidence/2026/nightly.tar.zst")]
    Push(PackPush),
    /// Get a pack from a store, if it verifies.
    #[command(after_help = "Examples:
  bp pack pull s3://evidence/2026/nightly.tar.gz
  bp pack pull --strict --signer seal.pub.pem oci://registry.example/team/packs:nightly packs/nightly")]
    Pull(PackPull),
    /// Write a pack as one file.
    #[command(after_help = "Examples:
  bp pack archive packs/nightly
  bp pack archive packs/nightly -o nightly.tar.zst")]
    Archive(PackArchive),
    /// Take a pack out of an archive, if it verifies.
    #[command(after_help = "Examples:
  bp pack extract nightly.tar.gz packs/nightly
  bp pack extract --strict --signer seal.pub.pem nightly.tar.zst packs/nightly")]
    Extract(PackExtract),
    /// Suites: scenarios with the outcome that each is to have.
    #[command(subcommand)]
    Suite(PackSuite),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PackSuite {
    /// Say whether a suite can be judged, and whether its inputs are there.
    Check {
        /// The suite; `bundled` for the one in this program.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Sign what is demanded before anything runs: the suite, its inputs as far as they are there, rules and bounds.
    #[command(after_help = "Example:
  bp pack suite freeze suite.json --key seal.pem
  bp pack run --suite suite.json --freeze suite.freeze.json --key seal.pem -- python train.py")]
    Freeze(SuiteFreeze),
}

#[derive(Debug, Args)]
pub(crate) struct SuiteFreeze {
    /// The suite; `bundled` for the one in this program.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Signing key, PEM; by default `$BP_SIGNING_KEY`, else the local default key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where the freeze goes; by default beside the suite, under its name.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The time in it; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME")]
    pub(crate) created_at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PackShow {
    /// The pack's folder.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct PackRun {
    /// Receipts, sidecars, or folders that hold them; by default a built-in real step.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Sampled optimizer steps: a folder of records, or a record; repeatable. Each is judged, and goes into the pack.
    #[arg(long, value_name = "DIR")]
    pub(crate) steps: Vec<PathBuf>,
    /// Where the payloads of sampled steps lie; by default beside their records.
    #[arg(long, value_name = "DIR", requires = "steps")]
    pub(crate) payload_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) published: Published,
    /// How many steps the beacon asks for at least, as it was agreed.
    #[arg(long, value_name = "N", requires = "beacon", value_parser = clap::value_parser!(u64).range(1..=0xffff_ffff))]
    pub(crate) challenge_steps: Option<u64>,
    /// How many tensors, and modules, of each.
    #[arg(long, value_name = "M", requires = "beacon", default_value_t = 1)]
    pub(crate) challenge_tensors: u32,
    /// Payloads of a step that are longer together stay out of the pack, which then names them by digest.
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    pub(crate) payload_limit: u64,
    /// Captured stages of a forward pass, a folder with its index.json. They are checked, and go into the pack.
    #[arg(long, value_name = "DIR")]
    pub(crate) tensors: Option<PathBuf>,
    /// The capture that they are held against, a folder with its index.json.
    #[arg(long, value_name = "DIR", requires = "tensors")]
    pub(crate) tensors_reference: Option<PathBuf>,
    /// What a training job left; repeatable. Its kind is detected.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) said: RunSaid,
    /// Replace secrets found in what a training job left, and record the digest of the text as found.
    #[arg(long)]
    pub(crate) redact: bool,
    /// Do everything but give the pack its name.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Suite of scenarios that name the inputs and what they are to come to; `bundled` for the one in this program.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    pub(crate) suite: Option<PathBuf>,
    /// What was signed of the suite before the job ran, by `bp pack suite freeze`; a suite that differs is refused.
    #[arg(long, value_name = "FILE", requires = "suite")]
    pub(crate) freeze: Option<PathBuf>,
    /// Scenarios of the suite to judge, by id; the others are left out, and the verdict says so.
    #[arg(long, value_name = "ID,...", requires = "suite", value_delimiter = ',')]
    pub(crate) scenario: Option<Vec<String>>,
    /// How often each input of the suite is judged, to record whether the bytes are equal every time.
    #[arg(long, value_name = "N", requires = "suite", default_value_t = 1)]
    pub(crate) repeats: u32,
    /// What people say for the Annex IV mapping, TOML or JSON: `bp annex init`. The files that it names go into the pack.
    #[arg(long, value_name = "FILE")]
    pub(crate) provider: Option<PathBuf>,
    /// The pack of the version before: its digest, and what changed since, go into this one.
    #[arg(long, value_name = "PACK")]
    pub(crate) parent: Option<PathBuf>,
    /// Folder with annex-iv.md.j2 or annex-iv.html.j2 to render the Annex IV pages by; they go into the pack.
    #[arg(long, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,
    /// Folder in which the pack is made.
    #[arg(long, value_name = "DIR", default_value = "packs")]
    pub(crate) out: PathBuf,
    /// The pack's name; by default from the first input, the time and the content.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Signing key, PEM; by default `$BP_SIGNING_KEY`, else the local default key.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Write no seal.
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Also put the pack into this store.
    #[arg(long, value_name = "URL", conflicts_with = "dry_run")]
    pub(crate) push: Option<String>,
    /// The time in the pack; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME")]
    pub(crate) created_at: Option<String>,
    /// After a run of COMMAND whose pack was not finished: pack what it did, without running it again. All else is read and
    /// judged again.
    #[arg(long)]
    pub(crate) resume: bool,
    /// The training command, run first; its status and output become evidence, and its status is that of `bp` unless 0.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// A view of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Words, on standard error.
    Text,
    /// As with --json.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// `JUnit` XML.
    Junit,
}

#[derive(Debug, Args)]
pub(crate) struct PackArchive {
    /// The pack's folder.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// The archive, its compression by its name: `.tar.gz` or `.tar.zst`; by default PACK.tar.gz beside the pack.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Signs the statement beside the archive, which binds its bytes to the pack's manifest; by default `$BP_SIGNING_KEY`,
    /// else the local default key, else none is written.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Write no statement.
    #[arg(long)]
    pub(crate) unsigned: bool,
    #[command(flatten)]
    pub(crate) limited: Limited,
}

#[derive(Debug, Args)]
pub(crate) struct PackExtract {
    /// The archive.
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// The folder that the pack becomes; a name that is taken is refused.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Demand a pass, a seal by a signer you trust, and no warning.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Accept a pack whose sealed verdict is not PASS, as evidence of that.
    #[arg(long)]
    pub(crate) allow_fail_verdict: bool,
    /// Where payloads of sampled steps lie that are not in the pack (repeatable).
    #[arg(long, value_name = "DIR")]
    pub(crate) payload_dir: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    #[command(flatten)]
    pub(crate) limited: Limited,
}

/// How long a store keeps an object whatever anyone asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Retention {
    /// Ten years from now, as Article 18 of the EU AI Act has it of technical documentation.
    AnnexIv,
}

#[derive(Debug, Args)]
pub(crate) struct PackPush {
    /// The pack's folder, or an archive of it.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// A folder of a store, or the name that the archive gets there.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Signs the statement beside the archive, as `bp pack archive` does; of an archive, the one beside it goes along.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Write no statement.
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Let the store keep the archive until then (S3 object lock, compliance mode): nobody can shorten it.
    #[arg(long, value_name = "TIME", conflicts_with = "retention")]
    pub(crate) retain_until: Option<String>,
    /// As --retain-until, by what demands it.
    #[arg(long, value_enum, value_name = "WHY")]
    pub(crate) retention: Option<Retention>,
}

#[derive(Debug, Args)]
pub(crate) struct PackPull {
    /// The archive in a store.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The folder that the pack becomes; by default packs/ and the archive's name. A name that is taken is refused.
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Demand a pass, a seal by a signer you trust, and no warning.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Accept a pack whose sealed verdict is not PASS, as evidence of that.
    #[arg(long)]
    pub(crate) allow_fail_verdict: bool,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    #[command(flatten)]
    pub(crate) limited: Limited,
}

#[derive(Debug, Args)]
pub(crate) struct PackVerify {
    /// The pack's folder, an archive of it, - for an archive from standard input, or the URL of an archive in a store.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// Demand a pass, a seal by a signer you trust, and no warning.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    #[command(flatten)]
    pub(crate) limited: Limited,
    #[command(flatten)]
    pub(crate) demanded: Demanded,
    /// Accept a pack whose sealed verdict is not PASS, as evidence of that.
    #[arg(long)]
    pub(crate) allow_fail_verdict: bool,
    /// Where payloads of sampled steps lie that are not in the pack (repeatable).
    #[arg(long, value_name = "DIR")]
    pub(crate) payload_dir: Vec<PathBuf>,
    /// Check the files of a part alone, by their paths: `receipts/*`, `**/*.json` (repeatable). There is no verdict then.
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// How the result is told; the exit status is the same.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Also write the result here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json_out: Option<PathBuf>,
    /// Also write a signed statement of what was checked and what came of it, also when that is a rejection.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) receipt: Option<PathBuf>,
    /// The key that signs the receipt; not the one that sealed.
    #[arg(long, value_name = "FILE", requires = "receipt")]
    pub(crate) key: Option<PathBuf>,
}
