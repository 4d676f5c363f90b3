//! `.npy` files: the type and the shape of one array, and where its values begin.
//!
//! ```text
//! "\x93NUMPY" | u8 major, u8 minor | length of the header: u16 in version 1, u32 after | header | values
//! header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, then spaces and a line feed
//! ```
//! The header is a literal of Python. What is read of it is the form that NumPy writes, and nothing that two readers could
//! take differently: three keys, each once. The size of the file follows from it exactly. The crates for this format bring a
//! grammar of all literals of Python and numbers without bounds; a page reads what is needed here.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::dtype::Dtype;
use super::law::{APRT_EMPTY, Refusal, TENSOR_FILE_REFUSED};

/// Bytes before the header, at most.
pub const PREAMBLE_BYTES: usize = 12;
/// A header is no longer than this; those of plain arrays have some hundred bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// An array in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// The type of its values.
    pub dtype: Dtype,
    /// Its shape, row-major; empty for a single number.
    pub shape: Vec<u64>,
    /// How many values it has; never 0.
    pub values: u64,
    /// Where they begin, in bytes from the start of the file.
    pub begin: u64,
}

fn refused(said: impl Into<String>) -> Refusal {
    Refusal::new(&TENSOR_FILE_REFUSED, said)
}

/// Where the header of a file lies, from its first bytes: [`PREAMBLE_BYTES`], or all when it has fewer.
///
/// # Errors
/// [`TENSOR_FILE_REFUSED`].
pub fn header(size_bytes: u64, first: &[u8]) -> Result<(usize, usize), Refusal> {
    let Some((magic, rest)) = first.split_first_chunk::<6>() else {
        return Err(refused("shorter than the head of a .npy file"));
    };
    if magic != MAGIC {
        return Err(refused("it does not begin as a .npy file"));
    }
    let (begin, length) = match rest {
        [1, 0, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, 0, a, b, c, d, ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            (12, usize::try_from(length).unwrap_or(usize::MAX))
        }
        [major, minor, _, _, ..] => {
            return Err(refused(format!("version {major}.{minor} of .npy is not read")));
        }
        _ => return Err(refused("shorter than the head of a .npy file")),
    };
    if length > MAX_HEADER_BYTES {
        return Err(refused(format!("a header of {length} bytes, over {MAX_HEADER_BYTES}")));
    }
    if (begin + length) as u64 > size_bytes {
        return Err(refused("cut within its header"));
    }
    Ok((begin, length))
}

impl Array {
    /// The array of a file of `size_bytes`, by its header, which begins at `begin`.
    ///
    /// # Errors
    /// [`TENSOR_FILE_REFUSED`]; [`APRT_EMPTY`].
    pub fn read(size_bytes: u64, begin: usize, header: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(header).map_err(|_| refused("its header is not text"))?;
        let Some(literal) = text.strip_suffix('\n').map(|text| text.trim_end_matches(' ')) else {
            return Err(refused("its header does not end with its line"));
        };
        let Fields { descr, fortran_order, shape } = Fields::read(literal)
            .ok_or_else(|| refused(format!("a header that NumPy does not write: {}", shown(literal))))?;
        let dtype = match descr.as_str() {
            "<f2" => Dtype::F16,
            "<f4" => Dtype::F32,
            "<f8" => Dtype::F64,
            other => {
                let said = "is not read: save float16, float32 or float64, little endian; float32 holds every bfloat16";
                return Err(refused(format!("type {} {said}", shown(other))));
            }
        };
        if fortran_order && shape.len() > 1 {
            return Err(refused("column-major order is not read: save numpy.ascontiguousarray of it"));
        }
        let values = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
        let begin = (begin + header.len()) as u64;
        let end = values
            .and_then(|values| values.checked_mul(dtype.width_bytes() as u64))
            .and_then(|bytes| bytes.checked_add(begin));
        match (values, end) {
            (Some(0), _) => Err(Refusal::new(&APRT_EMPTY, "it holds no value")),
            (Some(values), Some(end)) if end == size_bytes => Ok(Self { dtype, shape, values, begin }),
            _ => Err(refused(format!("its header asks for another size than its {size_bytes} bytes"))),
        }
    }
}

/// A text of the file, bounded.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    format!("{cut:?}")
}

