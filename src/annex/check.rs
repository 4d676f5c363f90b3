//! What is open and with whom, whether points that were asked for are filled, and whether a stored answer is the one that
//! follows from its inputs.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::catalogue::{Catalogue, Unit};
use super::model::{Annex, FORMAT, Facet, Open, Status};
use super::provider::nearest;
use super::render::{RenderError, Renderer, Templates};
use super::{ANNEX_HTML, ANNEX_JSON, ANNEX_MARKDOWN};
use crate::digest::Digest;
use crate::json::{self, JsonError};
use crate::pointer::{Pointer, Token};
use crate::schema::{self, Schema, Violation};

/// What one role has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Todo<'a> {
    /// The role.
    pub owner: &'a str,
    /// The facet and what it asks for, in the order of the annex.
    pub items: Vec<(&'a str, &'a str)>,
}

/// What is open, by owner; owners in the order in which they first appear.
#[must_use]
pub fn todo(annex: &Annex) -> Vec<Todo<'_>> {
    let mut todos: Vec<Todo<'_>> = Vec::new();
    for facet in annex.facets() {
        for Open { field, owner } in &facet.open {
            let item = (facet.id.as_str(), field.as_str());
            match todos.iter_mut().find(|todo| todo.owner == owner) {
                Some(todo) => todo.items.push(item),
                None => todos.push(Todo { owner, items: vec![item] }),
            }
        }
    }
    todos
}

/// A point that is asked for and does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Annex IV has no point {id:?}{}", nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
pub struct UnknownPoint {
    /// As it was asked for.
    pub id: String,
    /// The nearest that exists.
    pub nearest: Option<String>,
}

/// The facets of the required points that are below a status. A point that is said not to apply, with reason, person and
/// day, is not below any.
///
/// Points are units (`2.g`, `IV.2.g`), facets (`2.g#test_logs`), or a number that stands for its units (`2`).
///
/// # Errors
/// [`UnknownPoint`] for a point that does not exist.
pub fn check<'a>(
    annex: &'a Annex,
    catalogue: &Catalogue,
    required: &[&str],
    min: Status,
) -> Result<Vec<&'a Facet>, UnknownPoint> {
    let mut wanted = BTreeSet::new();
    for point in required {
        wanted.extend(facets_of(catalogue, point)?);
    }
    let below = |facet: &&Facet| {
        wanted.contains(facet.id.as_str()) && facet.status < min && facet.status != Status::NotApplicable
    };
    Ok(annex.facets().filter(below).collect())
}

/// The facets that a point stands for.
fn facets_of<'c>(catalogue: &'c Catalogue, point: &str) -> Result<Vec<&'c str>, UnknownPoint> {
    let full = if point.starts_with("IV.") { point.to_owned() } else { format!("IV.{point}") };
    let within = |unit: &&Unit| {
        unit.id == full || unit.id.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.'))
    };
    let mut facets: Vec<&str> = catalogue
        .units
        .iter()
        .filter(within)
        .flat_map(|unit| &unit.facets)
        .map(|facet| facet.id.as_str())
        .collect();
    facets.extend(catalogue.facet(&full).map(|facet| facet.id.as_str()));
    if facets.is_empty() { Err(unknown(catalogue, point, &full)) } else { Ok(facets) }
}

/// Whether this is the id of a unit or a facet, as a sign-off names it.
///
/// # Errors
/// [`UnknownPoint`] for any other text: nobody would be signed off by it.
pub fn exact(catalogue: &Catalogue, id: &str) -> Result<(), UnknownPoint> {
    let is_unit = catalogue.units.iter().any(|unit| unit.id == id);
    if is_unit || catalogue.facet(id).is_some() { Ok(()) } else { Err(unknown(catalogue, id, id)) }
}

fn unknown(catalogue: &Catalogue, point: &str, full: &str) -> UnknownPoint {
    let units = catalogue.units.iter().map(|unit| unit.id.as_str());
    let names = units.chain(catalogue.facets().map(|facet| facet.id.as_str()));
    UnknownPoint { id: point.chars().take(64).collect(), nearest: nearest(full, names) }
}

/// Bytes that are no `annex-iv.json`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error("not {FORMAT}: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Shape(Vec<Violation>),
    /// An answer to another catalogue than the one of this program.
    #[error("it answers the catalogue {found}, and this program has {own}")]
    Catalogue {
        /// The digest that it names.
        found: Digest,
        /// The digest of the catalogue here.
        own: Digest,
    },
    /// A facet or unit of the catalogue is not there, is there twice, or is out of order.
    #[error("{id}: missing, repeated or out of order")]
    Incomplete {
        /// The first.
        id: String,
    },
}

