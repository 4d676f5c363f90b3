//! `pack archive` and `pack extract`: a pack as one file, and back.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::VerifyResult;
use bp::pack::archive::{self, Codec, Written, statement};
use bp::pack::check::Options;
use serde_json::json;

use crate::Run;
use crate::cli::{PackArchive, PackExtract};
use crate::failure::Coded;
use crate::output::Output;
use crate::{source, trust, trusting};

pub(super) fn archive(arguments: &PackArchive, output: &Output) -> Run {
    let pack = &arguments.pack;
    let file = arguments.out.clone().map_or_else(|| beside(pack), Ok)?;
    let codec = codec(&file)?;
    source::outside(&file, pack)?;
    let key = if arguments.unsigned { None } else { trust::present_key(arguments.key.as_deref())? };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let statement = file.with_file_name(format!("{name}{}", statement::BESIDE));
    if key.is_some() && statement.symlink_metadata().is_ok() {
        let message = format!("{}: exists already", statement.display());
        return Err(Failure::new(&error::FILE_EXISTS, message));
    }
    let written = archive::create(pack, &file, codec, &trusting::limits(&arguments.limited));
    let written = written.map_err(Coded::failure)?;
    let statement = key.map(|key| -> Result<PathBuf, Failure> {
        let envelope = statement::sign(&name, codec, &written, &key).map_err(Coded::failure)?;
        source::create(&statement, &envelope.to_bytes())?;
        Ok(statement)
    });
    let statement = statement.transpose().map_err(|failure| {
        failure.hint(format!("the archive is written, without a statement: {}", file.display()))
    })?;
    tell(&file, &written, statement.as_deref(), output)
}

fn tell(file: &Path, written: &Written, statement: Option<&Path>, output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "archive": source::shown(file),
            "bytes": written.size_bytes,
            "sha256": written.sha256,
            "pack_id": written.pack_id,
            "manifest_sha256": written.manifest_sha256,
            "statement": statement.map(source::shown),
        }))?;
        return Ok(0);
    }
    let statement = match statement {
        Some(statement) => format!("signed, in {}", statement.display()),
        None => "none: no key was named".to_owned(),
    };
    output.say(&format!(
        "  archive   {} ({} bytes)\n  sha256    {}\n  manifest  {}\n  statement {statement}\n  check it with\n    bp pack verify --strict {}",
        file.display(),
        written.size_bytes,
        written.sha256,
        written.manifest_sha256,
        source::word(file)
    ));
    output.data(format!("{}\n", file.display()).as_bytes())?;
    Ok(0)
}

/// The compression that an archive's name says.
pub(super) fn codec(file: &Path) -> Result<Codec, Failure> {
    Codec::of_name(file).ok_or_else(|| {
        let message = format!("{}: an archive's name ends in .tar.gz or .tar.zst", file.display());
        Failure::new(&error::INVALID_FLAG, message)
    })
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

pub(super) fn extract(arguments: &PackExtract, output: &Output) -> Run {
    let options = Options {
        strict: arguments.strict,
        allow_fail_verdict: arguments.allow_fail_verdict,
        payload_dirs: arguments.payload_dir.clone(),
        limits: trusting::limits(&arguments.limited),
        ..trusting::options(&arguments.trusting)?
    };
    let (result, path) = extracted(&arguments.archive, &arguments.dir, &options)?;
    taken(&result, &path, output)
}

/// Takes the pack out of an archive, if it verifies.
pub(super) fn extracted(
    file: &Path,
    target: &Path,
    options: &Options,
) -> Result<(VerifyResult, PathBuf), Failure> {
    archive::extract(file, target, options).map_err(Coded::failure)
}

/// Tells of a pack that was taken.
pub(super) fn taken(result: &VerifyResult, path: &Path, output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({ "ok": true, "pack": source::shown(path), "result": result }))?;
        return Ok(0);
    }
    output.say(&bp::pack::text::render(result));
    output.data(format!("{}\n", path.display()).as_bytes())?;
    Ok(0)
}
