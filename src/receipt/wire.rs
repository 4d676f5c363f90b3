//! What receipts and framework sidecars hold on the wire: one mirror of every version.
//!
//! A later version only adds blocks, so later blocks are `Option` here and the schema of each version says which may
//! stand. Integers are read as the schema reads them: any number without a fraction.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use smallvec::SmallVec;

use super::id::{ParamId, SampleId, TraceId, UnitId};

/// A short text, of which a record holds many: without an allocation of its own up to 23 bytes.
pub type Text = smol_str::SmolStr;

pub use super::ordered::Ordered;

/// The factors of a product. Most products have two, and those need no allocation of their own.
pub type Factors = SmallVec<[Factor; 2]>;

/// One training step with every factor named (receipt 0.1.0 and later).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// `0.N.0`.
    pub schema_version: String,
    /// A free label.
    pub fixture: String,
    /// The step's number in its trace, counted from 1.
    #[serde(deserialize_with = "integer")]
    pub step: u64,
    /// Lifecycle labels: claims about the record, never read by a rule before the mathematics.
    pub fixture_status: FixtureStatus,
    /// The foreign framework that computed the step (0.4.0).
    pub source_framework: Option<SourceFramework>,
    /// Who computed, who verified, from which source bytes (0.4.0).
    pub attestor: Option<Attestor>,
    /// Free notes.
    pub metadata: Option<serde_json::Map<String, Value>>,
    /// How numbers are written and compared.
    pub numeric_policy: NumericPolicy,
    /// Whether biases learn.
    pub bias_policy: BiasPolicy,
    /// Layers, units, parameters, activations and loss.
    pub topology: Topology,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// Optimizer hyper-parameters (0.5.0).
    pub optimizer_config: Option<OptimizerConfig>,
    /// The trace that the step belongs to (0.2.0).
    pub trace_id: Option<TraceId>,
    /// The step's place in its trace, counted from 0 (0.2.0).
    #[serde(default, deserialize_with = "optional_integer")]
    pub step_index: Option<u64>,
    /// Batch size, order and reduction (0.4.0).
    pub batch: Option<Batch>,
    /// Input value per input unit.
    pub inputs: Ordered<UnitId, f64>,
    /// Target value per output unit.
    pub targets: Ordered<UnitId, f64>,
    /// Parameters before the update.
    pub parameters_before: Ordered<ParamId, f64>,
    /// Per-sample passes of a batch (0.4.0).
    pub per_sample: Option<Ordered<SampleId, Sample>>,
    /// Forward pass per hidden and output unit.
    pub forward: Ordered<UnitId, Unit>,
    /// Loss per output and in total.
    pub loss: Loss,
    /// Error signals of both layers.
    pub backward: Backward,
    /// One entry per parameter that learns.
    pub updates: Vec<Update>,
    /// Parameters after the update.
    pub parameters_after: Ordered<ParamId, f64>,
    /// The forward pass with the new parameters.
    pub post_update_forward: Option<PostUpdateForward>,
    /// The loss with the new parameters.
    pub post_update_loss: Option<PostUpdateLoss>,
    /// Accepted by 0.1.0 and without meaning there.
    pub unit_order: Option<Value>,
    /// Accepted by 0.1.0 and without meaning there.
    pub parameter_order: Option<Value>,
}

