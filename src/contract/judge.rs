//! The laws of contracts, and the level of each falsifier: a pure function of the documents and of what was measured.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;
use super::document::{Contract, Document, Falsifier, Level, Pinned, Reference, Replay, Status};
use super::evidence::{self, Flaw, Record};
use super::inventory::{Ended, Tests};
use super::law;
use crate::digest::Digest;
use crate::json;

/// What was measured. What is none was not, and no level follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What lies at the paths that contracts and evidence name.
    pub files: &'a BTreeMap<String, Vec<u8>>,
    /// The tests, and how they ended.
    pub tests: Option<&'a Tests>,
    /// The calls of the program, and how they ended.
    pub replayed: Option<&'a BTreeMap<Replay, Replayed>>,
    /// The commits that this one follows, of those that evidence names.
    pub history: Option<&'a BTreeSet<String>>,
    /// Everything that a contract has to speak of: `rule:14`, `law:SEAL_BROKEN`, `format:contracts/run.schema.json`.
    pub promised: &'a BTreeSet<String>,
}

/// How a call of the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The exit status; -1 where a signal ended it.
    pub exit: i32,
    /// The codes of errors and findings that it told, the keywords of schemas that are not met, the numbers of broken rules.
    pub codes: BTreeSet<String>,
}

/// A falsifier, and how far it was shown.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Its contract.
    pub contract: &'a Contract,
    /// The falsifier.
    pub falsifier: &'a Falsifier,
    /// The level that follows; none where something that it takes was not measured.
    pub derived: Option<Level>,
}

/// What judging a set of contracts came to.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// Every falsifier.
    pub rows: Vec<Row<'a>>,
    /// Every broken law.
    pub findings: Vec<Finding>,
}

impl Replayed {
    /// From what the program wrote as JSON.
    #[must_use]
    pub fn of(exit: i32, stdout: &[u8]) -> Self {
        let mut codes = BTreeSet::new();
        if let Ok(value) = json::parse(stdout) {
            gather(&value, &mut codes);
        }
        Self { exit, codes }
    }
}

/// The codes and keywords anywhere in a document, and the rules that it says are broken.
fn gather(value: &Value, codes: &mut BTreeSet<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, codes)),
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            codes.extend(text("code").or(text("keyword")).map(str::to_owned));
            if text("verdict") == Some("broken") {
                codes.extend(text("id").map(str::to_owned));
            }
            members.values().for_each(|member| gather(member, codes));
        }
        _ => {}
    }
}

impl Replay {
    /// Why a call did not end as it has to.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, ended: &Replayed) -> Result<(), String> {
        if ended.exit != i32::from(self.expect_exit) {
            return Err(format!("exit {} where {} is promised", ended.exit, self.expect_exit));
        }
        match &self.expect_code {
            Some(code) if !ended.codes.contains(code) => {
                let told: Vec<_> = ended.codes.iter().map(String::as_str).collect();
                Err(format!("{code} is promised, and told is: {}", told.join(" ")))
            }
            _ => Ok(()),
        }
    }
}

/// Judges a set of contracts.
#[must_use]
pub fn judge<'a>(documents: &'a [Document], facts: &Facts<'_>) -> Judged<'a> {
    let mut judged = Judged { rows: Vec::new(), findings: Vec::new() };
    for document in documents {
        texts(document, &mut judged.findings);
        form(document, documents, facts, &mut judged.findings);
        let from = judged.rows.len();
        for falsifier in &document.contract.falsification_tests {
            let derived = derive(falsifier, facts, &mut judged.findings);
            judged.rows.push(Row { contract: &document.contract, falsifier, derived });
        }
        adopted(document, &judged.rows[from..], &mut judged.findings);
    }
    let mut ids = BTreeSet::new();
    for row in &judged.rows {
        if !ids.insert(&row.falsifier.id) {
            judged.findings.push(Finding::new(&law::NAME, &row.falsifier.id, "two falsifiers have this id"));
        }
    }
    covered(&judged.rows, facts.promised, &mut judged.findings);
    judged
}

/// Every text of a document.
fn texts(document: &Document, findings: &mut Vec<Finding>) {
    fn strings<'a>(value: &'a Value, told: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => told.push(text),
            Value::Array(elements) => elements.iter().for_each(|element| strings(element, told)),
            Value::Object(members) => members.values().for_each(|member| strings(member, told)),
            _ => {}
        }
    }
    let mut told = Vec::new();
    strings(&document.value, &mut told);
    for text in told {
        let lower = text.to_lowercase();
        let mut words = lower.split(|letter: char| !letter.is_alphanumeric());
        let stands_in = words.any(|word| ["tbd", "todo", "fixme"].contains(&word));
        if text.trim().is_empty() || stands_in || lower.contains("or equivalent") {
            let message = format!("{text:?} stands for what is to come");
            findings.push(Finding::new(&law::PLACEHOLDER, &document.stem, message));
        }
        // In pieces, since no source file has them whole.
        let judging = [concat!("compl", "iant"), concat!("certi", "fied")];
        if let Some(word) = judging.into_iter().find(|word| lower.contains(word)) {
            findings.push(Finding::new(&law::WORD, &document.stem, format!("{word:?} judges")));
        }
    }
}

