//! Rule 14: every stored number against the engine's own, computed from inputs and parameters alone.

use std::collections::HashSet;

use super::form::key_set;
use crate::engine::{self, Computed, Forward, Given, Loss, Pass, Reduction, Sample, State};
use crate::number::Bounded;
use crate::place;
use crate::pointer::Pointer;
use crate::receipt::id::ParamId;
use crate::receipt::net::Net;
use crate::receipt::step::Step;
use crate::receipt::wire::{OptimizerState, Unit};
use crate::reconcile::complete::{Column, Complete, Keyed, OfUnits, SampleValues, learns};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::{Ledger, alone};

/// Parts: `per_sample`, each sample's pass and loss name every unit; `updates`, one for each parameter that learns and no
/// other, in the net's order.
pub(super) fn keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let &Keyed { step, net, .. } = keyed;
    for (name, sample) in step.per_sample.iter().flatten() {
        let at = |key: &'static str| place!["per_sample", name, key];
        key_set("per_sample", at("inputs"), net.inputs.iter(), &sample.inputs, ledger);
        key_set("per_sample", at("targets"), net.outputs.iter(), &sample.targets, ledger);
        key_set("per_sample", at("forward"), net.computed_units(), &sample.forward, ledger);
        let at = place!["per_sample", name, "loss", "per_output"];
        key_set("per_sample", at, net.outputs.iter(), &sample.loss.per_output, ledger);
    }
    if keyed.updates.is_some() {
        step.updates.iter().for_each(|_| ledger.holds());
        return;
    }
    let stated = net.parameters.iter().enumerate();
    let learning = stated.filter(|(parameter, _)| learns(step, net, *parameter)).map(|(_, name)| name);
    let names: Vec<&ParamId> = learning.collect();
    let known: HashSet<&ParamId> = names.iter().copied().collect();
    let mut stated = HashSet::new();
    let mut unexpected = Vec::new();
    for (place, update) in step.updates.iter().enumerate() {
        if !known.contains(&update.parameter_id) || !stated.insert(&update.parameter_id) {
            unexpected.push(place);
        }
    }
    let missing: Vec<&ParamId> = names.iter().filter(|name| !stated.contains(*name)).copied().collect();
    for name in &missing {
        ledger.find("updates", place!["updates", *name], Evidence::Missing);
    }
    for place in &unexpected {
        ledger.find("updates", place!["updates", *place], Evidence::Unexpected);
    }
    // Where names are missing or too many, every later place is another's.
    if missing.is_empty() && unexpected.is_empty() {
        for (place, (update, name)) in step.updates.iter().zip(names).enumerate() {
            ledger.text("updates", place!["updates", place, "parameter_id"], &update.parameter_id, name);
        }
    }
}

/// Parts: `forward`, `loss`, `backward`, `per_sample`, `updates`, `post_update`.
pub(super) fn values(complete: &Complete<'_>, ledger: &mut Ledger) {
    let Some(computed) = engine::step(complete.net, &given(complete, ledger)) else {
        ledger.find("updates", place!["batch", "sample_order"], Evidence::Missing);
        return;
    };
    let Some(first) = computed.passes.first() else { return };
    let net = complete.net;
    let stored = (&complete.hidden, &complete.outputs);
    pass("forward", place!["forward"], net, stored, &first.forward, ledger);
    let stored = (&complete.per_output, complete.step.loss.total);
    losses("loss", place!["loss"], net, stored, &computed.loss, ledger);
    output_errors(complete, first, ledger);
    hidden_errors(complete, first, ledger);
    changes(complete, &computed, ledger);
    for (sample, derived) in complete.batch.iter().flat_map(|batch| &batch.samples).zip(&computed.passes) {
        let stored = (&sample.hidden, &sample.outputs);
        pass(
            "per_sample",
            place!["per_sample", sample.name, "forward"],
            net,
            stored,
            &derived.forward,
            ledger,
        );
        let stored = (&sample.per_output, sample.total);
        losses("per_sample", place!["per_sample", sample.name, "loss"], net, stored, &derived.loss, ledger);
    }
    post_update_keys(complete.step, net, ledger);
    if let Some(post) = &complete.post {
        let stored = (&post.hidden, &post.outputs);
        pass("post_update", place!["post_update_forward"], net, stored, &computed.post_forward, ledger);
        let stored = (&post.per_output, post.total);
        losses("post_update", place!["post_update_loss"], net, stored, &computed.post_loss, ledger);
    }
}

