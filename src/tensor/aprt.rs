//! Stage files: what one stage of a forward pass computed, as `apr trace --save-tensor` writes it.
//!
//! ```text
//! "APRT" | u32 layer, 0xffffffff for the whole model | u32 number of values | values: f32          all little endian
//! ```
//! The file has no version, type, shape or name of its own: the stage is the name of the file, and other layouts begin
//! with the same four letters. The exact equation of its size, `12 + 4 * values`, is what tells them apart, and it is
//! asked before anything is allocated.

use super::law::{
    APRT_BAD_MAGIC, APRT_EMPTY, APRT_FOREIGN_LAYOUT, APRT_LAYER_MISMATCH, APRT_SIZE_MISMATCH, APRT_TRUNCATED,
    Refusal,
};
use super::stage::Layer;

/// Bytes before the values.
pub const HEADER_BYTES: usize = 12;

const MAGIC: [u8; 4] = *b"APRT";
const WHOLE_MODEL: u32 = u32::MAX;

/// What the header of a stage file states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The layer.
    pub layer: Layer,
    /// How many values follow; never 0.
    pub values: u32,
}

impl Header {
    /// The header of a file of `size_bytes`, from its first bytes: twelve, or all when it has fewer.
    ///
    /// # Errors
    /// [`Refusal`] when the file is not one stage, whole and no more.
    pub fn read(size_bytes: u64, first: &[u8]) -> Result<Self, Refusal> {
        let Some(head) = first.first_chunk::<HEADER_BYTES>() else {
            let said = format!("{size_bytes} bytes, and a header has {HEADER_BYTES}");
            return Err(Refusal::new(&APRT_TRUNCATED, said));
        };
        let [m0, m1, m2, m3, l0, l1, l2, l3, n0, n1, n2, n3] = *head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Refusal::new(&APRT_BAD_MAGIC, "it does not begin with APRT"));
        }
        let values = u32::from_le_bytes([n0, n1, n2, n3]);
        let stated = HEADER_BYTES as u64 + 4 * u64::from(values);
        if stated != size_bytes {
            return Err(match (l0, l2, l3) {
                (1, 0, 0) => Refusal::new(
                    &APRT_FOREIGN_LAYOUT,
                    "a decision trace or a cookbook file, which share the magic and hold no stage",
                ),
                _ => Refusal::new(
                    &APRT_SIZE_MISMATCH,
                    format!(
                        "the header states {values} values, {stated} bytes, and the file has {size_bytes}"
                    ),
                ),
            });
        }
        if values == 0 {
            return Err(Refusal::new(&APRT_EMPTY, "it holds no value"));
        }
        let layer = match u32::from_le_bytes([l0, l1, l2, l3]) {
            WHOLE_MODEL => Layer::WholeModel,
            number => Layer::Number(number),
        };
        Ok(Self { layer, values })
    }

    /// Its bytes; the values follow them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let layer = match self.layer {
            Layer::WholeModel => WHOLE_MODEL,
            Layer::Number(number) => number,
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&layer.to_le_bytes());
        bytes[8..].copy_from_slice(&self.values.to_le_bytes());
        bytes
    }

    /// Holds the layer against the one that the file's folder names, where it names one.
    ///
    /// # Errors
    /// [`APRT_LAYER_MISMATCH`].
    pub fn lies(self, folder: Option<u32>) -> Result<(), Refusal> {
        let refused = |said: String| Err(Refusal::new(&APRT_LAYER_MISMATCH, said));
        match (self.layer, folder) {
            (Layer::Number(number), Some(folder)) if number != folder => {
                refused(format!("the header states layer {number}, and the file lies in layer-{folder}"))
            }
            (Layer::WholeModel, Some(folder)) => {
                refused(format!("the header states the whole model, and the file lies in layer-{folder}"))
            }
            _ => Ok(()),
        }
    }
}

/// A stage file of these values: no more than the header can count.
#[must_use]
pub fn write(layer: Layer, values: &[f32]) -> Option<Vec<u8>> {
    let header = Header { layer, values: u32::try_from(values.len()).ok().filter(|count| *count > 0)? };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 4 * values.len());
    bytes.extend(header.to_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Header, &'static str> {
        Header::read(bytes.len() as u64, bytes).map_err(|refusal| refusal.law.code)
    }

    fn head(layer: u32, values: u32) -> Vec<u8> {
        [&b"APRT"[..], &layer.to_le_bytes(), &values.to_le_bytes()].concat()
    }

    #[test]
    fn a_file_is_one_stage_whole_and_no_more() {
        let whole = [head(3, 2), vec![0; 8]].concat();
        assert_eq!(read(&whole), Ok(Header { layer: Layer::Number(3), values: 2 }));
        assert_eq!(read(&whole[..19]), Err("APRT_SIZE_MISMATCH"));
        assert_eq!(read(&[whole.clone(), vec![0]].concat()), Err("APRT_SIZE_MISMATCH"));
        assert_eq!(read(&head(0, u32::MAX)), Err("APRT_SIZE_MISMATCH"));
        assert_eq!(read(&whole[..11]), Err("APRT_TRUNCATED"));
        assert_eq!(read(&[0; 12]), Err("APRT_BAD_MAGIC"));
        assert_eq!(read(&head(0, 0)), Err("APRT_EMPTY"));
        // A decision trace: version 1, a type of path. A cookbook file: type 1, rank 2, two sides.
        assert_eq!(read(&[&b"APRT\x01\x02\0\0"[..], &[7; 30]].concat()), Err("APRT_FOREIGN_LAYOUT"));
        let cookbook =
            [&b"APRT\x01\x02\0\0"[..], &2_u32.to_le_bytes(), &1_u32.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(read(&cookbook), Err("APRT_FOREIGN_LAYOUT"));
        // Layer 1 of a sound file looks like either, and its size says that it is neither.
        assert!(read(&[head(1, 1), vec![0; 4]].concat()).is_ok());
    }

    #[test]
    fn what_is_written_is_read_bit_by_bit() {
        let values = [0.1, f32::NAN, -0.0, f32::INFINITY, f32::from_bits(1), f32::from_bits(0x7fa0_0001)];
        for layer in [Layer::Number(0), Layer::Number(7), Layer::WholeModel] {
            let bytes = write(layer, &values).unwrap();
            assert_eq!(read(&bytes), Ok(Header { layer, values: 6 }));
            let read: Vec<u32> = bytes[HEADER_BYTES..]
                .chunks_exact(4)
                .map(|four| u32::from_le_bytes(four.try_into().unwrap()))
                .collect();
            assert_eq!(read, values.map(f32::to_bits));
        }
        assert_eq!(write(Layer::WholeModel, &[]), None);
    }

    #[test]
    fn a_stage_lies_where_its_layer_says() {
        let lies = |layer, folder| Header { layer, values: 1 }.lies(folder).is_ok();
        assert!(lies(Layer::Number(0), Some(0)));
        assert!(lies(Layer::Number(0), None));
        assert!(lies(Layer::WholeModel, None));
        assert!(!lies(Layer::Number(0), Some(1)));
        assert!(!lies(Layer::WholeModel, Some(0)));
    }
}
