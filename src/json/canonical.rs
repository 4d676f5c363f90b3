//! The bytes of RFC 8785 (JCS): the form in which manifests are signed and verdicts compared.
//!
//! A document is written once, as it is walked; an object whose members come in another order than that of their names is put
//! in order when it ends. No tree of the document is made: a pack holds thousands of verdicts, and each is written twice.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Whole numbers up to here are doubles too (RFC 8785, section 3.2.2.3).
const MAX_WHOLE: u64 = 1 << 53;

/// Room for a short document, so that it is not moved as it grows.
const SHORT: usize = 8 << 10;

/// The RFC 8785 bytes of a document we write. A number that is not finite becomes `null`.
///
/// # Panics
/// Never for our own documents: their keys are strings.
#[must_use]
pub fn canonical(document: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(SHORT);
    let mut serializer = Serializer::with_formatter(Elsewhere, Jcs::to(&mut out));
    document.serialize(&mut serializer).expect("our documents hold string keys");
    out
}

/// The writer that a formatter is given. Ours has its own, since members move: what would be written here is refused.
struct Elsewhere;

impl Write for Elsewhere {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A member of an object, by its places in the output.
#[derive(Clone, Copy)]
struct Member {
    begin: usize,
    /// Behind the name and its quotes.
    name_end: usize,
    end: usize,
    /// Whether the name is ASCII without escapes: its bytes are then its UTF-16 code units.
    is_plain: bool,
}

impl Member {
    /// Its name as it is written, without the quotes.
    fn name(self, out: &[u8]) -> &[u8] {
        &out[self.begin + 1..self.name_end - 1]
    }
}

struct Jcs<'a> {
    out: &'a mut Vec<u8>,
    /// Members of every open object, the innermost last.
    members: Vec<Member>,
    /// How many there were before each open object.
    before: Vec<usize>,
    ordered: Vec<u8>,
}

