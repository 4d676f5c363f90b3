//! `contract`: what is promised, and how far it was shown.

mod measure;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bp::contract::diff::{diff, proposed};
use bp::contract::law::{self, Effect};
use bp::contract::{Document, Finding, Judged, Level, Lock, Row, embedded};
use bp::error::{self, Failure};
use bp::report::{Long, fold};
use serde_json::{Value, json};

use crate::Run;
use crate::cli::{Contract, Measured};
use crate::output::Output;
use crate::source;
use measure::Measurement;
use replay::Bench;

/// Where the lock lies, from the top of the repository.
const LOCK: &str = "contracts/contracts.lock.json";

pub(crate) fn contract(command: &Contract, output: &Output) -> Run {
    match command {
        Contract::Validate(measured) => judged(measured, output, false),
        Contract::Status(measured) => judged(measured, output, true),
        Contract::Run { ids } => run(ids, output),
        Contract::Diff { old, new } => compare(old, new, output),
        Contract::Lock { root, check } => lock(root, *check, output),
    }
}

fn judged(arguments: &Measured, output: &Output, rows: bool) -> Run {
    let documents = match measure::contracts(&arguments.root)? {
        Ok(documents) => documents,
        Err(findings) => return broken(&findings, output),
    };
    let measurement = Measurement::take(arguments, &documents)?;
    let judged = bp::contract::judge(&documents, &measurement.facts());
    let unmeasured = judged.rows.iter().filter(|row| row.derived.is_none()).count();
    let is_broken = judged.findings.iter().any(|finding| finding.law.effect == Effect::Broken);
    let status = match (is_broken, unmeasured) {
        (true, _) => 1,
        (false, 0) => 0,
        (false, _) => 2,
    };
    if output.json {
        output.envelope(&json!({
            "ok": status == 0,
            "contracts": listed(&documents, &judged),
            "totals": totals(&documents, &judged),
            "findings": judged.findings,
        }))?;
        return Ok(status);
    }
    if rows {
        output.data(table(&documents, &judged).as_bytes())?;
    }
    output.say(&told(&judged.findings));
    if status == 2 {
        output.say(&format!(
            "{unmeasured} levels were not measured: give --inventory and --results, in a clone with its history"
        ));
    } else if status == 0 {
        output.say(&format!("{} contracts keep every law", documents.len()));
    }
    Ok(status)
}

/// Contracts that cannot be read, told.
fn broken(findings: &[Finding], output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({ "ok": false, "findings": findings }))?;
    } else {
        output.say(&told(findings));
    }
    Ok(1)
}

fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        fold(&format!("{}  ", finding.law.code), &format!("{}: {}", finding.at, finding.message), Long::Keep)
    };
    findings.iter().map(line).collect()
}

fn derived(row: &Row<'_>) -> &'static str {
    row.derived.map_or("?", Level::name)
}

fn table(documents: &[Document], judged: &Judged<'_>) -> String {
    let mut lines = Vec::new();
    for document in documents {
        let metadata = &document.contract.metadata;
        lines.push(format!("{} {} {:?}\n", metadata.id, metadata.version, metadata.status).to_uppercase());
        for row in judged.rows.iter().filter(|row| row.contract.metadata.id == metadata.id) {
            let falsifier = row.falsifier;
            lines.push(format!(
                "  {:<26} claimed {:<23} derived {:<23} required {:<23} {:<8} bindings {:>2}  bad {:>2}  evidence {}\n",
                falsifier.id,
                falsifier.level.name(),
                derived(row),
                falsifier.required_level.name(),
                if falsifier.ship_blocking { "blocking" } else { "" },
                falsifier.bindings.len(),
                falsifier.bad_fixtures.len(),
                falsifier.functional_evidence.len() + falsifier.oracle_evidence.len(),
            ));
        }
    }
    let counts: BTreeMap<_, _> = Level::ALL
        .into_iter()
        .map(|level| (level, judged.rows.iter().filter(|row| row.derived == Some(level)).count()))
        .collect();
    let counts: Vec<_> = counts.iter().map(|(level, count)| format!("{} {count}", level.name())).collect();
    let measured = judged.rows.iter().filter(|row| row.derived.is_some()).count();
    let above =
        judged.rows.iter().filter(|row| row.derived.is_some_and(|derived| row.falsifier.level > derived));
    lines.push(format!(
        "contracts {}, falsifiers {}: {}; claimed above derived {}; measured {measured}/{}\n",
        documents.len(),
        judged.rows.len(),
        counts.join(", "),
        above.count(),
        judged.rows.len(),
    ));
    lines.concat()
}

fn listed(documents: &[Document], judged: &Judged<'_>) -> Vec<Value> {
    let falsifiers = |document: &Document| -> Vec<Value> {
        let of = |row: &&Row<'_>| row.contract.metadata.id == document.contract.metadata.id;
        let told = |row: &Row<'_>| {
            let falsifier = row.falsifier;
            json!({
                "id": falsifier.id,
                "claimed": falsifier.level,
                "derived": row.derived,
                "required": falsifier.required_level,
                "ship_blocking": falsifier.ship_blocking,
                "blocked_on": falsifier.blocked_on,
                "bindings": falsifier.bindings.len(),
                "bad_fixtures": falsifier.bad_fixtures.len(),
                "evidence": falsifier.functional_evidence.len() + falsifier.oracle_evidence.len(),
            })
        };
        judged.rows.iter().filter(of).map(told).collect()
    };
    let one = |document: &Document| {
        let metadata = &document.contract.metadata;
        json!({
            "id": metadata.id,
            "version": metadata.version,
            "status": metadata.status,
            "sha256": document.sha256(),
            "falsifiers": falsifiers(document),
        })
    };
    documents.iter().map(one).collect()
}

