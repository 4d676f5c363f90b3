//! What a rule found: data without prose. Views put it into words.

use serde::Serialize;

use super::rule::RuleId;
use crate::pointer::Pointer;

/// A law broken at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// Which part of the rule.
    pub part: &'static str,
    /// Where in the record.
    pub at: Pointer,
    /// What stands there and what should.
    pub evidence: Evidence,
    /// The places that the derived value was computed from.
    #[serde(skip)]
    pub inputs: Vec<Pointer>,
    /// The finding that this one follows from, by place: something this value was derived from is itself broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows_from: Option<Cause>,
}

/// The finding that another follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its rule.
    pub rule: RuleId,
    /// Its place.
    pub at: Pointer,
}

/// What stands at a place and what should.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A number further from the derived one than the bound.
    Gap {
        /// In the record.
        stored: f64,
        /// By the rule.
        derived: f64,
        /// Their distance.
        gap: f64,
        /// The distance that is allowed.
        bound: f64,
        /// The part of `bound` that is rounding of the numbers themselves.
        rounding: f64,
    },
    /// A count.
    Count {
        /// In the record.
        stored: u64,
        /// By the rule.
        expected: u64,
    },
    /// A name, a label or an order.
    Text {
        /// In the record.
        stored: String,
        /// By the rule.
        expected: String,
    },
    /// Something that follows from the record and is not in it.
    Missing,
    /// Something in the record that nothing explains.
    Unexpected,
    /// A declared tolerance above the judge's ceiling.
    AboveCeiling {
        /// Declared.
        atol: f64,
        /// Declared.
        rtol: f64,
    },
    /// A topology that is no dense net with one hidden layer.
    Topology {
        /// The law it breaks.
        law: &'static str,
    },
    /// A label with which the record disowns itself.
    Label {
        /// The label.
        stated: String,
    },
    /// A digest that is not the digest of the canonical bytes.
    Digest {
        /// In the record.
        stored: String,
        /// By the rule; absent where the record has no canonical bytes.
        derived: Option<String>,
    },
}

impl Evidence {
    /// A text that stands in place of another.
    pub(super) fn text(stored: &str, expected: impl Into<String>) -> Self {
        Self::Text { stored: stored.to_owned(), expected: expected.into() }
    }
}
