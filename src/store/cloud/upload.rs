//! Long objects, in parts, resumed where an earlier push broke off. S3 completes them under their name on the condition
//! that nothing has it. The others know no such condition: there the object is made beside its name, and a copy that
//! fails where the name is taken gives it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use super::{Cloud, PART_BYTES};
use crate::digest::Digest;
use crate::persist;
use crate::store::Creation;
use crate::store::error::StoreError;
use crate::store::source::Source;

/// Parts that are under way together.
const TOGETHER: usize = 4;
/// Parts that every store admits.
const MOST_PARTS: u64 = 10_000;

/// Bytes of each part of an object so long, but the last.
fn part_bytes(size_bytes: u64) -> u64 {
    let least = size_bytes.div_ceil(MOST_PARTS);
    least.next_multiple_of(1 << 20).max(PART_BYTES)
}

/// An upload that is under way, as it is noted on this machine. The store has the parts; this says which.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    upload: String,
    part_bytes: u64,
    /// What the store calls each part; none where it is missing.
    parts: Vec<Option<String>>,
}

impl Cloud {
    /// Puts a long object under a name that nothing has.
    pub(super) fn upload(&self, name: &str, key: &Path, source: &Source) -> Result<Creation, StoreError> {
        let note = self.uploads.as_ref().map(|folder| {
            let of = format!("{} {}", self.url.place(name), source.sha256);
            folder.join(format!("{}.json", Digest::of(of.as_bytes())))
        });
        if self.s3.is_some() {
            return self.sent(name, key, source, note.as_ref());
        }
        let beside = self.key(&format!(".{name}.partial-{}", &source.sha256.to_string()[..16]))?;
        self.sent(name, &beside, source, note.as_ref())?;
        let copied = self.runtime.block_on(self.objects.copy_if_not_exists(&beside, key));
        let creation = match copied {
            Ok(()) => Ok(Creation::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Creation::Taken),
            // Another push of the same bytes has been quicker, and cleared up.
            Err(Error::NotFound { .. }) if self.runtime.block_on(self.objects.head(key)).is_ok() => {
                Ok(Creation::Taken)
            }
            Err(error) => Err(self.failed(name, &error)),
        };
        // It has a name that no listing shows; if it cannot be deleted, it is in nobody's way.
        let _ = self.runtime.block_on(self.objects.delete(&beside));
        creation
    }

    /// Makes an object in parts: those that the note does not have yet, or all where the store does not know of them.
    fn sent(
        &self,
        name: &str,
        key: &Path,
        source: &Source,
        note: Option<&PathBuf>,
    ) -> Result<Creation, StoreError> {
        let resumed = note.and_then(|path| noted(path, source));
        let was_resumed = resumed.is_some();
        let creation = match self.send(name, key, source, note, resumed) {
            // The store may have forgotten the parts, or made an object of them; stores tell that in different words.
            Err(error) if was_resumed && !is_passing(&error) => self.send(name, key, source, note, None)?,
            sent => sent?,
        };
        if let Some(path) = note {
            // A note that is left is found out by the store's answer.
            let _ = std::fs::remove_file(path);
        }
        Ok(creation)
    }

    fn send(
        &self,
        name: &str,
        key: &Path,
        source: &Source,
        path: Option<&PathBuf>,
        resumed: Option<Note>,
    ) -> Result<Creation, StoreError> {
        let part_bytes = part_bytes(source.size_bytes);
        let note = if let Some(note) = resumed {
            note
        } else {
            let begun = self.runtime.block_on(self.parts.create_multipart(key));
            let upload = begun.map_err(|error| self.unmade(name, &error))?;
            let count = usize::try_from(source.size_bytes.div_ceil(part_bytes)).expect("at most 10,000");
            Note { upload, part_bytes, parts: vec![None; count] }
        };
        let upload = note.upload.clone();
        let missing: Vec<usize> = (0..note.parts.len()).filter(|part| note.parts[*part].is_none()).collect();
        let (note, next, stopped) = (Mutex::new(note), AtomicUsize::new(0), Mutex::new(None));
        let stop = |reason: StoreError| {
            next.store(missing.len(), Ordering::Relaxed);
            stopped.lock().expect("no part panics").get_or_insert(reason);
        };
        let work = || {
            while let Some(part) = missing.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                let bytes = match source.piece(part as u64 * part_bytes, part_bytes) {
                    Ok(bytes) => bytes,
                    Err(error) => return stop(error),
                };
                match self.runtime.block_on(self.parts.put_part(key, &upload, part, bytes.into())) {
                    Ok(id) => {
                        let mut note = note.lock().expect("no part panics");
                        note.parts[part] = Some(id.content_id);
                        keep(path, &note);
                    }
                    Err(error) => return stop(self.unmade(name, &error)),
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..TOGETHER.min(missing.len()) {
                scope.spawn(work);
            }
        });
        if let Some(reason) = stopped.into_inner().expect("no part panics") {
            return Err(reason);
        }
        let note = note.into_inner().expect("no part panics");
        let parts = note.parts.into_iter().map(|content_id| PartId {
            content_id: content_id.expect("nothing was stopped, so no part is missing"),
        });
        let completed = self.runtime.block_on(self.parts.complete_multipart(key, &upload, parts.collect()));
        let error = match completed {
            Ok(_) => return Ok(Creation::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if self.s3.is_some() => {
                drop(self.service.take());
                // Parts that are left are the bucket's to throw away.
                let _ = self.runtime.block_on(self.parts.abort_multipart(key, &upload));
                return Ok(Creation::Taken);
            }
            Err(error) => self.unmade(name, &error),
        };
        // Asked twice because the first answer was lost, a store knows of no upload: it is an object by then.
        match self.runtime.block_on(self.objects.head(key)) {
            Ok(object) if object.size == source.size_bytes => Ok(Creation::Taken),
            _ => Err(error),
        }
    }
}

/// Whether an error says nothing of the upload itself.
fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::Unreachable { .. } | StoreError::Local { .. } | StoreError::Settings { .. })
}

/// What was noted of an upload of these bytes; nothing where it cannot be used.
fn noted(path: &PathBuf, source: &Source) -> Option<Note> {
    let note: Note = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let part_bytes = part_bytes(source.size_bytes);
    let count = source.size_bytes.div_ceil(part_bytes);
    (note.part_bytes == part_bytes && note.parts.len() as u64 == count).then_some(note)
}

/// Notes what is done. Without a note, the next push begins anew.
fn keep(path: Option<&PathBuf>, note: &Note) {
    let Some(path) = path else { return };
    let bytes = serde_json::to_vec(note).expect("a note is plain JSON");
    let _ = std::fs::create_dir_all(persist::parent_of(path));
    let _ = persist::replace(path, &bytes, 0o600);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_any_length_has_no_more_parts_than_stores_admit() {
        const MIB: u64 = 1 << 20;
        for (size, wanted) in [(9 * MIB, 8 * MIB), (80_000 * MIB, 8 * MIB), (80_001 * MIB, 9 * MIB)] {
            assert_eq!(part_bytes(size), wanted, "{size}");
        }
        for size in [80_000 * MIB + 1, 123_456_789_012, 5 << 40, u64::MAX >> 1] {
            let part = part_bytes(size);
            assert!(part.is_multiple_of(MIB) && size.div_ceil(part) <= MOST_PARTS, "{size}");
        }
    }
}
