//! Rule 8: where factors come from.

use crate::place;
use crate::pointer::Pointer;
use crate::receipt::id::UnitId;
use crate::receipt::net::Place;
use crate::reconcile::complete::Complete;
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// The place in the record that a factor is copied from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Input(&'a UnitId),
    Hidden(&'a UnitId),
    HiddenSignal(&'a UnitId),
    OutputSignal(&'a UnitId),
}

impl<'a> Source<'a> {
    /// The name, and what stands around it where `from` spells the path, keys joined by points.
    #[inline]
    fn spelled<T>(self, with: impl FnOnce(&'static str, &'a str, &'static str) -> T) -> T {
        match self {
            Self::Input(name) => with("inputs.", name, ""),
            Self::Hidden(name) => with("forward.", name, ".out"),
            Self::HiddenSignal(name) => with("backward.hidden_error_signals.", name, ".signal_value"),
            Self::OutputSignal(name) => with("backward.output_error_signals.", name, ".signal_value"),
        }
    }

    fn is(self, from: &str) -> bool {
        self.spelled(|before, name, after| {
            from.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) == Some(name)
        })
    }

    fn path(self) -> String {
        self.spelled(|before, name, after| [before, name, after].concat())
    }

    fn at(self) -> Pointer {
        match self {
            Self::Input(name) => place!["inputs", name](),
            Self::Hidden(name) => place!["forward", name, "out"](),
            Self::HiddenSignal(name) => place!["backward", "hidden_error_signals", name, "signal_value"](),
            Self::OutputSignal(name) => place!["backward", "output_error_signals", name, "signal_value"](),
        }
    }
}

/// Parts: `from`, the place that it names; `value`, the number that stands there.
pub(super) fn factors(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (unit, signal) in net.outputs.iter().zip(complete.output_signals.iter()) {
        for (index, factor) in signal.factors.iter().enumerate() {
            if factor.from.is_some() {
                let at = place!["backward", "output_error_signals", unit, "factors", index, "from"];
                ledger.find("from", at, Evidence::Unexpected);
            }
        }
    }
    let hidden_signal =
        |unit: usize| (Source::HiddenSignal(&net.hidden[unit]), complete.hidden_signals[unit].signal_value);
    let output_signal =
        |unit: usize| (Source::OutputSignal(&net.outputs[unit]), complete.output_signals[unit].signal_value);
    for (parameter, update) in complete.updates.iter().enumerate() {
        let Some((place, update)) = update else { continue };
        let (signal, upstream) = match net.places[parameter] {
            Place::HiddenWeight { input, hidden } => {
                (hidden_signal(hidden), Some((Source::Input(&net.inputs[input]), complete.inputs[input])))
            }
            Place::OutputWeight { hidden, output } => {
                let upstream = (Source::Hidden(&net.hidden[hidden]), complete.hidden[hidden].out);
                (output_signal(output), Some(upstream))
            }
            Place::HiddenBias { unit } => (hidden_signal(unit), None),
            Place::OutputBias { unit } => (output_signal(unit), None),
        };
        let sources = std::iter::once(signal).chain(upstream);
        for (index, (factor, (source, value))) in update.optimizer.factors.iter().zip(sources).enumerate() {
            let at = |key: &'static str| place!["updates", *place, "optimizer", "factors", index, key];
            let (is, path) = (|from: &str| source.is(from), || source.path());
            ledger.optional_text("from", at("from"), factor.from.as_deref(), is, path);
            ledger.same("value", at("value"), || source.at(), factor.value, value);
        }
    }
}