/// What a document says of itself.
fn form(document: &Document, all: &[Document], facts: &Facts<'_>, findings: &mut Vec<Finding>) {
    let Contract { metadata, equations, proof_obligations, falsification_tests, qa_gate, .. } =
        &document.contract;
    let mut find = |law, message: String| findings.push(Finding::new(law, &document.stem, message));
    if metadata.id != document.stem {
        find(&law::NAME, format!("its id is {}", metadata.id));
    }
    let newest = metadata.changelog.first().map(|change| change.version.as_str());
    if document.version().is_none() {
        find(&law::VERSION, format!("{:?} is no version", metadata.version));
    } else if newest != Some(metadata.version.as_str()) {
        let message = format!("the changelog begins with {}", newest.unwrap_or("nothing"));
        find(&law::VERSION, message);
    }
    for reference in &metadata.references {
        if let Reference::Path(path) = reference
            && !facts.files.contains_key(path)
        {
            find(&law::REFERENCE, format!("{path} is not there"));
        }
    }
    for name in &metadata.depends_on {
        if !all.iter().any(|other| other.stem == *name) {
            find(&law::DEPENDENCY, format!("there is no contract {name}"));
        }
    }
    if builds_on_itself(document, all) {
        find(&law::DEPENDENCY, "it depends on itself".to_owned());
    }
    for obligation in proof_obligations {
        let out = obligation.applies_to.as_deref() == Some("not_applicable");
        let said = (obligation.na_reason.is_some(), obligation.na_owner.is_some());
        if said != (out, out) {
            find(&law::NOT_APPLICABLE, format!("{} lacks one, or has one too many", obligation.id));
        }
        if !equations.contains_key(&obligation.equation) {
            find(&law::BINDING, format!("{} is about no equation", obligation.id));
        }
        let bound = falsification_tests.iter().any(|falsifier| falsifier.binds_to.contains(&obligation.id));
        if !out && !bound {
            find(&law::BINDING, format!("nothing could show that {} is broken", obligation.id));
        }
    }
    for falsifier in falsification_tests {
        for id in &falsifier.binds_to {
            if !proof_obligations.iter().any(|obligation| obligation.id == *id) {
                find(&law::BINDING, format!("{} is bound to {id}, which is not there", falsifier.id));
            }
        }
    }
    for id in &qa_gate.checks {
        if !falsification_tests.iter().any(|falsifier| falsifier.id == *id) {
            find(&law::BINDING, format!("the gate names {id}, which is not there"));
        }
    }
}

/// Whether a contract depends on itself by any road.
fn builds_on_itself(document: &Document, all: &[Document]) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![document]);
    while let Some(next) = open.pop() {
        for name in &next.contract.metadata.depends_on {
            if *name == document.stem {
                return true;
            }
            if seen.insert(name) {
                open.extend(all.iter().filter(|other| other.stem == *name));
            }
        }
    }
    false
}

/// The level of a falsifier; none where something that it takes was not measured.
fn derive(falsifier: &Falsifier, facts: &Facts<'_>, findings: &mut Vec<Finding>) -> Option<Level> {
    let before = findings.len();
    let derived = if falsifier.bindings.is_empty() {
        if falsifier.level > Level::Proposed {
            findings.push(Finding::new(&law::UNBOUND, &falsifier.id, "nothing is bound to it"));
        }
        Some(Level::Proposed)
    } else {
        let partial = tested(falsifier, facts, findings);
        let run = recorded(falsifier, &falsifier.functional_evidence, facts, findings);
        let asked = recorded(falsifier, &falsifier.oracle_evidence, facts, findings);
        let confirmed = asked.map(|records| confirmed(falsifier, &records, findings));
        match (partial, run.map(|records| !records.is_empty()), confirmed) {
            (Some(false), ..) => Some(Level::Proposed),
            (None, ..) | (Some(true), None, _) | (Some(true), Some(true), None) => None,
            (Some(true), Some(false), _) => Some(Level::PartialAlgorithmLevel),
            (Some(true), Some(true), Some(false)) => Some(Level::Functional),
            (Some(true), Some(true), Some(true)) => Some(Level::Discharged),
        }
    };
    let first = falsifier.tests().next().map(super::document::Test::command);
    if falsifier.test != first {
        let message = format!("it is: {}", first.as_deref().unwrap_or("none"));
        findings.push(Finding::new(&law::TEST_LINE, &falsifier.id, message));
    }
    if let Some(derived) = derived {
        let (claimed, told) = (falsifier.level, findings.len() > before);
        let message = format!("{} is claimed, {} follows", claimed.name(), derived.name());
        if claimed < derived {
            findings.push(Finding::new(&law::CLAIMED_BELOW, &falsifier.id, message));
        } else if claimed > derived && !told {
            // What was found above says why; without that, the claim alone is what is wrong.
            let law = if derived == Level::Functional { &law::ORACLE } else { &law::CLAIMED_ABOVE };
            findings.push(Finding::new(law, &falsifier.id, message));
        }
    }
    if falsifier.level < falsifier.required_level && falsifier.blocked_on.is_none() {
        let message = format!("{} is required", falsifier.required_level.name());
        findings.push(Finding::new(&law::BELOW_REQUIRED, &falsifier.id, message));
    }
    derived
}

