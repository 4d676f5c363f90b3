//! What stands before the numbers: labels, who made the record, policies, the net and its optimizer.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::super::scanner::require;
use super::{Reader, is_hexadecimal};
use crate::receipt::id::{ParamId, SampleId, TraceId, UnitId};
use crate::receipt::version::Block;
use crate::receipt::wire::{
    Activation, Attestor, Batch, BiasMode, BiasPolicy, BiasSharing, ByteOutput, Extractor, FixtureStatus,
    Identity, ImportProvenance, LossKind, NumericPolicy, Optimizer, OptimizerConfig, Parameter,
    PolicyTolerance, Role, SourceFramework, Topology, UnitOrder, WireTolerance,
};

/// The largest units per layer and samples per batch that the schemas admit.
const MAX_UNITS: u64 = 64;
const MAX_SAMPLES: usize = 10_000;

/// The schemas' ceilings of declared tolerances.
const MAX_ATOL: f64 = 1e-5;
const MAX_RTOL: f64 = 1e-3;

/// The tolerance that every record of 0.1.0 declares.
const FIRST_TOLERANCE: f64 = 1e-9;

const ROLES: [Role; 4] =
    [Role::InputToHiddenWeight, Role::HiddenToOutputWeight, Role::HiddenBias, Role::OutputBias];

/// Keys that the pass with the new parameters has beside its units.
const NOTES: [&str; 5] =
    ["status", "required_before_promotion", "fields_required", "fill_specification", "note"];

