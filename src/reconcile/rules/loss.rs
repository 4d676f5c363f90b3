//! Rule 12: the loss.

use super::form::block;
use crate::engine;
use crate::number::{Bounded, Real as _};
use crate::pointer::Pointer;
use crate::receipt::step::Origin;
use crate::receipt::wire::{LossKind, Unit};
use crate::reconcile::complete::{Complete, Keyed, OfUnits};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::{Ledger, alone};
use crate::{place, places};

/// How far the targets of a cross-entropy may sum from 1, beyond their own rounding: the engine's own limit.
const TARGET_SUM_SLACK: f64 = 1e-9;

/// Parts: `keys`; `reduction`, which only a batch has.
pub(super) fn keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let &Keyed { step, net, .. } = keyed;
    let (at, stands) = (place!["loss", "per_output"], keyed.per_output.is_some());
    block("keys", at, net.outputs.iter(), &step.loss.per_output, stands, ledger);
    if step.batch.is_none() && step.loss.reduction.is_some() {
        ledger.find("reduction", place!["loss", "reduction"], Evidence::Unexpected);
    }
}

/// Parts: `per_output`; `total`; `targets`, which are a distribution where the loss is a cross-entropy. Of a batch, each
/// sample's.
pub(super) fn values(complete: &Complete<'_>, ledger: &mut Ledger) {
    match &complete.batch {
        None => {
            let values = (&complete.targets, &complete.outputs);
            let losses = (&complete.per_output, complete.step.loss.total);
            one(complete, Pointer::default, values, losses, ledger);
        }
        Some(batch) => {
            for sample in &batch.samples {
                let under = place!["per_sample", sample.name];
                let values = (&sample.targets, &sample.outputs);
                one(complete, under, values, (&sample.per_output, sample.total), ledger);
            }
        }
    }
}

fn one(
    complete: &Complete<'_>,
    under: impl Fn() -> Pointer + Copy,
    (targets, outputs): (&OfUnits<'_, f64>, &OfUnits<'_, Unit>),
    (per_output, total): (&OfUnits<'_, f64>, f64),
    ledger: &mut Ledger,
) {
    let net = complete.net;
    let is_imported = matches!(complete.step.origin, Origin::Imported { .. });
    for (index, name) in net.outputs.iter().enumerate() {
        // The logarithm magnifies what a small probability is off by; rule 14 has the loss from the inputs.
        let out = match net.loss {
            LossKind::CrossEntropySoftmax => ledger.tolerated(outputs[index].out),
            LossKind::HalfSquaredError => ledger.known(outputs[index].out),
        };
        let derived = engine::loss_of(net.loss, ledger.known(targets[index]), out);
        // A probability that underflowed to 0 has no logarithm; the framework took its loss from the logits.
        if is_imported && outputs[index].out == 0.0 && !derived.value().is_finite() {
            ledger.undecided();
            continue;
        }
        let target_at = place![under => "targets", name];
        let out_at = place![under => "forward", name, "out"];
        let at = place![under => "loss", "per_output", name];
        ledger.number("per_output", at, places![target_at, out_at], per_output[index], derived);
    }
    let sum_of = sum(per_output.iter().map(|part| ledger.known(*part)));
    let inputs = || net.outputs.iter().map(|name| place![under => "loss", "per_output", name]()).collect();
    ledger.number("total", place![under => "loss", "total"], inputs, total, sum_of);
    if net.loss == LossKind::CrossEntropySoftmax {
        let slack = sum(targets.iter().map(|target| ledger.known(*target))).widened(TARGET_SUM_SLACK);
        ledger.number("targets", place![under => "targets"], alone, 1.0, slack);
    }
}

fn sum(parts: impl Iterator<Item = Bounded>) -> Bounded {
    parts.fold(Bounded::exact(0.0), |sum, part| sum + part)
}
