//! `import`: a framework's sidecar becomes a receipt, judged first; `import multi` does so with every line of a stream.

use std::path::Path;

use bp::error::{self, Failure};
use bp::import::{Framework, Options};
use bp::report::{Outcome, text, verdict};
use bp::verify::{self, Found};
use serde_json::json;

use crate::Run;
use crate::cli::Import;
use crate::output::Output;
use crate::receipt::readable;
use crate::{clock, import_multi, source};

pub(crate) fn import(arguments: &Import, output: &Output) -> Run {
    let (moment, _) = clock::moment(arguments.timestamp.as_deref())?;
    // A timestamp that is given stands in the receipt as it was given.
    let timestamp = arguments.timestamp.clone().unwrap_or_else(|| moment.to_string());
    let options = Options { label: arguments.label.clone(), ..Options::at(&timestamp) };
    let framework = Framework::from(arguments.framework);
    let file = match arguments.sidecar.as_slice() {
        [multi, file] if multi == Path::new("multi") => {
            return import_multi::import(file, arguments.out.as_deref(), framework, &options, output);
        }
        [file] if file != Path::new("multi") => file,
        [_] => return Err(Failure::new(&error::MISSING_FILE_ARG, "<SIDECAR> is missing after multi")),
        [..] => {
            let message = "one sidecar is imported at a time, or `multi` and one stream of them";
            return Err(Failure::new(&error::INVALID_FLAG, message));
        }
    };
    let bytes = source::bytes(file)?;
    let verified = readable(verify::sidecar(&bytes, Some(framework), &options))?;
    let ok = verified.outcome() == Outcome::Pass;
    let is_written = arguments.out.is_some() || !output.json;
    if let Some(receipt) = verified.imported.as_ref().filter(|_| is_written) {
        output.file_or_data(arguments.out.as_deref(), receipt)?;
    }
    if output.json {
        // Without a file for it, the receipt would be lost.
        let receipt = verified.imported.as_deref().filter(|_| arguments.out.is_none());
        let receipt = receipt.map(String::from_utf8_lossy);
        output.envelope(&json!({
            "ok": ok,
            "differential": { "passed": ok },
            "out": arguments.out.as_deref().map(source::shown),
            "receipt": receipt,
            "verdict": verdict::document(&verified),
        }))?;
    } else {
        output.say(&text::render(&verified, output.verbose));
        if let (Some(out), Some(receipt)) = (&arguments.out, &verified.imported) {
            output.say(&format!("wrote {} ({} bytes)", out.display(), receipt.len()));
        }
    }
    let unwritten = verified.sections.iter().find_map(|section| match &section.found {
        Found::Unwritten(error) => Some(Failure::of(&error::RECEIPT_NOT_WRITABLE, error)),
        _ => None,
    });
    match unwritten {
        Some(failure) if !output.json => Err(failure),
        Some(failure) => Ok(failure.code.exit),
        None => Ok(u8::from(!ok)),
    }
}