impl Reader<'_> {
    pub(super) fn labels(&mut self) -> Option<FixtureStatus> {
        let observed = self.admits(Block::Attestor);
        self.scanner.literal("{\"authoring_state\":")?;
        let authoring_state = self.scanner.text()?;
        require(match authoring_state {
            "hand_derived" | "engine_generated" | "deliberately_corrupted" => true,
            "engine_generated_general" => !self.is_first(),
            "external_imported" => observed,
            _ => false,
        })?;
        self.scanner.literal(",\"verification_state\":")?;
        let verification_state = self.scanner.text()?;
        require(match verification_state {
            "pending_engine_reproduction"
            | "engine_reproduced_byte_equal"
            | "expected_to_fail_reconciliation" => true,
            "engine_recompute_matched_within_tolerance"
            | "engine_recompute_disagreed"
            | "engine_recompute_skipped_with_basis" => observed,
            _ => false,
        })?;
        self.scanner.literal(",\"canonical\":")?;
        let canonical = self.scanner.truth()?;
        self.scanner.literal("}")?;
        Some(FixtureStatus {
            authoring_state: authoring_state.to_owned(),
            verification_state: verification_state.to_owned(),
            canonical,
            promote_to: None,
            describes_in: None,
            blockers_to_promotion: None,
        })
    }

    pub(super) fn framework(&mut self) -> Option<SourceFramework> {
        require(self.admits(Block::SourceFramework))?;
        self.scanner.literal("{\"name\":")?;
        let name = self.one_of(&["pytorch", "jax", "tensorflow", "hand_derived", "backprop_trace_engine"])?;
        self.scanner.literal(",\"version\":")?;
        let version = self.filled()?;
        let information_uri = self.member(",\"information_uri\":", Self::filled)?;
        let extractor = self.member(",\"extractor\":{\"name\":", |reader| {
            let name = reader.filled()?;
            reader.scanner.literal(",\"version\":")?;
            let version = reader.filled()?;
            reader.scanner.literal("}")?;
            Some(Extractor { name, version })
        })?;
        self.scanner.literal("}")?;
        Some(SourceFramework { name, version, information_uri, extractor })
    }

    pub(super) fn attestor(&mut self) -> Option<Attestor> {
        require(self.admits(Block::Attestor))?;
        self.scanner.literal("{\"computed_by\":")?;
        let computed_by = self.identity()?;
        self.scanner.literal(",\"verified_by\":")?;
        let verified_by = self.identity()?;
        self.scanner.literal(",\"differential_tolerance\":")?;
        let differential_tolerance = self.tolerance()?;
        let import_provenance = self.member(",\"import_provenance\":{\"source_format\":", |reader| {
            let source_format = reader.filled()?;
            reader.scanner.literal(",\"source_hash\":")?;
            let source_hash = reader.sha256()?;
            let import_timestamp = reader.member(",\"import_timestamp\":", Self::filled)?;
            reader.scanner.literal("}")?;
            Some(ImportProvenance { source_format, source_hash, import_timestamp })
        })?;
        let skip_basis = self.member(",\"skip_basis\":", |reader| {
            reader.one_of(&[
                "hardware_nondeterminism",
                "framework_op_unsupported",
                "distributed_only_field",
                "attested_third_party",
            ])
        })?;
        let signed_subject_digest = self.member(",\"signed_subject_digest\":", Self::sha256)?;
        let bundle_root_digest = self.member(",\"bundle_root_digest\":", Self::sha256)?;
        self.scanner.literal("}")?;
        Some(Attestor {
            computed_by,
            verified_by,
            differential_tolerance,
            import_provenance,
            skip_basis,
            signed_subject_digest,
            bundle_root_digest,
        })
    }

    pub(super) fn identity(&mut self) -> Option<Identity> {
        self.scanner.literal("{\"kind\":")?;
        let kind = self.one_of(&["framework", "engine", "hand_derivation"])?;
        self.scanner.literal(",\"identity\":")?;
        let identity = self.filled()?;
        self.scanner.literal("}")?;
        Some(Identity { kind, identity })
    }

    pub(super) fn tolerance(&mut self) -> Option<WireTolerance> {
        self.scanner.literal("{\"atol\":")?;
        let atol = self.scanner.number()?;
        self.scanner.literal(",\"rtol\":")?;
        let rtol = self.scanner.number()?;
        self.scanner.literal("}")?;
        require((0.0..=MAX_ATOL).contains(&atol) && (0.0..=MAX_RTOL).contains(&rtol))?;
        Some(WireTolerance { atol, rtol })
    }

    pub(super) fn metadata(&mut self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let mut notes = serde_json::Map::new();
        let mut note = |key: &str, text: &str| notes.insert(key.to_owned(), text.into());
        self.scanner.literal("{\"source\":")?;
        note("source", self.scanner.text()?);
        if self.scanner.follows(",\"url_reference\":") {
            note("url_reference", self.scanner.text()?);
        }
        self.scanner.literal(",\"gradient_convention\":")?;
        note("gradient_convention", self.scanner.text()?);
        self.scanner.literal("}")?;
        Some(notes)
    }

    pub(super) fn numeric_policy(&mut self) -> Option<NumericPolicy> {
        self.scanner.literal("{\"number_encoding\":\"decimal\",\"precision_significant_digits\":")?;
        let digits = self.positive()?;
        self.scanner.literal(",\"rounding\":\"round_half_to_even\",\"tolerance\":")?;
        let tolerance = match self.scanner.peek()? {
            b'{' => PolicyTolerance::Hybrid(self.tolerance()?),
            _ => PolicyTolerance::Absolute(self.scanner.number()?),
        };
        require(match (self.is_first(), tolerance) {
            (true, PolicyTolerance::Absolute(atol)) => {
                digits == 9 && atol.to_bits() == FIRST_TOLERANCE.to_bits()
            }
            (true, PolicyTolerance::Hybrid(_)) => false,
            (false, PolicyTolerance::Absolute(atol)) => (0.0..=MAX_ATOL).contains(&atol),
            (false, PolicyTolerance::Hybrid(_)) => true,
        })?;
        let word = |reader: &mut Self, key: &str, word: &str| {
            let stands = reader.scanner.follows(key);
            if stands {
                reader.scanner.literal(word)?;
            }
            Some(stands.then(|| word.trim_matches('"').to_owned()))
        };
        let computation_order = word(self, ",\"computation_order\":", "\"schema_defined\"")?;
        let byte_output = self.member(",\"byte_output\":{", |reader| {
            // The first member has no comma before it, whichever it is.
            let mut comma = "";
            let mut word = |reader: &mut Self, key: &str, word: &str| {
                let stands = reader.scanner.follows_both(comma, key);
                if stands {
                    comma = ",";
                    reader.scanner.literal(word)?;
                }
                Some(stands.then(|| word.trim_matches('"').to_owned()))
            };
            let format = word(reader, "\"format\":", "\"jsonl\"")?;
            let json_key_order = word(reader, "\"json_key_order\":", "\"schema_defined\"")?;
            let trailing_zero_policy =
                word(reader, "\"trailing_zero_policy\":", "\"pad_to_significant_digits\"")?;
            let indent = word(reader, "\"indent\":", "\"none\"")?;
            reader.scanner.literal("}")?;
            Some(ByteOutput { format, json_key_order, trailing_zero_policy, indent })
        })?;
        self.scanner.literal("}")?;
        Some(NumericPolicy {
            number_encoding: "decimal".to_owned(),
            precision_significant_digits: digits,
            rounding: "round_half_to_even".to_owned(),
            tolerance,
            computation_order,
            byte_output,
        })
    }

    pub(super) fn bias_policy(&mut self) -> Option<BiasPolicy> {
        self.scanner.literal("{\"mode\":")?;
        let mode = match self.scanner.text()? {
            "constant" => BiasMode::Constant,
            "sgd" => BiasMode::Sgd,
            _ => return None,
        };
        let text = |reader: &mut Self| Some(reader.scanner.text()?.to_owned());
        let reason = self.member(",\"reason\":", text)?;
        self.scanner.literal(",\"updated_in_step\":")?;
        let updated_in_step = self.scanner.truth()?;
        let reconciliation = self.member(",\"reconciliation\":", text)?;
        self.scanner.literal("}")?;
        Some(BiasPolicy { mode, reason, updated_in_step, reconciliation })
    }

    pub(super) fn topology(&mut self) -> Option<Topology> {
        let is_first = self.is_first();
        self.scanner.literal("{\"layers\":")?;
        let layers = self.list(3, |reader| Some(reader.scanner.text()?.to_owned()))?;
        let mut size = |key: &'static str| {
            self.scanner.literal(key)?;
            let size = self.positive()?;
            (is_first || size <= MAX_UNITS).then_some(size)
        };
        let input_size = size(",\"input_size\":")?;
        let hidden_size = size(",\"hidden_size\":")?;
        let output_size = size(",\"output_size\":")?;
        let topology = Topology {
            layers,
            input_size,
            hidden_size,
            output_size,
            activation: None,
            unit_order: None,
            parameter_order: None,
            parameters: None,
            activation_hidden: None,
            activation_output: None,
            loss: LossKind::HalfSquaredError,
            bias_sharing: None,
        };
        if is_first {
            self.scanner.literal(",\"activation\":\"sigmoid\",\"loss\":\"half_squared_error\"")?;
            let bias_sharing = self.member(",\"bias_sharing\":", Self::bias_sharing)?;
            self.scanner.literal("}")?;
            return Some(Topology { activation: Some(Activation::Sigmoid), bias_sharing, ..topology });
        }
        self.scanner.literal(",\"unit_order\":{\"input\":")?;
        let input = self.names::<UnitId>(|_| false)?;
        self.scanner.literal(",\"hidden\":")?;
        let hidden = self.names::<UnitId>(|name| NOTES.contains(&name))?;
        self.scanner.literal(",\"output\":")?;
        // A pass has hidden units and outputs in one map.
        let others: HashSet<&str, RandomState> = hidden.iter().map(UnitId::as_str).collect();
        let output = self.names::<UnitId>(|name| NOTES.contains(&name) || others.contains(name))?;
        self.scanner.literal("},\"parameter_order\":")?;
        let parameter_order = self.names::<ParamId>(|_| false)?;
        self.scanner.literal(",\"parameters\":")?;
        let mut expected = parameter_order.iter();
        let parameters = self.list(parameter_order.len(), |reader| reader.parameter(expected.next()))?;
        require(!parameters.is_empty())?;
        self.scanner.literal(",\"activation_hidden\":")?;
        let activation_hidden = self.activation(false)?;
        self.scanner.literal(",\"activation_output\":")?;
        let activation_output = self.activation(self.admits(Block::Softmax))?;
        self.scanner.literal(",\"loss\":")?;
        let loss = match self.scanner.text()? {
            "half_squared_error" => LossKind::HalfSquaredError,
            "cross_entropy_softmax" if self.admits(Block::CrossEntropy) => LossKind::CrossEntropySoftmax,
            _ => return None,
        };
        self.scanner.literal(",\"bias_sharing\":")?;
        let bias_sharing = self.bias_sharing()?;
        self.scanner.literal("}")?;
        Some(Topology {
            unit_order: Some(UnitOrder { input, hidden, output }),
            parameter_order: Some(parameter_order),
            parameters: Some(parameters),
            activation_hidden: Some(activation_hidden),
            activation_output: Some(activation_output),
            loss,
            bias_sharing: Some(bias_sharing),
            ..topology
        })
    }

    pub(super) fn activation(&mut self, may_be_softmax: bool) -> Option<Activation> {
        match self.scanner.text()? {
            "sigmoid" => Some(Activation::Sigmoid),
            "identity" => Some(Activation::Identity),
            "relu" => Some(Activation::Relu),
            "softmax" if may_be_softmax => Some(Activation::Softmax),
            _ => None,
        }
    }

    pub(super) fn bias_sharing(&mut self) -> Option<BiasSharing> {
        match self.scanner.text()? {
            "per_layer" => Some(BiasSharing::PerLayer),
            "per_neuron" => Some(BiasSharing::PerNeuron),
            _ => None,
        }
    }

    /// `expected` is the parameter whose turn it is.
    pub(super) fn parameter(&mut self, expected: Option<&ParamId>) -> Option<Parameter> {
        self.scanner.literal("{\"id\":")?;
        let id = match expected {
            Some(expected) if self.scanner.follows_text(expected) => expected.clone(),
            _ => self.scanner.name()?.into(),
        };
        self.scanner.literal(",\"role\":")?;
        let role = ROLES.into_iter().find(|role| self.scanner.follows_text(role.name()))?;
        let end = |end: usize| {
            move |reader: &mut Self| Some(UnitId::from(reader.round.ends[end].name(&mut reader.scanner)?))
        };
        let from_unit = self.member(",\"from_unit\":", end(0))?;
        let to_unit = self.member(",\"to_unit\":", end(1))?;
        let applies_to_units = self.member(",\"applies_to_units\":", |reader| reader.list(1, end(1)))?;
        self.scanner.literal("}")?;
        Some(Parameter { id, role, from_unit, to_unit, applies_to_units })
    }

    pub(super) fn optimizer_config(&mut self) -> Option<OptimizerConfig> {
        require(self.admits(Block::OptimizerConfig))?;
        let open = |range: std::ops::Range<f64>| {
            move |reader: &mut Self| {
                let value = reader.scanner.number()?;
                (value > range.start && value < range.end).then_some(value)
            }
        };
        self.scanner.literal("{\"name\":")?;
        let name = self.optimizer()?;
        self.scanner.literal(",\"learning_rate\":")?;
        let learning_rate = self.learning_rate()?;
        let beta1 = self.member(",\"beta1\":", open(0.0..1.0))?;
        let beta2 = self.member(",\"beta2\":", open(0.0..1.0))?;
        let epsilon = self.member(",\"epsilon\":", open(0.0..f64::INFINITY))?;
        let weight_decay = self.member(",\"weight_decay\":", |reader| {
            let decay = reader.scanner.number()?;
            (decay >= 0.0).then_some(decay)
        })?;
        let t = self.member(",\"t\":", Self::positive)?;
        let momentum = self.member(",\"momentum\":", open(0.0..1.0))?;
        // The writer leaves both out where they do nothing.
        let nesterov = self.scanner.follows(",\"nesterov\":true").then_some(true);
        let dampening = self.member(",\"dampening\":", open(0.0..1.0))?;
        self.scanner.literal("}")?;

        let is_adam = matches!(name, Optimizer::Adam | Optimizer::Adamw);
        let is_momentum = name == Optimizer::SgdMomentum;
        let any_momentum = momentum.is_some() || nesterov.is_some() || dampening.is_some();
        require(!is_adam || (beta1.is_some() && beta2.is_some() && epsilon.is_some() && t.is_some()))?;
        require(name != Optimizer::Adamw || weight_decay.is_some())?;
        require(!is_momentum || momentum.is_some())?;
        require(!(is_momentum && nesterov.is_some() && dampening.is_some()))?;
        require(self.admits(Block::Momentum) || !any_momentum)?;
        require(self.admits(Block::Nesterov) || nesterov.is_none())?;
        require(self.admits(Block::Dampening) || dampening.is_none())?;
        require(self.admits(Block::CoupledDecay) || !(is_momentum && weight_decay.is_some()))?;
        Some(OptimizerConfig {
            name,
            learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            t,
            momentum,
            nesterov,
            dampening,
        })
    }

    pub(super) fn optimizer(&mut self) -> Option<Optimizer> {
        match self.scanner.text()? {
            "sgd" => Some(Optimizer::Sgd),
            "adam" if self.admits(Block::Adam) => Some(Optimizer::Adam),
            "adamw" if self.admits(Block::AdamW) => Some(Optimizer::Adamw),
            "sgd_momentum" if self.admits(Block::Momentum) => Some(Optimizer::SgdMomentum),
            _ => None,
        }
    }

    pub(super) fn trace_id(&mut self) -> Option<TraceId> {
        require(self.admits(Block::TracePlace))?;
        let text = self.scanner.text()?;
        is_hexadecimal(text, 32).then(|| text.into())
    }

    pub(super) fn batch(&mut self) -> Option<Batch> {
        require(self.admits(Block::Batch))?;
        self.scanner.literal("{\"size\":")?;
        let size = self.positive()?;
        self.scanner.literal(",\"sample_order\":")?;
        let sample_order = self.names::<SampleId>(|_| false)?;
        self.scanner.literal(",\"reduction\":")?;
        let reduction = self.one_of(&["mean", "sum", "none"])?;
        self.scanner.literal("}")?;
        // The cap came with 0.5.0; taking no more before it either leaves a rare record to the general reader.
        require(size <= MAX_SAMPLES as u64 && sample_order.len() <= MAX_SAMPLES)?;
        Some(Batch { size, sample_order, reduction })
    }
}
