//! Rules 1, 2, 3 and 13: error signals.

use super::form::block;
use crate::engine::activation;
use crate::number::{Bounded, Real as _};
use crate::pointer::Pointer;
use crate::receipt::net::Net;
use crate::receipt::step::Origin;
use crate::receipt::wire::{DualForm, Factor, LossKind, UnitOrder};
use crate::reconcile::complete::{Complete, Keyed};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;
use crate::{place, places};

/// Rule 1, part `keys`.
pub(super) fn output_keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let &Keyed { step, net, .. } = keyed;
    let at = place!["backward", "output_error_signals"];
    let signals = &step.backward.output_error_signals;
    block("keys", at, net.outputs.iter(), signals, keyed.output_signals.is_some(), ledger);
    let names: &[&str] = match net.loss {
        LossKind::HalfSquaredError => &["target_minus_output", "activation_derivative"],
        LossKind::CrossEntropySoftmax => &["target_minus_probability"],
    };
    for (unit, signal) in signals {
        let at = place!["backward", "output_error_signals", unit, "factors"];
        factor_names("factors", at, &signal.factors, names, ledger);
    }
}

/// Compares the names of factors with those that the format gives, in order.
pub(super) fn factor_names(
    part: &'static str,
    at: impl Fn() -> Pointer + Copy,
    factors: &[Factor],
    names: &[&str],
    ledger: &mut Ledger,
) {
    if factors.len() != names.len() {
        ledger.count(part, at, factors.len() as u64, names.len() as u64);
        return;
    }
    for (index, (factor, name)) in factors.iter().zip(names).enumerate() {
        ledger.text(part, place![at => index, "name"], &factor.name, name);
    }
}

/// The product of factors, left to right; not a number without one.
#[inline]
pub(super) fn product(factors: &[Factor], ledger: &Ledger) -> Bounded {
    let Some((first, rest)) = factors.split_first() else { return Bounded::exact(f64::NAN) };
    rest.iter().fold(ledger.known(first.value), |product, factor| product * ledger.known(factor.value))
}

/// Rule 1. Parts: `product`; `difference`, the target minus the output; `derivative`, of the activation at the output.
pub(super) fn output_signals(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (index, name) in net.outputs.iter().enumerate() {
        let signal = &complete.output_signals[index];
        let at = |rest: &'static str| place!["backward", "output_error_signals", name, rest];
        let factor_at =
            |place: usize| place!["backward", "output_error_signals", name, "factors", place, "value"];
        let out_at = place!["forward", name, "out"];
        let out = ledger.known(complete.outputs[index].out);
        let target = ledger.known(complete.targets[index]);

        let inputs = places![factor_at(0), factor_at(1)];
        let derived = product(&signal.factors, ledger);
        ledger.number("product", at("signal_value"), inputs, signal.signal_value, derived);
        if let Some(difference) = signal.factors.first() {
            let inputs = places![place!["targets", name], out_at];
            ledger.number("difference", factor_at(0), inputs, difference.value, target - out);
        }
        if let Some(derivative) = signal.factors.get(1) {
            let derived = activation::derivative(net.activation_output, out);
            ledger.number("derivative", factor_at(1), places![out_at], derivative.value, derived);
        }
    }
}

/// Rule 2. Parts: `keys`, one entry per hidden unit; `order`, contributions and their sum follow the output order;
/// `weight`, a contribution names the weight between.
pub(super) fn hidden_keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let &Keyed { step, net, .. } = keyed;
    let at = place!["backward", "hidden_error_signals"];
    let signals = &step.backward.hidden_error_signals;
    block("keys", at, net.hidden.iter(), signals, keyed.hidden_signals.is_some(), ledger);
    for (hidden, unit) in net.hidden.iter().enumerate() {
        let whole = keyed.hidden_signals.as_ref().map(|whole| &whole[hidden]);
        let Some(signal) = whole.or_else(|| signals.get(unit)) else { continue };
        let part = |key: &'static str| place!["backward", "hidden_error_signals", unit, key];
        names("order", part("summation_order"), &signal.summation_order, &net.outputs, ledger);
        let contributions = &signal.downstream_contributions;
        if contributions.len() != net.outputs.len() {
            let stored = contributions.len() as u64;
            ledger.count("order", part("downstream_contributions"), stored, net.outputs.len() as u64);
            continue;
        }
        for (output, contribution) in contributions.iter().enumerate() {
            let at = |key: &'static str| {
                place!["backward", "hidden_error_signals", unit, "downstream_contributions", output, key]
            };
            ledger.name("order", at("from"), &contribution.from, &net.outputs[output]);
            let weight = &net.parameters[net.output_weight(output, hidden)];
            ledger.name("weight", at("via_weight"), &contribution.via_weight, weight);
        }
    }
}

