//! The book in which a rule enters its comparisons. There is no other way to compare two numbers.

use super::finding::{Evidence, Finding};
use super::rule::Rule;
use crate::number::{Bounded, Real as _, Tolerance};
use crate::pointer::Pointer;
use crate::receipt::step::{Origin, Reading, Step};

/// Below this, a bound is rounding residue rather than a tolerance: the format's smallest number is 1e-13.
const RESIDUE: f64 = 1e-16;

/// The places that a derived value was computed from, where the record alone says which: none to name.
#[must_use]
pub fn alone() -> Vec<Pointer> {
    Vec::new()
}

/// How far a derived number lies from the stored one, and how far rounding may have brought it.
struct Gap {
    stored: f64,
    derived: f64,
    wide: f64,
    rounding: f64,
}

impl Gap {
    #[inline]
    fn between(stored: Bounded, derived: Bounded) -> Self {
        let rounding = derived.bound() + stored.bound();
        let (stored, derived) = (stored.value(), derived.value());
        Self { stored, derived, wide: (stored - derived).abs(), rounding }
    }
}

/// How much of a record a rule compared, and what it found.
#[derive(Debug)]
pub struct Ledger {
    rule: &'static Rule,
    reading: Reading,
    is_imported: bool,
    floor: Tolerance,
    compared: usize,
    blind: usize,
    findings: Vec<Finding>,
}

impl Ledger {
    /// An empty ledger for one rule over one step.
    #[must_use]
    pub fn new(rule: &'static Rule, step: &Step) -> Self {
        let floor = match step.origin {
            Origin::Engine => Tolerance::ZERO,
            Origin::Imported { recompute, .. } if rule.id.is_recompute() => recompute,
            Origin::Imported { local, .. } => local,
        };
        Self {
            rule,
            reading: step.reading,
            is_imported: matches!(step.origin, Origin::Imported { .. }),
            floor,
            compared: 0,
            blind: 0,
            findings: Vec::new(),
        }
    }

    /// A stored number with how well it is known.
    #[must_use]
    pub fn known(&self, stored: f64) -> Bounded {
        self.reading.known(stored)
    }

    /// A stored number with how far another may lie from it: of an import, the declared tolerance beside the rounding.
    #[must_use]
    pub fn tolerated(&self, stored: f64) -> Bounded {
        self.known(stored).widened(self.floor.width(stored, stored))
    }

    /// Compares a stored number with the derived one. `inputs` are the places that it was derived from.
    ///
    /// It holds when the gap is inside the bound: what rounding explains, or the declared and clamped tolerance of an
    /// import where that is wider. NaN and infinities never hold. A bound as large as the values themselves decides
    /// nothing: the comparison counts as blind.
    #[inline]
    pub fn number(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        inputs: impl FnOnce() -> Vec<Pointer>,
        stored: f64,
        derived: Bounded,
    ) {
        self.derived(part, at, inputs, self.known(stored), derived);
    }

    /// Compares a number that is computed from the stored one with a number that is derived without it.
    #[inline]
    pub fn derived(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        inputs: impl FnOnce() -> Vec<Pointer>,
        stored: Bounded,
        derived: Bounded,
    ) {
        self.registered(part);
        let gap = Gap::between(stored, derived);
        // What a sound record comes to nearly everywhere; all else is told apart out of line.
        if gap.wide <= gap.rounding && gap.rounding < gap.stored.abs() {
            self.compared += 1;
        } else {
            self.apart(part, at, inputs, gap);
        }
    }

    /// Tells what is within a tolerance, blind, or a finding.
    #[cold]
    #[inline(never)]
    fn apart(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        inputs: impl FnOnce() -> Vec<Pointer>,
        Gap { stored, derived, wide: gap, rounding }: Gap,
    ) {
        let used = if gap <= rounding { rounding } else { rounding.max(self.floor.width(stored, derived)) };
        // A gap is finite only where both numbers are.
        if !(gap.is_finite() && gap <= used) {
            let evidence = Evidence::Gap { stored, derived, gap, bound: used, rounding };
            self.enter(part, at, inputs, || evidence);
            return;
        }
        let scale = stored.abs().max(derived.abs());
        if used >= scale && used > RESIDUE {
            self.blind += 1;
        } else {
            self.compared += 1;
        }
    }

