//! A record that can be judged, and every reason why one cannot.

use std::collections::BTreeSet;
use std::io;

use super::wire::{self, Arith, Clip, Commit, Dtype, Frozen, Linear, Matmul, Optimizer, Profile, Scalars};
use crate::digest::Digest;
use crate::json::{self, JsonError};
use crate::schema::{self, Schema, Violation};

/// Optimizers whose arithmetic is the one that the rules derive.
const CLASSES: &[&str] = &[
    "torch.optim.Adam",
    "torch.optim.AdamW",
    "torch.optim.SGD",
    "torch.optim.adam.Adam",
    "torch.optim.adamw.AdamW",
    "torch.optim.sgd.SGD",
    "transformers.optimization.AdamW",
    "optax.adam",
    "optax.adamw",
    "optax.sgd",
];

/// Timesteps beyond this are not exact in float32, where optimizers keep them.
const MAX_TIMESTEP: u64 = 1 << 24;

/// Why a record, or what it leads to, is not judged. None of these is ever a pass.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not strict JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// It breaks its schema.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Schema(Vec<Violation>),
    /// It says what no rule here derives, or what cannot be.
    #[error("{at}: {reason}")]
    Record {
        /// Where in the record.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A payload that breaks its format or does not fit its record.
    #[error("{file}: {reason}")]
    Payload {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A payload that could not be read.
    #[error("{file}: {source}")]
    Io {
        /// Its name.
        file: String,
        /// What the system reports.
        source: io::Error,
    },
}

fn refuse(at: impl Into<String>, reason: impl Into<String>) -> Refusal {
    Refusal::Record { at: at.into(), reason: reason.into() }
}

/// How a group of parameters is updated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// Adam.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// What keeps the quotient finite.
        eps: f64,
        /// Whether weight decay acts on the parameter, and not on the gradient.
        decoupled: bool,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Decay of the buffer; zero for none.
        momentum: f64,
        /// What is held back of the gradient.
        dampening: f64,
        /// Whether the step looks ahead.
        nesterov: bool,
    },
}

/// A group of parameters with the settings in force at the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// The learning rate.
    pub lr: f64,
    /// The rate that a schedule starts from, where the optimizer keeps it.
    pub initial_lr: Option<f64>,
    /// Weight decay.
    pub weight_decay: f64,
    /// The update.
    pub update: Update,
}

impl Group {
    /// Whether the optimizer keeps a momentum buffer.
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        matches!(self.update, Update::Sgd { momentum, .. } if momentum > 0.0)
    }

    /// Whether the optimizer keeps moments.
    #[must_use]
    pub const fn is_adam(&self) -> bool {
        matches!(self.update, Update::Adam { .. })
    }
}

/// A parameter that was trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its group, counted from 0.
    pub group: usize,
    /// How often it was updated, this step included.
    pub timestep: u64,
    /// How many steps passed before its first update.
    pub offset: u64,
    /// Its type.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
    /// How many values it has.
    pub elements: u64,
    /// Digests of what the step left, where the tensors are left out.
    pub digests: wire::Digests,
}

/// A step that can be judged.
#[derive(Debug, Clone)]
pub struct Record {
    /// The digest of the record's bytes.
    pub sha256: Digest,
    /// The run that the step is of.
    pub run: String,
    /// Which step, counted from 1.
    pub step: u64,
    /// The optimizer's class.
    pub class: String,
    /// The groups of parameters.
    pub groups: Vec<Group>,
    /// The arithmetic.
    pub arith: Arith,
    /// Clipping.
    pub clip: Option<Clip>,
    /// The schedule.
    pub schedule: Option<wire::Schedule>,
    /// The parameters that were trained.
    pub params: Vec<Param>,
    /// How many parameters the model has.
    pub model_params: Option<u64>,
    /// The parameters that were not trained.
    pub frozen: Frozen,
    /// The modules whose gradients are shown.
    pub linear: Vec<Linear>,
    /// The payload.
    pub payload: wire::Payload,
    /// The payload of the modules.
    pub linear_payload: Option<wire::LinearPayload>,
    /// The digest of the batch.
    pub batch: Option<Digest>,
    /// The place in a published tree.
    pub commit: Option<Commit>,
}