/// Compares a list of names with the names that the net gives, in order.
fn names<T: PartialEq + AsRef<str>>(
    part: &'static str,
    at: impl Fn() -> Pointer + Copy,
    stored: &[T],
    expected: &[T],
    ledger: &mut Ledger,
) {
    if stored.len() != expected.len() {
        ledger.count(part, at, stored.len() as u64, expected.len() as u64);
        return;
    }
    for (index, (stored, expected)) in stored.iter().zip(expected).enumerate() {
        ledger.name(part, place![at => index], stored, expected);
    }
}

/// Rule 2. Parts: `value`, signal times weight; `sum`; `source`, signal and weight are the ones that stand elsewhere.
pub(super) fn contributions(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (hidden, unit) in net.hidden.iter().enumerate() {
        let signal = &complete.hidden_signals[hidden];
        let mut sum = Bounded::exact(0.0);
        for (output, contribution) in signal.downstream_contributions.iter().enumerate() {
            let at = |key: &'static str| {
                place!["backward", "hidden_error_signals", unit, "downstream_contributions", output, key]
            };
            let derived =
                ledger.known(contribution.downstream_signal) * ledger.known(contribution.weight_value);
            let inputs = places![at("downstream_signal"), at("weight_value")];
            ledger.number("value", at("value"), inputs, contribution.value, derived);
            sum = sum + ledger.known(contribution.value);

            let original = place!["backward", "output_error_signals", &net.outputs[output], "signal_value"];
            let value = complete.output_signals[output].signal_value;
            ledger.same("source", at("downstream_signal"), original, contribution.downstream_signal, value);
            let weight = net.output_weight(output, hidden);
            let original = place!["parameters_before", &net.parameters[weight]];
            let value = complete.before[weight];
            ledger.same("source", at("weight_value"), original, contribution.weight_value, value);
        }
        let part = place!["backward", "hidden_error_signals", unit, "downstream_contributions"];
        let inputs = move || {
            (0..signal.downstream_contributions.len())
                .map(|output| place![part => output, "value"]())
                .collect()
        };
        let at = place!["backward", "hidden_error_signals", unit, "backpropagated_sum"];
        ledger.number("sum", at, inputs, signal.backpropagated_sum, sum);
    }
}

/// Rule 3. Parts: `product`; `derivative`, which follows from the unit's output.
pub(super) fn hidden_signals(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (hidden, unit) in net.hidden.iter().enumerate() {
        let signal = &complete.hidden_signals[hidden];
        let at = |key: &'static str| place!["backward", "hidden_error_signals", unit, key];
        let derived = ledger.known(signal.backpropagated_sum) * ledger.known(signal.activation_derivative);
        let inputs = places![at("backpropagated_sum"), at("activation_derivative")];
        ledger.number("product", at("signal_value"), inputs, signal.signal_value, derived);

        let out = ledger.known(complete.hidden[hidden].out);
        let derived = activation::derivative(net.activation_hidden, out);
        let inputs = places![place!["forward", unit, "out"]];
        let at = at("activation_derivative");
        ledger.number("derivative", at, inputs, signal.activation_derivative, derived);
    }
}

/// Rule 13, part `keys`: dual forms stand at every output or at none; a receipt of this engine has them.
pub(super) fn dual_keys(&Keyed { step, net, .. }: &Keyed<'_>, ledger: &mut Ledger) {
    let signals = &step.backward.output_error_signals;
    let present = signals.values().filter(|signal| signal.dual_form.is_some()).count();
    let derived = net.loss == LossKind::CrossEntropySoftmax;
    let wanted = derived && (present > 0 || (step.is_receipt && step.origin == Origin::Engine));
    if present == 0 && !wanted {
        return;
    }
    let Some(UnitOrder { output, .. }) = &step.topology.unit_order else { return };
    for unit in output {
        let Some(signal) = signals.get(unit) else { continue };
        let at = place!["backward", "output_error_signals", unit, "dual_form"];
        match &signal.dual_form {
            None if wanted => ledger.find("keys", at, Evidence::Missing),
            Some(_) if !derived => ledger.find("keys", at, Evidence::Unexpected),
            Some(dual) => dual_shape(at, dual, net, ledger),
            None => {}
        }
    }
}