/// An answer from its bytes. It is read, not believed: whether it follows from its inputs says [`verify`].
///
/// # Errors
/// [`ReadError`].
pub fn read(bytes: &[u8], catalogue: &Catalogue) -> Result<Annex, ReadError> {
    let value = json::parse(bytes)?;
    schema::validate(Schema::AnnexIv, &value).map_err(ReadError::Shape)?;
    let annex: Annex = serde_json::from_value(value).map_err(|error| {
        let message = error.to_string();
        let (keyword, schema_path) = ("type".to_owned(), Schema::AnnexIv.id().to_owned());
        ReadError::Shape(vec![Violation { at: Pointer::default(), keyword, schema_path, message }])
    })?;
    let own = Catalogue::sha256();
    if annex.catalogue.sha256 != own {
        return Err(ReadError::Catalogue { found: annex.catalogue.sha256, own });
    }
    let ids = |annex: &Annex| -> Vec<String> {
        let entries = annex.entries.iter();
        entries
            .flat_map(|entry| [&entry.id].into_iter().chain(entry.facets.iter().map(|facet| &facet.id)))
            .cloned()
            .collect()
    };
    let asked: Vec<&String> = catalogue
        .units
        .iter()
        .flat_map(|unit| [&unit.id].into_iter().chain(unit.facets.iter().map(|facet| &facet.id)))
        .collect();
    let found = ids(&annex);
    let fault = asked.iter().enumerate().find(|(index, id)| found.get(*index) != Some(**id));
    if let Some((_, id)) = fault {
        return Err(ReadError::Incomplete { id: (*id).clone() });
    }
    if let Some(id) = found.get(asked.len()) {
        return Err(ReadError::Incomplete { id: id.clone() });
    }
    Ok(annex)
}

/// How a stored answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be read as an answer to the catalogue.
    Unreadable,
    /// A clause is not in it, is there twice, or is out of order.
    Incomplete,
    /// It differs from what follows from the provider's file and the facts.
    NotDerived,
    /// The Markdown or HTML differs from what follows from the answer.
    NotRendered,
    /// It names a file that is not in the pack.
    Dangling,
    /// It names another digest than the file has.
    Digest,
    /// A template does not render, or not within what a template may use.
    Template,
    /// A clause, or something that is open in it, is not printed.
    NotPrinted,
    /// A word is printed that judges, and that nobody outside said.
    Banned,
}

/// One way in which a stored answer is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub kind: FaultKind,
    /// The file of the pack.
    pub path: &'static str,
    /// Where in it, or the file that it names.
    pub at: String,
    /// What is seen there.
    pub message: String,
}

impl Fault {
    /// A rendering that a template does not give.
    #[must_use]
    pub fn template(path: &'static str, error: &RenderError) -> Self {
        Self {
            kind: FaultKind::Template,
            path,
            at: error.template.to_owned(),
            message: error.message.clone(),
        }
    }
}

/// What keeps a rendering from being one: each clause is printed with its id, each open item with `OPEN:` and its field,
/// and no word is in it that judges, unless someone outside is quoted with it.
#[must_use]
pub fn printed(path: &'static str, text: &str, annex: &Annex, catalogue: &Catalogue) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |kind, at: &str, message: String| {
        faults.push(Fault { kind, path, at: at.to_owned(), message });
    };
    // What stands in a comment is not printed.
    let seen = without_comments(text);
    // In the order of the annex: a list of what is open, by owner, names clauses too.
    let mut rest = seen.as_str();
    for facet in annex.facets() {
        match rest.split_once(facet.id.as_str()) {
            Some((_, after)) => rest = after,
            None => {
                add(FaultKind::NotPrinted, &facet.id, "the clause is not printed in its place".to_owned());
            }
        }
    }
    let open: usize = annex.facets().map(|facet| facet.open.len()).sum();
    let told = seen.matches("OPEN: ").count();
    if told < open {
        add(FaultKind::NotPrinted, "", format!("{open} items are open, and {told} are printed as `OPEN: `"));
    }
    // Of thousands of files an answer is long, and most renderings hold no such word.
    let quoted = LazyCell::new(|| serde_json::to_string(annex).expect("an answer is JSON"));
    for word in catalogue.banned_words_in(text) {
        if !catalogue.banned_words_in(&quoted).any(|other| other == word) {
            add(FaultKind::Banned, "", format!("{word:?} judges, and nobody outside is quoted with it"));
        }
    }
    faults
}

/// A text without HTML comments; one that does not end takes the rest with it.
fn without_comments(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        seen.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    seen.push_str(rest);
    seen
}

/// The files of a pack's annex, as they are stored; none for a file that is not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored<'a> {
    /// `annex-iv.json`.
    pub json: Option<&'a [u8]>,
    /// `annex-iv.md`.
    pub markdown: Option<&'a [u8]>,
    /// `annex-iv.html`.
    pub html: Option<&'a [u8]>,
}

/// No more differences than this are told of one file.
const MAX_FAULTS: usize = 32;

