//! The header of an entry: POSIX.1-1988 ustar, 512 bytes, and the one pax record that a longer path needs.

/// Bytes of a header; contents are filled up to a multiple of it.
pub(super) const BLOCK: usize = 512;
/// The longest file whose size a header holds.
pub(super) const MAX_SIZE_BYTES: u64 = (1 << 33) - 1;

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const DEVICE: [std::ops::Range<usize>; 2] = [329..337, 337..345];
const PREFIX: std::ops::Range<usize> = 345..500;
const PAD: std::ops::Range<usize> = 500..512;

/// A path that goes before the next header, where no header holds it.
pub(super) const EXTENDED: u8 = b'x';
pub(super) const FILE: u8 = b'0';
pub(super) const DIRECTORY: u8 = b'5';
/// A file with holes, in GNU's own format.
pub(super) const SPARSE: u8 = b'S';

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    pub(super) mode: u64,
    pub(super) size_bytes: u64,
    /// Whether it names another entry.
    pub(super) links: bool,
}

/// The blocks that announce a file, or a directory (whose path ends with `/`).
pub(super) fn blocks(path: &str, size_bytes: u64, mtime: u64) -> Vec<u8> {
    let kind = if path.ends_with('/') { DIRECTORY } else { FILE };
    if let Some((prefix, name)) = split(path) {
        return block(kind, prefix, name, size_bytes, mtime).to_vec();
    }
    let record = record(path);
    let mut blocks = block(EXTENDED, "", "pax_header", record.len() as u64, mtime).to_vec();
    blocks.extend_from_slice(record.as_bytes());
    blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    // What a reader that knows no pax would call it.
    let end = (0..=100).rev().find(|end| path.is_char_boundary(*end)).unwrap_or(0);
    blocks.extend(block(kind, "", path[..end].trim_end_matches('/'), size_bytes, mtime));
    blocks
}

/// Prefix and name, where the two fields hold the path.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME.len() {
        return Some(("", path));
    }
    let slashes = path.match_indices('/').map(|(place, _)| (&path[..place], &path[place + 1..]));
    slashes.into_iter().find(|(prefix, name)| {
        !name.is_empty() && name.len() <= NAME.len() && (1..=PREFIX.len()).contains(&prefix.len())
    })
}

/// A pax record: its own length in decimal, a space, `path=`, the path, a line feed.
fn record(path: &str) -> String {
    let rest = format!(" path={path}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn block(kind: u8, prefix: &str, name: &str, size_bytes: u64, mtime: u64) -> [u8; BLOCK] {
    let mut block = [0_u8; BLOCK];
    block[NAME][..name.len()].copy_from_slice(name.as_bytes());
    block[PREFIX][..prefix.len()].copy_from_slice(prefix.as_bytes());
    let mut number = |place: std::ops::Range<usize>, value: u64| {
        let digits = place.len() - 1;
        block[place.start..place.end - 1].copy_from_slice(format!("{value:0digits$o}").as_bytes());
    };
    number(MODE, if kind == DIRECTORY { 0o755 } else { 0o644 });
    number(UID, 0);
    number(GID, 0);
    number(SIZE, size_bytes);
    number(MTIME, mtime.min(MAX_SIZE_BYTES));
    for device in DEVICE {
        number(device, 0);
    }
    block[KIND] = kind;
    block[MAGIC].copy_from_slice(b"ustar\x0000");
    let checksum = format!("{:06o}\0 ", sum(&block));
    block[CHECKSUM].copy_from_slice(checksum.as_bytes());
    block
}

/// The sum of the bytes, those of the checksum itself taken as spaces.
fn sum(block: &[u8; BLOCK]) -> u64 {
    let byte = |(place, byte): (usize, &u8)| if CHECKSUM.contains(&place) { b' ' } else { *byte };
    block.iter().enumerate().map(|place| u64::from(byte(place))).sum()
}

/// Reads a header. None for a block of zeros.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Header>, &'static str> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if octal(&block[CHECKSUM]) != Some(sum(block)) {
        return Err("a header whose sum is not the one it states");
    }
    let gnu = &block[MAGIC] == b"ustar  \0";
    match &block[MAGIC] {
        b"ustar\x0000" => {}
        // GNU's own: the same, as long as what it keeps in the place of the prefix is empty. Holes are kept there.
        b"ustar  \0" if block[KIND] == SPARSE || block[PREFIX].iter().all(|byte| *byte == 0) => {}
        b"ustar  \0" => {
            return Err("a header of GNU's own format, with fields that POSIX ustar does not have");
        }
        _ => return Err("a header that is not of POSIX ustar"),
    }
    let number = |place: std::ops::Range<usize>| octal(&block[place]).ok_or("a number that is not octal");
    for place in [UID, GID, MTIME] {
        number(place)?;
    }
    for device in DEVICE {
        if block[device.clone()].iter().any(|byte| *byte != 0) {
            number(device)?;
        }
    }
    if block[PAD].iter().any(|byte| *byte != 0) {
        return Err("bytes behind the last field of a header");
    }
    let name = text(&block[NAME])?;
    let prefix = if gnu { b"" } else { text(&block[PREFIX])? };
    let path = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
    Ok(Some(Header {
        kind: block[KIND],
        path,
        mode: number(MODE)?,
        size_bytes: number(SIZE)?,
        links: !text(&block[LINK])?.is_empty(),
    }))
}

