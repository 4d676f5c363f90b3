//! From bytes to a [`Provider`]: every key known, every value of its kind, empty answers dropped.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::fields::{self, BY, Field, SECTIONS, Section, Shape};
use super::{FORMAT, MAX_BYTES, Provider, Record, Syntax, Value, Warning, watch};
use crate::annex::catalogue::{Catalogue, catalogue};
use crate::digest::Digest;
use crate::json::{self, JsonError};
use crate::pack::path::{InvalidPath, PackPath};

/// A provider's file that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProviderError {
    /// Too long.
    #[error("{size_bytes} bytes; a provider file has {MAX_BYTES} at most")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    Encoding {
        /// Where, counted from 0.
        offset: usize,
    },
    /// Not TOML.
    #[error("not TOML: {0}")]
    Toml(String),
    /// Not strict JSON.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// A key or table that does not exist.
    #[error("{at}: there is no such key{}", suggestion(nearest.as_ref()))]
    UnknownKey {
        /// Where.
        at: String,
        /// The nearest key that exists there.
        nearest: Option<String>,
    },
    /// A value of another kind than its key.
    #[error("{at}: {expected} expected")]
    Kind {
        /// Where.
        at: String,
        /// What is expected.
        expected: String,
    },
    /// A word that is not one of the list.
    #[error("{at}: {found:?} is not one of {allowed}{}", suggestion(nearest.as_ref()))]
    Word {
        /// Where.
        at: String,
        /// What stands there.
        found: String,
        /// What may.
        allowed: String,
        /// The nearest of these.
        nearest: Option<String>,
    },
    /// A path that does not stay beside the file.
    #[error("{at}: {source}; paths are relative to the provider file")]
    Path {
        /// Where.
        at: String,
        /// Why.
        source: InvalidPath,
    },
    /// Two files whose names a file system could take for one.
    #[error("{at}: another file is named alike except for case or spelling")]
    PathTwin {
        /// The path.
        at: String,
    },
    /// A person who is not listed.
    #[error("{at}: no [[person]] has the id {id:?}{}", suggestion(nearest.as_ref()))]
    NoPerson {
        /// Where.
        at: String,
        /// The id.
        id: String,
        /// The nearest id.
        nearest: Option<String>,
    },
    /// Two people with one id.
    #[error("{at}: another [[person]] has the same id")]
    PersonTwice {
        /// Where.
        at: String,
    },
}

fn suggestion(nearest: Option<&String>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// The name that is nearest to a word, if one is near.
pub(in crate::annex) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word: String = word.chars().take(64).collect();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Parses a provider's file. It opens nothing: which files it names says [`Provider::attachments`].
///
/// # Errors
/// [`ProviderError`] with the place, counted from 1 in lists.
pub fn parse(bytes: &[u8]) -> Result<Provider, ProviderError> {
    if bytes.len() > MAX_BYTES {
        return Err(ProviderError::TooLarge { size_bytes: bytes.len() });
    }
    let syntax = Syntax::of(bytes);
    let root = match syntax {
        Syntax::Json => match json::parse(bytes)? {
            Json::Object(members) => members,
            _ => return Err(kind("the file", "a table")),
        },
        Syntax::Toml => {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| ProviderError::Encoding { offset: error.valid_up_to() })?;
            let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
                ProviderError::Toml(error.to_string().trim_end().to_owned())
            })?;
            plain(table)
        }
    };
    let mut reader = Reader { catalogue: catalogue(), sections: BTreeMap::new(), warnings: Vec::new() };
    reader.table("", "", root)?;
    reader.persons()?;
    reader.twins()?;
    let Reader { sections, warnings, .. } = reader;
    Ok(Provider { sections, syntax, sha256: Digest::of(bytes), warnings })
}

/// TOML as JSON: a day or time becomes its text.
fn plain(table: toml::Table) -> Map<String, Json> {
    table.into_iter().map(|(key, value)| (key, plain_value(value))).collect()
}

fn plain_value(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => Json::from(number),
        // What is not finite becomes null, which no field admits.
        toml::Value::Float(number) => Json::from(number),
        toml::Value::Boolean(flag) => Json::Bool(flag),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(plain_value).collect(),
        toml::Value::Table(table) => Json::Object(plain(table)),
    }
}

