//! A stream out of a store, taken up again where it broke off.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::error::StoreError;
use super::settings::Patience;

/// The bytes from some place on, as far as one answer holds them.
pub(super) struct Piece {
    pub(super) bytes: Box<dyn Read + Send>,
    /// The length of all, where the store says it.
    pub(super) size_bytes: Option<u64>,
    /// What tells one state of the object from another, where the store says it.
    pub(super) version: Option<String>,
}

/// Asks for the bytes from a place on; none is at or behind the end.
pub(super) type Fetch = Box<dyn FnMut(u64) -> Result<Piece, StoreError> + Send>;

/// The bytes of an object, in their order. Errors carry a [`StoreError`].
pub struct Reading {
    place: String,
    fetch: Fetch,
    piece: Option<Piece>,
    /// Whether the piece has given anything.
    gave: bool,
    at: u64,
    size_bytes: Option<u64>,
    version: Option<String>,
    patience: Patience,
    /// Breaks since the last byte.
    breaks: u32,
    failure: Failure,
}

/// What ended a reading before its end, for whoever judges what was read: such a stream says nothing of its object.
#[derive(Clone, Default)]
pub struct Failure(Arc<Mutex<Option<StoreError>>>);

impl Failure {
    /// The error, once.
    #[must_use]
    pub fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Reading {
    /// Asks for the beginning; what is not there is said at once.
    pub(super) fn open(place: &str, patience: Patience, mut fetch: Fetch) -> Result<Self, StoreError> {
        let piece = fetch(0)?;
        let (size_bytes, version) = (piece.size_bytes, piece.version.clone());
        Ok(Self {
            place: place.to_owned(),
            fetch,
            piece: Some(piece),
            gave: false,
            at: 0,
            size_bytes,
            version,
            patience,
            breaks: 0,
            failure: Failure::default(),
        })
    }

    /// The length, where the store says it.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// Where an error of this stream can be had as what it is.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn stop(&self, error: StoreError) -> io::Error {
        let told = io::Error::other(error.to_string());
        *self.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        told
    }

    /// The next piece, which must be of the same object.
    fn next(&mut self) -> Result<Piece, StoreError> {
        let piece = (self.fetch)(self.at)?;
        // Of what one answer says and another does not, nothing can be held against the other.
        let versions = piece.version.as_ref().zip(self.version.as_ref());
        let sizes = piece.size_bytes.zip(self.size_bytes);
        if versions.is_some_and(|(one, other)| one != other) || sizes.is_some_and(|(one, other)| one != other)
        {
            return Err(StoreError::Changed { place: self.place.clone() });
        }
        Ok(piece)
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || self.size_bytes == Some(self.at) {
                return Ok(0);
            }
            let mut piece = if let Some(piece) = self.piece.take() {
                piece
            } else {
                self.gave = false;
                self.next().map_err(|error| self.stop(error))?
            };
            let reason = match piece.bytes.read(buffer) {
                // A piece that ends is followed by the next, unless nobody says how long all is.
                Ok(0) if self.size_bytes.is_none() => return Ok(0),
                Ok(0) if self.gave => continue,
                Ok(0) => "the answer ended early".to_owned(),
                Ok(count) => {
                    self.at += count as u64;
                    (self.gave, self.breaks) = (true, 0);
                    if self.size_bytes.is_some_and(|size| self.at > size) {
                        let place = self.place.clone();
                        return Err(self.stop(StoreError::Changed { place }));
                    }
                    self.piece = Some(piece);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.piece = Some(piece);
                    continue;
                }
                Err(error) => format!("the answer broke off: {error}"),
            };
            self.breaks += 1;
            if self.breaks >= self.patience.tries {
                let (place, tries) = (self.place.clone(), self.breaks);
                return Err(self.stop(StoreError::Unreachable { place, reason, tries }));
            }
            thread::sleep(self.patience.after(self.breaks, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TEXT: &[u8] = b"what streams by is taken up again where it broke off";

    fn patience() -> Patience {
        Patience { tries: 3, pause: Duration::ZERO, ..Patience::default() }
    }

    fn reading(length: usize, version: impl Fn(u64) -> &'static str + Send + 'static) -> Reading {
        let fetch = move |at: u64| {
            let from = usize::try_from(at).unwrap();
            let piece = &TEXT[from..TEXT.len().min(from + length)];
            Ok(Piece {
                bytes: Box::new(piece),
                size_bytes: Some(TEXT.len() as u64),
                version: Some(version(at).to_owned()),
            })
        };
        Reading::open("s3://b/x", patience(), Box::new(fetch)).unwrap()
    }

    #[test]
    fn pieces_of_any_length_make_the_whole() {
        for length in 1..=TEXT.len() {
            let mut bytes = Vec::new();
            reading(length, |_| "1").read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, TEXT);
        }
    }

    #[test]
    fn an_object_that_changes_or_never_comes_is_an_error_and_not_a_short_read() {
        let mut changing = reading(10, |at| if at < 20 { "1" } else { "2" });
        let failure = changing.failure();
        assert!(changing.read_to_end(&mut Vec::new()).is_err());
        assert!(matches!(failure.take(), Some(StoreError::Changed { .. })));
        let mut silent = reading(0, |_| "1");
        let failure = silent.failure();
        assert!(silent.read_to_end(&mut Vec::new()).is_err());
        assert!(matches!(failure.take(), Some(StoreError::Unreachable { tries: 3, .. })));
    }
}