fn totals(documents: &[Document], judged: &Judged<'_>) -> Value {
    let at = |level| judged.rows.iter().filter(|row| row.derived == Some(level)).count();
    let levels: BTreeMap<&str, usize> =
        Level::ALL.into_iter().map(|level| (level.name(), at(level))).collect();
    let measured = judged.rows.iter().filter(|row| row.derived.is_some()).count();
    json!({
        "contracts": documents.len(),
        "falsifiers": judged.rows.len(),
        "measured": measured,
        "derived": levels,
    })
}

/// Replays from what the program carries: no file of the repository is read.
fn run(ids: &[String], output: &Output) -> Run {
    let documents = embedded::documents();
    let known: BTreeSet<&str> = documents
        .iter()
        .flat_map(|document| {
            let falsifiers = document.contract.falsification_tests.iter();
            falsifiers.map(|falsifier| falsifier.id.as_str()).chain([document.stem.as_str()])
        })
        .collect();
    if let Some(unknown) = ids.iter().find(|id| !known.contains(id.as_str())) {
        let message = format!("there is no contract and no falsifier {unknown:?}");
        return Err(Failure::new(&error::INVALID_FLAG, message).hint("`bp contract status` lists them"));
    }
    let asked = |name: &str| ids.is_empty() || ids.iter().any(|id| id == name);
    let mut bench = Bench::new()?;
    let (mut findings, mut replayed) = (Vec::new(), 0_usize);
    for document in documents {
        for (falsifier, replay) in document.replays() {
            if !asked(&document.stem) && !asked(&falsifier.id) {
                continue;
            }
            let name =
                replay.fixture.as_ref().map_or_else(|| replay.args.join(" "), |fixture| fixture.path.clone());
            let ended = bench.replay(replay, embedded::fixture)?;
            let checked = ended.and_then(|ended| replay.check(&ended));
            match checked {
                Ok(()) if output.verbose => output.say(&format!("{}  {name}: as promised", falsifier.id)),
                Ok(()) => {}
                Err(why) => {
                    findings.push(Finding::new(&law::REPLAY, &falsifier.id, format!("{name}: {why}")));
                }
            }
            replayed += 1;
        }
    }
    let status = if !findings.is_empty() {
        1
    } else if replayed == 0 {
        2
    } else {
        0
    };
    if output.json {
        output.envelope(&json!({ "ok": status == 0, "replayed": replayed, "findings": findings }))?;
    } else {
        output.say(&told(&findings));
        output.say(&format!("{replayed} replays, {} ended otherwise than promised", findings.len()));
    }
    Ok(status)
}

fn one(path: &Path) -> Result<Document, Failure> {
    let bytes = source::bytes(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Document::read(&stem, &bytes).map_err(|findings| {
        let first = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        Failure::new(&error::CONTRACT_UNREADABLE, format!("{}: {first}", path.display()))
    })
}

fn compare(old: &Path, new: &Path, output: &Output) -> Run {
    let (before, after) = (one(old)?, one(new)?);
    let changes = diff(&before, &after);
    let versions = before
        .version()
        .zip(after.version())
        .ok_or_else(|| Failure::new(&error::CONTRACT_UNREADABLE, "one of the two has no semantic version"))?;
    let needed = changes.iter().map(|change| change.bump).max();
    let proposed = needed.map(|bump| proposed(&versions.0, bump));
    let is_said = proposed.as_ref().is_none_or(|proposed| versions.1 >= *proposed);
    if output.json {
        output.envelope(&json!({
            "ok": is_said,
            "old_version": versions.0.to_string(),
            "new_version": versions.1.to_string(),
            "proposed_version": proposed.as_ref().map(ToString::to_string),
            "changes": changes,
        }))?;
        return Ok(u8::from(!is_said));
    }
    for change in &changes {
        output.data(
            format!("{:<7} {}: {}\n", format!("{:?}", change.bump).to_lowercase(), change.at, change.what)
                .as_bytes(),
        )?;
    }
    output.say(&match (&proposed, is_said) {
        (None, _) => "nothing changed".to_owned(),
        (Some(proposed), true) => format!("{} is new enough: {proposed} at least", versions.1),
        (Some(proposed), false) => format!("{} is not new enough: {proposed} at least", versions.1),
    });
    Ok(u8::from(!is_said))
}

fn lock(root: &Path, check: bool, output: &Output) -> Run {
    let documents = match measure::contracts(root)? {
        Ok(documents) => documents,
        Err(findings) => return broken(&findings, output),
    };
    let path = root.join(LOCK);
    let held = if check || path.exists() {
        let bytes = source::bytes(&path)?;
        let lock = Lock::read(&bytes)
            .map_err(|why| Failure::new(&error::CONTRACT_UNREADABLE, format!("{}: {why}", path.display())))?;
        Some(lock)
    } else {
        None
    };
    let findings = match &held {
        Some(lock) if check => lock.check(&documents),
        Some(lock) => lock.refuses(&documents),
        None => Vec::new(),
    };
    if !findings.is_empty() {
        return broken(&findings, output);
    }
    if check {
        if output.json {
            output.envelope(&json!({ "ok": true, "contracts": documents.len(), "findings": [] }))?;
        } else {
            output.say(&format!(
                "{} contracts are as they were locked, or newer by their version",
                documents.len()
            ));
        }
        return Ok(0);
    }
    output.written(Some(&path), &Lock::of(&documents).to_bytes())
}
