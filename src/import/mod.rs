//! From a framework's sidecar to a receipt. One importer; PyTorch, JAX and TensorFlow are dialects of it.
//!
//! ```text
//! sidecar bytes -> json -> schema (format) -> wire -> lower -> Step, judged at full precision
//!                                              wire -> receipt, labelled by that judgement
//! ```

pub mod stream;

use serde::Deserialize as _;

use crate::at;
use crate::author::{self, AuthorError, Request, Values};
use crate::digest::Digest;
use crate::engine;
use crate::number::Tolerance;
use crate::pointer::Pointer;
use crate::receipt::lower;
use crate::receipt::version::{ReceiptVersion, TraceVersion};
use crate::receipt::wire::{
    self, Attestor, BiasMode, BiasPolicy, Extractor, FixtureStatus, Identity, ImportProvenance,
    NumericPolicy, Optimizer, PolicyTolerance, PostUpdateForward, Receipt, Sidecar, SourceFramework,
    TopologyInput, WireTolerance,
};

/// The largest sidecar of a single step, in bytes.
pub const MAX_SIDECAR_BYTES: usize = 8 << 20;

/// The arithmetic that receipts name as their verifier.
const ENGINE_IDENTITY: &str = "backprop-trace-engine@0.6.0";

/// A framework whose sidecars can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// PyTorch.
    Pytorch,
    /// JAX.
    Jax,
    /// TensorFlow.
    Tensorflow,
}

impl Framework {
    /// Every framework.
    pub const ALL: [Self; 3] = [Self::Pytorch, Self::Jax, Self::Tensorflow];

    /// The name in sidecars and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Jax => "jax",
            Self::Tensorflow => "tensorflow",
        }
    }

    /// The framework of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|framework| framework.name() == name)
    }

    /// The importer that a receipt names as its extractor: of one step, or of a stream.
    const fn extractor(self, is_stream: bool) -> (&'static str, &'static str) {
        match (self, is_stream) {
            (Self::Pytorch, false) => ("bp-import-pytorch", "0.6.0"),
            (Self::Pytorch, true) => ("bp-import-pytorch", "0.8.0"),
            (Self::Jax, false) => ("bp-import-jax", "0.6.1"),
            (Self::Jax, true) => ("bp-import-jax", "0.8.0"),
            (Self::Tensorflow, false) => ("bp-import-tensorflow", "0.7.0"),
            (Self::Tensorflow, true) => ("bp-import-tensorflow", "0.8.0"),
        }
    }
}

/// How a sidecar comes to its import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One step by itself.
    Alone,
    /// A line of a run's stream.
    InStream,
}

impl Standing {
    /// Whether a sidecar of this format can come so. Before 0.7.0 a format by itself says which optimizer it was made for.
    fn takes(self, version: TraceVersion, optimizer: Option<Optimizer>) -> bool {
        match (self, version) {
            (Self::Alone, TraceVersion::V0_2_0) | (Self::InStream, TraceVersion::V0_1_0) => false,
            (Self::Alone, TraceVersion::V0_4_0) => {
                matches!(optimizer, Some(Optimizer::Adam | Optimizer::Adamw))
            }
            (Self::Alone, TraceVersion::V0_5_0 | TraceVersion::V0_6_0) => {
                optimizer == Some(Optimizer::SgdMomentum)
            }
            (Self::Alone, TraceVersion::V0_8_0) => {
                matches!(optimizer, Some(Optimizer::Sgd | Optimizer::SgdMomentum))
            }
            (Self::Alone, TraceVersion::V0_1_0 | TraceVersion::V0_3_0 | TraceVersion::V0_7_0)
            | (Self::InStream, _) => true,
        }
    }
}

/// What an import takes beside the sidecar. The clock is not read here.
#[derive(Debug, Clone)]
pub struct Options {
    /// The import time that the receipt carries, RFC 3339.
    pub timestamp: String,
    /// The receipt's label; by default the framework's name and `-imported-step`, in a stream `-imported-multi-step`. In
    /// a stream, `-step-` and the place follow.
    pub label: Option<String>,
    /// How far a recomputation may lie from the framework's numbers.
    pub tolerance: Tolerance,
}

impl Options {
    /// The default tolerance and label at a given time.
    #[must_use]
    pub fn at(timestamp: &str) -> Self {
        Self { timestamp: timestamp.to_owned(), label: None, tolerance: Tolerance::IMPORT_DEFAULT }
    }
}

/// A sidecar that cannot be imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Another framework's sidecar.
    #[error("the sidecar was recorded by {found}, not by {expected}")]
    OtherFramework {
        /// Asked for.
        expected: &'static str,
        /// In the sidecar.
        found: String,
    },
    /// A format that is not one of single steps, or not one of streams, or not one of the sidecar's optimizer.
    #[error("{}: {format} with optimizer {optimizer}", match standing {
        Standing::Alone => "not a format of one step (a line of a stream is imported by `multi`)",
        Standing::InStream => "not a format of streams",
    })]
    Format {
        /// How the sidecar came.
        standing: Standing,
        /// In the sidecar.
        format: String,
        /// In the sidecar.
        optimizer: &'static str,
    },
    /// A sidecar that does not go on with the run that the first line began.
    #[error("another run's sidecar: {what} is {found}, where {expected} is to stand")]
    Mixed {
        /// The field.
        what: &'static str,
        /// In this sidecar.
        found: String,
        /// What the sidecars before it call for.
        expected: String,
    },
    /// A value the receipt needs does not follow from the sidecar.
    #[error(transparent)]
    Author(#[from] AuthorError),
}

