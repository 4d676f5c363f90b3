//! What changed between two packs, by what each says of itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::manifest::Statement;
use super::path::PackPath;
use super::said::Said;
use crate::annex::ANNEX_JSON;

/// The format of [`Diff`].
pub const FORMAT: &str = "bp-pack-diff/1";

/// Which pack is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Its id.
    pub pack_id: String,
    /// Its identity.
    pub manifest_sha256: String,
    /// When it was made, by its maker's word.
    pub created_at: String,
    /// Documents in it that could not be read, or are not those that its manifest names.
    pub unread: Vec<Unread>,
}

/// A document that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Where it lies.
    pub path: PackPath,
    /// Why.
    pub reason: String,
}

/// One thing that the two say differently; null where one does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is.
    pub what: String,
    /// What the first says.
    pub a: Value,
    /// What the second says.
    pub b: Value,
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The kind.
    pub name: &'static str,
    /// How many things were compared.
    pub compared: usize,
    /// Those that differ, by name.
    pub changes: Vec<Change>,
}

/// What changed: `bp-pack-diff/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Nothing differs but identity and time, and everything could be read.
    pub ok: bool,
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Every kind, in order.
    pub groups: Vec<Group>,
}

/// What one pack says, by name, as values that are compared whole.
type Facts = BTreeMap<String, Value>;

