//! Rules 0.8, 0.9 and 11: the forward pass.

use super::form::key_set;
use crate::at;
use crate::number::{Bounded, Real as _};
use crate::receipt::net::Net;
use crate::receipt::step::Step;
use crate::reconcile::complete::Complete;
use crate::reconcile::ledger::{self, Ledger};

/// Rule 0.9.
pub(super) fn units(step: &Step, net: &Net, ledger: &mut Ledger) {
    let names: Vec<_> = net.computed_units().cloned().collect();
    key_set("", &at!["forward"], names.iter(), &step.forward, ledger);
}

/// Rule 0.8: the nearest probability to an output is the output.
pub(super) fn probabilities(complete: &Complete<'_>, ledger: &mut Ledger) {
    for (name, unit) in complete.net.outputs.iter().zip(&complete.outputs) {
        let nearest = Bounded::exact(unit.out.clamp(0.0, 1.0));
        ledger.number("", &at!["forward", name, "out"], &[], unit.out, nearest);
    }
}

/// Rule 11.
pub(super) fn probabilities_sum(complete: &Complete<'_>, ledger: &mut Ledger) {
    let sum = complete
        .outputs
        .iter()
        .map(|unit| ledger.known(unit.out))
        .fold(Bounded::exact(0.0), |sum, out| sum + out);
    let paths: Vec<_> = complete.net.outputs.iter().map(|name| at!["forward", name, "out"]).collect();
    let inputs = ledger::inputs(&paths);
    ledger.number("", &at!["forward"], &inputs, 1.0, sum);
}
