//! Rules 0.8, 0.9 and 11: the forward pass.

use super::form::block;
use crate::number::{Bounded, Real as _};
use crate::place;
use crate::reconcile::complete::{Complete, Keyed};
use crate::reconcile::ledger::{Ledger, alone};

/// Rule 0.9.
pub(super) fn units(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let (names, stands) = (keyed.net.computed_units(), keyed.forward.is_some());
    block("", place!["forward"], names, &keyed.step.forward, stands, ledger);
}

/// Rule 0.8: the nearest probability to an output is the output.
pub(super) fn probabilities(complete: &Complete<'_>, ledger: &mut Ledger) {
    for (name, unit) in complete.net.outputs.iter().zip(complete.outputs.iter()) {
        let nearest = Bounded::exact(unit.out.clamp(0.0, 1.0));
        ledger.number("", place!["forward", name, "out"], alone, unit.out, nearest);
    }
}

/// Rule 11.
pub(super) fn probabilities_sum(complete: &Complete<'_>, ledger: &mut Ledger) {
    let sum = complete
        .outputs
        .iter()
        .map(|unit| ledger.known(unit.out))
        .fold(Bounded::exact(0.0), |sum, out| sum + out);
    let inputs = || complete.net.outputs.iter().map(|name| place!["forward", name, "out"]()).collect();
    ledger.number("", place!["forward"], inputs, 1.0, sum);
}