/// Compares what is stored with what follows from the same inputs, and every file that it names with the pack.
///
/// `derived` is [`super::derive`] on the stored provider's file and the facts that the caller has gathered again;
/// `digest_of` knows the files of the pack.
#[must_use]
pub fn verify(
    stored: Stored<'_>,
    derived: &Annex,
    catalogue: &Catalogue,
    templates: &Templates<'_>,
    digest_of: &dyn Fn(&str) -> Option<Digest>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |kind, path, at: &str, message: String| {
        faults.push(Fault { kind, path, at: at.to_owned(), message });
    };
    let json = stored.json.unwrap_or_default();
    match read(json, catalogue) {
        Err(error) => {
            let kind = match error {
                ReadError::Incomplete { .. } => FaultKind::Incomplete,
                _ => FaultKind::Unreadable,
            };
            add(kind, ANNEX_JSON, "", error.to_string());
        }
        Ok(annex) => faults.extend(dangling(&annex, digest_of)),
    }
    let mut add = |kind, path, at: &str, message: String| {
        faults.push(Fault { kind, path, at: at.to_owned(), message });
    };
    let wanted = derived.bytes();
    if json != wanted {
        let wanted = json::parse(&wanted).expect("what we wrote is JSON");
        let places = json::parse(json).map(|found| differences(&found, &wanted)).unwrap_or_default();
        if places.is_empty() {
            let message = "not the canonical bytes of what follows from the inputs".to_owned();
            add(FaultKind::NotDerived, ANNEX_JSON, "", message);
        }
        for place in places {
            add(
                FaultKind::NotDerived,
                ANNEX_JSON,
                place.as_str(),
                "not what follows from the inputs".to_owned(),
            );
        }
    }
    let renderer = Renderer::new(derived, catalogue);
    let renderings = [
        (ANNEX_MARKDOWN, stored.markdown, renderer.markdown(templates)),
        (ANNEX_HTML, stored.html, renderer.html(templates)),
    ];
    for (path, found, wanted) in renderings {
        match wanted {
            Err(error) => add(FaultKind::Template, path, error.template, error.message),
            Ok(wanted) if found != Some(wanted.as_bytes()) => {
                let line = found.map_or(1, |found| first_line_that_differs(found, wanted.as_bytes()));
                let message = "not what follows from annex-iv.json".to_owned();
                add(FaultKind::NotRendered, path, &format!("line {line}"), message);
            }
            Ok(_) => {}
        }
    }
    faults
}

/// Files that an answer names and that are not in the pack, or are others.
#[must_use]
pub fn dangling(annex: &Annex, digest_of: &dyn Fn(&str) -> Option<Digest>) -> Vec<Fault> {
    let fault = |(path, sha256): (String, Digest)| {
        let (kind, message) = match digest_of(&path) {
            None => (FaultKind::Dangling, "not a file of the pack".to_owned()),
            Some(found) if found != sha256 => {
                (FaultKind::Digest, format!("the file has {found}, the annex says {sha256}"))
            }
            Some(_) => return None,
        };
        Some(Fault { kind, path: ANNEX_JSON, at: path, message })
    };
    files(annex).into_iter().filter_map(fault).collect()
}

/// Every file that an answer names, with its digest; sign-offs too.
fn files(annex: &Annex) -> BTreeSet<(String, Digest)> {
    let evidence =
        annex.facets().flat_map(|facet| &facet.evidence).map(|each| (each.path.clone(), each.sha256));
    let appointments = annex.persons.iter().filter_map(|person| person.appointment.as_ref());
    let appointments = appointments.map(|file| (file.path.clone(), file.sha256));
    let signoffs = annex.signoffs.iter().map(|row| (row.path.clone(), row.sha256));
    evidence.chain(appointments).chain(signoffs).collect()
}

/// The places where two values differ, deepest first named, bounded.
fn differences(found: &Value, wanted: &Value) -> Vec<Pointer> {
    let mut places = Vec::new();
    let mut open = vec![(Pointer::default(), found, wanted)];
    while let Some((at, found, wanted)) = open.pop() {
        if places.len() == MAX_FAULTS {
            break;
        }
        match (found, wanted) {
            (Value::Object(one), Value::Object(other)) => {
                let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys.into_iter().rev() {
                    let at = at.clone().join(Token::Key(key));
                    match (one.get(key), other.get(key)) {
                        (Some(one), Some(other)) => open.push((at, one, other)),
                        _ => places.push(at),
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (index, (one, other)) in one.iter().zip(other).enumerate().rev() {
                    open.push((at.clone().join(Token::Index(index)), one, other));
                }
            }
            _ if found == wanted => {}
            _ => places.push(at),
        }
    }
    places
}

fn first_line_that_differs(found: &[u8], wanted: &[u8]) -> usize {
    let same = found.iter().zip(wanted).take_while(|(one, other)| one == other);
    same.filter(|(byte, _)| **byte == b'\n').count() + 1
}
