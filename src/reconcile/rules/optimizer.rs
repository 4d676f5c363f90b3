//! Rules 20 to 24: optimizers with state.

use crate::engine::{Method, State};
use crate::number::Bounded;
use crate::receipt::wire::{Optimizer, OptimizerState, Update};
use crate::reconcile::complete::{Complete, Keyed, state_of};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;
use crate::{place, places};

/// Rule 20. Parts: `config`, the configuration stands and is whole; `name`, every update is by that optimizer; `state`,
/// every update carries its state before and after, of the optimizer's own kind.
pub(super) fn configuration(&Keyed { step, .. }: &Keyed<'_>, ledger: &mut Ledger) {
    let stateful = |update: &Update| {
        let optimizer = &update.optimizer;
        optimizer.name != Optimizer::Sgd
            || optimizer.state_before.is_some()
            || optimizer.state_after.is_some()
    };
    if step.optimizer.is_none() && !step.updates.iter().any(stateful) {
        return;
    }
    let Some(method) = step.optimizer.as_ref().and_then(|config| Method::of(Some(config))) else {
        ledger.find("config", place!["optimizer_config"], Evidence::Missing);
        return;
    };
    ledger.holds();
    let name = step.optimizer.as_ref().map_or("sgd", |config| config.name.name());
    for (place, update) in step.updates.iter().enumerate() {
        ledger.text(
            "name",
            place!["updates", place, "optimizer", "name"],
            update.optimizer.name.name(),
            name,
        );
        for (key, state) in
            [("state_before", &update.optimizer.state_before), ("state_after", &update.optimizer.state_after)]
        {
            match (state_of(&method, state.as_ref()), state) {
                (Some(_), _) => ledger.holds(),
                (None, None) => {
                    ledger.find("state", place!["updates", place, "optimizer", key], Evidence::Missing);
                }
                (None, Some(_)) => {
                    ledger.find("state", place!["updates", place, "optimizer", key], Evidence::Unexpected);
                }
            }
        }
    }
}

/// An update with what its optimizer's rules need, each number as well as it is known.
struct Learned<'a> {
    place: usize,
    update: &'a Update,
    gradient: Bounded,
    before: Bounded,
    state: State<Bounded>,
    next: State<Bounded>,
}

fn learned<'a>(complete: &'a Complete<'_>, ledger: &Ledger) -> Vec<Learned<'a>> {
    let known = |state: State<f64>| state.map(|number| ledger.known(number));
    let stated = complete.updates.iter().enumerate();
    stated
        .filter_map(|(parameter, update)| {
            let (place, update) = (*update)?;
            Some(Learned {
                place,
                update,
                gradient: ledger.known(update.gradient),
                before: ledger.known(update.weight_before),
                state: known(*complete.states.get(parameter)?),
                next: known(state_of(&complete.method, update.optimizer.state_after.as_ref())?),
            })
        })
        .collect()
}

/// Rule 21. Parts: `buffer`, mu b + (1 - tau) g; `direction`, the update over the learning rate is the buffer or the
/// look-ahead; `update`, learning rate times direction. The gradient is g - wd θ where weight decay is coupled.
pub(super) fn momentum(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    let rate = ledger.known(complete.step.learning_rate);
    for learned in learned(complete, ledger) {
        let Learned { place, update, gradient, before, state, next } = learned;
        let buffer_at = place!["updates", place, "optimizer", "state_after", "buffer"];
        let gradient_at = place!["updates", place, "gradient"];
        if let (State::Momentum(derived), Some(OptimizerState::Momentum { buffer })) =
            (method.next(gradient, before, state), update.optimizer.state_after)
        {
            let before_at = place!["updates", place, "optimizer", "state_before", "buffer"];
            let inputs = places![before_at, gradient_at];
            ledger.number("buffer", buffer_at, inputs, buffer, derived);
        }
        if let Some(direction) = method.direction(gradient, before, next) {
            let inputs = places![buffer_at, gradient_at];
            let at = place!["updates", place, "update"];
            // How far an import's update may lie off, its quotient may by as much over the rate: a float32 update is the
            // difference of two rounded weights.
            let quotient = ledger.tolerated(update.update) / rate;
            ledger.derived("direction", at, inputs, quotient, direction);
            ledger.number("update", at, inputs, update.update, rate * direction);
        }
    }
}

/// Rule 22. Parts: `m`, β1 m + (1 - β1) g; `v`, β2 v + (1 - β2) g².
pub(super) fn moments(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    for learned in learned(complete, ledger) {
        let Learned { place, update, gradient, before, state, .. } = learned;
        let (State::Adam(m_derived, v_derived), Some(OptimizerState::Adam { m, v })) =
            (method.next(gradient, before, state), update.optimizer.state_after)
        else {
            continue;
        };
        let gradient_at = place!["updates", place, "gradient"];
        for (key, stored, derived) in [("m", m, m_derived), ("v", v, v_derived)] {
            let before_at = place!["updates", place, "optimizer", "state_before", key];
            let inputs = places![before_at, gradient_at];
            let at = place!["updates", place, "optimizer", "state_after", key];
            ledger.number(if key == "m" { "m" } else { "v" }, at, inputs, stored, derived);
        }
    }
}

/// Rule 23. Parts: `t`, the time step counts the steps of the trace from 1; `correction`, 1 - β^t is above zero.
pub(super) fn time_step(complete: &Complete<'_>, ledger: &mut Ledger) {
    let Method::Adam { timestep, .. } = complete.method else { return };
    if let Some(index) = complete.step.step_index {
        ledger.count("t", place!["optimizer_config", "t"], timestep, index.saturating_add(1));
    }
    let Some((first, second)) = complete.method.corrections() else { return };
    for (key, correction) in [("beta1", first), ("beta2", second)] {
        if correction > 0.0 {
            ledger.holds();
        } else {
            let stored = format!("{correction}");
            let evidence = Evidence::Text { stored, expected: "above 0".to_owned() };
            ledger.find("correction", place!["optimizer_config", key], evidence);
        }
    }
}

/// Rule 24: the update is lr m̂ / (√v̂ + ε), with m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t).
pub(super) fn adam_update(complete: &Complete<'_>, ledger: &mut Ledger) {
    let method = complete.method.map(|number| ledger.known(number));
    let corrections = method.corrections();
    let rate = ledger.known(complete.step.learning_rate);
    for learned in learned(complete, ledger) {
        let Learned { place, update, gradient, before, next, .. } = learned;
        let derived = method.update(corrections, rate, gradient, before, next);
        let state_at = |key: &'static str| place!["updates", place, "optimizer", "state_after", key];
        let inputs = places![state_at("m"), state_at("v")];
        ledger.number("", place!["updates", place, "update"], inputs, update.update, derived);
    }
}
