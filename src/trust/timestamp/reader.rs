//! DER, element by element. Lengths, tags and their one encoding are the business of `der`; nothing here recurses.

use der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

/// Bytes that are not the DER of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotDer;

impl From<der::Error> for NotDer {
    fn from(_: der::Error) -> Self {
        Self
    }
}

/// Elements one after another.
pub(super) struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, NotDer> {
        Ok(Self(SliceReader::new(bytes)?))
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<Tag> {
        (!self.0.is_finished()).then(|| Tag::peek(&self.0).ok()).flatten()
    }

    /// The next element with its header, which has this tag.
    pub(super) fn whole(&mut self, tag: Tag) -> Result<&'a [u8], NotDer> {
        if self.peek() != Some(tag) {
            return Err(NotDer);
        }
        Ok(self.0.tlv_bytes()?)
    }

    /// The content of the next element, which has this tag.
    pub(super) fn content(&mut self, tag: Tag) -> Result<&'a [u8], NotDer> {
        let element = AnyRef::from_der(self.whole(tag)?)?;
        if element.tag() == tag { Ok(element.value()) } else { Err(NotDer) }
    }

    /// The content of the next element where it has this tag.
    pub(super) fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, NotDer> {
        if self.peek() == Some(tag) { self.content(tag).map(Some) } else { Ok(None) }
    }

    /// The next element, decoded.
    pub(super) fn decode<T: der::Decode<'a>>(&mut self) -> Result<T, NotDer> {
        T::decode(&mut self.0).map_err(|_| NotDer)
    }

    /// Nothing follows.
    pub(super) fn end(self) -> Result<(), NotDer> {
        Ok(self.0.finish()?)
    }

    /// Whether nothing follows.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_finished()
    }
}

/// What `read` makes of all of these bytes.
pub(super) fn all<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Elements<'a>) -> Result<T, NotDer>,
) -> Result<T, NotDer> {
    let mut elements = Elements::of(bytes)?;
    let value = read(&mut elements)?;
    elements.end()?;
    Ok(value)
}

/// `[number]`, constructed or primitive.
pub(super) const fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: der::TagNumber(number) }
}