/// One training step as a framework recorded it (framework-trace 0.1.0 and later).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// `framework-trace.v0.N.0`.
    pub format: String,
    /// The framework that computed the step.
    pub source_framework: SourceFramework,
    /// What recorded it (0.7.0). Never evidence.
    pub helper: Option<Value>,
    /// As in a receipt.
    pub topology: Topology,
    /// As in a receipt.
    pub learning_rate: f64,
    /// As in a receipt; a default applies when absent.
    pub numeric_policy: Option<NumericPolicy>,
    /// As in a receipt; worked out from the parameters when absent.
    pub bias_policy: Option<BiasPolicy>,
    /// The optimizer (0.4.0).
    pub optimizer: Option<OptimizerConfig>,
    /// As in a receipt (0.2.0).
    pub trace_id: Option<TraceId>,
    /// As in a receipt (0.2.0).
    #[serde(default, deserialize_with = "optional_integer")]
    pub step_index: Option<u64>,
    /// As in a receipt (0.3.0).
    pub batch: Option<Batch>,
    /// As in a receipt (0.3.0).
    pub per_sample: Option<Ordered<SampleId, Sample>>,
    /// As in a receipt.
    pub inputs: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub targets: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub parameters_before: Ordered<ParamId, f64>,
    /// As in a receipt.
    pub forward: Ordered<UnitId, Unit>,
    /// As in a receipt.
    pub loss: Loss,
    /// As in a receipt.
    pub backward: Backward,
    /// As in a receipt.
    pub updates: Vec<Update>,
    /// As in a receipt.
    pub parameters_after: Ordered<ParamId, f64>,
    /// As in a receipt.
    pub post_update_forward: Option<PostUpdateForward>,
    /// As in a receipt.
    pub post_update_loss: Option<PostUpdateLoss>,
}

/// Lifecycle labels of a record.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureStatus {
    /// Who wrote the record.
    pub authoring_state: String,
    /// What the record says a verifier found.
    pub verification_state: String,
    /// Whether the record says it is canonical.
    pub canonical: bool,
    /// A note.
    pub promote_to: Option<String>,
    /// A note.
    pub describes_in: Option<String>,
    /// Notes.
    pub blockers_to_promotion: Option<Vec<String>>,
}

/// A framework and the tool that read from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFramework {
    /// `pytorch`, `jax`, `tensorflow`, `hand_derived` or `backprop_trace_engine`.
    pub name: String,
    /// The framework's version.
    pub version: String,
    /// Where to read about it.
    pub information_uri: Option<String>,
    /// What read the step out of the framework.
    pub extractor: Option<Extractor>,
}

/// A tool, by name and version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extractor {
    /// The tool's name.
    pub name: String,
    /// The tool's version.
    pub version: String,
}

/// Who stands for an imported record, and for which source bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestor {
    /// Who computed the step.
    pub computed_by: Identity,
    /// Who says it was verified.
    pub verified_by: Identity,
    /// How far a recomputation may lie off, declared by the record; clamped by the judge.
    pub differential_tolerance: WireTolerance,
    /// The source bytes of the import.
    pub import_provenance: Option<ImportProvenance>,
    /// Why the record says a recomputation was skipped.
    pub skip_basis: Option<String>,
    /// SHA-256 over this record's canonical bytes without this field (rule 16).
    pub signed_subject_digest: Option<String>,
    /// SHA-256 over a trace's canonical bytes without this field (rule 17).
    pub bundle_root_digest: Option<String>,
}

/// A role's holder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `framework`, `engine` or `hand_derivation`.
    pub kind: String,
    /// A name and a version.
    pub identity: String,
}

/// The source of an import.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportProvenance {
    /// The sidecar's format.
    pub source_format: String,
    /// `sha256:` and the digest of the sidecar's text.
    pub source_hash: String,
    /// When the import was made.
    pub import_timestamp: Option<String>,
}

/// How numbers are written and compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericPolicy {
    /// `decimal`.
    pub number_encoding: String,
    /// Significant digits of every number.
    #[serde(deserialize_with = "integer")]
    pub precision_significant_digits: u64,
    /// `round_half_to_even`.
    pub rounding: String,
    /// The tolerance that the record declares.
    pub tolerance: PolicyTolerance,
    /// `schema_defined`.
    pub computation_order: Option<String>,
    /// Layout of the canonical bytes.
    pub byte_output: Option<ByteOutput>,
}

impl NumericPolicy {
    /// This policy with the layout in full, as canonical bytes have it, where it is stated in part.
    #[must_use]
    pub fn with_whole_layout(self) -> Self {
        if self.computation_order.is_none() && self.byte_output.is_none() {
            return self;
        }
        let text = |text: &str| Some(text.to_owned());
        Self {
            computation_order: text("schema_defined"),
            byte_output: Some(ByteOutput {
                format: text("jsonl"),
                json_key_order: text("schema_defined"),
                trailing_zero_policy: text("pad_to_significant_digits"),
                indent: text("none"),
            }),
            ..self
        }
    }
}

