//! `validate` and `validate-input`: the schema alone.

use std::path::Path;

use bp::report::{Long, fold, text};
use bp::schema::Violation;
use bp::verify::read::{self, ReadError};
use serde_json::json;

use crate::Run;
use crate::output::Output;
use crate::receipt::unreadable;
use crate::source;

/// A receipt or a sidecar.
pub(crate) fn record(file: &Path, output: &Output) -> Run {
    let violations = |bytes: &[u8]| -> Result<Vec<Violation>, ReadError> {
        let found = if read::is_receipt(bytes)? {
            read::wire(bytes)?.record.err()
        } else {
            read::sidecar_wire(bytes)?.record.err()
        };
        Ok(found.unwrap_or_default())
    };
    tell(file, &violations(&source::bytes(file)?).map_err(|error| unreadable(&error))?, output)
}

/// A topology input.
pub(crate) fn topology_input(file: &Path, output: &Output) -> Run {
    let read = read::topology_input(&source::bytes(file)?).map_err(|error| unreadable(&error))?;
    tell(file, &read.record.err().unwrap_or_default(), output)
}

fn tell(file: &Path, violations: &[Violation], output: &Output) -> Run {
    if output.json {
        let envelope = match violations {
            [] => json!({ "ok": true }),
            errors => json!({ "ok": false, "errors": errors }),
        };
        output.envelope(&envelope)?;
    } else if violations.is_empty() {
        output.data(b"valid\n")?;
    } else {
        output.say(&told(file, violations));
    }
    Ok(u8::from(!violations.is_empty()))
}

/// Where a document breaks its schema.
pub(crate) fn told(file: &Path, violations: &[Violation]) -> String {
    let mut told =
        format!("{}: the schema is broken in {}\n", file.display(), text::places(violations.len()));
    for violation in violations {
        told.push_str(&fold("  ", &violation.to_string(), Long::Break));
    }
    told
}