/// What the step is computed from, each number as well as it is known.
fn given(complete: &Complete<'_>, ledger: &Ledger) -> Given<Bounded> {
    let (samples, reduction) = match &complete.batch {
        None => {
            let sample = Sample::new(known(&complete.inputs, ledger), known(&complete.targets, ledger));
            (vec![sample], Reduction::None)
        }
        Some(batch) => {
            let sample = |sample: &SampleValues<'_>| {
                Sample::new(known(&sample.inputs, ledger), known(&sample.targets, ledger))
            };
            (batch.samples.iter().map(sample).collect(), batch.reduction)
        }
    };
    let state = |state: &State<f64>| state.map(|number| ledger.known(number));
    Given {
        samples,
        reduction,
        before: known(&complete.before, ledger).collect(),
        states: complete.states.iter().map(state).collect(),
        method: complete.method.map(|number| ledger.known(number)),
        learning_rate: ledger.known(complete.step.learning_rate),
        bias_mode: complete.step.bias_mode,
    }
}

fn known<K>(values: &Column<'_, K, f64>, ledger: &Ledger) -> impl ExactSizeIterator<Item = Bounded> {
    values.iter().map(|value| ledger.known(*value))
}

/// Every receipt holds the pass with the new parameters; a sidecar may leave it out, whole.
fn post_update_keys(step: &Step, net: &Net, ledger: &mut Ledger) {
    let post = &step.post_update;
    let wanted =
        step.is_receipt || post.forward.is_some() || post.per_output.is_some() || post.total.is_some();
    if !wanted {
        return;
    }
    for (block, status, stands) in [
        (
            "post_update_forward",
            &post.forward_status,
            post.forward.as_ref().is_some_and(|units| !units.is_empty()),
        ),
        ("post_update_loss", &post.loss_status, post.total.is_some()),
    ] {
        if let Some(status) = status.as_deref().filter(|_| stands) {
            ledger.text("post_update", place![block, "status"], status, "filled");
        }
    }
    match &post.forward {
        Some(forward) => {
            key_set("post_update", place!["post_update_forward"], net.computed_units(), forward, ledger);
        }
        None => ledger.find("post_update", place!["post_update_forward"], Evidence::Missing),
    }
    let at = place!["post_update_loss", "per_output"];
    match &post.per_output {
        Some(per_output) => key_set("post_update", at, net.outputs.iter(), per_output, ledger),
        None if post.total.is_none() => {
            ledger.find("post_update", place!["post_update_loss"], Evidence::Missing);
            return;
        }
        None => ledger.find("post_update", at, Evidence::Missing),
    }
    if post.total.is_none() {
        ledger.find("post_update", place!["post_update_loss", "total"], Evidence::Missing);
    }
}

fn pass(
    part: &'static str,
    block: impl Fn() -> Pointer + Copy,
    net: &Net,
    (hidden, outputs): (&OfUnits<'_, Unit>, &OfUnits<'_, Unit>),
    derived: &Forward<Bounded>,
    ledger: &mut Ledger,
) {
    let stored = hidden.iter().chain(outputs.iter());
    for (name, (stored, derived)) in net.computed_units().zip(stored.zip(&derived.cells)) {
        ledger.number(part, place![block => name, "net"], alone, stored.net, derived.net);
        ledger.number(part, place![block => name, "out"], alone, stored.out, derived.out);
    }
}

