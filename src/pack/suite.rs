//! A suite: scenarios with the outcome that each is to have, decided before anything is judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::Stem;
use crate::digest::Digest;
use crate::json::{self, JsonError};
use crate::report::coverage::is_detectable;

/// The format of a suite file.
pub const FORMAT: &str = "bp-suite/1";
/// The format of a selection.
pub const SELECTION_FORMAT: &str = "bp-suite-selection/1";
/// Scenarios that a suite may have.
const MAX_SCENARIOS: usize = 10_000;
/// Times that an input may be judged.
pub const MAX_REPEATS: u32 = 100;

/// What a scenario is to come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Every input passes.
    MustPass,
    /// Every input fails.
    MustFail,
    /// Every input fails, and one of these rules, parts or codes is among what it breaks.
    MustDetect(Vec<String>),
    /// Told, and not part of the verdict.
    Informational,
}

/// Inputs, and what they are to come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// ASCII letters, digits, `.`, `_` and `-`; unique in the suite.
    pub id: String,
    /// What it is about, for summaries: spelled as an id is.
    pub category: String,
    /// Files, relative to the suite file, `/` between components.
    pub inputs: Vec<String>,
    /// The outcome.
    pub expected: Expected,
    /// Comparisons that each input must have decided; fewer is INSUFFICIENT.
    #[serde(default)]
    pub min_compared: u64,
    /// Rules that must have been put to each input and have decided something; else INSUFFICIENT.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// A suite, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    file: File,
    sha256: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    scenarios: Vec<Scenario>,
}

/// Bytes that are no suite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// Not strict JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A member that is missing, unknown or of the wrong kind.
    #[error("{0}")]
    Shape(String),
    /// Another format.
    #[error("the format is {0:?}, not \"{FORMAT}\"")]
    Format(String),
    /// No scenario.
    #[error("there is no scenario: a suite that demands nothing shows nothing")]
    Empty,
    /// More than a suite may have.
    #[error("{0} scenarios are more than {MAX_SCENARIOS}")]
    TooMany(usize),
    /// A name of other letters.
    #[error("scenario {at}: {name:?} is no id: letters, digits, `.`, `_` and `-`, 1 to 100 of them")]
    Id {
        /// Counted from 1.
        at: usize,
        /// As given.
        name: String,
    },
    /// Two scenarios of one id.
    #[error("scenario {at}: the id {id:?} stands further up")]
    IdTwice {
        /// Counted from 1.
        at: usize,
        /// The id.
        id: String,
    },
    /// A scenario without inputs.
    #[error("scenario {0:?}: no input")]
    NoInput(String),
    /// An input twice in one scenario.
    #[error("scenario {id:?}: {path:?} is named twice")]
    InputTwice {
        /// The scenario.
        id: String,
        /// As given.
        path: String,
    },
    /// A path that is absolute, or has an empty component.
    #[error("scenario {id:?}: {path:?} is no path relative to the suite")]
    Path {
        /// The scenario.
        id: String,
        /// As given.
        path: String,
    },
    /// A name that no judgement detects.
    #[error("scenario {id:?}: {name:?} names no rule, part of a rule or error code; `bp rules` lists them")]
    Undetectable {
        /// The scenario.
        id: String,
        /// As given.
        name: String,
    },
    /// `must_detect` without a name.
    #[error("scenario {0:?}: must_detect names nothing")]
    DetectsNothing(String),
    /// A selection of a scenario that is not there.
    #[error("the suite has no scenario {0:?}")]
    NoScenario(String),
    /// More repeats than make sense, or none.
    #[error("{0} repeats: 1 to {MAX_REPEATS} expected")]
    Repeats(u32),
}

