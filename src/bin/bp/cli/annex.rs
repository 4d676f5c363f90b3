//! Annex IV: what people say, what is open, and what is printed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Annex {
    /// Write a provider file to fill in: every key, with the point that it answers.
    #[command(after_help = "Example:\n  bp annex init -o provider.toml")]
    Init {
        /// Where to write it; an existing file is never replaced. By default standard output.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// What is open, by owner.
    #[command(after_help = "Examples:
  bp annex todo packs/nightly
  bp annex todo annex-iv.json")]
    Todo {
        /// A pack's folder, or its annex-iv.json.
        #[arg(value_name = "PACK|FILE")]
        file: PathBuf,
    },
    /// Whether points are filled; without --require it reports only.
    #[command(after_help = "Example:
  bp annex check packs/nightly --require 2.g,6 --min declared")]
    Check(AnnexCheck),
    /// The answer as Markdown or HTML.
    #[command(after_help = "Examples:
  bp annex render packs/nightly --html --out annex.html
  bp annex render annex-iv.json --md")]
    Render(AnnexRender),
}

#[derive(Debug, Args)]
pub(crate) struct AnnexCheck {
    /// A pack's folder, or its annex-iv.json.
    #[arg(value_name = "PACK|FILE")]
    pub(crate) file: PathBuf,
    /// Points that have to be filled, such as 2.g or 6; a number stands for its points.
    #[arg(long, value_name = "POINT,...", value_delimiter = ',')]
    pub(crate) require: Vec<String>,
    /// The least status: partial, declared or evidenced.
    #[arg(long, value_enum, value_name = "STATUS", default_value = "declared", hide_possible_values = true)]
    pub(crate) min: MinStatus,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MinStatus {
    /// A part is there.
    Partial,
    /// Text or a file of the provider.
    Declared,
    /// A checked record, or a file that is signed off.
    Evidenced,
}

#[derive(Debug, Args)]
pub(crate) struct AnnexRender {
    /// A pack's folder, or its annex-iv.json.
    #[arg(value_name = "PACK|FILE")]
    pub(crate) file: PathBuf,
    /// One HTML page.
    #[arg(long, conflicts_with = "md")]
    pub(crate) html: bool,
    /// Markdown; the default.
    #[arg(long)]
    pub(crate) md: bool,
    /// Where to write it; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with annex-iv.md.j2 or annex-iv.html.j2 to use instead of those of the pack, or the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,
}