/// Layout of the canonical bytes; every value is a constant of the format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteOutput {
    /// `jsonl`.
    pub format: Option<String>,
    /// `schema_defined`.
    pub json_key_order: Option<String>,
    /// `pad_to_significant_digits`.
    pub trailing_zero_policy: Option<String>,
    /// `none`.
    pub indent: Option<String>,
}

/// A declared tolerance: one absolute number, or both parts (0.2.0).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum PolicyTolerance {
    /// Absolute only.
    Absolute(f64),
    /// Absolute and relative.
    Hybrid(WireTolerance),
}

/// An absolute and a relative part.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireTolerance {
    /// Absolute.
    pub atol: f64,
    /// Relative to the larger magnitude.
    pub rtol: f64,
}

/// Whether biases learn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasPolicy {
    /// Constant, or updated by the optimizer.
    pub mode: BiasMode,
    /// A note.
    pub reason: Option<String>,
    /// Whether this step updated them.
    pub updated_in_step: bool,
    /// A note.
    pub reconciliation: Option<String>,
}

/// Whether biases learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BiasMode {
    /// They stay as they are.
    Constant,
    /// They are updated like weights.
    Sgd,
}

/// Layers, units, parameters, activations and loss.
///
/// 0.1.0 has `activation` and fixed names; later versions have everything else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// `["input", "hidden", "output"]`.
    pub layers: Vec<String>,
    /// Number of inputs.
    #[serde(deserialize_with = "integer")]
    pub input_size: u64,
    /// Number of hidden units.
    #[serde(deserialize_with = "integer")]
    pub hidden_size: u64,
    /// Number of outputs.
    #[serde(deserialize_with = "integer")]
    pub output_size: u64,
    /// Activation of both layers (0.1.0 only).
    pub activation: Option<Activation>,
    /// Names of the units, layer by layer (0.2.0).
    pub unit_order: Option<UnitOrder>,
    /// Names of the parameters (0.2.0).
    pub parameter_order: Option<Vec<ParamId>>,
    /// What each parameter connects (0.2.0).
    pub parameters: Option<Vec<Parameter>>,
    /// Activation of the hidden layer (0.2.0).
    pub activation_hidden: Option<Activation>,
    /// Activation of the output layer (0.2.0).
    pub activation_output: Option<Activation>,
    /// The loss.
    pub loss: LossKind,
    /// One bias per layer, or one per unit.
    pub bias_sharing: Option<BiasSharing>,
}

/// Names of the units, layer by layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitOrder {
    /// Inputs.
    pub input: Vec<UnitId>,
    /// Hidden units.
    pub hidden: Vec<UnitId>,
    /// Outputs.
    pub output: Vec<UnitId>,
}

/// What a parameter connects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub id: ParamId,
    /// Its place.
    pub role: Role,
    /// Where a weight comes from.
    pub from_unit: Option<UnitId>,
    /// Where a weight leads.
    pub to_unit: Option<UnitId>,
    /// Which units a bias is added to.
    pub applies_to_units: Option<Vec<UnitId>>,
}

/// The place of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A weight from an input to a hidden unit.
    InputToHiddenWeight,
    /// A weight from a hidden unit to an output.
    HiddenToOutputWeight,
    /// A bias of the hidden layer.
    HiddenBias,
    /// A bias of the output layer.
    OutputBias,
}

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x.
    Identity,
    /// max(x, 0).
    Relu,
    /// e^x over the sum of the layer (0.3.0, output layer).
    Softmax,
}

/// A loss function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// (t - y)^2 / 2 per output.
    HalfSquaredError,
    /// -t ln p per output, over a softmax (0.3.0).
    CrossEntropySoftmax,
}

/// How biases are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasSharing {
    /// One bias for all units of a layer.
    PerLayer,
    /// One bias for each unit.
    PerNeuron,
}

