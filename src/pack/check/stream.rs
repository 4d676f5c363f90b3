//! A pack in an archive, in one pass: files are judged as they stream by, and what must wait for what comes later waits
//! in a file without a name.
//!
//! Payloads of sampled steps go to such a file as well. Memory holds the manifest, three batches of [`BATCH`] bytes, and what
//! is kept of evidence, as for a directory. A longer input is judged whole, one at a time; any other longer file is hashed as
//! it passes.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rayon::prelude::*;
use tempfile::SpooledTempFile;

use super::additions::MAX_ATTACHED_BYTES;
use super::source::{Kept, Read, Source, Task, Wanted};
use super::{Limits, MAX_SIGNER_BYTES};
use crate::digest::Digest;
use crate::handle::At;
use crate::pack::archive::{Decoder, Entries, File, broken};
use crate::pack::law::{self, Law};
use crate::pack::layout::Added;
use crate::pack::manifest::Artifact;
use crate::pack::path::PackPath;
use crate::pack::walk::{Refusal, Walk, shown};
use crate::pack::{LEDGER, MANIFEST, SEAL, SIGNER};
use crate::trust::SEAL_BYTES;

/// Bytes of files that are judged at a time.
const BATCH: usize = 4 << 20;
/// Up to so much waits in memory.
const WAITING: usize = 8 << 20;

/// Bytes of all statements together that were added after sealing; what is beyond is not read, and that is a finding.
const MAX_ADDED_BYTES: u64 = 32 << 20;

/// A pack in an archive that is read once, from its first byte to its last.
pub(super) struct Stream<R: std::io::Read> {
    reader: Option<R>,
    entries: Option<Entries<Decoder<R>>>,
    /// The file after the manifest, when it is not the seal.
    ahead: Option<File>,
    seal_is_second: bool,
    roots: BTreeMap<PackPath, Vec<u8>>,
    attached: BTreeMap<PackPath, Digest>,
    outcomes: BTreeMap<PackPath, Result<Read, Refusal>>,
    waiting: Waiting,
    aside: Aside,
}

/// Bytes that wait for what comes later in the archive.
struct Waiting {
    spool: SpooledTempFile,
    places: BTreeMap<PackPath, (u64, usize, Digest)>,
    end: u64,
    failed: Option<String>,
}

impl Waiting {
    fn new() -> Self {
        Self { spool: SpooledTempFile::new(WAITING), places: BTreeMap::new(), end: 0, failed: None }
    }