fn kind(at: &str, expected: &str) -> ProviderError {
    ProviderError::Kind { at: at.to_owned(), expected: expected.to_owned() }
}

/// Text that says nothing: blank, or what people write where they have nothing to write.
fn is_blank(text: &str) -> bool {
    let ignored = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let bare: String = text.chars().filter(|letter| !ignored(*letter)).flat_map(char::to_lowercase).collect();
    let bare = bare.trim_matches(|letter| matches!(letter, '[' | ']' | '<' | '>' | '(' | ')' | '"' | '\''));
    let dashes = bare.chars().all(|letter| "-–—_.…?/*#|".contains(letter));
    dashes
        || matches!(
            bare.trim_end_matches(['.', '!']),
            "n/a"
                | "na"
                | "n.a"
                | "n/k"
                | "tbd"
                | "tba"
                | "tbc"
                | "t.b.d"
                | "todo"
                | "fixme"
                | "xxx"
                | "null"
                | "nil"
                | "tobedone"
                | "tobedetermined"
                | "tobedefined"
                | "tobecompleted"
                | "placeholder"
                | "pending"
                | "notapplicable"
                | "notavailable"
        )
}

struct Reader<'a> {
    catalogue: &'a Catalogue,
    sections: BTreeMap<&'static str, Vec<Record>>,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    /// Reads one table of a section, and the sections within it.
    fn table(&mut self, name: &str, at: &str, members: Map<String, Json>) -> Result<(), ProviderError> {
        let section = fields::section(name).expect("only sections of the table are read");
        let mut record = Record::default();
        for (key, value) in members {
            let place = join(at, &key);
            let inner = join(name, &key);
            if name.is_empty() && key == "schema" {
                if value != FORMAT {
                    let found = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let found = found.chars().take(64).collect();
                    let allowed = FORMAT.to_owned();
                    return Err(ProviderError::Word { at: place, found, allowed, nearest: None });
                }
            } else if let Some(field) = section.field(&key) {
                if let Some(value) = self.value(field, &place, value)? {
                    record.set(field.key, value);
                }
            } else if let Some(inner) = fields::section(&inner).filter(|inner| !inner.name.is_empty()) {
                self.section(inner, &place, value)?;
            } else {
                return Err(unknown(section, place, &key));
            }
        }
        record.0.shrink_to_fit();
        self.sections.entry(section.name).or_default().push(record);
        Ok(())
    }

    fn section(&mut self, section: &'static Section, at: &str, value: Json) -> Result<(), ProviderError> {
        match value {
            Json::Object(members) if !section.list => self.table(section.name, at, members),
            Json::Array(tables) if section.list => {
                for (index, table) in tables.into_iter().enumerate() {
                    let at = format!("{at}[{}]", index + 1);
                    let Json::Object(members) = table else { return Err(kind(&at, "a table")) };
                    self.table(section.name, &at, members)?;
                }
                Ok(())
            }
            _ => {
                let expected = if section.list { "a list of tables, [[...]]," } else { "one table" };
                Err(kind(at, expected))
            }
        }
    }

    /// What a field holds; none where it says nothing.
    fn value(&mut self, field: &Field, at: &str, value: Json) -> Result<Option<Value>, ProviderError> {
        if let Shape::Flag = field.shape {
            let flag = value.as_bool().ok_or_else(|| kind(at, "true or false"))?;
            return Ok(flag.then_some(Value::Yes));
        }
        if let Shape::Items(keys) = field.shape {
            let items = self.items(keys, at, value)?;
            return Ok((!items.is_empty()).then_some(Value::Items(items)));
        }
        if let Shape::Files(_) | Shape::Roles | Shape::Points = field.shape {
            let texts = match value {
                // One point may stand without brackets, as in [[not_applicable]].
                Json::String(text) => vec![text],
                Json::Array(values) => {
                    values.into_iter().map(|value| text_of(at, value)).collect::<Result<_, _>>()?
                }
                _ => return Err(kind(at, "a list of texts")),
            };
            return self.list(field.shape, at, texts.into_iter().filter(|text| !is_blank(text)).collect());
        }
        let text = text_of(at, value)?;
        if is_blank(&text) {
            return Ok(None);
        }
        self.one(field.shape, at, text)
    }

    /// A value that is written as one text, and is not blank.
    fn one(&mut self, shape: Shape, at: &str, text: String) -> Result<Option<Value>, ProviderError> {
        let value = match shape {
            Shape::Date => Value::Date(
                text.parse()
                    .ok()
                    .filter(|date: &jiff::civil::Date| date.to_string() == text)
                    .ok_or_else(|| kind(at, "a day like 2026-01-31"))?,
            ),
            Shape::Digest => Value::Digest(
                text.strip_prefix("sha256:")
                    .unwrap_or(&text)
                    .parse()
                    .map_err(|_| kind(at, "a SHA-256 digest, 64 lower-case hexadecimal digits,"))?,
            ),
            Shape::File(_) => Value::Files(vec![path(at, &text)?]),
            Shape::Choice(words) => {
                // The list of words itself is what the format's description shows: nobody has chosen yet.
                if text == words.join("|") || text == "undetermined" && words.contains(&"undetermined") {
                    return Ok(None);
                }
                if !words.contains(&text.as_str()) {
                    return Err(word(at, &text, words.iter().copied()));
                }
                Value::Text(text)
            }
            Shape::Classification => match text.as_str() {
                "undetermined" => return Ok(None),
                "not_high_risk" | "gpai" => Value::Text(text),
                _ if is_annex(&text) => Value::Text(text),
                _ => {
                    let words = ["annex_iii.5.b", "annex_i.a", "not_high_risk", "gpai", "undetermined"];
                    // The list of words itself: nobody has chosen yet.
                    if text == words.join("|") {
                        return Ok(None);
                    }
                    return Err(word(at, &text, words));
                }
            },
            Shape::Person => Value::Ids(vec![text]),
            _ => {
                self.watch(at, &text);
                Value::Text(text)
            }
        };
        Ok(Some(value))
    }

    fn list(&mut self, shape: Shape, at: &str, texts: Vec<String>) -> Result<Option<Value>, ProviderError> {
        if texts.is_empty() {
            return Ok(None);
        }
        let value = match shape {
            Shape::Files(_) => {
                Value::Files(texts.iter().map(|text| path(at, text)).collect::<Result<_, _>>()?)
            }
            Shape::Roles => {
                let roles: Vec<&str> = self.catalogue.roles.iter().map(|role| role.id.as_str()).collect();
                for text in &texts {
                    if !roles.contains(&text.as_str()) {
                        return Err(word(at, text, roles));
                    }
                }
                Value::Ids(texts)
            }
            _ => Value::Ids(texts.iter().map(|text| self.point(at, text)).collect::<Result<_, _>>()?),
        };
        Ok(Some(value))
    }

    /// The id of a unit or facet, in full.
    fn point(&self, at: &str, text: &str) -> Result<String, ProviderError> {
        let full = if text.starts_with("IV.") { text.to_owned() } else { format!("IV.{text}") };
        let units = self.catalogue.units.iter().map(|unit| unit.id.as_str());
        let facets = self.catalogue.facets().map(|facet| facet.id.as_str());
        let ids: Vec<&str> = units.chain(facets).collect();
        if ids.contains(&full.as_str()) {
            return Ok(full);
        }
        let nearest = nearest(&full, ids);
        let allowed = "the points of Annex IV".to_owned();
        Err(ProviderError::Word {
            at: at.to_owned(),
            found: text.chars().take(64).collect(),
            allowed,
            nearest,
        })
    }

    fn items(&mut self, keys: &[&str], at: &str, value: Json) -> Result<Vec<String>, ProviderError> {
        let values = match value {
            Json::Array(values) => values,
            Json::String(text) => vec![Json::String(text)],
            _ => return Err(kind(at, "a list")),
        };
        let mut items = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let at = format!("{at}[{}]", index + 1);
            let text = match value {
                Json::Object(members) if !keys.is_empty() => {
                    let mut parts = Vec::new();
                    for (key, value) in members {
                        let place = join(&at, &key);
                        if !keys.contains(&key.as_str()) {
                            let nearest = nearest(&key, keys.iter().copied());
                            return Err(ProviderError::UnknownKey { at: place, nearest });
                        }
                        let text = match value {
                            Json::Bool(flag) => if flag { "yes" } else { "no" }.to_owned(),
                            value => text_of(&place, value)?,
                        };
                        if !is_blank(&text) {
                            parts.push(format!("{}: {text}", key.replace('_', " ")));
                        }
                    }
                    parts.join(", ")
                }
                value => text_of(&at, value)?,
            };
            if !is_blank(&text) {
                self.watch(&at, &text);
                items.push(text);
            }
        }
        Ok(items)
    }

    fn watch(&mut self, at: &str, text: &str) {
        let found = watch::personal(text).map(|message| Warning { at: at.to_owned(), message });
        self.warnings.extend(found);
    }

    /// Every person who is named is listed, and listed once.
    fn persons(&self) -> Result<(), ProviderError> {
        let mut ids = BTreeSet::new();
        for (index, person) in self.sections.get("person").into_iter().flatten().enumerate() {
            if person.text("id").is_some_and(|id| !ids.insert(id)) {
                return Err(ProviderError::PersonTwice { at: format!("person[{}].id", index + 1) });
            }
        }
        for section in SECTIONS {
            for (index, record) in self.sections.get(section.name).into_iter().flatten().enumerate() {
                for field in section.fields.iter().filter(|field| field.shape == Shape::Person) {
                    if let Some(id) = record.ids(field.key).iter().find(|id| !ids.contains(*id)) {
                        let at = place(section, index, field.key);
                        let nearest = nearest(id, ids.iter().map(String::as_str));
                        return Err(ProviderError::NoPerson {
                            at,
                            id: id.chars().take(64).collect(),
                            nearest,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// No two files have names that one file system would take for the same.
    fn twins(&self) -> Result<(), ProviderError> {
        let mut folded: BTreeMap<String, &PackPath> = BTreeMap::new();
        for record in self.sections.values().flatten() {
            for (_, value) in &record.0 {
                let Value::Files(paths) = value else { continue };
                for path in paths {
                    let known = folded.entry(path.fold()).or_insert(path);
                    if *known != path {
                        return Err(ProviderError::PathTwin { at: path.to_string() });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The place of a key, as people count: lists from 1.
pub(in crate::annex) fn place(section: &Section, index: usize, key: &str) -> String {
    match (section.name, section.list) {
        ("", _) => key.to_owned(),
        (name, true) => format!("{name}[{}].{key}", index + 1),
        (name, false) => format!("{name}.{key}"),
    }
}

fn join(at: &str, key: &str) -> String {
    let key: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    if at.is_empty() { key } else { format!("{at}.{key}") }
}

fn unknown(section: &Section, at: String, key: &str) -> ProviderError {
    let own = section.fields.iter().map(|field| field.key).filter(|own| {
        // Nobody means these who misspells another key.
        !BY.contains(own) || own.starts_with("stated") == key.starts_with("stat")
    });
    let inner = SECTIONS.iter().filter_map(|inner| {
        let rest = inner.name.strip_prefix(section.name)?;
        let rest = if section.name.is_empty() { rest } else { rest.strip_prefix('.')? };
        (!rest.is_empty() && !rest.contains('.')).then_some(rest)
    });
    let top = section.name.is_empty().then_some("schema");
    ProviderError::UnknownKey { at, nearest: nearest(key, own.chain(inner).chain(top)) }
}

fn word<'a>(at: &str, found: &str, allowed: impl IntoIterator<Item = &'a str>) -> ProviderError {
    let allowed: Vec<&str> = allowed.into_iter().collect();
    let nearest = nearest(found, allowed.iter().copied());
    let found = found.chars().take(64).collect();
    ProviderError::Word { at: at.to_owned(), found, allowed: allowed.join(", "), nearest }
}

fn path(at: &str, text: &str) -> Result<PackPath, ProviderError> {
    text.parse().map_err(|source| ProviderError::Path { at: at.to_owned(), source })
}

/// Text, or a number as text.
fn text_of(at: &str, value: Json) -> Result<String, ProviderError> {
    match value {
        Json::String(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        _ => Err(kind(at, "text")),
    }
}

/// `annex_iii.5.b`, `annex_i.a`: an annex, a dot, and points.
fn is_annex(text: &str) -> bool {
    let points = text.strip_prefix("annex_iii").or_else(|| text.strip_prefix("annex_i"));
    points.is_some_and(|points| {
        points.is_empty()
            || points.strip_prefix('.').is_some_and(|points| {
                points.split('.').all(|point| {
                    (1..=3).contains(&point.len()) && point.bytes().all(|byte| byte.is_ascii_alphanumeric())
                })
            })
    })
}
