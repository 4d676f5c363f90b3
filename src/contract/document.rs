//! A contract as it is written: promises, what would show that one is broken, and what is claimed of them.
//!
//! The shape is `schemas/contract.v1.schema.json`; the names of the upstream format that it shares are kept.

use indexmap::IndexMap;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Finding;
use super::law;
use crate::digest::Digest;
use crate::json;
use crate::schema::{self, Schema};

/// Whether a document is adopted. It says nothing of what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Written.
    Proposed,
    /// Reviewed and adopted.
    Active,
    /// Replaced by another.
    Superseded,
    /// Given up.
    Retired,
}

/// How far a promise was shown to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// It is written.
    Proposed,
    /// Its tests passed in this tree, and its bad fixtures are rejected.
    PartialAlgorithmLevel,
    /// And a run of the program is on record, with its files.
    Functional,
    /// And an independent oracle agrees, or a second machine came to the same bytes.
    Discharged,
}

impl Level {
    /// Every level, ascending.
    pub const ALL: [Self; 4] =
        [Self::Proposed, Self::PartialAlgorithmLevel, Self::Functional, Self::Discharged];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::PartialAlgorithmLevel => "PARTIAL_ALGORITHM_LEVEL",
            Self::Functional => "FUNCTIONAL",
            Self::Discharged => "DISCHARGED",
        }
    }
}

/// What a contract is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Metadata {
    /// Its name, that of its file.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Whether it is adopted.
    pub status: Status,
    /// One sentence.
    pub description: String,
    /// What it rests on.
    pub references: Vec<Reference>,
    /// The contracts that it builds on.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What changed, newest first.
    pub changelog: Vec<Change>,
}

/// What a contract rests on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A file of the repository.
    Path(String),
    /// A document elsewhere.
    Url(String),
}

/// A version, and what changed with it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// The version.
    pub version: String,
    /// Who reviewed the contract for adoption.
    #[serde(default)]
    pub audit: Option<String>,
}

/// A law in symbols.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Equation {
    /// The law.
    pub formula: String,
    /// What it is about.
    pub domain: String,
    /// What it gives.
    pub codomain: String,
    /// What never changes.
    #[serde(default)]
    pub invariants: Vec<String>,
}

/// What has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Obligation {
    /// Its id.
    pub id: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds.
    pub property: String,
    /// The equation that it is about.
    pub equation: String,
    /// What it applies to.
    #[serde(default)]
    pub applies_to: Option<String>,
    /// Why it does not apply.
    #[serde(default)]
    pub na_reason: Option<String>,
    /// Who says so.
    #[serde(default)]
    pub na_owner: Option<String>,
}

/// What would show that a promise is broken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Falsifier {
    /// Its id, unique among all contracts and never used again.
    pub id: String,
    /// The rule that it tests.
    pub rule: String,
    /// What is seen as long as the rule holds.
    pub prediction: String,
    /// What it means if it is not seen.
    pub if_fails: String,
    /// The obligations that it is about.
    pub binds_to: Vec<String>,
    /// Whether a release waits for it.
    pub ship_blocking: bool,
    /// How far it has to be shown.
    pub required_level: Level,
    /// How far it is claimed to be shown.
    pub level: Level,
    /// What it waits for.
    #[serde(default)]
    pub blocked_on: Option<String>,
    /// The command of its first test, for people.
    #[serde(default)]
    pub test: Option<String>,
    /// What shows it.
    #[serde(default)]
    pub bindings: Vec<Binding>,
    /// What has to be rejected.
    #[serde(default)]
    pub bad_fixtures: Vec<Replay>,
    /// The rules, laws and formats that it speaks of.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Records of runs.
    #[serde(default)]
    pub functional_evidence: Vec<Pinned>,
    /// Records of comparisons with an oracle, or of the same on another machine.
    #[serde(default)]
    pub oracle_evidence: Vec<Pinned>,
}

/// What shows that a promise holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Binding {
    /// One test, by its exact path.
    CargoTest(Test),
    /// A call of the program.
    Replay(Replay),
}

/// One test of the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Test {
    /// `lib`, `bin:NAME` or `test:NAME`.
    pub target: String,
    /// The path within the target: `module::tests::name`.
    pub path: String,
}

