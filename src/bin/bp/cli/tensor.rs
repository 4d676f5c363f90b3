//! Arguments of `tensor`.

use std::path::PathBuf;

use bp::tensor::compare::Bound;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Tensor {
    /// The stages that a capture of a forward pass holds.
    #[command(after_help = "Example:\n  bp tensor show capture/layer-0/attn_norm.bin")]
    Show {
        /// A stage file, a .safetensors file, a folder of either, or an index.
        #[arg(value_name = "CAPTURE")]
        capture: PathBuf,
    },
    /// How far the stages of one capture are from those of another.
    #[command(after_help = "Examples:
  bp tensor diff ours theirs --tol 1e-4,1e-3
  bp tensor diff ours/layer-0/attn_norm.bin theirs/layer-0/attn_norm.bin --tol 1e-4,1e-3

A capture is a folder of stage files (layer-N/STAGE.bin or .npy, STAGE.bin for a
stage of the whole model), a .safetensors file of tensors named so, one stage
file, or an index (index.json, schemas/tensor-index.v1.schema.json). A folder
with an index is read by it.

Exit status: 0 every stage within its bound, 1 one beyond it or a file refused,
2 not judged: a stage without a bound, or in one capture alone")]
    Diff {
        /// The capture that is judged.
        #[arg(value_name = "A")]
        a: PathBuf,
        /// The capture that it is held against.
        #[arg(value_name = "B")]
        b: PathBuf,
        /// The bound on |a - b| of every stage: ABS + REL * |b|; without it, that of the indexes.
        #[arg(long, value_name = "ABS,REL", value_parser = bound)]
        tol: Option<Bound>,
    },
    /// Derive each stage of a forward pass from the stages before it.
    #[command(after_help = "Examples:
  bp tensor check capture
  bp tensor check capture/index.json --weights model.safetensors

Residual sums, SiLU and its product need no weights. Norms and linear stages
need them, and norms the epsilon that an index states. What is not checkable
says why. Bounds are those of float32 arithmetic in any order.

Exit status: 0 no equation is broken, 1 one is or a file refused, 2 no equation
could be checked")]
    Check {
        /// The capture.
        #[arg(value_name = "CAPTURE")]
        capture: PathBuf,
        /// The weights of the model, under the names that checkpoints of decoders give them.
        #[arg(long, value_name = "FILE.safetensors")]
        weights: Option<PathBuf>,
    },
}

fn bound(text: &str) -> Result<Bound, String> {
    let parts = text.split_once(',').and_then(|(abs, rel)| Some((abs.parse().ok()?, rel.parse().ok()?)));
    parts
        .and_then(|(abs, rel)| Bound::new(abs, rel))
        .ok_or_else(|| "two numbers, neither negative, as in 1e-4,1e-3".to_owned())
}
