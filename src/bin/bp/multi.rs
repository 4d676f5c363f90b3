//! `verify multi`: a trace, one receipt per line, in one pass and constant memory.

use std::path::Path;

use bp::error::{self, Failure};
use bp::report::{Outcome, text, verdict};
use bp::verify::stream::{self, Judged, Tracing};
use serde_json::json;

use crate::Run;
use crate::cli::Strictness;
use crate::lines::Lines;
use crate::output::Output;

pub(crate) fn verify(file: &Path, strictness: Strictness, output: &Output) -> Run {
    let mut tracing = Tracing::default();
    let mut canonical = true;
    Lines::open(file)?.each(
        file,
        |_, line| stream::record(line.bytes).map(Judged::settled),
        |_, line, judged| {
            let judged = judged.map_err(|error| line.failure(&error))?;
            canonical &= judged.is_canonical();
            tracing.push(judged, line.bytes);
            Ok(())
        },
    )?;
    let trace = tracing.finish();
    if trace.records == 0 {
        return Err(Failure::new(&error::BP_JSONL_EMPTY, format!("{}: no record in it", file.display())));
    }
    let ok = trace.outcome() == Outcome::Pass && (canonical || !strictness.canonical);
    if output.json {
        output.envelope(&json!({ "ok": ok, "report": verdict::trace(&trace) }))?;
    } else {
        output.say(&text::render_trace("verify multi", &trace, output.verbose));
        if strictness.canonical && !canonical {
            output.say("[FAIL] canonical: a record's bytes are not its canonical bytes");
        }
    }
    Ok(u8::from(!ok))
}
