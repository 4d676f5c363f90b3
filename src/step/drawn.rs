//! What is drawn for the modules of a step: signs and places that nobody could know before they were committed to.

use sha2::{Digest as _, Sha256};

use super::commit::Draw;
use super::record::Record;
use crate::digest::Digest;

/// Draws that follow from what was published: the payloads' digests, a later beacon, and the module.
pub(super) struct Drawn(Sha256);

impl Drawn {
    pub(super) fn new(record: &Record, linear: Digest, beacon: &[u8], module: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [
            b"tensor-step.v1 signs\n",
            record.payload.leaf_root.as_bytes().as_slice(),
            linear.as_bytes(),
            beacon,
            module.as_bytes(),
        ] {
            hasher.update(part);
        }
        Self(hasher)
    }

    /// So many signs, of one draw.
    pub(super) fn signs(&self, number: u64, count: usize) -> Vec<f64> {
        let mut signs = Vec::with_capacity(count + 255);
        let mut block = 0_u64;
        while signs.len() < count {
            let mut hasher = self.0.clone();
            hasher.update(number.to_be_bytes());
            hasher.update(block.to_be_bytes());
            for byte in hasher.finalize() {
                signs.extend((0..8).map(|bit| if byte >> bit & 1 == 0 { 1.0 } else { -1.0 }));
            }
            block += 1;
        }
        signs.truncate(count);
        signs
    }

    /// So many places of a matrix, row and column, by row. A place may be drawn twice; where the matrix has no more places
    /// than that, they are all of them.
    pub(super) fn places(&self, number: u64, [rows, columns]: [usize; 2], count: usize) -> Vec<[usize; 2]> {
        if rows.saturating_mul(columns) <= count {
            return (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column])).collect();
        }
        let mut hasher = self.0.clone();
        hasher.update(b"places\n");
        hasher.update(number.to_be_bytes());
        let mut draw = Draw::new(Digest::from_bytes(hasher.finalize().into()));
        let mut below = |bound: usize| {
            usize::try_from(draw.below(bound as u64)).expect("less than a number of that type")
        };
        let mut places: Vec<[usize; 2]> = (0..count).map(|_| [below(rows), below(columns)]).collect();
        places.sort_unstable();
        places
    }
}