impl Record {
    /// The record that `bytes` hold.
    ///
    /// # Errors
    /// [`Refusal`], with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let value = json::parse(bytes)?;
        schema::validate(Schema::TensorStep, &value).map_err(Refusal::Schema)?;
        let wire: wire::Record =
            serde_json::from_value(value).map_err(|error| refuse("the record", error.to_string()))?;
        lower(wire, Digest::of(bytes))
    }

    /// Whether the step is replayed bit by bit: in the declared profile, as far as the parameter allows.
    #[must_use]
    pub fn replays(&self, param: &Param) -> bool {
        let order = match self.groups[param.group].update {
            // Torch's lerp starts from the other end where the weight is at least one half.
            Update::Adam { beta1, .. } => beta1 > 0.5,
            Update::Sgd { .. } => true,
        };
        self.arith.profile != Profile::Bounded && param.dtype == Dtype::F32 && order
    }
}

fn lower(wire: wire::Record, sha256: Digest) -> Result<Record, Refusal> {
    let arith = wire.arith;
    if arith.grad_scale.is_some() {
        return Err(refuse("/arith/grad_scale", "gradients that are still scaled are not judged"));
    }
    if arith.profile != Profile::Bounded && (arith.scalars != Scalars::F64 || arith.ftz) {
        return Err(refuse(
            "/arith/profile",
            "the profiles of a processor form scalars in float64 and keep subnormals",
        ));
    }
    let (class, groups) = groups(wire.optimizer, arith.scalars)?;
    if let Some(Clip { max_norm, norm_type, total_norm }) = wire.clip {
        if norm_type.to_bits() != 2.0_f64.to_bits() {
            return Err(refuse("/clip/norm_type", "only the Euclidean norm is judged"));
        }
        if !(max_norm > 0.0 && total_norm >= 0.0) {
            return Err(refuse("/clip", "max_norm is positive and total_norm is not negative"));
        }
    }
    if let Some(schedule) = &wire.schedule {
        let rows = schedule.lr_history.len() as u64;
        if rows != wire.step {
            return Err(refuse(
                "/schedule/lr_history",
                format!("{rows} rows, and the step is number {}", wire.step),
            ));
        }
        let wrong =
            schedule.lr_history.iter().chain([&schedule.base_lr]).any(|row| row.len() != groups.len());
        if wrong {
            return Err(refuse("/schedule", "every row has one rate for each group"));
        }
    }
    let params = params(wire.params, groups.len())?;
    if let Some(manifest) = wire.manifest
        && (params.len() as u64) > manifest.count
    {
        return Err(refuse("/manifest/count", "more parameters are trained than the model has"));
    }
    for (index, module) in wire.linear.iter().enumerate() {
        if arith.matmul == Matmul::Tf32 && module.compute == Dtype::Bf16 {
            return Err(refuse(format!("/linear/{index}/compute"), "BF16 inputs are not rounded to TF32"));
        }
        if wire.linear[..index].iter().any(|other| other.module == module.module) {
            return Err(refuse(format!("/linear/{index}/module"), "named twice"));
        }
        if !params.iter().any(|param| param.name == module.weight) {
            return Err(refuse(format!("/linear/{index}/weight"), "no parameter that was trained"));
        }
    }
    Ok(Record {
        sha256,
        run: wire.run,
        step: wire.step,
        class,
        groups,
        arith,
        clip: wire.clip,
        schedule: wire.schedule,
        params,
        model_params: wire.manifest.map(|manifest| manifest.count),
        frozen: wire.frozen,
        linear: wire.linear,
        payload: wire.payload,
        linear_payload: wire.linear_payload,
        batch: wire.batch,
        commit: wire.commit,
    })
}

