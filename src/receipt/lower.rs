//! From the wire to a [`Step`]: after this the schema version is gone.

use super::id::{ParamId, UnitId};
use super::net::Net;
use super::step::{Claims, Entry, Origin, PostUpdate, Reading, Step};
use super::wire::{
    Attestor, BiasMode, BiasPolicy, BiasSharing, Kind, Parameter, PolicyTolerance, PostUpdateForward,
    PostUpdateLoss, Receipt, Role, Sidecar, SourceFramework, Topology, UnitOrder, WireTolerance,
};
use crate::digest::Digest;
use crate::number::Tolerance;

/// What the bytes of a receipt say beyond their values.
#[derive(Debug, Clone, Copy)]
pub struct ByteFacts {
    /// Whether they are the canonical bytes.
    pub canonical: bool,
    /// The digest that rule 16 asks for.
    pub subject_digest: Option<Digest>,
}

/// The step and the claims of a receipt.
#[must_use]
pub fn receipt(wire: Receipt, bytes: ByteFacts) -> Entry {
    let claims = Claims {
        labels: Some(wire.fixture_status),
        source_framework: wire.source_framework,
        attestor: wire.attestor,
        canonical: bytes.canonical,
        subject_digest: bytes.subject_digest,
    };
    let declared = declared(wire.numeric_policy.tolerance);
    let topology = named(wire.topology);
    let step = Step {
        reading: Reading::NineDigits,
        origin: origin(claims.source_framework.as_ref(), claims.attestor.as_ref(), declared),
        declared_tolerance: declared,
        is_receipt: true,
        numeric_policy: Some(wire.numeric_policy),
        bias_mode: wire.bias_policy.mode,
        biases_updated: wire.bias_policy.updated_in_step,
        net: Net::resolve(&topology),
        topology,
        learning_rate: wire.learning_rate,
        optimizer: wire.optimizer_config,
        step: Some(wire.step),
        trace_id: wire.trace_id,
        step_index: wire.step_index,
        batch: wire.batch,
        per_sample: wire.per_sample,
        inputs: wire.inputs,
        targets: wire.targets,
        parameters_before: wire.parameters_before,
        forward: wire.forward,
        loss: wire.loss,
        backward: wire.backward,
        updates: wire.updates,
        parameters_after: wire.parameters_after,
        post_update: post_update(wire.post_update_forward, wire.post_update_loss),
    };
    Entry { step, claims }
}

/// The step of a sidecar. `bias_policy` is the sidecar's own or the one worked out for it; `recompute` is how far a
/// recomputation may lie off.
pub fn sidecar(wire: Sidecar, bias_policy: &BiasPolicy, recompute: Tolerance) -> Entry {
    let declared = wire.numeric_policy.as_ref().and_then(|policy| declared(policy.tolerance));
    let local = declared.unwrap_or(Tolerance::IMPORT_DEFAULT).clamp(Tolerance::DIFFERENTIAL_CEILING);
    let mut topology = wire.topology;
    topology.layers = ["input", "hidden", "output"].map(str::to_owned).to_vec();
    let step = Step {
        reading: Reading::Full,
        origin: Origin::Imported { local, recompute: recompute.clamp(Tolerance::DIFFERENTIAL_CEILING) },
        declared_tolerance: declared,
        is_receipt: false,
        numeric_policy: None,
        bias_mode: bias_policy.mode,
        biases_updated: bias_policy.updated_in_step,
        net: Net::resolve(&topology),
        topology,
        learning_rate: wire.learning_rate,
        optimizer: wire.optimizer,
        step: None,
        trace_id: wire.trace_id,
        step_index: wire.step_index,
        batch: wire.batch,
        per_sample: wire.per_sample,
        inputs: wire.inputs,
        targets: wire.targets,
        parameters_before: wire.parameters_before,
        forward: wire.forward,
        loss: wire.loss,
        backward: wire.backward,
        updates: wire.updates,
        parameters_after: wire.parameters_after,
        post_update: post_update(wire.post_update_forward, wire.post_update_loss),
    };
    let claims = Claims {
        labels: None,
        source_framework: Some(wire.source_framework),
        attestor: None,
        canonical: false,
        subject_digest: None,
    };
    Entry { step, claims }
}

fn declared(tolerance: PolicyTolerance) -> Option<Tolerance> {
    match tolerance {
        PolicyTolerance::Absolute(atol) => Tolerance::new(atol, 0.0).ok(),
        PolicyTolerance::Hybrid(WireTolerance { atol, rtol }) => Tolerance::new(atol, rtol).ok(),
    }
}

/// A record that names a foreign framework or the source of an import was computed elsewhere.
fn origin(
    framework: Option<&SourceFramework>,
    attestor: Option<&Attestor>,
    declared: Option<Tolerance>,
) -> Origin {
    let provenance = attestor.and_then(|attestor| attestor.import_provenance.as_ref());
    if framework.is_none() && provenance.is_none() {
        return Origin::Engine;
    }
    let recompute = attestor
        .map(|attestor| attestor.differential_tolerance)
        .and_then(|tolerance| Tolerance::new(tolerance.atol, tolerance.rtol).ok())
        .unwrap_or(Tolerance::IMPORT_DEFAULT)
        .clamp(Tolerance::DIFFERENTIAL_CEILING);
    let local = declared.unwrap_or(Tolerance::ZERO).clamp(Tolerance::DIFFERENTIAL_CEILING);
    Origin::Imported { local, recompute }
}

