//! Rule 0: the record's own form.

use std::collections::HashSet;

use crate::number::Tolerance;
use crate::place;
use crate::pointer::Pointer;
use crate::receipt::id::UnitId;
use crate::receipt::net::{Flaw, Net, Place, TopologyLaw};
use crate::receipt::step::{Origin, Step};
use crate::receipt::wire::{BiasMode, BiasSharing, Kind, NumericPolicy, Ordered, Role};
use crate::reconcile::complete::{Complete, Keyed, learns};
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// Parts: `tolerance`, `precision`, `layout`, `step`, `learning_rate`, `a` and `c` (bias updates against the bias policy), `d`
/// (units of a bias), `f` (sizes), `topology`.
pub(super) fn form(step: &Step, net: Result<&Net, &[Flaw]>, ledger: &mut Ledger) {
    policy(step, ledger);
    counters(step, ledger);
    learning_rate(step, ledger);
    match net {
        Ok(net) => {
            ledger.holds();
            biases(step, net, ledger);
        }
        Err(flaws) => {
            for flaw in flaws {
                let (part, evidence) = match (flaw.law, flaw.counts) {
                    (TopologyLaw::Size, Some((stored, expected))) => {
                        ("f", Evidence::Count { stored, expected })
                    }
                    (TopologyLaw::BiasUnits, Some((stored, expected))) => {
                        ("d", Evidence::Count { stored, expected })
                    }
                    (law, _) => ("topology", Evidence::Topology { law: law.name() }),
                };
                ledger.find(part, || flaw.at.clone(), evidence);
            }
        }
    }
}

fn policy(step: &Step, ledger: &mut Ledger) {
    let at = place!["numeric_policy", "tolerance"];
    let ceiling = match step.origin {
        Origin::Engine => Tolerance::NUMERIC_CEILING,
        Origin::Imported { .. } => Tolerance::DIFFERENTIAL_CEILING,
    };
    if let Some(declared) = step.declared_tolerance {
        let (atol, rtol) = (declared.atol(), declared.rtol());
        if atol <= ceiling.atol() && rtol <= ceiling.rtol() {
            ledger.holds();
        } else {
            ledger.find("tolerance", at, Evidence::AboveCeiling { atol, rtol });
        }
    }
    if let Some(policy) = &step.numeric_policy {
        let digits = policy.precision_significant_digits;
        ledger.count("precision", place!["numeric_policy", "precision_significant_digits"], digits, 9);
        layout(policy, ledger);
    }
    let learning = step.bias_mode == BiasMode::Sgd;
    let words = |truth: bool| if truth { "true" } else { "false" };
    ledger.text("a", place!["bias_policy", "updated_in_step"], words(step.biases_updated), words(learning));
}

/// The layout is stated whole or not at all; its words are constants of the format, which the schema checks.
fn layout(policy: &NumericPolicy, ledger: &mut Ledger) {
    let (order, bytes) = (&policy.computation_order, &policy.byte_output);
    if order.is_none() && bytes.is_none() {
        return;
    }
    let mut stated = |at: &dyn Fn() -> Pointer, stands: bool| {
        if stands {
            ledger.holds();
        } else {
            ledger.find("layout", at, Evidence::Missing);
        }
    };
    stated(&place!["numeric_policy", "computation_order"], order.is_some());
    let Some(bytes) = bytes else { return stated(&place!["numeric_policy", "byte_output"], false) };
    for (key, stands) in [
        ("format", bytes.format.is_some()),
        ("json_key_order", bytes.json_key_order.is_some()),
        ("trailing_zero_policy", bytes.trailing_zero_policy.is_some()),
        ("indent", bytes.indent.is_some()),
    ] {
        stated(&place!["numeric_policy", "byte_output", key], stands);
    }
}

/// Outside a trace nothing else in the record says which step it is, and authors of the format do write other numbers
/// than 1 there.
fn counters(step: &Step, ledger: &mut Ledger) {
    if let (Some(number), Some(index)) = (step.step, step.step_index) {
        ledger.count("step", place!["step"], number, index.saturating_add(1));
    }
}

