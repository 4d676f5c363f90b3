//! `verify multi`: a trace, one receipt per line, in one pass and constant memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use bp::error::{self, Failure};
use bp::report::{Outcome, text, verdict};
use bp::verify::read::MAX_RECORD_BYTES;
use bp::verify::stream::{self, Tracing};
use rayon::prelude::*;
use serde_json::json;

use crate::Run;
use crate::cli::Strictness;
use crate::output::Output;
use crate::source;

/// Lines judged at once: enough to keep every core busy, few enough to hold.
const LINES: usize = 256;

/// Bytes judged at once, unless one record alone has more; as many again are read meanwhile.
const BYTES: usize = 4 << 20;

/// A line and where it stands.
struct Line {
    bytes: Vec<u8>,
    /// Counted from 1.
    number: u64,
    /// Of its first byte.
    offset: u64,
}

pub(crate) fn verify(file: &Path, strictness: Strictness, output: &Output) -> Run {
    let mut tracing = Tracing::default();
    let mut canonical = true;
    let mut lines = Lines::open(file)?;
    let mut batch = lines.batch(file)?;
    while !batch.is_empty() {
        let judge = || -> Vec<_> { batch.par_iter().map(|line| stream::record(&line.bytes)).collect() };
        let (next, judged) = rayon::join(|| lines.batch(file), judge);
        for (line, judged) in batch.iter().zip(judged) {
            let judged = judged.map_err(|error| {
                let message = format!("line {}, which begins at byte {}: {error}", line.number, line.offset);
                let code = match error::code(error.code()) {
                    Some(code) if *code == error::INPUT_TOO_LARGE => code,
                    _ => &error::BP_JSONL_PARSE_ERROR,
                };
                Failure::new(code, message)
            })?;
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
        output.say(&text::render_trace(&trace, output.verbose));
        if strictness.canonical && !canonical {
            output.say("[FAIL] canonical: a record's bytes are not its canonical bytes");
        }
    }
    Ok(u8::from(!ok))
}

/// The lines of a file that are not blank.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    offset: u64,
    /// Bytes of the one before, within reason: records of a trace are of a size.
    expected: usize,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, Failure> {
        let reader: Box<dyn BufRead + Send> = if file == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let opened = File::open(file).map_err(|error| source::failure(file, &error))?;
            Box::new(BufReader::with_capacity(1 << 20, opened))
        };
        Ok(Self { reader, number: 0, offset: 0, expected: 0 })
    }

    fn batch(&mut self, file: &Path) -> Result<Vec<Line>, Failure> {
        let mut batch = Vec::new();
        let mut held = 0;
        while batch.len() < LINES && held < BYTES {
            let mut bytes = Vec::with_capacity(self.expected);
            let limit = MAX_RECORD_BYTES as u64 + 2;
            let read = io::Read::take(&mut self.reader, limit)
                .read_until(b'\n', &mut bytes)
                .map_err(|error| source::failure(file, &error))?;
            if read == 0 {
                break;
            }
            let (number, offset) = (self.number + 1, self.offset);
            self.number = number;
            self.offset += read as u64;
            self.expected = read.min(1 << 20);
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            held += bytes.len();
            batch.push(Line { bytes, number, offset });
        }
        Ok(batch)
    }
}
