//! `tensor-index.v1`: what an index says of the stages of a forward pass, which their files do not say.

use serde::Deserialize;

use super::compare::Bound;
use super::law::{APRT_DUP, APRT_LAYER_MISMATCH, APRT_SHAPE_MISMATCH, Refusal, TENSOR_INDEX_REFUSED};
use super::stage::{Dims, Layer, Place, Stage};
use crate::digest::Digest;
use crate::json;
use crate::schema::{self, Schema};

/// The name of an index among the files that it lists.
pub const NAME: &str = "index.json";

/// An index is no longer than this: some hundred thousand stages.
pub const MAX_BYTES: usize = 64 << 20;

/// The index of a capture.
#[derive(Debug, Clone)]
pub struct Index {
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The model.
    pub model: Model,
    /// The prompt.
    pub prompt: Prompt,
    /// What captured.
    pub producer: Producer,
    /// The dimensions of model and prompt.
    pub dims: Dims,
    /// What the forward pass was computed in.
    pub arithmetic: Arithmetic,
    /// The epsilon of the model's norms, where it is stated.
    pub epsilon: Option<f64>,
    /// The stages, each once.
    pub entries: Vec<Entry>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The digest of the file that the weights were read from.
    pub sha256: Digest,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The digest of its token ids.
    pub sha256: Digest,
    /// Its token ids, where they are told.
    #[serde(default)]
    pub token_ids: Option<Vec<u32>>,
}

/// What captured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Its name.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from.
    #[serde(default)]
    pub git_sha: Option<String>,
    /// The kind of machine it ran on.
    #[serde(default)]
    pub host_class: Option<String>,
}

/// What a forward pass was computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Each operation rounded to float32, or more exactly.
    Float32,
    /// Anything else: narrower numbers, matrix units that cut their inputs, quantised weights.
    Other,
}

/// The order of the axes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisOrder {
    /// A row for each token.
    TokenMajor,
    /// A matrix for each head.
    HeadMajor,
}

/// The tokens that a tensor has rows for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Every token of the prompt.
    All,
    /// The last one.
    Last,
}

/// Whether values may be NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinite {
    /// They may not.
    #[default]
    Forbid,
    /// They may.
    Allow,
}

/// One stage of one layer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its file, below the folder of the index.
    pub file: String,
    /// Its name within the file, where that holds several.
    pub tensor: Option<String>,
    /// The digest of the file.
    pub sha256: Digest,
    /// The stage.
    pub place: Place,
    /// How it lies in its file.
    pub form: Form,
    /// Whether its values may be NaN or infinite.
    pub non_finite: NonFinite,
    /// How far it may lie from that of another capture, and why.
    pub bound: Option<(Bound, String)>,
}

/// How the values of a stage lie in their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The shape, row-major.
    pub shape: Vec<u64>,
    /// The order of the axes.
    pub axis_order: AxisOrder,
    /// The tokens.
    pub token_scope: TokenScope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "format")]
    _format: String,
    model: Model,
    prompt: Prompt,
    producer: Producer,
    dims: Dims,
    arithmetic: Arithmetic,
    rms_norm: Option<WireNorm>,
    entries: Vec<WireEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireNorm {
    epsilon: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEntry {
    file: String,
    tensor: Option<String>,
    sha256: Digest,
    stage: String,
    layer: Option<u32>,
    shape: Vec<u64>,
    axis_order: AxisOrder,
    token_scope: TokenScope,
    #[serde(default)]
    nonfinite: NonFinite,
    bound: Option<WireBound>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBound {
    abs: f64,
    rel: f64,
    reason: String,
}

fn refused(said: impl Into<String>) -> Refusal {
    Refusal::new(&TENSOR_INDEX_REFUSED, said)
}

impl Index {
    /// The index that `bytes` hold. What it says of files is not held against them here.
    ///
    /// # Errors
    /// [`TENSOR_INDEX_REFUSED`], and every code for what an index by itself can get wrong: stages, layers, shapes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_BYTES {
            return Err(refused(format!("{} bytes, over {MAX_BYTES}", bytes.len())));
        }
        let value = json::parse(bytes).map_err(|error| refused(error.to_string()))?;
        schema::validate(Schema::TensorIndex, &value).map_err(|violations| {
            let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            refused(all.join("; "))
        })?;
        let wire: Wire = serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        let Wire { model, prompt, producer, dims, arithmetic, rms_norm, entries, .. } = wire;
        prompt.holds(&dims)?;
        let mut read = Vec::<Entry>::with_capacity(entries.len());
        for (at, entry) in entries.into_iter().enumerate() {
            let place = format!("/entries/{at}");
            read.push(Entry::of(entry, &dims).map_err(|refusal| refusal.at(&place))?);
        }
        let mut places: Vec<Place> = read.iter().map(|entry| entry.place).collect();
        places.sort_unstable();
        let twice = places.array_windows::<2>().find(|[one, other]| one == other);
        if let Some([twice, _]) = twice {
            return Err(Refusal::new(&APRT_DUP, format!("{twice} is listed twice")));
        }
        let sha256 = Digest::of(bytes);
        let epsilon = rms_norm.map(|norm| norm.epsilon);
        Ok(Self { sha256, model, prompt, producer, dims, arithmetic, epsilon, entries: read })
    }
}