fn losses(
    part: &'static str,
    block: impl Fn() -> Pointer + Copy,
    net: &Net,
    (per_output, total): (&OfUnits<'_, f64>, f64),
    derived: &Loss<Bounded>,
    ledger: &mut Ledger,
) {
    for (name, (stored, derived)) in net.outputs.iter().zip(per_output.iter().zip(&derived.per_output)) {
        ledger.number(part, place![block => "per_output", name], alone, *stored, *derived);
    }
    ledger.number(part, place![block => "total"], alone, total, derived.total);
}

fn output_errors(complete: &Complete<'_>, computed: &Pass<Bounded>, ledger: &mut Ledger) {
    let stored = complete.net.outputs.iter().zip(complete.output_signals.iter());
    for ((unit, signal), derived) in stored.zip(&computed.output_errors) {
        let at = place!["backward", "output_error_signals", unit, "signal_value"];
        ledger.number("backward", at, alone, signal.signal_value, derived.signal);
        for (index, (factor, derived)) in signal.factors.iter().zip(derived.factors()).enumerate() {
            let at = place!["backward", "output_error_signals", unit, "factors", index, "value"];
            ledger.number("backward", at, alone, factor.value, derived);
        }
        let (Some(dual), Some(derived)) = (&signal.dual_form, &derived.dual) else { continue };
        for (index, (term, derived)) in dual.jacobian_terms.iter().zip(&derived.terms).enumerate() {
            let at = place![
                "backward",
                "output_error_signals",
                unit,
                "dual_form",
                "jacobian_terms",
                index,
                "term_value"
            ];
            ledger.number("backward", at, alone, term.term_value, derived.term);
        }
        let at = place!["backward", "output_error_signals", unit, "dual_form", "summed_value"];
        ledger.number("backward", at, alone, dual.summed_value, derived.sum);
    }
}

fn hidden_errors(complete: &Complete<'_>, computed: &Pass<Bounded>, ledger: &mut Ledger) {
    let stored = complete.net.hidden.iter().zip(complete.hidden_signals.iter());
    for (hidden, ((unit, signal), derived)) in stored.zip(&computed.hidden_errors).enumerate() {
        let at = |key: &'static str| place!["backward", "hidden_error_signals", unit, key];
        ledger.number("backward", at("backpropagated_sum"), alone, signal.backpropagated_sum, derived.sum);
        let derivative = signal.activation_derivative;
        ledger.number("backward", at("activation_derivative"), alone, derivative, derived.derivative);
        ledger.number("backward", at("signal_value"), alone, signal.signal_value, derived.signal);
        let contributions = signal.downstream_contributions.iter().zip(computed.contributions(hidden));
        for (output, (contribution, derived)) in contributions.enumerate() {
            let at =
                place!["backward", "hidden_error_signals", unit, "downstream_contributions", output, "value"];
            ledger.number("backward", at, alone, contribution.value, *derived);
        }
    }
}

fn changes(complete: &Complete<'_>, computed: &Computed<Bounded>, ledger: &mut Ledger) {
    for (parameter, name) in complete.net.parameters.iter().enumerate() {
        let (Some((place, update)), Some(change)) =
            (complete.updates[parameter], &computed.changes[parameter])
        else {
            continue;
        };
        ledger.number(
            "updates",
            place!["updates", place, "gradient"],
            alone,
            update.gradient,
            change.gradient,
        );
        ledger.number("updates", place!["updates", place, "update"], alone, update.update, change.update);
        ledger.number(
            "updates",
            place!["updates", place, "weight_after"],
            alone,
            update.weight_after,
            change.after,
        );
        let state_at = |key: &'static str| place!["updates", place, "optimizer", "state_after", key];
        match (update.optimizer.state_after, change.state) {
            (Some(OptimizerState::Momentum { buffer }), State::Momentum(derived)) => {
                ledger.number("updates", state_at("buffer"), alone, buffer, derived);
            }
            (Some(OptimizerState::Adam { m, v }), State::Adam(m_derived, v_derived)) => {
                ledger.number("updates", state_at("m"), alone, m, m_derived);
                ledger.number("updates", state_at("v"), alone, v, v_derived);
            }
            _ => {}
        }
        let after = complete.after[parameter];
        ledger.number("updates", place!["parameters_after", name], alone, after, change.after);
    }
}
