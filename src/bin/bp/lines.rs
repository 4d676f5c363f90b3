//! The lines of a file, some at a time: enough to keep every core busy, few enough to hold.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::verify::read::{MAX_RECORD_BYTES, ReadError};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::source;

/// Lines judged at once.
const LINES: usize = 64;

/// Bytes judged at once, unless one record alone has more.
const BYTES: usize = 2 << 20;

/// A line and where it stands.
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    /// Counted from 1.
    number: u64,
    /// Of its first byte.
    offset: u64,
}

impl Line {
    /// Why it cannot be judged, with its place.
    pub(crate) fn failure(&self, error: &ReadError) -> Failure {
        let message = format!("line {}, which begins at byte {}: {error}", self.number, self.offset);
        let code = match (error, error::code(error.code())) {
            (ReadError::TooLarge { .. } | ReadError::Refused(_), Some(code)) => code,
            _ => &error::BP_JSONL_PARSE_ERROR,
        };
        Failure::new(code, message)
    }
}

/// The lines of a file that are not blank.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    offset: u64,
    hasher: Option<Sha256>,
}

impl Lines {
    /// Of a file, or of standard input for `-`.
    pub(crate) fn open(file: &Path) -> Result<Self, Failure> {
        if file == Path::new("-") {
            return Ok(Self::of(BufReader::new(io::stdin())));
        }
        let opened = File::open(file).map_err(|error| source::failure(file, &error))?;
        Ok(Self::of(BufReader::with_capacity(1 << 20, opened)))
    }

    /// Of a reader.
    pub(crate) fn of(reader: impl BufRead + Send + 'static) -> Self {
        Self { reader: Box::new(reader), number: 0, offset: 0, hasher: None }
    }

    /// Digests all bytes read, blank lines too.
    pub(crate) fn digesting(self) -> Self {
        Self { hasher: Some(Sha256::new()), ..self }
    }

    /// The digest of all bytes read; of none, unless they were digested.
    pub(crate) fn digest(self) -> Digest {
        Digest::from_bytes(self.hasher.unwrap_or_default().finalize().into())
    }

    /// Puts every line to `judge`, with its place counted from 0, and hands what comes of it to `take`, in order. Lines are
    /// judged on all cores, while those before are taken and those behind are read. Comes back with their number.
    pub(crate) fn each<T: Send>(
        &mut self,
        file: &Path,
        judge: impl Fn(u64, &Line) -> T + Sync,
        mut take: impl FnMut(u64, Line, T) -> Result<(), Failure> + Send,
    ) -> Result<u64, Failure> {
        let mut judged: Vec<(u64, Line, T)> = Vec::new();
        let mut unjudged = self.batch(file)?;
        let mut count = 0;
        while !unjudged.is_empty() || !judged.is_empty() {
            let first = count;
            count += unjudged.len() as u64;
            let all = |lines: Vec<Line>| -> Vec<_> {
                let one = |(place, line): (usize, Line)| {
                    let index = first + place as u64;
                    let judged = judge(index, &line);
                    (index, line, judged)
                };
                lines.into_par_iter().enumerate().map(one).collect()
            };
            let before = std::mem::take(&mut judged);
            let (taken, (next, after)) = rayon::join(
                || before.into_iter().try_for_each(|(index, line, judged)| take(index, line, judged)),
                || rayon::join(|| self.batch(file), || all(unjudged)),
            );
            taken?;
            judged = after;
            unjudged = match next {
                Ok(next) => next,
                Err(error) => {
                    // What is wrong with a line before is said first.
                    judged.into_iter().try_for_each(|(index, line, judged)| take(index, line, judged))?;
                    return Err(error);
                }
            };
        }
        Ok(count)
    }

    /// The next lines to judge at once; none at the end.
    fn batch(&mut self, file: &Path) -> Result<Vec<Line>, Failure> {
        let mut batch = Vec::new();
        let mut held = 0;
        while batch.len() < LINES && held < BYTES {
            let mut bytes = Vec::new();
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
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes);
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            held += bytes.len();
            batch.push(Line { bytes, number, offset });
        }
        Ok(batch)
    }
}