fn learning_rate(step: &Step, ledger: &mut Ledger) {
    let original = place!["learning_rate"];
    if let Some(config) = &step.optimizer {
        let at = place!["optimizer_config", "learning_rate"];
        ledger.identical("learning_rate", at, original, config.learning_rate, step.learning_rate);
    }
}

fn biases(step: &Step, net: &Net, ledger: &mut Ledger) {
    if step.bias_mode == BiasMode::Constant {
        return;
    }
    if net.bias_sharing == BiasSharing::PerLayer {
        let evidence = Evidence::Text { stored: "per_layer".into(), expected: "per_neuron".into() };
        ledger.find("c", place!["topology", "bias_sharing"], evidence);
        return;
    }
    let mut updated = vec![false; net.parameters.len()];
    for (_, parameter) in updated_parameters(step, net) {
        updated[parameter] = true;
    }
    for (parameter, name) in net.parameters.iter().enumerate() {
        if net.places[parameter].is_bias() && !updated[parameter] {
            ledger.find("c", place!["updates", name], Evidence::Missing);
        }
    }
}

/// The place of each update that names a parameter of the net, and that parameter.
fn updated_parameters<'a>(step: &'a Step, net: &'a Net) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut expected = 0;
    step.updates.iter().enumerate().filter_map(move |(index, update)| {
        let parameter = net.parameter_near(expected, &update.parameter_id)?;
        expected = parameter + 1;
        Some((index, parameter))
    })
}

/// An update is of the kind that its parameter is of.
fn kind(step: &Step, net: &Net, (index, parameter): (usize, usize), ledger: &mut Ledger) {
    let stored = step.updates[index].kind;
    let is_bias = net.places[parameter].is_bias();
    let expected = if is_bias { Kind::Bias } else { Kind::Weight };
    if step.bias_mode == BiasMode::Constant && stored == Kind::Bias {
        let evidence = Evidence::Text { stored: stored.name().into(), expected: "weight".into() };
        ledger.find("a", place!["updates", index, "kind"], evidence);
    } else if stored == expected {
        ledger.holds();
    } else {
        ledger.text("e", place!["updates", index, "kind"], stored.name(), expected.name());
    }
}

/// Parts: `keys`, the key sets of inputs, targets and parameters; `a` and `e`, the kind of an update against the bias policy
/// and its parameter; `ends`, what an update says it connects.
pub(super) fn keys(keyed: &Keyed<'_>, ledger: &mut Ledger) {
    let Keyed { step, net, inputs, targets, before, .. } = keyed;
    block("keys", place!["inputs"], net.inputs.iter(), &step.inputs, inputs.is_some(), ledger);
    block("keys", place!["targets"], net.outputs.iter(), &step.targets, targets.is_some(), ledger);
    let at = place!["parameters_before"];
    block("keys", at, net.parameters.iter(), &step.parameters_before, before.is_some(), ledger);
    let in_order = keyed.updates.iter().flatten().enumerate();
    let in_order = in_order.filter_map(|(parameter, update)| Some((update.as_ref()?.0, parameter)));
    let by_name = keyed.updates.is_none().then(|| updated_parameters(step, net)).into_iter().flatten();
    for (index, parameter) in in_order.chain(by_name) {
        kind(step, net, (index, parameter), ledger);
        if !learns(step, net, parameter) {
            continue;
        }
        let update = &step.updates[index];
        let ends = Ends::of(step, net, parameter);
        let at = |key: &'static str| place!["updates", index, key];
        let (edge, role) = (update.layer_edge.as_deref(), update.parameter_role.as_deref());
        ledger.optional_text(
            "ends",
            at("layer_edge"),
            edge,
            |edge| edge == ends.edge,
            || ends.edge.to_owned(),
        );
        ledger.optional_text(
            "ends",
            at("parameter_role"),
            role,
            |role| ends.has_role(role),
            || ends.role.concat(),
        );
        for (key, stored, expected) in
            [("from_unit", &update.from_unit, ends.from), ("to_unit", &update.to_unit, ends.to)]
        {
            match stored {
                Some(stored) => ledger.name("ends", at(key), stored, expected),
                None => ledger.find("ends", at(key), Evidence::Missing),
            }
        }
    }
}