impl Test {
    /// The command that runs it alone.
    #[must_use]
    pub fn command(&self) -> String {
        let target = match self.target.split_once(':') {
            Some((kind, name)) => format!("--{kind} {name}"),
            None => format!("--{}", self.target),
        };
        format!("cargo test --locked {target} -- --exact {}", self.path)
    }
}

/// A call of the program on a fixture, and how it has to end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Replay {
    /// The fixture; none where the call needs nothing but the built-in pack.
    #[serde(flatten)]
    pub fixture: Option<Pinned>,
    /// The arguments. `{fixture}`, `{pack}` and `{signer}` stand for the fixture, a pack that the program has just made,
    /// and the public key of its seal.
    pub args: Vec<String>,
    /// The exit status.
    pub expect_exit: u8,
    /// The code of an error or a finding, the keyword of a schema that is not met, or the number of a broken rule.
    #[serde(default)]
    pub expect_code: Option<String>,
}

/// A file of the repository, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pinned {
    /// Its path from the top.
    pub path: String,
    /// Its digest.
    pub sha256: Digest,
}

/// How a contract itself is tested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Gate {
    /// Its falsifiers.
    pub checks: Vec<String>,
}

/// Why a level fell or a falsifier went.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reason {
    /// The falsifier.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// A contract that keeps its schema.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Contract {
    /// What it is.
    pub metadata: Metadata,
    /// Its laws, by name.
    pub equations: IndexMap<String, Equation>,
    /// What has to hold.
    pub proof_obligations: Vec<Obligation>,
    /// What would show that something does not.
    pub falsification_tests: Vec<Falsifier>,
    /// How the contract itself is tested.
    pub qa_gate: Gate,
    /// Falsifiers that are gone.
    #[serde(default)]
    pub retired: Vec<Reason>,
    /// Levels that fell.
    #[serde(default)]
    pub demotions: Vec<Reason>,
}

/// A contract, the file that it stands in, and what was read there.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file's name without its extension.
    pub stem: String,
    /// Every value of it.
    pub value: Value,
    /// The same, typed.
    pub contract: Contract,
}

impl Document {
    /// Reads a contract.
    ///
    /// # Errors
    /// Every place that keeps it from being one.
    pub fn read(stem: &str, bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let value = json::parse(bytes).map_err(|error| {
            let law =
                if error.reason.starts_with("repeated key") { &law::REPEATED_KEY } else { &law::SCHEMA };
            vec![Finding::new(law, stem, error.to_string())]
        })?;
        Self::of(stem, value)
    }

    /// The contract that a value is.
    ///
    /// # Errors
    /// Every place that keeps it from being one.
    pub fn of(stem: &str, value: Value) -> Result<Self, Vec<Finding>> {
        schema::validate(Schema::Contract, &value).map_err(|violations| {
            let told =
                |violation: &schema::Violation| Finding::new(&law::SCHEMA, stem, violation.to_string());
            violations.iter().map(told).collect::<Vec<_>>()
        })?;
        let contract = Contract::deserialize(&value)
            .map_err(|error| vec![Finding::new(&law::SCHEMA, stem, error.to_string())])?;
        Ok(Self { stem: stem.to_owned(), value, contract })
    }

    /// The digest of the contract's canonical bytes: how it is spelled does not count.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        Digest::of(&json::canonical(&self.value))
    }

    /// The version, where it is one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.contract.metadata.version).ok()
    }

    /// Every call of the program that shows something, with the falsifier that it belongs to.
    pub fn replays(&self) -> impl Iterator<Item = (&Falsifier, &Replay)> {
        self.contract
            .falsification_tests
            .iter()
            .flat_map(|falsifier| falsifier.replays().map(move |replay| (falsifier, replay)))
    }
}

impl Falsifier {
    /// Its tests.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.bindings.iter().filter_map(|binding| match binding {
            Binding::CargoTest(test) => Some(test),
            Binding::Replay(_) => None,
        })
    }

    /// Its calls of the program, bad fixtures last.
    pub fn replays(&self) -> impl Iterator<Item = &Replay> {
        let bound = self.bindings.iter().filter_map(|binding| match binding {
            Binding::Replay(replay) => Some(replay),
            Binding::CargoTest(_) => None,
        });
        bound.chain(&self.bad_fixtures)
    }
}
