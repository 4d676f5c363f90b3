//! A pack as one file: a ustar archive, compressed, whose first entry is the manifest and whose second is the seal, so
//! that a stranger judges the rest as it streams by.
//!
//! The archive of equal packs is the same on any machine: entries sorted by the bytes of their paths, no owner, modes
//! 0644 and 0755, and the time of the manifest. What a pack is called does not enter it. Compressed bytes are those of
//! one version of a compressor; a pack's identity is its manifest's digest.
//!
//! Reading is stricter than `tar`: one gzip member or zstd frame; ustar headers; regular files and directories,
//! each once, under names of a pack; one extension, a path that no header holds; zeros between and after.

mod codec;
mod extract;
mod glimpse;
mod header;
mod read;
pub mod statement;
mod write;

pub use codec::Codec;
pub(super) use codec::Decoder;
pub use extract::{ExtractError, extract};
pub use glimpse::{GlimpseError, manifest};
pub(super) use read::{Entries, File, broken};
pub use write::{ArchiveError, Written, create, write};

#[cfg(test)]
mod vector_tests;
