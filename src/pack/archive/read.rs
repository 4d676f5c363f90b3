//! An archive as it streams by: its names held to the same laws as those of a directory, its files one after another.

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::codec::Stop;
use super::header::{self, BLOCK, DIRECTORY, EXTENDED, FILE, Header, SPARSE};
use crate::digest::Digest;
use crate::pack::check::Limits;
use crate::pack::law::{self, Law};
use crate::pack::path::PackPath;
use crate::pack::walk::{Entry, Walk, shown, unsafe_bits};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 17;
/// Zeros that may follow the end: no program fills up to more than this.
const MAX_FILL: u64 = 1 << 20;
/// The longest pax header: a path of the layout and the words around it.
const MAX_EXTENDED_BYTES: u64 = 4096;

/// A file of an archive whose bytes come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pack) struct File {
    /// Where it lies.
    pub(in crate::pack) path: PackPath,
    /// Its length.
    pub(in crate::pack) size_bytes: u64,
}

/// The files of an archive, in its order.
pub(in crate::pack) struct Entries<R> {
    stream: R,
    limits: Limits,
    /// What was seen so far: names, and what is wrong with them.
    pub(in crate::pack) walk: Walk,
    /// Names seen, by how they are compared where case is ignored, and whether each is a directory.
    folded: BTreeMap<String, (String, bool)>,
    /// Names that an entry has, and directories that something lies in.
    named: BTreeSet<String>,
    filled: BTreeSet<String>,
    /// Bytes of the current file that were not read, and those that fill it up.
    left: u64,
    fill: u64,
    total_bytes: u64,
    ended: bool,
}