/// What an update connects, in the words of the format.
struct Ends<'a> {
    edge: &'static str,
    /// In pieces.
    role: [&'a str; 4],
    from: &'a UnitId,
    to: &'a UnitId,
}

impl<'a> Ends<'a> {
    fn of(step: &Step, net: &'a Net, parameter: usize) -> Self {
        let mazur = step.topology.activation.is_some();
        let weight = |edge, from: &'a UnitId, to: &'a UnitId, words: [&'static str; 2]| {
            // The units of 0.1.0 are numbered from 1 behind one letter.
            let numbered = || [words[0], &from[1..], words[1], &to[1..]];
            Ends { edge, role: if mazur { numbered() } else { [from, "_to_", to, ""] }, from, to }
        };
        let bias = |role: Role, unit: &'a UnitId| Ends {
            edge: "bias_to_layer",
            role: [role.name(), "", "", ""],
            from: unit,
            to: unit,
        };
        match net.places[parameter] {
            Place::HiddenWeight { input, hidden } => {
                let (from, to) = (&net.inputs[input], &net.hidden[hidden]);
                weight("input_to_hidden", from, to, ["input_", "_to_hidden_"])
            }
            Place::OutputWeight { hidden, output } => {
                let (from, to) = (&net.hidden[hidden], &net.outputs[output]);
                weight("hidden_to_output", from, to, ["hidden_", "_to_output_"])
            }
            Place::HiddenBias { unit } => bias(Role::HiddenBias, &net.hidden[unit]),
            Place::OutputBias { unit } => bias(Role::OutputBias, &net.outputs[unit]),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        let mut pieces = self.role.iter().filter(|piece| !piece.is_empty());
        let rest = pieces.try_fold(role.as_bytes(), |rest, piece| rest.strip_prefix(piece.as_bytes()));
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// Part `b`: a bias that does not learn is the same after the step as before.
pub(super) fn constant_biases(complete: &Complete<'_>, ledger: &mut Ledger) {
    let net = complete.net;
    for (parameter, name) in net.parameters.iter().enumerate() {
        if !learns(complete.step, net, parameter) {
            let (at, original) = (place!["parameters_after", name], place!["parameters_before", name]);
            ledger.identical("b", at, original, complete.after[parameter], complete.before[parameter]);
        }
    }
}

/// Compares the keys of a block with the names that the net gives; `stands` where they were found to be the same.
pub(super) fn block<'n, K, V>(
    part: &'static str,
    at: impl Fn() -> Pointer + Copy,
    names: impl Iterator<Item = &'n K> + Clone,
    map: &Ordered<K, V>,
    stands: bool,
    ledger: &mut Ledger,
) where
    K: AsRef<str> + Clone + std::hash::Hash + Eq + 'n,
{
    if stands { ledger.holds() } else { key_set(part, at, names, map, ledger) }
}

/// Compares the keys of a map with the names that the net gives: none missing, none more.
pub(super) fn key_set<'n, K, V>(
    part: &'static str,
    at: impl Fn() -> Pointer + Copy,
    names: impl Iterator<Item = &'n K> + Clone,
    map: &Ordered<K, V>,
    ledger: &mut Ledger,
) where
    K: AsRef<str> + Clone + std::hash::Hash + Eq + 'n,
{
    // Canonical records have the net's own order: nothing to look up.
    if map.keys().eq(names.clone()) {
        return ledger.holds();
    }
    let mut expected = 0;
    let mut known = HashSet::new();
    for name in names {
        expected += 1;
        known.insert(name.as_ref());
        if !map.contains_key(name) {
            ledger.find(part, place![at => name.as_ref()], Evidence::Missing);
        }
    }
    for key in map.keys().map(K::as_ref).filter(|key| !known.contains(key)) {
        ledger.find(part, place![at => key], Evidence::Unexpected);
    }
    if map.len() == expected {
        ledger.holds();
    }
}
