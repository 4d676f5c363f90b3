//! Rules 4 to 7: gradients, updates and the parameters after them.

use super::backward::{factor_names, product};
use super::form::block;
use crate::engine::Method;
use crate::receipt::net::Place;
use crate::receipt::wire::Update;
use crate::reconcile::complete::{Complete, Keyed};
use crate::reconcile::ledger::Ledger;
use crate::{place, places};

/// Each parameter that learns: its index, the place of its update in the record, and the update.
fn learned<'a>(complete: &'a Complete<'_>) -> impl Iterator<Item = (usize, usize, &'a Update)> {
    let stated = |(parameter, update): (usize, &Option<(usize, &'a Update)>)| {
        update.map(|(place, update)| (parameter, place, update))
    };
    complete.updates.iter().enumerate().filter_map(stated)
}

/// Rule 4. Parts: `factors`, their names; `product`.
pub(super) fn gradients(complete: &Complete<'_>, ledger: &mut Ledger) {
    for (parameter, place, update) in learned(complete) {
        let names: &[&str] = match complete.net.places[parameter] {
            _ if complete.batch.is_some() => &["batch_reduced_gradient"],
            Place::HiddenWeight { .. } => &["hidden_error_signal", "upstream_activation"],
            Place::OutputWeight { .. } => &["output_error_signal", "upstream_activation"],
            Place::HiddenBias { .. } => &["hidden_error_signal"],
            Place::OutputBias { .. } => &["output_error_signal"],
        };
        let factors = &update.optimizer.factors;
        let factors_at = place!["updates", place, "optimizer", "factors"];
        factor_names("factors", factors_at, factors, names, ledger);
        let inputs =
            move || (0..factors.len()).map(|factor| place![factors_at => factor, "value"]()).collect();
        let derived = product(factors, ledger);
        ledger.number("product", place!["updates", place, "gradient"], inputs, update.gradient, derived);
    }
}

/// Rule 5. Parts: `learning_rate`, the update's own is the step's; `update`, for plain SGD.
pub(super) fn updates(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    for (_, place, update) in learned(complete) {
        let rate_at = place!["updates", place, "optimizer", "learning_rate"];
        let rate = update.optimizer.learning_rate;
        ledger.identical(
            "learning_rate",
            rate_at,
            place!["learning_rate"],
            rate,
            complete.step.learning_rate,
        );
        if matches!(method, Method::Sgd { .. }) {
            let (gradient, before) = (ledger.known(update.gradient), ledger.known(update.weight_before));
            let derived = ledger.known(rate) * method.decayed(gradient, before);
            let inputs = places![rate_at, place!["updates", place, "gradient"]];
            ledger.number("update", place!["updates", place, "update"], inputs, update.update, derived);
        }
    }
}

/// Rule 6. Parts: `before`, the update starts from `parameters_before`; `after`.
pub(super) fn weights_after(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    let rate = ledger.known(complete.step.learning_rate);
    for (parameter, place, update) in learned(complete) {
        let before_at = place!["updates", place, "weight_before"];
        let original = place!["parameters_before", &complete.net.parameters[parameter]];
        ledger.same("before", before_at, original, update.weight_before, complete.before[parameter]);
        let before = ledger.known(update.weight_before);
        let derived = method.after(rate, before, ledger.known(update.update));
        let inputs = places![before_at, place!["updates", place, "update"]];
        ledger.number(
            "after",
            place!["updates", place, "weight_after"],
            inputs,
            update.weight_after,
            derived,
        );
    }
}

/// Rule 7, part `keys`.
pub(super) fn after_keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let (at, names) = (place!["parameters_after"], keyed.net.parameters.iter());
    block("keys", at, names, &keyed.step.parameters_after, keyed.after.is_some(), ledger);
}

/// Rule 7. Parts: `sum`, before plus update; `copy`, the same number as the update's `weight_after`.
pub(super) fn parameters_after(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    let rate = ledger.known(complete.step.learning_rate);
    for (parameter, place, update) in learned(complete) {
        let name = &complete.net.parameters[parameter];
        let at = place!["parameters_after", name];
        let after = complete.after[parameter];
        let before = ledger.known(complete.before[parameter]);
        let derived = method.after(rate, before, ledger.known(update.update));
        let inputs = places![place!["parameters_before", name], place!["updates", place, "update"]];
        ledger.number("sum", at, inputs, after, derived);
        ledger.same("copy", at, place!["updates", place, "weight_after"], after, update.weight_after);
    }
}