impl Suite {
    /// The suite in these bytes.
    ///
    /// # Errors
    /// [`SuiteError`] for bytes that are no suite, and for suites that demand nothing or what cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let value = json::parse(bytes)?;
        let file: File =
            serde_json::from_value(value).map_err(|error| SuiteError::Shape(error.to_string()))?;
        if file.format != FORMAT {
            return Err(SuiteError::Format(file.format));
        }
        match file.scenarios.len() {
            0 => return Err(SuiteError::Empty),
            1..=MAX_SCENARIOS => {}
            count => return Err(SuiteError::TooMany(count)),
        }
        let mut ids = BTreeSet::new();
        for (index, scenario) in file.scenarios.iter().enumerate() {
            let at = index + 1;
            for name in [&scenario.id, &scenario.category] {
                if !is_id(name) {
                    return Err(SuiteError::Id { at, name: name.clone() });
                }
            }
            if !ids.insert(&scenario.id) {
                return Err(SuiteError::IdTwice { at, id: scenario.id.clone() });
            }
            scenario.check()?;
        }
        Ok(Self { file, sha256: Digest::of(bytes) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// Its scenarios, in order.
    #[must_use]
    pub fn scenarios(&self) -> &[Scenario] {
        &self.file.scenarios
    }

    /// Every input and the stem that it has in a pack: it follows from the suite alone.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<&str, Stem> {
        let mut seen = BTreeSet::new();
        let all = self.file.scenarios.iter().flat_map(|scenario| &scenario.inputs);
        let paths: Vec<&str> = all.map(String::as_str).filter(|path| seen.insert(*path)).collect();
        // The folders tell inputs apart that are all called alike.
        let names: Vec<String> = paths.iter().map(|path| path.replace('/', "-")).collect();
        let stems = Stem::all(names.iter().map(String::as_str));
        paths.into_iter().zip(stems).collect()
    }

    /// The inputs of the scenarios that a selection names.
    #[must_use]
    pub fn selected(&self, selection: &Selection) -> BTreeMap<&str, Stem> {
        let chosen = |scenario: &&Scenario| selection.has(&scenario.id);
        let wanted: BTreeSet<&str> = self
            .file
            .scenarios
            .iter()
            .filter(chosen)
            .flat_map(|scenario| scenario.inputs.iter().map(String::as_str))
            .collect();
        self.inputs().into_iter().filter(|(path, _)| wanted.contains(path)).collect()
    }
}

impl Scenario {
    fn check(&self) -> Result<(), SuiteError> {
        let id = || self.id.clone();
        if self.inputs.is_empty() {
            return Err(SuiteError::NoInput(id()));
        }
        let mut seen = BTreeSet::new();
        for path in &self.inputs {
            let sound = !path.contains(['\\', '\0'])
                && path.split('/').all(|component| !matches!(component, "" | "."))
                && path.chars().count() <= 1000;
            if !sound {
                return Err(SuiteError::Path { id: id(), path: path.clone() });
            }
            if !seen.insert(path) {
                return Err(SuiteError::InputTwice { id: id(), path: path.clone() });
            }
        }
        let names: &[String] = match &self.expected {
            Expected::MustDetect(names) if names.is_empty() => return Err(SuiteError::DetectsNothing(id())),
            Expected::MustDetect(names) => names,
            _ => &[],
        };
        let unknown = names.iter().chain(&self.rules).find(|name| !is_detectable(name));
        match unknown {
            Some(name) => Err(SuiteError::Undetectable { id: id(), name: name.clone() }),
            None => Ok(()),
        }
    }
}

fn is_id(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    (1..=100).contains(&text.len()) && text.chars().all(plain)
}

/// Which scenarios were judged, and how often each input was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    format: String,
    /// Their ids; null for all.
    scenarios: Option<BTreeSet<String>>,
    repeats: u32,
}

impl Selection {
    /// A selection of these scenarios, or of all.
    ///
    /// # Errors
    /// [`SuiteError`] for a scenario that the suite does not have, and for repeats out of range.
    pub fn of(suite: &Suite, scenarios: Option<BTreeSet<String>>, repeats: u32) -> Result<Self, SuiteError> {
        let selection = Self { format: SELECTION_FORMAT.to_owned(), scenarios, repeats };
        selection.check(suite)?;
        Ok(selection)
    }

    /// The selection in these bytes, of this suite.
    ///
    /// # Errors
    /// [`SuiteError`] for bytes that are none.
    pub fn parse(bytes: &[u8], suite: &Suite) -> Result<Self, SuiteError> {
        let selection: Self = serde_json::from_value(json::parse(bytes)?)
            .map_err(|error| SuiteError::Shape(error.to_string()))?;
        selection.check(suite)?;
        Ok(selection)
    }