/// Optimizer hyper-parameters (0.5.0; in sidecars, framework-trace 0.4.0).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which optimizer.
    pub name: Optimizer,
    /// Its learning rate.
    pub learning_rate: f64,
    /// First-moment decay of Adam.
    pub beta1: Option<f64>,
    /// Second-moment decay of Adam.
    pub beta2: Option<f64>,
    /// Term added outside the square root of Adam.
    pub epsilon: Option<f64>,
    /// Weight decay: decoupled for `AdamW`, coupled (L2) for SGD.
    pub weight_decay: Option<f64>,
    /// Adam's time step, counted from 1.
    #[serde(default, deserialize_with = "optional_integer")]
    pub t: Option<u64>,
    /// Momentum coefficient.
    pub momentum: Option<f64>,
    /// Nesterov look-ahead.
    pub nesterov: Option<bool>,
    /// Dampening of the gradient in the momentum buffer.
    pub dampening: Option<f64>,
}

/// An optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd,
    /// SGD with a momentum buffer (0.6.0).
    SgdMomentum,
    /// Adam (0.5.0).
    Adam,
    /// Adam with decoupled weight decay (0.5.0).
    Adamw,
}

/// A batch (0.4.0; in sidecars, framework-trace 0.3.0).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Number of samples.
    #[serde(deserialize_with = "integer")]
    pub size: u64,
    /// The samples' names in the order of reduction.
    pub sample_order: Vec<SampleId>,
    /// How gradients and losses are combined.
    pub reduction: String,
}

/// One sample of a batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// As in a receipt.
    pub inputs: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub targets: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub forward: Ordered<UnitId, Unit>,
    /// As in a receipt.
    pub loss: Loss,
}

/// A unit's input and output in a forward pass.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Weighted sum plus bias.
    pub net: f64,
    /// Activation of `net`.
    pub out: f64,
}

/// Loss per output and in total.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Each output's part.
    pub per_output: Ordered<UnitId, f64>,
    /// Each sample's total (0.4.0).
    pub per_sample: Option<Ordered<SampleId, f64>>,
    /// How samples are combined (0.4.0).
    pub reduction: Option<String>,
    /// The sum.
    pub total: f64,
}

/// Error signals of both layers, in descent direction: minus the derivative of the loss with respect to `net`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backward {
    /// Per output.
    pub output_error_signals: Ordered<UnitId, OutputSignal>,
    /// Per hidden unit.
    pub hidden_error_signals: Ordered<UnitId, HiddenSignal>,
}

/// The error signal of an output.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSignal {
    /// What it is the product of.
    pub factors: Factors,
    /// `left_to_right`.
    pub product_order: Text,
    /// The product.
    pub signal_value: f64,
    /// The same value through the softmax Jacobian (0.3.0).
    pub dual_form: Option<DualForm>,
}

/// The softmax error signal as a sum over the Jacobian.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DualForm {
    /// One term per output.
    pub jacobian_terms: Vec<JacobianTerm>,
    /// `left_to_right`.
    pub product_order: Text,
    /// The order of the sum.
    pub summation_order: Vec<UnitId>,
    /// The sum.
    pub summed_value: f64,
}

/// One term of the sum.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JacobianTerm {
    /// The output j.
    pub target_unit: UnitId,
    /// `y_j` and (1 if j = u, else 0) - `p_u`.
    pub factors: Factors,
    /// Their product.
    pub term_value: f64,
}

/// The error signal of a hidden unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenSignal {
    /// What each output sends back.
    pub downstream_contributions: Vec<Contribution>,
    /// The order of the sum.
    pub summation_order: Vec<UnitId>,
    /// The sum.
    pub backpropagated_sum: f64,
    /// The derivative of the activation, from the unit's output.
    pub activation_derivative: f64,
    /// `left_to_right`.
    pub product_order: Text,
    /// Sum times derivative.
    pub signal_value: f64,
}

/// What one output sends back to a hidden unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// The output.
    pub from: UnitId,
    /// Its error signal.
    pub downstream_signal: f64,
    /// The weight between them.
    pub via_weight: ParamId,
    /// The weight's value before the update.
    pub weight_value: f64,
    /// Signal times weight.
    pub value: f64,
}

/// A factor of a product.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// What it is.
    pub name: Text,
    /// The place in the record that it is copied from.
    pub from: Option<Text>,
    /// Its value.
    pub value: f64,
}