/// Why an archive is not read on.
type Broken = (&'static Law, String);

impl<R: Read> Entries<R> {
    /// The archive in these bytes.
    pub(in crate::pack) fn new(stream: R, limits: &Limits) -> Self {
        Self {
            stream,
            limits: limits.clone(),
            walk: Walk { whole: true, ..Walk::default() },
            folded: BTreeMap::new(),
            named: BTreeSet::new(),
            filled: BTreeSet::new(),
            left: 0,
            fill: 0,
            total_bytes: 0,
            ended: false,
        }
    }

    /// Goes to the next file. None at the end, or where reading on would mean nothing certain: `walk` says which.
    pub(in crate::pack) fn next(&mut self) -> Option<File> {
        if self.ended {
            return None;
        }
        let step = self.step();
        match step {
            Ok(Some(file)) => Some(file),
            Ok(None) => {
                self.ended = true;
                let directories = self.folded.values().filter(|(_, directory)| *directory);
                for (folder, _) in directories.filter(|(folder, _)| !self.filled.contains(folder)) {
                    let message = "an empty directory".to_owned();
                    self.walk.seen.push((&law::DIRECTORY_EMPTY, shown(folder), message));
                }
                None
            }
            Err(broken) => {
                self.stop(broken);
                None
            }
        }
    }

    fn stop(&mut self, (law, message): Broken) {
        self.ended = true;
        self.walk.whole = false;
        self.walk.seen.push((law, ".".to_owned(), shown(&message)));
    }

    /// The bytes of the current file. None when they cannot be read, and then nothing is read on.
    pub(in crate::pack) fn bytes(&mut self) -> Option<Vec<u8>> {
        // Room for what is announced, once it comes: a header alone gets no memory.
        let mut bytes = Vec::with_capacity(usize::try_from(self.left).unwrap_or(CHUNK).min(4 << 20));
        let read = (&mut self.stream).take(self.left).read_to_end(&mut bytes);
        let read = read.map_err(|error| broken(&error)).and_then(|count| {
            self.left -= count as u64;
            // What is missing is told by whoever asks for more.
            self.contents(|_| ())
        });
        read.map_err(|broken| self.stop(broken)).ok().map(|()| bytes)
    }

    /// The digest of the current file.
    pub(in crate::pack) fn digest(&mut self, mut sink: impl FnMut(&[u8])) -> Option<Digest> {
        let mut hasher = Sha256::new();
        self.chunks(|chunk| {
            hasher.update(chunk);
            sink(chunk);
        })?;
        Some(Digest::from_bytes(hasher.finalize().into()))
    }

    fn chunks(&mut self, sink: impl FnMut(&[u8])) -> Option<()> {
        self.contents(sink).map_err(|broken| self.stop(broken)).ok()
    }

    fn contents(&mut self, mut sink: impl FnMut(&[u8])) -> Result<(), Broken> {
        let mut buffer = vec![0; CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK))];
        while self.left > 0 {
            let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(CHUNK));
            let count = self.stream.read(&mut buffer[..wanted]).map_err(|error| broken(&error))?;
            if count == 0 {
                return Err(broken(&io::ErrorKind::UnexpectedEof.into()));
            }
            self.left -= count as u64;
            sink(&buffer[..count]);
        }
        let mut fill = [0; BLOCK];
        let fill = &mut fill[..usize::try_from(std::mem::take(&mut self.fill)).expect("less than a block")];
        self.stream.read_exact(fill).map_err(|error| broken(&error))?;
        if fill.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err((
                &law::ARCHIVE_TRAILING_DATA,
                "bytes between the end of a file and the next entry".to_owned(),
            ))
        }
    }

    fn block(&mut self) -> Result<Option<Header>, Broken> {
        let mut block = [0; BLOCK];
        self.stream.read_exact(&mut block).map_err(|error| broken(&error))?;
        header::parse(&block).map_err(|reason| (&law::ARCHIVE_MALFORMED, reason.to_owned()))
    }

    /// One step: to the next file that can be read, or the end.
    fn step(&mut self) -> Result<Option<File>, Broken> {
        loop {
            self.contents(|_| ())?;
            let Some(mut header) = self.block()? else {
                self.end()?;
                return Ok(None);
            };
            if header.kind == EXTENDED {
                header = self.extended(&header)?;
            }
            self.walk.count += 1;
            if self.walk.count > self.limits.files {
                let message = format!("more than {} names; the rest is not looked at", self.limits.files);
                return Err((&law::LIMIT_EXCEEDED, message));
            }
            if let Some(file) = self.entry(&header)? {
                return Ok(Some(file));
            }
        }
    }

    /// The header after a record that holds its path.
    fn extended(&mut self, before: &Header) -> Result<Header, Broken> {
        let refused = |what: &str| (&law::ARCHIVE_EXTENSION, what.to_owned());
        if before.size_bytes > MAX_EXTENDED_BYTES {
            return Err(refused("a pax header longer than any path"));
        }
        (self.left, self.fill) = (before.size_bytes, fill_of(before.size_bytes));
        let mut record = Vec::new();
        self.contents(|chunk| record.extend_from_slice(chunk))?;
        let path = header::extended(&record);
        let path = path.ok_or_else(|| refused("a pax header that is not one path"))?;
        match self.block()? {
            Some(header) if [FILE, DIRECTORY].contains(&header.kind) => Ok(Header { path, ..header }),
            _ => Err(refused("a pax header without a file or directory after it")),
        }
    }

    /// Holds one entry to the laws. Answers a file that can be read.
    fn entry(&mut self, header: &Header) -> Result<Option<File>, Broken> {
        let place = String::from_utf8_lossy(&header.path).into_owned();
        if header.path.len() > self.limits.path_bytes {
            let message = format!("a path over {} bytes", self.limits.path_bytes);
            return Err((&law::LIMIT_EXCEEDED, message));
        }
        let irregular: Option<(&'static Law, &str)> = match header.kind {
            FILE | DIRECTORY if header.links => Some((&law::HARD_LINK, "an entry that names another")),
            FILE | DIRECTORY => None,
            b'1' => Some((&law::HARD_LINK, "a hard link")),
            b'2' => Some((&law::SYMLINK, "a symbolic link")),
            b'3' | b'4' | b'6' => Some((&law::SPECIAL_FILE, "a device or a FIFO")),
            SPARSE => Some((&law::ARCHIVE_SPARSE, "a file with holes")),
            _ => Some((&law::ARCHIVE_EXTENSION, "an entry of another kind")),
        };
        if let Some((law, message)) = irregular {
            // What the length of such an entry means differs between programs.
            if header.size_bytes > 0 || [&law::ARCHIVE_SPARSE, &law::ARCHIVE_EXTENSION].contains(&law) {
                return Err((law, format!("{message}: {place}")));
            }
            self.note(law, &place, message);
        }
        if header.kind == DIRECTORY && header.size_bytes > 0 {
            return Err((&law::ARCHIVE_MALFORMED, format!("a directory with contents: {place}")));
        }
        let mode = u32::try_from(header.mode).unwrap_or(u32::MAX);
        // The mode of a link means nothing.
        if irregular.is_none()
            && let Some(message) = unsafe_bits(mode, header.kind == DIRECTORY)
        {
            self.note(&law::FILE_MODE, &place, message);
        }
        self.total_bytes = self.total_bytes.saturating_add(header.size_bytes);
        if self.total_bytes > self.limits.total_bytes {
            let message =
                format!("over {} bytes in all; from here on nothing is read", self.limits.total_bytes);
            return Err((&law::LIMIT_EXCEEDED, message));
        }
        (self.left, self.fill) = (header.size_bytes, fill_of(header.size_bytes));
        let text = std::str::from_utf8(&header.path).ok();
        let is_directory = header.kind == DIRECTORY;
        let text = text.map(|text| if is_directory { text.strip_suffix('/').unwrap_or(text) } else { text });
        let path = match text.map(str::parse::<PackPath>) {
            Some(Ok(path)) => path,
            Some(Err(error)) => {
                self.note(&law::FILE_NAME_UNSAFE, &place, error.to_string());
                return Ok(None);
            }
            None => {
                self.note(&law::FILE_NAME_UNSAFE, &place, "not UTF-8");
                return Ok(None);
            }
        };
        if !self.is_new(&path, is_directory)? || is_directory {
            return Ok(None);
        }
        let entry = Entry { size_bytes: header.size_bytes, regular: irregular.is_none() };
        self.walk.entries.insert(path.clone(), entry);
        Ok(irregular.is_none().then_some(File { path, size_bytes: header.size_bytes }))
    }

    /// Whether no earlier entry has this name, or one that a file system takes for it.
    fn is_new(&mut self, path: &PackPath, is_directory: bool) -> Result<bool, Broken> {
        let text = path.as_str();
        let depth = text.matches('/').count() + usize::from(is_directory);
        if depth > self.limits.depth {
            return Err((&law::LIMIT_EXCEEDED, format!("more than {} directories deep", self.limits.depth)));
        }
        for (place, _) in text.match_indices('/') {
            if self.filled.insert(text[..place].to_owned()) && !self.name(&text[..place], true, false) {
                return Ok(false);
            }
        }
        Ok(self.name(text, is_directory, true))
    }

    /// Takes a name; `named` when an entry has it, and not only lies in it.
    fn name(&mut self, text: &str, is_directory: bool, named: bool) -> bool {
        let Ok(path) = text.parse::<PackPath>() else { return false };
        let new = !named || self.named.insert(text.to_owned());
        let law = match self.folded.entry(path.fold()) {
            MapEntry::Vacant(place) => {
                place.insert((text.to_owned(), is_directory));
                return true;
            }
            MapEntry::Occupied(place) if place.get().0 == text => {
                let (_, directory) = place.get();
                if new && is_directory && *directory {
                    return true;
                }
                &law::ARCHIVE_PATH_TWICE
            }
            MapEntry::Occupied(_) => &law::FILE_NAME_CASE_TWIN,
        };
        self.note(law, text, "an earlier entry has this name, or one that differs in case alone");
        false
    }

    /// The end: a second block of zeros, and nothing but zeros after it.
    fn end(&mut self) -> Result<(), Broken> {
        if self.block()?.is_some() {
            return Err((&law::ARCHIVE_TRAILING_DATA, "an entry after a block of zeros".to_owned()));
        }
        let (mut buffer, mut fill) = ([0; 4096], 0_u64);
        loop {
            match self.stream.read(&mut buffer).map_err(|error| broken(&error))? {
                0 => return Ok(()),
                count => {
                    fill += count as u64;
                    if buffer[..count].iter().any(|byte| *byte != 0) || fill > MAX_FILL {
                        return Err((&law::ARCHIVE_TRAILING_DATA, "bytes after the end".to_owned()));
                    }
                }
            }
        }
    }

    fn note(&mut self, law: &'static Law, place: &str, message: impl AsRef<str>) {
        let place = if place.is_empty() { "." } else { place };
        self.walk.seen.push((law, shown(place), shown(message.as_ref())));
    }
}

fn fill_of(size_bytes: u64) -> u64 {
    size_bytes.next_multiple_of(BLOCK as u64) - size_bytes
}

/// The law that a stream breaks which cannot be read on.
pub(in crate::pack) fn broken(error: &io::Error) -> Broken {
    let stop = error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>());
    let law = match stop {
        Some(Stop::Source(_)) => &law::FILE_UNREADABLE,
        Some(Stop::Trailing) => &law::ARCHIVE_TRAILING_DATA,
        Some(Stop::Bomb { .. }) => &law::ARCHIVE_BOMB,
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            return (&law::ARCHIVE_CUT, "it ends before its end".to_owned());
        }
        None | Some(Stop::Unknown) => &law::ARCHIVE_MALFORMED,
    };
    (law, error.to_string())
}
