//! Writing an archive: each file of a pack is read once, by handle, and held against the manifest on its way.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use cap_std::fs::Dir;
use rayon::prelude::*;

use super::codec::{Codec, Encoder};
use super::header::{self, BLOCK, MAX_SIZE_BYTES};
use crate::digest::Digest;
use crate::pack::check::Limits;
use crate::pack::layout::Added;
use crate::pack::manifest::{Artifact, ManifestError, PackId, Statement, Unsealed};
use crate::pack::path::PackPath;
use crate::pack::walk::{self, Refusal, Walk};
use crate::pack::{LEDGER, MANIFEST, SEAL};
use crate::persist::Staged;

/// Bytes of files that are read at a time; a longer one goes alone.
const BATCH: u64 = 2 << 20;

/// Batches that wait to be packed while the next one is read.
const WAITING: usize = 2;

/// A pack that no archive is made of.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such directory, or it cannot be opened.
    #[error("{path}: {source}", path = path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What lies there is not a whole pack.
    #[error("{place}: {message} ({code})")]
    Unsound {
        /// The law that is broken.
        code: &'static str,
        /// Where.
        place: String,
        /// What is seen there.
        message: String,
    },
    /// The manifest cannot be read.
    #[error("manifest.json: {0}")]
    Manifest(ManifestError),
    /// A file of that name exists.
    #[error("{path}: exists already, and an archive is never overwritten", path = .0.display())]
    Exists(PathBuf),
    /// The archive could not be written.
    #[error("{path}: {source}", path = path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<(PackPath, Refusal)> for ArchiveError {
    fn from((path, (law, message)): (PackPath, Refusal)) -> Self {
        Self::Unsound { code: law.code, place: path.to_string(), message }
    }
}

/// An archive that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length.
    pub size_bytes: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The pack in it.
    pub pack_id: PackId,
    /// The pack's identity.
    pub manifest_sha256: Digest,
}

/// Writes a pack as an archive into a new file, whole or not at all.
///
/// # Errors
/// [`ArchiveError`].
pub fn create(pack: &Path, file: &Path, codec: Codec, limits: &Limits) -> Result<Written, ArchiveError> {
    if file.symlink_metadata().is_ok() {
        return Err(ArchiveError::Exists(file.to_owned()));
    }
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => ArchiveError::Exists(file.to_owned()),
        _ => ArchiveError::Write { path: file.to_owned(), source },
    };
    let mut staged = Staged::new(file, 0o644).map_err(refused)?;
    let written = write(pack, &mut staged, codec, limits).map_err(|error| match error {
        ArchiveError::Write { source, .. } => refused(source),
        other => other,
    })?;
    staged.publish_new().map_err(refused)?;
    Ok(written)
}

/// Writes a pack as an archive.
///
/// # Errors
/// [`ArchiveError`].
pub fn write(
    pack: &Path,
    out: impl Write + Send,
    codec: Codec,
    limits: &Limits,
) -> Result<Written, ArchiveError> {
    let dir =
        crate::handle::root(pack).map_err(|source| ArchiveError::Open { path: pack.to_owned(), source })?;
    let mut walk = Walk::of(&dir, limits);
    if let Some((law, place, message)) = walk.seen.drain(..).next() {
        return Err(ArchiveError::Unsound { code: law.code, place, message });
    }
    let manifest = root(&dir, &walk, MANIFEST, limits)?;
    let unsealed = Unsealed::parse(manifest.clone()).map_err(ArchiveError::Manifest)?;
    let statement = unsealed.claim();
    let members = members(&walk, statement)?;
    let mtime = u64::try_from(statement.created_at.unix_seconds()).unwrap_or(0);
    let (send, receive) = sync_channel::<Vec<Vec<u8>>>(WAITING);
    let (fed, packed) = thread::scope(|scope| {
        let packer = scope.spawn(move || -> io::Result<(u64, Digest)> {
            let mut encoder = Encoder::new(codec, Measured::new(out))?;
            for chunk in receive.into_iter().flatten() {
                encoder.write_all(&chunk)?;
            }
            let measured = encoder.finish()?;
            Ok(measured.sum())
        });
        let feeder = Feeder { dir: &dir, mtime, send };
        let fed = feeder.feed(&manifest, &members);
        (fed, packer.join().expect("writing an archive panics nowhere"))
    });
    // Without a packer nothing can be fed, so its error is the one that counts.
    let (size_bytes, sha256) =
        packed.map_err(|source| ArchiveError::Write { path: pack.to_owned(), source })?;
    fed?;
    Ok(Written { size_bytes, sha256, pack_id: statement.pack_id.clone(), manifest_sha256: unsealed.digest() })
}

