//! `pack list`: what the manifests of a folder or store say, unchecked.

use std::fmt::Write as _;
use std::path::Path;

use bp::error::Failure;
use bp::pack::archive;
use bp::pack::manifest::Statement;
use bp::pack::said::Said;
use bp::store::{Glimpse, Named, Store, Url};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::stores;
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, source};

/// A pack, and what it says.
struct Row {
    /// What it is called here.
    name: String,
    /// Where it is.
    path: String,
    /// The length of its archive; none of a folder.
    size_bytes: Option<u64>,
    said: Result<Said, String>,
}

pub(super) fn list(folder: &Path, output: &Output) -> Run {
    let mut rows = match stores::url(folder) {
        Some(url) => stored(&url?, output)?,
        None => folders(folder)?,
    };
    let time = |row: &Row| row.said.as_ref().ok().map(|said| said.statement.created_at.unix_seconds());
    rows.sort_by(|one, other| time(one).cmp(&time(other)).then_with(|| one.path.cmp(&other.path)));
    if output.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        output
            .envelope(&json!({ "ok": true, "format": "bp-pack-list/1", "checked": false, "packs": rows }))?;
        return Ok(0);
    }
    let mut lines = String::new();
    for row in &rows {
        // A name is data here: what in it could steer a terminal is told by its escape.
        let name: String = row.name.chars().flat_map(char::escape_debug).collect();
        match &row.said {
            Ok(said) => {
                let Statement { verdict, created_at, pack_id, .. } = &said.statement;
                let key = said
                    .statement
                    .key_id()
                    .map_or_else(|| "unsealed".to_owned(), |key| key.to_string()[..8].to_owned());
                let id = &pack_id.to_string()[..8];
                let verdict = verdict.name();
                let size = row.size_bytes.map(|size| format!("{size:>11} ")).unwrap_or_default();
                let _ = writeln!(lines, "{verdict:<12} {created_at} {id} {key:<8} {size}{name}");
            }
            Err(error) => output.mark("[WARN]", &format!("{name}: {error}")),
        }
    }
    if rows.is_empty() {
        output.say(&format!("no pack in {}", folder.display()));
    }
    output.data(lines.as_bytes())?;
    Ok(0)
}

fn folders(folder: &Path) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for entry in bp::persist::entries(folder).map_err(|error| source::failure(folder, &error))? {
        let path = entry.map_err(|error| source::failure(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_pack = path.is_dir() && path.join(bp::pack::MANIFEST).symlink_metadata().is_ok();
        if !name.starts_with('.') && is_pack {
            let said = Said::manifest(&path).map_err(|error| error.to_string());
            rows.push(Row { name, path: source::shown(&path), size_bytes: None, said });
        }
    }
    Ok(rows)
}

fn stored(url: &Url, output: &Output) -> Result<Vec<Row>, Failure> {
    let store = Store::open(url, &stores::settings(url)?).map_err(Coded::failure)?;
    let names = match url.archive() {
        Some(name) => vec![Named { name: name.to_owned(), size_bytes: None }],
        None => store.archives().map_err(Coded::failure)?,
    };
    let progress = output.progress("reading manifests", Some(names.len()));
    let rows = names.into_par_iter().map(|Named { name, size_bytes }| {
        let (size_bytes, said) = match glimpsed(&store, &name) {
            Ok((size, said)) => (size.or(size_bytes), Ok(said)),
            Err(reason) => (size_bytes, Err(reason)),
        };
        progress.one();
        Row { path: url.place(&name), name, size_bytes, said }
    });
    Ok(rows.collect())
}

/// What the manifest of an archive says, and how long the archive is.
fn glimpsed(store: &Store, name: &str) -> Result<(Option<u64>, Said), String> {
    let (size_bytes, manifest) = match store.glimpse(name).map_err(|error| error.to_string())? {
        Glimpse::Manifest(bytes, size) => (Some(size), bytes),
        Glimpse::Archive(reading) => {
            let size = reading.size_bytes();
            (size, archive::manifest(reading).map_err(|error| error.to_string())?)
        }
    };
    Ok((size_bytes, Said::claim(manifest).map_err(|error| error.to_string())?))
}

impl Row {
    fn json(&self) -> Value {
        match &self.said {
            Ok(Said { statement, manifest_sha256, .. }) => json!({
                "path": self.path,
                "size_bytes": self.size_bytes,
                "pack_id": statement.pack_id,
                "manifest_sha256": manifest_sha256,
                "created_at": statement.created_at,
                "verdict": statement.verdict,
                "key_id": statement.key_id(),
                "unread": null,
            }),
            Err(error) => json!({
                "path": self.path,
                "size_bytes": self.size_bytes,
                "pack_id": null, "manifest_sha256": null, "created_at": null, "verdict": null, "key_id": null,
                "unread": error,
            }),
        }
    }
}
