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

use std::sync::LazyLock;

use crate::receipt::step::Entry;
use crate::receipt::wire::Optimizer;
use complete::{Complete, Keyed};
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
    ledger: Ledger,
    applied: bool,
    reached: bool,
}

/// Judges one record by every rule.
#[must_use]
pub fn reconcile(entry: &Entry) -> Report {
    let (step, claims) = (&entry.step, &entry.claims);
    let begin = |rule| Open { ledger: Ledger::new(rule, step), applied: false, reached: true };
    let mut open: Vec<Open> = RULES.iter().map(begin).collect();

    for_each(&mut open, Stage::Form, |check, ledger| match check {
        Check::Form(check) => {
            check(step, step.net.as_ref().map_err(Vec::as_slice), ledger);
            Done::Ran
        }
        _ => Done::Elsewhere,
    });
    let keyed = step.net.as_ref().ok().filter(|_| clean(&open)).map(|net| Keyed::of(step, net));
    for_each(&mut open, Stage::Keys, |check, ledger| match (check, &keyed) {
        (Check::Keys(check), Some(keyed)) => {
            check(keyed, ledger);
            Done::Ran
        }
        (Check::Keys(_), None) => Done::NotReached,
        _ => Done::Elsewhere,
    });
    let complete = keyed.filter(|_| clean(&open)).and_then(Complete::of);
    let duals = complete.as_ref().and_then(Complete::duals);
    let is_softmax = step.topology.activation_output == Some(crate::receipt::wire::Activation::Softmax);
    let has_duals = step.backward.output_error_signals.values().any(|signal| signal.dual_form.is_some());
    let method = step.optimizer.as_ref().map(|config| config.name);
    let is_momentum = method == Some(Optimizer::SgdMomentum);
    let is_adam = matches!(method, Some(Optimizer::Adam | Optimizer::Adamw));
    for_each(&mut open, Stage::Values, |check, ledger| match (check, &complete) {
        (Check::Softmax(_), _) if !is_softmax => Done::Elsewhere,
        (Check::Single(_), _) if step.batch.is_some() => Done::Elsewhere,
        (Check::Batch(_), _) if step.batch.is_none() => Done::Elsewhere,
        (Check::Momentum(_), _) if !is_momentum => Done::Elsewhere,
        (Check::Adam(_), _) if !is_adam => Done::Elsewhere,
        (Check::Dual(_), _) if !has_duals => Done::Elsewhere,
        (_, None) => Done::NotReached,
        (Check::Batch(check), Some(complete)) => match &complete.batch {
            Some(batch) => {
                check(complete, batch, ledger);
                Done::Ran
            }
            None => Done::NotReached,
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
            Done::Ran
        }
        (Check::Dual(check), Some(complete)) => match &duals {
            Some(duals) => {
                check(complete, duals, ledger);
                Done::Ran
            }
            None => Done::NotReached,
        },
        _ => Done::Elsewhere,
    });
    let digest = claims.attestor.as_ref().and_then(|attestor| attestor.signed_subject_digest.as_deref());
    for_each(&mut open, Stage::Claims, |check, ledger| match (check, &claims.labels, digest) {
        (Check::Labels(check), Some(labels), _) => {
            check(labels, claims, ledger);
            Done::Ran
        }
        (Check::SubjectDigest(check), _, Some(digest)) => {
            check(digest, claims, ledger);
            Done::Ran
        }
        _ => Done::Elsewhere,
    });

    let mut rules: Vec<(&'static Rule, Verdict)> = open.into_iter().map(verdict).collect();
    blame::trace(&mut rules);
    Report { rules }
}

/// When a check is put to a record: each stage looks at what the one before it found sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Form,
    Keys,
    Values,
    Claims,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Form, Self::Keys, Self::Values, Self::Claims];

    /// The stage of a check; those of a trace have none.
    const fn of(check: &Check) -> Option<Self> {
        match check {
            Check::Form(_) => Some(Self::Form),
            Check::Keys(_) => Some(Self::Keys),
            Check::Values(_)
            | Check::Softmax(_)
            | Check::Dual(_)
            | Check::Single(_)
            | Check::Batch(_)
            | Check::Momentum(_)
            | Check::Adam(_) => Some(Self::Values),
            Check::Labels(_) | Check::SubjectDigest(_) => Some(Self::Claims),
            Check::Link(_) | Check::Place(_) | Check::BundleDigest(_) => None,
        }
    }

    /// Its checks, each with the place of its rule in the table.
    fn checks(self) -> &'static [(usize, &'static Check)] {
        static BY_STAGE: LazyLock<[Vec<(usize, &'static Check)>; 4]> = LazyLock::new(|| {
            Stage::ALL.map(|stage| {
                let of_rule = |(place, rule): (usize, &'static Rule)| {
                    rule.checks.iter().map(move |check| (place, check))
                };
                RULES
                    .iter()
                    .enumerate()
                    .flat_map(of_rule)
                    .filter(|(_, c)| Stage::of(c) == Some(stage))
                    .collect()
            })
        });
        &BY_STAGE[self as usize]
    }
}

/// What a stage did with a check.
enum Done {
    Ran,
    NotReached,
    Elsewhere,
}

fn for_each(open: &mut [Open], stage: Stage, mut put: impl FnMut(&Check, &mut Ledger) -> Done) {
    for (place, check) in stage.checks() {
        let Open { ledger, applied, reached, .. } = &mut open[*place];
        match put(check, ledger) {
            // A check of keys runs over every record; its rule applies where it found a key to look at.
            Done::Ran if stage == Stage::Keys => *applied |= ledger.has_entries(),
            Done::Ran => *applied = true,
            Done::NotReached => *reached = false,
            Done::Elsewhere => {}
        }
    }
}

fn clean(open: &[Open]) -> bool {
    open.iter().all(|open| open.ledger.is_clean())
}

fn verdict(open: Open) -> (&'static Rule, Verdict) {
    let Open { ledger, applied, reached } = open;
    let rule = ledger.rule();
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
