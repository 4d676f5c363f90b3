//! Rules 9, 10, 17, 25 and 26: a trace, record by record.

use std::cell::OnceCell;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::place;
use crate::pointer::Pointer;
use crate::receipt::id::ParamId;
use crate::receipt::step::{Entry, Origin};
use crate::receipt::wire::{OptimizerConfig, OptimizerState};
use crate::reconcile::chain::Bundle;
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// Rule 9. Parts: `keys`, the parameters are the same ones; `value`, each starts where the step before left it, to the
/// last digit: nothing is computed between the two readings, by the engine or by a framework.
pub(super) fn parameters(previous: &Entry, current: &Entry, ledger: &mut Ledger) {
    let (left, found) = (&previous.step.parameters_after, &current.step.parameters_before);
    // Canonical records have the same order: nothing to look up.
    let is_alike = left.keys().eq(found.keys());
    for (index, (name, value)) in found.iter().enumerate() {
        let at = place!["parameters_before", name];
        let original =
            if is_alike { left.entries().get(index).map(|(_, value)| value) } else { left.get(name) };
        match original {
            Some(original) => ledger.identical("value", at, Pointer::default, *value, *original),
            None => ledger.find("keys", at, Evidence::Unexpected),
        }
    }
    for name in left.keys().filter(|name| !is_alike && !found.contains_key(*name)) {
        ledger.find("keys", place!["parameters_before", name], Evidence::Missing);
    }
}

/// Rule 10. Parts: `trace_id`, shared by all; `step_index`, dense from 0; `net`, every step trains the first one's net.
pub(super) fn place(first: &Entry, current: &Entry, index: u64, ledger: &mut Ledger) {
    match (&first.step.trace_id, &current.step.trace_id) {
        (Some(first), Some(current)) => ledger.text("trace_id", place!["trace_id"], current, first),
        _ => ledger.find("trace_id", place!["trace_id"], Evidence::Missing),
    }
    match current.step.step_index {
        Some(stored) => ledger.count("step_index", place!["step_index"], stored, index),
        None => ledger.find("step_index", place!["step_index"], Evidence::Missing),
    }
    // Which parameters there are is rule 9's to say.
    let net = |entry: &Entry| {
        let topology = &entry.step.topology;
        (topology.activation_hidden, topology.activation_output, topology.loss)
    };
    if net(current) == net(first) {
        ledger.holds();
    } else {
        ledger.find("net", place!["topology"], Evidence::Unexpected);
    }
}

/// Rule 17. Parts: `declared`, by every record or by none, and by every record of an import; `digest`, it is the digest of
/// all records' canonical bytes without it; `bytes`, nothing stands beside those bytes.
pub(super) fn bundle(bundle: &Bundle, ledger: &mut Ledger) {
    let at = place!["attestor", "bundle_root_digest"];
    if let Some((index, stands)) = bundle.odd_one_out {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let evidence = if stands { Evidence::Unexpected } else { Evidence::Missing };
        ledger.find("declared", place![place, "attestor", "bundle_root_digest"], evidence);
    }
    let Some(stored) = &bundle.declared else {
        if bundle.is_imported {
            ledger.find("declared", at, Evidence::Missing);
        }
        return;
    };
    let derived = bundle.derived.map(|digest| digest.prefixed());
    if derived.as_deref() == Some(stored) {
        ledger.holds();
    } else {
        ledger.find("digest", at, Evidence::Digest { stored: stored.clone(), derived });
    }
    if let Some(index) = bundle.not_canonical {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let evidence = Evidence::Text { stored: "other bytes".into(), expected: "canonical bytes".into() };
        ledger.find("bytes", place![place], evidence);
    } else {
        ledger.holds();
    }
}

/// Whether a record was computed elsewhere.
pub(crate) fn is_imported(entry: &Entry) -> bool {
    matches!(entry.step.origin, Origin::Imported { .. })
}

/// Rule 25. Parts: `state`, each parameter's state starts where the step before left it, to the last digit as in rule 9; `t`,
/// Adam's time step advances by one.
pub(super) fn states(previous: &Entry, current: &Entry, ledger: &mut Ledger) {
    let by_name = OnceCell::new();
    let left = |name: &ParamId| {
        // The first of a name, where it is told twice.
        let told = || previous.step.updates.iter().rev();
        let table = || told().map(|update| (&update.parameter_id, update.optimizer.state_after)).collect();
        let by_name: &HashMap<&ParamId, Option<OptimizerState>, RandomState> = by_name.get_or_init(table);
        by_name.get(name).copied().flatten()
    };
    for (place, update) in current.step.updates.iter().enumerate() {
        let Some(found) = update.optimizer.state_before else { continue };
        let at = |key: &'static str| place!["updates", place, "optimizer", "state_before", key];
        match (left(&update.parameter_id), found) {
            (Some(OptimizerState::Momentum { buffer: original }), OptimizerState::Momentum { buffer }) => {
                ledger.identical("state", at("buffer"), Pointer::default, buffer, original);
            }
            (Some(OptimizerState::Adam { m: m_original, v: v_original }), OptimizerState::Adam { m, v }) => {
                ledger.identical("state", at("m"), Pointer::default, m, m_original);
                ledger.identical("state", at("v"), Pointer::default, v, v_original);
            }
            _ => {
                let at = place!["updates", place, "optimizer", "state_before"];
                ledger.find("state", at, Evidence::Unexpected);
            }
        }
    }
    let step_of = |entry: &Entry| entry.step.optimizer.as_ref().and_then(|config| config.t);
    if let (Some(before), Some(now)) = (step_of(previous), step_of(current)) {
        ledger.count("t", place!["optimizer_config", "t"], now, before.saturating_add(1));
    }
}

/// Rule 26. Parts: `present`, every record has a configuration or none; `name`; `constant`, hyper-parameters other than
/// learning rate and time step stay as they are.
pub(super) fn configuration(first: &Entry, current: &Entry, _: u64, ledger: &mut Ledger) {
    let (first, current) = match (&first.step.optimizer, &current.step.optimizer) {
        (None, None) => return,
        (Some(first), Some(current)) => (first, current),
        (Some(_), None) => {
            ledger.find("present", place!["optimizer_config"], Evidence::Missing);
            return;
        }
        (None, Some(_)) => {
            ledger.find("present", place!["optimizer_config"], Evidence::Unexpected);
            return;
        }
    };
    ledger.text("name", place!["optimizer_config", "name"], current.name.name(), first.name.name());
    let numbers = |config: &OptimizerConfig| {
        [
            ("beta1", config.beta1),
            ("beta2", config.beta2),
            ("epsilon", config.epsilon),
            ("weight_decay", config.weight_decay),
            ("momentum", config.momentum),
            ("dampening", config.dampening),
        ]
    };
    for ((key, original), (_, found)) in numbers(first).into_iter().zip(numbers(current)) {
        let at = place!["optimizer_config", key];
        match (original, found) {
            (Some(original), Some(found)) => {
                ledger.identical("constant", at, Pointer::default, found, original);
            }
            (None, None) => {}
            (Some(_), None) => ledger.find("constant", at, Evidence::Missing),
            (None, Some(_)) => ledger.find("constant", at, Evidence::Unexpected),
        }
    }
    let words = |config: &OptimizerConfig| if config.nesterov == Some(true) { "true" } else { "false" };
    ledger.text("constant", place!["optimizer_config", "nesterov"], words(current), words(first));
}