/// A sidecar, ready to judge and to write down.
#[derive(Debug, Clone)]
pub struct Import {
    wire: Sidecar,
    framework: Framework,
    bias_policy: BiasPolicy,
    source: Digest,
}

impl Import {
    /// Reads the wire model of a sidecar that its schema admits, and that these bytes hold. The source of one in a stream is
    /// the stream, whose digest is not known yet.
    ///
    /// # Errors
    /// [`Refusal::OtherFramework`] where `expected` is another framework, or the sidecar's is none that can be imported;
    /// [`Refusal::Format`] where a sidecar of its format cannot come so.
    pub fn of(
        wire: Sidecar,
        version: TraceVersion,
        bytes: &[u8],
        standing: Standing,
        expected: Option<Framework>,
    ) -> Result<Self, Refusal> {
        let found = Framework::named(&wire.source_framework.name);
        let framework = match (found, expected) {
            (Some(found), Some(expected)) if found != expected => None,
            (found, _) => found,
        };
        let framework = framework.ok_or_else(|| Refusal::OtherFramework {
            expected: expected.map_or("a framework that can be imported", Framework::name),
            found: wire.source_framework.name.clone(),
        })?;
        let optimizer = wire.optimizer.as_ref().map(|config| config.name);
        if !standing.takes(version, optimizer) {
            let optimizer = optimizer.map_or("sgd", Optimizer::name);
            return Err(Refusal::Format { standing, format: wire.format, optimizer });
        }
        let wire = Sidecar { topology: lower::in_unit_order(wire.topology), ..wire };
        let bias_policy = explained(&wire);
        let source = match standing {
            Standing::Alone => Digest::of(bytes),
            Standing::InStream => stream::UNKNOWN,
        };
        Ok(Self { wire, framework, bias_policy, source })
    }

    /// The wire model.
    #[must_use]
    pub fn wire(&self) -> &Sidecar {
        &self.wire
    }

    /// The bias policy: the sidecar's own, or the one worked out from its parameters.
    #[must_use]
    pub fn bias_policy(&self) -> &BiasPolicy {
        &self.bias_policy
    }

    /// The receipt. `agreed` says what the judgement of the sidecar found; it becomes the receipt's label. `index` is the
    /// sidecar's place in its stream, counted from 0; then the receipt awaits its marks ([`stream::Source`]).
    ///
    /// # Errors
    /// [`AuthorError`] where the sidecar leaves out what the engine needs to fill in the pass with the new parameters.
    pub fn into_receipt(
        self,
        agreed: bool,
        options: &Options,
        index: Option<u64>,
    ) -> Result<Receipt, AuthorError> {
        let (post_update_forward, post_update_loss) = self.post_update()?;
        let request = self.request();
        let version = request.version(&author::resolved(&self.wire.topology)?, ReceiptVersion::V0_4_0);
        let optimizer_config = request.written_config();
        let wire = self.wire;
        let framework = wire.source_framework;
        let identity = format!("{}@{}", framework.name, framework.version);
        let (extractor, extractor_version) = self.framework.extractor(index.is_some());
        let label = |kind| options.label.clone().unwrap_or_else(|| format!("{}-{kind}", framework.name));
        let mut topology = wire.topology;
        topology.layers = ["input", "hidden", "output"].map(str::to_owned).to_vec();
        let notes = serde_json::json!({
            "source": match index {
                None => format!("{extractor} (sidecar from {identity})"),
                Some(_) => format!("{extractor} multi (sidecar from {identity})"),
            },
            "gradient_convention": "descent_direction",
        });
        Ok(Receipt {
            schema_version: version.as_str().to_owned(),
            fixture: match index {
                None => label("imported-step"),
                Some(index) => format!("{}-step-{index}", label("imported-multi-step")),
            },
            step: index.map_or(1, |index| index.saturating_add(1)),
            fixture_status: FixtureStatus {
                authoring_state: "external_imported".to_owned(),
                verification_state: match agreed {
                    true => "engine_recompute_matched_within_tolerance",
                    false => "engine_recompute_disagreed",
                }
                .to_owned(),
                canonical: true,
                promote_to: None,
                describes_in: None,
                blockers_to_promotion: None,
            },
            source_framework: Some(SourceFramework {
                extractor: Some(Extractor {
                    name: extractor.to_owned(),
                    version: extractor_version.to_owned(),
                }),
                ..framework
            }),
            attestor: Some(Attestor {
                computed_by: Identity { kind: "framework".to_owned(), identity },
                verified_by: Identity { kind: "engine".to_owned(), identity: ENGINE_IDENTITY.to_owned() },
                differential_tolerance: WireTolerance {
                    atol: options.tolerance.atol(),
                    rtol: options.tolerance.rtol(),
                },
                import_provenance: Some(ImportProvenance {
                    source_format: wire.format,
                    source_hash: self.source.prefixed(),
                    import_timestamp: Some(options.timestamp.clone()),
                }),
                skip_basis: None,
                signed_subject_digest: None,
                bundle_root_digest: index.map(|_| stream::UNKNOWN.prefixed()),
            }),
            metadata: serde_json::Map::deserialize(notes).ok(),
            numeric_policy: wire.numeric_policy.unwrap_or_else(observer_policy).with_whole_layout(),
            bias_policy: self.bias_policy,
            topology,
            learning_rate: wire.learning_rate,
            optimizer_config,
            trace_id: index.map(|_| wire.trace_id.unwrap_or_else(stream::unknown_trace)),
            step_index: index,
            batch: wire.batch,
            inputs: wire.inputs,
            targets: wire.targets,
            parameters_before: wire.parameters_before,
            per_sample: wire.per_sample,
            forward: wire.forward,
            loss: wire.loss,
            backward: wire.backward,
            updates: wire.updates,
            parameters_after: wire.parameters_after,
            post_update_forward: Some(post_update_forward),
            post_update_loss: Some(post_update_loss),
            unit_order: None,
            parameter_order: None,
        })
    }

