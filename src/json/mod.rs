//! Strict JSON (RFC 8259): what one reader accepts, every reader reads the same way.
//!
//! Beyond the grammar, refused are: a repeated key, invalid UTF-8, a lone surrogate, a byte order mark, a
//! number that overflows, nesting deeper than [`MAX_DEPTH`], and bytes after the value.

mod canonical;

use std::fmt;

pub use canonical::canonical;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Arrays and objects may lie this deep within each other.
pub const MAX_DEPTH: usize = 127;

/// Bytes that are not one strict JSON value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset} (line {line}, column {column})")]
pub struct JsonError {
    /// What is wrong, in the parser's words.
    pub reason: String,
    /// Where, in bytes from the start of the text, counted from 0.
    pub offset: usize,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in bytes, counted from 1.
    pub column: usize,
}

/// The one value that `bytes` hold.
///
/// # Errors
/// [`JsonError`] with the place, for anything the module's rules refuse.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| locate(bytes, &error))
}

fn locate(bytes: &[u8], error: &serde_json::Error) -> JsonError {
    let (line, column) = (error.line(), error.column());
    let line_start = match line {
        0 | 1 => 0,
        _ => bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(line - 2)
            .map_or(0, |(position, _)| position + 1),
    };
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned();
    let reason = if bytes.starts_with(b"\xEF\xBB\xBF") { "byte order mark".to_owned() } else { reason };
    JsonError { reason, offset: (line_start + column.saturating_sub(1)).min(bytes.len()), line, column }
}

/// A value read with every repeated key refused.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> DeserializeSeed<'de> for StrictVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(StrictVisitor)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            match members.entry(key) {
                Entry::Occupied(entry) => {
                    return Err(serde::de::Error::custom(format_args!("repeated key {:?}", entry.key())));
                }
                Entry::Vacant(entry) => entry.insert(access.next_value_seed(StrictVisitor)?),
            };
        }
        Ok(Value::Object(members))
    }
}