/// A small file that is taken as it is.
fn root(dir: &Dir, walk: &Walk, name: &str, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    let unsound =
        |message: String| ArchiveError::Unsound { code: "FILE_MISSING", place: name.to_owned(), message };
    let path: PackPath = name.parse().expect("names of the layout are sound");
    let entry = walk.entries.get(&path).ok_or_else(|| unsound("there is none".to_owned()))?;
    if entry.size_bytes > limits.index_bytes {
        return Err(unsound(format!("over {} bytes long", limits.index_bytes)));
    }
    let read = walk::read(dir, &path, entry.size_bytes, true);
    read.map(|(_, bytes)| bytes).map_err(|refusal| (path, refusal).into())
}

/// A file that goes into the archive after the manifest: its length, and its digest where it is sealed.
struct Member {
    path: PackPath,
    size_bytes: u64,
    sha256: Option<Digest>,
}

/// Everything but the manifest: the seal, then all others by path. What lies in the pack and is none of it refuses.
fn members(walk: &Walk, statement: &Statement) -> Result<Vec<Member>, ArchiveError> {
    let known = |name: &str| name.parse::<PackPath>().expect("names of the layout are sound");
    let mut members = Vec::new();
    let roots = statement.key_id().map(|_| SEAL).into_iter().chain([LEDGER]);
    let mut wanted: Vec<(PackPath, Option<&Artifact>)> = roots.map(|name| (known(name), None)).collect();
    wanted.extend(statement.artifacts.iter().map(|artifact| (artifact.path.clone(), Some(artifact))));
    // What was added after sealing travels too.
    let added = walk.entries.keys().filter(|path| Added::of(path).is_some());
    let added: Vec<PackPath> =
        added.filter(|path| !wanted.iter().any(|(sealed, _)| sealed == *path)).cloned().collect();
    wanted.extend(added.into_iter().map(|path| (path, None)));
    let names: BTreeSet<&PackPath> = wanted.iter().map(|(path, _)| path).collect();
    let unsound = |code: &'static str, path: &PackPath, message: &str| ArchiveError::Unsound {
        code,
        place: path.to_string(),
        message: message.to_owned(),
    };
    let manifest = known(MANIFEST);
    if let Some(path) = walk.entries.keys().find(|path| **path != manifest && !names.contains(path)) {
        return Err(unsound("FILE_UNEXPECTED", path, "not among the sealed files"));
    }
    if names.len() != wanted.len() || names.contains(&manifest) {
        return Err(unsound("MANIFEST_ARTIFACTS_UNSOUND", &manifest, "a file is listed twice"));
    }
    for (path, artifact) in &wanted {
        let entry =
            walk.entries.get(path).ok_or_else(|| unsound("FILE_MISSING", path, "sealed, and not there"))?;
        if artifact.is_some_and(|artifact| artifact.size_bytes != entry.size_bytes) {
            return Err(unsound("FILE_SIZE_MISMATCH", path, "not as long as it was sealed"));
        }
        if entry.size_bytes > MAX_SIZE_BYTES {
            return Err(unsound("LIMIT_EXCEEDED", path, "longer than an archive's header can say"));
        }
        let sha256 = artifact.map(|artifact| artifact.sha256);
        members.push(Member { path: path.clone(), size_bytes: entry.size_bytes, sha256 });
    }
    let seal = known(SEAL);
    members.sort_by(|one, other| (one.path != seal, &one.path).cmp(&(other.path != seal, &other.path)));
    Ok(members)
}