impl<'a> Jcs<'a> {
    fn to(out: &'a mut Vec<u8>) -> Self {
        Self { out, members: Vec::new(), before: Vec::new(), ordered: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn unsigned(&mut self, value: u64) -> io::Result<()> {
        if value <= MAX_WHOLE {
            return CompactFormatter.write_u64(self.out, value);
        }
        #[expect(clippy::cast_precision_loss, reason = "JSON has doubles only, says RFC 8785")]
        self.double(value as f64);
        Ok(())
    }

    fn signed(&mut self, value: i64) -> io::Result<()> {
        if value < 0 {
            self.put(b"-");
        }
        self.unsigned(value.unsigned_abs())
    }

    fn double(&mut self, value: f64) {
        self.put(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }

    /// Puts the members of the innermost object in the order of their names, and forgets them.
    fn sort(&mut self, first: usize) {
        let members = &mut self.members[first..];
        let out = &mut *self.out;
        let order = |one: &Member, other: &Member| match (one.is_plain, other.is_plain) {
            (true, true) => one.name(out).cmp(other.name(out)),
            _ => units(one.name(out)).cmp(&units(other.name(out))),
        };
        let ordered = |members: &[Member]| members.is_sorted_by(|one, other| order(one, other).is_lt());
        if let [begin, .., end] = *members
            && !ordered(members)
        {
            members.sort_by(order);
            debug_assert!(ordered(members), "a name stands twice in an object");
            self.ordered.clear();
            for member in &*members {
                self.ordered.extend_from_slice(&out[member.begin..member.end]);
                self.ordered.push(b',');
            }
            self.ordered.pop();
            out[begin.begin..end.end].copy_from_slice(&self.ordered);
        }
        self.members.truncate(first);
    }
}

/// The UTF-16 code units of a name: what members are ordered by (RFC 8785, section 3.2.3).
fn units(name: &[u8]) -> Vec<u16> {
    let quoted = [b"\"", name, b"\""].concat();
    let name: String = serde_json::from_slice(&quoted).expect("a name was written as a string");
    name.encode_utf16().collect()
}

/// Methods that write to the output of the formatter, and leave alone the one that they are given.
macro_rules! written {
    ($($method:ident($($value:ident: $type:ty)?) => |$out:ident| $write:expr;)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, _: &mut W $(, $value: $type)?) -> io::Result<()> {
            let $out = self;
            $write;
            Ok(())
        })*
    };
}

impl Formatter for Jcs<'_> {
    written! {
        write_bool(value: bool) => |jcs| jcs.put(if value { b"true" } else { b"false" });
        write_i8(value: i8) => |jcs| jcs.signed(value.into())?;
        write_i16(value: i16) => |jcs| jcs.signed(value.into())?;
        write_i32(value: i32) => |jcs| jcs.signed(value.into())?;
        write_i64(value: i64) => |jcs| jcs.signed(value)?;
        write_u8(value: u8) => |jcs| jcs.unsigned(value.into())?;
        write_u16(value: u16) => |jcs| jcs.unsigned(value.into())?;
        write_u32(value: u32) => |jcs| jcs.unsigned(value.into())?;
        write_u64(value: u64) => |jcs| jcs.unsigned(value)?;
        write_f32(value: f32) => |jcs| jcs.double(value.into());
        write_f64(value: f64) => |jcs| jcs.double(value);
        write_string_fragment(fragment: &str) => |jcs| jcs.put(fragment.as_bytes());
        // Short forms where there are any, else lower-case hexadecimal: as section 3.2.2.2 asks.
        write_char_escape(escape: CharEscape) => |jcs| CompactFormatter.write_char_escape(jcs.out, escape)?;
        write_null() => |jcs| jcs.put(b"null");
        begin_string() => |jcs| jcs.put(b"\"");
        end_string() => |jcs| jcs.put(b"\"");
        begin_array() => |jcs| jcs.put(b"[");
        end_array() => |jcs| jcs.put(b"]");
        begin_array_value(first: bool) => |jcs| if !first { jcs.put(b",") };
        begin_object() => |jcs| {
            jcs.before.push(jcs.members.len());
            jcs.put(b"{");
        };
        begin_object_key(first: bool) => |jcs| {
            if !first {
                jcs.put(b",");
            }
            let begin = jcs.out.len();
            jcs.members.push(Member { begin, name_end: begin, end: begin, is_plain: true });
        };
        end_object_key() => |jcs| {
            let member = jcs.members.last_mut().expect("a key was begun");
            member.name_end = jcs.out.len();
            let name = member.name(jcs.out);
            member.is_plain = name.is_ascii() && !name.contains(&b'\\');
        };
        begin_object_value() => |jcs| jcs.put(b":");
        end_object_value() => |jcs| {
            let end = jcs.out.len();
            jcs.members.last_mut().expect("a key was begun").end = end;
        };
        end_object() => |jcs| {
            let first = jcs.before.pop().expect("an object was begun");
            jcs.sort(first);
            jcs.put(b"}");
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The library's bytes, over a tree.
    fn oracle(document: &impl Serialize) -> String {
        let tree = serde_json::to_value(document).unwrap();
        String::from_utf8(serde_json_canonicalizer::to_vec(&tree).unwrap()).unwrap()
    }

    fn ours(document: &impl Serialize) -> String {
        String::from_utf8(canonical(document)).unwrap()
    }

    #[test]
    fn members_are_in_the_order_of_their_utf_16_units() {
        // RFC 8785, section 3.2.3.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let written = ours(&value);
        let places: Vec<usize> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .map(|word| written.find(word).unwrap())
            .into();
        assert!(places.is_sorted(), "{written}");
        assert_eq!(written, oracle(&value));
    }

    #[test]
    fn numbers_are_doubles_as_the_standard_spells_them() {
        // RFC 8785, section 3.2.2.3 and appendix B.
        let value = json!([
            333_333_333.333_333_3,
            1e30,
            4.50,
            2e-3,
            1e-27,
            -0.0,
            5e-324,
            1e21,
            1e20,
            u64::MAX,
            i64::MIN,
            i64::MAX,
            1_u64 << 53
        ]);
        let told = "[333333333.3333333,1e+30,4.5,0.002,1e-27,0,5e-324,1e+21,100000000000000000000,18446744073709552000,-9223372036854776000,9223372036854776000,9007199254740992]";
        assert_eq!(ours(&value), told);
        assert_eq!(ours(&[f64::NAN, f64::INFINITY]), "[null,null]");
        assert_eq!(ours(&(0.1_f32, -7_i8, 7_u16)), oracle(&(0.1_f32, -7_i8, 7_u16)));
    }

    #[test]
    fn keys_may_be_numbers_and_objects_may_be_empty() {
        let map: BTreeMap<u64, BTreeMap<i32, bool>> =
            [(9, [(-1, true)].into()), (10, BTreeMap::new())].into();
        assert_eq!(ours(&map), r#"{"10":{},"9":{"-1":true}}"#);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let text =
            prop_oneof!["[a-c]{0,2}", any::<String>(), "[\u{0}-\u{7f}\u{d7ff}-\u{ffff}\u{10000}]{0,3}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            let members = proptest::collection::vec((text.clone(), inner.clone()), 0..8);
            prop_oneof![
                proptest::collection::vec(inner, 0..8).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_library(value in documents()) {
            prop_assert_eq!(ours(&value), oracle(&value));
        }
    }
}
