//! What contracts are judged by: files of the repository, what `cargo test` printed, replays, and the history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use bp::contract::document::{Falsifier, Pinned, Reference};
use bp::contract::evidence::Record;
use bp::contract::{Document, Facts, Finding, Replay, Replayed, Tests};
use bp::error::{self, Failure};
use bp::{contract, pack, reconcile, schema};

use super::replay::Bench;
use crate::cli::Measured;
use crate::source;

/// What was measured.
pub(super) struct Measurement {
    files: BTreeMap<String, Vec<u8>>,
    tests: Option<Tests>,
    replayed: Option<BTreeMap<Replay, Replayed>>,
    history: Option<BTreeSet<String>>,
    promised: BTreeSet<String>,
}

/// The contracts of a repository: every file in contracts/ that is neither a schema nor the lock.
pub(super) fn contracts(root: &Path) -> Result<Result<Vec<Document>, Vec<Finding>>, Failure> {
    let folder = root.join("contracts");
    let failed = |error| source::failure(&folder, &error);
    let mut files = BTreeMap::new();
    for entry in bp::persist::entries(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".json") else { continue };
        if !name.ends_with(".schema.json") && !super::LOCK.ends_with(&name) {
            files.insert(stem.to_owned(), source::bytes(&path)?);
        }
    }
    if files.is_empty() {
        let message = format!("{}: there is no contract, so nothing was measured", folder.display());
        return Err(Failure::new(&error::CONTRACT_UNREADABLE, message));
    }
    Ok(contract::read(files.iter().map(|(stem, bytes)| (stem.as_str(), bytes.as_slice()))))
}

impl Measurement {
    /// Measures what there is to measure. Nothing is replayed where no tests are given: no level would follow.
    pub(super) fn take(arguments: &Measured, documents: &[Document]) -> Result<Self, Failure> {
        let root = &arguments.root;
        let tests = match (&arguments.inventory, &arguments.results) {
            (Some(inventory), Some(results)) => {
                let text = |path| Ok(String::from_utf8_lossy(&source::whole(path)?).into_owned());
                let tests = Tests::read(&text(inventory)?, &text(results)?);
                if !tests.is_measured() {
                    let message = "no test of a target is in the inventory, or none in the results";
                    let hint = "give what `cargo test -- --list` and `cargo test` print, each with 2>&1";
                    return Err(Failure::new(&error::CONTRACT_UNREADABLE, message).hint(hint));
                }
                Some(tests)
            }
            _ => None,
        };
        let mut files = BTreeMap::new();
        for path in documents.iter().flat_map(named) {
            take(root, path, &mut files)?;
        }
        let mut commits = BTreeSet::new();
        for pinned in
            documents.iter().flat_map(|document| &document.contract.falsification_tests).flat_map(evidence)
        {
            let record = files.get(&pinned.path).and_then(|bytes| Record::parse(bytes).ok());
            if let Some(record) = record {
                for artifact in &record.artifacts {
                    take(root, &artifact.path, &mut files)?;
                }
                commits.insert(record.git_sha);
            }
        }
        let replayed = match &tests {
            Some(_) => Some(replay(documents, &files)?),
            None => None,
        };
        Ok(Self { files, tests, replayed, history: history(root, &commits), promised: promised() })
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            files: &self.files,
            tests: self.tests.as_ref(),
            replayed: self.replayed.as_ref(),
            history: self.history.as_ref(),
            promised: &self.promised,
        }
    }
}

/// Everything that a contract has to speak of.
fn promised() -> BTreeSet<String> {
    let rules = reconcile::rules::RULES.iter().map(|rule| format!("rule:{}", rule.id));
    let laws = pack::law::LAWS.iter().map(|law| format!("law:{}", law.code));
    let formats = schema::embedded().map(|(path, _)| path).filter(|path| path.starts_with("contracts/"));
    rules.chain(laws).chain(formats.map(|path| format!("format:{path}"))).collect()
}

/// The files that a contract names.
fn named(document: &Document) -> impl Iterator<Item = &str> {
    let references = document.contract.metadata.references.iter().filter_map(|reference| match reference {
        Reference::Path(path) => Some(path.as_str()),
        Reference::Url(_) => None,
    });
    let fixtures = document.replays().filter_map(|(_, replay)| replay.fixture.as_ref());
    let records = document.contract.falsification_tests.iter().flat_map(evidence);
    references.chain(fixtures.chain(records).map(|pinned| pinned.path.as_str()))
}

fn evidence(falsifier: &Falsifier) -> impl Iterator<Item = &Pinned> {
    falsifier.functional_evidence.iter().chain(&falsifier.oracle_evidence)
}

/// Reads a file below the top of the repository; one that is not there is left out.
fn take(root: &Path, path: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Failure> {
    let within = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let at = root.join(path);
    if within && at.is_file() && !files.contains_key(path) {
        files.insert(path.to_owned(), source::whole(&at)?);
    }
    Ok(())
}

/// Every replay whose fixture is the one that is named.
fn replay(
    documents: &[Document],
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<Replay, Replayed>, Failure> {
    let mut bench = Bench::new()?;
    let mut replayed = BTreeMap::new();
    for (_, replay) in documents.iter().flat_map(Document::replays) {
        if let Ok(ended) = bench.replay(replay, |path| files.get(path).map(Vec::as_slice))? {
            replayed.insert(replay.clone(), ended);
        }
    }
    Ok(replayed)
}

/// The commits that this one follows, of those asked for; none where git, the repository or its history is not at hand.
fn history(root: &Path, commits: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(root).args(arguments).stdin(Stdio::null()).output().ok()
    };
    let shallow = git(&["rev-parse", "--is-shallow-repository"])?;
    if !shallow.status.success() || shallow.stdout.trim_ascii() != b"false" {
        return None;
    }
    let follows = |commit: &&String| {
        git(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_some_and(|output| output.status.success())
    };
    Some(commits.iter().filter(follows).cloned().collect())
}
