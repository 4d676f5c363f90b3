//! `import multi`: a run's sidecars, one per line, become its receipts, in constant memory.
//!
//! The stream is read once. Each sidecar is judged and its receipt set aside in a file without a name; when the stream
//! has ended, the receipts get the marks that only its end tells, are judged as they then are, and written.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::Path;

use bp::error::{self, Failure};
use bp::import::stream::{Bundle, Run as Sidecars, Source};
use bp::import::{Framework, Options};
use bp::persist::{self, Staged};
use bp::report::{Outcome, text, verdict};
use bp::verify::WriteError;
use bp::verify::read::ReadError;
use bp::verify::stream::{self, Imported, Judged, Trace, Tracing};
use serde_json::json;

use crate::lines::Lines;
use crate::output::Output;
use crate::{Run, source};

/// Receipts set aside: whole, or not at all.
struct Aside {
    spool: File,
    source: Source,
}

pub(crate) fn import(
    file: &Path,
    out: Option<&Path>,
    framework: Framework,
    options: &Options,
    output: &Output,
) -> Run {
    if output.json && out.is_none() {
        let message = "with --json, `import multi` needs --out FILE: standard output holds the envelope";
        return Err(Failure::new(&error::INVALID_FLAG, message));
    }
    let (sidecars, aside) = judged(file, out, framework, options)?;
    let written = match aside {
        Ok(aside) => Some(write(aside, out, output)?),
        Err(Unwritten::Sidecar) => None,
        Err(Unwritten::Receipt { message }) => {
            output.say(&text::render_trace("import of sidecars", &sidecars, output.verbose));
            return Err(Failure::new(&error::RECEIPT_NOT_WRITABLE, message));
        }
    };
    let receipts = written.as_ref().map(|(receipts, _)| receipts);
    let ok = sidecars.outcome() == Outcome::Pass
        && receipts.is_some_and(|receipts| receipts.outcome() == Outcome::Pass);
    if output.json {
        output.envelope(&json!({
            "ok": ok,
            "steps": sidecars.records,
            "differential": { "all_passed": sidecars.outcome() == Outcome::Pass },
            "bundle_root_digest": written.as_ref().map(|(_, digest)| digest),
            "out": written.as_ref().and(out).map(source::shown),
            "sidecars": verdict::trace(&sidecars),
            "receipts": receipts.map(verdict::trace),
        }))?;
        return Ok(u8::from(!ok));
    }
    output.say(&text::render_trace("import of sidecars", &sidecars, output.verbose));
    match receipts {
        None => output.say("no receipts were written: a sidecar breaks its schema"),
        Some(receipts) => {
            output.say(&text::render_trace("receipts made from them", receipts, output.verbose));
            if let Some(out) = out {
                output.say(&format!("wrote {} ({} receipts)", out.display(), receipts.records));
            }
        }
    }
    Ok(u8::from(!ok))
}

/// Why there are no receipts.
enum Unwritten {
    /// A sidecar breaks its schema, so it is a step that the receipts would lack.
    Sidecar,
    /// A receipt does not fit its format.
    Receipt { message: String },
}

/// Judges every sidecar of a stream, and sets its receipt aside.
fn judged(
    file: &Path,
    out: Option<&Path>,
    framework: Framework,
    options: &Options,
) -> Result<(Trace, Result<Aside, Unwritten>), Failure> {
    let folder = out.map(persist::parent_of);
    let spool = match folder {
        Some(folder) => tempfile::tempfile_in(folder).map_err(|error| source::failure(folder, &error))?,
        None => tempfile::tempfile().map_err(|error| aside_failure(&error))?,
    };
    let mut spool = BufWriter::new(spool);
    let mut unwritten = None;
    let (mut run, mut tracing) = (Sidecars::default(), Tracing::of_sidecars());
    let mut lines = Lines::open(file)?.digesting();
    let count = lines.each(
        file,
        |index, line| {
            let Imported { judged, facts, receipt } =
                stream::sidecar(line.bytes, Some(framework), options, index)?;
            Ok((judged.settled(), facts, receipt))
        },
        |index, line, imported| {
            let (judged, facts, receipt) = imported.map_err(|error| line.failure(&error))?;
            run.admit(facts.as_ref()).map_err(|refusal| line.failure(&ReadError::Refused(refusal)))?;
            tracing.push(judged, line.bytes);
            match receipt {
                Some(Ok(receipt)) if unwritten.is_none() => {
                    spool.write_all(&receipt).map_err(|error| aside_failure(&error))?;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let message = refused(index, &error);
                    unwritten.get_or_insert(Unwritten::Receipt { message });
                }
                None => {
                    unwritten.get_or_insert(Unwritten::Sidecar);
                }
            }
            Ok(())
        },
    )?;
    if count == 0 {
        return Err(Failure::new(&error::BP_JSONL_EMPTY, format!("{}: no record in it", file.display())));
    }
    let spool = spool.into_inner().map_err(|error| aside_failure(error.error()))?;
    let aside = Aside { spool, source: run.source(lines.digest()) };
    Ok((tracing.finish(), unwritten.map_or(Ok(aside), Err)))
}

fn refused(index: u64, error: &WriteError) -> String {
    format!("step {index}, counted from 0: {error}")
}

fn aside_failure(error: &io::Error) -> Failure {
    Failure::of(&error::IO_ERROR, error).hint("the receipts could not be set aside in a temporary file")
}

/// Marks the receipts, judges them as they then are, and writes them. Comes back with the digest of them all.
fn write(aside: Aside, out: Option<&Path>, output: &Output) -> Result<(Trace, String), Failure> {
    let Aside { mut spool, source: marks } = aside;
    let place = Path::new("the receipts set aside");
    let mut again = || -> Result<Lines, Failure> {
        spool.rewind().map_err(|error| aside_failure(&error))?;
        let reader = spool.try_clone().map_err(|error| aside_failure(&error))?;
        Ok(Lines::of(reader))
    };
    let mut bundle = Bundle::default();
    again()?.each(
        place,
        |_, line| marks.unbound(line.bytes),
        |_, _, unbound| {
            bundle.add(&unbound);
            Ok(())
        },
    )?;
    let digest = bundle.digest();

    let mut written = match out {
        None => None,
        Some(out) => Some((out, Staged::new(out, 0o644).map_err(|error| source::failure(out, &error))?)),
    };
    let mut tracing = Tracing::default();
    again()?.each(
        place,
        |_, line| {
            let receipt = marks.bound(line.bytes, digest);
            let judged = stream::record(&receipt).map(Judged::settled);
            (receipt, judged)
        },
        |_, line, (receipt, judged)| {
            tracing.push(judged.map_err(|error| line.failure(&error))?, &receipt);
            match &mut written {
                None => output.data(&receipt),
                Some((out, staged)) => {
                    staged.write_all(&receipt).map_err(|error| source::failure(out, &error))
                }
            }
        },
    )?;
    if let Some((out, staged)) = written {
        staged.publish().map_err(|error| source::failure(out, &error))?;
    }
    Ok((tracing.finish(), digest.prefixed()))
}
