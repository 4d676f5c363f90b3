//! Tensors as files keep them, and bytes that are read where they lie.

//!
//! ```text
//! folder ─ names ─ aprt, npy, safetensors ─▸ Capture ─┬─▸ diff      two captures, stage by stage
//!             index.json ─ json ─ schema ─────▴       └─▸ forward   a stage from the stages before it
//! ```

pub mod aprt;
pub mod capture;
pub mod compare;
pub mod diff;
pub mod dtype;
pub mod forward;
pub mod index;
pub mod law;
pub mod npy;
pub mod safetensors;
pub mod stage;
pub mod told;

use std::io;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

pub use capture::{Capture, Folder};
pub use index::Index;
pub use law::{Fault, Refusal};
pub use stage::{Layer, Place, Stage};

/// Bytes of known length that several threads read at any place.
pub trait Bytes: Sync {
    /// How many there are.
    fn size_bytes(&self) -> u64;

    /// Fills `buffer` from the bytes that begin at `offset`.
    ///
    /// # Errors
    /// Whatever the system reports, and bytes that end early.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A stretch of other bytes.
#[derive(Debug)]
pub struct Stretch<'a, B: ?Sized> {
    /// Of these.
    pub of: &'a B,
    /// Where it begins.
    pub begin: u64,
    /// How long it is.
    pub size_bytes: u64,
}

impl<B: Bytes + ?Sized> Bytes for Stretch<'_, B> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size_bytes);
        let begin = end.and(self.begin.checked_add(offset)).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.of.read_at(begin, buffer)
    }
}

impl Bytes for [u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let begin = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = begin.checked_add(buffer.len()).and_then(|end| self.get(begin..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<B: Bytes + ?Sized> Bytes for &B {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}

/// The digest of all bytes, in the order in which they lie.
///
/// # Errors
/// Whatever reading reports.
pub fn digest(bytes: &(impl Bytes + ?Sized)) -> io::Result<Digest> {
    const CHUNK: usize = 1 << 18;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let (mut offset, end) = (0, bytes.size_bytes());
    while offset < end {
        let count = usize::try_from(end - offset).map_or(CHUNK, |rest| rest.min(CHUNK));
        bytes.read_at(offset, &mut buffer[..count])?;
        hasher.update(&buffer[..count]);
        offset += count as u64;
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}