/// The path of a pax record, when it is the only one.
pub(super) fn extended(record: &[u8]) -> Option<Vec<u8>> {
    let space = record.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&record[..space]).ok()?.parse().ok()?;
    let path = record[space + 1..].strip_prefix(b"path=")?.strip_suffix(b"\n")?;
    let sound = length == record.len() && length.to_string().len() == space;
    (sound && !path.is_empty() && !path.contains(&0) && !path.contains(&b'\n')).then(|| path.to_vec())
}

/// A text that ends with its field or with zeros.
fn text(field: &[u8]) -> Result<&[u8], &'static str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    if rest.iter().all(|byte| *byte == 0) { Ok(text) } else { Err("bytes behind the end of a name") }
}

/// Octal digits, then zeros or spaces.
fn octal(field: &[u8]) -> Option<u64> {
    let end = field.iter().position(|byte| !matches!(byte, b'0'..=b'7'))?;
    let (digits, rest) = field.split_at(end);
    let sound = !digits.is_empty() && rest.iter().all(|byte| matches!(byte, 0 | b' '));
    sound.then(|| digits.iter().fold(0, |value, digit| value << 3 | u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Header {
        parse(bytes.try_into().unwrap()).unwrap().unwrap()
    }

    #[test]
    fn a_header_says_what_was_written() {
        let long = format!("{}/{}", "p".repeat(155), "n".repeat(100));
        for path in ["manifest.json", "receipts/é b.jsonl", "receipts/", &long] {
            let header = read(&blocks(path, 42, 1_750_000_000));
            assert_eq!((header.path.as_slice(), header.size_bytes), (path.as_bytes(), 42));
            assert_eq!(header.mode, if path.ends_with('/') { 0o755 } else { 0o644 });
        }
    }

    #[test]
    fn a_path_that_no_header_holds_is_a_record_before_one() {
        for length in [101, 255, 993, 994, 995, 1000] {
            let path = "n".repeat(length);
            let blocks = blocks(&path, 7, 0);
            let first = read(&blocks[..BLOCK]);
            assert_eq!(first.kind, EXTENDED);
            let size = usize::try_from(first.size_bytes).unwrap();
            assert_eq!(extended(&blocks[BLOCK..BLOCK + size]), Some(path.into_bytes()));
            assert_eq!(read(&blocks[blocks.len() - BLOCK..]).size_bytes, 7);
        }
    }

    #[test]
    fn no_record_but_one_path_is_taken() {
        for (record, taken) in [
            (&b"9 path=a\n"[..], true),
            (b"8 path=a\n", false),
            (b"9 path=a\n9 path=b\n", false),
            (b"11 path=ab\n", true),
            (b"011 path=ab\n", false),
            (b"+11 path=ab\n", false),
            (b"12 size=123\n", false),
            (b"11 path=a\0\n", false),
            (b"", false),
        ] {
            assert_eq!(extended(record).is_some(), taken, "{record:?}");
        }
    }

    #[test]
    fn a_changed_header_is_refused() {
        let sound: [u8; BLOCK] = blocks("a", 1, 0).try_into().unwrap();
        for place in 0..BLOCK {
            let mut block = sound;
            block[place] ^= 0x81;
            assert!(parse(&block).is_err(), "byte {place}");
        }
        assert_eq!(parse(&[0; BLOCK]), Ok(None));
    }
}
