//! Stage files: what one stage of a forward pass computed, as `apr trace --save-tensor` writes it.
//!
//! ```text
//! "APRT" | u32 layer, 0xffffffff for the whole model | u32 number of values | values: f32          all little endian
//! ```
//! The file has no version, type, shape or name of its own: the stage is the name of the file, and other layouts begin
//! with the same four letters. The exact equation of its size, `12 + 4 * values`, is what tells them apart, and it is
//! asked before anything is allocated.

use std::fmt;

/// Bytes before the values.
pub const HEADER_BYTES: usize = 12;

const MAGIC: [u8; 4] = *b"APRT";
const WHOLE_MODEL: u32 = u32::MAX;

/// Why a file is not a stage of a forward pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It ends within its header.
    #[error("APRT_TRUNCATED: {0} bytes, and a header has 12")]
    Truncated(u64),
    /// It begins with other letters.
    #[error("APRT_BAD_MAGIC: it does not begin with APRT")]
    BadMagic,
    /// Another format that begins with the same letters.
    #[error(
        "APRT_FOREIGN_LAYOUT: a decision trace or a cookbook file, which share the magic and hold no stage"
    )]
    Foreign,
    /// It is longer or shorter than its header states.
    #[error(
        "APRT_SIZE_MISMATCH: the header states {values} values, {stated} bytes, and the file has {size_bytes}"
    )]
    Size {
        /// Values by the header.
        values: u32,
        /// Bytes by the header.
        stated: u64,
        /// Bytes of the file.
        size_bytes: u64,
    },
    /// It has no value, so nothing could be compared.
    #[error("APRT_EMPTY: it holds no value")]
    Empty,
    /// No stage has its name.
    #[error(
        "APRT_STAGE_UNKNOWN: {0:?} is no stage; a stage file is named after its stage, as in attn_norm.bin"
    )]
    StageUnknown(String),
    /// Its layer is not that of its folder, or not one that its stage can have.
    #[error("APRT_LAYER_MISMATCH: the header states {stated}, and its place asks for {asked}")]
    Layer {
        /// The layer by the header.
        stated: Layer,
        /// What the stage or the folder asks for.
        asked: String,
    },
}

/// Which part of the model a stage belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// All of it.
    WholeModel,
    /// One layer, from 0.
    Number(u32),
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeModel => formatter.write_str("whole-model"),
            Self::Number(number) => write!(formatter, "layer {number}"),
        }
    }
}

/// The stages, in the order of the forward pass.
const STAGES: [&str; 23] = [
    "embedding",
    "attn_norm",
    "qkv_matmul",
    "qkv_bias",
    "q_post_rope",
    "k_post_rope",
    "attn_scores",
    "attn_softmax",
    "attention",
    "attn_out",
    "post_attn_residual",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_silu",
    "ffn_swigl",
    "ffn_out",
    "moe_router",
    "moe_router_indices",
    "moe_ffn_out",
    "post_ffn_residual",
    "final_norm",
    "lm_head",
];

/// A stage of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage(&'static str);

impl Stage {
    /// The stage of that name; `layer_output` is another name of `post_ffn_residual`.
    ///
    /// # Errors
    /// [`Refusal::StageUnknown`].
    pub fn named(name: &str) -> Result<Self, Refusal> {
        let name = if name == "layer_output" { "post_ffn_residual" } else { name };
        let stage = STAGES.into_iter().find(|stage| *stage == name);
        stage.map(Self).ok_or_else(|| Refusal::StageUnknown(name.to_owned()))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether its values number experts: they are equal or they are not, and distances between them mean nothing.
    #[must_use]
    pub fn is_index(self) -> bool {
        self.0 == "moe_router_indices"
    }

    fn is_whole_model(self) -> bool {
        matches!(self.0, "final_norm" | "lm_head")
    }
}

/// What the header of a stage file states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The layer.
    pub layer: Layer,
    /// How many values follow; never 0.
    pub values: u32,
}

