//! `tensor-step.v1` as it is written: the serde mirror of its schema, and nothing else.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name of the format.
    pub format: String,
    /// The run that the step is of.
    pub run: String,
    /// Which step, counted from 1.
    pub step: u64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// How the step was computed.
    pub arith: Arith,
    /// Clipping of gradients by their norm.
    pub clip: Option<Clip>,
    /// Where the learning rate comes from.
    pub schedule: Option<Schedule>,
    /// The parameters that were trained.
    pub params: Vec<Param>,
    /// How many parameters the model has, trained or not.
    #[serde(default)]
    pub manifest: Option<Manifest>,
    /// The parameters that were not.
    pub frozen: Frozen,
    /// The modules whose gradients are shown.
    #[serde(default)]
    pub linear: Vec<Linear>,
    /// The file of the tensors.
    pub payload: Payload,
    /// The file of the modules' tensors.
    #[serde(default)]
    pub linear_payload: Option<LinearPayload>,
    /// The digest of the batch, as the trainer defines it.
    #[serde(default)]
    pub batch: Option<Digest>,
    /// Where the step stands in a published tree.
    #[serde(default)]
    pub commit: Option<Commit>,
    /// What wrote the record; free words.
    #[serde(default)]
    pub tool: serde_json::Map<String, serde_json::Value>,
}

/// An optimizer with the settings in force at the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam, with coupled or decoupled weight decay.
    Adam {
        /// Its class, as its framework names it.
        cls: String,
        /// The groups of parameters.
        groups: Vec<AdamGroup>,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Its class, as its framework names it.
        cls: String,
        /// The groups of parameters.
        groups: Vec<SgdGroup>,
    },
}

/// Settings of a group under Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names and switches of the optimizer")]
pub struct AdamGroup {
    pub lr: f64,
    #[serde(default)]
    pub initial_lr: Option<f64>,
    pub weight_decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decoupled: bool,
    pub amsgrad: bool,
    pub maximize: bool,
    #[serde(default)]
    pub foreach: Option<bool>,
    #[serde(default)]
    pub fused: Option<bool>,
    #[serde(default)]
    pub capturable: Option<bool>,
    #[serde(default)]
    pub differentiable: Option<bool>,
}

/// Settings of a group under SGD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the optimizer's")]
pub struct SgdGroup {
    pub lr: f64,
    #[serde(default)]
    pub initial_lr: Option<f64>,
    pub weight_decay: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub nesterov: bool,
    pub maximize: bool,
    #[serde(default)]
    pub foreach: Option<bool>,
    #[serde(default)]
    pub fused: Option<bool>,
    #[serde(default)]
    pub capturable: Option<bool>,
    #[serde(default)]
    pub differentiable: Option<bool>,
}

/// The arithmetic that the step is said to have been computed in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Arith {
    pub profile: Profile,
    #[serde(default)]
    pub scalars: Scalars,
    #[serde(default)]
    pub form: Form,
    #[serde(default)]
    pub div: Div,
    pub ftz: bool,
    pub grad_scale: Option<f64>,
    pub matmul: Matmul,
}

/// A sequence of operations that a step can be replayed in, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// PyTorch's fused kernels on a processor.
    TorchCpuFused,
    /// PyTorch's loops over tensors, whose square root may be the next number.
    TorchCpuMklSqrt,
    /// None: any order of evaluation that the bound covers.
    Bounded,
}

/// What scalars are rounded to before they meet a tensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalars {
    /// Formed in float64.
    #[default]
    F64,
    /// Formed in float32.
    F32,
}

/// How a moving average is formed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `m + (1 - beta)(g - m)`, the weight formed in float64.
    #[default]
    Lerp,
    /// `beta m + (1 - beta) g`, beta held in float32.
    Complement,
}

/// How quotients and roots are rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Div {
    /// To the nearest.
    #[default]
    Ieee,
    /// By an accelerator's approximation.
    Approx,
}

/// What the inputs of a matrix product are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum Matmul {
    Ieee,
    Bf16,
    Tf32,
}

/// Clipping by the norm of all gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the framework's")]
pub struct Clip {
    pub max_norm: f64,
    pub norm_type: f64,
    pub total_norm: f64,
}

/// A schedule of learning rates, and the rates of every step so far.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the framework's")]
pub struct Schedule {
    pub kind: ScheduleKind,
    pub warmup: u64,
    pub total: u64,
    pub base_lr: Vec<f64>,
    pub lr_history: Vec<Vec<f64>>,
}

/// The curve of a schedule after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum ScheduleKind {
    Linear,
    Cosine,
    Constant,
}

/// A parameter that was trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Param {
    pub name: String,
    pub group: usize,
    pub t: u64,
    #[serde(default)]
    pub t_offset: u64,
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    #[serde(default)]
    pub digests: Digests,
}

/// The type of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum Dtype {
    F32,
    Bf16,
}

/// Digests of what a step left, in place of the tensors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Digests {
    #[serde(default)]
    pub p1: Option<Digest>,
    #[serde(default)]
    pub m1: Option<Digest>,
    #[serde(default)]
    pub v1: Option<Digest>,
    #[serde(default)]
    pub b1: Option<Digest>,
}

/// How many tensors a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the name is the format's")]
pub struct Manifest {
    pub count: u64,
}

/// The parameters that were not trained, by the root of their leaves before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Frozen {
    pub count: u64,
    pub root0: Digest,
    pub root1: Digest,
}

/// A linear module whose gradient is shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Linear {
    pub module: String,
    pub weight: String,
    pub micro: u64,
    pub compute: Dtype,
    pub bias: bool,
    pub scaling: Option<f64>,
    #[serde(default)]
    pub lora: Option<Lora>,
}

/// Which of the two matrices of a low-rank adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum Lora {
    A,
    B,
}

/// The file of the tensors, its digest, and that of its leaves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Payload {
    pub file: String,
    pub sha256: Digest,
    pub leaf_root: Digest,
}

/// The file of the modules' tensors, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct LinearPayload {
    pub file: String,
    pub sha256: Digest,
}

/// A place in a published tree of steps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Commit {
    pub root: Digest,
    pub index: u64,
    pub proof: Vec<Digest>,
}
