//! A rule, and the verdict it comes to.

use std::fmt;

use serde::{Serialize, Serializer};

use super::chain::Bundle;
use super::complete::{Complete, Keyed, Samples};
use super::finding::Finding;
use super::ledger::Ledger;
use crate::receipt::net::{Flaw, Net};
use crate::receipt::step::{Claims, Entry, Step};
use crate::receipt::wire::{DualForm, FixtureStatus};

/// The number that a rule is cited by: `4`, or `0.9` for the two structural rules with a number of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    major: u8,
    minor: u8,
}

impl RuleId {
    /// A whole number.
    #[must_use]
    pub const fn new(major: u8) -> Self {
        Self { major, minor: 0 }
    }

    /// A structural rule with a number after the point.
    #[must_use]
    pub const fn structural(minor: u8) -> Self {
        Self { major: 0, minor }
    }

    /// Whether the rule compares stored numbers with the engine's recomputation.
    #[must_use]
    pub const fn is_recompute(self) -> bool {
        self.major == 14
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(formatter, "{}", self.major),
            minor => write!(formatter, "{}.{minor}", self.major),
        }
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A law about records.
#[derive(Debug)]
pub struct Rule {
    /// The number it is cited by.
    pub id: RuleId,
    /// The law, as a present-tense sentence.
    pub title: &'static str,
    /// Where the law comes from.
    pub citation: &'static str,
    /// When it applies, in words.
    pub applies: &'static str,
    /// What it compares, by the names that findings give; one without a name where it compares one thing.
    pub parts: &'static [&'static str],
    /// The functions that re-derive the claim, each over the subject it needs.
    pub checks: &'static [Check],
}

/// A check, by the subject it is about. The subject is the gate: a check about a softmax cannot be put to a step that
/// has none. Checks run in the order of the variants.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// The record's own form, and what resolving its names came to.
    Form(fn(&Step, Result<&Net, &[Flaw]>, &mut Ledger)),
    /// Which keys the record holds, against the net.
    Keys(fn(&Keyed<'_>, &mut Ledger)),
    /// The values of a record in which every key stands.
    Values(fn(&Complete<'_>, &mut Ledger)),
    /// The same, of a softmax output layer.
    Softmax(fn(&Complete<'_>, &mut Ledger)),
    /// The same, of error signals in dual form; one per output.
    Dual(fn(&Complete<'_>, &[&DualForm], &mut Ledger)),
    /// The same, of a step without a batch.
    Single(fn(&Complete<'_>, &mut Ledger)),
    /// The same, of a batch.
    Batch(fn(&Complete<'_>, &Samples<'_>, &mut Ledger)),
    /// The same, of SGD with a momentum buffer.
    Momentum(fn(&Complete<'_>, &mut Ledger)),
    /// The same, of Adam and `AdamW`.
    Adam(fn(&Complete<'_>, &mut Ledger)),
    /// A record and the one before it in its trace.
    Link(fn(&Entry, &Entry, &mut Ledger)),
    /// A trace's first record, one of its records, and that one's place, counted from 0.
    Place(fn(&Entry, &Entry, u64, &mut Ledger)),
    /// A trace's digest over itself.
    BundleDigest(fn(&Bundle, &mut Ledger)),
    /// What the record says about itself.
    Labels(fn(&FixtureStatus, &Claims, &mut Ledger)),
    /// A digest that the record declares over itself.
    SubjectDigest(fn(&str, &Claims, &mut Ledger)),
}

/// What a rule comes to over one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It applied, something was compared, and everything held.
    Holds {
        /// Comparisons that decided something.
        compared: usize,
        /// Comparisons whose bound was as large as the values.
        blind: usize,
    },
    /// It is broken, in at least one place.
    Broken(Vec<Finding>),
    /// The record has nothing that it is about.
    NotApplicable,
    /// It applied and could decide nothing.
    Vacuous {
        /// Comparisons whose bound was as large as the values.
        blind: usize,
    },
    /// The record's form is broken, so there was nothing to compare.
    NotReached,
}
