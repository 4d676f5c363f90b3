//! Arguments of `tensor`.

use std::path::PathBuf;

use bp::tensor::compare::Bound;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Tensor {
    /// What a stage file states.
    #[command(after_help = "Example:\n  bp tensor show capture/layer-0/attn_norm.bin")]
    Show {
        /// The file, named after its stage.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// How far the values of one stage file are from those of another.
    #[command(after_help = "Example:
  bp tensor diff ours/layer-0/attn_norm.bin theirs/layer-0/attn_norm.bin --tol 1e-4,1e-3

Exit status: 0 within the bound, 1 beyond it or a file refused, 2 not judged:
no bound was given")]
    Diff {
        /// The file that is judged.
        #[arg(value_name = "A")]
        a: PathBuf,
        /// The file that it is held against.
        #[arg(value_name = "B")]
        b: PathBuf,
        /// The bound on |a - b|: ABS + REL * |b|.
        #[arg(long, value_name = "ABS,REL", value_parser = bound)]
        tol: Option<Bound>,
    },
}

fn bound(text: &str) -> Result<Bound, String> {
    let parts = text.split_once(',').and_then(|(abs, rel)| Some((abs.parse().ok()?, rel.parse().ok()?)));
    parts
        .and_then(|(abs, rel)| Bound::new(abs, rel))
        .ok_or_else(|| "two numbers, neither negative, as in 1e-4,1e-3".to_owned())
}
