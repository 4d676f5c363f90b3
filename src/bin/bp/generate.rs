//! `generate`: the receipt of a built-in step.

use bp::author;
use bp::author::seed::Seed;
use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::receipt::canonical;
use serde_json::json;

use crate::Run;
use crate::cli::Generate;
use crate::output::Output;
use crate::source::shown;

pub(crate) fn generate(arguments: &Generate, output: &Output) -> Run {
    let seed = Seed::from(arguments.seed);
    let receipt =
        author::receipt(&seed.input()).map_err(|error| Failure::of(&error::NOT_A_RECORD, &error))?;
    let text =
        canonical::emit(&receipt).map_err(|error| Failure::of(&error::RECEIPT_NOT_WRITABLE, &error))?;
    if arguments.check {
        let equal = Digest::of(text.as_bytes()) == seed.golden();
        if output.json {
            output.envelope(&json!({ "ok": equal }))?;
        } else {
            let words = if equal { "equals the golden bytes" } else { "differs from the golden bytes" };
            output.say(&format!("{}: {words}", seed.name()));
        }
        return Ok(u8::from(!equal));
    }
    output.file_or_data(arguments.out.as_deref(), text.as_bytes())?;
    if let Some(out) = &arguments.out {
        if output.json {
            output.envelope(&json!({ "ok": true, "out": shown(out), "bytes": text.len() }))?;
        } else {
            output.say(&format!("wrote {} ({} bytes)", out.display(), text.len()));
        }
    }
    Ok(0)
}