    fn check(&self, suite: &Suite) -> Result<(), SuiteError> {
        if self.format != SELECTION_FORMAT {
            return Err(SuiteError::Format(self.format.clone()));
        }
        if !(1..=MAX_REPEATS).contains(&self.repeats) {
            return Err(SuiteError::Repeats(self.repeats));
        }
        let ids: BTreeSet<&String> = suite.scenarios().iter().map(|scenario| &scenario.id).collect();
        match self.scenarios.iter().flatten().find(|id| !ids.contains(id)) {
            Some(id) => Err(SuiteError::NoScenario(id.clone())),
            None => Ok(()),
        }
    }

    /// The bytes of the selection in a pack.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// Whether a scenario was selected.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.scenarios.as_ref().is_none_or(|ids| ids.contains(id))
    }

    /// How often each input is judged.
    #[must_use]
    pub fn repeats(&self) -> u32 {
        self.repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn one() -> Value {
        json!({
            "format": "bp-suite/1", "name": "demo",
            "scenarios": [{ "id": "good", "category": "honest", "inputs": ["a.json"], "expected": "must_pass" }],
        })
    }

    fn parse(value: &Value) -> Result<Suite, SuiteError> {
        Suite::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_suite_that_demands_nothing_or_what_cannot_be_is_refused_with_its_reason() {
        assert_eq!(parse(&one()).unwrap().inputs().len(), 1);
        let edited = |pointer: &str, value: Value| {
            let mut suite = one();
            *suite.pointer_mut(pointer).unwrap() = value;
            parse(&suite).unwrap_err().to_string()
        };
        let twice = one()["scenarios"][0].clone();
        for (pointer, value, reason) in [
            ("/format", json!("bp-suite/2"), "the format is \"bp-suite/2\", not \"bp-suite/1\""),
            ("/scenarios", json!([]), "there is no scenario: a suite that demands nothing shows nothing"),
            ("/scenarios", json!([twice, twice]), "scenario 2: the id \"good\" stands further up"),
            ("/scenarios/0/inputs", json!([]), "scenario \"good\": no input"),
            ("/scenarios/0/inputs", json!(["a", "a"]), "scenario \"good\": \"a\" is named twice"),
            (
                "/scenarios/0/inputs",
                json!(["/a"]),
                "scenario \"good\": \"/a\" is no path relative to the suite",
            ),
            (
                "/scenarios/0/expected",
                json!({ "must_detect": [] }),
                "scenario \"good\": must_detect names nothing",
            ),
            (
                "/scenarios/0/expected",
                json!({ "must_detect": ["99"] }),
                "scenario \"good\": \"99\" names no rule, part of a rule or error code; `bp rules` lists them",
            ),
        ] {
            assert_eq!(edited(pointer, value), reason);
        }
        assert!(edited("/scenarios/0/expected", json!("maybe")).contains("unknown variant `maybe`"));
        assert!(edited("/name", json!(1)).contains("invalid type"));
        assert!(edited("/scenarios/0/id", json!("a b")).contains("is no id"));
        for (name, is) in
            [("14", true), ("0.9", true), ("SCHEMA", true), ("INVALID_JSON", true), ("27", false)]
        {
            assert_eq!(is_detectable(name), is, "{name}");
        }
    }

    #[test]
    fn a_selection_is_of_scenarios_that_are_there() {
        let suite = parse(&one()).unwrap();
        let of = |ids: &[&str], repeats| {
            Selection::of(&suite, Some(ids.iter().map(ToString::to_string).collect()), repeats)
        };
        assert_eq!(of(&["bad"], 1), Err(SuiteError::NoScenario("bad".into())));
        for repeats in [0, 101] {
            assert_eq!(of(&["good"], repeats), Err(SuiteError::Repeats(repeats)));
        }
        let selection = of(&["good"], 2).unwrap();
        assert_eq!(Selection::parse(&selection.to_bytes(), &suite), Ok(selection));
    }
}