/// Whether every binding shows what it is to show, and every bad fixture is rejected.
fn tested(falsifier: &Falsifier, facts: &Facts<'_>, findings: &mut Vec<Finding>) -> Option<bool> {
    let before = findings.len();
    let mut find = |law, message: String| findings.push(Finding::new(law, &falsifier.id, message));
    let mut measured = true;
    for test in falsifier.tests() {
        let Some(tests) = facts.tests else {
            measured = false;
            continue;
        };
        let name = format!("{} {}", test.target, test.path);
        match (tests.listed(test), tests.ended(test)) {
            (0, _) => find(&law::TEST_MISSING, name),
            (1, [Ended::Passed]) => {}
            (1, []) => find(&law::TEST_NOT_PASSED, format!("{name} is not in the results")),
            (1, ended) => find(&law::TEST_NOT_PASSED, format!("{name} ended as {ended:?}")),
            (times, _) => find(&law::TEST_TWICE, format!("{name} is there {times} times")),
        }
    }
    for replay in falsifier.replays() {
        if let Some(Pinned { path, sha256 }) = &replay.fixture {
            match facts.files.get(path) {
                None => {
                    find(&law::REPLAY, format!("{path} is not there"));
                    continue;
                }
                Some(bytes) if Digest::of(bytes) != *sha256 => {
                    find(&law::REPLAY, format!("{path} has the digest {}", Digest::of(bytes)));
                    continue;
                }
                Some(_) => {}
            }
        }
        match facts.replayed.map(|replayed| replayed.get(replay)) {
            None | Some(None) => measured = false,
            Some(Some(ended)) => {
                if let Err(why) = replay.check(ended) {
                    let path = replay.fixture.as_ref().map(|fixture| fixture.path.as_str());
                    find(&law::REPLAY, format!("{}: {why}", path.unwrap_or(&replay.args.join(" "))));
                }
            }
        }
    }
    if findings.len() > before { Some(false) } else { measured.then_some(true) }
}

/// The records of evidence that show something; none where their commits could not be looked up.
fn recorded(
    falsifier: &Falsifier,
    evidence: &[Pinned],
    facts: &Facts<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    for pinned in evidence {
        match Record::read(pinned, facts.files) {
            Ok(record) if !facts.history?.contains(&record.git_sha) => {
                let message = format!("{}: {} is not in the history", pinned.path, record.git_sha);
                findings.push(Finding::new(&law::HISTORY, &falsifier.id, message));
            }
            Ok(record) => records.push(record),
            Err(Flaw::Changed(message) | Flaw::Disagrees(message)) => {
                findings.push(Finding::new(&law::EVIDENCE, &falsifier.id, message));
            }
        }
    }
    Some(records)
}

/// Whether an oracle agrees, or a second machine came to the same.
fn confirmed(falsifier: &Falsifier, records: &[Record], findings: &mut Vec<Finding>) -> bool {
    if records.is_empty() {
        return false;
    }
    if evidence::repeated(records) {
        return true;
    }
    let refused = records.iter().find_map(|record| record.agrees().err());
    if let Some(Flaw::Changed(why) | Flaw::Disagrees(why)) = &refused {
        findings.push(Finding::new(&law::ORACLE, &falsifier.id, why));
    }
    refused.is_none()
}

/// An adopted contract is one that was reviewed, and holds where a release waits for it.
fn adopted(document: &Document, rows: &[Row<'_>], findings: &mut Vec<Finding>) {
    let metadata = &document.contract.metadata;
    if metadata.status != Status::Active {
        return;
    }
    if metadata.changelog.iter().all(|change| change.audit.is_none()) {
        let message = "no entry of the changelog names who reviewed it";
        findings.push(Finding::new(&law::ADOPTED_TOO_EARLY, &document.stem, message));
    }
    for Row { falsifier, derived, .. } in rows {
        let level = derived.unwrap_or(falsifier.level);
        if falsifier.ship_blocking && level < falsifier.required_level {
            let message = format!("{} is at {}", falsifier.id, level.name());
            findings.push(Finding::new(&law::ADOPTED_TOO_EARLY, &document.stem, message));
        }
    }
}

/// Everything promised is spoken of, and nothing else.
fn covered(rows: &[Row<'_>], promised: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let mut spoken = BTreeSet::new();
    for row in rows {
        for name in &row.falsifier.covers {
            if !promised.contains(name) {
                let message = format!("{name} is not there");
                findings.push(Finding::new(&law::UNPROMISED, &row.falsifier.id, message));
            }
            spoken.insert(name);
        }
    }
    for name in promised.iter().filter(|name| !spoken.contains(name)) {
        findings.push(Finding::new(&law::UNPROMISED, name, "no falsifier covers it"));
    }
}
