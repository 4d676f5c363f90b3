//! What was promised once: levels only rise, and lists only shrink with a recorded reason.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Finding;
use super::document::{Document, Level};
use super::law;
use crate::digest::Digest;
use crate::json;

/// The format of the lock.
const FORMAT: &str = "bp-contract-lock/1";

/// Every contract as it was when it was locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: String,
    contracts: BTreeMap<String, Locked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Locked {
    version: Version,
    sha256: Digest,
    levels: BTreeMap<String, Level>,
}

impl Lock {
    /// The lock of contracts as they are. One without a version is left out, and so is not locked.
    #[must_use]
    pub fn of(documents: &[Document]) -> Self {
        let locked = documents.iter().filter_map(|document| {
            let falsifiers = &document.contract.falsification_tests;
            let levels = falsifiers.iter().map(|falsifier| (falsifier.id.clone(), falsifier.level)).collect();
            let locked = Locked { version: document.version()?, sha256: document.sha256(), levels };
            Some((document.stem.clone(), locked))
        });
        Self { format: FORMAT.to_owned(), contracts: locked.collect() }
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let value = json::parse(bytes).map_err(|error| error.to_string())?;
        let lock: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if lock.format == FORMAT { Ok(lock) } else { Err(format!("its format is {:?}", lock.format)) }
    }

    /// Its bytes: one spelling, a line for each value, so that changes are read line by line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a lock holds string keys");
        bytes.push(b'\n');
        bytes
    }

    /// Holds contracts against what was locked.
    #[must_use]
    pub fn check(&self, documents: &[Document]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, locked) in &self.contracts {
            match documents.iter().find(|document| document.stem == *name) {
                Some(document) => locked.check(document, &mut findings),
                None => findings.push(Finding::new(&law::PROMISE_DROPPED, name, "the contract is gone")),
            }
        }
        for document in documents.iter().filter(|document| !self.contracts.contains_key(&document.stem)) {
            findings.push(Finding::new(&law::NOT_LOCKED, &document.stem, "it was never locked"));
        }
        findings
    }

    /// Whether the contracts may be locked in the place of these: nothing fell or went without a reason, and what changed
    /// has a new version. What was never locked may be.
    #[must_use]
    pub fn refuses(&self, documents: &[Document]) -> Vec<Finding> {
        let known: Vec<Document> = documents
            .iter()
            .filter(|document| self.contracts.contains_key(&document.stem))
            .cloned()
            .collect();
        self.check(&known)
    }
}

impl Locked {
    fn check(&self, document: &Document, findings: &mut Vec<Finding>) {
        let contract = &document.contract;
        for (id, level) in &self.levels {
            let now = contract.falsification_tests.iter().find(|falsifier| falsifier.id == *id);
            let said = |reasons: &[super::document::Reason]| reasons.iter().any(|reason| reason.id == *id);
            match now {
                None if !said(&contract.retired) => {
                    findings.push(Finding::new(&law::PROMISE_DROPPED, id, "the falsifier is gone"));
                }
                Some(now) if now.level < *level && !said(&contract.demotions) => {
                    let message = format!("{} was locked, {} is claimed", level.name(), now.level.name());
                    findings.push(Finding::new(&law::LEVEL_FELL, id, message));
                }
                _ => {}
            }
        }
        let is_newer = document.version().is_some_and(|version| version > self.version);
        if document.sha256() != self.sha256 && !is_newer {
            let message = format!("it changed under the version {}", self.version);
            findings.push(Finding::new(&law::NOT_LOCKED, &document.stem, message));
        }
    }
}
