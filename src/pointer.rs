//! JSON Pointers (RFC 6901): where in a document a value stands.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// One step of a path into a document, borrowed from what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An element of an array, counted from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Token<'a> {
    fn from(key: &'a str) -> Self {
        Token::Key(key)
    }
}

impl<'a> From<&'a String> for Token<'a> {
    fn from(key: &'a String) -> Self {
        Token::Key(key)
    }
}

impl From<usize> for Token<'_> {
    fn from(index: usize) -> Self {
        Token::Index(index)
    }
}

/// A path on the stack: `at!["updates", index, "gradient"]`. It becomes a [`Pointer`] only where a finding needs one.
#[macro_export]
macro_rules! at {
    ($($token:expr),* $(,)?) => { [$($crate::pointer::Token::from($token)),*] };
}

/// A place that is spelled only where a finding needs it: `place!["updates", index, "gradient"]`, or, under another
/// place, `place![at => "factors", 0]`. It is a function that gives the [`Pointer`].
#[macro_export]
macro_rules! place {
    ($outer:expr => $($token:expr),+ $(,)?) => { move || $outer().within(&$crate::at![$($token),+]) };
    ($($token:expr),* $(,)?) => { move || $crate::pointer::Pointer::of(&$crate::at![$($token),*]) };
}

/// Several places, spelled only where a finding needs them.
#[macro_export]
macro_rules! places {
    ($($place:expr),* $(,)?) => { move || vec![$($place()),*] };
}

/// A JSON Pointer (RFC 6901) in text form: `/updates/4/gradient`; the whole document is the empty text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pointer(String);

/// Text that is neither empty nor begins with `/`, or holds a `~` that is not `~0` or `~1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Pointer (RFC 6901)")]
pub struct InvalidPointer;

impl Pointer {
    /// The pointer that a path spells.
    #[must_use]
    pub fn of(path: &[Token<'_>]) -> Self {
        Self::default().within(path)
    }

    /// This pointer, and a path from there.
    #[must_use]
    pub fn within(self, path: &[Token<'_>]) -> Self {
        path.iter().fold(self, |pointer, token| pointer.join(*token))
    }

    /// This pointer, one step further.
    #[must_use]
    pub fn join(mut self, token: Token<'_>) -> Self {
        self.0.push('/');
        match token {
            Token::Key(key) => self.0.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Token::Index(index) => self.0.push_str(&index.to_string()),
        }
        self
    }

    /// This pointer within one member or element of a larger document.
    #[must_use]
    pub fn under(&self, outer: Token<'_>) -> Self {
        let mut pointer = Self::default().join(outer);
        pointer.0.push_str(&self.0);
        pointer
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let escaped = |part: &str| part.starts_with('0') || part.starts_with('1');
        let sound = (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(escaped);
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidPointer) }
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6901() {
        assert_eq!(Pointer::of(&at!["foo", 0]).as_str(), "/foo/0");
        assert_eq!(Pointer::of(&at!["a/b"]).as_str(), "/a~1b");
        assert_eq!(Pointer::of(&at!["m~n"]).as_str(), "/m~0n");
        assert_eq!(Pointer::of(&[]).as_str(), "");
    }

    #[test]
    fn text_and_value_are_inverse() {
        for text in ["", "/foo/0", "/a~1b", "/m~0n"] {
            assert_eq!(text.parse::<Pointer>().unwrap().to_string(), text);
        }
        for text in ["foo", "/a~", "/a~2", "#/foo"] {
            assert_eq!(text.parse::<Pointer>(), Err(InvalidPointer), "{text}");
        }
    }
}