    fn put(&mut self, path: PackPath, digest: Digest, bytes: &[u8]) {
        // After a write that failed it is not known where the next one would begin.
        if self.failed.is_some() {
            return;
        }
        match self.spool.write_all(bytes) {
            Ok(()) => {
                self.places.insert(path, (self.end, bytes.len(), digest));
                self.end += bytes.len() as u64;
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }

    fn take(&mut self, path: &PackPath) -> Result<Kept, Refusal> {
        let unread = |message: String| (&law::FILE_UNREADABLE, message);
        let Some((start, length, digest)) = self.places.remove(path) else {
            return Err(unread(self.failed.clone().unwrap_or_else(|| "it was not read".to_owned())));
        };
        let mut bytes = vec![0; length];
        let read = self.spool.seek(SeekFrom::Start(start)).and_then(|_| self.spool.read_exact(&mut bytes));
        read.map_err(|error| unread(error.to_string()))?;
        Ok((digest, bytes))
    }
}

/// Payloads of sampled steps, in a file without a name: they are read at any place, once all of the archive was seen.
#[derive(Default)]
struct Aside {
    file: Option<std::fs::File>,
    places: BTreeMap<PackPath, (u64, u64)>,
    end: u64,
    failed: Option<String>,
}

impl Aside {
    fn begin(&mut self) {
        if self.file.is_none() && self.failed.is_none() {
            match tempfile::tempfile() {
                Ok(file) => self.file = Some(file),
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
    }

    fn write(&mut self, chunk: &[u8]) {
        if let (Some(file), None) = (&mut self.file, &self.failed) {
            self.failed = file.write_all(chunk).err().map(|error| error.to_string());
        }
    }

    fn end(&mut self, path: PackPath, size_bytes: u64) {
        self.places.insert(path, (self.end, size_bytes));
        self.end += size_bytes;
    }

    fn payload(&self, path: &PackPath) -> Result<At, Refusal> {
        let unread = |message: String| (&law::FILE_UNREADABLE, message);
        let (Some(file), Some((begin, size_bytes)), None) = (&self.file, self.places.get(path), &self.failed)
        else {
            return Err(unread(self.failed.clone().unwrap_or_else(|| "it was not read".to_owned())));
        };
        let file = file.try_clone().map_err(|error| unread(error.to_string()))?;
        Ok(At::part(file, *begin, *size_bytes))
    }
}

/// A file on its way from the archive to whoever judges it.
enum Item {
    Whole(PackPath, Vec<u8>),
    Hashed(PackPath, Digest),
}

impl<R: std::io::Read> Stream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: Some(reader),
            entries: None,
            ahead: None,
            seal_is_second: false,
            roots: BTreeMap::new(),
            attached: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            waiting: Waiting::new(),
            aside: Aside::default(),
        }
    }
}

fn known(name: &str) -> PackPath {
    PackPath::known(name)
}

impl<R: std::io::Read + Send> Source for Stream<R> {
    fn begin(&mut self, limits: &Limits) -> Walk {
        let stopped = |law: &'static Law, message: &str| Walk {
            seen: vec![(law, ".".to_owned(), shown(message))],
            ..Walk::default()
        };
        let Some(reader) = self.reader.take() else { return Walk::default() };
        let decoder = match Decoder::new(reader) {
            Ok(decoder) => decoder,
            Err(error) => {
                let (law, message) = broken(&error);
                return stopped(law, &message);
            }
        };
        let mut entries = Entries::new(decoder, limits);
        let first = entries.next();
        match first {
            Some(file) if file.path == known(MANIFEST) => {
                if file.size_bytes > limits.index_bytes {
                    let message =
                        format!("{} bytes long, over the limit of {}", file.size_bytes, limits.index_bytes);
                    return stopped(&law::LIMIT_EXCEEDED, &message);
                }
                if let Some(bytes) = entries.bytes() {
                    self.roots.insert(file.path, bytes);
                }
            }
            Some(file) => {
                return stopped(&law::ARCHIVE_ORDER, &format!("{} comes first", file.path));
            }
            None => {}
        }
        self.ahead = if entries.walk.whole { entries.next() } else { None };
        if let Some(file) = self.ahead.take_if(|file| file.path == known(SEAL)) {
            self.seal_is_second = true;
            if file.size_bytes <= SEAL_BYTES as u64
                && let Some(bytes) = entries.bytes()
            {
                self.roots.insert(file.path, bytes);
            }
        }
        let mut walk = entries.walk.clone();
        if let Some(file) = &self.ahead {
            // It is named once it is read.
            walk.entries.remove(&file.path);
        }
        walk.on_the_way = true;
        self.entries = Some(entries);
        walk
    }

    fn go_on(&mut self, wanted: Option<&Wanted>, limits: &Limits) -> Option<Walk> {
        let mut entries = self.entries.take()?;
        let ahead = self.ahead.take();
        let (send, receive) = sync_channel::<Vec<Item>>(1);
        let aside = Aside::default();
        let feeder =
            Feeder { wanted, limits, send, batch: Vec::new(), bytes: 0, added: MAX_ADDED_BYTES, aside };
        let (entries, aside) = thread::scope(|scope| {
            let feeding = scope.spawn(move || {
                let aside = feeder.feed(&mut entries, ahead);
                (entries, aside)
            });
            for batch in receive {
                self.take(batch, wanted);
            }
            feeding.join().expect("reading an archive panics nowhere")
        });
        self.aside = aside;
        let mut walk = entries.walk;
        if walk.entries.contains_key(&known(SEAL)) && !self.seal_is_second {
            walk.seen.push((&law::ARCHIVE_ORDER, SEAL.to_owned(), "not the second entry".to_owned()));
        }
        Some(walk)
    }

