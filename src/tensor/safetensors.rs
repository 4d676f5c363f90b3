//! What a safetensors file holds: where its tensors lie, and, from its bytes as they pass, how many values are not finite.
//!
//! ```text
//! u64 length of the header, little endian | header: JSON, {"name": {dtype, shape, data_offsets: [begin, end]}} | data
//! ```
//! The format demands that the tensors cover the data without gap or overlap. A header that breaks this, or states more
//! than the file holds, is refused before anything of the stated size is allocated.
//!
//! Source: <https://github.com/huggingface/safetensors#format>.

use std::fmt;
use std::io;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Bytes;

/// A header is no longer than this: some hundred thousand tensors.
pub const MAX_HEADER_BYTES: u64 = 32 << 20;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its type, as the format spells it.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// How many of its values are NaN or infinite; absent for types that are not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub non_finite: Option<u64>,
}

/// Why a file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It breaks the format.
    #[error("{0}")]
    Malformed(String),
    /// It may be sound, but is beyond what is read here.
    #[error("{0}")]
    NotRead(String),
}

fn malformed(reason: impl Into<String>) -> Refusal {
    Refusal::Malformed(reason.into())
}

/// Where the tensors of a file lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The tensors in the order of their bytes.
    pub places: Vec<Place>,
    /// Where the data begins, in bytes from the start of the file.
    pub data_start: u64,
    /// Whether the header names the tensors in the order of their bytes.
    pub in_order: bool,
}

/// A tensor, and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tensor.
    pub tensor: Tensor,
    /// The first byte, from the start of the data.
    pub begin: u64,
    /// The byte after the last.
    pub end: u64,
}

/// Why a layout was not read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file says nothing.
    #[error(transparent)]
    Format(#[from] Refusal),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Layout {
    /// The layout of a file, of which nothing but its header is read.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn of(bytes: &(impl Bytes + ?Sized)) -> Result<Self, Fault> {
        let size_bytes = bytes.size_bytes();
        if size_bytes < 8 {
            return Err(malformed("shorter than the length of a header").into());
        }
        let mut first_eight = [0; 8];
        bytes.read_at(0, &mut first_eight)?;
        Self::read(size_bytes, first_eight, |length| {
            let mut header = vec![0; length];
            bytes.read_at(8, &mut header)?;
            Ok(header)
        })
    }

    /// The layout of a file of `size_bytes`, by the length that its first eight bytes state and the header that `read`
    /// gives for that length.
    ///
    /// # Errors
    /// [`Refusal`] when the file breaks the format or is beyond what is read; whatever `read` reports.
    pub fn read<E: From<Refusal>>(
        size_bytes: u64,
        first_eight: [u8; 8],
        read: impl FnOnce(usize) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let length = header_length(size_bytes, u64::from_le_bytes(first_eight))?;
        let header = read(length)?;
        let data_start = 8 + length as u64;
        let (tensors, in_order) = tensors(&header, size_bytes - data_start)?;
        let places =
            tensors.into_iter().map(|Placed { tensor, begin, end, .. }| Place { tensor, begin, end });
        Ok(Self { places: places.collect(), data_start, in_order })
    }
}

/// Reads a file from its chunks, in order.
#[derive(Debug)]
pub struct Scanner {
    size_bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Length(Vec<u8>),
    Header { length: usize, bytes: Vec<u8> },
    Data(Data),
    Refused(Refusal),
}

/// The tensors in the order of their bytes, and how far the data has passed.
#[derive(Debug)]
struct Data {
    tensors: Vec<Placed>,
    at: usize,
    /// Bytes of the current tensor that are still to come.
    left: u64,
    /// The begin of a value that a chunk cut.
    cut: Vec<u8>,
}

#[derive(Debug)]
struct Placed {
    tensor: Tensor,
    begin: u64,
    end: u64,
    look: Option<Look>,
}

impl Scanner {
    /// A reader of a file that is `size_bytes` long.
    #[must_use]
    pub const fn new(size_bytes: u64) -> Self {
        Self { size_bytes, state: State::Length(Vec::new()) }
    }

