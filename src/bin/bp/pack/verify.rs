//! `pack verify`: check every byte, the seal and every verdict again.

use std::path::Path;

use bp::error::{self, Failure};
use bp::pack::check::{self, Limits, Options, Pin};
use bp::pack::{Only, VerifyResult, junit, sarif, text};
use bp::trust::key::{KeyId, VerifyingKey};
use bp::trust::policy::TrustPolicy;

use super::{judge, producer};
use crate::cli::{Format, PackVerify};
use crate::output::Output;
use crate::{Run, trust};

pub(crate) fn verify(arguments: &PackVerify, output: &Output) -> Run {
    let options = Options {
        strict: arguments.strict,
        allow_fail_verdict: arguments.allow_fail_verdict,
        pins: arguments.signer.iter().map(|signer| pin(signer)).collect::<Result<_, _>>()?,
        policy: policy(arguments)?,
        only: Only::parse(&arguments.only).map_err(|error| Failure::of(&error::INVALID_FLAG, &error))?,
        limits: Limits::default(),
        producer: producer(),
        judge: judge(),
    };
    if let Some(file) = &arguments.json_out {
        outside(file, &arguments.pack)?;
    }
    let result = check::directory(&arguments.pack, &options)
        .map_err(|error| Failure::of(&error::PACK_UNREADABLE, &error))?;
    if let Some(file) = &arguments.json_out {
        let mut bytes = serde_json::to_vec(&result).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
        bytes.push(b'\n');
        output.file_or_data(Some(file), &bytes)?;
    }
    tell(&result, if output.json { Format::Json } else { arguments.format }, output)?;
    Ok(result.exit_code())
}

/// The result in one of its views.
fn tell(result: &VerifyResult, format: Format, output: &Output) -> Result<(), Failure> {
    match format {
        Format::Text => {
            output.say(&text::render(result));
            Ok(())
        }
        Format::Json => output.envelope(result),
        Format::Sarif => output.envelope(&sarif::log(result)),
        Format::Junit => output.data(junit::document(result).as_bytes()),
    }
}

/// A signer as the recipient names it: the id of a key, or a file with its public half.
fn pin(signer: &str) -> Result<Pin, Failure> {
    if let Ok(id) = signer.parse::<KeyId>() {
        return Ok(Pin::Id(id));
    }
    VerifyingKey::read(Path::new(signer)).map(Pin::Key).map_err(|error| trust::key_failure(&error))
}

/// The recipient's trust list: the one named, which must exist, else the local one, which may not. Signers that are
/// named for this check stand alone.
fn policy(arguments: &PackVerify) -> Result<TrustPolicy, Failure> {
    let trusted = match &arguments.trust_policy {
        Some(file) => TrustPolicy::load(file),
        None if !arguments.signer.is_empty() => return Ok(TrustPolicy::default()),
        None => match trust::list() {
            Ok(list) => TrustPolicy::load_or_empty(&list),
            Err(_) => return Ok(TrustPolicy::default()),
        },
    };
    trusted.map_err(|error| Failure::of(&error::TRUST_ERROR, &error))
}

/// Refuses a result file inside the pack: writing it would change what is checked.
fn outside(file: &Path, pack: &Path) -> Result<(), Failure> {
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let (Ok(folder), Ok(pack)) = (folder.canonicalize(), pack.canonicalize()) else { return Ok(()) };
    if folder.starts_with(&pack) {
        let message = format!("{} lies in the pack that is checked", file.display());
        return Err(Failure::new(&error::JSON_OUT_IN_PACK, message));
    }
    Ok(())
}
