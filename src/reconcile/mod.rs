//! From a record to a report: the rules, and the ledger in which each enters what it compared.
//!
//! Judging cannot fail. Checks run in four stages: form, keys, values, claims. A record whose form or keys are broken
//! has no values to compare; rules about them are then not reached, and the record is broken all the same.

mod blame;
pub mod chain;
pub mod complete;
pub mod finding;
pub mod ledger;
pub mod rule;
pub mod rules;

use crate::receipt::net::Net;
use crate::receipt::step::Entry;
use crate::receipt::wire::Optimizer;
use complete::Complete;
use finding::Finding;
use ledger::Ledger;
use rule::{Check, Rule, Verdict};
use rules::RULES;

/// What every rule came to over one record, in the order of the table.
#[derive(Debug, Clone)]
pub struct Report {
    /// Rule and verdict.
    pub rules: Vec<(&'static Rule, Verdict)>,
}

impl Report {
    /// Every finding, in the order of the rules.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.rules.iter().flat_map(|(_, verdict)| match verdict {
            Verdict::Broken(findings) => findings.as_slice(),
            _ => &[],
        })
    }
}

/// A rule at work.
struct Open {
    rule: &'static Rule,
    ledger: Ledger,
    applied: bool,
    reached: bool,
}

/// Judges one record by every rule.
#[must_use]
pub fn reconcile(entry: &Entry) -> Report {
    let (step, claims) = (&entry.step, &entry.claims);
    let mut open: Vec<Open> = RULES
        .iter()
        .map(|rule| Open { rule, ledger: Ledger::new(rule, step), applied: false, reached: true })
        .collect();
    let resolved = Net::resolve(&step.topology);

    for_each(&mut open, |check, ledger| match check {
        Check::Form(check) => {
            check(step, resolved.as_ref().map_err(Vec::as_slice), ledger);
            Stage::Ran
        }
        _ => Stage::Elsewhere,
    });
    let net = resolved.ok().filter(|_| clean(&open));
    for_each(&mut open, |check, ledger| match (check, &net) {
        (Check::Keys(check), Some(net)) => {
            check(step, net, ledger);
            Stage::Ran
        }
        (Check::Keys(_), None) => Stage::NotReached,
        _ => Stage::Elsewhere,
    });
    let complete = net.as_ref().filter(|_| clean(&open)).and_then(|net| Complete::of(step, net));
    let duals = complete.as_ref().and_then(Complete::duals);
    let is_softmax = step.topology.activation_output == Some(crate::receipt::wire::Activation::Softmax);
    let has_duals = step.backward.output_error_signals.values().any(|signal| signal.dual_form.is_some());
    let method = step.optimizer.as_ref().map(|config| config.name);
    let is_momentum = method == Some(Optimizer::SgdMomentum);
    let is_adam = matches!(method, Some(Optimizer::Adam | Optimizer::Adamw));
    for_each(&mut open, |check, ledger| match (check, &complete) {
        (Check::Softmax(_), _) if !is_softmax => Stage::Elsewhere,
        (Check::Single(_), _) if step.batch.is_some() => Stage::Elsewhere,
        (Check::Batch(_), _) if step.batch.is_none() => Stage::Elsewhere,
        (Check::Momentum(_), _) if !is_momentum => Stage::Elsewhere,
        (Check::Adam(_), _) if !is_adam => Stage::Elsewhere,
        (Check::Dual(_), _) if !has_duals => Stage::Elsewhere,
        (
            Check::Values(_)
            | Check::Softmax(_)
            | Check::Dual(_)
            | Check::Single(_)
            | Check::Batch(_)
            | Check::Momentum(_)
            | Check::Adam(_),
            None,
        ) => Stage::NotReached,
        (Check::Batch(check), Some(complete)) => match &complete.batch {
            Some(batch) => {
                check(complete, batch, ledger);
                Stage::Ran
            }
            None => Stage::NotReached,
        },
        (
            Check::Values(check)
            | Check::Softmax(check)
            | Check::Single(check)
            | Check::Momentum(check)
            | Check::Adam(check),
            Some(complete),
        ) => {
            check(complete, ledger);
            Stage::Ran
        }
        (Check::Dual(check), Some(complete)) => match &duals {
            Some(duals) => {
                check(complete, duals, ledger);
                Stage::Ran
            }
            None => Stage::NotReached,
        },
        _ => Stage::Elsewhere,
    });
    let digest = claims.attestor.as_ref().and_then(|attestor| attestor.signed_subject_digest.as_deref());
    for_each(&mut open, |check, ledger| match (check, &claims.labels, digest) {
        (Check::Labels(check), Some(labels), _) => {
            check(labels, claims, ledger);
            Stage::Ran
        }
        (Check::SubjectDigest(check), _, Some(digest)) => {
            check(digest, claims, ledger);
            Stage::Ran
        }
        _ => Stage::Elsewhere,
    });

    let mut rules: Vec<(&'static Rule, Verdict)> = open.into_iter().map(verdict).collect();
    blame::trace(&mut rules);
    Report { rules }
}

/// What a stage did with a check.
enum Stage {
    Ran,
    NotReached,
    Elsewhere,
}

fn for_each(open: &mut [Open], mut stage: impl FnMut(&Check, &mut Ledger) -> Stage) {
    for Open { rule, ledger, applied, reached } in open {
        for check in rule.checks {
            match stage(check, ledger) {
                // A check of keys runs over every record; its rule applies where it found a key to look at.
                Stage::Ran if matches!(check, Check::Keys(_)) => *applied |= ledger.has_entries(),
                Stage::Ran => *applied = true,
                Stage::NotReached => *reached = false,
                Stage::Elsewhere => {}
            }
        }
    }
}

fn clean(open: &[Open]) -> bool {
    open.iter().all(|open| open.ledger.is_clean())
}

fn verdict(open: Open) -> (&'static Rule, Verdict) {
    let Open { rule, ledger, applied, reached } = open;
    let (compared, blind, findings) = ledger.close();
    let verdict = match (findings.is_empty(), reached, applied) {
        (false, _, _) => Verdict::Broken(findings),
        (true, false, _) => Verdict::NotReached,
        (true, true, false) => Verdict::NotApplicable,
        (true, true, true) if compared == 0 => Verdict::Vacuous { blind },
        (true, true, true) => Verdict::Holds { compared, blind },
    };
    (rule, verdict)
}