    /// What the engine would author the step from.
    fn request(&self) -> Request {
        let wire = &self.wire;
        let states = wire
            .updates
            .iter()
            .filter_map(|update| Some((update.parameter_id.clone(), update.optimizer.state_before?)));
        let values =
            |sample: &wire::Sample| Values { inputs: sample.inputs.clone(), targets: sample.targets.clone() };
        let samples = wire.per_sample.iter().flatten().map(|(name, sample)| (name.clone(), values(sample)));
        Request {
            input: TopologyInput {
                schema: None,
                fixture: None,
                metadata: None,
                numeric_policy: wire.numeric_policy.clone().unwrap_or_else(observer_policy),
                bias_policy: self.bias_policy.clone(),
                topology: wire.topology.clone(),
                learning_rate: wire.learning_rate,
                trace_id: None,
                step_index: None,
                inputs: wire.inputs.clone(),
                targets: wire.targets.clone(),
                parameters_before: wire.parameters_before.clone(),
            },
            optimizer: wire.optimizer.clone(),
            states: states.collect(),
            batch: wire.batch.clone().map(|batch| (batch, samples.collect())),
        }
    }

    /// The pass with the new parameters: the sidecar's own, or the engine's.
    fn post_update(&self) -> Result<(PostUpdateForward, crate::receipt::wire::PostUpdateLoss), AuthorError> {
        let wire = &self.wire;
        let stated = wire.post_update_forward.clone();
        if let (Some(forward), Some(loss)) = (&stated, &wire.post_update_loss) {
            return Ok((forward.clone(), loss.clone()));
        }
        let net = author::resolved(&wire.topology)?;
        let given = self.request().given(&net)?;
        let missing = AuthorError::Missing { at: Pointer::of(&at!["batch", "sample_order"]) };
        let computed = engine::step(&net, &given).ok_or(missing)?;
        let forward = stated.unwrap_or_else(|| author::post_update_forward(&net, &computed.post_forward));
        let loss = wire.post_update_loss.clone();
        Ok((forward, loss.unwrap_or_else(|| author::post_update_loss(&net, &computed.post_loss))))
    }
}

/// The bias policy of a sidecar, with its reasons where it was worked out here.
fn explained(wire: &Sidecar) -> BiasPolicy {
    let policy = lower::bias_policy_of(wire);
    if wire.bias_policy.is_some() {
        return policy;
    }
    let (reason, reconciliation) = match policy.mode {
        BiasMode::Sgd => (
            "worked out at import: the sidecar states no bias policy, and one bias per unit changed in the step",
            "each bias after the step is the bias before plus learning rate times its unit's error signal",
        ),
        BiasMode::Constant => (
            "worked out at import: the sidecar states no bias policy, and no bias per unit changed in the step",
            "each bias after the step is the bias before",
        ),
    };
    BiasPolicy { reason: Some(reason.to_owned()), reconciliation: Some(reconciliation.to_owned()), ..policy }
}

/// The numeric policy of a sidecar that states none.
fn observer_policy() -> NumericPolicy {
    let tolerance = Tolerance::IMPORT_DEFAULT;
    NumericPolicy {
        number_encoding: "decimal".to_owned(),
        precision_significant_digits: 9,
        rounding: "round_half_to_even".to_owned(),
        tolerance: PolicyTolerance::Hybrid(WireTolerance { atol: tolerance.atol(), rtol: tolerance.rtol() }),
        computation_order: Some("schema_defined".to_owned()),
        byte_output: None,
    }
}