fn dual_shape(at: impl Fn() -> Pointer + Copy, dual: &DualForm, net: &Net, ledger: &mut Ledger) {
    names("order", place![at => "summation_order"], &dual.summation_order, &net.outputs, ledger);
    let list_at = place![at => "jacobian_terms"];
    if dual.jacobian_terms.len() != net.outputs.len() {
        let stored = dual.jacobian_terms.len() as u64;
        ledger.count("order", list_at, stored, net.outputs.len() as u64);
        return;
    }
    for (index, (term, output)) in dual.jacobian_terms.iter().zip(&net.outputs).enumerate() {
        let term_at = place![list_at => index];
        ledger.name("order", place![term_at => "target_unit"], &term.target_unit, output);
        let factors_at = place![term_at => "factors"];
        factor_names("factors", factors_at, &term.factors, &["y_j", "delta_ju_minus_p_u"], ledger);
        if let [target, delta] = term.factors.as_slice() {
            let from = place![factors_at => 0_usize, "from"];
            let is = |from: &str| from.strip_prefix("targets.") == Some(output);
            ledger.optional_text("source", from, target.from.as_deref(), is, || format!("targets.{output}"));
            if delta.from.is_some() {
                let from = place![factors_at => 1_usize, "from"];
                ledger.find("source", from, Evidence::Unexpected);
            }
        }
    }
}

/// Rule 13. Parts: `term`, a term is the product of its factors; `source`, its factors are the target and the Jacobian's
/// row; `sum`; `signal`, the sum is the signal.
pub(super) fn duals(complete: &Complete<'_>, duals: &[&DualForm], ledger: &mut Ledger) {
    let net = complete.net;
    for (index, (unit, dual)) in net.outputs.iter().zip(duals).enumerate() {
        let at = |key: &'static str| place!["backward", "output_error_signals", unit, "dual_form", key];
        let term_at = |term: usize, key: &'static str| {
            place!["backward", "output_error_signals", unit, "dual_form", "jacobian_terms", term, key]
        };
        let operand_at = |term: usize, operand: usize| {
            let block = "jacobian_terms";
            place![
                "backward",
                "output_error_signals",
                unit,
                "dual_form",
                block,
                term,
                "factors",
                operand,
                "value"
            ]
        };
        let out_at = place!["forward", unit, "out"];
        let probability = ledger.known(complete.outputs[index].out);
        let mut sum = Bounded::exact(0.0);
        for (place, term) in dual.jacobian_terms.iter().enumerate() {
            let (target_at, delta_at) = (operand_at(place, 0), operand_at(place, 1));
            let derived = product(&term.factors, ledger);
            let inputs = places![target_at, delta_at];
            ledger.number("term", term_at(place, "term_value"), inputs, term.term_value, derived);
            sum = sum + ledger.known(term.term_value);
            if let [target, delta] = term.factors.as_slice() {
                let original = place!["targets", &net.outputs[place]];
                ledger.same("source", target_at, original, target.value, complete.targets[place]);
                let one = Bounded::exact(if place == index { 1.0 } else { 0.0 });
                ledger.number("source", delta_at, places![out_at], delta.value, one - probability);
            }
        }
        let inputs = || (0..dual.jacobian_terms.len()).map(|term| term_at(term, "term_value")()).collect();
        ledger.number("sum", at("summed_value"), inputs, dual.summed_value, sum);
        let signal_at = place!["backward", "output_error_signals", unit, "signal_value"];
        // With exact numbers, the sum over j of y_j (δ_ju - p_u) is y_u - p_u + p_u (1 - sum of y_j): apart by p_u times what
        // the targets miss 1 by, and by the roundings of n terms, of two each, and of their sum.
        let size = dual.jacobian_terms.iter().fold(0.0, |size, term| size + term.term_value.abs());
        let roundings = dual.jacobian_terms.iter().fold(3.0, |count, _| count + 1.0) * f64::EPSILON;
        let miss =
            complete.targets.iter().fold(Bounded::exact(1.0), |miss, target| miss - ledger.known(*target))
                * probability.abs();
        let apart = miss.value().abs() + miss.bound() + roundings * size;
        let signal = ledger.known(complete.output_signals[index].signal_value).widened(apart);
        ledger.number("signal", at("summed_value"), places![signal_at], dual.summed_value, signal);
    }
}