impl Header {
    /// The header of a file of `size_bytes`, from its first bytes: twelve, or all when it has fewer.
    ///
    /// # Errors
    /// [`Refusal`] when the file is not one stage, whole and no more.
    pub fn read(size_bytes: u64, first: &[u8]) -> Result<Self, Refusal> {
        let Some(head) = first.first_chunk::<HEADER_BYTES>() else {
            return Err(Refusal::Truncated(size_bytes));
        };
        let [m0, m1, m2, m3, l0, l1, l2, l3, n0, n1, n2, n3] = *head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Refusal::BadMagic);
        }
        let values = u32::from_le_bytes([n0, n1, n2, n3]);
        let stated = HEADER_BYTES as u64 + 4 * u64::from(values);
        if stated != size_bytes {
            return Err(match (l0, l2, l3) {
                (1, 0, 0) => Refusal::Foreign,
                _ => Refusal::Size { values, stated, size_bytes },
            });
        }
        if values == 0 {
            return Err(Refusal::Empty);
        }
        let layer = match u32::from_le_bytes([l0, l1, l2, l3]) {
            WHOLE_MODEL => Layer::WholeModel,
            number => Layer::Number(number),
        };
        Ok(Self { layer, values })
    }

    /// Holds the layer against the stage, and against the folder that the file lies in when that is named `layer-N`.
    ///
    /// # Errors
    /// [`Refusal::Layer`].
    pub fn lies(self, stage: Stage, folder: Option<&str>) -> Result<(), Refusal> {
        let folder = folder.filter(|folder| folder.starts_with("layer-"));
        let asked = match (self.layer, folder) {
            (Layer::Number(_), _) if stage.is_whole_model() => "whole-model".to_owned(),
            (Layer::WholeModel, _) if !stage.is_whole_model() => "a layer".to_owned(),
            (Layer::Number(number), Some(folder)) if folder != format!("layer-{number}") => folder.to_owned(),
            (Layer::WholeModel, Some(_)) => "the folder above its layers".to_owned(),
            _ => return Ok(()),
        };
        Err(Refusal::Layer { stated: self.layer, asked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Header, Refusal> {
        Header::read(bytes.len() as u64, bytes)
    }

    fn head(layer: u32, values: u32) -> Vec<u8> {
        [&b"APRT"[..], &layer.to_le_bytes(), &values.to_le_bytes()].concat()
    }

    #[test]
    fn a_file_is_one_stage_whole_and_no_more() {
        let whole = [head(3, 2), vec![0; 8]].concat();
        assert_eq!(read(&whole), Ok(Header { layer: Layer::Number(3), values: 2 }));
        let size = |values, size_bytes| {
            let stated = 12 + 4 * u64::from(values);
            Err(Refusal::Size { values, stated, size_bytes })
        };
        assert_eq!(read(&whole[..19]), size(2, 19));
        assert_eq!(read(&[whole.clone(), vec![0]].concat()), size(2, 21));
        assert_eq!(read(&head(0, u32::MAX)), size(u32::MAX, 12));
        assert_eq!(read(&whole[..11]), Err(Refusal::Truncated(11)));
        assert_eq!(read(&[0; 12]), Err(Refusal::BadMagic));
        assert_eq!(read(&head(0, 0)), Err(Refusal::Empty));
        // A decision trace: version 1, a type of path. A cookbook file: type 1, rank 2, two sides.
        assert_eq!(read(&[&b"APRT\x01\x02\0\0"[..], &[7; 30]].concat()), Err(Refusal::Foreign));
        let cookbook =
            [&b"APRT\x01\x02\0\0"[..], &2_u32.to_le_bytes(), &1_u32.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(read(&cookbook), Err(Refusal::Foreign));
        // Layer 1 of a sound file looks like either, and its size says that it is neither.
        assert!(read(&[head(1, 1), vec![0; 4]].concat()).is_ok());
    }

    #[test]
    fn a_stage_lies_where_its_layer_says() {
        let lies = |stage: &str, layer, folder| {
            Header { layer, values: 1 }.lies(Stage::named(stage).unwrap(), folder).is_ok()
        };
        assert!(lies("attn_norm", Layer::Number(0), Some("layer-0")));
        assert!(lies("layer_output", Layer::Number(0), Some("captures")));
        assert!(lies("lm_head", Layer::WholeModel, Some("captures")));
        assert!(!lies("attn_norm", Layer::Number(0), Some("layer-1")));
        assert!(!lies("attn_norm", Layer::Number(0), Some("layer-00")));
        assert!(!lies("attn_norm", Layer::WholeModel, None));
        assert!(!lies("lm_head", Layer::Number(0), None));
        assert!(!lies("lm_head", Layer::WholeModel, Some("layer-0")));
        assert_eq!(Stage::named("ffn_swiglu"), Err(Refusal::StageUnknown("ffn_swiglu".to_owned())));
    }
}
