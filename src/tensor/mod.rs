//! Tensors as files keep them, and bytes that are read where they lie.

pub mod aprt;
pub mod compare;
pub mod safetensors;

use std::io;

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
