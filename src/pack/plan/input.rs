//! Inputs and the stems under which a pack keeps them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pack::layout::Place;
use crate::verify::{Kind, whole};

/// A stem holds no more than this many bytes, before the number that tells twins apart.
const MAX_STEM_BYTES: usize = 100;
/// Room for that number.
const MAX_NUMBER_BYTES: usize = 21;

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A receipt: judged as it is.
    Receipt,
    /// A framework sidecar: imported to a receipt, then judged.
    Sidecar,
}

impl InputKind {
    /// The kind that bytes say they are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match whole::kind(bytes) {
            Kind::Receipt => Self::Receipt,
            Kind::Sidecar => Self::Sidecar,
        }
    }

    /// Where an input of this kind lies.
    #[must_use]
    pub fn place(self, stem: &Stem) -> Place<'_> {
        match self {
            Self::Receipt => Place::Receipt(stem.as_str()),
            Self::Sidecar => Place::Sidecar(stem.as_str()),
        }
    }
}

impl From<InputKind> for Kind {
    fn from(kind: InputKind) -> Self {
        match kind {
            InputKind::Receipt => Self::Receipt,
            InputKind::Sidecar => Self::Sidecar,
        }
    }
}

/// The name of an input in a pack: ASCII letters, digits, `.`, `_` and `-`, beginning with none of `.` and `-`.
///
/// `Display` and `FromStr` are inverse. The order is that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stem(String);

/// Text that is no stem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an input")]
pub struct InvalidStem;

impl Stem {
    /// The stems of inputs with these names, in their order: the name without its folders and its extension, unique also
    /// where case is ignored.
    #[must_use]
    pub fn all<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut taken = BTreeSet::new();
        let unique = |name| {
            let stem = plain(name);
            let (mut free, mut number) = (stem.clone(), 1_u64);
            while !taken.insert(free.to_lowercase()) {
                number += 1;
                free = format!("{stem}-{number}");
            }
            Self(free)
        };
        names.into_iter().map(unique).collect()
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Stem {
    type Err = InvalidStem;

    fn from_str(text: &str) -> Result<Self, InvalidStem> {
        let length = 1..=MAX_STEM_BYTES + MAX_NUMBER_BYTES;
        let sound =
            length.contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with(['.', '-']);
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidStem) }
    }
}

impl Serialize for Stem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Stem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

fn plain(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = match file.rsplit_once('.') {
        Some((stem, "json" | "jsonl" | "ndjson")) => stem,
        _ => file,
    };
    let plain: String = stem.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
    let plain: String = plain.trim_start_matches(['.', '-']).chars().take(MAX_STEM_BYTES).collect();
    if plain.is_empty() { "input".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_plain_and_unique_also_where_case_is_ignored() {
        let names = ["runs/a.jsonl", "b/A.json", "a", "..", "é ü.json", "-x", &"y".repeat(300)];
        let stems: Vec<_> = Stem::all(names).iter().map(ToString::to_string).collect();
        assert_eq!(stems[..6], ["a", "A-2", "a-3", "input", "input-2", "x"].map(str::to_owned));
        assert_eq!(stems[6].len(), MAX_STEM_BYTES);
        assert!(stems.iter().all(|stem| stem.parse::<Stem>().is_ok_and(|parsed| parsed.as_str() == stem)));
        for text in ["", ".a", "-a", "a b", "a/b", &"x".repeat(200)] {
            assert_eq!(text.parse::<Stem>(), Err(InvalidStem), "{text:?}");
        }
    }
}