    fn root(&self, path: &PackPath, _: u64) -> Result<Vec<u8>, Refusal> {
        self.roots.get(path).cloned().ok_or_else(|| (&law::FILE_UNREADABLE, "it was not read".to_owned()))
    }

    fn attached(&self, path: &PackPath, _: u64) -> Result<Digest, Refusal> {
        self.attached.get(path).copied().ok_or_else(|| (&law::FILE_UNREADABLE, "it was not read".to_owned()))
    }

    fn payload(&mut self, path: &PackPath) -> Result<At, Refusal> {
        self.aside.payload(path)
    }

    fn sealed(&mut self, files: &[(&PackPath, &Artifact)], task: &Task) -> Vec<Result<Read, Refusal>> {
        let mut done = Vec::with_capacity(files.len());
        let mut batch: Vec<(&PackPath, &Artifact, Kept)> = Vec::new();
        let mut bytes = 0;
        for (path, artifact) in files {
            if let Some(outcome) = self.outcomes.remove(path) {
                done.push((*path, outcome));
                continue;
            }
            match self.waiting.take(path) {
                Ok(kept) => {
                    bytes += kept.1.len();
                    batch.push((*path, *artifact, kept));
                    if bytes >= BATCH {
                        judge(std::mem::take(&mut batch), task, &mut done);
                        bytes = 0;
                    }
                }
                Err(refusal) => done.push((*path, Err(refusal))),
            }
        }
        judge(batch, task, &mut done);
        let mut done: BTreeMap<&PackPath, Result<Read, Refusal>> = done.into_iter().collect();
        let missing = || Err((&law::FILE_UNREADABLE, "it was not read".to_owned()));
        files.iter().map(|(path, _)| done.remove(*path).unwrap_or_else(missing)).collect()
    }
}

fn judge<'a>(
    batch: Vec<(&'a PackPath, &Artifact, Kept)>,
    task: &Task,
    done: &mut Vec<(&'a PackPath, Result<Read, Refusal>)>,
) {
    let judged = batch.into_par_iter().map(|(path, artifact, kept)| (path, task.take(path, artifact, kept)));
    done.extend(judged.collect::<Vec<_>>());
}

impl<R: std::io::Read> Stream<R> {
    /// Judges a batch, or sets it aside.
    fn take(&mut self, batch: Vec<Item>, wanted: Option<&Wanted>) {
        enum Done {
            Outcome(PackPath, Result<Read, Refusal>),
            Wait(PackPath, Kept),
            Root(PackPath, Vec<u8>),
            Attached(PackPath, Digest),
        }
        let done = |item: Item| {
            let (path, digest, bytes) = match item {
                Item::Whole(path, bytes) => (path, Digest::of(&bytes), bytes),
                Item::Hashed(path, digest) => (path, digest, Vec::new()),
            };
            let sealed = wanted.and_then(|wanted| Some((wanted, wanted.expected.get(&path)?)));
            match sealed {
                Some((wanted, _)) if wanted.waits && wanted.task.keeps(&path) => {
                    vec![Done::Wait(path, (digest, bytes))]
                }
                Some((wanted, artifact)) => {
                    let root = is_root(&path).then(|| Done::Root(path.clone(), bytes.clone()));
                    let bytes = if wanted.task.keeps(&path) { bytes } else { Vec::new() };
                    let outcome = wanted.task.take(&path, artifact, (digest, bytes));
                    root.into_iter().chain([Done::Outcome(path, outcome)]).collect()
                }
                None if Added::of(&path) == Some(Added::SignOffFile) => vec![Done::Attached(path, digest)],
                None => vec![Done::Root(path, bytes)],
            }
        };
        let done: Vec<Vec<Done>> = batch.into_par_iter().map(done).collect();
        for done in done.into_iter().flatten() {
            match done {
                Done::Outcome(path, outcome) => {
                    self.outcomes.insert(path, outcome);
                }
                Done::Wait(path, (digest, bytes)) => self.waiting.put(path, digest, &bytes),
                Done::Root(path, bytes) => {
                    self.roots.insert(path, bytes);
                }
                Done::Attached(path, digest) => {
                    self.attached.insert(path, digest);
                }
            }
        }
    }
}

/// Whether a file is read before anything is trusted, in a directory.
fn is_root(path: &PackPath) -> bool {
    [LEDGER, SIGNER, SEAL].contains(&path.as_str())
}

/// Reads the archive, and hands its files on in batches.
struct Feeder<'a> {
    wanted: Option<&'a Wanted>,
    limits: &'a Limits,
    send: SyncSender<Vec<Item>>,
    batch: Vec<Item>,
    bytes: usize,
    /// Bytes of added statements that are still kept.
    added: u64,
    aside: Aside,
}

