//! Rule 8: where factors come from.

use crate::at;
use crate::pointer::Token;
use crate::receipt::net::Place;
use crate::receipt::wire::Factor;
use crate::reconcile::complete::Complete;
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// The place in the record that a factor is copied from.
struct Source<'a> {
    path: Vec<Token<'a>>,
    value: f64,
}

impl Source<'_> {
    /// The path as `from` spells it: keys joined by points.
    fn spelled(&self) -> String {
        let keys: Vec<&str> = self
            .path
            .iter()
            .filter_map(|token| match token {
                Token::Key(key) => Some(*key),
                Token::Index(_) => None,
            })
            .collect();
        keys.join(".")
    }
}

/// Parts: `from`, the place that it names; `value`, the number that stands there.
pub(super) fn factors(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (unit, signal) in net.outputs.iter().zip(&complete.output_signals) {
        for (index, factor) in signal.factors.iter().enumerate() {
            if factor.from.is_some() {
                let at = at!["backward", "output_error_signals", unit, "factors", index, "from"];
                ledger.find("from", &at, &[], Evidence::Unexpected);
            }
        }
    }
    let hidden_signal = |unit: usize| Source {
        path: at!["backward", "hidden_error_signals", &net.hidden[unit], "signal_value"].to_vec(),
        value: complete.hidden_signals[unit].signal_value,
    };
    let output_signal = |unit: usize| Source {
        path: at!["backward", "output_error_signals", &net.outputs[unit], "signal_value"].to_vec(),
        value: complete.output_signals[unit].signal_value,
    };
    for (parameter, update) in complete.updates.iter().enumerate() {
        let Some((place, update)) = update else { continue };
        let sources = match net.places[parameter] {
            Place::HiddenWeight { input, hidden } => {
                let path = at!["inputs", &net.inputs[input]].to_vec();
                vec![hidden_signal(hidden), Source { path, value: complete.inputs[input] }]
            }
            Place::OutputWeight { hidden, output } => {
                let path = at!["forward", &net.hidden[hidden], "out"].to_vec();
                vec![output_signal(output), Source { path, value: complete.hidden[hidden].out }]
            }
            Place::HiddenBias { unit } => vec![hidden_signal(unit)],
            Place::OutputBias { unit } => vec![output_signal(unit)],
        };
        for (index, (factor, source)) in update.optimizer.factors.iter().zip(&sources).enumerate() {
            copied(*place, index, factor, source, ledger);
        }
    }
}

fn copied(update: usize, index: usize, factor: &Factor, source: &Source<'_>, ledger: &mut Ledger) {
    let at = |key: &'static str| at!["updates", update, "optimizer", "factors", index, key];
    ledger.optional_text("from", &at("from"), factor.from.as_deref(), &source.spelled());
    ledger.same("value", &at("value"), &source.path, factor.value, source.value);
}
