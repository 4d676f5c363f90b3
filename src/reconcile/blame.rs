//! Which finding follows from which: B follows from A when A's place is among the places that B was derived from.

use std::collections::HashMap;

use super::finding::Cause;
use super::rule::{Rule, Verdict};
use crate::pointer::Pointer;

/// Notes in each finding the first finding, in the order of the rules, that it follows from.
pub(super) fn trace(rules: &mut [(&'static Rule, Verdict)]) {
    if !rules.iter().any(|(_, verdict)| matches!(verdict, Verdict::Broken(_))) {
        return;
    }
    let mut first: HashMap<Pointer, Cause> = HashMap::new();
    for (rule, verdict) in rules.iter() {
        let Verdict::Broken(findings) = verdict else { continue };
        for finding in findings {
            let cause = Cause { rule: rule.id, at: finding.at.clone() };
            first.entry(finding.at.clone()).or_insert(cause);
        }
    }
    for (_, verdict) in rules {
        let Verdict::Broken(findings) = verdict else { continue };
        for finding in findings {
            finding.follows_from = finding.inputs.iter().find_map(|input| first.get(input)).cloned();
        }
    }
}
