//! The lines of a file, a block at a time: enough to keep every core busy, few enough to hold.

use std::fs::File;
use std::io::{self, BufRead as _, Read};
use std::ops::Range;
use std::path::Path;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::verify::read::{MAX_RECORD_BYTES, ReadError};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::source;

/// Bytes judged at once, unless one record alone has more.
const BYTES: usize = 2 << 20;

/// What is longer is no record, whatever comes after it.
const LIMIT: usize = MAX_RECORD_BYTES + 2;

/// A line and where it stands.
pub(crate) struct Line<'a> {
    pub(crate) bytes: &'a [u8],
    place: &'a Place,
}

/// Where a line stands.
struct Place {
    /// In its block.
    range: Range<usize>,
    /// Counted from 1.
    number: u64,
    /// Of its first byte.
    offset: u64,
}

/// Lines judged at once. Its memory is used again.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    lines: Vec<Place>,
}

impl Block {
    fn line(&self, index: usize) -> Line<'_> {
        let place = &self.lines[index];
        Line { bytes: &self.bytes[place.range.clone()], place }
    }
}

/// A block of which every line was judged, and the place of its first line.
struct Judged<T> {
    block: Block,
    first: u64,
    outcomes: Vec<T>,
}

impl<T> Judged<T> {
    fn take(self, mut take: impl FnMut(u64, Line<'_>, T) -> Result<(), Failure>) -> Result<Block, Failure> {
        for (index, outcome) in self.outcomes.into_iter().enumerate() {
            take(self.first + index as u64, self.block.line(index), outcome)?;
        }
        Ok(self.block)
    }
}

impl Line<'_> {
    /// Why it cannot be judged, with its place.
    pub(crate) fn failure(&self, error: &ReadError) -> Failure {
        let Place { number, offset, .. } = self.place;
        let message = format!("line {number}, which begins at byte {offset}: {error}");
        let code = match (error, error::code(error.code())) {
            (ReadError::TooLarge { .. } | ReadError::Refused(_), Some(code)) => code,
            _ => &error::BP_JSONL_PARSE_ERROR,
        };
        Failure::new(code, message)
    }
}

/// The lines of a file that are not blank.
pub(crate) struct Lines {
    reader: Box<dyn Read + Send>,
    number: u64,
    offset: u64,
    hasher: Option<Sha256>,
    /// The beginning of a line whose end is not read.
    rest: Vec<u8>,
    spare: Vec<Block>,
}

impl Lines {
    /// Of a file, or of standard input for `-`.
    pub(crate) fn open(file: &Path) -> Result<Self, Failure> {
        if file == Path::new("-") {
            return Ok(Self::of(io::stdin()));
        }
        let opened = File::open(file).map_err(|error| source::failure(file, &error))?;
        Ok(Self::of(opened))
    }