    /// Compares two places that state one fact. The engine writes one number twice, so the copy equals the original to
    /// the last digit; a framework may have computed it twice, so there rounding and the declared tolerance apply.
    #[inline]
    pub fn same(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        original: impl FnOnce() -> Pointer,
        copy: f64,
        value: f64,
    ) {
        if self.is_imported {
            self.number(part, at, || vec![original()], copy, self.known(value));
        } else {
            self.identical(part, at, original, copy, value);
        }
    }

    /// Compares a number that is declared once with a place that repeats it: equal to the last digit, whoever wrote it.
    #[inline]
    pub fn identical(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        original: impl FnOnce() -> Pointer,
        copy: f64,
        value: f64,
    ) {
        self.registered(part);
        if (copy - value).abs() <= 0.0 {
            self.compared += 1;
        } else {
            let gap = (copy - value).abs();
            let evidence = || Evidence::Gap { stored: copy, derived: value, gap, bound: 0.0, rounding: 0.0 };
            self.enter(part, at, || vec![original()], evidence);
        }
    }

    /// Compares two texts.
    #[inline]
    pub fn text(&mut self, part: &'static str, at: impl FnOnce() -> Pointer, stored: &str, expected: &str) {
        self.registered(part);
        if stored == expected {
            self.compared += 1;
        } else {
            self.enter(part, at, alone, || Evidence::text(stored, expected));
        }
    }

    /// Compares a text that may be missing with one that is spelled only where a finding needs it.
    #[inline]
    pub fn optional_text(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        stored: Option<&str>,
        is: impl FnOnce(&str) -> bool,
        expected: impl FnOnce() -> String,
    ) {
        self.registered(part);
        match stored {
            Some(stored) if is(stored) => self.compared += 1,
            Some(stored) => self.enter(part, at, alone, || Evidence::text(stored, expected())),
            None => self.enter(part, at, alone, || Evidence::Missing),
        }
    }

    /// Compares two names.
    #[inline]
    pub fn name<N: PartialEq + AsRef<str>>(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        stored: &N,
        expected: &N,
    ) {
        self.registered(part);
        if stored == expected {
            self.compared += 1;
        } else {
            self.enter(part, at, alone, || Evidence::text(stored.as_ref(), expected.as_ref()));
        }
    }

    /// Compares two counts.
    #[inline]
    pub fn count(&mut self, part: &'static str, at: impl FnOnce() -> Pointer, stored: u64, expected: u64) {
        self.registered(part);
        if stored == expected {
            self.compared += 1;
        } else {
            self.enter(part, at, alone, || Evidence::Count { stored, expected });
        }
    }

    /// Notes that a condition without numbers holds.
    pub fn holds(&mut self) {
        self.compared += 1;
    }

    /// Notes a comparison that nothing can be derived for.
    pub fn undecided(&mut self) {
        self.blind += 1;
    }

    /// Enters a finding.
    pub fn find(&mut self, part: &'static str, at: impl FnOnce() -> Pointer, evidence: Evidence) {
        self.enter(part, at, alone, || evidence);
    }

    /// Out of line, places and evidence too: what a sound record never comes to costs it nothing.
    #[cold]
    #[inline(never)]
    fn enter(
        &mut self,
        part: &'static str,
        at: impl FnOnce() -> Pointer,
        inputs: impl FnOnce() -> Vec<Pointer>,
        evidence: impl FnOnce() -> Evidence,
    ) {
        self.registered(part);
        let (rule, at, inputs, evidence) = (self.rule.id, at(), inputs(), evidence());
        self.findings.push(Finding { rule, part, at, evidence, inputs, follows_from: None });
    }

    /// The table of rules names every part, so that no comparison escapes a reader of the table.
    fn registered(&self, part: &'static str) {
        debug_assert!(self.rule.parts.contains(&part), "rule {} names no part {part:?}", self.rule.id);
    }

    /// The rule at work.
    #[must_use]
    pub const fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// Whether anything was compared so far.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        self.compared + self.blind > 0
    }

    /// Whether nothing was found so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Comparisons that decided something, comparisons that could not, and findings.
    #[must_use]
    pub fn close(self) -> (usize, usize, Vec<Finding>) {
        (self.compared, self.blind, self.findings)
    }
}