/// Brings files, in their order, to the one that packs them.
struct Feeder<'a> {
    dir: &'a Dir,
    mtime: u64,
    send: SyncSender<Vec<Vec<u8>>>,
}

impl Feeder<'_> {
    fn feed(self, manifest: &[u8], members: &[Member]) -> Result<(), ArchiveError> {
        let mut folders = BTreeSet::new();
        self.send(vec![self.entry(MANIFEST, manifest)]);
        let mut rest = members;
        while let Some(first) = rest.first() {
            if first.size_bytes > BATCH {
                self.send(self.announced(&first.path, &mut folders));
                self.long(first)?;
                rest = &rest[1..];
                continue;
            }
            let mut bytes = 0;
            let count = rest.iter().take_while(|member| {
                bytes += member.size_bytes;
                bytes <= BATCH
            });
            let (batch, after) = rest.split_at(count.count().max(1));
            let read = |member: &Member| {
                let kept = walk::read(self.dir, &member.path, member.size_bytes, true);
                let (digest, bytes) = kept.map_err(|refusal| (member.path.clone(), refusal))?;
                sealed(member, &digest)?;
                Ok(self.entry(member.path.as_str(), &bytes))
            };
            let blocks: Vec<Result<Vec<u8>, ArchiveError>> = batch.par_iter().map(read).collect();
            let mut chunks = Vec::with_capacity(blocks.len());
            for (member, blocks) in batch.iter().zip(blocks) {
                chunks.extend(self.announced(&member.path, &mut folders));
                chunks.push(blocks?);
            }
            self.send(chunks);
            rest = after;
        }
        self.send(vec![vec![0; 2 * BLOCK]]);
        Ok(())
    }

    /// The folders that a path lies in and that nothing lay in before.
    fn announced(&self, path: &PackPath, folders: &mut BTreeSet<String>) -> Vec<Vec<u8>> {
        let within = path.as_str().match_indices('/').map(|(place, _)| &path.as_str()[..=place]);
        let new = within.filter(|folder| folders.insert((*folder).to_owned()));
        new.map(|folder| header::blocks(folder, 0, self.mtime)).collect()
    }

    fn entry(&self, path: &str, bytes: &[u8]) -> Vec<u8> {
        let mut blocks = header::blocks(path, bytes.len() as u64, self.mtime);
        blocks.extend_from_slice(bytes);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        blocks
    }

    fn long(&self, member: &Member) -> Result<(), ArchiveError> {
        self.send(vec![header::blocks(member.path.as_str(), member.size_bytes, self.mtime)]);
        let each = |chunk: &[u8]| self.send(vec![chunk.to_vec()]);
        let read = walk::stream(self.dir, &member.path, member.size_bytes, each);
        let digest = read.map_err(|refusal| (member.path.clone(), refusal))?;
        let fill = member.size_bytes.next_multiple_of(BLOCK as u64) - member.size_bytes;
        self.send(vec![vec![0; usize::try_from(fill).expect("less than a block")]]);
        sealed(member, &digest)
    }

    fn send(&self, chunks: Vec<Vec<u8>>) {
        // Whoever packs may have stopped; why is its to say.
        let _ = self.send.send(chunks);
    }
}

fn sealed(member: &Member, digest: &Digest) -> Result<(), ArchiveError> {
    if member.sha256.is_none_or(|sha256| sha256 == *digest) {
        return Ok(());
    }
    Err(ArchiveError::Unsound {
        code: "FILE_DIGEST_MISMATCH",
        place: member.path.to_string(),
        message: "not the bytes that were sealed".to_owned(),
    })
}

/// Counts and digests what is written.
struct Measured<W> {
    inner: W,
    size_bytes: u64,
    hasher: sha2::Sha256,
}

impl<W: Write> Measured<W> {
    fn new(inner: W) -> Self {
        Self { inner, size_bytes: 0, hasher: sha2::Digest::new() }
    }

    fn sum(self) -> (u64, Digest) {
        (self.size_bytes, Digest::from_bytes(sha2::Digest::finalize(self.hasher).into()))
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.size_bytes += count as u64;
        sha2::Digest::update(&mut self.hasher, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