    /// The next bytes of the file.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            match &mut self.state {
                State::Length(bytes) => {
                    take(bytes, 8, &mut chunk);
                    if let Ok(length) = <[u8; 8]>::try_from(bytes.as_slice()) {
                        self.state = self.header(u64::from_le_bytes(length));
                    }
                }
                State::Header { length, bytes } => {
                    take(bytes, *length, &mut chunk);
                    if bytes.len() == *length {
                        let data_bytes = self.size_bytes - 8 - *length as u64;
                        self.state = match tensors(bytes, data_bytes) {
                            Ok((tensors, _)) => State::Data(Data::over(tensors)),
                            Err(refusal) => State::Refused(refusal),
                        };
                    }
                }
                State::Data(data) => data.push(&mut chunk),
                State::Refused(_) => return,
            }
        }
    }

    fn header(&self, length: u64) -> State {
        match header_length(self.size_bytes, length) {
            Ok(length) => State::Header { length, bytes: Vec::new() },
            Err(refusal) => State::Refused(refusal),
        }
    }

    /// What the file holds, its tensors in the order of their bytes.
    ///
    /// # Errors
    /// [`Refusal`], when the file breaks the format, is cut, or is beyond what is read.
    pub fn finish(self) -> Result<Vec<Tensor>, Refusal> {
        match self.state {
            State::Length(_) => Err(malformed("shorter than the length of a header")),
            State::Header { .. } => Err(malformed("cut within its header")),
            State::Data(data) if data.at < data.tensors.len() => Err(malformed("cut within its data")),
            State::Data(data) => Ok(data.tensors.into_iter().map(|placed| placed.tensor).collect()),
            State::Refused(refusal) => Err(refusal),
        }
    }
}

/// The length of a header, where a file of `size_bytes` has room for it.
fn header_length(size_bytes: u64, length: u64) -> Result<usize, Refusal> {
    let room = size_bytes.saturating_sub(8);
    if length > room {
        Err(malformed(format!("the header states {length} bytes, and the file has room for {room}")))
    } else if length < 2 {
        Err(malformed("the header is empty"))
    } else if length > MAX_HEADER_BYTES {
        Err(Refusal::NotRead(format!("a header of {length} bytes, over {MAX_HEADER_BYTES}")))
    } else {
        Ok(usize::try_from(length).expect("a bounded header fits memory"))
    }
}

/// Moves bytes from the chunk until `kept` holds `length`.
fn take(kept: &mut Vec<u8>, length: usize, chunk: &mut &[u8]) {
    let (head, tail) = chunk.split_at(chunk.len().min(length - kept.len()));
    kept.extend_from_slice(head);
    *chunk = tail;
}

impl Data {
    fn over(tensors: Vec<Placed>) -> Self {
        let mut data = Self { tensors, at: 0, left: 0, cut: Vec::new() };
        data.left = data.tensors.first().map_or(0, |placed| placed.end - placed.begin);
        data.skip_empty();
        data
    }

    fn skip_empty(&mut self) {
        while self.left == 0 && self.at < self.tensors.len() {
            self.at += 1;
            self.left = self.tensors.get(self.at).map_or(0, |placed| placed.end - placed.begin);
        }
    }

    fn push(&mut self, chunk: &mut &[u8]) {
        let Some(placed) = self.tensors.get_mut(self.at) else {
            // The header covers the data, so nothing can follow but bytes that the file did not have at first.
            *chunk = &[];
            return;
        };
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk.len());
        let (mut part, rest) = chunk.split_at(count);
        *chunk = rest;
        self.left -= count as u64;
        if let (Some(look), Some(total)) = (placed.look, &mut placed.tensor.non_finite) {
            if !self.cut.is_empty() {
                take(&mut self.cut, look.width(), &mut part);
                if self.cut.len() == look.width() {
                    *total += look.count(&self.cut);
                    self.cut.clear();
                }
            }
            let whole = part.len() - part.len() % look.width();
            *total += look.count(&part[..whole]);
            self.cut.extend_from_slice(&part[whole..]);
        }
        self.skip_empty();
    }
}

/// Types whose values can be other than finite, and are looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    F64,
    F32,
    F16,
    Bf16,
    F8E5m2,
    F8E4m3,
}

impl Look {
    const fn width(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8E5m2 | Self::F8E4m3 => 1,
        }
    }

    /// How many of the values are NaN or infinite: their exponent has every bit set. E4M3 has no infinities, and its NaN
    /// has every bit but the sign.
    fn count(self, bytes: &[u8]) -> u64 {
        fn two(bytes: &[u8], mask: u16) -> usize {
            let values = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            values.filter(|value| value & mask == mask).count()
        }
        let count = match self {
            Self::F64 => {
                let values =
                    bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().expect("8")));
                values.filter(|value| !value.is_finite()).count()
            }
            Self::F32 => {
                let values =
                    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("4")));
                values.filter(|value| !value.is_finite()).count()
            }
            Self::F16 => two(bytes, 0x7c00),
            Self::Bf16 => two(bytes, 0x7f80),
            Self::F8E5m2 => bytes.iter().filter(|byte| *byte & 0x7c == 0x7c).count(),
            Self::F8E4m3 => bytes.iter().filter(|byte| *byte & 0x7f == 0x7f).count(),
        };
        count as u64
    }
}