fn groups(optimizer: Optimizer, scalars: Scalars) -> Result<(String, Vec<Group>), Refusal> {
    let wide = |at: usize, switches: [bool; 2], capturable: Option<bool>, settings: [f64; 2]| {
        let place = |name: &str| format!("/optimizer/groups/{at}/{name}");
        let [maximize, differentiable] = switches;
        let [lr, weight_decay] = settings;
        if maximize {
            return Err(refuse(place("maximize"), "maximizing is not judged"));
        }
        if differentiable {
            return Err(refuse(place("differentiable"), "differentiable steps are not judged"));
        }
        if capturable == Some(true) && scalars != Scalars::F32 {
            return Err(refuse(
                place("capturable"),
                "its scalars are float32, and arith.scalars says otherwise",
            ));
        }
        if !(lr >= 0.0 && weight_decay >= 0.0) {
            return Err(refuse(place("lr"), "rates and decays are not negative"));
        }
        Ok(())
    };
    let inside = |value: f64| (0.0..1.0).contains(&value);
    let (class, adam, groups) = match optimizer {
        Optimizer::Adam { cls, groups } => {
            let lower = |(at, group): (usize, wire::AdamGroup)| {
                let place = |name: &str| format!("/optimizer/groups/{at}/{name}");
                let switches = [group.maximize, group.differentiable == Some(true)];
                wide(at, switches, group.capturable, [group.lr, group.weight_decay])?;
                if group.amsgrad {
                    return Err(refuse(place("amsgrad"), "amsgrad is not judged"));
                }
                if !(inside(group.beta1) && inside(group.beta2)) {
                    return Err(refuse(place("beta1"), "a beta lies in [0, 1)"));
                }
                if group.eps <= 0.0 {
                    return Err(refuse(place("eps"), "eps is positive"));
                }
                let update = Update::Adam {
                    beta1: group.beta1,
                    beta2: group.beta2,
                    eps: group.eps,
                    decoupled: group.decoupled,
                };
                Ok(Group {
                    lr: group.lr,
                    initial_lr: group.initial_lr,
                    weight_decay: group.weight_decay,
                    update,
                })
            };
            (cls, true, groups.into_iter().enumerate().map(lower).collect::<Result<Vec<_>, _>>()?)
        }
        Optimizer::Sgd { cls, groups } => {
            let lower = |(at, group): (usize, wire::SgdGroup)| {
                let place = |name: &str| format!("/optimizer/groups/{at}/{name}");
                let switches = [group.maximize, group.differentiable == Some(true)];
                wide(at, switches, group.capturable, [group.lr, group.weight_decay])?;
                if !inside(group.momentum) {
                    return Err(refuse(place("momentum"), "momentum lies in [0, 1)"));
                }
                let zero = |value: f64| value.abs() <= 0.0;
                if group.nesterov && (zero(group.momentum) || !zero(group.dampening)) {
                    return Err(refuse(place("nesterov"), "it has momentum and no dampening"));
                }
                if !(0.0..=1.0).contains(&group.dampening) {
                    return Err(refuse(place("dampening"), "dampening lies in [0, 1]"));
                }
                let update = Update::Sgd {
                    momentum: group.momentum,
                    dampening: group.dampening,
                    nesterov: group.nesterov,
                };
                Ok(Group {
                    lr: group.lr,
                    initial_lr: group.initial_lr,
                    weight_decay: group.weight_decay,
                    update,
                })
            };
            (cls, false, groups.into_iter().enumerate().map(lower).collect::<Result<Vec<_>, _>>()?)
        }
    };
    if !CLASSES.contains(&class.as_str()) || class.to_lowercase().contains("adam") != adam {
        let known = CLASSES.join(", ");
        return Err(refuse("/optimizer/cls", format!("{class:?} is not judged; judged are {known}")));
    }
    Ok((class, groups))
}

fn params(wire: Vec<wire::Param>, groups: usize) -> Result<Vec<Param>, Refusal> {
    let mut names = BTreeSet::new();
    let mut params = Vec::with_capacity(wire.len());
    let mut total = 0_u64;
    for (index, param) in wire.into_iter().enumerate() {
        let place = |name: &str| format!("/params/{index}/{name}");
        if !names.insert(param.name.clone()) {
            return Err(refuse(place("name"), format!("{:?} is named twice", param.name)));
        }
        if param.group >= groups {
            return Err(refuse(place("group"), format!("there are {groups} groups, counted from 0")));
        }
        if param.t > MAX_TIMESTEP {
            return Err(refuse(place("t"), "a timestep beyond 2^24 is not exact"));
        }
        let elements = param.shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
        // Half of what a file can address, so that places are counted without overflow.
        let elements = elements.filter(|elements| *elements < 1 << 48);
        let Some(elements) = elements else {
            return Err(refuse(place("shape"), "more values than a file can hold"));
        };
        total = total.saturating_add(elements);
        params.push(Param {
            name: param.name,
            group: param.group,
            timestep: param.t,
            offset: param.t_offset,
            dtype: param.dtype,
            shape: param.shape,
            elements,
            digests: param.digests,
        });
    }
    if total == 0 {
        return Err(refuse("/params", "no parameter has a value, so there is nothing to judge"));
    }
    Ok(params)
}
