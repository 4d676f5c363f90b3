//! Stages of a forward pass: their names, their order, where they lie and how many values they have.

use std::fmt;

use super::law::{APRT_LAYER_MISMATCH, APRT_STAGE_UNKNOWN, Refusal};

/// Which part of the model a stage belongs to. The order is that of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// One layer, from 0.
    Number(u32),
    /// All of it.
    WholeModel,
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

/// A stage of the forward pass. The order is that of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stage(u8);

impl Stage {
    /// The stage of that name; `layer_output` is another name of `post_ffn_residual`.
    ///
    /// # Errors
    /// [`APRT_STAGE_UNKNOWN`].
    pub fn named(name: &str) -> Result<Self, Refusal> {
        let known = if name == "layer_output" { "post_ffn_residual" } else { name };
        (0_u8..).zip(STAGES).find(|(_, stage)| *stage == known).map(|(at, _)| Self(at)).ok_or_else(|| {
            let said = format!(
                "{name:?} is no stage; a stage is named as in layer-0/attn_norm.bin or final_norm.bin"
            );
            Refusal::new(&APRT_STAGE_UNKNOWN, said)
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        STAGES[self.0 as usize]
    }

    /// Whether its values number experts: they are equal or they are not, and distances between them mean nothing.
    #[must_use]
    pub fn is_index(self) -> bool {
        self.name() == "moe_router_indices"
    }

    /// Whether it is of the whole model and of no layer.
    #[must_use]
    pub fn is_whole_model(self) -> bool {
        matches!(self.name(), "final_norm" | "lm_head")
    }

    /// Whether it is a matrix over pairs of tokens for each head, so that no row is a token's alone.
    #[must_use]
    pub fn is_of_heads(self) -> bool {
        matches!(self.name(), "attn_scores" | "attn_softmax")
    }

    /// The length of a row of one token, where each token has one row; none where the dimensions do not say.
    #[must_use]
    pub fn width(self, dims: &Dims) -> Option<u64> {
        let queries = dims.queries.unwrap_or(dims.hidden);
        match self.name() {
            "qkv_matmul" | "qkv_bias" => dims.kv?.checked_mul(2)?.checked_add(queries),
            "q_post_rope" | "attention" => Some(queries),
            "k_post_rope" => dims.kv,
            "ffn_gate" | "ffn_up" | "ffn_silu" | "ffn_swigl" => dims.intermediate,
            "attn_scores" | "attn_softmax" => dims.heads?.checked_mul(dims.tokens),
            "moe_router" => dims.experts,
            "moe_router_indices" => dims.experts_per_token,
            "lm_head" => dims.vocab,
            _ => Some(dims.hidden),
        }
    }
}

/// The dimensions of a model and a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dims {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Layers.
    pub layers: u32,
    /// Width of all queries; that of the residual stream unless it is stated.
    #[serde(default)]
    pub queries: Option<u64>,
    /// Width of all keys, which is that of all values.
    #[serde(default)]
    pub kv: Option<u64>,
    /// Heads of attention.
    #[serde(default)]
    pub heads: Option<u64>,
    /// Width within a feed-forward block.
    #[serde(default)]
    pub intermediate: Option<u64>,
    /// Tokens that the model knows.
    #[serde(default)]
    pub vocab: Option<u64>,
    /// Experts of a layer.
    #[serde(default)]
    pub experts: Option<u64>,
    /// Experts that a token is sent to.
    #[serde(default)]
    pub experts_per_token: Option<u64>,
}

impl Dims {
    /// Whether both can be of one model and prompt: what both state is the same.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let of = |dims: &Self| {
            let Self { queries, kv, heads, intermediate, vocab, experts, experts_per_token, .. } = *dims;
            [queries, kv, heads, intermediate, vocab, experts, experts_per_token]
        };
        let stated =
            |(one, other): (Option<u64>, Option<u64>)| one.zip(other).is_none_or(|(one, other)| one == other);
        (self.tokens, self.hidden, self.layers) == (other.tokens, other.hidden, other.layers)
            && of(self).into_iter().zip(of(other)).all(stated)
    }
}

