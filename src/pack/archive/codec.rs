//! Compression: one member or frame, nothing after it, and never more than an honest one unfolds to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// `.tar.gz`
    Gzip,
    /// `.tar.zst`
    Zstd,
}

impl Codec {
    /// The one that a file name says, by its ending.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        [(".tar.gz", Self::Gzip), (".tgz", Self::Gzip), (".tar.zst", Self::Zstd)].into_iter().find_map(
            |(ending, codec)| name.strip_suffix(ending).filter(|stem| !stem.is_empty()).map(|_| codec),
        )
    }

    /// The media type (RFC 6713, RFC 8878).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/gzip",
            Self::Zstd => "application/zstd",
        }
    }
}

/// Bytes that are written compressed.
pub(super) enum Encoder<W: Write> {
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(codec: Codec, out: W) -> io::Result<Self> {
        Ok(match codec {
            Codec::Gzip => {
                // 255: of no known operating system.
                let builder = flate2::GzBuilder::new().mtime(0).operating_system(255);
                Self::Gzip(builder.write(out, flate2::Compression::new(6)))
            }
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(out, 3)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Why bytes stop before their end, beyond what decoders say.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The system refused.
    #[error("{0}")]
    Source(io::Error),
    /// Neither gzip nor zstd.
    #[error("neither gzip nor zstd")]
    Unknown,
    /// Bytes after the end.
    #[error("bytes after the end of the compressed data")]
    Trailing,
    /// So much out of so little.
    #[error("{packed} bytes unfold to more than {unpacked}")]
    Bomb { packed: u64, unpacked: u64 },
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}

/// Up to so much nothing is a bomb.
const FREE: u64 = 64 << 20;
/// An archive beyond [`FREE`] is at most so many times as long as its compressed form. Equal receipts by the thousand come to
/// some 1,000 in zstd; gzip has no form for more than 1,032, and there the limit of all bytes together holds.
const RATIO: u64 = 5000;
/// The window that a zstd frame may ask for, as a power of two: 8 MiB, that of `zstd -19`.
const WINDOW_LOG: u32 = 23;

/// Bytes counted as they come, and errors of their source told from those of a decoder.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.count.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Source(error).into()),
            }
        }
    }
}

enum Kind<R: BufRead> {
    Gzip(Box<GzDecoder<R>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
}

/// The bytes that a compressed stream holds. Errors beyond the decoder's are [`Stop`].
pub(in crate::pack) struct Decoder<R: Read> {
    kind: Kind<BufReader<Counted<R>>>,
    packed: Arc<AtomicU64>,
    unpacked: u64,
}

impl<R: Read> Decoder<R> {
    /// Tells the compression from the first bytes.
    pub(in crate::pack) fn new(stream: R) -> io::Result<Self> {
        let packed = Arc::new(AtomicU64::new(0));
        let mut input = BufReader::with_capacity(1 << 17, Counted { inner: stream, count: packed.clone() });
        let kind = match input.fill_buf()? {
            [0x1f, ..] => Kind::Gzip(Box::new(GzDecoder::new(input))),
            [0x28, ..] => {
                let mut decoder = zstd::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(WINDOW_LOG)?;
                Kind::Zstd(Box::new(decoder))
            }
            [] => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => return Err(Stop::Unknown.into()),
        };
        Ok(Self { kind, packed, unpacked: 0 })
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.read(buffer),
            Kind::Zstd(decoder) => decoder.read(buffer),
        }?;
        if count == 0 && !buffer.is_empty() {
            let left = match &mut self.kind {
                Kind::Gzip(decoder) => decoder.get_mut().fill_buf()?,
                Kind::Zstd(decoder) => decoder.get_mut().fill_buf()?,
            };
            return if left.is_empty() { Ok(0) } else { Err(Stop::Trailing.into()) };
        }
        self.unpacked += count as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        if self.unpacked > FREE && self.unpacked / RATIO > packed {
            return Err(Stop::Bomb { packed, unpacked: self.unpacked }.into());
        }
        Ok(count)
    }
}
