//! What is demanded of captured tensors: one row each, the only place where a refusal's code comes from.

use std::fmt;
use std::io;

use crate::law::laws;

/// What breaking a law is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A file, by itself.
    File,
    /// The files of a capture, and what its index says of them.
    Capture,
    /// Two captures that are put side by side.
    Pair,
}

laws! {
    // One file.
    APRT_TRUNCATED File
    "A stage file has a header of twelve bytes."
    "It ends within its header."
    "Capture it again."

    APRT_BAD_MAGIC File
    "A stage file begins with APRT."
    "It is another kind of file."
    "Name a stage file, a .npy file or a .safetensors file by what it is."

    APRT_FOREIGN_LAYOUT File
    "A file that begins with APRT is a stage file."
    "Decision traces and cookbook files begin with the same letters and hold no stage."
    "Capture the stage with a program that writes stage files."

    APRT_SIZE_MISMATCH File
    "A stage file has 12 + 4 * values bytes, no less and no more."
    "It is cut, has something behind its values, or states a number of values that is not its own."
    "Capture it again."

    APRT_EMPTY File
    "A stage has a value."
    "Nothing could be compared."
    "Capture it again."

    APRT_STAGE_UNKNOWN File
    "A file or tensor is named after a stage of the forward pass."
    "Nothing says what it holds."
    "Name it after its stage, as in layer-0/attn_norm.bin."

    APRT_LAYER_MISMATCH File
    "Header, folder and index name one layer, and one that the stage can have."
    "It is the stage of another layer, or of the whole model, than its place says."
    "Put it where it belongs; whole-model stages lie above the folders of layers."

    TENSOR_FILE_REFUSED File
    "A .npy or .safetensors file keeps its format, and holds float16, bfloat16, float32 or float64 in row-major order."
    "Its values cannot be read without guessing."
    "Save it again as the message asks."

    // The index, and the files it lists.
    TENSOR_INDEX_REFUSED Capture
    "An index is strict JSON and keeps its schema."
    "What it says of the files cannot be relied on."
    "Mend the place that the message names; schemas/tensor-index.v1.schema.json has every key."

    TENSOR_DIGEST_MISMATCH Capture
    "A file has the digest that its index states."
    "It was changed, or is left over from another capture."
    "Capture again, and write the index last."

    APRT_SHAPE_MISMATCH Capture
    "The shape in the index has as many values as the file, and is the shape of the stage for the model's dimensions."
    "Values would be held against others that belong elsewhere."
    "State the shape in the order of the axes in the file."

    APRT_NONFINITE Capture
    "Without `nonfinite: allow` every value is finite."
    "A value is NaN or infinite, so the forward pass broke down there."
    "Look at the first place that the message names; state `allow` only where such values are meant."

    APRT_INDEX_INVALID Capture
    "A stage that numbers experts holds whole numbers, each below the number of experts."
    "A number leads to no expert."
    "Capture it again."

    APRT_UNLISTED Capture
    "Every file of the folder is listed in its index."
    "What is left over from another capture could be taken for this one's."
    "Remove the file, or list it."

    APRT_MISSING Capture
    "Every file and tensor that the index lists is there."
    "The capture is not whole."
    "Capture it again, or take the entry out."

    APRT_DUP Capture
    "A stage of a layer is there once, under one name."
    "Two files would answer to one stage; layer_output is another name of post_ffn_residual."
    "Remove one of them."

    // Two captures.
    APRT_INCOMPARABLE Pair
    "Two stages that are compared have one stage, layer, shape, order of axes, scope of tokens and prompt."
    "Positions of one would be held against other positions of the other."
    "Capture both in the same way; a stage of all tokens is not one of the last token."
}

/// A law that is broken, and how: files of tensors that are not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The law.
    pub law: &'static Law,
    /// What is wrong.
    pub said: String,
}

impl Refusal {
    /// A law that is broken.
    #[must_use]
    pub fn new(law: &'static Law, said: impl Into<String>) -> Self {
        Self { law, said: said.into() }
    }

    /// The same, with the file or tensor that it is about.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self { law: self.law, said: format!("{place}: {}", self.said) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.law.code, self.said)
    }
}

impl std::error::Error for Refusal {}

/// Why captured tensors are not judged.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// They break a law.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file cannot be read.
    #[error("{file}: {source}")]
    Io {
        /// Its name.
        file: String,
        /// What the system reports.
        source: io::Error,
    },
}
