//! Rule 12: the loss.

use super::form::key_set;
use crate::at;
use crate::engine;
use crate::number::{Bounded, Real as _};
use crate::pointer::Token;
use crate::receipt::net::Net;
use crate::receipt::step::Step;
use crate::receipt::wire::LossKind;
use crate::reconcile::complete::Complete;
use crate::reconcile::ledger::Ledger;

/// How far the targets of a cross-entropy may sum from 1, beyond their own rounding: the engine's own limit.
pub(super) const TARGET_SUM_SLACK: f64 = 1e-9;

/// Part `keys`.
pub(super) fn keys(step: &Step, net: &Net, ledger: &mut Ledger) {
    key_set("keys", &at!["loss", "per_output"], net.outputs.iter(), &step.loss.per_output, ledger);
}

/// Parts: `per_output`; `total`; `targets`, which are a distribution where the loss is a cross-entropy. Of a batch, each
/// sample's.
pub(super) fn values(complete: &Complete<'_>, ledger: &mut Ledger) {
    match &complete.batch {
        None => {
            let outs: Vec<f64> = complete.outputs.iter().map(|unit| unit.out).collect();
            let total = complete.step.loss.total;
            one(complete.net, &[], &complete.targets, &outs, &complete.per_output, total, ledger);
        }
        Some(batch) => {
            for sample in &batch.samples {
                let outs: Vec<f64> = sample.outputs.iter().map(|unit| unit.out).collect();
                let under = at!["per_sample", sample.name];
                one(complete.net, &under, &sample.targets, &outs, &sample.per_output, sample.total, ledger);
            }
        }
    }
}

fn one(
    net: &Net,
    under: &[Token<'_>],
    targets: &[f64],
    outs: &[f64],
    per_output: &[f64],
    total: f64,
    ledger: &mut Ledger,
) {
    for (index, name) in net.outputs.iter().enumerate() {
        let derived = engine::loss_of(net.loss, ledger.known(targets[index]), ledger.known(outs[index]));
        let target_at = [under, &at!["targets", name]].concat();
        let out_at = [under, &at!["forward", name, "out"]].concat();
        let at = [under, &at!["loss", "per_output", name]].concat();
        ledger.number("per_output", &at, &[&target_at, &out_at], per_output[index], derived);
    }
    let sum_of = sum(per_output.iter().map(|part| ledger.known(*part)));
    let paths: Vec<Vec<Token<'_>>> =
        net.outputs.iter().map(|name| [under, &at!["loss", "per_output", name]].concat()).collect();
    let inputs: Vec<&[Token<'_>]> = paths.iter().map(Vec::as_slice).collect();
    ledger.number("total", &[under, &at!["loss", "total"]].concat(), &inputs, total, sum_of);
    if net.loss == LossKind::CrossEntropySoftmax {
        let slack = sum(targets.iter().map(|target| ledger.known(*target))).widened(TARGET_SUM_SLACK);
        ledger.number("targets", &[under, &at!["targets"]].concat(), &[], 1.0, slack);
    }
}

fn sum(parts: impl Iterator<Item = Bounded>) -> Bounded {
    parts.fold(Bounded::exact(0.0), |sum, part| sum + part)
}