/// One parameter's update.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Which parameter.
    pub parameter_id: ParamId,
    /// Weight or bias.
    pub kind: Kind,
    /// Which layers it connects.
    pub layer_edge: Option<Text>,
    /// Its place in words.
    pub parameter_role: Option<Text>,
    /// Where it comes from.
    pub from_unit: Option<UnitId>,
    /// Where it leads.
    pub to_unit: Option<UnitId>,
    /// Its value before.
    pub weight_before: f64,
    /// The optimizer's part.
    pub optimizer: UpdateOptimizer,
    /// The gradient in descent direction.
    pub gradient: f64,
    /// What is added.
    pub update: f64,
    /// Its value after.
    pub weight_after: f64,
}

/// Weight or bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A weight.
    Weight,
    /// A bias.
    Bias,
}

/// The optimizer's part of an update.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateOptimizer {
    /// Which optimizer.
    pub name: Optimizer,
    /// The learning rate of this update.
    pub learning_rate: f64,
    /// What the gradient is the product of.
    pub factors: Factors,
    /// `left_to_right`.
    pub product_order: Text,
    /// Optimizer state before (0.5.0).
    pub state_before: Option<OptimizerState>,
    /// Optimizer state after (0.5.0).
    pub state_after: Option<OptimizerState>,
}

/// Optimizer state of one parameter.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum OptimizerState {
    /// First and second moment of Adam.
    Adam {
        /// First moment.
        m: f64,
        /// Second moment.
        v: f64,
    },
    /// Momentum buffer (0.6.0).
    Momentum {
        /// The buffer.
        buffer: f64,
    },
}

/// The forward pass with the new parameters; the units stand beside `status`.
#[derive(Debug, Clone, Deserialize)]
pub struct PostUpdateForward {
    /// `filled`, or `pending_engine_first_run`.
    pub status: String,
    /// A note.
    pub required_before_promotion: Option<bool>,
    /// Notes.
    pub fields_required: Option<Vec<String>>,
    /// A note.
    pub fill_specification: Option<String>,
    /// A note.
    pub note: Option<String>,
    /// The units.
    #[serde(flatten)]
    pub units: Ordered<UnitId, Unit>,
}

/// The loss with the new parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostUpdateLoss {
    /// `filled`, or `pending_engine_first_run`.
    pub status: String,
    /// A note.
    pub required_before_promotion: Option<bool>,
    /// Notes.
    pub fields_required: Option<Vec<String>>,
    /// A note.
    pub fill_specification: Option<String>,
    /// A published value and how far off it may lie; not evidence.
    pub drift_check_against_published: Option<Value>,
    /// A note.
    pub note: Option<String>,
    /// Each output's part.
    pub per_output: Option<Ordered<UnitId, f64>>,
    /// The sum.
    pub total: Option<f64>,
}

/// A whole number as JSON Schema understands it: `1`, `1.0` and `1e0` are one.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    whole(&serde_json::Number::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom("a whole number below 2^53 expected"))
}

fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::<serde_json::Number>::deserialize(deserializer)?
        .map(|number| whole(&number).ok_or_else(|| D::Error::custom("a whole number below 2^53 expected")))
        .transpose()
}

fn whole(number: &serde_json::Number) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let value = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range and without a fraction"
    )]
    (value.fract().abs() <= 0.0 && (0.0..LIMIT).contains(&value)).then_some(value as u64)
}

/// What a step is authored from (topology-input 0.4.0; built-in seeds may also use a softmax and the names of 0.1.0).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyInput {
    /// The schema's address; without meaning.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// A free label.
    pub fixture: Option<String>,
    /// Free notes.
    pub metadata: Option<serde_json::Map<String, Value>>,
    /// As in a receipt.
    pub numeric_policy: NumericPolicy,
    /// As in a receipt.
    pub bias_policy: BiasPolicy,
    /// As in a receipt.
    pub topology: Topology,
    /// As in a receipt.
    pub learning_rate: f64,
    /// As in a receipt.
    pub trace_id: Option<TraceId>,
    /// As in a receipt.
    #[serde(default, deserialize_with = "optional_integer")]
    pub step_index: Option<u64>,
    /// As in a receipt.
    pub inputs: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub targets: Ordered<UnitId, f64>,
    /// As in a receipt.
    pub parameters_before: Ordered<ParamId, f64>,
}