/// The bits of one value, and how its values are looked at. Complex numbers are pairs of F32.
fn dtype(name: &str) -> Option<(u64, Option<Look>)> {
    Some(match name {
        "F64" => (64, Some(Look::F64)),
        "F32" => (32, Some(Look::F32)),
        "C64" => (64, Some(Look::F32)),
        "F16" => (16, Some(Look::F16)),
        "BF16" => (16, Some(Look::Bf16)),
        "F8_E5M2" => (8, Some(Look::F8E5m2)),
        "F8_E4M3" => (8, Some(Look::F8E4m3)),
        "F8_E8M0" | "BOOL" | "U8" | "I8" => (8, None),
        "F6_E2M3" | "F6_E3M2" => (6, None),
        "F4" => (4, None),
        "U16" | "I16" => (16, None),
        "U32" | "I32" => (32, None),
        "U64" | "I64" => (64, None),
        _ => return None,
    })
}

/// The tensors of a header over `data_bytes` of data in the order of their bytes, and whether the header had that order.
fn tensors(header: &[u8], data_bytes: u64) -> Result<(Vec<Placed>, bool), Refusal> {
    let entries =
        serde_json::from_slice::<Header>(header).map_err(|error| malformed(format!("header: {error}")))?.0;
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, Entry { dtype: kind, shape, data_offsets: [begin, end] }) in entries {
        if end < begin || end > data_bytes {
            return Err(malformed(format!(
                "{name:?} lies at {begin} to {end}, and the data has {data_bytes} bytes"
            )));
        }
        let Some((bits, look)) = dtype(&kind) else {
            return Err(Refusal::NotRead(format!("{name:?} has a type that is not known here: {kind:?}")));
        };
        let values = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
        let stated = values.and_then(|values| values.checked_mul(bits));
        if stated.is_none_or(|bits| bits % 8 != 0 || bits / 8 != end - begin) {
            return Err(malformed(format!(
                "{name:?} has {} bytes, and its shape needs another number",
                end - begin
            )));
        }
        let tensor = Tensor { name, dtype: kind, shape, non_finite: look.map(|_| 0) };
        tensors.push(Placed { tensor, begin, end, look });
    }
    let in_order = tensors.is_sorted_by_key(|placed| (placed.begin, placed.end));
    tensors.sort_by(|a, b| (a.begin, a.end, &a.tensor.name).cmp(&(b.begin, b.end, &b.tensor.name)));
    let mut covered = 0;
    for placed in &tensors {
        if placed.begin != covered {
            let fault =
                if placed.begin < covered { "overlaps the one before it" } else { "leaves a gap before it" };
            return Err(malformed(format!("{:?} {fault}", placed.tensor.name)));
        }
        covered = placed.end;
    }
    if covered != data_bytes {
        return Err(malformed(format!("the tensors cover {covered} of {data_bytes} bytes")));
    }
    Ok((tensors, in_order))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The entries of a header in their order: a name that repeats is refused, the metadata is passed over.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Header, A::Error> {
                let mut names = std::collections::BTreeSet::new();
                let mut entries = Vec::new();
                while let Some(name) = access.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format_args!("repeated name {name:?}")));
                    }
                    if name == "__metadata__" {
                        access.next_value::<std::collections::BTreeMap<String, String>>()?;
                    } else {
                        entries.push((name, access.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    /// What a file comes to, the same however its bytes are cut.
    fn scan(bytes: &[u8]) -> Result<Vec<Tensor>, Refusal> {
        let by = |size: usize| {
            let mut scanner = Scanner::new(bytes.len() as u64);
            bytes.chunks(size).for_each(|chunk| scanner.push(chunk));
            scanner.finish()
        };
        let whole = by(bytes.len().max(1));
        for size in [1, 3, 7, 64] {
            assert_eq!(by(size), whole, "in chunks of {size}");
        }
        whole
    }

    fn entry(name: &str, dtype: &str, shape: &[u64], begin: u64, end: u64) -> String {
        format!("{name:?}:{{\"dtype\":{dtype:?},\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}")
    }

    #[test]
    fn values_that_are_not_finite_are_counted_in_every_float() {
        let mut data = Vec::new();
        data.extend([f32::NAN, 1.0, f32::NEG_INFINITY, 0.0].map(f32::to_le_bytes).concat());
        data.extend([f64::INFINITY, f64::MAX].map(f64::to_le_bytes).concat());
        data.extend([0x7c00_u16, 0x7bff, 0xfe01].map(u16::to_le_bytes).concat());
        data.extend([0x7f80_u16, 0x7f7f, 0x3f80].map(u16::to_le_bytes).concat());
        data.extend([0x7c, 0x7b, 0xff, 0x7f, 0x7e]);
        data.extend([0xff; 3]);
        let header = [
            entry("a", "F32", &[2, 2], 0, 16),
            "\"__metadata__\":{\"format\":\"pt\"}".to_owned(),
            entry("b", "F64", &[2], 16, 32),
            entry("c", "F16", &[3], 32, 38),
            entry("d", "BF16", &[3], 38, 44),
            entry("e", "F8_E5M2", &[3], 44, 47),
            entry("f", "F8_E4M3", &[2], 47, 49),
            entry("g", "I8", &[3], 49, 52),
            entry("nothing", "F32", &[0, 5], 52, 52),
        ];
        let tensors = scan(&file(&format!("{{{}}}  ", header.join(",")), &data)).unwrap();
        let counts: Vec<_> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.non_finite)).collect();
        let some = |name, count| (name, Some(count));
        assert_eq!(
            counts,
            [
                some("a", 2),
                some("b", 1),
                some("c", 2),
                some("d", 1),
                some("e", 2),
                some("f", 1),
                ("g", None),
                some("nothing", 0)
            ]
        );
    }

    #[test]
    fn a_header_that_lies_is_refused_with_what_is_wrong() {
        let one =
            |dtype: &str, shape: &[u64], begin, end| format!("{{{}}}", entry("w", dtype, shape, begin, end));
        let two = |a: (u64, u64), b: (u64, u64)| {
            format!(
                "{{{},{}}}",
                entry("v", "U8", &[a.1 - a.0], a.0, a.1),
                entry("w", "U8", &[b.1 - b.0], b.0, b.1)
            )
        };
        let far = 1_u64 << 63;
        for (header, data, reason) in [
            (one("F32", &[1], 0, 8), 8, "\"w\" has 8 bytes, and its shape needs another number"),
            (one("F32", &[2], 0, 8), 4, "\"w\" lies at 0 to 8, and the data has 4 bytes"),
            (one("F32", &[2], 8, 0), 8, "\"w\" lies at 8 to 0, and the data has 8 bytes"),
            (
                one("U8", &[far], 0, far),
                8,
                "\"w\" lies at 0 to 9223372036854775808, and the data has 8 bytes",
            ),
            (one("F32", &[far, far], 0, 8), 8, "\"w\" has 8 bytes, and its shape needs another number"),
            (two((0, 4), (3, 8)), 8, "\"w\" overlaps the one before it"),
            (two((0, 4), (5, 8)), 8, "\"w\" leaves a gap before it"),
            (two((0, 4), (4, 8)), 9, "the tensors cover 8 of 9 bytes"),
            ("{}".to_owned(), 1, "the tensors cover 0 of 1 bytes"),
        ] {
            assert_eq!(scan(&file(&header, &vec![0; data])), Err(malformed(reason)), "{header}");
        }
        let twice = format!("{{{0},{0}}}", entry("w", "U8", &[1], 0, 1));
        assert!(
            matches!(scan(&file(&twice, &[0])), Err(Refusal::Malformed(reason)) if reason.contains("repeated name"))
        );
        assert!(matches!(scan(&file("[]", &[])), Err(Refusal::Malformed(_))));
        assert!(matches!(scan(&file(&one("F7", &[1], 0, 1), &[0])), Err(Refusal::NotRead(_))));
    }

    #[test]
    fn a_length_that_no_file_has_allocates_nothing() {
        for length in [9, 1 << 40, u64::MAX] {
            let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
            assert!(
                matches!(scan(&bytes), Err(Refusal::Malformed(reason)) if reason.starts_with("the header states"))
            );
        }
        let mut large = Scanner::new(1 << 40);
        large.push(&(1_u64 << 33).to_le_bytes());
        assert!(matches!(large.finish(), Err(Refusal::NotRead(_))));
        assert_eq!(scan(b"1234567"), Err(malformed("shorter than the length of a header")));
        assert_eq!(scan(&file("{}", &[])), Ok(vec![]));
        let mut cut = Scanner::new(100);
        cut.push(&20_u64.to_le_bytes());
        assert_eq!(cut.finish(), Err(malformed("cut within its header")));
    }
}
