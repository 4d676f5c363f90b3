//! A folder as a store.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::error::StoreError;
use super::reading::{Piece, Reading};
use super::settings::Patience;
use super::source::Source;
use super::url::Url;
use super::{Creation, Named, Objects};
use crate::persist::{self, Staged};

pub(super) struct Folder {
    url: Url,
    path: PathBuf,
}

impl Folder {
    pub(super) fn of(url: &Url) -> Result<Self, StoreError> {
        Ok(Self { url: url.clone(), path: url.directory()? })
    }

    fn failed(&self, name: &str, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { place: self.url.place(name) },
            _ => StoreError::Local { path: self.path.join(name), source },
        }
    }
}

impl Objects for Folder {
    fn names(&self) -> Result<Vec<Named>, StoreError> {
        let entries = persist::entries(&self.path).map_err(|error| self.failed("", error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("", error))?;
            let metadata = entry.metadata().map_err(|error| self.failed("", error))?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                names.push(Named { name, size_bytes: Some(metadata.len()) });
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str, source: &Source) -> Result<Creation, StoreError> {
        let path = self.path.join(name);
        if path.symlink_metadata().is_ok() {
            return Ok(Creation::Taken);
        }
        let mut bytes = source.from(0, source.size_bytes)?;
        let mut write = || {
            fs::create_dir_all(&self.path)?;
            let mut staged = Staged::new(&path, 0o644)?;
            io::copy(&mut bytes, &mut staged)?;
            staged.publish_new()
        };
        match write() {
            Ok(()) => Ok(Creation::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Creation::Taken),
            Err(source) => Err(StoreError::Local { path, source }),
        }
    }

    fn open(&self, name: &str, _glimpse: bool) -> Result<Reading, StoreError> {
        let file = File::open(self.path.join(name)).map_err(|error| self.failed(name, error))?;
        let metadata = file.metadata().map_err(|error| self.failed(name, error))?;
        if !metadata.is_file() {
            return Err(StoreError::NotFound { place: self.url.place(name) });
        }
        let mut first = Some(file);
        let path = self.path.join(name);
        let fetch = move |at| {
            // What a file does not give once, it does not give on asking again.
            let file = first.take().ok_or_else(|| StoreError::Local {
                path: path.clone(),
                source: io::Error::new(io::ErrorKind::UnexpectedEof, format!("unreadable from byte {at} on")),
            })?;
            Ok(Piece { bytes: Box::new(file), size_bytes: Some(metadata.len()), version: None })
        };
        Reading::open(&self.url.place(name), Patience::default(), Box::new(fetch))
    }
}