impl Prompt {
    /// Whether the token ids, where they are told, are as many as the prompt has and have the digest that is stated.
    fn holds(&self, dims: &Dims) -> Result<(), Refusal> {
        let Some(ids) = &self.token_ids else { return Ok(()) };
        if ids.len() as u64 != dims.tokens {
            return Err(refused(format!("{} token ids, and the prompt has {}", ids.len(), dims.tokens)));
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let sha256 = Digest::of(&bytes);
        if sha256 != self.sha256 {
            return Err(refused(format!("the token ids have the digest {sha256}, and the prompt another")));
        }
        Ok(())
    }
}

impl Entry {
    fn of(wire: WireEntry, dims: &Dims) -> Result<Self, Refusal> {
        let stage = Stage::named(&wire.stage)?;
        let place = Place::new(wire.layer.map_or(Layer::WholeModel, Layer::Number), stage)?;
        if let Layer::Number(number) = place.layer
            && number >= dims.layers
        {
            let said = format!("layer {number}, and the model has {}", dims.layers);
            return Err(Refusal::new(&APRT_LAYER_MISMATCH, said));
        }
        if stage.name() == "embedding" && place.layer != Layer::Number(0) {
            return Err(Refusal::new(&APRT_LAYER_MISMATCH, "an embedding is of layer 0"));
        }
        let bound = wire.bound.map(|bound| {
            let checked = Bound::new(bound.abs, bound.rel);
            checked
                .map(|checked| (checked, bound.reason))
                .ok_or_else(|| refused("a bound is finite and not negative"))
        });
        let form = Form { shape: wire.shape, axis_order: wire.axis_order, token_scope: wire.token_scope };
        form.fits(place, dims)?;
        Ok(Self {
            file: wire.file,
            tensor: wire.tensor,
            sha256: wire.sha256,
            place,
            form,
            non_finite: wire.nonfinite,
            bound: bound.transpose()?,
        })
    }
}

impl Form {
    /// How many values the shape has; none where that is beyond any file.
    #[must_use]
    pub fn values(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side))
    }

    /// Holds the shape against that of the stage: a row for each token, where the rows are token-major, and otherwise as
    /// many values.
    fn fits(&self, place: Place, dims: &Dims) -> Result<(), Refusal> {
        let mismatch = |said: String| Err(Refusal::new(&APRT_SHAPE_MISMATCH, format!("{place}: {said}")));
        let Some(values) = self.values() else {
            return mismatch(format!("{:?} is beyond any file", self.shape));
        };
        let Some(width) = place.stage.width(dims) else { return Ok(()) };
        let rows = match self.token_scope {
            TokenScope::All => dims.tokens,
            TokenScope::Last => 1,
        };
        let sides: Vec<u64> = self.shape.iter().copied().skip_while(|side| *side == 1).collect();
        // Heads may be an axis of their own behind that of the tokens.
        let by_rows = rows == 1 || sides.first() == Some(&rows);
        let fits = rows.checked_mul(width) == Some(values)
            && (by_rows || self.axis_order == AxisOrder::HeadMajor || place.stage.is_of_heads());
        if fits {
            return Ok(());
        }
        mismatch(format!("{:?} is not the shape of {rows} tokens of {width} values", self.shape))
    }
}
