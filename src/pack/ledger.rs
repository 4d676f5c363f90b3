//! The ledger, `checksums.sha256`: `<64 lower-case hex><two spaces><path>\n`, sorted by bytes, unique.
//! `sha256sum -c checksums.sha256` works on it; the grammar is ours, and any other byte is a problem.

use std::collections::{BTreeMap, BTreeSet};

use super::path::{InvalidPath, PackPath};
use crate::digest::Digest;

/// No more problems than this are kept: a ledger of a million broken lines is as broken as one of a thousand.
pub const MAX_PROBLEMS: usize = 1000;

/// Paths and the digests of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<PackPath, Digest>);

/// How a line breaks the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Not a digest, two spaces and a path in UTF-8.
    Malformed,
    /// A path that is none of a pack.
    UnsafePath(InvalidPath),
    /// A path that an earlier line has.
    Twice,
    /// A path that belongs before the line above it.
    Unsorted,
    /// A path that a file system may take for that of an earlier line.
    CaseTwin,
    /// The last line has no line end.
    NoFinalNewline,
}

/// A line that breaks the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// How.
    pub defect: Defect,
    /// The line's text as far as it is text, for a reader.
    pub text: String,
}

impl Ledger {
    /// The ledger in these bytes, and the lines that break the grammar, at most
    /// [`MAX_PROBLEMS`] of them. A line with a digest and a sound path counts,
    /// whatever its order; where a path comes twice, the first line counts.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> (Self, Vec<Problem>) {
        let mut ledger = Self::default();
        let mut problems = Vec::new();
        let mut folded = BTreeSet::new();
        let mut last: Option<PackPath> = None;
        let body = bytes.strip_suffix(b"\n");
        let lines = body.unwrap_or(bytes).split(|byte| *byte == b'\n');
        // Empty bytes are the ledger of no files, not one empty line.
        for (index, raw) in lines.enumerate().filter(|_| !bytes.is_empty()) {
            let line = index + 1;
            let mut note = |defect| {
                if problems.len() < MAX_PROBLEMS {
                    let text = String::from_utf8_lossy(&raw[..raw.len().min(400)]).into_owned();
                    problems.push(Problem { line, defect, text });
                }
            };
            let (digest, path) = match split(raw) {
                Ok(entry) => entry,
                Err(defect) => {
                    note(defect);
                    continue;
                }
            };
            if ledger.0.contains_key(&path) {
                note(Defect::Twice);
                continue;
            }
            if last.as_ref().is_some_and(|last| path < *last) {
                note(Defect::Unsorted);
            }
            if !folded.insert(path.fold()) {
                note(Defect::CaseTwin);
            }
            last = Some(path.clone());
            ledger.0.insert(path, digest);
        }
        if body.is_none() && !bytes.is_empty() {
            let line = bytes.split(|byte| *byte == b'\n').count();
            problems.push(Problem { line, defect: Defect::NoFinalNewline, text: String::new() });
        }
        (ledger, problems)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let lines = self.0.iter().map(|(path, digest)| format!("{digest}  {path}\n"));
        lines.collect::<String>().into_bytes()
    }

    /// The digest that stands beside a path.
    #[must_use]
    pub fn digest(&self, path: &PackPath) -> Option<&Digest> {
        self.0.get(path)
    }

    /// Paths and digests in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&PackPath, &Digest)> {
        self.0.iter()
    }
}

impl FromIterator<(PackPath, Digest)> for Ledger {
    fn from_iter<T: IntoIterator<Item = (PackPath, Digest)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

fn split(raw: &[u8]) -> Result<(Digest, PackPath), Defect> {
    let text = std::str::from_utf8(raw).map_err(|_| Defect::Malformed)?;
    let (digest, rest) = text.split_at_checked(64).ok_or(Defect::Malformed)?;
    let digest = digest.parse().map_err(|_| Defect::Malformed)?;
    let path = rest.strip_prefix("  ").ok_or(Defect::Malformed)?;
    Ok((digest, path.parse().map_err(Defect::UnsafePath)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn defects(text: &str) -> Vec<(usize, Defect)> {
        Ledger::parse(text.as_bytes()).1.into_iter().map(|problem| (problem.line, problem.defect)).collect()
    }

    #[test]
    fn bytes_and_value_are_inverse() {
        let text = format!("{HEX}  a b\n{HEX}  receipts/x.jsonl\n{HEX}  z\n");
        let (ledger, problems) = Ledger::parse(text.as_bytes());
        assert_eq!((ledger.iter().count(), problems), (3, vec![]));
        assert_eq!(ledger.write(), text.as_bytes());
        assert_eq!(Ledger::parse(b""), (Ledger::default(), vec![]));
    }

    #[test]
    fn each_defect_is_found_with_its_line() {
        let unsafe_path = |reason| Defect::UnsafePath(reason);
        for (text, found) in [
            (format!("{HEX}  a"), vec![(1, Defect::NoFinalNewline)]),
            (format!("{HEX}  a\n{HEX}  a\n"), vec![(2, Defect::Twice)]),
            (format!("{HEX}  b\n{HEX}  a\n"), vec![(2, Defect::Unsorted)]),
            (format!("{HEX}  A\n{HEX}  a\n"), vec![(2, Defect::CaseTwin)]),
            (format!("{HEX}  ../a\n"), vec![(1, unsafe_path(InvalidPath::DotComponent))]),
            (format!("{HEX}  /etc/hostname\n"), vec![(1, unsafe_path(InvalidPath::EmptyComponent))]),
            (format!("{HEX}  a\r\n"), vec![(1, unsafe_path(InvalidPath::Control))]),
            (format!("{HEX}  a\u{b}\n"), vec![(1, unsafe_path(InvalidPath::Control))]),
            (format!("{HEX} *a\n"), vec![(1, Defect::Malformed)]),
            (format!("{HEX} a\n"), vec![(1, Defect::Malformed)]),
            (format!("\\{HEX}  a\n"), vec![(1, Defect::Malformed)]),
            (format!("{}  a\n", HEX.to_uppercase()), vec![(1, Defect::Malformed)]),
            (format!("\u{feff}{HEX}  a\n"), vec![(1, Defect::Malformed)]),
            (format!("{HEX}  a\n\n"), vec![(2, Defect::Malformed)]),
            ("\n".into(), vec![(1, Defect::Malformed)]),
        ] {
            assert_eq!(defects(&text), found, "{text:?}");
        }
        assert_eq!(Ledger::parse(&[0xff; 70]).1.len(), 2);
        assert_eq!(Ledger::parse(&"\n".repeat(1 << 20).into_bytes()).1.len(), MAX_PROBLEMS);
    }

    proptest::proptest! {
        #[test]
        fn bytes_without_a_problem_are_those_that_would_be_written(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            paths in proptest::collection::vec("[a-zA-Z./ é\u{301}]{0,6}", 0..4),
        ) {
            let lines: Vec<String> = paths.iter().map(|path| format!("{HEX}  {path}\n")).collect();
            for bytes in [bytes, lines.concat().into_bytes()] {
                let (ledger, problems) = Ledger::parse(&bytes);
                let case_twin = problems.iter().any(|problem| problem.defect == Defect::CaseTwin);
                proptest::prop_assert_eq!(problems.is_empty(), ledger.write() == bytes && !case_twin);
            }
        }
    }
}
