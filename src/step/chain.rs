//! Two steps of a run: what one left is what the next one found, to the last bit.

use std::collections::HashMap;

use super::judge::{Row, State};
use super::leaf::Leaf;
use super::record::{Param, Record};
use super::rule::{self, Rule};
use super::wire::Schedule;
use crate::digest::Digest;

/// A step, and the leaves of its payload.
pub type Shown<'a> = (&'a Record, &'a [Leaf]);

/// The digest of what a step left or found of a parameter.
fn digests(leaves: &[Leaf]) -> HashMap<&str, Digest> {
    leaves.iter().map(|leaf| (leaf.key.as_str(), leaf.digest)).collect()
}

/// What a step left of a parameter: the digest of the tensor, or the one that the record states in its place.
fn left(param: &Param, role: &str, leaves: &HashMap<&str, Digest>) -> Option<Digest> {
    let stated = match role {
        "p1" => param.digests.p1,
        "m1" => param.digests.m1,
        "v1" => param.digests.v1,
        _ => param.digests.b1,
    };
    leaves.get(format!("{role}/{}", param.name).as_str()).copied().or(stated)
}

/// What links a step to an earlier one. Where steps lie between them, only what no step changes is compared; that they
/// follow each other is demanded when the earlier one is named as the step before.
#[must_use]
pub fn link(before: Shown<'_>, after: Shown<'_>, demanded: bool) -> Vec<Row> {
    let ((first, _), (second, _)) = (before, after);
    let adjacent = first.step.checked_add(1) == Some(second.step);
    let order = if demanded { adjacent } else { first.step < second.step };
    let same_run = first.run == second.run;
    let note = format!(
        "step {} of {:?} does not follow step {} of {:?}",
        second.step, second.run, first.step, first.run
    );
    let mut rows = vec![Row::held(&rule::CHAIN_GAP, 1, u64::from(!(order && same_run)), note)];
    let states: [(&'static Rule, &str, &str); 4] = [
        (&rule::CHAIN_P, "p0", "p1"),
        (&rule::CHAIN_M, "m0", "m1"),
        (&rule::CHAIN_V, "v0", "v1"),
        (&rule::CHAIN_B, "b0", "b1"),
    ];
    for (rule, found, left) in states {
        rows.push(if adjacent { state(rule, before, after, found, left) } else { apart(rule, before, left) });
    }
    let frozen = (first.frozen, second.frozen);
    rows.push(Row::held(
        &rule::CHAIN_FROZEN,
        1,
        u64::from(frozen.0.root1 != frozen.1.root0 || frozen.0.count != frozen.1.count),
        "what was not trained differs between the steps",
    ));
    rows.push(match (&first.schedule, &second.schedule) {
        (None, None) => Row::new(&rule::CHAIN_LR, State::NotApplicable),
        (first, second) => Row::held(
            &rule::CHAIN_LR,
            1,
            u64::from(!matches!((first, second), (Some(first), Some(second)) if begins(first, second))),
            "the history of rates of one step does not begin that of the other",
        ),
    });
    rows
}

/// A rule about states between steps that do not follow each other.
fn apart(rule: &'static Rule, (record, leaves): Shown<'_>, after: &str) -> Row {
    let leaves = digests(leaves);
    if record.params.iter().any(|param| left(param, after, &leaves).is_some()) {
        Row::unseen(rule, "steps lie between them")
    } else {
        Row::new(rule, State::NotApplicable)
    }
}

fn state(rule: &'static Rule, before: Shown<'_>, next: Shown<'_>, found: &str, after: &str) -> Row {
    let (old, new) = (digests(before.1), digests(next.1));
    let olds: HashMap<&str, &Param> =
        before.0.params.iter().map(|param| (param.name.as_str(), param)).collect();
    let (mut compared, mut wrong) = (0, Vec::new());
    for param in &next.0.params {
        let finds = new.get(format!("{found}/{}", param.name).as_str()).copied();
        let was = olds.get(param.name.as_str());
        let leaves = was.and_then(|old_param| left(old_param, after, &old));
        // A parameter that joins at its first update has no step before to compare with.
        let joins = was.is_none() && param.timestep == 1;
        if joins || (finds.is_none() && leaves.is_none()) {
            continue;
        }
        compared += 1;
        if finds != leaves {
            wrong.push(param.name.as_str());
        }
    }
    let gone = before.0.params.iter().filter(|old| next.0.params.iter().all(|new| new.name != old.name));
    if after == "p1" {
        wrong.extend(gone.map(|param| param.name.as_str()));
    }
    if compared == 0 && wrong.is_empty() {
        return Row::new(rule, State::NotApplicable);
    }
    let note = wrong
        .first()
        .map_or(String::new(), |name| format!("{found} of {name:?} is not what the step before left"));
    Row::held(rule, compared, wrong.len() as u64, note)
}

/// Whether one history of rates begins the other, bit by bit.
fn begins(first: &Schedule, second: &Schedule) -> bool {
    let bits = |rows: &[f64]| rows.iter().map(|rate| rate.to_bits()).collect::<Vec<_>>();
    let rows = |schedule: &Schedule| schedule.lr_history.iter().map(|row| bits(row)).collect::<Vec<_>>();
    bits(&first.base_lr) == bits(&second.base_lr)
        && (first.kind, first.warmup, first.total) == (second.kind, second.warmup, second.total)
        && rows(second).starts_with(&rows(first))
}
