//! Names that cannot leave a pack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization as _;

/// A path of a pack: relative, in NFC, `/` between components, and no component that is empty, `.`, `..`, longer than
/// 255 bytes, or holds a control character or a backslash.
///
/// `Display` and `FromStr` are inverse. The order is that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackPath(String);

/// Text that is no path of a pack, by the rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Empty, begins or ends with `/`, or holds `//`.
    #[error("a component is empty, or the path is absolute")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("a component is `.` or `..`")]
    DotComponent,
    /// A control character.
    #[error("a control character")]
    Control,
    /// A backslash.
    #[error("a backslash")]
    Backslash,
    /// A component over 255 bytes.
    #[error("a component over 255 bytes")]
    LongComponent,
    /// Another spelling of the same text.
    #[error("not in Unicode normalisation form C")]
    NotNfc,
}

impl PackPath {
    /// A path that the layout itself spells.
    pub(super) fn known(text: &str) -> Self {
        text.parse().expect("folders, stems and names of the layout make sound paths")
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that two paths share when a file system that ignores case or spelling would take one for the other.
    #[must_use]
    pub fn fold(&self) -> String {
        if self.0.is_ascii() {
            return self.0.to_ascii_lowercase();
        }
        // Upper, then lower: the full case mappings meet (ß and SS, ſ and s).
        let upper: String = self.0.nfkc().flat_map(char::to_uppercase).collect();
        upper.chars().flat_map(char::to_lowercase).nfkc().collect()
    }

    /// The stem when this is `FOLDER/STEM.EXTENSION` with nothing between.
    #[must_use]
    pub fn stem(&self, folder: &str, extension: &str) -> Option<&str> {
        let name = self.0.strip_prefix(folder)?.strip_prefix('/')?;
        let stem = name.strip_suffix(extension)?.strip_suffix('.')?;
        (!stem.is_empty() && !stem.contains('/')).then_some(stem)
    }
}

impl fmt::Display for PackPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for PackPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        for component in text.split('/') {
            match component {
                "" => return Err(InvalidPath::EmptyComponent),
                "." | ".." => return Err(InvalidPath::DotComponent),
                _ if component.len() > 255 => return Err(InvalidPath::LongComponent),
                _ => {}
            }
        }
        if text.chars().any(char::is_control) {
            Err(InvalidPath::Control)
        } else if text.contains('\\') {
            Err(InvalidPath::Backslash)
        } else if !unicode_normalization::is_nfc(text) {
            Err(InvalidPath::NotNfc)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl Serialize for PackPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_inverse() {
        for text in ["a", "receipts/a b.jsonl", "é", ".hidden", "...", &"x".repeat(255)] {
            assert_eq!(text.parse::<PackPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_rule_refuses_with_its_own_reason() {
        for (text, reason) in [
            ("", InvalidPath::EmptyComponent),
            ("/etc/passwd", InvalidPath::EmptyComponent),
            ("a//b", InvalidPath::EmptyComponent),
            ("a/", InvalidPath::EmptyComponent),
            ("./a", InvalidPath::DotComponent),
            ("a/../b", InvalidPath::DotComponent),
            ("a\nb", InvalidPath::Control),
            ("a\u{7f}", InvalidPath::Control),
            ("a\u{85}", InvalidPath::Control),
            ("a\\b", InvalidPath::Backslash),
            ("e\u{301}", InvalidPath::NotNfc),
            (&"x".repeat(256), InvalidPath::LongComponent),
        ] {
            assert_eq!(text.parse::<PackPath>(), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_fold_to_the_same_key() {
        let fold = |text: &str| text.parse::<PackPath>().unwrap().fold();
        for (one, other) in [("README.md", "readme.MD"), ("straße", "STRASSE"), ("ﬁle", "FILE"), ("ſ", "S")]
        {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn a_stem_lies_directly_in_its_folder() {
        let stem =
            |text: &str| text.parse::<PackPath>().unwrap().stem("receipts", "jsonl").map(str::to_owned);
        assert_eq!(stem("receipts/a.jsonl").as_deref(), Some("a"));
        for text in ["receipts/b/a.jsonl", "receipts/.jsonl", "receipts/a.json", "receiptsa.jsonl"] {
            assert_eq!(stem(text), None, "{text}");
        }
    }
}
