//! `pack archive` and `pack extract`: a pack as one file, and back.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::archive::{self, ArchiveError, Codec, ExtractError, Written};
use bp::pack::check::{Limits, Options};
use serde_json::json;

use super::verify;
use crate::Run;
use crate::cli::{PackArchive, PackExtract};
use crate::output::Output;
use crate::{source, trusting};

pub(super) fn archive(arguments: &PackArchive, output: &Output) -> Run {
    let (file, written) = write(&arguments.pack, arguments.out.as_deref())?;
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "archive": source::shown(&file),
            "bytes": written.size_bytes,
            "sha256": written.sha256,
            "pack_id": written.pack_id,
            "manifest_sha256": written.manifest_sha256,
        }))?;
        return Ok(0);
    }
    output.say(&format!(
        "  archive  {} ({} bytes)\n  sha256   {}\n  manifest {}\n  check it with\n    bp pack verify --strict {}",
        file.display(),
        written.size_bytes,
        written.sha256,
        written.manifest_sha256,
        file.display()
    ));
    output.data(format!("{}\n", file.display()).as_bytes())?;
    Ok(0)
}

/// Writes the archive of a pack under a name, or under the pack's own beside it.
fn write(pack: &Path, out: Option<&Path>) -> Result<(PathBuf, Written), Failure> {
    let file = match out {
        Some(file) => file.to_owned(),
        None => beside(pack)?,
    };
    let codec = Codec::of_name(&file).ok_or_else(|| {
        let message = format!("{}: an archive's name ends in .tar.gz or .tar.zst", file.display());
        Failure::new(&error::INVALID_FLAG, message)
    })?;
    verify::outside(&file, pack)?;
    let written = archive::create(pack, &file, codec, &Limits::default()).map_err(|error| failure(&error))?;
    Ok((file, written))
}

/// The archive's name beside a pack: that of its folder, however it is named here.
fn beside(pack: &Path) -> Result<PathBuf, Failure> {
    let folder = pack.canonicalize().map_err(|error| source::failure(pack, &error))?;
    let name = folder.file_name().map(|name| format!("{}.tar.gz", name.to_string_lossy()));
    let name =
        name.ok_or_else(|| Failure::new(&error::PACK_UNREADABLE, "the root of the file system is no pack"))?;
    Ok(match pack.file_name() {
        Some(_) => pack.with_file_name(name),
        None => folder.with_file_name(name),
    })
}

fn failure(error: &ArchiveError) -> Failure {
    let code = match error {
        ArchiveError::Open { .. } => &error::PACK_UNREADABLE,
        ArchiveError::Unsound { .. } | ArchiveError::Manifest(_) => &error::PACK_NOT_ARCHIVED,
        ArchiveError::Exists(_) => &error::FILE_EXISTS,
        ArchiveError::Write { .. } => &error::IO_ERROR,
    };
    Failure::of(code, error)
}

pub(super) fn extract(arguments: &PackExtract, output: &Output) -> Run {
    let options = Options {
        strict: arguments.strict,
        allow_fail_verdict: arguments.allow_fail_verdict,
        ..trusting::options(&arguments.trusting)?
    };
    let extracted = archive::extract(&arguments.archive, &arguments.dir, &options);
    let (result, path) = extracted.map_err(|error| {
        let code = match &error {
            ExtractError::Open(_) => &error::PACK_UNREADABLE,
            ExtractError::Refused { .. } => &error::PACK_REFUSED,
            ExtractError::Changed(_) => &error::PACK_NOT_WRITTEN,
            ExtractError::Build(error) => return super::run::failure(error),
        };
        Failure::of(code, &error)
    })?;
    if output.json {
        output.envelope(&json!({ "ok": true, "pack": source::shown(&path), "result": result }))?;
        return Ok(0);
    }
    output.say(&bp::pack::text::render(&result));
    output.data(format!("{}\n", path.display()).as_bytes())?;
    Ok(0)
}
