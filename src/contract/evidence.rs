//! A record of a run: what was run, on what, what it left, and where an oracle was asked, what each of the two said.
//!
//! The shape is `schemas/evidence.v1.schema.json`. A record holds no verdict of its own: whether the two agree follows from
//! its cases each time it is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::document::Pinned;
use crate::digest::Digest;
use crate::json;
use crate::schema::{self, Schema};

/// What one run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The commit that the program was built from.
    pub git_sha: String,
    /// The machine, by a name that tells it from others.
    pub host_id: String,
    /// The files that it left.
    pub artifacts: Vec<Artifact>,
    /// What was asked beside the program.
    #[serde(default)]
    pub oracle: Option<Oracle>,
    /// What each of the two said.
    #[serde(default)]
    pub cases: Vec<Case>,
}

/// A file that a run left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Artifact {
    /// Its path from the top of the repository.
    pub path: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
}

/// A program that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Oracle {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What the program and the oracle said of one thing: `accept`, `reject`, or what they made of it as `sha256:` and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Case {
    /// What they were asked.
    pub name: String,
    /// What the program said.
    pub ours: String,
    /// What the oracle said.
    pub oracle: String,
    /// Why the program is stricter.
    #[serde(default)]
    pub stricter: Option<String>,
}

/// Why a record shows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The record, or a file that it names, is not there or not what it was.
    Changed(String),
    /// The program and the oracle do not agree, or nothing was asked that could tell them apart.
    Disagrees(String),
}

impl Record {
    /// Reads a record by its digest, and holds the files that it names against theirs.
    ///
    /// # Errors
    /// Why it shows nothing.
    pub fn read(pinned: &Pinned, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, Flaw> {
        let changed = |why: &str| Flaw::Changed(format!("{}: {why}", pinned.path));
        let bytes = files.get(&pinned.path).ok_or_else(|| changed("is not there"))?;
        if Digest::of(bytes) != pinned.sha256 {
            return Err(changed("has another digest"));
        }
        let record = Self::parse(bytes).map_err(|why| changed(&why))?;
        for Artifact { path, sha256, bytes } in &record.artifacts {
            let held = files.get(path).ok_or_else(|| changed(&format!("{path} is not there")))?;
            if held.len() as u64 != *bytes || Digest::of(held) != *sha256 {
                return Err(changed(&format!("{path} has another digest or size")));
            }
        }
        Ok(record)
    }

    /// The record that bytes are.
    ///
    /// # Errors
    /// Why they are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value = json::parse(bytes).map_err(|error| error.to_string())?;
        schema::validate(Schema::Evidence, &value)
            .map_err(|violations| violations.first().map(ToString::to_string).unwrap_or_default())?;
        Self::deserialize(&value).map_err(|error| error.to_string())
    }

    /// Holds the program's words against the oracle's.
    ///
    /// # Errors
    /// The first case in which they differ; or that none could.
    pub fn agrees(&self) -> Result<(), Flaw> {
        let Some(oracle) = &self.oracle else {
            return Err(Flaw::Disagrees("no oracle was asked".into()));
        };
        let (mut accepted, mut rejected, mut made) = (0, 0, 0);
        for case in &self.cases {
            match (case.ours.as_str(), case.oracle.as_str()) {
                (ours, theirs) if ours == theirs => match ours {
                    "accept" => accepted += 1,
                    "reject" => rejected += 1,
                    _ => made += 1,
                },
                ("reject", "accept") if case.stricter.is_some() => {}
                (ours, theirs) => {
                    let message = format!("{}: {ours}, and {} says {theirs}", case.name, oracle.name);
                    return Err(Flaw::Disagrees(message));
                }
            }
        }
        if made > 0 || (accepted > 0 && rejected > 0) {
            return Ok(());
        }
        Err(Flaw::Disagrees(format!("{} was not asked anything that could tell the two apart", oracle.name)))
    }

    /// What a run left, whatever the files are called.
    fn left(&self) -> BTreeSet<Digest> {
        self.artifacts.iter().map(|artifact| artifact.sha256).collect()
    }
}

/// Whether records of two machines show the same files.
#[must_use]
pub fn repeated(records: &[Record]) -> bool {
    let hosts: BTreeSet<_> = records.iter().map(|record| &record.host_id).collect();
    hosts.len() >= 2 && records.windows(2).all(|pair| pair[0].left() == pair[1].left())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(ours: &str, oracle: &str, stricter: Option<&str>) -> Case {
        let stricter = stricter.map(str::to_owned);
        Case { name: "x".into(), ours: ours.into(), oracle: oracle.into(), stricter }
    }

    fn record(cases: Vec<Case>) -> Record {
        let oracle = Some(Oracle { name: "o".into(), version: "1".into() });
        Record { git_sha: String::new(), host_id: "a".into(), artifacts: vec![], oracle, cases }
    }

    #[test]
    fn agreement_follows_from_the_cases_alone() {
        let both = [case("accept", "accept", None), case("reject", "reject", None)];
        assert_eq!(record(both.to_vec()).agrees(), Ok(()));
        assert_eq!(record(vec![case("sha256:00", "sha256:00", None)]).agrees(), Ok(()));
        let stricter = case("reject", "accept", Some("a reason"));
        assert_eq!(record([both.to_vec(), vec![stricter.clone()]].concat()).agrees(), Ok(()));
        for bad in [
            vec![],
            both[..1].to_vec(),
            both[1..].to_vec(),
            vec![both[0].clone(), stricter],
            [both.to_vec(), vec![case("accept", "reject", Some("a reason"))]].concat(),
            [both.to_vec(), vec![case("reject", "accept", None)]].concat(),
            vec![case("sha256:00", "sha256:01", None)],
        ] {
            assert!(matches!(record(bad.clone()).agrees(), Err(Flaw::Disagrees(_))), "{bad:?}");
        }
        assert!(Record { oracle: None, ..record(both.to_vec()) }.agrees().is_err());
    }

    #[test]
    fn a_repeat_takes_two_machines_and_equal_files() {
        let on = |host: &str, bytes: &[u8]| {
            let artifacts = vec![Artifact { path: host.into(), sha256: Digest::of(bytes), bytes: 1 }];
            Record { host_id: host.into(), artifacts, ..record(vec![]) }
        };
        assert!(repeated(&[on("a", b"x"), on("b", b"x")]));
        assert!(!repeated(&[on("a", b"x"), on("a", b"x")]));
        assert!(!repeated(&[on("a", b"x"), on("b", b"y")]));
        assert!(!repeated(&[on("a", b"x")]));
    }
}