/// A stage of a layer. The order is that of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The layer.
    pub layer: Layer,
    /// The stage.
    pub stage: Stage,
}

impl Place {
    /// A stage in a layer.
    ///
    /// # Errors
    /// [`APRT_LAYER_MISMATCH`] for a stage of the whole model in a layer, and for one of a layer in none.
    pub fn new(layer: Layer, stage: Stage) -> Result<Self, Refusal> {
        if (layer == Layer::WholeModel) == stage.is_whole_model() {
            return Ok(Self { layer, stage });
        }
        let belongs = if stage.is_whole_model() { "the whole model" } else { "a layer" };
        Err(Refusal::new(
            &APRT_LAYER_MISMATCH,
            format!("{} is of {belongs}, and not of {layer}", stage.name()),
        ))
    }

    /// The place that a path without its extension names: `layer-N/STAGE`, or `STAGE`. Folders above do not matter. None
    /// for the layer where no folder names one.
    ///
    /// # Errors
    /// [`APRT_STAGE_UNKNOWN`]; [`APRT_LAYER_MISMATCH`] for a folder whose number is none.
    pub fn of_path(path: &str) -> Result<(Option<u32>, Stage), Refusal> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stage = Stage::named(name)?;
        let Some(number) = folder.rsplit('/').next().and_then(|folder| folder.strip_prefix("layer-")) else {
            return Ok((None, stage));
        };
        // One spelling: layer-01 is not layer-1.
        let parsed = number.parse::<u32>().ok().filter(|parsed| parsed.to_string() == number);
        let refused = || Refusal::new(&APRT_LAYER_MISMATCH, format!("{folder:?} names no layer"));
        parsed.map(|parsed| (Some(parsed), stage)).ok_or_else(refused)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Layer::WholeModel => formatter.write_str(self.stage.name()),
            Layer::Number(number) => write!(formatter, "layer-{number}/{}", self.stage.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_stage_and_layer_in_one_spelling() {
        let of = |path: &str| Place::of_path(path).map_err(|refusal| refusal.law.code);
        let stage = |name| Stage::named(name).unwrap();
        assert_eq!(of("layer-0/attn_norm"), Ok((Some(0), stage("attn_norm"))));
        assert_eq!(of("a/layer-12/layer_output"), Ok((Some(12), stage("post_ffn_residual"))));
        assert_eq!(of("captures/lm_head"), Ok((None, stage("lm_head"))));
        assert_eq!(of("layer-01/attn_norm"), Err("APRT_LAYER_MISMATCH"));
        assert_eq!(of("layer-x/attn_norm"), Err("APRT_LAYER_MISMATCH"));
        assert_eq!(of("layer-0/ffn_swiglu"), Err("APRT_STAGE_UNKNOWN"));
        assert!(Place::new(Layer::Number(0), stage("lm_head")).is_err());
        assert!(Place::new(Layer::WholeModel, stage("embedding")).is_err());
    }

    #[test]
    fn places_are_ordered_as_the_forward_pass_is() {
        let place = |layer, name| Place::new(layer, Stage::named(name).unwrap()).unwrap();
        let ordered = [
            place(Layer::Number(0), "embedding"),
            place(Layer::Number(0), "post_ffn_residual"),
            place(Layer::Number(1), "attn_norm"),
            place(Layer::Number(10), "attn_norm"),
            place(Layer::WholeModel, "final_norm"),
            place(Layer::WholeModel, "lm_head"),
        ];
        assert!(ordered.is_sorted());
        let told: Vec<String> = ordered.iter().map(ToString::to_string).collect();
        assert_eq!(told[1..3], ["layer-0/post_ffn_residual", "layer-1/attn_norm"]);
        assert_eq!(told[5], "lm_head");
    }
}