    /// Of a reader.
    pub(crate) fn of(reader: impl Read + Send + 'static) -> Self {
        let reader = Box::new(reader);
        Self { reader, number: 0, offset: 0, hasher: None, rest: Vec::new(), spare: Vec::new() }
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
        judge: impl Fn(u64, &Line<'_>) -> T + Sync,
        mut take: impl FnMut(u64, Line<'_>, T) -> Result<(), Failure> + Send,
    ) -> Result<u64, Failure> {
        let mut judged: Option<Judged<T>> = None;
        let mut unjudged = self.block(file)?;
        let mut count = 0;
        while unjudged.is_some() || judged.is_some() {
            let first = count;
            count += unjudged.as_ref().map_or(0, |block| block.lines.len() as u64);
            let all = |block: Block| {
                let one = |index| judge(first + index as u64, &block.line(index));
                let outcomes = (0..block.lines.len()).into_par_iter().map(one).collect();
                Judged { block, first, outcomes }
            };
            let before = judged.take();
            let (taken, (next, after)) = rayon::join(
                || before.map(|before| before.take(&mut take)).transpose(),
                || rayon::join(|| self.block(file), || unjudged.map(all)),
            );
            self.spare.extend(taken?);
            judged = after;
            unjudged = match next {
                Ok(next) => next,
                Err(error) => {
                    // What is wrong with a line before is said first.
                    judged.map(|judged| judged.take(&mut take)).transpose()?;
                    return Err(error);
                }
            };
        }
        Ok(count)
    }

    /// The next lines to judge at once; none at the end.
    fn block(&mut self, file: &Path) -> Result<Option<Block>, Failure> {
        let mut block = self.spare.pop().unwrap_or_default();
        block.lines.clear();
        while block.lines.is_empty() {
            let end = self.fill(&mut block.bytes).map_err(|error| source::failure(file, &error))?;
            if end == 0 {
                return Ok(None);
            }
            let read = &block.bytes[..end];
            if let Some(hasher) = &mut self.hasher {
                hasher.update(read);
            }
            let (mut begin, mut after) = (0, read);
            while !after.is_empty() {
                let length = after.skip_until(b'\n').map_err(|error| source::failure(file, &error))?;
                let range = begin..begin + length;
                begin = range.end;
                self.number += 1;
                if !read[range.clone()].iter().all(u8::is_ascii_whitespace) {
                    let offset = self.offset + range.start as u64;
                    block.lines.push(Place { range, number: self.number, offset });
                }
            }
            self.offset += end as u64;
        }
        Ok(Some(block))
    }

    /// Reads whole lines, and more only of one that is longer than a record. Answers where they end; at 0 nothing is left.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let mut filled = self.rest.len();
        bytes.resize(bytes.len().max(BYTES).max(filled), 0);
        bytes[..filled].copy_from_slice(&self.rest);
        self.rest.clear();
        let mut end = 0;
        loop {
            if filled == bytes.len() {
                if end > 0 {
                    break;
                }
                if filled > LIMIT {
                    end = filled;
                    break;
                }
                bytes.resize((2 * filled).min(LIMIT + 1), 0);
            }
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => {
                    end = filled;
                    break;
                }
                Ok(count) => {
                    let newline = bytes[filled..filled + count].iter().rposition(|byte| *byte == b'\n');
                    end = newline.map_or(end, |at| filled + at + 1);
                    filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.rest.extend_from_slice(&bytes[end..filled]);
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A reader that gives so many bytes at a time.
    struct Slow(Vec<u8>, usize, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len() - self.2);
            buffer[..count].copy_from_slice(&self.0[self.2..self.2 + count]);
            self.2 += count;
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], at_once: usize) -> Vec<(u64, Vec<u8>, u64, u64)> {
        let mut lines = Lines::of(Slow(bytes.to_vec(), at_once, 0)).digesting();
        let mut all = Vec::new();
        let count = lines.each(
            Path::new("file"),
            |index, line| (index, line.bytes.to_vec()),
            |index, line, (judged, bytes)| {
                assert_eq!((index, line.bytes), (judged, bytes.as_slice()));
                all.push((index, bytes, line.place.number, line.place.offset));
                Ok(())
            },
        );
        assert_eq!((count.unwrap(), lines.digest()), (all.len() as u64, Digest::of(bytes)));
        all
    }

    #[test]
    fn every_line_comes_whole_in_order_with_its_place_however_it_is_read() {
        let mut bytes = b"a\n\n  \nbc\n".to_vec();
        let mut expected = vec![(0, b"a\n".to_vec(), 1, 0), (1, b"bc\n".to_vec(), 4, 6)];
        // Lines that fill blocks, exceed one, and end beside the end of one.
        for (number, length) in [(5, BYTES - 10), (6, 10), (7, 3 * BYTES), (8, 1), (9, BYTES - 1)] {
            let line = [vec![b'x'; length], b"\n".to_vec()].concat();
            expected.push((number - 3, line.clone(), number, bytes.len() as u64));
            bytes.extend_from_slice(&line);
        }
        expected.push((7, b"end".to_vec(), 10, bytes.len() as u64));
        bytes.extend_from_slice(b"end");
        for at_once in [BYTES / 7, BYTES, usize::MAX] {
            assert!(lines(&bytes, at_once) == expected, "{at_once} bytes at once");
        }
        assert_eq!(lines(b"", 1), []);
        assert_eq!(lines(b"\n \n", 1), []);
        assert_eq!(lines(b"x", 1), [(0, b"x".to_vec(), 1, 0)]);
    }
}
