//! What a training command did, kept beside the packs until one of them holds it. All else of a pack is derived again when
//! `bp` starts again; a job of a day is not run again because a disk was full at its end.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding as _};
use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::persist;
use bp::run::{Job, Names};
use serde::{Deserialize, Serialize};

use super::{Watched, spelled};
use crate::source;

const FORMAT: &str = "bp-job/1";
const PREFIX: &str = ".bp-job-";

/// The file in which it is kept.
pub(in super::super) struct Kept {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    job: Job,
    exit_code: i32,
    /// Base64.
    log: Option<String>,
}

impl Kept {
    /// Keeps it in the folder of packs, for nobody else to read: its output has not been looked through for secrets.
    pub(in super::super) fn keep(out: &Path, watched: &Watched) -> io::Result<Self> {
        let document = Document {
            format: FORMAT.to_owned(),
            job: watched.job.clone(),
            exit_code: watched.exit_code,
            log: watched.log.as_deref().map(Base64::encode_string),
        };
        fs::create_dir_all(out)?;
        let bytes = serde_json::to_vec(&document)?;
        // Named by what it holds: process ids come round, in containers at once, and nothing kept may be lost to another.
        let path = out.join(format!("{PREFIX}{}.json", &Digest::of(&bytes).to_string()[..32]));
        persist::replace(&path, &bytes, 0o600)?;
        Ok(Self { path })
    }

    /// The newest that is kept of this command.
    pub(in super::super) fn find(
        out: &Path,
        command: &[OsString],
        names: Names,
    ) -> Result<Option<(Watched, Self)>, Failure> {
        let arguments = spelled(command, names);
        let mut found: Option<(Document, PathBuf)> = None;
        let entries = match persist::entries(out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| source::failure(out, &error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| source::failure(out, &error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(".json")).is_none() {
                continue;
            }
            // What another version kept, or half of it, is no record of this command.
            let document = serde_json::from_slice::<Document>(&source::bytes(&path)?).ok();
            let newer = |document: &Document| {
                found.as_ref().is_none_or(|(known, _)| known.job.ended_at < document.job.ended_at)
            };
            if let Some(document) = document.filter(|document| {
                document.format == FORMAT && document.job.arguments == arguments && newer(document)
            }) {
                found = Some((document, path));
            }
        }
        let Some((Document { job, exit_code, log, .. }, path)) = found else { return Ok(None) };
        let log = log.as_deref().map(Base64::decode_vec).transpose().map_err(|error| {
            Failure::new(&error::IO_ERROR, format!("{}: its log is no Base64: {error}", path.display()))
                .hint("remove the file, and run the command again without --resume")
        })?;
        Ok(Some((Watched { job, exit_code, log }, Self { path })))
    }

    /// It is in a pack.
    pub(in super::super) fn packed(self) {
        // Left behind, it is one that --resume may find again, which makes a second pack and loses nothing.
        let _ = fs::remove_file(self.path);
    }
}