/// A kind of facts, and how they are taken from a pack.
type Kind = (&'static str, fn(&Said) -> Facts);

const KINDS: [Kind; 10] = [
    ("verdict", verdict),
    ("rules", rules),
    ("scenarios", scenarios),
    ("inputs", inputs),
    ("runs", runs),
    ("hyper-parameters", settings),
    ("artifacts", artifacts),
    ("environment", environment),
    ("Annex IV", annex),
    ("maker", maker),
];

/// What changed from one pack to another.
#[must_use]
pub fn diff(a: &Said, b: &Said) -> Diff {
    let groups: Vec<Group> =
        KINDS.into_iter().map(|(name, facts)| compare(name, &facts(a), &facts(b))).collect();
    let unread = !a.unread.is_empty() || !b.unread.is_empty();
    let same = groups.iter().all(|group| group.changes.is_empty());
    Diff { format: FORMAT, ok: same && !unread, a: Side::of(a), b: Side::of(b), groups }
}

impl Side {
    fn of(said: &Said) -> Self {
        let unread =
            |(path, reason): &(PackPath, String)| Unread { path: path.clone(), reason: reason.clone() };
        Self {
            pack_id: said.statement.pack_id.to_string(),
            manifest_sha256: said.manifest_sha256.to_string(),
            created_at: said.statement.created_at.to_string(),
            unread: said.unread.iter().map(unread).collect(),
        }
    }
}

fn compare(name: &'static str, a: &Facts, b: &Facts) -> Group {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |facts: &Facts, what: &str| facts.get(what).cloned().unwrap_or(Value::Null);
    let changes = names.iter().filter(|what| a.get(**what) != b.get(**what));
    Group {
        name,
        compared: names.len(),
        changes: changes
            .map(|what| Change { what: (*what).clone(), a: of(a, what), b: of(b, what) })
            .collect(),
    }
}

/// The elements of an array of a document.
fn rows<'a>(document: Option<&'a Value>, member: &str) -> &'a [Value] {
    document.and_then(|document| document.get(member)).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, member: &str) -> String {
    match value.get(member) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn verdict(said: &Said) -> Facts {
    let Statement { verdict, counts, suite, .. } = &said.statement;
    let mut facts = Facts::from([
        ("verdict".to_owned(), json!(verdict)),
        ("inputs judged".to_owned(), json!(counts.receipts)),
        ("inputs passed".to_owned(), json!(counts.passed)),
        ("inputs failed".to_owned(), json!(counts.failed)),
        ("inputs insufficient".to_owned(), json!(counts.insufficient)),
    ]);
    if let Some(suite) = suite {
        facts.insert("suite".to_owned(), json!(suite.name));
        facts.insert("suite sha256".to_owned(), json!(suite.scenarios_sha256));
    }
    facts
}

fn rules(said: &Said) -> Facts {
    let told = |row: &Value| {
        let counts: Vec<String> = ["holds", "broken", "vacuous", "not_applicable", "not_reached"]
            .into_iter()
            .filter_map(|count| {
                let number = row.get(count)?.as_u64().filter(|number| *number > 0)?;
                Some(format!("{} {number}", count.replace('_', " ")))
            })
            .collect();
        (format!("rule {}", text(row, "rule")), json!(counts.join(", ")))
    };
    rows(said.document("results/rule_coverage.json"), "rules").iter().map(told).collect()
}

fn scenarios(said: &Said) -> Facts {
    let rows = rows(said.document("results/scenario_summary.json"), "scenarios");
    rows.iter().map(|row| (text(row, "id"), row["standing"].clone())).collect()
}

fn inputs(said: &Said) -> Facts {
    let verdict = said.document(super::FINAL_VERDICT);
    let told = |row: &Value| {
        let stem = text(row, "stem");
        [
            (stem.clone(), row["outcome"].clone()),
            (format!("{stem} records"), row["records"].clone()),
            (format!("{stem} sha256"), row["sha256"].clone()),
        ]
    };
    rows(verdict, "inputs").iter().flat_map(told).collect()
}

/// Facts of every run, each under the name of its folder where there are several.
fn of_runs(said: &Said, facts: impl Fn(&Value) -> Facts) -> Facts {
    let several = said.runs().count() > 1;
    let named = |folder: &str, what: String| if several { format!("{folder}: {what}") } else { what };
    said.runs()
        .flat_map(|(folder, run)| {
            facts(run).into_iter().map(move |(what, value)| (named(folder, what), value)).collect::<Vec<_>>()
        })
        .collect()
}

fn runs(said: &Said) -> Facts {
    of_runs(said, |run| {
        let mut facts = Facts::from([
            ("run id".to_owned(), run["run_id"].clone()),
            ("trainer".to_owned(), run["kind"].clone()),
            ("state".to_owned(), run["status"]["state"].clone()),
            ("flagged".to_owned(), run["status"]["flagged"].clone()),
            ("steps taken".to_owned(), run["steps"]["taken"].clone()),
            ("steps planned".to_owned(), run["steps"]["planned"].clone()),
        ]);
        for series in rows(Some(run), "series") {
            let last = rows(Some(series), "points").iter().rev().find_map(|point| point.get("value"));
            let name = format!("last {}", text(series, "name"));
            facts.insert(name, last.cloned().unwrap_or(Value::Null));
        }
        let count =
            |code: &Value| rows(Some(run), "findings").iter().filter(|row| row["code"] == *code).count();
        for finding in rows(Some(run), "findings") {
            facts.insert(format!("finding {}", text(finding, "code")), json!(count(&finding["code"])));
        }
        facts
    })
}

fn settings(said: &Said) -> Facts {
    of_runs(said, |run| named(rows(run.get("settings"), "recorded")))
}

fn environment(said: &Said) -> Facts {
    of_runs(said, |run| named(rows(Some(run), "environment")))
}

/// Settings by name; of one that several files record, each.
fn named(rows: &[Value]) -> Facts {
    let mut facts = Facts::new();
    for row in rows {
        let name = text(row, "name");
        let key = if facts.contains_key(&name) { format!("{name} ({})", text(row, "path")) } else { name };
        facts.insert(key, row["value"].clone());
    }
    facts
}

fn artifacts(said: &Said) -> Facts {
    let stated = &said.statement.subject.artifacts;
    let mut facts: Facts =
        stated.iter().map(|artifact| (artifact.name.clone(), json!(artifact.sha256))).collect();
    facts.extend(of_runs(said, |run| {
        let weights = rows(Some(run), "weights").iter().flat_map(|weights| {
            let paths = rows(Some(weights), "paths").iter().filter_map(Value::as_str);
            paths.map(|path| (path.to_owned(), weights["sha256"].clone()))
        });
        let data = rows(Some(run), "datasets").iter().flat_map(|data| {
            let name = data["recorded_name"].as_str().unwrap_or("not named").to_owned();
            let digest = if data["given_sha256"].is_null() { "recorded_prefix" } else { "given_sha256" };
            [
                (format!("data set {name}"), data[digest].clone()),
                (format!("data set {name}, as recorded"), data["agreement"].clone()),
            ]
        });
        weights.chain(data).collect()
    }));
    facts
}

/// The status of each point, and what is open in it.
fn annex(said: &Said) -> Facts {
    let told = |entry: &Value| {
        let open: usize =
            rows(Some(entry), "facets").iter().map(|facet| rows(Some(facet), "open").len()).sum();
        (text(entry, "id"), json!(format!("{}, {open} open", text(entry, "status"))))
    };
    rows(said.document(ANNEX_JSON), "entries").iter().map(told).collect()
}

fn maker(said: &Said) -> Facts {
    let Statement { producer, judge, .. } = &said.statement;
    Facts::from([
        ("producer".to_owned(), json!(format!("{} {} {}", producer.name, producer.version, producer.build))),
        ("judge".to_owned(), json!(format!("{} {}", judge.name, judge.version))),
        ("judge's rules".to_owned(), json!(judge.rules.len())),
        ("judge's bounds".to_owned(), json!(judge.bounds_policy_sha256)),
        ("seal by key".to_owned(), json!(said.statement.key_id())),
        ("parent".to_owned(), json!(said.statement.parent_manifest_sha256)),
    ])
}
