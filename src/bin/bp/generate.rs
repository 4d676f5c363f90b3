//! `generate`: the receipt of a built-in step, or of a topology input.

use bp::author;
use bp::author::seed::Seed;
use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::receipt::canonical;
use bp::receipt::wire::TopologyInput;
use bp::verify::read;
use serde_json::json;

use crate::cli::Generate;
use crate::output::Output;
use crate::receipt::unreadable;
use crate::source::{self, shown};
use crate::{Run, validate};

pub(crate) fn generate(arguments: &Generate, output: &Output) -> Run {
    let Some(seed) = arguments.seed.seed() else { return from_config(arguments, output) };
    if let Some(file) = &arguments.file {
        let message = format!("{} takes no file, and {} is one", seed.name(), file.display());
        return Err(Failure::new(&error::INVALID_FLAG, message).hint("from-config takes a topology input"));
    }
    if arguments.check && arguments.out.is_some() {
        let message = "--out <FILE> and --check exclude each other for a built-in step";
        return Err(Failure::new(&error::INVALID_FLAG, message).hint("its golden bytes are built in too"));
    }
    let text = authored(&seed.input())?;
    if arguments.check {
        return compare(seed, &text, output);
    }
    output.written(arguments.out.as_deref(), text.as_bytes())
}

fn authored(input: &TopologyInput) -> Result<String, Failure> {
    let receipt =
        author::receipt(input).map_err(|error| Failure::of(&error::ENGINE_RUNTIME_ERROR, &error))?;
    canonical::emit(&receipt).map_err(|error| Failure::of(&error::RECEIPT_NOT_WRITABLE, &error))
}

fn compare(seed: Seed, text: &str, output: &Output) -> Run {
    let equal = Digest::of(text.as_bytes()) == seed.golden();
    told(seed.name(), equal, output)
}

fn told(name: &str, equal: bool, output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({ "ok": equal }))?;
    } else {
        let words = if equal { "equals the golden bytes" } else { "differs from the golden bytes" };
        output.say(&format!("{name}: {words}"));
    }
    Ok(u8::from(!equal))
}

fn from_config(arguments: &Generate, output: &Output) -> Run {
    let file = arguments
        .file
        .as_ref()
        .ok_or_else(|| Failure::new(&error::MISSING_FILE_ARG, "from-config takes a topology input"))?;
    let read = read::topology_input(&source::bytes(file)?).map_err(|error| unreadable(&error))?;
    let input = match read.record {
        Ok(input) => input,
        Err(violations) => {
            let message = validate::told(file, &violations);
            return Err(Failure::new(&error::SCHEMA_VIOLATION, message.trim_end()));
        }
    };
    let text = authored(&input)?;
    if !arguments.check {
        return output.written(arguments.out.as_deref(), text.as_bytes());
    }
    let golden = arguments.out.as_ref().ok_or_else(|| {
        Failure::new(&error::MISSING_CHECK_GOLDEN, "--check of from-config compares with the file of --out")
    })?;
    told(&shown(golden), source::bytes(golden)? == text.as_bytes(), output)
}
