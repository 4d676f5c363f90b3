//! The texts of a run as documents: strict where they are JSON, and where they are not, only as far as nothing is guessed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json::{self, JsonError};
use crate::run::evidence::Evidence;

/// A number that JSON has no way to write, as Python writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BareToken {
    /// Counted from 1.
    pub(super) line: usize,
    /// `NaN`, `Infinity` or `-Infinity`.
    pub(super) token: &'static str,
}

/// A text that is named as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Doc {
    /// JSON.
    Json(Value),
    /// JSON but for bare tokens. In the value each is a string of the same letters: [`number`] knows them.
    Bare(Value, Vec<BareToken>),
    /// Neither.
    Broken(JsonError),
}

impl Doc {
    fn read(bytes: &[u8]) -> Self {
        let error = match json::parse(bytes) {
            Ok(value) => return Self::Json(value),
            Err(error) => error,
        };
        let (quoted, tokens) = quote_bare_tokens(bytes);
        match json::parse(&quoted) {
            Ok(value) if !tokens.is_empty() => Self::Bare(value, tokens),
            _ => Self::Broken(error),
        }
    }

    fn value(&self) -> Option<&Value> {
        match self {
            Self::Json(value) | Self::Bare(value, _) => Some(value),
            Self::Broken(_) => None,
        }
    }
}

/// The text with every bare token outside of strings in quotes, and where they were.
fn quote_bare_tokens(bytes: &[u8]) -> (Vec<u8>, Vec<BareToken>) {
    let (mut quoted, mut tokens) = (Vec::with_capacity(bytes.len()), Vec::new());
    let (mut at, mut line, mut in_string) = (0, 1, false);
    while let Some(byte) = bytes.get(at) {
        let token = ["NaN", "Infinity", "-Infinity"].into_iter().find(|token| {
            let rest = bytes[at..].strip_prefix(token.as_bytes());
            !in_string && rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
        });
        if let Some(token) = token {
            quoted.extend(format!("\"{token}\"").bytes());
            tokens.push(BareToken { line, token });
            at += token.len();
            continue;
        }
        match byte {
            b'\\' if in_string => {
                quoted.push(b'\\');
                at += 1;
            }
            b'"' => in_string = !in_string,
            b'\n' => line += 1,
            _ => {}
        }
        quoted.extend(bytes.get(at));
        at += 1;
    }
    (quoted, tokens)
}

/// A number, finite or not.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// All documents of a run, by path.
#[derive(Debug)]
pub(super) struct Docs<'a> {
    pub(super) evidence: &'a Evidence,
    json: BTreeMap<&'a str, Doc>,
}

impl<'a> Docs<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let json = evidence.texts.iter().filter(|text| extension(&text.path) == "json");
        Self { evidence, json: json.map(|text| (text.path.as_str(), Doc::read(&text.bytes))).collect() }
    }

    /// Every document that is named as JSON.
    pub(super) fn json(&self) -> impl Iterator<Item = (&'a str, &Doc)> {
        self.json.iter().map(|(path, doc)| (*path, doc))
    }

    /// The value of the document at a path, where it can be read.
    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        self.json.get(path)?.value()
    }

    /// The object at a path, where it can be read.
    pub(super) fn object(&self, path: &str) -> Option<&Map<String, Value>> {
        self.value(path)?.as_object()
    }

    /// Paths of texts with this name, those nearest to the top first.
    pub(super) fn named(&self, name: &str) -> Vec<&'a str> {
        let mut paths: Vec<&str> = self
            .evidence
            .texts
            .iter()
            .map(|text| text.path.as_str())
            .filter(|path| file_name(path) == name)
            .collect();
        paths.sort_by_key(|path| (depth(path), *path));
        paths
    }

    /// The text at a path, as far as it is UTF-8.
    pub(super) fn text(&self, path: &str) -> Option<&'a str> {
        std::str::from_utf8(self.evidence.text(path)?).ok()
    }

    /// Whether something is kept or recorded at a path, or below it.
    pub(super) fn exists(&self, path: &str) -> bool {
        path.is_empty()
            || self.evidence.paths().any(|other| {
                other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

/// The `key: value` lines at the top level of a YAML text. Nested blocks, lists and tags are passed over, not read.
pub(super) fn flat_yaml(text: &str) -> Vec<(String, Value)> {
    let mut pairs = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let nested = line.starts_with([' ', '\t', '-', '#', '!', '&', '{', '[', '%', '"', '\'']);
        if nested || !(value.is_empty() || value.starts_with(' ')) {
            continue;
        }
        let value = value.trim();
        let plain = !value.starts_with(['!', '&', '*', '|', '>', '{', '[', '#']) && !value.is_empty();
        if plain {
            pairs.push((key.trim().to_owned(), scalar(value)));
        }
    }
    pairs
}

/// A scalar as YAML and parameter files write it.
pub(super) fn scalar(text: &str) -> Value {
    let quoted = ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    if let Some(quoted) = quoted {
        return Value::from(quoted);
    }
    match text {
        "null" | "~" | "None" => return Value::Null,
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    let digits = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    match text.parse::<f64>() {
        Ok(number) if digits && number.is_finite() => Value::from(number),
        _ => Value::from(text),
    }
}

/// The last component of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path without its last component; empty at the top.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A name in a folder, which may be the top.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// What follows the last full stop of a path's last component.
pub(super) fn extension(path: &str) -> &str {
    file_name(path).rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// How many folders a path lies in.
pub(super) fn depth(path: &str) -> usize {
    path.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_tokens_are_found_outside_of_strings_only() {
        let text = b"{\"a\": NaN,\n \"NaN\": \"NaN \\\" NaN\", \"b\": [-Infinity,\nInfinity]}";
        let Doc::Bare(value, tokens) = Doc::read(text) else { panic!("bare tokens are seen") };
        let seen: Vec<_> = tokens.iter().map(|token| (token.line, token.token)).collect();
        assert_eq!(seen, [(1, "NaN"), (2, "-Infinity"), (3, "Infinity")]);
        assert_eq!(value["NaN"], "NaN \" NaN");
        assert!(number(&value["a"]).unwrap().is_nan());
        assert_eq!(number(&value["b"][0]), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn what_is_broken_otherwise_is_not_mended() {
        for text in ["{\"a\": NaN", "{\"a\": NaNa}", "{'a': 1}", "{\"a\": 1, \"a\": NaN}", ""] {
            assert!(matches!(Doc::read(text.as_bytes()), Doc::Broken(_)), "{text}");
        }
    }

    #[test]
    fn yaml_is_read_where_it_is_flat() {
        let text = "lr: 0.001\nname: 'x y'\nseed: 7\n# c: 1\nnested:\n  a: 1\nobject: !!python/name:x\nnone: null\nurl: a:b\ndate: inf\n";
        let pairs = flat_yaml(text);
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
        let wanted = [
            ("lr", "0.001"),
            ("name", "\"x y\""),
            ("seed", "7"),
            ("none", "null"),
            ("url", "\"a:b\""),
            ("date", "\"inf\""),
        ];
        assert_eq!(pairs, wanted.map(|(key, value)| (key, value.to_owned())));
    }
}