fn post_update(forward: Option<PostUpdateForward>, loss: Option<PostUpdateLoss>) -> PostUpdate {
    let (forward_status, forward) = forward.map(|forward| (forward.status, forward.units)).unzip();
    let (loss_status, (per_output, total)) = loss
        .map(|loss| (loss.status, (loss.per_output, loss.total)))
        .map_or((None, (None, None)), |(status, values)| (Some(status), values));
    PostUpdate { forward_status, loss_status, forward, per_output, total }
}

/// The topology with the names that 0.1.0 leaves unsaid: units i1 i2 h1 h2 o1 o2, weights w1 to w8, biases b1 and b2
/// (Mazur, "A Step by Step Backpropagation Example", 2015).
#[must_use]
pub fn named(topology: Topology) -> Topology {
    let Some(activation) = topology.activation else { return topology };
    let units = |names: [&str; 2]| names.map(UnitId::from).to_vec();
    let weight = |id: &str, role, from: &str, to: &str| Parameter {
        id: id.into(),
        role,
        from_unit: Some(from.into()),
        to_unit: Some(to.into()),
        applies_to_units: None,
    };
    let bias = |id: &str, role, names| Parameter {
        id: id.into(),
        role,
        from_unit: None,
        to_unit: None,
        applies_to_units: Some(units(names)),
    };
    let parameters = vec![
        weight("w1", Role::InputToHiddenWeight, "i1", "h1"),
        weight("w2", Role::InputToHiddenWeight, "i2", "h1"),
        weight("w3", Role::InputToHiddenWeight, "i1", "h2"),
        weight("w4", Role::InputToHiddenWeight, "i2", "h2"),
        weight("w5", Role::HiddenToOutputWeight, "h1", "o1"),
        weight("w6", Role::HiddenToOutputWeight, "h2", "o1"),
        weight("w7", Role::HiddenToOutputWeight, "h1", "o2"),
        weight("w8", Role::HiddenToOutputWeight, "h2", "o2"),
        bias("b1", Role::HiddenBias, ["h1", "h2"]),
        bias("b2", Role::OutputBias, ["o1", "o2"]),
    ];
    Topology {
        unit_order: Some(UnitOrder {
            input: units(["i1", "i2"]),
            hidden: units(["h1", "h2"]),
            output: units(["o1", "o2"]),
        }),
        parameter_order: Some(
            parameters.iter().map(|parameter: &Parameter| ParamId::clone(&parameter.id)).collect(),
        ),
        parameters: Some(parameters),
        activation_hidden: Some(activation),
        activation_output: Some(activation),
        bias_sharing: topology.bias_sharing.or(Some(BiasSharing::PerLayer)),
        ..topology
    }
}

/// The topology with the units of each shared bias in their layer's order, as a receipt has them. Which units they are is
/// all that a topology input or a sidecar says; what names no unit of the layer stays behind the rest.
#[must_use]
pub fn in_unit_order(mut topology: Topology) -> Topology {
    let Some(order) = &topology.unit_order else { return topology };
    for parameter in topology.parameters.iter_mut().flatten() {
        let layer = match parameter.role {
            Role::HiddenBias => &order.hidden,
            Role::OutputBias => &order.output,
            Role::InputToHiddenWeight | Role::HiddenToOutputWeight => continue,
        };
        if let Some(units) = &mut parameter.applies_to_units {
            units.sort_by_key(|unit| layer.iter().position(|known| known == unit).unwrap_or(usize::MAX));
        }
    }
    topology
}

/// The bias policy of a sidecar that declares none: biases learn if there is one bias per unit, and one of them moved or
/// has an update.
#[must_use]
pub fn bias_policy_of(wire: &Sidecar) -> BiasPolicy {
    if let Some(policy) = &wire.bias_policy {
        return policy.clone();
    }
    let is_bias = |parameter: &&Parameter| matches!(parameter.role, Role::HiddenBias | Role::OutputBias);
    let moved = wire.topology.parameters.iter().flatten().filter(is_bias).any(|parameter| {
        let value = |map: &super::wire::Ordered<ParamId, f64>| map.get(&parameter.id).copied();
        match (value(&wire.parameters_before), value(&wire.parameters_after)) {
            (Some(before), Some(after)) => before.to_bits() != after.to_bits() && before - after != 0.0,
            _ => false,
        }
    });
    // A bias whose gradient vanished has an update and has not moved.
    let updated = wire.updates.iter().any(|update| update.kind == Kind::Bias);
    let learns = (moved || updated) && wire.topology.bias_sharing == Some(BiasSharing::PerNeuron);
    BiasPolicy {
        mode: if learns { BiasMode::Sgd } else { BiasMode::Constant },
        reason: None,
        updated_in_step: learns,
        reconciliation: None,
    }
}
