//! Rules 18 and 19: batches.

use super::form::key_set;
use crate::engine::Reduction;
use crate::number::Bounded;
use crate::reconcile::complete::{Complete, Keyed, SampleValues, Samples};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;
use crate::{place, places};

/// Samples of a batch; the judge's own ceiling, whatever a schema admits.
const MAX_SAMPLES: usize = 10_000;

/// Rule 19. Parts: `size`, the batch has as many samples as it says, and no more than [`MAX_SAMPLES`]; `order`, no
/// sample is named twice; `keys`, what is listed by sample lists the batch's samples; `reduction`.
pub(super) fn keys(&Keyed { step, .. }: &Keyed<'_>, ledger: &mut Ledger) {
    let Some(batch) = &step.batch else {
        if step.per_sample.is_some() {
            ledger.find("keys", place!["per_sample"], Evidence::Unexpected);
        }
        if step.loss.per_sample.is_some() {
            ledger.find("keys", place!["loss", "per_sample"], Evidence::Unexpected);
        }
        return;
    };
    let count = batch.sample_order.len();
    ledger.count("size", place!["batch", "size"], batch.size, count as u64);
    if count > MAX_SAMPLES {
        ledger.find(
            "size",
            place!["batch", "sample_order"],
            Evidence::Count { stored: count as u64, expected: MAX_SAMPLES as u64 },
        );
        return;
    }
    let mut seen = std::collections::HashSet::new();
    let mut names = Vec::with_capacity(count);
    for (index, name) in batch.sample_order.iter().enumerate() {
        if seen.insert(name) {
            names.push(name);
            ledger.holds();
        } else {
            ledger.find("order", place!["batch", "sample_order", index], Evidence::Unexpected);
        }
    }
    match &step.per_sample {
        Some(samples) => key_set("keys", place!["per_sample"], names.iter().copied(), samples, ledger),
        None => ledger.find("keys", place!["per_sample"], Evidence::Missing),
    }
    match &step.loss.per_sample {
        Some(totals) => key_set("keys", place!["loss", "per_sample"], names.iter().copied(), totals, ledger),
        None => ledger.find("keys", place!["loss", "per_sample"], Evidence::Missing),
    }
    if let Some(stored) = &step.loss.reduction {
        ledger.text("reduction", place!["loss", "reduction"], stored, &batch.reduction);
    }
    if batch.reduction == "none" {
        ledger.count("reduction", place!["batch", "size"], batch.size, 1);
    }
}

/// Rule 19, part `first`: what stands at the top of a batched record is its first sample's.
pub(super) fn first(complete: &Complete<'_>, batch: &Samples<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    let Some(first) = batch.samples.first() else { return };
    for (index, name) in net.inputs.iter().enumerate() {
        let original = place!["per_sample", first.name, "inputs", name];
        ledger.same("first", place!["inputs", name], original, complete.inputs[index], first.inputs[index]);
    }
    for (index, name) in net.outputs.iter().enumerate() {
        let original = place!["per_sample", first.name, "targets", name];
        ledger.same(
            "first",
            place!["targets", name],
            original,
            complete.targets[index],
            first.targets[index],
        );
    }
    let stored = complete.hidden.iter().chain(complete.outputs.iter());
    let originals = first.hidden.iter().chain(first.outputs.iter());
    for ((name, stored), original) in net.computed_units().zip(stored).zip(originals) {
        for (key, copy, value) in [("net", stored.net, original.net), ("out", stored.out, original.out)] {
            let place = place!["per_sample", first.name, "forward", name, key];
            ledger.same("first", place!["forward", name, key], place, copy, value);
        }
    }
}

/// Rule 18. Parts: `total` and `per_output`, reduced in the order of the samples; `copy`, each sample's total is listed
/// as it stands with the sample.
pub(super) fn reductions(complete: &Complete<'_>, batch: &Samples<'_>, ledger: &mut Ledger) {
    let loss = &complete.step.loss;
    let reduce = |value: &dyn Fn(&SampleValues<'_>) -> f64, ledger: &Ledger| -> Bounded {
        Reduction::of(batch.reduction, batch.samples.iter().map(|sample| ledger.known(value(sample))))
    };
    let total = reduce(&|sample| sample.listed_total, ledger);
    ledger.number("total", place!["loss", "total"], places![place!["loss", "per_sample"]], loss.total, total);
    for (output, name) in complete.net.outputs.iter().enumerate() {
        let derived = reduce(&|sample| sample.per_output[output], ledger);
        let at = place!["loss", "per_output", name];
        ledger.number("per_output", at, places![place!["per_sample"]], complete.per_output[output], derived);
    }
    for sample in &batch.samples {
        let at = place!["loss", "per_sample", sample.name];
        let original = place!["per_sample", sample.name, "loss", "total"];
        ledger.same("copy", at, original, sample.listed_total, sample.total);
    }
}
