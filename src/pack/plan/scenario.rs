//! What the scenarios of a suite come to, and the summaries over them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Assessed;
use super::input::Stem;
use crate::digest::Digest;
use crate::pack::suite::{Expected, Scenario, Selection, Suite};
use crate::report::Outcome;

/// The format of `results/scenario_summary.json`.
const SCENARIO_SUMMARY_FORMAT: &str = "bp-scenario-summary/1";
/// The format of `results/category_summary.json`.
const CATEGORY_SUMMARY_FORMAT: &str = "bp-category-summary/1";

/// What a scenario came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As expected.
    AsExpected,
    /// Other than expected, or an input is not there.
    Unexpected,
    /// As expected as far as it goes, with less checked than was demanded.
    Insufficient,
    /// Told only.
    Informational,
    /// Left out by the caller.
    NotSelected,
}

/// One input of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Reached<'a> {
    path: &'a str,
    stem: &'a Stem,
    /// Null when the input is not there.
    outcome: Option<Outcome>,
    compared: u64,
    detected: BTreeSet<&'a str>,
}

/// A scenario and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row<'a> {
    pub(super) id: &'a str,
    pub(super) category: &'a str,
    expected: &'a Expected,
    pub(super) standing: Standing,
    /// Why it is not as expected; empty when it is.
    pub(super) reasons: Vec<String>,
    inputs: Vec<Reached<'a>>,
}

/// `results/scenario_summary.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Summary<'a> {
    format: &'static str,
    suite: &'a str,
    suite_sha256: Digest,
    pub(super) scenarios: Vec<Row<'a>>,
}

/// `results/category_summary.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Categories<'a> {
    format: &'static str,
    categories: BTreeMap<&'a str, Counts>,
}

/// How many scenarios came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// As expected.
    pub as_expected: u64,
    /// Other than expected.
    pub unexpected: u64,
    /// Less checked than demanded.
    pub insufficient: u64,
    /// Told only.
    pub informational: u64,
    /// Left out.
    pub not_selected: u64,
}

impl Counts {
    fn add(&mut self, standing: Standing) {
        *match standing {
            Standing::AsExpected => &mut self.as_expected,
            Standing::Unexpected => &mut self.unexpected,
            Standing::Insufficient => &mut self.insufficient,
            Standing::Informational => &mut self.informational,
            Standing::NotSelected => &mut self.not_selected,
        } += 1;
    }

    /// FAIL when a scenario is not as expected; PASS when one is and none was left out or fell short; else INSUFFICIENT.
    #[must_use]
    pub fn verdict(&self) -> Outcome {
        match self {
            Self { unexpected: 1.., .. } => Outcome::Fail,
            Self { as_expected: 1.., insufficient: 0, not_selected: 0, .. } => Outcome::Pass,
            _ => Outcome::Insufficient,
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(
        suite: &'a Suite,
        selection: &Selection,
        stems: &'a BTreeMap<&'a str, Stem>,
        assessed: &'a BTreeMap<Stem, Assessed>,
    ) -> Self {
        let row = |scenario: &'a Scenario| {
            let inputs = scenario.inputs.iter().map(|path| {
                let stem = &stems[path.as_str()];
                let found = assessed.get(stem);
                Reached {
                    path,
                    stem,
                    outcome: found.map(|found| found.judged.outcome),
                    compared: found.map_or(0, |found| found.compared),
                    detected: found
                        .into_iter()
                        .flat_map(|found| &found.detected)
                        .map(String::as_str)
                        .collect(),
                }
            });
            let inputs: Vec<Reached<'_>> = inputs.collect();
            let (standing, reasons) = if selection.has(&scenario.id) {
                standing(scenario, &inputs, assessed)
            } else {
                (Standing::NotSelected, Vec::new())
            };
            let Scenario { id, category, expected, .. } = scenario;
            Row { id, category, expected, standing, reasons, inputs }
        };
        Self {
            format: SCENARIO_SUMMARY_FORMAT,
            suite: suite.name(),
            suite_sha256: suite.sha256(),
            scenarios: suite.scenarios().iter().map(row).collect(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.scenarios.iter().for_each(|row| counts.add(row.standing));
        counts
    }

    pub(super) fn shortfalls(&self) -> Vec<String> {
        let short = |row: &&Row<'_>| matches!(row.standing, Standing::Unexpected | Standing::Insufficient);
        let told = |row: &Row<'_>| format!("{}: {}", row.id, row.reasons.first().map_or("", String::as_str));
        self.scenarios.iter().filter(short).map(told).collect()
    }

    pub(super) fn categories(&self) -> Categories<'a> {
        let mut categories: BTreeMap<&str, Counts> = BTreeMap::new();
        for row in &self.scenarios {
            categories.entry(row.category).or_default().add(row.standing);
        }
        Categories { format: CATEGORY_SUMMARY_FORMAT, categories }
    }
}

fn standing(
    scenario: &Scenario,
    inputs: &[Reached<'_>],
    assessed: &BTreeMap<Stem, Assessed>,
) -> (Standing, Vec<String>) {
    let (mut broken, mut short) = (Vec::new(), Vec::new());
    for input in inputs {
        let path = input.path;
        let Some(outcome) = input.outcome else {
            broken.push(format!("{path}: not there"));
            continue;
        };
        match (&scenario.expected, outcome) {
            (Expected::Informational, _)
            | (Expected::MustPass, Outcome::Pass)
            | (Expected::MustFail, Outcome::Fail) => {}
            (Expected::MustPass, Outcome::Insufficient) => short.push(format!("{path}: INSUFFICIENT")),
            (Expected::MustPass, Outcome::Fail) => {
                broken.push(format!("{path}: FAIL, and PASS was expected"));
            }
            (Expected::MustFail, other) => {
                broken.push(format!("{path}: {}, and FAIL was expected", other.name()));
            }
            (Expected::MustDetect(names), outcome) => {
                let seen = names.iter().any(|name| input.detected.contains(name.as_str()));
                if outcome != Outcome::Fail || !seen {
                    let names = names.join(" or ");
                    broken.push(format!("{path}: {}, and {names} was to be detected", outcome.name()));
                }
            }
        }
        if !assessed[input.stem].repeated_equal {
            broken.push(format!("{path}: not the same bytes every time it was judged"));
        }
        if input.compared < scenario.min_compared {
            let (compared, wanted) = (input.compared, scenario.min_compared);
            short.push(format!("{path}: {compared} comparisons, and {wanted} were demanded"));
        }
        let decided: BTreeSet<String> =
            assessed[input.stem].decided.iter().map(ToString::to_string).collect();
        for rule in scenario.rules.iter().filter(|rule| !decided.contains(*rule)) {
            short.push(format!("{path}: rule {rule} decided nothing, and was demanded"));
        }
    }
    let standing = match (&scenario.expected, broken.is_empty(), short.is_empty()) {
        (Expected::Informational, true, _) => Standing::Informational,
        (_, false, _) => Standing::Unexpected,
        (_, true, false) => Standing::Insufficient,
        (_, true, true) => Standing::AsExpected,
    };
    broken.append(&mut short);
    (standing, broken)
}
