//! The arguments of `keys`, `trust`, `attest`, `signoff` and `receipt`, and what a recipient says of whom to believe.

use std::path::PathBuf;

use bp::annex::model::Act;
use bp::step::call::Beacon;
use bp::trust::Role;
use clap::{Args, Subcommand, ValueEnum};

/// Whom the recipient believes.
#[derive(Debug, Default, Args)]
pub(crate) struct Trusting {
    /// A signer you trust: a public key in PEM, or a key id (repeatable).
    #[arg(long, value_name = "KEY|ID")]
    pub(crate) signer: Vec<String>,
    /// Whom you trust, and what you demand; by default the local trust list.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_policy: Option<PathBuf>,
}

/// How much of a pack is read before it is refused. Evidence that is held in memory has a limit of its own, 1 GiB a file.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "the names of the flags")]
pub(crate) struct Limited {
    /// Names in the pack, directories included, before it is refused; by default 200000.
    #[arg(long, value_name = "N")]
    pub(crate) max_files: Option<u64>,
    /// Bytes of one file before it is refused; by default 8589934592.
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_file_bytes: Option<u64>,
    /// Bytes of all files before the pack is refused; by default 34359738368.
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_total_bytes: Option<u64>,
}

/// What the recipient demands of one pack.
#[derive(Debug, Default, Args)]
pub(crate) struct Demanded {
    /// The pack that you mean: its id, or the digest of its manifest.
    #[arg(long, value_name = "ID|SHA256")]
    pub(crate) expect_pack: Option<String>,
    /// The pack that it is to follow: its folder, or the digest of its manifest.
    #[arg(long, value_name = "PACK|SHA256")]
    pub(crate) parent: Option<PathBuf>,
    /// An artifact that the pack is to be about (repeatable).
    #[arg(long, value_name = "SHA256")]
    pub(crate) expect_subject: Vec<String>,
    /// A receipt, sidecar or data set that it is to rest on (repeatable).
    #[arg(long, value_name = "SHA256")]
    pub(crate) expect_input: Vec<String>,
    /// The beacon that its sampled steps are to answer.
    #[arg(long, value_name = "HEX")]
    pub(crate) expect_beacon: Option<Beacon>,
    /// The chain of commitments that they are to answer over, as it was published: `bp step challenge` prints it.
    #[arg(long, value_name = "SHA256")]
    pub(crate) expect_chain: Option<String>,
    /// How many steps the challenge is to ask for at least: the maker of the pack chose the number.
    #[arg(long, value_name = "N")]
    pub(crate) expect_challenge_steps: Option<u64>,
    /// How many tensors, and modules, of each.
    #[arg(long, value_name = "M")]
    pub(crate) expect_challenge_tensors: Option<u64>,
    /// How old it may be: 90d, 12h, 30m or 45s.
    #[arg(long, value_name = "AGE")]
    pub(crate) max_age: Option<String>,
    /// The oldest judge whose verdict you take.
    #[arg(long, value_name = "VERSION")]
    pub(crate) judge: Option<String>,
    /// The certificate, of a time-stamping authority, that you believe, PEM; a file may hold several (repeatable).
    #[arg(long, value_name = "FILE")]
    pub(crate) tsa_root: Vec<PathBuf>,
    /// The latest time by which the pack has to have been there, by a time stamp that you believe.
    #[arg(long, value_name = "TIME")]
    pub(crate) stamped_by: Option<String>,
    /// A P-256 key whose co-signature you know: a public key in PEM (repeatable).
    #[arg(long, value_name = "KEY")]
    pub(crate) co_signer: Vec<PathBuf>,
    /// How long checking may take: 10m or 45s. After that nothing is said but that.
    #[arg(long, value_name = "TIME")]
    pub(crate) budget: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key: private half 0600, public half beside it.
    #[command(after_help = "Example:\n  bp keys new --out seal.pem    the public half is seal.pub.pem")]
    New {
        /// Where to write the private half.
        #[arg(long, value_name = "FILE", default_value = "bp-signing-key.pem")]
        out: PathBuf,
        /// Write it under a passphrase, asked for on the terminal, or read from the file that `BP_KEY_PASSPHRASE_FILE`
        /// or the descriptor that `BP_KEY_PASSPHRASE_FD` names.
        #[arg(long)]
        encrypt: bool,
    },
    /// The id of a key, public or private.
    #[command(after_help = "Example:\n  bp keys show seal.pub.pem")]
    Show {
        /// The key, PEM.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The local default key: where it is and its id.
    Default,
    /// Name the key that follows another: a statement signed by the old one.
    #[command(after_help = "Example:
  bp keys rotate --key old.pem --new new.pub.pem --out rotation.dsse.json
  bp trust add --rotation rotation.dsse.json    what a recipient does with it")]
    Rotate {
        /// The old key, private.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The new key, public.
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
        /// From when on the new key is to be believed; by default now.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Where to write the statement; an existing file is never replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Sealing packs: the key of an organisation.
    Seal,
    /// Stating what a check came to.
    Verifier,
    /// Signing off: the key of a person.
    Signoff,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Seal => Self::Seal,
            RoleName::Verifier => Self::Verifier,
            RoleName::Signoff => Self::Signoff,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Believe a key, for one thing.
    #[command(after_help = "Examples:
  bp trust add seal.pub.pem --name \"ACME release\" --role seal
  bp trust add jane.pub.pem --name \"Jane Doe\" --role signoff --valid-until 2027-12-31T00:00:00Z
  bp trust add --rotation rotation.dsse.json
  bp trust add --tsa-root authority.pem --name \"ACME time\"")]
    Add(TrustAdd),
    /// Stop to believe a key; it stays on the list with the reason.
    #[command(after_help = "Example:\n  bp trust revoke KEY-ID --reason \"laptop stolen\"")]
    Revoke {
        /// The key, by its id.
        #[arg(value_name = "ID")]
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// From when on; by default now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        list: TrustList,
    },
    /// Whom you believe, and for what.
    #[command(after_help = "Example:\n  bp trust list")]
    List {
        #[command(flatten)]
        list: TrustList,
    },
    /// Whether the list can be used, and can be met.
    #[command(after_help = "Example:\n  bp trust check --trust-policy trust.toml")]
    Check {
        #[command(flatten)]
        list: TrustList,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustList {
    /// The list; by default the local one.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustAdd {
    /// The public key, PEM.
    #[arg(value_name = "KEY", required_unless_present_any = ["rotation", "tsa_root"], requires_all = ["name", "role"])]
    pub(crate) key: Option<PathBuf>,
    /// Whose it is, in your words.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// What it is believed for.
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
    /// From when on.
    #[arg(long, value_name = "TIME")]
    pub(crate) valid_from: Option<String>,
    /// Until when.
    #[arg(long, alias = "not-after", value_name = "TIME")]
    pub(crate) valid_until: Option<String>,
    /// A statement by which a listed key names its successor, instead of a key.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "name", "role", "valid_from", "valid_until"])]
    pub(crate) rotation: Option<PathBuf>,
    /// Certificates above the keys of a time-stamping authority, PEM, instead of a key.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "role", "valid_from", "valid_until", "rotation"])]
    pub(crate) tsa_root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) list: TrustList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Timestamp {
    /// Write what an authority is asked: to stamp the manifest of a pack, or the freeze of a suite. Nothing is sent.
    #[command(after_help = "Example, where the machine with the pack dials nobody:
  bp timestamp request packs/nightly
  curl -H 'Content-Type: application/timestamp-query' --data-binary @packs/nightly.tsq \\
    https://tsa.example/ > nightly.tsr
  bp timestamp attach packs/nightly nightly.tsr --request packs/nightly.tsq")]
    Request {
        /// The pack's folder, or the freeze that `bp pack suite freeze` made.
        #[arg(value_name = "PACK|FREEZE")]
        what: PathBuf,
        /// Where to write the request; by default beside it, with `.tsq` after its name. No file is replaced.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put an authority's token beside what it stamps, once it holds. What was sealed does not change.
    ///
    /// The token is in a file, or `--tsa` asks an authority for one: it is sent the SHA-256 that is to be stamped, and
    /// nothing else of the pack.
    #[command(after_help = "Examples:
  bp timestamp attach packs/nightly --tsa https://tsa.example/ --tsa-root authority.pem
  bp timestamp attach packs/nightly nightly.tsr --request packs/nightly.tsq --tsa-root authority.pem")]
    Attach(TimestampAttach),
}

#[derive(Debug, Args)]
pub(crate) struct TimestampAttach {
    /// The pack's folder, or the freeze that `bp pack suite freeze` made.
    #[arg(value_name = "PACK|FREEZE")]
    pub(crate) what: PathBuf,
    /// The authority's reply, or the token in it.
    #[arg(value_name = "TOKEN", required_unless_present = "tsa", conflicts_with = "tsa")]
    pub(crate) token: Option<PathBuf>,
    /// Ask this authority for a token, over http:// or https://. A reply to another request is refused.
    #[arg(long, value_name = "URL")]
    pub(crate) tsa: Option<String>,
    /// The request; a token that answers another one is refused.
    #[arg(long, value_name = "FILE", conflicts_with = "tsa")]
    pub(crate) request: Option<PathBuf>,
    /// The authority's certificate, PEM; a token that none of those named vouches for is refused (repeatable).
    #[arg(long, value_name = "FILE")]
    pub(crate) tsa_root: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Attest {
    /// The pack's folder.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// Check the pack and sign what that came to, with a verifier's key; without one, print what is attested.
    #[arg(long, value_name = "FILE", group = "signing")]
    pub(crate) key: Option<PathBuf>,
    /// Check the pack and sign its manifest with a P-256 key, for tools that take no Ed25519.
    #[arg(long, value_name = "FILE", group = "signing")]
    pub(crate) p256: Option<PathBuf>,
    /// Demand a pass, a seal by a signer you trust, and no warning.
    #[arg(long, requires = "signing")]
    pub(crate) strict: bool,
    /// The time of the check; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME", requires = "key")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Signoff {
    /// Sign a pack off, as a person. The pack itself does not change.
    #[command(after_help = "Example:
  bp signoff add packs/nightly --person jane --name \"Jane Doe\" \\
    --function \"Head of testing\" --act approved --scope IV.2.g --key jane.pem")]
    Add(Box<SignoffAdd>),
    /// Who signed what: the seal, attestations and sign-offs, each under its own title.
    #[command(after_help = "Example:\n  bp signoff list packs/nightly")]
    List {
        /// The pack's folder.
        #[arg(value_name = "PACK")]
        pack: PathBuf,
        #[command(flatten)]
        trusting: Trusting,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ActName {
    /// Did the work.
    Performed,
    /// Looked at it.
    Reviewed,
    /// Approved it.
    Approved,
    /// Rejected it.
    Rejected,
}

impl From<ActName> for Act {
    fn from(name: ActName) -> Self {
        match name {
            ActName::Performed => Self::Performed,
            ActName::Reviewed => Self::Reviewed,
            ActName::Approved => Self::Approved,
            ActName::Rejected => Self::Rejected,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SignoffAdd {
    /// The pack's folder.
    #[arg(value_name = "PACK")]
    pub(crate) pack: PathBuf,
    /// A short name of the person: lower-case letters, digits and dashes.
    #[arg(long, value_name = "ID")]
    pub(crate) person: String,
    /// The person's name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: String,
    /// In which function.
    #[arg(long, value_name = "TEXT")]
    pub(crate) function: String,
    /// What the person did.
    #[arg(long, value_enum, value_name = "ACT")]
    pub(crate) act: ActName,
    /// Points of Annex IV that it is about.
    #[arg(long, value_name = "POINT,...", value_delimiter = ',', required = true)]
    pub(crate) scope: Vec<String>,
    /// The person's own key; never the one that sealed.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Of which organisation.
    #[arg(long, value_name = "TEXT")]
    pub(crate) organisation: Option<String>,
    /// For, or on behalf of whom.
    #[arg(long, value_name = "TEXT")]
    pub(crate) on_behalf_of: Option<String>,
    /// Where it is signed.
    #[arg(long, value_name = "TEXT")]
    pub(crate) place: Option<String>,
    /// What the person says, in their own words.
    #[arg(long, value_name = "TEXT")]
    pub(crate) statement: Option<String>,
    /// The person has taken note of what the pack says that it does not show.
    #[arg(long)]
    pub(crate) limits_acknowledged: bool,
    /// The person developed what the pack is about.
    #[arg(long)]
    pub(crate) developer_of_run: bool,
    /// A file of the pack that is signed for (repeatable); by default the verdict, the report and the Annex IV answer.
    #[arg(long, value_name = "PATH")]
    pub(crate) report: Vec<String>,
    /// A file that belongs to it, such as a scan of a signature by hand (repeatable).
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
    /// When it is signed; by default `SOURCE_DATE_EPOCH`, else now.
    #[arg(long, value_name = "TIME")]
    pub(crate) signed_at: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Whether a receipt of `pack verify --receipt` is by a verifier you trust, and what it says.
    #[command(after_help = "Example:
  bp receipt check receipt.json --signer verifier.pub.pem

Exit status: 0 only for a receipt by a verifier you trust that says that the pack passed")]
    Check(ReceiptCheck),
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptCheck {
    /// The receipt.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// The pack that it is to be about: its id, or the digest of its manifest.
    #[arg(long, value_name = "ID|SHA256")]
    pub(crate) expect_pack: Option<String>,
    /// Accept a receipt that says that the pack did not pass, as evidence of that.
    #[arg(long)]
    pub(crate) allow_fail_verdict: bool,
}
