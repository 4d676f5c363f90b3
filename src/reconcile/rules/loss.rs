//! Rule 12: the loss.

use super::form::key_set;
use crate::at;
use crate::engine;
use crate::number::{Bounded, Real as _};
use crate::receipt::net::Net;
use crate::receipt::step::{Origin, Step};
use crate::receipt::wire::LossKind;
use crate::reconcile::complete::Complete;
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// How far the targets of a cross-entropy may sum from 1, beyond their own rounding: the engine's own limit.
const TARGET_SUM_SLACK: f64 = 1e-9;

/// Parts: `keys`; `reduction`, which only a batch has.
pub(super) fn keys(step: &Step, net: &Net, ledger: &mut Ledger) {
    key_set("keys", &at!["loss", "per_output"], net.outputs.iter(), &step.loss.per_output, ledger);
    if step.batch.is_none() && step.loss.reduction.is_some() {
        ledger.find("reduction", &at!["loss", "reduction"], &[], Evidence::Unexpected);
    }
}

/// Parts: `per_output`; `total`; `targets`, which are a distribution where the loss is a cross-entropy.
pub(super) fn values(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    let is_imported = matches!(complete.step.origin, Origin::Imported { .. });
    for (index, name) in net.outputs.iter().enumerate() {
        let target = ledger.known(complete.targets[index]);
        let stored = complete.outputs[index].out;
        // The logarithm magnifies what a small probability is off by; rule 14 has the loss from the inputs.
        let out = match net.loss {
            LossKind::CrossEntropySoftmax => ledger.tolerated(stored),
            LossKind::HalfSquaredError => ledger.known(stored),
        };
        let derived = engine::loss_of(net.loss, target, out);
        let inputs: [&[_]; 2] = [&at!["targets", name], &at!["forward", name, "out"]];
        let at = at!["loss", "per_output", name];
        // A probability that underflowed to 0 has no logarithm; the framework took its loss from the logits.
        if is_imported && stored == 0.0 && !derived.value().is_finite() {
            ledger.undecided();
            continue;
        }
        ledger.number("per_output", &at, &inputs, complete.per_output[index], derived);
    }
    let total = sum(complete.per_output.iter().map(|part| ledger.known(*part)));
    let paths: Vec<_> = net.outputs.iter().map(|name| at!["loss", "per_output", name]).collect();
    let inputs: Vec<&[_]> = paths.iter().map(|path| path.as_slice()).collect();
    ledger.number("total", &at!["loss", "total"], &inputs, complete.step.loss.total, total);
    if net.loss == LossKind::CrossEntropySoftmax {
        let targets = sum(complete.targets.iter().map(|target| ledger.known(*target)));
        let slack = targets.widened(TARGET_SUM_SLACK);
        ledger.number("targets", &at!["targets"], &[], 1.0, slack);
    }
}

fn sum(parts: impl Iterator<Item = Bounded>) -> Bounded {
    parts.fold(Bounded::exact(0.0), |sum, part| sum + part)
}
