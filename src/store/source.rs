//! What is pushed: a file whose bytes are known, read in pieces by whoever sends them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use crate::digest::Digest;

/// Told of bytes as they are sent or come back.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(u64) + Send + Sync>>);

impl Watch {
    /// One who is told how many more there are.
    pub fn new(told: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    /// These bytes, watched.
    pub fn on<R: Read>(&self, inner: R) -> Watched<R> {
        Watched { inner, watch: self.clone() }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watch")
    }
}

/// Bytes that are watched as they are read.
#[derive(Debug)]
pub struct Watched<R> {
    inner: R,
    watch: Watch,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(told) = &self.watch.0 {
            told(count as u64);
        }
        Ok(count)
    }
}

/// A file that is sent. Every reader opens it anew, so pieces can be sent side by side and again.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    pub(super) watch: Watch,
    /// Its length.
    pub size_bytes: u64,
    /// Its digest: what came back is held against it.
    pub sha256: Digest,
}

impl Source {
    /// The file at a path, read once for its digest.
    ///
    /// # Errors
    /// [`StoreError::Local`]
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let local = |source| StoreError::Local { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(local)?;
        let (sha256, size_bytes) = Digest::of_reader(&mut file).map_err(local)?;
        Ok(Self::known(path, size_bytes, sha256))
    }

    /// The file at a path whose length and digest are known, because it was just written.
    #[must_use]
    pub fn known(path: &Path, size_bytes: u64, sha256: Digest) -> Self {
        Self { path: path.to_owned(), watch: Watch::default(), size_bytes, sha256 }
    }

    /// The same, with one who is told of its bytes on their way there and back.
    #[must_use]
    pub fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// All of it, from the beginning; not watched.
    ///
    /// # Errors
    /// [`StoreError::Local`]
    pub fn open(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(|source| StoreError::Local { path: self.path.clone(), source })
    }

    /// The bytes from a place on, at most so many.
    pub(super) fn from(&self, at: u64, count: u64) -> Result<Watched<io::Take<File>>, StoreError> {
        let open = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(at))?;
            Ok(file.take(count))
        };
        open()
            .map(|file| self.watch.on(file))
            .map_err(|source| StoreError::Local { path: self.path.clone(), source })
    }

    /// A piece in memory.
    pub(super) fn piece(&self, at: u64, count: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let read = self.from(at, count)?.read_to_end(&mut bytes);
        read.map_err(|source| StoreError::Local { path: self.path.clone(), source })?;
        Ok(bytes)
    }
}
