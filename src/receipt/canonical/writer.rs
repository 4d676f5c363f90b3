//! JSON text without white space, and where in the record it stands.

use super::scanner::plain;
use super::{Emit, EmitError};
use crate::number;
use crate::pointer::{Pointer, Token};
use crate::receipt::wire::{Ordered, Text};

/// One step of the place that is being written.
pub(super) enum Step {
    Key(&'static str),
    Name(Text),
    Index(usize),
}

pub(super) struct Writer {
    pub(super) out: String,
    pub(super) path: Vec<Step>,
}

impl Writer {
    pub(super) fn here(&self) -> Pointer {
        self.path.iter().fold(Pointer::default(), |pointer, step| {
            pointer.join(match step {
                Step::Key(key) => Token::Key(key),
                Step::Name(name) => Token::Key(name),
                Step::Index(index) => Token::Index(*index),
            })
        })
    }

    pub(super) fn number(&mut self, value: f64) -> Emit {
        number::canonical(value, &mut self.out).map_err(|_| EmitError::OutOfRange { at: self.here(), value })
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        loop {
            // Most texts have nothing to escape.
            let place = plain(rest.as_bytes());
            self.out.push_str(&rest[..place]);
            let Some(byte) = rest.as_bytes().get(place) else { break };
            self.escaped(*byte);
            rest = &rest[place + 1..];
        }
        self.out.push('"');
    }

    /// The escape of a quotation mark, a backslash or a control character.
    fn escaped(&mut self, byte: u8) {
        match byte {
            b'"' => self.out.push_str("\\\""),
            b'\\' => self.out.push_str("\\\\"),
            0x08 => self.out.push_str("\\b"),
            b'\t' => self.out.push_str("\\t"),
            b'\n' => self.out.push_str("\\n"),
            0x0c => self.out.push_str("\\f"),
            b'\r' => self.out.push_str("\\r"),
            control => {
                self.out.push_str("\\u00");
                for digit in [control >> 4, control & 0xf] {
                    self.out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                }
            }
        }
    }

    /// The comma before every member but the first, then the member's name.
    pub(super) fn separate(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(['{', '[']) {
            self.out.push(',');
        }
    }

    pub(super) fn member(&mut self, key: &'static str, write: impl FnOnce(&mut Self) -> Emit) -> Emit {
        self.separate();
        // Keys of the format have nothing to escape.
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.path.push(Step::Key(key));
        write(self)?;
        self.path.pop();
        Ok(())
    }

    pub(super) fn object(&mut self, write: impl FnOnce(&mut Self) -> Emit) -> Emit {
        self.out.push('{');
        write(self)?;
        self.out.push('}');
        Ok(())
    }

    pub(super) fn texts(&mut self, key: &'static str, text: &str) -> Emit {
        self.member(key, |writer| {
            writer.text(text);
            Ok(())
        })
    }

    pub(super) fn optional_text(&mut self, key: &'static str, text: Option<&str>) -> Emit {
        text.map_or(Ok(()), |text| self.texts(key, text))
    }

    pub(super) fn required_text(&mut self, key: &'static str, text: Option<&str>) -> Emit {
        let text = text.ok_or_else(|| EmitError::Missing { at: self.here().join(Token::Key(key)) })?;
        self.texts(key, text)
    }

    pub(super) fn numbers(&mut self, key: &'static str, value: f64) -> Emit {
        self.member(key, |writer| writer.number(value))
    }

    pub(super) fn integer(&mut self, key: &'static str, value: u64) -> Emit {
        self.member(key, |writer| {
            writer.out.push_str(&value.to_string());
            Ok(())
        })
    }

    pub(super) fn truth(&mut self, key: &'static str, value: bool) -> Emit {
        self.member(key, |writer| {
            writer.out.push_str(if value { "true" } else { "false" });
            Ok(())
        })
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T) -> Emit) -> Emit {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            self.separate();
            self.path.push(Step::Index(index));
            write(self, item)?;
            self.path.pop();
        }
        self.out.push(']');
        Ok(())
    }

    pub(super) fn names<T: AsRef<str>>(&mut self, key: &'static str, names: &[T]) -> Emit {
        self.member(key, |writer| {
            writer.list(names, |writer, name| {
                writer.text(name.as_ref());
                Ok(())
            })
        })
    }

    /// A map in a given order.
    pub(super) fn map<'k, K, V>(
        &mut self,
        order: impl Iterator<Item = &'k K>,
        map: &Ordered<K, V>,
        write: impl FnMut(&mut Self, &V) -> Emit,
    ) -> Emit
    where
        K: AsRef<str> + Clone + std::hash::Hash + Eq + 'k,
    {
        self.object(|writer| writer.members(order, map, write))
    }

    /// A map's members in a given order, within an object that is open.
    pub(super) fn members<'k, K, V>(
        &mut self,
        mut order: impl Iterator<Item = &'k K>,
        map: &Ordered<K, V>,
        mut write: impl FnMut(&mut Self, &V) -> Emit,
    ) -> Emit
    where
        K: AsRef<str> + Clone + std::hash::Hash + Eq + 'k,
    {
        let mut place = 0;
        order.try_for_each(|name| {
            self.separate();
            self.text(name.as_ref());
            self.out.push(':');
            self.path.push(Step::Name(Text::new(name.as_ref())));
            // Maps mostly have the order in which they are written.
            let near = map.entries().get(place).filter(|(key, _)| key == name).map(|(_, value)| value);
            place += 1;
            let value =
                near.or_else(|| map.get(name)).ok_or_else(|| EmitError::Missing { at: self.here() })?;
            write(self, value)?;
            self.path.pop();
            Ok(())
        })
    }
}