/// The three fields of a header.
struct Fields {
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Fields {
    fn read(literal: &str) -> Option<Self> {
        let mut left = Literal(literal);
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        left.take("{")?;
        while left.take("}").is_none() {
            let once = match left.text()? {
                "descr" => {
                    left.take(":")?;
                    descr.replace(left.text()?.to_owned()).is_none()
                }
                "fortran_order" => {
                    left.take(":")?;
                    let value = left.take("True").is_some() || left.take("False").map(|()| false)?;
                    fortran_order.replace(value).is_none()
                }
                "shape" => {
                    left.take(":")?;
                    shape.replace(left.sides()?).is_none()
                }
                _ => false,
            };
            if !once {
                return None;
            }
            if left.take(",").is_none() && !left.0.trim_start().starts_with('}') {
                return None;
            }
        }
        left.0.is_empty().then_some(())?;
        Some(Self { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// What is left of a literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn take(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start_matches(' ').strip_prefix(token)?;
        Some(())
    }

    /// A text in quotes of either kind, without escapes.
    fn text(&mut self) -> Option<&'a str> {
        let quote = if self.take("'").is_some() { '\'' } else { self.take("\"").map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    /// A tuple of numbers: `()`, `(2,)`, `(2, 3)`.
    fn sides(&mut self) -> Option<Vec<u64>> {
        self.take("(")?;
        let mut sides = Vec::new();
        let mut comma = true;
        while self.take(")").is_none() {
            if !comma {
                return None;
            }
            self.0 = self.0.trim_start_matches(' ');
            let end = self.0.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            sides.push(digits.parse().ok()?);
            self.0 = rest;
            comma = self.take(",").is_some();
        }
        // A number in parentheses is no tuple.
        (sides.len() != 1 || comma).then_some(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, literal: &str, data_bytes: usize) -> Vec<u8> {
        let header = format!("{literal}\n");
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..] };
        [&MAGIC[..], &[version, 0], length, header.as_bytes(), &vec![0; data_bytes]].concat()
    }

    fn read(bytes: &[u8]) -> Result<Array, Refusal> {
        let size_bytes = bytes.len() as u64;
        let (begin, length) = header(size_bytes, &bytes[..bytes.len().min(PREAMBLE_BYTES)])?;
        Array::read(size_bytes, begin, &bytes[begin..begin + length])
    }

    #[test]
    fn what_numpy_writes_is_read() {
        let plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     ";
        let array = read(&file(1, plain, 24)).unwrap();
        assert_eq!((array.dtype, array.shape, array.values), (Dtype::F32, vec![2, 3], 6));
        assert_eq!(array.begin, 10 + plain.len() as u64 + 1);
        let half = "{'descr': '<f2', 'fortran_order': True, 'shape': (5,), }";
        assert_eq!(read(&file(2, half, 10)).unwrap().shape, [5]);
        let one = "{'descr': '<f8', 'fortran_order': False, 'shape': (), }";
        assert_eq!(read(&file(3, one, 8)).unwrap().values, 1);
        let other_order = "{\"shape\": (1, 1), 'fortran_order': False, 'descr': '<f8'}";
        assert_eq!(read(&file(1, other_order, 8)).unwrap().shape, [1, 1]);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        let with = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
        };
        for (literal, data_bytes) in [
            (with("'>f4'", "False", "(2,)"), 8),
            (with("'<i4'", "False", "(2,)"), 8),
            (with("'|V2'", "False", "(2,)"), 4),
            (with("'<f4'", "True", "(2, 2)"), 16),
            (with("'<f4'", "False", "(2)"), 8),
            (with("'<f4'", "False", "(2,,)"), 8),
            (with("'<f4'", "False", "(2 3)"), 24),
            (with("'<f4'", "False", "(-2,)"), 8),
            (with("'<f4'", "False", "(2L,)"), 8),
            (with("'<f4'", "0", "(2,)"), 8),
            (with("'<f4'", "False", "(2,)"), 7),
            (with("'<f4'", "False", "(2,)"), 9),
            (with("'<f4'", "False", "(18446744073709551615, 18446744073709551615)"), 8),
            (with("'<f4'", "False", "(4611686018427387904,)"), 8),
            (with("'<f4'", "False", "(2,)") + " ", 0),
            (with("'<f4', 'descr': '<f4'", "False", "(2,)"), 8),
            (with("[('a', '<f4')]", "False", "(2,)"), 8),
            ("{'descr': '<f4', 'fortran_order': False, }".to_owned(), 8),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1, }".to_owned(), 8),
            (with("'<f4'", "False", "(2,)") + "{}", 8),
        ] {
            let refusal = read(&file(1, &literal, data_bytes)).unwrap_err();
            assert_eq!(refusal.law.code, "TENSOR_FILE_REFUSED", "{literal}");
        }
        let empty = with("'<f4'", "False", "(0, 3)");
        assert_eq!(read(&file(1, &empty, 0)).unwrap_err().law.code, "APRT_EMPTY");
    }

    #[test]
    fn a_length_that_no_header_has_is_refused_before_it_is_read() {
        let sound = file(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4);
        assert!(read(&sound).is_ok());
        for at in 0..12 {
            assert!(read(&sound[..at]).is_err(), "{at}");
        }
        let mut long = sound.clone();
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(read(&long).is_err());
        long[8..12].copy_from_slice(&1000_u32.to_le_bytes());
        assert!(read(&long).is_err());
        let mut other = sound;
        other[6] = 4;
        assert!(read(&other).is_err());
    }
}
