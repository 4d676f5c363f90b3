//! `verify multi`: a trace, one receipt per line, in one pass and constant memory.

use std::path::Path;

use bp::error::{self, Failure};
use bp::report::{Outcome, text, verdict};
use bp::verify::stream::{self, Tracing};
use rayon::prelude::*;
use serde_json::json;

use crate::Run;
use crate::cli::Strictness;
use crate::lines::Lines;
use crate::output::Output;

pub(crate) fn verify(file: &Path, strictness: Strictness, output: &Output) -> Run {
    let mut tracing = Tracing::default();
    let mut canonical = true;
    let mut lines = Lines::open(file)?;
    let mut batch = lines.batch(file)?;
    while !batch.is_empty() {
        let judge = || -> Vec<_> { batch.par_iter().map(|line| stream::record(&line.bytes)).collect() };
        let (next, judged) = rayon::join(|| lines.batch(file), judge);
        for (line, judged) in batch.iter().zip(judged) {
            let judged = judged.map_err(|error| line.failure(&error))?;
            canonical &= judged.is_canonical();
            tracing.push(judged);
        }
        batch = next?;
    }
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