impl Feeder<'_> {
    fn feed<R: std::io::Read>(mut self, entries: &mut Entries<Decoder<R>>, ahead: Option<File>) -> Aside {
        let mut next = ahead;
        while let Some(file) = next.take().or_else(|| entries.next()) {
            if self.file(entries, file).is_none() {
                break;
            }
        }
        self.flush();
        self.aside
    }

    /// None when the archive cannot be read on.
    fn file<R: std::io::Read>(&mut self, entries: &mut Entries<Decoder<R>>, file: File) -> Option<()> {
        let artifact = self.wanted.and_then(|wanted| wanted.expected.get(&file.path));
        let limit = match file.path.as_str() {
            LEDGER => self.limits.index_bytes,
            SIGNER => MAX_SIGNER_BYTES,
            SEAL => SEAL_BYTES as u64,
            _ => 0,
        };
        let evidence = self.wanted.is_some_and(|wanted| wanted.task.keeps(&file.path));
        let sealed = artifact.is_some_and(|artifact| artifact.size_bytes == file.size_bytes)
            && file.size_bytes <= self.limits.of(evidence);
        let mut root = is_root(&file.path) && file.size_bytes <= limit;
        let added = if artifact.is_none() { Added::of(&file.path) } else { None };
        let attached = added == Some(Added::SignOffFile) && file.size_bytes <= MAX_ATTACHED_BYTES;
        if added.is_some_and(|added| added != Added::SignOffFile) && file.size_bytes <= self.added {
            (root, self.added) = (true, self.added - file.size_bytes);
        }
        if !sealed && !root && !attached {
            // The checker has a finding for it, or says that it was not read.
            return Some(());
        }
        let keeps = root || evidence;
        let item = if self.wanted.is_some_and(|wanted| wanted.task.sets_aside(&file.path)) {
            self.aside.begin();
            let digest = entries.digest(|chunk| self.aside.write(chunk))?;
            self.aside.end(file.path.clone(), file.size_bytes);
            Item::Hashed(file.path, digest)
        } else if keeps || file.size_bytes < BATCH as u64 {
            let bytes = entries.bytes()?;
            self.bytes += bytes.len();
            Item::Whole(file.path, bytes)
        } else {
            Item::Hashed(file.path, entries.digest(|_| ())?)
        };
        self.batch.push(item);
        if self.bytes >= BATCH {
            self.flush();
        }
        Some(())
    }

    fn flush(&mut self) {
        self.bytes = 0;
        // Whoever judges is there as long as there is something to judge.
        let _ = self.send.send(std::mem::take(&mut self.batch));
    }
}
