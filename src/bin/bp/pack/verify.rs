//! `pack verify`: check every byte, the seal and every verdict again.

use std::fs::File;
use std::path::Path;

use bp::error::{self, Failure};
use bp::pack::check::{self, Demands, OpenError, Options};
use bp::pack::{Answered, Only, VerifyResult, junit, sarif, text};

use super::stores;
use crate::attest::Receipt;
use crate::cli::{Format, PackVerify, Trusting};
use crate::output::Output;
use crate::{Run, source, trusting};

pub(crate) fn verify(arguments: &PackVerify, output: &Output) -> Run {
    let receipt = arguments.receipt.as_deref().zip(arguments.key.as_deref());
    let receipt = receipt.map(|(file, key)| Receipt::prepare(file, key, &arguments.pack)).transpose()?;
    let options = Options {
        strict: arguments.strict,
        allow_fail_verdict: arguments.allow_fail_verdict,
        payload_dirs: arguments.payload_dir.clone(),
        only: Only::parse(&arguments.only).map_err(|error| Failure::of(&error::INVALID_FLAG, &error))?,
        demands: Demands {
            verifier: receipt.as_ref().map(Receipt::key_id),
            ..trusting::demands(&arguments.demanded)?
        },
        limits: trusting::limits(&arguments.limited),
        ..trusting::options(&arguments.trusting)?
    };
    let budget = trusting::Budget::start(&arguments.demanded, output)?;
    if let Some(file) = &arguments.json_out {
        source::outside(file, &arguments.pack)?;
    }
    let checking = output.progress("checking", None);
    let result = checked(&arguments.pack, &options)?;
    drop(checking);
    // What is written is written whole, however long a key lets wait.
    drop(budget);
    if let Some(file) = &arguments.json_out {
        let mut bytes = serde_json::to_vec(&result).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
        bytes.push(b'\n');
        output.file_or_data(Some(file), &bytes)?;
    }
    if let Some(receipt) = receipt {
        receipt.write(&result, &options)?;
    }
    tell(&result, if output.json { Format::Json } else { arguments.format }, output)?;
    Ok(result.exit_code())
}

/// The answer to Annex IV of a pack that holds: not strictly, and by the local trust list.
pub(crate) fn answered(pack: &Path) -> Result<Answered, Failure> {
    let options = trusting::options(&Trusting::default())?;
    let result = checked(pack, &options)?;
    match (result.findings.first(), result.answered) {
        (None, Some(answered)) => Ok(answered),
        (first, _) => {
            let told = first.map(|finding| format!(": {} {}", finding.law.code, finding.path));
            let message = format!("{}: the pack does not hold{}", pack.display(), told.unwrap_or_default());
            Err(Failure::new(&error::PACK_REFUSED, message))
        }
    }
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

/// Checks what a name stands for: a folder, an archive, an archive in a store, or one from standard input.
fn checked(pack: &Path, options: &Options) -> Result<VerifyResult, Failure> {
    if pack == Path::new("-") {
        return Ok(check::archive(source::standard_input()?, options));
    }
    if let Some(url) = stores::url(pack) {
        return stores::check(&url?, options);
    }
    let unreadable = |error: &OpenError| Failure::of(&error::PACK_UNREADABLE, error);
    if pack.exists() && !pack.is_dir() {
        let opened = File::open(pack).map_err(|source| OpenError { path: pack.to_owned(), source });
        return Ok(check::archive(opened.map_err(|error| unreadable(&error))?, options));
    }
    check::directory(pack, options).map_err(|error| unreadable(&error))
}
